//! Runs the actions that pick and edit.

use std::cmp::Ordering;
use std::time::Instant;

use poselens_engine::geometry::{BBox, Point};
use poselens_engine::project::{FrameKey, Joint, template};
use poselens_engine::{Error, Result};

use crate::gui::action::label::{Held, LabelAction, Pick};
use crate::gui::state::label::Listed;
use crate::gui::views::label::gesture::Gesture;
use crate::gui::views::label::model::Model;
use crate::gui::views::label::state::{Label, Preview, failed, no_project};
use crate::gui::views::label::thread::{NewPerson, Request};

/// Height of a new person as a share of the image, if no other person gives a size.
const HEIGHT: f64 = 0.6;

impl Label {
    /// Runs an action that picks or edits; any other one does nothing.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn run_edit(&mut self, action: &LabelAction, listed: Listed) -> Result<()> {
        match *action {
            LabelAction::Pick(pick) => self.pick = pick.or(self.pick),
            LabelAction::NextJoint(n) => self.next_joint(n),
            LabelAction::NextPerson(n) => self.next_person(n),
            LabelAction::Drawn(at) => self.drawn = Some(at),
            LabelAction::Hold(held) => self.hold(held)?,
            LabelAction::Release => self.release(listed)?,
            LabelAction::Place(pick, to) => {
                if let Some(joint) = pick.joint {
                    self.make(Gesture::Place(pick.person, joint, to), listed)?;
                }
            }
            LabelAction::Nudge(x, y) => match self.picked_joint() {
                Some((person, joint)) => {
                    self.make(Gesture::Nudge(person.id, joint, [x, y]), listed)?;
                }
                None => self.step(frames_of(x), listed)?,
            },
            LabelAction::Cycle(pick) => {
                self.seen()?;
                let none = "pick a joint first: click it, or press Tab";
                let pick = pick.or(self.pick).ok_or_else(|| failed(none))?;
                let joint = pick.joint.ok_or_else(|| failed(none))?;
                self.make(Gesture::Cycle(pick.person, joint), listed)?;
            }
            LabelAction::Person(change) => {
                self.seen()?;
                let person = self.picked().map(|person| person.id);
                let none = "no person in this frame; N adds one";
                let person = person.ok_or_else(|| failed(none))?;
                self.make(Gesture::Change(person, change), listed)?;
            }
            LabelAction::Point(point) => self.pointer = point,
            LabelAction::Copy => self.make(Gesture::Copy, listed)?,
            LabelAction::Fill => self.make(Gesture::Fill, listed)?,
            LabelAction::Accept(goes_on) => {
                self.release(listed)?;
                let at = self.seen()?;
                if !self.frame().is_some_and(|frame| frame.labels.is_accepted) {
                    self.pace.accepted(Instant::now());
                }
                self.move_with(Request::Accept { at, goes_on }, listed)?;
            }
            LabelAction::Undo => self.undo(listed)?,
            LabelAction::Redo => self.move_with(Request::Redo, listed)?,
            _ => {}
        }
        Ok(())
    }

    /// Sends an edit of the shown frame.
    pub(super) fn make(&mut self, gesture: Gesture, listed: Listed) -> Result<()> {
        self.release(listed)?;
        let at = self.seen()?;
        self.send(Request::Make(at, gesture), listed)?;
        Ok(())
    }

    /// Refuses an action that edits if it follows a refused key at once.
    ///
    /// # Errors
    /// The reason for which that key was refused.
    pub(super) fn admit(&mut self, action: &LabelAction) -> Result<()> {
        let is_edit = match action {
            // Without a joint it shows another frame.
            LabelAction::Nudge(..) => self.picked_joint().is_some(),
            LabelAction::Cycle(_)
            | LabelAction::Person(_)
            | LabelAction::AddPerson
            | LabelAction::Copy
            | LabelAction::Fill
            | LabelAction::Accept(_)
            | LabelAction::Undo
            | LabelAction::Redo => true,
            LabelAction::Step(_)
            | LabelAction::NextSuggested(_)
            | LabelAction::NextJoint(_)
            | LabelAction::NextPerson(_) => false,
            // These are sent by the pointer, or by the view itself.
            _ => return Ok(()),
        };
        self.burst.press(Instant::now(), is_edit)
    }

    /// Returns the shown frame, so that nothing is edited unseen.
    fn seen(&mut self) -> Result<FrameKey> {
        if self.project.is_none() {
            return Err(no_project());
        }
        let none = || failed("this project has no clips; add one on the right");
        let at = self.at.ok_or_else(none)?;
        if let Some(fault) = &self.fault {
            let frame = at.frame;
            let text = format!("frame {frame} cannot be shown, and nothing was changed: {fault}");
            return Err(Error::Failed(text));
        }
        if self.drawn != Some(at) || self.shown_picture().is_none() || self.frame().is_none() {
            let text = format!("frame {} is not shown yet; nothing was changed", at.frame);
            self.burst.refuse(Instant::now(), &text);
            return Err(Error::Failed(text));
        }
        Ok(at)
    }

    /// Shows a change that is not made yet.
    fn hold(&mut self, held: Held) -> Result<()> {
        if self.shown_picture().is_none() {
            return Ok(());
        }
        self.preview = Some(Preview { held, sent: None });
        if matches!(held, Held::Joint { .. }) {
            self.prepare_loupe()?;
        }
        Ok(())
    }

    /// Takes back the change that is held, else undoes the last edit.
    fn undo(&mut self, listed: Listed) -> Result<()> {
        let held = self.preview.take_if(|preview| preview.sent.is_none());
        if held.is_some() {
            return Ok(());
        }
        self.move_with(Request::Undo, listed)
    }

    /// Makes the change that is held.
    pub(super) fn release(&mut self, listed: Listed) -> Result<()> {
        let Some(preview) = self.preview.filter(|preview| preview.sent.is_none()) else {
            return Ok(());
        };
        self.preview = None;
        let gesture = match preview.held {
            Held::Joint { person, joint, to } => Gesture::Place(person, joint, to),
            Held::Person { person, by } => Gesture::Transform(person, by),
        };
        let at = self.seen()?;
        let sent = self.send(Request::Make(at, gesture), listed)?;
        self.preview = Some(Preview {
            sent: Some(sent),
            ..preview
        });
        Ok(())
    }

    /// Adds a person at the pointer, else in the middle of the visible part, where `model` finds one.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn add_person(&mut self, model: Model, listed: Listed) -> Result<()> {
        self.release(listed)?;
        let at = self.seen()?;
        let picture = self.shown_picture().ok_or_else(no_project)?;
        let point = self.pointer.unwrap_or_else(|| self.middle());
        let new = NewPerson {
            at,
            frame: picture.frame.clone(),
            point,
            template: self.new_person(point).ok_or_else(no_project)?,
        };
        self.send(Request::AddPerson(Box::new(new), model), listed)?;
        Ok(())
    }

    fn next_joint(&mut self, n: i8) {
        let Some(person) = self.picked() else {
            return;
        };
        let count = person.joints.len() as i64;
        let now = self.pick.and_then(|pick| pick.joint);
        let next = match now {
            Some(joint) => joint as i64 + i64::from(n),
            None if n > 0 => 0,
            None => count - 1,
        };
        let person = person.id;
        let joint = next.checked_rem_euclid(count).map(|joint| joint as usize);
        self.pick = Some(Pick { person, joint });
    }

    fn next_person(&mut self, n: i8) {
        let people = self.people();
        let picked = self.pick.map(|pick| pick.person);
        let at = people.iter().position(|p| Some(p.id) == picked);
        let next = at.map_or(0, |at| at as i64 + i64::from(n));
        let next = next.checked_rem_euclid(people.len() as i64);
        let next = next.and_then(|next| people.get(next as usize));
        let joint = self.pick.and_then(|pick| pick.joint);
        self.pick = next.map(|person| Pick {
            person: person.id,
            joint,
        });
    }

    /// Returns the middle of the visible part.
    fn middle(&self) -> Point {
        let ([x, y], size) = (self.zoom.center, self.size());
        Point::new(x * size.width as f64, y * size.height as f64)
    }

    /// Returns a standing person around a point, as large as the others.
    fn new_person(&self, center: Point) -> Option<Vec<Joint>> {
        let skeleton = self.project.as_ref()?.info.skeleton;
        let size = self.size();
        let mut heights: Vec<f64> = self
            .people()
            .iter()
            .filter_map(|person| {
                let bbox = BBox::around(person.joints.iter().filter_map(Joint::labelled))?;
                Some(bbox.h.max(bbox.w))
            })
            .collect();
        heights.sort_by(f64::total_cmp);
        let usual = heights.get(heights.len() / 2).copied();
        let height = usual.unwrap_or(HEIGHT * size.height as f64).max(8.0);
        Some(template(skeleton, center, height))
    }
}

/// Returns by how many frames an arrow key steps that moves a joint by `x` pixels.
fn frames_of(x: f64) -> i64 {
    let n = if x.abs() < 1.0 { 10 } else { 1 };
    match x.partial_cmp(&0.0) {
        Some(Ordering::Less) => -n,
        Some(Ordering::Greater) => n,
        _ => 0,
    }
}
