//! Files that are recorded whole, one after the other, beside what is shown.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use poselens_engine::pipeline::session::{
    FileOutcome, FilePlan, FileProgress, FileRecording, session_folder,
};
use poselens_engine::pipeline::{MakeInfer, Notify, OpenSource};
use poselens_engine::source::video;
use poselens_engine::{Error, Result};

use super::action::{Action, RecordAction};
use super::recordings::counted;
use super::session::{Level, QueueShown};
use super::{App, SourceChoice, widgets};

/// What was found where the user pointed.
#[derive(Debug, Default)]
pub struct Listing {
    /// Files to be recorded.
    pub files: Vec<SourceChoice>,
    /// What is left out, and why.
    pub skipped: Vec<String>,
}

impl Listing {
    /// The files among `paths`, and the videos of the folders, in the order of their names.
    pub fn of(paths: &[PathBuf]) -> Self {
        let mut listing = Self::default();
        for path in paths {
            if path.is_dir() {
                listing.add_folder(path);
            } else if path.is_file() {
                listing.files.push(choice(path));
            } else {
                let text = format!("{}: no such file or folder", path.display());
                listing.skipped.push(text);
            }
        }
        listing
    }

    fn add_folder(&mut self, folder: &Path) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.skipped.push(format!("{}: {error}", folder.display()));
                return;
            }
        };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let is_video = path.extension().is_some_and(|extension| {
                let mut known = video::EXTENSIONS.iter();
                known.any(|known| extension.eq_ignore_ascii_case(known))
            });
            if is_video && path.is_file() {
                self.files.push(choice(&path));
            } else {
                self.skipped.push(format!("{}: not a video", label(&path)));
            }
        }
    }
}

fn label(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn choice(path: &Path) -> SourceChoice {
    SourceChoice {
        label: label(path),
        spec: path.to_string_lossy().into_owned(),
    }
}

/// Files that wait, the one at work, and what became of the others.
#[derive(Default)]
pub struct Queue {
    waiting: VecDeque<SourceChoice>,
    running: Option<Running>,
    ended: Vec<Ended>,
}

struct Running {
    work: FileRecording,
    file: SourceChoice,
    is_stopping: bool,
}

/// What became of a file: one line for the user.
enum Ended {
    Done(String),
    /// It was stopped before its end, or lacks something.
    Partly(String),
    Failed(String),
    Skipped(String),
}

impl App {
    /// Records a file whole, after those that wait.
    pub(super) fn record_file(&mut self, file: SourceChoice) {
        self.queue.waiting.push_back(file);
    }

    /// Records what was found.
    pub(super) fn queue_files(&mut self, listing: Listing) {
        let skipped = listing.skipped.into_iter().map(Ended::Skipped);
        self.queue.ended.extend(skipped);
        self.queue.waiting.extend(listing.files);
    }

    /// Ends the recording of a file; what was written of it stays.
    pub(super) fn stop_file(&mut self, file: &SourceChoice) {
        match &mut self.queue.running {
            Some(running) if running.file == *file => {
                running.work.stop();
                running.is_stopping = true;
            }
            _ => self.queue.waiting.retain(|waiting| waiting != file),
        }
    }

    /// Ends the recording at work and takes the others out.
    pub(super) fn stop_queue(&mut self) {
        let Queue {
            waiting,
            running,
            ended,
        } = &mut self.queue;
        for file in waiting.drain(..) {
            ended.push(Ended::Skipped(format!("{}: not begun", file.label)));
        }
        if let Some(running) = running {
            running.work.stop();
            running.is_stopping = true;
        }
        self.session.recording.take_if(|r| r.is_file);
    }

    /// Brings the progress to the panels, begins the next file, tells the end.
    pub(super) fn follow_queue(&mut self) {
        if let Some(running) = &self.queue.running {
            let progress = running.work.progress();
            if let Some(outcome) = running.work.try_outcome() {
                self.file_ended(outcome);
            } else {
                self.show_file(progress);
            }
        }
        while self.queue.running.is_none() {
            let Some(file) = self.queue.waiting.pop_front() else {
                break;
            };
            if let Err(error) = self.begin_file(file.clone()) {
                let text = format!("{}: {error}", file.label);
                self.queue.ended.push(Ended::Failed(text));
            }
        }
        self.session.queue.waiting = self.queue.waiting.iter().map(|f| f.label.clone()).collect();
        self.session.queue.n_ended = self.queue.ended.len();
        if self.queue.running.is_none() && !self.queue.ended.is_empty() {
            self.session.queue = QueueShown::default();
            let (level, text) = summary(&std::mem::take(&mut self.queue.ended));
            self.session.say(level, text);
            self.run_action(Action::Record(RecordAction::List));
        }
    }

    fn begin_file(&mut self, file: SourceChoice) -> Result<()> {
        let (open, spec) = (Arc::clone(&self.gui.open_source), file.spec.clone());
        let open: OpenSource = Arc::new(move || open(&spec, None));
        let make = self.maker(self.session.device);
        let model = self.session.wanted_model.clone();
        let make_infer = model.map(|name| -> MakeInfer { Box::new(move || make(&name)) });
        let folder = session_folder(&self.recordings_folder(), SystemTime::now(), &file.label);
        let (start, into) = (Arc::clone(&self.gui.start_recording), folder.clone());
        let exports = self.exports();
        let plan = FilePlan {
            open,
            make_infer,
            look: self.state.look(self.gui.overlays, self.session.skeleton),
            make_tap: Box::new(move |first| start(&into, first, &exports)),
        };
        let waker = self.desk.waker.clone();
        let notify: Notify = Arc::new(move || waker.wake());
        let work = FileRecording::start(plan, notify)?;
        if let Some(recording) = &mut self.session.recording
            && recording.is_file
            && recording.source == file
        {
            recording.folder.clone_from(&folder);
        }
        self.session.queue.running = Some(file.clone());
        self.session.queue.folder = folder;
        self.session.queue.progress = FileProgress::default();
        self.queue.running = Some(Running {
            work,
            file,
            is_stopping: false,
        });
        Ok(())
    }

    fn show_file(&mut self, progress: FileProgress) {
        let Some(running) = &self.queue.running else {
            return;
        };
        if let Some(recording) = &mut self.session.recording
            && recording.is_file
            && recording.source == running.file
        {
            recording.progress.clone_from(&progress.tap);
            recording.total = progress.total;
        }
        self.session.queue.is_stopping = running.is_stopping;
        self.session.queue.progress = progress;
    }

    fn file_ended(&mut self, outcome: Result<FileOutcome>) {
        let Some(Running { file, .. }) = self.queue.running.take() else {
            return;
        };
        self.session
            .recording
            .take_if(|r| r.is_file && r.source == file);
        self.queue.ended.push(ended(&file, outcome));
    }
}

fn ended(file: &SourceChoice, outcome: std::result::Result<FileOutcome, Error>) -> Ended {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return Ended::Failed(format!("{}: {error}", file.label)),
    };
    let tap = &outcome.tap;
    let text = format!(
        "Recorded {}, {} to {}",
        widgets::clock(tap.secs),
        counted(tap),
        tap.path.display()
    );
    match (outcome.is_whole, outcome.warning) {
        (true, None) => Ended::Done(text),
        (true, Some(warning)) => Ended::Partly(format!("{text} ({warning})")),
        (false, _) => Ended::Partly(format!("{text} (stopped before the end of {})", file.label)),
    }
}

/// What became of all files: the line of the only one, or how many of each kind and why.
fn summary(ended: &[Ended]) -> (Level, String) {
    if let [only] = ended {
        return match only {
            Ended::Done(text) => (Level::Info, text.clone()),
            Ended::Partly(text) => (Level::Warning, text.clone()),
            Ended::Failed(text) => (Level::Error, text.clone()),
            Ended::Skipped(text) => (Level::Warning, format!("Not recorded: {text}")),
        };
    }
    let mut counts = [0; 4];
    let mut reasons = Vec::new();
    for end in ended {
        let (i, reason) = match end {
            Ended::Done(_) => (0, None),
            Ended::Partly(text) => (1, Some(text)),
            Ended::Failed(text) => (2, Some(text)),
            Ended::Skipped(text) => (3, Some(text)),
        };
        counts[i] += 1;
        reasons.extend(reason.cloned());
    }
    let names = ["recorded", "recorded in part", "failed", "skipped"];
    let counted: Vec<_> = counts.iter().zip(names).filter(|(n, _)| **n > 0).collect();
    let counted: Vec<_> = counted
        .iter()
        .map(|(n, name)| format!("{n} {name}"))
        .collect();
    let mut parts = vec![format!("{} files: {}", ended.len(), counted.join(", "))];
    parts.extend(reasons);
    let text = parts.join(" · ");
    let level = match counts {
        [_, _, failed, _] if failed > 0 => Level::Error,
        [_, 0, _, 0] => Level::Info,
        _ => Level::Warning,
    };
    (level, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a folder's videos are not found in order, or what is left out is not told.
    #[test]
    fn folders_give_their_videos_and_count_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.MP4", "a.mkv", "notes.txt"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let gone = folder.path().join("gone.mp4");
        let listing = Listing::of(&[folder.path().to_owned(), gone]);
        let files: Vec<_> = listing.files.iter().map(|f| f.label.as_str()).collect();
        assert_eq!(files, ["a.mkv", "b.MP4"]);
        assert_eq!(listing.skipped.len(), 2);
        assert_eq!(listing.skipped[0], "notes.txt: not a video");
    }

    /// Fails when the end of a queue hides what failed, or counts wrongly.
    #[test]
    fn the_summary_counts_and_says_why() {
        let end = |name: &str| Ended::Done(name.to_owned());
        assert_eq!(summary(&[end("only")]), (Level::Info, "only".to_owned()));
        let all = [
            end("a"),
            end("b"),
            Ended::Failed("c.mp4: broken".to_owned()),
            Ended::Skipped("d.txt: not a video".to_owned()),
        ];
        let (level, text) = summary(&all);
        assert_eq!(level, Level::Error);
        assert_eq!(
            text,
            "4 files: 2 recorded, 1 failed, 1 skipped · c.mp4: broken · d.txt: not a video"
        );
    }
}
