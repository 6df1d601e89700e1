//! Which networks look at a frame, and where they compute.

use std::sync::Arc;

use eframe::egui::Key;
use egui_kittest::kittest::Queryable;

use super::commands::palette;
use super::{TRAINED, Window};
use crate::driving::Drive;

/// Fails when a second model is shown another frame or joint than the first.
#[test]
fn two_models_are_asked_about_the_same_joint_of_the_same_frame() {
    let mut window = Window::film("maps");
    window.choose("Joint", "Nose");
    window.choose("Compare", "plain");
    window.until(|app| app.inspect().seats[1].found.is_some());
    assert_eq!(&*window.found(1).model, "plain");
    assert_eq!(window.found(1).frame.id, window.found(0).frame.id);
    // It has heatmaps only.
    let nose = window.found(1).regions[0].heatmaps.plane(0).to_vec();
    assert_eq!(window.drawn(1), [nose]);
    window.press(Key::Period);
    window.until_frame(1);
    window.until(|app| {
        let found = app.inspect().seats[1].found.as_ref();
        found.is_some_and(|f| f.frame.id == 1)
    });
    window.choose("Compare", "no other model");
    assert!(!window.inspect().is_compared());
}

/// Fails when weights trained here are waited for forever, alone or beside those of the program,
/// or are shown by the path of their file.
#[test]
fn weights_trained_here_answer_too() {
    let mut window = Window::film("maps · dance");
    assert_eq!(window.inspect().seats[0].wanted.as_deref(), Some(TRAINED));
    window.choose("Joint", "Nose");
    window.choose("Compare", "maps");
    window.until(|app| app.inspect().seats.iter().all(|s| s.found.is_some()));
    assert_eq!(window.drawn(0), window.drawn(1));
    // Above their pictures and beside their numbers.
    for title in ["maps · dance", "maps"] {
        assert_eq!(
            window.harness.query_all_by_label(title).count(),
            2,
            "{title}"
        );
    }
    let mut paths = window.harness.query_all_by_label_contains("/runs/");
    assert!(paths.next().is_none());
    drop(paths);
    // The other way round; the list's entry is the only one of its name then.
    window.choose("Compare", "no other model");
    window.choose("Model", "maps");
    window.choose("Compare", "maps · dance");
    window.until(|app| app.inspect().seats.iter().all(|s| s.found.is_some()));
}

/// Fails when another network than the one chosen last is looked into: the live picture's, or
/// the one chosen here since.
#[test]
fn the_network_chosen_last_is_looked_into() {
    let mut window = Window::live();
    let looked_into = |window: &mut Window, name: &str| {
        window.press(Key::I);
        window.until(|app| app.inspect().seats[0].found.is_some());
        let wanted = window.inspect().seats[0].wanted.clone();
        assert_eq!(wanted.as_deref(), Some(name));
        window.press(Key::I);
    };
    looked_into(&mut window, "maps");
    window.choose("Network", "tokens");
    looked_into(&mut window, "tokens");
    window.press(Key::I);
    window.choose("Model", "plain");
    window.press(Key::I);
    looked_into(&mut window, "plain");
    window.choose("Network", "maps");
    looked_into(&mut window, "maps");
}

/// Fails when models stay where they were when another device is chosen, here or while the live
/// picture is shown.
#[test]
fn models_follow_the_device() {
    let mut window = Window::film("maps");
    window.choose("Compare", "plain");
    let all_answer_from = |window: &mut Window, device: usize| {
        let loaded = Arc::clone(&window.loaded);
        window.until(|_| {
            let loaded = std::mem::take(&mut *loaded.lock().unwrap());
            loaded.contains(&("plain".to_owned(), device))
        });
        window.until(|app| {
            let seats = &app.inspect().seats;
            seats
                .iter()
                .all(|seat| seat.found.is_some() && !seat.is_loading)
        });
    };
    all_answer_from(&mut window, 0);
    palette(&mut window, "compute on card");
    all_answer_from(&mut window, 1);
    window.press(Key::I);
    palette(&mut window, "compute on CPU");
    window.press(Key::I);
    all_answer_from(&mut window, 0);
}
