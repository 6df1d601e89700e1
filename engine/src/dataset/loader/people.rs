//! People for training: several data sets converted to one skeleton.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::super::{Annotation, Dataset, LeftOut, Sample, renamed};
use crate::augment::Rng;
use crate::error::{Error, Result};
use crate::preprocess::has_region;
use crate::sample::Joint;
use crate::skeleton::{JointMap, Skeleton};

/// Selection and weight of a data set in training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SetOptions {
    /// How often each person is shown in an epoch of training, 0 to 1000; 0.25 shows a quarter of
    /// the people, another quarter each epoch.
    pub weight: f64,
    /// Minimum number of labelled joints in the image; people with fewer are left out.
    pub min_joints: usize,
    /// Minimum length of the box's longer side in image pixels; smaller people are left out.
    pub min_side: f64,
    /// Whether the labels are complete: an unlabelled joint (`v = 0`) of a labelled person is then
    /// absent from the image. Otherwise it is unknown and does not contribute to the loss.
    pub complete: bool,
}

impl Default for SetOptions {
    fn default() -> Self {
        Self {
            weight: 1.0,
            min_joints: 1,
            min_side: 8.0,
            complete: false,
        }
    }
}

/// The people of one or more data sets, with joints converted to one skeleton.
#[derive(Debug)]
pub struct People {
    skeleton: &'static Skeleton,
    sets: Vec<Set>,
    places: Vec<PersonIndex>,
    /// Data set index and sample index of each image without people.
    empty: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Set {
    name: String,
    weight: f64,
    complete: bool,
    samples: Vec<Sample>,
    map: JointMap,
    /// For each joint, whether the data set labels it for at least one person.
    knows: Vec<bool>,
    /// Range of the data set's people in the overall index.
    range: Range<usize>,
}

/// Location of a person in the data.
#[derive(Debug, Clone, Copy)]
struct PersonIndex {
    set: usize,
    sample: usize,
    annotation: usize,
}

/// One person with its image.
#[derive(Debug, Clone, Copy)]
pub struct PersonRef<'a> {
    /// Index of the data set, in the order of [`People::add`].
    pub set: usize,
    /// The labelled image.
    pub sample: &'a Sample,
    /// The person, with joints in the data set's own skeleton.
    pub annotation: &'a Annotation,
}

impl People {
    /// Creates an empty collection.
    pub fn new(skeleton: &'static Skeleton) -> Self {
        Self {
            skeleton,
            sets: Vec::new(),
            places: Vec::new(),
            empty: Vec::new(),
        }
    }

    /// Adds the usable people of `dataset`: excluded are crowds, people whose box has no area or
    /// lies outside the image, and those that `options` excludes. Joints that the data set's
    /// skeleton lacks are unlabelled. Returns how many people were added, and how many were left
    /// out by the reader and by this function.
    ///
    /// # Errors
    /// When the weight is out of range, or no joint of the data set exists in the skeleton.
    pub fn add(
        &mut self,
        name: &str,
        dataset: Dataset,
        options: &SetOptions,
    ) -> Result<(usize, LeftOut)> {
        if !(0.0..=1000.0).contains(&options.weight) {
            return Err(Error::Invalid(format!(
                "the weight of data set {name} is {}; it must lie in 0 to 1000",
                options.weight
            )));
        }
        let map = dataset.skeleton.map_to(&self.skeleton.name);
        let Some(map) = map.filter(|map| map.iter().any(Option::is_some)) else {
            return Err(Error::Invalid(format!(
                "the joints of data set {name} ({}) cannot be renamed to {}",
                dataset.skeleton.name, self.skeleton.name
            )));
        };
        let (set, start) = (self.sets.len(), self.places.len());
        let mut knows = vec![false; self.skeleton.n_joints()];
        let mut left_out = dataset.left_out.clone();
        left_out.joints.extend(dataset.joints_lost(&map));
        for (s, sample) in dataset.samples.iter().enumerate() {
            if sample.annotations.is_empty() && options.weight > 0.0 {
                self.empty.push((set, s));
            }
            for (a, annotation) in sample.annotations.iter().enumerate() {
                let b = annotation.bbox;
                let sound = [b.x, b.y, b.w, b.h].iter().all(|v| v.is_finite())
                    && b.w > 0.0
                    && b.h > 0.0
                    && b.w.max(b.h) >= options.min_side
                    && has_region(annotation, sample.size);
                let joints = renamed(&annotation.joints, &map, sample.size);
                for (knows, joint) in knows.iter_mut().zip(&joints) {
                    *knows |= !annotation.is_crowd && joint.labelled().is_some();
                }
                let seen = joints.iter().filter(|j| j.inside(sample.size).is_some());
                let reason = match seen.count() {
                    _ if annotation.is_crowd => "crowds",
                    0 => "without a labelled joint in the image",
                    n if n < options.min_joints => "with fewer labelled joints than `min_joints`",
                    _ if sound => {
                        self.places.push(PersonIndex {
                            set,
                            sample: s,
                            annotation: a,
                        });
                        continue;
                    }
                    _ if b.w > 0.0 && b.h > 0.0 && b.w.max(b.h) < options.min_side => {
                        "with a box smaller than `min_side`"
                    }
                    _ => "without a box in the image",
                };
                left_out.count(reason, 1);
            }
        }
        let range = start..self.places.len();
        let n = range.len();
        self.sets.push(Set {
            name: name.to_owned(),
            weight: options.weight,
            complete: options.complete,
            samples: dataset.samples,
            map,
            knows,
            range,
        });
        Ok((n, left_out))
    }

    /// Returns the skeleton that defines the joints.
    pub fn skeleton(&self) -> &'static Skeleton {
        self.skeleton
    }

    /// Returns the number of people.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns whether there are no people.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the name of data set `set`.
    pub fn set_name(&self, set: usize) -> &str {
        self.sets.get(set).map_or("", |s| &s.name)
    }

    /// Returns person `i`, or `None` if the index is out of range.
    pub fn get(&self, i: usize) -> Option<PersonRef<'_>> {
        let place = self.places.get(i)?;
        let sample = self.sets[place.set].samples.get(place.sample)?;
        Some(PersonRef {
            set: place.set,
            sample,
            annotation: sample.annotations.get(place.annotation)?,
        })
    }

    /// Returns the number of images without people in data sets whose weight is above 0.
    pub fn n_empty(&self) -> usize {
        self.empty.len()
    }

    /// Returns the data set index and sample of the `i`-th image without people.
    pub(super) fn empty(&self, i: usize) -> Option<(usize, &Sample)> {
        let &(set, sample) = self.empty.get(i)?;
        Some((set, self.sets[set].samples.get(sample)?))
    }

    /// Returns the joints of a person in image pixels, in the skeleton's order. Unlabelled joints
    /// of a complete data set are marked as outside the image.
    pub fn joints(&self, person: &PersonRef<'_>) -> Vec<Joint> {
        let set = &self.sets[person.set];
        let mut joints = renamed(&person.annotation.joints, &set.map, person.sample.size);
        if set.complete {
            let known = joints
                .iter_mut()
                .zip(&set.knows)
                .filter(|(_, knows)| **knows);
            for (joint, _) in known.filter(|(joint, _)| joint.labelled().is_none()) {
                *joint = Joint::OUTSIDE;
            }
        }
        joints
    }

    /// Returns whether data set `set` labels joint `j` at all.
    pub(super) fn knows(&self, set: usize, j: usize) -> bool {
        let knows = self.sets.get(set).and_then(|s| s.knows.get(j));
        knows.copied().unwrap_or_default()
    }

    /// Draws the index of a person with probabilities by the weights.
    pub(super) fn draw(&self, rng: &mut Rng) -> usize {
        let share = |(range, weight): &(Range<usize>, f64)| range.len() as f64 * weight;
        let all: f64 = self.weighted().map(|set| share(&set)).sum();
        let mut at = rng.unit() * all;
        for set in self.weighted() {
            if at < share(&set) {
                return set.0.start + rng.below(set.0.len());
            }
            at -= share(&set);
        }
        // Reached through rounding, or if no data set has any weight.
        rng.below(self.len())
    }

    /// Returns how often the people of the data set with the highest weight are shown in an epoch,
    /// rounded up; at least 1.
    pub(super) fn most_repeats(&self) -> u64 {
        let weights = self.sets.iter().map(|set| set.weight);
        weights.fold(1.0, f64::max).ceil() as u64
    }

    /// Returns the people of each data set with its weight.
    pub(super) fn weighted(&self) -> impl Iterator<Item = (Range<usize>, f64)> + '_ {
        self.sets.iter().map(|s| (s.range.clone(), s.weight))
    }
}
