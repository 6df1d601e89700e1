//! Order of people in an epoch: a function of the seed and the epoch alone.

use serde::{Deserialize, Serialize};

use super::People;
use crate::augment::Rng;

/// Position of the next batch in a training run. Saved in checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Batch within the epoch, from 0.
    pub batch: u64,
}

/// Replaces the slot index when seeding the random generator for an image without people.
pub(super) const EMPTY: u64 = 1 << 63;

/// Returns the index, below `n`, of the image without people shown in slot `slot` of an epoch.
pub(super) fn empty_at(n: usize, seed: u64, epoch: u64, slot: u64) -> usize {
    Rng::new(&[seed, epoch, EMPTY | slot]).below(n)
}

/// Key of an input's random numbers; inputs with equal keys are equal.
pub type InputKey = [u64; 3];

/// Replaces the sample index when seeding the random generator for an epoch's order.
const ORDER: u64 = u64::MAX;

/// Returns the shuffled indices of the people of an epoch, data sets repeated by their weights.
pub(super) fn shuffled(people: &People, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = Rng::new(&[seed, epoch, ORDER]);
    let mut order = Vec::new();
    for (range, weight) in people.weighted() {
        // Everyone is repeated by the integer part of the weight; the fraction selects a random
        // subset.
        let (whole, rest) = split(weight, range.len());
        for _ in 0..whole {
            order.extend(range.clone());
        }
        let mut all: Vec<usize> = range.collect();
        rng.shuffle(&mut all);
        order.extend(&all[..rest]);
    }
    rng.shuffle(&mut order);
    order
}

/// Returns the number of people in an epoch.
pub(super) fn epoch_len(people: &People) -> usize {
    let len = |(range, weight): (std::ops::Range<usize>, f64)| {
        let (whole, rest) = split(weight, range.len());
        whole * range.len() + rest
    };
    people.weighted().map(len).sum()
}

/// Returns the number of batches in an epoch of `len` people. Fewer people than one batch make one
/// small batch.
pub(super) fn n_batches(len: usize, batch: usize) -> u64 {
    (len / batch).max(usize::from(len > 0)) as u64
}

/// Returns how often all `n` people are shown, and how many are shown once more.
fn split(weight: f64, n: usize) -> (usize, usize) {
    let whole = weight.floor();
    let rest = ((weight - whole) * n as f64).round();
    (whole as usize, rest as usize)
}
