//! Recognises files that no reader reads, so that messages say what they are and what to do.

use std::collections::BTreeMap;
use std::path::Path;

use super::coco::label_studio::is_export;
use super::json::head;
use super::loose::Loose;
use super::names::listed;

/// What labels are saved as.
const COCO: &str = "COCO keypoints (an object of images, annotations and categories)";

/// Explains why a file cannot be read as labels, and what to do; `None` for labels, and for files of
/// an unknown kind.
pub(super) fn not_labels(path: &Path) -> Option<String> {
    let head = head(path);
    let first = head.iter().position(|byte| !byte.is_ascii_whitespace())?;
    match head[first] {
        b'[' => of_list(&head, first + 1),
        b'{' => of_object(&head),
        b'<' => of_xml(&head),
        _ => of_table(&head[first..]),
    }
}

fn has(head: &[u8], name: &str) -> bool {
    let name = name.as_bytes();
    head.windows(name.len()).any(|window| window == name)
}

fn has_field(head: &[u8], name: &str) -> bool {
    has(head, &format!("\"{name}\""))
}

/// Explains a JSON list whose first element begins at `start`.
fn of_list(head: &[u8], start: usize) -> Option<String> {
    let has = |name| has_field(head, name);
    if is_export(head) {
        return None;
    }
    if has("image_id") && has("category_id") {
        let text = match (has("score"), has("keypoints")) {
            (false, _) => {
                "a list of annotations without the `images` and `categories` that belong to it; \
                 give the whole file of COCO keypoints (an object of images, annotations and \
                 categories)"
            }
            (true, true) => {
                "a list of predictions with scores, as `run --write-coco` writes it, not labels: \
                 it cannot be used for training or evaluation. Correct it by hand and save it as \
                 COCO keypoints (images, annotations, categories); `eval --boxes` accepts its boxes"
            }
            (true, false) => {
                "a list of a detector's boxes, not labels; give it to `eval --boxes`, and the \
                 labels to --annotations"
            }
        };
        return Some(text.to_owned());
    }
    if has("keypointlabels") {
        let text = "the short JSON export of Label Studio (JSON-MIN), which does not tell people \
                    apart; export it as JSON";
        return Some(text.to_owned());
    }
    let rest = head.get(start..)?;
    let elements = serde_json::Deserializer::from_slice(rest);
    let mut elements = elements.into_iter::<BTreeMap<String, Loose>>();
    match rest.iter().find(|byte| !byte.is_ascii_whitespace())? {
        b'{' => {
            let fields: Vec<String> = elements.next()?.ok()?.into_keys().collect();
            let is_known = |field: &String| ["image", "img_paths"].contains(&field.as_str());
            let text = || {
                format!(
                    "a list of entries with {}, which no known format has; save it as {COCO}",
                    listed(&fields)
                )
            };
            (!fields.iter().any(is_known)).then(text)
        }
        b']' => None,
        _ => Some(format!(
            "a list of numbers or lists, which names neither images nor joints; save it as {COCO}"
        )),
    }
}

/// Explains a JSON object.
fn of_object(head: &[u8]) -> Option<String> {
    let has = |name| has_field(head, name);
    let text = if has("shape_attributes") || has("_via_settings") || has("_via_img_metadata") {
        format!(
            "annotations of the VGG Image Annotator (VIA), whose points are not the joints of \
             people; save them as {COCO}"
        )
    } else if has("shapes") && has("imagePath") {
        format!("the labels of a single image by LabelMe; convert all of them to {COCO}")
    } else if is_export(head) {
        "a single task of Label Studio; export all tasks as JSON".to_owned()
    } else if has("poses") && has("frame") && has("skeleton") {
        "poses that `run --write-json` wrote, not labels; give labels to --annotations, and this \
         file to `eval --tracks`"
            .to_owned()
    } else {
        return None;
    };
    Some(text)
}

fn of_xml(head: &[u8]) -> Option<String> {
    if has(head, "<annotations") {
        let text = "an XML export of CVAT; export it from CVAT as `COCO Keypoints 1.0`";
        return Some(text.to_owned());
    }
    let is_voc = has(head, "<annotation") && has(head, "<bndbox");
    is_voc.then(|| format!("boxes of Pascal VOC (XML), without joints; save labels as {COCO}"))
}

/// Explains a table or a binary file.
fn of_table(head: &[u8]) -> Option<String> {
    let text = if head.starts_with(b"scorer") {
        "a table of DeepLabCut; `project import --dlc` reads it into a label project, and `project \
         export --coco` makes labels of it"
            .to_owned()
    } else if head.starts_with(b"frame,time_secs") {
        "poses that `run --write-csv` wrote, not labels".to_owned()
    } else if head.starts_with(b"\x89HDF") {
        "an HDF5 file (DeepLabCut, SLEAP); of DeepLabCut give the CSV table beside it to `project \
         import --dlc`"
            .to_owned()
    } else if head.starts_with(b"PK\x03\x04") {
        "a ZIP archive; unpack it and give the labels in it".to_owned()
    } else if head.starts_with(b"\x93NUMPY") {
        format!("an array of NumPy, which names neither images nor joints; save it as {COCO}")
    } else {
        return None;
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use crate::dataset::guess_format;

    /// Name and content of files that are no labels, and a part of the message about each.
    const OTHERS: &[(&str, &[u8], &str)] = &[
        (
            "a.json",
            br#"[{"image_id": 0, "category_id": 1, "keypoints": [1, 2, 0.5], "score": 0.9}]"#,
            "predictions with scores",
        ),
        (
            "a.json",
            br#"[{"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9}]"#,
            "eval --boxes",
        ),
        (
            "a.json",
            br#"[{"id": 7, "image_id": 0, "category_id": 1, "keypoints": [1, 2, 2]}]"#,
            "list of annotations without the `images`",
        ),
        (
            "a.json",
            br#"[{"id": 1, "img": "a.jpg", "kp-1": [{"x": 1, "keypointlabels": ["nose"]}]}]"#,
            "JSON-MIN",
        ),
        (
            "a.json",
            b"[[1, 2, 3], [4, 5, 6]]",
            "list of numbers or lists",
        ),
        ("a.json", b" [1, 2, 3]", "list of numbers or lists"),
        (
            "a.json",
            br#"[{"path": "a.jpg", "points": [1]}, 7]"#,
            "entries with path, points",
        ),
        (
            "a.json",
            br#"{"_via_settings": {}, "_via_img_metadata": {}}"#,
            "VGG Image Annotator",
        ),
        (
            "a.json",
            br#"{"a.jpg99": {"regions": [{"shape_attributes": {"name": "point"}}]}}"#,
            "VGG Image Annotator",
        ),
        (
            "a.json",
            br#"{"version": "5", "shapes": [], "imagePath": "a.jpg"}"#,
            "LabelMe",
        ),
        (
            "a.jsonl",
            br#"{"frame": 0, "width": 4, "skeleton": "coco17", "poses": []}"#,
            "run --write-json",
        ),
        (
            "a.xml",
            b"<?xml version=\"1.0\"?><annotations><image/></annotations>",
            "COCO Keypoints 1.0",
        ),
        (
            "a.xml",
            b"<annotation><object><bndbox/></object></annotation>",
            "Pascal VOC",
        ),
        (
            "a.csv",
            b"\xef\xbb\xbfscorer,me\nbodyparts,nose\n",
            "DeepLabCut",
        ),
        ("a.csv", b"frame,time_secs,track_id\n", "run --write-csv"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "HDF5"),
        ("a.zip", b"PK\x03\x04", "ZIP archive"),
        ("a.npy", b"\x93NUMPY\x01", "NumPy"),
    ];

    /// Fails when a list of predictions or boxes, or a file of another tool, is taken for labels, or
    /// refused without its name and what to do; or when labels are taken for one of them.
    #[test]
    fn files_of_other_kinds_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes, expected) in OTHERS {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let refused = guess_format(&path).map(|format| format.name);
            let message = refused.unwrap_err().to_string();
            assert!(message.contains(expected), "{expected}: {message}");
            assert!(
                message.contains(name) && !message.contains('\n'),
                "{message}"
            );
        }
        let path = folder.path().join("a.json");
        for (text, name) in [
            (r#"[{"image": "a.jpg", "joints": []}]"#, "mpii"),
            (r#"[{"img_paths": "a.jpg", "joint_self": []}]"#, "mpii"),
            (
                r#"{"annotations": [{"image_id": 1, "category_id": 1}], "images": []}"#,
                "coco",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(guess_format(&path).unwrap().name, name, "{text}");
        }
    }
}
