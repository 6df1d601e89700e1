//! The Live view: live frames with predictions, and the panels for source, model and recordings.

mod connection;
mod empty;
mod go_to;
mod hud;
mod measure_plot;
mod measure_series;
mod measures;
mod model;
mod notes;
mod overlay;
mod people;
mod recordings;
mod source;
mod stage;
mod state;
mod transport;
mod view;

pub(super) use view::SPEC;
