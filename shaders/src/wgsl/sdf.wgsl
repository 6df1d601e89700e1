// Signed distances in pixels, negative inside: the twins of sdf.rs.

// Returns the position on the segment from `a` to `b` nearest to `p`, as a fraction from 0 to 1.
fn along(p: vec2f, a: vec2f, b: vec2f) -> f32 {
    let d = b - a;
    let squared = dot(d, d);
    if squared > 0.0 {
        return clamp(dot(p - a, d) / squared, 0.0, 1.0);
    }
    return 0.0;
}

fn segment(p: vec2f, a: vec2f, b: vec2f) -> f32 {
    return length(p - a - along(p, a, b) * (b - a));
}

fn disc(p: vec2f, center: vec2f, radius: f32) -> f32 {
    return length(p - center) - radius;
}

fn rect(p: vec2f, center: vec2f, half: vec2f, corner: f32) -> f32 {
    let q = abs(p - center) - half + corner;
    return length(max(q, vec2f(0.0))) + min(max(q.x, q.y), 0.0) - corner;
}

// Returns the distance to the shape itself, or to a line of `stroke` along its edge.
fn stroked(d: f32, stroke: f32) -> f32 {
    return select(d, abs(d) - stroke / 2.0, stroke > 0.0);
}
