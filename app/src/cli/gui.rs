//! `poselens gui`: opens the window, or records a headless demo if there is no display.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use poselens_engine::project::ProjectFile;

use super::Common;
use super::args::{NetworkArgs, PeopleArgs, model_names};
use super::run::RunArgs;
use crate::gui::{self, GuiContext};
use crate::logs::LogBook;

/// Options of `gui`.
#[derive(Debug, Default, clap::Args)]
pub(super) struct GuiArgs {
    /// camera:0, camera:NAME, a video, an image, a folder, sample or synthetic; default: the first
    /// camera, or the sample clip without a camera
    #[arg(long, value_name = "SPEC")]
    input: Option<OsString>,
    /// Model; default: the one used last
    #[arg(long, value_parser = model_names())]
    model: Option<String>,
    /// Weights file (safetensors) to use instead of the bundled weights
    #[arg(long, value_name = "FILE", requires = "model")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    people: PeopleArgs,
}

/// File written by the demo if there is no display.
const DEMO_FILE: &str = "poselens-demo.mp4";

/// Opens the window with a label project.
pub(super) fn label(folder: &Path, common: &Common, log: LogBook) -> anyhow::Result<()> {
    // Before the window, so that a wrong folder is an error of the command.
    ProjectFile::read(folder)?;
    let display = gui::display();
    anyhow::ensure!(
        display.is_available(),
        "{}, so no window can be opened: {}, or use `poselens label --propose {}`",
        display.reason(),
        display.remedy(),
        folder.display()
    );
    let context = super::window::context(common, None, None, None)?;
    let context = GuiContext {
        project: Some(folder.to_owned()),
        log: Some(log),
        ..context
    };
    gui::run(context, &display)
}

pub(super) fn run(common: &Common, args: &GuiArgs, log: LogBook) -> anyhow::Result<()> {
    let display = gui::display();
    if display.is_available() {
        let (input, model) = (args.input.clone(), args.model.clone());
        let context = super::window::context(common, input, model, args.weights.clone())?;
        let context = GuiContext {
            people: args.people.people,
            follow: args.people.follow,
            log: Some(log),
            ..context
        };
        return gui::run(context, &display);
    }
    let input = args.input.clone().unwrap_or_else(|| "sample".into());
    eprintln!(
        "poselens: {}, so no window can be opened: {}, or use `poselens run --input {input}`; \
         running the demo instead: {input} -> {DEMO_FILE}",
        display.reason(),
        display.remedy(),
        input = input.display()
    );
    let default = NetworkArgs::default();
    let network = NetworkArgs {
        model: args.model.clone().unwrap_or(default.model),
        weights: args.weights.clone(),
    };
    let demo = RunArgs::demo(input, network, PathBuf::from(DEMO_FILE));
    super::run::run(common, &demo)
}
