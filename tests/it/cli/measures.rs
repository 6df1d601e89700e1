//! Joint angles, distances and speeds of `run --angles`.

use serde_json::Value;

use super::Workdir;

/// Position of a joint in a pose of a JSON line.
fn joint(pose: &Value, j: usize) -> [f64; 2] {
    [0, 1].map(|axis| pose["keypoints"][j][axis].as_f64().unwrap())
}

fn distance([ax, ay]: [f64; 2], [bx, by]: [f64; 2]) -> f64 {
    (ax - bx).hypot(ay - by)
}

/// Fails when the table or the lines lack a measure or its unit, when a value is not that of the
/// joints beside it, or when standard output and the drawn values need other options.
#[test]
fn measures_are_written_with_their_units() {
    let workdir = Workdir::new();
    workdir.succeed(
        "run --input synthetic --max-frames 6 --write-json out.jsonl --write-csv out.csv \
         --record out.mp4 --overlay skeleton,measures \
         --angles all,l_wrist-r_wrist,left_wrist|speed --scale 100px=1m",
    );
    let table = workdir.read("out.csv");
    let header = table.lines().next().unwrap();
    for column in [
        "left_elbow_deg",
        "right_knee_deg",
        "neck_deg",
        "left_wrist-right_wrist_m",
        "left_wrist|speed_m/s",
    ] {
        assert!(header.split(',').any(|name| name == column), "{header}");
    }
    let n_columns = header.split(',').count();
    assert!(table.lines().all(|row| row.split(',').count() == n_columns));
    let lines = workdir.read("out.jsonl");
    let mut n_speeds = 0;
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["units"]["left_elbow"], "deg");
        assert_eq!(line["units"]["left_wrist-right_wrist"], "m");
        let pose = &line["poses"][0];
        let measures = &pose["measures"];
        let skeleton = line["skeleton"].as_str().unwrap();
        let skeleton = poselens_engine::skeleton::Skeleton::by_name(skeleton).unwrap();
        let [s, e, w, r] = ["l_shoulder", "l_elbow", "l_wrist", "r_wrist"]
            .map(|name| joint(pose, skeleton.joint(name).unwrap()));
        let (upper, lower, whole) = (distance(s, e), distance(e, w), distance(s, w));
        let cosine = (upper * upper + lower * lower - whole * whole) / (2.0 * upper * lower);
        let angle = cosine.clamp(-1.0, 1.0).acos().to_degrees();
        let told = measures["left_elbow"].as_f64().unwrap();
        // The joints in the file are rounded.
        assert!((told - angle).abs() < 0.1, "{told} {angle}");
        let told = measures["left_wrist-right_wrist"].as_f64().unwrap();
        assert!((told - distance(w, r) / 100.0).abs() < 0.001, "{told}");
        n_speeds += usize::from(measures["left_wrist|speed"].is_number());
    }
    assert_eq!(n_speeds, 5, "all but the first frame");
}

/// Fails when the columns of measures depend on what is in the image.
#[test]
fn frames_without_visible_joints_have_the_same_columns() {
    let workdir = Workdir::new();
    let grey = [b"P5 64 48 255\n".as_slice(), &[120; 64 * 48]].concat();
    workdir.write("grey.pgm", grey);
    workdir.succeed(
        "run --input grey.pgm --kpt-thr 1 --angles left_knee --write-json out.jsonl \
         --write-csv out.csv",
    );
    let table = workdir.read("out.csv");
    assert!(table.lines().next().unwrap().contains(",left_knee_deg"));
    let line: Value = serde_json::from_str(&workdir.read("out.jsonl")).unwrap();
    assert_eq!(line["units"]["left_knee"], "deg");
    for pose in line["poses"].as_array().unwrap() {
        assert_eq!(pose["measures"]["left_knee"], Value::Null);
    }
}

/// Fails when a wrong list is not refused with what is known, or a run with it writes something.
#[test]
fn wrong_lists_exit_with_2() {
    let workdir = Workdir::new();
    let run = "run --input synthetic --max-frames 1";
    for (arguments, named) in [
        ("--angles tail --write-csv a.csv", "left_elbow"),
        ("--angles all, --write-csv a.csv", "left_elbow"),
        ("--angles left_ankle --write-csv a.csv", "foot"),
        ("--angles nose-tail --write-csv a.csv", "left_wrist"),
        ("--angles nose-neck-nose --write-csv a.csv", "twice"),
        ("--angles thorax-nose|vertical --write-csv a.csv", "thorax"),
        ("--angles all", "--write-csv"),
        ("--angles all --write-coco a.json", "--write-csv"),
        ("--angles all --scale 0px=1m --write-csv a.csv", "positive"),
        ("--angles all --scale 5 --write-csv a.csv", "250px=1.8m"),
    ] {
        let outcome = workdir.run(&format!("{run} {arguments}"));
        assert_eq!(outcome.code, Some(2), "{arguments}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{arguments}");
        assert!(outcome.stderr.contains(named), "{arguments}: {outcome:?}");
        assert_eq!(std::fs::read_dir(workdir.path("")).unwrap().count(), 0);
    }
}
