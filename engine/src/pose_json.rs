//! One JSON object per frame with all its poses: a line of `--write-json` and of live streams; and
//! the rounding of numbers that are written.

use serde::{Serialize, Serializer};

use crate::output::PoseOutput;
use crate::pose::{Keypoint, Pose};

/// One frame as JSON. `file` is the name of the image if each frame is an image file;
/// `source_frame` is the source's number of a frame that a recording has numbered anew.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    frame: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_frame: Option<u64>,
    time_secs: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    width: usize,
    height: usize,
    model: &'a str,
    skeleton: &'a str,
    /// Units of the measures, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<Named<&'a str>>,
    poses: Vec<Person>,
}

/// Values by name, in their order.
struct Named<T>(Vec<(String, T)>);

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[derive(Serialize)]
struct Person {
    track_id: Option<u64>,
    score: f64,
    #[serde(rename = "box")]
    bbox: [f64; 4],
    keypoints: Vec<[f64; 3]>,
    keypoints_raw: Vec<[f64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measures: Option<Named<Option<f64>>>,
}

impl From<&Pose> for Person {
    fn from(pose: &Pose) -> Self {
        let b = pose.bbox;
        Self {
            track_id: pose.track_id,
            score: score(pose.score),
            bbox: [b.x, b.y, b.w, b.h].map(pixels),
            keypoints: triples(&pose.keypoints),
            keypoints_raw: triples(&pose.keypoints_raw),
            measures: None,
        }
    }
}

impl<'a> From<&'a PoseOutput> for Line<'a> {
    fn from(output: &'a PoseOutput) -> Self {
        Self {
            frame: output.frame.id,
            source_frame: output.frame.source_id,
            time_secs: seconds(output.frame.time_secs),
            file: output.frame.file.as_deref(),
            width: output.frame.size().width,
            height: output.frame.size().height,
            model: &output.model,
            skeleton: &output.skeleton.name,
            units: None,
            poses: output.poses.iter().map(Person::from).collect(),
        }
    }
}

impl<'a> Line<'a> {
    /// Adds measures: their names with units, and for each person their values.
    pub(crate) fn with_measures(
        mut self,
        units: &'a [(String, String)],
        values: impl IntoIterator<Item = Vec<Option<f64>>>,
    ) -> Self {
        let named = units.iter();
        let named = named.map(|(name, unit)| (name.clone(), unit.as_str()));
        self.units = Some(Named(named.collect()));
        for (person, values) in self.poses.iter_mut().zip(values) {
            let names = units.iter().map(|(name, _)| name.clone());
            person.measures = Some(Named(names.zip(values).collect()));
        }
        self
    }
}

/// Rounds a measure to a thousandth of its unit.
pub(crate) fn thousandth(value: f64) -> f64 {
    rounded(value, 1e3)
}

/// Rounds a position in pixels to a hundredth, which is finer than any network resolves. NaN has no
/// representation in JSON.
pub(crate) fn pixels(value: impl Into<f64>) -> f64 {
    let value = value.into();
    rounded(if value.is_finite() { value } else { 0.0 }, 1e2)
}

/// Rounds a score to a ten-thousandth and clips it to 0 to 1: networks overshoot slightly. NaN
/// becomes 0.
pub(crate) fn score(value: f32) -> f64 {
    let value = if value.is_nan() { 0.0 } else { value };
    rounded(f64::from(value.clamp(0.0, 1.0)), 1e4)
}

/// Rounds a time in seconds to a microsecond.
pub(crate) fn seconds(value: f64) -> f64 {
    rounded(value, 1e6)
}

/// Adding 0 turns -0 into 0.
fn rounded(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit + 0.0
}

/// Returns a keypoint as it is written: rounded `[x, y, score]`. NaN has no representation in any
/// of the files, so such a keypoint is written as absent, which is three zeros in all of them.
pub(crate) fn triple(k: &Keypoint) -> [f64; 3] {
    if [k.x, k.y, k.score].iter().all(|v| v.is_finite()) {
        [pixels(k.x), pixels(k.y), score(k.score)]
    } else {
        [0.0; 3]
    }
}

/// Returns the triples of consecutive keypoints.
pub(crate) fn triples<'a>(keypoints: impl IntoIterator<Item = &'a Keypoint>) -> Vec<[f64; 3]> {
    keypoints.into_iter().map(triple).collect()
}
