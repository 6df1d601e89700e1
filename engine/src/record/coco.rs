//! `--write-coco`: a COCO results file, as read by evaluation tools.
//!
//! A list of `{image_id, file_name, category_id, keypoints, score, bbox, track_id}`. `image_id` is
//! the frame's number; `file_name` is present if each frame is an image file. Keypoints are in the
//! order of the model's own skeleton, and the third number of each is its score: the visibility
//! 0/1/2 of annotations is never written.
//!
//! While frames are pushed, the list is in `NAME.part` and complete after every frame: a crash
//! leaves a complete list there. Finishing renames it, so that `NAME` never holds a partial list. A
//! file of another program called `NAME.part` is left alone: the list has the name of a draft then.
//! To a pipe or standard output the list is written sequentially.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::export::{
    ExportContext, Exporter, ExporterSpec, Output, is_stream, json, pixels, score, triples,
};
use crate::disk::{commit, draft_path, part_path};
use crate::error::{Error, Result};
use crate::output::PoseOutput;

pub(super) const SPEC: ExporterSpec = ExporterSpec {
    name: "coco",
    title: "COCO",
    help: "COCO results: a JSON list of keypoints with scores, one entry per person and frame",
    open: |path, _: &ExportContext| Ok(Box::new(CocoResults::create(path)?)),
};

/// COCO's id of the category `person`.
const PERSON: u32 = 1;
/// End of the list, overwritten by the next frame.
const END: &[u8] = b"\n]\n";

struct CocoResults {
    part: Output,
    path: PathBuf,
    /// Length without [`END`].
    len: u64,
    is_empty: bool,
    /// Whether written bytes cannot be overwritten.
    is_stream: bool,
}

#[derive(Serialize)]
struct Entry<'a> {
    image_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<&'a str>,
    category_id: u32,
    keypoints: Vec<f64>,
    score: f64,
    bbox: [f64; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    track_id: Option<u64>,
}

/// Beginnings of a list as it is written here: without and with entries.
const BEGINNINGS: [&[u8]; 2] = [b"[\n]\n", b"[\n{\"image_id\":"];

/// Returns the path of the list until it is finished.
fn unfinished(path: &Path) -> PathBuf {
    let part = part_path(path);
    if part.is_file() && !is_ours(&part) {
        return draft_path(path);
    }
    part
}

/// Returns whether a file is a list that a killed run has left, to be overwritten.
fn is_ours(part: &Path) -> bool {
    let longest = BEGINNINGS.iter().map(|b| b.len()).max().unwrap_or_default();
    let mut beginning = Vec::new();
    let read = File::open(part).and_then(|f| f.take(longest as u64).read_to_end(&mut beginning));
    let is_list = BEGINNINGS.iter().any(|b| beginning.starts_with(b));
    read.is_ok() && (beginning.is_empty() || is_list)
}

impl CocoResults {
    fn create(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::Record {
                path: path.to_owned(),
                reason: "it is a folder; give the name of a file".to_owned(),
            });
        }
        let is_stream = is_stream(path);
        let part = if is_stream {
            let mut whole = Output::create(path)?;
            whole.write(b"[")?;
            whole
        } else {
            let mut part = Output::in_place(&unfinished(path))?;
            part.write(&[b"[", END].concat())?;
            part
        };
        Ok(Self {
            is_stream,
            part,
            path: path.to_owned(),
            len: 1,
            is_empty: true,
        })
    }
}

impl Exporter for CocoResults {
    fn push(&mut self, output: &PoseOutput) -> Result<()> {
        let mut bytes = Vec::new();
        for pose in &output.poses {
            let b = pose.bbox;
            let entry = Entry {
                image_id: output.frame.id,
                file_name: output.frame.file.as_deref(),
                category_id: PERSON,
                keypoints: triples(&pose.keypoints).concat(),
                score: score(pose.detection_score()),
                bbox: [b.x, b.y, b.w, b.h].map(pixels),
                track_id: pose.track_id,
            };
            bytes.extend_from_slice(if self.is_empty { b"\n" } else { b",\n" });
            self.is_empty = false;
            bytes.extend_from_slice(&json(&entry, &self.path)?);
        }
        if self.is_stream {
            return self.part.write(&bytes);
        }
        let len = bytes.len() as u64;
        bytes.extend_from_slice(END);
        self.part
            .file
            .seek(SeekFrom::Start(self.len))
            .map_err(Error::io("write", &self.part.path))?;
        self.part.write(&bytes)?;
        self.len += len;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if self.is_stream {
            return self.part.write(END);
        }
        self.part.sync()?;
        commit(&self.part.path, &self.path)
    }
}
