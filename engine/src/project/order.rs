//! The order in which frames are examined: coarse to fine.

/// Returns the numbers below `n`, those near every other point of a grid before those near the points
/// between: first 0, then one near the middle, then near the quarters. Within a quarter of the grid's
/// step, the number with the smallest `cost` is taken. Those of one grid ascend, because a video is
/// decoded forwards. Among the first `k`, no gap is longer than `6 n / k`.
pub(super) fn coarse_to_fine(n: usize, cost: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut order = Vec::with_capacity(n);
    let mut is_listed = vec![false; n];
    let mut list = |i: usize| {
        if !std::mem::replace(&mut is_listed[i], true) {
            order.push(i);
        }
    };
    let mut step = n.next_power_of_two();
    if n > 0 {
        list(0);
    }
    while step > 1 {
        for point in (step / 2..n).step_by(step) {
            let near = point - step / 4..=(point + step / 4).min(n - 1);
            // The nearest of several equal ones.
            let best = near.min_by_key(|i| (cost(*i), i.abs_diff(point)));
            list(best.unwrap_or(point));
        }
        step /= 2;
    }
    (0..n).for_each(list);
    order
}

/// Returns the items of all lists, each list coarse to fine, so that at any time about the same
/// share of each has been listed.
pub(super) fn interleaved<T: Copy>(lists: &[&[T]], cost: impl Fn(&T) -> usize) -> Vec<T> {
    let mut ranked = Vec::new();
    for list in lists {
        let order = coarse_to_fine(list.len(), |i| cost(&list[i]));
        let share = |rank: usize| (rank as f64 + 0.5) / list.len() as f64;
        let order = order.into_iter().enumerate();
        ranked.extend(order.map(|(rank, i)| (share(rank), list[i])));
    }
    // Stable: equal shares stay in the order of the lists.
    ranked.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    ranked.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Fails when a number is missing or repeated, or the numbers up to any place leave a long
        /// gap, so that a choice among them would not see a part of a clip.
        #[test]
        fn every_prefix_is_spread(n in 1..700usize, group in 1..300usize) {
            // As in a video that is decoded from the beginning of a group.
            let order = coarse_to_fine(n, |i| i % group);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            for k in 1..=n {
                let mut prefix = order[..k].to_vec();
                prefix.push(n);
                prefix.sort_unstable();
                let longest = prefix.windows(2).map(|w| w[1] - w[0]).max().unwrap();
                prop_assert!(longest <= (6 * n).div_ceil(k), "{longest} among {k} of {n}");
            }
        }

        /// Fails when the first frames are not those that are decoded at once, where there are some.
        #[test]
        fn cheap_frames_come_first(n_groups in 2..20usize, group in 8..40usize) {
            let n = n_groups * group;
            let order = coarse_to_fine(n, |i| i % group);
            let total = |order: &[usize]| order.iter().map(|i| i % group).sum::<usize>();
            let first = n_groups / 2;
            let even = coarse_to_fine(n, |_| 0);
            prop_assert!(total(&order[..first]) <= total(&even[..first]));
        }

        /// Fails when one clip is examined before the others.
        #[test]
        fn clips_take_turns(lengths in prop::collection::vec(0..200usize, 1..6)) {
            let lists: Vec<Vec<(usize, usize)>> = lengths
                .iter()
                .enumerate()
                .map(|(clip, n)| (0..*n).map(|i| (clip, i)).collect())
                .collect();
            let lists: Vec<&[_]> = lists.iter().map(Vec::as_slice).collect();
            let order = interleaved(&lists, |_| 0);
            let n_all: usize = lengths.iter().sum();
            prop_assert_eq!(order.len(), n_all);
            for k in 0..=n_all {
                for (clip, n) in lengths.iter().enumerate() {
                    let seen = order[..k].iter().filter(|(c, _)| *c == clip).count() as f64;
                    let even = k as f64 * *n as f64 / n_all.max(1) as f64;
                    prop_assert!((seen - even).abs() <= lengths.len() as f64, "{seen} {even}");
                }
            }
        }
    }
}
