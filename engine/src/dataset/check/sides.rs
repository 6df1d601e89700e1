//! Detection of swapped left and right joints.

use crate::geometry::Point;
use crate::skeleton::Skeleton;

/// Joint pairs whose order across the body tells which way the person faces, and the minimum
/// distance across, as a fraction of the torso, at which it does so reliably.
const FACING: [(&str, f64); 4] = [
    ("shoulder", 0.2),
    ("hip", 0.15),
    ("ear", 0.12),
    ("eye", 0.06),
];

/// Limbs that cross to the wrong side if swapped: upper end, lower end.
const HANGING: [(&str, &str); 2] = [("shoulder", "elbow"), ("hip", "knee")];

/// A pair is swapped if exchanging the limbs' lower ends shortens them to this fraction. Crossed
/// legs reach 0.9, swapped knees of a wide stance 0.7.
const CROSSWISE: f64 = 0.75;

/// Explains why left and right of a person look swapped; `None` if they do not. A turned head over
/// folded arms can look the same, so it is only a suspicion.
pub(super) fn exchanged(
    skeleton: &Skeleton,
    point: &dyn Fn(usize) -> Option<Point>,
) -> Option<String> {
    let joint = |name: &str| point(skeleton.joint(name)?);
    let pair = |part: &str| joint(&format!("l_{part}")).zip(joint(&format!("r_{part}")));
    let (shoulders, hips) = (pair("shoulder"), pair("hip"));

    for (upper, lower) in HANGING {
        if let (Some((la, ra)), Some((lb, rb))) = (pair(upper), pair(lower)) {
            let straight = la.distance(lb) + ra.distance(rb);
            let crosswise = la.distance(rb) + ra.distance(lb);
            if crosswise < CROSSWISE * straight {
                return Some(format!(
                    "left and right {lower} look exchanged: each is nearer to the other {upper}"
                ));
            }
        }
    }

    // Axis of the body: from the hips, or from the shoulders to the head.
    let middle =
        |(l, r): (Point, Point)| Point::new(f64::midpoint(l.x, r.x), f64::midpoint(l.y, r.y));
    let neck = middle(shoulders?);
    let (from, to) = match hips {
        Some(hips) => (middle(hips), neck),
        None => (neck, pair("ear").or_else(|| pair("eye")).map(middle)?),
    };
    let (l, r) = shoulders?;
    let length = from.distance(to).max(l.distance(r));
    let axis = from.distance(to);
    if axis < 0.3 * length || length <= 0.0 {
        // Seen from above or lying towards the camera: left and right are not ordered.
        return None;
    }
    let across = Point::new(-(to.y - from.y) / axis, (to.x - from.x) / axis);
    let order = |part: &str| {
        let (l, r) = pair(part)?;
        Some(((l.x - r.x) * across.x + (l.y - r.y) * across.y) / length)
    };
    let mut clear = FACING.iter().filter_map(|&(part, least)| {
        let order = order(part)?;
        (order.abs() > least).then_some((part, order > 0.0))
    });
    let (first, facing) = clear.next()?;
    let (other, _) = clear.find(|(_, f)| *f != facing)?;
    Some(format!(
        "left and right look exchanged: {first}s and {other}s face opposite ways"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Checks a person facing the camera, rotated by `degrees`; `exchange` swaps these pairs.
    fn person(degrees: f64, exchange: &[&str]) -> Option<String> {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let place = |name: &str| {
            let (side, part) = match name.split_once('_') {
                Some(("l", part)) => (1.0, part),
                Some((_, part)) => (-1.0, part),
                None => (0.0, name),
            };
            let (x, y) = match part {
                "eye" => (3.0, -60.0),
                "ear" => (7.0, -58.0),
                "shoulder" => (16.0, -40.0),
                "elbow" => (24.0, -20.0),
                "wrist" => (27.0, 0.0),
                "hip" => (11.0, 5.0),
                "knee" => (34.0, 40.0),
                "ankle" => (36.0, 80.0),
                _ => (0.0, -55.0),
            };
            let side = if exchange.contains(&part) {
                -side
            } else {
                side
            };
            let (sin, cos) = degrees.to_radians().sin_cos();
            let (x, y) = (side * x, y);
            Point::new(100.0 + cos * x - sin * y, 100.0 + sin * x + cos * y)
        };
        let points: Vec<Point> = skeleton.joints.iter().map(|n| place(n)).collect();
        exchanged(skeleton, &|j| points.get(j).copied())
    }

    proptest! {
        /// Fails when swapped sides are missed in some direction, or people who are rotated or seen
        /// from behind are reported.
        #[test]
        fn swapped_sides_are_found(degrees in 0.0..360.0) {
            prop_assert_eq!(person(degrees, &[]), None);
            let all = ["eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"];
            prop_assert_eq!(person(degrees, &all), None);
            for part in ["shoulder", "hip", "eye", "ear", "knee", "elbow"] {
                prop_assert!(person(degrees, &[part]).is_some(), "{}", part);
            }
            prop_assert!(person(degrees, &["shoulder", "elbow", "wrist"]).is_some());
        }
    }
}
