//! COCO keypoint annotations and COCO detection results.
//!
//! One category is read: the requested one, otherwise the one with the joints of a person
//! ([`category`]); joints are matched by name. Crowds are kept and marked. Fields that tools omit
//! are filled in: sizes from the images, boxes and areas from the joints ([`person`](mod@person)).
//! Missing images are detected when they are read.

mod boxes;
mod category;
pub(super) mod label_studio;
mod named;
mod person;
mod results;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

pub use boxes::{BoxList, read_boxes};
pub use results::{ResultList, ResultPose, is_result_list, read_results};

use super::find::PictureFolder;
use super::json::{fields, is_json, read_json};
use super::loose::Loose;
use super::names::Naming;
use super::numbers::Numbers;
use super::picture::{self, MAX_SIDE};
use super::{Annotation, Dataset, DatasetSpec, Finding, LeftOut, Request, Sample, Severity};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::sample::Orientation;
use crate::words::{are, counted};

use category::{Category, Chosen, check_wanted, choose};
use person::{Mended, NO_BOX, complete, person};

#[derive(Deserialize)]
struct CocoFile {
    images: Option<Vec<CocoImage>>,
    annotations: Option<Vec<CocoAnnotation>>,
    #[serde(default)]
    categories: Option<Vec<Category>>,
}

/// Content of a file.
struct Tables {
    images: Vec<CocoImage>,
    annotations: Vec<CocoAnnotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct CocoImage {
    id: Loose,
    file_name: Loose,
    /// Used where `file_name` is missing.
    path: Loose,
    coco_url: Loose,
    width: Loose,
    height: Loose,
    clip: Loose,
    /// Clip and frame of a labelled video, as in PoseTrack (`vid_id`) and COCO-VID (`video_id`).
    vid_id: Loose,
    video_id: Loose,
    frame_id: Loose,
    /// `false` marks an image of a video that nobody has labelled (PoseTrack).
    is_labeled: Loose,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CocoAnnotation {
    id: Loose,
    image_id: Loose,
    category_id: Loose,
    bbox: Numbers,
    area: Loose,
    iscrowd: Loose,
    keypoints: Numbers,
    num_keypoints: Loose,
    /// Not part of COCO: the person's id in a labelled video, as in PoseTrack.
    track_id: Loose,
    /// Not part of COCO: left, top, right, bottom of the head, as in MPII.
    head_box: Numbers,
}

/// Entry of [`super::DATASETS`].
pub(super) const FORMAT: DatasetSpec = DatasetSpec {
    name: "coco",
    help: "COCO keypoints JSON (images, annotations, categories)",
    accepts: |path| is_json(path, b'{'),
    file: Path::to_path_buf,
    has_categories: true,
    read,
};

/// # Errors
/// When the file cannot be read, has no images, annotations or joints of a person, or has several
/// categories of people and none was requested.
pub(super) fn read(request: &Request<'_>, findings: &mut Vec<Finding>) -> Result<Dataset> {
    let tables = tables(request.annotations)?;
    read_tables(request, tables, findings)
}

/// Reads the content of a file.
///
/// # Errors
/// Those of [`read`].
fn read_tables(
    request: &Request<'_>,
    mut tables: Tables,
    findings: &mut Vec<Finding>,
) -> Result<Dataset> {
    let path = request.annotations;
    named::put_in_order(&mut tables);
    let Tables {
        images,
        annotations,
        categories,
    } = tables;
    if let Some(wanted) = request.category {
        let known = check_wanted(&categories, wanted);
        known.map_err(|reason| Error::Invalid(format!("{}: {reason}", path.display())))?;
    }
    let chosen = choose(&categories, &annotations, request.category);
    let Chosen {
        category_id,
        naming,
        notes,
        others,
    } = chosen.map_err(|reason| Error::data(path, reason))?;
    findings.extend(
        notes
            .into_iter()
            .map(|(severity, text)| Finding::of_file(severity, path, text)),
    );

    let mut reader = Reader {
        path,
        findings,
        samples: BTreeMap::new(),
        without_size: Vec::new(),
        unlabelled: Vec::new(),
        n_repeated: 0,
        n_repeated_people: 0,
    };
    reader.images(images, request.images);
    let mut mended = Mended::default();
    let mut left_out = LeftOut {
        joints: naming.left_out.clone(),
        ..LeftOut::default()
    };
    left_out.count("of another category", others);
    reader.people(annotations, category_id, &naming, &mut mended);
    reader.drop_unlabelled();
    reader.sizes();
    reader.repeated();
    let Reader {
        samples, findings, ..
    } = reader;
    let mut samples: Vec<Sample> = samples.into_values().collect();
    let n_unseen = complete(&mut samples, &mut mended);
    left_out.count(NO_BOX, n_unseen);
    let mut notes = mended.notes();
    if n_unseen > 0 {
        notes.push(format!("{} left out: {NO_BOX}", are(n_unseen, "person")));
    }
    let notes = notes.into_iter();
    findings.extend(notes.map(|text| Finding::of_file(Severity::Note, path, text)));
    Ok(Dataset {
        skeleton: naming.skeleton,
        category_id: category_id.unwrap_or(1),
        samples,
        left_out,
        ..Dataset::of(naming.skeleton)
    })
}

/// Reads images, annotations and categories of a file.
fn tables(path: &Path) -> Result<Tables> {
    const WHAT: &str = "COCO keypoints file (an object of images, annotations and categories)";
    let file: CocoFile = read_json(path, WHAT)?;
    let missing = match (file.images, file.annotations) {
        (Some(images), Some(annotations)) => {
            return Ok(Tables {
                images,
                annotations,
                categories: file.categories.unwrap_or_default(),
            });
        }
        (None, _) => "images",
        (Some(_), None) => "annotations",
    };
    let found = match fields(path) {
        fields if fields.is_empty() => "nothing".to_owned(),
        fields => fields.join(", "),
    };
    let reason = format!("not a {WHAT}: `{missing}` is missing; it has {found}");
    Err(Error::data(path, reason))
}

/// Builds the samples of a file.
struct Reader<'a> {
    path: &'a Path,
    findings: &'a mut Vec<Finding>,
    samples: BTreeMap<u64, Sample>,
    /// Ids of images without a size in the file.
    without_size: Vec<u64>,
    /// Ids of images that the file marks as not labelled.
    unlabelled: Vec<u64>,
    /// Number of images that are listed again, and of people.
    n_repeated: usize,
    n_repeated_people: usize,
}

impl Reader<'_> {
    /// Adds the people of a category to their images; without a category, everybody.
    fn people(
        &mut self,
        annotations: Vec<CocoAnnotation>,
        category_id: Option<u64>,
        naming: &Naming,
        mended: &mut Mended,
    ) {
        let ids = annotations.iter().filter_map(|a| a.id.id());
        let after_all = 1 + ids.max().unwrap_or_default();
        for (i, annotation) in annotations.into_iter().enumerate() {
            let category = annotation.category_id.id();
            if category_id.is_some() && category.is_some_and(|id| Some(id) != category_id) {
                continue;
            }
            // Annotation ids only have to be unique.
            let id = match annotation.id.word() {
                Some(_) => None,
                None => annotation.id.id(),
            };
            let id = id.unwrap_or(after_all.saturating_add(i as u64));
            let image_id = annotation.image_id.clone();
            let sample = image_id.id().and_then(|id| self.samples.get_mut(&id));
            let added = match sample {
                None => Err(format!("`image_id` {image_id} is not among the images")),
                Some(sample) => person(&annotation, id, naming, mended).map(|person| {
                    let is_repeated =
                        |other: &Annotation| other.id == person.id && other.joints == person.joints;
                    if sample.annotations.iter().any(is_repeated) {
                        self.n_repeated_people += 1;
                    } else {
                        sample.annotations.push(person);
                    }
                }),
            };
            if let Err(text) = added {
                let finding = Finding::of_annotation(Severity::Error, self.path, id, text);
                self.findings.push(finding);
            }
        }
    }

    fn images(&mut self, images: Vec<CocoImage>, folder: &Path) {
        let pictures = PictureFolder::new(folder);
        // Images found by part of their name, with the name in the file.
        let mut found: HashMap<std::path::PathBuf, String> = HashMap::new();
        for image in images {
            let name = [&image.file_name, &image.path, &image.coco_url];
            let name = name.into_iter().find_map(Loose::text).unwrap_or_default();
            let shown = &image.id;
            let Some(id) = image.id.id() else {
                self.fault(format!("the image {name} has no `id`"));
                continue;
            };
            let side = |side: &Loose| side.number().filter(|n| *n > 0.0);
            let sides = [side(&image.width), side(&image.height)];
            let size = match sides {
                [Some(w), Some(h)] if w.max(h) <= f64::from(MAX_SIDE) => {
                    Size::new(w.round().max(1.0) as usize, h.round().max(1.0) as usize)
                }
                [Some(w), Some(h)] => {
                    self.fault(format!(
                        "image {shown}: `width` and `height` are {w}x{h}; they lie in 1 to {MAX_SIDE}"
                    ));
                    continue;
                }
                _ => Size::new(0, 0),
            };
            if name.is_empty() {
                self.fault(format!("image {shown}: `file_name` is missing"));
                continue;
            }
            let clip = [&image.clip, &image.vid_id, &image.video_id];
            if image.is_labeled.is_false() {
                self.unlabelled.push(id);
            }
            let mut place = pictures.find(&name);
            if place.by_part
                && let Some(other) = found.insert(place.path.clone(), name.clone())
                && other != name
            {
                // Only one of the two names can be right, but they do not tell which.
                self.fault(format!(
                    "both {other} and {name} would be {}; give the folder that their names start \
                     from",
                    place.path.display()
                ));
                place.path = folder.join(&name);
            }
            let sample = Sample {
                image_id: id,
                path: place.path,
                size,
                clip: clip.into_iter().find_map(Loose::text),
                frame: image.frame_id.id(),
                orientation: Orientation::default(),
                annotations: Vec::new(),
            };
            match self.samples.entry(id) {
                Entry::Occupied(other)
                    if (&other.get().path, other.get().size) == (&sample.path, size) =>
                {
                    self.n_repeated += 1;
                }
                Entry::Occupied(_) => {
                    self.fault(format!(
                        "two images have the `id` {shown}; the second is left out"
                    ));
                }
                Entry::Vacant(place) => {
                    place.insert(sample);
                    if size.area() == 0 {
                        self.without_size.push(id);
                    }
                }
            }
        }
    }

    /// Reports what is listed twice, as in label files that were joined.
    fn repeated(&mut self) {
        let (images, people) = (self.n_repeated, self.n_repeated_people);
        for (n, kind) in [(images, "image"), (people, "person")] {
            if n > 0 {
                let text = format!("{n} {kind} entries are listed again; each counts once");
                self.findings
                    .push(Finding::of_file(Severity::Note, self.path, text));
            }
        }
    }

    /// Drops the images that are marked as not labelled: there may be people in them.
    fn drop_unlabelled(&mut self) {
        let mut n = 0;
        for id in std::mem::take(&mut self.unlabelled) {
            if let Entry::Occupied(sample) = self.samples.entry(id)
                && sample.get().annotations.is_empty()
            {
                sample.remove();
                n += 1;
            }
        }
        if n > 0 {
            let samples = &self.samples;
            self.without_size.retain(|id| samples.contains_key(id));
            let text = format!(
                "{} left out: marked as not labelled (`is_labeled`)",
                are(n, "image")
            );
            self.findings
                .push(Finding::of_file(Severity::Note, self.path, text));
        }
    }

    /// Reads missing sizes from the image files.
    fn sizes(&mut self) {
        if self.without_size.is_empty() {
            return;
        }
        let samples = self.samples.par_iter_mut();
        samples.for_each(|(_, sample)| {
            if sample.size.area() == 0 {
                picture::size_from_header(sample);
            }
        });
        let n = self.without_size.len();
        let text = format!(
            "{n} of {} {} no `width` and `height`; they are read from the image files",
            counted(self.samples.len(), "image"),
            if n == 1 { "has" } else { "have" }
        );
        self.findings
            .push(Finding::of_file(Severity::Note, self.path, text));
    }

    fn fault(&mut self, text: String) {
        self.findings
            .push(Finding::of_file(Severity::Error, self.path, text));
    }
}
