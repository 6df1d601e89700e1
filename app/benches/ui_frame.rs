//! What a frame costs the window's own thread: reading news, laying out, tessellating, without
//! rasterising. `cargo bench --bench ui_frame`.
//!
//! A figure of 1280x720 plays at 30 frames a second, its poses come from a fake network that takes
//! no time, and every picture with its overlays goes through the real `App`. Printed is the time on
//! the processor, per picture that was shown; goal: 4 ms. The copy of the picture into its texture
//! is not among it: that needs a graphics device.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::App as _;
use eframe::egui::{self, Pos2, RawInput, Rect, ViewportId, ViewportInfo};
use poselens_app::gui::{App, GuiContext, ModelChoice};
use poselens_engine::device::DeviceSpec;
use poselens_engine::estimator::{Infer, Want};
use poselens_engine::frame::Frame;
use poselens_engine::geometry::Size;
use poselens_engine::output::{PoseOutput, Timings};
use poselens_engine::overlay::OVERLAYS;
use poselens_engine::pipeline::session::ModelRecord;
use poselens_engine::pose::{Keypoint, Pose};
use poselens_engine::skeleton::Skeleton;
use poselens_engine::source::{OpenOptions, SourceSpec};
use poselens_engine::train::Hardware;
use poselens_engine::{Error, Result};

const SIZE: Size = Size::new(1280, 720);
/// Pictures that are measured, after as many that are not.
const N_PICTURES: u32 = 300;

/// Finds a person at once, everywhere.
struct Instantly;

impl Infer for Instantly {
    fn infer(&mut self, frame: &Frame, _: Want) -> Result<PoseOutput> {
        let skeleton = Skeleton::by_name("coco17")
            .ok_or_else(|| Error::Invalid("no skeleton is called coco17".to_owned()))?;
        let joint = |i: usize| Keypoint {
            x: 500.0 + 20.0 * (i % 5) as f32 + (frame.id % 50) as f32,
            y: 100.0 + 30.0 * i as f32,
            score: 0.9,
        };
        let mut pose = Pose::from_keypoints((0..skeleton.n_joints()).map(joint).collect());
        pose.track_id = Some(1);
        Ok(PoseOutput {
            frame: frame.clone(),
            model: Arc::from("instantly"),
            skeleton,
            poses: vec![pose],
            regions: Vec::new(),
            timings: Timings::default(),
        })
    }
}

fn context() -> GuiContext {
    GuiContext {
        input: Some("synthetic:live".to_owned()),
        model: None,
        models: vec![ModelChoice {
            name: "instantly".to_owned(),
            help: "takes no time".to_owned(),
        }],
        overlays: OVERLAYS,
        device: "none".to_owned(),
        device_reason: "a fake network".to_owned(),
        sample_clip: None,
        synthetic: "synthetic".to_owned(),
        open_source: Arc::new(|text, _| {
            let options = OpenOptions {
                size: SIZE,
                ..OpenOptions::default()
            };
            SourceSpec::parse(text)?.open(&options)
        }),
        make_infer: Arc::new(|_| Ok(Box::new(Instantly))),
        describe_model: Arc::new(|name| ModelRecord {
            name: name.to_owned(),
            weights: String::new(),
            device: String::new(),
        }),
        list_cameras: Arc::new(|| Ok(Vec::new())),
        start_recording: Arc::new(|_, _| {
            Err(Error::Invalid("nothing is recorded here".to_owned()))
        }),
        recordings_folder: std::env::temp_dir().join("poselens-no-recordings"),
        hardware: Hardware {
            device: DeviceSpec::Cpu,
            threads: 1,
        },
        trainings_folder: std::env::temp_dir().join("poselens-no-trainings"),
        log: None,
        settings_file: None,
    }
}

/// Time that this thread has spent on the processor.
fn on_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// A window of 1280x800 points without a screen.
struct Window {
    ctx: egui::Context,
    frame: eframe::Frame,
    app: App,
    start: Instant,
}

impl Window {
    fn open() -> anyhow::Result<Self> {
        let ctx = egui::Context::default();
        let mut app = App::new(context())?;
        app.attach(&eframe::CreationContext::_new_kittest(ctx.clone()));
        Ok(Self {
            ctx,
            frame: eframe::Frame::_new_kittest(),
            app,
            start: Instant::now(),
        })
    }

    /// One pass, as eframe makes it; the number of meshes.
    fn pass(&mut self) -> usize {
        let viewport = ViewportInfo {
            native_pixels_per_point: Some(1.0),
            ..ViewportInfo::default()
        };
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, egui::vec2(1280.0, 800.0))),
            time: Some(self.start.elapsed().as_secs_f64()),
            viewports: std::iter::once((ViewportId::ROOT, viewport)).collect(),
            ..RawInput::default()
        };
        let (app, frame) = (&mut self.app, &mut self.frame);
        let mut output = self.ctx.run_ui(input, |ui| {
            app.logic(ui.ctx(), frame);
            app.ui(ui, frame);
        });
        let shapes = std::mem::take(&mut output.shapes);
        let meshes = self.ctx.tessellate(shapes, output.pixels_per_point);
        output.drop_without_applying_deltas();
        meshes.len()
    }

    fn shown(&self) -> Option<u64> {
        self.app.session().presented.as_ref().map(|p| p.frame.id)
    }
}

fn main() -> anyhow::Result<()> {
    let mut window = Window::open()?;
    let mut costs = Vec::new();
    let (mut seen, mut n_meshes) = (None, 0);
    while costs.len() < N_PICTURES as usize * 2 {
        let (wall, begin) = (Instant::now(), on_processor());
        n_meshes = window.pass();
        let cost = match (begin, on_processor()) {
            (Some(begin), Some(end)) => end.saturating_sub(begin),
            // Only Linux tells; elsewhere the machine must be idle.
            _ => wall.elapsed(),
        };
        if window.shown() != seen {
            seen = window.shown();
            costs.push(cost);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut measured = costs.split_off(N_PICTURES as usize);
    measured.sort_unstable();
    let millis = |share: f64| {
        let i = (share * (measured.len() - 1) as f64).round() as usize;
        measured[i].as_secs_f64() * 1e3
    };
    println!(
        "{} pictures of {SIZE}: p50 {:.2} ms, p95 {:.2} ms, most {:.2} ms of the window's thread \
         ({n_meshes} meshes)",
        measured.len(),
        millis(0.5),
        millis(0.95),
        millis(1.0),
    );
    Ok(())
}
