//! Automatic texts of the window: notes over the image, its title, full names.

use std::time::{Duration, Instant};

use eframe::egui::{self, Key, ViewportCommand};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use poselens_engine::estimator::People;
use poselens_tests::WAIT_LIMIT;

use super::Window;
use crate::window_fakes::gui;

/// Fails when an image without a detected person has no note, or the note stays after a person is
/// detected.
#[test]
fn a_note_appears_if_no_person_is_detected() {
    let mut window = Window::running("clip.mp4");
    assert!(!window.has("No person found"));
    window.choose("Network", "blind");
    window.until_seen(|window| window.has("No person found"));
    window.choose("Network", "first");
    window.until_seen(|window| !window.has("No person found"));
    // A person whose joints are all below the threshold is not drawn either.
    window
        .harness
        .get_by_label("Threshold")
        .set_value_accesskit(1.0);
    window.until_seen(|window| {
        let mut notes = window
            .harness
            .query_all_by_label_contains("below the threshold");
        notes.next().is_some()
    });
}

/// Fails when a network that follows one person of several does not say so, in Live or Inspect.
#[test]
fn a_network_that_follows_one_person_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut gui = gui(Some("clip.mp4"), &[], folder.path());
    gui.model = Some("sfm".to_owned());
    gui.models[0].name = "sfm".to_owned();
    gui.people = Some(People::One);
    let builder = Harness::builder().with_size(egui::vec2(1280.0, 900.0));
    let mut window = Window::of(builder, gui, folder);
    let text = "sfm follows one person: People in Live allows several";
    window.until_seen(|window| window.has(text));
    window.press(Key::I);
    window.until_seen(|window| window.has(text));
}

/// Fails when the selected map of one network is requested from another, which gives an error
/// instead of its first map.
#[test]
fn another_network_starts_with_its_own_first_map() {
    let mut window = Window::running("clip.mp4");
    window.click("Attention");
    window.until(|s| !s.attention_maps.is_empty());
    window.choose("Map", "x51.gate   x51.gate in words");
    let chosen = |window: &Window| window.harness.state().state().attention.clone();
    assert_eq!(chosen(&window).as_deref(), Some("x51.gate"));
    window.choose("Network", "second");
    window.until(|s| s.attention_maps.iter().any(|map| map.name == "s0_att_sum"));
    assert_eq!(chosen(&window), None);
    let mut words = window
        .harness
        .query_all_by_label_contains("S0_att_l1 in words. From -1 to 1");
    assert!(words.next().is_some());
}

/// Fails when several windows cannot be told apart in the task bar.
#[test]
fn the_title_names_what_is_shown() {
    let mut window = Window::open(Some("clip.mp4"), &[]);
    let mut titles = Vec::new();
    window.until(|s| s.presented.is_some());
    window.click("Close source");
    for input in ["short.mp4", "other.mp4"] {
        window.harness.get_by_label("Path").focus();
        window.harness.get_by_label("Path").type_text(input);
        window.harness.run_steps(3);
        // Without the steps of `click`, because the commands of each step must be observed.
        window.harness.get_by_label("Open path").click();
        let start = Instant::now();
        let n = titles.len();
        while titles.len() == n {
            assert!(start.elapsed() < WAIT_LIMIT);
            std::thread::sleep(Duration::from_millis(2));
            window.harness.step();
            let output = window.harness.output();
            let commands = output.viewport_output.values().flat_map(|v| &v.commands);
            titles.extend(commands.filter_map(|command| match command {
                ViewportCommand::Title(title) if title != "PoseLens" => Some(title.clone()),
                _ => None,
            }));
        }
        window.click("Close source");
        window.harness.get_by_label("Path").focus();
        window
            .harness
            .key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
        window.harness.run_steps(3);
    }
    assert_eq!(titles, ["short.mp4 - PoseLens", "other.mp4 - PoseLens"]);
}
