//! Fine-tuning on a label project: from confirmed frames to weights that were measured.
//!
//! [`prepare`] writes the images and labels of a run into `runs/NAME` of the project: a [`plan`]
//! says which frames are trained on, measured with, or *replayed*, so that the network keeps what it
//! knew; the old network predicts the labels of the latter. A [`Trainer`](crate::train::Trainer)
//! trains in the same folder. [`measure`] then compares the old and the new weights ([`Gate`]) on
//! the hold-out and on the *retention set*, and [`accept()`] makes the new ones a version.

mod accept;
mod bootstrap;
mod errors;
mod gate;
mod lock;
mod options;
pub mod plan;
mod predict;
mod removal;
mod run;
mod runs;
mod sets;

pub use accept::accept;
pub use bootstrap::{Comparison, Figures, Interval, Intervals, pck_interval};
pub use gate::{FrameResult, Gate, MeasuredJoints, PersonResult, TOLERANCE, Verdict, measure};
pub use lock::RunLock;
pub use options::{Effort, FinetuneOptions, Part};
pub use removal::{discard_unbegun, remove_run};
pub use run::{Prepared, RunFile, prepare};
pub use runs::{RunCache, RunInfo, Runs, UnusableRun, run_folder, runs, unfinished_run};
pub use sets::SetCount;
