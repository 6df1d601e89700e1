//! Detected boxes from a COCO results list.

mod layout;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;

use crate::dataset::json::{first_json_byte, read_json};
use crate::dataset::loose::Loose;
use crate::dataset::numbers::Numbers;
use crate::dataset::{Dataset, DetectedBox};
use crate::error::{Error, Result};
use crate::geometry::BBox;
use crate::words::{counted, none_of};

#[derive(Deserialize, Default)]
#[serde(default)]
struct CocoDetection {
    image_id: Loose,
    category_id: Loose,
    bbox: Numbers,
    score: Loose,
}

/// Detected boxes that belong to a data set, and counts of those that do not.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BoxList {
    /// Boxes of people in its images.
    pub boxes: Vec<DetectedBox>,
    /// Number of boxes of other categories.
    pub of_other_categories: usize,
    /// Number of boxes in images that the data set does not contain.
    pub of_other_pictures: usize,
    /// Number of boxes without a width and height above 0, or with numbers that are missing or
    /// infinite.
    pub unusable: usize,
    /// Remarks about the list, one line each.
    pub notes: Vec<String>,
}

impl BoxList {
    /// Returns the number of boxes that are not used.
    pub fn n_left_out(&self) -> usize {
        self.of_other_categories + self.of_other_pictures + self.unusable
    }

    /// Adds the box of an entry; `image_id` is that of its image in the data set.
    ///
    /// # Errors
    /// When it has no box or score.
    fn add(
        &mut self,
        detection: &CocoDetection,
        image_id: u64,
    ) -> std::result::Result<(), &'static str> {
        let Ok([x, y, w, h]) = <[f64; 4]>::try_from(detection.bbox.values.as_slice()) else {
            return Err("`bbox` is not x, y, width, height");
        };
        let Some(score) = detection.score.number() else {
            return Err("`score` is missing or not a number");
        };
        let is_finite = [x, y, w, h].iter().all(|v| v.is_finite());
        if is_finite && w > 0.0 && h > 0.0 {
            self.boxes.push(DetectedBox {
                image_id,
                bbox: BBox::new(x, y, w, h),
                score,
            });
        } else {
            self.unusable += 1;
        }
        Ok(())
    }

    /// Returns the message about a list without a box that can be used.
    fn nothing_usable(
        &self,
        other_picture: Option<&str>,
        categories: &BTreeMap<String, usize>,
        dataset: &Dataset,
    ) -> String {
        if self.unusable > 0 {
            let none = none_of(self.unusable, "person box");
            return format!(
                "{none} has a width and height above 0 (x, y, width, height are expected)"
            );
        }
        let Some(other) = other_picture else {
            return of_no_person(self.of_other_categories, categories, dataset);
        };
        format!(
            "{} belongs to one of {}: the list has `image_id` {other}, the labels {}; compare the \
             `image_id`s",
            none_of(self.of_other_pictures, "person box"),
            counted(dataset.samples.len(), "image"),
            dataset
                .samples
                .first()
                .map_or_else(String::new, |s| s.image_id.to_string()),
        )
    }
}

/// Reads a COCO detection results list (`image_id`, `category_id`, `bbox`, `score`) and keeps the
/// boxes of people in the images of `dataset`. An image may be identified by its file name. Boxes that
/// are corners or fractions of the image are converted.
///
/// # Errors
/// When the file cannot be read, a field is missing or has the wrong type, or none of the boxes can be
/// used: the message tells whether sizes, categories or images are the reason.
pub fn read_boxes(path: &Path, dataset: &Dataset) -> Result<BoxList> {
    if first_json_byte(path) == Some(b'{') {
        let reason = "an object (labels?), not a list of boxes with scores; `--boxes gt` takes the \
                      labelled boxes";
        return Err(Error::data(path, reason));
    }
    let list: Vec<CocoDetection> = read_json(path, "COCO detection results list")?;
    if list.is_empty() {
        return Err(Error::data(path, "the list of boxes is empty"));
    }
    let images = Images::of(dataset);
    let mut found = BoxList::default();
    let mut categories: BTreeMap<String, usize> = BTreeMap::new();
    let mut other_picture = None;
    for (i, detection) in list.iter().enumerate() {
        let fault = |reason: &str| Error::data(path, format!("entry {i}: {reason}"));
        if detection.category_id == Loose::Nothing {
            return Err(fault("`category_id` is missing"));
        }
        if detection.image_id == Loose::Nothing {
            return Err(fault("`image_id` is missing"));
        }
        if detection.category_id.id() != Some(dataset.category_id) {
            *categories
                .entry(detection.category_id.to_string())
                .or_default() += 1;
            found.of_other_categories += 1;
            continue;
        }
        let Some(image_id) = images.find(&detection.image_id) else {
            other_picture.get_or_insert_with(|| detection.image_id.to_string());
            found.of_other_pictures += 1;
            continue;
        };
        found.add(detection, image_id).map_err(fault)?;
    }
    if found.boxes.is_empty() {
        let reason = found.nothing_usable(other_picture.as_deref(), &categories, dataset);
        return Err(Error::data(path, reason));
    }
    layout::to_pixels(&mut found, dataset);
    Ok(found)
}

/// Returns the message about a list whose boxes are all of other categories.
fn of_no_person(n: usize, categories: &BTreeMap<String, usize>, dataset: &Dataset) -> String {
    let theirs = categories.iter();
    let theirs = theirs.map(|(id, n)| format!("{id} ({})", counted(*n, "box")));
    format!(
        "{} is of category {}, which people have in the labels: their `category_id` is {}; write \
         {1} there",
        none_of(n, "box"),
        dataset.category_id,
        theirs.collect::<Vec<_>>().join(", ")
    )
}

/// Images of a data set, by id and by file name with and without extension.
struct Images {
    ids: HashSet<u64>,
    names: HashMap<String, u64>,
}

impl Images {
    fn of(dataset: &Dataset) -> Self {
        let mut names = HashMap::new();
        for sample in &dataset.samples {
            let path = &sample.path;
            for name in [path.file_name(), path.file_stem()].into_iter().flatten() {
                names.insert(name.to_string_lossy().into_owned(), sample.image_id);
            }
        }
        let ids = dataset.samples.iter().map(|s| s.image_id);
        Self {
            ids: ids.collect(),
            names,
        }
    }

    fn find(&self, id: &Loose) -> Option<u64> {
        let named = || {
            let text = id.text()?;
            let last = text.rsplit(['/', '\\']).next()?;
            self.names.get(last).copied()
        };
        id.id().filter(|id| self.ids.contains(id)).or_else(named)
    }
}
