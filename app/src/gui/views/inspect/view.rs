//! Registration and panels of the Inspect view.

use eframe::egui::{Context, Rect, Ui};
use eframe::egui_wgpu::RenderState;
use poselens_engine::Result;

use crate::gui::action::Action;
use crate::gui::command::Command;
use crate::gui::core::Core;
use crate::gui::state::AppState;
use crate::gui::theme;
use crate::gui::view::{
    AppView, HeaderText, MessagePlace, PanelContext, PanelPosition, PanelSpec, Panels, ViewSpec,
    frame_title, size_text,
};
use crate::gui::views::inspect::compare::difference_ui;
use crate::gui::views::inspect::meaning::{COMMANDS, GROUP, OWN_COMMANDS, commands, meaning};
use crate::gui::views::inspect::side::{export_ui, joint_ui, models_ui, open_ui, show_ui};
use crate::gui::views::inspect::stage::stage_ui;
use crate::gui::views::inspect::state::{ID, Inspect};
use crate::gui::views::inspect::timeline::timeline_ui;
use crate::gui::views::inspect::tracks::side::tracks_ui;

/// Row of the Inspect view in `VIEWS`.
pub const SPEC: ViewSpec = ViewSpec {
    id: ID,
    name: "Inspect",
    help: "Inspect the network at this frame (I)",
    bottom_height: 96.0,
    hides_panels: false,
    // Below the model names.
    messages: MessagePlace::Below(28.0),
    group: Some(GROUP),
    commands: COMMANDS,
    own_commands: OWN_COMMANDS,
    make: |waker| Box::new(Inspect::new(waker.clone())),
};

impl Panels for Inspect {
    const PANELS: &'static [PanelSpec<Self>] = &[
        PanelSpec {
            place: PanelPosition::Bottom,
            show: timeline_ui,
        },
        // Models first, because the panels below change their height with each prediction.
        PanelSpec {
            place: PanelPosition::Side,
            show: open_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: models_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: tracks_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: joint_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: difference_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: show_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: export_ui,
        },
    ];
}

impl AppView for Inspect {
    fn stage_ui(&self, ui: &mut Ui, area: Rect, cx: &mut PanelContext<'_>) {
        stage_ui(ui, area, &mut cx.with(self));
    }

    fn shown_name(&self) -> Option<&str> {
        self.name()
    }

    fn header(&self, _cx: &PanelContext<'_>) -> Option<HeaderText> {
        let (reader, subject) = (self.reader.as_ref(), self.subject.as_ref());
        let name = self.name()?;
        let size = subject.map(|s| size_text(&s.frame)).unwrap_or_default();
        let more = match reader.filter(|r| !r.times.is_empty()) {
            Some(reader) => {
                let last = reader.times.len() - 1;
                format!("{size}   frame {} / {last}", reader.index)
            }
            None => size,
        };
        let help = if reader.is_some() {
            "The inspected file"
        } else {
            "The inspected frame, taken from the live view"
        };
        Some(HeaderText {
            name: subject.map_or_else(|| name.to_owned(), |s| frame_title(name, &s.frame)),
            more,
            help,
            color: theme::LEFT,
        })
    }

    fn commands(&self, cx: &PanelContext<'_>) -> Vec<Command> {
        commands(self, cx)
    }

    fn meaning(&self, action: Action, state: &AppState) -> Option<Action> {
        meaning(action, self, &state.inspect)
    }

    fn attached(&mut self, render: Option<&RenderState>, _core: &Core) -> Result<()> {
        self.attach(render.cloned());
        Ok(())
    }

    fn opened(&mut self, core: &mut Core) -> Result<()> {
        self.measures = core.state.measures();
        core.hold_live();
        if core.ui_state.presented.is_some() {
            core.show_live_path();
        }
        self.start_inspecting(core)
    }

    fn open_path(&mut self, path: String, core: &mut Core) -> Result<()> {
        let file = core.choose(path);
        self.open_file(&file, core)
    }

    fn run(&mut self, action: Action, core: &mut Core) -> Result<Option<Action>> {
        let Action::Inspect(action) = action else {
            return Ok(Some(action));
        };
        self.run_inspect(action, core)?;
        Ok(None)
    }

    fn poll(&mut self, core: &mut Core, ctx: &Context) {
        self.follow_threads(core, ctx);
    }

    fn picture_changed(&mut self, core: &mut Core) -> Result<()> {
        self.follow_live_picture(core)
    }

    fn finish(&mut self) {
        // Edits that were requested are written before the program ends.
        if let Some(people) = self.people.take() {
            people.finish();
        }
    }
}
