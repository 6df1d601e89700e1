//! The measures of people in keypoint files: their names, units and values.

use std::fmt::Write;

use super::export::ExportContext;
use crate::measure::Measures;
use crate::output::PoseOutput;
use crate::pose::Pose;
use crate::pose_json::thousandth;

/// The measures that a file has for each person; none if none were asked for.
pub(super) struct Columns {
    measures: Measures,
    least_score: f32,
    /// Names with units.
    units: Vec<(String, String)>,
}

impl Columns {
    pub(super) fn new(context: &ExportContext) -> Self {
        let measures = context.measures.clone();
        let specs = measures.list.iter();
        let units = specs.map(|spec| (spec.name().to_owned(), measures.unit(spec)));
        Self {
            units: units.collect(),
            least_score: context.least_score,
            measures,
        }
    }

    /// Returns the names with their units.
    pub(super) fn units(&self) -> &[(String, String)] {
        &self.units
    }

    /// Returns the values of one person, rounded to a thousandth.
    pub(super) fn values(&self, output: &PoseOutput, pose: &Pose) -> Vec<Option<f64>> {
        let values = self.measures.values(output, pose, self.least_score);
        let rounded = values.into_iter().map(|value| value.map(thousandth));
        rounded.collect()
    }

    /// Returns the names of the columns of a table, each after a comma: `,left_elbow_deg`.
    pub(super) fn header(&self) -> String {
        let mut header = String::new();
        for (name, unit) in &self.units {
            header.push(',');
            header.push_str(&csv_field(&format!("{name}_{unit}")));
        }
        header
    }

    /// Returns the fields of one person, each after a comma; empty without a value.
    pub(super) fn fields(&self, output: &PoseOutput, pose: &Pose) -> String {
        let mut fields = String::new();
        for value in self.values(output, pose) {
            fields.push(',');
            if let Some(value) = value {
                // Writing to a string cannot fail.
                let _ = write!(fields, "{value:.3}");
            }
        }
        fields
    }
}

/// Formats a text as a field: in quotes if it contains a comma, quote or line break (RFC 4180).
pub fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::frame::{Frame, Pixels};
    use crate::geometry::Size;
    use crate::output::{PeopleCount, Timings};
    use crate::pose::Keypoint;
    use crate::record::ExporterSpec;
    use crate::skeleton::Skeleton;

    fn output(id: u64, poses: Vec<Pose>) -> PoseOutput {
        let size = Size::new(4, 2);
        let pixels = Pixels::unpooled(vec![255; size.area() * 4]);
        PoseOutput {
            frame: Frame::new(id, id as f64, size, pixels),
            model: "sfm".into(),
            skeleton: Skeleton::by_name("lsp14").unwrap(),
            poses,
            regions: Vec::new(),
            timings: Timings::default(),
            people: PeopleCount::default(),
        }
    }

    /// Returns a person with a right angle at the left elbow; the right arm is not visible.
    fn person() -> Pose {
        let skeleton = Skeleton::by_name("lsp14").unwrap();
        let mut keypoints = vec![Keypoint::default(); 14];
        for (name, x, y) in [
            ("l_shoulder", 10.0, 10.0),
            ("l_elbow", 10.0, 20.0),
            ("l_wrist", 40.0, 20.0),
        ] {
            keypoints[skeleton.joint(name).unwrap()] = [x, y, 0.5].into();
        }
        Pose::from_keypoints(keypoints)
    }

    /// Returns what an exporter writes for a frame without people and one with a person.
    fn exported(name: &str, least_score: f32) -> String {
        let context = ExportContext {
            measures: Measures {
                list: Measures::parse("left_elbow,right_elbow,l_elbow-l_wrist,l_wrist|speed")
                    .unwrap(),
                scale: Some("100px=0.5m".parse().unwrap()),
            },
            least_score,
            frames_are_files: true,
            ..ExportContext::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let spec = ExporterSpec::by_name(name).unwrap();
        let mut exporter = (spec.open)(Path::new(&path), &context).unwrap();
        exporter.push(&output(0, Vec::new())).unwrap();
        exporter.push(&output(1, vec![person()])).unwrap();
        exporter.finish().unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    /// Fails when the columns or fields of measures depend on whether somebody is in a frame, a
    /// measure without a value is written as a number, or a unit is missing.
    #[test]
    fn every_frame_has_the_measures_with_their_units() {
        let table = exported("csv", 0.3);
        let mut lines = table.lines();
        assert_eq!(
            lines.next().unwrap().split_once("y_raw,").unwrap().1,
            "left_elbow_deg,right_elbow_deg,left_elbow-left_wrist_m,left_wrist|speed_m/s,file"
        );
        let rows: Vec<_> = lines.collect();
        assert_eq!(rows.len(), 14);
        assert!(rows.iter().all(|row| row.ends_with(",90.000,,0.150,,")));
        let lines = exported("json", 0.3);
        let lines: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let units = serde_json::json!({
            "left_elbow": "deg", "right_elbow": "deg", "left_elbow-left_wrist": "m",
            "left_wrist|speed": "m/s"
        });
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line["units"] == units), "{lines:?}");
        let values = serde_json::json!({
            "left_elbow": 90.0, "right_elbow": null, "left_elbow-left_wrist": 0.15,
            "left_wrist|speed": null
        });
        assert_eq!(lines[1]["poses"][0]["measures"], values);
    }

    /// Fails when a joint below the threshold counts.
    #[test]
    fn joints_below_the_threshold_give_no_value() {
        let table = exported("csv", 0.6);
        assert!(table.lines().skip(1).all(|row| row.ends_with(",,,,,")));
    }
}
