//! The crop: sample a region bilinearly, normalise, and write one plane per channel in one pass.

use rayon::prelude::*;

use super::InputSpec;
use crate::frame::BYTES_PER_PIXEL;
use crate::geometry::{Affine2, Point, Size};

/// Outputs of at least this many pixels are split among threads in stripes of [`STRIPE_ROWS`] rows.
/// 256x256 takes 0.4 ms on one core; waking the thread pool takes a few microseconds.
const PARALLEL_FROM: usize = 128 * 128;
const STRIPE_ROWS: usize = 32;

/// Samples the frame at `image_from_input` of every input pixel and writes the normalised planes.
///
/// The bilinear interpolation is exact: neither positions nor values are rounded. Pixels outside
/// the frame have the border colour, which blends with the frame's edge over one pixel.
///
/// # Panics
/// When `frame_rgba` is not `frame_size.area() * 4` bytes or `out` is not `spec.n_values()` long.
pub fn warp(
    frame_rgba: &[u8],
    frame_size: Size,
    image_from_input: &Affine2,
    spec: &InputSpec,
    out: &mut [f32],
) {
    assert_eq!(frame_rgba.len(), frame_size.area() * BYTES_PER_PIXEL);
    assert_eq!(out.len(), spec.n_values());
    let Size { width, height } = spec.size;
    if spec.size.area() == 0 {
        return;
    }
    let sampler = Sampler::new(frame_rgba, frame_size, spec);
    let [[xx, xy, x0], [yx, yy, y0]] = image_from_input.m;
    let upright = xy == 0.0 && yx == 0.0;
    let columns: Vec<Tap> = if upright {
        let tap = |column| Tap::new(xx * column as f64 + x0, frame_size.width);
        (0..width).map(tap).collect()
    } else {
        Vec::new()
    };
    let write_row = |row: usize, planes: [&mut [f32]; 3]| {
        if upright {
            sampler.upright_row(&columns, yy * row as f64 + y0, planes);
        } else {
            let r = row as f64;
            let start = Point::new(xy * r + x0, yy * r + y0);
            sampler.turned_row(start, Point::new(xx, yx), planes);
        }
    };

    let (red, rest) = out.split_at_mut(width * height);
    let (green, blue) = rest.split_at_mut(width * height);
    let stripe = width * STRIPE_ROWS;
    let write_stripe = |first: usize, [r, g, b]: [&mut [f32]; 3]| {
        let rows = r
            .chunks_mut(width)
            .zip(g.chunks_mut(width))
            .zip(b.chunks_mut(width));
        for (i, ((r, g), b)) in rows.enumerate() {
            write_row(first + i, [r, g, b]);
        }
    };
    if width * height < PARALLEL_FROM {
        write_stripe(0, [red, green, blue]);
    } else {
        red.par_chunks_mut(stripe)
            .zip(green.par_chunks_mut(stripe))
            .zip(blue.par_chunks_mut(stripe))
            .enumerate()
            .for_each(|(i, ((r, g), b))| write_stripe(i * STRIPE_ROWS, [r, g, b]));
    }
}

/// Position of one coordinate between two pixels.
#[derive(Clone, Copy)]
struct Tap {
    /// Index of the lower pixel; may be negative or beyond the frame.
    first: i64,
    /// Fraction of the way to the next pixel, 0..1.
    fraction: f32,
    /// Whether both pixels are inside the frame.
    inside: bool,
}

impl Tap {
    fn new(at: f64, n: usize) -> Self {
        let floor = at.floor();
        Self {
            first: floor as i64,
            fraction: (at - floor) as f32,
            // False for NaN. Truncation cannot make a large value valid, because `as` saturates.
            inside: floor >= 0.0 && floor + 1.0 < n as f64,
        }
    }
}

struct Sampler<'a> {
    rgba: &'a [u8],
    size: Size,
    border: [f32; 4],
    /// normalised = value * scale + offset, with value in 0..=255.
    scale: [f32; 4],
    offset: [f32; 4],
}

impl<'a> Sampler<'a> {
    fn new(rgba: &'a [u8], size: Size, spec: &InputSpec) -> Self {
        // The fourth lane is alpha: it is computed because four lanes fill a register, but never
        // written.
        let lanes = |f: &dyn Fn(usize) -> f32| [f(0), f(1), f(2), 0.0];
        Self {
            rgba,
            size,
            border: lanes(&|c| f32::from(spec.border[c])),
            scale: lanes(&|c| 1.0 / (255.0 * spec.std[c])),
            offset: lanes(&|c| -spec.mean[c] / spec.std[c]),
        }
    }

    /// Writes a row of an upright region: one pair of source rows, and precomputed columns.
    fn upright_row(&self, columns: &[Tap], y: f64, [r, g, b]: [&mut [f32]; 3]) {
        let row = Tap::new(y, self.size.height);
        let stride = self.size.width * BYTES_PER_PIXEL;
        let lines = row.inside.then(|| {
            let start = row.first as usize * stride;
            self.rgba[start..start + 2 * stride].split_at(stride)
        });
        for (((column, r), g), b) in columns.iter().zip(r).zip(g).zip(b) {
            let pixel = match lines {
                Some((upper, lower)) if column.inside => {
                    let at = column.first as usize * BYTES_PER_PIXEL;
                    blend(
                        pair(upper, at),
                        pair(lower, at),
                        column.fraction,
                        row.fraction,
                    )
                }
                _ => self.at_edge(*column, row),
            };
            [*r, *g, *b, _] = self.normalise(pixel);
        }
    }

    /// Writes a row of a rotated region, sampled at `start`, `start + step`, and so on.
    fn turned_row(&self, start: Point, step: Point, [r, g, b]: [&mut [f32]; 3]) {
        let stride = self.size.width * BYTES_PER_PIXEL;
        for (i, ((r, g), b)) in r.iter_mut().zip(g).zip(b).enumerate() {
            let i = i as f64;
            let column = Tap::new(start.x + step.x * i, self.size.width);
            let row = Tap::new(start.y + step.y * i, self.size.height);
            let pixel = if column.inside && row.inside {
                let at = row.first as usize * stride + column.first as usize * BYTES_PER_PIXEL;
                let (upper, lower) = (pair(self.rgba, at), pair(self.rgba, at + stride));
                blend(upper, lower, column.fraction, row.fraction)
            } else {
                self.at_edge(column, row)
            };
            [*r, *g, *b, _] = self.normalise(pixel);
        }
    }

    /// Samples any position; pixels outside the frame have the border colour.
    #[cold]
    fn at_edge(&self, column: Tap, row: Tap) -> [f32; 4] {
        let Size { width, height } = self.size;
        let pixel = |x: i64, y: i64| {
            if x < 0 || y < 0 || x >= width as i64 || y >= height as i64 {
                return self.border;
            }
            let at = (y as usize * width + x as usize) * BYTES_PER_PIXEL;
            std::array::from_fn(|c| f32::from(self.rgba[at + c]))
        };
        let (x, y) = (column.first, row.first);
        let within = (-1..width as i64).contains(&x) && (-1..height as i64).contains(&y);
        // NaN positions, which have no fraction, count as outside.
        if !within || column.fraction.is_nan() || row.fraction.is_nan() {
            return self.border;
        }
        let (x1, y1) = (x + 1, y + 1);
        let upper = lerp(pixel(x, y), pixel(x1, y), column.fraction);
        let lower = lerp(pixel(x, y1), pixel(x1, y1), column.fraction);
        lerp(upper, lower, row.fraction)
    }

    fn normalise(&self, pixel: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|c| pixel[c] * self.scale[c] + self.offset[c])
    }
}

/// Reads two neighbouring pixels as floats, with a single bounds check.
#[inline]
fn pair(bytes: &[u8], at: usize) -> [[f32; 4]; 2] {
    let bytes = &bytes[at..at + 2 * BYTES_PER_PIXEL];
    let pixel = |at: usize| std::array::from_fn(|c| f32::from(bytes[at + c]));
    [pixel(0), pixel(BYTES_PER_PIXEL)]
}

#[inline]
fn blend(upper: [[f32; 4]; 2], lower: [[f32; 4]; 2], fx: f32, fy: f32) -> [f32; 4] {
    lerp(
        lerp(upper[0], upper[1], fx),
        lerp(lower[0], lower[1], fx),
        fy,
    )
}

#[inline]
fn lerp(a: [f32; 4], b: [f32; 4], t: f32) -> [f32; 4] {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BBox;
    use crate::test_golden::{Golden, json};
    use proptest::prelude::*;
    use serde_json::Value;

    fn spec(size: Size, border: [u8; 3]) -> InputSpec {
        InputSpec {
            border,
            ..InputSpec::for_tests(size)
        }
    }

    fn rgba(rgb: &[f64]) -> Vec<u8> {
        let (pixels, _) = rgb.as_chunks::<3>();
        let bytes = pixels
            .iter()
            .flat_map(|&[r, g, b]| [r as u8, g as u8, b as u8, 255]);
        bytes.collect()
    }

    /// Returns the pixel value in 0..=255 of a normalised value.
    fn denormalised(value: f32, channel: usize) -> f64 {
        f64::from(
            (value * InputSpec::IMAGENET_STD[channel] + InputSpec::IMAGENET_MEAN[channel]) * 255.0,
        )
    }

    /// Fails when the crop, its border or its normalisation differ from the official pipeline by
    /// more than OpenCV's rounding of positions to 1/32 pixel.
    #[test]
    fn the_crop_equals_the_official_one() {
        let golden = Golden::open("transpose/post_warp.safetensors");
        let post: Value = json("transpose/post.json");
        let spec = spec(Size::new(192, 256), [0; 3]);
        let roi = spec.roi(BBox::new(20.0, 10.0, 50.0, 90.0));
        let mut out = vec![0.0; spec.n_values()];
        warp(
            &rgba(&golden.f64s("image_rgb_u8")),
            Size::new(100, 120),
            &spec.image_from_input(&roi),
            &spec,
            &mut out,
        );
        let (mut worst, mut sum) = (0.0f64, 0.0);
        for (i, expected) in golden.f64s("warped_rgb_u8").iter().enumerate() {
            let (pixel, channel) = (i / 3, i % 3);
            let got = denormalised(out[channel * spec.size.area() + pixel], channel);
            worst = worst.max((got - expected).abs());
            sum += (got - expected).abs();
        }
        let mean = sum / out.len() as f64;
        println!("max {worst} mean {mean} grey levels");
        // Computed for exact bilinear interpolation by the script that made the golden file.
        let warp = &post["warp"];
        let known = warp["exact_bilinear_vs_cv2_max_abs"].as_f64().unwrap();
        assert!((worst - known).abs() < 0.01, "{worst}");
        let known = warp["exact_bilinear_vs_cv2_mean_abs"].as_f64().unwrap();
        assert!((mean - known).abs() < 0.001, "{mean}");
        for (channel, plane) in out.chunks(spec.size.area()).enumerate() {
            let corner = warp["normalized_chw_00"][channel].as_f64().unwrap();
            assert!((f64::from(plane[0]) - corner).abs() < 1e-6);
            let mean: f64 = plane.iter().map(|&v| f64::from(v)).sum();
            let known = warp["normalized_chw_mean"][channel].as_f64().unwrap();
            assert!((mean / plane.len() as f64 - known).abs() < 5e-3);
        }
    }

    /// An image whose red is `2x`, green `3y` and blue constant. Bilinear interpolation of it is
    /// exact, so every sample tells its position.
    fn ramps(size: Size) -> Vec<u8> {
        let pixel = |i: usize| {
            [
                2 * (i % size.width) as u8,
                3 * (i / size.width) as u8,
                77,
                255,
            ]
        };
        (0..size.area()).flat_map(pixel).collect()
    }

    proptest! {
        /// Fails when a sample is taken at another position than the map says, for upright or
        /// rotated regions, on one thread or several, or a pixel outside the frame lacks the border
        /// colour.
        #[test]
        fn samples_are_taken_where_the_map_says(
            scale in 0.05..3.0, stretch in 0.5..2.0, degrees in prop_oneof![Just(0.0), -180.0..180.0],
            x in -60.0..160.0, y in -40.0..110.0, wide in any::<bool>(),
        ) {
            let frame = Size::new(120, 80);
            let size = if wide { Size::new(150, 130) } else { Size::new(23, 31) };
            let spec = spec(size, [124, 116, 104]);
            let upright = Affine2 { m: [[scale, 0.0, x], [0.0, scale * stretch, y]] };
            let map = Affine2::turn(Point::new(x, y), degrees).after(&upright);
            let mut out = vec![f32::NAN; spec.n_values()];
            warp(&ramps(frame), frame, &map, &spec, &mut out);
            for i in 0..size.area() {
                let at = map.apply(Point::new((i % size.width) as f64, (i / size.width) as f64));
                let got = [0, 1, 2].map(|c| denormalised(out[c * size.area() + i], c));
                let off = |v: f64, n: usize| v < -1.0 || v > n as f64;
                let on = |v: f64, n: usize| v >= 0.0 && v <= n as f64 - 1.0;
                if off(at.x, frame.width) || off(at.y, frame.height) {
                    for (got, border) in got.iter().zip(spec.border) {
                        prop_assert!((got - f64::from(border)).abs() < 1e-3);
                    }
                } else if on(at.x, frame.width) && on(at.y, frame.height) {
                    prop_assert!((got[0] - 2.0 * at.x).abs() < 2e-3, "{} at {:?}", got[0], at);
                    prop_assert!((got[1] - 3.0 * at.y).abs() < 2e-3, "{} at {:?}", got[1], at);
                    prop_assert!((got[2] - 77.0).abs() < 1e-3);
                }
            }
        }
    }

    /// Fails when an unusable map (a region of NaNs, without area or far away) reads outside the
    /// frame or yields NaNs.
    #[test]
    fn unusable_maps_show_the_border() {
        let spec = spec(Size::new(5, 4), [9; 3]);
        let frame = Size::new(3, 3);
        for v in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300] {
            for m in [[[1.0, 0.0, v], [0.0, 1.0, v]], [[v, v, v], [v, v, v]]] {
                let mut out = vec![f32::NAN; spec.n_values()];
                warp(&ramps(frame), frame, &Affine2 { m }, &spec, &mut out);
                for (i, v) in out.iter().enumerate() {
                    assert!((denormalised(*v, i / 20) - 9.0).abs() < 1e-3, "{m:?}");
                }
            }
        }
    }

    /// Fails when the frame's last row or column is read beyond its end, or frames of one pixel
    /// cannot be cropped.
    #[test]
    fn edges_are_sampled_exactly() {
        for frame in [
            Size::new(1, 1),
            Size::new(1, 7),
            Size::new(7, 1),
            Size::new(4, 5),
        ] {
            let spec = spec(frame, [200; 3]);
            let mut out = vec![f32::NAN; spec.n_values()];
            warp(&ramps(frame), frame, &Affine2::IDENTITY, &spec, &mut out);
            for (i, pixel) in ramps(frame).as_chunks::<4>().0.iter().enumerate() {
                for (c, &expected) in pixel[..3].iter().enumerate() {
                    let got = denormalised(out[c * frame.area() + i], c);
                    assert!((got - f64::from(expected)).abs() < 1e-3);
                }
            }
        }
    }
}
