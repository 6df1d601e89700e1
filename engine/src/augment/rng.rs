//! Random numbers that depend only on a key and a counter: any sample of any epoch can be drawn on
//! its own, on any thread, with the same result.

use serde::{Deserialize, Serialize};

/// Increment of SplitMix64's counter: 2^64 divided by the golden ratio, as an odd integer.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A counter-based generator (SplitMix64, Steele et al. 2014): number `i` is a hash of `key + i *
/// GAMMA`. A deserialised generator continues where it was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng {
    key: u64,
    counter: u64,
}

impl Rng {
    /// Creates the generator for a tuple such as (seed, epoch, index); different words give
    /// different sequences.
    pub fn new(words: &[u64]) -> Self {
        let key = words.iter().fold(words.len() as u64, |key, &word| {
            mix(key.wrapping_add(GAMMA) ^ mix(word.wrapping_add(GAMMA)))
        });
        Self { key, counter: 0 }
    }

    /// Draws 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        mix(self.key.wrapping_add(self.counter.wrapping_mul(GAMMA)))
    }

    /// Draws a number uniformly from [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Draws a number uniformly from [`low`, `high`).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Returns true with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Draws two independent standard normal numbers (Box-Muller transform).
    pub fn normals(&mut self) -> [f64; 2] {
        // 1 - u is in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.unit()).sin_cos();
        [radius * cos, radius * sin]
    }

    /// Draws an integer uniformly from `0..n`; returns 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Shuffles `items` in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// SplitMix64's finaliser: every bit of the result depends on every bit of `z`.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the sequence is not SplitMix64's, or a saved generator does not continue exactly.
    #[test]
    fn the_sequence_is_fixed_and_resumes() {
        let mut plain = Rng { key: 0, counter: 0 };
        // First two outputs of SplitMix64 with seed 0.
        assert_eq!(plain.bits(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(plain.bits(), 0x6e78_9e6a_a1b9_65f4);
        let mut rng = Rng::new(&[7, 1, 3]);
        rng.normals();
        let text = serde_json::to_string(&rng).unwrap();
        let mut back: Rng = serde_json::from_str(&text).unwrap();
        assert_eq!(back.bits(), rng.bits());
    }

    /// Fails when neighbouring samples draw the same numbers, so that an epoch would repeat itself.
    #[test]
    fn neighbouring_samples_differ() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..10 {
            for epoch in 0..10 {
                for index in 0..100 {
                    seen.insert(Rng::new(&[seed, epoch, index]).bits());
                }
            }
        }
        assert_eq!(seen.len(), 10_000);
        assert_ne!(Rng::new(&[0]).bits(), Rng::new(&[0, 0]).bits());
    }

    /// Fails when the distributions have the wrong mean or variance.
    #[test]
    fn the_moments_are_right() {
        let mut rng = Rng::new(&[1]);
        let n = 40_000;
        let mean = (0..n).map(|_| rng.unit()).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        let normals: Vec<f64> = (0..n / 2).flat_map(|_| rng.normals()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let variance = normals.iter().map(|v| v * v).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03);
        let mut counts = [0u32; 5];
        for _ in 0..n {
            counts[rng.below(5)] += 1;
        }
        assert!(counts.iter().all(|c| c.abs_diff(8000) < 400), "{counts:?}");
        let mut order: Vec<usize> = (0..100).collect();
        rng.shuffle(&mut order);
        let fixed = order.iter().enumerate().filter(|(i, v)| i == *v).count();
        assert!(fixed < 10);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..100));
    }
}
