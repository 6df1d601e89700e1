// Position and shape of a line, for limbs and the pieces of trails.

// Returns a corner of the rectangle around a line with round caps and an antialiased edge.
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

// Returns the opacity of an unfaded line of `width`. Below a width of one pixel, opacity is reduced
// instead of the width.
fn stroke(p: vec2f, a: vec2f, b: vec2f, width: f32) -> f32 {
    let d = segment(p, a, b) - max(width, 1.0) / 2.0;
    return coverage(d) * min(width, 1.0);
}
