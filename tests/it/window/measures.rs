//! The measures drawn in the window.

use eframe::egui;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use poselens_engine::overlay::OVERLAYS;

use super::Window;
use crate::window_fakes::gui;

fn measures(window: &Window) -> &[String] {
    &window.harness.state().state().measures
}

/// Fails when a measure cannot be switched off and on, an own one cannot be added, or what is not a
/// measure is added.
#[test]
fn measures_are_chosen_from_a_list_and_added() {
    let folder = tempfile::tempdir().unwrap();
    let mut gui = gui(Some("clip.mp4"), &[], folder.path());
    gui.overlays = OVERLAYS;
    let size = egui::vec2(1280.0, 1800.0);
    let mut window = Window::of(Harness::builder().with_size(size), gui, folder);
    window.until(|s| s.presented.as_ref().is_some_and(|p| p.output.is_some()));
    let n = measures(&window).len();
    assert!(n > 0 && !window.has("Measures shown"));
    window.click("Measures");
    window.click("Measures shown");
    window.harness.run_steps(30);
    window.click("Measure left knee");
    assert_eq!(measures(&window).len(), n - 1);
    assert!(!measures(&window).contains(&"left_knee".to_owned()));
    window.click("Measure left knee");
    assert_eq!(measures(&window).last().unwrap(), "left_knee");
    for (text, is_added) in [("tail-nose", false), ("l_wrist|speed", true)] {
        window.click("Own measure");
        window.harness.get_by_label("Own measure").type_text(text);
        window.harness.run_steps(2);
        if is_added {
            window.click("Add measure");
            assert_eq!(measures(&window).last().unwrap(), "left_wrist|speed");
        } else {
            assert!(window.harness.query_by_label_contains("'tail'").is_some());
            for _ in 0..text.len() {
                window.harness.key_press(egui::Key::Backspace);
            }
            window.harness.run_steps(2);
            assert_eq!(measures(&window).len(), n);
        }
    }
}
