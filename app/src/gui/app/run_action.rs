//! Dispatch of every [`Action`]: to the window, to a view, or to [`Core`].
//!
//! [`Core`]: crate::gui::core::Core

use eframe::egui::{FocusDirection, ViewportCommand};
use poselens_engine::Result;

use crate::gui::action::{Action, ViewId, WindowAction};
use crate::gui::app::App;
use crate::gui::app::layout::is_full_screen;
use crate::gui::ui_state::Level;
use crate::gui::views::VIEWS;

impl App {
    /// Runs an action and those that follow from it; failures are reported to the user.
    pub(super) fn run_action(&mut self, action: Action) {
        self.run_one(action);
        self.run_asked();
    }

    /// Runs the actions that were queued for the views and the window.
    pub(super) fn run_asked(&mut self) {
        while let Some(action) = self.core.asked.pop_front() {
            self.run_one(action);
        }
    }

    /// Returns the action of Escape: it leaves full screen.
    pub(super) fn action_of_escape(&self) -> Option<Action> {
        is_full_screen(&self.ctx).then_some(Action::Window(WindowAction::FullScreen))
    }

    /// Runs a command from the keyboard or palette as interpreted by the active view.
    pub(super) fn run_command(&mut self, action: Action) {
        let meant = self.shown_view().meaning(action, &self.core.state);
        if let Some(action) = meant {
            self.run_action(action);
        }
    }

    /// Lets the active view open a path that was typed, picked or dropped.
    pub(super) fn open_path(&mut self, path: String) {
        self.run_action(Action::Window(WindowAction::OpenPath(path)));
    }

    fn run_one(&mut self, action: Action) {
        if let Err(error) = self.try_action(action) {
            self.core.ui_state.say(Level::Error, error.to_string());
        }
    }

    fn try_action(&mut self, action: Action) -> Result<()> {
        match action {
            Action::Window(WindowAction::Show(view)) => self.show_view(view)?,
            Action::Window(WindowAction::OpenPath(path)) => {
                let shown = self.shown();
                self.views[shown].open_path(path, &mut self.core)?;
            }
            Action::Window(WindowAction::FullScreen) => {
                let is_full = is_full_screen(&self.ctx);
                self.ctx
                    .send_viewport_cmd(ViewportCommand::Fullscreen(!is_full));
            }
            Action::Window(WindowAction::Quit) => {
                self.ctx.send_viewport_cmd(ViewportCommand::Close);
            }
            Action::Window(WindowAction::FocusPanels) => {
                self.ctx.memory_mut(|m| m.move_focus(FocusDirection::Next));
            }
            action => {
                let mut action = Some(action);
                for view in &mut self.views {
                    let Some(left) = action else { break };
                    action = view.run(left, &mut self.core)?;
                }
                let left = action.and_then(|action| self.core.run_shared(action));
                if let Some(action) = left {
                    tracing::error!(?action, "no view runs this action");
                }
            }
        }
        Ok(())
    }

    /// Switches to another view.
    fn show_view(&mut self, id: ViewId) -> Result<()> {
        let Some(view) = VIEWS.iter().position(|spec| spec.id == id) else {
            return Ok(());
        };
        let shown = self.shown();
        if view == shown {
            return Ok(());
        }
        self.core.ui_state.view = id;
        // Progress and success messages of the previous view are not relevant here.
        let status = &mut self.core.ui_state.status;
        status.take_if(|s| s.level != Level::Error);
        self.views[shown].closed(&mut self.core);
        self.views[view].opened(&mut self.core)?;
        self.core.look_changed();
        Ok(())
    }
}
