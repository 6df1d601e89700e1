//! Who is learned from: the people of several data sets under one skeleton.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::super::{Annotation, Dataset, LeftOut, Sample, renamed};
use crate::augment::Rng;
use crate::error::{Error, Result};
use crate::preprocess::has_region;
use crate::sample::Joint;
use crate::skeleton::{JointMap, Skeleton};

/// What of a data set is learned from, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SetOptions {
    /// How often each person is seen in an epoch of training, 0 to 1000; 0.25 shows a quarter of
    /// the people, another quarter each epoch.
    pub weight: f64,
    /// People with fewer labelled joints in the picture are left out.
    pub min_joints: usize,
    /// People whose box has a shorter longer side (image pixels) are left out.
    pub min_side: f64,
    /// Whether the labels are complete: an unlabelled joint (`v = 0`) of a labelled person is not
    /// in the picture. Otherwise nothing is known about it, and nothing is taught.
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

/// The people of one or more data sets, their joints named by one skeleton.
#[derive(Debug)]
pub struct People {
    skeleton: &'static Skeleton,
    sets: Vec<Set>,
    places: Vec<Place>,
    /// Set and number of each picture without people.
    empty: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Set {
    name: String,
    weight: f64,
    complete: bool,
    samples: Vec<Sample>,
    map: JointMap,
    /// Joints, in the order of all, that are labelled of at least one person.
    knows: Vec<bool>,
    /// Its people among all.
    range: Range<usize>,
}

/// Where a person stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    set: usize,
    sample: usize,
    annotation: usize,
}

/// One person with the picture it is in.
#[derive(Debug, Clone, Copy)]
pub struct PersonRef<'a> {
    /// Number of the data set, in the order they were added.
    pub set: usize,
    /// The picture.
    pub sample: &'a Sample,
    /// The person, joints named by the data set's own skeleton.
    pub annotation: &'a Annotation,
}

impl People {
    /// Nobody yet.
    pub fn new(skeleton: &'static Skeleton) -> Self {
        Self {
            skeleton,
            sets: Vec::new(),
            places: Vec::new(),
            empty: Vec::new(),
        }
    }

    /// Adds the people of `dataset` that can be learned from: not crowds, not those whose box has
    /// no area or no part in the picture, not those `options` leaves out. Joints that the data
    /// set's skeleton does not have are unlabelled. Returns how many people were added, and how
    /// many the data set's file and this leave out.
    ///
    /// # Errors
    /// When the weight has no meaning, or no joint of the data set exists in the skeleton.
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
                        self.places.push(Place {
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

    /// The joints' meaning.
    pub fn skeleton(&self) -> &'static Skeleton {
        self.skeleton
    }

    /// Number of people.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Name of data set number `set`.
    pub fn set_name(&self, set: usize) -> &str {
        self.sets.get(set).map_or("", |s| &s.name)
    }

    /// Person number `i`, if there are so many.
    pub fn get(&self, i: usize) -> Option<PersonRef<'_>> {
        let place = self.places.get(i)?;
        let sample = self.sets[place.set].samples.get(place.sample)?;
        Some(PersonRef {
            set: place.set,
            sample,
            annotation: sample.annotations.get(place.annotation)?,
        })
    }

    /// Number of pictures without people in sets whose weight is above 0.
    pub fn n_empty(&self) -> usize {
        self.empty.len()
    }

    /// The set's number and the picture of picture number `i` among those without people.
    pub(super) fn empty(&self, i: usize) -> Option<(usize, &Sample)> {
        let &(set, sample) = self.empty.get(i)?;
        Some((set, self.sets[set].samples.get(sample)?))
    }

    /// Joints of a person in image pixels, in the skeleton's order. What is unlabelled in a
    /// complete data set lies outside the picture.
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

    /// Whether the labels of data set number `set` are about joint `j` at all.
    pub(super) fn knows(&self, set: usize, j: usize) -> bool {
        let knows = self.sets.get(set).and_then(|s| s.knows.get(j));
        knows.copied().unwrap_or_default()
    }

    /// Number of a person drawn as often as the weights say.
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
        // Rounding, or no set has any weight.
        rng.below(self.len())
    }

    /// The people of each data set, and how often each is seen.
    pub(super) fn weighted(&self) -> impl Iterator<Item = (Range<usize>, f64)> + '_ {
        self.sets.iter().map(|s| (s.range.clone(), s.weight))
    }
}
