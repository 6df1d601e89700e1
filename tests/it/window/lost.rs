//! Loss of the GPU device.

use std::sync::{Arc, Mutex};

use eframe::egui;
use egui_kittest::Harness;
use poselens_app::gui::App;
use poselens_tests::is_required;

use super::{Window, has_adapter};
use crate::window_fakes::gui;

/// Fails when the loss of the GPU device (suspend, driver update) ends the program or a recording,
/// or is not reported.
#[test]
fn a_lost_graphics_device_costs_no_recording() {
    if !has_adapter() {
        assert!(!is_required("adapter"), "no graphics adapter to lose");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let gui = gui(Some("camera:0"), &["Desk"], folder.path());
    let device = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&device);
    let harness = Harness::builder()
        .with_size(egui::vec2(1280.0, 900.0))
        .wgpu()
        .build_eframe(move |cc| {
            let render = cc.wgpu_render_state.as_ref().unwrap();
            *seen.lock().unwrap() = Some(render.device.clone());
            let mut app = App::new(gui).unwrap();
            app.attach(cc);
            app
        });
    let mut window = Window { harness, folder };
    window.until(|s| s.presented.as_ref().is_some_and(|p| p.output.is_some()));
    window.click("Record");
    let frames = |s: &poselens_app::gui::UiState| {
        let progress = s.recording.as_ref().and_then(|r| r.progress.as_ref());
        progress.map_or(0, |progress| progress.frames)
    };
    window.until(|s| frames(s) > 0);
    device.lock().unwrap().take().unwrap().destroy();
    window.until_says("the graphics device was lost");
    let before = frames(window.ui_state());
    window.until(|s| frames(s) > before + 5);
}
