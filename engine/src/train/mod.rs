//! Learning: labelled people become better weights.
//!
//! Batches of [`crate::dataset::loader`] go through the network; a [`loss`] compares its heatmaps
//! with their targets; an [`optim`]izer moves the [`params`] at the rate of a [`schedule`].

pub mod loss;
pub mod optim;
pub mod params;
pub mod schedule;
