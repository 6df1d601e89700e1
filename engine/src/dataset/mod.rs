//! Data sets: files of labels become [`Sample`]s. Adding a format: a new file, one line in
//! [`DATASETS`]. A [`loader`] turns samples into batches for training.
//!
//! A reader leaves out what cannot be used and says so in a [`Finding`]; [`DatasetSpec::load`]
//! refuses such files, the checker ([`check()`]) lists everything that is wrong. Where one file holds
//! people to learn from and held-out ones, a [`Split`] says which are wanted. What is left out of a
//! file that is used is counted ([`LeftOut`]).

mod check;
mod clip;
pub mod coco;
mod find;
mod finding;
mod json;
pub mod loader;
mod loose;
mod lsp;
mod mat;
mod mpii;
mod names;
pub mod orientation;
pub mod picture;
mod preview;
mod rename;

use std::path::{Path, PathBuf};

pub use check::{Checked, Fingerprint, check};
pub use finding::{Finding, Severity};
pub use preview::contact_sheet;
pub(crate) use preview::rgba_of;
pub use rename::renamed;

use crate::error::{Error, Result};
pub use crate::sample::{Annotation, DetectedBox, Joint, LeftOut, Orientation, Sample, Visibility};
use crate::skeleton::Skeleton;

/// A data set in memory; the pictures stay on disk.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Meaning of the joints.
    pub skeleton: &'static Skeleton,
    /// Number of the person category in the data set's files; 1 where they have none.
    pub category_id: u64,
    /// Pictures by rising number, those without people included.
    pub samples: Vec<Sample>,
    /// What the reader left out.
    pub left_out: LeftOut,
    /// What is to be known about the file as a whole, a line each.
    pub notes: Vec<String>,
    /// Indices of pictures that lie as their labels do whether they are turned or not, and that
    /// nothing in the labels decides about ([`orientation`]).
    pub open: Vec<usize>,
}

impl Dataset {
    /// No pictures yet.
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

    /// Refuses labels without pictures: a folder that was not named, or is another one.
    ///
    /// # Errors
    /// When none of the pictures is in `images`.
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
        let reason =
            format!("none of the {n} labelled pictures is there ({name}); name their folder");
        Err(Error::data(images, reason))
    }
}

/// Which people of a file are wanted, where it says who is held out; others are used as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// To learn from.
    Learn,
    /// To measure on.
    HeldOut,
}

/// What is to be read.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// File or folder of labels.
    pub annotations: &'a Path,
    /// Folder of the pictures.
    pub images: &'a Path,
    /// The wanted people.
    pub split: Split,
    /// Name or number of the category that is wanted, where a file has several.
    pub category: Option<&'a str>,
    /// How pictures lie whose EXIF data turns them.
    pub orientation: Orientation,
}

impl<'a> Request<'a> {
    /// Everything else decided by what is in the files.
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

/// One format: a row of [`DATASETS`].
pub struct DatasetSpec {
    /// `coco`.
    pub name: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// Whether a file or folder looks like this format.
    pub accepts: fn(&Path) -> bool,
    /// The file of labels that is read: of a file itself, of a folder the one in it.
    pub file: fn(&Path) -> PathBuf,
    /// Whether its files have categories to choose from.
    pub has_categories: bool,
    /// Reads what is wanted. Entries that cannot be used are left out and appended to the findings;
    /// an error means that nothing could be read.
    read: fn(&Request<'_>, &mut Vec<Finding>) -> Result<Dataset>,
}

/// Every format. The first that accepts a path is taken when nobody says which.
pub const DATASETS: &[DatasetSpec] = &[coco::FORMAT, mpii::FORMAT, lsp::FORMAT, clip::FORMAT];

impl DatasetSpec {
    /// Reads what is wanted and appends what is odd to `findings`.
    ///
    /// # Errors
    /// When nothing could be read.
    pub fn examine(&self, request: &Request<'_>, findings: &mut Vec<Finding>) -> Result<Dataset> {
        if let Some(category) = request.category
            && !self.has_categories
        {
            let reason = format!(
                "{} labels have no categories to choose {category} from",
                self.name
            );
            return Err(Error::data(request.annotations, reason));
        }
        let mut dataset = (self.read)(request, findings)?;
        let note = orientation::settle(&mut dataset, request.orientation);
        findings
            .extend(note.map(|text| Finding::of_file(Severity::Note, request.annotations, text)));
        Ok(dataset)
    }

    /// Reads what is wanted and refuses entries that cannot be used. What is to be known about the
    /// file as a whole is logged and kept ([`Dataset::notes`]).
    ///
    /// # Errors
    /// When the file cannot be read, or with the first entry at fault.
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

/// The row called `name`.
pub fn format(name: &str) -> Option<&'static DatasetSpec> {
    DATASETS.iter().find(|d| d.name == name)
}

/// The format of a file or folder of labels.
///
/// # Errors
/// When it is not there, or no format accepts it; the message lists them.
pub fn guess_format(path: &Path) -> Result<&'static DatasetSpec> {
    let about = std::fs::metadata(path).map_err(Error::io("open", path))?;
    if about.is_file() && about.len() == 0 {
        return Err(Error::data(path, "the file is empty"));
    }
    if let Some(reason) = json::results_not_labels(path) {
        return Err(Error::data(path, reason));
    }
    DATASETS.iter().find(|d| (d.accepts)(path)).ok_or_else(|| {
        let known = DATASETS.iter().map(|d| format!("{} ({})", d.name, d.help));
        let known = known.collect::<Vec<_>>().join("; ");
        Error::data(path, format!("no known labels; known are {known}"))
    })
}

/// Where the pictures of labels usually lie: `images` beside them, or beside the folder
/// `annotations` or `labels` they are in; else the labels' own folder.
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
    // A bare file name lies in the folder that the program runs in.
    let is_here = folder.as_os_str().is_empty();
    let own = if is_here { Path::new(".") } else { folder };
    images
        .find(|images| images.is_dir())
        .unwrap_or_else(|| own.to_owned())
}
