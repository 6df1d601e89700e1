//! Predicted poses from a COCO results list, as `run --write-coco` writes it.

use std::path::Path;

use serde::Deserialize;

use super::label_studio::is_export;
use crate::dataset::json::{first_json_byte, head, read_json};
use crate::dataset::loose::Loose;
use crate::dataset::numbers::Numbers;
use crate::error::{Error, Result};
use crate::pose::Keypoint;
use crate::skeleton::Skeleton;

#[derive(Deserialize, Default)]
#[serde(default)]
struct CocoResult {
    image_id: Loose,
    file_name: Loose,
    keypoints: Numbers,
}

/// Poses of a results list.
#[derive(Debug)]
pub struct ResultList {
    /// Defines the joints and their order, of which the list only reveals the number.
    pub skeleton: &'static Skeleton,
    /// Poses in the order of the file.
    pub poses: Vec<ResultPose>,
    /// Number of entries without joints of this skeleton.
    pub n_left_out: usize,
    /// Number of joints that are missing in part, or infinite; they count as not found.
    pub n_gaps: usize,
}

/// A predicted pose.
#[derive(Debug, PartialEq)]
pub struct ResultPose {
    /// Id of the image, in our own lists the number of the frame; `None` where it is a name.
    pub number: Option<u64>,
    /// Name of the image file, if there is one.
    pub file_name: Option<String>,
    /// Joints; all zero if absent.
    pub keypoints: Vec<Keypoint>,
}

/// Returns whether a file is a list of predictions instead of labels.
pub fn is_result_list(path: &Path) -> bool {
    if first_json_byte(path) != Some(b'[') {
        return false;
    }
    let head = head(path);
    let has = |name: &str| {
        let name = format!("\"{name}\"");
        head.windows(name.len()).any(|w| w == name.as_bytes())
    };
    let is_labelled = has("iscrowd") || has("num_keypoints");
    let has_poses = has("image_id") && has("keypoints") && !is_export(&head);
    has_poses && (has("score") || !is_labelled)
}

/// Reads a COCO keypoint results list. If its number of joints is that of `usual`, they are those of
/// `usual`.
///
/// # Errors
/// When the file cannot be read, or no entry has the joints of a known skeleton.
pub fn read_results(path: &Path, usual: &'static Skeleton) -> Result<ResultList> {
    let list: Vec<CocoResult> = read_json(path, "COCO keypoint results list")?;
    let n_numbers = list.iter().map(|entry| entry.keypoints.values.len()).max();
    let n_joints = n_numbers.unwrap_or_default() / 3;
    let skeleton = usual.or_with_joints(n_joints).ok_or_else(|| {
        let reason = format!(
            "not a list of poses of a known skeleton: its entries have {n_joints} joints of three \
             numbers each"
        );
        Error::data(path, reason)
    })?;
    let n_entries = list.len();
    let mut n_gaps = 0;
    let pose = |entry: CocoResult| {
        let values = &entry.keypoints.values;
        let id = entry.image_id.id()?;
        let name = entry.image_id.word().map(str::to_owned);
        // The order of joints with names is that of the file.
        if values.len() != 3 * n_joints || !entry.keypoints.names.is_empty() {
            return None;
        }
        let is_gap = |numbers: &&[f64]| {
            let n_missing = numbers.iter().filter(|v| !v.is_finite()).count();
            (1..3).contains(&n_missing)
        };
        n_gaps += values.chunks_exact(3).filter(is_gap).count();
        let keypoint = |numbers: &[f64]| match *numbers {
            [x, y, score] if numbers.iter().all(|v| v.is_finite()) => {
                [x as f32, y as f32, score as f32].into()
            }
            _ => Keypoint::default(),
        };
        Some(ResultPose {
            number: name.is_none().then_some(id),
            file_name: entry.file_name.text().or(name),
            keypoints: values.chunks_exact(3).map(keypoint).collect(),
        })
    };
    let poses: Vec<_> = list.into_iter().filter_map(pose).collect();
    Ok(ResultList {
        skeleton,
        n_left_out: n_entries - poses.len(),
        poses,
        n_gaps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a results list is not read, entries without joints are not counted, or the joints
    /// are taken for those of another skeleton with the same number.
    #[test]
    fn poses_are_read_with_their_scores() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let keypoints = vec!["7.25,9,0.5"; 17].join(",");
        let text = format!(
            r#"[{{"image_id": 4, "file_name": "a.png", "category_id": 1, "keypoints": [{keypoints}],
                "score": 0.5, "bbox": [1, 2, 3, 4]}},
               {{"image_id": 5, "keypoints": [{keypoints}]}},
               {{"image_id": 6, "keypoints": [1, 2, 3]}},
               {{"keypoints": [{keypoints}]}}]"#
        );
        std::fs::write(&path, text).unwrap();
        let usual = Skeleton::by_name("mpii16").unwrap();
        let list = read_results(&path, usual).unwrap();
        assert_eq!(
            (list.skeleton.name.as_str(), list.n_left_out),
            ("coco17", 2)
        );
        assert_eq!(list.poses.len(), 2);
        assert_eq!(list.poses[0].file_name.as_deref(), Some("a.png"));
        assert_eq!(list.poses[0].number, Some(4));
        assert_eq!(list.poses[1].keypoints[16], [7.25, 9.0, 0.5].into());
        assert!(is_result_list(&path));
        for text in ["[]", r#"[{"image_id": 1, "keypoints": [1, 2, 3]}]"#, "{}"] {
            std::fs::write(&path, text).unwrap();
            let reason = read_results(&path, usual).unwrap_err().to_string();
            assert!(reason.contains("results.json: not a"), "{text}: {reason}");
        }
    }
    /// Fails when a name as `image_id` becomes a number, a joint that is not a number passes without
    /// being counted, or labels are taken for predictions.
    #[test]
    fn images_may_be_named_by_their_id() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let mut joints = vec!["7,9,0.5"; 17];
        joints[3] = "NaN,9,0.5";
        joints[4] = "NaN,NaN,NaN";
        let keypoints = joints.join(",");
        let entry = format!(
            r#"{{"image_id": "im00079.jpg", "category_id": 1, "keypoints": [{keypoints}]}}"#
        );
        std::fs::write(&path, format!("[{entry}]")).unwrap();
        let list = read_results(&path, Skeleton::by_name("coco17").unwrap()).unwrap();
        let pose = &list.poses[0];
        assert_eq!(
            (pose.file_name.as_deref(), pose.number),
            (Some("im00079.jpg"), None)
        );
        assert_eq!(list.n_gaps, 1);
        assert!(is_result_list(&path));
        let labels = entry.replace("\"category_id\": 1", "\"iscrowd\": 0");
        for other in [
            labels.as_str(),
            "{}",
            "[1, 2]",
            r#"{"data": {}, "result": []}"#,
        ] {
            std::fs::write(&path, format!("[{other}]")).unwrap();
            assert!(!is_result_list(&path), "{other}");
        }
    }
}
