//! Several people with the bundled networks: copies of the sample clip's person in one frame.

use std::collections::BTreeSet;

use poselens_engine::device::DeviceSpec;
use poselens_engine::estimator::{
    Estimator, Infer, Network, NetworkOptions, People, RequestedMaps, Several,
};
use poselens_engine::frame::{Frame, Pixels};
use poselens_engine::geometry::Size;
use poselens_engine::model::model;
use poselens_engine::output::PoseOutput;
use poselens_engine::pose::Pose;
use poselens_engine::source::SourceSpec;
use poselens_engine::track::{Follow, Selection};

use crate::cli::read_all;

const FRAME: Size = Size::new(640, 480);
/// Side of the person's half-size copy: 140 x 210 pixels.
const COPY: Size = Size::new(140, 210);
/// Place of the copied part in the sample clip.
const PLACE: [usize; 2] = [160, 60];
/// Column of the middle of the person in the copy.
const MIDDLE: f64 = 71.0;

const RED: [u8; 3] = [170, 30, 40];
const GREEN: [u8; 3] = [30, 130, 50];
const BLUE: [u8; 3] = [40, 60, 190];

fn network(name: &str) -> Network {
    let options = NetworkOptions {
        device: DeviceSpec::Cpu,
        ..NetworkOptions::bundled(model(name).unwrap())
    };
    Network::load(&options).unwrap()
}

fn several(most: usize) -> Several {
    Several::new(network("sfm"), most, true).unwrap()
}

/// Whether a pixel of the copy shows the person: the head, or the body below.
fn is_person(x: usize, y: usize) -> bool {
    let (dx, dy) = (x as f64 - MIDDLE, y as f64 - 38.0);
    let head = (dx / 23.0).powi(2) + (dy / 37.0).powi(2) < 1.0;
    let shoulder = 62.0 + (dx.abs() - 20.0).max(0.0) * 0.6;
    head || (y as f64 > shoulder && dx.abs() < 64.0)
}

/// Pastes a copy of the person with the shirt in another colour; `x` is the middle of the person.
fn paste(frame: &mut [u8], sample: &Frame, x: f64, shirt: [u8; 3]) {
    let top = FRAME.height - COPY.height;
    for row in 0..COPY.height {
        for column in (0..COPY.width).filter(|&c| is_person(c, row)) {
            let at = x - MIDDLE + column as f64;
            if !(0.0..FRAME.width as f64).contains(&at) {
                continue;
            }
            let from = (PLACE[1] + 2 * row) * sample.size().width + PLACE[0] + 2 * column;
            let rgba = &sample.rgba()[4 * from..4 * from + 4];
            let is_dark = rgba[..3].iter().all(|v| *v < 75);
            let is_shirt = row > 65 && is_dark;
            let to = 4 * ((top + row) * FRAME.width + at as usize);
            for channel in 0..3 {
                let tint = if is_shirt { shirt[channel] } else { 0 };
                frame[to + channel] = rgba[channel].saturating_add(tint);
            }
        }
    }
}

/// The frame at `i` / 30 seconds; the last person is in front.
fn scene(sample: &Frame, i: u64, people: &[(f64, [u8; 3])]) -> Frame {
    let pixel = |i: usize| {
        let shade = 150 + (i / FRAME.width / 16) as u8;
        [shade, shade, shade - 10, 255]
    };
    let mut rgba: Vec<u8> = (0..FRAME.area()).flat_map(pixel).collect();
    for (x, shirt) in people {
        paste(&mut rgba, sample, *x, *shirt);
    }
    Frame::new(i, i as f64 / 30.0, FRAME, Pixels::unpooled(rgba))
}

/// Returns the horizontal position of the shoulders' middle.
fn place(pose: &Pose) -> f64 {
    let [left, right] = [5, 6].map(|j| f64::from(pose.keypoints_raw[j].x));
    f64::midpoint(left, right)
}

/// Returns the id of the pose nearest to each person.
fn ids(output: &PoseOutput, people: &[(f64, [u8; 3])]) -> Vec<Option<u64>> {
    let near = |(x, _): &(f64, [u8; 3])| {
        let distance = |pose: &&Pose| (place(pose) - x).abs();
        let poses = output.poses.iter();
        let nearest = poses.min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        (distance(&nearest) < 25.0).then_some(nearest.track_id)?
    };
    people.iter().map(near).collect()
}

/// Fails when people who cross and hide each other lose or exchange their ids, an id is given twice,
/// or somebody who is in view is not found.
#[test]
fn people_who_cross_keep_their_ids() {
    let samples = read_all(&SourceSpec::parse("sample").unwrap());
    let mut estimator = several(8);
    let mut first: Option<Vec<u64>> = None;
    let (mut n_right, mut n_seen) = (0_u32, 0_u32);
    let mut all = BTreeSet::new();
    for i in 0..135_u32 {
        let t = f64::from(i) / 30.0;
        let people = [
            (100.0 + 130.0 * t, RED),
            (600.0 - 110.0 * t, GREEN),
            (250.0 + 15.0 * (3.0 * t).sin(), BLUE),
        ];
        let sample = &samples[20 + i as usize % 60];
        let frame = scene(sample, u64::from(i), &people);
        let output = estimator.infer(&frame, RequestedMaps::default()).unwrap();
        assert!(output.people.found >= output.poses.len());
        let mut given: Vec<u64> = output.poses.iter().filter_map(|p| p.track_id).collect();
        all.extend(given.iter().copied());
        given.sort_unstable();
        given.dedup();
        assert_eq!(
            given.len(),
            output.poses.len(),
            "an id was given twice at {t}"
        );
        let ids = ids(&output, &people);
        if first.is_none() {
            first = ids.iter().copied().collect();
        }
        if t < 1.0 {
            continue;
        }
        let first = first
            .as_ref()
            .expect("everybody is seen in the first second");
        for (k, (x, _)) in people.iter().enumerate() {
            let is_hidden = people[k + 1..]
                .iter()
                .any(|(other, _)| (x - other).abs() < 80.0);
            if !is_hidden && *x < 600.0 {
                n_seen += 1;
                n_right += u32::from(ids[k] == Some(first[k]));
            }
        }
    }
    let share = f64::from(n_right) / f64::from(n_seen);
    println!("{n_right} of {n_seen}, {} ids", all.len());
    assert!(share >= 0.95, "{n_right} of {n_seen}");
    assert_eq!(all.len(), 3, "somebody got a second id");
}

/// Fails when several people cost one person's pose, more people than allowed are examined closely,
/// the others are not counted, or a single frame depends on those before.
#[test]
fn everybody_is_found_and_some_are_examined_closely() {
    let sample = &read_all(&SourceSpec::parse("sample").unwrap())[20];
    let people = [(100.0, RED), (330.0, GREEN), (540.0, BLUE)];
    let frame = scene(sample, 0, &people);
    let everything = RequestedMaps {
        fields: false,
        heatmaps: true,
        attention: true,
        description: false,
    };
    let mut few = several(2);
    let output = few.infer(&frame, everything).unwrap();
    assert_eq!(output.poses.len(), 3);
    assert_eq!(output.skeleton.name, "coco17");
    let count = output.people;
    assert_eq!((count.found, count.closely, count.left_out), (3, 2, 1));
    let of_regions: BTreeSet<_> = output.regions.iter().map(|r| r.track_id.unwrap()).collect();
    assert_eq!((output.regions.len(), of_regions.len()), (2, 2));
    assert!(
        output
            .regions
            .iter()
            .all(|r| r.heatmaps.n == 17 && !r.attention.is_empty())
    );

    let mut all = several(8);
    let once = all.inspect(&frame, &[], RequestedMaps::default()).unwrap();
    assert_eq!(once.poses.len(), 3);
    assert!(
        once.poses
            .iter()
            .all(|p| p.track_id.is_none() && p.past.is_empty())
    );
    let mut known = once.poses.clone();
    for (pose, id) in known.iter_mut().zip([7, 4, 9]) {
        pose.track_id = Some(id);
    }
    let again = all
        .inspect(&frame, &known, RequestedMaps::default())
        .unwrap();
    let given = ids(&again, &people);
    assert_eq!(
        given.iter().flatten().collect::<BTreeSet<_>>().len(),
        3,
        "{given:?}"
    );
    // An empty room has nobody, and a person alone is found as by the network itself.
    let empty = scene(sample, 1, &[]);
    assert!(
        all.infer(&empty, RequestedMaps::default())
            .unwrap()
            .poses
            .is_empty()
    );
    let mut one = Estimator::new(network("sfm"), true);
    let nothing = RequestedMaps::default();
    let alone = one.inspect(sample, &[], nothing).unwrap();
    let found = all.inspect(sample, &[], nothing).unwrap();
    assert_eq!((alone.poses.len(), found.poses.len()), (1, 1));
    assert!((place(&alone.poses[0]) - place(&found.poses[0])).abs() < 8.0);
}

/// Fails when the selection returns somebody else, or the others lose their ids meanwhile.
#[test]
fn only_the_selected_people_are_returned() {
    let sample = &read_all(&SourceSpec::parse("sample").unwrap())[20];
    let people = [(100.0, RED), (330.0, GREEN), (540.0, BLUE)];
    let mut estimator = several(8);
    let mut step = |i: u64, selection: Selection| {
        estimator.set_selection(&selection);
        let frame = scene(sample, i, &people);
        let output = estimator.infer(&frame, RequestedMaps::default()).unwrap();
        ids(&output, &people)
    };
    let all = step(0, Selection::default());
    assert!(all.iter().all(Option::is_some), "{all:?}");
    let nearest = Selection {
        follow: Some(Follow::Nearest),
        ..Selection::default()
    };
    for i in 1..20 {
        assert_eq!(step(i, nearest.clone()), [None, all[1], None], "{i}");
    }
    let hidden = Selection {
        follow: None,
        hidden: all[0].into_iter().collect(),
    };
    assert_eq!(step(20, hidden.clone()), [None, all[1], all[2]]);
    assert_eq!(step(21, hidden), [None, all[1], all[2]]);
    assert_eq!(step(22, Selection::default()), all);
}

/// Fails when people lose their ids in a frame that is stepped to, hidden people come back in it,
/// stepping disturbs the run, or a frame far from the tracked ones is given their ids.
#[test]
fn ids_and_selection_survive_a_step() {
    let sample = &read_all(&SourceSpec::parse("sample").unwrap())[20];
    let people = [(100.0, RED), (330.0, GREEN), (540.0, BLUE)];
    let nothing = RequestedMaps::default();
    let mut estimator = several(8);
    let mut all = Vec::new();
    for i in 0..3 {
        let output = estimator.infer(&scene(sample, i, &people), nothing);
        all = ids(&output.unwrap(), &people);
    }
    assert!(all.iter().all(Option::is_some), "{all:?}");
    let hidden = Selection {
        follow: None,
        hidden: all[2].into_iter().collect(),
    };
    estimator.set_selection(&hidden);
    let visit = |estimator: &mut Several, i: u64| {
        let output = estimator.visit(&scene(sample, i, &people), &[], nothing);
        let output = output.unwrap();
        (ids(&output, &people), output.poses.len())
    };
    for i in [3, 4, 1, 0] {
        let shown = (vec![all[0], all[1], None], 2);
        assert_eq!(visit(&mut estimator, i), shown, "frame {i}");
    }
    estimator.set_selection(&Selection::default());
    assert_eq!(visit(&mut estimator, 4), (all.clone(), 3));
    assert_eq!(visit(&mut estimator, 600), (vec![None; 3], 3));
    let output = estimator.infer(&scene(sample, 5, &people), nothing);
    assert_eq!(ids(&output.unwrap(), &people), all);
}

/// Fails when models are combined that do not fit, or a model for several people needs another one.
#[test]
fn only_fitting_models_are_combined() {
    let refused = Several::new(network("ssa-sfm-2"), 8, true).err().unwrap();
    assert!(refused.to_string().contains("ssa-sfm-2"), "{refused}");
    let sample = &read_all(&SourceSpec::parse("sample").unwrap())[20];
    for (name, skeleton) in [("ssa-sfm-2", "openpose18"), ("tp-r-a3", "coco17")] {
        let mut estimator = People::SEVERAL.estimator(network(name), true).unwrap();
        let output = estimator.infer(sample, RequestedMaps::default()).unwrap();
        assert_eq!((&*output.model, &*output.skeleton.name), (name, skeleton));
        assert_eq!(output.poses.len(), 1, "{name}");
    }
}

/// Fails when the second of two photographs of a folder, a frame apart, is searched only where people
/// were in the first.
#[test]
fn photographs_are_searched_one_by_one() {
    let samples = read_all(&SourceSpec::parse("sample").unwrap());
    let mut estimator = several(8);
    let first = scene(&samples[20], 0, &[(150.0, RED)]);
    let output = estimator.infer(&first, RequestedMaps::default()).unwrap();
    assert_eq!(output.poses.len(), 1);
    let people = [(150.0, GREEN), (450.0, BLUE)];
    let both = scene(&samples[20], 1, &people);
    let size = Size::new(FRAME.width - 16, FRAME.height);
    let n_bytes = 4 * size.width;
    let rows = both.rgba().chunks_exact(4 * FRAME.width);
    let rgba = rows.flat_map(|row| &row[..n_bytes]).copied().collect();
    let second = Frame::new(1, 1.0 / 30.0, size, Pixels::unpooled(rgba));
    let output = estimator.infer(&second, RequestedMaps::default()).unwrap();
    let ids = ids(&output, &people);
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.is_some_and(|id| id > 1)), "{ids:?}");
}
