//! Output files for frames of one size.

use std::path::{Path, PathBuf};

use super::clock::RecordingPosition;
use super::manifest::PartRecord;
use super::{part_path, raw_part};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::output::PoseOutput;
use crate::pipeline::Look;
use crate::record::{
    Backpressure, Closing, ExportContext, ExporterSpec, Finished, Offered, Outputs, seconds,
};
use crate::sound::Sound;

/// Two videos, each with its own queue, and the poses. If one fails, the others continue.
pub(super) struct Part {
    outputs: Outputs,
    /// Indices of the videos among the outputs.
    raw: Option<usize>,
    annotated: Option<usize>,
    paths: Vec<PathBuf>,
    /// Missing parts of the sound.
    notes: Vec<String>,
    /// Whether the frames come from the recorded source, not from the raw video.
    is_of_source: bool,
    pub(super) record: PartRecord,
    /// Number of frames that were given an index.
    pub(super) n_taken: u64,
    first_secs: Option<f64>,
}

/// Result of a closed part.
pub(super) struct Closed {
    pub(super) record: PartRecord,
    pub(super) bytes: u64,
    /// Missing parts of the sound.
    pub(super) notes: Vec<String>,
    pub(super) finished: Finished,
}

/// Options of a part.
pub(super) struct PartPlan<'a> {
    pub(super) folder: &'a Path,
    /// Number of the part, from 1.
    pub(super) number: usize,
    /// Text between `annotated` or `poses` and the part's number: empty, or `-NAME`.
    pub(super) suffix: &'a str,
    /// Whether the raw video is written.
    pub(super) has_raw: bool,
    /// Nominal frames per second.
    pub(super) rate: f64,
    pub(super) backpressure: Backpressure,
    /// Names of exporters in addition to poses and COCO results.
    pub(super) exports: &'a [String],
    /// The measures it draws are written as well.
    pub(super) look: &'a Look,
    /// Opens the sound that belongs to the frames, again for each video.
    pub(super) sound: &'a dyn Fn() -> Sound,
}

impl Part {
    /// Creates the files for frames like `first`; those that fail are left out.
    ///
    /// # Errors
    /// When all of them fail, or an exporter is unknown.
    pub(super) fn create(plan: &PartPlan<'_>, first: &Frame) -> Result<Self> {
        let PartPlan { folder, number, .. } = *plan;
        let path = |stem: &str, extension| {
            part_path(folder, &format!("{stem}{}", plan.suffix), number, extension)
        };
        let mut notes = Vec::new();
        let context = ExportContext {
            name: folder
                .file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
            is_renumbered: plan.has_raw,
            measures: plan.look.drawn_measures(),
            least_score: plan.look.style.keypoint_threshold,
            ..ExportContext::default()
        };
        let mut outputs = Outputs::default();
        let mut paths = Vec::new();
        let mut video = |path: PathBuf| {
            let sound = (plan.sound)();
            note(&mut notes, &sound.left_out);
            let sound = (sound, first.time_secs);
            let number = outputs.video(&path, first.size(), plan.rate, plan.backpressure, sound);
            paths.push(path);
            number
        };
        let annotated = Some(video(path("annotated", "mp4")));
        let raw = raw_part(folder, number);
        let raw = plan.has_raw.then(|| video(raw));
        for (exporter, stem, extension) in keypoint_files(plan.exports) {
            let spec = ExporterSpec::by_name(exporter)
                .ok_or_else(|| Error::Internal(format!("no exporter is called '{exporter}'")))?;
            let path = path(stem, extension);
            outputs.export(spec, &path, &context);
            paths.push(path);
        }
        outputs.some_left()?;
        Ok(Self {
            outputs,
            raw,
            annotated,
            notes,
            is_of_source: plan.has_raw,
            paths,
            record: PartRecord::new(first.size()),
            n_taken: 0,
            first_secs: None,
        })
    }

    /// Queues a frame for the raw video and returns its index; `None` if it was dropped. Frames are
    /// numbered even without a raw video.
    pub(super) fn raw(&mut self, frame: &Frame, secs: f64) -> Option<u64> {
        let id = self.n_taken;
        let offered = match self.raw {
            Some(raw) => self.outputs.offer(raw, stamped(frame, id, secs)),
            None => Offered::Failed,
        };
        match offered {
            Offered::Queued => self.record.frames += 1,
            Offered::Dropped => {
                self.record.drops += 1;
                return None;
            }
            Offered::Failed => {}
        }
        self.n_taken += 1;
        self.reach(secs);
        Some(id)
    }

    /// Returns whether the annotated video is being written.
    pub(super) fn is_annotated(&self) -> bool {
        let annotated = self.annotated;
        annotated.is_some_and(|video| self.outputs.has_video(video))
    }

    /// Checks that a video is being written.
    ///
    /// # Errors
    /// When there is none: the failures.
    pub(super) fn has_video(&mut self) -> Result<()> {
        let mut videos = [self.raw, self.annotated].into_iter().flatten();
        if videos.any(|video| self.outputs.has_video(video)) {
            return Ok(());
        }
        self.outputs.whole()
    }

    /// Writes the poses of a frame and queues the frame with overlays for the annotated video, if
    /// any.
    pub(super) fn annotate(
        &mut self,
        picture: Option<&Frame>,
        output: Option<&PoseOutput>,
        place: RecordingPosition,
    ) {
        if let Some(output) = output {
            let mut frame = stamped(&output.frame, place.id, place.secs);
            frame.source_id = self.is_of_source.then_some(output.frame.id);
            let output = PoseOutput {
                frame,
                model: output.model.clone(),
                skeleton: output.skeleton,
                poses: output.poses.clone(),
                // The exporters do not use the maps.
                regions: Vec::new(),
                timings: output.timings,
                people: output.people,
            };
            self.outputs.push(&output);
        }
        if let (Some(picture), Some(video)) = (picture, self.annotated) {
            let picture = stamped(picture, place.id, place.secs);
            if self.outputs.offer(video, picture) == Offered::Queued {
                self.record.annotated_frames += 1;
                self.reach(place.secs);
            }
        }
    }

    /// Returns the frame counts so far.
    pub(super) fn record(&self) -> PartRecord {
        let is_written = self.raw.is_some_and(|raw| self.outputs.has_video(raw));
        record_of(&self.record, if is_written { 0 } else { self.n_taken })
    }

    /// Returns the outputs that failed since the previous call, one line each.
    pub(super) fn news(&mut self) -> Vec<String> {
        self.outputs.news()
    }

    /// Checks that no output has failed.
    ///
    /// # Errors
    /// When an output has failed: the first failure.
    pub(super) fn whole(&mut self) -> Result<()> {
        self.outputs.whole()
    }

    /// Checks that at least one output is left.
    ///
    /// # Errors
    /// When no output is left: the first failure.
    pub(super) fn some_left(&mut self) -> Result<()> {
        self.outputs.some_left()
    }

    fn reach(&mut self, secs: f64) {
        let first = *self.first_secs.get_or_insert(secs);
        self.record.seconds = self.record.seconds.max(seconds(secs - first));
    }

    /// Returns the number of bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        bytes(&self.paths)
    }

    /// Writes queued frames and closes every file, even if one of them fails.
    pub(super) fn finish(self, closing: Closing) -> Closed {
        let (mut record, mut notes) = (self.record, self.notes);
        let finished = self.outputs.finish(closing);
        for summary in finished.videos.iter().flatten() {
            note(&mut notes, &summary.sound_notes);
        }
        let summary = |video: Option<usize>| finished.videos.get(video?)?.as_ref();
        if let Some(raw) = summary(self.raw) {
            record.drops += record.frames.saturating_sub(raw.frames);
            record.frames = raw.frames;
        }
        if let Some(annotated) = summary(self.annotated) {
            record.annotated_frames = annotated.frames;
        }
        let n_without_raw = match summary(self.raw) {
            Some(_) => 0,
            None => self.n_taken,
        };
        Closed {
            record: record_of(&record, n_without_raw),
            bytes: bytes(&self.paths),
            notes,
            finished,
        }
    }
}

/// Appends lines that are not in `notes` yet: both videos may report the same.
pub(super) fn note(notes: &mut Vec<String>, lines: &[String]) {
    for line in lines {
        if !notes.contains(line) {
            notes.push(line.clone());
        }
    }
}

/// Fills in the number of frames missing from the annotated video, relative to the raw one or to
/// `n_without_raw`.
fn record_of(record: &PartRecord, n_without_raw: u64) -> PartRecord {
    // Frames that the model had no time for are missing from the annotated video as well.
    let n = record.frames.max(n_without_raw);
    PartRecord {
        annotated_drops: n.saturating_sub(record.annotated_frames),
        ..record.clone()
    }
}

fn bytes(paths: &[PathBuf]) -> u64 {
    let len = |path: &PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
    paths.iter().map(len).sum()
}

/// Returns the keypoint files to write: exporter, stem and extension; a folder has none.
pub(super) fn keypoint_files(exports: &[String]) -> Vec<(&str, &str, &str)> {
    let mut files = vec![("json", "poses", "jsonl"), ("coco", "coco", "json")];
    for name in exports.iter().map(String::as_str) {
        match name {
            "json" | "coco" => {}
            "openpose" => files.push((name, name, "")),
            _ => files.push((name, "poses", name)),
        }
    }
    files
}

/// Returns the frame with another index and time.
fn stamped(frame: &Frame, id: u64, secs: f64) -> Frame {
    let mut frame = frame.clone();
    frame.id = id;
    frame.time_secs = secs;
    frame
}
