//! `poselens project remove-run`, and the runs in the status of a project.

use std::path::{Path, PathBuf};

use poselens_engine::finetune::{remove_run, runs};
use serde::Serialize;

use crate::cli::print_line;

/// Options of `project remove-run`.
#[derive(Debug, clap::Args)]
pub(super) struct RemoveRunArgs {
    /// Folder of the project
    folder: PathBuf,
    /// Names of the runs
    #[arg(required = true, num_args = 1.., value_name = "RUN")]
    runs: Vec<String>,
}

/// Removes runs for good; the first that cannot be removed ends it.
pub(super) fn remove(args: &RemoveRunArgs) -> anyhow::Result<()> {
    for run in &args.runs {
        let megabytes = remove_run(&args.folder, run)? as f64 / 1e6;
        print_line(format_args!(
            "removed run {run} ({megabytes:.1} MB); versions made of it are kept"
        ))?;
    }
    Ok(())
}

/// A run in the status of a project.
#[derive(Serialize)]
pub(super) struct RunStatus {
    pub name: String,
    /// The verdict of its measurement, else `in use`, `not finished`, `not begun` or `unusable`.
    pub state: &'static str,
}

/// Lists the runs of the project in `folder`, the one changed last first.
pub(super) fn list(folder: &Path) -> Vec<RunStatus> {
    let runs = runs(folder);
    let known = runs.known.iter().map(|run| RunStatus {
        name: run.name.clone(),
        state: run.state(),
    });
    let unusable = runs.unusable.iter().map(|run| RunStatus {
        name: run.name.clone(),
        state: "unusable",
    });
    known.chain(unusable).collect()
}
