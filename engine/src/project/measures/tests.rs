//! Tests of the measures.

use std::collections::BTreeMap;

use super::*;
use crate::frame::{Frame as Picture, Pixels};
use crate::geometry::{Affine2, Size};
use crate::output::{PeopleCount, RegionOutput, Timings};
use crate::pose::Pose;

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
            fields: None,
            description: Vec::new(),
            track_id: None,
        }],
        timings: Timings::default(),
        people: PeopleCount::default(),
    }
}

fn measured(outputs: &[PoseOutput]) -> Vec<Vec<(Reason, f64)>> {
    let predictions: Vec<_> = outputs.iter().map(Prediction::of).collect();
    let predictions: Vec<_> = predictions.iter().map(Option::as_ref).collect();
    measures(skeleton(), &predictions)
}

/// Returns the index of the frame with the largest value for each reason.
fn worst(outputs: &[PoseOutput]) -> BTreeMap<&'static str, (usize, f64)> {
    let mut worst = BTreeMap::new();
    for (i, values) in measured(outputs).into_iter().enumerate() {
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
        assert!(value < 0.2, "{reason:?} is {value} when nothing happens");
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
    let outputs = [&nobody, &without, &nobody, &without, &without].map(PoseOutput::clone);
    assert!(measured(&outputs).iter().all(Vec::is_empty));
}
