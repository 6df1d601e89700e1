//! Tests of the choice of frames.

use std::path::Path;

use super::*;
use crate::project::test_project::{joints, message, project};
use crate::project::{Edit, FrameProposal, Project};

/// Holds out frames 100 to 150 of the first of two clips with 300 frames at 30 a second, and all of
/// the third.
const HOLDOUT: &str = "version = 1\n[[round]]\nseed = 1\nnewest_clip = 3\nclips = [3]\n\
                       [[round.segment]]\nclip = 1\nfirst = 100\nlast = 150\nguard_first = 70\n\
                       guard_last = 180\n";

fn labelled(folder: &Path, frames: &[(u32, u32)]) -> Contents {
    let mut project = project(folder, 3, 300);
    std::fs::write(folder.join("holdout.toml"), HOLDOUT).unwrap();
    let proposal = |(clip, frame): &(u32, u32)| FrameProposal {
        at: FrameKey::new(*clip, *frame),
        suggestion: None,
        people: vec![joints(5.0)],
        is_confirmed: true,
    };
    let frames = frames.iter().map(proposal).collect();
    project.apply(&Edit::Propose { frames }).unwrap();
    // A proposal that is not confirmed.
    let at = FrameKey::new(2, 200);
    Project::apply(
        &mut project,
        &Edit::AddPerson {
            at,
            joints: joints(9.0),
        },
    )
    .unwrap();
    drop(project);
    Contents::read(folder).unwrap()
}

/// Fails when a held-out or guarded frame is trained on or replayed, a proposal counts as a label,
/// replayed frames are close to labelled ones, or the retention set is trained on.
#[test]
fn nothing_held_out_is_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let frames = [
        (1, 10),
        (1, 60),
        (1, 90),
        (1, 120),
        (2, 0),
        (2, 150),
        (3, 20),
        (3, 250),
    ];
    let contents = labelled(folder.path(), &frames);
    let options = FinetuneOptions {
        replay: 0.9,
        ..FinetuneOptions::default()
    };
    let plan = Plan::of(&contents, &options).unwrap();
    let of = |what| -> Vec<(u32, u32)> { plan.frames_of(what).map(Into::into).collect() };
    assert_eq!(of(Use::Train), [(1, 10), (1, 60), (2, 0), (2, 150)]);
    assert_eq!(of(Use::HoldOut), [(1, 120), (3, 20), (3, 250)]);
    assert_eq!(plan.remarks.len(), 1, "{:?}", plan.remarks);
    let replayed: Vec<FrameKey> = plan.frames_of(Use::Replay).collect();
    // 36 for four people with nine in ten replayed, a quarter of them from the sample.
    assert_eq!((replayed.len(), plan.count(Use::Replay)), (27, 36));
    for at in &replayed {
        assert_eq!(contents.holdout().role(*at), Role::Train, "{at:?}");
        let is_near =
            |(clip, frame): &(u32, u32)| *clip == at.clip && frame.abs_diff(at.frame) < 15;
        assert!(!frames.iter().any(is_near), "{at:?}");
    }
    let retained: Vec<FrameKey> = plan.frames_of(Use::Retention).collect();
    assert_eq!(retained.len(), RETAINED[0]);
    for at in &retained {
        assert!(
            matches!(contents.holdout().role(*at), Role::HoldOut(_)),
            "{at:?}"
        );
        assert!(!frames.contains(&(at.clip, at.frame)), "{at:?}");
    }
    let last = |what| {
        plan.sample
            .iter()
            .filter(|(_, w)| **w == what)
            .map(|(f, _)| *f)
            .max()
    };
    let first = plan
        .sample
        .iter()
        .find(|(_, what)| **what == Use::Retention);
    assert!(last(Use::Replay).unwrap() + 14 < *first.unwrap().0);

    let none = FinetuneOptions {
        replay: 0.0,
        ..FinetuneOptions::default()
    };
    assert_eq!(Plan::of(&contents, &none).unwrap().count(Use::Replay), 0);
}

/// Fails when frames of the sample are replayed although the project holds that clip out, or may.
#[test]
fn the_sample_is_left_alone_where_it_is_a_clip() {
    let folder = tempfile::tempdir().unwrap();
    labelled(folder.path(), &[(1, 10), (3, 20)]);
    let path = folder.path().join("project.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace(
        "sha256 = \"3\"",
        &format!("sha256 = \"{}\"", sha256_of(SAMPLE_CLIP)),
    );
    std::fs::write(&path, text).unwrap();
    let contents = Contents::read(folder.path()).unwrap();
    let options = FinetuneOptions {
        replay: 0.9,
        ..FinetuneOptions::default()
    };
    let plan = Plan::of(&contents, &options).unwrap();
    assert!(plan.sample.is_empty(), "{plan:?}");
    assert_eq!(plan.count(Use::Replay), REPLAYED.0);
}

/// Fails when the sample does not stand in for unlabelled frames that the clips do not have.
#[test]
fn the_sample_stands_in_for_the_clips() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<(u32, u32)> = (1..3)
        .flat_map(|clip| (0..300).step_by(10).map(move |f| (clip, f)))
        .collect();
    let contents = labelled(folder.path(), &[&all[..], &[(3, 20)]].concat());
    let plan = Plan::of(&contents, &FinetuneOptions::default()).unwrap();
    assert_eq!(plan.frames_of(Use::Replay).count(), 0);
    // 48 people are trained on.
    assert_eq!(plan.count(Use::Replay), 21);
}

/// Fails when a run without anything to train on or to measure with begins, or does not say why.
#[test]
fn missing_labels_are_named() {
    for (frames, part) in [
        (&[(3, 20), (1, 90)][..], "nothing to train on"),
        (&[(1, 10)][..], "nothing to measure"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let contents = labelled(folder.path(), frames);
        let refused = message(Plan::of(&contents, &FinetuneOptions::default()));
        assert!(refused.contains(part), "{refused}");
    }
    let folder = tempfile::tempdir().unwrap();
    labelled(folder.path(), &[(1, 10)]);
    std::fs::remove_file(folder.path().join("holdout.toml")).unwrap();
    let contents = Contents::read(folder.path()).unwrap();
    let refused = message(Plan::of(&contents, &FinetuneOptions::default()));
    assert!(refused.contains("no hold-out"), "{refused}");
}

/// Fails when chosen items are not evenly spread, are repeated, or too many are asked for.
#[test]
fn items_are_chosen_evenly() {
    let items: Vec<u32> = (0..10).collect();
    assert!(evenly(&items, 0).is_empty());
    assert_eq!(evenly(&items, 2), [2, 7]);
    assert_eq!(evenly(&items, 10), items);
    assert_eq!(evenly(&items, 99), items);
    assert!(evenly::<u32>(&[], 3).is_empty());
}

/// Fails when the held-out clips are divided into other parts than the rounds of the hold-out, or a
/// single round is a part.
#[test]
fn the_rounds_are_the_parts_of_the_hold_out() {
    let folder = tempfile::tempdir().unwrap();
    let frames = [(1, 120), (2, 0), (3, 20), (3, 250)];
    let one = labelled(folder.path(), &frames);
    let plan = Plan::of(&one, &FinetuneOptions::default()).unwrap();
    assert!(plan.rounds(&one).is_empty());
    let first = HOLDOUT.replace("clips = [3]", "clips = []");
    let text = format!("{first}[[round]]\nseed = 2\nnewest_clip = 3\nclips = [3]\n");
    std::fs::write(folder.path().join("holdout.toml"), text).unwrap();
    let two = Contents::read(folder.path()).unwrap();
    let plan = Plan::of(&two, &FinetuneOptions::default()).unwrap();
    let part = |name: &str, clip: &str| (name.to_owned(), vec![clip.to_owned()]);
    let parts = [part("round 1", "clip1"), part("round 2", "clip3")];
    assert_eq!(plan.rounds(&two), parts.into());
}
