//! `train --project`, `project accept`, `rollback` and `check`: from confirmed frames to weights.

use poselens_tests::golden;
use serde_json::{Value, json};

use super::{Workdir, asset};
use crate::cli::Running;

/// Frames of the clip with confirmed people: for training, then held out.
const LABELLED: [u64; 6] = [1, 4, 8, 62, 70, 84];

/// Holds out the end of the clip.
const HOLDOUT: &str = "version = 1\n[[round]]\nseed = 1\nnewest_clip = 1\nclips = []\n\
                       [[round.segment]]\nclip = 1\nfirst = 58\nlast = 86\nguard_first = 28\n\
                       guard_last = 86\n";

const TRAIN: &str = "train --project p --batch-size 4 --device cpu --threads 2 --json";

/// Creates a project `p` of the sample clip, labelled with another network's poses.
fn project(workdir: &Workdir) {
    workdir.copy(&asset("clips/sister.mkv"), "sister.mkv");
    workdir.succeed("project new p --clip sister.mkv");
    workdir.write("p/holdout.toml", HOLDOUT);
    workdir.succeed("run --input sister.mkv --no-smooth --write-coco all.json --device cpu");
    let all: Value = serde_json::from_str(&workdir.read("all.json")).unwrap();
    let mut chosen = Vec::new();
    for pose in all.as_array().unwrap() {
        let id = pose["image_id"].as_u64().unwrap();
        if !LABELLED.contains(&id) {
            continue;
        }
        let mut pose = pose.clone();
        // As if the model were wrong by a few pixels; joints outside the image are absent.
        for joint in pose["keypoints"].as_array_mut().unwrap().chunks_mut(3) {
            let is_seen = joint[2].as_f64().unwrap() > 0.3;
            joint[0] = json!(joint[0].as_f64().unwrap() + 5.0);
            joint[2] = json!(if is_seen { 1.0 } else { 0.0 });
        }
        chosen.push(pose);
    }
    assert_eq!(chosen.len(), LABELLED.len());
    workdir.write("labels.json", Value::from(chosen).to_string());
    workdir.succeed("project import p --coco labels.json --confirm");
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

/// Checks that runs are removed, versions stay, and no later run takes the name of a version's.
fn runs_are_removed(workdir: &Workdir) {
    let status = workdir.json("project status p --json");
    assert_eq!(status["runs"].as_array().unwrap().len(), 2, "{status}");
    let refused = workdir.complaint("project remove-run p 7");
    assert!(refused.contains("there are 1, again"), "{refused}");
    let said = workdir.succeed("project remove-run p 1 again").stdout;
    assert!(said.contains("removed run again ("), "{said}");
    assert!(
        !workdir.path("p/runs/1").exists()
            && workdir.path("p/versions/1/weights.safetensors").exists()
    );
    let refused = workdir.run(&format!("{TRAIN} --epochs 1 --run again"));
    let advice = "give the new run another name";
    assert!(refused.stderr.contains(advice), "{refused:?}");
}

/// Fails when a project cannot be trained, measured, accepted and rolled back by the command line,
/// the documents lack what scripts rely on, something held out is trained on, or the accepted
/// weights are not those that propose and train from then on.
#[test]
fn confirmed_frames_become_a_version() {
    let workdir = Workdir::new();
    project(&workdir);
    let trained = workdir.json(&format!("{TRAIN} --epochs 2 --replay 0.4"));
    for set in ["holdout", "retention"] {
        let set = &trained[set];
        assert!(number(&set["frames"]) >= 3.0, "{trained}");
        for when in ["before", "after", "difference"] {
            for figure in ["error_torso", "pck_0_1", "pck_0_2"] {
                let value = number(&set[when][figure]);
                let interval = &set[when]["intervals"][figure];
                let [low, high] = [0, 1].map(|i| number(&interval[i]));
                assert!(low <= value && value <= high, "{when} {figure}: {set}");
            }
        }
    }
    assert!(number(&trained["holdout"]["before"]["error_torso"]) > 0.01);
    let verdicts = ["better", "worse", "no clear difference"];
    assert!(
        verdicts.contains(&trained["verdict"].as_str().unwrap()),
        "{trained}"
    );
    assert_eq!(
        (&trained["run"], &trained["part"]),
        (&json!("1"), &json!("head"))
    );
    assert_eq!(trained["sets"]["train"]["people"], 3, "{trained}");
    assert_eq!(trained["sets"]["holdout"]["people"], 3, "{trained}");
    assert!(
        number(&trained["sets"]["replay"]["people"]) > 0.0,
        "{trained}"
    );
    for set in ["train", "replay"] {
        let labels: Value =
            serde_json::from_str(&workdir.read(&format!("p/runs/1/data/{set}.coco.json"))).unwrap();
        for image in labels["images"].as_array().unwrap() {
            assert!(number(&image["frame"]) < 28.0, "{set}: {image}");
        }
    }
    assert!(!workdir.path("p/runs/1/features.cache").exists());

    let before = std::fs::read(workdir.path("p/runs/1/last.safetensors")).unwrap();
    let refused = workdir.complaint("project accept p 7");
    assert!(refused.contains("there are 1"), "{refused}");
    let said = workdir.succeed("project accept p 1").stdout;
    assert!(said.contains("version 1 is in use"), "{said}");
    assert_eq!(workdir.json("project status p --json")["version"], 1);
    let weights = "p/versions/1/weights.safetensors";
    assert_eq!(std::fs::read(workdir.path(weights)).unwrap(), before);
    let run =
        format!("run --input sister.mkv --weights {weights} --max-frames 2 --device cpu --json");
    assert_eq!(workdir.json(&run)["frames"], 2);
    let second = workdir.json(&format!(
        "{TRAIN} --epochs 1 --part last-blocks --replay 0 --run again"
    ));
    assert_eq!(
        (&second["parent"], &second["run"]),
        (&json!(1), &json!("again"))
    );
    // Both began from, and are measured against, the version in use.
    let after = &trained["holdout"]["after"]["error_torso"];
    assert_eq!(&second["holdout"]["before"]["error_torso"], after);
    workdir.succeed("project accept p again");
    let said = workdir.succeed("project rollback p").stdout;
    assert!(said.contains("version 1 is in use"), "{said}");
    workdir.succeed("project rollback p");
    assert_eq!(workdir.json("project status p --json")["version"], 0);
    assert!(
        workdir
            .complaint("project rollback p")
            .contains("nothing to roll back")
    );

    runs_are_removed(&workdir);
    let checked = workdir.json("project check p --device cpu --json");
    assert_eq!(checked["people"], 6);
    assert!(checked["findings"].is_array());

    std::fs::remove_file(workdir.path("sister.mkv")).unwrap();
    let gone = workdir.run(&format!("{TRAIN} --epochs 1"));
    let last = gone.stderr.lines().last().unwrap().to_owned();
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert!(
        last.contains("sister") && last.contains("project relocate"),
        "{last}"
    );
    assert!(!workdir.path("p/runs/2").exists());
}

/// Fails when a kill during a training damages the project or the run, leaves a run that cannot be
/// resumed and measured, or leaves the kept features behind.
#[cfg(unix)]
#[test]
fn a_killed_training_leaves_the_project_sound() {
    let workdir = Workdir::new();
    project(&workdir);
    let mut training = Running::start(workdir.command(&format!("{TRAIN} --epochs 4000")));
    training.until("features", || {
        let kept = std::fs::metadata(workdir.path("p/runs/1/features.cache"));
        kept.is_ok_and(|kept| kept.len() > 0) && workdir.path("p/runs/1/log.csv").exists()
    });
    let refused = workdir.complaint("project remove-run p 1");
    assert!(refused.contains("trained or measured"), "{refused}");
    training.signal("KILL");
    assert_eq!(training.wait().code, None);
    let status = workdir.json("project status p --json");
    assert_eq!(status["runs"][0]["state"], "not finished", "{status}");
    assert_eq!(workdir.json("project status p --json")["confirmed"], 6);
    let early = workdir.complaint("project accept p 1");
    assert!(early.contains("has not been measured"), "{early}");
    let resumed =
        workdir.json("train --project p --resume --epochs 1 --device cpu --threads 2 --json");
    assert_eq!(
        (&resumed["ended"], &resumed["run"]),
        (&json!("finished"), &json!("1"))
    );
    assert!(resumed["verdict"].is_string());
    assert!(!workdir.path("p/runs/1/features.cache").exists());
    let nothing = workdir.run("train --project p --resume --device cpu --threads 2");
    assert_eq!(nothing.code, Some(1));
    assert!(
        nothing.stderr.contains("no unfinished run"),
        "{}",
        nothing.stderr
    );
}

/// Fails when a second round of the hold-out is not measured on its own after every epoch and at the
/// end, or the log lacks it.
#[test]
fn every_round_of_the_hold_out_is_measured() {
    let workdir = Workdir::new();
    project(&workdir);
    workdir.copy(&golden("video/bframes.mp4"), "bframes.mp4");
    workdir.succeed("project add p --clip bframes.mp4");
    let second = "[[round]]\nseed = 2\nnewest_clip = 2\nclips = [2]\n";
    workdir.write("p/holdout.toml", format!("{HOLDOUT}{second}"));
    let keypoints: Vec<f64> = (0..17)
        .flat_map(|j| {
            [
                10.0 + 12.0 * f64::from(j % 5),
                6.0 + 3.0 * f64::from(j),
                1.0,
            ]
        })
        .collect();
    let person = |frame: u64| json!({ "image_id": frame, "category_id": 1, "keypoints": keypoints, "score": 1.0 });
    let people: Vec<Value> = [2, 5, 8].map(person).into();
    workdir.write("second.json", Value::from(people).to_string());
    workdir.succeed("project import p --coco second.json --clip bframes --confirm");
    let trained = workdir.json(&format!("{TRAIN} --epochs 1 --part last-blocks --replay 0"));
    let history = trained["history"].as_array().unwrap();
    assert_eq!(history.len(), 2, "{trained}");
    for record in history {
        let parts = record["pck_parts"].as_object().unwrap();
        let names: Vec<&String> = parts.keys().collect();
        assert_eq!(names, ["round 1", "round 2"], "{record}");
        let all = number(&record["pck"]);
        let [one, two] = ["round 1", "round 2"].map(|name| number(&parts[name]));
        let (low, high) = (one.min(two), one.max(two));
        assert!((low..=high).contains(&all), "{record}");
    }
    let names = &trained["holdout_round_names"];
    assert_eq!(names, &json!(["round 1", "round 2"]), "{trained}");
    assert_eq!(trained["holdout_rounds"][1]["frames"], 3, "{trained}");
    let log = workdir.read("p/runs/1/log.csv");
    let head = log.lines().next().unwrap();
    assert!(head.contains(",pck_of_round 1,pck_of_round 2"), "{head}");
}
