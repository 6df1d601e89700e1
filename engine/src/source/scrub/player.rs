//! A file that plays and can jump.

use super::Scrub;
use crate::error::Result;
use crate::frame::Frame;
use crate::source::{FrameSource, OpenOptions, SeekTo, SourceInfo, SourceMonitor, SourceSpec};

/// Reads a file in order until the first jump, and through a [`Scrub`] from then on: who only
/// plays a file does not pay for its index.
pub(in crate::source) struct Player {
    spec: SourceSpec,
    options: OpenOptions,
    sequential: Box<dyn FrameSource>,
    jumped: Option<(Scrub, usize)>,
    /// Through it the making of a long index can be ended.
    monitor: SourceMonitor,
}

impl Player {
    pub(in crate::source) fn new(
        spec: SourceSpec,
        options: OpenOptions,
        sequential: Box<dyn FrameSource>,
    ) -> Self {
        Self {
            monitor: SourceMonitor::new(options.stop.clone()),
            spec,
            options,
            sequential,
            jumped: None,
        }
    }
}

impl FrameSource for Player {
    fn info(&self) -> &SourceInfo {
        self.sequential.info()
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        let Some((scrub, next)) = &mut self.jumped else {
            return self.sequential.next_frame();
        };
        if *next >= scrub.n_frames() {
            return Ok(None);
        }
        let frame = scrub.frame(*next)?;
        *next += 1;
        Ok(Some(frame))
    }

    fn warning(&self) -> Option<&str> {
        match &self.jumped {
            Some((scrub, _)) => scrub.warning(),
            None => self.sequential.warning(),
        }
    }

    fn monitor(&self) -> SourceMonitor {
        self.monitor.clone()
    }

    fn seek(&mut self, to: SeekTo) -> Result<bool> {
        let scrub = match self.jumped.take() {
            Some((scrub, _)) => scrub,
            None => Scrub::open_spec(&self.spec, &self.options)?,
        };
        let last = scrub.n_frames() - 1;
        let target = match to {
            SeekTo::Frame(i) => usize::try_from(i).unwrap_or(last).min(last),
            SeekTo::Secs(secs) => scrub.index_at(secs),
        };
        self.jumped = Some((scrub, target));
        Ok(true)
    }
}
