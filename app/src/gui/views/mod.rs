//! All views. To add one: create a folder here, its `mod` line and its row in [`VIEWS`].

pub mod inspect;
pub mod label;
mod live;
pub mod train;

use crate::gui::view::ViewSpec;

/// The views in the order of their buttons; the first is shown at program start.
pub const VIEWS: &[ViewSpec] = &[live::SPEC, inspect::SPEC, label::SPEC, train::SPEC];
