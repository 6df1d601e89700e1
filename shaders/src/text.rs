//! Small labels: track ids, left/right badges, captions, and the numbers of a colour bar.
//!
//! A label is drawn as one signed distance field: the pen strokes of its glyphs and a dark outline
//! around them, both with antialiased edges one pixel wide. Its `unit` is the grid step in pixels:
//! capitals are `7 * unit` high including the pen, and the pen is `unit` wide.

use crate::canvas::{Canvas, Paint, mix, opacity};
use crate::glyphs::{columns, glyph, points};
use crate::{INK, sdf};

/// Grid rows from the top of a capital to the bottom of a descender, pen included.
const ROWS: usize = 9;
/// Grid rows from the top of a capital to the baseline, pen included.
const CAPITAL_ROWS: usize = 7;
/// Empty columns between the pen positions of two glyphs.
const GAP: usize = 2;
/// The largest unit: capitals 448 pixels high.
const MAX_UNIT: usize = 64;

/// Size and colours of a label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextStyle {
    /// Pixels per grid step, from 1 (small, but readable at 640x480).
    pub unit: usize,
    /// Colour and opacity of the letters.
    pub paint: Paint,
    /// Opacity of the dark outline, [0, 1].
    pub outline: f32,
}

/// Returns the width and height of a label in pixels, from the top of its capitals to the baseline.
/// The outline and descenders extend beyond.
pub fn text_size(text: &str, unit: usize) -> [f32; 2] {
    let unit = unit.clamp(1, MAX_UNIT);
    let columns: usize = text.chars().map(|c| columns(glyph(c)) + GAP).sum();
    [
        ((columns + 1).saturating_sub(GAP) * unit) as f32,
        (CAPITAL_ROWS * unit) as f32,
    ]
}

/// Bounding rectangle and line widths of a label.
pub(crate) struct Extent {
    /// First and opposite corner of the bounding rectangle.
    pub(crate) lo: [f64; 2],
    pub(crate) hi: [f64; 2],
    /// Half the pen's width.
    pub(crate) radius: f64,
    /// Width of the outline.
    pub(crate) rim: f64,
}

impl Extent {
    /// Computes the extent of `text` at `at`; `None` for a position that is not finite or too far
    /// outside.
    pub(crate) fn of(at: [f32; 2], text: &str, unit: usize) -> Option<Self> {
        let fits = |v: f32| v.is_finite() && v.abs() < 1e6;
        if !fits(at[0]) || !fits(at[1]) {
            return None;
        }
        let [w, _] = text_size(text, unit);
        let unit = unit.clamp(1, MAX_UNIT) as f64;
        let rim = 0.5 + unit / 2.0;
        let [left, top] = at.map(|v| f64::from(v.round()));
        Some(Self {
            lo: [left - rim - 1.0, top - rim - 1.0],
            hi: [left + f64::from(w) + rim, top + ROWS as f64 * unit + rim],
            radius: unit / 2.0,
            rim,
        })
    }
}

/// Emits the ends of every pen stroke of a label that starts at `at`, rounded to whole pixels so
/// that vertical strokes are sharp.
pub(crate) fn strokes(
    at: [f32; 2],
    text: &str,
    unit: usize,
    mut put: impl FnMut([f64; 2], [f64; 2]),
) {
    let unit = unit.clamp(1, MAX_UNIT) as f64;
    let [left, top] = at.map(|v| f64::from(v.round()));
    // The pen covers whole pixels: a stroke's centre line is half a unit inside, between pixel
    // centres if the unit is even.
    let middle = unit / 2.0 - 0.5;
    let mut pen = left;
    for c in text.chars() {
        let glyph = glyph(c);
        let place = |[x, y]: [usize; 2]| {
            [
                pen + x as f64 * unit + middle,
                top + y as f64 * unit + middle,
            ]
        };
        for stroke in glyph.split('/') {
            let mut ends = points(stroke).map(place);
            let Some(mut a) = ends.next() else { continue };
            let mut b = ends.next().unwrap_or(a);
            loop {
                put(a, b);
                let Some(next) = ends.next() else { break };
                (a, b) = (b, next);
            }
        }
        pen += (columns(glyph) + GAP) as f64 * unit;
    }
}

impl Canvas<'_> {
    /// Draws one line of `text` with the top left corner of its first letter at `at`, rounded to
    /// whole pixels.
    pub fn text(&mut self, at: [f32; 2], text: &str, style: &TextStyle) {
        let Some(extent) = Extent::of(at, text, style.unit) else {
            return;
        };
        let (xs, ys) = self.clip(extent.lo, extent.hi);
        if xs.is_empty() || ys.is_empty() {
            return;
        }
        let Extent { radius, rim, .. } = extent;
        let mut field = Field::new([xs.start as f64, ys.start as f64], xs.len(), ys.len());
        let reach = radius + rim + 0.5;
        strokes(at, text, style.unit, |a, b| field.add(a, b, reach));

        let alpha = f64::from(opacity(style.paint.alpha));
        let outline = f64::from(opacity(style.outline));
        for (y, distances) in ys.zip(field.values.chunks_exact(field.width)) {
            let row = &mut self.row_mut(y)[xs.clone()];
            for (pixel, d) in row.iter_mut().zip(distances) {
                let d = f64::from(*d) - radius;
                if d < rim + 0.5 {
                    mix(pixel, INK, sdf::coverage(d - rim) * outline * alpha);
                    mix(pixel, style.paint.rgb, sdf::coverage(d) * alpha);
                }
            }
        }
    }
}

/// Distance to the nearest stroke for a rectangle of pixels.
struct Field {
    origin: [f64; 2],
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Field {
    fn new(origin: [f64; 2], width: usize, height: usize) -> Self {
        Self {
            origin,
            width,
            height,
            values: vec![f32::INFINITY; width * height],
        }
    }

    /// Adds the segment from `a` to `b`, for pixels closer to it than `reach`.
    fn add(&mut self, a: [f64; 2], b: [f64; 2], reach: f64) {
        let limits = |axis: usize, n: usize| {
            let (lo, hi) = (a[axis].min(b[axis]), a[axis].max(b[axis]));
            let start = (lo - reach - self.origin[axis]).ceil().max(0.0) as usize;
            let end = (hi + reach - self.origin[axis] + 1.0).max(0.0) as usize;
            (start.min(n), end.min(n))
        };
        let (x0, x1) = limits(0, self.width);
        let (y0, y1) = limits(1, self.height);
        for y in y0..y1 {
            let row = &mut self.values[y * self.width..][..self.width];
            for (x, value) in row.iter_mut().enumerate().take(x1).skip(x0) {
                let p = [self.origin[0] + x as f64, self.origin[1] + y as f64];
                *value = value.min(sdf::segment(p, a, b) as f32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUND: [u8; 4] = [120, 130, 140, 255];

    fn drawn(at: [f32; 2], text: &str, unit: usize) -> Vec<[u8; 4]> {
        let mut rgba = GROUND.repeat(100 * 40);
        let style = TextStyle {
            unit,
            paint: Paint::solid([255; 3]),
            outline: 1.0,
        };
        Canvas::new(&mut rgba, 100, 40).text(at, text, &style);
        rgba.chunks_exact(4)
            .map(|p| [p[0], p[1], p[2], p[3]])
            .collect()
    }

    /// Fails when vertical strokes are blurred over two columns, which makes labels hard to read.
    #[test]
    fn strokes_are_crisp_at_every_unit() {
        for unit in [1, 2, 3] {
            let pixels = drawn([10.2, 9.8], "H", unit);
            let row = &pixels[(10 + 2 * unit) * 100..][..100];
            let bright: Vec<usize> = (0..100).filter(|x| row[*x][0] > 250).collect();
            let strokes = (10..10 + unit).chain(10 + 4 * unit..10 + 5 * unit);
            assert_eq!(bright, strokes.collect::<Vec<_>>());
            assert!(row[9][0] < 40, "dark outline at the left");
        }
    }

    /// Fails when the measured size differs from the drawn size, so that labels leave their panels.
    #[test]
    fn the_measured_size_is_the_drawn_size() {
        let [w, h] = text_size("#12 E", 2);
        let pixels = drawn([10.0, 10.0], "#12 E", 2);
        let lit = |i: &usize| pixels[*i][0] > 200;
        let lit: Vec<usize> = (0..pixels.len()).filter(lit).collect();
        let last_column = lit.iter().map(|i| i % 100).max().unwrap();
        let last_row = lit.iter().map(|i| i / 100).max().unwrap();
        assert_eq!(last_column as f32, 10.0 + w - 1.0);
        assert_eq!(last_row as f32, 10.0 + h - 1.0);
    }

    /// Fails when a label at the edge, far outside, or with unknown characters causes a panic.
    #[test]
    fn any_position_and_text_can_be_drawn() {
        for v in [-30.0, 95.0, 1e5, 1e30, f32::NAN, f32::INFINITY] {
            for text in ["Label #1 {}|", "\u{0}\n\u{e9}\u{1f600}", ""] {
                for unit in [0, 1, 7, usize::MAX] {
                    drawn([v, 5.0], text, unit);
                    drawn([5.0, v], text, unit);
                }
            }
        }
        assert!(drawn([500.0, 5.0], "gone", 2).iter().all(|p| *p == GROUND));
        assert_eq!(drawn([5.0, 5.0], "\u{e9}", 2), drawn([5.0, 5.0], "?", 2));
    }
}
