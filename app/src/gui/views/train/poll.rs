//! Handles results of the view's threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui;
use poselens_engine::frame::Frame;

use crate::gui::action::Action;
use crate::gui::action::train::{Page, TrainAction};
use crate::gui::background::take;
use crate::gui::core::Core;
use crate::gui::ui_state::Level;
use crate::gui::views::train::results::outcome;
use crate::gui::views::train::state::{BatchPreview, HeldOutTextures, ID, Train, texture};

impl Train {
    /// Receives results of the view's threads.
    pub(super) fn poll_train(&mut self, core: &mut Core, ctx: &egui::Context) {
        self.poll_data(core, ctx);
        if let Some(outcome) = take(&mut self.listing) {
            self.earlier = Some(outcome.unwrap_or_else(|error| {
                core.ui_state.say(Level::Warning, error.to_string());
                Vec::new()
            }));
        }
        match take(&mut self.opening) {
            None => {}
            Some(Err(error)) => core.ui_state.say(Level::Error, error.to_string()),
            Some(Ok(_)) if self.is_active() => {
                let text = "a training is running; open another one when it has ended";
                core.ui_state.say(Level::Warning, text);
            }
            Some(Ok(progress)) => {
                let usual = core.gui.trainings_folder.clone();
                core.state.train.remember(&progress.folder, &usual);
                self.run = None;
                self.forget_progress();
                self.progress = Some(progress);
                self.page = Page::Progress;
            }
        }
        self.poll_progress(core, ctx);
    }

    fn poll_data(&mut self, core: &mut Core, ctx: &egui::Context) {
        if let Some(due) = self.check_due {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                if let Err(error) = self.check_data(core) {
                    core.ui_state.say(Level::Error, error.to_string());
                }
            } else {
                ctx.request_repaint_after(left);
            }
        }
        if let Some(check) = &mut self.check {
            match take(&mut check.task) {
                None => ctx.request_repaint_after(Duration::from_millis(200)),
                Some(outcome) => {
                    self.check = None;
                    match outcome {
                        Ok((report, listed)) => {
                            (self.report, self.listed) = (Some(report), listed);
                        }
                        Err(error) => core.ui_state.say(Level::Error, error.to_string()),
                    }
                }
            }
        }
        let answer = self.previewing.as_ref().and_then(|(task, _)| task.poll());
        if let Some(answer) = answer
            && let Some((_, config)) = self.previewing.take()
        {
            match answer {
                Ok(preview) => {
                    let texture = texture(ctx, "batch", &preview.sheet.frame);
                    self.batch = Some(BatchPreview {
                        preview,
                        config,
                        texture,
                    });
                }
                Err(error) => self.preview_fault = Some(error.to_string()),
            }
        }
    }

    fn poll_progress(&mut self, core: &mut Core, ctx: &egui::Context) {
        let newer = self.run.as_ref().and_then(|r| r.shared.newer(self.seen));
        if let Some((progress, version)) = newer {
            let was_over = self.progress.as_ref().is_some_and(|s| s.phase.is_over());
            let is_over = progress.phase.is_over();
            self.seen = version;
            self.progress = Some(progress);
            if is_over && !was_over {
                // In this view the page itself reports the end.
                core.state.train.at_work = None;
                let told = self.progress.as_ref().map(outcome::in_a_line);
                if let Some((level, text)) = told.filter(|_| core.ui_state.view != ID) {
                    core.ui_state.say(level, text);
                }
                core.run_action(Action::Train(TrainAction::List));
            }
        }
        let Some(progress) = &self.progress else {
            return;
        };
        if progress.phase.is_over() && self.is_active() {
            // The training thread is about to end, which does not wake the window.
            ctx.request_repaint_after(Duration::from_millis(50));
        }
        let all = [&progress.before, &progress.now, &progress.after];
        for (held_out, held_out_images) in self.held_out.iter_mut().zip(all) {
            let Some(held_out_images) = held_out_images else {
                *held_out = None;
                continue;
            };
            let is_shown = |f: &HeldOutTextures| Arc::ptr_eq(&f.held_out_images, held_out_images);
            if !held_out.as_ref().is_some_and(is_shown) {
                let upload = |(name, frames): &(String, [Frame; 2])| {
                    frames.each_ref().map(|frame| texture(ctx, name, frame))
                };
                *held_out = Some(HeldOutTextures {
                    textures: held_out_images.people.iter().map(upload).collect(),
                    held_out_images: held_out_images.clone(),
                });
            }
        }
    }
}
