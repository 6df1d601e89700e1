//! `--write-json`: one JSON object per line and frame, with all data. With measures, each line has
//! their `units`, and each person their values; `null` without one.

use std::path::Path;

use super::columns::Columns;
use super::export::{ExportContext, Exporter, ExporterSpec, Output, json};
use crate::error::Result;
use crate::output::PoseOutput;
use crate::pose_json::Line;

pub(super) const SPEC: ExporterSpec = ExporterSpec {
    name: "json",
    title: "JSON Lines",
    help: "one JSON line per frame: all poses, smoothed and raw, with track ids",
    open: |path, context: &ExportContext| {
        Ok(Box::new(JsonLines {
            output: Output::create(path)?,
            columns: Columns::new(context),
        }))
    },
};

struct JsonLines {
    output: Output,
    columns: Columns,
}

impl JsonLines {
    fn path(&self) -> &Path {
        &self.output.path
    }
}

impl Exporter for JsonLines {
    fn push(&mut self, output: &PoseOutput) -> Result<()> {
        let mut line = Line::from(output);
        let columns = &self.columns;
        if !columns.units().is_empty() {
            let values = output.poses.iter().map(|pose| columns.values(output, pose));
            line = line.with_measures(columns.units(), values);
        }
        let mut bytes = json(&line, self.path())?;
        bytes.push(b'\n');
        self.output.write(&bytes)?;
        self.output.keep()
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.output.sync()
    }
}
