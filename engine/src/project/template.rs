//! A standing person from the front: the joints that a new person begins with.

use super::person::Joint;
use crate::geometry::Point;
use crate::sample::Visibility;
use crate::skeleton::Skeleton;

/// Place of each joint of the body in its height, from the top of the head at y = 0 to the ankles:
/// x to the person's own left, which is to the right in the image.
const PLACES: &[(&str, f64, f64)] = &[
    ("head_top", 0.0, 0.0),
    ("nose", 0.0, 0.08),
    ("eye", 0.02, 0.06),
    ("ear", 0.045, 0.07),
    ("upper_neck", 0.0, 0.14),
    ("neck", 0.0, 0.19),
    ("thorax", 0.0, 0.19),
    ("shoulder", 0.11, 0.2),
    ("elbow", 0.15, 0.37),
    ("wrist", 0.17, 0.53),
    ("pelvis", 0.0, 0.52),
    ("hip", 0.06, 0.52),
    ("knee", 0.065, 0.76),
    ("ankle", 0.07, 1.0),
];

/// Returns the joints of a person `height` pixels high around `center`. Joints that are not known
/// here are absent.
pub fn template(skeleton: &Skeleton, center: Point, height: f64) -> Vec<Joint> {
    let place = |name: &String| {
        let (side, part) = match name.split_once('_') {
            Some(("l", part)) => (1.0, part),
            Some(("r", part)) => (-1.0, part),
            _ => (0.0, name.as_str()),
        };
        let (_, x, y) = PLACES.iter().find(|(known, ..)| *known == part)?;
        Some(Point::new(
            center.x + side * x * height,
            center.y + (y - 0.5) * height,
        ))
    };
    let joint = |point| Joint::new(point, 0.0, Visibility::Visible);
    let places = skeleton.joints.iter().map(place);
    places
        .map(|place| place.map_or(Joint::ABSENT, joint))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a skeleton has a joint without a place, partners are not mirrored, or left is on
    /// the wrong side of a person who faces the camera.
    #[test]
    fn every_skeleton_has_a_symmetric_template() {
        for skeleton in Skeleton::all() {
            let center = Point::new(100.0, 200.0);
            let joints = template(skeleton, center, 100.0);
            for (j, &partner) in skeleton.mirror.iter().enumerate() {
                let name = &skeleton.joints[j];
                let (point, other) = (joints[j].labelled(), joints[partner].labelled());
                let (point, other) = (point.expect(name), other.expect(name));
                assert!((point.x + other.x - 200.0).abs() < 0.02, "{name}");
                assert_eq!(point.y, other.y, "{name}");
                assert!((150.0..=250.0).contains(&point.y), "{name}");
                assert_eq!(name.starts_with("l_"), point.x > 100.0, "{name}");
            }
        }
    }
}
