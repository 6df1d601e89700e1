//! The person that a model finds at a point.

use super::examined::people;
use super::labels::Labels;
use super::person::{FrameKey, Joint, Person, mean_distance};
use crate::error::Result;
use crate::estimator::Infer;
use crate::frame::Frame;
use crate::geometry::{BBox, Point};
use crate::skeleton::Skeleton;

/// Side of the region to look at, in sizes of a person: the point may be at the person's edge.
const SURROUNDINGS: f64 = 1.5;
/// The same in heights of the image if the size of people is unknown.
const WHOLE: f64 = 1.0;
/// Largest distance of the point from the nearest joint, in sizes of the person.
const REACH: f64 = 0.25;
/// Smallest size of a person in heights of the image.
const SMALLEST: f64 = 0.05;
/// People whose joints are closer on average, in sizes of the person, are the same one.
const SAME: f64 = 0.2;

/// A search for a person at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonQuery {
    point: Point,
    /// Usual size of a person here in pixels, if it is known.
    size: Option<f64>,
    /// Joints of the people in the frame.
    others: Vec<Vec<Joint>>,
    skeleton: &'static Skeleton,
}

impl PersonQuery {
    /// Searches at `point` of frame `at` for somebody who is not labelled there. The size is that of
    /// the confirmed people in this frame, else in the nearest frames with some.
    pub fn new(labels: &Labels, at: FrameKey, point: Point) -> Self {
        let here = confirmed_sizes(labels, at);
        let mut sizes = if here.is_empty() {
            let around = labels.confirmed_around(at).into_iter().flatten();
            around.flat_map(|at| confirmed_sizes(labels, at)).collect()
        } else {
            here
        };
        sizes.sort_by(f64::total_cmp);
        let people = labels.people(at).iter();
        Self {
            point,
            size: sizes.get(sizes.len() / 2).copied(),
            others: people.map(|person| person.joints.clone()).collect(),
            skeleton: labels.skeleton(),
        }
    }

    /// Returns how far the point is from a person in pixels; `None` if that is too far, or the
    /// person is labelled already.
    fn distance(&self, joints: &[Joint], smallest: f64) -> Option<f64> {
        let size = size(joints)?.max(smallest);
        let is_same = |other: &Vec<Joint>| {
            mean_distance(other, joints).is_some_and(|distance| distance < SAME * size)
        };
        if self.others.iter().any(is_same) {
            return None;
        }
        let points = || joints.iter().filter_map(Joint::labelled);
        let nearest = points().map(|point| point.distance(self.point));
        let nearest = nearest.min_by(f64::total_cmp)?;
        let is_inside = BBox::around(points())?.contains(self.point);
        (is_inside || nearest <= REACH * size).then_some(nearest)
    }
}

fn confirmed_sizes(labels: &Labels, at: FrameKey) -> Vec<f64> {
    let people = labels.people(at).iter();
    let confirmed = people.filter(|person| person.is_confirmed);
    confirmed
        .filter_map(|Person { joints, .. }| size(joints))
        .filter(|size| *size > 0.0)
        .collect()
}

/// Returns the longer side of the box around joints.
fn size(joints: &[Joint]) -> Option<f64> {
    let bbox = BBox::around(joints.iter().filter_map(Joint::labelled))?;
    Some(bbox.w.max(bbox.h))
}

/// Returns the joints of the person that `infer` finds nearest to the point, as proposals; `None` if
/// it finds nobody there who is not labelled already.
///
/// # Errors
/// When the model fails or finds other joints.
pub fn find_person(
    infer: &mut dyn Infer,
    frame: &Frame,
    query: &PersonQuery,
) -> Result<Option<Vec<Joint>>> {
    let height = frame.size().height as f64;
    let side = query
        .size
        .map_or(WHOLE * height, |size| SURROUNDINGS * size);
    let Point { x, y } = query.point;
    let near = BBox::new(x - side / 2.0, y - side / 2.0, side, side);
    let output = infer.look_at(frame, near)?;
    let found = people(&output, query.skeleton)?;
    let near = found.into_iter().filter_map(|joints| {
        let distance = query.distance(&joints, SMALLEST * height)?;
        Some((distance, joints))
    });
    let nearest = near.min_by(|(a, _), (b, _)| a.total_cmp(b));
    Ok(nearest.map(|(_, joints)| joints))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::edit::Edit;
    use super::super::test_project::{FRAME, joints, project};
    use super::*;
    use crate::estimator::RequestedMaps;
    use crate::frame::Pixels;
    use crate::geometry::Size;
    use crate::output::{PeopleCount, PoseOutput, Timings};
    use crate::pose::{Keypoint, Pose};

    /// Finds people at these places; joints are ten pixels below each other.
    struct Finds {
        places: Vec<f32>,
        near: Vec<BBox>,
    }

    impl Infer for Finds {
        fn infer(&mut self, frame: &Frame, _: RequestedMaps) -> Result<PoseOutput> {
            let person = |x: &f32| {
                let joint = |j: usize| Keypoint::from([*x, 10.0 * j as f32, 0.75]);
                Pose::from_keypoints((0..17).map(joint).collect())
            };
            Ok(PoseOutput {
                frame: frame.clone(),
                model: Arc::from("fake"),
                skeleton: Skeleton::by_name("coco17").unwrap(),
                poses: self.places.iter().map(person).collect(),
                regions: Vec::new(),
                timings: Timings::default(),
                people: PeopleCount::default(),
            })
        }

        fn look_at(&mut self, frame: &Frame, near: BBox) -> Result<PoseOutput> {
            self.near.push(near);
            self.infer(frame, RequestedMaps::default())
        }
    }

    /// Fails when another person than the nearest unlabelled one is proposed, one is proposed where
    /// nobody is, or the size of the region does not follow from the confirmed people.
    #[test]
    fn the_nearest_unlabelled_person_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = project(folder.path(), 1, 10);
        let size = Size::new(640, 480);
        let rgba = vec![0; 4 * size.area()];
        let frame = Frame::new(0, 0.0, size, Pixels::unpooled(rgba));
        let mut infer = Finds {
            places: vec![100.0, 300.0, 320.0],
            near: Vec::new(),
        };
        let mut find = |labels: &Labels, x: f64| {
            let query = PersonQuery::new(labels, FRAME, Point::new(x, 80.0));
            let found = find_person(&mut infer, &frame, &query).unwrap();
            (found.map(|joints| joints[5]), infer.near.pop().unwrap())
        };
        let (found, near) = find(project.labels(), 306.0);
        let found = found.unwrap();
        assert_eq!((found.point().x, found.is_touched), (300.0, false));
        assert!((found.score() - 0.75).abs() < 1e-3);
        assert_eq!((near.w, near.center().x), (480.0, 306.0));
        assert_eq!(find(project.labels(), 500.0).0, None);
        // Those next to each other are told apart by the one that is labelled.
        let at = FRAME;
        let joints = joints(102.0);
        project.apply(&Edit::AddPerson { at, joints }).unwrap();
        assert_eq!(find(project.labels(), 100.0).0, None);
        project.apply(&Edit::Accept { at }).unwrap();
        let (_, near) = find(project.labels(), 300.0);
        assert_eq!(near.w, 1.5 * 160.0);
        // The nearest frame with a confirmed person.
        let query = PersonQuery::new(project.labels(), FrameKey::new(1, 9), Point::default());
        assert_eq!(query.size, Some(160.0));
    }
}
