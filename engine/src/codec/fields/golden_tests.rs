//! Compares the codec with the reference implementation: targets, candidates, limbs and people.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::*;
use crate::codec::DecodedPerson as Person;
use crate::geometry::Point;
use crate::pose::Keypoint;
use crate::test_golden::json;

/// 7 input pixels on a grid of stride 8.
const SIGMA: f64 = 0.875;

/// x and y in input pixels, and the score (0 if the joint is absent).
pub(super) type Joint = [f64; 3];

fn grid(v: f64) -> f64 {
    (v - 3.5) / 8.0
}

fn pixel(v: f64) -> f64 {
    8.0 * v + 3.5
}

pub(super) fn on_grid(people: &[Vec<Joint>]) -> Vec<Vec<Option<Point>>> {
    let joint = |&[x, y, v]: &Joint| (v > 0.0).then(|| Point::new(grid(x), grid(y)));
    let person = |p: &Vec<Joint>| p.iter().map(joint).collect();
    people.iter().map(person).collect()
}

fn assert_near(what: &str, value: f64, expected: f64, bound: f64) {
    let error = (value - expected).abs();
    assert!(error <= bound, "{what}: got {value}, expected {expected}");
}

/// Compares a joint with its golden value: tolerance 1e-4 pixels, 1e-6 of score.
fn assert_joint(what: &str, point: Point, score: f32, expected: Joint) {
    assert_near(what, pixel(point.x), expected[0], 1e-4);
    assert_near(what, pixel(point.y), expected[1], 1e-4);
    assert_near(what, f64::from(score), expected[2], 1e-6);
}

fn assert_candidates(found: &[Vec<peaks::Candidate>], expected: &[Vec<Joint>]) {
    assert_eq!(found.len(), expected.len());
    for (j, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "joint {j}");
        for (found, expected) in found.iter().zip(expected) {
            assert_joint(&format!("joint {j}"), found.point, found.score, *expected);
        }
    }
}

#[derive(Deserialize)]
pub(super) struct EncodeGolden {
    joints: Vec<String>,
    limbs: Vec<[usize; 2]>,
    mirror_joint: Vec<usize>,
    people: Vec<Vec<Joint>>,
    heat: Vec<Vec<Vec<f64>>>,
    offsets: Vec<(usize, usize, usize, f64, f64)>,
    paf: Vec<Vec<Vec<f64>>>,
    decoded: Vec<Vec<Joint>>,
}

/// The codec for the golden file's five joints and its first `n_limbs` limbs.
pub(super) fn toy(golden: &EncodeGolden, n_limbs: usize) -> FieldCodec {
    let skeleton = Skeleton {
        name: "toy".to_owned(),
        joints: golden.joints.clone(),
        limbs: golden.limbs[..n_limbs].to_vec(),
        mirror: golden.mirror_joint.clone(),
        oks_sigmas: Vec::new(),
        assembly_order: Vec::new(),
        redundant_limbs: Vec::new(),
    };
    FieldCodec::new(Box::leak(Box::new(skeleton)), SIGMA)
}

/// Fails when a target differs from the reference's, or the peaks do not recover the joints that
/// were encoded.
#[test]
fn targets_and_peaks_equal_the_reference() {
    let golden: EncodeGolden = json("ssa/ssa_encode.json");
    let codec = toy(&golden, 4);
    let size = Size::new(10, 8);
    let fields = codec.encode(&on_grid(&golden.people), size);
    let layout = codec.layout();
    assert_eq!((fields.n, fields.values.len()), (24, 24 * 80));
    assert_eq!(
        [layout.heatmaps(), layout.paf(), layout.offsets()],
        [0..6, 6..14, 14..24]
    );

    let mut offsets = vec![0.0; 10 * 80];
    for &(c, row, column, x, y) in &golden.offsets {
        offsets[2 * c * 80 + row * 10 + column] = x;
        offsets[(2 * c + 1) * 80 + row * 10 + column] = y;
    }
    let dense = golden.heat.iter().chain(&golden.paf).flatten().flatten();
    let expected: Vec<f64> = dense.copied().chain(offsets).collect();
    assert_eq!(expected.len(), fields.values.len());
    for (i, (&value, expected)) in fields.values.iter().zip(expected).enumerate() {
        let what = format!("map {} cell {}", i / 80, i % 80);
        assert_near(&what, f64::from(value), expected, 1e-6);
    }

    // Worked by hand: the joint at pixel (20, 18) lies in cell (2, 2), whose centre is (19.5,
    // 19.5).
    let x = layout.offsets().start + 2;
    assert_eq!(fields.plane(x)[22], 0.0625);
    assert_eq!(fields.plane(x + 1)[22], -0.1875);

    assert_candidates(&codec.candidates(&fields), &golden.decoded);
}

#[derive(Deserialize)]
pub(super) struct Scene {
    pub(super) people: Vec<Vec<Joint>>,
    candidates: Vec<Vec<Joint>>,
    limb_log: Vec<LimbLog>,
    result: Vec<Found>,
    error_with_offsets: Errors,
}

#[derive(Deserialize)]
struct LimbLog {
    limb: usize,
    candidates: Vec<(usize, usize, f64)>,
    chosen: Vec<(usize, usize, f64)>,
}

#[derive(Deserialize)]
struct Found {
    n: usize,
    score: f64,
    keypoints: Vec<Joint>,
}

#[derive(Deserialize)]
struct Errors {
    people: usize,
    labelled: usize,
    hit_within_8px: usize,
    mean_err: f64,
    max_err: f64,
}

pub(super) static SCENES: LazyLock<BTreeMap<String, Scene>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Golden {
        cases: BTreeMap<String, Scene>,
    }
    json::<Golden>("ssa/ssa_assembly.json").cases
});

pub(super) const SIZE: Size = Size::square(46);

pub(super) fn openpose() -> FieldCodec {
    FieldCodec::new(Skeleton::by_name("openpose18").unwrap(), SIGMA)
}

/// Returns element `i` of tensor `name` as the golden files' fill rule defines it, in [-1, 1):
/// FNV-1a of the name, then splitmix64 of the hash plus `i`.
fn noise(name: &str, i: usize) -> f64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let z = hash
        .wrapping_add(i as u64)
        .wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let bits = (z ^ (z >> 31)) >> 40;
    2.0 * bits as f64 / f64::from(1 << 24) - 1.0
}

/// Builds the maps of a golden scene: targets plus noise and, in one scene, a clean wrist that
/// belongs to no person.
fn scene_fields(name: &str, scene: &Scene) -> Planes {
    let codec = openpose();
    let area = SIZE.area();
    let mut fields = codec.encode(&on_grid(&scene.people), SIZE);
    let layout = codec.layout();
    for (range, map, size) in [
        (layout.heatmaps(), "heat", 0.02),
        (layout.paf(), "paf", 0.05),
    ] {
        let values = &mut fields.values[range.start * area..range.end * area];
        for (i, value) in values.iter_mut().enumerate() {
            *value += (size * noise(&format!("ssa.asm.{map}.{name}"), i)) as f32;
        }
    }
    if name == "two_apart" {
        let r_wrist = 4;
        for i in 0..area {
            let cell = Point::new((i % 46) as f64, (i / 46) as f64);
            let distance = cell.distance(Point::new(grid(350.0), grid(30.0)));
            let bump = 0.7 * (-(distance / SIGMA).powi(2) / 2.0).exp();
            let value = &mut fields.values[r_wrist * area + i];
            *value = value.max(bump as f32);
        }
    }
    fields
}

fn assert_connections(what: &str, found: &[limbs::Connection], expected: &[(usize, usize, f64)]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, &(a, b, score)) in found.iter().zip(expected) {
        assert_eq!((found.a, found.b), (a, b), "{what}");
        assert_near(what, found.score, score, 1e-6);
    }
}

/// Compares people with the ground truth: a prediction matches the person for whom most of its
/// joints are within 8 pixels.
fn assert_errors(people: &[Person], scene: &Scene) {
    let mut hits = Vec::new();
    let mut labelled = 0;
    for truth in &scene.people {
        let hits_of = |person: &Person| -> Vec<f64> {
            let errors = truth.iter().zip(&person.joints).map(|(t, k)| {
                let point = Point::new(pixel(f64::from(k.x)), pixel(f64::from(k.y)));
                let both = t[2] > 0.0 && k.score > 0.0;
                both.then(|| point.distance(Point::new(t[0], t[1])))
            });
            errors.flatten().filter(|&e| e <= 8.0).collect()
        };
        labelled += truth.iter().filter(|t| t[2] > 0.0).count();
        hits.extend(people.iter().map(hits_of).max_by_key(Vec::len).unwrap());
    }
    let expected = &scene.error_with_offsets;
    assert_eq!(
        (people.len(), labelled, hits.len()),
        (expected.people, expected.labelled, expected.hit_within_8px)
    );
    let mean = hits.iter().sum::<f64>() / hits.len() as f64;
    let max = hits.iter().copied().fold(0.0, f64::max);
    assert_near("mean error", mean, expected.mean_err, 1e-4);
    assert_near("largest error", max, expected.max_err, 1e-4);
}

/// Fails when candidates, limb scores, matches or people differ from the reference's in three
/// scenes: two people and a stray wrist, three people close together, and legs without a torso.
#[test]
fn people_equal_the_reference() {
    let codec = openpose();
    assert_eq!(SCENES.len(), 3);
    for (name, scene) in SCENES.iter() {
        let fields = scene_fields(name, scene);
        assert_candidates(&codec.candidates(&fields), &scene.candidates);
        // Two limbs of three_close have a sample on the border between two cells, where 24-bit
        // offsets select a different cell than the reference does. With the reference's own
        // candidates the result is exact.
        let candidate = |&[x, y, score]: &Joint| peaks::Candidate {
            point: Point::new(grid(x), grid(y)),
            score: score as f32,
        };
        let of_joint = |c: &Vec<Joint>| c.iter().map(candidate).collect();
        let candidates: Vec<Vec<_>> = scene.candidates.iter().map(of_joint).collect();
        let order = scene.limb_log.iter().map(|log| log.limb);
        assert!(order.eq(codec.skeleton.assembly_order.iter().copied()));
        let mut connections = vec![Vec::new(); scene.limb_log.len()];
        for log in &scene.limb_log {
            let what = format!("{name} limb {}", log.limb);
            let scored = codec.scored(&fields, log.limb, &candidates);
            assert_connections(&what, &scored, &log.candidates);
            connections[log.limb] = limbs::matched(&scored);
            assert_connections(&what, &connections[log.limb], &log.chosen);
        }
        let people = assemble::people(codec.skeleton, &candidates, &connections);
        assert_people(name, &people, &scene.result, 1e-5);
        let people = codec.decode(&fields);
        assert_people(name, &people, &scene.result, 5e-3);
        assert_errors(&people, scene);
    }
}

fn assert_people(what: &str, people: &[Person], expected: &[Found], bound: f64) {
    assert_eq!(people.len(), expected.len(), "{what}");
    for (person, expected) in people.iter().zip(expected) {
        assert_near(what, person.score, expected.score, bound);
        let present = person.joints.iter().filter(|k| k.score > 0.0);
        assert_eq!(present.count(), expected.n, "{what}");
        for (k, &joint) in person.joints.iter().zip(&expected.keypoints) {
            if joint[2] > 0.0 {
                assert_joint(what, k.point(), k.score, joint);
            } else {
                assert_eq!(*k, Keypoint::default(), "{what}");
            }
        }
    }
}
