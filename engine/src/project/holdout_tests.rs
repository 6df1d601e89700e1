//! Tests of the hold-out.

use proptest::prelude::*;

use super::holdout::{ClipTimes, GUARD_SECS, Holdout, Role};
use super::person::FrameKey;

/// Clips with these frame rates and numbers of frames; every third frame is late, as in files with
/// a variable frame rate.
fn clips(shapes: &[(f64, u32)]) -> Vec<ClipTimes> {
    let times = |(rate, n): &(f64, u32)| {
        let late = |i: u32| if i.is_multiple_of(3) { 0.4 } else { 0.0 };
        let times = (0..*n).map(|i| (f64::from(i) + late(i)) / rate);
        times.collect::<Vec<_>>()
    };
    let shapes = shapes.iter().enumerate();
    shapes
        .map(|(i, shape)| ClipTimes {
            id: i as u32 + 1,
            times: times(shape),
        })
        .collect()
}

fn roles(holdout: &Holdout, clip: &ClipTimes) -> Vec<Role> {
    let frames = 0..clip.times.len() as u32;
    frames
        .map(|frame| holdout.role(FrameKey::new(clip.id, frame)))
        .collect()
}

proptest! {
    /// Fails when a frame is trained on within a second of a held-out frame of its clip, nothing is
    /// held out, or nothing is left for training.
    #[test]
    fn training_keeps_its_distance(
        seed: u64,
        shapes in prop::collection::vec((5.0..60.0f64, 1..900u32), 1..6),
    ) {
        let clips = clips(&shapes);
        let mut holdout = Holdout::default();
        if let Err(reason) = holdout.add_round(seed, &clips) {
            prop_assert!(clips.len() == 1 && reason.contains("add another clip"));
            return Ok(());
        }
        let (mut n_held, mut n_train) = (0, 0);
        for clip in &clips {
            let roles = roles(&holdout, clip);
            let held: Vec<f64> = clip.times.iter().zip(&roles)
                .filter(|(_, role)| matches!(role, Role::HoldOut(_)))
                .map(|(time, _)| *time)
                .collect();
            for (time, role) in clip.times.iter().zip(&roles) {
                if *role == Role::Train {
                    let nearest = held.iter().map(|h| (h - time).abs()).fold(f64::MAX, f64::min);
                    prop_assert!(nearest > GUARD_SECS, "{time} is {nearest} s from the hold-out");
                    n_train += 1;
                }
            }
            n_held += held.len();
        }
        prop_assert!(n_held > 0 && n_train > 0, "{n_held} held out, {n_train} for training");
        let n_frames = |id: u32| clips[id as usize - 1].times.len() as u32;
        prop_assert_eq!(holdout.n_frames(n_frames), n_held as u64);
    }

    /// Fails when a new clip, or a further round, changes the role of a frame that had one.
    #[test]
    fn a_hold_out_never_changes(
        seed: u64,
        shapes in prop::collection::vec((10.0..30.0f64, 150..400u32), 2..9),
        n_first in 1..8usize,
    ) {
        let clips = clips(&shapes);
        let n_first = n_first.min(clips.len() - 1);
        let mut holdout = Holdout::default();
        holdout.add_round(seed, &clips[..n_first]).unwrap();
        let before: Vec<_> = clips[..n_first].iter().map(|c| roles(&holdout, c)).collect();
        let rest = &clips[n_first..];
        let ids = holdout.undecided(clips.iter().map(|clip| clip.id));
        prop_assert_eq!(&ids, &rest.iter().map(|clip| clip.id).collect::<Vec<_>>());
        for clip in rest {
            prop_assert!(roles(&holdout, clip).iter().all(|role| *role == Role::Train));
        }
        holdout.add_round(seed ^ 1, rest).unwrap();
        let after: Vec<_> = clips[..n_first].iter().map(|c| roles(&holdout, c)).collect();
        prop_assert_eq!(before, after);
        let is_new = |role: &Role| *role == Role::HoldOut(1);
        prop_assert!(rest.iter().any(|clip| roles(&holdout, clip).iter().any(is_new)));
        prop_assert!(holdout.undecided(clips.iter().map(|clip| clip.id)).is_empty());
    }
}

/// Fails when whole clips are not held out although there are enough, or the one with most of the
/// frames is.
#[test]
fn with_three_clips_one_is_held_out() {
    let clips = clips(&[(30.0, 300), (30.0, 3000), (30.0, 300)]);
    for seed in 0..40 {
        let mut holdout = Holdout::default();
        holdout.add_round(seed << 20, &clips).unwrap();
        let is_held = |clip: &ClipTimes| {
            let roles = roles(&holdout, clip);
            assert!(roles.iter().all(|role| *role == roles[0]));
            roles[0] == Role::HoldOut(0)
        };
        let held: Vec<_> = clips.iter().map(is_held).collect();
        assert_eq!(held.iter().filter(|held| **held).count(), 1);
        assert!(!held[1]);
    }
}

/// Fails when the choice is not determined by its seed, always the same, or changed by being
/// written and read.
#[test]
fn the_choice_is_random_and_kept() {
    let clips = clips(&[(30.0, 900)]);
    let chosen = |seed| {
        let mut holdout = Holdout::default();
        holdout.add_round(seed, &clips).unwrap();
        holdout
    };
    assert_eq!(chosen(4), chosen(4));
    assert_ne!(roles(&chosen(4), &clips[0]), roles(&chosen(6), &clips[0]));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Holdout::read(folder.path()).unwrap(), Holdout::default());
    let holdout = chosen(u64::MAX);
    holdout.write(folder.path()).unwrap();
    assert_eq!(Holdout::read(folder.path()).unwrap(), holdout);
}
