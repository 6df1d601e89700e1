//! Files written by runs.

use std::collections::HashMap;

use candle_core::{Device, Tensor, safetensors};
use poselens_engine::model::model;
use poselens_engine::source::SourceSpec;
use poselens_tests::{fill, golden};
use serde_json::{Value, json};

use super::{Running, Workdir, asset, read_all};
use crate::sfm::filled_weights;

fn numbers(lines: &[Value]) -> Vec<u64> {
    let number = |l: &Value| l["frame"].as_u64().unwrap();
    lines.iter().map(number).collect()
}

/// Fails when the annotated video of a file has no sound or shifted sound, or sound that MP4 does
/// not support fails the run or is not reported.
#[test]
fn the_sound_of_a_file_is_in_its_annotated_video() {
    let workdir = Workdir::new();
    workdir.copy(&golden("sound/first_aac.mp4"), "in.mp4");
    workdir.succeed("run --input in.mp4 --record out.mp4");
    workdir.succeed("run --input in.mp4 --start 0.4 --end 0.8 --record part.mp4");
    workdir.copy(&golden("sound/mp3_vorbis.mkv"), "two.mkv");
    let outcome = workdir.succeed("run --input two.mkv --record two.mp4");
    let line = "poselens: two.mkv: audio track 2 (Vorbis) is not recorded: ";
    assert!(outcome.stderr.contains(line), "{}", outcome.stderr);
    let packets = |name: &str| {
        let spec = SourceSpec::parse(workdir.path(name).to_str().unwrap()).unwrap();
        let mut track = spec.sound().tracks.remove(0);
        let next = || track.packets.next_packet().unwrap();
        let read: Vec<_> = std::iter::from_fn(next).collect();
        read
    };
    let source = packets("in.mp4");
    assert_eq!(packets("out.mp4"), source);
    let part = packets("part.mp4");
    // 64 ms each: the packets that overlap the time range.
    assert_eq!(part.len(), 7);
    assert_eq!(part[0].data, source[7].data);
    assert_eq!(part[0].tick, source[7].tick - 6400);
    assert_eq!(packets("two.mp4"), packets("two.mkv"));
}

/// Fails when an export is missing, lacks frames, or contradicts the others.
#[test]
fn a_run_writes_every_requested_file() {
    let workdir = Workdir::new();
    workdir.succeed(
        "run --input sample --max-frames 8 --overlay skeleton,heatmap,attention \
         --record out.mp4 --write-json out.jsonl --write-coco coco.json \
         --write-openpose openpose --write-csv out.csv",
    );
    let frames = workdir.frames("out.mp4");
    assert_eq!(frames.len(), 8);
    assert_eq!(frames[0].size().to_string(), "640x480");

    let lines = workdir.json_lines("out.jsonl");
    assert_eq!(numbers(&lines), (0..8).collect::<Vec<_>>());
    let pose = &lines[7]["poses"][0];
    assert_eq!(lines[7]["width"], 640);
    assert_eq!(lines[7]["skeleton"], "coco17");
    assert_eq!(pose["track_id"], 1);
    assert_eq!(pose["box"].as_array().unwrap().len(), 4);
    assert_eq!(pose["keypoints_raw"].as_array().unwrap().len(), 17);

    let coco: Value = serde_json::from_str(&workdir.read("coco.json")).unwrap();
    let entry = &coco.as_array().unwrap()[7];
    assert_eq!(coco.as_array().unwrap().len(), 8);
    assert_eq!(
        (&entry["image_id"], &entry["bbox"]),
        (&json!(7), &pose["box"])
    );
    let joints = pose["keypoints"].as_array().unwrap();
    let flat: Vec<_> = joints.iter().flat_map(|j| j.as_array().unwrap()).collect();
    assert_eq!(entry["keypoints"].as_array().unwrap().len(), flat.len());
    assert!(entry["keypoints"].as_array().unwrap().iter().eq(flat));

    assert_eq!(
        std::fs::read_dir(workdir.path("openpose")).unwrap().count(),
        8
    );
    let last = workdir.read("openpose/sample_000000000007_keypoints.json");
    let last: Value = serde_json::from_str(&last).unwrap();
    let openpose = last["people"][0]["pose_keypoints_2d"].as_array().unwrap();
    assert_eq!((openpose.len(), &openpose[0]), (18 * 3, &joints[0][0]));

    let table = workdir.read("out.csv");
    assert_eq!(table.lines().count(), 1 + 8 * 17);
    assert!(table.lines().all(|l| l.split(',').count() == 10));
}

/// Fails when `--no-smooth` still smooths, or smoothing has no effect.
#[test]
fn smoothing_can_be_switched_off() {
    let workdir = Workdir::new();
    workdir.succeed("run --input sample --max-frames 5 --write-json calm.jsonl");
    workdir.succeed("run --input sample --max-frames 5 --write-json raw.jsonl --no-smooth");
    let same = |name: &str| {
        let lines = workdir.json_lines(name);
        let pose = &lines[4]["poses"][0];
        pose["keypoints"] == pose["keypoints_raw"]
    };
    assert!(same("raw.jsonl") && !same("calm.jsonl"));
}

/// Fails when an incomplete download is refused or taken for complete, its frames before the break are
/// lost, or there is no warning that frames are missing.
#[test]
fn a_truncated_clip_gives_its_frames_and_a_warning() {
    let workdir = Workdir::new();
    let clip = std::fs::read(asset("clips/sister.mkv")).unwrap();
    workdir.write("cut.mkv", &clip[..clip.len() / 8]);
    let outcome = workdir.run("run --input cut.mkv --write-json out.jsonl --json");
    // The file declares its duration: frames are known to be missing.
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let run: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let [warning] = &run["warnings"].as_array().unwrap()[..] else {
        panic!("{run}");
    };
    let line = format!("poselens: {}\n", warning.as_str().unwrap());
    assert!(outcome.stderr.starts_with(&line), "{}", outcome.stderr);
    let lines = workdir.json_lines("out.jsonl");
    let n = workdir.frames("cut.mkv").len() as u64;
    assert!((4..40).contains(&n), "{n} of 87 frames");
    assert_eq!(run["frames"], n);
    assert_eq!(numbers(&lines), (0..n).collect::<Vec<_>>());
}

/// Fails when a range of a clip starts or ends at the wrong frame, or frames are renumbered.
#[test]
fn start_and_end_select_by_time() {
    let workdir = Workdir::new();
    workdir.succeed("run --input sample --start 1 --end 1.2 --write-json out.jsonl");
    // 30 frames per second; the end is exclusive.
    assert_eq!(
        numbers(&workdir.json_lines("out.jsonl")),
        [30, 31, 32, 33, 34, 35]
    );
    workdir.succeed("run --input sample --start 2.8 --max-frames 2 --write-json out.jsonl");
    assert_eq!(numbers(&workdir.json_lines("out.jsonl")), [84, 85]);
    let line = workdir.complaint("run --input sample --start 60");
    assert!(line.contains("no frames"), "{line}");
}

/// Fails when images are refused, read in the wrong order, or a single one is dropped (also in live
/// mode). The folder has the name of a source kind.
#[test]
fn images_and_folders_of_images_are_inputs() {
    let workdir = Workdir::new();
    let frames = read_all(&SourceSpec::parse("sample").unwrap());
    std::fs::create_dir(workdir.path("folder")).unwrap();
    for (i, frame) in [(2, 0), (10, 40)] {
        let pixels = frames[frame].rgba().to_vec();
        let picture = image::RgbaImage::from_raw(640, 480, pixels).unwrap();
        picture
            .save(workdir.path(&format!("folder/{i}.png")))
            .unwrap();
    }
    workdir.succeed("run --input folder --write-json folder.jsonl --record folder.mp4");
    assert_eq!(workdir.frames("folder.mp4").len(), 2);
    let wrist = |name: &str, line: usize| {
        let lines = workdir.json_lines(name);
        lines[line]["poses"][0]["keypoints_raw"][9][1]
            .as_f64()
            .unwrap()
    };
    // The left hand hangs down at first and is raised later.
    assert!(wrist("folder.jsonl", 0) > wrist("folder.jsonl", 1) + 100.0);
    for live in ["", " --live"] {
        let run = format!("run --input folder/10.png --write-json one.jsonl{live}");
        workdir.succeed(&run);
        assert_eq!(workdir.json_lines("one.jsonl").len(), 1, "{run}");
    }
    assert!(wrist("one.jsonl", 0) < wrist("folder.jsonl", 0) - 100.0);
}

/// Fails when `forward` gives other numbers than the specification, or an attention map is missing
/// or has another name.
#[test]
fn forward_writes_heatmaps_and_maps_by_their_names() {
    let workdir = Workdir::new();
    let weights = filled_weights(model("sfm").unwrap());
    safetensors::save(&weights, workdir.path("w.safetensors")).unwrap();
    let input = |c: usize| {
        let values = fill::filled(c * 64 * 96, |i| fill::signed("input", i));
        let tensor = Tensor::from_vec(values, (1, c, 64, 96), &Device::Cpu).unwrap();
        HashMap::from([("input", tensor)])
    };
    safetensors::save(&input(3), workdir.path("in.safetensors")).unwrap();
    let forward = "forward --model sfm --joints 16 --weights w.safetensors --output o.safetensors";
    let good = format!("{forward} --input in.safetensors");
    let outputs = || safetensors::load(workdir.path("o.safetensors"), &Device::Cpu).unwrap();

    workdir.succeed(&good);
    assert_eq!(outputs().keys().collect::<Vec<_>>(), ["heatmaps"]);
    workdir.succeed(&format!("{good} --attention --height 64 --width 96"));
    let outputs = outputs();
    let wanted = &safetensors::load(golden("sfm/sfm.safetensors"), &Device::Cpu).unwrap();
    let heatmaps = outputs["heatmaps"].squeeze(0).unwrap();
    let difference = (heatmaps - &wanted["small.heatmaps"]).unwrap();
    let worst = difference.abs().unwrap().max_all().unwrap();
    assert!(worst.to_scalar::<f32>().unwrap() < 1e-4, "{worst}");
    for node in ["x51", "x52", "x12", "x13"] {
        for map in ["M", "M_deeper", "gate"] {
            let name = format!("{node}.{map}");
            assert!(outputs.contains_key(&name), "{name}: {:?}", outputs.keys());
        }
    }
    assert_eq!(outputs.len(), 13);

    safetensors::save(&input(4), workdir.path("rgba.safetensors")).unwrap();
    let line = workdir.complaint(&format!("{forward} --input rgba.safetensors"));
    assert!(line.contains("rgba.safetensors") && line.contains("[1, 4, 64, 96]"));
    let line = workdir.complaint(&format!("{good} --height 128"));
    assert!(
        line.contains("[1, 3, 64, 96]") && line.contains("128"),
        "{line}"
    );
}

/// Fails when the program does nothing on a machine without a display, or does not say why it opens
/// no window.
#[cfg(all(unix, not(target_os = "macos")))]
#[test]
fn without_a_display_the_demo_is_written() {
    let workdir = Workdir::new();
    workdir.copy(&asset("clips/sister.mkv"), "whole.mkv");
    let clip = std::fs::read(workdir.path("whole.mkv")).unwrap();
    workdir.write("short.mkv", &clip[..clip.len() / 8]);
    let demo = |arguments: &str| {
        let mut command = workdir.command(arguments);
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
            command.env_remove(name);
        }
        let outcome = Running::start(command).wait();
        // The cut clip lacks frames that it declares.
        let code = i32::from(arguments.contains("short"));
        assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("no display"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("poselens-demo.mp4"));
        workdir.frames("poselens-demo.mp4").len()
    };
    assert_eq!(demo("--log warn"), 87);
    assert_eq!(
        demo("gui --input short.mkv"),
        workdir.frames("short.mkv").len()
    );
}

/// Fails when a display that does not respond counts as available, is treated differently from no
/// display, or the line does not say why there is no window and what to do.
#[cfg(all(unix, not(target_os = "macos")))]
#[test]
fn a_display_that_does_not_respond_counts_as_none() {
    let workdir = Workdir::new();
    let clip = std::fs::read(asset("clips/sister.mkv")).unwrap();
    workdir.write("short.mkv", &clip[..clip.len() / 8]);
    let run = |variable: &str, value: &str, arguments: &str| {
        let mut command = workdir.command(arguments);
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
            command.env_remove(name);
        }
        command.env("XDG_RUNTIME_DIR", workdir.path(""));
        Running::start({
            command.env(variable, value);
            command
        })
        .wait()
    };
    for (variable, value) in [("DISPLAY", ":7919"), ("WAYLAND_DISPLAY", "wayland-7919")] {
        let demo = run(variable, value, "gui --input short.mkv");
        // The cut clip lacks frames that it declares.
        assert_eq!(demo.code, Some(1), "{demo:?}");
        let line = demo.stderr.lines().next().unwrap();
        for part in [
            variable,
            value,
            "poselens run --input short.mkv",
            "demo instead",
        ] {
            assert!(line.contains(part), "{line}");
        }
        let n = workdir.frames("poselens-demo.mp4").len();
        assert_eq!(n, workdir.frames("short.mkv").len());
        std::fs::remove_file(workdir.path("poselens-demo.mp4")).unwrap();
    }
    let demo = run("DISPLAY", ":7919", "--log warn");
    assert_eq!(demo.code, Some(0), "{demo:?}");
    let said = demo.stderr.lines().next().unwrap();
    assert!(
        said.contains("DISPLAY is :7919") && said.contains("demo instead"),
        "{said}"
    );
    assert_eq!(workdir.frames("poselens-demo.mp4").len(), 87);
}

/// Fails when a recording cannot be annotated again from its folder, or a folder of images is
/// mistaken for a recording.
#[test]
fn the_folder_of_a_recording_is_an_input() {
    let workdir = Workdir::new();
    std::fs::create_dir(workdir.path("session")).unwrap();
    workdir.copy(&golden("video/bframes.mp4"), "session/raw.mp4");
    let run = "run --input session --record session/again.mp4 --write-json again.jsonl";
    let complaint = workdir.complaint(run);
    assert!(complaint.contains("no images"), "{complaint}");
    workdir.write("session/session.toml", "");
    workdir.succeed(run);
    assert_eq!(numbers(&workdir.json_lines("again.jsonl")).len(), 10);
    assert_eq!(workdir.frames("session/again.mp4").len(), 10);
}
