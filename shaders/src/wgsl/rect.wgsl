// A box: an axis-aligned rectangle, filled or as an outline. The twin of Canvas::rect and
// Canvas::outline.

struct Rect {
    @location(0) color: vec4f,
    @location(1) center: vec2f,
    // Half the width and height.
    @location(2) half: vec2f,
    // Corner radius.
    @location(3) corner: f32,
    // Line width of an outline; 0 fills the box.
    @location(4) stroke: f32,
}

struct Fragment {
    @builtin(position) clip: vec4f,
    @location(0) p: vec2f,
    @location(1) @interpolate(flat) color: vec4f,
    @location(2) @interpolate(flat) shape: vec4f,
    @location(3) @interpolate(flat) edge: vec2f,
}

@vertex
fn vertex(@builtin(vertex_index) index: u32, rect: Rect) -> Fragment {
    let p = rect.center + (rect.half + rect.stroke / 2.0 + 1.0) * corner(index);
    let edge = vec2f(rect.corner, rect.stroke);
    return Fragment(clip_from_screen(p), p, rect.color, vec4f(rect.center, rect.half), edge);
}

@fragment
fn fragment(in: Fragment) -> @location(0) vec4f {
    let d = stroked(rect(in.p, in.shape.xy, in.shape.zw, in.edge.x), in.edge.y);
    return painted(in.color.rgb, in.color.a * coverage(d));
}
