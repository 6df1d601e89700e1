//! `--write-openpose`: a folder with one file per frame, like OpenPose's `--write_json`.
//!
//! Files are called `NAME_%012d_keypoints.json` (version 1.3), or after the image if each frame is
//! an image file: `STEM_keypoints.json`, with the extension included if two images have the same
//! stem. Names that would be too long are shortened. A folder with older files that would be mixed with these is refused, or on request cleared
//! of them. Keypoints are those of OpenPose's COCO model (18 joints, the neck halfway between the
//! shoulders); a joint that the model's own skeleton lacks is three zeros, as OpenPose writes
//! undetected joints.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::export::{ExportContext, Exporter, ExporterSpec, STDOUT, json, triple};
use crate::disk::{MAX_NAME_BYTES, replace, shortened};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::output::PoseOutput;
use crate::pose::Pose;
use crate::skeleton::JointMap;
use crate::words::counted;

pub(super) const SPEC: ExporterSpec = ExporterSpec {
    name: "openpose",
    title: "OpenPose",
    help: "a folder of OpenPose files (version 1.3, 18 joints), one per frame",
    open: |path, context| Ok(Box::new(OpenPoseFolder::create(path, context)?)),
};

const SKELETON: &str = "openpose18";

/// Suffix of every file name.
const SUFFIX: &str = "_keypoints.json";
/// Number of digits of a frame's number.
const N_DIGITS: usize = 12;
/// Maximum length of the text before the suffix, in bytes.
const MAX_STEM_BYTES: usize = MAX_NAME_BYTES - SUFFIX.len();

struct OpenPoseFolder {
    folder: PathBuf,
    name: String,
    /// Names of written image files in lower case: some file systems ignore case.
    written: HashSet<String>,
}

#[derive(Serialize)]
struct Document {
    version: f64,
    people: Vec<Person>,
}

/// Fields in OpenPose's order; the empty ones are those it writes without face and hand models.
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
            // OpenPose's value for "not tracked".
            id: [pose.track_id.map_or(-1, |id| id as i64)],
            pose_keypoints_2d: joints.flat_map(|k| triple(&k)).collect(),
            ..Self::default()
        }
    }
}

impl OpenPoseFolder {
    fn create(folder: &Path, context: &ExportContext) -> Result<Self> {
        if folder == Path::new(STDOUT) {
            let reason = "OpenPose writes one file per frame: give a folder, not standard output";
            return Err(Error::Invalid(reason.to_owned()));
        }
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        // Camera names may contain characters that file names must not.
        let name = context
            .name
            .replace(|c: char| !(c.is_alphanumeric() || "-_. ".contains(c)), "_");
        // An underscore and the number follow.
        let name = shortened(&name, MAX_STEM_BYTES - N_DIGITS - 1);
        clear(folder, &older(folder, &name, context)?, context)?;
        Ok(Self {
            folder: folder.to_owned(),
            name: name.into_owned(),
            written: HashSet::new(),
        })
    }

    fn file_name(&mut self, frame: &Frame) -> String {
        let Some(file) = &frame.file else {
            return format!("{}_{:0N_DIGITS$}{SUFFIX}", self.name, frame.id);
        };
        let stem = Path::new(&**file).file_stem().unwrap_or_default();
        let named = |stem: &str| format!("{}{SUFFIX}", shortened(stem, MAX_STEM_BYTES));
        let name = named(&stem.to_string_lossy());
        if self.written.insert(name.to_lowercase()) {
            return name;
        }
        let name = named(file);
        self.written.insert(name.to_lowercase());
        name
    }
}

/// Returns the files of an older run that readers would take for this one's. A single image writes
/// one file, which replaces its older version and is not mixed with others.
fn older(folder: &Path, name: &str, context: &ExportContext) -> Result<Vec<PathBuf>> {
    if context.frames_are_files && context.n_frames == Some(1) {
        return Ok(Vec::new());
    }
    let failed = |e| Error::io("read", folder)(e);
    let mut older = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(stem) = file.strip_suffix(SUFFIX) else {
            continue;
        };
        // The folder may contain files of other videos; names of images cannot be attributed to a
        // run.
        let number = stem.strip_prefix(name).and_then(|s| s.strip_prefix('_'));
        let is_number = |s: &str| s.len() == N_DIGITS && s.bytes().all(|b| b.is_ascii_digit());
        if context.frames_are_files || number.is_some_and(is_number) {
            older.push(path);
        }
    }
    older.sort();
    Ok(older)
}

/// Removes older files if requested, otherwise refuses the folder.
fn clear(folder: &Path, older: &[PathBuf], context: &ExportContext) -> Result<()> {
    let Some(first) = older.first() else {
        return Ok(());
    };
    if !context.overwrite {
        let first = first.file_name().unwrap_or_default().to_string_lossy();
        let reason = format!(
            "holds {} of an older run ({first}, ...), which would be mixed with the new ones: give \
             another folder, or --overwrite to remove them",
            counted(older.len(), "OpenPose file")
        );
        return Err(Error::data(folder, reason));
    }
    for path in older {
        std::fs::remove_file(path).map_err(Error::io("remove", path))?;
    }
    Ok(())
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
        let file = self.file_name(&output.frame);
        let path = self.folder.join(file);
        let bytes = json(&document, &path)?;
        if path.exists() {
            return replace(&path, &bytes);
        }
        std::fs::write(&path, bytes).map_err(|error| {
            // No reader can use a part of a file.
            std::fs::remove_file(&path).ok();
            Error::io("write", &path)(error)
        })
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
