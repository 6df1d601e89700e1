//! Drawing of labelled people. The state of a joint is its form, not only its colour:
//!
//! * proposed: a ring as large as the model's score, dashed bones;
//! * touched: a ring with a dot, thin bones;
//! * confirmed: a filled disc, thick bones.
//!
//! An occluded joint is crossed out, an absent one of the picked person is a small cross.

use eframe::egui::{
    self, Align2, Color32, FontId, Painter, Pos2, Rect, Role, Sense, Shape, Stroke, Ui, WidgetInfo,
};
use poselens_engine::geometry::Point;
use poselens_engine::project::{Joint, JointState, Person};
use poselens_engine::sample::Visibility;
use poselens_engine::skeleton::{Side, Skeleton};

use crate::gui::action::label::{Held, Pick};
use crate::gui::theme;
use crate::gui::titles::joint_title;
use crate::gui::views::label::gesture::place;
use crate::gui::zoom::Placed;

/// Radius of touched and confirmed joints in points: the dot of a touched one must show.
const RADIUS: f32 = 6.0;
/// Radii of proposed joints with score 0 and 1.
const RADII: (f32, f32) = (3.0, 7.0);
/// Opacity of people that are not picked.
const OTHERS: f32 = 0.55;
/// Letters beside the ends of arms and legs, which show at a glance that sides are swapped.
const LETTERED: [&str; 2] = ["wrist", "ankle"];

/// What is drawn.
pub(super) struct Drawing<'a> {
    pub people: &'a [Person],
    pub skeleton: &'static Skeleton,
    pub pick: Option<Pick>,
    /// The change that is shown as a preview.
    pub held: Option<Held>,
    pub placed: Placed,
}

impl Drawing<'_> {
    /// Draws all people, the picked person last.
    pub(super) fn show_ui(&self, ui: &Ui, area: Rect) {
        let painter = ui.painter().with_clip_rect(area);
        let is_picked = |person: &Person| self.pick.is_some_and(|pick| pick.person == person.id);
        for wanted in [false, true] {
            let people = self.people.iter().enumerate();
            for (n, person) in people.filter(|(_, person)| is_picked(person) == wanted) {
                self.bones(&painter, person, wanted);
                for (j, joint) in person.joints.iter().enumerate() {
                    self.joint(&painter, person, j, joint, wanted);
                    self.described(ui, area, (n, person), j, joint);
                }
                if self.people.len() > 1 {
                    self.number(&painter, n, person, wanted);
                }
            }
        }
    }

    /// Returns where a joint is drawn: where it is held, else where it is labelled.
    fn at(&self, person: &Person, j: usize, joint: &Joint) -> Option<Point> {
        match self.held {
            Some(Held::Joint {
                person: id,
                joint,
                to,
            }) if (id, joint) == (person.id, j) => Some(to),
            Some(Held::Person { person: id, by }) if id == person.id => {
                Some(by.apply(joint.labelled()?))
            }
            _ => joint.labelled(),
        }
    }

    fn is_held(&self, person: &Person, j: usize) -> bool {
        match self.held {
            Some(Held::Joint {
                person: id, joint, ..
            }) => (id, joint) == (person.id, j),
            Some(Held::Person { person: id, .. }) => id == person.id,
            None => false,
        }
    }

    fn bones(&self, painter: &Painter, person: &Person, is_picked: bool) {
        for (limb, [a, b]) in self.skeleton.limbs.iter().enumerate() {
            let end = |j: usize| {
                let point = self.at(person, j, person.joints.get(j)?)?;
                Some((self.placed.to_window(point), person.state(j)?))
            };
            let (Some((a, first)), Some((b, last))) = (end(*a), end(*b)) else {
                continue;
            };
            let color = faded(color(self.skeleton.limb_side(limb)), is_picked);
            let is_proposed = [first, last].contains(&JointState::Proposed);
            let width = if person.is_confirmed { 5.0 } else { 3.5 };
            let shadow = Stroke::new(width, faded(SHADOW, is_picked));
            if person.is_confirmed {
                painter.line_segment([a, b], shadow);
                painter.line_segment([a, b], Stroke::new(3.0, color));
            } else if is_proposed {
                for stroke in [shadow, Stroke::new(1.5, color)] {
                    painter.extend(Shape::dashed_line(&[a, b], stroke, 6.0, 5.0));
                }
            } else {
                painter.line_segment([a, b], shadow);
                painter.line_segment([a, b], Stroke::new(1.5, color));
            }
        }
    }

    fn joint(&self, painter: &Painter, person: &Person, j: usize, joint: &Joint, is_picked: bool) {
        let color = faded(color(self.skeleton.side(j)), is_picked);
        let is_chosen = is_picked && self.pick.is_some_and(|pick| pick.joint == Some(j));
        let Some(point) = self.at(person, j, joint) else {
            // Where an absent joint was: it can be brought back there.
            if let (true, Some(point)) = (is_picked, place(joint)) {
                let at = self.placed.to_window(point);
                cross(painter, at, 4.0, Stroke::new(1.5, theme::WEAK));
                if is_chosen {
                    self.chosen(painter, at, j, 6.0);
                }
            }
            return;
        };
        let at = self.placed.to_window(point);
        let state = person.state(j).unwrap_or(JointState::Proposed);
        let radius = radius(state, joint.score());
        let shadow = Stroke::new(4.0, faded(SHADOW, is_picked));
        painter.circle_stroke(at, radius, shadow);
        match state {
            JointState::Proposed => {
                painter.circle_stroke(at, radius, Stroke::new(2.0, color));
            }
            JointState::Touched => {
                painter.circle_stroke(at, radius, Stroke::new(1.5, color));
                painter.circle_filled(at, 2.0, color);
            }
            JointState::Confirmed => {
                painter.circle_filled(at, radius, color);
            }
        }
        if joint.visibility == Visibility::Hidden {
            let far = egui::vec2(radius + 3.0, -radius - 3.0);
            painter.line_segment([at - far, at + far], shadow);
            painter.line_segment([at - far, at + far], Stroke::new(2.0, color));
        }
        if self.is_held(person, j) {
            cross(painter, at, radius + 5.0, Stroke::new(1.0, Color32::WHITE));
        }
        if is_chosen {
            self.chosen(painter, at, j, radius);
        } else if is_picked && let Some(letter) = letter(&self.skeleton.joints[j]) {
            text(painter, at + egui::vec2(radius + 4.0, 0.0), letter, color);
        }
    }

    /// Marks the picked joint with a ring and its name.
    fn chosen(&self, painter: &Painter, at: Pos2, j: usize, radius: f32) {
        painter.circle_stroke(at, radius + 4.0, Stroke::new(3.0, SHADOW));
        painter.circle_stroke(at, radius + 4.0, Stroke::new(1.5, Color32::WHITE));
        let name = joint_title(&self.skeleton.joints[j]);
        let beside = at + egui::vec2(radius + 9.0, 0.0);
        text(painter, beside, &name, Color32::WHITE);
    }

    /// Writes the number of a person above the highest joint.
    fn number(&self, painter: &Painter, n: usize, person: &Person, is_picked: bool) {
        let joints = person.joints.iter().enumerate();
        let places = joints.filter_map(|(j, joint)| self.at(person, j, joint));
        let highest = places.min_by(|a, b| a.y.total_cmp(&b.y));
        if let Some(highest) = highest {
            let at = self.placed.to_window(highest) - egui::vec2(0.0, 20.0);
            let color = faded(Color32::WHITE, is_picked);
            text(painter, at, &(n + 1).to_string(), color);
        }
    }

    /// Describes a joint for screen readers and tests.
    fn described(
        &self,
        ui: &Ui,
        area: Rect,
        (n, person): (usize, &Person),
        j: usize,
        joint: &Joint,
    ) {
        let Some(point) = self.at(person, j, joint) else {
            return;
        };
        let at = self.placed.to_window(point);
        if !area.contains(at) {
            return;
        }
        let id = ui.scope_id().with(("joint", person.id, j));
        let rect = Rect::from_center_size(at, egui::Vec2::splat(2.0 * RADIUS));
        let response = ui.interact(rect, id, Sense::hover());
        let name = joint_title(&self.skeleton.joints[j]);
        let state = match (self.is_held(person, j), person.state(j)) {
            (true, _) => "held",
            (_, Some(JointState::Confirmed)) => "confirmed",
            (_, Some(JointState::Touched)) => "touched",
            _ => "proposed",
        };
        let seen = match joint.visibility {
            Visibility::Hidden => ", occluded",
            Visibility::Visible | Visibility::Unlabelled => "",
        };
        let text = format!("{name} of person {}: {state}{seen}", n + 1);
        response.widget_info(|| WidgetInfo::labeled(Role::GraphicsObject, true, &text));
    }
}

/// Dark outline that keeps lines visible on bright images.
const SHADOW: Color32 = Color32::from_rgba_premultiplied(0, 0, 0, 140);

fn radius(state: JointState, score: f32) -> f32 {
    match state {
        JointState::Proposed => egui::lerp(RADII.0..=RADII.1, score),
        JointState::Touched | JointState::Confirmed => RADIUS,
    }
}

fn color(side: Side) -> Color32 {
    match side {
        Side::Left => theme::LEFT,
        Side::Right => theme::RIGHT,
        Side::Center => Color32::WHITE,
    }
}

fn faded(color: Color32, is_picked: bool) -> Color32 {
    if is_picked {
        color
    } else {
        color.gamma_multiply(OTHERS)
    }
}

fn letter(joint: &str) -> Option<&'static str> {
    let (side, part) = joint.split_once('_')?;
    let letter = match side {
        "l" => "L",
        "r" => "R",
        _ => return None,
    };
    LETTERED.contains(&part).then_some(letter)
}

fn cross(painter: &Painter, at: Pos2, size: f32, stroke: Stroke) {
    for far in [egui::vec2(size, size), egui::vec2(size, -size)] {
        painter.line_segment([at - far, at + far], stroke);
    }
}

/// Writes a text with a dark background to the right of a point.
fn text(painter: &Painter, at: Pos2, text: &str, color: Color32) {
    let font = FontId::proportional(12.0);
    let galley = painter.layout_no_wrap(text.to_owned(), font, color);
    let rect = Align2::LEFT_CENTER.anchor_size(at, galley.size());
    painter.rect_filled(rect.expand2(egui::vec2(3.0, 0.0)), 3.0, SHADOW);
    painter.galley(rect.min, galley, color);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the score of a proposal does not show in its size, or exceeds the grab radius.
    #[test]
    fn proposals_are_as_large_as_their_score() {
        let sizes = [0.0, 0.5, 1.0].map(|score| radius(JointState::Proposed, score));
        assert!(sizes[0] < sizes[1] && sizes[1] < sizes[2] && sizes[2] < 14.0);
        assert_eq!(radius(JointState::Confirmed, 0.1), RADIUS);
        assert_eq!(letter("l_wrist"), Some("L"));
        assert_eq!(letter("r_ankle"), Some("R"));
        assert_eq!((letter("nose"), letter("l_eye")), (None, None));
    }
}
