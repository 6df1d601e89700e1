//! Problems in labelled data: readers and the checker collect [`Finding`]s instead of stopping at
//! the first.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Information; no action needed.
    Note,
    /// Probably a labelling mistake; the entry is still used for training.
    Warning,
    /// Unusable entry. A reader skips it, and [`super::DatasetSpec::load`] refuses labels with such
    /// entries; training skips the image, evaluation stops at it.
    Error,
}

impl Severity {
    /// Every severity in ascending order.
    pub const ALL: [Self; 3] = [Self::Note, Self::Warning, Self::Error];

    /// Returns the name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One problem in a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Severity, from note to error.
    pub severity: Severity,
    /// The image or label file concerned.
    pub file: PathBuf,
    /// Id of the annotation, if the finding is about one.
    pub annotation: Option<u64>,
    /// The problem and its remedy, in one line.
    pub text: String,
}

impl Finding {
    /// Creates a finding about a whole file.
    pub fn of_file(severity: Severity, file: &Path, text: impl Into<String>) -> Self {
        Self {
            severity,
            file: file.to_owned(),
            annotation: None,
            text: text.into(),
        }
    }

    /// Creates a finding about annotation id `annotation`.
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

    /// Returns the text prefixed with the annotation id.
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

/// Returns the first finding of severity error as an error.
pub(super) fn refuse_errors(findings: &[Finding]) -> Result<()> {
    let first = findings.iter().find(|f| f.severity == Severity::Error);
    first.map_or(Ok(()), |f| Err(Error::data(&f.file, f.what())))
}
