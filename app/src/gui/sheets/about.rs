//! The About sheet: version, devices and licences.

use eframe::egui::{RichText, ScrollArea, Ui};

use crate::gui::context::DeviceChoice;
use crate::gui::theme;
use crate::gui::view::PanelContext;

/// All libraries used to build, run or test the program on any system, with their licences, one per
/// line; a test compares the list with `Cargo.lock`.
const LIBRARIES: &str = include_str!("libraries.txt");

pub(super) fn about_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.label(format!("Version {}", env!("CARGO_PKG_VERSION")));
    ui.label("Finds human poses in live video and shows why the network put each joint there.");
    let weak = |text: String| RichText::new(text).color(theme::WEAK);
    let DeviceChoice { name: device, why } = cx.device();
    ui.label(weak(format!("Models run on {device}: {why}.")));
    if let Some(adapter) = &cx.ui_state.adapter {
        ui.label(weak(format!("The window is {}.", adapter.text())));
    }
    ui.label(weak(
        "Images, poses and recordings stay on this computer: no account, no upload, no telemetry."
            .to_owned(),
    ));
    ui.add_space(6.0);
    ui.label("PoseLens is free software under the MIT or the Apache 2.0 licence.");
    ui.label(weak(
        "It includes OpenH264 (Cisco, BSD-2-Clause), the fonts Ubuntu (Ubuntu-font-1.0), Hack \
         (MIT) and Noto Emoji (OFL-1.1), and a sample clip from Intel's sample videos (CC \
         BY 4.0)."
            .to_owned(),
    ));
    ui.label(format!(
        "It uses {} libraries, including those of all platforms and of its tests:",
        LIBRARIES.lines().count()
    ));
    // Full height from the start: a growing sheet would move its button away from the pointer.
    let height = (ui.ctx().content_rect().height() - 480.0).clamp(90.0, 320.0);
    ScrollArea::vertical()
        .max_height(height)
        .min_scrolled_height(height)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            ui.label(RichText::new(LIBRARIES).monospace().size(11.5));
        });
}
