//! The path of a joint: a line that fades towards its older end.
//!
//! A trail is drawn piece by piece. Neighbouring pieces meet on the line that bisects their angle,
//! and no piece is shorter than the trail is wide, so that no pixel is drawn twice where the trail
//! bends, and a translucent trail has no dark spots.

use crate::canvas::{Canvas, Paint, opacity};
use crate::sdf::{self, Vec2};

/// Points further out than this, in pixels, interrupt a trail: no image is as large.
const FAR: f32 = 1e6;

/// Past positions of a joint.
#[derive(Debug, Clone, PartialEq)]
pub struct Trail {
    /// Positions, oldest first. A position that is not finite interrupts the trail.
    pub points: Vec<[f32; 2]>,
    /// Width in pixels; below one pixel, opacity is reduced instead of the width.
    pub width: f32,
    /// Colour, and opacity at the newest position; the opacity falls to 0 at the oldest.
    pub paint: Paint,
}

/// A straight piece of a trail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// The older end.
    pub a: [f32; 2],
    /// The newer end.
    pub b: [f32; 2],
    /// Normal of the line on which it meets the previous piece; 0 if there is none.
    pub cut_a: [f32; 2],
    /// Normal of the line on which it meets the next piece; 0 if there is none.
    pub cut_b: [f32; 2],
    /// Fractions of the trail's opacity at both ends.
    pub alpha: [f32; 2],
}

impl Trail {
    /// Returns the straight pieces, oldest first.
    pub fn pieces(&self) -> Vec<Piece> {
        let is_far = |p: &[f32; 2]| !p.iter().all(|v| v.abs() < FAR);
        let mut pieces = Vec::with_capacity(self.points.len());
        let mut first = 0;
        for part in self.points.split(is_far) {
            self.join(first, part, &mut pieces);
            first += part.len() + 1;
        }
        pieces
    }

    /// Adds the pieces of an uninterrupted part that starts at point number `first`.
    fn join(&self, first: usize, part: &[[f32; 2]], pieces: &mut Vec<Piece>) {
        let mut kept: Vec<(usize, [f32; 2])> = Vec::with_capacity(part.len());
        for (i, p) in part.iter().enumerate() {
            let is_near = |(_, q): &(usize, [f32; 2])| distance(*p, *q) < self.width.max(1.0);
            let is_newest = i + 1 == part.len();
            if kept.last().is_none_or(|last| !is_near(last)) {
                kept.push((first + i, *p));
            } else if is_newest && kept.len() > 1 {
                // The trail must end at the joint.
                kept.pop();
                kept.push((first + i, *p));
            }
        }
        let last = self.points.len().saturating_sub(1).max(1) as f32;
        let start = pieces.len();
        for pair in kept.windows(2) {
            let [(i, a), (j, b)] = [pair[0], pair[1]];
            let mut piece = Piece {
                a,
                b,
                cut_a: [0.0; 2],
                cut_b: [0.0; 2],
                alpha: [i, j].map(|i| i as f32 / last),
            };
            if let Some(before) = pieces[start..].last_mut() {
                let (u, v) = (direction(before.a, a), direction(a, b));
                before.cut_b = [u[0] + v[0], u[1] + v[1]];
                piece.cut_a = before.cut_b;
            }
            pieces.push(piece);
        }
    }
}

fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (b[0] - a[0]).hypot(b[1] - a[1])
}

fn direction(a: [f32; 2], b: [f32; 2]) -> [f32; 2] {
    let length = distance(a, b);
    [(b[0] - a[0]) / length, (b[1] - a[1]) / length]
}

impl Canvas<'_> {
    /// Draws a trail.
    pub fn trail(&mut self, trail: &Trail) {
        let width = trail.width;
        if !width.is_finite() || width <= 0.0 {
            return;
        }
        let radius = f64::from(width.max(1.0)) / 2.0;
        let reach = radius + 0.5;
        let strength = f64::from(opacity(trail.paint.alpha) * width.min(1.0));
        for piece in trail.pieces() {
            let (a, b) = (piece.a.map(f64::from), piece.b.map(f64::from));
            let (cut_a, cut_b) = (piece.cut_a.map(f64::from), piece.cut_b.map(f64::from));
            let [from, to] = piece.alpha.map(f64::from);
            let side = |p: Vec2, at: Vec2, n: Vec2| (p[0] - at[0]) * n[0] + (p[1] - at[1]) * n[1];
            self.shade_line(a, b, reach, trail.paint.rgb, |p| {
                // The boundary line belongs to the newer piece.
                let is_behind = cut_b != [0.0; 2] && side(p, b, cut_b) >= 0.0;
                if side(p, a, cut_a) < 0.0 || is_behind {
                    return 0.0;
                }
                let t = sdf::along(p, a, b);
                let inside = sdf::coverage(sdf::segment(p, a, b) - radius);
                inside * strength * (from + t * (to - from))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: usize = 60;

    fn drawn(points: &[[f32; 2]], width: f32) -> Vec<u8> {
        let mut rgba = vec![0; W * W * 4];
        let trail = Trail {
            points: points.to_vec(),
            width,
            paint: Paint::new([255; 3], 0.5),
        };
        Canvas::new(&mut rgba, W, W).trail(&trail);
        rgba.chunks_exact(4).map(|p| p[0]).collect()
    }

    /// Fails when a trail is darker where its pieces meet, or exceeds its opacity anywhere.
    #[test]
    fn no_pixel_is_drawn_twice() {
        let points = [
            [5.0, 50.0],
            [30.0, 10.0],
            [32.0, 12.0],
            [50.0, 40.0],
            [20.0, 52.0],
        ];
        let pixels = drawn(&points, 7.0);
        assert!(pixels.iter().all(|p| *p <= 128));
        let on = |p: [f32; 2]| pixels[p[1] as usize * W + p[0] as usize];
        // The third point is closer to the second than the trail is wide, so it is skipped.
        for i in [1, 3, 4] {
            let (got, want) = (f32::from(on(points[i])), 127.5 * i as f32 / 4.0);
            assert!((got - want).abs() < 4.0, "{i}: {got} {want}");
        }
    }

    /// Fails when a trail bridges an unseen joint, or a NaN position causes a panic.
    #[test]
    fn gaps_interrupt_the_trail() {
        let gap = [f32::NAN, 10.0];
        let points = [[5.0, 30.0], [20.0, 30.0], gap, [40.0, 30.0], [55.0, 30.0]];
        let pixels = drawn(&points, 3.0);
        assert!(pixels[30 * W + 15] > 0 && pixels[30 * W + 50] > 0);
        assert_eq!(pixels[30 * W + 30], 0);
        for v in [1e30, f32::INFINITY, 7e5] {
            drawn(&[[5.0, 5.0], [v, 5.0], [5.0, v]], 3.0);
        }
        assert!(drawn(&[[5.0, 5.0]], 3.0).iter().all(|p| *p == 0));
    }
}
