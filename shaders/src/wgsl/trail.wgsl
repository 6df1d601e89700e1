// One piece of a fading trail. The twin of trail.rs.

struct Trail {
    @location(0) color: vec4f,
    @location(1) a: vec2f,
    @location(2) b: vec2f,
    // Normals of the lines on which this piece meets its neighbours; 0 at the trail's ends.
    @location(3) cut_a: vec2f,
    @location(4) cut_b: vec2f,
    // Opacity at both ends.
    @location(5) alpha: vec2f,
    @location(6) width: f32,
}

struct Fragment {
    @builtin(position) clip: vec4f,
    @location(0) p: vec2f,
    @location(1) @interpolate(flat) color: vec4f,
    @location(2) @interpolate(flat) ends: vec4f,
    @location(3) @interpolate(flat) cuts: vec4f,
    @location(4) @interpolate(flat) alpha: vec2f,
    @location(5) @interpolate(flat) width: f32,
}

@vertex
fn vertex(@builtin(vertex_index) index: u32, trail: Trail) -> Fragment {
    let p = around(index, trail.a, trail.b, trail.width);
    let ends = vec4f(trail.a, trail.b);
    let cuts = vec4f(trail.cut_a, trail.cut_b);
    return Fragment(clip_from_screen(p), p, trail.color, ends, cuts, trail.alpha, trail.width);
}

@fragment
fn fragment(in: Fragment) -> @location(0) vec4f {
    let a = in.ends.xy;
    let b = in.ends.zw;
    // The boundary line belongs to the newer piece.
    let is_behind = any(in.cuts.zw != vec2f(0.0)) && dot(in.p - b, in.cuts.zw) >= 0.0;
    if dot(in.p - a, in.cuts.xy) < 0.0 || is_behind {
        return vec4f(0.0);
    }
    let faded = mix(in.alpha.x, in.alpha.y, along(in.p, a, b));
    return painted(in.color.rgb, in.color.a * faded * stroke(in.p, a, b, in.width));
}
