//! Sheets over the window: palette, keys, about, first steps.

use eframe::egui::{self, Key, Modifiers, Role};
use egui_kittest::Harness;
use egui_kittest::kittest::{By, NodeT, Queryable};

use super::Window;
use crate::driving::{Views as _, open_app};
use crate::window_fakes::gui;

fn palette(window: &mut Window, text: &str) {
    window
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::K);
    window.harness.run_steps(3);
    window.harness.get_by_label("Command").type_text(text);
    window.harness.run_steps(3);
}

/// Fails when the palette does not open, find or run a command, or keeps the focus.
#[test]
fn the_palette_runs_the_typed_command() {
    let mut window = Window::running("clip.mp4");
    palette(&mut window, "over heat");
    window.press(Key::Enter);
    assert_eq!(window.overlays(), ["heatmap", "skeleton"]);
    assert!(window.ui_state().sheet.is_none());
    palette(&mut window, "network sec");
    window.press(Key::Enter);
    window.until(|s| s.model.as_deref() == Some("second"));
    palette(&mut window, "qqq");
    assert!(window.has("No matching command"));
    window.press(Key::Enter);
    window.press(Key::Escape);
    assert!(window.ui_state().sheet.is_none());
    window.press(Key::Num2);
    assert_eq!(window.overlays(), ["skeleton"]);
}

/// Returns the first entry of the palette for `word`.
fn first_found(window: &mut Window, word: &str) -> String {
    palette(window, word);
    let field = window.harness.get_by_label("Command").rect();
    let entries = window.harness.query_all(By::new().role(Role::Button));
    let entries = entries.filter(|node| {
        let at = node.rect();
        at.top() >= field.bottom() && field.x_range().contains(at.center().x)
    });
    let first = entries.min_by(|a, b| a.rect().top().total_cmp(&b.rect().top()));
    let text = first.and_then(|node| node.accesskit_node().label());
    window.press(Key::Escape);
    text.unwrap_or_default()
}

/// Fails when a word that users search for finds nothing, or ranks a misleading command first.
#[test]
fn the_palette_finds_what_users_mean() {
    let mut window = Window::running("clip.mp4");
    for (word, wanted) in [
        ("zoom", "Zoom in"),
        ("fps", "Faster"),
        ("csv", "Export CSV with recordings: turn on"),
        ("export", "Export OpenPose with recordings: turn on"),
        ("people", "People: several"),
        ("multi", "People: several"),
        ("annotate", "Start or stop recording"),
        ("mirror", "Mirror the image on or off"),
        ("help", "Keys"),
        ("angle", "Overlay skeleton"),
        ("angles", "Overlay skeleton"),
        ("undo", "Keep the old weights"),
        ("label", "Label frames of your own clips"),
        ("screenshot", "Save a snapshot"),
        ("photo", "Save a snapshot"),
        ("pictures", "Save a snapshot"),
        ("bigger", "Larger interface"),
        ("why", "Inspect this frame"),
        ("looking", "Inspect this frame"),
        ("go to", "To the beginning"),
        ("delete", "Delete a recording: under More"),
        ("quit", "Quit"),
        ("exit", "Quit"),
        ("folder", "Open the folder of recordings"),
        ("person", "Follow the person nearest"),
    ] {
        let first = first_found(&mut window, word);
        assert!(first.starts_with(wanted), "{word}: {first}");
    }
    palette(&mut window, "csv");
    window.press(Key::Enter);
    assert!(window.harness.state().state().exports.contains("csv"));
    palette(&mut window, "zoom in");
    window.press(Key::Enter);
    assert!(window.ui_state().zoom.factor > 1.0);
    palette(&mut window, "whole image");
    window.press(Key::Enter);
    assert_eq!(window.ui_state().zoom.factor, 1.0);

    let mut window = Window::open(None, &["Desk camera"]);
    window.until(|s| s.presented.is_some() && !s.formats.offered.is_empty());
    let first = first_found(&mut window, "fps");
    assert!(first.starts_with("Camera format 8 × 6, 30 fps"), "{first}");
}

/// Fails when a shared command is searched for in another view and not found, or the view's own
/// command does not come first.
#[test]
fn the_palette_knows_the_view() {
    let mut window = Window::running("clip.mp4");
    window.press(Key::I);
    for (word, wanted) in [
        ("export", "Export PNG"),
        ("multi", "People: several"),
        ("zoom", "Zoom in"),
        ("csv", "Export CSV"),
    ] {
        let first = first_found(&mut window, word);
        assert!(first.starts_with(wanted), "{word}: {first}");
    }
    palette(&mut window, "zoom in");
    window.press(Key::Enter);
    let zoom = window.harness.state().inspect().zoom;
    assert!(zoom.factor > 1.0, "{zoom:?}");
}

/// Fails when the palette moves while the user types.
#[test]
fn the_palette_stays_where_it_is() {
    let mut window = Window::running("clip.mp4");
    palette(&mut window, "");
    let at = |window: &Window| window.harness.get_by_label("Command").rect();
    let before = at(&window);
    for text in ["over", "qqq"] {
        window.harness.get_by_label("Command").type_text(text);
        window.harness.run_steps(3);
        assert_eq!(at(&window), before, "{text}");
    }
}

/// Fails when the shortcut list, the version or the first steps cannot be found, or do not close.
#[test]
fn sheets_open_from_keys_and_palette() {
    let mut window = Window::running("clip.mp4");
    window.press(Key::F1);
    assert!(window.has("Start or stop recording") && window.has("Back ten frames"));
    window.press(Key::R);
    assert!(
        window.ui_state().recording.is_none(),
        "the sheet has the keys"
    );
    window.click("Close sheet");
    palette(&mut window, "about");
    window.press(Key::Enter);
    assert!(window.has(&format!("Version {}", env!("CARGO_PKG_VERSION"))));
    window.press(Key::Escape);
    assert!(window.ui_state().sheet.is_none());
    palette(&mut window, "getting started");
    window.press(Key::Enter);
    window.click("Try the sample clip");
    assert!(window.ui_state().sheet.is_none());
    window.until(|s| s.source.as_ref().is_some_and(|s| s.name == "clip.mp4"));
}

/// Fails when the menu does not open, lacks a group, or its entries have no effect.
#[test]
fn the_menu_holds_every_group() {
    let mut window = Window::running("clip.mp4");
    window.click("Menu");
    window.harness.run_steps(4);
    for group in [
        "Source",
        "Model",
        "Overlays",
        "Playback",
        "Recording",
        "Window",
    ] {
        let named = window.harness.query_all_by_label_contains(group);
        assert!(named.count() > 0, "{group} is missing");
    }
    window.harness.get_by_label_contains("Playback").click();
    window.harness.run_steps(4);
    window.harness.get_by_label_contains("Faster").click();
    window.harness.run_steps(4);
    assert_eq!(window.ui_state().speed, 1.5);
}

/// Fails when a sheet has a control without an accessible name.
#[test]
fn every_sheet_names_its_controls() {
    let mut window = Window::running("clip.mp4");
    for (command, title) in [
        ("keys", "Keys"),
        ("settings", "Settings"),
        ("log", "Log"),
        ("about", "About PoseLens"),
        ("getting started", "Welcome to PoseLens"),
    ] {
        palette(&mut window, command);
        assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
        window.press(Key::Enter);
        let named = window.harness.query_all_by_label(title);
        assert!(
            named.count() > 0 && window.ui_state().sheet.is_some(),
            "{title}"
        );
        assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
        window.press(Key::Escape);
    }
}

/// Fails when the device changes before its model is ready, or one that does not work stops the
/// running model or stays selected.
#[test]
fn networks_change_their_device() {
    let mut window = Window::running("clip.mp4");
    palette(&mut window, "settings");
    window.press(Key::Enter);
    window.choose("Compute on", "card");
    window.press(Key::Escape);
    window.until(|s| s.device == 1 && s.loading_device.is_none());
    let model = window.ui_state().model.clone();
    assert!(model.is_some());
    window.press(Key::Escape);
    palette(&mut window, "compute on broken");
    window.press(Key::Enter);
    window.until_says("the card is not there");
    let session = window.ui_state();
    assert_eq!((session.device, session.loading_device), (1, None));
    assert_eq!(session.model, model);
}

/// Fails when settings that cannot be saved cause no message.
#[test]
fn settings_that_cannot_be_written_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.toml");
    // A folder of the same name prevents the file from being written.
    std::fs::create_dir(folder.path().join("settings.toml.poselens.part")).unwrap();
    let mut gui = gui(Some("clip.mp4"), &[], folder.path());
    gui.settings_file = Some(settings.clone());
    let builder = Harness::builder().with_size(egui::vec2(1280.0, 900.0));
    let harness = open_app(builder, gui);
    let mut window = Window { harness, folder };
    window.until(|s| s.presented.is_some());
    window.press(Key::Num2);
    window.until_says("your settings apply until the window is closed");
    assert_eq!(window.overlays(), ["heatmap", "skeleton"]);
    assert!(!settings.exists());
}
