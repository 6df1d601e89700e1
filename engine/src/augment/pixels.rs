//! Pixel augmentations: colour, blur, noise and cut-out.

use super::{Augment, Rng};
use crate::geometry::Size;

impl Augment {
    /// Returns whether [`Self::augment_pixels`] can change anything.
    pub fn touches_pixels(&self) -> bool {
        let color = &self.color;
        let factors = [
            color.contrast,
            color.brightness,
            color.gain,
            color.saturation,
        ];
        factors.iter().any(|d| d.range() != (1.0, 1.0))
            || [
                color.grey,
                self.blur.probability,
                self.noise.probability,
                self.cut_out.probability,
            ]
            .iter()
            .any(|p| *p > 0.0)
    }

    /// Augments a crop in place. `values` are three planes of `size`, red first, from 0 (black) to
    /// 1, not normalised; the results are clamped to [0, 1].
    ///
    /// The order is that of a camera: light and colour, then blur (the lens), then noise (the
    /// sensor), then the cut-out rectangle.
    ///
    /// # Panics
    /// When `values` does not hold exactly three planes.
    pub fn augment_pixels(&self, values: &mut [f32], size: Size, rng: &mut Rng) {
        assert_eq!(values.len(), 3 * size.area(), "three planes of {size}");
        if !self.touches_pixels() || size.area() == 0 {
            return;
        }
        self.light(values, size, rng);
        if rng.chance(self.blur.probability) {
            blur(values, size, self.blur.sigma.sample(rng));
        }
        if rng.chance(self.noise.probability) {
            let std = self.noise.std.sample(rng);
            for pair in values.chunks_mut(2) {
                for (v, n) in pair.iter_mut().zip(rng.normals()) {
                    *v += (std * n) as f32;
                }
            }
        }
        for v in values.iter_mut() {
            *v = v.clamp(0.0, 1.0);
        }
        if rng.chance(self.cut_out.probability) {
            self.hide(values, size, rng);
        }
    }

    /// Applies `(x - m) * contrast + m * brightness` with the crop's mean `m`, then a gain per
    /// channel, then scales the difference from grey by the saturation.
    fn light(&self, values: &mut [f32], size: Size, rng: &mut Rng) {
        let color = &self.color;
        let contrast = color.contrast.sample(rng);
        let brightness = color.brightness.sample(rng);
        let gains = [0; 3].map(|_| color.gain.sample(rng));
        let saturation = color.saturation.sample(rng);
        let saturation = if rng.chance(color.grey) {
            0.0
        } else {
            saturation as f32
        };

        let mean = values.iter().copied().map(f64::from).sum::<f64>() / values.len() as f64;
        let base = mean * (brightness - contrast);
        for (plane, gain) in values.chunks_exact_mut(size.area()).zip(gains) {
            let (slope, offset) = ((contrast * gain) as f32, (base * gain) as f32);
            for v in plane {
                *v = *v * slope + offset;
            }
        }
        if saturation != 1.0 {
            let (r, rest) = values.split_at_mut(size.area());
            let (g, b) = rest.split_at_mut(size.area());
            for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
                let grey = (*r + *g + *b) / 3.0;
                for v in [r, g, b] {
                    *v = grey + (*v - grey) * saturation;
                }
            }
        }
    }

    fn hide(&self, values: &mut [f32], size: Size, rng: &mut Rng) {
        let mut span = |n: usize| {
            let share = self.cut_out.share.sample(rng);
            let length = ((share * n as f64).round() as usize).min(n);
            let start = rng.below(n - length + 1);
            start..start + length
        };
        let (columns, rows) = (span(size.width), span(size.height));
        for plane in values.chunks_exact_mut(size.area()) {
            let value = rng.unit() as f32;
            for y in rows.clone() {
                plane[y * size.width..(y + 1) * size.width][columns.clone()].fill(value);
            }
        }
    }
}

/// Blurs every plane with a Gaussian; values at the border are replicated outwards.
fn blur(values: &mut [f32], size: Size, sigma: f64) {
    let radius = (3.0 * sigma).ceil() as usize;
    if radius == 0 {
        return;
    }
    let weight = |i: usize| (-((i as f64 - radius as f64) / sigma).powi(2) / 2.0).exp();
    let weights: Vec<f64> = (0..=2 * radius).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    let taps: Vec<f32> = weights.iter().map(|w| (w / sum) as f32).collect();
    let Size { width, height } = size;
    let mut padded = vec![0.0; width + 2 * radius];
    let mut along_x = vec![0.0; size.area()];
    for plane in values.chunks_exact_mut(size.area()) {
        for (line, row) in along_x.chunks_exact_mut(width).zip(plane.chunks(width)) {
            padded[..radius].fill(row[0]);
            padded[radius..radius + width].copy_from_slice(row);
            padded[radius + width..].fill(row[width - 1]);
            line.fill(0.0);
            for (i, tap) in taps.iter().enumerate() {
                for (sum, v) in line.iter_mut().zip(&padded[i..]) {
                    *sum += tap * v;
                }
            }
        }
        for (y, row) in plane.chunks_exact_mut(width).enumerate() {
            row.fill(0.0);
            for (i, tap) in taps.iter().enumerate() {
                let source = (y + i).saturating_sub(radius).min(height - 1);
                for (sum, v) in row.iter_mut().zip(&along_x[source * width..]) {
                    *sum += tap * v;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Blur, Color, CutOut, Distribution, Noise, Rng, preset};
    use super::*;
    use proptest::prelude::*;

    const SIZE: Size = Size::new(24, 16);

    fn picture() -> Vec<f32> {
        let mut rng = Rng::new(&[11]);
        (0..3 * SIZE.area()).map(|_| rng.unit() as f32).collect()
    }

    fn changed(augment: &Augment, seed: u64) -> Vec<f32> {
        let mut values = picture();
        augment.augment_pixels(&mut values, SIZE, &mut Rng::new(&[seed]));
        values
    }

    fn fixed(value: f64) -> Distribution {
        Distribution::Fixed { value }
    }

    /// Fails when training without augmentation sees other pixels than evaluation.
    #[test]
    fn the_default_changes_no_pixel() {
        assert_eq!(changed(&Augment::default(), 1), picture());
    }

    /// Fails when a factor affects something other than its name says.
    #[test]
    fn each_color_factor_acts_as_named() {
        let light = |color: Color| {
            let augment = Augment {
                color,
                ..Augment::default()
            };
            let values = changed(&augment, 1);
            let spread = |v: &[f32]| {
                let m = v.iter().sum::<f32>() / v.len() as f32;
                (
                    m,
                    v.iter().map(|x| (x - m).abs()).sum::<f32>() / v.len() as f32,
                )
            };
            (spread(&picture()), spread(&values), values)
        };
        let half = || fixed(0.5);
        let ((m, s), (m2, s2), _) = light(Color {
            contrast: half(),
            ..Color::default()
        });
        assert!((m - m2).abs() < 1e-4 && (s2 / s - 0.5).abs() < 1e-3);
        let ((m, s), (m2, s2), _) = light(Color {
            brightness: half(),
            contrast: half(),
            ..Color::default()
        });
        assert!((m2 / m - 0.5).abs() < 1e-4 && (s2 / s - 0.5).abs() < 1e-3);
        let (_, _, grey) = light(Color {
            grey: 1.0,
            ..Color::default()
        });
        let (r, rest) = grey.split_at(SIZE.area());
        assert_eq!(r, &rest[..SIZE.area()]);
        let mean = (picture()[0] + picture()[SIZE.area()] + picture()[2 * SIZE.area()]) / 3.0;
        assert!((r[0] - mean).abs() < 1e-6);
    }

    /// Fails when the blur shifts or darkens the image, or does not blur.
    #[test]
    fn a_blurred_point_stays_in_place() {
        let mut values = vec![0.0; 3 * SIZE.area()];
        values[7 * SIZE.width + 9] = 1.0;
        blur(&mut values, SIZE, 1.3);
        let plane = &values[..SIZE.area()];
        let sum: f32 = plane.iter().sum();
        let along = |f: &dyn Fn(usize) -> usize| {
            let moments = plane.iter().enumerate().map(|(i, v)| v * f(i) as f32);
            moments.sum::<f32>() / sum
        };
        assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        assert!((along(&|i| i % SIZE.width) - 9.0).abs() < 1e-3);
        assert!((along(&|i| i / SIZE.width) - 7.0).abs() < 1e-3);
        assert!(plane[7 * SIZE.width + 9] < 0.12);
        let mut flat = vec![0.25; 3 * SIZE.area()];
        blur(&mut flat, SIZE, 2.0);
        assert!(flat.iter().all(|v| (v - 0.25).abs() < 1e-5));
    }

    /// Fails when the cut-out rectangle has the wrong size, or pixels outside it change.
    #[test]
    fn the_cut_out_is_one_rectangle() {
        let augment = Augment {
            cut_out: CutOut {
                probability: 1.0,
                share: fixed(0.25),
            },
            ..Augment::default()
        };
        let (before, after) = (picture(), changed(&augment, 3));
        let hit: Vec<usize> = (0..SIZE.area())
            .filter(|&i| before[i] != after[i])
            .collect();
        assert_eq!(hit.len(), 6 * 4);
        assert!(hit.iter().all(|&i| after[i] == after[hit[0]]));
        assert_eq!(hit[23] - hit[0], 3 * SIZE.width + 5);
    }

    /// Fails when the noise has the wrong standard deviation.
    #[test]
    fn noise_has_its_standard_deviation() {
        let augment = Augment {
            noise: Noise {
                probability: 1.0,
                std: fixed(0.05),
            },
            ..Augment::default()
        };
        let mut values = vec![0.5; 3 * SIZE.area()];
        augment.augment_pixels(&mut values, SIZE, &mut Rng::new(&[5]));
        let n = values.len() as f32;
        let std = (values.iter().map(|v| (v - 0.5).powi(2)).sum::<f32>() / n).sqrt();
        assert!((std - 0.05).abs() < 0.005, "{std}");
    }

    proptest! {
        /// Fails when some draw leaves the range [0, 1], or the same seed gives a different result.
        #[test]
        fn values_stay_in_range_and_repeat(seed in any::<u64>(), sigma in 0.0..8.0) {
            let mut augment = (preset("default").unwrap().build)();
            augment.blur = Blur { probability: 0.5, sigma: fixed(sigma) };
            let values = changed(&augment, seed);
            prop_assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
            prop_assert_eq!(values, changed(&augment, seed));
        }
    }
}
