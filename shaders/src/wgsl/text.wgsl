// One label: the distance to its pen strokes, filled, with a dark outline. The twin of text.rs.

struct Text {
    @location(0) color: vec4f,
    // Colour and opacity of the outline.
    @location(1) ink: vec4f,
    // Bounding rectangle.
    @location(2) min: vec2f,
    @location(3) max: vec2f,
    // Index of the first stroke, and number of strokes.
    @location(4) strokes: vec2u,
    // Half the pen's width, and the outline's width.
    @location(5) pen: vec2f,
}

struct Fragment {
    @builtin(position) clip: vec4f,
    @location(0) p: vec2f,
    @location(1) @interpolate(flat) color: vec4f,
    @location(2) @interpolate(flat) ink: vec4f,
    @location(3) @interpolate(flat) strokes: vec2u,
    @location(4) @interpolate(flat) pen: vec2f,
}

// Ends of every stroke, two points per texel, in row-major order.
@group(1) @binding(0) var strokes: texture_2d<f32>;

@vertex
fn vertex(@builtin(vertex_index) index: u32, text: Text) -> Fragment {
    let p = mix(text.min - 0.5, text.max + 0.5, corner(index) * 0.5 + 0.5);
    return Fragment(clip_from_screen(p), p, text.color, text.ink, text.strokes, text.pen);
}

@fragment
fn fragment(in: Fragment) -> @location(0) vec4f {
    let row = textureDimensions(strokes).x;
    var nearest = 1e9;
    for (var i = in.strokes.x; i < in.strokes.x + in.strokes.y; i++) {
        let ends = textureLoad(strokes, vec2u(i % row, i / row), 0);
        nearest = min(nearest, segment(in.p, ends.xy, ends.zw));
    }
    let d = nearest - in.pen.x;
    let under = painted(in.ink.rgb, in.ink.a * coverage(d - in.pen.y));
    let over = painted(in.color.rgb, in.color.a * coverage(d));
    return over + under * (1.0 - over.a);
}
