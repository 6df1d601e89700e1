//! Joint candidates: peaks of the heatmaps, refined by the offsets.

use crate::geometry::{Point, Size};

/// Heatmap values up to this are treated as noise.
const THRESHOLD: f32 = 0.1;

/// Maximum number of candidates per joint; the strongest are kept. 96 is enough for a crowd. On a
/// noise map one cell in nine is a peak, hundreds or thousands in all, and the number of pairs to
/// score grows with their square: noise takes 3, 16, 45 and 190 ms with 48, 96, 192 and 384
/// candidates per joint.
pub(super) const MAX_CANDIDATES: usize = 96;

/// A possible location of a joint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// Position in heatmap pixels.
    pub(super) point: Point,
    /// Heatmap value at the peak; finite.
    pub(super) score: f32,
}

/// Finds the candidates of one joint in row-major order: cells above the threshold with no higher
/// neighbour; of equal neighbours, only the first counts. `offsets` are x and y; they are clamped
/// to the cell, and a NaN offset leaves the joint at the cell's centre.
pub(super) fn candidates(heatmap: &[f32], offsets: [&[f32]; 2], size: Size) -> Vec<Candidate> {
    let mut peaks: Vec<usize> = (0..size.area())
        .filter(|&i| heatmap[i] > THRESHOLD && heatmap[i].is_finite())
        .filter(|&i| is_peak(heatmap, size, i))
        .collect();
    if peaks.len() > MAX_CANDIDATES {
        peaks.select_nth_unstable_by(MAX_CANDIDATES, |&i, &j| {
            heatmap[j].total_cmp(&heatmap[i]).then(i.cmp(&j))
        });
        peaks.truncate(MAX_CANDIDATES);
        peaks.sort_unstable();
    }
    let within = |cell: usize, offset: f32| {
        let offset = if offset.is_nan() { 0.0 } else { offset };
        cell as f64 + f64::from(offset.clamp(-0.5, 0.5))
    };
    let [x, y] = offsets;
    peaks
        .into_iter()
        .map(|i| Candidate {
            point: Point::new(within(i % size.width, x[i]), within(i / size.width, y[i])),
            score: heatmap[i],
        })
        .collect()
}

fn is_peak(heatmap: &[f32], size: Size, i: usize) -> bool {
    let (column, row) = (i % size.width, i / size.width);
    let around = |p: usize, n: usize| p.saturating_sub(1)..(p + 2).min(n);
    let value = heatmap[i];
    around(row, size.height).all(|row| {
        around(column, size.width).all(|column| {
            let j = row * size.width + column;
            // A NaN neighbour never exceeds the value.
            let exceeded = heatmap[j] > value || (j < i && heatmap[j] == value);
            !exceeded
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64, y: f64, score: f32) -> Candidate {
        Candidate {
            point: Point::new(x, y),
            score,
        }
    }

    /// Fails when a plateau yields two joints, a peak at the border is missed, noise at the
    /// threshold counts as a peak, or a NaN neighbour or offset affects a joint.
    #[test]
    fn peaks_are_the_first_highest_cells() {
        const NAN: f32 = f32::NAN;
        #[rustfmt::skip]
        let heatmap = [
            0.5, 0.5, 0.0, 0.1, 0.0, 0.9,
            0.5, 0.5, 0.0, 0.0, 0.0, NAN,
            0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
            0.3, 0.2, 0.0, f32::INFINITY, 0.7, 0.2,
        ];
        let mut x = [0.25; 24];
        let mut y = [-0.5; 24];
        (x[5], y[5]) = (NAN, 7.0);
        (x[18], y[18]) = (f32::NEG_INFINITY, 0.125);
        assert_eq!(
            candidates(&heatmap, [&x, &y], Size::new(6, 4)),
            [at(0.25, -0.5, 0.5), at(5.0, 0.5, 0.9), at(-0.5, 3.125, 0.3)]
        );
    }

    /// Fails when a noise map floods the matching stage with candidates, or the cap drops strong
    /// peaks, changes their order or is not deterministic.
    #[test]
    fn the_cap_keeps_the_strongest_peaks() {
        let size = Size::new(80, 60);
        let mut heatmap = vec![0.0; size.area()];
        let cells: Vec<usize> = (0..1200).map(|n| 2 * (n % 40) + n / 40 * 160).collect();
        for (n, &i) in cells.iter().enumerate() {
            // 97 peaks of 0.75 among weaker ones: the last of them exceeds the cap by one.
            heatmap[i] = if n % 12 == 5 && n < 12 * 97 {
                0.75
            } else {
                0.5
            };
        }
        let zero = vec![0.0; size.area()];
        let found = candidates(&heatmap, [&zero, &zero], size);
        let strong = (0..MAX_CANDIDATES).map(|n| cells[12 * n + 5]);
        let expected: Vec<_> = strong
            .map(|i| at((i % 80) as f64, (i / 80) as f64, 0.75))
            .collect();
        assert_eq!(found, expected);
    }
}
