//! Records whole files one after the other, independently of what is shown.

use std::sync::Arc;
use std::time::SystemTime;

use poselens_engine::Result;
use poselens_engine::pipeline::session::{
    FileOutcome, FilePlan, FileProgress, FileRecording, session_folder,
};
use poselens_engine::pipeline::{MakeInfer, Notify, OpenSource};

use crate::gui::action::{Action, RecordAction};
use crate::gui::context::SourceChoice;
use crate::gui::core::Core;
use crate::gui::core::queue::{Ended, Queue, Running, ended, summary};
use crate::gui::core::source::absolute;
use crate::gui::listing::Listing;
use crate::gui::titles::about;
use crate::gui::ui_state::QueueShown;

impl Core {
    /// Adds a file to the queue.
    pub(super) fn record_file(&mut self, file: SourceChoice) {
        self.queue.waiting.push_back(file);
    }

    /// Adds the listed files to the queue.
    pub(super) fn queue_files(&mut self, listing: Listing) {
        let skipped = listing.skipped.into_iter().map(Ended::Skipped);
        self.queue.ended.extend(skipped);
        self.queue.waiting.extend(listing.files);
    }

    /// Returns the shown file if it is being recorded or waits in the queue.
    pub(super) fn shown_in_queue(&self) -> Option<SourceChoice> {
        let shown = self.ui_state.running_source.as_ref()?;
        let running = self.queue.running.as_ref();
        let running = running.filter(|r| !r.is_stopping).map(|r| &r.file);
        let mut files = running.into_iter().chain(&self.queue.waiting);
        files.find(|file| is_same(file, shown)).cloned()
    }

    /// Stops the recording of a file, and those of it that wait; what has been written is kept.
    pub(super) fn stop_file(&mut self, file: &SourceChoice) {
        self.queue.waiting.retain(|waiting| !is_same(waiting, file));
        if let Some(running) = self.queue.running.as_mut()
            && is_same(&running.file, file)
        {
            running.work.stop();
            running.is_stopping = true;
        }
    }

    /// Copies the state of the queue into the UI state.
    pub(super) fn show_queue(&mut self) {
        let has_shown = self.shown_in_queue().is_some();
        let shown = &mut self.ui_state.queue;
        shown.has_shown = has_shown;
        shown.waiting = self.queue.waiting.iter().map(|f| f.label.clone()).collect();
        shown.n_ended = self.queue.ended.len();
    }

    /// Stops the running file and clears the queue.
    pub(super) fn stop_queue(&mut self) {
        let Queue {
            waiting,
            running,
            ended,
        } = &mut self.queue;
        for file in waiting.drain(..) {
            ended.push(Ended::Skipped(format!("{}: not started", file.label)));
        }
        if let Some(running) = running {
            running.work.stop();
            running.is_stopping = true;
        }
        self.ui_state.recording.take_if(|r| r.is_file);
    }

    /// Updates the progress, starts the next file, and reports the end of the queue.
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
                let text = about(&file.label, &error.to_string());
                self.ui_state
                    .recording
                    .take_if(|r| r.is_file && r.source == file);
                self.queue.ended.push(Ended::Failed(text));
            }
        }
        self.show_queue();
        if self.queue.running.is_none() && !self.queue.ended.is_empty() {
            self.ui_state.queue = QueueShown::default();
            let (level, text) = summary(&std::mem::take(&mut self.queue.ended));
            self.ui_state.say(level, text);
        }
    }

    fn begin_file(&mut self, file: SourceChoice) -> Result<()> {
        let (open, spec) = (Arc::clone(&self.gui.open_source), file.spec.clone());
        let open: OpenSource = Arc::new(move || open(&spec, None));
        let make = self.maker(self.ui_state.device);
        let model = self.ui_state.wanted_model.clone();
        let make_infer = model.map(|name| -> MakeInfer { Box::new(move || make(&name)) });
        let folder = session_folder(&self.recordings_folder(), SystemTime::now(), &file.label);
        let (start, into) = (Arc::clone(&self.gui.start_recording), folder.clone());
        let exports = self.exports();
        let plan = FilePlan {
            open,
            make_infer,
            look: self.state.look(self.gui.overlays, self.ui_state.skeleton),
            make_tap: Box::new(move |first| start(&into, first, &exports)),
        };
        let waker = self.tasks.waker.clone();
        let notify: Notify = Arc::new(move || waker.wake());
        let work = FileRecording::start(plan, notify)?;
        if let Some(recording) = &mut self.ui_state.recording
            && recording.is_file
            && recording.source == file
        {
            recording.folder.clone_from(&folder);
        }
        self.ui_state.queue.running = Some(file.clone());
        self.ui_state.queue.folder = folder;
        self.ui_state.queue.progress = FileProgress::default();
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
        if let Some(recording) = &mut self.ui_state.recording
            && recording.is_file
            && recording.source == running.file
            && !running.is_stopping
        {
            recording.progress.clone_from(&progress.tap);
            recording.total = progress.total;
        }
        self.ui_state.queue.is_stopping = running.is_stopping;
        let shown = std::mem::replace(&mut self.ui_state.queue.progress, progress);
        if shown.tap.is_none() && self.ui_state.queue.progress.tap.is_some() {
            // The recording's folder exists from its first frame on.
            self.run_action(Action::Record(RecordAction::List));
        }
    }

    fn file_ended(&mut self, outcome: Result<FileOutcome>) {
        let Some(Running { file, .. }) = self.queue.running.take() else {
            return;
        };
        // The user may have started its recording again while this one was stopping.
        let is_again = self.queue.waiting.contains(&file);
        self.ui_state
            .recording
            .take_if(|r| r.is_file && r.source == file && !is_again);
        self.queue.ended.push(ended(&file, outcome));
        self.run_action(Action::Record(RecordAction::List));
    }
}

/// Returns whether both are the same file, opened or listed.
fn is_same(a: &SourceChoice, b: &SourceChoice) -> bool {
    a.spec == b.spec || absolute(&a.spec) == absolute(&b.spec)
}
