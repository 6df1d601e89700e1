// A float map in false colours: heatmaps and attention maps. The twin of heat.rs.

struct Heat {
    // map = (dot(u.xyz, screen), dot(v.xyz, screen)) of the visible part; w: its size.
    @location(0) u: vec4f,
    @location(1) v: vec4f,
    // Opacity.
    @location(2) alpha: f32,
    // Strength below which nothing is drawn.
    @location(3) threshold: f32,
    // Row of the colour table.
    @location(4) colors: u32,
    // 1: strength is the distance from the centre, 0: the fraction of the range.
    @location(5) diverging: u32,
    // 0: even, 1: transparent at low values, 2: transparent at the centre.
    @location(6) fade: u32,
    // 1: nearest neighbour, 0: bilinear.
    @location(7) nearest: u32,
}

struct Fragment {
    @builtin(position) clip: vec4f,
    @location(0) p: vec2f,
    @location(1) @interpolate(flat) u: vec4f,
    @location(2) @interpolate(flat) v: vec4f,
    @location(3) @interpolate(flat) strength: vec2f,
    @location(4) @interpolate(flat) how: vec4u,
}

// Values as fractions of the range, [0, 1].
@group(1) @binding(0) var shares: texture_2d<f32>;
// One colour map per row.
@group(1) @binding(1) var tables: texture_2d<f32>;

@vertex
fn vertex(@builtin(vertex_index) index: u32, heat: Heat) -> Fragment {
    let p = (corner(index) * 0.5 + 0.5) * screen.size - 0.5;
    let strength = vec2f(heat.alpha, heat.threshold);
    let how = vec4u(heat.colors, heat.diverging, heat.fade, heat.nearest);
    return Fragment(clip_from_screen(p), p, heat.u, heat.v, strength, how);
}

fn share(at: vec2f, size: vec2f) -> f32 {
    return textureLoad(shares, vec2i(clamp(at, vec2f(0.0), size - 1.0)), 0).r;
}

fn bilinear(q: vec2f, size: vec2f) -> f32 {
    let at = floor(q);
    let f = q - at;
    let top = mix(share(at, size), share(at + vec2f(1.0, 0.0), size), f.x);
    let bottom = mix(share(at + vec2f(0.0, 1.0), size), share(at + vec2f(1.0, 1.0), size), f.x);
    return mix(top, bottom, f.y);
}

@fragment
fn fragment(in: Fragment) -> @location(0) vec4f {
    let p = vec3f(in.p, 1.0);
    let q = vec2f(dot(in.u.xyz, p), dot(in.v.xyz, p));
    let size = vec2f(in.u.w, in.v.w);
    if any(q < vec2f(-0.5)) || any(q >= size - 0.5) {
        return vec4f(0.0);
    }
    var t = bilinear(q, size);
    if in.how.w == 1u {
        t = share(floor(q + 0.5), size);
    }
    let entry = floor(t * 255.0 + 0.5);
    let level = entry / 255.0;
    let from_middle = abs(2.0 * level - 1.0);
    if select(level, from_middle, in.how.y == 1u) < in.strength.y {
        return vec4f(0.0);
    }
    var fade = 1.0;
    if in.how.z == 1u {
        fade = min(2.5 * level, 1.0);
    } else if in.how.z == 2u {
        fade = from_middle;
    }
    let color = textureLoad(tables, vec2i(i32(entry), i32(in.how.x)), 0).rgb;
    return painted(color, in.strength.x * fade);
}
