//! `--write-json`: one JSON object per line and frame, with all data. `file` is the name of the
//! image if each frame is an image file; `source_frame` is the source's number of a frame that a
//! recording has numbered anew.

use std::path::Path;

use serde::Serialize;

use super::export::{
    ExportContext, Exporter, ExporterSpec, Output, json, pixels, score, seconds, triples,
};
use crate::error::Result;
use crate::output::PoseOutput;
use crate::pose::Pose;

pub(super) const SPEC: ExporterSpec = ExporterSpec {
    name: "json",
    title: "JSON Lines",
    help: "one JSON line per frame: all poses, smoothed and raw, with track ids",
    open: |path, _: &ExportContext| Ok(Box::new(JsonLines(Output::create(path)?))),
};

struct JsonLines(Output);

#[derive(Serialize)]
struct Line<'a> {
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
    poses: Vec<Person>,
}

#[derive(Serialize)]
struct Person {
    track_id: Option<u64>,
    score: f64,
    #[serde(rename = "box")]
    bbox: [f64; 4],
    keypoints: Vec<[f64; 3]>,
    keypoints_raw: Vec<[f64; 3]>,
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
        }
    }
}

impl JsonLines {
    fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Exporter for JsonLines {
    fn push(&mut self, output: &PoseOutput) -> Result<()> {
        let line = Line {
            frame: output.frame.id,
            source_frame: output.frame.source_id,
            time_secs: seconds(output.frame.time_secs),
            file: output.frame.file.as_deref(),
            width: output.frame.size().width,
            height: output.frame.size().height,
            model: &output.model,
            skeleton: &output.skeleton.name,
            poses: output.poses.iter().map(Person::from).collect(),
        };
        let mut bytes = json(&line, self.path())?;
        bytes.push(b'\n');
        self.0.write(&bytes)?;
        self.0.keep()
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.0.sync()
    }
}
