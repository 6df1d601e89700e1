//! Measures of a pose: joint angles, the inclination of a segment, distances and speeds.
//!
//! All are computed in the image plane, from the joints as they are drawn: temporally smoothed if
//! smoothing is on. A joint whose score is below the threshold has no position, and a measure that
//! needs it has no value.
//!
//! | form | value | range | unit |
//! |---|---|---|---|
//! | `left_elbow`, ... ([`MeasureSpec::named`]) | angle at the joint | 0 to 180, straight is 180 | deg |
//! | `A-B-C` | angle at B between the directions to A and C | 0 to 180 | deg |
//! | `A-B\|vertical` | direction from A to B: 0 is straight up in the image, positive is clockwise (B to the right of A) | above -180 to 180 | deg |
//! | `A-B` | distance | from 0 | px, or that of the [`Scale`] |
//! | `A\|speed` | mean speed over the last [`SPEED_SECS`] | from 0 | the unit of length per second |

mod scale;
mod spec;
#[cfg(test)]
mod tests;

pub use scale::Scale;
pub use spec::{Kind, MeasureSpec, Spot};

use crate::geometry::Point;
use crate::output::PoseOutput;
use crate::pose::{Keypoint, Pose};
use crate::skeleton::Skeleton;

/// Time over which a speed is averaged, in seconds; if the frames are farther apart, from the
/// previous one.
pub const SPEED_SECS: f64 = 0.1;

/// Longest time between two frames from which a speed is computed, in seconds.
const LONGEST_STEP_SECS: f64 = 0.5;

/// What is measured, and the unit of lengths.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measures {
    /// The measures, in the order of their columns.
    pub list: Vec<MeasureSpec>,
    /// Size of the scene; without it, lengths are in pixels.
    pub scale: Option<Scale>,
}

impl Measures {
    /// Reads a list separated by commas; `all` stands for every named angle. Doubles are left out.
    ///
    /// # Errors
    /// If an entry is not a measure.
    pub fn parse(list: &str) -> Result<Vec<MeasureSpec>, String> {
        let mut parsed: Vec<MeasureSpec> = Vec::new();
        for entry in list.split(',') {
            let new = match entry.trim() {
                "all" => MeasureSpec::named(),
                one => vec![one.parse()?],
            };
            for spec in new {
                if !parsed.contains(&spec) {
                    parsed.push(spec);
                }
            }
        }
        Ok(parsed)
    }

    /// Returns whether nothing is measured.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the unit of a measure: `deg`, `px`, `px/s`, `m`, ...
    pub fn unit(&self, spec: &MeasureSpec) -> String {
        let length = self.scale.as_ref().map_or("px", Scale::unit);
        match spec.kind() {
            Kind::Angle(_) | Kind::Vertical(_) => "deg".to_owned(),
            Kind::Distance(_) => length.to_owned(),
            Kind::Speed(_) => format!("{length}/s"),
        }
    }

    /// Returns the values of one person of `output`, in the order of the list; `None` if a joint is
    /// missing, two joints coincide that must not, or there is no previous frame for a speed.
    pub fn values(&self, output: &PoseOutput, pose: &Pose, least_score: f32) -> Vec<Option<f64>> {
        let time = output.frame.time_secs;
        let value = |spec| self.value(spec, output.skeleton, pose, time, least_score);
        self.list.iter().map(value).collect()
    }

    /// Returns the value of one measure of `pose` at `time_secs`.
    pub fn value(
        &self,
        spec: &MeasureSpec,
        skeleton: &Skeleton,
        pose: &Pose,
        time_secs: f64,
        least_score: f32,
    ) -> Option<f64> {
        let at = |spot: &Spot| position(spot, skeleton, &pose.keypoints, least_score);
        let value = match spec.kind() {
            Kind::Angle([a, b, c]) => angle(at(a)?, at(b)?, at(c)?)?,
            Kind::Vertical([a, b]) => inclination(at(a)?, at(b)?)?,
            Kind::Distance([a, b]) => self.length(at(a)?.distance(at(b)?)),
            Kind::Speed(joint) => {
                let now = at(joint)?;
                let steps = pose.past.iter();
                let earlier = steps.filter(|step| step.time_secs < time_secs);
                let earlier = earlier.filter_map(|step| {
                    let point = position(joint, skeleton, &step.keypoints, least_score)?;
                    Some((time_secs - step.time_secs, point))
                });
                let (secs, before) = base(earlier)?;
                self.length(now.distance(before)) / secs
            }
        };
        value.is_finite().then_some(value)
    }

    fn length(&self, pixels: f64) -> f64 {
        let scale = self.scale.as_ref();
        scale.map_or(pixels, |scale| pixels * scale.per_pixel())
    }
}

/// Returns the position of a joint, or of the middle of two; `None` if the skeleton has none, or a
/// score is below `least_score`.
pub fn position(
    spot: &Spot,
    skeleton: &Skeleton,
    keypoints: &[Keypoint],
    least_score: f32,
) -> Option<Point> {
    let found = spot.origin(skeleton)?.pick(keypoints);
    let is_seen = found.score > 0.0 && found.score >= least_score;
    let is_finite = found.x.is_finite() && found.y.is_finite();
    (is_seen && is_finite).then(|| found.point())
}

/// Returns the step from which a speed is computed: the farthest within [`SPEED_SECS`], or else the
/// nearest, unless it is too far. Steps are times before now with positions, oldest first.
fn base(steps: impl Iterator<Item = (f64, Point)>) -> Option<(f64, Point)> {
    // Times of frames are rounded.
    let is_near = |secs: f64| secs <= SPEED_SECS + 1e-6;
    let mut last = None;
    for (secs, point) in steps {
        if is_near(secs) {
            return Some((secs, point));
        }
        last = Some((secs, point));
    }
    last.filter(|(secs, _)| *secs <= LONGEST_STEP_SECS)
}

/// Returns the angle at `b` in degrees, 0 to 180; `None` if another point coincides with `b`.
pub fn angle(a: Point, b: Point, c: Point) -> Option<f64> {
    let (u, v) = (minus(a, b), minus(c, b));
    if is_zero(u) || is_zero(v) {
        return None;
    }
    // Unlike the arc cosine, exact near 0 and 180 degrees.
    let (cross, dot) = (u.x * v.y - u.y * v.x, u.x * v.x + u.y * v.y);
    Some(cross.abs().atan2(dot).to_degrees())
}

/// Returns the direction from `a` to `b` in degrees clockwise from straight up in the image, above
/// -180 to 180; `None` if they coincide.
pub fn inclination(a: Point, b: Point) -> Option<f64> {
    let d = minus(b, a);
    if is_zero(d) {
        return None;
    }
    // Adding 0 turns -0 into 0: straight down is 180, never -180.
    Some((d.x + 0.0).atan2(-d.y).to_degrees())
}

fn minus(a: Point, b: Point) -> Point {
    Point::new(a.x - b.x, a.y - b.y)
}

fn is_zero(v: Point) -> bool {
    v.x == 0.0 && v.y == 0.0
}
