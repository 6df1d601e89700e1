//! Tests of the measures and of the choice.

use super::*;
use crate::augment::Rng;
use crate::frame::{Frame as Picture, Pixels};
use crate::geometry::{Affine2, Size};
use crate::output::{RegionOutput, Timings};
use crate::pose::Pose;
use proptest::prelude::*;

const MAP: Size = Size::new(24, 32);

fn skeleton() -> &'static Skeleton {
    Skeleton::by_name("coco17").unwrap()
}

/// A standing person with left and right joints 40 pixels apart.
fn joints(shift: f32) -> Vec<Keypoint> {
    let place = |j: usize| {
        let side = match skeleton().joints[j].get(..2) {
            Some("l_") => 20.0,
            Some("r_") => -20.0,
            _ => 0.0,
        };
        [100.0 + side + shift, 40.0 + 14.0 * (j / 2) as f32, 0.9].into()
    };
    (0..17).map(place).collect()
}

fn swapped(joints: &[Keypoint]) -> Vec<Keypoint> {
    skeleton().mirror.iter().map(|m| joints[*m]).collect()
}

/// Heatmaps with a peak at each place, `[x, y, height]`, the same for all joints.
fn maps(peaks: &[[usize; 3]]) -> SharedPlanes {
    let mut plane = vec![0.0f32; MAP.area()];
    for (i, value) in plane.iter_mut().enumerate() {
        for [x, y, percent] in peaks {
            let (dx, dy) = ((i % 24) as f32 - *x as f32, (i / 24) as f32 - *y as f32);
            *value += *percent as f32 / 100.0 * (-(dx * dx + dy * dy) / 4.0).exp();
        }
    }
    SharedPlanes {
        n: 17,
        size: MAP,
        values: plane.repeat(17).into(),
    }
}

fn output(joints: Vec<Keypoint>, heatmaps: SharedPlanes) -> PoseOutput {
    let size = Size::new(1, 1);
    PoseOutput {
        frame: Picture::new(0, 0.0, size, Pixels::unpooled(vec![0; 4])),
        model: "it".into(),
        skeleton: skeleton(),
        poses: vec![Pose::from_keypoints(joints)],
        regions: vec![RegionOutput {
            heatmaps,
            image_from_heatmap: Affine2::IDENTITY,
            attention: Vec::new(),
            query_key: Vec::new(),
        }],
        timings: Timings::default(),
    }
}

/// Returns the index of the frame with the largest value for each reason.
fn worst(outputs: &[PoseOutput]) -> BTreeMap<&'static str, (usize, f64)> {
    let mut meter = Meter::new(skeleton());
    for output in outputs {
        meter.push(output);
    }
    let mut worst = BTreeMap::new();
    for (i, values) in meter.finish().into_iter().enumerate() {
        for (reason, value) in values {
            let name = match reason {
                Reason::Change => "change",
                Reason::Peaks => "peaks",
                Reason::Bones => "bones",
                Reason::Flip => "flip",
                _ => "other",
            };
            let best = worst.entry(name).or_insert((i, value));
            if value > best.1 {
                *best = (i, value);
            }
        }
    }
    worst
}

/// Fails when a measure does not single out the frame that has what it measures.
#[test]
fn every_measure_finds_its_frame() {
    let still = || output(joints(0.0), maps(&[[12, 16, 90]]));
    let mut outputs: Vec<PoseOutput> = (0..30).map(|_| still()).collect();
    let calm = worst(&outputs);
    for reason in Reason::MEASURED {
        let name = serde_json::to_value(reason).unwrap();
        let value = calm
            .get(name.as_str().unwrap())
            .map_or(0.0, |(_, value)| *value);
        assert!(
            value < threshold(reason),
            "{reason:?} is {value} when nothing happens"
        );
    }
    outputs[4] = output(joints(0.0), maps(&[[12, 16, 90], [3, 5, 70]]));
    outputs[11] = output(joints(0.0), maps(&[[4, 16, 90]]));
    let mut long = joints(0.0);
    long[9].y += 300.0;
    outputs[17] = output(long, maps(&[[12, 16, 90]]));
    outputs[23] = output(swapped(&joints(2.0)), maps(&[[12, 16, 90]]));
    let found = worst(&outputs);
    for (name, frame, least) in [
        ("peaks", 4, 0.7),
        ("change", 11, 0.9),
        ("bones", 17, 3.0),
        ("flip", 23, 0.8),
    ] {
        let (worst, value) = found[name];
        assert_eq!(worst, frame, "{name} {value}");
        assert!(value > least, "{name} {value}");
    }
}

/// Fails when frames without people, or without heatmaps, end in a panic or are given a reason.
#[test]
fn frames_without_people_have_no_measures() {
    let mut nobody = output(joints(0.0), maps(&[[12, 16, 90]]));
    nobody.poses.clear();
    let mut without = output(vec![Keypoint::default(); 17], maps(&[]));
    without.regions[0].heatmaps.n = 0;
    let mut meter = Meter::new(skeleton());
    for output in [&nobody, &without, &nobody, &without, &without] {
        meter.push(output);
    }
    assert!(meter.finish().iter().all(Vec::is_empty));
}

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
        let chosen = choose(&frames, taken, 6, &mut Rng::new(&[1]));
        let different = chosen.iter().filter(|(_, s)| s.reason == Reason::Different);
        different.map(|(i, _)| *i).collect::<Vec<_>>()
    };
    assert_eq!(chosen(Vec::new()).first(), Some(&7));
    assert_ne!(chosen(vec![vec![9.0, 1.0]]).first(), Some(&7));
}

proptest! {
    /// Fails when suggested frames of a video are closer than half a second, a frame is suggested
    /// twice, too many are, or those drawn at random and from the hold-out are missing.
    #[test]
    fn chosen_frames_differ(
        seed: u64, n in 0..40usize, n_clips in 1..4u32, n_frames in 0..80u32, step in 0.05..0.6f64,
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
        let chosen = choose(&frames, taken, n, &mut rng);
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
