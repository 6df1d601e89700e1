//! Data sets: label files become [`Sample`]s. To add a format: a new file, one line in
//! [`DATASETS`]. A [`loader`] turns samples into training batches.
//!
//! A reader skips unusable entries and reports each as a [`Finding`]; [`DatasetSpec::load`] refuses
//! such files, the checker ([`check()`]) lists all problems. Where one file holds training and
//! held-out people, a [`Split`] selects the part to read. Usable files may still contain skipped
//! entries, which are counted ([`LeftOut`]).

mod check;
mod clip;
pub mod coco;
pub mod dlc;
mod find;
mod finding;
mod json;
mod kind;
pub mod loader;
mod loose;
mod lsp;
mod mat;
mod mpii;
mod names;
mod numbers;
pub mod orientation;
pub mod picture;
mod preview;
mod rename;
mod unreadable;

use std::path::{Path, PathBuf};

pub use check::{Checked, Fingerprint, check};
pub use finding::{Finding, Severity};
pub(crate) use preview::rgba_of;
pub use preview::{ContactSheet, SheetTile, contact_sheet};
pub use rename::renamed;
pub use unreadable::Unreadable;

use crate::error::{Error, Result};
pub use crate::sample::{Annotation, DetectedBox, Joint, LeftOut, Orientation, Sample, Visibility};
use crate::skeleton::Skeleton;
use crate::words::{counted, none_of};
use names::listed;

/// A data set in memory; the images stay on disk.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Defines the joints and their order.
    pub skeleton: &'static Skeleton,
    /// Id of the person category in the label file; 1 for formats without categories.
    pub category_id: u64,
    /// Images by ascending id, including those without people.
    pub samples: Vec<Sample>,
    /// Counts of the entries that the reader skipped.
    pub left_out: LeftOut,
    /// Remarks about the file as a whole, one line each.
    pub notes: Vec<String>,
    /// Indices of images whose size does not reveal whether the labels are for the EXIF-rotated or
    /// the stored image, and whose labels do not decide it either ([`orientation`]).
    pub open: Vec<usize>,
}

impl Dataset {
    /// Creates a data set without images.
    pub fn of(skeleton: &'static Skeleton) -> Self {
        Self {
            skeleton,
            category_id: 1,
            samples: Vec::new(),
            left_out: LeftOut::default(),
            notes: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Refuses labels without images, usually because the image folder is missing or wrong.
    ///
    /// # Errors
    /// When none of the images is in `images`.
    pub fn require_pictures(&self, images: &Path) -> Result<()> {
        let mut pictures = self.samples.iter().map(|sample| &sample.path);
        let Some(first) = pictures.clone().next() else {
            return Ok(());
        };
        if pictures.any(|path| path.exists()) {
            return Ok(());
        }
        let (n, name) = (self.samples.len(), first.file_name().unwrap_or_default());
        let name = name.to_string_lossy();
        let none = none_of(n, "labelled image");
        let reason = format!("{none} was found ({name}); give their folder");
        Err(Error::data(images, reason))
    }

    /// Refuses labels some of whose images are missing, where `is_needed`: figures of the others would
    /// be those of other people.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn require_all_pictures(
        &self,
        images: &Path,
        is_needed: impl Fn(&Sample) -> bool,
    ) -> Result<()> {
        let needed: Vec<_> = self.samples.iter().filter(|s| is_needed(s)).collect();
        let missing = needed.iter().filter(|sample| !sample.path.exists());
        let names = missing.map(|sample| sample.path.file_name().unwrap_or_default());
        let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let (n, all) = (names.len(), counted(needed.len(), "labelled image"));
        let verb = if n == 1 { "is" } else { "are" };
        let reason = format!(
            "{n} of {all} {verb} missing ({}); add what is missing, or remove it from the labels",
            listed(&names)
        );
        Err(Error::data(images, reason))
    }
}

/// The part to read of a file that marks held-out people; other files are read as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// People for training.
    Learn,
    /// People for evaluation.
    HeldOut,
}

/// Parameters of reading a data set.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Label file, or folder that contains it.
    pub annotations: &'a Path,
    /// Folder of the images.
    pub images: &'a Path,
    /// Part of the data set to read.
    pub split: Split,
    /// Name or id of the category to read, where a file has several.
    pub category: Option<&'a str>,
    /// Whether labels refer to the EXIF-rotated or the stored image.
    pub orientation: Orientation,
}

impl<'a> Request<'a> {
    /// Creates a request with all other options detected from the files.
    pub fn new(annotations: &'a Path, images: &'a Path, split: Split) -> Self {
        Self {
            annotations,
            images,
            split,
            category: None,
            orientation: Orientation::Auto,
        }
    }
}

/// A data set format: an entry of [`DATASETS`].
pub struct DatasetSpec {
    /// Name on the command line, e.g. `coco`.
    pub name: &'static str,
    /// Description for `--help`, one line.
    pub help: &'static str,
    /// Returns whether a file or folder looks like this format.
    pub accepts: fn(&Path) -> bool,
    /// Returns the label file to read: a file itself, or the label file within a folder.
    pub file: fn(&Path) -> PathBuf,
    /// Whether files of this format have categories to choose from.
    pub has_categories: bool,
    /// Reads the requested part. Unusable entries are skipped and appended to the findings; an
    /// error means that nothing could be read.
    read: fn(&Request<'_>, &mut Vec<Finding>) -> Result<Dataset>,
}

/// Every format. The first that accepts a path is used if none is specified.
pub const DATASETS: &[DatasetSpec] = &[
    coco::FORMAT,
    coco::label_studio::FORMAT,
    mpii::FORMAT,
    lsp::FORMAT,
    clip::FORMAT,
];

impl DatasetSpec {
    /// Reads the requested part and appends problems to `findings`.
    ///
    /// # Errors
    /// When nothing could be read.
    pub fn examine(&self, request: &Request<'_>, findings: &mut Vec<Finding>) -> Result<Dataset> {
        if let Some(category) = request.category
            && !self.has_categories
        {
            let reason = format!(
                "{}: {} labels have no categories to choose {category} from",
                request.annotations.display(),
                self.name
            );
            return Err(Error::Invalid(reason));
        }
        let mut dataset = (self.read)(request, findings)?;
        let note = orientation::resolve(&mut dataset, request.orientation);
        findings
            .extend(note.map(|text| Finding::of_file(Severity::Note, request.annotations, text)));
        Ok(dataset)
    }

    /// Reads the requested part and refuses unusable entries. Remarks about the file as a whole are
    /// logged and kept ([`Dataset::notes`]).
    ///
    /// # Errors
    /// When the file cannot be read; otherwise the first unusable entry.
    pub fn load(&self, request: &Request<'_>) -> Result<Dataset> {
        let mut findings = Vec::new();
        let mut dataset = self.examine(request, &mut findings)?;
        finding::refuse_errors(&findings)?;
        for Finding { file, text, .. } in findings.iter().filter(|f| f.annotation.is_none()) {
            tracing::warn!("{}: {text}", file.display());
            dataset.notes.push(text.clone());
        }
        Ok(dataset)
    }
}

/// Returns the format called `name`.
pub fn format(name: &str) -> Option<&'static DatasetSpec> {
    DATASETS.iter().find(|d| d.name == name)
}

/// Detects the format of a label file or folder.
///
/// # Errors
/// When the path does not exist or no format accepts it; the message lists the formats.
pub fn guess_format(path: &Path) -> Result<&'static DatasetSpec> {
    let about = std::fs::metadata(path).map_err(Error::io("open", path))?;
    if about.is_file() && about.len() == 0 {
        return Err(Error::data(path, "the file is empty"));
    }
    if let Some(reason) = kind::not_labels(path) {
        return Err(Error::data(path, reason));
    }
    DATASETS.iter().find(|d| (d.accepts)(path)).ok_or_else(|| {
        let known = DATASETS.iter().map(|d| format!("{} ({})", d.name, d.help));
        let known = known.collect::<Vec<_>>().join("; ");
        let mut entries = std::fs::read_dir(path).into_iter().flatten();
        let what = if about.is_dir() && entries.next().is_none() {
            "the folder is empty: there is no label file in it"
        } else {
            "no known labels"
        };
        Error::data(path, format!("{what}; known are {known}"))
    })
}

/// Returns whether the content of a file begins like a JSON object.
pub(crate) fn is_json_object(path: &Path) -> bool {
    json::first_json_byte(path) == Some(b'{')
}

/// Returns the default image folder: `images` next to the labels, or next to the folder
/// `annotations` or `labels` that contains them; otherwise the folder of the labels.
pub fn usual_images(annotations: &Path) -> PathBuf {
    let folder = if annotations.is_dir() {
        annotations
    } else {
        annotations.parent().unwrap_or(Path::new(""))
    };
    let is_for_labels = ["annotations", "labels"]
        .iter()
        .any(|name| folder.ends_with(name));
    let above = folder.parent().filter(|_| is_for_labels);
    let places = [Some(folder), above].into_iter().flatten();
    let mut images = places.map(|folder| folder.join("images"));
    // A bare file name is relative to the working directory.
    let is_here = folder.as_os_str().is_empty();
    let own = if is_here { Path::new(".") } else { folder };
    images
        .find(|images| images.is_dir())
        .unwrap_or_else(|| own.to_owned())
}
