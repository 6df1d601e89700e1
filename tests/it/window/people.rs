//! Several people in the live view: how many are estimated, and which are shown.

use eframe::egui::{self, PointerButton, Pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use poselens_app::gui::UiState;
use poselens_engine::track::Selection;

use super::Window;
use crate::window_fakes::gui;

fn crowd() -> Window {
    crowd_of(Some("clip.mp4"), &[])
}

fn crowd_of(input: Option<&str>, cameras: &'static [&'static str]) -> Window {
    let folder = tempfile::tempdir().unwrap();
    let mut gui = gui(input, cameras, folder.path());
    gui.model = Some("crowd".to_owned());
    let builder = Harness::builder().with_step_dt(0.02);
    let mut window = Window::of(builder.with_size(egui::vec2(1280.0, 900.0)), gui, folder);
    window.until(|s| ids(s) == [1, 2, 3]);
    window
}

fn ids(ui_state: &UiState) -> Vec<u64> {
    let output = ui_state.presented.as_ref().and_then(|p| p.output.as_ref());
    let poses = output.map_or(&[][..], |output| &output.poses);
    poses.iter().filter_map(|pose| pose.track_id).collect()
}

fn contains(window: &Window, text: &str) -> bool {
    let mut all = window.harness.query_all_by_label_contains(text);
    all.next().is_some()
}

fn click_at(window: &mut Window, pos: Pos2, button: PointerButton) {
    window.harness.hover_at(pos);
    window.harness.step();
    for pressed in [true, false] {
        window.harness.event(egui::Event::PointerButton {
            pos,
            button,
            pressed,
            modifiers: egui::Modifiers::NONE,
        });
        window.harness.step();
    }
    // Longer than a double click.
    window.harness.run_steps(40);
}

/// Fails when a click follows another person or none, a click beside people does not show everyone,
/// a right click does not hide a person, or hidden people cannot be shown again.
#[test]
fn clicks_follow_and_hide_people() {
    let mut window = crowd();
    let image = window.harness.get_by_label("Image").rect();
    click_at(&mut window, image.center(), PointerButton::Primary);
    window.until(|s| ids(s) == [2]);
    assert!(contains(&window, "#2 of 3 people"), "in the header");
    let beside = egui::pos2(image.center().x, image.bottom() - 2.0);
    click_at(&mut window, beside, PointerButton::Primary);
    window.until(|s| ids(s) == [1, 2, 3]);
    click_at(&mut window, image.center(), PointerButton::Secondary);
    window.until(|s| ids(s) == [1, 3]);
    window.click("Show 1 person again");
    window.until(|s| ids(s) == [1, 2, 3]);
}

/// Fails when a double click, which resets the zoom, leaves a person followed.
#[test]
fn a_double_click_follows_nobody() {
    let mut window = crowd();
    let at = window.harness.get_by_label("Image").rect().center();
    window.harness.hover_at(at);
    window.harness.step();
    for pressed in [true, false, true, false] {
        window.harness.event(egui::Event::PointerButton {
            pos: at,
            button: PointerButton::Primary,
            pressed,
            modifiers: egui::Modifiers::NONE,
        });
        window.harness.step();
    }
    window.harness.run_steps(3);
    window.until(|s| ids(s) == [1, 2, 3]);
    assert_eq!(window.ui_state().selection.follow, None);
}

/// Fails when a click on a person without an id has no effect and no reason is given.
#[test]
fn a_click_on_a_person_without_an_id_says_why() {
    let mut window = crowd_of(None, &["Desk camera"]);
    window.until(|s| s.stats.held_frames > 12);
    window.press(egui::Key::ArrowLeft);
    let is_back = |s: &UiState| s.presented.as_ref().is_some_and(|p| p.review.is_some());
    window.until(|s| is_back(s) && ids(s).is_empty());
    let at = window.harness.get_by_label("Image").rect().center();
    for button in [PointerButton::Primary, PointerButton::Secondary] {
        click_at(&mut window, at, button);
        window.until_says("no number in this frame");
        assert_eq!(window.ui_state().selection, Selection::default());
    }
}

/// Fails when the choice between one person and several does not reach the model, is not said, or
/// people who are not examined closely are not counted.
#[test]
fn one_or_several_people_are_estimated() {
    let mut window = crowd();
    assert!(contains(&window, "3 people"), "in the header");
    assert!(contains(&window, "2 of 3 people examined closely"));
    window.choose("Follow", "the largest person");
    window.until(|s| ids(s) == [3]);
    assert!(contains(&window, "#3 of 3 people"));
    window.choose("Follow", "everyone");
    window.choose("People", "one");
    window.until(|s| ids(s) == [1]);
    assert!(!window.has("Follow") && !contains(&window, "examined closely"));
    window.choose("People", "several");
    window.until(|s| ids(s) == [1, 2, 3]);
}

/// Fails when people cannot be selected while the view is paused, or another file keeps the
/// selection, although its track ids restart.
#[test]
fn the_selection_is_of_one_source_and_works_while_paused() {
    let mut window = crowd();
    window.press(egui::Key::Space);
    window.until(|s| !s.is_playing);
    window.choose("Follow", "#2");
    window.until(|s| ids(s) == [2]);
    window.choose("Input", "Synthetic figure");
    window.until(|s| ids(s) == [1, 2, 3]);
}
