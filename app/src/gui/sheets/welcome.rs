//! The welcome sheet: first steps, and the note on camera privacy.

use eframe::egui::{Button, RichText, Ui, vec2};

use crate::gui::action::{Action, SourceAction, WindowAction};
use crate::gui::context::{any_camera, sample_clip};
use crate::gui::sheets::send::send;
use crate::gui::theme;
use crate::gui::view::PanelContext;

pub(super) fn welcome_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.label(
        "PoseLens finds people's joints in live video and shows where the network looked to find \
         them.",
    );
    let cameras = cx.ui_state.cameras.as_deref();
    let camera = cameras.and_then(any_camera);
    let text = match (cameras, &camera) {
        (None, _) => "Looking for cameras…".to_owned(),
        (_, None) => "No camera was found. Plug one in at any time and search again under \
         Source; until then, use the sample clip or a video of your own."
            .to_owned(),
        (Some(cameras), Some(_)) => format!(
            "The camera stays off until you choose it. Your system may then ask for permission: \
             allow it there, or later in the system's privacy settings. Found: {}.",
            cameras
                .iter()
                .map(|c| c.label.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    ui.label(text);
    let weak = "Nothing leaves this computer. Only Record and Snapshot write images, to the \
     folder they show.";
    ui.label(RichText::new(weak).color(theme::WEAK));
    ui.add_space(8.0);
    let mut chosen = None;
    ui.horizontal_wrapped(|ui| {
        let size = vec2(160.0, 36.0);
        // The first available step is highlighted as the default.
        let mut is_first = true;
        let mut offer = |ui: &mut Ui, text: &str, help: &str, action: Option<SourceAction>| {
            let can = action.is_some();
            let button = if can && std::mem::take(&mut is_first) {
                Button::new(RichText::new(text).color(theme::STAGE).strong()).fill(theme::LEFT)
            } else {
                Button::new(text)
            };
            let button = button.min_size(size);
            if ui.add_enabled(can, button).on_hover_text(help).clicked() {
                chosen = action;
            }
        };
        let help = "Starts the first camera that works; all are listed under Source";
        offer(ui, "Use the camera", help, camera.map(SourceAction::Open));
        let clip = sample_clip(cx.gui).map(SourceAction::Open);
        let help = "A short bundled clip";
        offer(ui, "Try the sample clip", help, clip);
        let help = "Your own video or image";
        offer(ui, "Open my video…", help, Some(SourceAction::OpenDialog));
    });
    if let Some(action) = chosen {
        send(cx, WindowAction::CloseSheet);
        cx.actions.push(Action::Source(action));
    }
}
