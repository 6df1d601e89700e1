//! Seeded random mutations of valid inputs: the effects of a faulty copy, a truncation or an attack
//! on a file.

use crate::fill::splitmix64;

/// A random number generator.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Creates a generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(splitmix64(seed))
    }

    /// Returns a random number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        (splitmix64(self.0) % (n.max(1) as u64)) as usize
    }
}

/// Edge cases of integer arithmetic, inserted as four bytes in either byte order.
const EXTREMES: [u32; 8] = [
    0,
    1,
    0x7F,
    0xFF,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
];

/// Maximum length of a generated input.
const MAX_BYTES: usize = 1 << 17;

/// Returns one of `seeds` with one to eight mutations.
pub fn mutated(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut data = seeds
        .get(chance.below(seeds.len()))
        .cloned()
        .unwrap_or_default();
    for _ in 0..=chance.below(8) {
        damage(&mut data, seeds, chance);
    }
    data.truncate(MAX_BYTES);
    data
}

fn damage(data: &mut Vec<u8>, seeds: &[Vec<u8>], chance: &mut Chance) {
    let at = chance.below(data.len());
    let n = (1 + chance.below(64)).min(data.len() - at.min(data.len()));
    match chance.below(9) {
        0 => data.truncate(at),
        1 => drop(data.drain(at..at + n)),
        2 => {
            let part = data[at..at + n].to_vec();
            let to = chance.below(data.len());
            data.splice(to..to, part);
        }
        3 => data[at..at + n].fill(EXTREMES[chance.below(EXTREMES.len())] as u8),
        4 => {
            let value = EXTREMES[chance.below(EXTREMES.len())];
            let bytes = if chance.below(2) == 0 {
                value.to_le_bytes()
            } else {
                value.to_be_bytes()
            };
            for (to, from) in data[at..].iter_mut().zip(bytes) {
                *to = from;
            }
        }
        5 => {
            // Inserts part of another input at a random position.
            let other = &seeds[chance.below(seeds.len())];
            let from = chance.below(other.len());
            let part = other[from..].iter().take(1 + chance.below(256)).copied();
            data.splice(at..at, part.collect::<Vec<_>>());
        }
        6 => {
            // Replaces a digit by another one, so that text stays valid text.
            let digit = data[at..].iter_mut().find(|byte| byte.is_ascii_digit());
            if let Some(digit) = digit {
                *digit = b"0123456789-.e"[chance.below(13)];
            }
        }
        _ => {
            if let Some(byte) = data.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a run is not reproducible, inputs stay unchanged, or empty inputs cause a panic.
    #[test]
    fn mutations_are_determined_by_the_seed() {
        let seeds = vec![b"abcdefgh12345678".to_vec(), Vec::new()];
        let all = |seed| {
            let mut chance = Chance::new(seed);
            (0..500)
                .map(|_| mutated(&seeds, &mut chance))
                .collect::<Vec<_>>()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        let untouched = all(1).iter().filter(|data| seeds.contains(data)).count();
        assert!(untouched < 250, "{untouched} of 500 are as they were");
    }
}
