//! The graphical user interface.
//!
//! [`GuiContext`] is passed in by the program: functions that open sources, build models and
//! record. [`App`] owns the views and the state they share: [`AppState`] is saved, [`UiState`] is
//! transient. `App::logic` reads the reports of the threads, and `App::ui` lays out the active
//! view, a row of [`views::VIEWS`]; panels read state and send [`Action`]s, which `App` runs in one
//! place.
//!
//! Layers, lowest first: the shared vocabulary (`action`, `state`, `ui_state`, `command`, `tasks`,
//! `widgets` and similar), `core`, `view`, the views, the table `views`, the list `commands`, what
//! surrounds the views (`header`, `messages`, `sheets`, `keyboard`), `app`.

mod action;
mod app;
mod background;
mod command;
mod commands;
mod context;
mod core;
mod dialog;
mod display;
mod header;
mod icons;
mod keyboard;
mod listing;
mod messages;
mod path_field;
mod picture;
mod prediction_note;
mod run;
mod scale;
mod sheets;
pub mod state;
mod tasks;
mod theme;
mod titles;
pub mod trained;
pub mod training;
mod ui_state;
mod view;
pub mod views;
mod waker;
mod widgets;
mod wording;
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
