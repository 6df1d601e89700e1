//! `--write-openpose`: a folder with one file a frame, as OpenPose's `--write_json` leaves it.
//!
//! Files are called `NAME_%012d_keypoints.json` (version 1.3). Keypoints are those of OpenPose's
//! COCO model (18 joints, the neck halfway between the shoulders); a joint that the model's own
//! skeleton lacks is three zeros, which is how OpenPose writes a joint it has not found.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::export::{ExportContext, Exporter, ExporterSpec, json, triple};
use crate::error::{Error, Result};
use crate::output::PoseOutput;
use crate::pose::Pose;
use crate::skeleton::JointMap;

pub(super) const SPEC: ExporterSpec = ExporterSpec {
    name: "openpose",
    help: "a folder of OpenPose files (version 1.3, 18 joints), one a frame",
    open: |path, context| Ok(Box::new(OpenPoseFolder::create(path, context)?)),
};

const SKELETON: &str = "openpose18";

struct OpenPoseFolder {
    folder: PathBuf,
    name: String,
}

#[derive(Serialize)]
struct Document {
    version: f64,
    people: Vec<Person>,
}

/// Fields in OpenPose's order; the empty ones are what it writes without face and hand models.
#[derive(Default, Serialize)]
struct Person {
    #[serde(rename = "person_id")]
    id: [i64; 1],
    pose_keypoints_2d: Vec<f64>,
    face_keypoints_2d: [f64; 0],
    hand_left_keypoints_2d: [f64; 0],
    hand_right_keypoints_2d: [f64; 0],
    pose_keypoints_3d: [f64; 0],
    face_keypoints_3d: [f64; 0],
    hand_left_keypoints_3d: [f64; 0],
    hand_right_keypoints_3d: [f64; 0],
}

impl Person {
    fn new(pose: &Pose, map: &JointMap) -> Self {
        let joints = map
            .iter()
            .map(|origin| origin.map(|o| o.pick(&pose.keypoints)).unwrap_or_default());
        Self {
            // OpenPose's "not tracked".
            id: [pose.track_id.map_or(-1, |id| id as i64)],
            pose_keypoints_2d: joints.flat_map(|k| triple(&k)).collect(),
            ..Self::default()
        }
    }
}

impl OpenPoseFolder {
    fn create(folder: &Path, context: &ExportContext) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        // Camera names may hold anything; file names may not.
        let name = context
            .name
            .replace(|c: char| !(c.is_alphanumeric() || "-_. ".contains(c)), "_");
        Ok(Self {
            folder: folder.to_owned(),
            name,
        })
    }
}

impl Exporter for OpenPoseFolder {
    fn push(&mut self, output: &PoseOutput) -> Result<()> {
        let map = output
            .skeleton
            .map_to(SKELETON)
            .ok_or_else(|| Error::Record {
                path: self.folder.clone(),
                reason: format!(
                    "skeleton {} has no map to {SKELETON}; choose another model or another format",
                    output.skeleton.name
                ),
            })?;
        let document = Document {
            version: 1.3,
            people: output.poses.iter().map(|p| Person::new(p, &map)).collect(),
        };
        let file = format!("{}_{:012}_keypoints.json", self.name, output.frame.id);
        let path = self.folder.join(file);
        std::fs::write(&path, json(&document, &path)?).map_err(Error::io("write", &path))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
