//! `poselens gui`: the window, or the headless demo where there is no display.

use std::path::PathBuf;

use super::Common;
use super::args::{NetworkArgs, model_names};
use super::run::RunArgs;
use crate::gui::{self, GuiContext};
use crate::logs::LogBook;

/// Options of `gui`.
#[derive(Debug, Default, clap::Args)]
pub struct GuiArgs {
    /// camera:0, camera:NAME, a video, a picture, a folder, sample or synthetic; when not given,
    /// the first camera, or the sample clip where there is none
    #[arg(long, value_name = "SPEC")]
    input: Option<String>,
    /// Model; the one last used when not given
    #[arg(long, value_parser = model_names())]
    model: Option<String>,
    /// Weights (safetensors) for the model instead of the bundled ones
    #[arg(long, value_name = "FILE", requires = "model")]
    weights: Option<PathBuf>,
}

/// What the demo writes when there is no display.
const DEMO_FILE: &str = "poselens-demo.mp4";

pub fn run(common: &Common, args: &GuiArgs, log: LogBook) -> anyhow::Result<()> {
    if gui::display_available() {
        let (input, model) = (args.input.clone(), args.model.clone());
        let context = super::window::context(common, input, model, args.weights.clone())?;
        return gui::run(GuiContext {
            log: Some(log),
            ..context
        });
    }
    let input = args.input.clone().unwrap_or_else(|| "sample".to_owned());
    eprintln!(
        "poselens: no display here (neither DISPLAY nor WAYLAND_DISPLAY is set), so there is no window; \
         running the demo instead: {input} -> {DEMO_FILE}"
    );
    let default = NetworkArgs::default();
    let network = NetworkArgs {
        model: args.model.clone().unwrap_or(default.model),
        weights: args.weights.clone(),
    };
    let demo = RunArgs::demo(input, network, PathBuf::from(DEMO_FILE));
    super::run::run(common, &demo)
}
