// Shared by all primitives: the screen, pixel coverage, and colour output.
//
// Positions are screen pixels with centres at integers, as on the canvas.

struct Screen {
    // Width and height in pixels.
    size: vec2f,
    // Padding: uniform buffers have a granularity of 16 bytes.
    unused: vec2f,
}

@group(0) @binding(0) var<uniform> screen: Screen;

// Whether the target converts from linear light to sRGB itself.
override is_linear_target: bool = false;

fn clip_from_screen(p: vec2f) -> vec4f {
    let at = (p + 0.5) / screen.size;
    return vec4f(2.0 * at.x - 1.0, 1.0 - 2.0 * at.y, 0.0, 1.0);
}

// Returns a corner of [-1, 1] x [-1, 1] for a strip of two triangles.
fn corner(index: u32) -> vec2f {
    return 2.0 * vec2f(f32(index & 1u), f32(index >> 1u)) - 1.0;
}

// Returns the covered fraction of a pixel at distance `d`.
fn coverage(d: f32) -> f32 {
    return clamp(0.5 - d, 0.0, 1.0);
}

// Returns the premultiplied colour in the target's colour space.
fn painted(color: vec3f, alpha: f32) -> vec4f {
    var c = color;
    if is_linear_target {
        let low = c / 12.92;
        let high = pow((c + 0.055) / 1.055, vec3f(2.4));
        c = select(high, low, c < vec3f(0.04045));
    }
    return vec4f(c * alpha, alpha);
}
