//! What a frame costs the window's own thread: reading news, laying out, tessellating, without
//! rasterising. `cargo bench --bench ui_frame`.
//!
//! A figure of 1280x720 plays at 30 frames a second, its poses come from a fake network that takes
//! no time, and every picture with its overlays goes through the real `App`. Printed is what a
//! picture that was shown costs; goal: 4 ms. The copy of the picture into its texture
//! is not among it: that needs a graphics device.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eframe::App as _;
use eframe::egui::{self, Pos2, RawInput, Rect, ViewportId, ViewportInfo};
use poselens_app::gui::{App, DeviceChoice, GuiContext, ModelChoice};
use poselens_engine::device::DeviceSpec;
use poselens_engine::estimator::{Infer, RequestedMaps};
use poselens_engine::frame::Frame;
use poselens_engine::geometry::Size;
use poselens_engine::output::{PeopleCount, PoseOutput, Timings};
use poselens_engine::overlay::OVERLAYS;
use poselens_engine::pipeline::session::ModelRecord;
use poselens_engine::pose::{Keypoint, Pose};
use poselens_engine::skeleton::Skeleton;
use poselens_engine::source::{OpenOptions, SourceSpec};
use poselens_engine::train::Hardware;
use poselens_engine::{Error, Result};

const SIZE: Size = Size::new(1280, 720);
/// Pictures that are measured, after as many that are not.
const N_PICTURES: usize = 300;

/// Finds a person at once, everywhere.
struct Instantly;

impl Infer for Instantly {
    fn infer(&mut self, frame: &Frame, _: RequestedMaps) -> Result<PoseOutput> {
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
            people: PeopleCount::default(),
        })
    }
}

fn context() -> GuiContext {
    GuiContext {
        input: Some("synthetic:live".to_owned()),
        project: None,
        model: None,
        models: vec![ModelChoice {
            name: "instantly".to_owned(),
            help: "takes no time".to_owned(),
        }],
        overlays: OVERLAYS,
        devices: vec![DeviceChoice {
            name: "none".to_owned(),
            why: "a fake network".to_owned(),
        }],
        people: None,
        follow: None,
        sample_clip: None,
        synthetic: "synthetic".to_owned(),
        open_source: Arc::new(|text, _| {
            let options = OpenOptions {
                size: SIZE,
                ..OpenOptions::default()
            };
            SourceSpec::parse(text)?.open(&options)
        }),
        make_infer: Arc::new(|_, _, _| Ok(Box::new(Instantly))),
        describe_model: Arc::new(|name| ModelRecord {
            name: name.to_owned(),
            weights: String::new(),
            device: String::new(),
        }),
        list_cameras: Arc::new(|| Ok(Vec::new())),
        start_recording: Arc::new(|_, _, _| {
            Err(Error::Invalid("nothing is recorded here".to_owned()))
        }),
        recordings_folder: std::env::temp_dir().join("poselens-no-recordings"),
        hardware: Hardware {
            device: DeviceSpec::Cpu,
            threads: 1,
        },
        projects_folder: std::env::temp_dir().join("poselens-no-projects"),
        trainings_folder: std::env::temp_dir().join("poselens-no-trainings"),
        log: None,
        settings_file: None,
    }
}

/// Time that this thread has spent on the processor, on Linux. It is brought up to date when the
/// thread sleeps: good for sums, not for single passes.
fn on_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// When the next pass is due.
#[derive(Default)]
struct Due {
    at: Mutex<Option<Instant>>,
    is_sooner: Condvar,
}

impl Due {
    fn ask(&self, delay: Duration) {
        let wanted = Instant::now().checked_add(delay);
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        *at = match (*at, wanted) {
            (Some(at), Some(wanted)) => Some(at.min(wanted)),
            (at, wanted) => at.or(wanted),
        };
        self.is_sooner.notify_one();
    }

    /// Sleeps until then.
    fn wait(&self) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            let left = at.map_or(Duration::from_secs(1), |at| {
                at.saturating_duration_since(now)
            });
            if left.is_zero() {
                *at = None;
                return;
            }
            let woken = self.is_sooner.wait_timeout(at, left);
            at = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A window of 1280x800 points without a screen.
struct Window {
    ctx: egui::Context,
    frame: eframe::Frame,
    app: App,
    start: Instant,
    due: Arc<Due>,
}

impl Window {
    fn open() -> anyhow::Result<Self> {
        let ctx = egui::Context::default();
        let due = Arc::new(Due::default());
        let asked = Arc::clone(&due);
        ctx.set_request_repaint_callback(move |info| asked.ask(info.delay));
        let mut app = App::new(context())?;
        app.attach(&eframe::CreationContext::_new_kittest(ctx.clone()));
        Ok(Self {
            ctx,
            frame: eframe::Frame::_new_kittest(),
            app,
            start: Instant::now(),
            due,
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
        self.app.ui_state().presented.as_ref().map(|p| p.frame.id)
    }
}

/// What was measured.
struct Measured {
    /// Time on the processor for all of it; `None` where the system does not tell.
    on_processor: Option<Duration>,
    /// Time on the clock of each pass that brought a new picture, sorted.
    passes: Vec<Duration>,
    /// Passes in all.
    n_passes: usize,
}

/// Shows `n` pictures; makes a pass only when one is asked for, as eframe does.
fn show(window: &mut Window, n: usize) -> Measured {
    let begin = on_processor();
    let mut passes = Vec::with_capacity(n);
    let mut n_passes = 0;
    let mut seen = window.shown();
    while passes.len() < n {
        window.due.wait();
        n_passes += 1;
        let start = Instant::now();
        window.pass();
        if window.shown() != seen {
            seen = window.shown();
            passes.push(start.elapsed());
        }
    }
    passes.sort_unstable();
    Measured {
        on_processor: on_processor()
            .zip(begin)
            .map(|(end, begin)| end.saturating_sub(begin)),
        passes,
        n_passes,
    }
}

fn main() -> anyhow::Result<()> {
    let mut window = Window::open()?;
    window.pass();
    show(&mut window, N_PICTURES);
    let measured = show(&mut window, N_PICTURES);
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let at = |share: f64| {
        let i = (share * (N_PICTURES - 1) as f64).round() as usize;
        millis(measured.passes[i])
    };
    println!(
        "{N_PICTURES} pictures of {SIZE}, {} meshes: a pass takes p50 {:.2} ms, p95 {:.2} ms",
        window.pass(),
        at(0.5),
        at(0.95),
    );
    if let Some(time) = measured.on_processor {
        println!(
            "time of the window's thread on the processor: {:.2} ms per picture, in {} passes",
            millis(time) / N_PICTURES as f64,
            measured.n_passes
        );
    }
    Ok(())
}
