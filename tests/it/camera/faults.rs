//! Cameras that fail while they are running.

use serde_json::{Value, json};

use super::standin::{RUN, Scene, small, webcam, with};
use crate::cli::Running;

fn troubled(fields: &Value) -> Scene {
    Scene::new(&json!([with(small(&json!({})), fields)]))
}

/// Fails when a frame that is marked as damaged, empty, truncated or without its end marker reaches
/// the network, is not counted, or causes no warning that the run continues.
#[test]
fn damaged_frames_are_dropped_and_counted() {
    let jpeg = |scene: &Scene| {
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
            .encode(&[90; 64 * 48], 64, 48, image::ExtendedColorType::L8)
            .unwrap();
        scene.0.write("frame.jpg", jpeg);
        json!({"code": "MJPG", "frames": [scene.0.path("frame.jpg")]})
    };
    for (code, how) in [
        ("YUYV", "Marked"),
        ("YUYV", "Empty"),
        ("YUYV", "Short"),
        ("YUYV", "Endless"),
        ("MJPG", "Marked"),
        ("MJPG", "Short"),
        ("MJPG", "Endless"),
    ] {
        let scene = Scene::new(&Value::Null);
        let format = if code == "MJPG" {
            jpeg(&scene)
        } else {
            json!({})
        };
        let faults = json!({"millis": 10, "faults": [{"every": 3, "offset": 1, "how": how}]});
        let camera = with(small(&format), &faults);
        scene.0.write("scenario.json", json!([camera]).to_string());
        let run = scene.json("run --input camera:0 --max-frames 20 --json");
        assert_eq!(run["frames"], 20);
        let damaged = run["camera"]["damaged"].as_u64().unwrap();
        assert!(damaged > 0, "{code} {how}: {run}");
        let warnings = run["warnings"].to_string();
        assert!(
            warnings.contains("damaged camera frames were skipped"),
            "{warnings}"
        );
    }
    // Frames arrive faster than they are processed: the warning appears after some seconds.
    let scene = troubled(&json!({"millis": 2, "faults": [{"every": 2, "how": "Marked"}]}));
    let run = scene.json("run --input camera:0 --max-frames 60 --json");
    let warnings = run["warnings"].to_string();
    assert!(warnings.contains("frames were damaged"), "{warnings}");
}

/// Fails when a camera that stops delivering, or is unplugged and comes back at another node, ends
/// the run.
#[test]
fn a_reconnected_camera_resumes() {
    for fate in [
        json!({"stalls_after": 8}),
        json!({"unplugged_after": 8, "back_after": 400}),
        json!({"unplugged_after": 8, "back_after": 400, "back_at": 7}),
    ] {
        let scene = troubled(&fate);
        let arguments = "run --input camera:0 --max-frames 40 --json --write-json out.jsonl";
        let run = scene.json(arguments);
        assert_eq!(run["frames"], 40, "{fate}");
        assert_eq!(run["camera"]["outages"], 1, "{fate}: {run}");
        assert!(
            run["warnings"]
                .to_string()
                .contains("was disconnected 1 time"),
            "{run}"
        );
        let times: Vec<_> = scene
            .0
            .json_lines("out.jsonl")
            .iter()
            .map(|l| l["time_secs"].as_f64().unwrap())
            .collect();
        assert!(times.windows(2).all(|t| t[0] < t[1]), "{times:?}");
    }
}

/// Fails when the summary of a run is lost because its camera was unplugged for good.
#[test]
fn the_summary_of_an_unplugged_camera_is_written() {
    let scene = troubled(&json!({"unplugged_after": 30}));
    let outcome = scene.run("run --input camera:0 --json --write-json out.jsonl");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let run: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(run["frames"].as_u64().unwrap() > 0);
    assert_eq!(run["frames"], scene.0.json_lines("out.jsonl").len());
    assert_eq!(
        (&run["camera"]["name"], &run["camera"]["outages"]),
        (&json!("Small"), &json!(1))
    );
    assert!(
        run["error"].as_str().unwrap().starts_with("Small: lost"),
        "{run}"
    );
}

/// Fails when an interrupted call counts as a failure, or a slow camera as one that stopped.
#[test]
fn interrupts_and_slow_cameras_are_no_failures() {
    for fields in [
        json!({"interrupts_every": 2}),
        json!({"millis": 1200}),
        json!({"first_millis": 2500}),
    ] {
        let run = troubled(&fields).json(RUN);
        assert_eq!(run["frames"], 3);
        assert_eq!(run["camera"]["outages"], 0, "{fields}: {run}");
    }
}

/// Fails when wrong timestamps of a driver make the time stop, go backwards or jump.
#[test]
fn wrong_timestamps_are_not_trusted() {
    for clock in ["monotonic", "none", "wall", "zero", "still"] {
        let scene = troubled(&json!({"clock": clock}));
        let run = scene.json("run --input camera:0 --max-frames 10 --json --write-json out.jsonl");
        let lines = scene.0.json_lines("out.jsonl");
        let times: Vec<_> = lines
            .iter()
            .map(|l| l["time_secs"].as_f64().unwrap())
            .collect();
        assert!(
            times.windows(2).all(|t| t[0] < t[1] && t[1] - t[0] < 100.0),
            "{clock}: {times:?}"
        );
        assert!(
            run["latency"]["p95_ms"].as_f64().unwrap() < 100_000.0,
            "{clock}: {run}"
        );
    }
}

/// Fails when Ctrl+C does not end a run while frames arrive, while the camera delivers none or is
/// unplugged, or while its driver hangs.
#[test]
fn every_run_can_be_interrupted() {
    for (fields, seen) in [
        (json!({}), "STREAMON"),
        (json!({"first_millis": 1_000_000}), "STREAMON"),
        (json!({"unplugged_after": 1}), "STREAMON"),
        (json!({"hangs_in": "STREAMON"}), "STREAMON"),
        (json!({"hangs_in": "OPEN"}), "open 0"),
        (json!({"hangs_in": "STREAMOFF"}), "STREAMON"),
    ] {
        let scene = troubled(&fields);
        let calls = scene.0.path("calls.txt");
        let command = scene.command("run --input camera:0 --json");
        let mut running = Running::start(command);
        running.until("start of the camera", || {
            std::fs::read_to_string(&calls).is_ok_and(|calls| calls.contains(seen))
        });
        running.signal("INT");
        let outcome = running.wait();
        assert!(matches!(outcome.code, Some(0 | 1)), "{fields}: {outcome:?}");
        assert!(
            !outcome.stderr.contains("panicked"),
            "{fields}: {outcome:?}"
        );
    }
}

/// Fails when an interrupted run still processes the waiting frames, omits them without a warning,
/// or writes files with different numbers of frames.
#[test]
fn an_interrupted_run_counts_what_it_leaves_out() {
    // A network slower than the camera, so that frames queue up.
    let arguments = "run --input camera:0 --model tp-r-a3 --record out.mp4 --write-json out.jsonl \
                     --write-coco out.json --json";
    let scene = Scene::new(&json!([webcam(0)]));
    let mut running = Running::start(scene.command(arguments));
    let lines = scene.0.path("out.jsonl");
    running.until("some frames", || {
        std::fs::read_to_string(&lines).is_ok_and(|text| text.lines().count() >= 3)
    });
    running.signal("INT");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let run: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let warnings = run["warnings"].to_string();
    assert!(warnings.contains("captured frame"), "{warnings}");
    assert!(warnings.contains("left out"), "{warnings}");
    let n = scene.0.frames("out.mp4").len();
    assert_eq!(
        run["frames"].as_u64().unwrap(),
        (n as u64) + run["record_drops"].as_u64().unwrap()
    );
    assert_eq!(run["frames"], scene.0.json_lines("out.jsonl").len());
    assert!(scene.0.path("out.json").is_file());
}

/// Fails when an ordinary webcam loses frames, or is not released.
#[test]
fn an_ordinary_webcam_runs_and_is_released() {
    let scene = Scene::new(&json!([webcam(0)]));
    let run = scene.json("run --input camera:0 --max-frames 5 --json");
    assert_eq!(
        (&run["frames"], &run["camera"]["damaged"]),
        (&json!(5), &json!(0))
    );
    assert_eq!(run["warnings"], json!([]));
    let calls = scene.calls();
    let n = |name| calls.iter().filter(|c| c.starts_with(name)).count();
    assert_eq!(n("open"), n("close"), "{calls:?}");
    assert_eq!(n("STREAMON"), n("STREAMOFF"), "{calls:?}");
}
