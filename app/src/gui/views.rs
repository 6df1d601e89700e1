//! Every view. Adding one: a new folder, one row here.

use crate::gui::view::ViewSpec;
use crate::gui::{inspect, live, train};

/// The views, in the order of their buttons; the program begins with the first.
pub const VIEWS: &[ViewSpec] = &[live::SPEC, inspect::SPEC, train::SPEC];
