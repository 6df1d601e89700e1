//! In which order people are seen: a function of the seed and the epoch alone.

use serde::{Deserialize, Serialize};

use super::People;
use crate::augment::Rng;

/// How an epoch runs through the people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Training: epoch after epoch without end, each in another order, data sets by their
    /// weights. Every batch is full: the few people left over at the end of an epoch wait for
    /// the next one.
    Shuffled {
        /// Of the order and of every sample's augmentation.
        seed: u64,
    },
    /// Validation: everybody once, in the order of the files, whatever the weights.
    Fixed,
}

/// A place in training: the next batch. Saved in checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Batch within the epoch, from 0.
    pub batch: u64,
}

/// Stands in the place of a sample's index in the generator of an epoch's order.
const ORDER: u64 = u64::MAX;

impl Order {
    /// Seed of the samples' augmentation.
    pub(super) fn seed(self) -> u64 {
        match self {
            Self::Shuffled { seed } => seed,
            Self::Fixed => 0,
        }
    }

    /// Numbers of the people of an epoch in the order they are seen.
    pub(super) fn epoch(self, people: &People, epoch: u64) -> Vec<usize> {
        let Self::Shuffled { seed } = self else {
            return (0..people.len()).collect();
        };
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
    pub(super) fn epoch_len(self, people: &People) -> usize {
        if self == Self::Fixed {
            return people.len();
        }
        let len = |(range, weight): (std::ops::Range<usize>, f64)| {
            let (whole, rest) = split(weight, range.len());
            whole * range.len() + rest
        };
        people.weighted().map(len).sum()
    }

    /// Number of batches in an epoch of `len` people.
    pub(super) fn n_batches(self, len: usize, batch: usize) -> u64 {
        match self {
            // Fewer people than one batch make one small batch.
            Self::Shuffled { .. } => (len / batch).max(usize::from(len > 0)) as u64,
            Self::Fixed => len.div_ceil(batch) as u64,
        }
    }
}

/// How often all `n` people are seen, and how many are seen once more.
fn split(weight: f64, n: usize) -> (usize, usize) {
    let whole = weight.floor();
    let rest = ((weight - whole) * n as f64).round();
    (whole as usize, rest as usize)
}
