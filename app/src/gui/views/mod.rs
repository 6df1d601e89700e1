//! Every view. Adding one: a folder here, its `mod` line and its row of [`VIEWS`].

pub mod inspect;
mod live;
pub mod train;

use crate::gui::view::ViewSpec;

/// The views, in the order of their buttons; the program begins with the first.
pub const VIEWS: &[ViewSpec] = &[live::SPEC, inspect::SPEC, train::SPEC];
