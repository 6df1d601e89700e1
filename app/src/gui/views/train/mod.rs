//! The Train view: trains a model on labelled people while the rest of the window stays usable.
//!
//! A [`TrainPlan`](crate::gui::state::train::TrainPlan) holds the user's choices, including the
//! engine's training options. [`setup`] selects and checks the data before training, and previews a
//! batch exactly as the network sees it. [`running`] trains on a
//! [`Run`](crate::gui::training::run::Run), whose progress is a
//! [`TrainProgress`](crate::gui::training::progress::TrainProgress). [`results`] shows the metrics and asks
//! whether to use the trained weights ([`Decision`]). Panels read [`Train`], which runs the view's
//! actions.

mod dialogs;
mod fields;
mod poll;
mod results;
mod run_action;
mod running;
mod setup;
mod stage;
mod state;
mod view;

pub use state::{Decision, Train};
pub use view::SPEC;
