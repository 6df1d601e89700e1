//! From the disk to a network's input and targets: what one place in a batch shows.
//!
//! A network for one person is shown the person, a network for everybody the person's
//! surroundings, or, as a mosaic, those of four people in four [`Tile`]s. Each tile is one picture
//! seen through one affine map, so that its pixels are resampled once.

use super::super::{Annotation, picture};
use super::people::PersonRef;
use super::{LoaderOptions, People, SeenInput, SeenTile};
use crate::augment::{Rng, Subject, Tile, View};
use crate::codec::{Places, Target};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::{BBox, Point};
use crate::output::Approach;
use crate::preprocess::{InputSpec, warp};
use crate::sample::{Joint, Visibility};

/// What a worker is to do.
pub(super) struct Job {
    /// Number of the job, counted from the loader's start.
    pub ticket: u64,
    /// Number of the person among all.
    pub person: usize,
    /// Of the sample's random numbers: seed, epoch, place in the epoch.
    pub place: [u64; 3],
    /// Width of the targets.
    pub sigma: f64,
}

/// An input ready to be learned from.
#[derive(Debug)]
pub(super) struct Prepared {
    pub input: Vec<f32>,
    pub target: Target,
    pub seen: SeenInput,
}

/// Why an input cannot be used.
#[derive(Debug)]
pub(super) struct Failure {
    /// Number of the person whose picture is at fault.
    pub person: usize,
    pub error: Error,
}

/// Reads, crops, augments and encodes. Everything follows from the job: nothing is shared between
/// samples, so the result does not depend on which thread works, or when.
pub(super) fn prepare(
    people: &People,
    options: &LoaderOptions,
    job: &Job,
) -> std::result::Result<Prepared, Failure> {
    let at = |person| move |error| Failure { person, error };
    let approach = options.target.approach().map_err(at(job.person))?;
    let mut rng = Rng::new(&job.place);
    let input = &options.input;
    let tiles = match approach {
        Approach::TopDown => vec![Tile::whole(input.size)],
        Approach::BottomUp => options.augment.mosaic.tiles(input.size, &mut rng),
    };
    let changes = options.augment.touches_pixels();
    let plain = InputSpec {
        mean: [0.0; 3],
        std: [1.0; 3],
        ..*input
    };
    // Unchanged pixels are to the bit what evaluation feeds.
    let spec = if changes { &plain } else { input };

    let mut values = vec![0.0; input.n_values()];
    let mut shown = Vec::with_capacity(tiles.len());
    for (i, tile) in tiles.into_iter().enumerate() {
        let number = match i {
            0 => job.person,
            _ => people.draw(&mut rng),
        };
        let mut show = || {
            let person = people
                .get(number)
                .ok_or_else(|| Error::Invalid(format!("there is no person number {number}")))?;
            let frame = picture::of_sample(person.sample)?;
            let one = Shown::new(people, &person, options, tile, &mut rng)?;
            one.draw(&frame, spec, &mut values);
            Ok(one)
        };
        shown.push(show().map_err(at(number))?);
    }
    if changes {
        options.augment.pixels(&mut values, input.size, &mut rng);
        let planes = values.chunks_exact_mut(input.size.area());
        for ((plane, mean), std) in planes.zip(input.mean).zip(input.std) {
            for v in plane {
                *v = (*v - mean) / std;
            }
        }
    }
    let target = target(people, options, approach, &shown, job.sigma).map_err(at(job.person))?;
    let tiles = shown.into_iter().map(|one| one.seen).collect();
    Ok(Prepared {
        input: values,
        target,
        seen: SeenInput { tiles },
    })
}

fn target(
    people: &People,
    options: &LoaderOptions,
    approach: Approach,
    shown: &[Shown],
    sigma: f64,
) -> Result<Target> {
    let input = &options.input;
    let skeleton = people.skeleton();
    let encoder = options
        .target
        .encoder(skeleton, input.size, input.alignment, sigma)?;
    let everybody = shown.iter().flat_map(|one| &one.seen.people);
    let places = everybody.map(|joints| joints.iter().map(Joint::labelled).collect());
    let places: Vec<Places> = places.collect();
    match approach {
        Approach::TopDown => Ok(encoder.person(places.first().map_or(&[][..], |p| p))),
        Approach::BottomUp => {
            let knows = |j: &usize| shown.iter().all(|one| people.knows(one.seen.set, *j));
            let known: Vec<bool> = (0..skeleton.n_joints()).map(|j| knows(&j)).collect();
            let counts = |p: Point| shown.iter().all(|one| one.counts(p));
            Ok(encoder.scene(&places, &known, counts))
        }
    }
}

/// A picture as it is seen in a tile.
struct Shown {
    seen: SeenTile,
    view: View,
    /// Boxes of people whose joints are labelled, and of those where nobody knows.
    labelled: Vec<BBox>,
    unlabelled: Vec<BBox>,
}

impl Shown {
    fn new(
        people: &People,
        person: &PersonRef<'_>,
        options: &LoaderOptions,
        tile: Tile,
        rng: &mut Rng,
    ) -> Result<Self> {
        let sample = person.sample;
        let spec = of_tile(&options.input, tile);
        let joints = people.joints(person);
        let annotation = person.annotation;
        let roi = spec.roi_of(annotation, sample.size).ok_or_else(|| {
            let reason = format!(
                "annotation {}: the box is not in the picture",
                annotation.id
            );
            Error::data(&sample.path, reason)
        })?;
        let subject = Subject {
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
                annotation_id: annotation.id,
                tile,
                image_from_tile: view.image_from_input,
                flipped: view.flipped,
                people: Vec::new(),
            },
            view,
            labelled: Vec::new(),
            unlabelled: Vec::new(),
        };
        match options.target.approach()? {
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

    /// One of the people in the picture.
    fn add(&mut self, people: &People, person: &PersonRef<'_>) {
        let Annotation { bbox, is_crowd, .. } = *person.annotation;
        let mut joints = people.joints(person);
        if is_crowd || !joints.iter().any(|j| j.labelled().is_some()) {
            self.unlabelled.push(bbox);
            return;
        }
        self.labelled.push(bbox);
        let (tile, origin) = (self.seen.tile, self.seen.tile.origin());
        // The border of the picture, or that of the tile, has cut off what lies beyond it.
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

    /// Whether everybody is labelled who is at a point of the input, as far as this tile shows it.
    /// Boxes are larger than people: where somebody labelled is as well, it counts.
    fn counts(&self, p: Point) -> bool {
        let tile = self.seen.tile;
        if self.unlabelled.is_empty() || !tile.contains(p) {
            return true;
        }
        let in_tile = Point::new(p.x - tile.origin().x, p.y - tile.origin().y);
        let at = self.view.image_from_input.apply(in_tile);
        let is_in = |boxes: &[BBox]| boxes.iter().any(|b| b.contains(at));
        !is_in(&self.unlabelled) || is_in(&self.labelled)
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

/// What a tile alone would be fed.
fn of_tile(input: &InputSpec, tile: Tile) -> InputSpec {
    InputSpec {
        size: tile.size,
        ..*input
    }
}
