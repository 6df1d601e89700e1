// A line's place and shape: for bones and the pieces of trails.

// A corner of the rectangle around a line with round ends and a pixel of softness.
fn around(index: u32, a: vec2f, b: vec2f, width: f32) -> vec2f {
    let d = b - a;
    let long = length(d);
    var along = vec2f(1.0, 0.0);
    if long > 0.0 {
        along = d / long;
    }
    let across = vec2f(-along.y, along.x);
    let side = corner(index);
    let reach = max(width, 1.0) / 2.0 + 1.0;
    return select(a, b, side.x > 0.0) + reach * (side.x * along + side.y * across);
}

// Opacity of a line of `width` where it is not faded. Below one pixel a line grows fainter, not
// thinner.
fn stroke(p: vec2f, a: vec2f, b: vec2f, width: f32) -> f32 {
    let d = segment(p, a, b) - max(width, 1.0) / 2.0;
    return coverage(d) * min(width, 1.0);
}
