//! The command line: a stable interface for scripts.
//!
//! `--json` prints one JSON document on standard output and nothing else; logs and progress go to
//! standard error. Each command has its own file.

mod args;
mod attention;
mod bench;
mod data_check;
mod doctor;
mod eval;
mod export;
mod forward;
mod gui;
mod import;
mod label;
mod models;
mod progress;
mod project;
mod run;
mod targets;
mod train;
mod window;

use std::io::{IsTerminal, Write};

use anyhow::Context;
use clap::{Parser, Subcommand};
use poselens_engine::Error;
use poselens_engine::device::DeviceSpec;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::logs::LogBook;

pub use args::NetworkArgs;

/// Finds human poses in live video and shows why the network put each joint where it did.
#[derive(Debug, Parser)]
#[command(name = "poselens", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// Compute device: auto, cpu, cuda, cuda:N or metal
    #[arg(long, global = true, default_value = "auto", value_name = "DEVICE")]
    pub device: DeviceSpec,
    /// Number of compute threads; default: all cores
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub threads: Option<u16>,
    /// Log level: error, warn, info, debug, trace, or a filter such as poselens_engine=debug
    #[arg(long, global = true, default_value = "warn", value_name = "LEVEL", value_parser = log_filter)]
    pub log: String,
}

impl Common {
    /// Returns the number of compute threads as the engine expects it; 0 for all cores.
    fn n_threads(&self) -> usize {
        self.threads.map_or(0, usize::from)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the window (the default without a command)
    Gui(gui::GuiArgs),
    /// Estimate poses without a window: annotate, record, export
    Run(Box<run::RunArgs>),
    /// List the models
    Models(models::ModelsArgs),
    /// Run only the network on a tensor, to compare a port of a model number by number
    Forward(forward::ForwardArgs),
    /// Draw one attention map over an image
    Attention(attention::AttentionArgs),
    /// Convert another program's checkpoint (PyTorch .pth or safetensors) into weights with a card
    Import(import::ImportArgs),
    /// Write a network as an ONNX file for other runtimes
    Export(export::ExportArgs),
    /// Evaluate accuracy on labelled images
    Eval(eval::EvalArgs),
    /// Train a model, starting from its current weights by default
    Train(Box<train::TrainArgs>),
    /// Create, inspect and exchange label projects
    Project(project::ProjectArgs),
    /// Label a project in the window, or suggest frames and propose their labels without one
    Label(label::LabelArgs),
    /// Measure speed
    Bench(bench::BenchArgs),
    /// Report cameras, compute devices and folders, and run a self-test
    Doctor(doctor::DoctorArgs),
}

impl Cli {
    /// Runs the chosen command.
    ///
    /// # Errors
    /// If the command fails; the error fits on one line.
    pub fn run(self) -> anyhow::Result<()> {
        let log = start_logging(&self.common.log)?;
        if let Some(n) = self.common.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(usize::from(n))
                .build_global()
                .context("cannot start the compute threads")?;
        }
        let common = &self.common;
        match self.command {
            None => gui::run(common, &gui::GuiArgs::default(), log),
            Some(Command::Gui(args)) => gui::run(common, &args, log),
            Some(Command::Run(args)) => run::run(common, &args),
            Some(Command::Models(args)) => models::run(&args),
            Some(Command::Forward(args)) => forward::run(common, &args),
            Some(Command::Attention(args)) => attention::run(common, &args),
            Some(Command::Import(args)) => import::run(&args),
            Some(Command::Export(args)) => export::run(&args),
            Some(Command::Eval(args)) => eval::run(common, &args),
            Some(Command::Train(args)) => train::run(common, &args),
            Some(Command::Project(args)) => project::run(common, &args),
            Some(Command::Label(args)) => label::run(common, &args, log),
            Some(Command::Bench(args)) => bench::run(common, &args),
            Some(Command::Doctor(args)) => doctor::run(common, &args),
        }
    }
}

/// Filter of the lines collected for the log of the window, independent of what is printed.
const COLLECTED: &str = "warn,poselens_app=debug,poselens_engine=debug";

fn log_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Starts printing log lines that match `filter`, and collecting them for the window.
fn start_logging(filter: &str) -> anyhow::Result<LogBook> {
    let filter = EnvFilter::try_new(filter)?;
    let print = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .with_filter(filter);
    let book = LogBook::default();
    let collect = book.clone().with_filter(EnvFilter::new(COLLECTED));
    tracing_subscriber::registry()
        .with(print)
        .with(collect)
        .init();
    Ok(book)
}

/// Formats an error and its causes on one line, omitting causes whose text is already contained.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().replace('\n', " ");
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

/// Conflicting options, on the command line or in an options file.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WrongUsage(#[from] pub Error);

/// Returns an error in the use of options.
fn wrong_usage<T>(what: impl Into<String>) -> anyhow::Result<T> {
    Err(WrongUsage(Error::Invalid(what.into())).into())
}

/// Makes an invalid argument an error in the use of options; other errors are failures.
fn checked<T>(outcome: Result<T, Error>) -> anyhow::Result<T> {
    outcome.map_err(|error| match error {
        invalid @ Error::Invalid(_) => WrongUsage(invalid).into(),
        other => other.into(),
    })
}

/// Returns whether the reader of standard output or of a pipe has exited (`poselens models |
/// head`), which is not a failure.
pub fn is_reader_gone(error: &anyhow::Error) -> bool {
    let is_gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(is_gone))
}

/// Prints a JSON document to standard output.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print_line(serde_json::to_string_pretty(value)?)
}

/// Prints one or more lines to standard output.
fn print_line(text: impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Fails when two options conflict in their definition or a default does not parse.
    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Fails when an error message spans several lines, which breaks line-based logs.
    #[test]
    fn errors_are_one_line() {
        let error = anyhow::anyhow!("inner\ntext").context("outer");
        assert_eq!(one_line(&error), "outer: inner text");
        let twice = anyhow::anyhow!("no such file").context("cannot open x: no such file");
        assert_eq!(one_line(&twice), "cannot open x: no such file");
    }
}
