//! How a person looks: the colours of the torso, which tell people apart who walk past each other.
//!
//! The colours are those of a grid of points between shoulders and hips, counted in a histogram of
//! 4 x 4 x 4 bins over red, green and blue. A colour between the centres of bins counts in each of
//! them by its distance, so that a little more light does not change the histogram much. Histograms
//! are compared by their Bhattacharyya coefficient. A look takes a few microseconds.

use super::motion::is_seen;
use crate::frame::{BYTES_PER_PIXEL, Frame};
use crate::geometry::{BBox, Point};
use crate::pose::Pose;
use crate::skeleton::Skeleton;

/// Bins per channel.
const BINS: usize = 4;

/// Grid points per side of the torso.
const N_POINTS: usize = 7;

/// Minimum score of shoulders and hips.
const MIN_SCORE: f32 = 0.3;

/// Fraction of the torso that is left out on each side: arms and background.
const MARGIN: f64 = 0.15;

/// Height of the sampled chest relative to the width of the shoulders if the hips are not seen.
const CHEST: f64 = 0.8;

/// Minimum number of grid points inside the image.
const MIN_POINTS: usize = N_POINTS * N_POINTS / 2;

/// Minimum length in pixels of the sides of a torso: below it, the colours are those of the edges.
const MIN_SIDE: f64 = 6.0;

/// Histogram of the colours of a torso; its values sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Appearance([f32; BINS * BINS * BINS]);

impl Appearance {
    /// Returns the colours of a torso; `None` if most of it lies outside the image.
    pub(super) fn of(torso: &Torso, frame: &Frame) -> Option<Self> {
        let mut bins = [0.0; BINS * BINS * BINS];
        let mut n = 0;
        for i in 0..N_POINTS * N_POINTS {
            let inside =
                |i: usize| MARGIN + (1.0 - 2.0 * MARGIN) * (i as f64 + 0.5) / N_POINTS as f64;
            let at = torso.point(inside(i % N_POINTS), inside(i / N_POINTS));
            if let Some(rgb) = pixel(frame, at) {
                count(&mut bins, rgb);
                n += 1;
            }
        }
        let share = 1.0 / n as f32;
        (n >= MIN_POINTS).then(|| Self(bins.map(|bin| bin * share)))
    }

    /// Returns the similarity of two appearances, from 0 (no common colour) to 1 (equal).
    pub(super) fn similarity(&self, other: &Self) -> f64 {
        let roots = self.0.iter().zip(&other.0).map(|(a, b)| (a * b).sqrt());
        f64::from(roots.sum::<f32>())
    }

    /// Moves the appearance towards `new` by a fraction.
    pub(super) fn approach(&mut self, new: &Self, fraction: f32) {
        for (bin, new) in self.0.iter_mut().zip(&new.0) {
            *bin += fraction * (new - *bin);
        }
    }
}

fn pixel(frame: &Frame, at: Point) -> Option<[u8; 3]> {
    let size = frame.size();
    let (x, y) = (at.x.round(), at.y.round());
    let is_inside = x >= 0.0 && y >= 0.0 && x < size.width as f64 && y < size.height as f64;
    if !is_inside {
        return None;
    }
    let at = BYTES_PER_PIXEL * (y as usize * size.width + x as usize);
    frame.rgba().get(at..at + 3)?.try_into().ok()
}

/// Adds a colour to the bins around it.
fn count(bins: &mut [f32], rgb: [u8; 3]) {
    let places = rgb.map(|value| {
        let place = f32::from(value) * (BINS - 1) as f32 / 255.0;
        let bin = (place as usize).min(BINS - 2);
        (bin, place - bin as f32)
    });
    for corner in 0..8 {
        let (mut bin, mut share) = (0, 1.0);
        for (channel, (first, beyond)) in places.iter().enumerate() {
            let upper = corner >> channel & 1;
            bin = BINS * bin + first + upper;
            share *= if upper == 1 { *beyond } else { 1.0 - beyond };
        }
        bins[bin] += share;
    }
}

/// Shoulders and hips of a pose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Torso {
    /// Left and right shoulder, left and right hip.
    corners: [Point; 4],
}

impl Torso {
    /// Returns the torso of a pose; without hips, the upper part of the chest. `None` if a shoulder
    /// is not clearly seen or the torso is too small.
    pub(super) fn of(pose: &Pose, skeleton: &Skeleton) -> Option<Self> {
        let joint = |name: &str| {
            let k = pose.keypoints_raw.get(skeleton.joint(name)?)?;
            (is_seen(k) && k.score >= MIN_SCORE).then(|| k.point())
        };
        let (left, right) = (joint("l_shoulder")?, joint("r_shoulder")?);
        let hips = joint("l_hip").zip(joint("r_hip"));
        let below = |p: Point| Point::new(p.x, p.y + CHEST * left.distance(right));
        let (l_hip, r_hip) = hips.unwrap_or_else(|| (below(left), below(right)));
        let corners = [left, right, l_hip, r_hip];
        let bbox = BBox::around(corners)?;
        (bbox.w.max(bbox.h) >= MIN_SIDE && bbox.w.min(bbox.h) >= 1.0).then_some(Self { corners })
    }

    /// Returns the point at `u` from left to right and `v` from the shoulders to the hips.
    fn point(&self, u: f64, v: f64) -> Point {
        let between =
            |a: Point, b: Point, t: f64| Point::new(a.x + t * (b.x - a.x), a.y + t * (b.y - a.y));
        let [a, b, c, d] = self.corners;
        between(between(a, b, u), between(c, d, u), v)
    }

    fn bbox(&self) -> BBox {
        BBox::around(self.corners).unwrap_or_default()
    }
}

/// Returns the appearance of each pose whose torso is clearly seen: no joint of another person lies
/// in it, and it does not overlap another person's torso.
pub(super) fn appearances(
    poses: &[Pose],
    skeleton: &Skeleton,
    frame: &Frame,
) -> Vec<Option<Appearance>> {
    let torsos: Vec<_> = poses.iter().map(|p| Torso::of(p, skeleton)).collect();
    let clear = |i: usize| {
        let torso = torsos[i]?;
        let bbox = torso.bbox();
        let covers = |j: usize| {
            let overlaps = torsos[j].is_some_and(|other| other.bbox().intersection(bbox) > 0.0);
            let joints = poses[j].keypoints_raw.iter();
            overlaps
                || joints
                    .filter(|k| is_seen(k) && k.score > Pose::COUNTING_SCORE)
                    .any(|k| bbox.contains(k.point()))
        };
        let is_covered = (0..poses.len()).any(|j| j != i && covers(j));
        (!is_covered).then(|| Appearance::of(&torso, frame))?
    };
    (0..poses.len()).map(clear).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::Pixels;
    use crate::geometry::Size;
    use crate::pose::Keypoint;

    const SIZE: Size = Size::new(160, 120);

    fn coco() -> &'static Skeleton {
        Skeleton::by_name("coco17").unwrap()
    }

    /// A frame whose left and right halves have these colours.
    fn frame(left: [u8; 3], right: [u8; 3]) -> Frame {
        let pixel = |i: usize| {
            let rgb = if i % SIZE.width < SIZE.width / 2 {
                left
            } else {
                right
            };
            [rgb[0], rgb[1], rgb[2], 255]
        };
        let rgba = (0..SIZE.area()).flat_map(pixel).collect();
        Frame::new(0, 0.0, SIZE, Pixels::unpooled(rgba))
    }

    /// Shoulders and hips of a person around `x`.
    fn person(x: f32) -> Pose {
        let mut joints = vec![Keypoint::default(); 17];
        for (name, dx, y) in [
            ("l_shoulder", 10.0, 30.0),
            ("r_shoulder", -10.0, 30.0),
            ("l_hip", 7.0, 70.0),
            ("r_hip", -7.0, 70.0),
        ] {
            joints[coco().joint(name).unwrap()] = [x + dx, y, 0.9].into();
        }
        Pose::from_keypoints(joints)
    }

    fn looks(frame: &Frame, poses: &[Pose]) -> Vec<Option<Appearance>> {
        appearances(poses, coco(), frame)
    }

    /// Fails when different colours look alike, a little more light makes another person, or noise
    /// in the place matters.
    #[test]
    fn colours_are_told_apart_and_light_is_not() {
        let (red, blue) = ([180, 40, 40], [40, 60, 170]);
        let both = looks(&frame(red, blue), &[person(40.0), person(120.0)]);
        let [Some(left), Some(right)] = &both[..] else {
            panic!("{both:?}");
        };
        assert!(left.similarity(right) < 0.3, "{}", left.similarity(right));
        let lighter = frame(red.map(|v| v + 20), blue.map(|v| v + 20));
        let later = looks(&lighter, &[person(43.0), person(117.0)]);
        let same = later[0].as_ref().unwrap().similarity(left);
        assert!(
            same > 0.8 && later[1].as_ref().unwrap().similarity(right) > 0.8,
            "{same}"
        );
        let mut mixed = left.clone();
        mixed.approach(right, 1.0);
        assert!((mixed.similarity(right) - 1.0).abs() < 1e-5);
    }

    /// Fails when a covered, unseen or outside torso counts as seen, or an upper body does not.
    #[test]
    fn only_clear_torsos_are_looked_at() {
        let frame = frame([90; 3], [90; 3]);
        let is_seen = |poses: &[Pose]| {
            let looks = looks(&frame, poses).into_iter();
            looks.map(|a| a.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(is_seen(&[person(40.0), person(120.0)]), [true, true]);
        assert_eq!(is_seen(&[person(40.0), person(55.0)]), [false, false]);
        let mut arm = person(120.0);
        arm.keypoints_raw[9] = [40.0, 50.0, 0.9].into();
        assert_eq!(is_seen(&[person(40.0), arm]), [false, true]);
        let mut upper = person(40.0);
        upper.keypoints_raw[11] = Keypoint::default();
        let mut hidden = person(120.0);
        hidden.keypoints_raw[5].score = 0.1;
        assert_eq!(is_seen(&[upper, hidden]), [true, false]);
        assert_eq!(is_seen(&[person(-9.0)]), [false]);
    }

    proptest! {
        /// Fails when some colour or pose gives a similarity outside 0 to 1, NaN or a panic.
        #[test]
        fn similarities_lie_between_0_and_1(
            a in any::<[u8; 3]>(), b in any::<[u8; 3]>(),
            joints in prop::collection::vec(any::<[f32; 3]>(), 17),
        ) {
            let frame = frame(a, b);
            let wild = Pose::from_keypoints(joints.into_iter().map(Keypoint::from).collect());
            let all = looks(&frame, &[person(40.0), person(120.0), wild]);
            for one in all.iter().flatten() {
                let sum: f32 = one.0.iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-4);
                for other in all.iter().flatten() {
                    prop_assert!((-1e-6..=1.0 + 1e-4).contains(&one.similarity(other)));
                }
            }
        }
    }
}
