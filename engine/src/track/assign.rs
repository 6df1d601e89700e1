//! Assignment of poses to people: greedy, most similar pair first, or by the total similarity.

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

/// Returns, like [`assign`], the column assigned to each row, but exchanges columns between rows as
/// long as the total similarity above `least` grows: when two people cross, the most similar pair
/// alone may leave nobody, or the wrong person, for the other pose.
pub(super) fn assign_in_total(similarity: &[Vec<f64>], least: f64) -> Vec<Option<usize>> {
    let n_columns = similarity.first().map_or(0, Vec::len);
    let n = similarity.len().max(n_columns);
    // 0 for pairs that are not formed, among them those of rows or columns that do not exist.
    let value = |r: usize, c: usize| {
        let s = similarity.get(r).and_then(|row| row.get(c));
        s.filter(|s| **s >= least).map_or(0.0, |s| s - least)
    };
    let formed = assign(similarity, least);
    let mut free = (0..n).filter(|c| !formed.contains(&Some(*c)));
    let pick = |r: usize| formed.get(r).copied().flatten();
    let mut columns: Vec<usize> = (0..n)
        .map_while(|r| pick(r).or_else(|| free.next()))
        .collect();
    let pairs = || (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    // Every exchange increases a sum of finitely many possible values.
    while let Some((a, b)) = pairs().find(|&(a, b)| {
        let now = value(a, columns[a]) + value(b, columns[b]);
        value(a, columns[b]) + value(b, columns[a]) > now + 1e-9
    }) {
        columns.swap(a, b);
    }
    let rows = (0..similarity.len()).zip(columns);
    rows.map(|(r, c)| (value(r, c) > 0.0).then_some(c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the best pair leaves a bad one or none although the other two pairs are better
    /// in total, or exchanging forms a pair below the limit.
    #[test]
    fn pairs_are_exchanged_for_the_total() {
        let crossing = [vec![0.6, 0.62], vec![0.2, 0.61]];
        assert_eq!(assign(&crossing, 0.1), [Some(1), Some(0)]);
        assert_eq!(assign_in_total(&crossing, 0.1), [Some(0), Some(1)]);
        let nobody = [vec![0.6, 0.62], vec![0.05, 0.61]];
        assert_eq!(assign(&nobody, 0.1), [Some(1), None]);
        assert_eq!(assign_in_total(&nobody, 0.1), [Some(0), Some(1)]);
        let gated = [vec![0.05, 0.62], vec![0.5, f64::NAN]];
        assert_eq!(assign_in_total(&gated, 0.1), [Some(1), Some(0)]);
        assert_eq!(assign_in_total(&[vec![], vec![]], 0.0), [None, None]);
        let short = [vec![0.9], vec![0.95], vec![f64::NAN]];
        assert_eq!(assign_in_total(&short, 0.1), [None, Some(0), None]);
    }

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
