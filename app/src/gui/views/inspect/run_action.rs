//! Runs every [`InspectAction`].

use eframe::egui;
use poselens_engine::Result;
use poselens_engine::pipeline::N_INSPECTED;
use poselens_shaders::view::Zoom;

use crate::gui::action::inspect::InspectAction;
use crate::gui::action::{Action, ViewId, WindowAction};
use crate::gui::context::SourceChoice;
use crate::gui::core::Core;
use crate::gui::tasks::TaskResult;
use crate::gui::trained;
use crate::gui::ui_state::Level;
use crate::gui::views::inspect::frame_reader::{FrameReader, InitialFrame};
use crate::gui::views::inspect::meaning;
use crate::gui::views::inspect::state::{Complaint, ID, Inspect, InspectedFrame};
use crate::gui::views::inspect::tracks::people::RecordedPeople;

impl Inspect {
    /// Starts with the frame shown in the live view.
    pub(super) fn start_inspecting(&mut self, core: &Core) -> Result<()> {
        self.follow_live_model(core)?;
        let source = core.ui_state.running_source.as_ref();
        let source = source.map(|s| s.spec.clone());
        if self.live_source != source {
            self.live_source = source;
            self.look_alone()?;
        }
        let Some(presented) = &core.ui_state.presented else {
            return Ok(());
        };
        let secs = presented.frame.time_secs;
        self.reader = None;
        if let Some(choice) = &core.ui_state.running_source
            && !core.ui_state.is_live()
        {
            let (label, waker) = (&choice.label, &self.waker);
            let reader = FrameReader::open(label, &choice.spec, InitialFrame::At(secs), waker)?;
            self.reader = Some(reader);
            self.look_for_people(Some(&choice.spec))?;
        } else {
            self.look_for_people(None)?;
        }
        self.zoom = core.ui_state.zoom;
        self.pick = None;
        self.inspect_live(core)
    }

    /// Moves the models to the device of the live view.
    fn follow_device(&mut self, core: &Core) -> Result<()> {
        let device = core.ui_state.device;
        if std::mem::replace(&mut self.device, device) == device {
            return Ok(());
        }
        let make = core.maker(device);
        let n = if self.kept.is_some() { 1 } else { N_INSPECTED };
        for slot in 0..n {
            if let Some(name) = self.slots[slot].wanted.clone() {
                self.load_model(slot, Some(name), &make)?;
            }
        }
        Ok(())
    }

    /// Uses the model of the live view, unless another one was chosen here after that one was
    /// chosen there.
    fn follow_live_model(&mut self, core: &Core) -> Result<()> {
        let first = || core.gui.models.first().map(|m| m.name.clone());
        let live = core.ui_state.wanted_model.clone().or_else(first);
        let is_chosen_anew = self.followed != live;
        self.followed.clone_from(&live);
        if is_chosen_anew && self.slots[0].wanted != live {
            let make = core.maker(core.ui_state.device);
            self.load_model(0, live, &make)?;
        }
        Ok(())
    }

    /// Inspects the current live frame.
    fn inspect_live(&mut self, core: &Core) -> Result<()> {
        let Some(presented) = &core.ui_state.presented else {
            return Ok(());
        };
        let poses = presented.output.as_ref().map(|o| o.poses.clone());
        self.look_at(InspectedFrame {
            frame: presented.frame.clone(),
            near: poses.unwrap_or_default(),
            name: presented.source.name.clone(),
            is_mirrored: core.state.is_mirrored && presented.source.is_live,
            is_live: true,
        })
    }

    /// Handles a new live frame: inspects it while the user steps through the live buffer.
    pub(super) fn follow_live_picture(&mut self, core: &Core) -> Result<()> {
        let is_followed = core.ui_state.view == ID
            && !core.ui_state.is_playing
            && self.reader.is_none()
            && self.subject.as_ref().is_some_and(|s| s.is_live);
        let (Some(subject), Some(presented)) = (&self.subject, &core.ui_state.presented) else {
            return Ok(());
        };
        if is_followed && subject.frame.id != presented.frame.id {
            self.inspect_live(core)?;
        }
        Ok(())
    }

    /// Opens a file, a folder or the sample clip in this view.
    pub(super) fn open_file(&mut self, file: &SourceChoice, core: &mut Core) -> Result<()> {
        self.look_alone()?;
        let reader = FrameReader::open(&file.label, &file.spec, InitialFrame::First, &self.waker)?;
        self.reader = Some(reader);
        self.look_for_people(Some(&file.spec))?;
        self.subject = None;
        for model_slot in &mut self.slots {
            model_slot.found = None;
        }
        self.pick = None;
        self.is_stale = true;
        self.zoom = Zoom::WHOLE;
        core.show_path(&file.spec);
        core.ui_state.status = None;
        Ok(())
    }

    /// Reports results of the view's threads to the user.
    pub(super) fn follow_threads(&mut self, core: &mut Core, ctx: &egui::Context) {
        let is_open =
            |reader: &Option<FrameReader>| reader.as_ref().is_some_and(|r| !r.times.is_empty());
        let was_open = is_open(&self.reader);
        for complaint in self.read_threads(ctx, &core.state.inspect) {
            match complaint {
                Complaint::Say(text) => core.ui_state.say(Level::Warning, text),
                Complaint::Model(slot, name, text) => {
                    let said = format!("{}: {text}", trained::title(&name));
                    let retry = InspectAction::Model(slot, Some(name));
                    core.ui_state.fail(said, Action::Inspect(retry));
                }
            }
        }
        if core.ui_state.view == ID
            && let Err(error) = self.follow_device(core)
        {
            core.ui_state.say(Level::Error, error.to_string());
        }
        if !was_open && is_open(&self.reader) {
            core.remember_opened();
        }
        let is_reading = |people: &RecordedPeople| people.is_reading();
        if self.reader.as_ref().is_some_and(FrameReader::is_opening)
            || self.people.as_ref().is_some_and(is_reading)
        {
            ctx.request_repaint_after(std::time::Duration::from_millis(200));
        }
    }

    /// Runs an action of this view.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn run_inspect(&mut self, action: InspectAction, core: &mut Core) -> Result<()> {
        let is_shown = core.ui_state.view == ID;
        match action {
            InspectAction::InOrOut => {
                let other = if is_shown { ViewId::LIVE } else { ID };
                core.run_action(Action::Window(WindowAction::Show(other)));
            }
            InspectAction::Open(file) if !is_shown => {
                core.run_action(Action::Window(WindowAction::Show(ID)));
                core.run_action(Action::Inspect(InspectAction::Open(file)));
            }
            InspectAction::Open(file) => self.open_file(&file, core)?,
            InspectAction::Next(n) => {
                let answer = self.answer();
                let next = answer.and_then(|(output, region)| {
                    meaning::next(&core.state.inspect, output, region, n)
                });
                if let Some(choices) = next {
                    core.state.inspect = choices;
                    self.is_stale = true;
                }
            }
            InspectAction::OpenFolder if core.ui_state.is_choosing => {}
            InspectAction::OpenFolder => {
                let folder = core.state.last_folder.as_deref();
                core.workers.push(core.tasks.choose_folder(folder)?);
                core.ui_state.is_choosing = true;
            }
            InspectAction::Seek(index) => {
                if let Some(reader) = &mut self.reader {
                    reader.seek(index);
                }
            }
            InspectAction::Step(n) => self.step(n, core),
            InspectAction::Model(slot, name) => {
                core.ui_state.status = None;
                let make = core.maker(core.ui_state.device);
                self.load_model(slot, name, &make)?;
            }
            InspectAction::Keep => self.keep()?,
            InspectAction::Stored(true) => self.show_stored()?,
            InspectAction::Stored(false) if self.kept.is_some() => self.look_alone()?,
            InspectAction::Stored(false) => self.stored = None,
            InspectAction::Pick(pick) => {
                let before = std::mem::replace(&mut self.pick, pick);
                self.picked_before = before;
                self.is_stale = true;
            }
            InspectAction::Unpick => {
                self.pick = self.picked_before.clone();
                self.is_stale = true;
            }
            InspectAction::Zoom(zoom) => self.zoom = zoom,
            InspectAction::Tracks(action) => self.run_tracks(action)?,
            InspectAction::Choose(choices) => {
                core.state.inspect = *choices;
                self.is_stale = true;
            }
            InspectAction::Export(form) => {
                let folder = &core.recordings_folder();
                let asks = core.state.inspect.asks_where;
                if let Some(plan) = self.export_plan(form, folder) {
                    let task = if asks {
                        core.tasks.save_as(plan)?
                    } else {
                        core.tasks
                            .task("export", move || TaskResult::Saved(plan.write()))?
                    };
                    core.workers.push(task);
                }
            }
        }
        Ok(())
    }

    /// Steps by `n` frames: anywhere in a file, within the buffered seconds of a live source.
    fn step(&mut self, n: i64, core: &mut Core) {
        match &mut self.reader {
            Some(reader) if !reader.times.is_empty() => {
                let at = i64::try_from(reader.index).unwrap_or(i64::MAX);
                reader.seek(usize::try_from(at.saturating_add(n).max(0)).unwrap_or(usize::MAX));
            }
            _ if !core.ui_state.is_playing => core.pipeline.step(n.clamp(-100_000, 100_000)),
            _ => {}
        }
    }
}
