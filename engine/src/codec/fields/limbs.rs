//! Finds the joints that the affinity fields connect: every pair of candidates is scored along the
//! line between them, then pairs are matched greedily.

use super::encode::MIN_LENGTH;
use super::peaks::Candidate;
use crate::geometry::{Point, Size};

/// Number of field samples along a line, end points included.
const N_SAMPLES: usize = 10;

/// Maximum number of samples that may disagree: more than 0.8 of them must agree.
const MAX_ASTRAY: usize = 1;

/// A sample agrees when the field's component along the line exceeds this.
const ALIGNED: f64 = 0.05;

/// Two candidates connected by a limb.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Connection {
    /// Candidate index of the limb's first joint.
    pub(super) a: usize,
    /// Candidate index of the limb's second joint.
    pub(super) b: usize,
    /// Mean component of the field along the line, minus the penalty for long lines; finite and
    /// above 0.
    pub(super) score: f64,
}

/// The two part affinity fields of one limb.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) x: &'a [f32],
    pub(super) y: &'a [f32],
    pub(super) size: Size,
}

impl Field<'_> {
    /// Returns the pairs that the field supports, best first; ties are ordered by first, then by
    /// second candidate.
    pub(super) fn scored(&self, first: &[Candidate], second: &[Candidate]) -> Vec<Connection> {
        let mut connections = Vec::new();
        for (a, from) in first.iter().enumerate() {
            for (b, to) in second.iter().enumerate() {
                let score = self.score(from.point, to.point);
                connections.extend(score.map(|score| Connection { a, b, score }));
            }
        }
        // The sort is stable, and the pairs are generated in the order that breaks ties.
        connections.sort_by(|p, q| q.score.total_cmp(&p.score));
        connections
    }

    /// Scores the limb from `a` to `b`: the mean, over the samples that agree, of the field's
    /// component along the line. Lines longer than half the map's height are penalised by up to 1
    /// (as in OpenPose's research code). Returns `None` when too few samples agree or the score is
    /// not positive.
    fn score(&self, a: Point, b: Point) -> Option<f64> {
        let length = a.distance(b);
        if length < MIN_LENGTH {
            return None;
        }
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let (vx, vy) = (dx / length, dy / length);
        let (mut sum, mut n) = (0.0, 0);
        for k in 0..N_SAMPLES {
            let t = k as f64 / (N_SAMPLES - 1) as f64;
            let column = nearest(a.x + t * dx, self.size.width);
            let row = nearest(a.y + t * dy, self.size.height);
            let i = row * self.size.width + column;
            let along = f64::from(self.x[i]) * vx + f64::from(self.y[i]) * vy;
            if along > ALIGNED {
                sum += along;
                n += 1;
            } else if k - n == MAX_ASTRAY {
                return None;
            }
        }
        let too_long = (0.5 * self.size.height as f64 / length - 1.0).min(0.0);
        let score = sum / n as f64 + too_long;
        (score > 0.0 && score.is_finite()).then_some(score)
    }
}

/// Returns the cell, out of `n`, that contains coordinate `v`.
fn nearest(v: f64, n: usize) -> usize {
    // The cast truncates, and takes negative values to 0.
    ((v + 0.5) as usize).min(n - 1)
}

/// Selects connections greedily: each one, best first, whose two ends are both still free.
pub(super) fn matched(connections: &[Connection]) -> Vec<Connection> {
    let mut taken: Vec<Connection> = Vec::new();
    for c in connections {
        if taken.iter().all(|t| t.a != c.a && t.b != c.b) {
            taken.push(*c);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(x: &[f32], a: f64, b: f64) -> Option<f64> {
        let field = Field {
            x,
            y: &vec![0.0; x.len()],
            size: Size::new(x.len(), 1),
        };
        field.score(Point::new(a, 0.0), Point::new(b, 0.0))
    }

    /// Fails when a limb is accepted with two of ten samples astray or rejected with one, when the
    /// stray sample is included in the mean, when the field's sign is ignored, or when the length
    /// penalty is missing.
    #[test]
    fn nine_of_ten_samples_must_agree() {
        // On a map of height 1, a line of 9 cells is penalised by 1 - 0.5 / 9.
        let long = 1.0 - 0.5 / 9.0;
        let mut x = [2.0f32; 10];
        assert!((score(&x, 0.0, 9.0).unwrap() - (2.0 - long)).abs() < 1e-12);
        assert_eq!(score(&x, 9.0, 0.0), None);
        assert_eq!(score(&x, 4.0, 4.0), None);
        x[4] = -3.0;
        assert!((score(&x, 0.0, 9.0).unwrap() - (2.0 - long)).abs() < 1e-12);
        x[9] = 0.0499;
        assert_eq!(score(&x, 0.0, 9.0), None);
        assert_eq!(score(&[0.9; 10], 0.0, 9.0), None);
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(score(&[value; 10], 0.0, 9.0), None);
        }
    }

    /// Fails when a candidate gets two limbs, a worse limb displaces a better one, or ties are
    /// broken arbitrarily.
    #[test]
    fn the_best_limbs_win_and_ties_fall_to_the_first() {
        let row = |y: f64| {
            let at = |x: f64| Candidate {
                point: Point::new(x, y),
                score: 1.0,
            };
            [at(0.0), at(3.0), at(6.0)]
        };
        let field = Field {
            x: &[0.0; 63],
            y: &[1.0; 63],
            size: Size::new(7, 9),
        };
        let scored = field.scored(&row(1.0), &row(5.0));
        let pairs = |c: &[Connection]| c.iter().map(|c| (c.a, c.b)).collect::<Vec<_>>();
        assert_eq!(
            pairs(&scored),
            [
                (0, 0),
                (1, 1),
                (2, 2),
                (0, 1),
                (1, 0),
                (1, 2),
                (2, 1),
                (0, 2),
                (2, 0)
            ]
        );
        assert_eq!(pairs(&matched(&scored)), [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(pairs(&matched(&scored[3..])), [(0, 1), (1, 0)]);
    }
}
