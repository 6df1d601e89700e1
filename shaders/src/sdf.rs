//! Signed distances in pixels to the shapes of an overlay, negative inside.
//!
//! The coverage of a pixel is `0.5 - distance` clamped to [0, 1]: an edge one pixel wide.

/// A point as `[x, y]`, in pixels.
pub type Vec2 = [f64; 2];

/// Returns the position on the segment from `a` to `b` nearest to `p`, as a fraction in [0, 1].
pub fn along(p: Vec2, a: Vec2, b: Vec2) -> f64 {
    let (px, py) = (p[0] - a[0], p[1] - a[1]);
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let squared = dx * dx + dy * dy;
    if squared > 0.0 {
        ((px * dx + py * dy) / squared).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// Returns the distance to the segment from `a` to `b`, never negative. A segment of zero length is
/// a point.
pub fn segment(p: Vec2, a: Vec2, b: Vec2) -> f64 {
    let (px, py) = (p[0] - a[0], p[1] - a[1]);
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let t = along(p, a, b);
    let (x, y) = (px - t * dx, py - t * dy);
    (x * x + y * y).sqrt()
}

/// Returns the distance to the edge of a disc.
pub fn disc(p: Vec2, center: Vec2, radius: f64) -> f64 {
    segment(p, center, center) - radius
}

/// Returns the distance to the edge of a ring: a line of `width` along the circle of `radius`.
pub fn ring(p: Vec2, center: Vec2, radius: f64, width: f64) -> f64 {
    disc(p, center, radius).abs() - width / 2.0
}

/// Returns the distance to the edge of an axis-aligned rectangle with half sides `half` and rounded
/// corners.
pub fn rect(p: Vec2, center: Vec2, half: Vec2, corner: f64) -> f64 {
    let x = (p[0] - center[0]).abs() - half[0] + corner;
    let y = (p[1] - center[1]).abs() - half[1] + corner;
    let outside = (x.max(0.0).powi(2) + y.max(0.0).powi(2)).sqrt();
    outside + x.max(y).min(0.0) - corner
}

/// Returns the distance to the edge of a line of `width` along a rectangle's outline.
pub fn outline(p: Vec2, center: Vec2, half: Vec2, corner: f64, width: f64) -> f64 {
    rect(p, center, half, corner).abs() - width / 2.0
}

/// Returns the covered fraction of a pixel at distance `d`, [0, 1].
pub fn coverage(d: f64) -> f64 {
    (0.5 - d).clamp(0.0, 1.0)
}
