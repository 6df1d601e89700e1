//! The Label view, operated by the labels of its controls, with real projects on disk.

mod burst;
mod clips;
mod keys;
mod large;
mod opening;
mod training;

use std::path::{Path, PathBuf};

use eframe::egui::{self, Key, Modifiers, PointerButton, Pos2};
use egui_kittest::kittest::Queryable;
use egui_kittest::{Harness, HarnessBuilder};
use poselens_app::gui::App;
use poselens_engine::frame::{Frame, Pixels};
use poselens_engine::geometry::{Point, Size};
use poselens_engine::project::{
    Contents, Edit, FrameKey, FrameProposal, Joint, JointState, NewProject, Person, Project,
    Reason, Suggestion, template,
};
use poselens_engine::record::save_png;
use poselens_engine::sample::Visibility;
use poselens_engine::skeleton::Skeleton;

use crate::driving::{Drive, SMALLEST, Views as _, disorder, open_app};
use crate::window_fakes::gui;

const SIZE: Size = Size::new(64, 48);
const N_FRAMES: u8 = 12;
/// The left wrist in `coco17`.
const WRIST: usize = 9;

/// Creates a project with a folder of images, in whose frames 2, 5 and 8 a person is proposed.
fn project(folder: &Path) -> PathBuf {
    let pictures = folder.join("pictures");
    for i in 0..N_FRAMES {
        let pixels = [20 * i, 20 * i, 90, 255].repeat(SIZE.area());
        let frame = Frame::new(0, 0.0, SIZE, Pixels::unpooled(pixels));
        save_png(&frame, &pictures.join(format!("{i:02}.png"))).unwrap();
    }
    let place = folder.join("project");
    let new = NewProject {
        model: "sfm".to_owned(),
        clips: vec![pictures],
        is_copied: false,
    };
    let mut project = Project::create(&place, &new).unwrap();
    let frames = [2, 5, 8].map(|frame| FrameProposal {
        at: key(frame),
        suggestion: Some(Suggestion {
            reason: Reason::Peaks,
            value: 0.5,
        }),
        people: vec![standing()],
        is_confirmed: false,
    });
    let frames = frames.into();
    project.apply(&Edit::Propose { frames }).unwrap();
    place
}

fn standing() -> Vec<Joint> {
    let skeleton = Skeleton::by_name("coco17").unwrap();
    let joints = template(skeleton, Point::new(32.0, 24.0), 40.0);
    let proposed = joints.iter();
    proposed
        .map(|joint| Joint::new(joint.point(), 0.8, Visibility::Visible))
        .collect()
}

const fn key(frame: u32) -> FrameKey {
    FrameKey::new(1, frame)
}

struct Window {
    harness: Harness<'static, App>,
    folder: tempfile::TempDir,
}

impl Drive for Window {
    fn harness(&mut self) -> &mut Harness<'static, App> {
        &mut self.harness
    }

    fn describe(&self) -> String {
        let app = self.harness.state();
        format!("{:#?} {:#?}", app.label(), app.ui_state().status)
    }
}

impl Window {
    /// A window that shows the first suggested frame of a project.
    fn open() -> Self {
        Self::open_in(Harness::builder().with_size(egui::vec2(1280.0, 1000.0)))
    }

    fn open_in(builder: HarnessBuilder<App>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = project(folder.path());
        let mut window = Self::with(builder, folder, Some(place));
        window.until_frame(2);
        window
    }

    /// A window without a source whose folder is `folder`; `project` as on the command line.
    fn with(
        builder: HarnessBuilder<App>,
        folder: tempfile::TempDir,
        project: Option<PathBuf>,
    ) -> Self {
        let mut gui = gui(None, &[], folder.path());
        gui.project = project;
        let harness = open_app(builder, gui);
        Self { harness, folder }
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// Waits until the labels and the image of this frame are there.
    #[track_caller]
    fn until_frame(&mut self, frame: u32) {
        self.until(|app| {
            let label = app.label();
            let is_there = label.frame().is_some_and(|f| f.at == key(frame));
            is_there && label.shown_picture().is_some()
        });
    }

    #[track_caller]
    fn until_says(&mut self, text: &str) {
        self.until(|app| {
            let status = app.ui_state().status.as_ref();
            status.is_some_and(|status| status.text.contains(text))
        });
    }

    /// Waits until every edit is on disk; returns the people of a frame as another program reads
    /// them.
    #[track_caller]
    fn saved(&mut self, frame: u32) -> Vec<Person> {
        self.until(|app| !app.label().is_writing());
        let contents = Contents::read(&self.place()).unwrap();
        contents.labels().people(key(frame)).to_vec()
    }

    fn press_with(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run_steps(3);
    }

    fn has(&self, label: &str) -> bool {
        self.harness.query_by_label(label).is_some()
    }

    /// Returns the place of a joint on the screen.
    #[track_caller]
    fn joint(&self, label: &str) -> Pos2 {
        self.harness.get_by_label(label).rect().center()
    }

    fn button(&mut self, at: Pos2, button: PointerButton, pressed: bool, modifiers: Modifiers) {
        self.harness.event(egui::Event::PointerButton {
            pos: at,
            button,
            pressed,
            modifiers,
        });
        self.harness.step();
    }

    /// Presses the primary button at `from` and moves the pointer to `to`.
    fn drag(&mut self, from: Pos2, to: Pos2, modifiers: Modifiers) {
        self.harness.hover_at(from);
        self.harness.step();
        self.button(from, PointerButton::Primary, true, modifiers);
        for share in [0.5, 1.0] {
            self.harness.hover_at(from + share * (to - from));
            self.harness.step();
        }
        self.harness.run_steps(2);
    }

    fn drop_at(&mut self, at: Pos2) {
        self.button(at, PointerButton::Primary, false, Modifiers::NONE);
        self.harness.run_steps(2);
    }

    fn click_at(&mut self, at: Pos2, button: PointerButton) {
        self.harness.hover_at(at);
        self.harness.step();
        self.button(at, button, true, Modifiers::NONE);
        self.button(at, button, false, Modifiers::NONE);
        self.harness.run_steps(3);
    }
}

/// Fails when a drag moves another joint, jumps, is drawn as made while it is held, or is not on
/// disk afterwards.
#[test]
fn a_dragged_joint_is_a_preview_until_it_is_saved() {
    let mut window = Window::open();
    let wrist = window.joint("Left wrist of person 1: proposed");
    let before = window.saved(2)[0].clone();
    let to = wrist + egui::vec2(60.0, -40.0);
    window.drag(
        wrist + egui::vec2(4.0, 3.0),
        to + egui::vec2(4.0, 3.0),
        Modifiers::NONE,
    );
    let held = window.joint("Left wrist of person 1: held");
    assert!(held.distance(to) < 1.5, "{held:?} {to:?}");
    assert_eq!(
        window.saved(2)[0],
        before,
        "nothing is saved while it is held"
    );
    window.drop_at(to + egui::vec2(4.0, 3.0));
    let after = window.saved(2)[0].clone();
    assert!(window.has("Left wrist of person 1: touched"));
    assert_eq!(after.state(WRIST), Some(JointState::Touched));
    for (j, (a, b)) in before.joints.iter().zip(&after.joints).enumerate() {
        assert_eq!(a == b, j != WRIST, "{j}");
    }
    let moved = after.joints[WRIST].point();
    let was = before.joints[WRIST].point();
    let (x, y) = (moved.x - was.x, moved.y - was.y);
    assert!(x > 0.0 && y < 0.0 && (x / -y - 1.5).abs() < 0.05, "{x} {y}");
    let shown = window.joint("Left wrist of person 1: touched");
    assert!(shown.distance(to) < 1.5);
}

/// Fails when a drag that lies between two frames of a slowly drawn window is lost, grabs what is
/// under the pointer at its end, or stops where the frame before its end was drawn.
#[test]
fn a_drag_between_two_frames_moves_the_joint() {
    let mut window = Window::open();
    let way = egui::vec2(60.0, -40.0);
    let button = |pos, pressed| egui::Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    for (is_one_frame, state) in [(true, "proposed"), (false, "touched")] {
        let wrist = window.joint(&format!("Left wrist of person 1: {state}"));
        window.harness.hover_at(wrist);
        window.harness.step();
        // Events that are queued one by one are seen in one frame each.
        let mut events = vec![button(wrist, true)];
        if !is_one_frame {
            window.harness.input_mut().events.append(&mut events);
            window.harness.step();
        }
        events.push(egui::Event::PointerMoved(wrist + way));
        events.push(button(wrist + way, false));
        window.harness.input_mut().events.append(&mut events);
        window.harness.run_steps(3);
        window.saved(2);
        window.harness.run_steps(2);
        let shown = window.joint("Left wrist of person 1: touched");
        assert!(shown.distance(wrist + way) < 1.5, "{shown:?} {wrist:?}");
    }
}

/// Fails when a plain drag moves a whole person, or Alt and drag does not move all of it by the same
/// way.
#[test]
fn alt_and_drag_moves_a_person() {
    let mut window = Window::open();
    let before = window.saved(2)[0].clone();
    let hip = window.joint("Left hip of person 1: proposed");
    window.drag(hip, hip + egui::vec2(50.0, 0.0), Modifiers::NONE);
    window.drop_at(hip + egui::vec2(50.0, 0.0));
    let after = window.saved(2)[0].clone();
    let n_moved = |a: &Person, b: &Person| {
        let both = a.joints.iter().zip(&b.joints);
        both.filter(|(a, b)| a.point() != b.point()).count()
    };
    assert_eq!(n_moved(&before, &after), 1);
    window.press_with(Modifiers::COMMAND, Key::Z);
    let hip = window.joint("Left hip of person 1: proposed");
    window
        .harness
        .event(egui::Event::ModifiersChanged(Modifiers::ALT));
    window.drag(hip, hip + egui::vec2(50.0, 20.0), Modifiers::ALT);
    assert!(window.has("Nose of person 1: held"));
    window.drop_at(hip + egui::vec2(50.0, 20.0));
    window
        .harness
        .event(egui::Event::ModifiersChanged(Modifiers::NONE));
    let after = window.saved(2)[0].clone();
    assert_eq!(n_moved(&before, &after), 17);
    let way = |j: usize| {
        let (a, b) = (before.joints[j].point(), after.joints[j].point());
        (b.x - a.x, b.y - a.y)
    };
    for j in 0..17 {
        let ((x, y), (x0, y0)) = (way(j), way(0));
        assert!(
            x > 0.0 && (x - x0).abs() < 0.02 && (y - y0).abs() < 0.02,
            "{j}"
        );
    }
}

/// Fails when Alt and the wheel do not turn the person about its middle, the image is zoomed
/// meanwhile, or the turn is not saved once the key is released.
#[test]
fn alt_and_wheel_turns_a_person() {
    let mut window = Window::open();
    let before = window.saved(2)[0].clone();
    let at = window.harness.get_by_label("Image").rect().center();
    window.harness.hover_at(at);
    window.harness.step();
    let alt = Modifiers::ALT;
    window.harness.event(egui::Event::ModifiersChanged(alt));
    for _ in 0..3 {
        window.harness.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Line,
            delta: egui::vec2(0.0, 1.0),
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Wheel,
            modifiers: alt,
        });
        window.harness.step();
    }
    assert!(window.has("Nose of person 1: held"));
    assert_eq!(window.saved(2)[0], before);
    window
        .harness
        .event(egui::Event::ModifiersChanged(Modifiers::NONE));
    window.harness.run_steps(3);
    let after = window.saved(2)[0].clone();
    let way = |person: &Person, a: usize, b: usize| {
        let (a, b) = (person.joints[a].point(), person.joints[b].point());
        ((b.y - a.y).atan2(b.x - a.x).to_degrees(), a.distance(b))
    };
    let ((a, length), (b, other)) = (way(&before, 5, 6), way(&after, 5, 6));
    assert!(((b - a).rem_euclid(360.0) - 6.0).abs() < 0.5, "{a} {b}");
    assert!((length - other).abs() < 0.05);
    let zoom = window.harness.state().label().zoom;
    assert_eq!(zoom.factor, 1.0);
}

/// Fails when a right click does not go through visible, occluded and absent, an absent joint cannot
/// be brought back, or a double click does not accept a person.
#[test]
fn clicks_change_visibility_and_accept() {
    // Short time steps: two clicks a quarter of a second apart are not a double click.
    let builder = Harness::builder().with_step_dt(0.02);
    let mut window = Window::open_in(builder.with_size(egui::vec2(1280.0, 1000.0)));
    let wrist = window.joint("Left wrist of person 1: proposed");
    let was = window.saved(2)[0].joints[WRIST].point();
    for wanted in [
        Visibility::Hidden,
        Visibility::Unlabelled,
        Visibility::Visible,
    ] {
        window.click_at(wrist, PointerButton::Secondary);
        let joint = window.saved(2)[0].joints[WRIST];
        assert_eq!((joint.visibility, joint.point()), (wanted, was));
        let is_occluded = window.has("Left wrist of person 1: touched, occluded");
        assert_eq!(is_occluded, wanted == Visibility::Hidden);
    }
    let nose = window.joint("Nose of person 1: proposed");
    window.harness.hover_at(nose);
    for pressed in [true, false, true, false] {
        window.harness.event(egui::Event::PointerButton {
            pos: nose,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        });
    }
    window.harness.run_steps(3);
    assert!(window.saved(2)[0].is_confirmed);
    assert!(window.has("Nose of person 1: confirmed"));
}

/// Fails when an edit that cannot be saved is drawn as made, is not refused in one line, writes over
/// what is there, or the message stays when edits are saved again.
#[test]
fn a_refused_edit_leaves_the_old_state() {
    let mut window = Window::open();
    let wrist = window.joint("Left wrist of person 1: proposed");
    let (place, away) = (window.place(), window.folder.path().join("away"));
    std::fs::rename(&place, &away).unwrap();
    window.drag(wrist, wrist + egui::vec2(30.0, 0.0), Modifiers::NONE);
    window.drop_at(wrist + egui::vec2(30.0, 0.0));
    window.until(|app| !app.label().is_writing() && app.ui_state().status.is_some());
    let text = window
        .harness
        .state()
        .ui_state()
        .status
        .as_ref()
        .unwrap()
        .text
        .clone();
    assert!(
        text.contains("labels.journal") && !text.contains('\n'),
        "{text}"
    );
    let now = window.joint("Left wrist of person 1: proposed");
    assert!(now.distance(wrist) < 0.5);
    window.press(Key::A);
    window.until(|app| !app.label().is_writing());
    assert!(window.has("Nose of person 1: proposed"));
    assert!(!place.exists());
    std::fs::rename(&away, &place).unwrap();
    window.press(Key::A);
    assert!(window.saved(2)[0].is_confirmed);
    assert!(window.has("Nose of person 1: confirmed"));
    let status = window.harness.state().ui_state().status.clone();
    assert!(status.is_none(), "the message is over: {status:?}");
}

/// Fails when, in the smallest window, texts and controls overlap or are cut off: without a project,
/// with one, while a message is shown.
#[test]
fn nothing_overlaps_in_the_smallest_window() {
    for size in SMALLEST {
        let builder = || Harness::builder().with_size(size);
        let folder = tempfile::tempdir().unwrap();
        let mut window = Window::with(builder(), folder, None);
        window.press(Key::L);
        let found = disorder(&window.harness);
        assert!(found.is_empty(), "start at {size}: {found:#?}");
        let mut window = Window::open_in(builder());
        let found = disorder(&window.harness);
        assert!(found.is_empty(), "project at {size}: {found:#?}");
        window.press(Key::A);
        window.press(Key::I);
        window.until_says("nothing to fill in");
        let found = disorder(&window.harness);
        assert!(found.is_empty(), "message at {size}: {found:#?}");
    }
}
