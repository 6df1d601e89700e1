//! Tests of the tracker for one person.

use proptest::prelude::*;

use super::*;
use crate::geometry::Point;
use crate::pose::Keypoint;

const FRAME: Size = Size::new(640, 480);
const DT: f64 = 1.0 / 30.0;

fn tracker() -> SingleTracker {
    SingleTracker::new(SingleOptions::new(1.0))
}

/// 17 joints spread over a box of `w` x `h` pixels around (`cx`, `cy`).
fn person(cx: f64, cy: f64, w: f64, h: f64, score: f32) -> Pose {
    let joint = |i: usize| Keypoint {
        x: (cx + w * ((i % 5) as f64 / 4.0 - 0.5)) as f32,
        y: (cy + h * (i as f64 / 16.0 - 0.5)) as f32,
        score,
    };
    Pose::from_keypoints((0..17).map(joint).collect())
}

fn contains(roi: &Roi, p: Point) -> bool {
    (p.x - roi.center.x).abs() <= roi.width / 2.0 && (p.y - roi.center.y).abs() <= roi.height / 2.0
}

/// Simulates a network that finds the person only when the region contains them and is not too
/// large.
fn look(tracker: &mut SingleTracker, i: usize, truth: &Pose, zoom: f64) -> (Roi, Vec<Pose>) {
    let roi = tracker.regions(FRAME)[0];
    let inside = truth.keypoints.iter().all(|k| contains(&roi, k.point()));
    let seen = inside && roi.height <= zoom * truth.bbox.h;
    let found = if seen {
        truth.clone()
    } else {
        person(roi.center.x, roi.center.y, 50.0, 50.0, 0.05)
    };
    (
        roi,
        tracker.update(&Frame::blank(i as f64 * DT, FRAME), vec![found]),
    )
}

proptest! {
    /// Fails when a walking person leaves the crop and is lost.
    #[test]
    fn a_moving_person_stays_in_the_region(vx in -400.0..400.0_f64, vy in -100.0..100.0_f64) {
        let mut tracker = tracker();
        for i in 0..20 {
            let t = i as f64 * DT;
            let truth = person(320.0 + vx * t, 240.0 + vy * t, 90.0, 220.0, 0.8);
            let (_, poses) = look(&mut tracker, i, &truth, 9.0);
            prop_assert_eq!(poses[0].track_id, Some(1));
            prop_assert_eq!(&poses[0].keypoints_raw, &truth.keypoints_raw);
        }
    }

    /// Fails when the crop jitters with the joints of a person who stands still.
    #[test]
    fn the_region_is_stable_while_the_person_rests(noise in prop::collection::vec(-1.0..1.0_f64, 40)) {
        let mut tracker = tracker();
        let mut regions = Vec::new();
        for (i, n) in noise.iter().enumerate() {
            let truth = person(300.0 + n, 240.0 - n, 100.0, 200.0 + n, 0.8);
            regions.push(look(&mut tracker, i, &truth, 9.0).0);
        }
        prop_assert!(regions[2..].windows(2).all(|r| r[0] == r[1]));
    }

    /// Fails when some input yields a region that cannot be cropped, or a NaN pose.
    #[test]
    fn regions_are_always_usable(
        frames in prop::collection::vec(
            (any::<f64>(), prop::collection::vec(any::<[f32; 3]>(), 0..18), 0..4_u8), 1..30),
        w in 1..2000_usize, h in 1..2000_usize, aspect in 0.5..2.0_f64,
    ) {
        let frame = Size::new(w, h);
        let mut tracker = SingleTracker::new(SingleOptions::new(aspect));
        for (t, keypoints, likely) in frames {
            let roi = tracker.regions(frame)[0];
            prop_assert!(roi.width > 0.0 && roi.height > 0.0 && roi.width <= 4096.0 * 2.0);
            prop_assert!((roi.width / roi.height / aspect - 1.0).abs() < 1e-6);
            prop_assert!(roi.center.x.is_finite() && roi.center.y.is_finite());
            let keypoints = keypoints.into_iter().map(|k| {
                let k = Keypoint::from(k);
                if likely > 0 { Keypoint { score: 0.9, ..k } } else { k }
            });
            let pose = Pose::from_keypoints(keypoints.collect());
            for pose in tracker.update(&Frame::blank(t, frame), vec![pose]) {
                for k in pose.keypoints {
                    prop_assert!(!k.x.is_nan() && !k.y.is_nan() && !k.score.is_nan());
                }
            }
        }
    }
}

/// Fails when one stray joint widens the crop at once, which makes the person small in it.
#[test]
fn a_stray_joint_widens_the_region_slowly() {
    let mut tracker = tracker();
    let truth = person(150.0, 240.0, 80.0, 160.0, 0.8);
    for i in 0..3 {
        look(&mut tracker, i, &truth, 9.0);
    }
    let before = tracker.regions(FRAME)[0].width;
    let mut stray = truth.clone();
    stray.keypoints_raw[3].x = 639.0;
    tracker.update(&Frame::blank(3.0 * DT, FRAME), vec![stray]);
    assert!(tracker.regions(FRAME)[0].width < 1.3 * before);
    for i in 4..40 {
        look(&mut tracker, i, &truth, 9.0);
    }
    assert!(
        tracker.regions(FRAME)[0].width < 1.1 * before,
        "it comes back"
    );
}

/// Fails when a crop that shows only a face never finds the body again.
#[test]
fn missing_joints_widen_the_region() {
    let mut full = tracker();
    let mut part = tracker();
    let whole = person(320.0, 240.0, 80.0, 160.0, 0.8);
    let mut face = whole.clone();
    for k in &mut face.keypoints_raw[1..16] {
        k.score = if k.y < 240.0 { 0.8 } else { 0.1 };
    }
    full.regions(FRAME);
    part.regions(FRAME);
    full.update(&Frame::blank(0.0, FRAME), vec![whole]);
    part.update(&Frame::blank(0.0, FRAME), vec![face]);
    assert!(part.regions(FRAME)[0].width > 1.1 * full.regions(FRAME)[0].width);
}

/// Fails when a small person at the side, who is not detected in the whole frame, is never found,
/// or a newly found person keeps the old track id.
#[test]
fn a_person_entering_at_the_side_gets_a_new_id() {
    let mut tracker = tracker();
    let first = person(320.0, 240.0, 100.0, 300.0, 0.8);
    for i in 0..5 {
        assert_eq!(look(&mut tracker, i, &first, 9.0).1[0].track_id, Some(1));
    }
    // The person leaves: dropped after MAX_MISSES frames, then the whole frame is searched.
    let nobody = person(-1000.0, 0.0, 10.0, 10.0, 0.8);
    for i in 5..5 + MAX_MISSES {
        look(&mut tracker, i, &nobody, 9.0);
    }
    assert_eq!(tracker.regions(FRAME)[0], Roi::whole(FRAME, 1.0));
    // Back at the right edge, too small for the whole frame (640 high) but not for a part (480).
    let second = person(580.0, 240.0, 60.0, 200.0, 0.8);
    let acquired = (20..24)
        .map(|i| look(&mut tracker, i, &second, 2.5).1)
        .find(|poses| !poses.is_empty());
    assert_eq!(acquired.unwrap()[0].track_id, Some(2));
}

/// Fails when the search regions leave out a part of the frame or extend beyond it.
#[test]
fn search_regions_cover_the_frame() {
    for (frame, aspect, n) in [
        (Size::new(1280, 720), 1.0, 4),
        (Size::new(480, 640), 1.0, 4),
        (Size::new(640, 480), 0.75, 4),
        (Size::square(500), 1.0, 1),
    ] {
        let regions = search_regions(frame, aspect);
        assert_eq!(regions.len(), n, "{frame}");
        assert_eq!(regions[0], Roi::whole(frame, aspect));
        for corner in [
            Point::new(0.0, 0.0),
            Point::new(frame.width as f64 - 1.0, frame.height as f64 - 1.0),
        ] {
            assert!(contains(&regions[0], corner));
            assert!(n == 1 || regions[1..].iter().any(|r| contains(r, corner)));
        }
        for r in &regions[1..] {
            assert!((r.width / r.height / aspect - 1.0).abs() < 1e-9);
            assert!(r.center.x - r.width / 2.0 > -0.51 && r.center.y - r.height / 2.0 > -0.51);
        }
    }
}

/// Fails when a pose of noise alone starts a person.
#[test]
fn weak_or_few_joints_start_no_person() {
    let mut tracker = tracker();
    tracker.regions(FRAME);
    let weak = person(320.0, 240.0, 100.0, 200.0, 0.22);
    let mut few = person(320.0, 240.0, 100.0, 200.0, 0.9);
    for k in &mut few.keypoints_raw[4..] {
        k.score = 0.0;
    }
    assert!(
        tracker
            .update(&Frame::blank(0.0, FRAME), vec![weak, few])
            .is_empty()
    );
    assert!(
        tracker
            .update(&Frame::blank(DT, FRAME), Vec::new())
            .is_empty()
    );
}

/// Fails when joints glide from one run or person to the next, or track ids do not start again.
#[test]
fn a_new_run_forgets_everybody() {
    let mut tracker = tracker();
    let here = person(200.0, 240.0, 100.0, 200.0, 0.8);
    let there = person(400.0, 240.0, 100.0, 200.0, 0.8);
    let seen = |tracker: &mut SingleTracker, t: f64, pose: &Pose| {
        tracker.regions(FRAME);
        tracker
            .update(&Frame::blank(t, FRAME), vec![pose.clone()])
            .remove(0)
    };
    seen(&mut tracker, 5.0, &here);
    let smoothed = seen(&mut tracker, 5.0 + DT, &there);
    assert_ne!(smoothed.keypoints, there.keypoints, "smoothing is on");
    assert_eq!(smoothed.keypoints_raw, there.keypoints);
    let back = seen(&mut tracker, 1.0, &there);
    assert_eq!(
        (back.track_id, &back.keypoints),
        (Some(2), &there.keypoints)
    );
    tracker.reset();
    assert_eq!(seen(&mut tracker, 0.0, &here).track_id, Some(1));
}

/// Fails when `--no-smooth` still changes joints.
#[test]
fn without_smoothing_joints_are_as_decoded() {
    let mut tracker = SingleTracker::new(SingleOptions {
        smoothing: None,
        ..SingleOptions::new(1.0)
    });
    for (i, x) in [200.0, 260.0].into_iter().enumerate() {
        let pose = person(x, 240.0, 100.0, 200.0, 0.8);
        tracker.regions(FRAME);
        let out = tracker.update(&Frame::blank(i as f64 * DT, FRAME), vec![pose.clone()]);
        assert_eq!(out[0].keypoints, pose.keypoints);
    }
}

/// Fails when furniture starts a person, a person in a difficult pose is dropped, or the tracker
/// keeps following furniture after the person has left.
#[test]
fn weak_evidence_keeps_a_person_but_starts_none() {
    let mut tracker = tracker();
    let at = |score| vec![person(320.0, 240.0, 100.0, 200.0, score)];
    tracker.regions(FRAME);
    assert!(
        tracker
            .update(&Frame::blank(0.0, FRAME), at(0.45))
            .is_empty()
    );
    assert_eq!(tracker.update(&Frame::blank(DT, FRAME), at(0.8)).len(), 1);
    for i in 2..60 {
        let poses = tracker.update(&Frame::blank(i as f64 * DT, FRAME), at(0.45));
        assert_eq!(poses[0].track_id, Some(1), "frame {i}");
    }
    // In every eighth frame the furniture resembles a person slightly more.
    let score = |i: usize| if i.is_multiple_of(8) { 0.44 } else { 0.3 };
    let gone = (60..120).find(|&i| {
        tracker
            .update(&Frame::blank(i as f64 * DT, FRAME), at(score(i)))
            .is_empty()
    });
    assert!(gone.is_some_and(|i| i < 60 + 3 * MAX_MISSES), "{gone:?}");
}

/// Fails when a person's trail is missing, grows without limit, continues another person's trail,
/// or new filter parameters have no effect.
#[test]
fn a_pose_carries_one_second_of_its_past() {
    let mut tracker = tracker();
    let step = |tracker: &mut SingleTracker, i: u32, x: f64| {
        tracker.regions(FRAME);
        let secs = f64::from(i) * DT;
        let poses = vec![person(x, 240.0, 100.0, 200.0, 0.9)];
        tracker.update(&Frame::blank(secs, FRAME), poses).remove(0)
    };
    for i in 0..60 {
        let pose = step(&mut tracker, i, 200.0 + f64::from(i));
        assert_eq!(pose.past.len(), i.min(30) as usize);
        if let Some(last) = pose.past.last() {
            assert!(last.keypoints_raw[0].x < pose.keypoints_raw[0].x);
            // The first frame is returned as decoded.
            assert!(i == 1 || last.keypoints != last.keypoints_raw);
        }
    }
    let lag = |tracker: &mut SingleTracker, i, x| {
        let pose = step(tracker, i, x);
        (pose.keypoints_raw[0].x - pose.keypoints[0].x).abs()
    };
    let usual = lag(&mut tracker, 60, 300.0);
    tracker.set_smoothing(OneEuro {
        min_cutoff: 0.01,
        beta: 0.0,
        ..OneEuro::default()
    });
    let calm = lag(&mut tracker, 61, 340.0);
    assert!(usual < 4.0 && calm > 30.0, "{usual} {calm}");
    tracker.reset();
    assert!(step(&mut tracker, 0, 100.0).past.is_empty());
}
