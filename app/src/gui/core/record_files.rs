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

    /// Stops the recording of a file; what has been written is kept.
    pub(super) fn stop_file(&mut self, file: &SourceChoice) {
        match &mut self.queue.running {
            Some(running) if running.file == *file => {
                running.work.stop();
                running.is_stopping = true;
            }
            _ => self.queue.waiting.retain(|waiting| waiting != file),
        }
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
                self.queue.ended.push(Ended::Failed(text));
            }
        }
        self.ui_state.queue.waiting = self.queue.waiting.iter().map(|f| f.label.clone()).collect();
        self.ui_state.queue.n_ended = self.queue.ended.len();
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
        self.ui_state
            .recording
            .take_if(|r| r.is_file && r.source == file);
        self.queue.ended.push(ended(&file, outcome));
        self.run_action(Action::Record(RecordAction::List));
    }
}
