//! The figures against a computation by brute force, and on examples with known figures.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::counts::{ClipCounts, Encounter};
use super::*;
use crate::geometry::{BBox, Size};
use crate::sample::{Joint, Orientation, Visibility};

/// The counts that the property test compares.
#[derive(Debug, PartialEq, Default)]
struct Naive {
    matches: usize,
    switches: usize,
    misses: usize,
    false_positives: usize,
    id_true_positives: usize,
    similarity: f64,
}

/// Returns the best total of `value` over all assignments of the first `n` numbers to some of the
/// `options`, each used once; `value` of `None` is that of a number without an option. Also returns
/// the assignment.
fn best(
    n: usize,
    options: &[u64],
    value: &dyn Fn(usize, Option<u64>) -> f64,
) -> (f64, Vec<Option<u64>>) {
    let Some(last) = n.checked_sub(1) else {
        return (0.0, Vec::new());
    };
    let mut found: Option<(f64, Vec<Option<u64>>)> = None;
    let choices = options.iter().map(|o| Some(*o)).chain([None]);
    for choice in choices {
        let rest: Vec<u64> = options
            .iter()
            .copied()
            .filter(|o| Some(*o) != choice)
            .collect();
        let (total, mut assignment) = best(last, &rest, value);
        let total = total + value(last, choice);
        assignment.push(choice);
        if found.as_ref().is_none_or(|(most, _)| total > *most) {
            found = Some((total, assignment));
        }
    }
    found.unwrap()
}

/// A frame with a name for every track.
struct Named {
    people: Vec<u64>,
    tracks: Vec<u64>,
    similarity: BTreeMap<(u64, u64), f64>,
}

fn named(frames: &[Encounter]) -> Vec<Named> {
    let mut next = 1000;
    let mut name = |id: &Option<u64>| {
        next += 1;
        id.unwrap_or(next)
    };
    let frame = |frame: &Encounter| {
        let tracks: Vec<u64> = frame.tracks.iter().map(&mut name).collect();
        let rows = frame.people.iter().zip(&frame.similarities);
        let cells = rows.flat_map(|(p, row)| tracks.iter().zip(row).map(|(t, s)| ((*p, *t), *s)));
        Named {
            people: frame.people.clone(),
            similarity: cells.filter(|(_, s)| *s > 0.0).collect(),
            tracks: tracks.clone(),
        }
    };
    frames.iter().map(frame).collect()
}

/// CLEAR MOT from the list of all matches so far, and IDF1 from the costs of Ristani et al.: labels
/// missed and predictions too many under every assignment of whole tracks.
fn naive(frames: &[Encounter]) -> Naive {
    let frames = named(frames);
    let mut counts = Naive::default();
    let mut matches: Vec<(u64, u64)> = Vec::new();
    for frame in &frames {
        let mut now: Vec<(u64, u64)> = Vec::new();
        for &person in &frame.people {
            let last = matches.iter().rev().find(|(p, _)| *p == person);
            let Some(&(_, track)) = last else { continue };
            let owner = matches.iter().rev().find(|(_, t)| *t == track).unwrap().0;
            if owner == person && frame.similarity.contains_key(&(person, track)) {
                now.push((person, track));
            }
        }
        let is_open = |p: &u64| now.iter().all(|(q, _)| p != q);
        let people: Vec<u64> = frame.people.iter().copied().filter(is_open).collect();
        let is_free = |t: &u64| now.iter().all(|(_, u)| t != u);
        let tracks: Vec<u64> = frame.tracks.iter().copied().filter(is_free).collect();
        let value = |i: usize, track: Option<u64>| match track {
            None => 0.0,
            Some(track) => match frame.similarity.get(&(people[i], track)) {
                Some(similarity) => *similarity,
                None => -1.0,
            },
        };
        let (_, assignment) = best(people.len(), &tracks, &value);
        now.extend(
            people
                .iter()
                .zip(assignment)
                .filter_map(|(p, t)| Some((*p, t?))),
        );
        for &(person, track) in &now {
            let last = matches.iter().rev().find(|(p, _)| *p == person);
            counts.switches += usize::from(last.is_some_and(|(_, before)| *before != track));
            counts.similarity += frame.similarity[&(person, track)];
        }
        counts.matches += now.len();
        counts.misses += frame.people.len() - now.len();
        counts.false_positives += frame.tracks.len() - now.len();
        matches.extend(now);
    }
    let mut people: Vec<u64> = frames.iter().flat_map(|f| f.people.clone()).collect();
    let mut tracks: Vec<u64> = frames.iter().flat_map(|f| f.tracks.clone()).collect();
    let n_labels = people.len();
    people.sort_unstable();
    people.dedup();
    tracks.sort_unstable();
    tracks.dedup();
    let seen = |t: u64| frames.iter().filter(|f| f.tracks.contains(&t)).count() as f64;
    let missed = |i: usize, track: Option<u64>| {
        let of = frames.iter().filter(|f| f.people.contains(&people[i]));
        let is_missed =
            |f: &&Named| track.is_none_or(|t| !f.similarity.contains_key(&(people[i], t)));
        of.filter(is_missed).count() as f64
    };
    let too_many = |i: usize, track: Option<u64>| {
        let Some(t) = track else { return 0.0 };
        let of = frames.iter().filter(|f| f.tracks.contains(&t));
        // Assigning the track saves the frames that it explains.
        let wrong = of.filter(|f| !f.similarity.contains_key(&(people[i], t)));
        wrong.count() as f64 - seen(t)
    };
    let value = |i: usize, track: Option<u64>| -(missed(i, track) + too_many(i, track));
    let (_, assignment) = best(people.len(), &tracks, &value);
    let n_missed: f64 = assignment
        .iter()
        .enumerate()
        .map(|(i, t)| missed(i, *t))
        .sum();
    counts.id_true_positives = n_labels - n_missed as usize;
    counts
}

fn frame() -> impl Strategy<Value = Encounter> {
    let similarity = prop_oneof![Just(0.0), 0.5..1.0];
    let similarities = prop::collection::vec(prop::collection::vec(similarity, 5), 4);
    (0_u8..16, 0_u8..8, 0_usize..3, similarities).prop_map(|(people, tracks, nameless, all)| {
        let ids = |mask: u8| (0..4_u64).filter(move |i| mask >> i & 1 == 1);
        let people: Vec<u64> = ids(people).collect();
        let tracks: Vec<Option<u64>> = ids(tracks)
            .map(Some)
            .chain(std::iter::repeat_n(None, nameless))
            .collect();
        let row = |p: &u64| all[*p as usize][..tracks.len()].to_vec();
        Encounter {
            similarities: people.iter().map(row).collect(),
            people,
            tracks,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Fails when a count differs from that of an independent computation by brute force.
    #[test]
    fn all_counts_equal_those_of_brute_force(frames in prop::collection::vec(frame(), 0..5)) {
        let mut clip = ClipCounts::default();
        for frame in &frames {
            clip.add(frame);
        }
        let ours = clip.counts();
        let expected = naive(&frames);
        prop_assert!((ours.similarity - expected.similarity).abs() < 1e-9);
        let counts = Naive {
            matches: ours.matches,
            switches: ours.switches,
            misses: ours.misses,
            false_positives: ours.false_positives,
            id_true_positives: ours.id_true_positives,
            similarity: expected.similarity,
        };
        prop_assert_eq!(counts, expected);
        prop_assert_eq!(ours.frames, frames.len());
        prop_assert_eq!(ours.labels, ours.matches + ours.misses);
        prop_assert_eq!(ours.predictions, ours.matches + ours.false_positives);
    }
}

fn skeleton() -> &'static Skeleton {
    Skeleton::by_name("coco17").unwrap()
}

/// A person of 80 x 160 pixels at `x`.
fn person(track_id: Option<u64>, x: f64) -> Annotation {
    let joint = |j: u32| Joint {
        point: Point::new(x + 20.0 * f64::from(j % 5), 50.0 + 10.0 * f64::from(j)),
        visibility: Visibility::Visible,
    };
    Annotation {
        id: 1,
        bbox: BBox::new(x, 50.0, 80.0, 160.0),
        area: 9000.0,
        is_crowd: false,
        n_keypoints: 17,
        joints: (0..17).map(joint).collect(),
        head_box: None,
        region: None,
        track_id,
    }
}

fn pose(track_id: Option<u64>, x: f64) -> TrackedPose {
    let joints = person(None, x).joints;
    let keypoints = joints
        .iter()
        .map(|j| Keypoint::from([j.point.x as f32, j.point.y as f32, 0.9]));
    TrackedPose::new(track_id, &keypoints.collect::<Vec<_>>())
}

fn sample(annotations: Vec<Annotation>) -> Sample {
    Sample {
        image_id: 5,
        path: "clip/000001.jpg".into(),
        size: Size::new(640, 480),
        clip: None,
        frame: None,
        orientation: Orientation::Auto,
        annotations,
    }
}

/// Returns the counts of one clip.
fn measured(frames: &[(Vec<Annotation>, Vec<TrackedPose>)]) -> IdentityCounts {
    let mut tally = IdentityTally::new(skeleton());
    tally.begin_clip("clip");
    for (labels, found) in frames {
        tally.add_frame(&sample(labels.clone()), found).unwrap();
    }
    tally.clips().remove(0).counts
}

/// Fails when perfect tracks do not score 1, or two people who exchange their ids halfway are not
/// half as good in IDF1 and two switches in MOTA.
#[test]
fn an_exchange_of_ids_is_two_switches_and_half_of_idf1() {
    let frames = |exchange: usize| -> Vec<_> {
        let frame = |i: usize| {
            let (a, b) = if i < exchange { (7, 9) } else { (9, 7) };
            let labels = vec![person(Some(1), 100.0), person(Some(2), 400.0)];
            (labels, vec![pose(Some(b), 401.0), pose(Some(a), 101.0)])
        };
        (0..10).map(frame).collect()
    };
    let perfect = measured(&frames(10));
    let figures = perfect.figures();
    assert_eq!(
        (figures.idf1, figures.mota, perfect.switches),
        (Some(1.0), Some(1.0), 0)
    );
    assert!(figures.mean_oks > Some(0.99) && figures.mean_oks < Some(1.0));
    assert_eq!((perfect.people, perfect.tracks), (2, 2));
    let exchanged = measured(&frames(5));
    let figures = exchanged.figures();
    assert_eq!((exchanged.switches, exchanged.matches), (2, 20));
    assert_eq!((figures.idf1, figures.mota), (Some(0.5), Some(0.9)));
    assert_eq!(
        (figures.id_precision, figures.id_recall),
        (Some(0.5), Some(0.5))
    );
    assert_eq!(measured(&[]).figures().idf1, None);
}

/// Fails when a new id after a gap is no switch, the gap is not missed, or the same id after the
/// gap is a switch.
#[test]
fn a_gap_is_missed_and_a_new_id_after_it_is_a_switch() {
    let frames = |later: u64| -> Vec<_> {
        let found = |i: usize| match i {
            0..4 => vec![pose(Some(1), 100.0)],
            4..6 => Vec::new(),
            _ => vec![pose(Some(later), 100.0)],
        };
        (0..10)
            .map(|i| (vec![person(Some(3), 100.0)], found(i)))
            .collect()
    };
    let bridged = measured(&frames(1));
    assert_eq!(
        (bridged.switches, bridged.misses, bridged.tracks),
        (0, 2, 1)
    );
    assert_eq!(bridged.figures().idf1, Some(16.0 / 18.0));
    let renamed = measured(&frames(2));
    assert_eq!(
        (renamed.switches, renamed.misses, renamed.tracks),
        (1, 2, 2)
    );
    // The longer of the two tracks explains four frames.
    assert_eq!(renamed.figures().idf1, Some(8.0 / 18.0));
    assert_eq!(renamed.figures().mota, Some(1.0 - 3.0 / 10.0));
}

/// Fails when people who are not evaluated are missed, predictions of them are false positives, or
/// other predictions are excused by them.
#[test]
fn crowds_and_people_without_joints_or_ids_are_ignored() {
    let crowd = Annotation {
        is_crowd: true,
        ..person(Some(8), 300.0)
    };
    let mut faceless = person(Some(9), 500.0);
    faceless.n_keypoints = 0;
    for joint in &mut faceless.joints {
        joint.visibility = Visibility::Unlabelled;
    }
    let labels = vec![person(Some(1), 100.0), crowd, faceless, person(None, 200.0)];
    let one = |found: Vec<TrackedPose>| measured(&[(labels.clone(), found)]);
    let all = one(vec![
        pose(Some(1), 100.0),
        pose(Some(2), 300.0),
        pose(Some(3), 500.0),
        pose(Some(4), 200.0),
    ]);
    assert_eq!((all.labels, all.predictions, all.matches), (1, 1, 1));
    assert_eq!(one(Vec::new()).misses, 1);
    let elsewhere = one(vec![pose(Some(1), 100.0), pose(Some(2), -900.0)]);
    assert_eq!((elsewhere.false_positives, elsewhere.misses), (1, 0));
    // A second prediction of a person who counts.
    let twice = one(vec![pose(Some(1), 100.0), pose(Some(2), 101.0)]);
    assert_eq!(twice.false_positives, 1);
}

/// Fails when a track that is in a frame twice is measured as if it were two, or the error does not
/// name the track and the image.
#[test]
fn a_track_is_in_a_frame_once() {
    let mut tally = IdentityTally::new(skeleton());
    let labels = sample(vec![person(Some(4), 100.0), person(Some(4), 300.0)]);
    let error = tally.add_frame(&labels, &[]).unwrap_err().to_string();
    assert!(
        error.contains("000001.jpg") && error.contains("track 4"),
        "{error}"
    );
    let found = [pose(Some(6), 100.0), pose(Some(6), 300.0)];
    let labels = sample(vec![person(Some(4), 100.0)]);
    let error = tally.add_frame(&labels, &found).unwrap_err().to_string();
    assert!(
        error.contains("predictions") && error.contains("track 6"),
        "{error}"
    );
    let nameless = [pose(None, 100.0), pose(None, 300.0)];
    tally.add_frame(&labels, &nameless).unwrap();
}
