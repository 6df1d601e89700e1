//! Tests of the overlay of measures.

use poselens_shaders::scene::{Label, LabelPlacement, Mark};

use super::super::*;
use super::{output, pose};

/// A right angle at the left elbow, which points down and to the left; the shoulder is level.
fn arm() -> crate::pose::Pose {
    pose(&[
        ("l_shoulder", 100.0, 60.0, 0.9),
        ("l_elbow", 100.0, 160.0, 0.9),
        ("l_wrist", 200.0, 160.0, 0.9),
        ("r_shoulder", 40.0, 60.0, 0.1),
    ])
}

fn marks(list: &str, style: OverlayStyle) -> Vec<Mark> {
    let style = OverlayStyle {
        measures: Measures {
            list: Measures::parse(list).unwrap(),
            ..style.measures
        },
        ..style
    };
    let output = output(vec![arm()], Vec::new());
    let specs: Vec<_> = ["skeleton", "measures"]
        .iter()
        .filter_map(|name| overlay(name))
        .collect();
    let style = OverlayStyle {
        side_badges: false,
        ..style
    };
    scene(&output, &specs, &style).marks
}

fn labels(marks: &[Mark]) -> Vec<&Label> {
    let labels = marks.iter().filter_map(|mark| match mark {
        Mark::Label(label) => Some(label),
        _ => None,
    });
    labels.collect()
}

/// Fails when a value is not written beside its joint on the outside of the angle, has the wrong
/// number or unit, or is covered by limbs.
#[test]
fn values_are_written_outside_their_angles_and_on_top() {
    let style = OverlayStyle::default();
    let marks = marks("all, l_shoulder-l_wrist, l_elbow-l_wrist|vertical", style);
    let found = labels(&marks);
    let texts: Vec<_> = found.iter().map(|label| label.text.as_str()).collect();
    assert_eq!(texts, ["90\u{b0}", "141 px", "+90\u{b0}"]);
    let elbow = found[0];
    assert_eq!(elbow.at, [100.0, 160.0]);
    assert_eq!(elbow.rgb, poselens_shaders::LEFT);
    let LabelPlacement::Beyond {
        direction: [x, y], ..
    } = elbow.place
    else {
        panic!("{elbow:?}");
    };
    assert!(x < -0.7 && y > 0.7, "{x} {y}");
    assert!(matches!(marks.last(), Some(Mark::Label(_))));
}

/// Fails when a length is drawn in pixels although the scale is known.
#[test]
fn lengths_are_written_in_the_unit_of_the_scale() {
    let style = OverlayStyle {
        measures: Measures {
            scale: Some("100px=0.5m".parse().unwrap()),
            ..Measures::default()
        },
        ..OverlayStyle::default()
    };
    let marks = marks("l_elbow-l_wrist", style);
    assert_eq!(labels(&marks)[0].text, "0.50 m");
}

/// Fails when a measure of joints that are hidden or below the threshold is drawn, or when people
/// without measures get labels.
#[test]
fn measures_of_joints_that_are_not_drawn_are_left_out() {
    let plain = OverlayStyle::default;
    assert!(labels(&marks("neck, l_shoulder-r_shoulder", plain())).is_empty());
    let hidden = OverlayStyle {
        hidden_joints: BTreeSet::from([9]),
        ..plain()
    };
    assert!(labels(&marks("left_elbow", hidden)).is_empty());
    let strict = OverlayStyle {
        keypoint_threshold: 0.95,
        ..plain()
    };
    assert!(labels(&marks("left_elbow", strict)).is_empty());
}
