//! Assignment of the greatest total weight: the Hungarian method.
//!
//! Rows are added one by one. Each is placed along the cheapest alternating path to a free column,
//! found like a shortest path (Dijkstra) on costs that potentials of rows and columns keep above 0
//! (Kuhn 1955, in the form of Edmonds and Karp 1972). Time is `rows^2 x columns`, with the shorter
//! side as rows.

/// Returns, for each row of `weights`, the column assigned to it, such that the sum of the assigned
/// weights is greatest. Every row and column is assigned at most once; pairs whose weight is 0,
/// negative or not finite are never formed. Rows must be of equal length.
pub(super) fn heaviest(weights: &[Vec<f64>]) -> Vec<Option<usize>> {
    let n_columns = weights.first().map_or(0, Vec::len);
    let weight = |r: usize, c: usize| {
        let weight = weights[r][c];
        if weight.is_finite() {
            weight.max(0.0)
        } else {
            0.0
        }
    };
    let pairs = if weights.len() <= n_columns {
        rows_by_column(weights.len(), n_columns, weight)
    } else {
        let turned = rows_by_column(n_columns, weights.len(), |c, r| weight(r, c));
        turned.into_iter().map(|(r, c)| (c, r)).collect()
    };
    let mut columns = vec![None; weights.len()];
    for (r, c) in pairs {
        if weight(r, c) > 0.0 {
            columns[r] = Some(c);
        }
    }
    columns
}

/// Assigns a column to every one of `n_rows` rows, of which there are at most as many as columns;
/// returns the pairs.
fn rows_by_column(
    n_rows: usize,
    n_columns: usize,
    weight: impl Fn(usize, usize) -> f64,
) -> Vec<(usize, usize)> {
    let mut row_of: Vec<Option<usize>> = vec![None; n_columns];
    // The cost of a pair, reduced by both potentials, is at least 0, and 0 for assigned pairs.
    let (mut row_potential, mut column_potential) = (vec![0.0; n_rows], vec![0.0; n_columns]);
    for new in 0..n_rows {
        row_potential[new] = (0..n_columns)
            .map(|c| -weight(new, c) - column_potential[c])
            .fold(f64::INFINITY, f64::min);
        let mut distance = vec![f64::INFINITY; n_columns];
        let mut previous: Vec<Option<usize>> = vec![None; n_columns];
        let mut is_done = vec![false; n_columns];
        let (mut row, mut from, mut reached) = (new, None, 0.0);
        let free = loop {
            for c in (0..n_columns).filter(|c| !is_done[*c]) {
                let reduced = -weight(row, c) - row_potential[row] - column_potential[c];
                // Rounding must not lead to negative steps.
                let through = reached + reduced.max(0.0);
                if through < distance[c] {
                    (distance[c], previous[c]) = (through, from);
                }
            }
            let open = (0..n_columns).filter(|c| !is_done[*c]);
            let nearest = open.min_by(|a, b| distance[*a].total_cmp(&distance[*b]));
            let Some(nearest) = nearest else {
                // There are as many columns as rows, so one of them is free.
                break None;
            };
            reached = distance[nearest];
            match row_of[nearest] {
                None => break Some(nearest),
                Some(owner) => (is_done[nearest], from, row) = (true, Some(nearest), owner),
            }
        };
        for c in (0..n_columns).filter(|c| is_done[*c]) {
            let gain = reached - distance[c];
            column_potential[c] -= gain;
            if let Some(owner) = row_of[c] {
                row_potential[owner] += gain;
            }
        }
        row_potential[new] += reached;
        // Moves the owners along the path by one column; the first column falls to the new row.
        let mut at = free;
        while let Some(c) = at {
            row_of[c] = previous[c].map_or(Some(new), |before| row_of[before]);
            at = previous[c];
        }
    }
    let columns = row_of.into_iter().enumerate();
    columns.filter_map(|(c, r)| Some((r?, c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the greatest sum of weights, trying every assignment.
    fn brute_force(weights: &[Vec<f64>], taken: &mut Vec<usize>) -> f64 {
        let Some((row, rest)) = weights.split_first() else {
            return 0.0;
        };
        let mut best = brute_force(rest, taken);
        for (c, weight) in row.iter().enumerate() {
            if weight.is_finite() && !taken.contains(&c) {
                taken.push(c);
                best = best.max(weight + brute_force(rest, taken));
                taken.pop();
            }
        }
        best
    }

    fn weights() -> impl Strategy<Value = Vec<Vec<f64>>> {
        // Small whole numbers make many ties.
        let weight = prop_oneof![
            (0..4).prop_map(f64::from),
            -1.0..1.0,
            Just(f64::NAN),
            Just(f64::INFINITY),
        ];
        (0_usize..7, 0_usize..7).prop_flat_map(move |(rows, columns)| {
            let row = prop::collection::vec(weight.clone(), columns);
            prop::collection::vec(row, rows)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// Fails when an assignment is not the best one, uses a column twice, or forms a pair
        /// without weight.
        #[test]
        fn it_is_the_best_of_all_assignments(weights in weights()) {
            let found = heaviest(&weights);
            prop_assert_eq!(found.len(), weights.len());
            let mut used: Vec<usize> = found.iter().flatten().copied().collect();
            let n = used.len();
            used.sort_unstable();
            used.dedup();
            prop_assert_eq!(used.len(), n);
            let pairs = found.iter().zip(&weights);
            let found: Vec<f64> = pairs.filter_map(|(c, row)| Some(row[(*c)?])).collect();
            prop_assert!(found.iter().all(|w| w.is_finite() && *w > 0.0));
            let best = brute_force(&weights, &mut Vec::new());
            prop_assert!((found.iter().sum::<f64>() - best).abs() < 1e-9);
        }
    }
}
