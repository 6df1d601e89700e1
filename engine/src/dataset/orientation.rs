//! How pictures lie whose EXIF data turns them, where their size does not tell: pictures upside
//! down, mirrored ones, square ones on their side. Labels made in a browser are for the turned
//! picture, labels of most published sets for the stored one.
//!
//! Pictures of the same set whose size does tell decide for the others: they were labelled with one
//! tool. Where there are none, the pictures are left open ([`Dataset::open`]); a network that is at
//! hand can try both ways ([`better_fit`]).

use rayon::prelude::*;

use super::{Dataset, picture};
use crate::error::Result;
use crate::sample::{Annotation, Orientation, Sample};

/// Decides as `wanted`, or as the sizes of the set's pictures tell. What is left open is noted in
/// the data set; the text is what else is to be known.
pub(super) fn settle(dataset: &mut Dataset, wanted: Orientation) -> Option<String> {
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
        (
            Orientation::Exif,
            "turned as their EXIF data says",
            n_turned,
        )
    } else {
        (Orientation::Stored, "read as they are stored", n_stored)
    };
    set(dataset, orientation);
    Some(format!(
        "{n} images are {how}: the labels of {why} others show that all were labelled that way"
    ))
}

/// Decides for the pictures that are open, or, where none is, for all.
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

/// What to say of pictures that are left open.
pub fn open_note(n: usize) -> String {
    format!(
        "the EXIF data of {n} images rotate them, and their labels fit both ways; they are read \
         as stored. If they were labelled upright, use --orientation exif, else \
         --orientation stored"
    )
}

/// People who are tried both ways, evenly spread over the open pictures.
const TRIED: usize = 8;
/// How much more similar (OKS, 0 to 1) answers have to be to the labels, on average.
const CLEARLY: f64 = 0.1;

/// The way of the open pictures in which `similarity`, 0 to 1, of answers to labels is clearly
/// larger; `None` where it is not, or nobody can be tried.
///
/// # Errors
/// Those of `similarity`; pictures that cannot be read are passed over before.
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
