//! Registration, commands and panels of the Train view.

use eframe::egui::{Context, Key, Rect, Ui};
use eframe::egui_wgpu::RenderState;
use poselens_engine::Result;

use crate::gui::action::train::{Ask, TrainAction};
use crate::gui::action::{Action, RecordAction, WindowAction};
use crate::gui::command::{FixedCommand, Group, key};
use crate::gui::core::Core;
use crate::gui::state::AppState;
use crate::gui::state::train::Role;
use crate::gui::training::bar::in_a_line;
use crate::gui::view::{
    AppView, MessagePlace, PanelContext, PanelPosition, PanelSpec, Panels, ViewSpec,
};
use crate::gui::views::train::results::earlier::earlier_ui;
use crate::gui::views::train::run_action::offer_trained;
use crate::gui::views::train::running::bar::bar_ui;
use crate::gui::views::train::setup::data::data_ui;
use crate::gui::views::train::setup::options::{network_ui, options_ui};
use crate::gui::views::train::stage::stage_ui;
use crate::gui::views::train::state::{ID, Train};

/// Row of the Train view in `VIEWS`.
pub const SPEC: ViewSpec = ViewSpec {
    id: ID,
    name: "Train",
    help: "Train a network on your own data (T)",
    bottom_height: 84.0,
    hides_panels: false,
    messages: MessagePlace::Bottom,
    group: Some(GROUP),
    commands: COMMANDS,
    own_commands: &[],
    make: |waker| Box::new(Train::new(waker.clone())),
};

/// Group under which this view's commands are listed.
const GROUP: Group = Group::new("Training", 80);

/// Commands that are always available.
const COMMANDS: &[FixedCommand] = &[
    (
        GROUP,
        "Train a network",
        &[key(Key::T)],
        Action::Window(WindowAction::Show(ID)),
    ),
    (
        GROUP,
        "Choose training labels…",
        &[],
        Action::Train(TrainAction::Ask(Ask::Labels(Role::Learn))),
    ),
    (
        GROUP,
        "Choose held-out labels…",
        &[],
        Action::Train(TrainAction::Ask(Ask::Labels(Role::HeldOut))),
    ),
    (
        GROUP,
        "Check the training data",
        &[],
        Action::Train(TrainAction::Check),
    ),
    (
        GROUP,
        "Preview a training batch",
        &[],
        Action::Train(TrainAction::Preview),
    ),
    (
        GROUP,
        "Start the training",
        &[],
        Action::Train(TrainAction::Start),
    ),
    (
        GROUP,
        "Pause or resume the training",
        &[],
        Action::Train(TrainAction::Pause),
    ),
    (
        GROUP,
        "Stop the training",
        &[],
        Action::Train(TrainAction::Stop),
    ),
    (
        GROUP,
        "Use the trained weights",
        &[],
        Action::Train(TrainAction::Use),
    ),
    (
        GROUP,
        "Keep the old weights",
        &[],
        Action::Train(TrainAction::KeepOld),
    ),
];

impl Panels for Train {
    const PANELS: &'static [PanelSpec<Self>] = &[
        PanelSpec {
            place: PanelPosition::Bottom,
            show: bar_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: data_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: network_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: options_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: earlier_ui,
        },
    ];
}

impl AppView for Train {
    fn stage_ui(&self, ui: &mut Ui, area: Rect, cx: &mut PanelContext<'_>) {
        stage_ui(ui, area, &mut cx.with(self));
    }

    fn title(&self) -> Option<String> {
        self.percent()
            .map(|percent| format!("Train · {percent:.0} %"))
    }

    fn meaning(&self, action: Action, _state: &AppState) -> Option<Action> {
        match action {
            Action::Playback(_)
            | Action::Overlay(_)
            | Action::Stage(_)
            | Action::Record(RecordAction::StartStop | RecordAction::Snapshot) => None,
            other => Some(other),
        }
    }

    fn started(&mut self, core: &mut Core) {
        offer_trained(core);
    }

    fn attached(&mut self, _render: Option<&RenderState>, _core: &Core) -> Result<()> {
        self.attach();
        Ok(())
    }

    fn opened(&mut self, core: &mut Core) -> Result<()> {
        core.hold_live();
        self.start_teaching(core)
    }

    fn open_path(&mut self, path: String, core: &mut Core) -> Result<()> {
        self.open_dropped(path.into(), core);
        Ok(())
    }

    fn run(&mut self, action: Action, core: &mut Core) -> Result<Option<Action>> {
        let Action::Train(action) = action else {
            return Ok(Some(action));
        };
        self.run_train(action, core)?;
        Ok(None)
    }

    fn poll(&mut self, core: &mut Core, ctx: &Context) {
        self.poll_train(core, ctx);
    }

    fn busy(&self) -> Option<String> {
        let is_active = self.is_active();
        is_active.then(|| in_a_line("The training", self.progress.as_ref()))
    }

    fn finish(&mut self) {
        self.close_training();
    }
}
