//! Random access to files that only ffmpeg reads.
//!
//! Opening decodes the file once, without keeping frames, for the exact frame list: no container
//! index reliably matches the decoder's output. A jump starts a process at the key frame before its
//! target (ffmpeg's accurate seeking) and identifies its position by the first frame's time stamp.
//! A file without time stamps, with duplicate ones, or in which ffmpeg seeks wrongly, is read from
//! its beginning at every jump back: slow, but correct.

use std::path::{Path, PathBuf};

use super::ffmpeg::{Ffmpeg, FfmpegVideo, Job, Listing};
use super::name_of;
use super::random::STOPPED;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::source::scrub::{Keep, RandomAccess};
use crate::source::{FrameSource, OpenOptions, SourceInfo};

/// Maximum number of frames decoded on the way instead of starting a process, which takes about as
/// long.
const MAX_SKIP: usize = 50;

/// An indexed file and the process that reads it.
pub(super) struct FfmpegRandom {
    ffmpeg: Ffmpeg,
    path: PathBuf,
    reason: String,
    info: SourceInfo,
    /// Time stamps of the frames in ticks; empty if they are not unique.
    pts: Vec<i64>,
    times: Vec<f64>,
    /// The reading process and the index of its next frame.
    run: Option<(FfmpegVideo, usize)>,
    warning: Option<String>,
}

impl FfmpegRandom {
    /// Indexes a file. `reason` names the content without a native decoder.
    pub(super) fn open(
        ffmpeg: &Ffmpeg,
        path: &Path,
        reason: &str,
        options: &OpenOptions,
    ) -> Result<Self> {
        // Reading the first frame gives the same errors as sequential reading.
        let first = FfmpegVideo::open_at(ffmpeg, path, reason, Job::ReadFrom(0.0))?;
        let listing = FfmpegVideo::index(ffmpeg, path, reason, options)?;
        if options.stop.is_stopped() {
            let name = name_of(path);
            return Err(Error::Cancelled(format!("{name}: {STOPPED}")));
        }
        let Listing {
            pts: stamps,
            tick_secs,
            complaint,
        } = listing;
        let n = stamps.len();
        let rate = first.info().rate;
        let times = times(&stamps, tick_secs, rate.unwrap_or(25.0));
        let pts: Option<Vec<i64>> = stamps.into_iter().collect();
        let pts = pts.filter(|pts| pts.is_sorted_by(|a, b| a < b));
        let warning = complaint.map(|what| {
            let secs = times.last().copied().unwrap_or(0.0);
            format!("read to frame {n} at {secs:.2} s; ffmpeg says: {what}")
        });
        Ok(Self {
            ffmpeg: ffmpeg.clone(),
            path: path.to_owned(),
            reason: reason.to_owned(),
            info: SourceInfo {
                name: name_of(path),
                size: first.info().size,
                rate,
                n_frames: Some(n as u64),
                is_live: false,
            },
            pts: pts.unwrap_or_default(),
            times,
            run: None,
            warning,
        })
    }

    /// Starts a process near frame `from`: the index of its next frame is at most that.
    fn run_to(&self, from: usize) -> Result<(FfmpegVideo, usize, Frame)> {
        let open = |job| FfmpegVideo::open_at(&self.ffmpeg, &self.path, &self.reason, job);
        if from > 0 && !self.pts.is_empty() {
            // Half a frame early: the frame itself must not be cut off.
            let secs = f64::midpoint(self.times[from - 1], self.times[from]);
            let mut video = open(Job::ReadFrom(secs))?;
            if let Some(frame) = video.next_frame()?
                && let Some(i) = video
                    .last_pts()
                    .and_then(|p| self.pts.binary_search(&p).ok())
                && i <= from
            {
                return Ok((video, i, frame));
            }
        }
        let mut video = open(Job::Read)?;
        let frame = video.next_frame()?.ok_or_else(|| self.too_short())?;
        Ok((video, 0, frame))
    }

    fn too_short(&self) -> Error {
        Error::source(
            &self.info.name,
            "ended early; was the file changed while it was open?",
        )
    }
}

impl RandomAccess for FfmpegRandom {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn times(&self) -> &[f64] {
        &self.times
    }

    fn key_before(&self, i: usize) -> usize {
        // Key frames are not known; ffmpeg can start at any frame.
        i
    }

    fn decode(&mut self, from: usize, to: usize, keep: Keep<'_>) -> Result<()> {
        let run = self.run.take();
        let times = &self.times;
        let mut pass = |i: usize, mut frame: Frame| {
            if (from..=to).contains(&i) {
                frame.id = i as u64;
                frame.time_secs = times[i];
                keep(i, frame);
            }
        };
        let is_near = |next: usize| next <= to && (next >= from || from - next <= MAX_SKIP);
        let (mut video, mut next) = match run {
            Some((video, next)) if is_near(next) => (video, next),
            _ => {
                let (video, i, frame) = self.run_to(from)?;
                pass(i, frame);
                (video, i + 1)
            }
        };
        while next <= to {
            let frame = video.next_frame()?.ok_or_else(|| self.too_short())?;
            pass(next, frame);
            next += 1;
        }
        self.run = Some((video, next));
        Ok(())
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

/// Returns the seconds of each frame since the first, as in sequential reading.
fn times(stamps: &[Option<i64>], tick_secs: f64, rate: f64) -> Vec<f64> {
    let first = stamps.iter().flatten().next().copied().unwrap_or(0);
    let mut last = 0.0;
    stamps
        .iter()
        .enumerate()
        .map(|(i, stamp)| {
            let since_first = match stamp {
                Some(pts) => pts.saturating_sub(first) as f64 * tick_secs,
                None if i > 0 => last + 1.0 / rate,
                None => 0.0,
            };
            last = f64::max(last, since_first);
            last
        })
        .collect()
}
