//! Several keypoint files at once.

use super::export::Exporter;
use crate::error::{Error, Result};
use crate::output::PoseOutput;

/// Exporters side by side: one that fails is given up, the others go on.
///
/// What a failed exporter has written stays as it is: a list that is not whole keeps the name that
/// says so.
#[derive(Default)]
pub struct Exports {
    running: Vec<Box<dyn Exporter>>,
    failure: Option<Error>,
}

impl Exports {
    /// From open exporters.
    pub fn new(exporters: Vec<Box<dyn Exporter>>) -> Self {
        Self {
            running: exporters,
            failure: None,
        }
    }

    /// Hands one frame's poses to every exporter that still works.
    pub fn push(&mut self, output: &PoseOutput) {
        let failure = &mut self.failure;
        self.running.retain_mut(|exporter| {
            let Err(error) = exporter.push(output) else {
                return true;
            };
            tracing::error!("{error}");
            failure.get_or_insert(error);
            false
        });
    }

    /// Whether none is left that works.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Completes every file that can be.
    ///
    /// # Errors
    /// The first error of any of them.
    pub fn finish(self) -> Result<()> {
        let mut outcome = self.failure.map_or(Ok(()), Err);
        for exporter in self.running {
            outcome = outcome.and(exporter.finish());
        }
        outcome
    }
}
