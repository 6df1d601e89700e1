//! Training: labelled people to better weights.
//!
//! A [`recipe`] is a complete run as a [`config`]. The [`trainer`] passes batches from
//! [`crate::dataset::loader`] through the network; a [`loss`] compares the heatmaps with their
//! targets; an [`optim`]izer updates the [`params`] at the learning rate of a [`schedule`]. After
//! every epoch the weights are evaluated on the live inference path and the [`checkpoint`] folder
//! is updated. A run that is stopped or killed resumes from it, on the CPU bit for bit.

mod baseline;
pub mod checkpoint;
pub mod config;
pub mod data_check;
mod event;
mod features;
mod held_out;
mod hits;
pub mod loss;
mod neighbours;
pub mod optim;
pub mod orientation;
pub mod params;
mod parts;
mod paths;
mod preview;
pub mod recipe;
pub mod runs;
pub mod schedule;
mod setup;
mod step;
mod trainer;
mod validate;

pub use baseline::BaselineResults;
pub use checkpoint::EpochRecord;
pub use config::{DataConfig, Freeze, InitialWeights, RelocatedData, ResumeOptions, TrainConfig};
pub use event::{Event, Started, StopReason};
pub use features::FeatureCacheConfig;
pub use held_out::HeldOutPose;
pub use preview::{Preview, predict_held_out, preview};
pub use trainer::{Hardware, Trainer};
