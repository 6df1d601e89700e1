//! Opening the window.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use eframe::egui;

use crate::gui::app::App;
use crate::gui::context::GuiContext;
use crate::gui::display::Display;
use anyhow::Context as _;
use poselens_engine::concurrency::StopFlag;

/// A device that is lost again this often is broken; starting over would not help.
const MAX_REBUILDS: u32 = 3;

/// The app while a window shows it. When the graphics device is lost (suspend, a change of
/// GPU) the window is closed and the app moves on into a new one; the workers never notice.
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
/// When there is no screen, no way to draw on it, or the graphics device is lost for good.
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
                    let mut app = take(&for_shell).ok_or("the window is open already")?;
                    app.attach(cc);
                    Ok(Box::new(Shell {
                        app: Some(app),
                        home: for_shell,
                    }))
                }),
            )
        };
        // A device lost in the middle of drawing makes egui panic.
        let shown = catch_unwind(AssertUnwindSafe(show));
        let Some(mut app) = take(&home) else {
            anyhow::bail!("the window cannot be opened: {}", reason(shown));
        };
        // winit cannot open a second window after a panic in the first.
        if !app.take_device_loss() || shown.is_err() {
            // Closes a running recording, also after a panic.
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

/// Ctrl+C, the end of a login or of a container closes the window as its button does; asked a
/// second time, the program ends at once, and a recording plays up to its last fragment.
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

/// Why a window ended, in one line.
fn reason(shown: std::thread::Result<eframe::Result>) -> String {
    match shown {
        Ok(Ok(())) => "it was closed before it opened".to_owned(),
        Ok(Err(error)) => format!("{error}; see `poselens doctor` for graphics devices"),
        Err(_) => "drawing broke off (see the log); recordings were closed, start PoseLens again"
            .to_owned(),
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
    // One frame in the queue instead of two: a refresh period less between camera and screen.
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
