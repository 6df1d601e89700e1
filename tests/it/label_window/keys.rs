//! Every key of the Label view does what its list says.

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use poselens_engine::project::{Contents, JointState, Person};
use poselens_engine::sample::Visibility;

use super::{SIZE, WRIST, Window, key};
use crate::driving::{Drive, Views as _};

const SHIFT: Modifiers = Modifiers::SHIFT;
const ALT: Modifiers = Modifiers::ALT;
const NONE: Modifiers = Modifiers::NONE;

/// Picks the left wrist with Tab.
fn pick_wrist(window: &mut Window) {
    for _ in 0..=WRIST {
        window.press(Key::Tab);
    }
    let pick = window.harness.state().label().pick;
    assert_eq!(pick.and_then(|pick| pick.joint), Some(WRIST));
}

fn point(person: &Person, joint: usize) -> (f64, f64) {
    let point = person.joints[joint].point();
    (point.x, point.y)
}

/// Fails when an arrow key moves the picked joint by another distance or direction, several presses
/// do not add up, or it moves a joint although none is picked.
#[test]
fn arrows_move_the_picked_joint() {
    let mut window = Window::open();
    pick_wrist(&mut window);
    let (x, y) = point(&window.saved(2)[0], WRIST);
    for (modifiers, key, dx, dy) in [
        (NONE, Key::ArrowRight, 1.0, 0.0),
        (NONE, Key::ArrowRight, 2.0, 0.0),
        (NONE, Key::ArrowDown, 2.0, 1.0),
        (SHIFT, Key::ArrowLeft, 1.75, 1.0),
        (SHIFT, Key::ArrowUp, 1.75, 0.75),
        (NONE, Key::ArrowLeft, 0.75, 0.75),
        (NONE, Key::ArrowUp, 0.75, -0.25),
    ] {
        window.press_with(modifiers, key);
        let (nx, ny) = point(&window.saved(2)[0], WRIST);
        let is_right = (nx - x - dx).abs() < 0.02 && (ny - y - dy).abs() < 0.02;
        assert!(is_right, "{key:?}: {nx} {ny}, from {x} {y}");
    }
    // In one frame: they must not all start from the same place.
    for _ in 0..4 {
        window.harness.key_press(Key::ArrowRight);
    }
    window.harness.run_steps(3);
    let (nx, _) = point(&window.saved(2)[0], WRIST);
    assert!((nx - x - 4.75).abs() < 0.03, "{nx} {x}");
}

/// Fails when keys do not step through frames, or the zoom changes by stepping.
#[test]
fn keys_step_through_frames_and_the_list() {
    let mut window = Window::open();
    window.harness.get_by_label("Image").hover();
    window.harness.event(eframe::egui::Event::Zoom(3.0));
    window.until(|app| app.label().zoom.factor > 2.5);
    let zoom = window.harness.state().label().zoom;
    for (modifiers, key, frame) in [
        (NONE, Key::Period, 3),
        (NONE, Key::ArrowRight, 4),
        (NONE, Key::Comma, 3),
        (NONE, Key::ArrowLeft, 2),
        (NONE, Key::D, 5),
        (NONE, Key::D, 8),
        (NONE, Key::S, 5),
        (NONE, Key::End, 11),
        (NONE, Key::PageUp, 1),
        (SHIFT, Key::ArrowRight, 11),
        (NONE, Key::Home, 0),
        (NONE, Key::PageDown, 10),
    ] {
        window.press_with(modifiers, key);
        window.until_frame(frame);
        assert_eq!(window.harness.state().label().zoom, zoom, "{key:?}");
    }
}

/// Fails when accepting does not confirm, or going on does not show the next open frame, or says
/// nothing at the end.
#[test]
fn accepting_goes_on_to_the_next_open_frame() {
    let mut window = Window::open();
    window.press(Key::A);
    assert!(window.saved(2)[0].is_confirmed);
    window.press_with(SHIFT, Key::Enter);
    window.until_frame(5);
    window.press_with(SHIFT, Key::Enter);
    window.until_frame(8);
    window.press_with(SHIFT, Key::Enter);
    window.until_says("Every frame of the list is confirmed");
    for frame in [2, 5, 8] {
        assert!(window.saved(frame)[0].is_confirmed, "{frame}");
    }
    assert!(
        window
            .harness
            .state()
            .label()
            .pace
            .secs_per_frame()
            .is_some()
    );
    let project = window.harness.state().label().project.as_ref().unwrap();
    assert_eq!((project.n_done, project.tally.confirmed), (3, 3));
}

/// Fails when a key of the whole person changes something else, or is not undone and redone as one
/// step, also after a restart.
#[test]
fn keys_of_a_person_are_undone_and_redone() {
    let mut window = Window::open();
    let before = window.saved(2)[0].clone();
    let (x, y) = point(&before, 0);
    for (modifiers, key) in [
        (ALT, Key::ArrowLeft),
        (ALT, Key::ArrowDown),
        (ALT, Key::Period),
        (ALT, Key::Plus),
        (NONE, Key::X),
        (NONE, Key::V),
        (NONE, Key::E),
        (NONE, Key::Delete),
    ] {
        if key == Key::V {
            pick_wrist(&mut window);
        }
        window.press_with(modifiers, key);
        let people = window.saved(2);
        let wrist = |person: &Person| person.joints[WRIST];
        match key {
            Key::ArrowLeft => assert_eq!(point(&people[0], 0), (x - 1.0, y)),
            Key::ArrowDown => assert_eq!(point(&people[0], 0), (x, y + 1.0)),
            Key::Period | Key::Plus => assert_ne!(people[0], before),
            Key::X => {
                let [l, r] = [&people[0], &before].map(|p| p.joints[5].point());
                assert!(l.x < r.x, "shoulders are exchanged");
            }
            Key::V => assert_eq!(wrist(&people[0]).visibility, Visibility::Hidden),
            Key::E => assert!(people[0].is_confirmed),
            _ => assert!(people.is_empty()),
        }
        window.press_with(Modifiers::COMMAND, Key::Z);
        assert_eq!(
            window.saved(2),
            std::slice::from_ref(&before),
            "{key:?} undone"
        );
        window.press_with(Modifiers::COMMAND, Key::Y);
        assert_eq!(window.saved(2), people, "{key:?} redone");
        window.press_with(Modifiers::COMMAND, Key::Z);
        window.saved(2);
    }
    // A window of its own, after a restart.
    let place = window.place();
    drop(window.harness);
    let builder = egui_kittest::Harness::builder();
    let mut window = Window::with(builder, window.folder, Some(place));
    window.until_frame(2);
    window.press_with(Modifiers::COMMAND, Key::Y);
    assert!(window.saved(2).is_empty());
}

/// Fails when a person is not added at the pointer, copied from the previous labelled frame, or
/// filled in between two confirmed ones.
#[test]
fn people_are_added_copied_and_filled_in() {
    let mut window = Window::open();
    window.press(Key::A);
    window.press(Key::Period);
    window.until_frame(3);
    let image = window.harness.get_by_label("Image").rect();
    window.harness.hover_at(image.center());
    window.harness.run_steps(2);
    window.press(Key::N);
    // The fake sees its only person elsewhere.
    window.until_says("No new person was found here: a template was placed");
    let people = window.saved(3);
    assert_eq!(people.len(), 1);
    assert_eq!(people[0].state(0), Some(JointState::Touched));
    let hips = [11, 12].map(|j| point(&people[0], j).0);
    assert!((hips[0] + hips[1] - 63.0).abs() < 1.0, "{hips:?}");
    let id = people[0].id;
    window.until(|app| app.label().pick.is_some_and(|pick| pick.person == id));
    window.press(Key::Delete);
    assert!(window.saved(3).is_empty());
    window.press(Key::C);
    let copies = window.saved(3);
    let original = &window.saved(2)[0];
    assert_eq!(point(&copies[0], 0), point(original, 0));
    assert!(!copies[0].is_confirmed);
    window.press(Key::D);
    window.until_frame(5);
    window.press_with(ALT, Key::ArrowRight);
    window.press_with(ALT, Key::ArrowRight);
    window.press(Key::A);
    window.press(Key::I);
    let between = window.saved(4);
    let wanted = point(original, 0).0 + 2.0 * 2.0 / 3.0;
    assert!((point(&between[0], 0).0 - wanted).abs() < 0.02);
    assert!(!between[0].is_confirmed, "filled in people are proposals");
    assert_eq!(window.saved(3), copies, "handwork stays");
}

/// Fails when the person that the model finds at the pointer is not proposed with its scores, counts
/// as placed by hand, is not picked, or is not undone in one step.
#[test]
fn a_person_is_proposed_where_the_model_finds_one() {
    let mut window = Window::open();
    window.press(Key::Period);
    window.until_frame(3);
    let image = window.harness.get_by_label("Image").rect();
    let scale = (image.width() / SIZE.width as f32).min(image.height() / SIZE.height as f32);
    // The fake sees its person at (1, 1).
    let offset = egui::vec2(1.0 - 31.5, 1.0 - 23.5) * scale;
    window.harness.hover_at(image.center() + offset);
    window.harness.run_steps(2);
    window.press(Key::N);
    window.until(|app| app.label().people().len() == 1);
    let people = window.saved(3);
    assert_eq!(point(&people[0], 0), (1.0, 1.0));
    assert_eq!(people[0].state(0), Some(JointState::Proposed));
    assert!((people[0].joints[0].score() - 0.9).abs() < 1e-3);
    assert!(window.has("Nose of person 1: proposed"));
    let picked = window.harness.state().label().pick.unwrap().person;
    assert_eq!(picked, people[0].id);
    window.press_with(Modifiers::COMMAND, Key::Z);
    assert!(window.saved(3).is_empty());
    // The same person is not added twice.
    window.press_with(Modifiers::COMMAND, Key::Y);
    window.press(Key::N);
    window.until_says("a template was placed");
    assert_eq!(window.saved(3).len(), 2);
}

/// Fails when a key that the list of keys shows for another view remains listed although this view
/// replaced it, or a gesture is missing in the list.
#[test]
fn the_list_of_keys_tells_the_truth() {
    let mut window = Window::open();
    window.press(Key::F1);
    for title in [
        "Accept the frame",
        "Swap left and right of the person",
        "Make the joint visible, occluded or absent",
        "Turn the person left",
        "Fill in between two confirmed frames",
        "Copy the people of the previous labelled frame",
    ] {
        assert!(window.has(title), "{title}");
    }
    for title in [
        "Save a snapshot",
        "Back ten frames",
        "Start or stop recording",
    ] {
        assert!(!window.has(title), "{title}");
    }
    window.press(Key::Escape);
    window.click("Live");
    window.press(Key::F1);
    assert!(window.has("Back ten frames") && !window.has("Accept the frame"));
}

/// Fails when frames are not suggested, or the hold-out is not chosen before.
#[test]
fn frames_are_suggested() {
    let mut window = Window::open();
    window.press(Key::G);
    window.until(|app| {
        let project = app.label().project.as_ref();
        project.is_some_and(|p| p.search.is_none() && p.tally.suggested > 3)
    });
    window.until_says("Suggested ");
    let contents = Contents::read(&window.place()).unwrap();
    assert!(contents.labels().frame(key(2)).is_some());
}
