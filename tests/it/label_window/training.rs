//! The page Train: from confirmed frames to a version in use, in the window.

use std::path::{Path, PathBuf};

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use poselens_app::gui::training::progress::Phase;
use poselens_engine::geometry::Point;
use poselens_engine::project::{
    Contents, Edit, FrameKey, FrameProposal, NewProject, Project, Version, template,
};
use poselens_engine::skeleton::Skeleton;

use super::Window;
use crate::driving::{Drive as _, Views as _, closes, open_app};
use crate::window_fakes::gui;

/// Frames with a confirmed person: for training, then held out.
const LABELLED: [u32; 6] = [1, 4, 8, 62, 70, 84];

/// The labelled frame in which two joints are at the same place.
const MISTAKE: u32 = 8;

/// Holds out the end of the clip.
const HOLDOUT: &str = "version = 1\n[[round]]\nseed = 1\nnewest_clip = 1\nclips = []\n\
                       [[round.segment]]\nclip = 1\nfirst = 58\nlast = 86\nguard_first = 28\n\
                       guard_last = 86\n";

/// One short epoch of the last blocks, without replay.
const SETTINGS: &str = "[label.finetune]\npart = \"last-blocks\"\neffort = \"quick\"\nreplay = 0.0\n\
                        epochs = 1\nbatch_size = 4\n";

/// The sample clip.
fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/clips/sister.mkv")
}

fn project(folder: &Path) -> PathBuf {
    project_of(folder, sample())
}

/// Creates a project of the sample clip whose person is labelled in the same place everywhere.
fn project_of(folder: &Path, clip: PathBuf) -> PathBuf {
    let place = folder.join("project");
    let new = NewProject {
        model: "sfm".to_owned(),
        clips: vec![clip],
        is_copied: false,
    };
    let mut project = Project::create(&place, &new).unwrap();
    std::fs::write(place.join("holdout.toml"), HOLDOUT).unwrap();
    let skeleton = Skeleton::by_name("coco17").unwrap();
    let frames = LABELLED.map(|frame| {
        let mut person = template(skeleton, Point::new(160.0, 140.0), 180.0);
        if frame == MISTAKE {
            let [elbow, wrist] = [7, 9];
            person[wrist] = person[elbow];
        }
        FrameProposal {
            at: FrameKey::new(1, frame),
            suggestion: None,
            people: vec![person],
            is_confirmed: true,
        }
    });
    let frames = frames.into();
    project.apply(&Edit::Propose { frames }).unwrap();
    place
}

fn open() -> Window {
    let folder = tempfile::tempdir().unwrap();
    let place = project(folder.path());
    open_at(folder, place)
}

fn open_at(folder: tempfile::TempDir, place: PathBuf) -> Window {
    let mut gui = gui(None, &[], folder.path());
    gui.project = Some(place);
    let settings = folder.path().join("settings.toml");
    std::fs::write(&settings, SETTINGS).unwrap();
    gui.settings_file = Some(settings);
    let builder = Harness::builder().with_size(egui::vec2(1280.0, 1000.0));
    let harness = open_app(builder, gui);
    let mut window = Window { harness, folder };
    window.until(|app| app.label().frame().is_some());
    window
}

/// Fails when confirmed frames cannot be trained on, measured, accepted and rolled back with the
/// window alone, the live view does not use what is accepted, or meanwhile labels are edited unseen
/// or the window closes without a question.
#[test]
fn confirmed_frames_become_the_version_in_use() {
    let mut window = open();
    let place = window.place();
    window.press_with(Modifiers::SHIFT, Key::T);
    window.until(|app| app.label().finetune.review.is_some());
    window.click("Start training");
    assert!(!closes(&mut window.harness), "it is asked about");
    window.harness.run_steps(2);
    let asked = "The training on the project project";
    let mut lines = window.harness.query_all_by_label_contains(asked);
    assert!(lines.next().is_some());
    drop(lines);
    window.click("Keep open");
    window.until(|app| app.label().finetune.progress.is_some());
    // A key of the page Label.
    window.press(Key::Delete);
    window.until(|app| {
        let tuning = &app.label().finetune;
        tuning.gate().is_some() && !tuning.is_active()
    });
    let app = window.harness.state();
    let progress = app.label().finetune.progress.as_ref().unwrap();
    assert_eq!(progress.phase, Phase::Finished);
    let result = app.label().finetune.result().unwrap();
    assert_eq!(result.people.len(), 1);
    let person = &result.people[0];
    for joints in [&person.labels, &person.before, &person.after] {
        assert_eq!(joints.len(), 17);
    }
    let contents = Contents::read(&place).unwrap();
    assert_eq!(contents.labels().tally().confirmed_people, LABELLED.len());

    window.until(|app| app.label().finetune.player.picture().is_some());
    window.press(Key::D);
    window.until(|app| app.label().finetune.player.index == 1);
    window.click("Use these weights");
    window.until(|app| {
        let model = app.ui_state().model.clone().unwrap_or_default();
        model.ends_with("versions/1/weights.safetensors")
    });
    let current = Version::current(&place).unwrap();
    assert_eq!(current.map(|version| version.file.number), Some(1));
    window.until(|app| {
        let review = app.label().finetune.review.as_ref();
        review.is_some_and(|review| review.outcomes.current == 1)
    });
    window.click("Roll back");
    window.until(|app| app.ui_state().model.as_deref() == Some("sfm"));
    assert_eq!(Version::current(&place).unwrap(), None);

    window.click("Delete run…");
    window.click("Delete run 1 for good");
    window.until_says("Run 1 is deleted");
    assert!(!place.join("runs/1").exists());
    assert!(Version::read(&place, 1).is_ok(), "versions are kept");
}

/// Fails when a run that was killed while it was prepared is not shown, cannot be deleted, or is
/// deleted without a question; when a message covers the page, or a click on a clip shows nothing.
#[test]
fn a_half_prepared_run_can_be_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let place = project(folder.path());
    let run = place.join("runs/5");
    std::fs::create_dir_all(run.join("data/images")).unwrap();
    let mut window = open_at(folder, place);
    window.press_with(Modifiers::SHIFT, Key::T);
    window.until(|app| app.label().finetune.review.is_some());
    window.click("Run 5, unusable");
    window.harness.run_steps(3);
    assert!(window.has("Run 5 cannot be used"));
    window.click("Delete run…");
    window.click("Keep run 5");
    assert!(!window.has("Delete run 5 for good") && run.exists());
    window.click("Delete run…");
    window.click("Delete run 5 for good");
    window.until_says("Run 5 is deleted");
    assert!(!run.exists());
    window.until(|app| {
        let review = app.label().finetune.review.as_ref();
        review.is_some_and(|review| review.outcomes.runs.unusable.is_empty())
    });
    let title = window.harness.get_by_label("Train on these labels").rect();
    let message = window.harness.get_by_label_contains("Run 5 is deleted");
    assert!(message.rect().top() > title.bottom(), "it covers the page");
    // A clip of the list is shown with its labels.
    window.click("Clip sister");
    window.until_frame(0);
    assert!(window.has("Suggest frames"));
}

/// Fails when a training can start although nothing is held out, or the reason is not said.
#[test]
fn a_training_without_a_hold_out_is_refused_with_the_reason() {
    let mut window = Window::open();
    window.press_with(Modifiers::SHIFT, Key::T);
    window.until(|app| app.label().finetune.review.is_some());
    let app = window.harness.state();
    let review = app.label().finetune.review.clone().unwrap();
    let reason = review.plan.as_ref().unwrap_err();
    assert!(reason.contains("no hold-out"), "{reason}");
    window.click("Start training");
    window.harness.run_steps(3);
    let app = window.harness.state();
    assert!(app.label().finetune.progress.is_none());
}

/// Fails when a possible mistake in the labels is not listed, or does not lead to its place.
#[test]
fn a_finding_leads_to_its_place() {
    let mut window = open();
    window.press_with(Modifiers::SHIFT, Key::T);
    window.until(|app| app.label().finetune.review.is_some());
    let review = window.harness.state().label().finetune.review.clone();
    let findings = &review.as_ref().unwrap().findings;
    let [finding] = &findings[..] else {
        panic!("{findings:?}");
    };
    assert_eq!(finding.at.frame, MISTAKE);
    let row = window.harness.get_by_label_contains("sister frame 8: ");
    row.click();
    window.until_frame(MISTAKE);
    let pick = window.harness.state().label().pick.unwrap();
    assert_eq!(
        (Some(pick.person), pick.joint),
        (finding.person, finding.joint)
    );
    assert!(pick.joint.is_some());
}

/// Fails when a training that could not be prepared is to be continued although nothing of it is
/// there, or cannot be started again.
#[test]
fn a_failed_preparation_offers_a_new_start() {
    let mut window = open();
    let runs = window.place().join("runs");
    // In place of the folder.
    std::fs::write(&runs, "").unwrap();
    window.press_with(Modifiers::SHIFT, Key::T);
    window.until(|app| app.label().finetune.review.is_some());
    window.click("Start training");
    window.until(|app| {
        let tuning = &app.label().finetune;
        let is_over = |phase: &Phase| matches!(phase, Phase::Failed(_));
        let progress = tuning.progress.as_ref();
        progress.is_some_and(|progress| is_over(&progress.phase)) && !tuning.is_active()
    });
    window.harness.run_steps(3);
    let progress = window.harness.state().label().finetune.progress.clone();
    assert!(!progress.unwrap().can_continue);
    assert!(!window.has("Continue"));
    let mut faults = window.harness.query_all_by_label_contains("cannot create");
    assert!(faults.next().is_none(), "it begins with a capital");
    drop(faults);
    let mut faults = window.harness.query_all_by_label_contains("Cannot create");
    assert!(faults.next().is_some());
    drop(faults);
    std::fs::remove_file(&runs).unwrap();
    window.click("Start training");
    window.until(|app| {
        let progress = app.label().finetune.progress.as_ref();
        progress.is_some_and(|progress| progress.folder.ends_with("runs/1"))
    });
}

/// Fails when a training is offered although a clip that it needs is not there, or is not offered once
/// it is back.
#[test]
fn a_missing_clip_is_named_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("sister.mkv");
    std::fs::copy(sample(), &clip).unwrap();
    let away = folder.path().join("away.mkv");
    let place = project_of(folder.path(), clip.clone());
    let mut window = open_at(folder, place);
    std::fs::rename(&clip, &away).unwrap();
    window.press_with(Modifiers::SHIFT, Key::T);
    window.until(|app| app.label().finetune.review.is_some());
    let review = window.harness.state().label().finetune.review.clone();
    let obstacle = review.unwrap().plan.clone().unwrap_err();
    assert!(
        obstacle.contains("the clip 'sister' is not there"),
        "{obstacle}"
    );
    let mut ready = window.harness.query_all_by_label_contains("Ready:");
    assert!(ready.next().is_none());
    drop(ready);
    std::fs::rename(&away, &clip).unwrap();
    window.click("Page Label");
    window.click("Page Train");
    window.until(|app| {
        let review = app.label().finetune.review.as_ref();
        review.is_some_and(|review| review.plan.is_ok())
    });
}

/// Fails when the menu lists groups that have no commands on the page Train, or the marks of joints
/// are explained nowhere.
#[test]
fn menu_and_panel_say_what_there_is() {
    let mut window = open();
    let mut marks = window
        .harness
        .query_all_by_label_contains("a small cross absent");
    assert!(marks.next().is_some());
    drop(marks);
    window.press_with(Modifiers::SHIFT, Key::T);
    window.until(|app| app.label().finetune.review.is_some());
    window.click("Menu");
    assert!(window.has("Recent files") && !window.has("Overlays"));
}
