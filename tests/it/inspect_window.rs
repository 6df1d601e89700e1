//! The Inspect view, operated by the labels of its controls.

mod commands;
mod fields;
mod models;
mod tracks;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use egui_kittest::{Harness, HarnessBuilder};
use poselens_app::gui::state::inspect::{Pick, What};
use poselens_app::gui::views::inspect::Inspect;
use poselens_app::gui::{App, ModelChoice, trained};
use poselens_engine::Error;
use poselens_engine::estimator::Infer;
use poselens_engine::frame::{Frame, Pixels};
use poselens_engine::output::PoseOutput;
use poselens_engine::record::save_png;
use poselens_shaders::scene::Mark;

use crate::driving::{Drive, Views as _, open_app};
use crate::inspect_fakes::{Fake, MAP, SIZE, planes};
use crate::window_fakes::gui;

const N_FRAMES: usize = 12;
/// The network `maps` with custom weights.
const TRAINED: &str = "maps@/runs/dance/best.safetensors";

struct Window {
    harness: Harness<'static, App>,
    folder: tempfile::TempDir,
    /// Loaded networks, and the indices of their devices.
    loaded: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Drive for Window {
    fn harness(&mut self) -> &mut Harness<'static, App> {
        &mut self.harness
    }

    fn describe(&self) -> String {
        let status = &self.harness.state().ui_state().status;
        format!("{:#?} {status:#?}", self.inspect())
    }
}

impl Window {
    /// A window with a live source that cannot seek.
    fn live() -> Self {
        Self::live_in(Harness::builder())
    }

    fn live_in(builder: HarnessBuilder<App>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut gui = gui(Some("clip.mp4"), &[], folder.path());
        gui.models = [
            "maps", "tokens", "fields", "plain", "broken", "blind", TRAINED,
        ]
        .map(|name| ModelChoice {
            name: name.to_owned(),
            help: String::new(),
        })
        .into();
        let loaded = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&loaded);
        gui.make_infer = Arc::new(move |name, device, _| {
            list.lock().unwrap().push((name.to_owned(), device));
            match name {
                "broken" => Err(Error::Invalid("the weights are damaged".to_owned())),
                // A network reports the name of its row, regardless of its weights.
                _ => Ok(Box::new(Fake(Arc::from(trained::split(name).0))) as Box<dyn Infer>),
            }
        });
        let harness = open_app(builder.with_size(egui::vec2(1280.0, 1600.0)), gui);
        let mut window = Self {
            harness,
            folder,
            loaded,
        };
        window.until(|app| {
            let presented = app.ui_state().presented.as_ref();
            presented.is_some_and(|p| p.output.is_some())
        });
        window
    }

    /// A window with a folder of twelve images, inspected with `model`.
    fn reader(model: &str) -> Self {
        let mut window = Self::live();
        let pictures = window.folder.path().join("pictures");
        for i in 0..N_FRAMES {
            let pixels = [i as u8, i as u8, i as u8, 255].repeat(SIZE.area());
            let frame = Frame::new(0, 0.0, SIZE, Pixels::unpooled(pixels));
            save_png(&frame, &pictures.join(format!("{i:02}.png"))).unwrap();
        }
        window.press(Key::I);
        if model != "maps" {
            window.choose("Model", model);
        }
        window.open(&pictures);
        window.until(|app| app.inspect().slots[0].found.is_some() && frame(app) == Some(0));
        window
    }

    fn open(&mut self, path: &Path) {
        let path = path.to_string_lossy().into_owned();
        self.harness.get_by_label("Path").focus();
        self.harness.get_by_label("Path").type_text(&path);
        self.harness.run_steps(2);
        self.press(Key::Enter);
    }

    fn inspect(&self) -> &Inspect {
        self.harness.state().inspect()
    }

    /// Waits until the image on the stage and its prediction belong to frame `i`.
    #[track_caller]
    fn until_frame(&mut self, i: u64) {
        self.until(|app| {
            let found = app.inspect().slots[0].found.as_ref();
            frame(app) == Some(i) && found.is_some_and(|f| f.frame.id == i)
        });
    }

    #[track_caller]
    fn choose(&mut self, list: &str, entry: &str) {
        self.click(list);
        // The last entries of a long list are outside its visible part, out of reach of the
        // pointer.
        self.harness.get_by_label(entry).click_accesskit();
        self.harness.run_steps(3);
        // Only a pointer click closes the list.
        self.press(Key::Escape);
    }

    fn tells(&self, part: &str) -> bool {
        let mut found = self.harness.query_all_by_label_contains(part);
        found.next().is_some()
    }

    fn says(&self, text: &str) -> bool {
        let status = self.harness.state().ui_state().status.as_ref();
        status.is_some_and(|status| status.text.contains(text))
    }

    fn has(&self, label: &str) -> bool {
        self.harness.query_by_label(label).is_some()
    }

    /// Returns the map values sent to the GPU for a model.
    fn drawn(&self, slot: usize) -> Vec<Vec<f32>> {
        let marks = self.inspect().slots[slot].shown.scene.marks.iter();
        marks
            .filter_map(|mark| match mark {
                Mark::Heat(heat) => Some(heat.values.to_vec()),
                _ => None,
            })
            .collect()
    }

    fn found(&self, slot: usize) -> Arc<PoseOutput> {
        Arc::clone(self.inspect().slots[slot].found.as_ref().unwrap())
    }
}

fn frame(app: &App) -> Option<u64> {
    Some(app.inspect().subject.as_ref()?.frame.id)
}

/// Fails when the live view's frame or poses are lost on switching to Inspect, or the live view
/// does not pause meanwhile and resume afterwards.
#[test]
fn the_live_frame_is_handed_over_and_playback_resumes() {
    let mut window = Window::live();
    window.click("Inspect");
    window.until(|app| app.inspect().slots[0].found.is_some());
    let session = window.harness.state().ui_state();
    assert!(!session.is_playing);
    let subject = window.inspect().subject.as_ref().unwrap();
    assert_eq!(subject.near.len(), 1);
    assert_eq!(window.found(0).frame.id, subject.frame.id);
    // The fake clip is not a real file: an error is shown, and the frame stays.
    window.until(|app| app.ui_state().status.is_some());
    window.press(Key::I);
    assert!(window.harness.state().ui_state().is_playing);
    assert!(window.has("Record"));
}

/// Fails when a control cannot be reached by a screen reader or a test.
#[test]
fn every_control_is_there_by_its_label() {
    let mut window = Window::reader("maps");
    window.choose("Joint", "Left wrist");
    for label in [
        "Live",
        "Inspect",
        "Open file…",
        "Open folder…",
        "Open the sample clip",
        "Path",
        "Model",
        "Compare",
        "Joint",
        "None",
        "Heatmap",
        "Maps",
        "Query-key",
        "Fields",
        "Map",
        "Opacity",
        "Hide below",
        "Fixed range",
        "Smooth maps",
        "Skeleton",
        "Export PNG",
        "Export safetensors",
        "Export npy",
        "Ask where",
        "Back ten frames",
        "Previous frame",
        "Next frame",
        "Forward ten frames",
        "Time",
        "Time line",
        "Frame",
        "Store this frame",
        "Image",
        "score",
        "highest",
        "decoded",
    ] {
        assert!(window.has(label), "{label} is missing");
    }
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
    window.until(|app| {
        let reader = app.inspect().reader.as_ref().unwrap();
        reader.strip.iter().flatten().count() == N_FRAMES
    });
    assert!(window.has("Frame 0 at 0:00.00"));
}

/// Fails when a key goes to the wrong frame or past an end, or maps of another frame stay over the
/// image.
#[test]
fn keys_step_through_the_frames() {
    let mut window = Window::reader("maps");
    for (key, at) in [
        (Key::Period, 1),
        (Key::ArrowRight, 2),
        (Key::Comma, 1),
        (Key::ArrowLeft, 0),
        (Key::ArrowLeft, 0),
        (Key::End, 11),
        (Key::Period, 11),
        (Key::Home, 0),
    ] {
        window.press(key);
        window.until_frame(at);
        assert_eq!(u64::from(window.found(0).frame.rgba()[0]), at, "{key:?}");
    }
    window
        .harness
        .key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    window.harness.run_steps(2);
    window.until_frame(10);
    window.click("Back ten frames");
    window.until_frame(0);
    window.click("Next frame");
    window.until_frame(1);
}

/// Fails when the drawn values are not those of this frame's forward pass: of another frame, map,
/// joint or iteration, or modified.
#[test]
fn the_drawn_map_is_that_of_the_forward_pass() {
    let mut window = Window::reader("maps");
    window.press(Key::End);
    window.until_frame(11);
    let found = window.found(0);
    let maps = &found.regions[0].attention;
    // The map of the first layer, one plane for all joints.
    assert_eq!(window.drawn(0), [maps[2].map.values.to_vec()]);
    assert_eq!(maps[2].map, planes(1, 12.3));
    assert!(window.tells("A.sum in words. From -1 to 1: "));

    window.choose("Map", "b.field   b.field in words");
    // One plane per joint: nothing is drawn without a joint, and a hint is shown.
    assert!(window.drawn(0).is_empty());
    assert!(window.has("this map has one plane for each joint: pick a joint"));
    window.choose("Joint", "Left wrist");
    assert_eq!(window.drawn(0), [maps[1].map.plane(9).to_vec()]);
    window
        .harness
        .get_by_label("Iteration")
        .set_value_accesskit(1.0);
    window.harness.run_steps(2);
    assert_eq!(window.drawn(0), [maps[0].map.plane(9).to_vec()]);

    window.click("Heatmap");
    assert_eq!(
        window.drawn(0),
        [found.regions[0].heatmaps.plane(9).to_vec()]
    );
    window.click("None");
    assert!(window.drawn(0).is_empty());
}

/// Fails when the grid shows wrong rows, columns or heads of the attention matrix, or a click in it
/// enlarges the wrong thumbnail.
#[test]
fn self_attention_is_read_both_ways_head_by_head() {
    let mut window = Window::reader("tokens");
    assert!(window.has("pick a joint or a pixel"));
    window.choose("Joint", "Right hip");
    window.until(|app| app.inspect().slots[0].grid.is_some());
    let found = window.found(0);
    let layers = &found.regions[0].query_key;
    let hip = found.poses[0].keypoints_raw[12].point();
    let token = layers[0].token_at(hip).unwrap();
    // Initially the mean of the last layer.
    let mean = layers[1].dependency(token, None).unwrap();
    assert_eq!(window.drawn(0), [mean.values]);
    assert!(window.tells("Attention weights: "));
    window.click("Layer 0, head 1");
    let head = layers[0].dependency(token, Some(1)).unwrap();
    assert_eq!(window.drawn(0), [head.values]);
    window.click("Affected");
    window.until(|app| app.inspect().slots[0].shown.map.is_some());
    let threads = poselens_engine::nn::kernels::Threads::new(1).unwrap();
    let column = layers[0].affected(token, Some(1), &threads).unwrap();
    assert_eq!(window.drawn(0), [column.values]);
    for label in ["Layer 1, head 0", "Layer 1, mean of heads", "Dependency"] {
        assert!(window.has(label), "{label}");
    }
}

/// Fails when a network with self-attention only is reported to have no attention, or there is no
/// hint to open it in Inspect.
#[test]
fn the_live_view_hints_at_self_attention_in_inspect() {
    let mut window = Window::live();
    window.choose("Network", "tokens");
    window.click("Attention");
    window.until(|app| {
        let presented = app.ui_state().presented.as_ref();
        let output = presented.and_then(|p| p.output.as_ref());
        output.is_some_and(|output| !output.regions[0].query_key.is_empty())
    });
    window.click("Open in Inspect");
    window.until(|app| app.inspect().slots[0].found.is_some());
    assert!(window.has("pick a joint or a pixel"));
}

/// Fails when a click picks nothing, or a joint far away; when the values under the pointer are
/// those of another position.
#[test]
fn clicks_pick_joints_and_pixels_and_the_pointer_reads_values() {
    let mut window = Window::reader("maps");
    let picture = window.harness.get_by_label("Image").rect();
    // 32 x 24 pixels at the full width of the stage; the sixth joint is at (11.5, 8).
    let scale = picture.width() / SIZE.width as f32;
    let top = picture.center().y - scale * SIZE.height as f32 / 2.0;
    let place = |x: f32, y: f32| {
        let x = picture.left() + (x + 0.5) * scale;
        egui::pos2(x, top + (y + 0.5) * scale)
    };
    window.harness.hover_at(place(11.5, 8.2));
    window.harness.run_steps(2);
    let value = window.found(0).regions[0].attention[2].map.values[MAP.width + 1];
    let text = format!("map {value:.3}");
    assert!(
        window.harness.query_by_label_contains(&text).is_some(),
        "{text}"
    );
    let click = |window: &mut Window, at| {
        window.harness.hover_at(at);
        window.harness.drag_at(at);
        window.harness.drop_at(at);
        window.harness.run_steps(3);
    };
    click(&mut window, place(11.5, 8.2));
    let l_shoulder = Pick::Joint {
        name: "l_shoulder".to_owned(),
        person: 0,
    };
    assert_eq!(window.inspect().pick, Some(l_shoulder));
    // A double click would reset the zoom.
    window.harness.hover_at(place(7.0, 22.5));
    std::thread::sleep(Duration::from_millis(400));
    click(&mut window, place(7.0, 22.5));
    let Some(Pick::Pixel(at)) = window.inspect().pick else {
        panic!("{:?}", window.inspect().pick);
    };
    assert!(
        (at.x - 7.0).abs() < 0.2 && (at.y - 22.5).abs() < 0.2,
        "{at:?}"
    );
}

/// Fails when the double click that resets the zoom changes the pick.
#[test]
fn a_double_click_keeps_the_pick() {
    // Short time steps: two clicks a quarter of a second apart are not a double click.
    let mut window = Window::live_in(Harness::builder().with_step_dt(0.02));
    window.press(Key::I);
    window.until(|app| app.inspect().slots[0].found.is_some());
    window.choose("Joint", "Left wrist");
    let picked = window.inspect().pick.clone();
    assert!(picked.is_some());
    let place = window.harness.get_by_label("Image").rect().center() + egui::vec2(40.0, 33.0);
    let quick = |window: &mut Window| {
        window.harness.hover_at(place);
        // The pointer stays: moving it away would cancel the double click.
        for pressed in [true, false] {
            window.harness.event(egui::Event::PointerButton {
                pos: place,
                button: egui::PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            });
        }
        window.harness.step();
    };
    for _ in 0..2 {
        quick(&mut window);
        quick(&mut window);
        window.harness.run_steps(3);
        assert_eq!(window.inspect().pick, picked);
        // The next clicks must not count as the third and fourth.
        window.harness.run_steps(50);
    }
}

/// Fails when exports are missing, or do not contain what is on the screen.
#[test]
fn the_view_and_its_tensors_are_exported() {
    let mut window = Window::reader("maps");
    window.choose("Compare", "plain");
    window.until(|app| app.inspect().slots[1].found.is_some());
    for label in ["Export PNG", "Export safetensors", "Export npy"] {
        window.click(label);
        window.until(|app| {
            let status = app.ui_state().status.as_ref();
            status.is_some_and(|s| s.text.starts_with("Saved"))
        });
        if label != "Export PNG" {
            // A file or folder of each model, by name.
            assert!(window.says(" and ") && window.says("_plain"), "{label}");
        }
        window.click("Dismiss");
    }
    let names: Vec<_> = std::fs::read_dir(window.folder.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| !p.ends_with("pictures"))
        .collect();
    // One image of both, and a file and a folder of each.
    assert_eq!(names.len(), 5, "{names:?}");
    let tensors = names
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"));
    let read: Vec<_> = tensors
        .map(|p| candle_core::safetensors::load(p, &candle_core::Device::Cpu).unwrap())
        .collect();
    assert_eq!(read.len(), 2);
    let with_maps = read.iter().find_map(|t| t.get("region0.a.sum")).unwrap();
    let values: Vec<f32> = with_maps.flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(values, window.drawn(0)[0]);
}

/// Fails when an unusable file or model causes no message, or discards what was shown before.
#[test]
fn failures_show_a_message() {
    let mut window = Window::reader("maps");
    window.choose("Model", "broken");
    window.until(|app| app.inspect().slots[0].fault.is_some());
    let status = window.harness.state().ui_state().status.clone().unwrap();
    assert!(status.text.contains("damaged"), "{status:?}");
    assert!(window.has("Retry"));
    window.choose("Model", "plain");
    window.until(|app| app.inspect().slots[0].found.is_some());
    assert_eq!(window.harness.state().state().inspect.what, None);
    let found = window.found(0);
    assert_eq!(What::of(&found, &found.regions[0], None), What::Heatmap);
    window.open(Path::new("/there/is/no.mp4"));
    window.until(|app| app.ui_state().status.is_some());
    assert!(window.has("no.mp4 cannot be shown"));
}
