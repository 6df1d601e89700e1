//! The view that looks inside: why did the network put each joint where it did?
//!
//! The [`InspectedFrame`](state::InspectedFrame) is one frame: handed over from the live picture,
//! or one of a [`FrameReader`](frame_reader::FrameReader), whose frames are read on a thread of
//! their own. One or two models look at it side by side; each has a
//! [`ModelSlot`](state::ModelSlot) with its answer (the second may keep that to an earlier frame),
//! the pictures of its self-attention ([`attention_grid`]) and what lies over the picture because
//! of it ([`shown`]). What the user wants to see are
//! [`Choices`](crate::gui::state::inspect::Choices), what they ask about is a
//! [`Pick`](crate::gui::state::inspect::Pick). Panels read [`Inspect`], which runs the view's
//! actions.

mod attention_grid;
mod compare;
mod dialogs;
mod export;
mod frame_reader;
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
mod view;

pub use state::Inspect;
pub use view::SPEC;
