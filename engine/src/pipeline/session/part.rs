//! The files of pictures of one size.

use std::path::{Path, PathBuf};

use super::clock::Place;
use super::manifest::PartRecord;
use super::part_path;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::output::PoseOutput;
use crate::record::{
    Backpressure, Closing, ExportContext, ExporterSpec, Finished, Offered, Outputs,
};
use crate::sound::Sound;

/// Two videos, each with a queue of its own, and the poses. One that fails leaves the others going.
pub(super) struct Part {
    outputs: Outputs,
    /// The videos' numbers among the outputs.
    raw: Option<usize>,
    annotated: usize,
    paths: Vec<PathBuf>,
    /// What is lacking of the sound.
    notes: Vec<String>,
    pub(super) record: PartRecord,
    /// Frames that have a number.
    pub(super) n_taken: u64,
    first_secs: Option<f64>,
}

/// What is left of a part.
pub(super) struct Closed {
    pub(super) record: PartRecord,
    pub(super) bytes: u64,
    /// What is lacking of the sound.
    pub(super) notes: Vec<String>,
    pub(super) finished: Finished,
}

/// How a part is to be written.
pub(super) struct PartPlan<'a> {
    pub(super) folder: &'a Path,
    /// From 1.
    pub(super) number: usize,
    /// Between `annotated` or `poses` and the part's number: empty, or `-NAME`.
    pub(super) suffix: &'a str,
    /// Whether the raw video is written.
    pub(super) has_raw: bool,
    /// Nominal frames per second.
    pub(super) rate: f64,
    pub(super) backpressure: Backpressure,
    /// Exporters beside the poses and COCO results, by name.
    pub(super) exports: &'a [String],
    /// Opens the sound that belongs to the pictures, for each video anew.
    pub(super) sound: &'a dyn Fn() -> Sound,
}

impl Part {
    /// Creates the files for pictures like `first`, those that can be.
    ///
    /// # Errors
    /// When none of them can be, or an exporter is not known.
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
        let annotated = video(path("annotated", "mp4"));
        let raw = plan
            .has_raw
            .then(|| video(part_path(folder, "raw", number, "mp4")));
        for (exporter, stem, extension) in keypoint_files(plan.exports) {
            let spec = ExporterSpec::by_name(exporter)
                .ok_or_else(|| Error::Invalid(format!("no exporter is called '{exporter}'")))?;
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
            paths,
            record: PartRecord::new(first.size()),
            n_taken: 0,
            first_secs: None,
        })
    }

    /// Queues a frame for the raw video; its number there, `None` when it was dropped. Without that
    /// video frames are numbered all the same.
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

    /// Whether the annotated video is being written.
    pub(super) fn is_annotated(&self) -> bool {
        self.outputs.has_video(self.annotated)
    }

    /// Writes what was found in a frame and queues the picture with overlays, where there is one.
    pub(super) fn annotate(
        &mut self,
        picture: Option<&Frame>,
        output: Option<&PoseOutput>,
        place: Place,
    ) {
        if let Some(output) = output {
            let output = PoseOutput {
                frame: stamped(&output.frame, place.id, place.secs),
                model: output.model.clone(),
                skeleton: output.skeleton,
                poses: output.poses.clone(),
                // Nobody here reads the maps.
                regions: Vec::new(),
                timings: output.timings,
            };
            self.outputs.push(&output);
        }
        if let Some(picture) = picture {
            let picture = stamped(picture, place.id, place.secs);
            if self.outputs.offer(self.annotated, picture) == Offered::Queued {
                self.record.annotated_frames += 1;
                self.reach(place.secs);
            }
        }
    }

    /// Its figures so far.
    pub(super) fn record(&self) -> PartRecord {
        let is_written = self.raw.is_some_and(|raw| self.outputs.has_video(raw));
        record_of(&self.record, if is_written { 0 } else { self.n_taken })
    }

    /// Outputs that have failed since the last call, each in a line.
    pub(super) fn news(&mut self) -> Vec<String> {
        self.outputs.news()
    }

    /// # Errors
    /// When an output has failed: the first failure.
    pub(super) fn whole(&mut self) -> Result<()> {
        self.outputs.whole()
    }

    /// # Errors
    /// When no output is left: the first failure.
    pub(super) fn some_left(&mut self) -> Result<()> {
        self.outputs.some_left()
    }

    fn reach(&mut self, secs: f64) {
        let first = *self.first_secs.get_or_insert(secs);
        self.record.seconds = self.record.seconds.max(secs - first);
    }

    /// Bytes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        bytes(&self.paths)
    }

    /// Writes what is queued and closes every file, whatever happens to one of them.
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
        if let Some(annotated) = summary(Some(self.annotated)) {
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

/// Adds lines that are not there yet: two videos lack the same.
pub(super) fn note(notes: &mut Vec<String>, lines: &[String]) {
    for line in lines {
        if !notes.contains(line) {
            notes.push(line.clone());
        }
    }
}

/// With the frames that the annotated video lacks, of those in the raw one or of `n_without_raw`.
fn record_of(record: &PartRecord, n_without_raw: u64) -> PartRecord {
    // What the model had no time for is lost to the annotated video as well.
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

/// What keypoint files are written: exporter, stem and extension; a folder has none.
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

/// The frame with another number and time.
fn stamped(frame: &Frame, id: u64, secs: f64) -> Frame {
    let mut frame = frame.clone();
    frame.id = id;
    frame.time_secs = secs;
    frame
}
