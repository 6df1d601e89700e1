//! Tests of the errors.

use super::*;
use crate::geometry::{BBox, Size};
use crate::sample::{Joint, Orientation, Visibility};

fn coco17() -> &'static Skeleton {
    Skeleton::by_name("coco17").unwrap()
}

/// Returns a person whose joint `j` is at (10 j, 0), without the joints in `absent`.
fn person(absent: &[&str]) -> Annotation {
    let skeleton = coco17();
    let joint = |(j, name): (usize, &String)| Joint {
        point: Point::new(10.0 * j as f64, 0.0),
        visibility: if absent.contains(&name.as_str()) {
            Visibility::Unlabelled
        } else {
            Visibility::Visible
        },
    };
    Annotation {
        id: 1,
        bbox: BBox::new(0.0, 0.0, 160.0, 1.0),
        region: None,
        track_id: None,
        area: 100.0,
        is_crowd: false,
        n_keypoints: 17,
        joints: skeleton.joints.iter().enumerate().map(joint).collect(),
        head_box: None,
    }
}

fn sample(clip: &str, people: Vec<Annotation>) -> Sample {
    Sample {
        image_id: 1,
        path: format!("images/{clip}/000007.png").into(),
        size: Size::new(640, 480),
        clip: Some(clip.to_owned()),
        frame: None,
        orientation: Orientation::Stored,
        annotations: people,
    }
}

/// Fails when a torso is measured elsewhere than from shoulder to opposite hip, a person without
/// hips is not measured by the others in the clip, or one who cannot be measured is not counted.
#[test]
fn every_person_has_a_torso_length() {
    let mut dataset = Dataset::of(coco17());
    let mut crowd = person(&["r_hip", "l_hip"]);
    crowd.is_crowd = true;
    dataset.samples = vec![
        sample("a", vec![person(&[]), person(&["r_hip"])]),
        sample("a", vec![person(&["l_hip", "r_hip"])]),
        sample("b", vec![person(&["l_shoulder", "r_shoulder"]), crowd]),
    ];
    let set = MeasuringSet::of(dataset);
    // Left shoulder 5, right shoulder 6, left hip 11, right hip 12.
    assert_eq!(set.torsos[0], [Some(70.0), Some(50.0)]);
    assert_eq!(set.torsos[1], [Some(70.0)]);
    assert_eq!(set.torsos[2], [None, None]);
    assert_eq!(set.n_left_out(), 1);
}

/// Fails when an unlabelled joint counts, a joint that was not found does not, or errors are not
/// relative to the torso.
#[test]
fn errors_are_in_torso_lengths() {
    let labels = [
        Some(Point::new(10.0, 0.0)),
        None,
        Some(Point::new(30.0, 40.0)),
    ];
    let found = [
        Keypoint::from([13.0, 4.0, 0.9]),
        Keypoint::from([1.0, 1.0, 0.9]),
    ];
    assert_eq!(errors(&labels, &found, 50.0), [0.1, MISSED]);
    let zero = [Keypoint::default(); 3];
    assert_eq!(errors(&labels, &zero, 50.0), [MISSED; 2]);
}
