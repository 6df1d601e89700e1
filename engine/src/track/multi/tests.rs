//! Tests of the tracker for several people.

use proptest::prelude::*;

use super::*;
use crate::pose::Keypoint;

const FRAME: Size = Size::new(640, 480);
pub(super) const DT: f64 = 1.0 / 30.0;

pub(super) fn coco17() -> &'static Skeleton {
    Skeleton::by_name("coco17").unwrap()
}

fn tracker() -> MultiTracker {
    MultiTracker::new(MultiOptions::new(1.0, coco17()))
}

/// 17 joints spread over a person `h` pixels high around (`cx`, `cy`).
pub(super) fn person(cx: f64, cy: f64, h: f64) -> Pose {
    let joint = |i: usize| Keypoint {
        x: (cx + 0.4 * h * ((i % 5) as f64 / 4.0 - 0.5)) as f32,
        y: (cy + h * (i as f64 / 16.0 - 0.5)) as f32,
        score: 0.8,
    };
    Pose::from_keypoints((0..17).map(joint).collect())
}

/// Keeps only the selected joints of the pose.
fn only(pose: &Pose, joints: impl Fn(usize) -> bool) -> Pose {
    let keep = |(j, k): (usize, &Keypoint)| if joints(j) { *k } else { Keypoint::default() };
    let joints = pose.keypoints_raw.iter().enumerate().map(keep);
    Pose::from_keypoints(joints.collect())
}

/// Moves the pose's joints by up to `pixels`, differently for every `seed`.
pub(super) fn jittered(pose: &Pose, pixels: f32, seed: u64) -> Pose {
    let unit = |n: u64| {
        let mixed =
            (n ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        2.0 * ((mixed >> 40) as f32 / (1u64 << 24) as f32) - 1.0
    };
    let moved = |(j, k): (usize, &Keypoint)| Keypoint {
        x: k.x + pixels * unit(2 * j as u64),
        y: k.y + pixels * unit(2 * j as u64 + 1),
        ..*k
    };
    Pose::from_keypoints(pose.keypoints_raw.iter().enumerate().map(moved).collect())
}

fn ids(poses: &[Pose]) -> Vec<u64> {
    poses.iter().map(|p| p.track_id.unwrap()).collect()
}

/// Returns the track id that `pose` was given.
fn id_of(pose: &Pose, given: &[Pose]) -> Option<u64> {
    let same = |p: &&Pose| p.keypoints_raw == pose.keypoints_raw;
    given.iter().find(same)?.track_id
}

/// Random people in a few frames: centre, height and a bit mask of absent joints.
type Scene = Vec<Vec<(f64, f64, f64, u32)>>;

fn scenes() -> impl Strategy<Value = Scene> {
    let person = (
        0.0..640.0_f64,
        0.0..480.0_f64,
        20.0..400.0_f64,
        any::<u32>(),
    );
    prop::collection::vec(prop::collection::vec(person, 0..7), 1..12)
}

fn poses(people: &[(f64, f64, f64, u32)]) -> Vec<Pose> {
    let pose = |&(x, y, h, absent): &(f64, f64, f64, u32)| {
        only(&person(x, y, h), |j| absent >> (j % 16) & 1 == 0)
    };
    people.iter().map(pose).collect()
}

proptest! {
    /// Fails when two people in a frame share a track id, or the order of the network's output
    /// affects the ids.
    #[test]
    fn ids_are_unique_and_order_does_not_matter(scene in scenes(), turn in 0..7_usize) {
        let (mut one, mut other) = (tracker(), tracker());
        for (i, people) in scene.iter().enumerate() {
            let listed = poses(people);
            let mut turned: Vec<Pose> = listed.iter().rev().cloned().collect();
            let middle = turn % turned.len().max(1);
            turned.rotate_left(middle);
            let given = one.update(&Frame::blank(i as f64 * DT, FRAME), listed);
            prop_assert_eq!(&given, &other.update(&Frame::blank(i as f64 * DT, FRAME), turned));
            let mut seen = ids(&given);
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), given.len());
        }
    }

    /// Fails when two people who walk past each other swap track ids, both while they are seen and
    /// when the one behind is briefly hidden.
    #[test]
    fn people_who_cross_keep_their_ids(
        hz in 10.0..60.0_f64, u in 130.0..300.0_f64, v in 130.0..300.0_f64,
        hides in any::<bool>(), seed in any::<u64>(),
    ) {
        let mut tracker = tracker();
        let (mut near_id, mut far_id) = (None, None);
        // They meet in the middle; the one behind is hidden for less than 0.49 seconds.
        let meet = 1.0;
        for i in 0..=(2.0 * meet * hz) as u64 {
            let t = i as f64 / hz;
            let (x, y) = (320.0 + u * (t - meet), 320.0 - v * (t - meet));
            let near = jittered(&person(x, 240.0, 220.0), 2.0, seed ^ i);
            let far = jittered(&person(y, 225.0, 190.0), 2.0, seed ^ (i + 1000));
            let hidden = hides && (x - y).abs() < 50.0;
            let mut found = vec![near.clone()];
            if !hidden {
                found.push(far.clone());
            }
            let given = tracker.update(&Frame::blank(t, FRAME), found);
            near_id = near_id.or(id_of(&near, &given));
            far_id = far_id.or(id_of(&far, &given));
            prop_assert!(near_id.is_some() && near_id != far_id);
            prop_assert_eq!(id_of(&near, &given), near_id, "at {}", t);
            prop_assert_eq!(id_of(&far, &given), far_id.filter(|_| !hidden), "at {}", t);
        }
        prop_assert_eq!(tracker.last_id, 2);
    }

    /// Fails when a person who stands still gets a new id after a short gap, is drawn in frames
    /// where they were not found, or is remembered for too long.
    #[test]
    fn a_short_gap_keeps_the_id_a_long_one_does_not(
        hz in 10.0..120.0_f64, seed in any::<u64>(), secs in 1.1..4.0_f64,
    ) {
        for (gap, id) in [(0.3, 1), (secs, 2)] {
            let mut tracker = tracker();
            let mut next = 0.0;
            for i in 0..(4.0 + (1.0 + gap) * hz) as u64 {
                let t = i as f64 / hz;
                let here = jittered(&person(200.0, 200.0, 150.0), 2.0, seed ^ i);
                let gone = t > 0.9 && t <= 0.9 + gap;
                let found = if gone { Vec::new() } else { vec![here] };
                let given = tracker.update(&Frame::blank(t, FRAME), found);
                let expected = if t <= 0.9 { 1 } else { id };
                prop_assert_eq!(ids(&given), vec![expected; usize::from(!gone)], "at {}", t);
                next = t;
            }
            prop_assert!(next > 0.9 + gap);
        }
    }

    /// Fails when some input causes a panic or a NaN joint, or leaves the tracker unable to track
    /// people afterwards.
    #[test]
    fn nan_input_leaves_the_tracker_usable(
        frames in prop::collection::vec(
            (any::<f64>(), prop::collection::vec(
                prop::collection::vec(any::<[f32; 3]>(), 0..19), 0..4)), 1..20),
    ) {
        let mut tracker = tracker();
        for (t, people) in frames {
            let pose = |joints: Vec<[f32; 3]>| {
                Pose::from_keypoints(joints.into_iter().map(Keypoint::from).collect())
            };
            let roi = tracker.regions(FRAME)[0];
            prop_assert_eq!(roi, Roi::whole(FRAME, 1.0));
            for pose in tracker.update(&Frame::blank(t, FRAME), people.into_iter().map(pose).collect()) {
                for k in pose.keypoints {
                    prop_assert!(!k.x.is_nan() && !k.y.is_nan() && !k.score.is_nan());
                }
            }
        }
        let here = person(200.0, 200.0, 150.0);
        let after = |tracker: &mut MultiTracker, t| {
            let given = tracker.update(&Frame::blank(t, FRAME), vec![here.clone()]);
            given.iter().map(|p| p.track_id).collect::<Vec<_>>()
        };
        let first = after(&mut tracker, 1e6);
        prop_assert_eq!(first.len(), 1);
        prop_assert_eq!(after(&mut tracker, 1e6 + 0.1), first);
    }
}

/// Fails when absent joints get a position, or drag boxes, track ids or filters to the corner (0,
/// 0).
#[test]
fn absent_joints_stay_absent() {
    let mut tracker = tracker();
    let whole = person(400.0, 300.0, 150.0);
    let part = only(&whole, |j| j >= 6);
    for (i, pose) in [&whole, &part, &whole, &part].into_iter().enumerate() {
        let given = tracker.update(&Frame::blank(i as f64 * DT, FRAME), vec![pose.clone()]);
        assert_eq!(ids(&given), [1]);
        assert_eq!(given[0].keypoints_raw, pose.keypoints_raw);
        for (k, raw) in given[0].keypoints.iter().zip(&pose.keypoints_raw) {
            assert!((k.x - raw.x).abs() < 1e-3 && (k.y - raw.y).abs() < 1e-3);
            assert_eq!(k.score, raw.score);
        }
        assert_eq!(given[0].keypoints[0] == Keypoint::default(), i % 2 == 1);
        assert!(given[0].bbox.x > 300.0);
    }
    // Two poses that share only absent joints are two people.
    let upper = only(&person(100.0, 100.0, 150.0), |j| j < 8);
    let legs = only(&person(100.0, 100.0, 150.0), |j| j >= 9);
    let mut tracker = self::tracker();
    assert_eq!(
        ids(&tracker.update(&Frame::blank(0.0, FRAME), vec![upper])),
        [1]
    );
    assert_eq!(
        tracker.update(&Frame::blank(DT, FRAME), vec![legs.clone()]),
        []
    );
    assert_eq!(
        ids(&tracker.update(&Frame::blank(2.0 * DT, FRAME), vec![legs])),
        [2]
    );
}

/// Fails when flickering fragments use up ids, a complete person is shown late, people in a still
/// image are not shown, or a fragment takes the id of the body from which it broke off.
#[test]
fn fragments_must_be_seen_twice() {
    let whole = person(300.0, 240.0, 200.0);
    let elsewhere = only(&person(100.0, 240.0, 200.0), |j| j < 4);
    let mut tracker = tracker();
    let mut step = |i: u32, found: &[&Pose]| {
        let found = found.iter().map(|p| (*p).clone()).collect();
        ids(&tracker.update(&Frame::blank(f64::from(i) * DT, FRAME), found))
    };
    assert!(step(0, &[]).is_empty());
    assert!(step(1, &[&elsewhere]).is_empty());
    assert!(step(2, &[]).is_empty());
    assert_eq!(step(3, &[&whole, &elsewhere]), [1]);
    // Close to the predicted arm of the body, while the body moves on.
    let walked = person(306.0, 240.0, 200.0);
    let fragment = only(&whole, |j| j < 3);
    assert_eq!(step(4, &[&fragment, &walked]), [1]);
    assert_eq!(step(5, &[&walked, &elsewhere]), [1]);
    assert_eq!(step(6, &[&walked, &elsewhere]).len(), 2);

    let mut still = self::tracker();
    let found = vec![elsewhere, whole, person(500.0, 240.0, 180.0)];
    assert_eq!(
        ids(&still.update(&Frame::blank(7.0, FRAME), found)),
        [1, 2, 3]
    );
}

/// Fails when processing the same frame a second time leaves out people or changes their ids,
/// whether or not people are known from earlier frames.
#[test]
fn a_frame_can_be_processed_twice() {
    let everybody = || {
        vec![
            person(100.0, 240.0, 180.0),
            only(&person(300.0, 240.0, 200.0), |j| j < 5),
            person(500.0, 240.0, 220.0),
        ]
    };
    let mut live = tracker();
    live.update(&Frame::blank(1.0, FRAME), vec![person(320.0, 240.0, 100.0)]);
    for near in [Vec::new(), vec![person(503.0, 240.0, 220.0)], everybody()] {
        let mut tracker = live.fresh();
        let n = near.len();
        assert_eq!(tracker.update(&Frame::blank(2.0, FRAME), near).len(), n);
        if n == 0 {
            tracker.reset();
        }
        let given = tracker.update(&Frame::blank(2.0, FRAME), everybody());
        let mut seen = ids(&given);
        if n == 1 {
            assert_eq!(id_of(&everybody()[2], &given), Some(1));
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3]);
        for pose in given {
            assert_eq!(pose.keypoints, pose.keypoints_raw);
        }
    }
}

/// Fails when a network that needs a second per frame gives everybody a new id in each frame.
#[test]
fn a_slow_network_keeps_track_ids() {
    let mut tracker = tracker();
    for i in 0..6 {
        let t = f64::from(i);
        // Two people two metres apart: one paces up and down, one leaves.
        let pacing = person(150.0 + 40.0 * (t % 2.0), 240.0, 170.0);
        let mut found = vec![pacing.clone()];
        let stays = person(400.0, 240.0, 200.0);
        if i < 3 {
            found.push(stays);
        }
        let given = tracker.update(&Frame::blank(t, FRAME), found);
        assert_eq!(given.len(), if i < 3 { 2 } else { 1 });
        let first = id_of(
            &pacing,
            &tracker.update(&Frame::blank(t, FRAME), vec![pacing.clone()]),
        );
        assert_eq!(id_of(&pacing, &given), first);
        assert_eq!(tracker.last_id, 2);
    }
    let back = tracker.update(&Frame::blank(6.0, FRAME), vec![person(400.0, 240.0, 200.0)]);
    assert_eq!(ids(&back), [3]);
    let jumped = tracker.update(&Frame::blank(6.1 + JUMP_SECS, FRAME), back);
    assert_eq!(ids(&jumped), [4]);
}

/// Fails when joints glide from one run to the next, ids do not start again, or a frame of a
/// different size counts as the next frame of the run.
#[test]
fn a_new_run_forgets_everybody() {
    let mut tracker = tracker();
    let (here, there) = (person(200.0, 240.0, 200.0), person(208.0, 240.0, 200.0));
    let seen = |tracker: &mut MultiTracker, t: f64, frame: Size, pose: &Pose| {
        tracker
            .update(&Frame::blank(t, frame), vec![pose.clone()])
            .remove(0)
    };
    seen(&mut tracker, 5.0, FRAME, &here);
    let smoothed = seen(&mut tracker, 5.0 + DT, FRAME, &there);
    assert_eq!(smoothed.track_id, Some(1));
    assert_ne!(smoothed.keypoints, there.keypoints, "smoothing is on");
    assert_eq!(smoothed.keypoints_raw, there.keypoints);
    assert_eq!(smoothed.past[0].keypoints, here.keypoints);
    for (t, frame, id) in [(1.0, FRAME, 2), (1.0 + DT, Size::new(640, 360), 3)] {
        let anew = seen(&mut tracker, t, frame, &here);
        assert_eq!(anew.track_id, Some(id));
        assert_eq!(anew.keypoints, here.keypoints);
        assert!(anew.past.is_empty());
    }
    tracker.reset();
    assert_eq!(seen(&mut tracker, 9.0, FRAME, &here).track_id, Some(1));
}

/// Fails when new filter parameters do not apply to both known and new people, or `--no-smooth`
/// still changes joints.
#[test]
fn smoothing_follows_its_parameters() {
    let stiff = OneEuro {
        min_cutoff: 0.01,
        beta: 0.0,
        ..OneEuro::default()
    };
    let lag = |tracker: &mut MultiTracker, i: u32| {
        let x = 300.0 + 5.0 * f64::from(i);
        let poses = vec![person(x, 240.0, 200.0)];
        let pose = tracker
            .update(&Frame::blank(f64::from(i) * DT, FRAME), poses)
            .remove(0);
        pose.keypoints_raw[0].x - pose.keypoints[0].x
    };
    for smoothing in [Some(OneEuro::default()), None] {
        let mut tracker = MultiTracker::new(MultiOptions {
            smoothing,
            ..MultiOptions::new(1.0, coco17())
        });
        lag(&mut tracker, 0);
        let usual = lag(&mut tracker, 1);
        tracker.set_smoothing(stiff);
        let calm = lag(&mut tracker, 2);
        tracker.reset();
        lag(&mut tracker, 0);
        let anew = lag(&mut tracker, 1);
        if smoothing.is_some() {
            assert!(0.0 < usual && usual < 3.5, "{usual}");
            assert!(calm > 4.0 && anew > 4.0, "{calm} {anew}");
        } else {
            assert_eq!([usual, calm, anew], [0.0; 3]);
        }
    }
}
