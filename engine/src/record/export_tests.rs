//! Exporters compared with golden text, byte for byte, because scripts depend on it.

use std::path::Path;
use std::sync::Arc;

use super::{EXPORTERS, ExportContext, Exporter, ExporterSpec};
use crate::error::Error;
use crate::frame::{Frame, Pixels};
use crate::geometry::{BBox, Size};
use crate::output::{PeopleCount, PoseOutput, Timings};
use crate::pose::{Keypoint, Pose};
use crate::skeleton::Skeleton;

/// Returns the output for frame `id` with the given people.
fn output(id: u64, poses: Vec<Pose>) -> PoseOutput {
    let size = Size::new(4, 2);
    let time_secs = id as f64 / 30.0;
    PoseOutput {
        frame: Frame::new(
            id,
            time_secs,
            size,
            Pixels::unpooled(vec![255; size.area() * 4]),
        ),
        model: Arc::from("sfm"),
        skeleton: Skeleton::by_name("lsp14").unwrap(),
        poses,
        regions: Vec::new(),
        timings: Timings::default(),
        people: PeopleCount::default(),
    }
}

/// Returns a person with joint `j` at (10 j + 0.126, 1 / 3), score 0.9 - j / 20; the last joint is
/// NaN.
fn person(track_id: Option<u64>) -> Pose {
    let mut keypoints: Vec<Keypoint> = (0..14)
        .map(|j| [10.0 * j as f32 + 0.126, 1.0 / 3.0, 0.9 - j as f32 / 20.0].into())
        .collect();
    keypoints[13].x = f32::NAN;
    Pose {
        track_id,
        score: 0.12345,
        bbox: BBox::new(-0.001, 0.333_333, 130.0, 1.25),
        keypoints_raw: keypoints
            .iter()
            .map(|k| [k.x + 1.0, k.y, k.score].into())
            .collect(),
        keypoints,
        past: Vec::new(),
    }
}

fn open(name: &str, path: &Path) -> Box<dyn Exporter> {
    let context = ExportContext {
        name: "camera:0".to_owned(),
        ..ExportContext::default()
    };
    (ExporterSpec::by_name(name).unwrap().open)(path, &context).unwrap()
}

/// Returns the text that an exporter writes for a frame with two people and one with none.
fn exported(name: &str, read: impl Fn(&Path) -> String) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut exporter = open(name, &path);
    exporter.push(&output(0, Vec::new())).unwrap();
    exporter
        .push(&output(7, vec![person(Some(3)), person(None)]))
        .unwrap();
    exporter.finish().unwrap();
    read(&path)
}

fn file(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

const JOINTS: &str = "[0.13,0.33,0.9],[10.13,0.33,0.85],[20.13,0.33,0.8],[30.13,0.33,0.75],\
    [40.13,0.33,0.7],[50.13,0.33,0.65],[60.13,0.33,0.6],[70.13,0.33,0.55],[80.13,0.33,0.5],\
    [90.13,0.33,0.45],[100.13,0.33,0.4],[110.13,0.33,0.35],[120.13,0.33,0.3],[0.0,0.0,0.0]";

const JOINTS_RAW: &str = "[1.13,0.33,0.9],[11.13,0.33,0.85],[21.13,0.33,0.8],[31.13,0.33,0.75],\
    [41.13,0.33,0.7],[51.13,0.33,0.65],[61.13,0.33,0.6],[71.13,0.33,0.55],[81.13,0.33,0.5],\
    [91.13,0.33,0.45],[101.13,0.33,0.4],[111.13,0.33,0.35],[121.13,0.33,0.3],[0.0,0.0,0.0]";

/// Fails when scripts that read `--write-json` would break.
#[test]
fn json_lines_have_the_promised_form() {
    let person = |id: &str| {
        format!(
            r#"{{"track_id":{id},"score":0.1235,"box":[0.0,0.33,130.0,1.25],"keypoints":[{JOINTS}],"keypoints_raw":[{JOINTS_RAW}]}}"#
        )
    };
    let line = |frame: u64, time: &str, poses: &str| {
        format!(
            r#"{{"frame":{frame},"time_secs":{time},"width":4,"height":2,"model":"sfm","skeleton":"lsp14","poses":[{poses}]}}"#
        ) + "\n"
    };
    let expected =
        line(0, "0.0", "") + &line(7, "0.233333", &(person("3") + "," + &person("null")));
    assert_eq!(exported("json", file), expected);
}

/// Fails when a visibility is written in place of a score, the list is malformed, or the score of a
/// person is not the mean over all joints, which ranks whole people before fragments.
#[test]
fn coco_results_hold_scores() {
    let joints = JOINTS.replace(['[', ']'], "");
    let entry = |track: &str| {
        format!(
            r#"{{"image_id":7,"category_id":1,"keypoints":[{joints}],"score":0.575,"bbox":[0.0,0.33,130.0,1.25]{track}}}"#
        )
    };
    let expected = format!("[\n{},\n{}\n]\n", entry(r#","track_id":3"#), entry(""));
    assert_eq!(exported("coco", file), expected);
}

/// Fails when a crash loses the frames before it, or an old result is partly overwritten.
#[test]
fn coco_results_are_whole_after_every_frame_and_appear_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (path, part) = (
        folder.path().join("a.json"),
        folder.path().join("a.json.part"),
    );
    std::fs::write(&path, "old").unwrap();
    let mut exporter = open("coco", &path);
    for i in 0..4 {
        let list: Vec<serde_json::Value> = serde_json::from_str(&file(&part)).unwrap();
        assert_eq!(list.len(), i);
        exporter
            .push(&output(i as u64, vec![person(None)]))
            .unwrap();
    }
    assert_eq!(file(&path), "old");
    exporter.finish().unwrap();
    assert!(!part.exists() && file(&path).starts_with('['));
}

/// Fails when a run without a frame destroys an older list, or one with frames does not replace it.
#[test]
fn older_lists_stay_until_there_is_a_frame() {
    for name in ["json", "csv", "coco"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "old").unwrap();
        drop(open(name, &path));
        assert_eq!(file(&path), "old", "{name}");
        let mut exporter = open(name, &path);
        exporter.push(&output(0, vec![person(None)])).unwrap();
        exporter.finish().unwrap();
        let score = if name == "coco" { "0.575" } else { "0.1235" };
        assert!(file(&path).contains(score), "{name}");
        assert_eq!(names(folder.path()), ["a"]);
    }
}

/// Fails when another program's file called `NAME.part` is lost, or a killed run's list stays.
#[test]
fn only_unfinished_lists_of_ours_are_overwritten() {
    for (before, is_foreign) in [
        ("my notes", true),
        ("[]", true),
        ("[\n]\n", false),
        ("[\n{\"image_id\":0,", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let [path, part] = ["a.json", "a.json.part"].map(|name| folder.path().join(name));
        std::fs::write(&part, before).unwrap();
        let mut exporter = open("coco", &path);
        exporter.push(&output(0, vec![person(None)])).unwrap();
        exporter.finish().unwrap();
        assert!(file(&path).starts_with("[\n{"), "{before}");
        assert_eq!(part.exists(), is_foreign, "{before}");
        assert!(!is_foreign || file(&part) == before);
        assert_eq!(names(folder.path()).len(), 1 + usize::from(is_foreign));
    }
}

/// Fails when readers of OpenPose files would not find the files, people or joints.
#[test]
fn openpose_files_have_its_names_and_joints() {
    let frame = |number: u64| {
        move |path: &Path| file(&path.join(format!("camera_0_{number:012}_keypoints.json")))
    };
    assert_eq!(
        exported("openpose", frame(0)),
        r#"{"version":1.3,"people":[]}"#
    );
    // lsp14 lacks nose, eyes and ears; the neck is the midpoint of the shoulders 8 and 9.
    let joints = "0.0,0.0,0.0,85.13,0.33,0.45,80.13,0.33,0.5,70.13,0.33,0.55,60.13,0.33,0.6,\
        90.13,0.33,0.45,100.13,0.33,0.4,110.13,0.33,0.35,20.13,0.33,0.8,10.13,0.33,0.85,\
        0.13,0.33,0.9,30.13,0.33,0.75,40.13,0.33,0.7,50.13,0.33,0.65,\
        0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0";
    let person = |id: i64| {
        format!(
            r#"{{"person_id":[{id}],"pose_keypoints_2d":[{joints}],"face_keypoints_2d":[],"hand_left_keypoints_2d":[],"hand_right_keypoints_2d":[],"pose_keypoints_3d":[],"face_keypoints_3d":[],"hand_left_keypoints_3d":[],"hand_right_keypoints_3d":[]}}"#
        )
    };
    let expected = format!(
        r#"{{"version":1.3,"people":[{},{}]}}"#,
        person(3),
        person(-1)
    );
    assert_eq!(exported("openpose", frame(7)), expected);
}

/// Fails when the table loses a joint, a column or the raw positions.
#[test]
fn csv_has_a_row_for_each_joint() {
    let text = exported("csv", file);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * 14);
    assert_eq!(
        lines[0],
        "frame,time_secs,track_id,person_score,joint,x,y,score,x_raw,y_raw"
    );
    assert_eq!(
        lines[1],
        "7,0.233333,3,0.1235,r_ankle,0.13,0.33,0.9000,1.13,0.33"
    );
    assert_eq!(
        lines[28],
        "7,0.233333,,0.1235,head_top,0.00,0.00,0.0000,0.00,0.00"
    );
}

/// Fails when an unwritable export is only detected after the work is done.
#[test]
fn every_exporter_refuses_an_impossible_place_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "in the way").unwrap();
    for spec in EXPORTERS {
        let error = (spec.open)(&blocked.join("x"), &ExportContext::default())
            .err()
            .unwrap();
        assert!(matches!(&error, Error::Io { .. }), "{}: {error}", spec.name);
        assert!(error.to_string().contains("file"), "{error}");
    }
}

/// Fails when the poses of a recording, whose frames are numbered as in its video, do not give the
/// numbers of the source, or other poses have an empty field for them.
#[test]
fn renumbered_frames_carry_the_numbers_of_their_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let written = |spec: &ExporterSpec, source_id: Option<u64>| {
        let context = ExportContext {
            is_renumbered: source_id.is_some(),
            ..ExportContext::default()
        };
        let mut output = output(20, vec![person(None)]);
        output.frame.source_id = source_id;
        let mut exporter = (spec.open)(&path, &context).unwrap();
        exporter.push(&output).unwrap();
        exporter.finish().unwrap();
        std::fs::read_to_string(&path).unwrap()
    };
    let line = |source_id| -> serde_json::Value {
        serde_json::from_str(&written(&super::jsonl::SPEC, source_id)).unwrap()
    };
    let renumbered = line(Some(30));
    assert_eq!(renumbered["frame"], 20);
    assert_eq!(renumbered["source_frame"], 30);
    assert!(line(None).get("source_frame").is_none());
    let rows = written(&super::csv::SPEC, Some(30));
    let ends: Vec<_> = rows
        .lines()
        .map(|row| row.rsplit(',').next().unwrap())
        .collect();
    assert!(
        ends[0] == "source_frame" && ends[1..].iter().all(|end| *end == "30"),
        "{rows}"
    );
    assert!(!written(&super::csv::SPEC, None).contains("source_frame"));
}

/// Returns the output for a frame from the image `file`.
fn picture(id: u64, file: &str) -> PoseOutput {
    let output = output(id, vec![person(None)]);
    PoseOutput {
        frame: output.frame.of_file(file),
        ..output
    }
}

fn of_pictures(n_frames: u64, overwrite: bool) -> ExportContext {
    ExportContext {
        name: "folder".to_owned(),
        frames_are_files: true,
        is_renumbered: false,
        n_frames: Some(n_frames),
        overwrite,
        ..ExportContext::default()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Fails when a result cannot be assigned to its image, or a file name breaks the table.
#[test]
fn results_of_pictures_carry_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let files = ["a,\"1\".jpg", "b.png", "B.jpg"];
    for spec in EXPORTERS {
        let mut exporter = (spec.open)(&path, &of_pictures(3, false)).unwrap();
        for (id, file) in files.into_iter().enumerate() {
            exporter.push(&picture(id as u64, file)).unwrap();
        }
        exporter.finish().unwrap();
        let text = |path: &Path| std::fs::read_to_string(path).unwrap();
        match spec.name {
            "json" => {
                for (line, name) in text(&path).lines().zip(files) {
                    let line: serde_json::Value = serde_json::from_str(line).unwrap();
                    assert_eq!(line["file"], name);
                }
            }
            "coco" => {
                let list: Vec<serde_json::Value> = serde_json::from_str(&text(&path)).unwrap();
                assert!(list.iter().map(|e| &e["file_name"]).eq(files));
            }
            "csv" => {
                let text = text(&path);
                assert!(text.lines().next().unwrap().ends_with(",y_raw,file"));
                let mut ends = text.lines().skip(1).step_by(14);
                assert!(
                    ends.next().unwrap().ends_with(",\"a,\"\"1\"\".jpg\""),
                    "{text}"
                );
                assert!(ends.next().unwrap().ends_with(",b.png"), "{text}");
            }
            _ => assert_eq!(
                names(&path),
                [
                    "B.jpg_keypoints.json",
                    "a,\"1\"_keypoints.json",
                    "b_keypoints.json"
                ]
            ),
        }
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
    }
}

/// Fails when files of an older run are taken for this one's, files of other videos are lost, or
/// single images cannot be added to a folder.
#[test]
fn openpose_folders_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let open = |context: &ExportContext| {
        let spec = ExporterSpec::by_name("openpose").unwrap();
        (spec.open)(path, context)
            .map(drop)
            .map_err(|e| e.to_string())
    };
    let video = |name: &str, overwrite| ExportContext {
        name: name.to_owned(),
        overwrite,
        ..ExportContext::default()
    };
    for name in [
        "a_000000000004_keypoints.json",
        "ab_000000000004_keypoints.json",
        "notes.txt",
    ] {
        std::fs::write(path.join(name), "old").unwrap();
    }
    assert_eq!(open(&video("b", false)), Ok(()));
    assert_eq!(open(&of_pictures(1, false)), Ok(()));
    let reason = open(&video("a", false)).unwrap_err();
    for part in ["1 OpenPose file of", "a_000000000004", "--overwrite"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert!(
        open(&of_pictures(7, false))
            .unwrap_err()
            .contains("2 OpenPose files")
    );
    assert_eq!(open(&video("a", true)), Ok(()));
    assert_eq!(names(path), ["ab_000000000004_keypoints.json", "notes.txt"]);
    assert_eq!(open(&of_pictures(7, true)), Ok(()));
    assert_eq!(names(path), ["notes.txt"]);
}

/// Fails when a source or an image whose name has the maximum length gets no OpenPose file, two
/// images share one, or files of an older run are not recognised.
#[test]
fn openpose_files_of_long_names_are_shortened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let long = |last: &str| format!("{}{last}", "東".repeat(83));
    let spec = ExporterSpec::by_name("openpose").unwrap();
    let mut exporter = (spec.open)(path, &of_pictures(2, false)).unwrap();
    for (id, last) in ["a.png", "b.png"].into_iter().enumerate() {
        let mut output = output(id as u64, Vec::new());
        output.frame.file = Some(long(last).into());
        exporter.push(&output).unwrap();
    }
    assert_eq!(names(path).len(), 2);
    let of_video = ExportContext {
        name: long("abcdef"),
        ..ExportContext::default()
    };
    let mut exporter = (spec.open)(path, &of_video).unwrap();
    exporter.push(&output(7, Vec::new())).unwrap();
    let names = names(path);
    assert_eq!(names.len(), 3);
    assert!(
        names
            .iter()
            .all(|name| name.len() <= 255 && name.ends_with("_keypoints.json"))
    );
    assert!((spec.open)(path, &of_video).is_err());
}

/// Fails when a score that overshoots, or is NaN, leaves 0 to 1 or makes a file unreadable.
#[test]
fn scores_are_shares_in_every_file() {
    let folder = tempfile::tempdir().unwrap();
    for (i, spec) in EXPORTERS.iter().enumerate() {
        let path = folder.path().join(i.to_string());
        let mut wild = person(None);
        wild.score = 1.25;
        wild.keypoints[0].score = 1.0625;
        wild.keypoints[1].score = -0.5;
        let mut none = person(None);
        none.score = f32::NAN;
        none.bbox.x = f64::NAN;
        let mut exporter = open(spec.name, &path);
        exporter.push(&output(0, vec![wild, none])).unwrap();
        exporter.finish().unwrap();
        let text = if path.is_dir() {
            file(&path.join("camera_0_000000000000_keypoints.json"))
        } else {
            file(&path)
        };
        for wrong in ["1.25,", "1.0625", "-0.5", "NaN", "null,\"box"] {
            assert!(!text.contains(wrong), "{}: {wrong}: {text}", spec.name);
        }
    }
}

/// Fails when a list cannot be piped into another program: pipes cannot seek or be renamed.
#[cfg(unix)]
#[test]
fn lists_can_be_written_into_pipes() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for spec in EXPORTERS.iter().filter(|spec| spec.name != "openpose") {
        let from = pipe.clone();
        let reader = std::thread::spawn(move || std::fs::read(from).unwrap());
        let mut exporter = open(spec.name, &pipe);
        for id in 0..3 {
            exporter.push(&output(id, vec![person(None)])).unwrap();
        }
        exporter.finish().unwrap();
        let piped = reader.join().unwrap();
        let path = folder.path().join("file");
        let mut exporter = open(spec.name, &path);
        for id in 0..3 {
            exporter.push(&output(id, vec![person(None)])).unwrap();
        }
        exporter.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), piped, "{}", spec.name);
        let mut null = open(spec.name, Path::new("/dev/null"));
        null.push(&output(0, Vec::new())).unwrap();
        null.finish().unwrap();
        assert_eq!(names(folder.path()), ["file", "pipe"]);
    }
    assert!(!Path::new("/dev/null.part").exists());
}
