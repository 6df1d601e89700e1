//! The recorded people of an inspected recording, and corrections of their tracks.
//!
//! A thread ([`thread`]) reads the recorded poses and writes edits; what it has published is in
//! [`people`]. The recorded people of a frame are drawn ([`draw`]) instead of the prediction, and
//! are the known poses from which the frame is inspected ([`follow`]).

pub(super) mod draw;
mod follow;
pub(super) mod people;
pub(super) mod side;
mod thread;
