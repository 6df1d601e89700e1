//! Makes the weights of a measured run a version of the project.

use super::bootstrap::Comparison;
use super::gate::Gate;
use super::run::RunFile;
use super::runs::run_folder;
use crate::error::{Error, Result};
use crate::model::model;
use crate::project::{NewVersion, Project, Version};
use crate::train::checkpoint::LAST;

/// Accepts the run called `run`: its weights become the version in use.
///
/// # Errors
/// When there is no such run, it has not been measured, or a file cannot be read or written. The
/// version in use stays then.
pub fn accept(project: &mut Project, run: &str) -> Result<Version> {
    let folder = run_folder(project.contents().folder(), run)?;
    let file = RunFile::read(&folder)?;
    let gate = Gate::read(&folder)?;
    let spec = model(&file.model)?;
    let weights = folder.join(LAST);
    let card = spec.card_for(Some(&weights))?;
    let mut figures = toml::Table::new();
    let sets = [
        ("holdout", Some(&gate.holdout)),
        ("retention", gate.retention.as_ref()),
    ];
    for (name, compared) in sets {
        if let Some(compared) = compared {
            figures.insert(name.to_owned(), table(compared)?.into());
        }
    }
    let name = folder.file_name().unwrap_or_default();
    let version = project.accept(&NewVersion {
        run: name.to_string_lossy().into_owned(),
        weights,
        card,
        parent: file.parent,
        data: file.data,
        holdout: file.holdout,
        verdict: gate.verdict.name().to_owned(),
        figures,
    })?;
    Ok(version)
}

fn table(compared: &Comparison) -> Result<toml::Table> {
    toml::Table::try_from(compared)
        .map_err(|e| Error::Internal(format!("cannot write the card: {e}")))
}
