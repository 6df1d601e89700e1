//! Tests of fields, errors and damaged files; [`tools`] and [`objects`] cover files of other tools.

use super::*;
use crate::dataset::{Annotation, Split, Visibility};
use crate::geometry::{BBox, Point};
use crate::skeleton::Skeleton;
use crate::test_golden;
use proptest::prelude::*;
use serde_json::{Value, json};

mod objects;
mod tools;

fn load_text(text: &str) -> Result<Dataset> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.json");
    std::fs::write(&path, text).unwrap();
    FORMAT.load(&Request::new(&path, Path::new("pictures"), Split::Learn))
}

fn valid() -> Value {
    let names = &Skeleton::by_name("coco17").unwrap().joints;
    let names: Vec<String> = names
        .iter()
        .map(|n| n.replace("l_", "left_").replace("r_", "right_"))
        .collect();
    let mut keypoints = vec![json!(0); 51];
    keypoints.splice(
        0..6,
        [-1000.0, -1000.0, 2.0, 7.5, 8.25, 1.0].map(Value::from),
    );
    json!({
        "images": [{ "id": 7, "file_name": "a.jpg", "width": 64, "height": 48, "clip": "c" }],
        "annotations": [
            { "id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 9.5,
              "iscrowd": 1, "num_keypoints": 1, "keypoints": keypoints },
            { "id": 2, "image_id": 7, "category_id": 5, "bbox": [0, 0, 1, 1], "area": 1 },
        ],
        "categories": [
            { "id": 1, "name": "person", "keypoints": names },
            { "id": 5, "name": "dog" },
        ],
    })
}

/// Fails when a field is stored in the wrong place, a coordinate changes, another category becomes
/// a person, or the file's count of labelled joints is lost.
#[test]
fn every_field_is_kept() {
    let data = load_text(&valid().to_string()).unwrap();
    assert_eq!(
        (data.skeleton.name.as_str(), data.category_id),
        ("coco17", 1)
    );
    let [sample] = &data.samples[..] else {
        panic!("one sample");
    };
    assert_eq!(sample.path, Path::new("pictures/a.jpg"));
    assert_eq!(sample.size, Size::new(64, 48));
    assert_eq!(sample.clip.as_deref(), Some("c"));
    let [a] = &sample.annotations[..] else {
        panic!("one person");
    };
    assert_eq!((a.bbox, a.area), (BBox::new(1.0, 2.0, 3.0, 4.0), 9.5));
    assert!(a.is_crowd);
    let mut other = valid();
    for (written, is_crowd) in [(json!(true), true), (json!(false), false)] {
        other["annotations"][0]["iscrowd"] = written;
        let data = load_text(&other.to_string()).unwrap();
        assert_eq!(data.samples[0].annotations[0].is_crowd, is_crowd);
    }
    assert_eq!(a.n_keypoints, 1);
    assert_eq!(a.joints[0].labelled(), Some(Point::new(-1000.0, -1000.0)));
    assert_eq!(a.joints[1].visibility, Visibility::Hidden);
    assert_eq!(a.joints[1].point, Point::new(7.5, 8.25));
    assert_eq!(a.joints[2].labelled(), None);
}

/// Fails when a broken file is read without an error, or the message does not name the place.
#[test]
fn complaints_name_the_field() {
    type Break = fn(&mut Value);
    fn remove(object: &mut Value, key: &str) {
        object.as_object_mut().unwrap().remove(key).unwrap();
    }
    let cases: [(Break, &str); 14] = [
        (|v| v["images"] = Value::Null, "`images`"),
        (|v| remove(v, "images"), "`images`"),
        (
            |v| *v = json!({ "version": 1.3, "people": [] }),
            "people, version",
        ),
        (|v| remove(v, "annotations"), "`annotations`"),
        (
            |v| v["annotations"][0]["image_id"] = json!(8),
            "annotation 1: `image_id` 8",
        ),
        (
            |v| remove(&mut v["annotations"][0], "image_id"),
            "`image_id` null",
        ),
        (
            |v| v["annotations"][0]["keypoints"] = json!([1, 2]),
            "annotation 1: `keypoints`",
        ),
        (
            |v| v["annotations"][0]["keypoints"][5] = json!(0.7),
            "visibility 0.7",
        ),
        (
            |v| v["images"][0]["height"] = json!(u64::MAX),
            "image 7: `width`",
        ),
        (|v| remove(&mut v["images"][0], "id"), "a.jpg has no `id`"),
        (
            |v| remove(&mut v["images"][0], "file_name"),
            "image 7: `file_name`",
        ),
        (
            |v| {
                v["categories"][0]["keypoints"] = json!([]);
                remove(&mut v["annotations"][0], "keypoints");
            },
            "instances file",
        ),
        (
            |v| v["categories"][0]["keypoints"] = json!(["tip", "grip"]),
            "tip, grip",
        ),
        (
            |v| {
                let twin = v["categories"][0].clone();
                v["categories"][1] =
                    json!({ "id": 5, "name": "child", "keypoints": twin["keypoints"] });
            },
            "person (1) and child (5)",
        ),
    ];
    for (spoil, expected) in cases {
        let mut value = valid();
        spoil(&mut value);
        let message = load_text(&value.to_string()).unwrap_err().to_string();
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(message.contains("labels.json"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
    let nowhere = Request::new(Path::new("/nowhere.json"), Path::new(""), Split::Learn);
    let message = FORMAT.load(&nowhere).unwrap_err();
    assert!(message.to_string().contains("/nowhere.json"));
}

fn read_value(value: &Value) -> (Dataset, Vec<Finding>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.json");
    std::fs::write(&path, value.to_string()).unwrap();
    let mut findings = Vec::new();
    let request = Request::new(&path, Path::new(""), Split::Learn);
    (read(&request, &mut findings).unwrap(), findings)
}

/// Fails when one broken entry hides the others, or removes valid ones.
#[test]
fn every_fault_is_found() {
    let mut value = valid();
    let people = value["annotations"].as_array_mut().unwrap();
    let template = people[0].clone();
    let faults = [
        ("image_id", json!(99)),
        ("keypoints", json!([1])),
        ("keypoints", json!([[0, 0, 0.3]])),
    ];
    for (i, (key, bad)) in faults.into_iter().enumerate() {
        let mut broken = template.clone();
        broken["id"] = json!(10 + i);
        broken[key] = bad;
        people.push(broken);
    }
    // The same image again would only be noted.
    let mut twin = value["images"][0].clone();
    twin["file_name"] = json!("other.jpg");
    value["images"].as_array_mut().unwrap().push(twin);
    let (data, findings) = read_value(&value);
    assert_eq!(data.samples[0].annotations.len(), 1);
    let errors = findings.iter().filter(|f| f.severity == Severity::Error);
    let ids: Vec<_> = errors.map(|f| f.annotation).collect();
    assert_eq!(ids, [None, Some(10), Some(11), Some(12)]);
}

/// Returns a valid file of four people with all joints labelled.
fn sound() -> Value {
    let mut value = valid();
    let joint = |j: u32| [f64::from(10 + j), f64::from(20 + j % 7), 2.0];
    let keypoints: Vec<f64> = (0..17).flat_map(joint).collect();
    let person = |id: u32| {
        json!({ "id": id, "image_id": 7, "category_id": 1, "iscrowd": 0, "num_keypoints": 17,
                "bbox": [10.0, 20.0, 16.0, 6.0], "area": 50.88, "keypoints": keypoints })
    };
    value["annotations"] = (0..4).map(person).collect();
    value
}

/// Fails when two images are merged because their folders are missing.
#[test]
fn two_names_are_not_one_picture() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.jpg"), b"").unwrap();
    let mut value = sound();
    value["images"] = json!([
        { "id": 7, "file_name": "left/a.jpg", "width": 64, "height": 48 },
        { "id": 8, "file_name": "right/a.jpg", "width": 64, "height": 48 },
    ]);
    let path = dir.path().join("labels.json");
    std::fs::write(&path, value.to_string()).unwrap();
    let refused = FORMAT.load(&Request::new(&path, dir.path(), Split::Learn));
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("left/a.jpg and right/a.jpg"), "{message}");
}

/// Fails when a truncated or damaged file causes a panic instead of an error.
#[test]
fn damaged_files_are_refused() {
    let text = valid().to_string();
    for end in (0..text.len()).step_by(7) {
        assert!(load_text(&text[..end]).is_err());
    }
}

proptest! {
    /// Fails when a corrupted byte causes a panic, or people with a wrong number of joints or boxes
    /// of negative size are accepted.
    #[test]
    fn damaged_bytes_never_panic(at in any::<usize>(), byte: u8) {
        let mut bytes = valid().to_string().into_bytes();
        let n = bytes.len();
        bytes[at % n] = byte;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels.json");
        std::fs::write(&path, bytes).unwrap();
        let request = Request::new(&path, Path::new(""), Split::Learn);
            if let Ok(data) = read(&request, &mut Vec::new()) {
            let joints = data.skeleton.n_joints();
            for a in data.samples.iter().flat_map(|s| &s.annotations) {
                prop_assert!(a.joints.len() == joints && a.bbox.w > 0.0 && a.area > 0.0);
            }
        }
    }
}

/// Fails when a valid COCO file with numbered joint names is refused, or the assumed joint order is
/// not reported.
#[test]
fn the_golden_file_is_read() {
    let (path, mut findings) = (test_golden::path("transpose/coco_gt.json"), Vec::new());
    let request = Request::new(&path, Path::new(""), Split::Learn);
    let data = read(&request, &mut findings).unwrap();
    assert!(findings.len() == 1 && findings[0].text.contains("by order"));
    let people: usize = data.samples.iter().map(|s| s.annotations.len()).sum();
    assert_eq!((data.samples.len(), people), (12, 31));
}

/// Fails when the identities and frame numbers of labelled video are lost, or an image that nobody
/// has labelled counts as an image without people.
#[test]
fn labelled_video_keeps_its_tracks_and_frames() {
    let mut file = valid();
    file["annotations"][0]["track_id"] = json!("3");
    file["images"][0]["frame_id"] = json!(10_000_004);
    file["images"][0]["vid_id"] = json!("000001");
    file["images"][0]["is_labeled"] = json!(true);
    let unlabelled = json!({
        "id": 8, "file_name": "b.jpg", "width": 64, "height": 48, "video_id": 5,
        "is_labeled": false,
    });
    let images = file["images"].as_array_mut().unwrap();
    images.push(unlabelled);
    let data = load_text(&file.to_string()).unwrap();
    let [sample] = &data.samples[..] else {
        panic!("one sample");
    };
    assert_eq!(
        (sample.frame, sample.clip.as_deref()),
        (Some(10_000_004), Some("c"))
    );
    assert_eq!(sample.annotations[0].track_id, Some(3));
    let told = "1 image is left out: marked as not labelled (`is_labeled`)";
    assert!(
        data.notes.iter().any(|note| note == told),
        "{:?}",
        data.notes
    );
    file["images"][0].as_object_mut().unwrap().remove("clip");
    file["images"][1]["is_labeled"] = json!(true);
    let data = load_text(&file.to_string()).unwrap();
    let clips: Vec<_> = data.samples.iter().map(|s| s.clip.as_deref()).collect();
    assert_eq!(clips, [Some("000001"), Some("5")]);
}
