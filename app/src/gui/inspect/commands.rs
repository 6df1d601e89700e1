//! What every [`InspectAction`] does.

use poselens_engine::Result;
use poselens_engine::pipeline::N_INSPECTED;

use super::film::{Film, Start};
use super::{Complaint, InspectAction, Subject, meaning};
use crate::gui::App;
use crate::gui::action::Action;
use crate::gui::files::News;
use crate::gui::panels::View;
use crate::gui::session::Level;
use crate::gui::train::trained;

impl App {
    /// Changes to another view. The live picture stands while it is looked into, unless it is
    /// being recorded.
    pub(in crate::gui) fn show_view(&mut self, view: View) -> Result<()> {
        if view == self.view {
            return Ok(());
        }
        self.view = view;
        // What is done is no news in another view.
        self.session.status.take_if(|s| s.level != Level::Error);
        match view {
            View::Train => {
                if self.session.is_playing && self.session.recording.is_none() {
                    self.session.is_playing = false;
                    self.inspect.resumes_live = true;
                }
                self.start_teaching()?;
            }
            View::Live => {
                if std::mem::take(&mut self.inspect.resumes_live) {
                    self.session.is_playing = true;
                    self.pipeline.follow_live();
                }
            }
            View::Inspect => {
                if self.session.is_playing && self.session.recording.is_none() {
                    self.session.is_playing = false;
                    self.inspect.resumes_live = true;
                }
                self.start_inspecting()?;
            }
        }
        self.look_changed();
        Ok(())
    }

    fn start_inspecting(&mut self) -> Result<()> {
        self.follow_live_model()?;
        let source = self.session.running_source.as_ref();
        let source = source.map(|s| s.spec.clone());
        if self.inspect.live_source != source {
            self.inspect.live_source = source;
            self.inspect.look_alone()?;
        }
        let Some(presented) = &self.session.presented else {
            return Ok(());
        };
        let secs = presented.frame.time_secs;
        self.inspect.film = None;
        if let Some(choice) = &self.session.running_source
            && !self.session.is_live()
        {
            let (label, waker) = (&choice.label, &self.inspect.waker);
            let film = Film::open(label, &choice.spec, Start::At(secs), waker)?;
            self.inspect.film = Some(film);
        }
        self.inspect.zoom = self.session.zoom;
        self.inspect.pick = None;
        self.inspect_live()
    }

    /// Moves the models to where the live picture's computes.
    fn follow_device(&mut self) -> Result<()> {
        let device = self.session.device;
        if std::mem::replace(&mut self.inspect.device, device) == device {
            return Ok(());
        }
        let make = self.maker(device);
        let n = if self.inspect.kept.is_some() {
            1
        } else {
            N_INSPECTED
        };
        for slot in 0..n {
            if let Some(name) = self.inspect.seats[slot].wanted.clone() {
                self.inspect.seat(slot, Some(name), &make)?;
            }
        }
        Ok(())
    }

    /// Looks with the live picture's model, unless another one was chosen here since that one was
    /// chosen there.
    fn follow_live_model(&mut self) -> Result<()> {
        let first = || self.gui.models.first().map(|m| m.name.clone());
        let live = self.session.wanted_model.clone().or_else(first);
        let is_chosen_anew = self.inspect.followed != live;
        self.inspect.followed.clone_from(&live);
        if is_chosen_anew && self.inspect.seats[0].wanted != live {
            let make = self.maker(self.session.device);
            self.inspect.seat(0, live, &make)?;
        }
        Ok(())
    }

    /// Looks at the live picture as it stands.
    fn inspect_live(&mut self) -> Result<()> {
        let Some(presented) = &self.session.presented else {
            return Ok(());
        };
        let poses = presented.output.as_ref().map(|o| o.poses.clone());
        self.inspect.look_at(Subject {
            frame: presented.frame.clone(),
            near: poses.unwrap_or_default(),
            name: presented.source.name.clone(),
            is_mirrored: self.state.is_mirrored && presented.source.is_live,
            is_live: true,
        })
    }

    /// A new live picture has come: it is looked at where the user steps through the past of a
    /// live picture.
    pub(in crate::gui) fn follow_live_picture(&mut self) {
        let is_followed = self.view == View::Inspect
            && !self.session.is_playing
            && self.inspect.film.is_none()
            && self.inspect.subject.as_ref().is_some_and(|s| s.is_live);
        let (Some(subject), Some(presented)) = (&self.inspect.subject, &self.session.presented)
        else {
            return;
        };
        if is_followed
            && subject.frame.id != presented.frame.id
            && let Err(error) = self.inspect_live()
        {
            self.session.say(Level::Error, error.to_string());
        }
    }

    /// Opens a file, a folder or the sample clip in this view.
    pub(in crate::gui) fn open_film(&mut self, label: &str, spec: &str) -> Result<()> {
        self.inspect.look_alone()?;
        let film = Film::open(label, spec, Start::First, &self.inspect.waker)?;
        self.inspect.film = Some(film);
        self.inspect.subject = None;
        for seat in &mut self.inspect.seats {
            seat.found = None;
        }
        self.inspect.pick = None;
        self.inspect.is_stale = true;
        self.inspect.zoom = poselens_shaders::view::Zoom::WHOLE;
        self.session.status = None;
        Ok(())
    }

    /// Reads what the view's threads have found.
    pub(in crate::gui) fn poll_inspect(&mut self, ctx: &eframe::egui::Context) {
        let is_open = |film: &Option<Film>| film.as_ref().is_some_and(|f| !f.times.is_empty());
        let was_open = is_open(&self.inspect.film);
        for complaint in self.inspect.poll(ctx, &self.state.inspect) {
            match complaint {
                Complaint::Say(text) => self.session.say(Level::Warning, text),
                Complaint::Model(slot, name, text) => {
                    let said = format!("{}: {text}", trained::title(&name));
                    let retry = InspectAction::Model(slot, Some(name));
                    self.session.fail(said, Action::Inspect(retry));
                }
            }
        }
        if self.view == View::Inspect
            && let Err(error) = self.follow_device()
        {
            self.session.say(Level::Error, error.to_string());
        }
        if !was_open && is_open(&self.inspect.film) {
            self.remember_opened();
        }
        if self.inspect.film.as_ref().is_some_and(Film::is_opening) {
            ctx.request_repaint_after(std::time::Duration::from_millis(200));
        }
    }

    pub(in crate::gui) fn run_inspect(&mut self, action: InspectAction) -> Result<()> {
        match action {
            InspectAction::InOrOut => {
                let other = match self.view {
                    View::Inspect => View::Live,
                    View::Live | View::Train => View::Inspect,
                };
                self.show_view(other)?;
            }
            InspectAction::Next(n) => {
                let answer = self.inspect.answer();
                let next = answer.and_then(|(output, region)| {
                    meaning::next(&self.state.inspect, &output.model, region, n)
                });
                if let Some(choices) = next {
                    self.state.inspect = choices;
                    self.inspect.is_stale = true;
                }
            }
            InspectAction::Open(choice) => self.open_film(&choice.label, &choice.spec)?,
            InspectAction::OpenFolder if self.session.is_choosing => {}
            InspectAction::OpenFolder => {
                let folder = self.state.last_folder.as_deref();
                self.tasks.push(self.desk.choose_folder(folder)?);
                self.session.is_choosing = true;
            }
            InspectAction::Seek(index) => {
                if let Some(film) = &mut self.inspect.film {
                    film.seek(index);
                }
            }
            InspectAction::Step(n) => self.step_inspected(n),
            InspectAction::Model(slot, name) => {
                self.session.status = None;
                let make = self.maker(self.session.device);
                self.inspect.seat(slot, name, &make)?;
            }
            InspectAction::Keep => self.inspect.keep()?,
            InspectAction::Pick(pick) => {
                let before = std::mem::replace(&mut self.inspect.pick, pick);
                self.inspect.picked_before = before;
                self.inspect.is_stale = true;
            }
            InspectAction::Unpick => {
                self.inspect.pick = self.inspect.picked_before.clone();
                self.inspect.is_stale = true;
            }
            InspectAction::Zoom(zoom) => self.inspect.zoom = zoom,
            InspectAction::Choose(choices) => {
                self.state.inspect = *choices;
                self.inspect.is_stale = true;
            }
            InspectAction::Export(form) => {
                let folder = &self.recordings_folder();
                let asks = self.state.inspect.asks_where;
                if let Some(plan) = self.inspect.export_plan(form, folder) {
                    let task = if asks {
                        self.desk.save_as(plan)?
                    } else {
                        self.desk
                            .task("export", move || News::Saved(plan.write()))?
                    };
                    self.tasks.push(task);
                }
            }
        }
        Ok(())
    }

    /// In a file any frame, in a live picture the last seconds.
    fn step_inspected(&mut self, n: i64) {
        match &mut self.inspect.film {
            Some(film) if !film.times.is_empty() => {
                let at = i64::try_from(film.index).unwrap_or(i64::MAX);
                film.seek(usize::try_from(at.saturating_add(n).max(0)).unwrap_or(usize::MAX));
            }
            _ if !self.session.is_playing => self.pipeline.step(n.clamp(-100_000, 100_000)),
            _ => {}
        }
    }
}
