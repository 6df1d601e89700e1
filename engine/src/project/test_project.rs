//! Projects for tests, whose clips need not exist.

use std::path::{Path, PathBuf};

use super::clip::Clip;
use super::edit::Edit;
use super::file::{ProjectFile, VERSION};
use super::open::Project;
use super::person::{FrameKey, Joint};
use crate::error::Result;
use crate::geometry::{Point, Size};
use crate::sample::Visibility;

/// Creates a project with clips 1 to `n_clips` of `n_frames` frames at 30 a second.
pub(crate) fn project(folder: &Path, n_clips: u32, n_frames: u32) -> Project {
    let clip = |id| Clip {
        id,
        name: format!("clip{id}"),
        path: PathBuf::from(format!("clip{id}.mp4")),
        kind: "video".to_owned(),
        is_copied: false,
        bytes: 1,
        sha256: format!("{id}"),
        n_frames,
        rate: Some(30.0),
        seconds: f64::from(n_frames - 1) / 30.0,
        size: Some(Size::new(640, 480)),
    };
    let file = ProjectFile {
        version: VERSION,
        name: None,
        skeleton: "coco17".to_owned(),
        model: "sfm".to_owned(),
        clips: (1..=n_clips).map(clip).collect(),
    };
    file.write(folder).unwrap();
    Project::open(folder).unwrap()
}

/// Returns a person whose joints are at `x` and multiples of ten.
pub(crate) fn joints(x: f64) -> Vec<Joint> {
    let joint = |j| Joint::new(Point::new(x, 10.0 * f64::from(j)), 0.5, Visibility::Visible);
    (0..17).map(joint).collect()
}

/// The frame most tests use.
pub(crate) const FRAME: FrameKey = FrameKey::new(1, 3);

/// Adds a person to [`FRAME`].
pub(crate) fn add(project: &mut Project, x: f64) {
    let (at, joints) = (FRAME, joints(x));
    project.apply(&Edit::AddPerson { at, joints }).unwrap();
}

/// Moves a joint of the first person in [`FRAME`].
pub(crate) fn move_to(project: &mut Project, x: f64) {
    let person = project.labels().people(FRAME)[0].id;
    let edit = Edit::MoveJoint {
        at: FRAME,
        person,
        joint: 4,
        to: Point::new(x, 1.0),
    };
    project.apply(&edit).unwrap();
}

/// Returns the message of an error.
pub(crate) fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}
