//! PoseLens: the desktop window and the command line around `poselens-engine`.

pub mod cli;
mod figures;
pub mod folders;
pub mod gui;
pub mod logs;
mod option_texts;
pub mod outputs;
mod people;
mod stats;
mod words;

use std::process::ExitCode;

use clap::Parser;

/// Runs the program: parses the command line, runs the command and returns its exit code (0
/// success, 1 failure, 2 wrong usage).
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if cli::is_reader_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("poselens: {}", cli::one_line(&error));
            if error.is::<cli::WrongUsage>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
