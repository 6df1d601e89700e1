//! Descriptions of frames by the network's features, reduced to a few values.

use crate::augment::Rng;

/// Number of values of a description. A random projection to so many keeps distances to about a
/// tenth.
const N_VALUES: usize = 64;

/// Returns the values multiplied by a fixed random matrix of signs, rounded to four digits; none for
/// none.
pub(super) fn projected(values: &[f32]) -> Vec<f32> {
    if values.is_empty() {
        return Vec::new();
    }
    let scale = 1.0 / (N_VALUES as f64).sqrt();
    let one = |row: usize| {
        let mut rng = Rng::new(&[row as u64]);
        let mut bits = 0;
        let sum: f64 = values
            .iter()
            .enumerate()
            .map(|(i, value)| {
                if i % 64 == 0 {
                    bits = rng.bits();
                }
                let sign = if bits >> (i % 64) & 1 == 1 { 1.0 } else { -1.0 };
                sign * f64::from(*value)
            })
            .sum();
        ((sum * scale * 1e4).round() / 1e4) as f32
    };
    (0..N_VALUES).map(one).collect()
}

/// Returns the distance of two descriptions; 0 without one.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when projecting changes the order of clearly different distances.
    #[test]
    fn projections_keep_distances() {
        let values = |step: f32| (0..900).map(move |i| (i % 13) as f32 + step * (i % 5) as f32);
        let [a, b, c] = [0.0, 0.2, 1.0].map(|step| values(step).collect::<Vec<f32>>());
        let exact = distance(&a, &c) / distance(&a, &b);
        let [a, b, c] = [a, b, c].map(|values| projected(&values));
        let found = distance(&a, &c) / distance(&a, &b);
        assert!((found / exact - 1.0).abs() < 0.1, "{found}, {exact}");
    }
}
