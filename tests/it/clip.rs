//! Whole clips through the whole frame path.
//!
//! `POSELENS_BLESS=1` writes the golden poses from the current program: view the annotated clip
//! before you trust them.

use std::sync::OnceLock;

use poselens_engine::device::DeviceSpec;
use poselens_engine::estimator::{Estimator, Infer, Network, NetworkOptions, RequestedMaps};
use poselens_engine::geometry::Point;
use poselens_engine::model::model;
use poselens_engine::output::PoseOutput;
use poselens_engine::pose::{Keypoint, Pose};
use poselens_engine::project::{Change, FrameKey, Joint, Labels, Person, PersonQuery, find_person};
use poselens_engine::source::SourceSpec;
use poselens_tests::golden;
use serde_json::{Value, json};

use crate::cli::{Workdir, read_all};

/// Frames between two golden frames.
const STEP: usize = 5;
/// Joints below this score are hidden or outside the image: their positions are arbitrary.
const SEEN: f64 = 0.3;
/// Tolerance in pixels: less than the width of a joint, more than the rounding differences between
/// CPUs.
const TOLERANCE: f64 = 1.0;

/// A frame of the golden file: `[x, y, score]` of every joint, smoothed, in source pixels.
pub(crate) struct GoldenFrame {
    pub frame: usize,
    pub joints: Vec<[f64; 3]>,
}

/// The golden poses of the sample clip.
pub(crate) fn golden_frames() -> Vec<GoldenFrame> {
    let text = std::fs::read_to_string(golden("clip/sister.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let triple = |joint: &Value| [0, 1, 2].map(|i| joint[i].as_f64().unwrap());
    let frame = |row: &Value| GoldenFrame {
        frame: row["frame"].as_u64().unwrap() as usize,
        joints: row["joints"]
            .as_array()
            .unwrap()
            .iter()
            .map(triple)
            .collect(),
    };
    file["frames"]
        .as_array()
        .unwrap()
        .iter()
        .map(frame)
        .collect()
}

/// The sample clip's poses, computed once for all tests.
fn sample() -> &'static [PoseOutput] {
    static OUTPUTS: OnceLock<Vec<PoseOutput>> = OnceLock::new();
    OUTPUTS.get_or_init(|| {
        let options = NetworkOptions {
            device: DeviceSpec::Cpu,
            ..NetworkOptions::bundled(model("sfm").unwrap())
        };
        let mut estimator = Estimator::new(Network::load(&options).unwrap(), true);
        let frames = read_all(&SourceSpec::parse("sample").unwrap());
        let infer = |frame| estimator.infer(frame, RequestedMaps::default()).unwrap();
        let outputs: Vec<_> = frames.iter().map(infer).collect();
        if std::env::var_os("POSELENS_BLESS").is_some() {
            bless(&outputs);
        }
        outputs
    })
}

fn bless(outputs: &[PoseOutput]) {
    let triple = |k: &Keypoint| {
        let rounded = |v: f32, per_unit: f64| (f64::from(v) * per_unit).round() / per_unit;
        json!([rounded(k.x, 1e2), rounded(k.y, 1e2), rounded(k.score, 1e4)])
    };
    let rows: Vec<_> = outputs
        .iter()
        .step_by(STEP)
        .map(|output| {
            let joints: Vec<_> = output.poses[0].keypoints.iter().map(triple).collect();
            json!({ "frame": output.frame.id, "joints": joints }).to_string()
        })
        .collect();
    let text = format!("{{\"frames\": [\n{}\n]}}\n", rows.join(",\n"));
    std::fs::write(golden("clip/sister.json"), text).unwrap();
}

/// Returns the only person of a frame.
fn person(output: &PoseOutput) -> &Pose {
    let [pose] = &output.poses[..] else {
        panic!("frame {}: {} people", output.frame.id, output.poses.len());
    };
    pose
}

/// Fails when any part of the frame path (decoding, colours, crop, network, decoder, smoothing)
/// changes the predictions.
#[test]
fn the_sample_clip_gives_its_golden_poses() {
    let outputs = sample();
    let golden = golden_frames();
    assert_eq!(golden.len(), outputs.len().div_ceil(STEP));
    for wanted in golden {
        let joints = &person(&outputs[wanted.frame]).keypoints;
        assert_eq!(joints.len(), wanted.joints.len());
        for (j, (got, &[x, y, score])) in joints.iter().zip(&wanted.joints).enumerate() {
            let at = format!("frame {}, joint {j}: {got:?}", wanted.frame);
            let moved = (f64::from(got.x) - x).hypot(f64::from(got.y) - y);
            assert!(score < SEEN || moved < TOLERANCE, "{at}, was {x}, {y}");
            assert!(
                (f64::from(got.score) - score).abs() < 0.05,
                "{at}, was {score}"
            );
        }
    }
}

/// Fails when the network does not find the person under a point, finds joints elsewhere than in the
/// whole frame, or finds somebody where nobody is or who is labelled already.
#[test]
fn the_person_at_a_point_is_found() {
    let options = NetworkOptions {
        device: DeviceSpec::Cpu,
        ..NetworkOptions::bundled(model("sfm").unwrap())
    };
    let mut estimator = Estimator::new(Network::load(&options).unwrap(), false);
    let output = &sample()[0];
    let at = FrameKey::new(1, 0);
    let mut labels = Labels::new(output.skeleton);
    let mut find = |labels: &Labels, x: f64, y: f64| {
        let query = PersonQuery::new(labels, at, Point::new(x, y));
        find_person(&mut estimator, &output.frame, &query).unwrap()
    };
    let joints = find(&labels, 300.0, 200.0).unwrap();
    let wanted = &golden_frames()[0].joints;
    let clear = || {
        joints
            .iter()
            .zip(wanted)
            .filter(|(_, [.., score])| *score > 0.7)
    };
    let is_near = |(got, [x, y, _]): &(&Joint, &[f64; 3])| {
        got.score() > 0.5 && got.point().distance(Point::new(*x, *y)) < 12.0
    };
    let n_near = clear().filter(is_near).count();
    // The hips are at the edge of the image.
    assert!(n_near + 2 >= clear().count(), "{joints:?}, not {wanted:?}");
    assert_eq!(find(&labels, 30.0, 60.0), None);
    let now = Some(Person {
        id: 1,
        is_confirmed: false,
        joints,
    });
    let added = Change::Person { at, was: None, now };
    labels.apply(&[added]).unwrap();
    assert_eq!(find(&labels, 300.0, 200.0), None);
}

/// Fails when the poses are not those of a person standing upright, regardless of the golden file,
/// or the track id changes although the person stays in view.
#[test]
fn the_sample_clip_shows_one_standing_person() {
    for output in sample() {
        let pose = person(output);
        assert_eq!(pose.track_id, Some(1), "frame {}", output.frame.id);
        let joint = |name: &str| {
            let k = pose.keypoints[output.skeleton.joint(name).unwrap()];
            assert!(
                f64::from(k.score) > SEEN,
                "frame {}: {name}",
                output.frame.id
            );
            k
        };
        let [nose, l_shoulder, r_shoulder, l_hip, r_hip] =
            ["nose", "l_shoulder", "r_shoulder", "l_hip", "r_hip"].map(joint);
        let at = output.frame.id;
        // The person is 300 pixels high and faces the camera: their left is on our right.
        assert!(nose.y + 40.0 < l_shoulder.y.min(r_shoulder.y), "frame {at}");
        assert!(
            l_shoulder.y.max(r_shoulder.y) + 100.0 < l_hip.y.min(r_hip.y),
            "frame {at}"
        );
        assert!(r_shoulder.x + 60.0 < l_shoulder.x, "frame {at}");
        assert!((r_shoulder.x..l_shoulder.x).contains(&nose.x), "frame {at}");
    }
}

/// Fails when a recording loses frames or plays at another speed than its source, with constant or
/// variable frame rate.
#[test]
fn a_recording_has_the_frames_and_times_of_its_source() {
    let workdir = Workdir::new();
    workdir.copy(&golden("video/vfr.mkv"), "vfr.mkv");
    for input in ["synthetic", "vfr.mkv"] {
        let run = format!("run --input {input} --max-frames 24 --record out.mp4");
        workdir.succeed(&format!("{run} --write-json out.jsonl"));
        let time = |l: &Value| l["time_secs"].as_f64().unwrap();
        let wanted: Vec<_> = workdir.json_lines("out.jsonl").iter().map(time).collect();
        let got: Vec<_> = workdir
            .frames("out.mp4")
            .iter()
            .map(|f| f.time_secs)
            .collect();
        assert_eq!(got.len(), wanted.len(), "{input}");
        assert!(got.len() >= 10, "{input}: {} frames", got.len());
        for (i, (got, from)) in got.iter().zip(&wanted).enumerate() {
            // A recording starts at 0; its timescale is 90000 ticks per second.
            let error = (got - (from - wanted[0])).abs();
            assert!(error <= 1.0 / 90_000.0, "{input}, frame {i}: {got} {from}");
        }
    }
}
