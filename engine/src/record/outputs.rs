//! The outputs of one recording: videos and keypoint files.

use std::path::Path;

use super::export::{ExportContext, Exporter, ExporterSpec};
use super::recorder::{Backpressure, Closing, Offered, RecordSummary, Recorder};
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
        let started = Recorder::start_with_sound(path, size, rate, backpressure, sound);
        let recorder = self.noted(started);
        self.videos.push(recorder);
        self.videos.len() - 1
    }

    /// Starts a keypoint file.
    pub fn export(&mut self, spec: &ExporterSpec, path: &Path, context: &ExportContext) {
        let exporter = self.noted((spec.open)(path, context));
        self.exporters.extend(exporter);
    }

    fn noted<T>(&mut self, outcome: Result<T>) -> Option<T> {
        match outcome {
            Ok(opened) => Some(opened),
            Err(error) => {
                self.failures.push(error);
                None
            }
        }
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
            self.failures.push(recorder.failure());
            *slot = None;
        }
        offered
    }

    /// Passes the poses of one frame to every working keypoint file.
    pub fn push(&mut self, output: &PoseOutput) {
        let failures = &mut self.failures;
        self.exporters.retain_mut(|exporter| {
            let Err(error) = exporter.push(output) else {
                return true;
            };
            if is_failure(&error) {
                tracing::error!("{error}");
            }
            failures.push(error);
            false
        });
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
    /// When an output has failed: the first relevant failure, which is not reported again.
    pub fn whole(&mut self) -> Result<()> {
        let first = self.failures.iter().position(is_failure);
        self.taken(first)
    }

    /// Checks that at least one output is left.
    ///
    /// # Errors
    /// When every output has failed: the last failure, which is not reported again.
    pub fn some_left(&mut self) -> Result<()> {
        if !self.exporters.is_empty() || self.videos.iter().any(Option::is_some) {
            return Ok(());
        }
        let last = self.failures.iter().rposition(is_failure);
        self.taken(last)
    }

    fn taken(&mut self, failure: Option<usize>) -> Result<()> {
        // A closed reader only counts if nothing else has failed.
        let failure = failure.or((!self.failures.is_empty()).then_some(0));
        match failure {
            Some(i) => {
                self.n_told -= usize::from(i < self.n_told);
                Err(self.failures.remove(i))
            }
            None => Ok(()),
        }
    }

    /// Completes every working output.
    pub fn finish(self, closing: Closing) -> Finished {
        let Self {
            videos,
            exporters,
            mut failures,
            n_told,
        } = self;
        let outcomes = exporters.into_iter().map(Exporter::finish);
        failures.extend(outcomes.filter_map(Result::err));
        let mut finish =
            |recorder: Recorder| recorder.finish(closing).map_err(|e| failures.push(e)).ok();
        let videos = videos.into_iter().map(|video| finish(video?)).collect();
        Finished {
            videos,
            failures,
            n_told,
        }
    }
}

impl Finished {
    /// Returns the first relevant failure.
    pub fn failure(mut self) -> Option<Error> {
        let first = self.failures.iter().position(is_failure).unwrap_or(0);
        (first < self.failures.len()).then(|| self.failures.swap_remove(first))
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

fn texts(failures: &[Error]) -> Vec<String> {
    let failures = failures.iter().filter(|error| is_failure(error));
    failures.map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_disk::Disk;
    use super::*;
    use crate::frame::Pixels;

    const SIZE: Size = Size::new(64, 48);

    fn frame(number: u64) -> Frame {
        frame_at(number, number as f64 / 30.0)
    }

    fn frame_at(number: u64, secs: f64) -> Frame {
        let noise = |i: usize| (i as u64).wrapping_mul(number * 2 + 2_654_435_761) as u8;
        let pixels = Pixels::unpooled((0..SIZE.area() * 4).map(noise).collect());
        Frame::new(number, secs, SIZE, pixels)
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
        let by = std::time::Instant::now();
        let closing = std::thread::spawn(move || {
            recorder
                .finish(Closing {
                    by: Some(by),
                    ..Closing::default()
                })
                .unwrap()
        });
        drop(open);
        let summary = closing.join().unwrap();
        assert_eq!(summary.frames + summary.dropped, 40);
        assert!(summary.dropped > 0, "{summary:?}");
    }
}
