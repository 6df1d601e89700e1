//! Random numbers for training passes.

/// A generator whose whole state is two numbers, which a trainer saves and restores. The same state
/// drops the same values, on any number of threads, with and without kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    /// Seed of the training run.
    pub seed: u64,
    /// Number of layers that have drawn so far.
    pub drawn: u64,
}

impl Random {
    /// Creates the generator at its initial state.
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// Returns the key of the next layer's random numbers.
    pub(super) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        // Murmur3's finaliser: adjacent seeds and counts give unrelated keys.
        let mut z = self.seed ^ self.drawn.wrapping_mul(0xd6e8_feb8_6659_fd93);
        z = (z ^ (z >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        z = (z ^ (z >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        z ^ (z >> 33)
    }
}
