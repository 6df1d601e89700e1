// Signed distances in pixels, negative inside: the twins of sdf.rs.

fn segment(p: vec2f, a: vec2f, b: vec2f) -> f32 {
    let d = b - a;
    let squared = dot(d, d);
    var t = 0.0;
    if squared > 0.0 {
        t = clamp(dot(p - a, d) / squared, 0.0, 1.0);
    }
    return length(p - a - t * d);
}

fn disc(p: vec2f, center: vec2f, radius: f32) -> f32 {
    return length(p - center) - radius;
}

fn rect(p: vec2f, center: vec2f, half: vec2f, corner: f32) -> f32 {
    let q = abs(p - center) - half + corner;
    return length(max(q, vec2f(0.0))) + min(max(q.x, q.y), 0.0) - corner;
}

// The shape itself, or a line of `stroke` along its edge.
fn stroked(d: f32, stroke: f32) -> f32 {
    return select(d, abs(d) - stroke / 2.0, stroke > 0.0);
}
