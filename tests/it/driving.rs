//! Helpers for tests that operate the window of a whole [`App`].

use std::time::{Duration, Instant};

use eframe::egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use poselens_app::gui::App;
use poselens_app::gui::views::inspect::Inspect;
use poselens_app::gui::views::train::Train;
use poselens_tests::PATIENCE;

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
