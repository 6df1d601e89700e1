//! `--json`: one document on standard output, with the keys that scripts rely on.

use std::process::Stdio;

use poselens_engine::model::MODELS;
use poselens_engine::output::Approach;
use poselens_engine::skeleton::Skeleton;
use poselens_engine::source::SourceSpec;
use serde_json::{Value, json};

use super::{Workdir, read_all};
use crate::clip::golden_frames;

/// Stages of every processed frame.
const STAGES: [&str; 4] = ["warp", "forward", "decode", "track"];

fn positive(value: &Value) -> bool {
    value.as_f64().is_some_and(|v| v > 0.0)
}

/// Fails when the time of a stage is missing, or its 95th percentile is below its median.
fn check_stages(stages: &Value, wanted: &[&str]) {
    for stage in wanted {
        let [p50, p95] = ["p50_ms", "p95_ms"].map(|key| &stages[stage][key]);
        assert!(positive(p50) && positive(p95), "{stage}: {stages}");
        assert!(p50.as_f64() <= p95.as_f64(), "{stage}: {stages}");
    }
}

/// Fails when the keys of a run's summary change.
#[test]
fn run_prints_its_summary() {
    let workdir = Workdir::new();
    let run = workdir.json("run --input sample --max-frames 4 --record out.mp4 --json");
    assert_eq!(run["frames"], 4);
    assert_eq!(run["frames_with_a_person"], 4);
    assert_eq!(
        (&run["drops"], &run["record_drops"]),
        (&json!(0), &json!(0))
    );
    let people = json!({ "most": 1, "ids": 1, "frames_with_left_out": 0, "most_left_out": 0 });
    assert_eq!(run["people"], people);
    assert_eq!(run["outputs"], json!(["out.mp4"]));
    assert_eq!(run["warnings"], json!([]));
    assert!(positive(&run["fps"]) && positive(&run["seconds"]), "{run}");
    check_stages(
        &run["stages"],
        &[&STAGES[..], &["overlay", "encode"]].concat(),
    );
    check_stages(&json!({ "latency": run["latency"] }), &["latency"]);
}

/// Fails when a reader that closes the pipe early (`| head`) causes a panic or an error message.
#[test]
fn a_closed_pipe_is_no_error() {
    let workdir = Workdir::new();
    for arguments in ["models", "models --json"] {
        let mut command = workdir.command(arguments);
        let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        // The command checks the networks for about a second before it prints anything.
        drop(child.stdout.take());
        let outcome = child.wait_with_output().unwrap();
        assert_eq!(outcome.status.code(), Some(0), "{outcome:?}");
        assert_eq!(
            String::from_utf8(outcome.stderr).unwrap(),
            "",
            "{arguments}"
        );
    }
}

/// Fails when a model is missing from the list, or cannot be selected by its listed name.
#[test]
fn models_lists_every_row() {
    let list = Workdir::new().json("models --json");
    let rows = list.as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names, MODELS.iter().map(|m| m.name).collect::<Vec<_>>());
    for (row, spec) in rows.iter().zip(MODELS) {
        assert!(positive(&row["params"]) && positive(&row["macs"]), "{row}");
        assert!(row["input"].as_array().is_some_and(|a| a.len() == 2));
        assert!(!row["skeletons"].as_array().unwrap().is_empty(), "{row}");
        assert!(row["attention_maps"].is_array() && row["card"].is_object());
        assert_eq!(row["weights_bundled"], spec.bundled.is_some());
        let is_for_all = spec.approach == Approach::BottomUp;
        assert_eq!(row["approach"] == "bottom-up", is_for_all);
    }
}

/// Fails when a stage is not measured.
#[test]
fn bench_prints_every_stage() {
    let bench = Workdir::new().json("bench --iters 3 --json");
    check_stages(
        &bench["stages"],
        &[&STAGES[..], &["overlay", "encode"]].concat(),
    );
    for key in ["params", "macs", "gmacs_per_s", "fps"] {
        assert!(positive(&bench[key]), "{key}: {bench}");
    }
    assert_eq!(bench["iters"], 3);
    assert_eq!(bench["random_weights"], false);
}

/// Fails when a model without bundled weights cannot be timed, or the output does not say that its
/// weights are random.
#[test]
fn bench_uses_random_weights_if_there_are_none() {
    let workdir = Workdir::new();
    let outcome = workdir.succeed("bench --model sfm-no-hsa --iters 1 --json");
    let bench: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(bench["random_weights"], true);
    assert!(outcome.stderr.contains("random"), "{}", outcome.stderr);
}

/// Fails when the self-test fails on this machine, or its result is missing from the document.
#[test]
fn doctor_prints_its_findings() {
    let doctor = Workdir::new().json("doctor --json");
    for key in ["version", "system", "cameras", "devices", "chosen_device"] {
        assert!(!doctor[key].is_null(), "{key}: {doctor}");
    }
    for key in ["kernels", "adapters"] {
        assert!(doctor[key].is_array(), "{key}: {doctor}");
    }
    assert!(doctor["folders"].is_object(), "{doctor}");
    assert_eq!(doctor["self_test"]["frames_with_a_person"], 10);
}

/// Writes labels for three frames of the sample clip: the poses known to be detected there.
pub(super) fn label(workdir: &Workdir) {
    let frames = read_all(&SourceSpec::parse("sample").unwrap());
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for golden in golden_frames().into_iter().step_by(8) {
        let frame = &frames[golden.frame];
        let size = frame.size();
        let name = format!("{}.png", golden.frame);
        let (width, height) = (size.width as u32, size.height as u32);
        let pixels = frame.rgba().to_vec();
        let picture = image::RgbaImage::from_raw(width, height, pixels).unwrap();
        picture.save(workdir.path(&name)).unwrap();
        images.push(
            json!({ "id": golden.frame, "file_name": name, "width": width, "height": height }),
        );
        let seen: Vec<_> = golden.joints.iter().filter(|j| j[2] > 0.3).collect();
        let side = |axis: usize, pick: fn(f64, f64) -> f64| {
            seen.iter().map(|j| j[axis]).reduce(pick).unwrap()
        };
        let (left, top) = (side(0, f64::min), side(1, f64::min));
        let (w, h) = (side(0, f64::max) - left, side(1, f64::max) - top);
        let keypoints: Vec<_> = golden
            .joints
            .iter()
            .flat_map(|&[x, y, score]| if score > 0.3 { [x, y, 2.0] } else { [0.0; 3] })
            .collect();
        annotations.push(json!({
            "id": golden.frame, "image_id": golden.frame, "category_id": 1, "iscrowd": 0,
            "bbox": [left, top, w, h], "area": w * h,
            "num_keypoints": seen.len(), "keypoints": keypoints,
        }));
    }
    let joints = &Skeleton::by_name("coco17").unwrap().joints;
    let categories = json!([{ "id": 1, "name": "person", "keypoints": joints }]);
    let labels = json!({
        "images": images, "annotations": annotations, "categories": categories,
    });
    workdir.write("labels.json", labels.to_string());
}

/// Fails when correct predictions do not score as such, or selecting a metric prints others.
#[test]
fn eval_prints_its_metrics() {
    let workdir = Workdir::new();
    label(&workdir);
    let eval = "eval --annotations labels.json --images . --json";
    let all = workdir.json(eval);
    assert_eq!(all["n_people"], 3);
    // The crop is the labelled box instead of the whole image, which gives nearly the same joints.
    assert!(all["pck"]["mean"].as_f64().unwrap() > 0.9, "{all}");
    assert!(all["oks"]["ap"].as_f64().unwrap() > 0.7, "{all}");
    let pck = workdir.json(&format!("{eval} --metric pck --flip"));
    assert!(pck["pck"]["mean"].as_f64().unwrap() > 0.9, "{pck}");
    assert!(pck["oks"].is_null(), "{pck}");
}
