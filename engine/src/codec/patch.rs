//! Patches: the target of a joint is a small square of a Gaussian centred on the whole pixel in
//! which the joint lies, as the Multi-Context Attention release draws it (spec section 7). Sigma
//! 1.75 gives 7 x 7 pixels with values 0.8494, 0.5204 and 0.2301 next to the centre. Predictions
//! are decoded to the highest pixel.

use super::heatmap::{HeatmapCodec, stay};
use super::{Codec, DecodedPerson, PersonJoints};
use crate::geometry::{Point, Size};
use crate::output::Planes;

/// Top-down patch codec: one person per region, one heatmap per joint.
#[derive(Debug, Clone, Copy)]
pub struct PatchCodec {
    gaussian: HeatmapCodec,
    radius: f64,
}

impl PatchCodec {
    /// Creates a codec whose patches are `4 sigma` pixels wide, rounded up to the next odd number.
    pub fn new(sigma: f64) -> Self {
        Self {
            gaussian: HeatmapCodec::new(sigma, stay),
            radius: ((4.0 * sigma - 1.0) / 2.0).round().max(0.0),
        }
    }
}

impl Codec for PatchCodec {
    /// A joint on the border between two pixels belongs to the right or lower one. Patches are
    /// clipped at the map's border; the map of a joint outside it is empty.
    fn encode(&self, people: &[PersonJoints], size: Size) -> Planes {
        let inside = |v: f64, n: usize| v >= 0.0 && v < n as f64;
        let middle = |joint: &Option<Point>| {
            // The release truncates after adding 1e-4, so that sub-pixel noise does not change the
            // pixel.
            let whole = |v: f64| (v + 0.5 + 1e-4).floor();
            let p = (*joint)?;
            let p = Point::new(whole(p.x), whole(p.y));
            (inside(p.x, size.width) && inside(p.y, size.height)).then_some(p)
        };
        let middles = |joints: &PersonJoints| joints.iter().map(middle).collect();
        let people: Vec<PersonJoints> = people.iter().map(middles).collect();
        let mut planes = self.gaussian.encode(&people, size);
        let maps = planes.values.chunks_exact_mut(size.area().max(1));
        for (j, map) in maps.enumerate() {
            for (i, v) in map.iter_mut().enumerate() {
                let (x, y) = ((i % size.width) as f64, (i / size.width) as f64);
                let is_near =
                    |p: Point| (x - p.x).abs() <= self.radius && (y - p.y).abs() <= self.radius;
                if !people.iter().any(|joints| joints[j].is_some_and(is_near)) {
                    *v = 0.0;
                }
            }
        }
        planes
    }

    fn weights(&self, targets: &Planes, known: &[bool]) -> Planes {
        self.gaussian.weights(targets, known)
    }

    fn decode(&self, heatmaps: &Planes) -> Vec<DecodedPerson> {
        self.gaussian.decode(heatmaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a patch differs from the release's in size, values, centre pixel or clipping.
    #[test]
    fn patches_match_the_release() {
        let codec = PatchCodec::new(1.75);
        let size = Size::new(16, 12);
        let joints = [
            Some(Point::new(7.4, 5.0)),
            Some(Point::new(7.5, 5.0)),
            Some(Point::new(0.0, -0.4)),
            Some(Point::new(16.0, 5.0)),
            Some(Point::new(f64::NAN, 5.0)),
        ];
        let maps = codec.encode(&[joints.to_vec()], size);
        let at = |map: usize, x: usize, y: usize| maps.plane(map)[y * size.width + x];
        let count = |map: usize| maps.plane(map).iter().filter(|v| **v > 0.0).count();
        for (x, expected) in [(7, 1.0), (8, 0.8494), (9, 0.5204), (10, 0.2301), (11, 0.0)] {
            assert!((at(0, x, 5) - expected).abs() < 1e-4, "{x}");
        }
        assert!((at(0, 4, 2) - 0.0529).abs() < 1e-4);
        assert_eq!((count(0), at(1, 8, 5)), (49, 1.0));
        assert_eq!((count(2), at(2, 0, 0)), (16, 1.0));
        assert_eq!((count(3), count(4)), (0, 0));
    }
}
