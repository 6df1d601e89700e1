//! Follows the training and the frames of its result.

use poselens_engine::Result;

use crate::gui::action::label::Page;
use crate::gui::action::{Action, ModelAction};
use crate::gui::core::Core;
use crate::gui::trained;
use crate::gui::training::progress::Phase;
use crate::gui::ui_state::Level;
use crate::gui::views::label::state::{ID, Label};

impl Label {
    /// Takes the news of the training, and what the page Train needs for its result.
    ///
    /// # Errors
    /// A message for the user.
    pub(in crate::gui::views::label) fn follow_training(&mut self, core: &mut Core) -> Result<()> {
        if std::mem::take(&mut self.finetune.is_version_new) {
            self.use_version(core);
        }
        let tuning = &mut self.finetune;
        let newer = tuning
            .run
            .as_ref()
            .and_then(|run| run.shared.newer(tuning.seen));
        if let Some((progress, version)) = newer {
            let was_over = tuning.progress.as_ref().is_some_and(|p| p.phase.is_over());
            let has_ended = progress.phase.is_over() && !was_over;
            tuning.seen = version;
            let (phase, folder) = (progress.phase.clone(), progress.folder.clone());
            tuning.progress = Some(progress);
            if has_ended {
                tuning.show_run(Some(folder));
                self.training_ended(&phase, core)?;
            }
        }
        if self.page == Page::Train
            && let Some(project) = &self.project
            && let Some(wanted) = self.finetune.wanted_frame(&project.info)
        {
            let render = self.render.as_ref();
            let player = &mut self.finetune.player;
            player.follow(wanted, &project.info, render, &self.waker)?;
        }
        Ok(())
    }

    /// Uses the weights of the project's version in use in Live.
    fn use_version(&self, core: &mut Core) {
        let Some(project) = &self.project else {
            return;
        };
        let info = &project.info;
        let own = info.file.model.clone();
        match &info.version {
            None => core.run_action(Action::Model(ModelAction::Choose(own))),
            Some(version) => {
                let name = trained::join(&own, &version.weights);
                let help = format!(
                    "version {} of the project {}: {}",
                    version.file.number,
                    info.title(),
                    version.file.verdict
                );
                core.use_trained(name, help);
            }
        }
    }

    fn training_ended(&mut self, phase: &Phase, core: &mut Core) -> Result<()> {
        let is_seen = core.ui_state.view == ID && self.page == Page::Train;
        let (level, text) = match phase {
            Phase::Failed(text) => (Level::Error, text.clone()),
            Phase::Finished => {
                let text = "The training has ended and is measured: page Train of Label shows the \
                            result";
                (Level::Info, text.to_owned())
            }
            _ => {
                let progress = self.finetune.progress.as_ref();
                let text = if progress.is_some_and(|progress| progress.can_continue) {
                    "The training was stopped; Continue resumes it"
                } else {
                    "The training was stopped before it had begun; nothing of it is kept"
                };
                (Level::Info, text.to_owned())
            }
        };
        if !is_seen {
            core.ui_state.say(level, text);
        }
        self.review(core)
    }

    /// Says that a training goes on while another project is open.
    pub(in crate::gui::views::label) fn tell_of_training(&self, core: &mut Core) {
        let trained = self.finetune.trained.as_deref();
        let other = trained.filter(|folder| self.folder().as_deref() != Some(folder));
        if other.is_some() && self.finetune.is_active() {
            let name = &self.finetune.trained_name;
            let text = format!("The training on {name} goes on; open {name} to see it");
            core.ui_state.say(Level::Info, text);
        }
    }
}
