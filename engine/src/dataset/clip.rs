//! Captured clips: a folder with labels (`coco.json`, `annotations.json` or `labels.json`, as COCO
//! keypoints) and images, next to them or in `images`. Images without a clip name belong to the
//! clip of the folder: frames of one clip resemble each other and stay on one side of a hold-out
//! split.

use std::path::{Path, PathBuf};

use super::kind::not_labels;
use super::{Dataset, DatasetSpec, Finding, Request, coco};
use crate::error::{Error, Result};

/// Entry of [`super::DATASETS`].
pub(super) const FORMAT: DatasetSpec = DatasetSpec {
    name: "clip",
    help: "a folder with coco.json and images",
    accepts: |path| labels(path).is_some(),
    file: |folder| labels(folder).unwrap_or_else(|| folder.to_owned()),
    has_categories: true,
    read,
};

/// File names of labels in order of preference.
const LABELS: [&str; 3] = ["coco.json", "annotations.json", "labels.json"];

fn labels(folder: &Path) -> Option<PathBuf> {
    let mut files = LABELS.iter().map(|name| folder.join(name));
    files.find(|file| file.is_file())
}

fn read(request: &Request<'_>, findings: &mut Vec<Finding>) -> Result<Dataset> {
    let (folder, images) = (request.annotations, request.images);
    let Some(file) = labels(folder) else {
        let reason = format!("a clip's folder holds one of {}", LABELS.join(", "));
        return Err(Error::data(folder, reason));
    };
    if let Some(reason) = not_labels(&file) {
        return Err(Error::data(&file, reason));
    }
    let file = Request {
        annotations: &file,
        ..*request
    };
    let mut dataset = coco::read(&file, findings)?;
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned());
    let beside = |path: &Path| {
        let other = path.strip_prefix(images).ok()?;
        let other = folder.join("images").join(other);
        (!path.is_file() && other.is_file()).then_some(other)
    };
    for sample in &mut dataset.samples {
        if let Some(path) = beside(&sample.path) {
            sample.path = path;
        }
        if sample.clip.is_none() {
            sample.clip.clone_from(&name);
        }
    }
    Ok(dataset)
}

#[cfg(test)]
mod tests {
    use crate::dataset::{Request, Split, guess_format, usual_images};
    use serde_json::json;

    /// Fails when an empty folder is refused with a list of formats alone, as if it had labels.
    #[test]
    fn an_empty_folder_is_called_empty() {
        let root = tempfile::tempdir().unwrap();
        let message = || match guess_format(root.path()) {
            Ok(format) => format.name.to_owned(),
            Err(error) => error.to_string(),
        };
        let text = message();
        assert!(
            text.contains("the folder is empty: there is no label file in it; known are"),
            "{text}"
        );
        std::fs::write(root.path().join("notes.txt"), "x").unwrap();
        let text = message();
        assert!(text.contains("no known labels; known are"), "{text}");
    }

    /// Fails when a clip folder is not recognised, its images are not found, frames lose their
    /// clip, or a list of detection results is taken for labels.
    #[test]
    fn a_clip_is_its_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("dance");
        std::fs::create_dir_all(folder.join("images")).unwrap();
        std::fs::write(folder.join("images/a.jpg"), b"").unwrap();
        let names: Vec<String> = (0..14).map(|i| i.to_string()).collect();
        let labels = json!({
            "images": [
                { "id": 1, "file_name": "a.jpg", "width": 4, "height": 4 },
                { "id": 2, "file_name": "b.jpg", "width": 4, "height": 4, "clip": "x" },
            ],
            "annotations": [],
            "categories": [{ "id": 1, "keypoints": names }],
        });
        let file = folder.join("coco.json");
        std::fs::write(&file, labels.to_string()).unwrap();
        let format = guess_format(&folder).unwrap();
        assert_eq!(format.name, "clip");
        assert_eq!(guess_format(&file).unwrap().name, "coco");
        for images in [usual_images(&folder), folder.clone()] {
            let data = format
                .load(&Request::new(&folder, &images, Split::Learn))
                .unwrap();
            assert_eq!(data.samples[0].path, folder.join("images/a.jpg"));
            let clips: Vec<_> = data.samples.iter().map(|s| s.clip.as_deref()).collect();
            assert_eq!(clips, [Some("dance"), Some("x")]);
        }
        std::fs::write(
            &file,
            "[{\"image_id\": 1, \"category_id\": 1, \"keypoints\": [], \"score\": 1}]",
        )
        .unwrap();
        let refused = format.load(&Request::new(&folder, &folder, Split::Learn));
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("predictions"), "{message}");
        let empty = root.path().join("empty");
        assert!(guess_format(&empty).is_err());
    }
}
