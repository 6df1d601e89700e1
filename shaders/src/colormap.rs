//! Colour maps: from a number in [0, 1] to a colour.
//!
//! Two sequential maps for values that start at 0 (viridis and inferno, whose lightness increases
//! evenly, also for colour-blind viewers), and one diverging map for signed values (coolwarm). The
//! 256-entry tables are Catmull-Rom curves through published colours of each map.

use std::sync::LazyLock;

use crate::Rgb;

/// The available colour maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ColorMap {
    /// Purple, green, yellow (van der Walt and Smith 2015).
    #[default]
    Viridis,
    /// Black, red, pale yellow (van der Walt and Smith 2015).
    Inferno,
    /// Blue, light grey, red (Moreland 2009): diverging, 0.5 is neutral.
    Coolwarm,
}

type Table = [Rgb; 256];

/// 20 colours of viridis at k/19.
const VIRIDIS: &[u32] = &[
    0x440154, 0x481568, 0x482677, 0x453781, 0x3f4788, 0x39558c, 0x32648e, 0x2d718e, 0x287d8e,
    0x238a8d, 0x1f968b, 0x20a386, 0x29af7f, 0x3cbc75, 0x56c667, 0x74d055, 0x94d840, 0xb8de29,
    0xdce318, 0xfde725,
];

/// 10 colours of inferno at k/9.
const INFERNO: &[u32] = &[
    0x000004, 0x1b0c42, 0x4b0c6b, 0x781c6d, 0xa52c60, 0xcf4446, 0xed6925, 0xfb9a06, 0xf7d03c,
    0xfcffa4,
];

/// 9 colours of Moreland's cool-to-warm map at k/8.
const COOLWARM: &[u32] = &[
    0x3b4cc0, 0x6282ea, 0x8db0fe, 0xb8d0f9, 0xdddddd, 0xf5c4ad, 0xf49a7b, 0xde604d, 0xb40426,
];

static TABLES: LazyLock<[Table; 3]> =
    LazyLock::new(|| [VIRIDIS, INFERNO, COOLWARM].map(table_through));

impl ColorMap {
    /// All colour maps.
    pub const ALL: [Self; 3] = [Self::Viridis, Self::Inferno, Self::Coolwarm];

    /// Returns `viridis`, `inferno` or `coolwarm`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viridis => "viridis",
            Self::Inferno => "inferno",
            Self::Coolwarm => "coolwarm",
        }
    }

    /// Returns whether the centre is neutral, so that the distance from it is what counts.
    pub const fn is_diverging(self) -> bool {
        matches!(self, Self::Coolwarm)
    }

    /// Returns the map's 256 colours; entry `i` is the colour at `i / 255`.
    pub fn table(self) -> &'static Table {
        &TABLES[self as usize]
    }
}

/// Returns the colour of `map` at `t`; `t` is clamped to [0, 1], and NaN counts as 0.
pub fn sample(map: ColorMap, t: f32) -> Rgb {
    map.table()[usize::from((t * 255.0 + 0.5) as u8)]
}

/// Samples 256 colours on a Catmull-Rom curve through equally spaced `colours` (0xRRGGBB, at least
/// two).
fn table_through(colours: &[u32]) -> Table {
    let last = colours.len() - 1;
    let channel = |i: usize, c: usize| f64::from(colours[i].to_be_bytes()[c + 1]);
    std::array::from_fn(|entry| {
        let at = entry as f64 / 255.0 * last as f64;
        let i = (at as usize).min(last - 1);
        let t = at - i as f64;
        std::array::from_fn(|c| {
            let (p1, p2) = (channel(i, c), channel(i + 1, c));
            // The curve is extrapolated linearly beyond its ends.
            let p0 = if i == 0 {
                2.0 * p1 - p2
            } else {
                channel(i - 1, c)
            };
            let p3 = if i + 2 > last {
                2.0 * p2 - p1
            } else {
                channel(i + 2, c)
            };
            let (m1, m2) = ((p2 - p0) / 2.0, (p3 - p1) / 2.0);
            let (t2, t3) = (t * t, t * t * t);
            let value = (2.0 * t3 - 3.0 * t2 + 1.0) * p1
                + (t3 - 2.0 * t2 + t) * m1
                + (3.0 * t2 - 2.0 * t3) * p2
                + (t3 - t2) * m2;
            value.round() as u8
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a table deviates from its published map. The references are the nine-colour
    /// versions of these maps, which are not used to build the tables.
    #[test]
    fn tables_match_independent_references() {
        let viridis = [
            0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21908c, 0x27ad81, 0x5dc863, 0xaadc32,
            0xfde725,
        ];
        let inferno = [
            0x000004,
            0x210c4a,
            0x56106e,
            0x89226a,
            0xbb3754,
            0xe35932,
            0xf98c0a,
            0xf9c932,
            0xfcffa4_u32,
        ];
        for (map, reference, tolerance) in [
            (ColorMap::Viridis, viridis, 2),
            (ColorMap::Inferno, inferno, 4),
        ] {
            for (k, want) in reference.iter().enumerate() {
                let got = sample(map, k as f32 / 8.0);
                for (g, w) in got.iter().zip(&want.to_be_bytes()[1..]) {
                    assert!(
                        g.abs_diff(*w) <= tolerance,
                        "{} at {k}/8: {got:02x?}, not {want:06x}",
                        map.name()
                    );
                }
            }
        }
    }

    /// Fails when a larger value of a sequential map is darker than a smaller one.
    #[test]
    fn sequential_maps_only_get_lighter() {
        for map in [ColorMap::Viridis, ColorMap::Inferno] {
            let luma = |c: &Rgb| {
                0.2126 * f64::from(c[0]) + 0.7152 * f64::from(c[1]) + 0.0722 * f64::from(c[2])
            };
            for pair in map.table().windows(2) {
                assert!(luma(&pair[1]) > luma(&pair[0]) - 0.8, "{map:?} {pair:?}");
            }
        }
    }

    /// Fails when the centre of the diverging map is not neutral, or its ends are swapped.
    #[test]
    fn the_diverging_map_is_blue_below_and_red_above() {
        let [r, _, b] = sample(ColorMap::Coolwarm, 0.0);
        assert!(b > r);
        let [r, _, b] = sample(ColorMap::Coolwarm, 1.0);
        assert!(r > b);
        let middle = sample(ColorMap::Coolwarm, 0.5);
        assert!(middle.iter().all(|c| c.abs_diff(0xdd) <= 2));
    }

    /// Fails when NaN or an infinite value causes a panic.
    #[test]
    fn any_number_has_a_colour() {
        for map in ColorMap::ALL {
            assert_eq!(sample(map, f32::NAN), map.table()[0]);
            assert_eq!(sample(map, f32::NEG_INFINITY), map.table()[0]);
            assert_eq!(sample(map, f32::INFINITY), map.table()[255]);
        }
    }
}
