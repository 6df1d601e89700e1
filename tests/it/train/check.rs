//! The data check before training.

use serde_json::Value;

use super::draw_people;
use crate::cli::Workdir;

/// Fails when training images that are also held out under another name are accepted, a check
/// trains or writes anything, or its JSON contains less than its text.
#[test]
fn data_can_be_checked_without_training() {
    let workdir = Workdir::new();
    for folder in ["here", "there"] {
        std::fs::create_dir(workdir.path(folder)).unwrap();
    }
    draw_people(&workdir.path("here"), 3);
    draw_people(&workdir.path("there"), 2);
    std::fs::rename(workdir.path("there/1.png"), workdir.path("there/other.png")).unwrap();
    let renamed = workdir
        .read("there/people.json")
        .replace("1.png", "other.png");
    workdir.write("there/people.json", renamed);
    let options = "--annotations here/people.json --val-annotations there/people.json --check";

    let report = workdir.json(&format!("train {options} --json"));
    assert_eq!(report["learn"]["people"], 3);
    assert_eq!(report["shared"], 2);
    assert_eq!(report["obstacle"], Value::Null);
    let text = workdir
        .succeed(&format!("train {options} --out never"))
        .stdout;
    assert!(text.contains("training: 3 people"), "{text}");
    let twin = text.lines().find(|line| line.contains("other.png"));
    assert!(twin.is_some_and(|line| line.contains("1.png")), "{text}");
    assert!(!workdir.path("never").exists());

    for i in 0..3 {
        std::fs::remove_file(workdir.path(&format!("here/{i}.png"))).unwrap();
    }
    let outcome = workdir.run(&format!("train {options} --json"));
    assert_eq!(outcome.code, Some(1));
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["learn"]["findings"].as_array().unwrap().len(), 3);
    assert!(report["obstacle"].as_str().unwrap().contains("images"));
}

/// Fails when only the first of several data sets is checked, a finding does not name its data set,
/// or an image that is in two data sets, or held out from one and trained on in a later one, is not
/// reported.
#[test]
fn every_set_of_a_training_is_checked() {
    let workdir = Workdir::new();
    for folder in ["first", "second", "held"] {
        std::fs::create_dir(workdir.path(folder)).unwrap();
    }
    draw_people(&workdir.path("first"), 1);
    draw_people(&workdir.path("second"), 3);
    draw_people(&workdir.path("held"), 3);
    // Of the three held-out images only the last is kept, which only the second data set contains.
    let mut held: Value = serde_json::from_str(&workdir.read("held/people.json")).unwrap();
    for list in ["images", "annotations"] {
        let list = held[list].as_array_mut().unwrap();
        list.drain(..2);
    }
    workdir.write("held/people.json", held.to_string());
    let options = "--annotations first/people.json --annotations second/people.json \
                   --val-annotations held/people.json --check";
    let report = workdir.json(&format!("train {options} --json"));
    assert_eq!(report["learn"]["people"], 1);
    assert_eq!(report["more"][0]["people"], 3, "{report}");
    assert_eq!(report["more"][0]["annotations"], "second/people.json");
    assert_eq!(report["shared"], 1, "{report}");
    let twins = report["more"][0]["findings"].to_string();
    assert!(twins.contains("of another set"), "{twins}");

    std::fs::write(workdir.path("second/people.json"), "[]").unwrap();
    let outcome = workdir.run(&format!("train {options}"));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    for words in ["training, first/people.json: 1 person", "total: "] {
        assert!(outcome.stdout.contains(words), "{outcome:?}");
    }
    assert!(outcome.stderr.contains("second/people.json"), "{outcome:?}");
}
