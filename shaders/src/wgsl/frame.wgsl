// The RGBA image of a source, at the position given by the view.

struct Frame {
    // image = screen * scale + shift, per axis; the x scale is negative when mirrored.
    @location(0) scale: vec2f,
    @location(1) shift: vec2f,
    // Width and height of the image in pixels.
    @location(2) size: vec2f,
    // 1: nearest neighbour, 0: bilinear.
    @location(3) nearest: u32,
}

struct Fragment {
    @builtin(position) clip: vec4f,
    @location(0) p: vec2f,
    @location(1) @interpolate(flat) map: vec4f,
    @location(2) @interpolate(flat) size: vec2f,
    @location(3) @interpolate(flat) nearest: u32,
}

@group(1) @binding(0) var picture: texture_2d<f32>;
@group(1) @binding(1) var smoothly: sampler;

@vertex
fn vertex(@builtin(vertex_index) index: u32, frame: Frame) -> Fragment {
    // Two pixels beyond the image: the fragment shader determines where it ends.
    let image = (corner(index) * 0.5 + 0.5) * frame.size - 0.5;
    let grown = image + corner(index) * 2.0 * abs(frame.scale);
    let p = (grown - frame.shift) / frame.scale;
    return Fragment(clip_from_screen(p), p, vec4f(frame.scale, frame.shift), frame.size, frame.nearest);
}

@fragment
fn fragment(in: Fragment) -> @location(0) vec4f {
    let q = in.p * in.map.xy + in.map.zw;
    if any(q < vec2f(-0.5)) || any(q >= in.size - 0.5) {
        return vec4f(0.0);
    }
    var color = textureSampleLevel(picture, smoothly, (q + 0.5) / in.size, 0.0);
    if in.nearest == 1u {
        color = textureLoad(picture, vec2i(floor(q + 0.5)), 0);
    }
    return painted(color.rgb, 1.0);
}
