//! What the view's threads have found, and what the window makes of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui;
use poselens_engine::frame::Frame;

use super::task::take;
use super::{Faces, Page, Sheet, TrainAction, outcome};
use crate::gui::App;
use crate::gui::action::Action;
use crate::gui::panels::View;
use crate::gui::session::Level;

impl App {
    /// Reads what the view's threads have found.
    pub(in crate::gui) fn poll_train(&mut self, ctx: &egui::Context) {
        self.poll_data(ctx);
        let train = &mut self.train;
        if let Some(outcome) = take(&mut train.listing) {
            train.earlier = Some(outcome.unwrap_or_else(|error| {
                self.session.say(Level::Warning, error.to_string());
                Vec::new()
            }));
        }
        match take(&mut train.opening) {
            None => {}
            Some(Err(error)) => self.session.say(Level::Error, error.to_string()),
            Some(Ok(_)) if train.is_active() => {
                let text = "a training is running; look at others when it has ended";
                self.session.say(Level::Warning, text);
            }
            Some(Ok(story)) => {
                let usual = self.gui.trainings_folder.clone();
                self.state.train.remember(&story.folder, &usual);
                train.run = None;
                train.forget_story();
                train.story = Some(story);
                train.page = Page::Progress;
            }
        }
        self.poll_story(ctx);
    }

    fn poll_data(&mut self, ctx: &egui::Context) {
        let train = &mut self.train;
        if let Some(due) = train.check_due {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                if let Err(error) = self.check_data() {
                    self.session.say(Level::Error, error.to_string());
                }
            } else {
                ctx.request_repaint_after(left);
            }
        }
        let train = &mut self.train;
        if let Some(check) = &mut train.check {
            match take(&mut check.task) {
                None => ctx.request_repaint_after(Duration::from_millis(200)),
                Some(outcome) => {
                    train.check = None;
                    match outcome {
                        Ok((report, listed)) => {
                            (train.report, train.listed) = (Some(report), listed);
                        }
                        Err(error) => self.session.say(Level::Error, error.to_string()),
                    }
                }
            }
        }
        let answer = train.previewing.as_ref().and_then(|(task, _)| task.poll());
        if let Some(answer) = answer
            && let Some((_, config)) = train.previewing.take()
        {
            match answer {
                Ok(preview) => {
                    let texture = super::texture(ctx, "batch", &preview.sheet);
                    train.sheet = Some(Sheet {
                        preview,
                        config,
                        texture,
                    });
                }
                Err(error) => train.preview_fault = Some(error.to_string()),
            }
        }
    }

    fn poll_story(&mut self, ctx: &egui::Context) {
        let train = &mut self.train;
        let newer = train.run.as_ref().and_then(|r| r.board.newer(train.seen));
        if let Some((story, version)) = newer {
            let was_over = train.story.as_ref().is_some_and(|s| s.phase.is_over());
            let is_over = story.phase.is_over();
            train.seen = version;
            train.story = Some(story);
            if is_over && !was_over {
                // In this view the page itself says it.
                self.state.train.at_work = None;
                let told = train.story.as_ref().map(outcome::in_a_line);
                if let Some((level, text)) = told.filter(|_| self.view != View::Train) {
                    self.session.say(level, text);
                }
                self.run_action(Action::Train(TrainAction::List));
            }
        }
        let train = &mut self.train;
        let Some(story) = &train.story else { return };
        if story.phase.is_over() && train.is_active() {
            // Its thread is about to end, and wakes nobody by that.
            ctx.request_repaint_after(Duration::from_millis(50));
        }
        let all = [&story.before, &story.now, &story.after];
        for (faces, portraits) in train.faces.iter_mut().zip(all) {
            let Some(portraits) = portraits else {
                *faces = None;
                continue;
            };
            let is_shown = |f: &Faces| Arc::ptr_eq(&f.portraits, portraits);
            if !faces.as_ref().is_some_and(is_shown) {
                let upload = |(name, frames): &(String, [Frame; 2])| {
                    frames
                        .each_ref()
                        .map(|frame| super::texture(ctx, name, frame))
                };
                *faces = Some(Faces {
                    textures: portraits.people.iter().map(upload).collect(),
                    portraits: portraits.clone(),
                });
            }
        }
    }
}
