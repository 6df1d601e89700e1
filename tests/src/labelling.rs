//! Label projects whose clips need not exist, and a fixed sequence of edits to them.

use std::fs;
use std::path::Path;

use poselens_engine::Result;
use poselens_engine::geometry::{Affine2, Point};
use poselens_engine::project::{Edit, FrameKey, Joint, Project};
use poselens_engine::sample::Visibility;

use crate::fill::splitmix64;

/// Number of frames of the only clip of [`create`].
pub const N_FRAMES: u32 = 50;

/// Returns the text of a `project.toml` with one video of `n_frames` frames.
pub fn description(n_frames: u32) -> String {
    format!(
        "version = 1\nskeleton = \"coco17\"\nmodel = \"sfm\"\n\n[[clip]]\nid = 1\nname = \
         \"clip\"\npath = \"clip.mp4\"\nkind = \"video\"\ncopied = false\nbytes = 1\nsha256 = \
         \"\"\nn_frames = {n_frames}\nrate = 30.0\nseconds = 1.0\n\n[clip.size]\nwidth = \
         640\nheight = 480\n"
    )
}

/// Creates a project in an existing folder.
///
/// # Errors
/// When the folder cannot be written.
pub fn create(folder: &Path) -> Result<Project> {
    let path = folder.join("project.toml");
    fs::write(&path, description(N_FRAMES)).map_err(poselens_engine::Error::io("write", &path))?;
    Project::open(folder)
}

/// Returns a person whose joints are placed by the number `seed`.
pub fn person(seed: u64) -> Vec<Joint> {
    let joint = |j: u64| {
        let bits = splitmix64(seed.wrapping_add(j << 40));
        let point = Point::new((bits % 640) as f64, (bits >> 20) as f64 % 480.0);
        Joint::new(point, 0.5, Visibility::Visible)
    };
    (0..17).map(joint).collect()
}

/// Makes the edit that follows the last one in this sequence: which one depends on the labels and on
/// the number of edits so far, so that two projects that made the same number of edits are equal.
/// Now and then it also writes a snapshot.
///
/// # Errors
/// When the project cannot be written.
pub fn step(project: &mut Project) -> Result<()> {
    let seed = splitmix64(project.sequence());
    let at = FrameKey::new(1, (seed % u64::from(N_FRAMES)) as u32);
    let people = project.labels().people(at);
    let picked = people
        .get(seed as usize % people.len().max(1))
        .map(|p| p.id);
    let add = Edit::AddPerson {
        at,
        joints: person(seed),
    };
    let kind = (seed >> 16) % 12;
    let edit = match (picked, kind) {
        (Some(person), 1) => Edit::DeletePerson { at, person },
        (Some(_), 2) => Edit::Accept { at },
        (Some(person), 3) => Edit::Transform {
            at,
            person,
            by: Affine2::turn(Point::new(320.0, 240.0), (seed % 360) as f64),
        },
        (Some(person), 7..) => Edit::MoveJoint {
            at,
            person,
            joint: (seed >> 32) as usize % 17,
            to: Point::new((seed % 64_000) as f64 / 100.0, 7.25),
        },
        _ => add.clone(),
    };
    let is_made = match kind {
        4 => project.undo()?.is_some(),
        5 => project.redo()?.is_some(),
        _ => project.apply(&edit)?.sequence.is_some(),
    };
    if !is_made {
        // An edit without effect, as accepting twice: the sequence goes on with another one.
        project.apply(&add)?;
    }
    if kind == 6 {
        project.save()?;
    }
    Ok(())
}
