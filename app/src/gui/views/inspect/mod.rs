//! The Inspect view: shows why the network put each joint where it did.
//!
//! The [`InspectedFrame`](state::InspectedFrame) is a single frame, taken from the live view or
//! from a [`FrameReader`](frame_reader::FrameReader), which reads files on its own thread. One or
//! two models run on it side by side. Each has a [`ModelSlot`](state::ModelSlot) with its
//! prediction (the second may keep that of an earlier frame), thumbnails of its self-attention
//! ([`attention_grid`]) and the resulting overlays ([`shown`]). The user's selection is stored in
//! [`Choices`](crate::gui::state::inspect::Choices), and the selected joint or pixel in a
//! [`Pick`](crate::gui::state::inspect::Pick). The people of a recording, and corrections of their
//! tracks, are in [`tracks`]. Panels read [`Inspect`], which runs the view's
//! actions.

mod attention_grid;
mod common_range;
mod compare;
mod dialogs;
mod export;
mod frame_reader;
mod limbs;
mod meaning;
mod model_slots;
mod numbers;
mod poll;
mod run_action;
pub mod shown;
mod side;
mod stage;
mod state;
mod timeline;
mod tracks;
mod view;

pub use state::Inspect;
pub use view::SPEC;
