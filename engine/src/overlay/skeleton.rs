//! Limbs, joints, track ids and side badges.

use poselens_shaders::canvas::{Canvas, Paint};
use poselens_shaders::text::{TextStyle, text_size};
use poselens_shaders::{CENTER, INK, LEFT, RIGHT, Rgb};

use super::{OverlayStyle, label_unit};
use crate::geometry::BBox;
use crate::output::PoseOutput;
use crate::pose::{Keypoint, Pose};
use crate::skeleton::{Side, Skeleton};

/// Width of a limb as a share of the longer side of the person's box, and its bounds in pixels:
/// 3.5 pixels for a person 350 pixels high.
const WIDTH_SHARE: f32 = 0.01;
const WIDTH: (f32, f32) = (1.5, 9.0);

/// Opacity of the dark rim under limbs and joints.
const RIM: f32 = 0.55;

/// People smaller than this many heights of a letter get no side badges: they would hide them.
const BADGE_FROM: f32 = 8.0;

/// Joints that lie on the head: the track id is written above them.
const HEAD: [&str; 7] = [
    "head_top",
    "nose",
    "l_eye",
    "r_eye",
    "l_ear",
    "r_ear",
    "upper_neck",
];

pub(super) fn draw(canvas: &mut Canvas<'_>, output: &PoseOutput, style: &OverlayStyle) {
    // The best person is drawn last, above the others.
    for pose in output.poses.iter().rev() {
        if let Some(person) = Person::new(pose, output.skeleton, style) {
            person.limbs(canvas);
            person.joints(canvas);
            if style.side_badges {
                person.badges(canvas);
            }
            if style.track_ids {
                person.track_id(canvas);
            }
        }
    }
}

/// What is drawn of one pose.
struct Person<'a> {
    skeleton: &'a Skeleton,
    track_id: Option<u64>,
    /// Joints above the threshold with their opacity.
    joints: Vec<Option<(Keypoint, f32)>>,
    /// Longer side of the box around them.
    size: f32,
    width: f32,
}

impl<'a> Person<'a> {
    /// `None` when no joint is to be drawn.
    fn new(pose: &Pose, skeleton: &'a Skeleton, style: &OverlayStyle) -> Option<Self> {
        let joints: Vec<_> = pose
            .keypoints
            .iter()
            .take(skeleton.n_joints())
            .map(|k| {
                let drawn =
                    k.score >= style.keypoint_threshold && k.x.is_finite() && k.y.is_finite();
                drawn.then(|| (*k, 0.4 + 0.6 * k.score.clamp(0.0, 1.0)))
            })
            .collect();
        let bbox = BBox::around(joints.iter().flatten().map(|(k, _)| k.point()))?;
        let size = bbox.w.max(bbox.h) as f32;
        Some(Self {
            skeleton,
            track_id: pose.track_id,
            joints,
            size,
            width: (WIDTH_SHARE * size).clamp(WIDTH.0, WIDTH.1),
        })
    }

    fn joint(&self, j: usize) -> Option<(Keypoint, f32)> {
        self.joints.get(j).copied().flatten()
    }

    /// Rims first, so that no limb cuts another one's colour.
    fn limbs(&self, canvas: &mut Canvas<'_>) {
        let mut line = |limb: usize, [a, b]: [usize; 2], rim: bool| {
            let (Some((p, pa)), Some((q, qa))) = (self.joint(a), self.joint(b)) else {
                return;
            };
            let alpha = pa.min(qa);
            let (width, paint) = if rim {
                (self.width + 2.0, Paint::new(INK, RIM * alpha))
            } else {
                let color = color(self.skeleton.limb_side(limb));
                (self.width, Paint::new(color, alpha))
            };
            canvas.line([p.x, p.y], [q.x, q.y], width, paint);
        };
        for rim in [true, false] {
            for (i, limb) in self.skeleton.limbs.iter().enumerate() {
                line(i, *limb, rim);
            }
        }
    }

    fn joints(&self, canvas: &mut Canvas<'_>) {
        let radius = (1.15 * self.width).max(2.0);
        for (j, joint) in self.joints.iter().enumerate() {
            if let Some((k, alpha)) = joint {
                let at = [k.x, k.y];
                canvas.disc(at, radius + 1.25, Paint::new(INK, (RIM + 0.3) * alpha));
                let color = color(self.skeleton.side(j));
                canvas.disc(at, radius, Paint::new(color, *alpha));
            }
        }
    }

    /// L and R just beyond hands and feet, seen from the joint before them.
    fn badges(&self, canvas: &mut Canvas<'_>) {
        let unit = label_unit(canvas);
        if self.size < BADGE_FROM * text_size("L", unit)[1] {
            return;
        }
        for (j, joint) in self.joints.iter().enumerate() {
            let name = &self.skeleton.joints[j];
            let (Some((k, _)), true) =
                (joint, name.ends_with("_wrist") || name.ends_with("_ankle"))
            else {
                continue;
            };
            let (text, color) = match self.skeleton.side(j) {
                Side::Left => ("L", LEFT),
                Side::Right => ("R", RIGHT),
                Side::Center => continue,
            };
            let [w, h] = text_size(text, unit);
            let [dx, dy] = self.outward(j, *k);
            let far = 1.15 * self.width + 0.75 * w.max(h) + unit as f32;
            let at = [k.x + far * dx - w / 2.0, k.y + far * dy - h / 2.0];
            label(canvas, at, text, color);
        }
    }

    /// Unit vector from the neighbour of joint `j` to it; downwards when no neighbour is drawn.
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

    /// `#3` above the head, or above the highest joint when no head is seen.
    fn track_id(&self, canvas: &mut Canvas<'_>) {
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
        let unit = label_unit(canvas);
        let text = format!("#{id}");
        let [w, h] = text_size(&text, unit);
        let above = (0.14 * self.size).min(2.0 * head.w.max(head.h) as f32);
        let margin = 2.0 * unit as f32;
        let inside = |v: f32, room: f32| v.clamp(margin, room.max(margin));
        let at = [
            inside(
                head.center().x as f32 - w / 2.0,
                canvas.width() as f32 - w - margin,
            ),
            inside(
                head.y as f32 - above - h - margin,
                canvas.height() as f32 - h - margin,
            ),
        ];
        label(canvas, at, &text, CENTER);
    }
}

fn color(side: Side) -> Rgb {
    match side {
        Side::Left => LEFT,
        Side::Right => RIGHT,
        Side::Center => CENTER,
    }
}

fn label(canvas: &mut Canvas<'_>, at: [f32; 2], text: &str, color: Rgb) {
    let style = TextStyle {
        unit: label_unit(canvas),
        paint: Paint::solid(color),
        outline: 0.85,
    };
    canvas.text(at, text, &style);
}
