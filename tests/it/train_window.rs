//! Training in the window, operated by the labels of its controls: from the empty view to weights
//! in use, on people made of dots.

use std::path::{Path, PathBuf};

use eframe::egui::{self, Key, Modifiers, Role};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use poselens_app::gui::state::train::TrainPlan;
use poselens_app::gui::training::progress::{Phase, TrainProgress};
use poselens_app::gui::views::train::{Decision, Train};
use poselens_app::gui::{App, AppState, trained};
use poselens_engine::augment::Augment;
use poselens_engine::train::recipe::recipe;
use poselens_engine::train::schedule::WarmUp;
use poselens_engine::train::{DataConfig, Freeze, InitialWeights, TrainConfig};

use crate::driving::{Drive, SMALLEST, Views as _, closes, disorder, open_app};
use crate::train::draw_people;
use crate::window_fakes::gui;

/// Options for four people made of dots, `epochs` times six steps of four, so that overfitting
/// improves the metrics.
fn tiny(folder: &Path, epochs: u64) -> TrainConfig {
    let labels = draw_people(folder, 4);
    let mut config = recipe("sfm", "fine-tune").unwrap();
    config.input_size = Some([64, 64]);
    (config.epochs, config.batch_size, config.workers) = (epochs, 4, 1);
    config.freeze = Freeze::None;
    config.average = 0.0;
    config.optimizer.lr = 5e-4;
    config.schedule.warm_up_steps = WarmUp::Steps(2);
    config.augment = Augment::default();
    config.data = vec![DataConfig::new(labels.clone(), None)];
    config.data[0].people.weight = 6.0;
    config.validation = Some(DataConfig::new(labels, None));
    config
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
        let status = &self.harness.state().ui_state().status;
        format!("{:#?} {status:#?}", self.train())
    }
}

impl Window {
    /// Opens the view, with these options remembered from an earlier run.
    fn open(folder: tempfile::TempDir, config: Option<TrainConfig>) -> Self {
        let settings = folder.path().join("settings.toml");
        let (mut state, _) = AppState::load(&settings).unwrap();
        let saved = state.clone();
        if config.is_some() {
            state.train = TrainPlan {
                recipe: "fine-tune".to_owned(),
                threads: 2,
                config,
                ..TrainPlan::default()
            };
        }
        state.save(&settings, &saved).unwrap();
        let mut gui = gui(Some("clip.mp4"), &[], folder.path());
        gui.settings_file = Some(settings);
        let builder = Harness::builder().with_size(egui::vec2(1280.0, 1500.0));
        let harness = open_app(builder, gui);
        let mut window = Self { harness, folder };
        window.until(|app| app.ui_state().model.is_some());
        window.press(Key::T);
        window
    }

    fn empty() -> Self {
        Self::open(tempfile::tempdir().unwrap(), None)
    }

    /// Opens the view with four people for both training and validation.
    fn with_people(epochs: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = tiny(folder.path(), epochs);
        let mut window = Self::open(folder, Some(config));
        window.until(|app| app.train().report.is_some());
        window
    }

    fn train(&self) -> &Train {
        self.harness.state().train()
    }

    #[track_caller]
    fn until_phase(&mut self, phase: &Phase) {
        self.until(|app| {
            app.train()
                .progress
                .as_ref()
                .is_some_and(|s| s.phase == *phase)
        });
    }

    fn has(&self, text: &str) -> bool {
        self.harness
            .query_all_by_label_contains(text)
            .next()
            .is_some()
    }

    fn can(&self, label: &str) -> bool {
        !self
            .harness
            .get_by_label(label)
            .accesskit_node()
            .is_disabled()
    }

    /// Returns the images of held-out people that the panel on the right covers.
    fn covered_people(&self) -> Vec<String> {
        let side = self.harness.get_by_label("Training labels").rect().left();
        let images = self.harness.query_all_by_label_contains("0.png, ");
        let images: Vec<_> = images
            .map(|image| (image.accesskit_node().label(), image.rect()))
            .collect();
        assert_eq!(images.len(), 3, "labels, before and after: {images:?}");
        let covered = images.iter().filter(|(_, rect)| rect.right() >= side);
        covered.map(|image| format!("{image:?}")).collect()
    }

    fn wanted_model(&self) -> Option<&str> {
        self.harness.state().ui_state().wanted_model.as_deref()
    }

    fn only_run(&self) -> PathBuf {
        let runs = std::fs::read_dir(self.folder.path().join("trainings")).unwrap();
        let runs: Vec<_> = runs.map(|e| e.unwrap().path()).collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs[0].clone()
    }
}

/// Fails when a new user gets no explanation why a button is disabled, or a control cannot be
/// reached by a screen reader.
#[test]
fn a_new_user_gets_instructions() {
    let window = Window::empty();
    for label in [
        "Train the network on your own data",
        "Choose labels…",
        "Choose a clip's folder…",
        "Training labels",
        "Held-out labels",
        "Folder… held out",
        "Model",
        "Start from",
        "Freeze the backbone",
        "Recipe",
        "Epochs",
        "Batch size",
        "Learning rate",
        "Optimizer",
        "Schedule",
        "Variation",
        "Input size",
        "More options",
        "Threads",
        "Output folder",
        "Another folder…",
        "Folder of another training",
        "Choose the folder to write into",
        "Page Data",
        "Page Preview",
        "Page Progress",
        "Check data",
        "Preview",
    ] {
        let found = window.harness.query_by_label(label).is_some();
        assert!(found, "{label} is missing");
    }
    assert!(!window.can("Start training") && !window.can("Preview"));
    assert!(window.has("Start is not possible: choose training labels"));
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
}

/// Fails when a wrong path is not reported below its field, or a training starts without data.
#[test]
fn a_wrong_path_is_reported_below_its_field() {
    let mut window = Window::empty();
    window.click("Training labels");
    // As if typed: the panel changes with the first letter, but the field keeps the focus.
    for text in ["/", "no/such/", "labels.json"] {
        let focused = window.harness.get_by_label("Training labels").is_focused();
        assert!(focused, "before {text}");
        window.harness.event(egui::Event::Text(text.to_owned()));
        window.harness.run_steps(2);
    }
    window.until(|app| app.train().report.is_some());
    assert!(window.has("no such file or folder"));
    let data = &window
        .harness
        .state()
        .state()
        .train
        .config
        .as_ref()
        .unwrap()
        .data;
    assert_eq!(data[0].annotations, Path::new("/no/such/labels.json"));
    assert!(!window.can("Start training"));
    assert!(window.has("Start is not possible: the training labels cannot be read"));
    // The palette must not bypass the check.
    window.harness.key_press(Key::Escape);
    window.harness.run_steps(2);
    window
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::K);
    window.harness.run_steps(2);
    window
        .harness
        .get_by_label("Command")
        .type_text("start the tr");
    window.harness.run_steps(2);
    window.press(Key::Enter);
    let status = window.harness.state().ui_state().status.clone().unwrap();
    assert!(status.text.contains("no training can start"), "{status:?}");
    window.click("Clear training");
    assert!(window.has("Train the network on your own data"));
}

/// Epoch and number of images of the predictions for held-out people: at the start, of the last and of
/// the kept weights.
fn held_out(window: &Window) -> [(u64, usize); 3] {
    let predictions = window.train().held_out.each_ref();
    predictions.map(|predictions| {
        let predictions = predictions.as_ref().unwrap();
        (
            predictions.held_out_images.epoch,
            predictions.textures.len(),
        )
    })
}

/// Fails when a user cannot get from data to weights in use and back: preview, training, curves,
/// metrics, images, accepting, undoing, and the offer after a restart.
#[test]
fn data_are_trained_into_weights_in_use() {
    let mut window = Window::with_people(4);
    assert!(window.has("4 people in 4 images, label format 'coco'"));
    assert!(window.has("4 images are in both sets"));
    window.click("Preview");
    window.until(|app| app.train().batch.is_some());
    assert!(window.has("Batch 1 of epoch 1: 4 of its 4 inputs; 4 people in all"));
    let captions = window.harness.query_all_by_label_contains(" absent");
    let heights: Vec<f32> = captions
        .filter(|caption| caption.accesskit_node().role() == Role::Label)
        .map(|caption| caption.rect().height())
        .collect();
    assert!(
        heights.len() == 4 && heights.iter().all(|h| *h >= 11.0),
        "{heights:?}"
    );
    window.click("Next batch");
    window.until(|app| {
        let sheet = app.train().batch.as_ref();
        sheet.is_some_and(|s| s.preview.position.batch == 1)
    });

    let start = window.harness.get_by_label("Start training").rect();
    window.click("Start training");
    window.until(|app| app.train().is_active());
    for label in ["Pause", "Stop"] {
        let rein = window.harness.get_by_label(label).rect();
        assert!(
            !rein.intersects(start),
            "{label} becomes Start under the pointer"
        );
    }
    window.until_phase(&Phase::Finished);
    window.until(|app| !app.train().is_active());
    let progress = |window: &Window| window.train().progress.clone().unwrap();
    let told = progress(&window);
    assert_eq!((told.step, told.history.len()), (24, 5));
    assert!(!told.losses.points.is_empty() && told.first().unwrap().pck.is_some());
    window.until(|app| app.train().held_out.iter().all(Option::is_some));
    let judged = progress(&window).judged().unwrap().epoch;
    assert_eq!(held_out(&window), [(0, 4), (4, 4), (judged, 4)]);
    let after = format!("0.png, after epoch {judged}");
    for text in [
        "The training has ended",
        "Loss",
        "Learning rate",
        "0.png, before",
        &after,
        "Start is not possible: first decide",
    ] {
        assert!(window.has(text), "{text}");
    }
    assert!(!window.can("Start training") && window.can("Use these weights"));
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
    window.click("Logarithmic loss");
    assert!(window.harness.state().state().train.is_log_scale);

    assert_eq!(window.wanted_model(), Some("first"));
    window.click("Use these weights");
    let run = window.only_run();
    let name = trained::join("sfm", &run.join("best.safetensors"));
    window.until(|app| app.ui_state().model.as_deref() == Some(&*name));
    assert_eq!(window.wanted_model(), Some(&*name));
    window.click("Keep the old weights");
    window.until(|app| app.ui_state().model.as_deref() == Some("first"));
    assert_eq!(window.train().decision, Some(Decision::Kept));
    assert!(window.can("Start training"));
    assert!(run.join("best.safetensors").is_file(), "nothing is deleted");

    let Window { harness, folder } = window;
    drop(harness);
    let mut window = Window::open(folder, None);
    window.until(|app| app.train().earlier.is_some());
    let name = run.file_name().unwrap().to_string_lossy().into_owned();
    window.click(&format!("Show {name}"));
    window.until(|app| app.train().progress.is_some());
    assert!(window.has("The training has ended"));
    // The held-out people are predicted again, with the previous and the kept weights.
    assert_eq!(
        held_out(&window).map(|(epoch, _)| epoch),
        [0, judged, judged]
    );
    window.click("Live");
    window.click("Network");
    let title = trained::title(&trained::join("sfm", &run.join("best.safetensors")));
    assert!(window.has(&title), "{title}");
}

/// Fails when, in the smallest window, pages, buttons, names or held-out people of the Train view
/// overlap or are cut off, or a warm-up that the user did not choose is blamed on them.
#[test]
fn nothing_overlaps_in_the_smallest_train_view() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = tiny(folder.path(), 1);
    config.schedule.warm_up_steps = WarmUp::Auto;
    let mut window = Window::open(folder, Some(config));
    window.until(|app| app.train().report.is_some());
    assert!(!window.has("learning rate is never reached"));
    let sizes = SMALLEST.into_iter().chain([egui::vec2(1280.0, 1500.0)]);
    let check = |window: &mut Window, what: &str| {
        for size in sizes.clone() {
            window.harness.set_size(size);
            window.harness.run_steps(4);
            let found = disorder(&window.harness);
            assert!(found.is_empty(), "{what} at {size}: {found:#?}");
        }
    };
    check(&mut window, "data");
    window.click("Start training");
    window.until_phase(&Phase::Finished);
    window.until(|app| !app.train().is_active());
    assert!(window.has("trainable parameters"));
    check(&mut window, "progress");
    window.until(|app| app.train().held_out.iter().all(Option::is_some));
    for size in SMALLEST.into_iter().chain([egui::vec2(980.0, 700.0)]) {
        window.harness.set_size(size);
        window.harness.run_steps(4);
        assert_eq!(window.covered_people(), Vec::<String>::new(), "{size}");
    }
}

/// Fails when a training cannot be paused, stopped and resumed where it was, the header does not
/// show that one is running, or the window closes meanwhile without a question.
#[test]
fn a_training_pauses_stops_and_resumes() {
    // Far more epochs than the test waits for.
    let mut window = Window::with_people(4000);
    let step = |app: &App| app.train().progress.as_ref().map_or(0, |s| s.step);
    window.click("Start training");
    window.until(|app| step(app) > 0);
    window.click("Pause");
    window.until_phase(&Phase::Paused);
    let paused_at = step(window.harness.state());
    assert!(window.has("Train · ") && window.has("Progress: Paused at"));
    assert!(!window.has("Continue "), "nothing else can go on meanwhile");
    assert!(!closes(&mut window.harness), "it is asked about");
    window.harness.run_steps(2);
    assert!(window.has("% done, paused and saved"));
    window.click("Keep open");
    window.click("Live");
    window.press(Key::T);
    assert_eq!(step(window.harness.state()), paused_at);
    window.click("Resume");
    window.until(|app| step(app) > paused_at);
    window.click("Stop");
    window.until_phase(&Phase::Stopped);
    window.until(|app| !app.train().is_active());
    assert!(!window.has("Train · ") && window.has("The training was stopped"));
    let (run, stopped_at) = (window.only_run(), step(window.harness.state()));
    window.click("Continue");
    window.until(|app| step(app) > stopped_at);
    assert_eq!(window.only_run(), run);
    let losses = &window.train().progress.as_ref().unwrap().losses.points;
    assert!(
        losses.windows(2).all(|pair| pair[0][0] < pair[1][0]),
        "steps rise: {losses:?}"
    );
}

/// Fails when, on a system without file dialogs, the output folder, the initial weights or an
/// earlier training elsewhere cannot be chosen.
#[test]
fn every_path_can_be_typed() {
    let mut window = Window::with_people(1);
    window.click("Output folder");
    window
        .harness
        .event(egui::Event::Text("/runs/mine".to_owned()));
    window.harness.run_steps(2);
    let plan = &window.harness.state().state().train;
    assert_eq!(plan.out.as_deref(), Some(Path::new("/runs/mine")));
    let other = window.folder.path().join("other");
    window.click("Folder of another training");
    let typed = other.to_string_lossy().into_owned();
    window.harness.event(egui::Event::Text(typed));
    window.harness.run_steps(2);
    window.press(Key::Enter);
    window.until(|app| app.ui_state().status.is_some());
    let said = window.harness.state().ui_state().status.clone().unwrap();
    assert!(said.text.contains("other"), "{said:?}");
}

/// Fails when a training cut off by the end of the program is not offered for resumption, shows
/// other people after it than those of the weights on offer, or is still offered when it has ended.
#[test]
fn an_interrupted_training_is_offered_at_the_top() {
    let mut window = Window::with_people(4000);
    window.click("Start training");
    window.until(|app| {
        let progress = app.train().progress.as_ref();
        progress.is_some_and(TrainProgress::has_improved)
    });
    let run = window.only_run();
    let Window { harness, folder } = window;
    drop(harness);
    let mut window = Window::open(folder, None);
    window.until(|app| app.train().earlier.is_some());
    assert!(window.has("was interrupted"));
    window.click("Continue this training");
    window.until(|app| {
        let progress = app.train().progress.as_ref();
        progress.is_some_and(|s| s.step > 0 && s.steps_per_epoch > 0)
    });
    assert_eq!(window.only_run(), run);
    assert!(window.has("changes on the right apply to the next training"));
    window.click("Stop");
    window.until(|app| !app.train().is_active());
    assert_eq!(window.harness.state().state().train.at_work, None);
    window.until(|app| {
        let progress = app.train().progress.as_ref();
        let judged = progress.and_then(TrainProgress::judged);
        let after = app.train().held_out[2].as_ref();
        let epochs = judged.zip(after.map(|after| after.held_out_images.epoch));
        epochs.is_some_and(|(judged, after)| judged.epoch == after)
    });
}

/// Fails when a diverged training is not explained in plain words, or offers no next step.
#[test]
fn a_diverged_training_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = tiny(folder.path(), 2);
    config.init = InitialWeights::Scratch;
    config.optimizer.lr = 1e30;
    config.schedule.warm_up_steps = WarmUp::Steps(0);
    let mut window = Window::open(folder, Some(config));
    window.until(|app| app.train().report.is_some());
    window.click("Start training");
    window.until(|app| {
        app.train()
            .progress
            .as_ref()
            .is_some_and(|s| s.phase.is_over())
    });
    window.until(|app| !app.train().is_active());
    assert!(window.has("The training ended with an error"));
    assert!(window.has("The loss became NaN or infinite") && window.has("a lower learning rate"));
    assert!(window.can("Continue") && window.can("Start training"));
}
