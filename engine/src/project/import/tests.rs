//! Tests of what is left out of an import, and what is said of it.

use super::*;
use crate::project::test_project::project;

/// Returns a table of DeepLabCut with a nose at these places.
fn table(rows: &[(&str, f64)]) -> String {
    let mut text = "scorer,me,me\nbodyparts,nose,nose\ncoords,x,y\n".to_owned();
    for (image, x) in rows {
        text.push_str(image);
        text.push(',');
        text.push_str(&x.to_string());
        text.push_str(",20\n");
    }
    text
}

fn import(n_clips: u32, text: &str, clip: Option<&str>) -> Imported {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), n_clips, 50);
    let options = ImportOptions {
        clip,
        is_confirmed: false,
    };
    if text.starts_with("scorer") {
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        dlc(&mut project, &path, options).unwrap()
    } else {
        let path = folder.path().join("labels.json");
        std::fs::write(&path, text).unwrap();
        coco(&mut project, &path, options).unwrap()
    }
}

fn prediction(image: &str, x: f64) -> String {
    let keypoints = vec![format!("{x},20,0.5"); 17].join(",");
    format!(r#"{{"image_id": {image}, "category_id": 1, "keypoints": [{keypoints}], "score": 1}}"#)
}

/// Fails when images of other videos are taken for frames of the only clip, one that is called
/// otherwise is not imported or passes without a word, or a chosen clip does not take all.
#[test]
fn images_of_other_videos_are_left_out() {
    let rows = [
        ("labeled-data/clip1/img0003.png", 10.0),
        ("labeled-data/other/img0004.png", 10.0),
    ];
    let imported = import(1, &table(&rows), None);
    let left_out = serde_json::to_string(&imported.left_out).unwrap();
    assert_eq!((imported.people, imported.is_nothing()), (1, false));
    assert!(
        left_out.contains("labeled-data/other/img0004.png"),
        "{left_out}"
    );
    assert_eq!(import(1, &table(&rows), Some("clip1")).people, 2);
    let imported = import(1, &table(&rows[1..]), None);
    assert_eq!(imported.people, 1);
    assert!(imported.notes[0].contains("`other`"), "{imported:?}");
    let others = [
        ("labeled-data/a/img0003.png", 10.0),
        ("labeled-data/b/img0004.png", 10.0),
    ];
    let imported = import(1, &table(&others), None);
    assert!(imported.is_nothing(), "{imported:?}");
    let imported = import(1, &table(&[("3.png", 1.0), ("4.png", 1.0)]), None);
    assert!(imported.notes.is_empty(), "{imported:?}");
}

/// Fails when frames beyond the end of a clip count as imported, or the names of images in predictions
/// become numbers.
#[test]
fn frames_beyond_the_clip_are_nothing() {
    let imported = import(1, &format!("[{}]", prediction("50", 10.0)), None);
    assert!(imported.is_nothing(), "{imported:?}");
    let imported = import(1, &format!("[{}]", prediction("\"pic.jpg\"", 10.0)), None);
    let left_out = serde_json::to_string(&imported.left_out).unwrap();
    assert!(
        imported.is_nothing() && left_out.contains("pic.jpg"),
        "{left_out}"
    );
}

/// Fails when joints outside of their frame are imported without a word.
#[test]
fn joints_outside_of_the_frame_are_counted() {
    let list = [prediction("3", 10.0), prediction("4", 5000.0)].join(",");
    let imported = import(1, &format!("[{list}]"), None);
    assert_eq!((imported.people, imported.is_nothing()), (2, false));
    assert_eq!(imported.notes, ["17 joints lie outside of the image"]);
}

/// Fails when another list than one of predictions is taken for one, or refused without its name.
#[test]
fn other_lists_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 1, 50);
    let path = folder.path().join("labels.json");
    for (text, expected) in [
        (
            r#"[{"id": 1, "image_id": 3, "category_id": 1, "iscrowd": 0, "keypoints": [1, 2, 2]}]"#,
            "list of annotations",
        ),
        ("[[1, 2, 3]]", "list of numbers"),
        (r#"{"shapes": [], "imagePath": "a.jpg"}"#, "LabelMe"),
    ] {
        std::fs::write(&path, text).unwrap();
        let refused = coco(&mut project, &path, ImportOptions::default());
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
