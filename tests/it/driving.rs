//! Helpers for tests that operate the window of a whole [`App`].

use std::time::{Duration, Instant};

use eframe::egui::Key;
use egui_kittest::kittest::Queryable;
use egui_kittest::{Harness, HarnessBuilder};
use poselens_app::gui::views::inspect::Inspect;
use poselens_app::gui::views::train::Train;
use poselens_app::gui::{App, GuiContext};
use poselens_tests::PATIENCE;

/// Opens the window of a context.
pub(crate) fn open_app(builder: HarnessBuilder<App>, gui: GuiContext) -> Harness<'static, App> {
    builder.build_eframe(|cc| {
        let mut app = App::new(gui).unwrap();
        app.attach(cc);
        app
    })
}

/// Access to the states of the views.
pub(crate) trait Views {
    fn inspect(&self) -> &Inspect;
    fn train(&self) -> &Train;
}

impl Views for App {
    fn inspect(&self) -> &Inspect {
        self.view().unwrap()
    }

    fn train(&self) -> &Train {
        self.view().unwrap()
    }
}

pub(crate) trait Drive {
    fn harness(&mut self) -> &mut Harness<'static, App>;

    /// Returns the text printed when a wait times out.
    fn describe(&self) -> String;

    /// Steps until `done`.
    #[track_caller]
    fn until(&mut self, done: impl Fn(&App) -> bool) {
        let start = Instant::now();
        while !done(self.harness().state()) {
            assert!(start.elapsed() < PATIENCE, "{}", self.describe());
            std::thread::sleep(Duration::from_millis(5));
            self.harness().step();
        }
        self.harness().run_steps(3);
    }

    #[track_caller]
    fn click(&mut self, label: &str) {
        self.harness().get_by_label(label).click();
        self.harness().run_steps(3);
    }

    fn press(&mut self, key: Key) {
        self.harness().key_press(key);
        self.harness().run_steps(3);
    }
}
