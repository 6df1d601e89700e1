//! Runs every [`TrainAction`].

use std::path::PathBuf;
use std::time::{Duration, Instant};

use poselens_engine::dataset::guess_format;
use poselens_engine::train::data_check::CheckInputs;
use poselens_engine::train::runs::{RunEntry, runs_in};
use poselens_engine::train::{DataConfig, InitialWeights, TrainConfig, preview};
use poselens_engine::{Error, Result};

use crate::gui::action::train::{Ask, Page, TrainAction};
use crate::gui::action::{Action, ModelAction, WindowAction};
use crate::gui::background::Task;
use crate::gui::context::ModelChoice;
use crate::gui::core::Core;
use crate::gui::state::train::{Role, Trained, set_data};
use crate::gui::trained;
use crate::gui::training::control::Requested;
use crate::gui::training::progress::TrainProgress;
use crate::gui::ui_state::Level;
use crate::gui::views::train::running::job::{Job, progress_of, start};
use crate::gui::views::train::setup::check::Check;
use crate::gui::views::train::state::{Decision, ID, Train, UNDECIDED};

/// Delay after the last keystroke before the data are checked.
const PAUSE_IN_TYPING: Duration = Duration::from_millis(700);
/// Number of people in a preview, and per row.
const IN_A_PREVIEW: (usize, usize) = (12, 3);

impl Train {
    pub(super) fn run_train(&mut self, action: TrainAction, core: &mut Core) -> Result<()> {
        let is_to_be_seen = matches!(
            action,
            TrainAction::Ask(_)
                | TrainAction::Check
                | TrainAction::Preview
                | TrainAction::Start
                | TrainAction::Continue(..)
        );
        if is_to_be_seen && core.ui_state.view != ID {
            // These commands are available in the palette of every view.
            core.run_action(Action::Window(WindowAction::Show(ID)));
            core.run_action(Action::Train(action));
            return Ok(());
        }
        match action {
            TrainAction::Configure(config) => self.configure(*config, core),
            TrainAction::Recipe(model, recipe) => {
                core.state.train.take_recipe(&model, &recipe)?;
                self.options_changed();
            }
            TrainAction::Out(out) => core.state.train.out = out,
            TrainAction::Threads(n) => core.state.train.threads = n,
            TrainAction::LogScale(is_on) => core.state.train.is_log_scale = is_on,
            TrainAction::Ask(_) if core.ui_state.is_choosing => {}
            TrainAction::Ask(ask) => {
                let folder = core.state.last_folder.as_deref();
                core.workers.push(core.tasks.ask_for(ask, folder)?);
                core.ui_state.is_choosing = true;
            }
            TrainAction::Answer(ask, path) => self.answer(ask, path, core),
            TrainAction::Show(page) => {
                self.page = page;
                if page == Page::Preview && self.batch.is_none() {
                    return self.run_train(TrainAction::Preview, core);
                }
            }
            TrainAction::Check => return self.check_data(core),
            TrainAction::Preview => return self.preview_batch(core),
            TrainAction::Start => return self.start_training(core),
            TrainAction::Pause | TrainAction::Stop if !self.is_active() => {
                core.ui_state.say(Level::Info, "no training is running");
            }
            TrainAction::Pause => {
                if let Some(run) = &self.run {
                    let is_paused = run.control.requested() == Requested::Pause;
                    run.control.ask(if is_paused {
                        Requested::Go
                    } else {
                        Requested::Pause
                    });
                }
            }
            TrainAction::Stop => {
                if let Some(run) = &self.run {
                    run.control.ask(Requested::Stop);
                }
            }
            TrainAction::List => return self.list_runs(core),
            TrainAction::Open(folder) => {
                let mut hardware = core.gui.hardware;
                hardware.threads = core.state.train.n_threads();
                let read = move |_: &_| progress_of(&folder, hardware);
                self.opening = Some(Task::start("training folder", &self.waker, read)?);
                self.page = Page::Progress;
            }
            TrainAction::Continue(folder, epochs) => {
                let data = |role| core.state.train.data(role).cloned();
                let maybe_at = Box::new([data(Role::Learn), data(Role::HeldOut)]);
                return self.begin(Job::Resume { epochs, maybe_at }, folder, core);
            }
            TrainAction::Forget => core.state.train.at_work = None,
            TrainAction::Use | TrainAction::KeepOld if self.progress.is_none() => {
                let text = "there are no trained weights to decide on; open an earlier training";
                core.ui_state.say(Level::Info, text);
            }
            TrainAction::Use => self.use_weights(core),
            TrainAction::KeepOld => {
                if let Some(Decision::Used(Some(before))) = self.decision.replace(Decision::Kept) {
                    core.run_action(Action::Model(ModelAction::Choose(before)));
                }
            }
        }
        Ok(())
    }

    /// Called when the view is opened.
    pub(super) fn start_teaching(&mut self, core: &mut Core) -> Result<()> {
        core.state.train.prepare()?;
        let config = core.state.train.config.as_ref();
        let is_known = config.is_some_and(|c| self.report_of(c).is_some());
        if !is_known && self.check.is_none() {
            self.check_data(core)?;
        }
        if self.earlier.is_none() && self.listing.is_none() {
            self.list_runs(core)?;
        }
        Ok(())
    }

    fn configure(&mut self, config: TrainConfig, core: &mut Core) {
        let old = core.state.train.config.replace(config);
        let new = core.state.train.config.as_ref();
        if old.as_ref().and_then(CheckInputs::of) != new.and_then(CheckInputs::of) {
            self.options_changed();
        }
    }

    /// Schedules a data check, because the data or the model have changed.
    fn options_changed(&mut self) {
        self.check = None;
        self.check_due = Some(Instant::now() + PAUSE_IN_TYPING);
    }

    fn answer(&mut self, ask: Ask, path: PathBuf, core: &mut Core) {
        let Some(mut config) = core.state.train.config.clone() else {
            return;
        };
        match ask {
            Ask::Labels(role) | Ask::Clip(role) => {
                let data = DataConfig::new(path, None);
                set_data(&mut config, role, Some(data));
            }
            Ask::Pictures(role) => {
                let mut data = core.state.train.data(role).cloned();
                if let Some(data) = &mut data {
                    data.images = Some(path);
                }
                set_data(&mut config, role, data);
            }
            Ask::Weights => config.init = InitialWeights::File(path),
            Ask::Out => core.state.train.out = Some(path),
            Ask::Run => {
                core.run_action(Action::Train(TrainAction::Open(path)));
                return;
            }
        }
        self.configure(config, core);
    }

    /// Handles a path dropped on this view according to its type.
    pub(super) fn open_dropped(&mut self, path: PathBuf, core: &mut Core) {
        let plan = &core.state.train;
        let has_learn = plan.data(Role::Learn).is_some();
        let is_weights = path.extension().is_some_and(|e| e == "safetensors");
        let ask = if is_weights {
            Ask::Weights
        } else if path.join("log.csv").is_file() {
            Ask::Run
        } else if guess_format(&path).is_ok() {
            Ask::Labels(if has_learn {
                Role::HeldOut
            } else {
                Role::Learn
            })
        } else if path.is_dir() && has_learn {
            let has_held_out = plan.data(Role::HeldOut).is_some();
            Ask::Pictures(if has_held_out {
                Role::HeldOut
            } else {
                Role::Learn
            })
        } else {
            let text = format!(
                "{} is neither labels, an image folder, weights nor a training",
                path.display()
            );
            core.ui_state.say(Level::Warning, text);
            return;
        };
        self.answer(ask, path, core);
    }

    pub(super) fn check_data(&mut self, core: &mut Core) -> Result<()> {
        self.check_due = None;
        self.check = None;
        let inputs = core.state.train.config.as_ref().and_then(CheckInputs::of);
        if let Some(inputs) = inputs {
            self.check = Some(Check::start(inputs, &self.waker)?);
        }
        Ok(())
    }

    fn preview_batch(&mut self, core: &mut Core) -> Result<()> {
        let Some(config) = core.state.train.config.clone() else {
            return Ok(());
        };
        self.page = Page::Preview;
        self.preview_fault = None;
        if config.data.is_empty() || self.is_previewing() {
            return Ok(());
        }
        let (at, work) = (self.next_batch(&config), config.clone());
        let (most, columns) = IN_A_PREVIEW;
        let make = move |_: &_| preview(&work, at, most, columns);
        let task = Task::start("training preview", &self.waker, make)?;
        self.previewing = Some((task, config));
        Ok(())
    }

    fn start_training(&mut self, core: &mut Core) -> Result<()> {
        let plan = &core.state.train;
        if let Some(obstacle) = self.obstacle(plan) {
            return Err(Error::Failed(format!("no training can start: {obstacle}")));
        }
        let Some(config) = plan.config.clone() else {
            return Ok(());
        };
        let folder = plan.folder(&core.gui.trainings_folder);
        // The next training must not overwrite this one.
        core.state.train.out = None;
        self.begin(Job::Begin(Box::new(config)), folder, core)
    }

    fn begin(&mut self, job: Job, folder: PathBuf, core: &mut Core) -> Result<()> {
        if self.is_active() {
            let reason = "a training is already running; stop it first";
            return Err(Error::Failed(reason.to_owned()));
        }
        let shown = self.progress.as_ref();
        if self.is_undecided() && shown.is_some_and(|progress| progress.folder != folder) {
            return Err(Error::Failed(UNDECIDED.to_owned()));
        }
        let mut hardware = core.gui.hardware;
        hardware.threads = core.state.train.n_threads();
        let usual = core.gui.trainings_folder.clone();
        core.state.train.remember(&folder, &usual);
        let run = start(
            job,
            folder.clone(),
            shown,
            hardware,
            core.ui_state.model.clone(),
            &self.waker,
        )?;
        core.state.train.at_work = Some(folder);
        self.run = Some(run);
        self.page = Page::Progress;
        self.forget_progress();
        Ok(())
    }

    fn list_runs(&mut self, core: &mut Core) -> Result<()> {
        let folder = core.gui.trainings_folder.clone();
        let elsewhere = core.state.train.elsewhere.clone();
        let list = move |_: &_| {
            let mut runs = runs_in(&folder)?;
            // Trainings that were deleted or are on a disconnected disk are skipped.
            let others = elsewhere.iter().filter_map(|f| RunEntry::read(f).ok());
            runs.splice(0..0, others.collect::<Vec<_>>());
            Ok(runs)
        };
        let task = Task::start("training list", &self.waker, list)?;
        self.listing = Some(task);
        Ok(())
    }

    fn use_weights(&mut self, core: &mut Core) {
        let Some(progress) = &self.progress else {
            return;
        };
        if progress.offered().is_none() {
            let text = "no weights are better than the initial ones";
            core.ui_state.say(Level::Warning, text);
            return;
        }
        let Some(weights) = progress.file() else {
            let text = format!("{} contains no weights yet", progress.folder.display());
            core.ui_state.say(Level::Warning, text);
            return;
        };
        let name = trained::join(&progress.model, &weights);
        let before = core.ui_state.wanted_model.clone();
        let before = before.filter(|before| *before != name);
        let help = help(progress);
        self.decision = Some(Decision::Used(before));
        core.use_trained(name, help);
    }

    /// Stops the training after the window has closed.
    pub(super) fn close_training(&mut self) {
        if let Some(run) = self.run.take() {
            run.close();
        }
    }
}

/// Offers weights that were accepted earlier if their files still exist.
pub(super) fn offer_trained(core: &mut Core) {
    let there = |t: &Trained| trained::split(&t.name).1.is_some_and(|file| file.is_file());
    core.state.train.trained.retain(there);
    for Trained { name, help } in core.state.train.trained.clone() {
        core.gui.models.push(ModelChoice { name, help });
    }
}

/// Returns a one-line description of trained weights for the model list.
fn help(progress: &TrainProgress) -> String {
    let figures = progress.first().and_then(|first| first.pck);
    let figures = figures.zip(progress.judged().and_then(|judged| judged.pck));
    match figures {
        Some((before, after)) => format!(
            "trained here: PCK@0.2 {:.1} to {:.1} % on the held-out people",
            100.0 * before,
            100.0 * after
        ),
        None => "trained here, without held-out people".to_owned(),
    }
}
