//! In which order people are seen: a function of the seed and the epoch alone.

use serde::{Deserialize, Serialize};

use super::People;
use crate::augment::Rng;

/// A place in training: the next batch. Saved in checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Batch within the epoch, from 0.
    pub batch: u64,
}

/// Stands in the place of a slot's index in the generator of its picture without people.
const EMPTY: u64 = 1 << 63;

/// Number of the picture without people that slot `slot` of an epoch shows, of `n`.
pub(super) fn empty_at(n: usize, seed: u64, epoch: u64, slot: u64) -> usize {
    Rng::new(&[seed, epoch, EMPTY | slot]).below(n)
}

/// Stands in the place of a sample's index in the generator of an epoch's order.
const ORDER: u64 = u64::MAX;

/// Numbers of the people of an epoch in the order they are seen, data sets by their weights.
pub(super) fn shuffled(people: &People, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = Rng::new(&[seed, epoch, ORDER]);
    let mut order = Vec::new();
    for (range, weight) in people.weighted() {
        // Everybody as often as the whole part says; the rest falls to a random few.
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

/// Number of people in an epoch.
pub(super) fn epoch_len(people: &People) -> usize {
    let len = |(range, weight): (std::ops::Range<usize>, f64)| {
        let (whole, rest) = split(weight, range.len());
        whole * range.len() + rest
    };
    people.weighted().map(len).sum()
}

/// Number of batches in an epoch of `len` people. Fewer people than one batch make one small
/// batch.
pub(super) fn n_batches(len: usize, batch: usize) -> u64 {
    (len / batch).max(usize::from(len > 0)) as u64
}

/// How often all `n` people are seen, and how many are seen once more.
fn split(weight: f64, n: usize) -> (usize, usize) {
    let whole = weight.floor();
    let rest = ((weight - whole) * n as f64).round();
    (whole as usize, rest as usize)
}
