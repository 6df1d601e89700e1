//! Answers the requests of the page Train on the thread that owns the project.

use std::path::Path;
use std::sync::Arc;

use poselens_engine::Result;
use poselens_engine::finetune::{accept, remove_run};
use poselens_engine::project::check::ModelComparison;

use crate::gui::ui_state::Level;
use crate::gui::views::label::finetune::compare::{Comparing, outcome};
use crate::gui::views::label::finetune::job;
use crate::gui::views::label::opened::Open;
use crate::gui::views::label::session::Session;
use crate::gui::views::label::thread::FinetuneRequest;
use crate::gui::widgets::megabytes;

impl Session {
    /// Answers a request of the page Train; returns a message.
    ///
    /// # Errors
    /// A message for the user.
    pub(in crate::gui::views::label) fn answer_finetune(
        &mut self,
        request: FinetuneRequest,
    ) -> Result<Option<String>> {
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        Ok(match request {
            FinetuneRequest::Train { job, hardware } => {
                let contents = open.project.contents().clone();
                let project = Arc::clone(&open.info);
                let run = job::start(contents, job, hardware, &self.outbox.waker)?;
                self.outbox
                    .tell(|news| news.training = Some((run, project)));
                None
            }
            FinetuneRequest::Accept(run) => {
                let version = accept(&mut open.project, &run)?;
                self.version_changed()?;
                let number = version.file.number;
                Some(format!("Version {number} is in use from now on"))
            }
            FinetuneRequest::Remove(run) => {
                let removed = remove_run(&open.info.folder, &run);
                // Also after a failure a part may be gone.
                open.reviewer.forget_outcomes();
                let size = megabytes(removed?);
                Some(format!("Run {run} is deleted: {size} are free again"))
            }
            FinetuneRequest::RollBack => {
                let number = open.project.rollback()?;
                self.version_changed()?;
                Some(in_use_text(number))
            }
            FinetuneRequest::UseVersion(number) => {
                open.project.use_version(number)?;
                self.version_changed()?;
                Some(in_use_text(number))
            }
            FinetuneRequest::AddHoldout => {
                open.project.add_holdout()?;
                let n_rounds = open.project.contents().holdout().n_rounds();
                Some(format!("Round {n_rounds} of the hold-out is chosen"))
            }
            FinetuneRequest::Compare(model) => {
                if open.comparing.is_none() {
                    let (outbox, requests) = (self.outbox.clone(), self.requests.clone());
                    let contents = open.project.contents().clone();
                    let started = Comparing::start(contents, model, outbox.waker, requests)?;
                    open.comparing = Some(started);
                }
                None
            }
            FinetuneRequest::CancelCompare => {
                if let Some(comparing) = &open.comparing {
                    comparing.cancel();
                }
                None
            }
        })
    }

    /// Takes the findings of a comparison with a model.
    pub(in crate::gui::views::label) fn take_compared(
        &mut self,
        folder: &Path,
        found: Result<ModelComparison>,
    ) -> Result<()> {
        let is_of_this = |open: &&mut Open| open.project.contents().folder() == folder;
        let Some(open) = self.open.as_mut().filter(is_of_this) else {
            return Ok(());
        };
        let comparing = open.comparing.take();
        let found = match found {
            Err(error) if error.is_cancelled() => {
                self.outbox.say(Level::Info, error.to_string());
                return Ok(());
            }
            found => found?,
        };
        let model = comparing.map_or_else(String::new, |comparing| comparing.model().to_owned());
        let text = outcome(&found, &model);
        open.compared = found.findings;
        open.comparison = Some(text.clone());
        open.reviewer.forget_findings();
        self.outbox.say(Level::Info, text);
        Ok(())
    }

    /// Publishes another version in use.
    fn version_changed(&mut self) -> Result<()> {
        if let Some(open) = &mut self.open {
            open.refresh_info()?;
            open.reviewer.forget_outcomes();
        }
        self.is_version_new = true;
        Ok(())
    }
}

fn in_use_text(number: u32) -> String {
    match number {
        0 => "The bundled weights are in use again".to_owned(),
        number => format!("Version {number} is in use again"),
    }
}
