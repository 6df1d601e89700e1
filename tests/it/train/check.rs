//! The data are looked at before they are learned from.

use serde_json::Value;

use super::draw_people;
use crate::cli::Desk;

/// Fails when pictures that are learned from may be held out under another name, a check learns or
/// writes something, or tells less to a program than to a person.
#[test]
fn data_can_be_checked_alone() {
    let desk = Desk::new();
    for folder in ["here", "there"] {
        std::fs::create_dir(desk.path(folder)).unwrap();
    }
    draw_people(&desk.path("here"), 3);
    draw_people(&desk.path("there"), 2);
    std::fs::rename(desk.path("there/1.png"), desk.path("there/other.png")).unwrap();
    let renamed = desk.read("there/people.json").replace("1.png", "other.png");
    desk.write("there/people.json", renamed);
    let options = "--annotations here/people.json --val-annotations there/people.json --check";

    let report = desk.json(&format!("train {options} --json"));
    assert_eq!(report["learn"]["people"], 3);
    assert_eq!(report["shared"], 2);
    assert_eq!(report["obstacle"], Value::Null);
    let text = desk.succeed(&format!("train {options} --out never")).stdout;
    assert!(text.contains("to learn from: 3 people"), "{text}");
    let twin = text.lines().find(|line| line.contains("other.png"));
    assert!(twin.is_some_and(|line| line.contains("1.png")), "{text}");
    assert!(!desk.path("never").exists());

    for i in 0..3 {
        std::fs::remove_file(desk.path(&format!("here/{i}.png"))).unwrap();
    }
    let outcome = desk.run(&format!("train {options} --json"));
    assert_eq!(outcome.code, Some(1));
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["learn"]["findings"].as_array().unwrap().len(), 3);
    assert!(report["obstacle"].as_str().unwrap().contains("pictures"));
}
