//! COCO keypoint annotations and COCO detection results.
//!
//! The category that names keypoints is the person; annotations of other categories are left out.
//! Crowds are kept and marked. Whether the pictures exist shows when they are read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use serde::Deserialize;

use super::json::{flag, is_json, read_json};
use super::picture::MAX_SIDE;
use super::{
    Annotation, Dataset, DatasetSpec, DetectedBox, Finding, Joint, Sample, Severity, Split,
    Visibility,
};
use crate::error::{Error, Result};
use crate::geometry::{BBox, Point, Size};
use crate::skeleton::Skeleton;

#[derive(Deserialize)]
struct CocoFile {
    images: Vec<CocoImage>,
    annotations: Vec<CocoAnnotation>,
    categories: Vec<CocoCategory>,
}

#[derive(Deserialize)]
struct CocoImage {
    id: u64,
    file_name: String,
    width: usize,
    height: usize,
    clip: Option<String>,
}

#[derive(Deserialize)]
struct CocoAnnotation {
    id: u64,
    image_id: u64,
    category_id: u64,
    bbox: Option<[f64; 4]>,
    area: Option<f64>,
    #[serde(default, deserialize_with = "flag")]
    iscrowd: bool,
    keypoints: Option<Vec<f64>>,
    num_keypoints: Option<usize>,
    /// Not COCO's: left, top, right, bottom of the head, as MPII has it.
    head_box: Option<[f64; 4]>,
}

#[derive(Deserialize)]
struct CocoCategory {
    id: u64,
    #[serde(default)]
    keypoints: Vec<String>,
}

#[derive(Deserialize)]
struct CocoDetection {
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    score: f64,
}

/// The row of [`super::DATASETS`].
pub(super) const FORMAT: DatasetSpec = DatasetSpec {
    name: "coco",
    help: "COCO keypoints JSON (images, annotations, categories)",
    accepts: |path| is_json(path, b'{'),
    file: Path::to_path_buf,
    read,
};

/// # Errors
/// When the file cannot be read, a field is missing or of the wrong kind, or the joints are none
/// of a known skeleton.
pub(super) fn read(
    annotations: &Path,
    images: &Path,
    _: Split,
    findings: &mut Vec<Finding>,
) -> Result<Dataset> {
    let file: CocoFile = read_json(
        annotations,
        "COCO keypoints file (an object of images, annotations and categories)",
    )?;
    let bad = |reason: String| Error::data(annotations, reason);

    let mut persons = file.categories.iter().filter(|c| !c.keypoints.is_empty());
    let category = match (persons.next(), persons.next()) {
        (Some(category), None) => category,
        (None, _) => return Err(bad(NO_KEYPOINTS.into())),
        (Some(a), Some(b)) => {
            return Err(bad(format!(
                "categories {} and {} both have `keypoints`; keep one",
                a.id, b.id
            )));
        }
    };
    let skeleton = skeleton_of(&category.keypoints).map_err(bad)?;
    let is_known = |name: &String| skeleton.joint(&short(name)).is_some();
    if !category.keypoints.iter().any(is_known) {
        let (first, known) = (&category.keypoints[0], &skeleton.name);
        let text =
            format!("joints called {first} and so on are taken for those of {known}, by order");
        findings.push(Finding::of_file(Severity::Warning, annotations, text));
    }

    let mut samples = BTreeMap::new();
    for image in file.images {
        let id = image.id;
        let size = Size::new(image.width, image.height);
        let sample = Sample {
            image_id: id,
            path: images.join(image.file_name),
            size,
            clip: image.clip,
            annotations: Vec::new(),
        };
        let sides = 1..=MAX_SIDE as usize;
        let text = match samples.entry(id) {
            _ if !sides.contains(&size.width) || !sides.contains(&size.height) => {
                format!("image {id}: `width` and `height` are {size}; they lie in 1 to {MAX_SIDE}")
            }
            Entry::Occupied(_) => format!("two images have the `id` {id}; the second is left out"),
            Entry::Vacant(place) => {
                place.insert(sample);
                continue;
            }
        };
        findings.push(Finding::of_file(Severity::Error, annotations, text));
    }

    for annotation in file.annotations {
        if annotation.category_id != category.id {
            continue;
        }
        let (id, image_id) = (annotation.id, annotation.image_id);
        let person = person(annotation, skeleton);
        let added = person.and_then(|person| {
            let sample = samples
                .get_mut(&image_id)
                .ok_or_else(|| format!("`image_id` {image_id} is not among the images"))?;
            sample.annotations.push(person);
            Ok(())
        });
        if let Err(text) = added {
            findings.push(Finding::of_annotation(
                Severity::Error,
                annotations,
                id,
                text,
            ));
        }
    }

    Ok(Dataset {
        skeleton,
        category_id: category.id,
        samples: samples.into_values().collect(),
    })
}

/// Reads a COCO detection results list (`image_id`, `category_id`, `bbox`, `score`) and keeps the
/// boxes of category `category_id`.
///
/// # Errors
/// When the file cannot be read, or a field is missing or of the wrong kind.
pub fn read_boxes(path: &Path, category_id: u64) -> Result<Vec<DetectedBox>> {
    let list: Vec<CocoDetection> = read_json(path, "COCO detection results list")?;
    let mut boxes = Vec::with_capacity(list.len());
    for (i, detection) in list.into_iter().enumerate() {
        if detection.category_id != category_id {
            continue;
        }
        boxes.push(DetectedBox {
            image_id: detection.image_id,
            bbox: bbox(detection.bbox)
                .map_err(|reason| Error::data(path, format!("entry {i}: {reason}")))?,
            score: detection.score,
        });
    }
    Ok(boxes)
}

const NO_KEYPOINTS: &str = "no category has `keypoints`; is it an instances file? The keypoints \
                            file of COCO is called person_keypoints_*.json";

/// The skeleton with as many joints. Names that it knows must stand in its order; other names
/// (COCO's test files number them, LSP says `neck`) are taken as they come.
fn skeleton_of(names: &[String]) -> Result<&'static Skeleton, String> {
    let n = names.len();
    let Some(skeleton) = Skeleton::all().iter().find(|s| s.n_joints() == n) else {
        let known = Skeleton::all()
            .iter()
            .map(|s| format!("{} ({})", s.n_joints(), s.name));
        return Err(format!(
            "the category's `keypoints` has {n} joints; known skeletons have {}",
            known.collect::<Vec<_>>().join(", ")
        ));
    };
    for (j, name) in names.iter().enumerate() {
        if skeleton.joint(&short(name)).is_some_and(|known| known != j) {
            return Err(format!(
                "the category's `keypoints` has {name} where {} has {}",
                skeleton.name, skeleton.joints[j]
            ));
        }
    }
    Ok(skeleton)
}

/// COCO's name of a joint as ours.
fn short(name: &str) -> String {
    name.replace("left_", "l_").replace("right_", "r_")
}

fn person(a: CocoAnnotation, skeleton: &Skeleton) -> Result<Annotation, String> {
    let n = skeleton.n_joints();
    let keypoints = a.keypoints.ok_or("`keypoints` is missing")?;
    if keypoints.len() != 3 * n {
        return Err(format!(
            "`keypoints` has {} numbers, {n} joints need {}",
            keypoints.len(),
            3 * n
        ));
    }
    let (triples, _) = keypoints.as_chunks::<3>();
    let joint = |&[x, y, v]: &[f64; 3]| {
        let visibility = if v == 0.0 {
            Visibility::Unlabelled
        } else if v == 1.0 {
            Visibility::Hidden
        } else if v == 2.0 {
            Visibility::Visible
        } else {
            return Err(format!("visibility {v} in `keypoints`; it is 0, 1 or 2"));
        };
        Ok(Joint {
            point: Point::new(x, y),
            visibility,
        })
    };
    let joints: Vec<Joint> = triples.iter().map(joint).collect::<Result<_, _>>()?;
    let area = a.area.ok_or("`area` is missing")?;
    if area < 0.0 {
        return Err(format!("`area` is {area}"));
    }
    let labelled = || joints.iter().filter(|j| j.labelled().is_some()).count();
    let corners = |[x0, y0, x1, y1]: [f64; 4]| [x0, y0, x1 - x0, y1 - y0];
    Ok(Annotation {
        id: a.id,
        bbox: bbox(a.bbox.ok_or("`bbox` is missing")?)?,
        area,
        is_crowd: a.iscrowd,
        n_keypoints: a.num_keypoints.unwrap_or_else(labelled),
        head_box: a.head_box.map(corners).map(bbox).transpose()?,
        region: None,
        joints,
    })
}

fn bbox([x, y, w, h]: [f64; 4]) -> Result<BBox, String> {
    if w < 0.0 || h < 0.0 {
        return Err(format!("a box of width {w} and height {h}"));
    }
    Ok(BBox::new(x, y, w, h))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_golden;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn load_text(text: &str) -> Result<Dataset> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels.json");
        std::fs::write(&path, text).unwrap();
        FORMAT.load(&path, Path::new("pictures"), Split::Learn)
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

    /// Fails when a field lands in the wrong place, a coordinate is touched, another category
    /// becomes a person, or the file's own count of labels is lost.
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

    /// Fails when a broken file is read without complaint, or the complaint does not say where.
    #[test]
    fn complaints_name_the_field() {
        type Break = fn(&mut Value);
        fn remove(object: &mut Value, key: &str) {
            object.as_object_mut().unwrap().remove(key).unwrap();
        }
        let cases: [(Break, &str); 13] = [
            (|v| v["images"] = Value::Null, "sequence"),
            (|v| remove(v, "images"), "`images`"),
            (|v| remove(&mut v["annotations"][0], "bbox"), "`bbox`"),
            (
                |v| v["annotations"][0]["area"] = json!("big"),
                "string \"big\"",
            ),
            (
                |v| v["annotations"][0]["image_id"] = json!(8),
                "annotation 1: `image_id` 8",
            ),
            (
                |v| v["annotations"][0]["keypoints"] = json!([1, 2]),
                "annotation 1: `keypoints`",
            ),
            (
                |v| v["annotations"][0]["keypoints"] = Value::Null,
                "`keypoints` is missing",
            ),
            (
                |v| v["annotations"][0]["keypoints"][5] = json!(0.7),
                "visibility 0.7",
            ),
            (|v| v["annotations"][0]["bbox"][2] = json!(-3), "width -3"),
            (|v| v["images"][0]["width"] = json!(0), "image 7: `width`"),
            (
                |v| v["images"][0]["height"] = json!(u64::MAX),
                "image 7: `width`",
            ),
            (
                |v| v["categories"][0]["keypoints"] = json!([]),
                "instances file",
            ),
            (
                |v| v["categories"][0]["keypoints"][1] = json!("nose"),
                "nose where coco17 has l_eye",
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
        let message = FORMAT
            .load(Path::new("/nowhere.json"), Path::new(""), Split::Learn)
            .unwrap_err();
        assert!(message.to_string().contains("/nowhere.json"));
    }

    /// Fails when one broken entry hides the others, or takes sound ones with it.
    #[test]
    fn every_fault_is_found() {
        let mut value = valid();
        let people = value["annotations"].as_array_mut().unwrap();
        let template = people[0].clone();
        for (i, (key, bad)) in [
            ("bbox", json!([1, 2, -3, 4])),
            ("image_id", json!(99)),
            ("keypoints", json!([1])),
            ("area", json!(-1)),
            ("bbox", Value::Null),
        ]
        .into_iter()
        .enumerate()
        {
            let mut broken = template.clone();
            broken["id"] = json!(10 + i);
            broken[key] = bad;
            people.push(broken);
        }
        let twin = value["images"][0].clone();
        value["images"].as_array_mut().unwrap().push(twin);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels.json");
        std::fs::write(&path, value.to_string()).unwrap();
        let mut findings = Vec::new();
        let data = read(&path, Path::new(""), Split::Learn, &mut findings).unwrap();
        assert_eq!(data.samples[0].annotations.len(), 1);
        let ids: Vec<_> = findings.iter().map(|f| f.annotation).collect();
        assert_eq!(
            ids,
            [None, Some(10), Some(11), Some(12), Some(13), Some(14)]
        );
        assert!(findings.iter().all(|f| f.severity == Severity::Error));
    }

    /// Fails when a cut-off or damaged file stops the program instead of being refused.
    #[test]
    fn damaged_files_are_refused() {
        let text = valid().to_string();
        for end in (0..text.len()).step_by(7) {
            assert!(load_text(&text[..end]).is_err());
        }
    }

    proptest! {
        /// Fails when a byte gone wrong stops the program, or people of another number of joints
        /// or boxes of negative size get through.
        #[test]
        fn damaged_bytes_are_survived(at in any::<usize>(), byte: u8) {
            let mut bytes = valid().to_string().into_bytes();
            let n = bytes.len();
            bytes[at % n] = byte;
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("labels.json");
            std::fs::write(&path, bytes).unwrap();
            if let Ok(data) = read(&path, Path::new(""), Split::Learn, &mut Vec::new()) {
                let joints = data.skeleton.n_joints();
                for a in data.samples.iter().flat_map(|s| &s.annotations) {
                    prop_assert!(a.joints.len() == joints && a.bbox.w >= 0.0);
                }
            }
        }
    }

    /// Fails when a detection list's boxes of other categories are taken for people.
    #[test]
    fn boxes_of_people_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boxes.json");
        let list = json!([
            { "image_id": 3, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.5 },
            { "image_id": 3, "category_id": 2, "bbox": [1, 2, 30, 40], "score": 0.5 },
        ]);
        std::fs::write(&path, list.to_string()).unwrap();
        let boxes = read_boxes(&path, 1).unwrap();
        assert_eq!(boxes.len(), 1);
        assert_eq!(boxes[0].bbox, BBox::new(1.0, 2.0, 30.0, 40.0));
        std::fs::write(&path, r#"[{"image_id": 3}]"#).unwrap();
        let message = read_boxes(&path, 1).unwrap_err().to_string();
        assert!(message.contains("`category_id`"), "{message}");
    }

    /// Fails when a valid COCO file with numbered joint names is refused, or nobody is told how
    /// they are taken.
    #[test]
    fn the_golden_file_is_read() {
        let (path, mut findings) = (test_golden::path("transpose/coco_gt.json"), Vec::new());
        let data = read(&path, Path::new(""), Split::Learn, &mut findings).unwrap();
        assert!(findings.len() == 1 && findings[0].text.contains("by order"));
        let people: usize = data.samples.iter().map(|s| s.annotations.len()).sum();
        assert_eq!((data.samples.len(), people), (12, 31));
    }
}
