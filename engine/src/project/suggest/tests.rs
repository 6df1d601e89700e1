//! Tests of the choice.

use super::*;
use crate::augment::Rng;
use proptest::prelude::*;

/// Fails when a frame that looks like no other is not suggested first for that, or one that looks
/// like an earlier suggestion is.
#[test]
fn a_frame_unlike_the_others_is_suggested() {
    let frame = |i: u32| Measured {
        at: FrameKey::new(1, i),
        secs: None,
        is_held_out: i == 0,
        values: Vec::new(),
        description: vec![if i == 7 { 9.0 } else { 0.01 * i as f32 }, 1.0],
    };
    let frames: Vec<Measured> = (0..20).map(frame).collect();
    let chosen = |descriptions| {
        let taken = Taken {
            times: BTreeMap::new(),
            descriptions,
        };
        let chosen = choose(&frames, &[], taken, 6, &mut Rng::new(&[1]));
        let different = chosen.iter().filter(|(_, s)| s.reason == Reason::Different);
        different.map(|(i, _)| *i).collect::<Vec<_>>()
    };
    assert_eq!(chosen(Vec::new()).first(), Some(&7));
    assert_ne!(chosen(vec![vec![9.0, 1.0]]).first(), Some(&7));
}

proptest! {
    /// Fails when suggested frames of a video are closer than half a second, a frame is suggested
    /// twice, too many are, those drawn at random and from the hold-out are missing, or a kept one
    /// is not kept.
    #[test]
    fn chosen_frames_differ(
        seed: u64, n in 0..40usize, n_clips in 1..4u32, n_frames in 0..80u32, step in 0.05..0.6f64,
        share_kept in prop_oneof![Just(0.0), 0.1..0.9f64],
    ) {
        let mut rng = Rng::new(&[seed]);
        let frames: Vec<Measured> = (0..n_clips)
            .flat_map(|clip| (0..n_frames).map(move |frame| FrameKey::new(clip, frame)))
            .map(|at| Measured {
                at,
                // The last clip consists of images.
                secs: (at.clip + 1 < n_clips).then(|| step * f64::from(at.frame)),
                is_held_out: at.clip == 0,
                values: Reason::MEASURED.map(|reason| (reason, rng.range(0.0, 5.0))).to_vec(),
                description: vec![rng.unit() as f32, rng.unit() as f32],
            })
            .collect();
        let taken = Taken {
            times: BTreeMap::from([(1, vec![3.0, 7.0])]),
            descriptions: vec![vec![0.5, 0.5]],
        };
        let first = choose(&frames, &[], taken.clone(), n, &mut rng);
        // A later choice keeps some of an earlier one.
        let kept: Vec<_> = first.into_iter().filter(|_| rng.chance(share_kept)).collect();
        let chosen = choose(&frames, &kept, taken, n, &mut rng);
        prop_assert_eq!(&chosen[..kept.len()], &kept[..]);
        prop_assert!(chosen.len() <= n);
        for (k, (i, suggestion)) in chosen.iter().enumerate() {
            let frame = &frames[*i];
            prop_assert_eq!(frame.is_held_out, suggestion.reason == Reason::HoldOut);
            let others = chosen[..k].iter().map(|(j, _)| &frames[*j]);
            for other in others.filter(|other| other.at.clip == frame.at.clip) {
                prop_assert_ne!(other.at, frame.at);
                if let (Some(a), Some(b)) = (frame.secs, other.secs) {
                    prop_assert!((a - b).abs() > APART_SECS - 1e-3);
                }
            }
            if let (1, Some(secs)) = (frame.at.clip, frame.secs) {
                prop_assert!([3.0, 7.0].iter().all(|t| (secs - t).abs() > APART_SECS - 1e-3));
            }
        }
        let count = |reason| chosen.iter().filter(|(_, s)| s.reason == reason).count();
        if chosen.len() == n && n >= 10 {
            prop_assert!(count(Reason::Random) * 8 >= n, "{} at random", count(Reason::Random));
            prop_assert!(count(Reason::HoldOut) > 0);
        }
    }
}
