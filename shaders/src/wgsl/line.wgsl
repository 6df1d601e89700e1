// A limb: a line with round caps. The twin of Canvas::line.

struct Line {
    @location(0) color: vec4f,
    @location(1) a: vec2f,
    @location(2) b: vec2f,
    @location(3) width: f32,
}

struct Fragment {
    @builtin(position) clip: vec4f,
    @location(0) p: vec2f,
    @location(1) @interpolate(flat) color: vec4f,
    @location(2) @interpolate(flat) ends: vec4f,
    @location(3) @interpolate(flat) width: f32,
}

@vertex
fn vertex(@builtin(vertex_index) index: u32, line: Line) -> Fragment {
    let p = around(index, line.a, line.b, line.width);
    return Fragment(clip_from_screen(p), p, line.color, vec4f(line.a, line.b), line.width);
}

@fragment
fn fragment(in: Fragment) -> @location(0) vec4f {
    let alpha = stroke(in.p, in.ends.xy, in.ends.zw, in.width);
    return painted(in.color.rgb, in.color.a * alpha);
}
