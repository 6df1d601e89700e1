//! `poselens eval --tracks`: identity figures of written poses.

use poselens_engine::record::save_png;
use poselens_engine::source::SourceSpec;
use serde_json::{Value, json};

use super::{Workdir, read_all};

const EVAL: &str = "eval --annotations labels.json --tracks";

/// Returns the joints of a person of 80 x 160 pixels at `x`.
fn joints(x: f64) -> Vec<[f64; 2]> {
    let joint = |j: u32| [x + 20.0 * f64::from(j % 5), 50.0 + 10.0 * f64::from(j)];
    (0..17).map(joint).collect()
}

/// Returns the label of the person `track` in an image.
fn label(id: u64, image: u64, track: u64, x: f64) -> Value {
    let keypoints: Vec<f64> = joints(x).iter().flat_map(|[x, y]| [*x, *y, 2.0]).collect();
    json!({
        "id": id, "image_id": image, "category_id": 1, "track_id": track, "iscrowd": 0,
        "bbox": [x, 50.0, 80.0, 160.0], "area": 9000.0, "num_keypoints": 17,
        "keypoints": keypoints,
    })
}

/// Returns a line of predictions with people at `x` under these ids.
fn line(frame: u64, file: Option<&str>, people: &[(u64, f64)]) -> String {
    let pose = |(track, x): &(u64, f64)| {
        let keypoints: Vec<_> = joints(*x).iter().map(|[x, y]| [*x, *y, 0.9]).collect();
        json!({
            "track_id": track, "score": 0.8, "box": [x, 50.0, 80.0, 160.0],
            "keypoints": keypoints, "keypoints_raw": [],
        })
    };
    let mut line = json!({
        "frame": frame, "time_secs": 0.1, "width": 640, "height": 480, "model": "sfm",
        "skeleton": "coco17", "poses": people.iter().map(pose).collect::<Vec<_>>(),
    });
    if let Some(file) = file {
        line["file"] = json!(file);
    }
    format!("{line}\n")
}

/// Writes labels of four frames with two people each, for every clip.
fn write_labels(workdir: &Workdir, clips: &[&str]) -> Value {
    let names = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"];
    let parts = ["shoulder", "elbow", "wrist", "hip", "knee", "ankle"];
    let sides = parts
        .iter()
        .flat_map(|part| ["left", "right"].map(|s| format!("{s}_{part}")));
    let names: Vec<String> = names.map(str::to_owned).into_iter().chain(sides).collect();
    let mut labels = json!({
        "images": [], "annotations": [],
        "categories": [{ "id": 1, "name": "person", "keypoints": names }],
    });
    for (c, clip) in clips.iter().enumerate() {
        for i in 0..4 {
            let id = 10 * (c as u64 + 1) + i;
            labels["images"].as_array_mut().unwrap().push(json!({
                "id": id, "file_name": format!("{clip}/{:06}.jpg", 5 * i), "width": 640,
                "height": 480,
            }));
            for (track, x) in [(0, 100.0), (1, 400.0)] {
                let label = label(2 * id + track, id, track, x);
                labels["annotations"].as_array_mut().unwrap().push(label);
            }
        }
    }
    workdir.write("labels.json", labels.to_string());
    labels
}

/// Fails when an exchange of ids, a missing person or a false one is not measured, a frame of the
/// predictions is compared with the labels of another, or frames without predictions are not told.
#[test]
fn identities_are_measured_against_written_poses() {
    let workdir = Workdir::new();
    write_labels(&workdir, &["walk"]);
    // Ids are exchanged in the third labelled frame, where somebody else is found as well; the
    // fourth has no predictions. Frames between the labelled ones do not count.
    let poses = [
        line(0, None, &[(3, 100.0), (4, 401.0)]),
        line(1, None, &[(9, 250.0)]),
        line(5, None, &[(3, 101.0)]),
        line(10, None, &[(4, 100.0), (3, 400.0), (5, 250.0)]),
    ];
    workdir.write("poses.jsonl", poses.concat());
    let outcome = workdir.succeed(&format!("{EVAL} poses.jsonl --json"));
    let told = "walk: 1 labelled frame is not in poses.jsonl; the people in them count as missed";
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    let found: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(found["notes"], json!([told]));
    assert_eq!(found["clips"][0]["name"], "walk");
    for row in [&found["all"], &found["clips"][0]] {
        for (name, expected) in [
            ("frames", 4),
            ("people", 2),
            ("tracks", 3),
            ("labels", 8),
            ("predictions", 6),
            ("matches", 5),
            ("switches", 2),
            ("misses", 3),
            ("false_positives", 1),
            ("missing_frames", 1),
            // The first two frames of one person, one of the other.
            ("id_true_positives", 3),
        ] {
            assert_eq!(row[name], expected, "{name}");
        }
        let close = |name: &str, value: f64| (row[name].as_f64().unwrap() - value).abs() < 1e-9;
        assert!(
            close("idf1", 6.0 / 14.0) && close("mota", 1.0 - 6.0 / 8.0),
            "{row}"
        );
        assert!(row["mean_oks"].as_f64().unwrap() > 0.99);
    }
    let table = workdir.succeed(&format!("{EVAL} poses.jsonl")).stdout;
    let walk = table.lines().find(|line| line.starts_with("walk")).unwrap();
    let cells: Vec<&str> = walk.split_whitespace().collect();
    assert_eq!(cells[1..5], ["42.86", "50.00", "37.50", "25.00"], "{table}");
    assert_eq!(cells[6..], ["2", "3", "1", "3"], "{table}");
}

/// Fails when clips are mixed up, their sum is not that of all frames, or a clip without
/// predictions is not told.
#[test]
fn every_clip_has_its_own_file() {
    let workdir = Workdir::new();
    write_labels(&workdir, &["run", "walk"]);
    std::fs::create_dir_all(workdir.path("tracks/walk")).unwrap();
    let people = [(1, 100.0), (2, 400.0)];
    let poses = |names: bool| -> String {
        let files = (0..4).map(|i| format!("{:06}.jpg", 5 * i));
        let lines = files.enumerate().map(|(i, file)| {
            let file = names.then_some(file.as_str());
            line(5 * i as u64, file, &people)
        });
        lines.collect()
    };
    workdir.write("tracks/run.jsonl", poses(true));
    let said = workdir.succeed(&format!("{EVAL} tracks")).stderr;
    assert!(
        said.contains("walk: there is no file with its poses"),
        "{said}"
    );
    workdir.write("tracks/walk/poses.jsonl", poses(false));
    let found = workdir.json(&format!("{EVAL} tracks --json"));
    let names: Vec<_> = found["clips"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["name"])
        .collect();
    assert_eq!(names, ["run", "walk"]);
    assert_eq!(
        (&found["all"]["labels"], &found["all"]["people"]),
        (&json!(16), &json!(4))
    );
    assert_eq!(
        (&found["all"]["idf1"], &found["all"]["mota"]),
        (&json!(1.0), &json!(1.0))
    );
    let line = workdir.complaint(&format!("{EVAL} tracks/run.jsonl"));
    assert!(
        line.contains("2 clips (run, walk)") && line.contains("run.jsonl"),
        "{line}"
    );
}

/// Fails when labels or predictions without identities, of other joints, frames or image sizes are
/// measured, or the error does not name the cause.
#[test]
fn what_cannot_be_measured_is_refused_in_one_line() {
    let workdir = Workdir::new();
    let labels = write_labels(&workdir, &["walk"]);
    let poses = line(0, None, &[(1, 100.0)]);
    let named = line(0, Some("other.jpg"), &[(1, 100.0)]);
    workdir.write("named.jsonl", named.replace("\"frame\":0", "\"frame\":77"));
    workdir.write("poses.jsonl", &poses);
    workdir.write(
        "small.jsonl",
        poses.replace("\"width\":640", "\"width\":320"),
    );
    workdir.write(
        "nameless.jsonl",
        poses.replace("\"track_id\":1", "\"track_id\":null"),
    );
    workdir.write("unknown.jsonl", poses.replace("coco17", "dog5"));
    workdir.write("other.jsonl", poses.replace("coco17", "lsp14"));
    workdir.write("twice.jsonl", line(0, None, &[(1, 100.0), (1, 400.0)]));
    workdir.write("list.json", "[]");
    for (file, parts) in [
        (
            "named.jsonl",
            &["named.jsonl", "000000.jpg to 000015.jpg", "other.jpg"][..],
        ),
        ("small.jsonl", &["frame 0 is 320x480", "640x480"]),
        ("nameless.jsonl", &["no pose has a `track_id`"]),
        ("unknown.jsonl", &["dog5"]),
        ("other.jsonl", &["17 joints", "14"]),
        ("twice.jsonl", &["walk", "predictions", "track 1"]),
        ("list.json", &["line 1", "--write-json"]),
        ("missing.jsonl", &["cannot open", "missing.jsonl"]),
    ] {
        let line = workdir.complaint(&format!("{EVAL} {file}"));
        for part in parts {
            assert!(line.contains(part), "{file}: {line}");
        }
    }
    let mut without = labels.clone();
    for label in without["annotations"].as_array_mut().unwrap() {
        label.as_object_mut().unwrap().remove("track_id");
    }
    workdir.write("labels.json", without.to_string());
    let line = workdir.complaint(&format!("{EVAL} poses.jsonl"));
    assert!(
        line.contains("labels.json: no person has a `track_id`"),
        "{line}"
    );
    for option in ["--flip", "--model sfm", "--boxes gt"] {
        let outcome = workdir.run(&format!("{EVAL} poses.jsonl {option}"));
        assert_eq!(outcome.code, Some(2), "{option}");
    }
}

/// Fails when the people of whole images are not found and examined closely, the network that finds
/// them is not measured beside, or identities are not measured where the labels have them.
#[test]
fn several_people_are_measured_on_whole_images() {
    let workdir = Workdir::new();
    std::fs::create_dir(workdir.path("clip")).unwrap();
    let frames = read_all(&SourceSpec::parse("sample").unwrap());
    for (i, frame) in frames.iter().skip(40).take(3).enumerate() {
        save_png(frame, &workdir.path(&format!("clip/{i:06}.png"))).unwrap();
    }
    workdir.succeed("run --input clip --people several --no-smooth --write-json poses.jsonl");
    let mut labels = write_labels(&workdir, &[]);
    for (i, line) in workdir.json_lines("poses.jsonl").iter().enumerate() {
        let file = line["file"].as_str().unwrap();
        labels["images"].as_array_mut().unwrap().push(json!({
            "id": i, "file_name": format!("clip/{file}"), "width": line["width"],
            "height": line["height"],
        }));
        for pose in line["poses"].as_array().unwrap() {
            let joints = pose["keypoints"].as_array().unwrap().iter();
            let keypoints: Vec<Value> = joints
                .flat_map(|k| {
                    let is_seen = k[2].as_f64().unwrap() > 0.3;
                    [
                        k[0].clone(),
                        k[1].clone(),
                        json!(if is_seen { 2 } else { 0 }),
                    ]
                })
                .collect();
            labels["annotations"].as_array_mut().unwrap().push(json!({
                "id": i, "image_id": i, "category_id": 1, "track_id": pose["track_id"],
                "keypoints": keypoints,
            }));
        }
    }
    workdir.write("labels.json", labels.to_string());
    let eval = "eval --annotations labels.json --images .";
    let found = workdir.json(&format!("{eval} --people several --json"));
    assert_eq!(
        (&found["boxes"], &found["n_people"]),
        (&json!("no"), &json!(3))
    );
    assert_eq!(found["finder"]["model"], "ssa-sfm-2");
    let [both, alone] = [&found, &found["finder"]].map(|v| v["oks"]["ap"].as_f64().unwrap());
    assert!(both > alone, "{found}");
    let identity = &found["identity"]["all"];
    assert_eq!(
        (&identity["idf1"], &identity["switches"]),
        (&json!(1.0), &json!(0))
    );
    let table = workdir
        .succeed(&format!("{eval} --people several:1"))
        .stdout;
    for part in [
        "sfm where ssa-sfm-2 finds people on 3 people",
        "identities of 1 person",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let written = workdir.json(&format!("{EVAL} poses.jsonl --json"));
    assert_eq!(written["all"]["idf1"], 1.0);
    for option in ["--flip", "--boxes gt", "--people several:0"] {
        let arguments = format!("{eval} --people several {option}");
        assert_eq!(workdir.run(&arguments).code, Some(2), "{option}");
    }
}
