//! The peaks of heatmaps in a few kilobytes, so that frames can be compared later.

use serde::{Deserialize, Serialize};

use crate::output::SharedPlanes;

/// Lower values are noise.
const FLOOR: f32 = 0.05;
/// Largest number of pixels of a joint: those of a peak with a deviation of three pixels.
const MAX_PIXELS: usize = 256;

/// The highest pixels of each joint's heatmap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct HeatmapPeaks {
    size: (usize, usize),
    /// For each joint, pixels in ascending order with their values in 255ths.
    joints: Vec<Vec<(u32, u8)>>,
}

impl HeatmapPeaks {
    pub(super) fn of(maps: &SharedPlanes) -> Self {
        let peak = |joint: usize| {
            let pixels = (0..).zip(maps.plane(joint)).filter(|(_, v)| **v >= FLOOR);
            let value = |v: f32| (v.min(1.0) * 255.0).round() as u8;
            let mut pixels: Vec<(u32, u8)> = pixels.map(|(i, v)| (i, value(*v))).collect();
            if pixels.len() > MAX_PIXELS {
                pixels.sort_by_key(|(_, value)| std::cmp::Reverse(*value));
                pixels.truncate(MAX_PIXELS);
                pixels.sort_unstable();
            }
            pixels
        };
        Self {
            size: (maps.size.width, maps.size.height),
            joints: (0..maps.n).map(peak).collect(),
        }
    }

    /// Returns the share of the heatmaps that does not overlap, 0 to 1; `None` if they cannot be
    /// compared. Both are relative to the region around the person, so that this is the change of
    /// the pose and not of the place.
    pub(super) fn change(&self, other: &Self) -> Option<f64> {
        if self.size != other.size || self.joints.len() != other.joints.len() {
            return None;
        }
        let (mut common, mut all) = (0.0, 0.0);
        for (a, b) in self.joints.iter().zip(&other.joints) {
            let sum = |of: &[(u32, u8)]| of.iter().map(|(_, v)| f64::from(*v)).sum::<f64>();
            let both = overlap(a, b);
            common += both;
            all += sum(a) + sum(b) - both;
        }
        (all > 0.0).then(|| 1.0 - common / all)
    }
}

/// Returns the sum of the smaller values of pixels that both have.
fn overlap(a: &[(u32, u8)], b: &[(u32, u8)]) -> f64 {
    let mut sum = 0.0;
    let mut rest = b;
    for (pixel, value) in a {
        let before = rest.partition_point(|(other, _)| other < pixel);
        rest = &rest[before..];
        match rest.first() {
            Some((other, there)) if other == pixel => sum += f64::from(*value.min(there)),
            Some(_) => {}
            None => break,
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use proptest::prelude::*;

    fn planes(values: &[f32]) -> SharedPlanes {
        SharedPlanes {
            n: 2,
            size: Size::new(5, 4),
            values: values.into(),
        }
    }

    proptest! {
        /// Fails when the change differs from that of the whole maps by more than rounding.
        #[test]
        fn the_change_is_that_of_the_maps(
            a in prop::collection::vec(prop_oneof![Just(0.0f32), 0.06..1.0f32], 40),
            b in prop::collection::vec(prop_oneof![Just(0.0f32), 0.06..1.0f32], 40),
        ) {
            let [x, y] = [&a, &b].map(|values| HeatmapPeaks::of(&planes(values)));
            let pairs = || a.iter().zip(&b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
            let (common, all) = pairs().fold((0.0, 0.0), |(c, all), (a, b)| {
                (c + a.min(b), all + a.max(b))
            });
            match x.change(&y) {
                Some(found) => prop_assert!((found - (1.0 - common / all)).abs() < 0.02),
                None => prop_assert!(all == 0.0),
            }
            prop_assert_eq!(x.change(&x).unwrap_or(0.0), 0.0);
            let text = serde_json::to_string(&x).unwrap();
            prop_assert_eq!(serde_json::from_str::<HeatmapPeaks>(&text).unwrap(), x);
        }
    }

    /// Fails when maps without peaks take more memory than the highest pixels do.
    #[test]
    fn noise_is_bounded() {
        let maps = SharedPlanes {
            n: 17,
            size: Size::square(128),
            values: (0..17 * 128 * 128)
                .map(|i| (i % 97) as f32 / 97.0)
                .collect(),
        };
        let peaks = HeatmapPeaks::of(&maps);
        assert!(peaks.joints.iter().all(|joint| joint.len() == MAX_PIXELS));
        let other = planes(&[0.5; 40]);
        assert_eq!(peaks.change(&HeatmapPeaks::of(&other)), None);
    }
}
