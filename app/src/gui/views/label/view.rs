//! Registration and panels of the Label view.

use std::path::PathBuf;
use std::time::Instant;

use eframe::egui::{Context, Rect, Ui};
use eframe::egui_wgpu::RenderState;
use poselens_engine::Result;

use crate::gui::action::Action;
use crate::gui::action::label::{LabelAction, Page};
use crate::gui::core::Core;
use crate::gui::state::AppState;
use crate::gui::theme;
use crate::gui::training::bar::in_a_line;
use crate::gui::view::{
    AppView, HeaderText, MessagePlace, PanelContext, PanelPosition, PanelSpec, Panels, ViewSpec,
};
use crate::gui::views::label::bar::bar_ui;
use crate::gui::views::label::commands::{
    COMMANDS, GROUP, OWN_COMMANDS, meaning, meaning_in_training,
};
use crate::gui::views::label::finetune::{check_ui, options_ui, versions_ui};
use crate::gui::views::label::published::without_people;
use crate::gui::views::label::side::edit::edit_ui;
use crate::gui::views::label::side::frames::frames_ui;
use crate::gui::views::label::side::project::project_ui;
use crate::gui::views::label::stage::stage_ui;
use crate::gui::views::label::state::{ID, Label, LabelContext};
use crate::words::counted;

/// Row of the Label view in `VIEWS`.
pub const SPEC: ViewSpec = ViewSpec {
    id: ID,
    name: "Label",
    help: "Label frames of your own clips (L)",
    bottom_height: 84.0,
    hides_panels: false,
    // Below the line about the frame.
    messages: MessagePlace::Below(28.0),
    group: Some(GROUP),
    commands: COMMANDS,
    own_commands: OWN_COMMANDS,
    make: |waker| Box::new(Label::new(waker.clone())),
};

/// Shows a panel on its page.
fn on_page(
    page: Page,
    show: fn(&mut Ui, &mut LabelContext<'_>),
    ui: &mut Ui,
    cx: &mut LabelContext<'_>,
) {
    if cx.view.page == page {
        show(ui, cx);
    }
}

impl Panels for Label {
    const PANELS: &'static [PanelSpec<Self>] = &[
        PanelSpec {
            place: PanelPosition::Bottom,
            show: bar_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: project_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: |ui, cx| on_page(Page::Label, frames_ui, ui, cx),
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: |ui, cx| on_page(Page::Label, edit_ui, ui, cx),
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: |ui, cx| on_page(Page::Train, options_ui, ui, cx),
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: |ui, cx| on_page(Page::Train, check_ui, ui, cx),
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: |ui, cx| on_page(Page::Train, versions_ui, ui, cx),
        },
    ];
}

impl AppView for Label {
    fn stage_ui(&self, ui: &mut Ui, area: Rect, cx: &mut PanelContext<'_>) {
        stage_ui(ui, area, &mut cx.with(self));
    }

    fn header(&self, _cx: &PanelContext<'_>) -> Option<HeaderText> {
        let project = self.project.as_ref()?;
        let tally = project.tally;
        Some(HeaderText {
            name: project.info.title(),
            more: format!(
                "{} confirmed{}",
                counted(tally.confirmed, "frame"),
                without_people(tally)
            ),
            help: "The label project",
            color: theme::LEFT,
        })
    }

    fn message_place(&self) -> Option<MessagePlace> {
        // The page Train is text from its upper edge on.
        let is_training = self.project.is_some() && self.page == Page::Train;
        is_training.then_some(MessagePlace::Bottom)
    }

    fn title(&self) -> Option<String> {
        let progress = self.finetune.progress.as_ref();
        let progress = progress.filter(|_| self.finetune.is_active())?;
        let percent = (100.0 * progress.share()).floor();
        Some(format!("Label · {percent:.0} %"))
    }

    fn shown_name(&self) -> Option<&str> {
        let info = &self.project.as_ref()?.info;
        let name = info.file.name.as_deref();
        name.or_else(|| info.folder.file_name()?.to_str())
    }

    fn meaning(&self, action: Action, _state: &AppState) -> Option<Action> {
        match self.page {
            Page::Label => meaning(action, self.zoom),
            Page::Train => meaning_in_training(action, self.finetune.player.index),
        }
    }

    fn started(&mut self, core: &mut Core) {
        if let Some(folder) = core.gui.project.clone() {
            core.run_action(Action::Label(LabelAction::Open(folder)));
        }
    }

    fn attached(&mut self, render: Option<&RenderState>, _core: &Core) -> Result<()> {
        self.render = render.cloned();
        (self.canvas, self.loupe) = (None, None);
        self.finetune.player.attach();
        Ok(())
    }

    fn opened(&mut self, core: &mut Core) -> Result<()> {
        core.hold_live();
        self.pace.returned(Instant::now());
        Ok(())
    }

    fn open_path(&mut self, path: String, core: &mut Core) -> Result<()> {
        let action = LabelAction::OpenPaths(vec![PathBuf::from(path)]);
        self.run_label(action, core)
    }

    fn dropped(&self, paths: Vec<PathBuf>) -> Action {
        Action::Label(LabelAction::OpenPaths(paths))
    }

    fn run(&mut self, action: Action, core: &mut Core) -> Result<Option<Action>> {
        let Action::Label(action) = action else {
            return Ok(Some(action));
        };
        self.run_label(action, core)?;
        Ok(None)
    }

    fn poll(&mut self, core: &mut Core, _ctx: &Context) {
        self.follow_threads(core);
    }

    fn busy(&self) -> Option<String> {
        let tuning = &self.finetune;
        let (name, progress) = if tuning.is_active() {
            (tuning.trained_name.clone(), tuning.progress.as_ref())
        } else if tuning.starting.is_some() {
            (self.project.as_ref()?.info.title(), None)
        } else {
            let copying = self.project.as_ref()?.copying.as_ref()?;
            return Some(format!("The copy of the clip {}", copying.name));
        };
        let what = format!("The training on the project {name}");
        Some(in_a_line(&what, progress))
    }

    fn finish(&mut self) {
        // Waits until everything is on disk.
        self.thread = None;
        if let Some(run) = self.finetune.run.take() {
            run.close();
        }
    }
}
