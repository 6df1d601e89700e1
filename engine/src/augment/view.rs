//! Geometric augmentation: one affine map holds the region, rotation and mirroring of a crop.

use super::{Augment, Rng};
use crate::error::{Error, Result};
use crate::geometry::{Affine2, Alignment, BBox, Point, Roi, Size};
use crate::sample::Joint;
use crate::skeleton::Skeleton;

/// The person to be cropped, and the network input to crop for.
#[derive(Debug, Clone, Copy)]
pub struct CropTarget<'a> {
    /// Skeleton of the joints.
    pub skeleton: &'a Skeleton,
    /// Joints in image pixels, in the skeleton's order.
    pub joints: &'a [Joint],
    /// Size of the image in pixels.
    pub image: Size,
    /// The region that evaluation would crop; it has the input's aspect ratio.
    pub roi: Roi,
    /// Size of the network's input.
    pub input: Size,
    /// Pixel alignment of input and region.
    pub alignment: Alignment,
}

/// A randomly drawn crop of a person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Maps input pixels to image pixels, mirroring included.
    pub image_from_input: Affine2,
    /// Whether left and right are swapped.
    pub flipped: bool,
    input_from_image: Affine2,
}

impl View {
    /// Creates the view and its inverse map.
    ///
    /// # Errors
    /// When the map is singular, because the region has no area.
    fn new(image_from_input: Affine2, flipped: bool) -> Result<Self> {
        let input_from_image = image_from_input
            .inverse()
            .ok_or_else(|| Error::Invalid("a person's region has no area".to_owned()))?;
        Ok(Self {
            image_from_input,
            flipped,
            input_from_image,
        })
    }

    /// Maps joints to input pixels. In a mirrored view every joint swaps with its mirror partner:
    /// the left wrist looks like a right wrist, and is labelled as one.
    pub fn joints(&self, joints: &[Joint], skeleton: &Skeleton) -> Vec<Joint> {
        let mut joints = self.renamed(joints, skeleton);
        for joint in &mut joints {
            joint.point = self.input_from_image.apply(joint.point);
        }
        joints
    }

    /// Swaps joints with their mirror partners if the view is mirrored; stays in image pixels.
    pub fn renamed(&self, joints: &[Joint], skeleton: &Skeleton) -> Vec<Joint> {
        let source = |j: usize| if self.flipped { skeleton.mirror[j] } else { j };
        (0..joints.len()).map(|j| joints[source(j)]).collect()
    }
}

impl Augment {
    /// Draws a view of `subject`.
    ///
    /// # Errors
    /// When the subject's region has no area.
    pub fn view(&self, subject: &CropTarget<'_>, rng: &mut Rng) -> Result<View> {
        let flipped = rng.chance(self.flip);
        let mut degrees = if rng.chance(self.rotation.probability) {
            self.rotation.degrees.sample(rng)
        } else {
            0.0
        };
        let close = rng.chance(self.upper_body.probability);
        let roi = if let Some(roi) = close.then(|| self.upper(subject, rng)).flatten() {
            degrees *= self.upper_body.rotation;
            roi
        } else {
            let half = rng.chance(self.half_body.probability);
            let half = half.then(|| self.half(subject, rng)).flatten();
            let roi = half.unwrap_or(subject.roi);
            let scale = self.scale.sample(rng);
            moved(&scaled(&roi, scale), self.shift, rng)
        };

        let mut image_from_input = subject.alignment.image_from_input(&roi, subject.input);
        if degrees != 0.0 {
            let turn = Affine2::turn(middle(subject.input), degrees);
            image_from_input = image_from_input.after(&turn);
        }
        if flipped {
            image_from_input = image_from_input.after(&mirror(subject.input));
        }
        View::new(image_from_input, flipped)
    }

    /// Draws a close-up of head, shoulders and arms; `None` unless both shoulders are labelled.
    fn upper(&self, subject: &CropTarget<'_>, rng: &mut Rng) -> Option<Roi> {
        let options = &self.upper_body;
        let with_hips = rng.chance(options.hips);
        let scale = options.scale.sample(rng);
        let shoulder = |name| {
            let j = subject.skeleton.joint(name)?;
            subject.seen(j)
        };
        shoulder("l_shoulder").zip(shoulder("r_shoulder"))?;
        let bbox = subject.around(|name| {
            let is_hip = name.ends_with("_hip");
            is_upper(name) || (is_hip && with_hips)
        })?;
        let roi = Roi::around_box(subject.not_tiny(bbox), scale, subject.input.aspect());
        Some(moved(&roi, options.shift, rng))
    }

    /// Draws the upper or lower half; `None` with too few labelled joints.
    fn half(&self, subject: &CropTarget<'_>, rng: &mut Rng) -> Option<Roi> {
        let options = &self.half_body;
        let upper_first = rng.chance(options.upper_share);
        let names = || subject.skeleton.joints.iter().enumerate();
        let count = |upper: bool| {
            names()
                .filter(|(j, name)| is_upper(name) == upper && subject.seen(*j).is_some())
                .count()
        };
        let n = [count(false), count(true)];
        if n[0] + n[1] <= options.min_joints {
            return None;
        }
        // A half with one or two joints does not determine where the body is.
        let upper = if n[usize::from(upper_first)] > 2 {
            upper_first
        } else {
            !upper_first
        };
        let half = |name: &str| is_upper(name) == upper;
        let bbox = subject.not_tiny(subject.around(half)?);
        let roi = Roi::around_box(bbox, options.padding, subject.input.aspect());
        // The joints' mean instead of the centre of their box, as in HRNet's code; TransPose
        // (section 4.1) augments as HRNet does.
        Some(Roi {
            center: subject.mean(half)?,
            ..roi
        })
    }
}

impl CropTarget<'_> {
    /// Returns joint `j` if it is labelled and inside the image.
    fn seen(&self, j: usize) -> Option<Point> {
        self.joints.get(j)?.inside(self.image)
    }

    /// Returns the labelled joints inside the image whose names `take` accepts.
    fn those_seen(&self, take: impl Fn(&str) -> bool) -> impl Iterator<Item = Point> {
        let names = self.skeleton.joints.iter().enumerate();
        let taken = names.filter(move |(_, name)| take(name));
        taken.filter_map(|(j, _)| self.seen(j))
    }

    /// Returns the box around them.
    fn around(&self, take: impl Fn(&str) -> bool) -> Option<BBox> {
        BBox::around(self.those_seen(take))
    }

    /// Returns their mean.
    fn mean(&self, take: impl Fn(&str) -> bool) -> Option<Point> {
        let seen: Vec<Point> = self.those_seen(take).collect();
        let mean = |of: fn(&Point) -> f64| seen.iter().map(of).sum::<f64>() / seen.len() as f64;
        (!seen.is_empty()).then(|| Point::new(mean(|p| p.x), mean(|p| p.y)))
    }

    /// Enlarges `bbox` to at least a fifth of the whole person's region: two shoulders seen from
    /// the side are only a few pixels apart, and a crop of those shows nothing.
    fn not_tiny(&self, bbox: BBox) -> BBox {
        let side = 0.2 * self.roi.width.max(self.roi.height);
        if bbox.w.max(bbox.h) >= side {
            return bbox;
        }
        let (c, half) = (bbox.center(), side / 2.0);
        BBox::new(c.x - half, c.y - half, side, side)
    }
}

/// Returns whether a joint belongs to head, shoulders or arms.
fn is_upper(name: &str) -> bool {
    let lower = ["hip", "knee", "ankle", "pelvis"];
    !lower.iter().any(|part| name.ends_with(part))
}

fn scaled(roi: &Roi, by: f64) -> Roi {
    Roi {
        center: roi.center,
        width: roi.width * by,
        height: roi.height * by,
    }
}

/// Shifts the region by up to `share` of its longer side along each axis.
fn moved(roi: &Roi, share: f64, rng: &mut Rng) -> Roi {
    let reach = share * roi.width.max(roi.height);
    let (dx, dy) = (rng.range(-reach, reach), rng.range(-reach, reach));
    Roi {
        center: Point::new(roi.center.x + dx, roi.center.y + dy),
        ..*roi
    }
}

fn middle(input: Size) -> Point {
    let half = |n: usize| (n as f64 - 1.0) / 2.0;
    Point::new(half(input.width), half(input.height))
}

/// Returns the horizontal flip of an input.
fn mirror(input: Size) -> Affine2 {
    Affine2 {
        m: [[-1.0, 0.0, input.width as f64 - 1.0], [0.0, 1.0, 0.0]],
    }
}

#[cfg(test)]
mod tests;
