//! The window.
//!
//! [`GuiContext`] is what the program hands in: how to open sources, build models and record.
//! [`App`] has the views and what they share: [`AppState`] is saved, [`UiState`] is true at the
//! moment. `App::logic` reads what the threads report, `App::ui` lays out the view that is shown,
//! a row of [`views::VIEWS`]; its panels read and send [`Action`]s, which `App` runs in one place.
//!
//! The floors, lowest first: words that all parts use (`action`, `state`, `ui_state`, `command`,
//! `tasks`, `widgets` and the like), `core`, `view`, the views, the table `views`, the catalogue
//! `commands`, what stands around the views (`header`, `messages`, `sheets`, `keyboard`), `app`.

mod action;
mod app;
mod command;
mod commands;
mod context;
mod core;
mod display;
mod header;
mod icons;
mod keyboard;
mod listing;
mod messages;
mod picture;
mod prediction_note;
mod run;
mod sheets;
pub mod state;
mod tasks;
mod theme;
mod titles;
pub mod trained;
mod ui_state;
mod view;
pub mod views;
mod waker;
mod widgets;
mod zoom;

pub use action::Action;
pub use app::App;
pub use context::{
    DescribeModel, DeviceChoice, GuiContext, ListCameras, MakeByName, MakeOnDevice, ModelChoice,
    OpenByName, SourceChoice, StartRecording,
};
pub use display::{Display, display};
pub use run::run;
pub use state::AppState;
pub use ui_state::{Adapter, UiState};
