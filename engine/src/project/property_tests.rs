//! Random sequences of edits, undo, redo, snapshots and restarts.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::edit::{Edit, FrameProposal};
use super::labels::Labels;
use super::open::Project;
use super::person::FrameKey;
use super::reason::{Reason, Suggestion};
use super::test_project::{joints, project};
use crate::geometry::{Affine2, Point};
use crate::sample::Visibility;

/// A random step; its numbers are interpreted by [`edit`].
#[derive(Debug, Clone)]
struct Step {
    kind: u32,
    frame: u32,
    other: u32,
    pick: usize,
    x: f64,
}

fn step() -> impl Strategy<Value = Step> {
    (0..20u32, 0..12u32, 0..12u32, 0..100usize, -500.0..1500.0f64).prop_map(
        |(kind, frame, other, pick, x)| Step {
            kind,
            frame,
            other,
            pick,
            x,
        },
    )
}

/// Two clips of six frames.
fn key(n: u32) -> FrameKey {
    FrameKey::new(1 + n / 6, n % 6)
}

/// Returns the edit of a step, which may not be possible; `None` for steps that are none.
fn edit(step: &Step, labels: &Labels) -> Option<Edit> {
    let (at, other) = (key(step.frame), key(step.other));
    let people = labels.people(at);
    let person = people
        .get(step.pick % people.len().max(1))
        .map_or(99, |p| p.id);
    let (joint, point) = (step.pick % 18, Point::new(step.x, 7.0));
    let visibility = [
        Visibility::Unlabelled,
        Visibility::Hidden,
        Visibility::Visible,
    ][step.pick % 3];
    let suggestion = Some(Suggestion {
        reason: Reason::Peaks,
        value: step.x as f32,
    });
    let proposal = |at, is_confirmed| FrameProposal {
        at,
        suggestion: suggestion.filter(|_| step.pick.is_multiple_of(2)),
        people: vec![joints(step.x); step.pick % 3],
        is_confirmed,
    };
    Some(match step.kind {
        0 | 1 => Edit::MoveJoint {
            at,
            person,
            joint,
            to: point,
        },
        2 => Edit::SetVisibility {
            at,
            person,
            joint,
            visibility,
        },
        3 | 4 => Edit::AddPerson {
            at,
            joints: joints(step.x),
        },
        5 => Edit::DeletePerson { at, person },
        6 => Edit::SwapSides { at, person },
        7 => Edit::Transform {
            at,
            person,
            by: Affine2::turn(point, step.x),
        },
        8 => Edit::CopyPoses {
            from: other,
            to: at,
        },
        9 => Edit::Interpolate {
            from: at.min(other),
            to: at.max(other),
        },
        10 => Edit::Confirm {
            at,
            person,
            is_confirmed: step.pick.is_multiple_of(2),
        },
        11 => Edit::Accept { at },
        12 => Edit::Suggest {
            at,
            suggestion: suggestion.filter(|_| step.pick.is_multiple_of(2)),
        },
        13 if at != other => Edit::Propose {
            frames: vec![
                proposal(at, false),
                proposal(other, step.pick.is_multiple_of(5)),
            ],
        },
        18 => Edit::ProposePerson {
            at,
            joints: joints(step.x),
        },
        19 if at != other => Edit::Repropose {
            withdrawn: vec![at],
            frames: vec![proposal(other, false)],
        },
        _ => return None,
    })
}

/// Compares everything but the id of the next person, which undoing an addition does not return.
fn same(a: &Labels, b: &Labels) -> bool {
    a.frames().eq(b.frames()) && a.tally() == b.tally()
}

/// Counts again what the labels keep up to date.
fn tally_is_right(labels: &Labels) -> bool {
    let frames = labels.frames().map(|(at, frame)| (at, frame.clone()));
    let counted = Labels::from_frames(labels.skeleton(), labels.next_id(), frames);
    counted.unwrap() == *labels
}

proptest! {
    #![proptest_config(Config::with_cases(40))]

    /// Fails when an edit is not undone or redone exactly, a reopened project differs from the one
    /// that was closed, with or without a snapshot, or an impossible edit leaves a trace.
    #[test]
    fn a_project_is_what_was_done_to_it(steps in prop::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let mut project = project(folder.path(), 2, 6);
        // States before the edits that can be undone, and after those that can be redone.
        let mut past: Vec<Labels> = Vec::new();
        let mut future: Vec<Labels> = Vec::new();
        for step in &steps {
            let before = project.labels().clone();
            match (edit(step, &before), step.kind) {
                (Some(edit), _) => match project.apply(&edit) {
                    Ok(applied) if applied.sequence.is_some() => {
                        past.push(before);
                        future.clear();
                    }
                    Ok(_) | Err(_) => prop_assert_eq!(project.labels(), &before),
                },
                (None, 14) => {
                    let undone = project.undo().unwrap().is_some();
                    prop_assert_eq!(undone, !past.is_empty());
                    if let Some(state) = past.pop() {
                        prop_assert!(same(project.labels(), &state));
                        future.push(before);
                    }
                }
                (None, 15) => {
                    let redone = project.redo().unwrap().is_some();
                    prop_assert_eq!(redone, !future.is_empty());
                    if let Some(state) = future.pop() {
                        prop_assert!(same(project.labels(), &state));
                        past.push(before);
                    }
                }
                (None, 16) => project.save().unwrap(),
                (None, _) => {
                    drop(project);
                    project = Project::open(folder.path()).unwrap();
                    prop_assert_eq!(project.labels(), &before);
                    prop_assert_eq!(project.contents().remarks(), &[] as &[String]);
                }
            }
            prop_assert!(tally_is_right(project.labels()));
            prop_assert_eq!(project.depth(), (past.len(), future.len()));
        }
    }
}
