//! Videos decoded by an ffmpeg process: every codec without a native decoder.
//!
//! The process writes raw frames to one pipe and each frame's time and size to another (by its
//! `showinfo` filter); frames and times are paired in order. The pipes and the queue are bounded,
//! so that ffmpeg waits for the reader.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{ChildStderr, ChildStdout};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::aspect::PixelAspect;
use super::cut::is_cut_off;
use super::ffmpeg_notes::{Note, Origin, parse};
use super::ffmpeg_program::{Dialect, Ffmpeg, Job, Process};
use super::pace::Pace;
use super::stream::CUT_OFF;
use super::{is_believable, name_of};
use crate::concurrency::{StopFlag, Worker};
use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool, resample};
use crate::geometry::Size;
use crate::source::{FrameSource, OpenOptions, SourceInfo};
use crate::words::{are, counted, were};

/// Interval between checks of a stop flag.
const POLL: Duration = Duration::from_millis(100);

/// The time stamps of all frames of a file.
pub(super) struct Listing {
    /// Time stamps in ticks; `None` for frames without one.
    pub(super) pts: Vec<Option<i64>>,
    /// Seconds per tick.
    pub(super) tick_secs: f64,
    /// First error reported by ffmpeg.
    pub(super) complaint: Option<String>,
    /// Indices of the frames that are missing because of damage.
    pub(super) missing: Vec<usize>,
}

/// A video decoded by ffmpeg. The order of the fields determines the drop order: the process ends,
/// the channel closes, the thread is joined.
pub(in crate::source) struct FfmpegVideo {
    process: Process,
    dialect: Dialect,
    job: Job,
    pixels: ChildStdout,
    notes: Receiver<Note>,
    _listener: Worker,
    info: SourceInfo,
    pool: FramePool,
    /// The first frame, decoded on opening.
    first: Option<Frame>,
    tick_secs: f64,
    origin: Origin,
    /// Time of the file's first packet in seconds.
    start_secs: f64,
    first_pts: Option<i64>,
    /// Stored size of the first frame.
    first_size: Option<Size>,
    /// Time stamp of the last frame read, in ticks.
    last_pts: Option<i64>,
    last_secs: f64,
    /// Number of the next frame.
    next_id: u64,
    pace: Pace,
    /// Number of frames that are missing because of damage.
    n_missing: u64,
    complaint: Option<String>,
    /// Number of frames and seconds before the first error.
    complaint_at: (u64, f64),
    warning: Option<String>,
    /// Whether the file is shorter than it states.
    is_cut: bool,
    is_ended: bool,
}

impl FfmpegVideo {
    /// Opens a file and waits for its first frame. `reason` names the content without a native
    /// decoder.
    pub(super) fn open(ffmpeg: &Ffmpeg, path: &Path, reason: &str) -> Result<Self> {
        Self::open_at(ffmpeg, path, reason, Job::Read)
    }

    /// Like [`FfmpegVideo::open`], from another position.
    pub(in crate::source) fn open_at(
        ffmpeg: &Ffmpeg,
        path: &Path,
        reason: &str,
        job: Job,
    ) -> Result<Self> {
        let mut dialect = Dialect::Present;
        let (mut video, first) = loop {
            let mut video = Self::start(ffmpeg, path, reason, (dialect, job))?;
            let first = video.read_frame();
            match dialect.older(video.complaint.as_ref()) {
                Some(older) if first.is_none() => dialect = older,
                _ => break (video, first),
            }
        };
        let Some(first) = first else {
            let complaint = video.complaint.take();
            let said = complaint.unwrap_or_else(|| "there are no frames".into());
            return Err(Error::source(
                path.display().to_string(),
                format!("cannot be decoded: {reason}; ffmpeg says: {said}"),
            ));
        };
        video.info.size = Some(first.size());
        video.first = Some(first);
        Ok(video)
    }

    /// Decodes the whole file to list the time stamps of its frames. The list is shorter if the
    /// options' stop flag was raised; progress is reported to `options.indexing`.
    pub(super) fn index(
        ffmpeg: &Ffmpeg,
        path: &Path,
        reason: &str,
        options: &OpenOptions,
    ) -> Result<Listing> {
        let mut dialect = Dialect::Present;
        loop {
            let video = Self::start(ffmpeg, path, reason, (dialect, Job::Index))?;
            let listing = video.listing(options);
            match dialect.older(listing.complaint.as_ref()) {
                Some(older) if listing.pts.is_empty() => dialect = older,
                _ => return Ok(listing),
            }
        }
    }

    fn listing(mut self, options: &OpenOptions) -> Listing {
        let mut pts: Vec<Option<i64>> = Vec::new();
        let mut missing = Vec::new();
        let mut whole_secs = None;
        while !options.stop.is_stopped() {
            match self.notes.recv_timeout(POLL) {
                Ok(Note::Clock { tick_secs, rate }) => self.set_clock(tick_secs, rate),
                Ok(Note::Complaint(text)) => self.complain(text),
                Ok(Note::Input(origin)) => self.origin = origin,
                Ok(Note::Extent { secs, start_secs }) => {
                    whole_secs = secs;
                    self.start_secs = start_secs.unwrap_or(0.0);
                }
                Ok(Note::Frame { pts: stamp, .. }) => {
                    for lost in self.missing_before(stamp) {
                        missing.push(pts.len());
                        pts.push(Some(lost));
                    }
                    pts.push(stamp);
                    let first = pts.iter().flatten().next();
                    let ticks = stamp
                        .zip(first)
                        .map_or(0, |(now, first)| now.saturating_sub(*first));
                    let secs = ticks as f64 * self.tick_secs;
                    let share = whole_secs.map(|whole: f64| (secs / whole) as f32);
                    options.indexing.report(pts.len() as u64, secs, share);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Listing {
            pts,
            tick_secs: self.tick_secs,
            complaint: self.complaint,
            missing,
        }
    }

    fn set_clock(&mut self, tick_secs: f64, rate: Option<f64>) {
        self.tick_secs = tick_secs;
        self.info.rate = rate.or(self.info.rate);
        let step = self.info.rate.map(|rate| 1.0 / (rate * tick_secs));
        self.pace.set_step(step);
    }

    /// Returns the times of the frames that are missing before the next one, if ffmpeg has reported
    /// damage and the frame rate is constant.
    fn missing_before(&mut self, pts: Option<i64>) -> Vec<i64> {
        let Some(pts) = pts else {
            return Vec::new();
        };
        // The error precedes the frames after the damage: it is reported when a packet is decoded,
        // frames when they leave the filter.
        let missing = match self.complaint {
            Some(_) => {
                if let Some(start) = self.first_due() {
                    self.pace.begin(start);
                }
                self.pace.missing([pts])
            }
            None => Vec::new(),
        };
        if self.n_missing == 0 && !missing.is_empty() {
            // ffmpeg may report damage long before the frames around it.
            self.complaint_at = (self.next_id, self.last_secs);
        }
        self.n_missing += missing.len() as u64;
        missing
            .iter()
            .chain([&pts])
            .for_each(|pts| self.pace.pass(*pts));
        missing
    }

    /// Returns the time stamp at which an undamaged file has its first frame, if it is known and
    /// reading starts there.
    fn first_due(&self) -> Option<i64> {
        // Without -copyts, ffmpeg counts from the first packet.
        let zero_secs = match self.job {
            Job::Read => self.start_secs,
            Job::ReadFrom(secs) if secs > 0.0 => return None,
            Job::ReadFrom(_) | Job::Index => 0.0,
        };
        let secs = match self.origin {
            Origin::Zero => 0.0,
            Origin::Start => self.start_secs,
            Origin::Unknown => return None,
        };
        let ticks = (secs - zero_secs) / self.tick_secs;
        ticks.is_finite().then(|| ticks.round() as i64)
    }

    /// Returns the time stamp of the first frame in seconds.
    pub(in crate::source) fn first_secs(&self) -> f64 {
        self.first_pts.unwrap_or(0) as f64 * self.tick_secs
    }

    /// Returns the time stamp of the last frame read, in ticks.
    pub(super) fn last_pts(&self) -> Option<i64> {
        self.last_pts
    }

    fn start(
        ffmpeg: &Ffmpeg,
        path: &Path,
        reason: &str,
        (dialect, job): (Dialect, Job),
    ) -> Result<Self> {
        let fail = |what: String| Error::source(path.display().to_string(), what);
        let mut child = ffmpeg.spawn(path, dialect, job).map_err(|e| {
            fail(match e.kind() {
                std::io::ErrorKind::NotFound => format!(
                    "{reason}; this needs ffmpeg, which is not installed: install it (apt-get \
                     install ffmpeg) or convert the file (a video to H.264 MP4, an image \
                     to PNG or JPEG)"
                ),
                _ => format!("{reason}; this needs ffmpeg, which does not start: {e}"),
            })
        })?;
        let pipes = (child.stdout.take(), child.stderr.take());
        let process = Process(child);
        let (Some(pixels), Some(messages)) = pipes else {
            return Err(fail("ffmpeg gives no output".into()));
        };
        // More frames than ffmpeg keeps between its filter and its output.
        let (sender, notes) = bounded(256);
        let prefix = format!("file:{}: ", path.display());
        let listener = Worker::spawn(
            "ffmpeg-listener",
            StopFlag::new(),
            move |_| {
                listen(messages, &sender, &prefix);
                Ok(())
            },
            |error| tracing::error!("{error}"),
        )?;
        Ok(Self {
            process,
            dialect,
            job,
            pixels,
            notes,
            _listener: listener,
            info: SourceInfo {
                name: name_of(path),
                size: None,
                rate: None,
                n_frames: None,
                is_live: false,
            },
            pool: FramePool::new(),
            first: None,
            tick_secs: 0.0,
            origin: Origin::Unknown,
            start_secs: 0.0,
            first_pts: None,
            first_size: None,
            last_pts: None,
            last_secs: 0.0,
            next_id: 0,
            pace: Pace::new(None),
            n_missing: 0,
            complaint: None,
            complaint_at: (0, 0.0),
            warning: None,
            is_cut: matches!(job, Job::Read) && is_cut_off(path),
            is_ended: false,
        })
    }

    /// Reads the next frame from the pipe, `None` at the end; [`Self::complaint`] then returns the
    /// error, if any.
    fn read_frame(&mut self) -> Option<Frame> {
        loop {
            match self.notes.recv() {
                Ok(Note::Clock { tick_secs, rate }) => self.set_clock(tick_secs, rate),
                Ok(Note::Complaint(text)) => self.complain(text),
                Ok(Note::Input(origin)) => self.origin = origin,
                Ok(Note::Extent { start_secs, .. }) => {
                    self.start_secs = start_secs.unwrap_or(0.0);
                }
                Ok(Note::Frame { pts, size, aspect }) => {
                    return self.read_pixels(pts, size, aspect);
                }
                Err(_) => {
                    let status = self.process.0.wait();
                    if !status.is_ok_and(|s| s.success()) {
                        let text = "it ended without a message".to_owned();
                        self.complaint.get_or_insert(text);
                    }
                    return None;
                }
            }
        }
    }

    /// Records the first error and its position.
    fn complain(&mut self, text: String) {
        if self.complaint.is_none() {
            self.complaint = Some(text);
            self.complaint_at = (self.next_id, self.last_secs);
        }
    }

    fn read_pixels(&mut self, pts: Option<i64>, size: Size, aspect: PixelAspect) -> Option<Frame> {
        let first = *self.first_size.get_or_insert(size);
        let size = match self.dialect {
            Dialect::BeforeAutoscale => first,
            _ => size,
        };
        if !is_believable(size) {
            self.complaint = Some(format!("frames of {size} pixels are too large"));
            return None;
        }
        let mut pixels = self.pool.take(size);
        if let Err(e) = self.pixels.read_exact(pixels.bytes_mut()) {
            self.complaint
                .get_or_insert_with(|| format!("a frame ended early ({e})"));
            return None;
        }
        self.last_pts = pts;
        let missing = self.missing_before(pts);
        self.next_id += missing.len() as u64;
        if let Some(lost) = missing.first() {
            self.first_pts.get_or_insert(*lost);
        }
        let since_first = match pts {
            Some(pts) => {
                let first = *self.first_pts.get_or_insert(pts);
                pts.saturating_sub(first) as f64 * self.tick_secs
            }
            // A stream without times: use the nominal rate, or the one of film and television.
            None if self.next_id > 0 => self.last_secs + 1.0 / self.info.rate.unwrap_or(25.0),
            None => 0.0,
        };
        self.last_secs = self.last_secs.max(since_first);
        let square = aspect.apply_to(size);
        if square != size {
            let mut stretched = self.pool.take(square);
            resample(pixels.bytes(), size, stretched.bytes_mut(), square);
            pixels = stretched;
        }
        let frame = Frame::new(self.next_id, self.last_secs, square, pixels);
        self.next_id += 1;
        Some(frame)
    }
}

impl FrameSource for FfmpegVideo {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if self.is_ended {
            return Ok(None);
        }
        let frame = self.read_frame();
        if frame.is_none() {
            self.is_ended = true;
        }
        self.note_damage();
        Ok(frame)
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    fn is_damaged(&self) -> bool {
        self.warning.is_some()
    }
}

impl FfmpegVideo {
    /// Describes the damage so far. That the file is cut off, once its end is reached, explains errors
    /// that cost no frames.
    fn note_damage(&mut self) {
        if self.is_cut && self.n_missing == 0 {
            let (name, secs) = (&self.info.name, self.last_secs);
            let frames = counted(self.next_id, "frame");
            let text = || format!("{name}: ends after {frames}, at {secs:.2} s: {CUT_OFF}");
            self.warning = self.is_ended.then(text);
        } else if let Some(complaint) = &self.complaint {
            let (n, secs) = self.complaint_at;
            let lost = match self.n_missing {
                0 => String::new(),
                n => format!(", {} lost", are(n, "frame")),
            };
            let place = match (n, self.n_missing) {
                // An error on opening the file does not say where the damage is.
                (0, 0) => String::new(),
                (0, _) => " at its start".to_owned(),
                _ => format!(" after about {}, at {secs:.2} s", counted(n, "frame")),
            };
            let cut = if self.is_cut {
                format!("; {CUT_OFF}")
            } else {
                String::new()
            };
            self.warning = Some(format!(
                "{}: damaged{place} (ffmpeg says: {complaint}){lost}; {} read, to {:.2} s{cut}",
                self.info.name,
                were(self.next_id - self.n_missing, "frame"),
                self.last_secs
            ));
        }
    }
}

/// Parses ffmpeg's messages into notes until it ends or the receiver is gone.
fn listen(messages: ChildStderr, notes: &Sender<Note>, prefix: &str) {
    let mut messages = BufReader::new(messages);
    let mut line = Vec::new();
    while let Ok(1..) = messages.read_until(b'\n', &mut line) {
        let is_heard = match parse(&String::from_utf8_lossy(&line), prefix) {
            // Many errors must not block the frames after them.
            Some(note @ Note::Complaint(_)) => {
                !matches!(notes.try_send(note), Err(TrySendError::Disconnected(_)))
            }
            Some(note) => notes.send(note).is_ok(),
            None => true,
        };
        if !is_heard {
            return;
        }
        line.clear();
    }
}
