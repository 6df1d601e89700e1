//! Preparation of one input and its targets, from disk to tensors.
//!
//! A top-down network is shown one person, a bottom-up network the surroundings of a person, or, as
//! a mosaic, those of four people in four [`Tile`]s. Each tile is one image under a single affine
//! map, so that its pixels are resampled once.

use std::sync::Arc;

use super::super::{Annotation, picture};
use super::coverage::Coverage;
use super::order::EMPTY;
use super::people::PersonRef;
use super::{InputKey, LoaderOptions, People, SeenInput, SeenTile};
use crate::augment::{CropTarget, Rng, Tile, View};
use crate::codec::{Encoder, PersonJoints, Target};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::{BBox, Point, Size};
use crate::output::Approach;
use crate::preprocess::{InputSpec, warp};
use crate::sample::{Joint, Sample, Visibility};
use crate::skeleton::Skeleton;

/// Subject of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// Overall index of a person.
    Person(usize),
    /// Index among the images without people.
    Empty(usize),
}

/// Marks an index as that of a variant when seeding the random generator for an augmented input.
const VARIANT: u64 = 1 << 62;

impl Pick {
    /// Returns the key of one of the inputs that show the subject: those with equal remainders of
    /// `turn` are the same.
    pub(super) fn variant_key(self, seed: u64, turn: u64, variants: u64) -> InputKey {
        let variant = turn % variants.max(1);
        let subject = match self {
            Self::Person(i) => i as u64,
            Self::Empty(i) => EMPTY | i as u64,
        };
        [seed, VARIANT | variant, subject]
    }
}

/// A job for a worker.
pub(super) struct Job {
    /// Sequence number of the job, counted from the loader's start.
    pub ticket: u64,
    /// Subject of the input; of the first tile in a mosaic.
    pub pick: Pick,
    /// Key of the input's random numbers.
    pub key: InputKey,
    /// Whether to read the image and compute the input's planes.
    pub has_pixels: bool,
    /// Encoder of the targets.
    pub encoder: Arc<Encoder>,
}

/// A prepared input.
#[derive(Debug)]
pub(super) struct Prepared {
    pub input: Vec<f32>,
    pub target: Target,
    pub seen: SeenInput,
}

/// Reason why an input cannot be used.
#[derive(Debug)]
pub(super) struct Failure {
    /// Subject that could not be shown.
    pub pick: Pick,
    pub error: Error,
}

/// Reads, crops, augments and encodes an input. The result is a function of the job alone: samples
/// share no state, so it does not depend on which thread runs it, or when.
pub(super) fn prepare(
    people: &People,
    options: &LoaderOptions,
    job: &Job,
) -> std::result::Result<Prepared, Failure> {
    let at = |pick| move |error| Failure { pick, error };
    let source = Source {
        people,
        options,
        approach: job.encoder.approach(),
    };
    let mut rng = Rng::new(&job.key);
    let input = &options.input;
    let tiles = match source.approach {
        Approach::TopDown => vec![Tile::whole(input.size)],
        Approach::BottomUp => options.augment.mosaic.tiles(input.size, &mut rng),
    };
    let changes = options.augment.touches_pixels();
    let plain = InputSpec {
        mean: [0.0; 3],
        std: [1.0; 3],
        ..*input
    };
    // Unaugmented pixels are bit-identical to those of evaluation.
    let spec = if changes { &plain } else { input };

    let mut values = vec![0.0; if job.has_pixels { input.n_values() } else { 0 }];
    let mut shown = Vec::with_capacity(tiles.len());
    for (i, tile) in tiles.into_iter().enumerate() {
        let pick = match i {
            0 => job.pick,
            _ => Pick::Person(people.draw(&mut rng)),
        };
        let mut show = || {
            let missing = || Error::Internal(format!("no such sample: {pick:?}"));
            let (sample, one) = match pick {
                Pick::Person(number) => {
                    let person = people.get(number).ok_or_else(missing)?;
                    let one = Shown::person(source, &person, tile, &mut rng)?;
                    (person.sample, one)
                }
                Pick::Empty(number) => {
                    let empty = people.empty(number).ok_or_else(missing)?;
                    let one = Shown::empty(source, empty, tile, &mut rng)?;
                    (empty.1, one)
                }
            };
            if job.has_pixels {
                one.draw(&picture::of_sample(sample)?, spec, &mut values);
            }
            Ok(one)
        };
        shown.push(show().map_err(at(pick))?);
    }
    if changes && job.has_pixels {
        options
            .augment
            .augment_pixels(&mut values, input.size, &mut rng);
        let planes = values.chunks_exact_mut(input.size.area());
        for ((plane, mean), std) in planes.zip(input.mean).zip(input.std) {
            for v in plane {
                *v = (*v - mean) / std;
            }
        }
    }
    let target = target(people.skeleton(), &job.encoder, &shown);
    let tiles = shown.into_iter().map(|one| one.seen).collect();
    Ok(Prepared {
        input: values,
        target,
        seen: SeenInput {
            key: job.key,
            has_pixels: job.has_pixels,
            tiles,
        },
    })
}

fn target(skeleton: &Skeleton, encoder: &Encoder, shown: &[Shown]) -> Target {
    let all_people = shown.iter().flat_map(|one| &one.seen.people);
    let places = all_people.map(|joints| joints.iter().map(Joint::labelled).collect());
    let places: Vec<PersonJoints> = places.collect();
    match (encoder.approach(), &places[..]) {
        (Approach::TopDown, []) => encoder.empty(skeleton.n_joints()),
        (Approach::TopDown, [person, ..]) => encoder.person(person),
        (Approach::BottomUp, people) => {
            let knows = |p: Point, known: &mut [bool]| {
                known.fill(true);
                for one in shown {
                    one.clear_unknown(p, known);
                }
            };
            encoder.scene(people, skeleton.n_joints(), knows)
        }
    }
}

/// What inputs are made of, and how.
#[derive(Clone, Copy)]
struct Source<'a> {
    people: &'a People,
    options: &'a LoaderOptions,
    approach: Approach,
}

/// An image as shown in a tile.
struct Shown {
    seen: SeenTile,
    view: View,
    /// For each joint, whether the data set labels it at all; true for images without people.
    set_knows: Vec<bool>,
    coverage: Coverage,
}

impl Shown {
    /// Creates a view of a random part of an image without people.
    fn empty(
        source: Source<'_>,
        (set, sample): (usize, &Sample),
        tile: Tile,
        rng: &mut Rng,
    ) -> Result<Self> {
        let Source {
            people, options, ..
        } = source;
        let spec = of_tile(&options.input, tile);
        let n_joints = people.skeleton().n_joints();
        let view = options.augment.view(
            &CropTarget {
                skeleton: people.skeleton(),
                joints: &vec![Joint::OUTSIDE; n_joints],
                image: sample.size,
                roi: spec.roi(part(sample.size, rng)),
                input: tile.size,
                alignment: spec.alignment,
            },
            rng,
        )?;
        Ok(Self {
            seen: SeenTile {
                set,
                image_id: sample.image_id,
                annotation_id: None,
                tile,
                image_from_tile: view.image_from_input,
                flipped: view.flipped,
                people: Vec::new(),
            },
            view,
            set_knows: vec![true; n_joints],
            coverage: Coverage::default(),
        })
    }

    fn person(
        source: Source<'_>,
        person: &PersonRef<'_>,
        tile: Tile,
        rng: &mut Rng,
    ) -> Result<Self> {
        let Source {
            people, options, ..
        } = source;
        let sample = person.sample;
        let spec = of_tile(&options.input, tile);
        let joints = people.joints(person);
        let annotation = person.annotation;
        let roi = spec.roi_of(annotation, sample.size).ok_or_else(|| {
            let reason = format!(
                "annotation {}: the box lies outside the image",
                annotation.id
            );
            Error::data(&sample.path, reason)
        })?;
        let subject = CropTarget {
            skeleton: people.skeleton(),
            joints: &joints,
            image: sample.size,
            roi,
            input: tile.size,
            alignment: spec.alignment,
        };
        let view = options.augment.view(&subject, rng)?;
        let mut shown = Self {
            seen: SeenTile {
                set: person.set,
                image_id: sample.image_id,
                annotation_id: Some(annotation.id),
                tile,
                image_from_tile: view.image_from_input,
                flipped: view.flipped,
                people: Vec::new(),
            },
            view,
            set_knows: (0..people.skeleton().n_joints())
                .map(|j| people.knows(person.set, j))
                .collect(),
            coverage: Coverage::default(),
        };
        match source.approach {
            Approach::TopDown => {
                let joints = shown.view.joints(&joints, people.skeleton());
                shown.seen.people.push(joints);
            }
            Approach::BottomUp => {
                for annotation in &sample.annotations {
                    shown.add(
                        people,
                        &PersonRef {
                            annotation,
                            ..*person
                        },
                    );
                }
            }
        }
        Ok(shown)
    }

    /// Adds one of the people in the image.
    fn add(&mut self, people: &People, person: &PersonRef<'_>) {
        let Annotation { bbox, is_crowd, .. } = *person.annotation;
        let mut joints = people.joints(person);
        if is_crowd || !joints.iter().any(|j| j.labelled().is_some()) {
            self.coverage.add_ignored(bbox);
            return;
        }
        self.coverage.add(
            person.annotation,
            &self.view.renamed(&joints, people.skeleton()),
        );
        let (tile, origin) = (self.seen.tile, self.seen.tile.origin());
        // Joints beyond the border of the image or tile are cut off.
        for joint in &mut joints {
            if joint.inside(person.sample.size).is_none() {
                joint.visibility = Visibility::Unlabelled;
            }
        }
        let mut joints = self.view.joints(&joints, people.skeleton());
        for joint in &mut joints {
            joint.point = Point::new(joint.point.x + origin.x, joint.point.y + origin.y);
            if !tile.contains(joint.point) {
                joint.visibility = Visibility::Unlabelled;
            }
        }
        if joints.iter().any(|j| j.labelled().is_some()) {
            self.seen.people.push(joints);
        }
    }

    /// Clears the flags of joints that may be unlabelled at a point of the input, as far as this
    /// tile is concerned. A joint that the data set never labels is unknown in the whole input,
    /// because its map covers all tiles.
    fn clear_unknown(&self, p: Point, known: &mut [bool]) {
        for (known, set_knows) in known.iter_mut().zip(&self.set_knows) {
            *known &= set_knows;
        }
        let tile = self.seen.tile;
        if tile.contains(p) {
            let in_tile = Point::new(p.x - tile.origin().x, p.y - tile.origin().y);
            let at = self.view.image_from_input.apply(in_tile);
            self.coverage.clear_unknown(at, known);
        }
    }

    /// Draws the tile into an input's three planes.
    fn draw(&self, frame: &Frame, spec: &InputSpec, values: &mut [f32]) {
        let tile = self.seen.tile;
        let map = &self.view.image_from_input;
        if tile == Tile::whole(spec.size) {
            warp(frame.rgba(), frame.size(), map, spec, values);
            return;
        }
        let part = of_tile(spec, tile);
        let mut pixels = vec![0.0; part.n_values()];
        warp(frame.rgba(), frame.size(), map, &part, &mut pixels);
        let planes = values.chunks_exact_mut(spec.size.area());
        for (plane, part) in planes.zip(pixels.chunks_exact(tile.size.area())) {
            let rows = plane.chunks_exact_mut(spec.size.width).skip(tile.y);
            for (row, from) in rows.zip(part.chunks_exact(tile.size.width)) {
                row[tile.x..tile.x + tile.size.width].copy_from_slice(from);
            }
        }
    }
}

/// Returns a random square of an image, from a quarter of its shorter side to the whole.
fn part(image: Size, rng: &mut Rng) -> BBox {
    let (width, height) = (image.width as f64, image.height as f64);
    let side = width.min(height) * 0.25f64.powf(rng.unit());
    let (x, y) = (
        rng.unit() * (width - side) - 0.5,
        rng.unit() * (height - side) - 0.5,
    );
    BBox::new(x, y, side, side)
}

/// Returns the input specification of a tile on its own.
fn of_tile(input: &InputSpec, tile: Tile) -> InputSpec {
    InputSpec {
        size: tile.size,
        ..*input
    }
}
