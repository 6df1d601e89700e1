//! Decides whether labels refer to the EXIF-rotated or the stored image where the image size does
//! not tell: images upside down, mirrored images, square images on their side. Labels made in a
//! browser refer to the rotated image, labels of most published sets to the stored one.
//!
//! Images of the same set whose size does tell decide for the others, since they were labelled with
//! one tool. Where there are none, the images are left undecided ([`Dataset::open`]); an available
//! network can try both orientations ([`better_fit`]).

use rayon::prelude::*;

use super::{Dataset, picture};
use crate::error::Result;
use crate::sample::{Annotation, Orientation, Sample};
use crate::words::{are, counted};

/// Applies `wanted`, or the orientation that the image sizes of the set imply. Undecided images are
/// recorded in the data set; the returned text is an additional remark.
pub(super) fn resolve(dataset: &mut Dataset, wanted: Orientation) -> Option<String> {
    if wanted != Orientation::Auto {
        set(dataset, wanted);
        return None;
    }
    let [mut n_stored, mut n_turned] = [0, 0];
    let looks: Vec<_> = dataset
        .samples
        .par_iter()
        .map(|sample| picture::sizes(&sample.path))
        .collect();
    for (i, (sample, look)) in dataset.samples.iter().zip(looks).enumerate() {
        let Some([stored, upright]) = look else {
            continue;
        };
        match (sample.size == stored, sample.size == upright) {
            (true, true) => dataset.open.push(i),
            (true, false) => n_stored += 1,
            (false, true) => n_turned += 1,
            (false, false) => {}
        }
    }
    if dataset.open.is_empty() || (n_stored > 0) == (n_turned > 0) {
        return None;
    }
    let n = dataset.open.len();
    let (orientation, how, why) = if n_turned > 0 {
        (Orientation::Exif, turned_text(n), n_turned)
    } else {
        (Orientation::Stored, "read as stored", n_stored)
    };
    set(dataset, orientation);
    Some(format!(
        "{} {how}: the labels of {} show that all were labelled that way",
        are(n, "image"),
        counted(why, "other image")
    ))
}

/// Sets the orientation of the undecided images, or of all images if none is undecided.
pub fn set(dataset: &mut Dataset, orientation: Orientation) {
    let open = std::mem::take(&mut dataset.open);
    if open.is_empty() {
        for sample in &mut dataset.samples {
            sample.orientation = orientation;
        }
        return;
    }
    for i in open {
        dataset.samples[i].orientation = orientation;
    }
}

/// Describes how `n` images were rotated.
pub fn turned_text(n: usize) -> &'static str {
    if n == 1 {
        "turned as its EXIF data says"
    } else {
        "turned as their EXIF data says"
    }
}

/// Returns the remark about `n` undecided images.
pub fn open_note(n: usize) -> String {
    format!(
        "{} rotated by EXIF data, and the labels fit both ways: read as stored. If labelled \
         upright, use --orientation exif, else --orientation stored",
        are(n, "image")
    )
}

/// Number of people to try in both orientations, evenly spread over the undecided images.
const TRIED: usize = 8;
/// Margin of the mean similarity (OKS, 0 to 1) by which one orientation must be better.
const CLEARLY: f64 = 0.1;

/// Returns the orientation of the undecided images in which predictions are clearly more similar to
/// the labels by `similarity`, 0 to 1; `None` if neither is, or no person can be tried.
///
/// # Errors
/// Those of `similarity`; unreadable images are skipped beforehand.
pub fn better_fit(
    dataset: &Dataset,
    similarity: &mut dyn FnMut(&Sample, &Annotation) -> Result<Option<f64>>,
) -> Result<Option<Orientation>> {
    let people = dataset.open.iter().filter_map(|&i| dataset.samples.get(i));
    let people = people.filter(|s| picture::of_sample(s).is_ok());
    let people: Vec<_> = people
        .filter_map(|s| {
            let of_most = s.annotations.iter().filter(|a| !a.is_crowd);
            let of_most = of_most.max_by_key(|a| {
                a.joints
                    .iter()
                    .filter(|j| j.inside(s.size).is_some())
                    .count()
            })?;
            Some((s, of_most))
        })
        .collect();
    let (mut sums, mut n) = ([0.0; 2], 0);
    for (sample, person) in people.iter().step_by(people.len().div_ceil(TRIED).max(1)) {
        let mut both = [None; 2];
        for (one, orientation) in both
            .iter_mut()
            .zip([Orientation::Stored, Orientation::Exif])
        {
            let sample = Sample {
                orientation,
                ..(*sample).clone()
            };
            *one = similarity(&sample, person)?;
        }
        if let [Some(stored), Some(turned)] = both {
            sums[0] += stored;
            sums[1] += turned;
            n += 1;
        }
    }
    let [stored, turned] = sums.map(|sum| sum / f64::from(n.max(1)));
    Ok(if turned - stored > CLEARLY {
        Some(Orientation::Exif)
    } else if stored - turned > CLEARLY {
        Some(Orientation::Stored)
    } else {
        None
    })
}
