//! The page Train: trains the network on the confirmed labels, measures the result on the hold-out
//! and lets the user accept it.
//!
//! The thread that owns the project reviews it ([`review`]) and hands a copy of its labels to the
//! thread of the training ([`job`]). The result is shown as figures ([`gate`]) and frame by frame
//! ([`held_out`]).

mod answer;
mod bar;
pub mod compare;
mod gate;
mod held_out;
pub mod job;
mod page;
mod player;
mod poll;
mod removal;
pub mod review;
mod run_action;
mod side;
mod state;

pub use bar::bar_ui;
pub use page::page_ui;
pub use side::{check_ui, options_ui, versions_ui};
pub use state::Finetune;
