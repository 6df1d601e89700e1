//! Tests of single edits.

use super::edit::{Edit, FrameProposal};
use super::journal::JOURNAL;
use super::labels::Labels;
use super::open::{Contents, Project};
use super::person::{FrameKey, JointState};
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

/// Fails when a proposed person counts as placed by hand, loses its scores, is not undone in one step,
/// or a journal that ends in the middle of that edit does not open without it.
#[test]
fn a_proposed_person_is_one_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 1, 10);
    add(&mut project, 5.0);
    let before = project.labels().clone();
    let journal = folder.path().join(JOURNAL);
    let length = std::fs::metadata(&journal).unwrap().len();
    let (at, joints) = (FRAME, joints(50.0));
    let edit = Edit::ProposePerson { at, joints };
    project.apply(&edit).unwrap();
    let person = project.labels().people(FRAME)[1].clone();
    assert!(!person.has_handwork());
    assert_eq!(person.state(3), Some(JointState::Proposed));
    assert!((person.joints[3].score() - 0.5).abs() < 1e-3);
    project.undo().unwrap();
    assert!(project.labels().frames().eq(before.frames()));
    project.redo().unwrap();
    drop(project);
    let lines = std::fs::read(&journal).unwrap();
    let end = length as usize
        + lines[length as usize..]
            .iter()
            .position(|b| *b == b'\n')
            .unwrap();
    for cut in [length as usize, length as usize + 1, end - 1, end] {
        std::fs::write(&journal, &lines[..cut]).unwrap();
        let read = Contents::read(folder.path()).unwrap();
        assert!(read.labels().frames().eq(before.frames()), "{cut}");
    }
    std::fs::write(&journal, &lines[..=end]).unwrap();
    let read = Contents::read(folder.path()).unwrap();
    assert_eq!(
        read.labels().people(FRAME),
        [before.people(FRAME), &[person]].concat()
    );
}

/// Fails when a journal of version 0.2.0 is not read.
#[test]
fn a_journal_written_before_opens() {
    let folder = tempfile::tempdir().unwrap();
    drop(project(folder.path(), 1, 10));
    let joint = "[5.25,10,0.5,2,0]";
    let joints = [joint; 17].join(",");
    let text = format!(
        "{{\"seq\":1,\"secs\":1767225599,\"edit\":\"propose\",\"changes\":[{{\"suggestion\":{{\"at\":\
         [1,3],\"was\":null,\"now\":{{\"reason\":\"peaks\",\"value\":0.5}}}}}},{{\"person\":{{\"at\":[1,3],\
         \"was\":null,\"now\":{{\"id\":1,\"confirmed\":false,\"joints\":[{joints}]}}}}}}]}}\n\
         {{\"seq\":2,\"secs\":1767225600,\"edit\":\"accept frame\",\"changes\":[{{\"confirmed\":{{\
         \"at\":[1,3],\"person\":1,\"was\":false,\"now\":true}}}},{{\"accepted\":{{\"at\":[1,3],\
         \"was\":false,\"now\":true}}}}]}}\n"
    );
    std::fs::write(folder.path().join(JOURNAL), text).unwrap();
    let mut project = Project::open(folder.path()).unwrap();
    let person = &project.labels().people(FRAME)[0];
    assert!(person.is_confirmed);
    assert_eq!(person.joints[0].point(), Point::new(5.25, 10.0));
    assert_eq!(project.depth(), (2, 0));
    project.undo().unwrap();
    project.undo().unwrap();
    assert_eq!(project.labels().frames().count(), 0);
}
