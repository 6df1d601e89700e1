//! Pictures in another size.

use super::{BYTES_PER_PIXEL, Frame, FramePool};
use crate::geometry::Size;

/// Fills `out` with the RGBA picture `rgba` of size `from`, resampled to size `to`: linear
/// interpolation where it grows, a weighted mean of all covered pixels where it shrinks.
///
/// # Panics
/// When a buffer is shorter than its size says, or a size is empty.
pub fn resample(rgba: &[u8], from: Size, out: &mut [u8], to: Size) {
    if from == to {
        let n = to.area() * BYTES_PER_PIXEL;
        out[..n].copy_from_slice(&rgba[..n]);
    } else if from.width == to.width {
        resample_rows(rgba, from, out, to.height);
    } else if from.height == to.height {
        resample_columns(rgba, from, out, to.width);
    } else {
        let between = Size::new(to.width, from.height);
        let mut columns = vec![0; between.area() * BYTES_PER_PIXEL];
        resample_columns(rgba, from, &mut columns, to.width);
        resample_rows(&columns, between, out, to.height);
    }
}

/// The frame fitted into `size` as a whole, in the middle of black bars.
pub fn letterboxed(frame: &Frame, size: Size, pool: &FramePool) -> Frame {
    let from = frame.size();
    let scale =
        (size.width as f64 / from.width as f64).min(size.height as f64 / from.height as f64);
    let side = |n: usize, max: usize| ((n as f64 * scale).round() as usize).clamp(1, max);
    let fitted = Size::new(side(from.width, size.width), side(from.height, size.height));
    let mut picture = vec![0; fitted.area() * BYTES_PER_PIXEL];
    resample(frame.rgba(), from, &mut picture, fitted);
    let mut pixels = pool.take(size);
    let canvas = pixels.bytes_mut();
    for pixel in canvas.as_chunks_mut::<BYTES_PER_PIXEL>().0 {
        *pixel = [0, 0, 0, 255];
    }
    let left = (size.width - fitted.width) / 2;
    let top = (size.height - fitted.height) / 2;
    let row_bytes = fitted.width * BYTES_PER_PIXEL;
    for (y, row) in picture.chunks_exact(row_bytes).enumerate() {
        let start = ((top + y) * size.width + left) * BYTES_PER_PIXEL;
        canvas[start..start + row_bytes].copy_from_slice(row);
    }
    let mut boxed = Frame::new(frame.id, frame.time_secs, size, pixels);
    boxed.captured = frame.captured;
    boxed
}

/// Which pixels of a line make one of the resampled line, and by what weights.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// A triangle as wide as a pixel of the coarser of the two lines.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let taps_of = |i: usize| {
        let centre = (i as f64 + 0.5) * scale - 0.5;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let last = ((centre + reach).floor() as usize).min(from - 1);
        let weight = |j: usize| (1.0 - (j as f64 - centre).abs() / reach).max(0.0);
        let sum: f64 = (first..=last).map(weight).sum();
        Taps {
            first,
            weights: (first..=last).map(|j| (weight(j) / sum) as f32).collect(),
        }
    };
    (0..to).map(taps_of).collect()
}

fn resample_columns(rgba: &[u8], from: Size, out: &mut [u8], width: usize) {
    let taps = taps(from.width, width);
    let rows = rgba.chunks_exact(from.width * BYTES_PER_PIXEL);
    let out_rows = out.chunks_exact_mut(width * BYTES_PER_PIXEL);
    for (row, out) in rows.zip(out_rows) {
        let (row, _) = row.as_chunks::<BYTES_PER_PIXEL>();
        let (out, _) = out.as_chunks_mut::<BYTES_PER_PIXEL>();
        for (pixel, taps) in out.iter_mut().zip(&taps) {
            let mut sums = [0.5_f32; BYTES_PER_PIXEL];
            for (pixel, weight) in row[taps.first..].iter().zip(&taps.weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += weight * f32::from(value);
                }
            }
            *pixel = sums.map(|sum| sum as u8);
        }
    }
}

fn resample_rows(rgba: &[u8], from: Size, out: &mut [u8], height: usize) {
    let row_bytes = from.width * BYTES_PER_PIXEL;
    let mut sums = vec![0.0_f32; row_bytes];
    let out_rows = out.chunks_exact_mut(row_bytes);
    for (out, taps) in out_rows.zip(taps(from.height, height)) {
        sums.fill(0.5);
        let rows = rgba[taps.first * row_bytes..].chunks_exact(row_bytes);
        for (row, weight) in rows.zip(&taps.weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += weight * f32::from(value);
            }
        }
        for (out, sum) in out.iter_mut().zip(&sums) {
            *out = *sum as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Pixels;
    use proptest::prelude::*;

    /// A picture whose red grows to the right and green downwards.
    fn ramp(size: Size) -> Vec<u8> {
        let at = |i: usize, n: usize| ((2 * i + 1) * 255 / (2 * n)) as u8;
        let pixel = |i: usize| {
            let (x, y) = (i % size.width, i / size.width);
            [at(x, size.width), at(y, size.height), 7, 255]
        };
        (0..size.area()).flat_map(pixel).collect()
    }

    proptest! {
        /// Fails when a picture is shifted, turned over or darkened by being resampled.
        #[test]
        fn a_ramp_stays_a_ramp(w in 8_usize..60, h in 8_usize..60, v in 8_usize..60, u in 8_usize..60) {
            let (from, to) = (Size::new(w, h), Size::new(v, u));
            let mut out = vec![0; to.area() * BYTES_PER_PIXEL];
            resample(&ramp(from), from, &mut out, to);
            // Half a pixel of the coarser picture at the borders, where nothing lies beyond.
            let coarsest = w.min(h).min(v).min(u);
            let most = (255 / coarsest + 2) as u8;
            for (ours, expected) in out.iter().zip(ramp(to)) {
                prop_assert!(ours.abs_diff(expected) <= most, "{} {}", ours, expected);
            }
        }
    }

    /// Fails when a picture of another shape is squeezed, cut, or leaves old pixels at its sides.
    #[test]
    fn a_letterboxed_picture_is_whole_between_black_bars() {
        let white = Frame::new(
            3,
            1.5,
            Size::new(2, 8),
            Pixels::unpooled(vec![255; 2 * 8 * BYTES_PER_PIXEL]),
        );
        let boxed = letterboxed(&white, Size::new(6, 4), &FramePool::new());
        assert_eq!((boxed.id, boxed.time_secs), (3, 1.5));
        let reds: Vec<u8> = boxed.rgba().iter().step_by(4).copied().collect();
        for row in reds.chunks(6) {
            // One pixel wide: 2 by 8 in 6 by 4.
            assert_eq!(row, [0, 0, 255, 0, 0, 0]);
        }
        assert!(boxed.rgba().iter().skip(3).step_by(4).all(|&a| a == 255));
    }
}
