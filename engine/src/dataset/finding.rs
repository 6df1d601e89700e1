//! What is wrong with labelled data: readers and the checker collect [`Finding`]s instead of
//! stopping at the first.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing, nothing to do.
    Note,
    /// Probably a mistake of the labeller; it is learned from as it stands.
    Warning,
    /// Cannot be used. A reader leaves such an entry out, and [`super::DatasetSpec::load`] refuses
    /// labels that have any; training leaves out a picture, measuring stops at it.
    Error,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 3] = [Self::Note, Self::Warning, Self::Error];

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that is wrong with a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The picture, or the file of labels.
    pub file: PathBuf,
    /// Number of the annotation, if it is about one.
    pub annotation: Option<u64>,
    /// What is wrong and what to do, in one line.
    pub text: String,
}

impl Finding {
    /// About a file.
    pub fn of_file(severity: Severity, file: &Path, text: impl Into<String>) -> Self {
        Self {
            severity,
            file: file.to_owned(),
            annotation: None,
            text: text.into(),
        }
    }

    /// About annotation number `annotation`.
    pub fn of_annotation(
        severity: Severity,
        file: &Path,
        annotation: u64,
        text: impl Into<String>,
    ) -> Self {
        Self {
            annotation: Some(annotation),
            ..Self::of_file(severity, file, text)
        }
    }

    /// The text with the annotation's number.
    fn what(&self) -> String {
        self.annotation.map_or_else(
            || self.text.clone(),
            |id| format!("annotation {id}: {}", self.text),
        )
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (severity, file) = (self.severity.name(), self.file.display());
        write!(f, "{severity}: {file}: {}", self.what())
    }
}

/// Refuses data with an error among their findings, with the first of them.
pub(super) fn refuse_errors(findings: &[Finding]) -> Result<()> {
    let first = findings.iter().find(|f| f.severity == Severity::Error);
    first.map_or(Ok(()), |f| Err(Error::data(&f.file, f.what())))
}
