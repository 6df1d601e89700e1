//! The files of pictures of one size.

use std::path::{Path, PathBuf};

use super::clock::Place;
use super::manifest::PartRecord;
use super::part_path;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::output::PoseOutput;
use crate::record::{Backpressure, ExportContext, ExporterSpec, Exports, Offered, Recorder};
use crate::sound::{Sound, SoundEnd};

/// Two videos, each with a queue of its own, and the poses.
pub(super) struct Part {
    raw: Option<Recorder>,
    pub(super) annotated: Recorder,
    exports: Exports,
    paths: Vec<PathBuf>,
    /// What is lacking of the sound.
    notes: Vec<String>,
    pub(super) record: PartRecord,
    first_secs: Option<f64>,
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
    /// Creates the files for pictures like `first`.
    pub(super) fn create(plan: &PartPlan<'_>, first: &Frame) -> Result<Self> {
        let PartPlan { folder, number, .. } = *plan;
        let path = |stem: &str, extension| {
            part_path(folder, &format!("{stem}{}", plan.suffix), number, extension)
        };
        let mut notes = Vec::new();
        let mut record = |path: &Path| {
            let sound = (plan.sound)();
            note(&mut notes, &sound.left_out);
            let sound = (sound, first.time_secs);
            Recorder::start_with_sound(path, first.size(), plan.rate, plan.backpressure, sound)
        };
        let annotated_path = path("annotated", "mp4");
        let context = ExportContext {
            name: folder
                .file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
            ..ExportContext::default()
        };
        let mut paths = vec![annotated_path.clone()];
        let raw = if plan.has_raw {
            let raw_path = part_path(folder, "raw", number, "mp4");
            paths.push(raw_path.clone());
            Some(record(&raw_path)?)
        } else {
            None
        };
        let mut exporters = Vec::new();
        for (exporter, stem, extension) in keypoint_files(plan.exports) {
            let spec = ExporterSpec::by_name(exporter)
                .ok_or_else(|| Error::Invalid(format!("no exporter is called '{exporter}'")))?;
            let path = path(stem, extension);
            exporters.push((spec.open)(&path, &context)?);
            paths.push(path);
        }
        let annotated = record(&annotated_path)?;
        Ok(Self {
            raw,
            annotated,
            notes,
            exports: Exports::new(exporters),
            paths,
            record: PartRecord::new(first.size()),
            first_secs: None,
        })
    }

    /// Queues a frame for the raw video; its number there, `None` when it was dropped.
    pub(super) fn raw(&mut self, frame: &Frame, secs: f64) -> Result<Option<u64>> {
        let Some(raw) = &mut self.raw else {
            return Ok(None);
        };
        let id = self.record.frames;
        if offer(raw, stamped(frame, id, secs))? {
            self.record.frames += 1;
            self.reach(secs);
            return Ok(Some(id));
        }
        self.record.drops += 1;
        Ok(None)
    }

    /// Writes what was found in a frame and queues the picture with overlays.
    pub(super) fn annotate(
        &mut self,
        picture: &Frame,
        output: Option<&PoseOutput>,
        place: Place,
    ) -> Result<()> {
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
            self.exports.push(&output);
        }
        if offer(&mut self.annotated, stamped(picture, place.id, place.secs))? {
            self.record.annotated_frames += 1;
            self.reach(place.secs);
        }
        Ok(())
    }

    fn reach(&mut self, secs: f64) {
        let first = *self.first_secs.get_or_insert(secs);
        self.record.seconds = self.record.seconds.max(secs - first);
    }

    /// Bytes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        let len = |path: &PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
        self.paths.iter().map(len).sum()
    }

    /// Writes what is queued and closes every file, whatever happens to one of them; the sound
    /// ends at `end`. The answer has the bytes on the disk and what is lacking of the sound.
    pub(super) fn finish(mut self, end: SoundEnd) -> Result<(u64, Vec<String>)> {
        let mut outcome = Ok(());
        for recorder in self.raw.into_iter().chain([self.annotated]) {
            let summary = recorder.finish_at(end);
            outcome = outcome.and(summary.map(|s| note(&mut self.notes, &s.sound_notes)));
        }
        outcome = outcome.and(self.exports.finish());
        let len = |path: &PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
        outcome.map(|()| (self.paths.iter().map(len).sum(), self.notes))
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

/// Whether a frame was taken.
fn offer(recorder: &mut Recorder, frame: Frame) -> Result<bool> {
    match recorder.offer(frame) {
        Offered::Queued => Ok(true),
        Offered::Dropped => Ok(false),
        Offered::Failed => Err(recorder.failure()),
    }
}
