//! A float map drawn over a picture in colours: heatmaps and attention.

use crate::canvas::{Canvas, opacity};
use crate::colormap::ColorMap;

/// How values between the map's pixels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampling {
    /// Smooth: between the four nearest map pixels.
    #[default]
    Bilinear,
    /// The network's own pixels as squares.
    Nearest,
}

/// Where the layer lets the picture through.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Fade {
    /// Nowhere: one opacity for all values.
    #[default]
    Even,
    /// At low values: opacity is proportional to the value up to two fifths of the range, so
    /// that weak peaks show over a bright picture, and full from there.
    Low,
    /// Around the middle of the range: opacity is proportional to the distance from it.
    Middle,
    /// At and below this share of the range, [0, 1]: a threshold.
    Below(f32),
    /// Up to this share of the way from the middle of the range to its ends, [0, 1]: a threshold
    /// on both sides.
    Near(f32),
}

/// A float map and how to show it.
#[derive(Debug, Clone)]
pub struct HeatLayer<'a> {
    /// `width * height` values, row by row. What is not a number is shown as the low end.
    pub values: &'a [f32],
    /// Values per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pixels around the map that are not shown.
    pub cut: usize,
    /// From picture pixels to map pixels, two rows of an affine map. Pixel centres are at
    /// integers on both sides; a map pixel covers half a step around its centre.
    pub map_from_pixel: [[f64; 3]; 2],
    /// Values at the two ends of the colour map. Values beyond them take the ends' colours.
    pub range: (f32, f32),
    /// Colours.
    pub colors: ColorMap,
    /// Opacity, [0, 1].
    pub alpha: f32,
    /// Where the layer lets the picture through.
    pub fade: Fade,
    /// How values between the map's pixels are found.
    pub sampling: Sampling,
}

impl HeatLayer<'_> {
    /// Opacity of the value at `t` of the range.
    pub fn alpha_at(&self, t: f32) -> f32 {
        let fade = match self.fade {
            Fade::Even => 1.0,
            Fade::Low => (2.5 * t).min(1.0),
            Fade::Middle => (2.0 * t - 1.0).abs(),
            Fade::Below(threshold) => f32::from(t > threshold),
            Fade::Near(threshold) => f32::from((2.0 * t - 1.0).abs() > threshold),
        };
        opacity(self.alpha) * fade
    }

    /// Draws the map where it lies; pixels outside it stay as they are. Nothing is drawn for a
    /// map whose sizes do not agree, or through a map that is not finite.
    pub fn draw(&self, canvas: &mut Canvas<'_>) {
        let cut = self.cut;
        let (Some(w), Some(h)) = (
            self.width.checked_sub(cut.saturating_mul(2)),
            self.height.checked_sub(cut.saturating_mul(2)),
        ) else {
            return;
        };
        let [u, v] = self.map_from_pixel;
        let sound = u.iter().chain(&v).all(|m| m.abs() < 1e9);
        let n = self.width.checked_mul(self.height);
        if w == 0 || h == 0 || n != Some(self.values.len()) || !sound {
            return;
        }
        let map = self.scaled_and_padded(w, h);
        let table = self.table();
        // In the padded map the first shown pixel is number 1.
        let shift = 1.0 - cut as f64;
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

    /// The shown part as levels, with its border repeated once on every side, so that sampling
    /// needs no case for the border.
    fn scaled_and_padded(&self, w: usize, h: usize) -> Levels {
        let (lo, hi) = self.range;
        let scale = Levels::TOP / (hi - lo);
        let level = |value: f32| {
            let level = (value - lo) * scale;
            // Also what is left of a range of no width: below, at (not a number) and above it.
            if level > 0.0 {
                (level + 0.5).min(Levels::TOP) as u32
            } else {
                0
            }
        };
        let mut padded = Vec::with_capacity((w + 2) * (h + 2));
        for y in 0..h + 2 {
            let y = self.cut + y.saturating_sub(1).min(h - 1);
            let row = &self.values[y * self.width + self.cut..][..w];
            padded.push(level(row[0]));
            padded.extend(row.iter().map(|v| level(*v)));
            padded.push(level(row[w - 1]));
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

/// A colour's share of a pixel and the picture's share, in 256 parts.
#[derive(Clone, Copy)]
struct Entry {
    color: [u16; 4],
    rest: u16,
}

/// Map coordinates along one row of the picture, in 1/65536 of a map pixel: integers, because
/// conversions from float cost more than the rest of the loop (640x480: 2.7 ms against 1.0 ms).
/// The step's rounding moves the map by less than 0.02 pixels over 2000 columns.
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
    /// 255 with 8 bits behind the point.
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

/// The pixels x among `0..n` with `lo <= start + step * x < hi`, as first and one past the last.
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
