//! State of the recorded people: what is on disk, what is shown, and what the user has chosen.

use std::ops::RangeInclusive;

use poselens_engine::error::Result;
use poselens_engine::frame::Frame;
use poselens_engine::geometry::{BBox, Point, Size};
use poselens_engine::overlay::OverlayStyle;
use poselens_engine::pose::{Keypoint, Pose};
use poselens_engine::record::tracks::{RecordedFrame, Track, TrackEdit};
use poselens_shaders::Rgb;

use crate::gui::action::inspect::{TrackRange, TracksAction};
use crate::gui::views::inspect::tracks::thread::{FramePeople, Request, Summary, TrackThread};
use crate::gui::waker::Waker;

/// Colours of tracks, distinct for colour-blind people too (Okabe and Ito).
const COLORS: [Rgb; 7] = [
    [0x56, 0xB4, 0xE9],
    [0xE6, 0x9F, 0x00],
    [0x00, 0x9E, 0x73],
    [0xF0, 0xE4, 0x42],
    [0xCC, 0x79, 0xA7],
    [0xD5, 0x5E, 0x00],
    [0x00, 0x72, 0xB2],
];

/// Colour of a person without a track.
const NO_TRACK: Rgb = [0xB0, 0xB0, 0xB0];

/// Returns the colour of a track.
pub(in crate::gui::views::inspect) fn color(id: Option<u64>) -> Rgb {
    let index = id.map(|id| (id.saturating_sub(1) % COLORS.len() as u64) as usize);
    index.map_or(NO_TRACK, |i| COLORS[i])
}

/// What has changed since the last look.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// All poses are read: the people of the inspected frame can be asked for.
    pub(super) is_ready: bool,
    /// There are no recorded poses, or they cannot be read.
    pub(super) is_over: bool,
    /// The tracks or the people of the frame have changed.
    pub(super) is_stale: bool,
    pub(super) complaints: Vec<String>,
}

/// The people of a recording.
#[derive(Debug)]
pub struct RecordedPeople {
    thread: TrackThread,
    /// Whether the source has recorded poses.
    pub(in crate::gui) is_found: bool,
    /// The tracks; `None` while they are read.
    pub(in crate::gui) summary: Option<Summary>,
    /// The people of the frame that was asked for last, in pixels of that frame.
    here: Option<FramePeople>,
    /// Number and size of the frame that was asked for last.
    asked: Option<(u64, Size)>,
    /// Whether the frame is inspected when its people are known.
    pub(super) is_awaited: bool,
    /// Whether recorded people are drawn instead of predicted ones.
    pub is_drawn: bool,
    /// One or two chosen tracks, in the order chosen.
    pub chosen: Vec<u64>,
    /// Frames that edits apply to.
    pub range: TrackRange,
    /// Number of edits that are not on disk yet.
    n_waiting: usize,
}

impl RecordedPeople {
    /// Looks for the recorded people of a source.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub(in crate::gui) fn of(spec: &str, waker: &Waker) -> Result<Self> {
        Ok(Self {
            thread: TrackThread::start(spec, waker)?,
            is_found: false,
            summary: None,
            here: None,
            asked: None,
            is_awaited: false,
            is_drawn: false,
            chosen: Vec::new(),
            range: TrackRange::FromHere,
            n_waiting: 0,
        })
    }

    /// Asks for the people of a frame.
    pub(super) fn look(&mut self, frame: &Frame) {
        self.asked = Some((frame.id, frame.size()));
        self.here = None;
        self.thread.look(frame.id, frame.time_secs);
    }

    /// Receives what the thread has published.
    pub(super) fn poll(&mut self) -> Changes {
        let news = self.thread.take();
        self.is_found |= news.is_found;
        self.n_waiting = self.n_waiting.saturating_sub(news.n_done);
        let mut changes = Changes {
            is_over: news.is_over,
            complaints: news.complaints,
            ..Changes::default()
        };
        if let Some(summary) = news.summary {
            changes.is_ready = self.summary.is_none();
            changes.is_stale = true;
            let exists = |id: &u64| summary.tracks.iter().any(|track| track.id == *id);
            self.chosen.retain(exists);
            self.summary = Some(summary);
        }
        let asked = self.asked;
        let is_asked = |people: &FramePeople| asked.is_some_and(|(id, _)| id == people.id);
        if let (Some(mut people), Some((_, size))) = (news.frame.filter(is_asked), asked) {
            people.recorded = people.recorded.map(|frame| scaled(frame, size));
            self.here = Some(people);
            changes.is_stale = true;
        }
        changes
    }

    /// Returns how much of the recorded poses is read, 0 to 1.
    pub(in crate::gui) fn share_read(&self) -> f32 {
        self.thread.share_read()
    }

    /// Returns whether the poses are being read.
    pub(in crate::gui) fn is_reading(&self) -> bool {
        self.is_found && self.summary.is_none()
    }

    /// Returns whether an edit is being written.
    pub(in crate::gui) fn is_writing(&self) -> bool {
        self.n_waiting > 0
    }

    /// Returns whether the people of the inspected frame have been read.
    pub(super) fn has_answer(&self) -> bool {
        self.here.is_some()
    }

    /// Returns the people of the inspected frame.
    pub fn recorded(&self) -> Option<&RecordedFrame> {
        self.here.as_ref()?.recorded.as_ref()
    }

    /// Returns the tracks; none while they are read.
    pub fn tracks(&self) -> &[Track] {
        self.summary.as_ref().map_or(&[], |summary| &summary.tracks)
    }

    /// Returns the number of the inspected frame in the recording.
    pub(super) fn number(&self) -> Option<u64> {
        self.here.as_ref()?.number
    }

    /// Returns the number of the last frame with people.
    pub(super) fn last_frame(&self) -> u64 {
        let last = self.tracks().iter().map(|track| track.last).max();
        last.unwrap_or_default()
    }

    /// Returns the frames that edits apply to; `None` if they are not known.
    pub(super) fn frames(&self) -> Option<RangeInclusive<u64>> {
        match self.range {
            TrackRange::FromHere => {
                let first = self.number()?;
                Some(first..=self.last_frame().max(first))
            }
            TrackRange::Whole => Some(0..=self.last_frame()),
            TrackRange::Between(first, last) => (first <= last).then_some(first..=last),
        }
    }

    /// Returns the three edits of the chosen people with their titles; `None` for those that need
    /// another choice.
    pub(in crate::gui) fn edits(&self) -> [(String, Option<TrackEdit>); 3] {
        let is_free = !self.is_writing();
        let is_free = is_free && self.summary.as_ref().is_some_and(|s| s.obstacle.is_none());
        let frames = self.frames().filter(|_| is_free);
        let (swap, join, remove) = ("Swap".to_owned(), "Join".to_owned(), "Remove".to_owned());
        match self.chosen[..] {
            [a, b] => {
                let swapped = |frames| TrackEdit::Swap { a, b, frames };
                let (from, into) = (b, a);
                let joined = |frames| TrackEdit::Join { from, into, frames };
                [
                    (format!("{swap} #{a} and #{b}"), frames.clone().map(swapped)),
                    (format!("{join} #{from} into #{into}"), frames.map(joined)),
                    (remove, None),
                ]
            }
            [id] => {
                let removed = |frames| TrackEdit::Remove { id, frames };
                let remove = format!("{remove} #{id}");
                [(swap, None), (join, None), (remove, frames.map(removed))]
            }
            _ => [(swap, None), (join, None), (remove, None)],
        }
    }

    /// Returns whether an action has an effect at present.
    pub(in crate::gui) fn takes(&self, action: &TracksAction) -> bool {
        let Some(summary) = &self.summary else {
            return false;
        };
        let is_free = summary.obstacle.is_none();
        match action {
            TracksAction::Undo => is_free && (summary.undo.is_some() || self.is_writing()),
            TracksAction::Redo => is_free && (summary.redo.is_some() || self.is_writing()),
            _ => true,
        }
    }

    /// Runs an action.
    ///
    /// # Errors
    /// If too many edits are waiting to be written.
    pub(super) fn run(&mut self, action: TracksAction) -> Result<()> {
        let request = match action {
            TracksAction::Show(is_drawn) => {
                self.is_drawn = is_drawn;
                return Ok(());
            }
            TracksAction::Range(range) => {
                self.range = range;
                return Ok(());
            }
            TracksAction::Choose(id) => {
                self.choose(id);
                return Ok(());
            }
            TracksAction::Edit(edit) => Request::Edit(edit),
            TracksAction::Undo => Request::Undo,
            TracksAction::Redo => Request::Redo,
        };
        self.thread.send(request)?;
        self.n_waiting += 1;
        Ok(())
    }

    /// Chooses a track, or drops it if it is chosen. A third one replaces the second.
    fn choose(&mut self, id: u64) {
        self.is_drawn = true;
        if let Some(i) = self.chosen.iter().position(|chosen| *chosen == id) {
            self.chosen.remove(i);
            return;
        }
        self.chosen.truncate(1);
        self.chosen.push(id);
    }

    /// Returns the track of the drawn person at a point of the image: the one with the nearest
    /// joint within `reach` pixels, else the smallest one around the point.
    pub(in crate::gui) fn track_at(&self, point: Point, reach: f64) -> Option<u64> {
        let poses = &self.recorded().filter(|_| self.is_drawn)?.poses;
        let threshold = OverlayStyle::default().keypoint_threshold;
        let distance = |pose: &Pose| {
            let drawn = pose.keypoints.iter().filter(|k| k.score >= threshold);
            drawn
                .map(|k| k.point().distance(point))
                .min_by(f64::total_cmp)
        };
        let near = poses
            .iter()
            .filter_map(|p| Some((p.track_id?, distance(p)?)));
        let near = near.filter(|(_, distance)| *distance <= reach);
        let nearest = near.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(id, _)| id);
        nearest.or_else(|| {
            let around = poses.iter().filter(|pose| pose.bbox.contains(point));
            let around = around.filter_map(|p| Some((p.track_id?, p.bbox.area())));
            around.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(id, _)| id)
        })
    }

    /// Waits until all edits are on disk.
    pub(in crate::gui) fn finish(self) {
        self.thread.finish();
    }
}

/// Converts poses to pixels of a video frame, which is smaller than the source's frame if H.264
/// cannot hold that.
fn scaled(frame: RecordedFrame, size: Size) -> RecordedFrame {
    if frame.size == size {
        return frame;
    }
    let by = |to: usize, from: usize| to as f64 / from.max(1) as f64;
    let (sx, sy) = (
        by(size.width, frame.size.width),
        by(size.height, frame.size.height),
    );
    let place = |v: f64, s: f64| (v + 0.5) * s - 0.5;
    let joint = |k: Keypoint| Keypoint {
        x: place(f64::from(k.x), sx) as f32,
        y: place(f64::from(k.y), sy) as f32,
        ..k
    };
    let joints = |all: Vec<Keypoint>| all.into_iter().map(joint).collect();
    let pose = |pose: Pose| Pose {
        bbox: BBox {
            x: place(pose.bbox.x, sx),
            y: place(pose.bbox.y, sy),
            w: pose.bbox.w * sx,
            h: pose.bbox.h * sy,
        },
        keypoints: joints(pose.keypoints),
        keypoints_raw: joints(pose.keypoints_raw),
        ..pose
    };
    RecordedFrame {
        size,
        poses: frame.poses.into_iter().map(pose).collect(),
        ..frame
    }
}
