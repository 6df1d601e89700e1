//! The panels of the Label view on the right.

pub(super) mod edit;
pub(super) mod frames;
pub(super) mod project;
