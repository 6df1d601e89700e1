//! Runs every [`FinetuneAction`].

use std::path::Path;
use std::time::Instant;

use poselens_engine::{Error, Result};

use crate::gui::action::finetune::FinetuneAction;
use crate::gui::action::label::{Page, Pick};
use crate::gui::core::Core;
use crate::gui::state::label::Listed;
use crate::gui::titles::folder_name;
use crate::gui::trained;
use crate::gui::training::control::Requested;
use crate::gui::ui_state::Level;
use crate::gui::views::label::finetune::job::Job;
use crate::gui::views::label::state::{Label, no_project};
use crate::gui::views::label::thread::{FinetuneRequest, Request};

impl Label {
    /// Runs an action of the page Train.
    ///
    /// # Errors
    /// A message for the user.
    pub(in crate::gui::views::label) fn run_finetune(
        &mut self,
        action: FinetuneAction,
        core: &mut Core,
    ) -> Result<()> {
        let listed = core.state.label.listed;
        match action {
            FinetuneAction::Configure(choices) => {
                core.state.label.finetune = choices;
                self.review(core)?;
            }
            FinetuneAction::Start => {
                let options = core.state.label.finetune.options();
                self.start_training(Job::Begin(options), core)?;
            }
            FinetuneAction::Continue(folder) => self.start_training(Job::Continue(folder), core)?,
            FinetuneAction::Pause | FinetuneAction::Stop if !self.finetune.is_active() => {
                core.ui_state.say(Level::Info, "no training is running");
            }
            FinetuneAction::Pause => {
                if let Some(run) = &self.finetune.run {
                    let is_paused = run.control.requested() == Requested::Pause;
                    run.control.ask(if is_paused {
                        Requested::Go
                    } else {
                        Requested::Pause
                    });
                }
            }
            FinetuneAction::Stop => {
                if let Some(run) = &self.finetune.run {
                    run.control.ask(Requested::Stop);
                }
            }
            FinetuneAction::ShowRun(folder) => self.finetune.show_run(Some(folder)),
            FinetuneAction::ShowResult(index) => {
                let n = self.finetune.gate().map_or(0, |gate| gate.frames.len());
                self.finetune.player.show(index.min(n.saturating_sub(1)));
            }
            FinetuneAction::Zoom(zoom) => self.finetune.player.zoom = zoom,
            FinetuneAction::Accept(run) => {
                self.send(Request::Finetune(FinetuneRequest::Accept(run)), listed)?;
            }
            FinetuneAction::KeepOld => {
                let text = "The old weights stay in use; the run stays in the list on the right";
                core.ui_state.say(Level::Info, text);
                self.finetune.show_run(None);
            }
            FinetuneAction::AskRemove(folder) => self.finetune.asking = folder,
            FinetuneAction::Remove(folder) => {
                self.finetune.asking = None;
                self.remove_run(&folder, core)?;
            }
            FinetuneAction::UseVersion(number) => {
                let request = FinetuneRequest::UseVersion(number);
                self.send(Request::Finetune(request), listed)?;
            }
            FinetuneAction::RollBack => {
                self.send(Request::Finetune(FinetuneRequest::RollBack), listed)?;
            }
            FinetuneAction::AddHoldout => {
                self.send(Request::Finetune(FinetuneRequest::AddHoldout), listed)?;
            }
            FinetuneAction::Compare => {
                let request = FinetuneRequest::Compare(self.model(core)?);
                self.send(Request::Finetune(request), listed)?;
            }
            FinetuneAction::CancelCompare => {
                self.send(Request::Finetune(FinetuneRequest::CancelCompare), listed)?;
            }
            FinetuneAction::ShowFinding(index) => self.show_finding(index, listed)?,
        }
        Ok(())
    }

    /// Shows a page. The page Train follows the labels while it is shown.
    pub(in crate::gui::views::label) fn show_page(
        &mut self,
        page: Page,
        core: &mut Core,
    ) -> Result<()> {
        if self.project.is_none() {
            return Err(no_project());
        }
        self.release(core.state.label.listed)?;
        self.page = page;
        // The time on the page Train is not spent on the frame.
        self.pace.returned(Instant::now());
        self.review(core)
    }

    /// Asks for a review of the project while the page Train is shown.
    pub(in crate::gui::views::label) fn review(&mut self, core: &Core) -> Result<()> {
        let options = match self.page {
            Page::Train => Some(core.state.label.finetune.options()),
            Page::Label => None,
        };
        let options = options.map(Box::new);
        self.send(Request::Review(options), core.state.label.listed)?;
        Ok(())
    }

    fn start_training(&mut self, job: Job, core: &mut Core) -> Result<()> {
        let folder = self.folder().ok_or_else(no_project)?;
        if self.finetune.is_active() || self.finetune.starting.is_some() {
            let text = "a training is already running; stop it first";
            return Err(Error::Failed(text.to_owned()));
        }
        if let (Job::Begin(_), Some(obstacle)) = (&job, self.finetune.obstacle(&folder)) {
            return Err(Error::Failed(format!("no training can start: {obstacle}")));
        }
        let mut hardware = core.gui.hardware;
        hardware.threads = core.state.train.n_threads();
        let sent = self.send(
            Request::Finetune(FinetuneRequest::Train { job, hardware }),
            core.state.label.listed,
        )?;
        self.finetune.starting = Some(sent);
        Ok(())
    }

    /// Deletes the run in `folder`, unless Live uses its weights.
    fn remove_run(&mut self, folder: &Path, core: &Core) -> Result<()> {
        let name = folder_name(folder);
        let in_use = core.ui_state.wanted_model.as_deref().map(trained::split);
        if let Some((_, Some(weights))) = in_use
            && weights.starts_with(folder)
        {
            let text = format!("Live uses the weights of run {name}: choose another model first");
            return Err(Error::Failed(text));
        }
        let request = Request::Finetune(FinetuneRequest::Remove(name));
        self.send(request, core.state.label.listed)?;
        Ok(())
    }

    fn show_finding(&mut self, index: usize, listed: Listed) -> Result<()> {
        let review = self.finetune.review.as_deref();
        let Some(finding) = review
            .and_then(|review| review.findings.get(index))
            .cloned()
        else {
            return Ok(());
        };
        self.page = Page::Label;
        self.send(Request::Review(None), listed)?;
        self.go_to(finding.at, listed)?;
        self.pick = finding.person.map(|person| Pick {
            person,
            joint: finding.joint,
        });
        Ok(())
    }
}
