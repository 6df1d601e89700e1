//! Runs every [`LabelAction`].

use poselens_engine::Result;
use poselens_engine::estimator::People;
use poselens_engine::model::MODELS;
use poselens_engine::project::FrameKey;

use crate::gui::action::label::{Ask, FramePlace, LabelAction};
use crate::gui::action::{Action, WindowAction};
use crate::gui::core::Core;
use crate::gui::state::label::Listed;
use crate::gui::trained;
use crate::gui::views::label::model::Model;
use crate::gui::views::label::state::{ID, Label, failed, no_project};
use crate::gui::views::label::thread::Request;

/// Number of frames that one search suggests.
const N_SUGGESTED: usize = 20;

impl Label {
    /// Runs an action of this view.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn run_label(&mut self, action: LabelAction, core: &mut Core) -> Result<()> {
        let listed = core.state.label.listed;
        self.admit(&action)?;
        match action {
            LabelAction::Ask(_) if core.ui_state.is_choosing => {}
            LabelAction::Ask(ask) => self.ask(ask, core)?,
            LabelAction::Import(path) => {
                self.send(Request::Import(path), listed)?;
            }
            LabelAction::Export(format, path) => {
                self.send(Request::Export(format, path), listed)?;
            }
            LabelAction::Open(folder) => {
                show(core);
                self.opening = Some(folder.clone());
                self.move_with(Request::Open(folder), listed)?;
            }
            LabelAction::Rename(name) => {
                self.send(Request::Rename(name), listed)?;
            }
            LabelAction::ForgetRecent => core.state.label.forget_recent(),
            LabelAction::Close => self.move_with(Request::Close, listed)?,
            LabelAction::OpenPaths(paths) => {
                show(core);
                self.opening = paths.first().cloned();
                for path in paths {
                    let request = Request::OpenPath {
                        path,
                        parent: core.gui.projects_folder.clone(),
                        model: live_model(core),
                    };
                    self.move_with(request, listed)?;
                }
            }
            LabelAction::AddFrame(place) => self.add_frame(place, core)?,
            LabelAction::Step(n) => self.step(n, listed)?,
            LabelAction::Seek(frame) => {
                if let Some(at) = self.at {
                    self.go_to(FrameKey::new(at.clip, frame), listed)?;
                }
            }
            LabelAction::ShowClip(clip) => self.go_to(FrameKey::new(clip, 0), listed)?,
            LabelAction::ShowFrame(at) => self.go_to(at, listed)?,
            LabelAction::NextSuggested(n) => {
                let is_forward = n > 0;
                self.move_with(Request::Next { is_forward }, listed)?;
            }
            LabelAction::List(listed) => {
                core.state.label.listed = listed;
                self.send(Request::List(listed), listed)?;
            }
            LabelAction::Rows(first, n) => {
                self.rows = (first, n);
                self.send(Request::Rows(first, n), listed)?;
            }
            LabelAction::Suggest => self.suggest(core)?,
            LabelAction::CancelSuggest => {
                self.send(Request::CancelSuggest, listed)?;
            }
            LabelAction::CopyClip => {
                let at = self
                    .at
                    .ok_or_else(|| failed("no clip of a project is shown"))?;
                self.send(Request::CopyClip(at.clip), listed)?;
            }
            LabelAction::CancelCopy => {
                self.send(Request::CancelCopy, listed)?;
            }
            LabelAction::AddPerson => {
                let model = self.model(core)?;
                self.add_person(model, listed)?;
            }
            LabelAction::Zoom(zoom) => self.zoom = zoom,
            LabelAction::Page(page) => self.show_page(page, core)?,
            LabelAction::Finetune(action) => self.run_finetune(action, core)?,
            edit => self.run_edit(&edit, listed)?,
        }
        Ok(())
    }

    /// Shows a dialog.
    fn ask(&self, ask: Ask, core: &mut Core) -> Result<()> {
        let folder = core.state.last_folder.as_deref();
        let worker = match ask {
            Ask::Export(format) => {
                let project = self.folder().ok_or_else(no_project)?;
                core.tasks.ask_to_export(format, folder, &project)?
            }
            Ask::Import if self.project.is_none() => return Err(no_project()),
            ask => core.tasks.ask_to_label(ask, folder)?,
        };
        core.workers.push(worker);
        core.ui_state.is_choosing = true;
        Ok(())
    }

    /// Sends a request that may show another frame.
    pub(super) fn move_with(&mut self, request: Request, listed: Listed) -> Result<()> {
        self.n_moved = self.send(request, listed)?;
        Ok(())
    }

    pub(super) fn go_to(&mut self, at: FrameKey, listed: Listed) -> Result<()> {
        self.release(listed)?;
        self.move_with(Request::Show(at), listed)?;
        self.look_at(at)
    }

    pub(super) fn step(&mut self, n: i64, listed: Listed) -> Result<()> {
        let (Some(at), Some(clip)) = (self.at, self.clip()) else {
            return Ok(());
        };
        let last = i64::from(clip.n_frames.saturating_sub(1));
        let frame = i64::from(at.frame).saturating_add(n).clamp(0, last) as u32;
        if frame == at.frame {
            return Ok(());
        }
        self.go_to(FrameKey::new(at.clip, frame), listed)
    }

    fn add_frame(&mut self, place: Option<FramePlace>, core: &Core) -> Result<()> {
        if self.project.is_none() {
            return Err(no_project());
        }
        let live = || {
            let source = core.ui_state.running_source.as_ref()?;
            let presented = core.ui_state.presented.as_ref()?;
            Some(FramePlace {
                spec: source.spec.clone(),
                secs: presented.frame.time_secs,
            })
        };
        let place = place.or_else(live);
        let place = place.ok_or_else(|| failed("no frame of a file is shown"))?;
        self.move_with(Request::AddFrame(place), core.state.label.listed)
    }

    fn suggest(&mut self, core: &Core) -> Result<()> {
        let (model, n) = (self.model(core)?, N_SUGGESTED);
        self.move_with(Request::Suggest { model, n }, core.state.label.listed)
    }

    /// Returns the model that predicts for this project: its version in use; without one, the model
    /// of the live view if it is of the project's kind, else the project's.
    ///
    /// # Errors
    /// If no project is open.
    pub(super) fn model(&self, core: &Core) -> Result<Model> {
        let project = self.project.as_ref().ok_or_else(no_project)?;
        let own = &project.info.file.model;
        let version = project.info.version.as_ref();
        let version = version.map(|version| trained::join(own, &version.weights));
        let in_use = core.ui_state.wanted_model.clone();
        let in_use = in_use.filter(|name| trained::split(name).0 == own);
        let device = core.ui_state.device;
        Ok(Model {
            make: core.maker_for(People::One, device),
            name: version.or(in_use).unwrap_or_else(|| own.clone()),
            device,
        })
    }
}

/// Switches to this view.
fn show(core: &mut Core) {
    core.run_action(Action::Window(WindowAction::Show(ID)));
}

/// Returns the row of `MODELS` of the live view.
fn live_model(core: &Core) -> String {
    let name = core.ui_state.wanted_model.as_deref().unwrap_or_default();
    let row = trained::split(name).0;
    let known = MODELS.iter().find(|model| model.name == row);
    known.unwrap_or(&MODELS[0]).name.to_owned()
}
