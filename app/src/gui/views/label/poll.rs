//! Receives the news of the view's threads.

use poselens_engine::Result;

use crate::gui::action::label::{Page, Pick};
use crate::gui::core::Core;
use crate::gui::picture::FrameCanvas;
use crate::gui::trained;
use crate::gui::ui_state::Level;
use crate::gui::views::label::frames::FrameThread;
use crate::gui::views::label::published::{News, Published};
use crate::gui::views::label::state::Label;

impl Label {
    /// Takes what has arrived since the last call.
    pub(super) fn follow_threads(&mut self, core: &mut Core) {
        let (before, name_before) = (self.folder(), self.own_name());
        for (level, text) in self.take_news() {
            core.ui_state.say(level, text);
        }
        for text in std::mem::take(&mut self.mended) {
            let status = &mut core.ui_state.status;
            status.take_if(|status| status.text == text);
        }
        let (now, name) = (self.folder(), self.own_name());
        let is_other = now != before;
        if let Some(folder) = now.filter(|_| is_other || name != name_before) {
            if let Some(project) = &self.project {
                trained::call_project(&folder, project.info.title());
            }
            let folder = folder.to_string_lossy().into_owned();
            core.state.label.remember(folder, name);
            if is_other {
                self.tell_of_training(core);
            }
        }
        for outcome in [self.take_frame(), self.follow_training(core)] {
            if let Err(error) = outcome {
                core.ui_state.say(Level::Error, error.to_string());
            }
        }
    }

    /// Returns the name of the open project if it is not that of its folder.
    fn own_name(&self) -> Option<String> {
        self.project.as_ref()?.info.file.name.clone()
    }

    /// Takes the news of the thread that owns the project; returns messages for the user.
    fn take_news(&mut self) -> Vec<(Level, String)> {
        let Some(thread) = &self.thread else {
            return Vec::new();
        };
        let News {
            is_changed,
            state,
            mut messages,
            mended,
            added,
            answered,
            training,
            is_version_new,
        } = thread.take_news();
        self.n_answered = answered;
        self.mended.extend(mended);
        self.finetune.starting.take_if(|sent| *sent <= answered);
        if let Some((run, project)) = training {
            self.finetune.follow_run(run, &project);
        }
        self.finetune.is_version_new |= is_version_new;
        self.added = added.or(self.added);
        self.remember_place();
        if is_changed {
            self.take_state(state);
        }
        if let Err(error) = self.follow_frame() {
            messages.push((Level::Error, error.to_string()));
        }
        self.repick();
        let is_made = |sent: u64| sent <= answered;
        self.preview.take_if(|p| p.sent.is_some_and(is_made));
        if answered >= self.n_sent {
            self.opening = None;
        }
        messages
    }

    fn take_state(&mut self, state: Option<Box<Published>>) {
        let before = self.folder();
        self.project = state;
        if self.folder() != before {
            self.at = None;
            self.pace.opened();
            self.picture = None;
            self.preview = None;
            self.pick = None;
            self.page = Page::Label;
            self.finetune.take_review(None);
        }
        let review = self.project.as_ref().and_then(|p| p.review.clone());
        if review.is_some() {
            self.finetune.take_review(review);
        }
    }

    /// Shows the frame that the thread shows, unless requests on the way may show another one.
    fn follow_frame(&mut self) -> Result<()> {
        let frame = self.project.as_ref().and_then(|p| p.frame.as_ref());
        let shown = frame.map(|frame| frame.at);
        if self.n_moved > self.n_answered || self.at == shown {
            return Ok(());
        }
        let Some(at) = shown else {
            self.at = None;
            return Ok(());
        };
        self.look_at(at)
    }

    /// Remembers the position of the picked person and joint in their lists.
    fn remember_place(&mut self) {
        let Some(pick) = self.pick else { return };
        let mut people = self.people().iter();
        if let Some(place) = people.position(|person| person.id == pick.person) {
            self.place = (place, pick.joint);
        }
    }

    /// Picks a person again after the labels or the frame changed: the one added last if that was
    /// asked for, the same one, or the one at the same place in the list. A person is always picked,
    /// so that every key has an object.
    fn repick(&mut self) {
        if self.frame().is_none() {
            return;
        }
        if let Some(person) = self.take_added() {
            let joint = None;
            self.pick = Some(Pick { person, joint });
        }
        if self.picked().is_some() {
            return;
        }
        let people = self.people();
        let (index, joint) = self.place;
        let person = people.get(index).or(people.last());
        self.pick = person.map(|person| Pick {
            person: person.id,
            joint,
        });
    }

    /// Returns the person who was added last once it is there, only once. A person in another frame
    /// than the shown one is not picked.
    fn take_added(&mut self) -> Option<u64> {
        let (at, person) = self.added?;
        let is_there = self.people().iter().any(|other| other.id == person);
        if is_there || self.at != Some(at) {
            self.added = None;
        }
        is_there.then_some(person)
    }

    fn take_frame(&mut self) -> Result<()> {
        let Some((at, decoded)) = self.frames.as_ref().and_then(FrameThread::take) else {
            return self.upload_again();
        };
        if at.is_none() {
            // The next frame starts it again.
            self.frames = None;
        } else if at != self.at {
            // An earlier request.
            return Ok(());
        }
        match (at, decoded) {
            (Some(at), Ok(picture)) => {
                self.picture = Some((at, picture));
                self.loupe = None;
                self.upload()?;
            }
            (_, Err(reason)) => self.fault = Some(reason),
            (None, Ok(_)) => {}
        }
        Ok(())
    }

    /// Uploads the image to a window on another device.
    fn upload_again(&mut self) -> Result<()> {
        if self.canvas.is_none() && self.picture.is_some() {
            self.upload()?;
        }
        Ok(())
    }

    fn upload(&mut self) -> Result<()> {
        let (Some(render), Some((_, picture))) = (&self.render, &self.picture) else {
            return Ok(());
        };
        let canvas = self.canvas.get_or_insert_with(|| FrameCanvas::new(render));
        canvas.upload(&picture.frame)
    }

    /// Uploads the image for the loupe, unless it is there.
    pub(super) fn prepare_loupe(&mut self) -> Result<()> {
        let (Some(render), Some((_, picture))) = (&self.render, &self.picture) else {
            return Ok(());
        };
        if self.loupe.is_none() {
            let canvas = FrameCanvas::new(render);
            canvas.upload(&picture.frame)?;
            self.loupe = Some(canvas);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crossbeam::channel::bounded;
    use poselens_engine::frame::{Frame, Pixels};
    use poselens_engine::geometry::{Point, Size};
    use poselens_engine::project::{FrameKey, JointState, NewProject, Project, template};
    use poselens_engine::record::save_png;

    use super::*;
    use crate::gui::action::label::Held;
    use crate::gui::state::label::Listed;
    use crate::gui::views::label::frames::Picture;
    use crate::gui::views::label::gesture::Gesture;
    use crate::gui::views::label::session::Session;
    use crate::gui::views::label::state::Preview;
    use crate::gui::views::label::thread::{ProjectThread, Request};
    use crate::gui::waker::Waker;

    const LISTED: Listed = Listed::Suggested;
    const LIMIT: Duration = Duration::from_mins(2);

    fn until(label: &mut Label, done: impl Fn(&Label) -> bool) {
        let begin = Instant::now();
        while !done(label) {
            assert!(begin.elapsed() < LIMIT, "{label:#?}");
            std::thread::sleep(Duration::from_millis(2));
            assert_eq!(label.take_news(), Vec::new());
        }
    }

    /// Fails when an edit is drawn as made before it is on disk, or its preview vanishes before.
    #[test]
    fn an_edit_is_drawn_once_it_is_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let size = Size::new(64, 48);
        let pixels = Pixels::unpooled(vec![255; size.area() * 4]);
        let frame = Frame::new(0, 0.0, size, pixels);
        save_png(&frame, &folder.path().join("clip/0.png")).unwrap();
        let place = folder.path().join("project");
        let new = NewProject {
            model: "sfm".to_owned(),
            clips: vec![folder.path().join("clip")],
            is_copied: false,
        };
        drop(Project::create(&place, &new).unwrap());

        // A thread that answers only when it is allowed to.
        let (allow, allowed) = bounded(16);
        let mut label = Label::new(Waker::default());
        let thread = ProjectThread::start(
            &label.waker,
            |outbox, requests| Session::new(outbox, requests, LISTED),
            move |session, request| {
                if request.is_some() {
                    allowed.recv().unwrap();
                }
                session.answer(request);
            },
        );
        label.thread = Some(thread.unwrap());
        label.send(Request::Open(place), LISTED).unwrap();
        allow.send(()).unwrap();
        until(&mut label, |label| label.frame().is_some());
        label.picture = Some((FrameKey::new(1, 0), Picture { frame, secs: 0.0 }));
        label.drawn = Some(FrameKey::new(1, 0));
        let skeleton = label.project.as_ref().unwrap().info.skeleton;
        let joints = template(skeleton, Point::new(32.0, 24.0), 40.0);
        label.make(Gesture::Add(joints), LISTED).unwrap();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(2));
            label.take_news();
            assert!(label.people().is_empty() && label.is_writing());
        }
        allow.send(()).unwrap();
        until(&mut label, |label| !label.is_writing());
        let was = label.people()[0].clone();
        assert_eq!(label.picked().map(|person| person.id), Some(was.id));

        let to = Point::new(7.25, 9.0);
        let held = Held::Joint {
            person: was.id,
            joint: 9,
            to,
        };
        label.preview = Some(Preview { held, sent: None });
        label.release(LISTED).unwrap();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(2));
            label.take_news();
            assert_eq!(label.people(), std::slice::from_ref(&was));
            assert_eq!(label.preview.map(|preview| preview.held), Some(held));
        }
        allow.send(()).unwrap();
        until(&mut label, |label| label.preview.is_none());
        assert_eq!(label.people()[0].joints[9].point(), to);
        assert_eq!(label.people()[0].state(9), Some(JointState::Touched));
        // The thread saves a snapshot when it ends.
        drop(label);
        assert!(folder.path().join("project/labels.coco.json").is_file());
    }
}
