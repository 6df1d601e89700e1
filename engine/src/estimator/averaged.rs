//! Test-time augmentation: averages the outputs for mirrored and scaled crops of one region. Slower
//! and slightly more accurate; for evaluation.

use super::RequestedMaps;
use super::network::Network;
use crate::codec::DecodedPerson;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::{Affine2, Point, Roi, Size};
use crate::output::{Approach, Planes, Timings};
use crate::preprocess::flip;

/// Test-time augmentations to average.
#[derive(Debug, Clone, PartialEq)]
pub struct Averaging {
    /// Whether every scale is also run on the mirrored input.
    pub flip: bool,
    /// Scales of the person in the input relative to the plain crop: 0.8 crops a region 1 / 0.8
    /// times as large. At least one, each above 0.
    pub scales: Vec<f64>,
}

impl Default for Averaging {
    /// The plain crop only.
    fn default() -> Self {
        Self {
            flip: false,
            scales: vec![1.0],
        }
    }
}

impl Averaging {
    /// Checks the scales.
    ///
    /// # Errors
    /// When there is none, or one is not from 0.1 to 10.
    pub fn check(&self) -> Result<()> {
        if !self.scales.is_empty() && self.scales.iter().all(|s| (0.1..=10.0).contains(s)) {
            return Ok(());
        }
        Err(Error::Invalid(
            "scales are numbers from 0.1 to 10, at least one".to_owned(),
        ))
    }
}

impl Network {
    /// Runs one region with the augmentations in `averaging` and decodes the mean of the heatmaps.
    ///
    /// With several scales, heatmaps are averaged as in MCA's release: values below 0 are set to 0,
    /// every map is placed where its crop lies in the image, and the area outside a crop counts as
    /// 0.
    ///
    /// # Errors
    /// When a scale is out of range, or the network or its device fails.
    pub fn infer_region_averaged(
        &mut self,
        frame: &Frame,
        roi: &Roi,
        averaging: &Averaging,
        timings: &mut Timings,
    ) -> Result<Vec<DecodedPerson>> {
        averaging.check()?;
        if self.spec.approach == Approach::BottomUp && averaging.scales != [1.0] {
            return Err(Error::Invalid(format!(
                "{} cannot be averaged over scales: its offsets are specific to one; leave \
                 scales at 1",
                self.spec.name
            )));
        }
        let (shown, heatmaps) = if let [scale] = averaging.scales[..] {
            let part = at_scale(roi, scale);
            (part, self.heatmaps(frame, &part, averaging.flip, timings)?)
        } else {
            (*roi, self.over_scales(frame, roi, averaging, timings)?)
        };
        let image_from_input = self.input.image_from_input(&shown);
        let result = self.decode(heatmaps, RequestedMaps::default(), &image_from_input);
        Ok(result.people)
    }

    /// Returns the mean of the heatmaps of all scales, in the plain crop's heatmap pixels.
    fn over_scales(
        &mut self,
        frame: &Frame,
        roi: &Roi,
        averaging: &Averaging,
        timings: &mut Timings,
    ) -> Result<Planes> {
        let share = 1.0 / averaging.scales.len() as f32;
        let mut mean: Option<Planes> = None;
        for &scale in &averaging.scales {
            let part = at_scale(roi, scale);
            let heatmaps = self.heatmaps(frame, &part, averaging.flip, timings)?;
            let mean = mean.get_or_insert_with(|| Planes {
                n: heatmaps.n,
                size: heatmaps.size,
                values: vec![0.0; heatmaps.values.len()],
            });
            let image_from_part = self.image_from_heatmap(&part, heatmaps.size);
            let part_from_image = image_from_part
                .inverse()
                .ok_or_else(|| Error::Internal("a region without extent".to_owned()))?;
            let part_from_mean = part_from_image.after(&self.image_from_heatmap(roi, mean.size));
            add(mean, &heatmaps, &part_from_mean, share);
        }
        mean.ok_or_else(|| Error::Internal("no scale is given".to_owned()))
    }

    /// Returns the heatmaps of one region, averaged with those of its mirror image if `mirrored` is
    /// set.
    fn heatmaps(
        &mut self,
        frame: &Frame,
        roi: &Roi,
        mirrored: bool,
        timings: &mut Timings,
    ) -> Result<Planes> {
        let mut input = self.crop(frame, roi, timings);
        let mut heatmaps = self.forward(&input.values)?;
        if mirrored {
            flip::flip_input(&mut input);
            let of_mirrored = self.forward(&input.values)?;
            let mirror = (self.codec_spec.mirror)(self.skeleton);
            heatmaps = flip::flip_average(&heatmaps, &of_mirrored, &mirror)?;
        }
        self.buffer = input.values;
        Ok(heatmaps)
    }

    fn image_from_heatmap(&self, roi: &Roi, heatmap: Size) -> Affine2 {
        let input_from_heatmap = self
            .input
            .alignment
            .input_from_heatmap(self.input.size, heatmap);
        self.input.image_from_input(roi).after(&input_from_heatmap)
    }
}

/// Returns the region in which the person appears `scale` times as large as in `roi`.
fn at_scale(roi: &Roi, scale: f64) -> Roi {
    Roi {
        center: roi.center,
        width: roi.width / scale,
        height: roi.height / scale,
    }
}

/// Adds `share` times the positive part of `maps`, interpolated bilinearly and 0 outside.
fn add(sum: &mut Planes, maps: &Planes, maps_from_sum: &Affine2, share: f32) {
    let Size { width, height } = maps.size;
    for row in 0..sum.size.height {
        for column in 0..sum.size.width {
            let at = maps_from_sum.apply(Point::new(column as f64, row as f64));
            let (left, top) = (at.x.floor(), at.y.floor());
            let (right, below) = ((at.x - left) as f32, (at.y - top) as f32);
            for j in 0..maps.n {
                let plane = maps.plane(j);
                let value = |x: f64, y: f64| {
                    let inside = x >= 0.0 && y >= 0.0 && x < width as f64 && y < height as f64;
                    let index = || y as usize * width + x as usize;
                    if inside { plane[index()].max(0.0) } else { 0.0 }
                };
                let above = value(left, top) * (1.0 - right) + value(left + 1.0, top) * right;
                let under =
                    value(left, top + 1.0) * (1.0 - right) + value(left + 1.0, top + 1.0) * right;
                let index = (j * sum.size.height + row) * sum.size.width + column;
                sum.values[index] += share * (above * (1.0 - below) + under * below);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{CODECS, CodecOptions};
    use crate::device::DeviceSpec;
    use crate::estimator::NetworkOptions;
    use crate::frame::Pixels;
    use crate::geometry::BBox;
    use crate::model::model;
    use crate::skeleton::Skeleton;

    /// One map with a Gaussian peak.
    fn hill(size: Size, at: Point, sigma: f64) -> Planes {
        let value = |i: usize| {
            let p = Point::new((i % size.width) as f64, (i / size.width) as f64);
            (-(p.distance(at) / sigma).powi(2) / 2.0).exp() as f32 - 0.1
        };
        Planes {
            n: 1,
            size,
            values: (0..size.area()).map(value).collect(),
        }
    }

    /// Fails when maps of another scale are not placed where their crop lies, values below 0 or
    /// outside the crop count, or a single map changes.
    #[test]
    fn maps_are_placed_where_their_crops_lie() {
        let size = Size::new(24, 20);
        let zero = || Planes {
            n: 1,
            size,
            values: vec![0.0; size.area()],
        };
        let plain = hill(size, Point::new(9.0, 7.0), 2.0);
        let mut same = zero();
        add(&mut same, &plain, &Affine2::IDENTITY, 1.0);
        for (a, b) in same.values.iter().zip(&plain.values) {
            assert_eq!(*a, b.max(0.0));
        }
        // The same peak in a crop of half the side around the centre: twice as large.
        let middle = Point::new(11.5, 9.5);
        let seen = Point::new(
            2.0 * (9.0 - middle.x) + middle.x,
            2.0 * (7.0 - middle.y) + middle.y,
        );
        let near = hill(size, seen, 4.0);
        let near_from_sum = Affine2 {
            m: [[2.0, 0.0, -middle.x], [0.0, 2.0, -middle.y]],
        };
        let mut laid = zero();
        add(&mut laid, &near, &near_from_sum, 1.0);
        let outside = |i: usize| {
            let (x, y) = (i % size.width, i / size.width);
            !(6..18).contains(&x) || !(5..15).contains(&y)
        };
        for (i, (a, b)) in laid.values.iter().zip(&same.values).enumerate() {
            if outside(i) {
                assert_eq!(*a, 0.0);
            } else {
                assert!((a - b).abs() < 0.02, "{i}: {a}, not {b}");
            }
        }
    }

    /// Fails when mirroring the targets back does not restore the original ones: a joint, limb or
    /// offset is swapped with the wrong channel, or keeps the wrong sign.
    #[test]
    fn flipping_targets_twice_restores_them() {
        let size = Size::new(24, 20);
        for (spec, skeleton) in CODECS
            .iter()
            .flat_map(|c| Skeleton::all().iter().map(move |s| (c, s)))
        {
            let codec = (spec.build)(&CodecOptions {
                skeleton,
                sigma: 0.875,
            });
            // No joint lies on a pixel border: patches and cells are drawn around whole pixels.
            let place = |j: usize| Point::new(3.3 + (5 * j % 18) as f64, 2.4 + (7 * j % 15) as f64);
            let plain = (0..skeleton.n_joints()).map(|j| Some(place(j))).collect();
            let mirrored = |j: usize| {
                let p = place(skeleton.mirror[j]);
                Some(Point::new(size.width as f64 - 1.0 - p.x, p.y))
            };
            let mirrored = (0..skeleton.n_joints()).map(mirrored).collect();
            let plain = codec.encode(&[plain], size);
            let back = codec.encode(&[mirrored], size);
            let back = flip::flip_back(&back, &(spec.mirror)(skeleton)).unwrap();
            // A limb's field reaches one cell further to the left than to the right (as in
            // OpenPose).
            let (mut n_both, mut n_one) = (0, 0);
            for (a, b) in plain.values.iter().zip(&back.values) {
                if (*a == 0.0) == (*b == 0.0) {
                    n_both += usize::from(*a != 0.0);
                    assert!((a - b).abs() < 1e-5, "{} {}", spec.name, skeleton.name);
                } else {
                    n_one += 1;
                }
            }
            assert!(n_both > 8 * n_one, "{}: {n_both}, {n_one}", spec.name);
        }
    }

    /// Fails when one scale without flip differs from a plain run, scales do not match the region,
    /// or out-of-range numbers are accepted.
    #[test]
    fn one_scale_is_a_plain_run() {
        let options = NetworkOptions {
            device: DeviceSpec::Cpu,
            threads: 1,
            ..NetworkOptions::bundled(model("sfm").unwrap())
        };
        let mut network = Network::load(&options).unwrap();
        let size = Size::new(64, 48);
        let pixel = |i: usize| (i.wrapping_mul(0x9e37_79b9) >> 11) as u8;
        let rgba = (0..4 * size.area()).map(pixel).collect();
        let frame = Frame::new(0, 0.0, size, Pixels::unpooled(rgba));
        let roi = Roi::around_box(BBox::new(10.0, 8.0, 20.0, 30.0), 1.25, 1.0);
        let mut timings = Timings::default();
        let mut averaged = |network: &mut Network, roi: &Roi, scales: &[f64]| {
            let averaging = Averaging {
                flip: false,
                scales: scales.to_vec(),
            };
            network.infer_region_averaged(&frame, roi, &averaging, &mut timings)
        };
        let requested = RequestedMaps::default();
        for scale in [1.0, 0.8] {
            let plain = network
                .infer_region(
                    &frame,
                    &at_scale(&roi, scale),
                    requested,
                    &mut Timings::default(),
                )
                .unwrap();
            let one = averaged(&mut network, &roi, &[scale]).unwrap();
            assert_eq!(one, plain.people);
            // Averaging the same scale twice changes nothing but the rounding of resampled maps.
            let twice = averaged(&mut network, &roi, &[scale, scale]).unwrap();
            let pairs = one[0].joints.iter().zip(&twice[0].joints);
            let (a, b) = pairs
                .max_by(|a, b| a.0.score.total_cmp(&b.0.score))
                .unwrap();
            let pixel = roi.width / scale / 128.0;
            assert!(a.point().distance(b.point()) < 2.0 * pixel, "{a:?} {b:?}");
        }
        for scales in [&[][..], &[0.0], &[1.0, f64::NAN]] {
            assert!(averaged(&mut network, &roi, scales).is_err());
        }
    }
}
