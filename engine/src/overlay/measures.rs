//! Measures: angles, distances and speeds, written beside their joints.

use poselens_shaders::canvas::Paint;
use poselens_shaders::scene::{Label, LabelPlacement, Line, Mark, Scene};
use poselens_shaders::{CENTER, INK};

use super::skeleton::{color, limb_width};
use super::{OverlayStyle, pen};
use crate::geometry::Point;
use crate::measure::{Kind, MeasureSpec, Spot, position};
use crate::output::PoseOutput;
use crate::pose::Pose;
use crate::skeleton::{JointOrigin, Side};

pub(super) fn mark(scene: &mut Scene, output: &PoseOutput, style: &OverlayStyle) {
    let pen = pen(output.frame.size());
    let measures = &style.measures;
    for pose in output.poses.iter().rev() {
        let person = Person {
            output,
            pose,
            style,
        };
        let size = pose.bbox.w.max(pose.bbox.h) as f32;
        let width = limb_width(size, pen);
        let values = measures.values(output, pose, style.keypoint_threshold);
        for (spec, value) in measures.list.iter().zip(values) {
            let (Some(value), Some(place)) = (value, person.place(spec)) else {
                continue;
            };
            if let Some([a, b]) = place.line {
                for (width, paint) in [
                    (0.5 * width + 2.0 * pen, Paint::new(INK, 0.5)),
                    (0.5 * width, Paint::new(CENTER, 0.9)),
                ] {
                    scene.marks.push(Mark::Line(Line { a, b, width, paint }));
                }
            }
            scene.marks.push(Mark::Label(Label {
                text: text(spec, value, &measures.unit(spec)),
                at: place.at,
                place: LabelPlacement::Beyond {
                    direction: place.direction,
                    gap: 1.5 * width,
                    person: size,
                },
                rgb: style.tint.unwrap_or_else(|| color(place.side)),
            }));
        }
    }
}

/// Formats a value: degrees and pixels as integers, other lengths with two decimals.
fn text(spec: &MeasureSpec, value: f64, unit: &str) -> String {
    // Adding 0 turns -0 into 0.
    let whole = value.round() + 0.0;
    match spec.kind() {
        Kind::Angle(_) => format!("{whole}\u{b0}"),
        Kind::Vertical(_) => format!("{whole:+}\u{b0}"),
        Kind::Distance(_) | Kind::Speed(_) if unit.starts_with("px") => format!("{whole} {unit}"),
        Kind::Distance(_) | Kind::Speed(_) => format!("{value:.2} {unit}"),
    }
}

struct Person<'a> {
    output: &'a PoseOutput,
    pose: &'a Pose,
    style: &'a OverlayStyle,
}

/// Where a value is written.
struct Place {
    at: [f32; 2],
    /// Unit vector away from the limbs.
    direction: [f32; 2],
    side: Side,
    /// The measured distance.
    line: Option<[[f32; 2]; 2]>,
}

impl Person<'_> {
    /// Returns the place of a measure; `None` if one of its joints is not drawn.
    fn place(&self, spec: &MeasureSpec) -> Option<Place> {
        let at = |spot| self.at(spot);
        let place = |point: Point, direction: Point, side| Place {
            at: pair(point),
            direction: pair(direction),
            side,
            line: None,
        };
        Some(match spec.kind() {
            Kind::Angle([a, b, c]) => {
                let ((a, _), (b, side), (c, _)) = (at(a)?, at(b)?, at(c)?);
                place(b, outward(a, b, c)?, side)
            }
            Kind::Vertical([a, b]) | Kind::Distance([a, b]) => {
                let ((a, side), (b, other)) = (at(a)?, at(b)?);
                let side = if side == other { side } else { Side::Center };
                let middle = Point::new(f64::midpoint(a.x, b.x), f64::midpoint(a.y, b.y));
                let is_distance = matches!(spec.kind(), Kind::Distance(_));
                Place {
                    line: is_distance.then_some([pair(a), pair(b)]),
                    ..place(middle, beside(a, b), side)
                }
            }
            Kind::Speed(joint) => {
                let (joint, side) = at(joint)?;
                place(joint, Point::new(1.0, 0.0), side)
            }
        })
    }

    /// Returns position and side of a joint that is drawn.
    fn at(&self, spot: &Spot) -> Option<(Point, Side)> {
        let skeleton = self.output.skeleton;
        let side = match spot.origin(skeleton)? {
            JointOrigin::Joint(j) if self.style.hidden_joints.contains(&j) => return None,
            JointOrigin::Joint(j) => skeleton.side(j),
            JointOrigin::Middle(..) => Side::Center,
        };
        let least = self.style.keypoint_threshold;
        let point = position(spot, skeleton, &self.pose.keypoints, least)?;
        Some((point, side))
    }
}

/// Returns the unit vector from `b` to the outside of the angle, or across straight limbs.
fn outward(a: Point, b: Point, c: Point) -> Option<Point> {
    let (u, v) = (unit(b, a)?, unit(b, c)?);
    let inward = Point::new(u.x + v.x, u.y + v.y);
    let length = inward.x.hypot(inward.y);
    if length < 0.1 {
        return Some(Point::new(-u.y, u.x));
    }
    Some(Point::new(-inward.x / length, -inward.y / length))
}

/// Returns the unit vector across a segment, to the right in the image; that to the right if its
/// ends coincide.
fn beside(a: Point, b: Point) -> Point {
    match unit(a, b) {
        Some(along) if along.y < 0.0 => Point::new(-along.y, along.x),
        Some(along) => Point::new(along.y, -along.x),
        None => Point::new(1.0, 0.0),
    }
}

fn unit(from: Point, to: Point) -> Option<Point> {
    let length = from.distance(to);
    (length > 0.0).then(|| Point::new((to.x - from.x) / length, (to.y - from.y) / length))
}

fn pair(p: Point) -> [f32; 2] {
    [p.x as f32, p.y as f32]
}
