//! Tests with people in different colours.

use proptest::prelude::*;

use super::tests::{coco17, jittered, person};
use super::*;
use crate::frame::Pixels;

const FRAME: Size = Size::new(320, 240);
const RED: [u8; 3] = [190, 40, 50];
const BLUE: [u8; 3] = [40, 70, 180];
const GREEN: [u8; 3] = [60, 150, 60];

fn tracker() -> MultiTracker {
    MultiTracker::new(MultiOptions::new(1.0, coco17()))
}

/// A person at (x, 120), 100 pixels high, in a colour.
type Figure = (f64, [u8; 3]);

/// Draws the figures in front of each other, the first one last.
fn drawn(time_secs: f64, figures: &[Figure]) -> Frame {
    let mut rgba = [120, 120, 120, 255].repeat(FRAME.area());
    for (x, rgb) in figures.iter().rev() {
        let columns = (x - 22.0).max(0.0) as usize..(x + 22.0).clamp(0.0, 320.0) as usize;
        for row in 68..172 {
            for column in columns.clone() {
                let at = 4 * (row * FRAME.width + column);
                rgba[at..at + 3].copy_from_slice(rgb);
            }
        }
    }
    Frame::new(0, time_secs, FRAME, Pixels::unpooled(rgba))
}

/// Runs a scene: figures at every time, and whether each is found. Returns, for each frame, the ids
/// of the figures.
fn run(
    hz: f64,
    secs: f64,
    seed: u64,
    scene: impl Fn(f64) -> Vec<(Figure, bool)>,
) -> Vec<(f64, Vec<Option<u64>>)> {
    let mut tracker = tracker();
    let step = |i: u64| {
        let t = i as f64 / hz;
        let scene = scene(t);
        let figures: Vec<Figure> = scene.iter().map(|(figure, _)| *figure).collect();
        let pose = |(n, ((x, _), _)): (usize, &(Figure, bool))| {
            jittered(&person(*x, 120.0, 100.0), 1.0, seed ^ (1000 * n as u64 + i))
        };
        let poses: Vec<Pose> = scene.iter().enumerate().map(pose).collect();
        let found = poses
            .iter()
            .zip(&scene)
            .filter(|(_, (_, is_found))| *is_found);
        let found = found.map(|(pose, _)| pose.clone()).collect();
        let given = tracker.update(&drawn(t, &figures), found);
        let id = |pose: &Pose| {
            let same = given.iter().find(|g| g.keypoints_raw == pose.keypoints_raw);
            same.and_then(|g| g.track_id)
        };
        (t, poses.iter().map(id).collect())
    };
    (0..(secs * hz) as u64).map(step).collect()
}

/// Returns the fraction of frames from `after` on in which every found figure has its first id.
fn kept(ids: &[(f64, Vec<Option<u64>>)], after: f64) -> f64 {
    let n = ids[0].1.len();
    let first: Vec<u64> = (0..n)
        .map(|i| ids.iter().find_map(|(_, ids)| ids[i]).unwrap())
        .collect();
    let late: Vec<_> = ids.iter().filter(|(t, _)| *t >= after).collect();
    let is_right = |ids: &[Option<u64>]| {
        ids.iter()
            .zip(&first)
            .all(|(id, first)| id.is_none_or(|id| id == *first))
    };
    late.iter().filter(|(_, ids)| is_right(ids)).count() as f64 / late.len() as f64
}

fn largest_id(ids: &[(f64, Vec<Option<u64>>)]) -> Option<u64> {
    ids.iter()
        .flat_map(|(_, ids)| ids.iter().flatten())
        .max()
        .copied()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Fails when people in different colours who cross lose or exchange their ids, although the one
    /// behind is hidden for up to 0.8 seconds.
    #[test]
    fn a_crossing_keeps_ids(
        hz in 15.0..40.0_f64, u in 35.0..70.0_f64, v in 35.0..70.0_f64, gap in 0.0..0.8_f64,
        seed in any::<u64>(),
    ) {
        let ids = run(hz, 4.0, seed, |t| {
            let (x, y) = (160.0 + u * (t - 2.0), 160.0 - v * (t - 2.0));
            let is_hidden = (t - 2.0).abs() < gap / 2.0;
            vec![((x, RED), true), ((y, BLUE), !is_hidden)]
        });
        prop_assert_eq!(largest_id(&ids), Some(2));
        prop_assert!(kept(&ids, 0.0) > 0.95, "{}", kept(&ids, 0.0));
    }

    /// Fails when two people who meet and turn back, the one behind hidden meanwhile, stay exchanged
    /// although their colours differ: by their motion alone, they have crossed.
    #[test]
    fn colours_undo_an_exchange(
        hz in 15.0..40.0_f64, speed in 40.0..70.0_f64, gap in 0.3..0.7_f64, seed in any::<u64>(),
    ) {
        let scene = |[a, b]: [[u8; 3]; 2]| {
            run(hz, 4.0, seed, move |t| {
                let away = 8.0 + speed * (t - 2.0).abs();
                let is_hidden = (t - 2.0).abs() < gap / 2.0;
                vec![((160.0 + away, a), true), ((160.0 - away, b), !is_hidden)]
            })
        };
        let ids = scene([RED, BLUE]);
        prop_assert_eq!(largest_id(&ids), Some(2));
        prop_assert_eq!(kept(&ids, 3.2), 1.0);
    }

    /// Fails when people in the same colour exchange their ids because of it.
    #[test]
    fn equal_colours_decide_nothing(
        hz in 20.0..40.0_f64, u in 35.0..70.0_f64, v in 35.0..70.0_f64, seed in any::<u64>(),
    ) {
        let ids = run(hz, 4.0, seed, |t| {
            let (x, y) = (160.0 + u * (t - 2.0), 160.0 - v * (t - 2.0));
            vec![((x, GREEN), true), ((y, GREEN), true)]
        });
        prop_assert_eq!(largest_id(&ids), Some(2));
        prop_assert!(kept(&ids, 0.0) > 0.95, "{}", kept(&ids, 0.0));
    }

    /// Fails when someone who was hidden while moving on fast is not recognised by their colours, or
    /// a person in other colours takes their id.
    #[test]
    fn colours_bridge_a_gap(
        hz in 15.0..40.0_f64, seed in any::<u64>(), is_other in any::<bool>(),
    ) {
        let ids = run(hz, 2.8, seed, |t| {
            let here = if t < 1.2 { 60.0 } else { 230.0 };
            let is_found = !(1.2..2.0).contains(&t);
            let rgb = if is_other && t > 1.5 { BLUE } else { RED };
            vec![((here, rgb), is_found)]
        });
        prop_assert_eq!(largest_id(&ids), Some(if is_other { 2 } else { 1 }));
    }
}

/// Fails when a pose is smoothed across an exchange of identities, or has another person's past.
#[test]
fn filters_are_reset_by_an_exchange() {
    let mut tracker = tracker();
    let mut last = Vec::new();
    for i in 0..120 {
        let t = f64::from(i) / 30.0;
        let away = 8.0 + 55.0 * (t - 2.0).abs();
        let is_hidden = (t - 2.0).abs() < 0.25;
        let figures = [(160.0 + away, RED), (160.0 - away, BLUE)];
        let n = if is_hidden { 1 } else { 2 };
        let poses = figures[..n].iter().map(|(x, _)| person(*x, 120.0, 100.0));
        last = tracker.update(&drawn(t, &figures), poses.collect());
        for pose in &last {
            let x = |k: &crate::pose::Keypoint| f64::from(k.x);
            let lag = x(&pose.keypoints[0]) - x(&pose.keypoints_raw[0]);
            assert!(lag.abs() < 4.0, "{lag} at {t}");
            for step in &pose.past {
                let moved = x(&step.keypoints_raw[0]) - x(&pose.keypoints_raw[0]);
                assert!(moved.abs() < 60.0, "{moved} at {t}");
            }
        }
    }
    assert_eq!(last.len(), 2);
}
