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
mod tests {
    use super::super::{HalfBody, PRESETS, Rng, UpperBody, preset};
    use super::*;
    use crate::preprocess::{InputSpec, warp};
    use crate::sample::Visibility;
    use proptest::prelude::*;

    const IMAGE: Size = Size::new(200, 160);

    fn joint(x: f64, y: f64) -> Joint {
        Joint {
            point: Point::new(x, y),
            visibility: Visibility::Visible,
        }
    }

    /// A standing person in the centre of [`IMAGE`], facing the camera.
    fn standing(skeleton: &Skeleton) -> Vec<Joint> {
        let place = |name: &str| {
            let side = match name.get(..2) {
                Some("l_") => 1.0,
                Some("r_") => -1.0,
                _ => 0.0,
            };
            let parts = [
                ("eye", 2.0, 29.0),
                ("ear", 5.0, 30.0),
                ("shoulder", 12.0, 48.0),
                ("elbow", 18.0, 64.0),
                ("wrist", 21.0, 80.0),
                ("hip", 9.0, 86.0),
                ("knee", 10.0, 108.0),
                ("ankle", 11.0, 130.0),
            ];
            let part = parts.iter().find(|(part, ..)| name.ends_with(part));
            let (_, x, y) = *part.unwrap_or(&("head", 0.0, 34.0));
            joint(100.0 + side * x, y)
        };
        skeleton.joints.iter().map(|name| place(name)).collect()
    }

    fn input(size: Size, alignment: Alignment) -> InputSpec {
        InputSpec {
            size,
            mean: [0.0; 3],
            std: [1.0; 3],
            alignment,
            padding: 1.25,
            border: [0; 3],
        }
    }

    fn subject<'a>(
        joints: &'a [Joint],
        skeleton: &'a Skeleton,
        spec: &InputSpec,
    ) -> CropTarget<'a> {
        let bbox = BBox::around(joints.iter().map(|j| j.point)).unwrap();
        CropTarget {
            skeleton,
            joints,
            image: IMAGE,
            roi: spec.roi(bbox),
            input: spec.size,
            alignment: spec.alignment,
        }
    }

    /// A black image with a soft white spot at `p`.
    fn spot(p: Point) -> Vec<u8> {
        let pixel = |i: usize| {
            let (x, y) = ((i % IMAGE.width) as f64, (i / IMAGE.width) as f64);
            let d2 = (x - p.x).powi(2) + (y - p.y).powi(2);
            let v = (255.0 * (-d2 / (2.0 * 4.0)).exp()).round() as u8;
            [v, v, v, 255]
        };
        (0..IMAGE.area()).flat_map(pixel).collect()
    }

    /// Returns the centre of gravity of the red plane.
    fn centroid(values: &[f32], size: Size) -> Point {
        let mut sums = [0.0f64; 3];
        for (i, v) in values[..size.area()].iter().enumerate() {
            let v = f64::from(*v);
            sums[0] += v;
            sums[1] += v * (i % size.width) as f64;
            sums[2] += v * (i / size.width) as f64;
        }
        Point::new(sums[1] / sums[0], sums[2] / sums[0])
    }

    proptest! {
        /// Fails when points and pixels are transformed differently. Under every preset, a spot
        /// painted on a joint must be found at the joint's transformed position, under the mirror
        /// partner's name if the view is mirrored.
        #[test]
        fn points_and_pixels_move_together(seed in any::<u64>(), j in 0usize..17, tall: bool) {
            let skeleton = Skeleton::by_name("coco17").unwrap();
            let (size, alignment) = if tall {
                (Size::new(48, 64), Alignment::MinusOne)
            } else {
                (Size::square(64), Alignment::HalfPixel)
            };
            let spec = input(size, alignment);
            let joints = standing(skeleton);
            let picture = spot(joints[j].point);
            for preset in PRESETS {
                let augment = (preset.build)();
                let view = augment
                    .view(&subject(&joints, skeleton, &spec), &mut Rng::new(&[seed]))
                    .unwrap();
                let seen = view.joints(&joints, skeleton);
                let named = if view.flipped { skeleton.mirror[j] } else { j };
                let expected = seen[named].point;
                // The whole spot must be in view: 4 sigma of 2 pixels, enlarged up to 6 times.
                let [xx, xy, _] = view.image_from_input.m[0];
                let rim = 8.0 / xx.hypot(xy) + 1.0;
                let inside = |v: f64, n: usize| v > rim && v < n as f64 - 1.0 - rim;
                if !inside(expected.x, size.width) || !inside(expected.y, size.height) {
                    continue;
                }
                let mut values = vec![0.0; spec.n_values()];
                warp(&picture, IMAGE, &view.image_from_input, &spec, &mut values);
                let found = centroid(&values, size);
                prop_assert!(
                    found.distance(expected) < 0.3,
                    "{}: got {found:?}, expected {expected:?}, flipped {}", preset.name, view.flipped
                );
            }
        }

        /// Fails when joints at arbitrary positions or a box without area cause a panic, or yield a
        /// map that is not finite.
        #[test]
        fn any_person_gives_a_finite_map(
            seed in any::<u64>(),
            coordinates in proptest::collection::vec((-2000.0f64..2000.0, 0u8..3), 17),
        ) {
            let skeleton = Skeleton::by_name("coco17").unwrap();
            let spec = input(Size::new(48, 64), Alignment::MinusOne);
            let person: Vec<Joint> = coordinates
                .iter()
                .map(|&(x, v)| Joint {
                    point: Point::new(x, x / 2.0),
                    visibility: match v {
                        0 => Visibility::Unlabelled,
                        1 => Visibility::Hidden,
                        _ => Visibility::Visible,
                    },
                })
                .collect();
            for preset in PRESETS {
                let mut subject = subject(&person, skeleton, &spec);
                subject.roi = spec.roi(BBox::new(3.0, 4.0, 40.0, 2.0));
                let view = (preset.build)().view(&subject, &mut Rng::new(&[seed])).unwrap();
                let m = view.image_from_input.m;
                prop_assert!(m.iter().flatten().all(|v| v.is_finite()));
                let det = m[0][0] * m[1][1] - m[0][1] * m[1][0];
                prop_assert_eq!(det < 0.0, view.flipped);
            }
        }
    }

    /// Fails when a mirrored person keeps the joint names: seen from the front, the person's left
    /// is on the right of the image, also after mirroring.
    #[test]
    fn left_stays_left_in_the_mirror() {
        let flip = Augment {
            flip: 1.0,
            ..Augment::default()
        };
        for skeleton in Skeleton::all() {
            let spec = input(Size::square(64), Alignment::HalfPixel);
            let joints = standing(skeleton);
            let subject = subject(&joints, skeleton, &spec);
            let view = flip.view(&subject, &mut Rng::new(&[1])).unwrap();
            assert!(view.flipped);
            let seen = view.joints(&joints, skeleton);
            let plain = Augment::default()
                .view(&subject, &mut Rng::new(&[1]))
                .unwrap()
                .joints(&joints, skeleton);
            for name in ["shoulder", "wrist", "hip", "ankle"] {
                let at = |side: &str| skeleton.joint(&format!("{side}_{name}")).unwrap();
                assert!(seen[at("l")].point.x > seen[at("r")].point.x);
                // This person is symmetrical, so the mirror image equals the original.
                assert!(seen[at("l")].point.distance(plain[at("l")].point) < 1e-6);
            }
        }
    }

    /// Fails when a view without augmentation differs from the region that evaluation crops.
    #[test]
    fn without_augmentation_the_region_is_the_given_one() {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let joints = standing(skeleton);
        for alignment in [Alignment::HalfPixel, Alignment::MinusOne] {
            let spec = input(Size::new(48, 64), alignment);
            let subject = subject(&joints, skeleton, &spec);
            let view = Augment::default()
                .view(&subject, &mut Rng::new(&[1]))
                .unwrap();
            assert_eq!(view.image_from_input, spec.image_from_input(&subject.roi));
        }
    }

    /// Fails when an upper-body crop shows the legs or loses the head, or a half-body crop is not a
    /// half.
    #[test]
    fn partial_body_crops_show_their_part() {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let joints = standing(skeleton);
        let spec = input(Size::square(64), Alignment::HalfPixel);
        let subject = subject(&joints, skeleton, &spec);
        let mut augment = Augment {
            upper_body: UpperBody {
                probability: 1.0,
                shift: 0.0,
                ..(preset("default").unwrap().build)().upper_body
            },
            ..Augment::default()
        };
        let visible = |augment: &Augment, seed, name: &str| {
            let view = augment.view(&subject, &mut Rng::new(&[seed])).unwrap();
            let j = skeleton.joint(name).unwrap();
            view.joints(&joints, skeleton)[j]
                .inside(spec.size)
                .is_some()
        };
        for seed in 0..50 {
            assert!(visible(&augment, seed, "nose") && visible(&augment, seed, "l_wrist"));
            assert!(!visible(&augment, seed, "l_ankle"));
        }
        augment.upper_body.probability = 0.0;
        augment.half_body = HalfBody {
            probability: 1.0,
            ..HalfBody::default()
        };
        let halves: Vec<bool> = (0..100)
            .map(|seed| {
                let upper = visible(&augment, seed, "nose");
                assert_ne!(upper, visible(&augment, seed, "l_ankle"));
                upper
            })
            .collect();
        let n_upper = halves.iter().filter(|upper| **upper).count();
        assert!((50..90).contains(&n_upper), "{n_upper}");
    }

    /// Fails when a half-body crop differs from HRNet's code: centred on the mean of its joints,
    /// and 1.5 times as large as their extent.
    #[test]
    fn a_half_is_cropped_around_the_mean_of_its_joints() {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let joints = standing(skeleton);
        let spec = input(Size::square(64), Alignment::HalfPixel);
        // Upper: eyes (y = 29) to wrists (80), eleven joints. Lower: hips (86) to ankles (130).
        for (share, mean, extent) in [(1.0, 536.0 / 11.0, 51.0), (0.0, 108.0, 44.0)] {
            let half_body = HalfBody {
                probability: 1.0,
                upper_share: share,
                ..HalfBody::default()
            };
            let augment = Augment {
                half_body,
                ..Augment::default()
            };
            let subject = subject(&joints, skeleton, &spec);
            let view = augment.view(&subject, &mut Rng::new(&[1])).unwrap();
            let middle = view.image_from_input.apply(Point::new(31.5, 31.5));
            assert!(middle.distance(Point::new(100.0, mean)) < 1e-9);
            let side = 64.0 * view.image_from_input.m[0][0];
            assert!((side - 1.5 * extent).abs() < 1e-9, "{side}");
        }
    }
}
