//! Registration and panels of the Live view.

use eframe::egui::{Rect, Ui};
use eframe::egui_wgpu::RenderState;
use poselens_engine::Result;

use crate::gui::action::ViewId;
use crate::gui::core::Core;
use crate::gui::picture::FrameCanvas;
use crate::gui::view::{
    AppView, MessagePlace, PanelContext, PanelPosition, PanelSpec, Panels, ViewSpec,
};
use crate::gui::views::live::connection::connection_ui;
use crate::gui::views::live::empty::empty_ui;
use crate::gui::views::live::hud::hud_ui;
use crate::gui::views::live::measure_plot::measure_plot_ui;
use crate::gui::views::live::model::model_ui;
use crate::gui::views::live::overlay::overlay_ui;
use crate::gui::views::live::recordings::recordings_ui;
use crate::gui::views::live::source::source_ui;
use crate::gui::views::live::stage::stage_ui;
use crate::gui::views::live::state::Live;
use crate::gui::views::live::transport::transport_ui;

/// Row of the Live view in `VIEWS`.
pub(crate) const SPEC: ViewSpec = ViewSpec {
    id: ViewId::LIVE,
    name: "Live",
    help: "The live view (I)",
    bottom_height: 84.0,
    hides_panels: true,
    messages: MessagePlace::Below(0.0),
    group: None,
    commands: &[],
    own_commands: &[],
    make: |_| Box::new(Live::default()),
};

impl Panels for Live {
    const PANELS: &'static [PanelSpec<Self>] = &[
        PanelSpec {
            place: PanelPosition::Bottom,
            show: transport_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: source_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: model_ui,
        },
        PanelSpec {
            place: PanelPosition::Side,
            show: overlay_ui,
        },
        PanelSpec {
            place: PanelPosition::SideBottom,
            show: recordings_ui,
        },
        PanelSpec {
            place: PanelPosition::Stage,
            show: empty_ui,
        },
        PanelSpec {
            place: PanelPosition::Stage,
            show: hud_ui,
        },
        PanelSpec {
            place: PanelPosition::Stage,
            show: measure_plot_ui,
        },
        PanelSpec {
            place: PanelPosition::Stage,
            show: connection_ui,
        },
    ];
}

impl AppView for Live {
    fn stage_ui(&self, ui: &mut Ui, area: Rect, cx: &mut PanelContext<'_>) {
        stage_ui(ui, area, &mut cx.with(self));
    }

    fn attached(&mut self, render: Option<&RenderState>, core: &Core) -> Result<()> {
        self.picture = render.map(FrameCanvas::new);
        // The texture on a new device is empty.
        self.upload(core)
    }

    fn opened(&mut self, core: &mut Core) -> Result<()> {
        core.show_live_path();
        core.resume_live()?;
        Ok(())
    }

    fn picture_changed(&mut self, core: &mut Core) -> Result<()> {
        if let Some(presented) = &core.ui_state.presented {
            self.measured.push(presented);
        }
        self.upload(core)
    }
}

impl Live {
    fn upload(&self, core: &Core) -> Result<()> {
        match (&self.picture, &core.ui_state.presented) {
            (Some(picture), Some(presented)) => picture.upload(&presented.frame),
            _ => Ok(()),
        }
    }
}
