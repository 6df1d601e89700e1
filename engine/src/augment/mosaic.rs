//! Mosaic: one input made of four images, for bottom-up networks. Few images show people who
//! overlap; a mosaic shows people at all sizes and cut off by the seams.

use serde::{Deserialize, Serialize};

use super::{Distribution, Rng};
use crate::geometry::{Point, Size};

/// Four images in one input (YOLOv4, <https://arxiv.org/abs/2004.10934>, section 3.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mosaic {
    /// Probability per input, [0, 1].
    pub probability: f64,
    /// Point where the images meet, as a fraction of the input's sides, drawn for each axis, 0.2 to
    /// 0.8.
    pub middle: Distribution,
}

impl Default for Mosaic {
    fn default() -> Self {
        Self {
            probability: 0.0,
            middle: Distribution::Uniform {
                low: 0.35,
                high: 0.65,
            },
        }
    }
}

/// A rectangle of an input that shows one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// First column in the input.
    pub x: usize,
    /// First row in the input.
    pub y: usize,
    /// Width and height in input pixels.
    pub size: Size,
}

impl Tile {
    /// Returns the tile that covers the whole input.
    pub const fn whole(input: Size) -> Self {
        Self {
            x: 0,
            y: 0,
            size: input,
        }
    }

    /// Returns the position of the tile's pixel (0, 0) in the input.
    pub fn origin(&self) -> Point {
        Point::new(self.x as f64, self.y as f64)
    }

    /// Returns whether a point of the input lies on one of the tile's pixels.
    pub fn contains(&self, p: Point) -> bool {
        let within = |v: f64, first: usize, n: usize| {
            v >= first as f64 - 0.5 && v < (first + n) as f64 - 0.5
        };
        within(p.x, self.x, self.size.width) && within(p.y, self.y, self.size.height)
    }
}

impl Mosaic {
    /// Draws the tiles of an input: one that covers it, or four.
    pub fn tiles(&self, input: Size, rng: &mut Rng) -> Vec<Tile> {
        // An input below 10 pixels is too small to be divided.
        if !rng.chance(self.probability) || input.width.min(input.height) < 10 {
            return vec![Tile::whole(input)];
        }
        let mut cut = |n: usize| (n as f64 * self.middle.sample(rng)).round() as usize;
        let (x, y) = (cut(input.width), cut(input.height));
        let tile = |(x, width), (y, height)| Tile {
            x,
            y,
            size: Size::new(width, height),
        };
        let (left, right) = ((0, x), (x, input.width - x));
        let (above, below) = ((0, y), (y, input.height - y));
        vec![
            tile(left, above),
            tile(right, above),
            tile(left, below),
            tile(right, below),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rng;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Fails when tiles overlap, leave pixels uncovered, or are too small to show a person.
        #[test]
        fn tiles_cover_an_input_once(
            seed: u64,
            width in 1usize..400,
            height in 1usize..400,
            low in 0.2f64..0.8,
        ) {
            let mosaic = Mosaic {
                probability: 1.0,
                middle: Distribution::Uniform { low, high: 0.8 },
            };
            let input = Size::new(width, height);
            let tiles = mosaic.tiles(input, &mut Rng::new(&[seed]));
            prop_assert_eq!(tiles.len(), if width.min(height) < 10 { 1 } else { 4 });
            prop_assert_eq!(tiles.iter().map(|t| t.size.area()).sum::<usize>(), input.area());
            for i in 0..input.area() {
                let p = Point::new((i % width) as f64, (i / width) as f64);
                prop_assert_eq!(tiles.iter().filter(|t| t.contains(p)).count(), 1);
            }
            for tile in &tiles {
                prop_assert!(tile.size.width * 5 + 5 > width && tile.size.height * 5 + 5 > height);
            }
        }
    }

    /// Fails when a mosaic is made although it is disabled by default.
    #[test]
    fn mosaics_are_off_by_default() {
        let input = Size::square(64);
        for seed in 0..20 {
            let tiles = Mosaic::default().tiles(input, &mut Rng::new(&[seed]));
            assert_eq!(tiles, [Tile::whole(input)]);
        }
    }
}
