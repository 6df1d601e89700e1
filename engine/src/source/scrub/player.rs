//! A file source that can play and seek.

use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};

use super::Scrub;
use crate::concurrency::{StopFlag, Worker};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::source::{FrameSource, OpenOptions, SeekTo, SourceInfo, SourceMonitor, SourceSpec};

/// Interval between checks of a stop flag.
const POLL: Duration = Duration::from_millis(100);

/// Reads a file sequentially until the first seek, and through a [`Scrub`] from then on, so that
/// plain playback does not pay for an index, unless [`OpenOptions::is_indexed_ahead`].
pub(in crate::source) struct Player {
    spec: SourceSpec,
    options: OpenOptions,
    sequential: Box<dyn FrameSource>,
    /// Created at the first seek, or ahead.
    scrub: Option<Scrub>,
    ahead: Option<Ahead>,
    /// Index of the frame that `scrub` returns next; `None` while the file is read sequentially.
    next: Option<usize>,
    /// Used to interrupt a long indexing.
    monitor: SourceMonitor,
}

/// An index that is built while the file plays.
struct Ahead {
    made: Receiver<Result<Scrub>>,
    worker: Worker,
}

impl Ahead {
    fn start(spec: &SourceSpec, options: &OpenOptions) -> Result<Self> {
        let (tx, made) = bounded(1);
        let failed = tx.clone();
        let (spec, options, indexing) = (spec.clone(), options.clone(), options.indexing.clone());
        let worker = Worker::spawn(
            "file index",
            StopFlag::new(),
            move |stop| {
                let options = OpenOptions {
                    stop: stop.clone(),
                    ..options
                };
                // If the player is gone, the index is not needed.
                let _ = tx.try_send(Ok(Scrub::open_spec(&spec, &options)?));
                Ok(())
            },
            move |error| {
                indexing.fail(error.to_string());
                let _ = failed.try_send(Err(error));
            },
        )?;
        Ok(Self { made, worker })
    }
}

impl Player {
    pub(in crate::source) fn new(
        spec: SourceSpec,
        options: OpenOptions,
        sequential: Box<dyn FrameSource>,
    ) -> Self {
        let needs_index = options.is_indexed_ahead && sequential.info().n_frames.is_none();
        let ahead = needs_index.then(|| Ahead::start(&spec, &options));
        let ahead = ahead.transpose().unwrap_or_else(|error| {
            tracing::warn!(%error, "no index ahead of the first jump");
            None
        });
        let monitor = SourceMonitor::of_file(options.stop.clone(), options.indexing.clone());
        Self {
            spec,
            options,
            sequential,
            scrub: None,
            ahead,
            next: None,
            monitor,
        }
    }

    /// Returns the file with random access; waits for its index.
    fn scrub(&mut self) -> Result<&mut Scrub> {
        let scrub = match (self.scrub.take(), self.ahead.take()) {
            (Some(scrub), _) => scrub,
            (None, Some(ahead)) => self.wait_for(&ahead)?,
            (None, None) => Scrub::open_spec(&self.spec, &self.options)?,
        };
        Ok(self.scrub.insert(scrub))
    }

    fn wait_for(&self, ahead: &Ahead) -> Result<Scrub> {
        loop {
            match ahead.made.recv_timeout(POLL) {
                Ok(made) => return made,
                Err(RecvTimeoutError::Timeout) if !self.options.stop.is_stopped() => {}
                Err(_) => {
                    ahead.worker.stop();
                    let name = &self.info().name;
                    return Err(Error::Cancelled(format!("{name}: indexing was stopped")));
                }
            }
        }
    }
}

impl FrameSource for Player {
    fn info(&self) -> &SourceInfo {
        self.sequential.info()
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        let (Some(scrub), Some(next)) = (&mut self.scrub, &mut self.next) else {
            return self.sequential.next_frame();
        };
        while *next < scrub.n_frames() {
            match scrub.frame_from(*next) {
                Ok(frame) => {
                    *next = frame
                        .as_ref()
                        .map_or(scrub.n_frames(), |frame| frame.id as usize + 1);
                    return Ok(frame);
                }
                Err(error) if scrub.frames_stand_alone() => {
                    tracing::warn!("skipped: {error}");
                    *next += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn warning(&self) -> Option<&str> {
        match (&self.scrub, self.next) {
            (Some(scrub), Some(_)) => scrub.warning(),
            _ => self.sequential.warning(),
        }
    }

    fn is_damaged(&self) -> bool {
        self.sequential.is_damaged()
    }

    fn monitor(&self) -> SourceMonitor {
        self.monitor.clone()
    }

    fn seek(&mut self, to: SeekTo) -> Result<bool> {
        let scrub = self.scrub()?;
        let last = scrub.n_frames() - 1;
        let target = match to {
            SeekTo::Frame(i) => usize::try_from(i).unwrap_or(last).min(last),
            SeekTo::Secs(secs) => scrub.index_at(secs),
        };
        self.next = Some(target);
        Ok(true)
    }

    fn rewind(&mut self) -> Result<bool> {
        let open = self.spec.kind().open;
        self.sequential = open(self.spec.argument(), &self.options)?;
        self.next = None;
        if let Some(scrub) = &mut self.scrub {
            scrub.forget();
        }
        Ok(true)
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // It may be decoding its first frame; do not wait for that.
        if let Some(ahead) = self.ahead.take() {
            ahead.worker.detach();
        }
    }
}
