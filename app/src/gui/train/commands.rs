//! What every [`TrainAction`] does.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use poselens_engine::dataset::guess_format;
use poselens_engine::train::data_check::Subject;
use poselens_engine::train::runs::{RunEntry, runs_in};
use poselens_engine::train::{DataConfig, Start, TrainConfig, preview};
use poselens_engine::{Error, Result};

use super::check::Check;
use super::plan::{Trained, set_data};
use super::run::{Job, Run, Wish, story_of};
use super::story::Story;
use super::task::Task;
use super::{Ask, Decision, Page, Role, TrainAction, UNDECIDED, trained};
use crate::gui::action::{Action, ModelAction};
use crate::gui::panels::View;
use crate::gui::session::Level;
use crate::gui::{App, ModelChoice};

/// Typing has stopped for so long: the data are checked.
const PAUSE_IN_TYPING: Duration = Duration::from_millis(700);
/// People on a sheet, and how many of them in a row.
const ON_A_SHEET: (usize, usize) = (12, 3);

impl App {
    pub(in crate::gui) fn run_train(&mut self, action: TrainAction) -> Result<()> {
        let is_to_be_seen = matches!(
            action,
            TrainAction::Ask(_)
                | TrainAction::Check
                | TrainAction::Preview
                | TrainAction::Start
                | TrainAction::Continue(..)
        );
        if is_to_be_seen {
            // The palette knows these from everywhere.
            self.show_view(View::Train)?;
        }
        let train = &mut self.train;
        match action {
            TrainAction::Configure(config) => self.configure(*config),
            TrainAction::Recipe(model, recipe) => {
                self.state.train.take_recipe(&model, &recipe)?;
                self.options_changed();
            }
            TrainAction::Out(out) => self.state.train.out = out,
            TrainAction::Threads(n) => self.state.train.threads = n,
            TrainAction::LogScale(is_on) => self.state.train.is_log_scale = is_on,
            TrainAction::Ask(_) if self.session.is_choosing => {}
            TrainAction::Ask(ask) => {
                let folder = self.state.last_folder.as_deref();
                self.tasks.push(self.desk.ask_for(ask, folder)?);
                self.session.is_choosing = true;
            }
            TrainAction::Answer(ask, path) => self.answer(ask, path),
            TrainAction::Show(page) => {
                train.page = page;
                if page == Page::Preview && train.sheet.is_none() {
                    return self.run_train(TrainAction::Preview);
                }
            }
            TrainAction::Check => return self.check_data(),
            TrainAction::Preview => return self.preview_batch(),
            TrainAction::Start => return self.start_training(),
            TrainAction::Pause | TrainAction::Stop if !train.is_active() => {
                self.session.say(Level::Info, "no training is running");
            }
            TrainAction::Pause => {
                if let Some(run) = &train.run {
                    let is_paused = run.reins.wish() == Wish::Pause;
                    run.reins
                        .ask(if is_paused { Wish::Go } else { Wish::Pause });
                }
            }
            TrainAction::Stop => {
                if let Some(run) = &train.run {
                    run.reins.ask(Wish::Stop);
                }
            }
            TrainAction::List => return self.list_runs(),
            TrainAction::Open(folder) => {
                let mut hardware = self.gui.hardware;
                hardware.threads = self.state.train.n_threads();
                let read = move |_: &_| story_of(&folder, hardware);
                train.opening = Some(Task::start("training folder", &train.waker, read)?);
                train.page = Page::Progress;
            }
            TrainAction::Continue(folder, epochs) => {
                let data = |role| self.state.train.data(role).cloned();
                let maybe_at = Box::new([data(Role::Learn), data(Role::HeldOut)]);
                return self.begin(Job::Resume { epochs, maybe_at }, folder);
            }
            TrainAction::Forget => self.state.train.at_work = None,
            TrainAction::Use => self.use_weights(),
            TrainAction::KeepOld => {
                if let Some(Decision::Used(Some(before))) = train.decision.replace(Decision::Kept) {
                    self.run_action(Action::Model(ModelAction::Choose(before)));
                }
            }
        }
        Ok(())
    }

    /// The view is opened.
    pub(in crate::gui) fn start_teaching(&mut self) -> Result<()> {
        self.state.train.prepare()?;
        let config = self.state.train.config.as_ref();
        let is_known = config.is_some_and(|c| self.train.report_of(c).is_some());
        if !is_known && self.train.check.is_none() {
            self.check_data()?;
        }
        if self.train.earlier.is_none() && self.train.listing.is_none() {
            self.list_runs()?;
        }
        Ok(())
    }

    /// Weights that were taken over before are offered as long as their files are there.
    pub(in crate::gui) fn offer_trained(&mut self) {
        let there = |t: &Trained| trained::split(&t.name).1.is_some_and(|file| file.is_file());
        self.state.train.trained.retain(there);
        for Trained { name, help } in self.state.train.trained.clone() {
            self.gui.models.push(ModelChoice { name, help });
        }
    }

    fn configure(&mut self, config: TrainConfig) {
        let old = self.state.train.config.replace(config);
        let new = self.state.train.config.as_ref();
        if old.as_ref().and_then(Subject::of) != new.and_then(Subject::of) {
            self.options_changed();
        }
    }

    /// The data or the model are others: they are checked once typing stops.
    fn options_changed(&mut self) {
        self.train.check = None;
        self.train.check_due = Some(Instant::now() + PAUSE_IN_TYPING);
    }

    fn answer(&mut self, ask: Ask, path: PathBuf) {
        let Some(mut config) = self.state.train.config.clone() else {
            return;
        };
        match ask {
            Ask::Labels(role) | Ask::Clip(role) => {
                let data = DataConfig::new(path, None);
                set_data(&mut config, role, Some(data));
            }
            Ask::Pictures(role) => {
                let mut data = self.state.train.data(role).cloned();
                if let Some(data) = &mut data {
                    data.images = Some(path);
                }
                set_data(&mut config, role, data);
            }
            Ask::Weights => config.init = Start::File(path),
            Ask::Out => self.state.train.out = Some(path),
            Ask::Run => {
                self.run_action(Action::Train(TrainAction::Open(path)));
                return;
            }
        }
        self.configure(config);
    }

    /// Takes what was dropped on this view for what it is.
    pub(in crate::gui) fn drop_on_training(&mut self, path: PathBuf) {
        let plan = &self.state.train;
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
                "{} is neither labels nor a folder of pictures, weights or a training",
                path.display()
            );
            self.session.say(Level::Warning, text);
            return;
        };
        self.answer(ask, path);
    }

    pub(super) fn check_data(&mut self) -> Result<()> {
        self.train.check_due = None;
        self.train.check = None;
        let subject = self.state.train.config.as_ref().and_then(Subject::of);
        if let Some(subject) = subject {
            self.train.check = Some(Check::start(subject, &self.train.waker)?);
        }
        Ok(())
    }

    fn preview_batch(&mut self) -> Result<()> {
        let Some(config) = self.state.train.config.clone() else {
            return Ok(());
        };
        self.train.page = Page::Preview;
        self.train.preview_fault = None;
        if config.data.is_empty() || self.train.is_previewing() {
            return Ok(());
        }
        let (at, work) = (self.train.next_batch(&config), config.clone());
        let (most, columns) = ON_A_SHEET;
        let make = move |_: &_| preview(&work, at, most, columns);
        let task = Task::start("training preview", &self.train.waker, make)?;
        self.train.previewing = Some((task, config));
        Ok(())
    }

    fn start_training(&mut self) -> Result<()> {
        let plan = &self.state.train;
        if let Some(obstacle) = self.train.obstacle(plan) {
            return Err(Error::Invalid(format!("no training can start: {obstacle}")));
        }
        let Some(config) = plan.config.clone() else {
            return Ok(());
        };
        let folder = plan.folder(&self.gui.trainings_folder);
        // The next one is not to write over it.
        self.state.train.out = None;
        self.begin(Job::Begin(Box::new(config)), folder)
    }

    fn begin(&mut self, job: Job, folder: PathBuf) -> Result<()> {
        if self.train.is_active() {
            let reason = "one training is running already; stop it first";
            return Err(Error::Invalid(reason.to_owned()));
        }
        let shown = self.train.story.as_ref();
        if self.train.is_undecided() && shown.is_some_and(|story| story.folder != folder) {
            return Err(Error::Invalid(UNDECIDED.to_owned()));
        }
        let mut hardware = self.gui.hardware;
        hardware.threads = self.state.train.n_threads();
        let usual = self.gui.trainings_folder.clone();
        self.state.train.remember(&folder, &usual);
        let run = Run::start(
            job,
            folder.clone(),
            shown,
            hardware,
            self.session.model.clone(),
            &self.train.waker,
        )?;
        self.state.train.at_work = Some(folder);
        let train = &mut self.train;
        train.run = Some(run);
        train.page = Page::Progress;
        train.forget_story();
        Ok(())
    }

    fn list_runs(&mut self) -> Result<()> {
        let folder = self.gui.trainings_folder.clone();
        let elsewhere = self.state.train.elsewhere.clone();
        let list = move |_: &_| {
            let mut runs = runs_in(&folder)?;
            // One that was deleted or is on a disk that is not here is left out.
            let others = elsewhere.iter().filter_map(|f| RunEntry::read(f).ok());
            runs.splice(0..0, others.collect::<Vec<_>>());
            Ok(runs)
        };
        let task = Task::start("training list", &self.train.waker, list)?;
        self.train.listing = Some(task);
        Ok(())
    }

    fn use_weights(&mut self) {
        let Some(story) = &self.train.story else {
            return;
        };
        if story.offered().is_none() {
            let text = "nothing was learned that is better than the weights it began with";
            self.session.say(Level::Warning, text);
            return;
        }
        let Some(weights) = story.file() else {
            let text = format!("{} holds no weights yet", story.folder.display());
            self.session.say(Level::Warning, text);
            return;
        };
        let name = trained::join(&story.model, &weights);
        let help = help(story);
        let before = self.session.wanted_model.clone();
        let plan = &mut self.state.train;
        plan.trained.retain(|t| t.name != name);
        plan.trained.push(Trained {
            name: name.clone(),
            help: help.clone(),
        });
        if !self.gui.models.iter().any(|m| m.name == name) {
            let name = name.clone();
            self.gui.models.push(ModelChoice { name, help });
        }
        let before = before.filter(|before| *before != name);
        self.train.decision = Some(Decision::Used(before));
        self.run_action(Action::Model(ModelAction::Choose(name)));
    }

    /// Ends the training when the window has closed.
    pub(in crate::gui) fn close_training(&mut self) {
        if let Some(run) = self.train.run.take() {
            run.close();
        }
    }
}

impl super::Train {
    pub(super) fn forget_story(&mut self) {
        self.story = None;
        self.seen = 0;
        self.faces = [None, None, None];
        self.decision = None;
    }

    /// Whether a training of this session has brought weights of which nobody has said whether
    /// they shall be used.
    pub fn is_undecided(&self) -> bool {
        let is_offered = |story: &Story| story.phase.is_over() && story.offered().is_some();
        self.run.is_some()
            && !self.is_active()
            && self.decision.is_none()
            && self.story.as_ref().is_some_and(is_offered)
    }
}

/// One line about trained weights, for the list of networks.
fn help(story: &Story) -> String {
    let figures = story.first().and_then(|first| first.pck);
    let figures = figures.zip(story.judged().and_then(|judged| judged.pck));
    match figures {
        Some((before, after)) => format!(
            "trained here: PCK@0.2 {:.1} to {:.1} % on the held-out people",
            100.0 * before,
            100.0 * after
        ),
        None => "trained here, without held-out people".to_owned(),
    }
}
