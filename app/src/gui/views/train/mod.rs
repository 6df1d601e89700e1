//! The view that teaches: labelled people become better weights, while the window goes on.
//!
//! A [`TrainPlan`](crate::gui::state::train::TrainPlan) is what the user has chosen; it holds the
//! engine's own options. In [`setup`] the data are chosen and looked at before anything is
//! learned; a preview shows a batch as the network will get it. [`running`] has the training at
//! work ([`Run`](running::run::Run)) and how it goes
//! ([`TrainProgress`](running::progress::TrainProgress)). [`results`] shows it; at its end weights
//! are taken over, or not ([`Decision`]). Panels read [`Train`], which runs the view's actions.

mod dialogs;
mod fields;
mod poll;
mod results;
mod run_action;
pub mod running;
mod setup;
mod stage;
mod state;
mod task;
mod view;
mod words;

pub use state::{Decision, Train};
pub use view::SPEC;
