//! `--write-csv`: a tidy table, one row a frame, person and joint.

use std::fmt::Write;

use super::export::{ExportContext, Exporter, ExporterSpec, Output, seconds, triple};
use crate::error::Result;
use crate::output::PoseOutput;

pub(super) const SPEC: ExporterSpec = ExporterSpec {
    name: "csv",
    help: "a table with one row a frame, person and joint, for spreadsheets and R",
    open: |path, _: &ExportContext| {
        let mut output = Output::create(path)?;
        output.write(HEADER)?;
        Ok(Box::new(CsvTable(output)))
    },
};

const HEADER: &[u8] = b"frame,time_secs,track_id,person_score,joint,x,y,score,x_raw,y_raw\n";

/// A frame without a person has no rows; a person without identity has an empty `track_id`.
struct CsvTable(Output);

impl Exporter for CsvTable {
    fn push(&mut self, output: &PoseOutput) -> Result<()> {
        let (frame, time) = (output.frame.id, seconds(output.frame.time_secs));
        let mut rows = String::new();
        for pose in &output.poses {
            let id = pose.track_id.map(|id| id.to_string()).unwrap_or_default();
            let joints = output.skeleton.joints.iter();
            for ((joint, k), raw) in joints.zip(&pose.keypoints).zip(&pose.keypoints_raw) {
                let ([x, y, score], [x_raw, y_raw, _]) = (triple(k), triple(raw));
                // Writing to a string cannot fail.
                let _ = writeln!(
                    rows,
                    "{frame},{time:.6},{id},{:.4},{joint},{x:.2},{y:.2},{score:.4},{x_raw:.2},{y_raw:.2}",
                    pose.score
                );
            }
        }
        self.0.write(rows.as_bytes())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.0.sync()
    }
}
