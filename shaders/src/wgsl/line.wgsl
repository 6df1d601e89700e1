// A bone: a line with round ends. The twin of Canvas::line.

struct Line {
    @location(0) color: vec4f,
    @location(1) a: vec2f,
    @location(2) b: vec2f,
    // Below one pixel a line grows fainter, not thinner.
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
    let d = line.b - line.a;
    let long = length(d);
    var along = vec2f(1.0, 0.0);
    if long > 0.0 {
        along = d / long;
    }
    let across = vec2f(-along.y, along.x);
    let side = corner(index);
    let reach = max(line.width, 1.0) / 2.0 + 1.0;
    let end = select(line.a, line.b, side.x > 0.0);
    let p = end + reach * (side.x * along + side.y * across);
    return Fragment(clip_from_screen(p), p, line.color, vec4f(line.a, line.b), line.width);
}

@fragment
fn fragment(in: Fragment) -> @location(0) vec4f {
    let d = segment(in.p, in.ends.xy, in.ends.zw) - max(in.width, 1.0) / 2.0;
    return painted(in.color.rgb, in.color.a * min(in.width, 1.0) * coverage(d));
}
