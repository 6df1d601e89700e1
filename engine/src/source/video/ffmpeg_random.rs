//! Random access to files that only ffmpeg reads.
//!
//! Opening decodes the file once, without keeping frames, for the exact frame list: no container
//! index reliably matches the decoder's output. A jump starts a process at the key frame before its
//! target (ffmpeg's accurate seeking) and identifies its position by the first frame's time stamp.
//! A file without time stamps, with duplicate ones, or in which ffmpeg seeks wrongly, is read from
//! its beginning at every jump back: slow, but correct.

use std::path::{Path, PathBuf};

use super::ffmpeg::{FfmpegVideo, Listing};
use super::ffmpeg_program::{Ffmpeg, Job};
use super::name_of;
use super::random::STOPPED;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::source::scrub::{Keep, RandomAccess};
use crate::source::{FrameSource, OpenOptions, SourceInfo};
use crate::words::are;

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
    /// Indices of the frames that are missing because of damage.
    missing: Vec<usize>,
    run: Option<Run>,
    warning: Option<String>,
}

/// A process that reads the file.
struct Run {
    video: FfmpegVideo,
    /// Whether it has started at the beginning, where frames have the same numbers as here.
    is_whole: bool,
    /// Index of its next frame, unless frames are missing.
    next: usize,
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
            missing,
        } = listing;
        let n = stamps.len();
        let rate = first.info().rate;
        let times = times(&stamps, tick_secs, rate.unwrap_or(25.0));
        let pts: Option<Vec<i64>> = stamps.into_iter().collect();
        let pts = pts.filter(|pts| pts.is_sorted_by(|a, b| a < b));
        let warning = complaint.map(|what| {
            let secs = times.last().copied().unwrap_or(0.0);
            let lost = match missing.len() {
                0 => String::new(),
                n => format!("; {} lost", are(n, "frame")),
            };
            format!("read to frame {n} at {secs:.2} s; ffmpeg says: {what}{lost}")
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
            missing,
            run: None,
            warning,
        })
    }

    /// Starts a process near frame `from`, and returns a frame that is not after it, with its
    /// index.
    fn run_to(&self, from: usize) -> Result<(Run, usize, Frame)> {
        let open = |job| FfmpegVideo::open_at(&self.ffmpeg, &self.path, &self.reason, job);
        if from > 0 && !self.pts.is_empty() {
            // Half a frame early: the frame itself must not be cut off.
            let secs = f64::midpoint(self.times[from - 1], self.times[from]);
            let mut video = open(Job::ReadFrom(secs))?;
            if let Some(frame) = video.next_frame()?
                && let Some(i) = self.index_by_time(&video)
                && i <= from
            {
                let run = Run {
                    video,
                    is_whole: false,
                    next: i + 1,
                };
                return Ok((run, i, frame));
            }
        }
        let mut video = open(Job::Read)?;
        let frame = video.next_frame()?.ok_or_else(|| self.too_short())?;
        // Damage may cost the first frames.
        let i = frame.id as usize;
        let run = Run {
            video,
            is_whole: true,
            next: i + 1,
        };
        Ok((run, i, frame))
    }

    /// Returns the index of the frame that a process has returned last; `None` if times are not
    /// unique.
    fn index_by_time(&self, video: &FfmpegVideo) -> Option<usize> {
        self.pts.binary_search(&video.last_pts()?).ok()
    }

    /// Returns the next frame of a process, with its index.
    fn next(&self, run: &mut Run) -> Result<(usize, Frame)> {
        let frame = run.video.next_frame()?.ok_or_else(|| self.too_short())?;
        let i = if run.is_whole {
            frame.id as usize
        } else {
            self.index_by_time(&run.video).unwrap_or(run.next)
        };
        run.next = i + 1;
        Ok((i, frame))
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
        // Missing frames cannot be sought.
        let is_there = |i: &usize| self.missing.binary_search(i).is_err();
        let first = (from..=to).find(is_there);
        let Some(first) = first else {
            self.run = run;
            return Ok(());
        };
        let is_near = |next: usize| next <= first && first - next <= MAX_SKIP;
        let is_within = |next: usize| (first..=to).contains(&next);
        let mut run = match run {
            Some(run) if is_near(run.next) || is_within(run.next) => run,
            _ => {
                let (run, i, frame) = self.run_to(first)?;
                pass(i, frame);
                run
            }
        };
        let last = (first..=to).rev().find(is_there).unwrap_or(first);
        while run.next <= last {
            let (i, frame) = self.next(&mut run)?;
            pass(i, frame);
        }
        self.run = Some(run);
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
