//! One person from the disk to a network's input and targets.

use super::super::picture;
use super::{LoaderOptions, People, SeenPerson};
use crate::augment::{Rng, Subject};
use crate::codec::Target;
use crate::error::{Error, Result};
use crate::preprocess::{InputSpec, warp};

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

/// A person ready to be learned from.
#[derive(Debug)]
pub(super) struct Prepared {
    pub input: Vec<f32>,
    pub target: Target,
    pub person: SeenPerson,
}

/// Reads, crops, augments and encodes. Everything follows from the job: nothing is shared between
/// samples, so the result does not depend on which thread works, or when.
pub(super) fn prepare(people: &People, options: &LoaderOptions, job: &Job) -> Result<Prepared> {
    let person = people
        .get(job.person)
        .ok_or_else(|| Error::Invalid(format!("there is no person number {}", job.person)))?;
    let sample = person.sample;
    let frame = picture::read(&sample.path, sample.image_id)?;
    if frame.size() != sample.size {
        return Err(Error::data(
            &sample.path,
            format!(
                "the picture is {}, its labels were made for {}",
                frame.size(),
                sample.size
            ),
        ));
    }

    let mut rng = Rng::new(&job.place);
    let input = &options.input;
    let joints = people.joints(&person);
    let subject = Subject {
        skeleton: people.skeleton(),
        joints: &joints,
        image: sample.size,
        roi: input.roi(person.annotation.bbox),
        input: input.size,
        alignment: input.alignment,
    };
    let view = options.augment.view(&subject, &mut rng)?;

    let mut values = vec![0.0; input.n_values()];
    let mut crop = |spec: &InputSpec| {
        warp(
            frame.rgba(),
            frame.size(),
            &view.image_from_input,
            spec,
            &mut values,
        );
    };
    if options.augment.touches_pixels() {
        crop(&InputSpec {
            mean: [0.0; 3],
            std: [1.0; 3],
            ..*input
        });
        options.augment.pixels(&mut values, input.size, &mut rng);
        let planes = values.chunks_exact_mut(input.size.area());
        for ((plane, mean), std) in planes.zip(input.mean).zip(input.std) {
            for v in plane {
                *v = (*v - mean) / std;
            }
        }
    } else {
        // To the bit what evaluation feeds.
        crop(input);
    }

    let joints = view.joints(&joints, people.skeleton());
    let points: Vec<_> = joints.iter().map(crate::sample::Joint::labelled).collect();
    let encoder = options
        .target
        .encoder(input.size, input.alignment, job.sigma)?;
    Ok(Prepared {
        input: values,
        target: encoder.encode(&points),
        person: SeenPerson {
            set: person.set,
            image_id: sample.image_id,
            annotation_id: person.annotation.id,
            image_from_input: view.image_from_input,
            flipped: view.flipped,
            joints,
        },
    })
}
