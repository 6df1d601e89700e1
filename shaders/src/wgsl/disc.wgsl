// A joint: a disc or a ring. The twin of Canvas::disc and Canvas::ring.

struct Disc {
    @location(0) color: vec4f,
    @location(1) center: vec2f,
    @location(2) radius: f32,
    // Line width of a ring; 0 fills the disc.
    @location(3) stroke: f32,
}

struct Fragment {
    @builtin(position) clip: vec4f,
    @location(0) p: vec2f,
    @location(1) @interpolate(flat) color: vec4f,
    @location(2) @interpolate(flat) shape: vec4f,
}

@vertex
fn vertex(@builtin(vertex_index) index: u32, disc: Disc) -> Fragment {
    let reach = disc.radius + disc.stroke / 2.0 + 1.0;
    let p = disc.center + reach * corner(index);
    let shape = vec4f(disc.center, disc.radius, disc.stroke);
    return Fragment(clip_from_screen(p), p, disc.color, shape);
}

@fragment
fn fragment(in: Fragment) -> @location(0) vec4f {
    let d = stroked(disc(in.p, in.shape.xy, in.shape.z), in.shape.w);
    return painted(in.color.rgb, in.color.a * coverage(d));
}
