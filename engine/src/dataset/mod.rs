//! Data sets: files of labels become [`Sample`]s. Adding a format: a new file, one line in
//! [`DATASETS`].

pub mod coco;
pub mod picture;

use std::path::Path;

use crate::error::Result;
pub use crate::sample::{Annotation, DetectedBox, Joint, Sample, Visibility};
use crate::skeleton::Skeleton;

/// A data set in memory; the pictures stay on disk.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Meaning of the joints.
    pub skeleton: &'static Skeleton,
    /// Number of the person category in the data set's files.
    pub category_id: u64,
    /// Pictures by rising number, those without people included.
    pub samples: Vec<Sample>,
}

/// One format: a row of [`DATASETS`].
pub struct DatasetSpec {
    /// `coco`.
    pub name: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// Reads `annotations`, whose pictures lie under `images`.
    pub load: fn(annotations: &Path, images: &Path) -> Result<Dataset>,
}

/// Every format.
pub const DATASETS: &[DatasetSpec] = &[DatasetSpec {
    name: "coco",
    help: "COCO keypoints JSON (images, annotations, categories)",
    load: coco::load,
}];
