//! The Label view: corrects proposed labels in the clips of a project.
//!
//! A [`ProjectThread`](thread::ProjectThread) owns the project. It answers requests in order and
//! publishes what the window shows: the labels of one frame and the visible rows of the list
//! ([`published`]). A [`Gesture`](gesture::Gesture) is sent to it and becomes an edit there, which is
//! drawn once it is on disk; meanwhile a dragged joint is drawn as a preview
//! ([`Held`](crate::gui::action::label::Held)). A [`FrameThread`](frames::FrameThread) decodes the
//! frames, a [`Search`](search::Search) suggests some, an [`Adding`](adding::Adding) looks for a person
//! where the user points, and a [`Copying`](copying::Copying) copies a clip into the project. The page [`finetune`] trains on the labels. Panels read [`Label`],
//! which runs the view's actions.

mod adding;
mod bar;
mod burst;
mod commands;
mod copied;
mod copying;
mod dialogs;
mod draw;
mod edits;
mod exchange;
pub mod finetune;
mod found;
mod frames;
mod gesture;
mod hit;
mod list;
mod loupe;
mod model;
mod opened;
mod pace;
mod pointer;
mod poll;
pub mod published;
mod run_action;
mod search;
mod session;
mod side;
mod stage;
mod start;
mod state;
mod thread;
mod view;

pub use state::Label;
pub use view::SPEC;
