//! Label projects: a folder of clips with labelled people, corrected by hand and never lost.
//!
//! A [`Project`] is the folder, open for writing by one program at a time; [`Contents`] is the same
//! folder read only. `project.toml` ([`ProjectFile`]) lists the [`Clip`]s, `labels.journal` has one
//! line for every [`Edit`] ever made, undone or redone ([`journal`]), `labels.coco.json` is a
//! snapshot of the [`Labels`] in COCO's format ([`snapshot`]), `holdout.toml` names the frames that
//! are never trained on ([`Holdout`]). The state is the snapshot with the journal's later lines
//! applied.
//!
//! [`propose()`] chooses frames worth labelling and fills them with a model's poses, [`import`] and
//! [`export`](mod@export) exchange labels with other programs.

pub mod check;
mod clip;
mod coco;
mod copying;
mod create;
mod description;
mod difference;
mod dlc;
mod edit;
mod examination;
mod examined;
pub mod export;
mod file;
mod find;
mod heatmaps;
mod holdout;
pub mod import;
pub mod journal;
mod labels;
mod measures;
mod neighbours;
mod open;
mod order;
mod person;
mod person_at;
mod propose;
mod reason;
mod set;
pub mod snapshot;
mod suggest;
mod template;
mod versions;

#[cfg(test)]
mod clip_tests;
#[cfg(test)]
mod edit_tests;
#[cfg(test)]
mod holdout_tests;
#[cfg(test)]
mod open_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
pub(crate) mod test_project;

pub use clip::Clip;
pub use copying::CopyProgress;
pub use edit::{Edit, FrameProposal};
pub use examination::{Examination, Proposed, ProposedFrame};
pub(crate) use file::check_version;
pub use file::{NewProject, PROJECT, ProjectFile};
pub use holdout::{HOLDOUT, Holdout, Role};
pub use labels::{Change, FrameLabels, Labels, Tally};
pub use open::{Applied, Contents, Project};
pub use person::{FrameKey, Joint, JointState, Person};
pub use person_at::{PersonQuery, find_person};
pub use propose::{Follow, Progress, Survey, propose};
pub use reason::{Reason, Suggestion};
pub use set::{ImageSet, SetImage};
pub use template::template;
pub use versions::{NewVersion, Version, VersionFile};
