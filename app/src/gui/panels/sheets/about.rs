//! Version, devices, licences.

use eframe::egui::{RichText, ScrollArea, Ui};

use super::super::super::theme;
use super::super::PanelContext;

/// Libraries in the program with their licences, one a line.
const LIBRARIES: &str = include_str!("libraries.txt");

pub fn about_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.label(format!("Version {}", env!("CARGO_PKG_VERSION")));
    ui.label("Finds human poses in live video and shows why the network put each joint there.");
    let weak = |text: String| RichText::new(text).color(theme::WEAK);
    let (device, why) = (&cx.gui.device, &cx.gui.device_reason);
    ui.label(weak(format!("The networks run on {device}: {why}.")));
    if let Some(adapter) = &cx.session.adapter {
        ui.label(weak(format!("The window is drawn by {adapter}.")));
    }
    ui.label(weak(
        "Pictures, poses and recordings stay on this computer: no account, no upload, no \
         telemetry."
            .to_owned(),
    ));
    ui.add_space(6.0);
    ui.label("PoseLens is free software under the MIT or the Apache 2.0 licence. It stands on:");
    ScrollArea::vertical()
        .max_height(220.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            ui.label(RichText::new(LIBRARIES).monospace().size(11.5));
        });
}
