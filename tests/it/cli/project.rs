//! `project` and `label`: from clips to labels and back to other programs.

use poselens_tests::golden;
use serde_json::{Value, json};

use super::{Workdir, asset};

/// Three clips: one of a person, two short ones. The hold-out is never most of the frames.
fn clips(workdir: &Workdir) {
    workdir.copy(&asset("clips/sister.mkv"), "sister.mkv");
    for name in ["vfr.mkv", "bframes.mp4"] {
        workdir.copy(&golden(&format!("video/{name}")), name);
    }
}

fn status(workdir: &Workdir) -> Value {
    workdir.json("project status p --json")
}

fn counts(status: &Value) -> [u64; 4] {
    ["confirmed", "proposed", "suggested", "holdout"].map(|key| status[key].as_u64().unwrap())
}

/// Returns COCO labels of one person in the images with these names; joints are at multiples of ten.
fn labels(names: &[&str]) -> Value {
    let keypoints: Vec<Value> = (0..17)
        .flat_map(|j| [json!(10.0 * f64::from(j) + 0.25), json!(20), json!(2)])
        .collect();
    let parts = ["shoulder", "elbow", "wrist", "hip", "knee", "ankle"];
    let sided = |part: &str| [format!("Left {part}"), format!("Right {part}")];
    let mut joints = vec!["nose".to_owned()];
    joints.extend(["eye", "ear"].into_iter().chain(parts).flat_map(sided));
    let entries = || names.iter().enumerate();
    let images = entries()
        .map(|(i, name)| json!({ "id": i, "file_name": name, "width": 640, "height": 480 }));
    let people = entries().map(|(i, _)| {
        json!({ "id": i, "image_id": i, "category_id": 1, "bbox": [0, 0, 200, 40], "area": 4000,
                "iscrowd": 0, "num_keypoints": 17, "keypoints": keypoints })
    });
    json!({
        "images": images.collect::<Vec<_>>(),
        "annotations": people.collect::<Vec<_>>(),
        "categories": [{ "id": 1, "name": "person", "keypoints": joints }],
    })
}

/// Fails when the way from clips to suggested, proposed, confirmed and exported labels does not work
/// by the command line, a count is wrong, or a suggestion has no reason.
#[test]
fn clips_become_labels() {
    let workdir = Workdir::new();
    clips(&workdir);
    let made = workdir.succeed("project new p --clip sister.mkv vfr.mkv bframes.mp4 --copy");
    assert!(
        made.stderr.contains("sister (video, 87 frames)"),
        "{}",
        made.stderr
    );
    assert_eq!(counts(&status(&workdir)), [0; 4]);
    let refused = workdir.complaint("project export p --coco out.json");
    assert!(refused.contains("no frame is confirmed"), "{refused}");

    let proposed = workdir.json("label --propose p --frames 6 --device cpu --threads 2 --json");
    let frames = proposed["suggested"].as_array().unwrap();
    let held: Vec<_> = frames
        .iter()
        .filter(|f| f["reason"] == "hold-out")
        .collect();
    assert_eq!(held.len(), 1, "{proposed}");
    let held_clip = held[0]["clip"].as_str().unwrap();
    assert_ne!(held_clip, "sister");
    assert!(
        frames
            .iter()
            .all(|f| f["reason"] == "hold-out" || f["clip"] != held_clip)
    );
    assert!(frames.iter().any(|f| f["people"].as_u64().unwrap() > 0));
    let mut times: Vec<(&str, f64)> = frames
        .iter()
        .map(|f| {
            (
                f["clip"].as_str().unwrap(),
                f["time_secs"].as_f64().unwrap(),
            )
        })
        .collect();
    times.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let is_apart = |w: &[(&str, f64)]| w[0].0 != w[1].0 || w[1].1 - w[0].1 > 0.49;
    assert!(times.windows(2).all(is_apart), "{times:?}");

    let now = status(&workdir);
    let [confirmed, n_proposed, suggested, holdout] = counts(&now);
    assert_eq!((confirmed, suggested), (0, frames.len() as u64));
    assert!(n_proposed > 0 && n_proposed <= suggested);
    let clip = |name: &str| {
        let mut clips = now["clips"].as_array().unwrap().iter();
        clips.find(|clip| clip["name"] == name).unwrap().clone()
    };
    assert_eq!(holdout, clip(held_clip)["frames"].as_u64().unwrap());
    let holdout_file = workdir.read("p/holdout.toml");
    // Nothing is suggested twice, and the hold-out stays.
    let again = workdir.run("label --propose p --frames 200 --device cpu --threads 2 --json");
    if again.code == Some(0) {
        let again: Value = serde_json::from_str(&again.stdout).unwrap();
        let key = |f: &Value| (f["clip"].to_string(), f["frame"].to_string());
        let first: Vec<_> = frames.iter().map(key).collect();
        assert!(
            again["suggested"]
                .as_array()
                .unwrap()
                .iter()
                .all(|f| !first.contains(&key(f)))
        );
    }
    assert_eq!(workdir.read("p/holdout.toml"), holdout_file);
}

/// Fails when `label` opens a window for a folder that is no project, or takes options that only
/// belong to proposals.
#[test]
fn label_needs_a_project() {
    let workdir = Workdir::new();
    let refused = workdir.complaint("label nosuch");
    assert!(refused.contains("not a label project"), "{refused}");
    for arguments in [
        "label",
        "label p --json",
        "label p --frames 3",
        "label p --propose p",
    ] {
        assert_eq!(workdir.run(arguments).code, Some(2), "{arguments}");
    }
}

/// Fails when labels of another tool are not found in the clips, are confirmed without being asked
/// for, replaced by a second import, or differ after an export; or what is left out is not said.
#[test]
fn labels_of_other_tools_come_and_go() {
    let workdir = Workdir::new();
    clips(&workdir);
    workdir.succeed("project new p --clip sister.mkv bframes.mp4");
    let names = [
        "sister/000003.png",
        "C:\\data\\sister\\frame_000007.PNG",
        "1a2b3c4d-sister_12.jpg",
        "sister/000900.png",
        "someone/5.png",
    ];
    workdir.write("labels.json", labels(&names).to_string());
    let imported = workdir.json("project import p --coco labels.json --json");
    let file = &imported["files"][0];
    assert_eq!(
        (file["frames"].as_u64(), file["people"].as_u64()),
        (Some(3), Some(3)),
        "{file}"
    );
    let left_out = file["left_out"].to_string();
    for part in ["no frame of its clip", "000900", "someone/5.png", "no clip"] {
        assert!(left_out.contains(part), "{left_out}");
    }
    assert_eq!(counts(&status(&workdir)), [0, 3, 0, 0]);
    let again = workdir.json("project import p --coco labels.json --confirm --json");
    assert_eq!(again["files"][0]["frames"], 0);
    assert!(
        again.to_string().contains("labelled by hand already"),
        "{again}"
    );

    let two = labels(&["20.png", "30.png"]);
    workdir.write("two.json", two.to_string());
    workdir.succeed("project import p --coco two.json --clip sister --confirm");
    assert_eq!(counts(&status(&workdir)), [2, 3, 0, 0]);
    let wrong = workdir.complaint("project import p --coco two.json --clip sis");
    assert!(wrong.contains("sister, bframes"), "{wrong}");

    workdir.succeed("project export p --coco out.json --dlc out.csv --images pictures");
    let out: Value = serde_json::from_str(&workdir.read("out.json")).unwrap();
    let images = out["images"].as_array().unwrap();
    assert_eq!(images[0]["file_name"], "sister/000020.png");
    assert_eq!((&images[0]["width"], images.len()), (&json!(640), 2));
    let keypoints = |file: &Value| -> Vec<f64> {
        let numbers = file["annotations"][0]["keypoints"].as_array().unwrap();
        numbers.iter().map(|n| n.as_f64().unwrap()).collect()
    };
    assert_eq!(keypoints(&out), keypoints(&two));
    let picture = image::open(workdir.path("pictures/sister/000020.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (640, 480));
    let check = workdir.json("train --check --annotations out.json --images pictures --json");
    assert_eq!(check["learn"]["people"], 2, "{check}");

    let table = workdir.read("out.csv");
    let rows: Vec<&str> = table.lines().collect();
    assert!(
        rows[1].starts_with("bodyparts,nose,nose,left_eye"),
        "{}",
        rows[1]
    );
    assert!(
        rows[3].starts_with("labeled-data/sister/000020.png,0.25,20,10.25,20"),
        "{}",
        rows[3]
    );
    workdir.succeed("project new q --clip sister.mkv bframes.mp4");
    workdir.succeed("project import q --dlc out.csv --confirm");
    workdir.succeed("project export q --coco back.json");
    let back: Value = serde_json::from_str(&workdir.read("back.json")).unwrap();
    assert_eq!(back["images"], out["images"]);
    let without_ids = |file: &Value| {
        let people = file["annotations"].as_array().unwrap().iter();
        let fields = ["image_id", "keypoints", "num_keypoints", "bbox", "area"];
        people
            .map(|person| fields.map(|field| person[field].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(without_ids(&back), without_ids(&out));
}

/// Fails when our own results are refused as labels, get into other frames, or count as handwork; or
/// an import of nothing exits with 0.
#[test]
fn results_come_in_as_proposals() {
    let workdir = Workdir::new();
    workdir.copy(&asset("clips/sister.mkv"), "sister.mkv");
    workdir.succeed("project new p --clip sister.mkv");
    let keypoints = vec!["12.5,9,0.5"; 17].join(",");
    let entry =
        |id: u32| format!(r#"{{"image_id": {id}, "category_id": 1, "keypoints": [{keypoints}]}}"#);
    let list = [entry(4), entry(4), entry(80), entry(87)].join(",");
    workdir.write("results.json", format!("[{list}]"));
    for _ in 0..2 {
        // A second import replaces the first.
        let said = workdir
            .succeed("project import p --coco results.json")
            .stderr;
        assert!(said.contains("3 people in 2 frames"), "{said}");
        assert!(
            said.contains("people in images of no frame of its clip: 1 (frame 87)"),
            "{said}"
        );
        let now = status(&workdir);
        assert_eq!(
            (counts(&now), &now["proposed_people"]),
            ([0, 2, 0, 0], &json!(3))
        );
    }
    workdir.write("beyond.json", format!("[{}]", entry(87)));
    for form in ["", " --json"] {
        let outcome = workdir.run(&format!("project import p --coco beyond.json{form}"));
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains("no frame of its clip"), "{said}");
        assert!(said.contains("nothing of it could be imported"), "{said}");
    }
    let dlc = "scorer,n,n,n\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n5,1,2,0.5\n";
    workdir.write("dlc.csv", dlc);
    workdir.succeed("project import p --dlc dlc.csv");
    assert_eq!(counts(&status(&workdir)), [0, 3, 0, 0]);
}

/// Fails when clips cannot be added or found again, a missing one is not named, the project cannot be
/// renamed, or wrong usage changes something.
#[test]
fn clips_are_added_and_found_again() {
    let workdir = Workdir::new();
    clips(&workdir);
    workdir.succeed("project new p --clip sister.mkv");
    workdir.succeed("project add p --clip vfr.mkv");
    assert_eq!(status(&workdir)["name"], "p");
    workdir.succeed("project rename p Signer");
    assert_eq!(status(&workdir)["name"], "Signer");
    let line = workdir.misuse(&format!("project rename p {}", "n".repeat(101)));
    assert!(line.contains("at most 100"), "{line}");
    let line = workdir.complaint("project add p --clip sister.mkv");
    assert!(line.contains("the clip sister"), "{line}");
    let line = workdir.complaint("project new p --clip bframes.mp4");
    assert!(line.contains("already"), "{line}");
    std::fs::create_dir(workdir.path("away")).unwrap();
    std::fs::rename(workdir.path("vfr.mkv"), workdir.path("away/renamed.mkv")).unwrap();
    assert!(status(&workdir)["notes"].to_string().contains("vfr.mkv"));
    let line = workdir.complaint("project relocate p --clip bframes.mp4");
    assert!(line.contains("none of the project's clips"), "{line}");
    workdir.succeed("project relocate p --clip away/renamed.mkv");
    let now = status(&workdir);
    assert_eq!(now["notes"], json!([]));
    assert_eq!(now["clips"][1]["name"], "vfr");
    for (arguments, code) in [
        ("project status nowhere", 1),
        ("project new r --clip missing.mp4", 1),
        ("project new r --clip synthetic", 1),
        ("label --propose nowhere", 1),
        ("project new r", 2),
        ("project export p", 2),
        ("project import p", 2),
        ("label --propose p --frames 0", 2),
        ("label", 2),
    ] {
        let outcome = workdir.run(arguments);
        assert_eq!(outcome.code, Some(code), "{arguments}: {outcome:?}");
        assert!(!workdir.path("r").exists(), "{arguments}");
        if code == 1 {
            outcome.complaint(arguments);
        }
    }
}

/// Fails when the list of possible mistakes names joints as files do, or the document for scripts
/// does not.
#[test]
fn mistakes_are_listed_in_words() {
    let workdir = Workdir::new();
    workdir.copy(&asset("clips/sister.mkv"), "sister.mkv");
    workdir.succeed("project new p --clip sister.mkv");
    let mut labels = labels(&["sister/000003.png"]);
    // The right wrist at the place of the left one.
    let (left, right) = (3 * 9, 3 * 10);
    let keypoints = &mut labels["annotations"][0]["keypoints"];
    keypoints[right] = keypoints[left].clone();
    workdir.write("labels.json", labels.to_string());
    workdir.succeed("project import p --coco labels.json --confirm");
    let said = workdir.succeed("project check p --no-model").stdout;
    assert!(
        said.contains("right wrist: at the same place as the left wrist"),
        "{said}"
    );
    assert!(!said.contains("_wrist"), "{said}");
    let document = workdir.json("project check p --no-model --json");
    assert_eq!(document["findings"][0]["joint"], "r_wrist", "{document}");
}
