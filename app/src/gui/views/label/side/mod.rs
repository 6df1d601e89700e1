//! The panels of the Label view on the right.

pub(super) mod edit;
pub(in crate::gui::views::label) mod frames;
mod more;
pub(super) mod project;
