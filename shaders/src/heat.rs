//! Float maps drawn on an image in false colours: heatmaps and attention maps.

use std::sync::Arc;

use crate::canvas::{Canvas, opacity};
use crate::colormap::ColorMap;

/// Interpolation between a map's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampling {
    /// Bilinear interpolation of the four nearest map pixels.
    #[default]
    Bilinear,
    /// Nearest neighbour: map pixels appear as squares.
    Nearest,
}

/// Dependence of the opacity on the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fade {
    /// One opacity for all values.
    #[default]
    Even,
    /// Transparent at low values: opacity is proportional to the value up to two fifths of the
    /// range, so that weak peaks show on a bright image, and full above.
    Low,
    /// Transparent at the centre of the range: opacity is proportional to the distance from it.
    Middle,
}

/// A float map with its display options.
#[derive(Debug, Clone)]
pub struct HeatLayer {
    /// `width * height` values in row-major order. NaN is displayed as the low end of the range.
    pub values: Arc<[f32]>,
    /// Values per row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Border in map pixels that is not shown.
    pub cut: usize,
    /// Map from image pixels to map pixels: two rows of an affine matrix. Pixel centres are at
    /// integers on both sides; a map pixel extends by half a step around its centre.
    pub map_from_pixel: [[f64; 3]; 2],
    /// Values at the two ends of the colour map; values beyond are clamped.
    pub range: (f32, f32),
    /// Colour map of the values.
    pub colors: ColorMap,
    /// Maximum opacity, [0, 1].
    pub alpha: f32,
    /// Strength below which nothing is drawn, [0, 1]: a fraction of the range or, with a diverging
    /// colour map, the distance from its centre (1 at both ends).
    pub threshold: f32,
    /// Dependence of the opacity on the value.
    pub fade: Fade,
    /// Interpolation between the map's pixels.
    pub sampling: Sampling,
}

impl HeatLayer {
    /// Returns the opacity at position `t` of the range, [0, 1].
    pub fn alpha_at(&self, t: f32) -> f32 {
        let strength = if self.colors.is_diverging() {
            (2.0 * t - 1.0).abs()
        } else {
            t
        };
        if strength < self.threshold {
            return 0.0;
        }
        let fade = match self.fade {
            Fade::Even => 1.0,
            Fade::Low => (2.5 * t).min(1.0),
            Fade::Middle => (2.0 * t - 1.0).abs(),
        };
        opacity(self.alpha) * fade
    }

    /// Draws the map; image pixels outside of it are unchanged. Nothing is drawn if the sizes do
    /// not match or the transformation is not finite.
    pub fn draw(&self, canvas: &mut Canvas<'_>) {
        let Some([w, h]) = self.shown() else {
            return;
        };
        let [u, v] = self.map_from_pixel;
        let map = self.scaled_and_padded(w, h);
        let table = self.table();
        // In the padded map, the first visible pixel has index 1.
        let shift = 1.0 - self.cut as f64;
        let (lo, hi) = (0.5, [w as f64 + 0.5, h as f64 + 0.5]);
        for y in 0..canvas.height() {
            let u0 = u[1] * y as f64 + u[2] + shift;
            let v0 = v[1] * y as f64 + v[2] + shift;
            let (a0, a1) = inside(u0, u[0], lo, hi[0], canvas.width());
            let (b0, b1) = inside(v0, v[0], lo, hi[1], canvas.width());
            let (x0, x1) = (a0.max(b0), a1.min(b1));
            if x0 >= x1 {
                continue;
            }
            let walk = Walk {
                u: fixed(u0 + u[0] * x0 as f64),
                v: fixed(v0 + v[0] * x0 as f64),
                du: fixed(u[0]),
                dv: fixed(v[0]),
            };
            let row = &mut canvas.row_mut(y)[x0..x1];
            match self.sampling {
                Sampling::Bilinear => walk.draw(row, &table, |u, v| map.bilinear(u, v)),
                Sampling::Nearest => walk.draw(row, &table, |u, v| map.nearest(u, v)),
            }
        }
    }

    /// Returns the width and height of the visible part, or `None` if it is empty, sizes and values
    /// do not match, or the transformation is not finite.
    pub(crate) fn shown(&self) -> Option<[usize; 2]> {
        let cut = self.cut.saturating_mul(2);
        let w = self.width.checked_sub(cut).filter(|w| *w > 0)?;
        let h = self.height.checked_sub(cut).filter(|h| *h > 0)?;
        let sound = self.map_from_pixel.iter().flatten().all(|m| m.abs() < 1e9);
        let n = self.width.checked_mul(self.height);
        (sound && n == Some(self.values.len())).then_some([w, h])
    }

    /// Returns the level of a value: 0 at the low end of the range, [`Levels::TOP`] at its high
    /// end.
    fn level(&self, value: f32) -> u32 {
        let (lo, hi) = self.range;
        let level = (value - lo) * (Levels::TOP / (hi - lo));
        // This also covers a range of zero width, whose levels are minus infinity, NaN or infinity.
        if level > 0.0 {
            (level + 0.5).min(Levels::TOP) as u32
        } else {
            0
        }
    }

    /// Returns the visible part as fractions of the range in row-major order, as read by
    /// `heat.wgsl`.
    pub fn shares(&self) -> Vec<f32> {
        let Some([w, h]) = self.shown() else {
            return Vec::new();
        };
        let rows = self.values.chunks_exact(self.width).skip(self.cut).take(h);
        rows.flat_map(|row| &row[self.cut..][..w])
            .map(|v| self.level(*v) as f32 / Levels::TOP)
            .collect()
    }

    /// Returns the visible part as levels, with the edge replicated once on every side, so that
    /// sampling needs no special case at the border.
    fn scaled_and_padded(&self, w: usize, h: usize) -> Levels {
        let mut padded = Vec::with_capacity((w + 2) * (h + 2));
        for y in 0..h + 2 {
            let y = self.cut + y.saturating_sub(1).min(h - 1);
            let row = &self.values[y * self.width + self.cut..][..w];
            padded.push(self.level(row[0]));
            padded.extend(row.iter().map(|v| self.level(*v)));
            padded.push(self.level(row[w - 1]));
        }
        Levels {
            stride: w + 2,
            values: padded,
        }
    }

    fn table(&self) -> [Entry; 256] {
        let colors = self.colors.table();
        std::array::from_fn(|i| {
            let a = (self.alpha_at(i as f32 / 255.0) * 256.0 + 0.5) as u16;
            let [r, g, b] = colors[i].map(|c| u16::from(c) * a);
            Entry {
                color: [r, g, b, 255 * a],
                rest: 256 - a,
            }
        })
    }
}

/// Weights of the map's colour and of the image, in 256ths.
#[derive(Clone, Copy)]
struct Entry {
    color: [u16; 4],
    rest: u16,
}

/// Map coordinates along one row of the image, in 1/65536 of a map pixel. Integers are used because
/// conversions from float cost more than the rest of the loop (640x480: 2.7 ms against 1.0 ms).
/// Rounding of the step moves the map by less than 0.02 pixels over 2000 columns.
struct Walk {
    u: i64,
    v: i64,
    du: i64,
    dv: i64,
}

const FRACTION_BITS: u32 = 16;

fn fixed(x: f64) -> i64 {
    (x * f64::from(1 << FRACTION_BITS)).round() as i64
}

impl Walk {
    fn draw(&self, row: &mut [[u8; 4]], table: &[Entry; 256], level: impl Fn(u64, u64) -> u8) {
        let (mut u, mut v) = (self.u, self.v);
        for pixel in row {
            let Entry { color, rest } = &table[usize::from(level(u as u64, v as u64))];
            for (p, c) in pixel.iter_mut().zip(color) {
                *p = ((u16::from(*p) * rest + c + 128) >> 8) as u8;
            }
            u += self.du;
            v += self.dv;
        }
    }
}

/// A map as integers from 0 to [`Levels::TOP`].
struct Levels {
    stride: usize,
    values: Vec<u32>,
}

impl Levels {
    /// 255 in fixed point with 8 fractional bits.
    const TOP: f32 = 65280.0;

    fn bilinear(&self, u: u64, v: u64) -> u8 {
        let split = |x: u64| {
            (
                (x >> FRACTION_BITS) as usize,
                (x >> (FRACTION_BITS - 8)) as u8,
            )
        };
        let ((x, fx), (y, fy)) = (split(u), split(v));
        let (fx, fy) = (u32::from(fx), u32::from(fy));
        let at = y * self.stride + x;
        let Some(four) = self.values.get(at..at + self.stride + 2) else {
            return 0;
        };
        let top = four[0] * (256 - fx) + four[1] * fx;
        let bottom = four[self.stride] * (256 - fx) + four[self.stride + 1] * fx;
        let level = (top >> 8) * (256 - fy) + (bottom >> 8) * fy;
        ((level + (1 << 15)) >> 16) as u8
    }

    fn nearest(&self, u: u64, v: u64) -> u8 {
        let round = |x: u64| ((x + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS) as usize;
        let at = round(v) * self.stride + round(u);
        let level = self.values.get(at).copied().unwrap_or(0);
        ((level + 128) >> 8) as u8
    }
}

/// Returns the pixels x of `0..n` with `lo <= start + step * x < hi`, as first and past-the-end
/// index.
fn inside(start: f64, step: f64, lo: f64, hi: f64, n: usize) -> (usize, usize) {
    if step == 0.0 {
        return if start >= lo && start < hi {
            (0, n)
        } else {
            (0, 0)
        };
    }
    let (a, b) = ((lo - start) / step, (hi - start) / step);
    let (first, end) = if step > 0.0 {
        (a.ceil(), b.ceil())
    } else {
        (b.floor() + 1.0, a.floor() + 1.0)
    };
    let pixel = |x: f64| x.clamp(0.0, n as f64) as usize;
    (pixel(first), pixel(end))
}

#[cfg(test)]
mod tests;
