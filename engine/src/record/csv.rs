//! `--write-csv`: a tidy table with one row per frame, person and joint. If each frame is an image
//! file, the last column is its name. In a recording, the last column is the source's number of the
//! frame. Measures have a column each before these, named with their unit (`left_elbow_deg`), with the
//! same value in all rows of a person.

use std::fmt::Write;

use super::columns::{Columns, csv_field};
use super::export::{ExportContext, Exporter, ExporterSpec, Output, score, seconds, triple};
use crate::error::Result;
use crate::output::PoseOutput;

pub(super) const SPEC: ExporterSpec = ExporterSpec {
    name: "csv",
    title: "CSV",
    help: "a table with one row per frame, person and joint, for spreadsheets and R",
    open: |path, context: &ExportContext| {
        let mut output = Output::create(path)?;
        let has_files = context.frames_are_files;
        let file = if has_files { ",file" } else { "" };
        let is_renumbered = context.is_renumbered;
        let source = if is_renumbered { ",source_frame" } else { "" };
        let columns = Columns::new(context);
        let measures = columns.header();
        output.write(format!("{HEADER}{measures}{file}{source}\n").as_bytes())?;
        Ok(Box::new(CsvTable {
            output,
            columns,
            has_files,
            is_renumbered,
        }))
    },
};

const HEADER: &str = "frame,time_secs,track_id,person_score,joint,x,y,score,x_raw,y_raw";

/// A frame without people has no rows; a person without track id has an empty `track_id`.
struct CsvTable {
    output: Output,
    columns: Columns,
    has_files: bool,
    is_renumbered: bool,
}

impl Exporter for CsvTable {
    fn push(&mut self, output: &PoseOutput) -> Result<()> {
        let (frame, time) = (output.frame.id, seconds(output.frame.time_secs));
        let mut last = if self.has_files {
            let file = output.frame.file.as_deref();
            format!(",{}", csv_field(file.unwrap_or_default()))
        } else {
            String::new()
        };
        if self.is_renumbered {
            let id = output.frame.source_id.map(|id| id.to_string());
            // Writing to a string cannot fail.
            let _ = write!(last, ",{}", id.unwrap_or_default());
        }
        let mut rows = String::new();
        for pose in &output.poses {
            let person = score(pose.score);
            let id = pose.track_id.map(|id| id.to_string()).unwrap_or_default();
            let measures = self.columns.fields(output, pose);
            let joints = output.skeleton.joints.iter();
            for ((joint, k), raw) in joints.zip(&pose.keypoints).zip(&pose.keypoints_raw) {
                let ([x, y, score], [x_raw, y_raw, _]) = (triple(k), triple(raw));
                let _ = writeln!(
                    rows,
                    "{frame},{time:.6},{id},{person:.4},{joint},{x:.2},{y:.2},{score:.4},{x_raw:.2},{y_raw:.2}{measures}{last}"
                );
            }
        }
        self.output.write(rows.as_bytes())?;
        self.output.keep()
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.output.sync()
    }
}
