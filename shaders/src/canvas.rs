//! Software rendering of shapes on an image.
//!
//! Every shape is blended over the image with antialiased edges one pixel wide, and touches only
//! the rows and columns within its reach. A shape with a coordinate, size or alpha that is not
//! finite is not drawn; a shape far outside costs nothing.

use std::ops::Range;

use crate::Rgb;
use crate::sdf::{self, Vec2};

/// A borrowed RGBA image, rows without padding. The image is opaque: alpha bytes are never changed.
#[derive(Debug)]
pub struct Canvas<'a> {
    pixels: &'a mut [[u8; 4]],
    width: usize,
    height: usize,
}

/// Fill colour and opacity of a shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paint {
    /// Fill colour, not premultiplied.
    pub rgb: Rgb,
    /// Opacity, [0, 1].
    pub alpha: f32,
}

impl Paint {
    /// Returns colour `rgb` with opacity `alpha`.
    pub const fn new(rgb: Rgb, alpha: f32) -> Self {
        Self { rgb, alpha }
    }

    /// Returns the opaque colour `rgb`.
    pub const fn solid(rgb: Rgb) -> Self {
        Self::new(rgb, 1.0)
    }
}

impl<'a> Canvas<'a> {
    /// Creates a canvas on `rgba`: `width * height * 4` bytes, red first.
    ///
    /// # Panics
    /// When the buffer does not have exactly that length.
    pub fn new(rgba: &'a mut [u8], width: usize, height: usize) -> Self {
        assert_eq!(rgba.len(), width * height * 4, "RGBA bytes of the canvas");
        Self {
            pixels: bytemuck::cast_slice_mut(rgba),
            width,
            height,
        }
    }

    /// Returns the width: the number of pixels per row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the height: the number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns row `y`, mutably.
    pub(crate) fn row_mut(&mut self, y: usize) -> &mut [[u8; 4]] {
        &mut self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// Returns the rows and columns that overlap the rectangle [`lo`, `hi`].
    pub(crate) fn clip(&self, lo: Vec2, hi: Vec2) -> (Range<usize>, Range<usize>) {
        (
            clip(lo[0], hi[0], self.width),
            clip(lo[1], hi[1], self.height),
        )
    }

    /// Draws a line of `width` pixels with round caps. Below a width of one pixel, opacity is
    /// reduced instead of the width.
    pub fn line(&mut self, a: [f32; 2], b: [f32; 2], width: f32, paint: Paint) {
        if !finite(&[a[0], a[1], b[0], b[1], width]) || width <= 0.0 {
            return;
        }
        let alpha = paint.alpha * width.min(1.0);
        let radius = f64::from(width.max(1.0)) / 2.0;
        let reach = radius + 0.5;
        let screen = [self.width as f64, self.height as f64];
        let Some((a, b)) = visible_part(a, b, reach, screen) else {
            return;
        };
        let alpha = f64::from(opacity(alpha));
        self.shade_line(a, b, reach, paint.rgb, |p| {
            sdf::coverage(sdf::segment(p, a, b) - radius) * alpha
        });
    }

    /// Blends `rgb` over the pixels within `reach` of the segment, with the opacity returned by
    /// `alpha`.
    pub(crate) fn shade_line(
        &mut self,
        a: Vec2,
        b: Vec2,
        reach: f64,
        rgb: Rgb,
        alpha: impl Fn(Vec2) -> f64,
    ) {
        let d = [b[0] - a[0], b[1] - a[1]];
        let span = |y: f64| {
            let (t0, t1) = if d[1] == 0.0 {
                (0.0, 1.0)
            } else {
                let (s, t) = ((y - reach - a[1]) / d[1], (y + reach - a[1]) / d[1]);
                (s.min(t).clamp(0.0, 1.0), s.max(t).clamp(0.0, 1.0))
            };
            let (x0, x1) = (a[0] + t0 * d[0], a[0] + t1 * d[0]);
            (x0.min(x1) - reach, x0.max(x1) + reach)
        };
        let rows = (a[1].min(b[1]) - reach, a[1].max(b[1]) + reach);
        self.shade(rows, span, rgb, alpha);
    }

    /// Draws a filled disc; centre and radius in pixels.
    pub fn disc(&mut self, center: [f32; 2], radius: f32, paint: Paint) {
        if finite(&[center[0], center[1], radius]) && radius > 0.0 {
            let (c, r) = (wide(center), f64::from(radius));
            let (rows, span) = circle(c, r + 0.5);
            self.fill(rows, span, |p| sdf::disc(p, c, r), paint);
        }
    }

    /// Draws a circle of `radius` with a line of `width` pixels.
    pub fn ring(&mut self, center: [f32; 2], radius: f32, width: f32, paint: Paint) {
        if finite(&[center[0], center[1], radius, width]) && radius > 0.0 && width > 0.0 {
            let (c, r, w) = (wide(center), f64::from(radius), f64::from(width));
            let (rows, span) = circle(c, r + w / 2.0 + 0.5);
            self.fill(rows, span, |p| sdf::ring(p, c, r, w), paint);
        }
    }

    /// Draws a filled rectangle between two corners (edges, not pixel centres: [-0.5, 0.5) is one
    /// pixel), with corners rounded by `corner` pixels.
    pub fn rect(&mut self, min: [f32; 2], max: [f32; 2], corner: f32, paint: Paint) {
        if let Some(Upright {
            center,
            half,
            corner,
        }) = Upright::between(min, max, corner)
        {
            let span = |_| (center[0] - half[0] - 0.5, center[0] + half[0] + 0.5);
            let rows = (center[1] - half[1] - 0.5, center[1] + half[1] + 0.5);
            self.fill(rows, span, |p| sdf::rect(p, center, half, corner), paint);
        }
    }

    /// Draws the outline of a rectangle with a line of `width` pixels.
    pub fn outline(&mut self, min: [f32; 2], max: [f32; 2], corner: f32, width: f32, paint: Paint) {
        if !width.is_finite() || width <= 0.0 {
            return;
        }
        if let Some(Upright {
            center,
            half,
            corner,
        }) = Upright::between(min, max, corner)
        {
            let width = f64::from(width);
            let [x, y] = half.map(|h| h + width / 2.0 + 0.5);
            let span = |_| (center[0] - x, center[0] + x);
            let rows = (center[1] - y, center[1] + y);
            let d = |p| sdf::outline(p, center, half, corner, width);
            self.fill(rows, span, d, paint);
        }
    }

    /// Fills the shape with signed distance `sdf` on the given rows, between the ends returned by
    /// `span`.
    fn fill(
        &mut self,
        rows: (f64, f64),
        span: impl Fn(f64) -> (f64, f64),
        sdf: impl Fn(Vec2) -> f64,
        paint: Paint,
    ) {
        let alpha = f64::from(opacity(paint.alpha));
        if alpha > 0.0 {
            self.shade(rows, span, paint.rgb, |p| sdf::coverage(sdf(p)) * alpha);
        }
    }

    /// Blends `rgb` over the pixels on the given rows, between the ends returned by `span`.
    fn shade(
        &mut self,
        rows: (f64, f64),
        span: impl Fn(f64) -> (f64, f64),
        rgb: Rgb,
        alpha: impl Fn(Vec2) -> f64,
    ) {
        for y in clip(rows.0, rows.1, self.height) {
            let (lo, hi) = span(y as f64);
            let columns = clip(lo, hi, self.width);
            let first = columns.start as f64;
            for (i, pixel) in self.row_mut(y)[columns].iter_mut().enumerate() {
                let alpha = alpha([first + i as f64, y as f64]);
                if alpha > 0.0 {
                    mix(pixel, rgb, alpha);
                }
            }
        }
    }
}

/// An axis-aligned rectangle with rounded corners, given by its centre and half its sides.
pub(crate) struct Upright {
    pub(crate) center: Vec2,
    pub(crate) half: Vec2,
    pub(crate) corner: f64,
}

impl Upright {
    /// Returns `None` if the area is zero or a number is not finite.
    pub(crate) fn between(min: [f32; 2], max: [f32; 2], corner: f32) -> Option<Self> {
        let sides = [max[0] - min[0], max[1] - min[1]];
        let numbers = [min[0], min[1], max[0], max[1], sides[0], sides[1], corner];
        if !finite(&numbers) || sides[0] <= 0.0 || sides[1] <= 0.0 {
            return None;
        }
        let half = sides.map(|s| f64::from(s) / 2.0);
        Some(Self {
            center: [0, 1].map(|i| f64::from(min[i]) + half[i]),
            half,
            corner: f64::from(corner).clamp(0.0, half[0].min(half[1])),
        })
    }
}

/// Blends `rgb` over an opaque pixel. `alpha` is in [0, 1]; 0 changes nothing, 1 replaces the
/// colour.
pub(crate) fn mix(pixel: &mut [u8; 4], rgb: Rgb, alpha: f64) {
    let a = (alpha * 256.0 + 0.5) as u32;
    for (p, c) in pixel.iter_mut().zip(rgb) {
        *p = ((u32::from(*p) * (256 - a) + u32::from(c) * a + 128) >> 8) as u8;
    }
}

/// Clamps `alpha` to [0, 1]; NaN becomes 0.
pub(crate) fn opacity(alpha: f32) -> f32 {
    if alpha.is_nan() {
        0.0
    } else {
        alpha.clamp(0.0, 1.0)
    }
}

/// Returns the pixels of `0..n` whose centres lie in [`lo`, `hi`].
fn clip(lo: f64, hi: f64, n: usize) -> Range<usize> {
    let end = (hi.floor() + 1.0).clamp(0.0, n as f64) as usize;
    let start = (lo.ceil().max(0.0) as usize).min(end);
    start..end
}

pub(crate) fn finite(values: &[f32]) -> bool {
    values.iter().all(|v| v.is_finite())
}

fn wide(p: [f32; 2]) -> Vec2 {
    p.map(f64::from)
}

/// Returns the rows of a circle, and a function for the span of each row.
fn circle(c: Vec2, radius: f64) -> ((f64, f64), impl Fn(f64) -> (f64, f64)) {
    let span = move |y: f64| {
        let half = (radius * radius - (y - c[1]).powi(2)).max(0.0).sqrt();
        (c[0] - half, c[0] + half)
    };
    ((c[1] - radius, c[1] + radius), span)
}

/// Returns the visible part of a segment for a line that extends `reach` pixels to its sides, or
/// `None` if it is not visible. Ends are clipped to just outside the screen, so that a line that
/// ends a million pixels away keeps its precision and the work per row stays small.
pub(crate) fn visible_part(
    a: [f32; 2],
    b: [f32; 2],
    reach: f64,
    screen: Vec2,
) -> Option<(Vec2, Vec2)> {
    let far = screen.map(|n| n + 2.0 * reach);
    clip_segment(wide(a), wide(b), [-2.0 * reach; 2], far)
}

/// Returns the part of a segment inside a rectangle, or `None`. A clipped end lies exactly on the
/// rectangle's edge, however far away the original end was.
fn clip_segment(mut a: Vec2, mut b: Vec2, lo: Vec2, hi: Vec2) -> Option<(Vec2, Vec2)> {
    let cut = |a: Vec2, b: Vec2, i: usize, edge: f64| {
        let t = (edge - a[i]) / (b[i] - a[i]);
        let mut p = [0, 1].map(|j: usize| a[j] + t * (b[j] - a[j]));
        p[i] = edge;
        p
    };
    for i in 0..2 {
        for (edge, sign) in [(lo[i], 1.0), (hi[i], -1.0)] {
            match (sign * (a[i] - edge) < 0.0, sign * (b[i] - edge) < 0.0) {
                (true, true) => return None,
                (true, false) => a = cut(a, b, i, edge),
                (false, true) => b = cut(a, b, i, edge),
                (false, false) => {}
            }
        }
    }
    Some((a, b))
}

#[cfg(test)]
mod tests;
