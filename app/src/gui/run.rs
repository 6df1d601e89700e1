//! Opens the window and runs the event loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use eframe::egui;

use crate::gui::app::App;
use crate::gui::context::GuiContext;
use crate::gui::display::Display;
use anyhow::Context as _;
use poselens_engine::concurrency::StopFlag;

/// Number of device losses after which the GPU is considered broken and the window is not rebuilt.
const MAX_REBUILDS: u32 = 3;

/// Holds the app while a window shows it. When the GPU device is lost (suspend, switch of GPU), the
/// window closes and the app moves to a new one; the worker threads keep running.
struct Shell {
    app: Option<App>,
    home: Arc<Mutex<Option<App>>>,
}

impl Drop for Shell {
    fn drop(&mut self) {
        *self.home.lock().unwrap_or_else(PoisonError::into_inner) = self.app.take();
    }
}

impl eframe::App for Shell {
    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        if let Some(app) = &mut self.app {
            app.logic(ctx, frame);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        if let Some(app) = &mut self.app {
            app.ui(ui, frame);
        }
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        self.app
            .as_ref()
            .map_or([0.0; 4], |app| app.clear_color(visuals))
    }
}

/// Shows the window on `display` until it is closed.
///
/// # Errors
/// If there is no display, drawing is not possible, or the GPU device is lost repeatedly.
pub fn run(gui: GuiContext, display: &Display) -> anyhow::Result<()> {
    anyhow::ensure!(
        display.is_available(),
        "{}; use `poselens run --input SPEC`",
        display.reason()
    );
    let app = App::new(gui)?;
    close_on_signal(app.closer())?;
    let home = Arc::new(Mutex::new(Some(app)));
    let take =
        |home: &Mutex<Option<App>>| home.lock().unwrap_or_else(PoisonError::into_inner).take();
    for _ in 0..=MAX_REBUILDS {
        let for_shell = Arc::clone(&home);
        let show = || {
            eframe::run_native(
                "PoseLens",
                options(display),
                Box::new(move |cc| {
                    let mut app = take(&for_shell).ok_or("the window is already open")?;
                    app.attach(cc);
                    Ok(Box::new(Shell {
                        app: Some(app),
                        home: for_shell,
                    }))
                }),
            )
        };
        // egui panics if the device is lost while drawing.
        let shown = catch_unwind(AssertUnwindSafe(show));
        let Some(mut app) = take(&home) else {
            anyhow::bail!("the window cannot be opened: {}", reason(shown));
        };
        // winit cannot open a second window after a panic in the first.
        if !app.take_device_loss() || shown.is_err() {
            // Finalises a running recording, also after a panic.
            app.finish();
            anyhow::ensure!(
                matches!(shown, Ok(Ok(()))),
                "the window failed: {}",
                reason(shown)
            );
            return Ok(());
        }
        *home.lock().unwrap_or_else(PoisonError::into_inner) = Some(app);
    }
    if let Some(app) = take(&home) {
        app.finish();
    }
    anyhow::bail!("the GPU was lost repeatedly; check its driver")
}

/// Makes Ctrl+C, logout and container shutdown close the window without a question. A second signal
/// ends the program at once, and a recording remains playable up to its last fragment.
fn close_on_signal(close: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let stop = StopFlag::new();
    ctrlc::set_handler(move || {
        if stop.is_stopped() {
            std::process::exit(130);
        }
        stop.stop();
        close();
    })
    .context("cannot watch for signals")
}

/// Returns in one line why a window ended.
fn reason(shown: std::thread::Result<eframe::Result>) -> String {
    match shown {
        Ok(Ok(())) => "it was closed before it opened".to_owned(),
        Ok(Err(error)) => format!("{error}; see `poselens doctor` for graphics devices"),
        Err(_) => {
            "drawing failed (see the log); recordings were closed, restart PoseLens".to_owned()
        }
    }
}

fn options(display: &Display) -> eframe::NativeOptions {
    let mut options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("PoseLens")
            .with_app_id("poselens")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([880.0, 560.0]),
        ..eframe::NativeOptions::default()
    };
    // One queued frame instead of two: one refresh period less latency between camera and screen.
    options.wgpu_options.surface = eframe::egui_wgpu::SurfaceConfig::LOW_LATENCY;
    #[cfg(all(unix, not(target_os = "macos")))]
    if *display == Display::X11 {
        use winit::platform::x11::EventLoopBuilderExtX11 as _;
        options.event_loop_builder = Some(Box::new(|builder| {
            builder.with_x11();
        }));
    }
    #[cfg(not(all(unix, not(target_os = "macos"))))]
    let _ = display;
    options
}
