//! The outputs of one recording: videos and keypoint files.

use std::path::{Path, PathBuf};

use super::export::{ExportContext, Exporter, ExporterSpec, STDOUT};
use super::recorder::{Backpressure, Closing, Offered, RecordSummary, Recorder};
use crate::disk::{draft_path, part_path};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::Size;
use crate::output::PoseOutput;
use crate::sound::Sound;

/// Outputs written from the same frames. One that cannot be opened or written is dropped, the
/// others continue.
///
/// Files of a failed output are left unchanged: a video is playable up to there, a partial list
/// keeps its `.part` name.
#[derive(Default)]
pub struct Outputs {
    /// Videos by the index from [`Outputs::video`]; `None` after a failure.
    videos: Vec<Option<Recorder>>,
    exporters: Vec<Box<dyn Exporter>>,
    /// Failures in order of occurrence.
    failures: Vec<Error>,
    n_told: usize,
    /// Paths at which nothing existed before.
    made: Vec<PathBuf>,
}

/// Result of all outputs.
#[derive(Debug)]
pub struct Finished {
    /// Videos by the index from [`Outputs::video`]; `None` after a failure.
    pub videos: Vec<Option<RecordSummary>>,
    /// All failures in order.
    pub failures: Vec<Error>,
    /// Number of failures that [`Outputs::news`] has already returned.
    pub n_told: usize,
}

impl Outputs {
    /// Starts a video with its sound from a source time on; returns the index of the video.
    pub fn video(
        &mut self,
        path: &Path,
        size: Size,
        rate: f64,
        backpressure: Backpressure,
        sound: (Sound, f64),
    ) -> usize {
        self.note_path(path);
        let started = Recorder::start_with_sound(path, size, rate, backpressure, sound);
        let recorder = self.noted(started);
        self.videos.push(recorder);
        self.videos.len() - 1
    }

    /// Starts a keypoint file.
    pub fn export(&mut self, spec: &ExporterSpec, path: &Path, context: &ExportContext) {
        self.note_path(path);
        let exporter = self.noted((spec.open)(path, context));
        self.exporters.extend(exporter);
    }

    /// Notes the files of an output that do not exist yet.
    fn note_path(&mut self, path: &Path) {
        if path == Path::new(STDOUT) {
            return;
        }
        let is_new = |path: &PathBuf| path.symlink_metadata().is_err();
        let paths = [path.to_owned(), part_path(path), draft_path(path)];
        self.made.extend(paths.into_iter().filter(is_new));
    }

    fn noted<T>(&mut self, outcome: Result<T>) -> Option<T> {
        outcome.map_err(|error| self.fail(error)).ok()
    }

    /// Records a failure. The caller reports it to the user; here it is only logged.
    pub fn fail(&mut self, error: Error) {
        tracing::info!("an output failed: {error}");
        self.failures.push(error);
    }

    /// Returns whether no output has failed.
    pub fn is_whole(&self) -> bool {
        self.failures.is_empty()
    }

    /// Returns whether video `video` is being written.
    pub fn has_video(&self, video: usize) -> bool {
        self.videos.get(video).is_some_and(Option::is_some)
    }

    /// Passes a frame to video `video`; returns [`Offered::Failed`] if it was dropped.
    pub fn offer(&mut self, video: usize, frame: Frame) -> Offered {
        let Some(slot) = self.videos.get_mut(video) else {
            return Offered::Failed;
        };
        let Some(recorder) = slot else {
            return Offered::Failed;
        };
        let offered = recorder.offer(frame);
        if offered == Offered::Failed {
            let failure = recorder.failure();
            *slot = None;
            self.fail(failure);
        }
        offered
    }

    /// Passes the poses of one frame to every working keypoint file, ordered by track id; those without
    /// one come last.
    pub fn push(&mut self, output: &PoseOutput) {
        let mut failed = Vec::new();
        let ordered = output.by_track_id();
        self.exporters.retain_mut(|exporter| {
            let outcome = exporter.push(&ordered);
            outcome.map_err(|error| failed.push(error)).is_ok()
        });
        for error in failed {
            self.fail(error);
        }
    }

    /// Returns the failures since the previous call, one line each, with the file.
    pub fn news(&mut self) -> Vec<String> {
        let news = texts(&self.failures[self.n_told..]);
        self.n_told = self.failures.len();
        news
    }

    /// Checks that all outputs work.
    ///
    /// # Errors
    /// When outputs have failed: all failures that were not returned before, in one line.
    pub fn whole(&mut self) -> Result<()> {
        let untold = self.failures.split_off(self.n_told);
        merged(untold).map_or(Ok(()), Err)
    }

    /// Checks that at least one output is left.
    ///
    /// # Errors
    /// When every output has failed: all failures that were not returned before, in one line, or
    /// else the last one.
    pub fn some_left(&mut self) -> Result<()> {
        if !self.exporters.is_empty() || self.videos.iter().any(Option::is_some) {
            return Ok(());
        }
        self.whole()?;
        let last = self.failures.pop();
        self.n_told = self.failures.len();
        last.map_or(Ok(()), Err)
    }

    /// Closes all outputs and removes the files and folders that did not exist before, for a run
    /// that ends before its first frame.
    pub fn discard(self) {
        let Self {
            videos,
            exporters,
            made,
            ..
        } = self;
        drop((videos, exporters));
        for path in made {
            // An output has only some of the files; a folder is removed if it is empty.
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
        }
    }

    /// Completes every working output.
    pub fn finish(mut self, closing: Closing) -> Finished {
        for exporter in std::mem::take(&mut self.exporters) {
            let finished = exporter.finish();
            self.noted(finished);
        }
        let mut summaries = Vec::new();
        for recorder in std::mem::take(&mut self.videos) {
            let finished = recorder.map(|recorder| recorder.finish(closing));
            summaries.push(finished.and_then(|finished| self.noted(finished)));
        }
        Finished {
            videos: summaries,
            failures: self.failures,
            n_told: self.n_told,
        }
    }
}

impl Finished {
    /// Returns all failures in one line.
    pub fn failure(self) -> Option<Error> {
        merged(self.failures)
    }

    /// Returns the failures not yet reported, one line each.
    pub fn news(&self) -> Vec<String> {
        texts(&self.failures[self.n_told..])
    }
}

/// Returns whether data are lost: a reader that has closed the pipe, such as `head`, is not a
/// failure.
fn is_failure(error: &Error) -> bool {
    !error.is_reader_gone()
}

/// Combines failures into one error. A closed reader only counts if nothing else has failed.
fn merged(failures: Vec<Error>) -> Option<Error> {
    let (mut lost, gone): (Vec<_>, Vec<_>) = failures.into_iter().partition(is_failure);
    match lost.len() {
        0 => gone.into_iter().next(),
        1 => lost.pop(),
        _ => Some(Error::Invalid(texts(&lost).join("; "))),
    }
}

fn texts(failures: &[Error]) -> Vec<String> {
    let failures = failures.iter().filter(|error| is_failure(error));
    failures.map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_disk::Disk;
    use super::*;
    use crate::frame::Pixels;
    use crate::output::{PeopleCount, Timings};
    use crate::pose::Pose;
    use crate::skeleton::Skeleton;
    use crate::test_wait::until;

    const SIZE: Size = Size::new(64, 48);

    fn frame(number: u64) -> Frame {
        frame_at(number, number as f64 / 30.0)
    }

    fn frame_at(number: u64, secs: f64) -> Frame {
        let noise = |i: usize| (i as u64).wrapping_mul(number * 2 + 2_654_435_761) as u8;
        let pixels = Pixels::unpooled((0..SIZE.area() * 4).map(noise).collect());
        Frame::new(number, secs, SIZE, pixels)
    }

    /// Fails when exported people are not ordered by track id.
    #[test]
    fn people_are_exported_by_id() {
        let person = |track_id| Pose {
            track_id,
            ..Pose::default()
        };
        let output = PoseOutput {
            frame: frame(0),
            model: "sfm".into(),
            skeleton: &Skeleton::all()[0],
            poses: [Some(3), None, Some(12), Some(1)].map(person).to_vec(),
            regions: Vec::new(),
            timings: Timings::default(),
            people: PeopleCount::default(),
        };
        let ids: Vec<_> = output
            .by_track_id()
            .poses
            .iter()
            .map(|p| p.track_id)
            .collect();
        assert_eq!(ids, [Some(1), Some(3), Some(12), None]);
    }

    /// Fails when a video on a full disk ends another one, is reported repeatedly or without its
    /// name, or nothing is reported when no output is left.
    #[test]
    fn videos_fail_one_by_one() {
        let record = |name: &str, room| {
            let disk = Disk {
                room,
                ..Disk::default()
            };
            let writer = disk.writer();
            Recorder::with_writer(Path::new(name), writer, SIZE, Backpressure::Block).unwrap()
        };
        let mut outputs = Outputs {
            videos: vec![
                Some(record("small.mp4", 20_000)),
                Some(record("large.mp4", 0)),
            ],
            ..Outputs::default()
        };
        let mut number = 0;
        let mut offer = |outputs: &mut Outputs, video| {
            number += 1;
            outputs.offer(video, frame(number))
        };
        let mut n_large = 0;
        while outputs.has_video(0) {
            let _ = offer(&mut outputs, 0);
            assert_eq!(offer(&mut outputs, 1), Offered::Queued);
            n_large += 1;
            assert!(n_large < 10_000, "the disk is never full");
        }
        outputs.some_left().unwrap();
        let news = outputs.news();
        assert!(news.len() == 1 && news[0].contains("small.mp4"), "{news:?}");
        assert!(outputs.news().is_empty());
        assert_eq!(offer(&mut outputs, 0), Offered::Failed);
        assert!(outputs.news().is_empty());
        let finished = outputs.finish(Closing::default());
        assert!(finished.news().is_empty());
        let large = finished.videos[1].as_ref().unwrap();
        assert_eq!((large.frames, large.dropped), (n_large, 0));

        let mut outputs = Outputs {
            videos: vec![Some(record("only.mp4", 20_000))],
            ..Outputs::default()
        };
        while outputs.has_video(0) {
            let _ = offer(&mut outputs, 0);
        }
        assert!(outputs.some_left().is_err());
        assert!(
            outputs.finish(Closing::default()).news().is_empty(),
            "told already"
        );
    }

    /// Fails when only one of several failures is reported, a failure is reported twice, or a run
    /// that cannot start leaves files behind or removes older ones.
    #[test]
    fn every_failure_is_reported_once_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("old.csv"), "old").unwrap();
        let context = ExportContext::default();
        let open = |outputs: &mut Outputs, exporter: &str, name: &str| {
            let spec = ExporterSpec::by_name(exporter).unwrap();
            outputs.export(spec, &at(name), &context);
        };
        let mut outputs = Outputs::default();
        for (exporter, name) in [
            ("json", "new.jsonl"),
            ("coco", "new.json"),
            ("csv", "old.csv"),
            ("openpose", "new"),
            ("json", "gone/a.jsonl"),
            ("csv", "gone/b.csv"),
        ] {
            open(&mut outputs, exporter, name);
        }
        let (sound, block) = ((Sound::default(), 0.0), Backpressure::Block);
        outputs.video(&at("new.mp4"), SIZE, 30.0, block, sound);
        let failure = outputs.whole().unwrap_err().to_string();
        for name in ["a.jsonl", "b.csv"] {
            assert_eq!(failure.matches(name).count(), 1, "{failure}");
        }
        assert!(outputs.whole().is_ok() && outputs.news().is_empty());
        outputs.discard();
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    /// Fails when frames that wait for a slow encoder are written after the recording's deadline,
    /// or are skipped without being counted.
    #[test]
    fn frames_that_wait_beyond_the_end_are_left_out_and_counted() {
        let (open, gate) = crossbeam::channel::bounded(0);
        let disk = Disk {
            gate: Some(gate),
            ..Disk::default()
        };
        let path = Path::new("disk.mp4");
        let writer = disk.writer();
        let mut recorder =
            Recorder::with_writer(path, writer, SIZE, Backpressure::DropNewest).unwrap();
        for i in 0..40 {
            assert_eq!(recorder.offer(frame_at(i, 2.0 * i as f64)), Offered::Queued);
        }
        // The disk continues once the deadline is set.
        let deadline = recorder.deadline();
        let opening = std::thread::spawn(move || {
            until(|| deadline.get().is_some());
            drop(open);
        });
        let closing = Closing {
            by: Some(std::time::Instant::now()),
            ..Closing::default()
        };
        let summary = recorder.finish(closing).unwrap();
        opening.join().unwrap();
        assert_eq!(summary.frames + summary.dropped, 40);
        assert!(summary.dropped > 0, "{summary:?}");
    }
}
