//! Greedy assignment of poses to people, most similar pair first.

/// Returns, for each row of `similarity`, the column assigned to it. Pairs are formed in order of
/// decreasing similarity, each row and column at most once, down to similarity `least`. Ties go to
/// the earlier row, then to the earlier column. NaN is never assigned.
pub fn assign(similarity: &[Vec<f64>], least: f64) -> Vec<Option<usize>> {
    let rows = similarity.iter().enumerate();
    let all = rows.flat_map(|(r, row)| row.iter().enumerate().map(move |(c, &s)| (s, r, c)));
    let mut pairs: Vec<_> = all.filter(|(s, ..)| *s >= least).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut columns = vec![None; similarity.len()];
    for (_, r, c) in pairs {
        if columns[r].is_none() && !columns.contains(&Some(c)) {
            columns[r] = Some(c);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a worse pair is formed before a better one, a column is assigned twice, or a pair
    /// below the limit or with NaN similarity is formed.
    #[test]
    fn the_best_pairs_come_first_and_none_twice() {
        let similarity = [
            vec![0.9, 0.8, 0.1],
            vec![0.95, 0.7, f64::NAN],
            vec![0.9, 0.2, 0.2],
        ];
        assert_eq!(assign(&similarity, 0.5), [Some(1), Some(0), None]);
        assert_eq!(assign(&similarity, 0.1), [Some(1), Some(0), Some(2)]);
        assert_eq!(assign(&[vec![], vec![]], 0.0), [None, None]);
        assert_eq!(assign(&[vec![1.0], vec![1.0]], 1.0), [Some(0), None]);
    }
}
