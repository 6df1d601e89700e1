//! How different frames look to the network from those that were chosen (greedy farthest point).

use super::description::distance;

/// Number of chosen frames that are compared with; the cost grows with it, and among so many there
/// is hardly a frame that differs from all.
const MAX_COMPARED: usize = 200;
/// Number of pairs from which the usual distance is computed.
const N_PAIRS: usize = 500;

/// Distances of frames from the nearest chosen one.
pub(super) struct Differences<'a> {
    descriptions: Vec<&'a [f32]>,
    nearest: Vec<f64>,
    /// Median distance between frames.
    usual: f64,
    compared: Vec<usize>,
}

impl<'a> Differences<'a> {
    /// Creates the distances of frames with these descriptions from frames chosen before.
    pub(super) fn new(descriptions: Vec<&'a [f32]>, before: &[Vec<f32>]) -> Self {
        let n = descriptions.len();
        // Pairs that are far apart in the list.
        let pairs = (0..n.min(N_PAIRS)).map(|i| {
            let (a, b) = (i * n / N_PAIRS.min(n), (i * 7919 + n / 2) % n);
            distance(descriptions[a], descriptions[b])
        });
        let mut pairs: Vec<f64> = pairs.filter(|distance| *distance > 0.0).collect();
        pairs.sort_by(f64::total_cmp);
        let nearest = descriptions.iter().map(|description| {
            let others = before.iter().rev().take(MAX_COMPARED);
            let distances = others.map(|other| distance(description, other));
            distances.fold(f64::INFINITY, f64::min)
        });
        Self {
            nearest: nearest.collect(),
            usual: pairs.get(pairs.len() / 2).copied().unwrap_or_default(),
            descriptions,
            compared: Vec::new(),
        }
    }

    /// Compares with frame `i` from now on.
    pub(super) fn take(&mut self, i: usize) {
        if self.compared.contains(&i) || self.compared.len() >= MAX_COMPARED {
            return;
        }
        self.compared.push(i);
        let chosen = self.descriptions[i];
        for (nearest, description) in self.nearest.iter_mut().zip(&self.descriptions) {
            *nearest = nearest.min(distance(description, chosen));
        }
    }

    /// Returns the distance of frame `i` from the nearest chosen one relative to the usual distance;
    /// `None` without a description, or a frame to compare with.
    pub(super) fn of(&self, i: usize) -> Option<f64> {
        let nearest = self.nearest[i];
        let is_known = !self.descriptions[i].is_empty() && nearest.is_finite();
        (is_known && self.usual > 0.0).then(|| nearest / self.usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the farthest frame is not found, a chosen frame still differs from itself, earlier
    /// choices do not count, or frames without a description are compared.
    #[test]
    fn the_farthest_frame_is_found() {
        let places = [0.0f32, 0.1, 0.2, 5.0, 5.1, 9.0];
        let described: Vec<[f32; 1]> = places.iter().map(|x| [*x]).collect();
        let all = || described.iter().map(|d| &d[..]).collect::<Vec<_>>();
        let farthest = |differences: &Differences<'_>| {
            let values = (0..6).filter_map(|i| Some((differences.of(i)?, i)));
            values.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, i)| i)
        };
        let mut differences = Differences::new(all(), &[]);
        assert_eq!(farthest(&differences), None);
        differences.take(0);
        assert_eq!(farthest(&differences), Some(5));
        differences.take(5);
        assert_eq!(farthest(&differences), Some(3));
        assert_eq!(differences.of(5), Some(0.0));
        let before = Differences::new(all(), &[vec![9.0]]);
        assert_eq!(farthest(&before), Some(0));
        let nothing = Differences::new(vec![&[], &[]], &[]);
        assert_eq!(nothing.of(0), None);
        assert!(Differences::new(Vec::new(), &[]).nearest.is_empty());
    }
}
