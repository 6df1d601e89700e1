//! Limb fields in the Inspect view.

use eframe::egui::Key;
use egui_kittest::kittest::{NodeT, Queryable};
use poselens_app::gui::state::inspect::What;
use poselens_shaders::scene::Mark;

use super::Window;
use super::commands::palette;
use crate::driving::{Drive, Views as _};

/// Returns the first line of the legend, and the number of lines drawn besides the skeleton.
fn shown(window: &Window) -> (String, usize) {
    let marks = &window.inspect().slots[0].shown.scene.marks;
    let legend = marks.iter().find_map(|mark| match mark {
        Mark::Legend(legend) => legend.caption.lines().next(),
        _ => None,
    });
    let lines = marks.iter().filter(|mark| matches!(mark, Mark::Line(_)));
    (legend.unwrap_or_default().to_owned(), lines.count())
}

/// Fails when the arrows of other limbs are drawn than those of the list, of the picked joint or of
/// the command, or a network without fields offers them.
#[test]
fn limb_fields_follow_the_list_the_joint_and_the_keys() {
    let mut window = Window::reader("fields");
    window.click("Skeleton");
    let limb = |window: &Window| window.harness.state().state().inspect.limb.clone();
    window.click("Fields");
    let (all, n_all) = shown(&window);
    assert_eq!(all, "limb fields, all limbs");
    window.choose("Limb", "Left elbow to left wrist");
    assert_eq!(limb(&window).as_deref(), Some("l_elbow-l_wrist"));
    let (one, n_one) = shown(&window);
    assert_eq!(one, "limb field, l_elbow to l_wrist");
    assert!(n_one > 0 && n_one < n_all, "{n_one} {n_all}");
    window.press(Key::Tab);
    assert_eq!(limb(&window).as_deref(), Some("l_shoulder-l_ear"));
    palette(&mut window, "limb fields: all limbs");
    assert_eq!((limb(&window), shown(&window).1), (None, n_all));
    window.choose("Joint", "Left wrist");
    assert_eq!(shown(&window).0, "limb fields at l_wrist");
    palette(&mut window, "limb fields: neck to right hip");
    assert_eq!(shown(&window).0, "limb field, neck to r_hip");
    // The key of the overlay in Live.
    window.press(Key::Num4);
    let what = |window: &Window| window.harness.state().state().inspect.what;
    assert_eq!((what(&window), shown(&window).1), (Some(What::Picture), 0));
    window.press(Key::Num4);
    assert_eq!(what(&window), Some(What::Fields));
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());

    window.choose("Model", "plain");
    window.until(|app| app.inspect().slots[0].found.is_some());
    let button = window.harness.get_by_label("Fields");
    assert!(button.accesskit_node().is_disabled());
    assert!(!window.has("Limb"));
}
