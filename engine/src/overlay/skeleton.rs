//! Limbs, joints, track ids and left/right badges.

use poselens_shaders::canvas::Paint;
use poselens_shaders::scene::{Disc, Label, LabelPlacement, Line, Mark, Scene};
use poselens_shaders::{CENTER, INK, LEFT, RIGHT, Rgb};

use super::{OverlayStyle, pen};
use crate::geometry::BBox;
use crate::output::PoseOutput;
use crate::pose::{Keypoint, Pose};
use crate::skeleton::{Side, Skeleton};

/// Width of a limb as a fraction of the longer side of the person's box (3.5 pixels for a person
/// 350 pixels high); its bounds follow as multiples of the pen width.
const WIDTH_SHARE: f32 = 0.01;
const WIDTH: (f32, f32) = (1.5, 9.0);

/// Opacity of the dark outline of limbs and joints.
const RIM: f32 = 0.55;

/// Joints of the head: the track id is written above them.
const HEAD: [&str; 7] = [
    "head_top",
    "nose",
    "l_eye",
    "r_eye",
    "l_ear",
    "r_ear",
    "upper_neck",
];

pub(super) fn mark(scene: &mut Scene, output: &PoseOutput, style: &OverlayStyle) {
    // The best person is drawn last, on top of the others.
    for pose in output.poses.iter().rev() {
        let pen = pen(output.frame.size());
        if let Some(person) = Person::new(pose, output.skeleton, pen, style) {
            person.limbs(scene);
            person.joints(scene);
            if style.side_badges {
                person.badges(scene);
            }
            if style.track_ids {
                person.track_id(scene);
            }
        }
    }
}

/// The drawable parts of one pose.
struct Person<'a> {
    skeleton: &'a Skeleton,
    track_id: Option<u64>,
    /// Joints above the threshold, with their opacity.
    joints: Vec<Option<(Keypoint, f32)>>,
    /// Longer side of the box around the joints, in pixels.
    size: f32,
    width: f32,
    /// Line width; see [`pen`].
    pen: f32,
    tint: Option<Rgb>,
}

impl<'a> Person<'a> {
    /// Returns `None` when no joint is above the threshold.
    fn new(pose: &Pose, skeleton: &'a Skeleton, pen: f32, style: &OverlayStyle) -> Option<Self> {
        let joints: Vec<_> = pose
            .keypoints
            .iter()
            .take(skeleton.n_joints())
            .enumerate()
            .map(|(j, k)| {
                style
                    .draws(j, k)
                    .then(|| (*k, 0.4 + 0.6 * k.score.clamp(0.0, 1.0)))
            })
            .collect();
        let bbox = BBox::around(joints.iter().flatten().map(|(k, _)| k.point()))?;
        let size = bbox.w.max(bbox.h) as f32;
        Some(Self {
            skeleton,
            track_id: pose.track_id,
            joints,
            size,
            width: limb_width(size, pen),
            pen,
            tint: style.tint,
        })
    }

    fn color(&self, side: Side) -> Rgb {
        self.tint.unwrap_or_else(|| color(side))
    }

    fn joint(&self, j: usize) -> Option<(Keypoint, f32)> {
        self.joints.get(j).copied().flatten()
    }

    /// Outlines are drawn first, so that no limb cuts through the colour of another one.
    fn limbs(&self, scene: &mut Scene) {
        let mut line = |limb: usize, [a, b]: [usize; 2], rim: bool| {
            let (Some((p, pa)), Some((q, qa))) = (self.joint(a), self.joint(b)) else {
                return;
            };
            let alpha = pa.min(qa);
            let (width, paint) = if rim {
                (self.width + 2.0 * self.pen, Paint::new(INK, RIM * alpha))
            } else {
                let color = self.color(self.skeleton.limb_side(limb));
                (self.width, Paint::new(color, alpha))
            };
            scene.marks.push(Mark::Line(Line {
                a: [p.x, p.y],
                b: [q.x, q.y],
                width,
                paint,
            }));
        };
        for rim in [true, false] {
            for (i, limb) in self.skeleton.limbs.iter().enumerate() {
                line(i, *limb, rim);
            }
        }
    }

    fn joints(&self, scene: &mut Scene) {
        let radius = (1.15 * self.width).max(2.0 * self.pen);
        let mut disc = |k: &Keypoint, radius: f32, paint: Paint| {
            scene.marks.push(Mark::Disc(Disc {
                center: [k.x, k.y],
                radius,
                stroke: 0.0,
                paint,
            }));
        };
        for (j, joint) in self.joints.iter().enumerate() {
            if let Some((k, alpha)) = joint {
                disc(
                    k,
                    radius + 1.25 * self.pen,
                    Paint::new(INK, (RIM + 0.3) * alpha),
                );
                disc(
                    k,
                    radius,
                    Paint::new(self.color(self.skeleton.side(j)), *alpha),
                );
            }
        }
    }

    /// Writes L and R just beyond hands and feet, in the direction of the limb.
    fn badges(&self, scene: &mut Scene) {
        for (j, joint) in self.joints.iter().enumerate() {
            let name = &self.skeleton.joints[j];
            let (Some((k, _)), true) =
                (joint, name.ends_with("_wrist") || name.ends_with("_ankle"))
            else {
                continue;
            };
            let (text, rgb) = match self.skeleton.side(j) {
                Side::Left => ("L", LEFT),
                Side::Right => ("R", RIGHT),
                Side::Center => continue,
            };
            scene.marks.push(Mark::Label(Label {
                text: text.to_owned(),
                at: [k.x, k.y],
                place: LabelPlacement::Beyond {
                    direction: self.outward(j, *k),
                    gap: 1.15 * self.width,
                    person: self.size,
                },
                rgb,
            }));
        }
    }

    /// Returns the unit vector to joint `j` from its neighbour, or downwards when no neighbour is
    /// drawn.
    fn outward(&self, j: usize, k: Keypoint) -> [f32; 2] {
        let neighbour = self.skeleton.limbs.iter().find_map(|&[a, b]| match j {
            _ if a == j => self.joint(b),
            _ if b == j => self.joint(a),
            _ => None,
        });
        let Some((n, _)) = neighbour else {
            return [0.0, 1.0];
        };
        let (dx, dy) = (k.x - n.x, k.y - n.y);
        let length = dx.hypot(dy);
        if length > 0.0 && length.is_finite() {
            [dx / length, dy / length]
        } else {
            [0.0, 1.0]
        }
    }

    /// Writes `#3` above the head, or above the highest joint when no joint of the head is drawn.
    fn track_id(&self, scene: &mut Scene) {
        let Some(id) = self.track_id else { return };
        let is_head = |j: usize| HEAD.contains(&self.skeleton.joints[j].as_str());
        let head = |only: bool| {
            let joints = self.joints.iter().enumerate();
            let points = joints
                .filter(|(j, _)| !only || is_head(*j))
                .filter_map(|(_, joint)| Some(joint.as_ref()?.0.point()));
            BBox::around(points)
        };
        let Some(head) = head(true).or_else(|| head(false)) else {
            return;
        };
        let above = (0.14 * self.size).min(2.0 * head.w.max(head.h) as f32);
        let at = [head.center().x as f32, head.y as f32 - above];
        scene
            .marks
            .push(Mark::Label(Label::above(at, format!("#{id}"))));
    }
}

/// Returns the limb width in pixels for a person of this size in an image with this [`pen`].
pub(super) fn limb_width(size: f32, pen: f32) -> f32 {
    (WIDTH_SHARE * size).clamp(WIDTH.0 * pen, WIDTH.1 * pen)
}

pub(super) fn color(side: Side) -> Rgb {
    match side {
        Side::Left => LEFT,
        Side::Right => RIGHT,
        Side::Center => CENTER,
    }
}
