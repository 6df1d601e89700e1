//! Choice of models in Inspect, and of their device.

use std::sync::Arc;

use eframe::egui::{self, Key};
use egui_kittest::kittest::Queryable;
use poselens_app::gui::trained;
use poselens_shaders::scene::Mark;

use super::commands::palette;
use super::{TRAINED, Window};
use crate::driving::{Drive, SMALLEST, Views as _, disorder};

/// Fails when a second model is shown with another frame or joint than the first.
#[test]
fn two_models_show_the_same_joint_of_the_same_frame() {
    let mut window = Window::reader("maps");
    window.choose("Joint", "Nose");
    window.choose("Compare", "plain");
    window.until(|app| app.inspect().slots[1].found.is_some());
    assert_eq!(&*window.found(1).model, "plain");
    assert_eq!(window.found(1).frame.id, window.found(0).frame.id);
    // This model has heatmaps only.
    let nose = window.found(1).regions[0].heatmaps.plane(0).to_vec();
    assert_eq!(window.drawn(1), [nose]);
    window.press(Key::Period);
    window.until_frame(1);
    window.until(|app| {
        let found = app.inspect().slots[1].found.as_ref();
        found.is_some_and(|f| f.frame.id == 1)
    });
    window.choose("Compare", "no other model");
    assert!(!window.inspect().is_compared());
}

/// Fails when a model with trained weights never delivers predictions, alone or next to one with
/// bundled weights, or is labelled with the path of its file.
#[test]
fn trained_weights_deliver_predictions() {
    let mut window = Window::reader("maps · dance");
    assert_eq!(window.inspect().slots[0].wanted.as_deref(), Some(TRAINED));
    window.choose("Joint", "Nose");
    window.choose("Compare", "maps");
    window.until(|app| app.inspect().slots.iter().all(|s| s.found.is_some()));
    assert_eq!(window.drawn(0), window.drawn(1));
    // Above their images and next to their values.
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
    // In reverse order; the list entry is then the only one of its name.
    window.choose("Compare", "no other model");
    window.choose("Model", "maps");
    window.choose("Compare", "maps · dance");
    window.until(|app| app.inspect().slots.iter().all(|s| s.found.is_some()));
}

/// Fails when the view does not use the most recently chosen network: that of the live view, or one
/// chosen here since.
#[test]
fn the_network_chosen_last_is_inspected() {
    let mut window = Window::live();
    let looked_into = |window: &mut Window, name: &str| {
        window.press(Key::I);
        window.until(|app| app.inspect().slots[0].found.is_some());
        let wanted = window.inspect().slots[0].wanted.clone();
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

/// Fails when models stay on the old device after another one is chosen, in Inspect or in the live
/// view.
#[test]
fn models_follow_the_device() {
    let mut window = Window::reader("maps");
    window.choose("Compare", "plain");
    let all_answer_from = |window: &mut Window, device: usize| {
        let loaded = Arc::clone(&window.loaded);
        window.until(|_| {
            let loaded = std::mem::take(&mut *loaded.lock().unwrap());
            loaded.contains(&("plain".to_owned(), device))
        });
        window.until(|app| {
            let slots = &app.inspect().slots;
            slots
                .iter()
                .all(|model_slot| model_slot.found.is_some() && !model_slot.is_loading)
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

/// Fails when an earlier frame cannot be compared with the current one, changes with it, has other
/// colours for the same values, or the joint distances are those of a frame with itself.
#[test]
fn a_kept_frame_is_compared_with_later_ones() {
    let mut window = Window::reader("maps");
    window.choose("Joint", "Nose");
    window.click("Store this frame");
    assert!(window.inspect().is_compared());
    let first = window.drawn(0);
    window.press(Key::End);
    window.until_frame(11);
    assert_eq!(window.found(1).frame.id, 0);
    assert_eq!(window.drawn(1), first);
    assert_ne!(window.drawn(0), first);
    let legend = |slot: usize| {
        let marks = &window.inspect().slots[slot].shown.scene.marks;
        let legend = marks.iter().find_map(|mark| match mark {
            Mark::Legend(legend) => Some((legend.caption.clone(), legend.scale?.range)),
            _ => None,
        });
        legend.unwrap()
    };
    assert_eq!(legend(0), legend(1));
    assert_eq!(legend(0).0, "range of both frames");
    for title in ["maps, frame 11", "maps, frame 0", "mean of 17"] {
        let mut named = window.harness.query_all_by_label(title);
        assert!(named.next().is_some(), "{title}");
    }
    let n_marks = |window: &Window, slot: usize| {
        let model_slot = &window.inspect().slots[slot];
        model_slot.shown.scene.marks.len()
    };
    assert!(n_marks(&window, 0) > 0);
    window.click("In one image");
    assert!(window.inspect().is_overlaid());
    assert_eq!(window.harness.query_all_by_label("Image").count(), 1);
    window.click("Export npy");
    window.until(|app| {
        let status = app.ui_state().status.as_ref();
        status.is_some_and(|s| s.text.starts_with("Saved"))
    });
    let folders = std::fs::read_dir(window.folder.path()).unwrap();
    let about: Vec<_> = folders
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path().join("about.json")).ok())
        .collect();
    assert_eq!(about.len(), 2);
    for frame in ["\"frame\": 0", "\"frame\": 11"] {
        assert!(about.iter().any(|text| text.contains(frame)), "{frame}");
    }
    assert!(
        about
            .iter()
            .all(|text| text.contains("\"source\": \"pictures\""))
    );
    // The stored frame stays in the list while another model is compared.
    window.choose("Compare", "plain");
    window.until(|app| {
        app.inspect().slots[1]
            .found
            .as_ref()
            .is_some_and(|o| o.frame.id == 11)
    });
    window.choose("Compare", "frame 0 of pictures");
    assert_eq!(window.found(1).frame.id, 0);
    assert_eq!(window.drawn(1), first);
    window.click("Forget it");
    assert!(!window.inspect().is_compared() && !window.inspect().is_overlaid());
}

/// Fails when a second model chosen for one recording is still there for the next one.
#[test]
fn another_recording_starts_with_a_single_model() {
    let mut window = Window::reader("maps");
    window.choose("Compare", "plain");
    window.until(|app| app.inspect().slots[1].found.is_some());
    let pictures = window.folder.path().join("pictures");
    let next = window.folder.path().join("next");
    std::fs::create_dir(&next).unwrap();
    std::fs::copy(pictures.join("03.png"), next.join("03.png")).unwrap();
    window.harness.get_by_label("Path").focus();
    window
        .harness
        .key_press_modifiers(eframe::egui::Modifiers::COMMAND, Key::A);
    window.harness.run_steps(3);
    window.open(&next);
    window.until(|app| {
        let found = app.inspect().slots[0].found.as_ref();
        found.is_some_and(|f| f.frame.rgba()[0] == 3)
    });
    assert!(!window.inspect().is_compared());
}

/// Fails when a network that finds no person shows its frame without saying so.
#[test]
fn a_missing_person_is_reported() {
    let mut window = Window::reader("maps");
    assert!(!window.has("No person found"));
    window.choose("Model", "blind");
    window.until(|app| {
        let found = app.inspect().slots[0].found.as_ref();
        found.is_some_and(|found| found.poses.is_empty())
    });
    assert!(window.has("No person found"));
}

/// Fails when, in the smallest window, captions of two models, times or buttons overlap or are cut
/// off.
#[test]
fn nothing_overlaps_in_the_smallest_inspect_view() {
    let mut window = Window::reader("maps");
    window.choose("Joint", "Left wrist");
    window.choose("Compare", &trained::title(TRAINED));
    window.until(|app| app.inspect().slots[1].found.is_some());
    for size in SMALLEST {
        window.harness.set_size(size);
        window.harness.run_steps(4);
        let found = disorder(&window.harness);
        assert!(found.is_empty(), "at {size}: {found:#?}");
        let image = window.harness.query_all_by_label("Image").next().unwrap();
        let at = image.rect().center();
        window.harness.hover_at(at);
        window.harness.run_steps(2);
        let found = disorder(&window.harness);
        assert!(found.is_empty(), "pointer, at {size}: {found:#?}");
        window.harness.hover_at(egui::pos2(1.0, 1.0));
    }
}
