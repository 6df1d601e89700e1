//! The gestures of the pointer over the image.

use eframe::egui::{Event, Id, MouseWheelUnit, PointerButton, Pos2, Response, Ui, Vec2};
use poselens_engine::geometry::{Affine2, Point};
use poselens_shaders::view::Zoom;

use crate::gui::action::Action;
use crate::gui::action::label::{Held, LabelAction, PersonChange, Pick};
use crate::gui::views::label::commands::{SCALE, TURN};
use crate::gui::views::label::gesture::{middle, place};
use crate::gui::views::label::hit::{joint_near, person_at};
use crate::gui::views::label::state::LabelContext;
use crate::gui::zoom::{Placed, wanted_zoom};

/// Distance in points at which the pointer grabs a joint or person.
const REACH: f32 = 14.0;
/// Points of the wheel per notch.
const NOTCH: f32 = 50.0;

/// What the pressed pointer holds.
#[derive(Debug, Clone, Copy)]
enum Grab {
    /// A joint, at this distance from the pointer.
    Joint {
        person: u64,
        joint: usize,
        offset: (f64, f64),
    },
    /// A person, grabbed at this point.
    Person { person: u64, from: Point },
}

/// What the pressed pointer holds, and since when.
#[derive(Debug, Clone, Copy)]
struct Grabbed {
    grab: Grab,
    /// Place of the press.
    from: Pos2,
    /// Whether the pointer has moved further than in a click.
    is_dragged: bool,
}

/// The pointer over the image.
pub(super) struct Gestures<'a> {
    pub response: &'a Response,
    pub placed: Placed,
    pub grab_id: Id,
}

impl Gestures<'_> {
    /// Handles presses, drags, clicks and the wheel; returns what is held now.
    pub(super) fn run_ui(&self, ui: &Ui, cx: &mut LabelContext<'_>) -> Option<Held> {
        let is_alt = ui.input(|i| i.modifiers.alt);
        self.buttons(ui, cx);
        let mut held = self.drag(ui, cx);
        self.click(is_alt, cx);
        if let Some(now) = self.wheel(ui, is_alt, cx) {
            held = Some(now);
            send(cx, LabelAction::Hold(now));
        } else if !is_alt && self.grabbed(ui).is_none() {
            // Turned by the wheel until the key was released.
            let is_held = cx
                .view
                .preview
                .is_some_and(|preview| preview.sent.is_none());
            if is_held {
                send(cx, LabelAction::Release);
            }
        }
        held
    }

    /// Handles presses and releases at the places where they were made. While the window is drawn
    /// slowly, a whole drag may lie between two frames: egui reports neither a drag nor a click then,
    /// and the pointer is already elsewhere.
    fn buttons(&self, ui: &Ui, cx: &mut LabelContext<'_>) {
        let click_reach = ui.options(|o| o.input_options.max_click_dist);
        let events = ui.input(|i| primary_events(&i.events));
        for (at, is_alt, is_pressed) in events {
            let before = self.grabbed(ui);
            ui.data_mut(|d| d.remove::<Grabbed>(self.grab_id));
            if is_pressed {
                let layer = ui.ctx().layer_id_at(at);
                let is_here = self.response.interact_rect.contains(at)
                    && layer == Some(self.response.layer_id);
                let grab = is_here.then(|| self.grab(at, is_alt, cx)).flatten();
                if let Some(grab) = grab {
                    let from = at;
                    let is_dragged = false;
                    self.keep(
                        ui,
                        Grabbed {
                            grab,
                            from,
                            is_dragged,
                        },
                    );
                }
            } else if let Some(before) = before
                && (before.is_dragged || before.from.distance(at) > click_reach)
            {
                let held = dragged(before.grab, self.placed.to_image(at));
                send(cx, LabelAction::Hold(held));
                send(cx, LabelAction::Release);
            }
        }
        if !ui.input(|i| i.pointer.any_down()) {
            ui.data_mut(|d| d.remove::<Grabbed>(self.grab_id));
        }
    }

    /// Returns what is dragged now.
    fn drag(&self, ui: &Ui, cx: &mut LabelContext<'_>) -> Option<Held> {
        let grabbed = self.grabbed(ui)?;
        let at = self.response.interact_pointer_pos()?;
        if !self.response.dragged_by(PointerButton::Primary) {
            return None;
        }
        let is_dragged = true;
        self.keep(
            ui,
            Grabbed {
                is_dragged,
                ..grabbed
            },
        );
        let held = dragged(grabbed.grab, self.placed.to_image(at));
        send(cx, LabelAction::Hold(held));
        Some(held)
    }

    fn keep(&self, ui: &Ui, grabbed: Grabbed) {
        ui.data_mut(|d| d.insert_temp(self.grab_id, grabbed));
    }

    fn grabbed(&self, ui: &Ui) -> Option<Grabbed> {
        ui.data(|d| d.get_temp::<Grabbed>(self.grab_id))
    }

    /// Returns what a press at this place grabs: with Alt a person, else a joint.
    fn grab(&self, at: Pos2, is_alt: bool, cx: &mut LabelContext<'_>) -> Option<Grab> {
        let point = self.placed.to_image(at);
        if is_alt {
            let person = self.person(point, cx)?;
            let joint = cx.view.pick.and_then(|pick| pick.joint);
            send(cx, LabelAction::Pick(Some(Pick { person, joint })));
            return Some(Grab::Person {
                person,
                from: point,
            });
        }
        let pick = self.joint(point, cx)?;
        let (person, joint) = (pick.person, pick.joint?);
        let mut people = cx.view.people().iter();
        let labelled = people.find(|p| p.id == person)?.joints.get(joint)?;
        let to = place(labelled)?;
        send(cx, LabelAction::Pick(Some(pick)));
        Some(Grab::Joint {
            person,
            joint,
            offset: (to.x - point.x, to.y - point.y),
        })
    }

    fn joint(&self, point: Point, cx: &LabelContext<'_>) -> Option<Pick> {
        let picked = cx.view.pick.map(|pick| pick.person);
        joint_near(cx.view.people(), picked, point, self.placed.length(REACH))
    }

    fn person(&self, point: Point, cx: &LabelContext<'_>) -> Option<u64> {
        let project = cx.view.project.as_ref()?;
        let skeleton = project.info.skeleton;
        let reach = self.placed.length(REACH);
        person_at(cx.view.people(), skeleton, point, reach)
    }

    fn click(&self, is_alt: bool, cx: &mut LabelContext<'_>) {
        let response = self.response;
        let Some(at) = response.interact_pointer_pos() else {
            return;
        };
        let point = self.placed.to_image(at);
        if response.secondary_clicked() {
            if let Some(pick) = self.joint(point, cx) {
                send(cx, LabelAction::Pick(Some(pick)));
                send(cx, LabelAction::Cycle(Some(pick)));
            }
        } else if response.double_clicked() || response.triple_clicked() {
            let person = self.person(point, cx);
            let mut people = cx.view.people().iter();
            match people.find(|p| Some(p.id) == person) {
                Some(person) if !person.is_confirmed => {
                    send(cx, LabelAction::Person(PersonChange::Confirm));
                }
                Some(_) => {}
                None => send(cx, LabelAction::Zoom(Zoom::WHOLE)),
            }
        } else if response.clicked() && !is_alt && self.joint(point, cx).is_none() {
            self.click_beside(point, cx);
        }
    }

    /// Picks the person at a point without a joint, or places a joint there that has no place yet.
    fn click_beside(&self, point: Point, cx: &mut LabelContext<'_>) {
        if let (Some((person, joint)), Some(pick)) = (cx.view.picked_joint(), cx.view.pick)
            && person
                .joints
                .get(joint)
                .is_some_and(|j| j.labelled().is_none())
        {
            return send(cx, LabelAction::Place(pick, point));
        }
        let person = self.person(point, cx);
        let person = person.or(cx.view.pick.map(|pick| pick.person));
        if let Some(person) = person {
            let joint = None;
            send(cx, LabelAction::Pick(Some(Pick { person, joint })));
        }
    }

    /// Returns the picked person turned by the wheel with Alt, or scaled with Alt and Shift.
    fn wheel(&self, ui: &Ui, is_alt: bool, cx: &LabelContext<'_>) -> Option<Held> {
        if !is_alt || !self.response.hovered() {
            return None;
        }
        let (notches, is_shift) = ui.input(|i| (notches(&i.raw.events), i.modifiers.shift));
        if notches == 0.0 {
            return None;
        }
        let picked = cx.view.picked()?;
        let before = match cx.view.preview {
            Some(preview) if preview.sent.is_none() => match preview.held {
                Held::Person { person, by } if person == picked.id => by,
                _ => return None,
            },
            _ => Affine2::IDENTITY,
        };
        let center = before.apply(middle(picked)?);
        let step = if is_shift {
            Affine2::scale(center, SCALE.powf(notches))
        } else {
            Affine2::turn(center, TURN * notches)
        };
        Some(Held::Person {
            person: picked.id,
            by: step.after(&before),
        })
    }

    /// Returns the zoom after the wheel and drags, unless they change labels.
    pub(super) fn zoom(&self, ui: &Ui, cx: &LabelContext<'_>) -> Option<Zoom> {
        let is_alt = ui.input(|i| i.modifiers.alt);
        let is_held = cx
            .view
            .preview
            .is_some_and(|preview| preview.sent.is_none());
        if is_alt || is_held || self.grabbed(ui).is_some() {
            return None;
        }
        wanted_zoom(ui, self.response, &self.placed)
    }
}

/// Returns what a grabbed thing is held at.
fn dragged(grab: Grab, at: Point) -> Held {
    match grab {
        Grab::Joint {
            person,
            joint,
            offset: (x, y),
        } => Held::Joint {
            person,
            joint,
            to: Point::new(at.x + x, at.y + y),
        },
        Grab::Person { person, from } => Held::Person {
            person,
            by: Affine2::shift(at.x - from.x, at.y - from.y),
        },
    }
}

/// Returns the presses and releases of the primary button: place, whether Alt is held, whether it
/// was pressed.
fn primary_events(events: &[Event]) -> Vec<(Pos2, bool, bool)> {
    let primary = events.iter().filter_map(|event| match event {
        Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers,
        } => Some((*pos, modifiers.alt, *pressed)),
        _ => None,
    });
    primary.collect()
}

/// Returns by how many notches the wheel was turned, up is positive. With Shift some systems report
/// a horizontal wheel.
fn notches(events: &[Event]) -> f64 {
    let turned = events.iter().filter_map(|event| match event {
        Event::MouseWheel { unit, delta, .. } => Some((unit, delta)),
        _ => None,
    });
    let notches = turned.map(|(unit, Vec2 { x, y })| {
        let along = if *y == 0.0 { *x } else { *y };
        match unit {
            MouseWheelUnit::Point => along / NOTCH,
            MouseWheelUnit::Line | MouseWheelUnit::Page => along,
        }
    });
    f64::from(notches.sum::<f32>())
}

fn send(cx: &mut LabelContext<'_>, action: LabelAction) {
    cx.actions.push(Action::Label(action));
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::{Modifiers, MouseWheelSource, TouchPhase};

    /// Fails when a dragged joint jumps to the pointer instead of keeping its distance, or a notch
    /// of the wheel counts differently by its unit or direction.
    #[test]
    fn drags_keep_their_distance_and_notches_count() {
        let grab = Grab::Joint {
            person: 3,
            joint: 4,
            offset: (-2.5, 1.0),
        };
        let Held::Joint { to, .. } = dragged(grab, Point::new(100.0, 50.0)) else {
            panic!("not a joint");
        };
        assert_eq!(to, Point::new(97.5, 51.0));
        let from = Point::new(10.0, 10.0);
        let Held::Person { by, .. } = dragged(Grab::Person { person: 3, from }, to) else {
            panic!("not a person");
        };
        assert_eq!(by.apply(from), to);
        let wheel = |unit, x, y| Event::MouseWheel {
            unit,
            delta: Vec2::new(x, y),
            phase: TouchPhase::Move,
            source: MouseWheelSource::Wheel,
            modifiers: Modifiers::ALT,
        };
        let events = [
            wheel(MouseWheelUnit::Point, 0.0, 100.0),
            wheel(MouseWheelUnit::Line, 0.0, -1.0),
            wheel(MouseWheelUnit::Line, 3.0, 0.0),
        ];
        assert_eq!(notches(&events), 4.0);
    }
}
