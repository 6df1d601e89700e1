//! Decision by a network about the EXIF orientation of images where labels alone are ambiguous.

use crate::dataset::orientation::{better_fit, open_note, set, turned_text};
use crate::dataset::{Annotation, Dataset, Orientation, Sample, picture, renamed};
use crate::error::Result;
use crate::estimator::{Network, NetworkOptions, RequestedMaps};
use crate::eval::oks::oks;
use crate::geometry::{Point, Roi};
use crate::model::MODELS;
use crate::output::{Approach, Timings};
use crate::words::counted;

/// Tries both orientations on a few people of the undecided images ([`Dataset::open`]) and keeps
/// the one in which the network's predictions are clearly closer to the labels. `None` if neither
/// is: the images stay undecided and are read as stored.
///
/// # Errors
/// When the network fails.
pub fn resolve_by_fit(dataset: &mut Dataset, network: &mut Network) -> Result<Option<Orientation>> {
    let skeleton = network.skeleton();
    let Some(map) = dataset.skeleton.map_to(&skeleton.name) else {
        return Ok(None);
    };
    let sigmas: Vec<f64> = (0..skeleton.n_joints())
        .map(|j| skeleton.sigma(j))
        .collect();
    let input = *network.input();
    let approach = network.spec().approach;
    let better = better_fit(dataset, &mut |sample: &Sample, person: &Annotation| {
        let Some(roi) = input.roi_of(person, sample.size) else {
            return Ok(None);
        };
        // One of the two orientations may not be readable at this size.
        let Ok(frame) = picture::of_sample(sample) else {
            return Ok(None);
        };
        let roi = match approach {
            Approach::TopDown => roi,
            Approach::BottomUp => Roi::whole(frame.size(), input.size.aspect()),
        };
        let label = Annotation {
            joints: renamed(&person.joints, &map, sample.size),
            ..person.clone()
        };
        if label.joints.iter().all(|j| j.labelled().is_none()) {
            return Ok(None);
        }
        let result = network.infer_region(
            &frame,
            &roi,
            RequestedMaps::default(),
            &mut Timings::default(),
        )?;
        let similarity = result.people.iter().map(|found| {
            let points: Vec<Point> = found.joints.iter().map(|k| k.point()).collect();
            oks(&points, &label, &sigmas)
        });
        Ok(Some(similarity.fold(0.0, f64::max)))
    })?;
    if let Some(orientation) = better {
        set(dataset, orientation);
    }
    Ok(better)
}

/// Lets the program's first network decide about undecided images; returns a remark on the result.
///
/// # Errors
/// When the network cannot be loaded or fails.
pub(super) fn resolve_open(dataset: &mut Dataset) -> Result<Option<String>> {
    let n = dataset.open.len();
    if n == 0 {
        return Ok(None);
    }
    let mut network = Network::load(&NetworkOptions::bundled(&MODELS[0]))?;
    let resolved = resolve_by_fit(dataset, &mut network)?;
    let note = resolved.map_or_else(
        || open_note(n),
        |orientation| resolution_note(n, orientation),
    );
    Ok(Some(note))
}

/// Returns the remark on a decision of [`resolve_by_fit`] about `n` images.
pub fn resolution_note(n: usize, orientation: Orientation) -> String {
    let how = match orientation {
        Orientation::Exif => turned_text(n),
        Orientation::Auto | Orientation::Stored => "read as stored",
    };
    format!(
        "{} with EXIF rotation {} {how}: this way the labels fit the network's predictions",
        counted(n, "image"),
        if n == 1 { "is" } else { "are" }
    )
}
