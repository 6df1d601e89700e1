//! The synthetic person: joint positions over time, and rendering.

use std::f64::consts::TAU;

use crate::frame::BYTES_PER_PIXEL;
use crate::geometry::{Point, Size};

/// Body proportions as fractions of its height, from the crown (0) to the soles (1).
mod body {
    pub(super) const NOSE: f64 = 0.082;
    pub(super) const EYES: f64 = 0.064;
    pub(super) const EARS: f64 = 0.072;
    pub(super) const CHIN: f64 = 0.128;
    pub(super) const SHOULDERS: f64 = 0.195;
    pub(super) const HIPS: f64 = 0.515;
    pub(super) const THIGH: f64 = 0.235;
    pub(super) const SHIN: f64 = 0.215;
    pub(super) const UPPER_ARM: f64 = 0.165;
    pub(super) const FOREARM: f64 = 0.145;
    /// Half the distances between left and right.
    pub(super) const HALF_EYES: f64 = 0.021;
    pub(super) const HALF_EARS: f64 = 0.047;
    pub(super) const HALF_SHOULDERS: f64 = 0.108;
    pub(super) const HALF_HIPS: f64 = 0.058;
}

/// Maps body heights to pixels at one moment.
struct Stance {
    /// Position of the crown in pixels.
    crown: Point,
    /// Pixels per body height.
    height: f64,
}

impl Stance {
    /// The body fills 84 % of the height, or as much of the width as its outstretched arms (0.44
    /// body heights to each side, while swaying by 6 % of the width) leave.
    fn at(time_secs: f64, size: Size) -> Self {
        let (w, h) = (size.width as f64, size.height as f64);
        let height = (0.84 * h).min(0.96 * w);
        Self {
            crown: Point::new(
                (w - 1.0) / 2.0 + 0.06 * w * (TAU * 0.13 * time_secs).sin(),
                (h - 1.0 - height) / 2.0 + 0.008 * height * (TAU * 1.1 * time_secs).sin(),
            ),
            height,
        }
    }

    /// Returns the pixel position of a point (x to the right of the midline in the image, y below
    /// the crown).
    fn point(&self, x: f64, y: f64) -> Point {
        Point::new(
            self.crown.x + x * self.height,
            self.crown.y + y * self.height,
        )
    }
}

/// Returns the 17 joints in the order of the `coco17` skeleton, in pixels, `time_secs` after the
/// start.
///
/// The person faces the camera: the person's left is on the image's right.
pub fn joints_at(time_secs: f64, size: Size) -> Vec<Point> {
    let stance = Stance::at(time_secs, size);
    // Arms and legs of the two sides move with phases at least half a period apart, so that left
    // and right can be distinguished by their motion; angles are in radians outwards from hanging
    // down.
    let swing = |hertz: f64, phase: f64| (TAU * (hertz * time_secs + phase)).sin();
    let side = |sign: f64, phase: f64| {
        let raise = 0.75 + 0.55 * swing(0.31, phase);
        let bend = raise + 0.55 + 0.45 * swing(0.62, phase + 0.2);
        let shoulder = (body::HALF_SHOULDERS, body::SHOULDERS);
        let elbow = reach(shoulder, raise, body::UPPER_ARM);
        let wrist = reach(elbow, bend, body::FOREARM);
        let step = 0.07 + 0.06 * swing(0.55, phase);
        let hip = (body::HALF_HIPS, body::HIPS);
        let knee = reach(hip, step, body::THIGH);
        let ankle = reach(
            knee,
            step - 0.06 + 0.05 * swing(0.55, phase + 0.1),
            body::SHIN,
        );
        let eye = (body::HALF_EYES, body::EYES);
        let ear = (body::HALF_EARS, body::EARS);
        [eye, ear, shoulder, elbow, wrist, hip, knee, ankle].map(|(x, y)| stance.point(sign * x, y))
    };
    let left = side(1.0, 0.0);
    let right = side(-1.0, 0.55);
    let mut joints = vec![stance.point(0.0, body::NOSE)];
    for (l, r) in left.into_iter().zip(right) {
        joints.extend([l, r]);
    }
    joints
}

/// Returns the end of a bone of `length` from `from`, `angle` outwards from hanging down.
fn reach(from: (f64, f64), angle: f64, length: f64) -> (f64, f64) {
    (from.0 + length * angle.sin(), from.1 + length * angle.cos())
}

type Color = [f64; 3];

const SKIN: Color = [224.0, 172.0, 138.0];
const HAIR: Color = [58.0, 40.0, 30.0];
const SHIRT: Color = [176.0, 58.0, 52.0];
const TROUSERS: Color = [44.0, 60.0, 104.0];
const SHOES: Color = [42.0, 38.0, 38.0];
const LIPS: Color = [170.0, 88.0, 80.0];
const WHITE: Color = [238.0, 236.0, 232.0];
const IRIS: Color = [40.0, 46.0, 52.0];
const WALL: Color = [196.0, 202.0, 196.0];
const FLOOR: Color = [150.0, 124.0, 98.0];

/// Renders an empty room: a wall that darkens upwards, a floor, and a soft fixed noise, so that a
/// network does not see flat synthetic areas.
pub(super) fn background(size: Size) -> Vec<u8> {
    let mut rgba = Vec::with_capacity(size.area() * BYTES_PER_PIXEL);
    let (w, h) = (size.width as f64, size.height as f64);
    let horizon = 0.80;
    for y in 0..size.height {
        for x in 0..size.width {
            let (u, v) = (x as f64 / w, y as f64 / h);
            let (color, light) = if v < horizon {
                (WALL, 0.78 + 0.22 * v / horizon - 0.12 * (u - 0.35).abs())
            } else {
                (FLOOR, 0.80 + 0.9 * (v - horizon))
            };
            let coarse = grain(x / 5, y / 5) * 0.02;
            let fine = grain(x + 7919, y) * 0.03;
            let light = light + coarse + fine;
            rgba.extend(color.map(|c| (c * light) as u8));
            rgba.push(255);
        }
    }
    rgba
}

/// Returns the noise at a pixel, from -1 to 1: an integer hash, the same on every machine.
fn grain(x: usize, y: usize) -> f64 {
    let mut n = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    n = (n ^ (n >> 15)).wrapping_mul(0x2C1B_3C6D);
    n = (n ^ (n >> 12)).wrapping_mul(0x297A_2D39);
    f64::from(n ^ (n >> 15)) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// A rounded bar from `a` to `b` whose radius changes from `r_a` to `r_b` pixels.
struct Capsule {
    a: Point,
    b: Point,
    r_a: f64,
    r_b: f64,
    color: Color,
}

/// Draws the person at a moment over the pixels of [`background`].
pub(super) fn draw(rgba: &mut [u8], size: Size, time_secs: f64) {
    for capsule in capsules(time_secs, size) {
        paint(rgba, size, &capsule);
    }
}

/// Returns the body parts, farthest first.
fn capsules(time_secs: f64, size: Size) -> Vec<Capsule> {
    let stance = Stance::at(time_secs, size);
    let joints = joints_at(time_secs, size);
    let h = stance.height;
    let mut parts = Vec::new();
    let mut part = |a: Point, b: Point, r_a: f64, r_b: f64, color: Color| {
        parts.push(Capsule {
            a,
            b,
            r_a: r_a * h,
            r_b: r_b * h,
            color,
        });
    };
    let at = |x: f64, y: f64| stance.point(x, y);
    // Pairs of (left, right) indices of `coco17`.
    for side in [0, 1] {
        let joint = |left: usize| joints[left + side];
        let sign = if side == 0 { 1.0 } else { -1.0 };
        let (hip, knee, ankle) = (joint(11), joint(13), joint(15));
        let toes = Point::new(ankle.x + sign * 0.018 * h, ankle.y + 0.026 * h);
        part(ankle, toes, 0.022, 0.026, SHOES);
        part(hip, knee, 0.058, 0.042, TROUSERS);
        part(knee, ankle, 0.042, 0.028, TROUSERS);
    }
    part(at(-0.032, 0.5), at(0.032, 0.5), 0.066, 0.066, TROUSERS);
    part(at(0.0, 0.12), at(0.0, 0.18), 0.033, 0.036, SKIN);
    part(at(-0.082, 0.205), at(0.082, 0.205), 0.038, 0.038, SHIRT);
    part(at(-0.042, 0.255), at(-0.036, 0.445), 0.080, 0.060, SHIRT);
    part(at(0.042, 0.255), at(0.036, 0.445), 0.080, 0.060, SHIRT);
    part(at(0.0, 0.255), at(0.0, 0.445), 0.086, 0.064, SHIRT);
    for side in [0, 1] {
        let joint = |left: usize| joints[left + side];
        let (shoulder, elbow, wrist) = (joint(5), joint(7), joint(9));
        let hand = Point::new(
            wrist.x + 0.22 * (wrist.x - elbow.x),
            wrist.y + 0.22 * (wrist.y - elbow.y),
        );
        part(elbow, wrist, 0.027, 0.020, SKIN);
        part(wrist, hand, 0.021, 0.025, SKIN);
        part(shoulder, elbow, 0.038, 0.031, SHIRT);
    }
    part(at(0.0, 0.045), at(0.0, 0.062), 0.051, 0.049, HAIR);
    for ear in [joints[3], joints[4]] {
        part(ear, ear, 0.012, 0.012, SKIN);
    }
    part(
        at(0.0, 0.068),
        at(0.0, body::CHIN - 0.032),
        0.046,
        0.035,
        SKIN,
    );
    part(at(-0.024, 0.026), at(0.024, 0.026), 0.022, 0.022, HAIR);
    for side in [0, 1] {
        let eye = joints[1 + side];
        let inner = Point::new(eye.x - 0.003 * h, eye.y);
        let outer = Point::new(eye.x + 0.003 * h, eye.y);
        part(inner, outer, 0.006, 0.006, WHITE);
        part(eye, eye, 0.0045, 0.0045, IRIS);
        let brow = |dx: f64| Point::new(eye.x + dx * h, eye.y - 0.013 * h);
        part(brow(-0.010), brow(0.010), 0.0025, 0.0025, HAIR);
    }
    let shade = SKIN.map(|c| 0.88 * c);
    part(at(0.0, 0.068), at(0.0, body::NOSE), 0.004, 0.007, shade);
    part(at(-0.014, 0.106), at(0.014, 0.106), 0.0035, 0.0035, LIPS);
    parts
}

/// Draws one part with soft edges: coverage falls off over a border of one pixel. Round shading
/// makes limbs look three-dimensional: light falls from the upper left.
fn paint(rgba: &mut [u8], size: Size, part: &Capsule) {
    let Capsule { a, b, .. } = *part;
    let reach = part.r_a.max(part.r_b) + 1.0;
    let span = |p: f64, q: f64, n: usize| {
        let first = (p.min(q) - reach).ceil().max(0.0) as usize;
        let end = ((p.max(q) + reach).floor() + 1.0).clamp(0.0, n as f64) as usize;
        first.min(end)..end
    };
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let per_length = 1.0 / (dx * dx + dy * dy).max(1e-9);
    let columns = span(a.x, b.x, size.width);
    for y in span(a.y, b.y, size.height) {
        let row = y * size.width;
        for x in columns.clone() {
            let (px, py) = (x as f64 - a.x, y as f64 - a.y);
            let t = ((px * dx + py * dy) * per_length).clamp(0.0, 1.0);
            let (nx, ny) = (px - t * dx, py - t * dy);
            let radius = part.r_a + t * (part.r_b - part.r_a);
            // Not `hypot`: its guard against overflow is a library call for every pixel.
            let distance = (nx * nx + ny * ny).sqrt();
            let coverage = (0.5 + radius - distance).clamp(0.0, 1.0);
            if coverage > 0.0 {
                let rim = (distance / radius).min(1.0);
                let facing = -(0.5 * nx + 0.6 * ny) / radius;
                let light = 1.0 - 0.13 * rim * rim + 0.06 * facing;
                let at = (row + x) * BYTES_PER_PIXEL;
                for (channel, color) in rgba[at..at + 3].iter_mut().zip(part.color) {
                    let old = f64::from(*channel);
                    *channel = (old + coverage * (color * light - old) + 0.5) as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skeleton::Skeleton;
    use proptest::prelude::*;

    fn coco() -> &'static Skeleton {
        Skeleton::by_name("coco17").unwrap()
    }

    fn joint(name: &str, time_secs: f64) -> Point {
        joints_at(time_secs, Size::new(640, 480))[coco().joint(name).unwrap()]
    }

    proptest! {
        /// Fails when a joint leaves the frame or jumps, which makes it useless for testing
        /// trackers.
        #[test]
        fn joints_stay_inside_and_move_smoothly(t in 0.0..500.0f64, w in 64..2000usize, h in 64..2000usize) {
            let size = Size::new(w, h);
            let (now, next) = (joints_at(t, size), joints_at(t + 0.01, size));
            prop_assert_eq!(now.len(), coco().n_joints());
            for (p, q) in now.iter().zip(&next) {
                prop_assert!(p.x >= 0.0 && p.x <= w as f64 - 1.0, "{p:?} in {size}");
                prop_assert!(p.y >= 0.0 && p.y <= h as f64 - 1.0, "{p:?} in {size}");
                prop_assert!(p.distance(*q) < 0.02 * h as f64);
            }
        }

        /// Fails when bones change their length or the person's sides are mixed up.
        #[test]
        fn bones_are_rigid_and_left_is_on_the_right(t in 0.0..500.0f64) {
            for side in ["l", "r"] {
                let at = |name: &str, t: f64| joint(&format!("{side}_{name}"), t);
                for (a, b) in [("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")] {
                    let length = |t: f64| at(a, t).distance(at(b, t));
                    prop_assert!((length(t) - length(0.0)).abs() < 1e-6);
                }
            }
            for name in ["eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"] {
                let (l, r) = (joint(&format!("l_{name}"), t), joint(&format!("r_{name}"), t));
                prop_assert!(l.x > r.x, "{name}");
            }
        }
    }

    /// Fails when the rendering does not match the joints: each joint lies on a part of the body in
    /// that part's colour.
    #[test]
    fn the_body_is_painted_at_its_joints() {
        let size = Size::new(640, 480);
        let expected = [
            ("nose", SKIN),
            ("l_eye", IRIS),
            ("l_ear", SKIN),
            ("r_shoulder", SHIRT),
            ("l_wrist", SKIN),
            ("r_hip", TROUSERS),
            ("l_knee", TROUSERS),
        ];
        for t in [0.0, 0.7, 3.1] {
            let mut rgba = background(size);
            draw(&mut rgba, size, t);
            for (name, color) in expected {
                let p = joint(name, t);
                let at = (p.y.round() as usize * size.width + p.x.round() as usize) * 4;
                for (got, want) in rgba[at..at + 3].iter().zip(color) {
                    let differs = (f64::from(*got) - want).abs() / want;
                    assert!(differs < 0.4, "{name} at {t}: {got} for {want}");
                }
            }
        }
    }

    /// Fails when edges are jagged or alpha is modified: a moving edge must change pixels
    /// gradually.
    #[test]
    fn edges_are_soft_and_pictures_opaque() {
        let size = Size::new(9, 9);
        let mut rgba = [0, 0, 0, 255].repeat(size.area());
        let dot = Capsule {
            a: Point::new(4.0, 4.0),
            b: Point::new(4.0, 4.0),
            r_a: 2.25,
            r_b: 2.25,
            color: [200.0; 3],
        };
        paint(&mut rgba, size, &dot);
        let red = |x: usize| rgba[(4 * 9 + x) * 4];
        assert_eq!(red(0), 0);
        assert!(red(4) > 190 && red(6) > 80 && red(6) < red(5));
        assert!(red(2) > red(6), "the light comes from the left");
        assert!(rgba.chunks_exact(4).all(|p| p[3] == 255));
    }
}
