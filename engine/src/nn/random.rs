//! The random numbers that a learning pass carries.

/// A generator whose whole state is two numbers, which a trainer saves and restores: the same
/// state drops the same values, on any number of threads, with kernels and without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    /// Chosen once for a training.
    pub seed: u64,
    /// Layers that have drawn so far.
    pub drawn: u64,
}

impl Random {
    /// Nothing drawn yet.
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The key of the next layer's numbers.
    pub(super) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        // Murmur3's finaliser: neighbouring seeds and counts have unlike keys.
        let mut z = self.seed ^ self.drawn.wrapping_mul(0xd6e8_feb8_6659_fd93);
        z = (z ^ (z >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        z = (z ^ (z >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        z ^ (z >> 33)
    }
}
