//! Tests of single edits.

use super::edit::{Edit, FrameProposal};
use super::labels::Labels;
use super::person::FrameKey;
use super::test_project::{FRAME, add, joints, message, project};
use crate::geometry::Point;

/// Fails when an edit that cannot be made is recorded, or is refused without a reason.
#[test]
fn impossible_edits_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 1, 10);
    add(&mut project, 5.0);
    let before = project.labels().clone();
    let moved = |at, person, joint, x| Edit::MoveJoint {
        at,
        person,
        joint,
        to: Point::new(x, 1.0),
    };
    let far = FrameKey::new(1, 10);
    for (edit, expected) in [
        (moved(FRAME, 1, 17, 1.0), "no joint 17"),
        (moved(FRAME, 2, 0, 1.0), "no person 2"),
        (moved(FRAME, 1, 0, f64::NAN), "no position"),
        (
            Edit::AddPerson {
                at: far,
                joints: joints(1.0),
            },
            "no frame 10",
        ),
        (
            Edit::AddPerson {
                at: FrameKey::new(9, 0),
                joints: joints(1.0),
            },
            "no clip 9",
        ),
        (
            Edit::AddPerson {
                at: FRAME,
                joints: Vec::new(),
            },
            "0 joints",
        ),
        (
            Edit::Interpolate {
                from: FRAME,
                to: FrameKey::new(1, 5),
            },
            "confirmed person",
        ),
    ] {
        let line = message(project.apply(&edit));
        assert!(line.contains(expected), "{line}");
        assert_eq!(*project.labels(), before);
    }
    assert_eq!(project.sequence(), 1);
}

/// Fails when proposals replace handwork, are added beside earlier proposals, or interpolation does
/// not fill the frames between.
#[test]
fn proposals_never_replace_handwork() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 1, 10);
    let propose = |x: f64| Edit::Propose {
        frames: (0..3)
            .map(|frame| FrameProposal {
                at: FrameKey::new(1, frame),
                suggestion: None,
                people: vec![joints(x)],
                is_confirmed: false,
            })
            .collect(),
    };
    project.apply(&propose(1.0)).unwrap();
    let person = project.labels().people(FrameKey::new(1, 1))[0].id;
    let edit = Edit::MoveJoint {
        at: FrameKey::new(1, 1),
        person,
        joint: 0,
        to: Point::new(50.0, 50.0),
    };
    project.apply(&edit).unwrap();
    project
        .apply(&Edit::Accept {
            at: FrameKey::new(1, 2),
        })
        .unwrap();
    project.apply(&propose(2.0)).unwrap();
    let x = |labels: &Labels, frame: u32| {
        let people = labels.people(FrameKey::new(1, frame));
        assert_eq!(people.len(), 1);
        people[0].joints[5].point().x
    };
    let seen = [0, 1, 2].map(|frame| x(project.labels(), frame));
    assert_eq!(seen, [2.0, 1.0, 1.0]);

    let at = FrameKey::new(1, 6);
    let joints = joints(9.0);
    project.apply(&Edit::AddPerson { at, joints }).unwrap();
    project.apply(&Edit::Accept { at }).unwrap();
    let from = FrameKey::new(1, 2);
    project.apply(&Edit::Interpolate { from, to: at }).unwrap();
    let seen = [3, 4, 5].map(|frame| x(project.labels(), frame));
    assert_eq!(seen, [3.0, 5.0, 7.0]);
    project.undo().unwrap();
    assert!(project.labels().people(FrameKey::new(1, 4)).is_empty());
}
