//! The error type of the engine.
//!
//! A message says in one line what happened, to which file or device, and what to do about it.

use std::path::{Path, PathBuf};

/// Any error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file system operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The operation as a verb: `open`, `read`, `write`, `create`.
        action: &'static str,
        /// The file or folder concerned.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A camera, video, image or folder cannot be used.
    #[error("{name}: {reason}")]
    Source {
        /// Name of the file or device as given by the user.
        name: String,
        /// The problem and its remedy.
        reason: String,
    },
    /// A file has invalid contents (annotations, weights, cards).
    #[error("{}: {reason}", path.display())]
    Data {
        /// The invalid file.
        path: PathBuf,
        /// The problem and its remedy.
        reason: String,
    },
    /// A recording or export cannot be written.
    #[error("cannot record to {}: {reason}", path.display())]
    Record {
        /// The file being written.
        path: PathBuf,
        /// The problem, and what has been saved.
        reason: String,
    },
    /// The requested compute device cannot be used.
    #[error("device {name}: {reason}")]
    Device {
        /// Name of the device, e.g. `cuda:0` or `metal`.
        name: String,
        /// The reason and its remedy.
        reason: String,
    },
    /// An argument or option is invalid, by itself or together with others.
    #[error("{0}")]
    Invalid(String),
    /// An operation failed for a reason that is not an argument; the message is complete.
    #[error("{0}")]
    Failed(String),
    /// An operation was stopped on request before it was finished; not a fault.
    #[error("{0}")]
    Cancelled(String),
    /// A state that the program's own logic excludes: a bug.
    #[error("internal error: {0}; please report it")]
    Internal(String),
    /// A tensor operation failed: a bug in a network definition or an exhausted device.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A worker thread panicked.
    #[error("the {worker} thread failed: {message}")]
    Panicked {
        /// Name of the thread.
        worker: String,
        /// Message of the panic.
        message: String,
    },
}

/// `Result` with the engine's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Returns whether the reader of a pipe has closed it, which is not a failure.
    pub fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// Creates an I/O error with verb and path, for `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Returns whether the operation was stopped on request, which is not a failure.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }

    /// Creates a source error.
    pub fn source(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Source {
            name: name.into(),
            reason: reason.into(),
        }
    }

    /// Creates an error about invalid contents of a file.
    pub fn data(path: &Path, reason: impl Into<String>) -> Self {
        Self::Data {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a bug is presented as the user's mistake, a cancellation as a failure, or a
    /// message has more than one line.
    #[test]
    fn faults_are_told_apart() {
        let internal = Error::Internal("the loader's threads have ended".to_owned());
        assert_eq!(
            internal.to_string(),
            "internal error: the loader's threads have ended; please report it"
        );
        let cancelled = Error::Cancelled("the annotation was cancelled".to_owned());
        assert!(cancelled.is_cancelled() && !internal.is_cancelled());
        assert_eq!(cancelled.to_string(), "the annotation was cancelled");
    }
}
