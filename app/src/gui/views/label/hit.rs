//! Which joint or person is under the pointer.

use poselens_engine::geometry::{BBox, Point};
use poselens_engine::project::{Joint, Person};
use poselens_engine::skeleton::Skeleton;

use crate::gui::action::label::Pick;
use crate::gui::views::label::gesture::place;

/// Returns the joint nearest to `point` within `reach` pixels. At the same place, a joint of the
/// picked person comes first. Absent joints can only be found in the picked person, which shows
/// them.
pub(super) fn joint_near(
    people: &[Person],
    picked: Option<u64>,
    point: Point,
    reach: f64,
) -> Option<Pick> {
    let joints = people.iter().flat_map(|person| {
        let is_picked = picked == Some(person.id);
        let joints = person.joints.iter().enumerate();
        joints.filter_map(move |(joint, at)| {
            let at = if is_picked { place(at) } else { at.labelled() };
            let distance = at?.distance(point);
            let pick = Pick {
                person: person.id,
                joint: Some(joint),
            };
            Some((distance, !is_picked, pick))
        })
    });
    let near = joints.filter(|(distance, ..)| *distance <= reach);
    let nearest = near.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    nearest.map(|(_, _, pick)| pick)
}

/// Returns the person at `point`: the one with the nearest bone or joint within `reach` pixels, else
/// the one with the smallest box around it.
pub(super) fn person_at(
    people: &[Person],
    skeleton: &Skeleton,
    point: Point,
    reach: f64,
) -> Option<u64> {
    let near = people.iter().filter_map(|person| {
        let at = |joint: usize| person.joints.get(joint)?.labelled();
        let joints = person.joints.iter().filter_map(Joint::labelled);
        let bones = skeleton.limbs.iter().filter_map(|[a, b]| {
            let (a, b) = (at(*a)?, at(*b)?);
            Some(distance_to_segment(point, a, b))
        });
        let all = joints.map(|joint| joint.distance(point)).chain(bones);
        let nearest = all.min_by(f64::total_cmp)?;
        (nearest <= reach).then_some((nearest, person.id))
    });
    let nearest = near.min_by(|a, b| a.0.total_cmp(&b.0));
    let around = || {
        let boxes = people.iter().filter_map(|person| {
            let bbox = BBox::around(person.joints.iter().filter_map(Joint::labelled))?;
            bbox.contains(point).then(|| (bbox.area(), person.id))
        });
        boxes.min_by(|a, b| a.0.total_cmp(&b.0))
    };
    nearest.or_else(around).map(|(_, id)| id)
}

/// Returns the distance of a point from the line between `a` and `b`.
fn distance_to_segment(point: Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length = dx * dx + dy * dy;
    let share = if length > 0.0 {
        (((point.x - a.x) * dx + (point.y - a.y) * dy) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    point.distance(Point::new(a.x + share * dx, a.y + share * dy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::project::template;
    use poselens_engine::sample::Visibility;
    use proptest::prelude::*;

    fn skeleton() -> &'static Skeleton {
        Skeleton::by_name("coco17").unwrap()
    }

    fn person(id: u64, x: f64, height: f64) -> Person {
        Person {
            id,
            is_confirmed: false,
            joints: template(skeleton(), Point::new(x, 240.0), height),
        }
    }

    proptest! {
        /// Fails when a drag takes another joint than the one nearest to the pointer, or one that is
        /// out of reach.
        #[test]
        fn the_nearest_joint_is_taken(x in 0.0..640.0_f64, y in 0.0..480.0_f64, reach in 1.0..40.0_f64) {
            let people = [person(1, 200.0, 300.0), person(2, 260.0, 250.0)];
            let point = Point::new(x, y);
            let distance = |pick: &Pick| {
                let person = people.iter().find(|p| p.id == pick.person).unwrap();
                person.joints[pick.joint.unwrap()].point().distance(point)
            };
            let all = people.iter().flat_map(|p| &p.joints);
            let nearest = all.map(|joint| joint.point().distance(point)).fold(f64::MAX, f64::min);
            match joint_near(&people, None, point, reach) {
                Some(pick) => {
                    prop_assert!(distance(&pick) <= reach);
                    prop_assert_eq!(distance(&pick), nearest);
                }
                None => prop_assert!(nearest > reach),
            }
        }

        /// Fails when the distance from a bone is larger than that from its ends, or negative.
        #[test]
        fn a_segment_is_at_most_as_far_as_its_ends(
            p in [-99.0..99.0_f64, -99.0..99.0_f64],
            a in [-99.0..99.0_f64, -99.0..99.0_f64],
            b in [-99.0..99.0_f64, -99.0..99.0_f64],
        ) {
            let [p, a, b] = [p, a, b].map(|[x, y]| Point::new(x, y));
            let found = distance_to_segment(p, a, b);
            prop_assert!(found <= p.distance(a).min(p.distance(b)) + 1e-9);
            let middle = Point::new(f64::midpoint(a.x, b.x), f64::midpoint(a.y, b.y));
            prop_assert!(distance_to_segment(middle, a, b) < 1e-9);
            prop_assert_eq!(distance_to_segment(p, a, a), p.distance(a));
        }
    }

    /// Fails when an absent joint catches the pointer in a person that does not show it, or two
    /// joints at one place are not told apart by the picked person.
    #[test]
    fn the_picked_person_comes_first() {
        let (mut one, two) = (person(1, 200.0, 300.0), person(2, 200.0, 300.0));
        let at = one.joints[9].point();
        let pick = |people: &[Person], picked| {
            joint_near(people, picked, at, 5.0).map(|pick| (pick.person, pick.joint))
        };
        assert_eq!(
            pick(&[one.clone(), two.clone()], Some(2)),
            Some((2, Some(9)))
        );
        one.joints[9].visibility = Visibility::Unlabelled;
        assert_eq!(pick(&[one.clone()], None), None);
        assert_eq!(pick(&[one], Some(1)), Some((1, Some(9))));
    }

    /// Fails when a click inside a person but away from its bones finds no person, or the larger of two
    /// people around it.
    #[test]
    fn a_person_is_found_by_bone_or_box() {
        let people = [person(1, 200.0, 400.0), person(2, 210.0, 150.0)];
        let find = |x: f64, y: f64| person_at(&people, skeleton(), Point::new(x, y), 4.0);
        let shoulder = people[0].joints[5].point();
        let elbow = people[0].joints[7].point();
        let (x, y) = (
            f64::midpoint(shoulder.x, elbow.x),
            f64::midpoint(shoulder.y, elbow.y),
        );
        assert_eq!(find(x, y), Some(1));
        assert_eq!(find(211.0, 290.0), Some(2));
        assert_eq!(find(5.0, 5.0), None);
    }
}
