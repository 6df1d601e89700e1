//! Tests of the overlays.

use poselens_shaders::{INK, LEFT, RIGHT};
use proptest::prelude::*;

mod fields;
mod measures;

use super::*;
use crate::frame::{Frame, Pixels};
use crate::geometry::{Affine2, Size};
use crate::output::{
    AttentionKind, AttentionMap, LimbFields, MapPlace, PeopleCount, RegionOutput, SharedPlanes,
    Timings,
};
use crate::pose::{Keypoint, Pose};
use crate::skeleton::Skeleton;

const SIZE: Size = Size::new(320, 240);
const GROUND: [u8; 4] = [90, 90, 90, 255];

fn output(poses: Vec<Pose>, regions: Vec<RegionOutput>) -> PoseOutput {
    let pixels = Pixels::unpooled(GROUND.repeat(SIZE.area()));
    PoseOutput {
        frame: Frame::new(0, 0.0, SIZE, pixels),
        model: "sfm".into(),
        skeleton: Skeleton::by_name("coco17").unwrap(),
        poses,
        regions,
        timings: Timings::default(),
        people: PeopleCount::default(),
    }
}

fn drawn(output: &PoseOutput, names: &[&str], style: &OverlayStyle) -> Vec<[u8; 4]> {
    let mut rgba = output.frame.rgba().to_vec();
    let specs: Vec<_> = names.iter().map(|n| overlay(n).unwrap()).collect();
    let mut canvas = Canvas::new(&mut rgba, SIZE.width, SIZE.height);
    draw_all(&mut canvas, output, &specs, style);
    rgba.chunks_exact(4)
        .map(|p| [p[0], p[1], p[2], p[3]])
        .collect()
}

fn at(pixels: &[[u8; 4]], x: usize, y: usize) -> [u8; 3] {
    let [r, g, b, _] = pixels[y * SIZE.width + x];
    [r, g, b]
}

/// A style without labels and legends: only the skeleton.
fn bare() -> OverlayStyle {
    OverlayStyle {
        track_ids: false,
        side_badges: false,
        legends: false,
        ..OverlayStyle::default()
    }
}

/// A pose with these joints; all others are absent.
fn pose(joints: &[(&str, f32, f32, f32)]) -> Pose {
    let skeleton = Skeleton::by_name("coco17").unwrap();
    let mut keypoints = vec![Keypoint::default(); skeleton.n_joints()];
    for &(name, x, y, score) in joints {
        keypoints[skeleton.joint(name).unwrap()] = Keypoint { x, y, score };
    }
    Pose::from_keypoints(keypoints)
}

/// A region of 80 x 80 pixels from (`x`, `y`) with a 20 x 20 map given by `value(column, row)`.
fn region(
    x: f64,
    y: f64,
    kind: AttentionKind,
    value: impl Fn(usize, usize) -> f32,
) -> RegionOutput {
    square_region(x, y, 20, kind, value)
}

fn square_region(
    x: f64,
    y: f64,
    side: usize,
    kind: AttentionKind,
    value: impl Fn(usize, usize) -> f32,
) -> RegionOutput {
    let size = Size::square(side);
    let values = (0..size.area())
        .map(|i| value(i % side, i / side))
        .collect();
    let step = 80.0 / side as f64;
    let image_from_map = Affine2 {
        m: [[step, 0.0, x], [0.0, step, y]],
    };
    let map = SharedPlanes { n: 1, size, values };
    RegionOutput {
        heatmaps: map.clone(),
        image_from_heatmap: image_from_map,
        attention: vec![AttentionMap {
            name: "x12.M".to_owned(),
            title: "fine attention, first pyramid".to_owned(),
            kind,
            place: MapPlace::default(),
            map,
            range: match kind {
                AttentionKind::Signed => (-1.0, 1.0),
                AttentionKind::Gate => (-1.0, 3.0),
                AttentionKind::QueryKey => (0.0, 1.0),
            },
            image_from_map,
        }],
        query_key: Vec::new(),
        fields: None,
        description: Vec::new(),
        track_id: None,
    }
}

fn wide_open(pixel: [u8; 3]) -> bool {
    pixel == GROUND[..3]
}

/// Fails when left and right swap their colours or are drawn at the wrong place.
#[test]
fn left_is_blue_and_right_is_orange() {
    let person = pose(&[
        ("l_shoulder", 200.0, 50.0, 1.0),
        ("l_elbow", 200.0, 200.0, 1.0),
        ("r_shoulder", 100.0, 50.0, 1.0),
        ("r_elbow", 100.0, 200.0, 1.0),
    ]);
    let pixels = drawn(&output(vec![person], Vec::new()), &["skeleton"], &bare());
    assert_eq!(at(&pixels, 200, 120), LEFT);
    assert_eq!(at(&pixels, 100, 120), RIGHT);
    assert_eq!(at(&pixels, 150, 50), [255; 3]);
    assert!(wide_open(at(&pixels, 150, 120)));
}

/// Fails when joints below the threshold are drawn, or limbs that end at them.
#[test]
fn a_limb_needs_both_ends() {
    let person = pose(&[
        ("l_shoulder", 200.0, 50.0, 0.9),
        ("l_elbow", 200.0, 200.0, 0.29),
    ]);
    let pixels = drawn(&output(vec![person], Vec::new()), &["skeleton"], &bare());
    assert!(!wide_open(at(&pixels, 200, 50)));
    assert!(wide_open(at(&pixels, 200, 120)));
    assert!(wide_open(at(&pixels, 200, 200)));
}

/// Fails when ids or badges cannot be switched off, are missing, or leave the image for a person at
/// its upper edge.
#[test]
fn labels_follow_the_style_and_stay_inside() {
    let mut person = pose(&[
        ("nose", 160.0, 2.0, 1.0),
        ("l_elbow", 200.0, 120.0, 1.0),
        ("l_wrist", 200.0, 200.0, 1.0),
    ]);
    person.track_id = Some(12);
    let output = output(vec![person], Vec::new());
    let count = |style: &OverlayStyle| {
        let pixels = drawn(&output, &["skeleton"], style);
        pixels.iter().filter(|p| **p != GROUND).count()
    };
    let none = count(&bare());
    let ids = count(&OverlayStyle {
        track_ids: true,
        ..bare()
    });
    let badges = count(&OverlayStyle {
        side_badges: true,
        ..bare()
    });
    assert!(ids > none + 100, "{ids} {none}");
    assert!(badges > none + 30, "{badges} {none}");
}

/// Fails when only the first region's heatmap is drawn, or selecting a joint does not show its map.
#[test]
fn heatmaps_of_all_regions_are_drawn() {
    let kind = AttentionKind::QueryKey;
    let regions = vec![
        region(20.0, 20.0, kind, |_, _| 1.0),
        region(200.0, 20.0, kind, |_, _| 1.0),
    ];
    let output = output(Vec::new(), regions);
    let pixels = drawn(&output, &["heatmap"], &bare());
    assert!(!wide_open(at(&pixels, 60, 60)));
    assert_eq!(at(&pixels, 60, 60), at(&pixels, 240, 60));
    assert!(wide_open(at(&pixels, 150, 60)));
    let second = OverlayStyle {
        joint: Some(1),
        ..bare()
    };
    assert!(
        drawn(&output, &["heatmap"], &second)
            .iter()
            .all(|p| *p == GROUND)
    );
}

/// Fails when signed maps lose their sign or their neutral centre, or show the border of zero
/// padding.
#[test]
fn signed_maps_diverge_around_zero_without_the_frame() {
    let value = |x: usize, y: usize| match (x.min(39 - x).min(y.min(39 - y)), x) {
        (0..3, _) => 1.0,
        (_, 0..15) => -0.4,
        (_, 15..25) => 0.0,
        _ => 0.2,
    };
    let regions = vec![square_region(100.0, 60.0, 40, AttentionKind::Signed, value)];
    let pixels = drawn(&output(Vec::new(), regions), &["attention"], &bare());
    let [r, _, b] = at(&pixels, 120, 100);
    assert!(b > r + 50, "negative is blue");
    let [r, g, b] = at(&pixels, 140, 100);
    assert!(
        r.abs_diff(g) < 6 && g.abs_diff(b) < 6 && r > 150,
        "zero is light grey"
    );
    let [r, _, b] = at(&pixels, 165, 100);
    // Half as strong as the negative side, because the range is symmetric.
    assert!(r > b + 20, "positive is red");
    assert!(
        wide_open(at(&pixels, 102, 100)),
        "the zero-padding border is not shown"
    );
}

/// Fails when the border of a small map (8 x 8) is cut off as it is for large maps.
#[test]
fn small_maps_keep_their_border() {
    let regions = vec![square_region(
        100.0,
        60.0,
        8,
        AttentionKind::Signed,
        |_, _| 0.5,
    )];
    let pixels = drawn(&output(Vec::new(), regions), &["attention"], &bare());
    assert!(!wide_open(at(&pixels, 97, 100)));
}

/// Fails when per-frame and fixed ranges look the same, or a single hot pixel hides a weak map.
#[test]
fn ranges_follow_the_style() {
    let value = |x: usize, y: usize| {
        if (x, y) == (0, 0) {
            1.0
        } else {
            0.01 * (x as f32 / 19.0)
        }
    };
    let regions = vec![region(100.0, 60.0, AttentionKind::QueryKey, value)];
    let output = output(Vec::new(), regions);
    let strong = |mode| {
        let style = OverlayStyle {
            attention_range: mode,
            ..bare()
        };
        at(&drawn(&output, &["attention"], &style), 174, 100)
    };
    let [r, _, b] = strong(RangeMode::PerFrame);
    assert!(r > b + 50, "yellow, the top of viridis");
    let faint = strong(RangeMode::Fixed);
    assert!(faint.iter().all(|c| c.abs_diff(90) < 5), "{faint:?}");
}

/// Fails when selecting a map that does not exist shows another one, or shows no message.
#[test]
fn an_unknown_map_shows_a_message() {
    let regions = vec![region(100.0, 60.0, AttentionKind::Signed, |_, _| 0.5)];
    let output = output(Vec::new(), regions);
    let style = OverlayStyle {
        attention: Some("x99.M".to_owned()),
        ..OverlayStyle::default()
    };
    let pixels = drawn(&output, &["attention"], &style);
    assert!(wide_open(at(&pixels, 140, 100)));
    assert!(
        at(&pixels, 310, 230)
            .iter()
            .zip(INK)
            .all(|(p, i)| p.abs_diff(i) < 40)
    );
}

/// Fails when the order of overlay names puts a map above the skeleton.
#[test]
fn the_order_of_names_does_not_matter() {
    let kind = AttentionKind::Signed;
    let regions = vec![region(100.0, 60.0, kind, |x, _| x as f32 / 19.0)];
    let person = pose(&[("nose", 140.0, 100.0, 1.0)]);
    let output = output(vec![person], regions);
    let style = OverlayStyle::default();
    let one = drawn(&output, &["skeleton", "attention", "heatmap"], &style);
    let other = drawn(&output, &["heatmap", "attention", "skeleton"], &style);
    assert!(one == other);
    assert_eq!(at(&one, 140, 100), [255; 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Fails when NaN joints or malformed maps cause a panic, which would stop a recording.
    #[test]
    fn any_output_can_be_drawn(joints in prop::collection::vec(any::<[f32; 3]>(), 0..20),
                              values in prop::collection::vec(any::<f32>(), 0..30),
                              side in 0..6_usize, n in 0..3_usize, m in any::<[f64; 6]>(),
                              scale in any::<f32>()) {
        let image_from_map = Affine2 { m: [[m[0], m[1], m[2]], [m[3], m[4], m[5]]] };
        let map = SharedPlanes { n, size: Size::square(side), values: values.into() };
        let mut region = region(0.0, 0.0, AttentionKind::Signed, |x, _| x as f32 * scale);
        region.heatmaps = map.clone();
        region.image_from_heatmap = image_from_map;
        region.fields = Some(LimbFields {
            planes: map.clone(),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            image_from_field: image_from_map,
        });
        region.attention.push(AttentionMap { map, image_from_map, ..region.attention[0].clone() });
        let mut pose = Pose::from_keypoints(joints.into_iter().map(Keypoint::from).collect());
        pose.track_id = Some(u64::MAX);
        let output = output(vec![pose], vec![region]);
        for mode in [RangeMode::Fixed, RangeMode::PerFrame] {
            let style = OverlayStyle {
                keypoint_threshold: 0.0,
                heatmap_range: mode,
                attention_range: mode,
                ..OverlayStyle::default()
            };
            let names = ["heatmap", "attention", "fields", "skeleton"];
            let pixels = drawn(&output, &names, &style);
            prop_assert!(pixels.iter().all(|p| p[3] == 255));
        }
    }
}

/// Fails when a trail does not follow the joint's past positions, bridges a frame in which the
/// joint was not seen, or belongs to a hidden joint.
#[test]
fn trails_follow_the_past_and_boxes_surround_the_person() {
    let wrist = |x: f32, score| pose(&[("l_wrist", x, 120.0, score), ("nose", x, 60.0, 0.9)]);
    let mut person = wrist(200.0, 0.9);
    person.track_id = Some(7);
    for (x, score) in [(40.0, 0.9), (80.0, 0.9), (120.0, 0.1), (160.0, 0.9)] {
        let step = wrist(x, score);
        person.past.push(std::sync::Arc::new(crate::pose::PastStep {
            time_secs: 0.0,
            keypoints: step.keypoints,
            keypoints_raw: step.keypoints_raw,
        }));
    }
    let mut output = output(vec![person], Vec::new());
    let trail = drawn(&output, &["trail"], &bare());
    let is_bare = |pixels: &[[u8; 4]], x, y| at(pixels, x, y) == [90; 3];
    assert!(!is_bare(&trail, 70, 120) && !is_bare(&trail, 190, 120));
    assert!(is_bare(&trail, 100, 120) && is_bare(&trail, 140, 120));
    assert!(!is_bare(&trail, 140, 60), "the nose was seen throughout");
    let skeleton = output.skeleton;
    let style = OverlayStyle {
        hidden_joints: BTreeSet::from([skeleton.joint("nose").unwrap()]),
        ..bare()
    };
    assert!(is_bare(&drawn(&output, &["trail"], &style), 140, 60));

    output.poses[0] = pose(&[
        ("l_wrist", 100.0, 60.0, 0.9),
        ("r_ankle", 200.0, 180.0, 0.9),
    ]);
    let boxed = drawn(&output, &["box"], &bare());
    let margin = (0.04 * 120.0) as usize;
    assert!(!is_bare(&boxed, 100 - margin, 120) && !is_bare(&boxed, 200 + margin, 120));
    assert!(is_bare(&boxed, 150, 120) && is_bare(&boxed, 80, 150));
    output.poses[0].bbox.w = f64::NAN;
    assert_eq!(
        drawn(&output, &["box"], &bare()),
        drawn(&output, &[], &bare())
    );
}

/// Fails when lines on a large image, which is scaled down on screen, are too thin to see, or lines
/// on an image of common size become thicker.
#[test]
fn lines_grow_with_the_image() {
    let widest = |side: usize| {
        let factor = side as f32 / 720.0;
        let at = |x: f32, y: f32| (x * factor, y * factor);
        let (a, b) = (at(200.0, 300.0), at(200.0, 360.0));
        let mut person = pose(&[("l_shoulder", a.0, a.1, 1.0), ("l_elbow", b.0, b.1, 1.0)]);
        person.track_id = None;
        let size = Size::new(side * 3 / 2, side);
        let frame = Frame::new(0, 0.0, size, Pixels::unpooled(vec![0; 4 * size.area()]));
        let output = PoseOutput {
            frame,
            ..output(vec![person], Vec::new())
        };
        let specs = ["skeleton", "box"].map(|name| overlay(name).unwrap());
        let scene = scene(&output, &specs, &bare());
        let widths = scene.marks.iter().filter_map(|mark| match mark {
            poselens_shaders::scene::Mark::Line(line) => Some(line.width),
            poselens_shaders::scene::Mark::Rect(rect) => Some(rect.stroke),
            _ => None,
        });
        let widths: Vec<f32> = widths.collect();
        assert!(widths.len() >= 4);
        widths
    };
    assert_eq!(widest(720), widest(360));
    for (large, usual) in widest(4000).iter().zip(widest(720)) {
        let share = large / usual / (4000.0 / 720.0);
        assert!((share - 1.0).abs() < 0.05, "{large} {usual}");
    }
}

/// Fails when two overlays both write the same track id, or neither does.
#[test]
fn a_track_id_is_written_once() {
    let mut person = pose(&[("nose", 100.0, 60.0, 1.0), ("l_ankle", 120.0, 200.0, 1.0)]);
    person.track_id = Some(1);
    let output = output(vec![person], Vec::new());
    let labels = |names: &[&str]| -> Vec<String> {
        let specs: Vec<_> = OVERLAYS
            .iter()
            .filter(|o| names.contains(&o.name))
            .collect();
        let scene = scene(&output, &specs, &OverlayStyle::default());
        let texts = scene.marks.into_iter().filter_map(|mark| match mark {
            poselens_shaders::scene::Mark::Label(label) => Some(label.text),
            _ => None,
        });
        texts.filter(|text| text.contains('#')).collect()
    };
    assert_eq!(labels(&["skeleton"]), ["#1"]);
    for names in [
        &["box"][..],
        &["skeleton", "box"],
        &["skeleton", "trail", "box"],
    ] {
        let labels = labels(names);
        assert!(
            labels.len() == 1 && labels[0].starts_with("#1 "),
            "{names:?} {labels:?}"
        );
    }
}

/// Fails when a map with one plane per joint cannot be shown, or shows another joint's plane.
#[test]
fn maps_with_a_plane_for_each_joint_are_shown() {
    let one = region(20.0, 20.0, AttentionKind::Gate, |x, _| x as f32 / 20.0);
    let mut parts = one.attention[0].clone();
    parts.name = "s1_part".to_owned();
    let first = one.attention[0].map.values.to_vec();
    let other: Vec<f32> = first.iter().map(|v| 1.0 - v).collect();
    parts.map.values = first.iter().chain(&other).copied().collect();
    parts.map.n = 2;
    let mut region = one.clone();
    region.attention.push(parts.clone());
    let output = output(Vec::new(), vec![region]);
    let shown = |attention: Option<&str>, joint| {
        let style = OverlayStyle {
            attention: attention.map(str::to_owned),
            joint,
            ..OverlayStyle::default()
        };
        let scene = scene(&output, &[overlay("attention").unwrap()], &style);
        let values = scene.marks.iter().find_map(|mark| match mark {
            poselens_shaders::scene::Mark::Heat(heat) => Some(heat.values.to_vec()),
            _ => None,
        });
        values.unwrap()
    };
    assert_eq!(shown(None, None), first);
    assert_eq!(shown(Some("s1_part"), Some(1)), other);
    let largest = first.iter().zip(&other).map(|(a, b)| a.max(*b));
    assert_eq!(shown(Some("s1_part"), None), largest.collect::<Vec<_>>());
}
