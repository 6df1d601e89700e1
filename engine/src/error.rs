//! The one error type of the engine.
//!
//! A message says what happened, to which file or device, and what to do about it, in one line.

use std::path::{Path, PathBuf};

/// What can go wrong in the engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file or folder.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// A verb: `open`, `read`, `write`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A camera, video, picture or folder cannot be used.
    #[error("{name}: {reason}")]
    Source {
        /// The file or device as the user named it.
        name: String,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A file's contents are not what its reader needs (annotations, weights, cards).
    #[error("{}: {reason}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A recording or export cannot be written.
    #[error("cannot record to {}: {reason}", path.display())]
    Record {
        /// The file being written.
        path: PathBuf,
        /// What is wrong and what is already safe.
        reason: String,
    },
    /// The asked-for compute device cannot be used.
    #[error("device {name}: {reason}")]
    Device {
        /// `cuda:0`, `metal`, ...
        name: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// An argument has no meaning here.
    #[error("{0}")]
    Invalid(String),
    /// A tensor operation failed: a fault in a network definition or an exhausted device.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A worker thread panicked; its message has been kept.
    #[error("the {worker} thread failed: {message}")]
    Panicked {
        /// The thread's name.
        worker: String,
        /// The panic's message.
        message: String,
    },
}

/// `Result` with the engine's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether the program that read a pipe has ended, which is no failure.
    pub fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// For `map_err`: an I/O error with its file and verb.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// A source error.
    pub fn source(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Source {
            name: name.into(),
            reason: reason.into(),
        }
    }

    /// A file whose contents are wrong.
    pub fn data(path: &Path, reason: impl Into<String>) -> Self {
        Self::Data {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
