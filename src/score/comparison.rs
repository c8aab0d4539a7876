//! Which models can be told apart, of many? Tests as a family, and the groups that they leave.

/// Holm's adjustment of a family of p values (S. Holm, "A Simple Sequentially Rejective Multiple Test
/// Procedure", Scandinavian Journal of Statistics 6, 1979): the i-th smallest of m is multiplied by m − i + 1, and
/// none is smaller than one before it. `None` is not a test and does not count.
pub fn holm(family: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> = family.iter().enumerate().filter_map(|(i, p)| Some((i, (*p)?))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let tests = order.len();
    let mut adjusted = vec![None; family.len()];
    let mut largest = 0.0_f64;
    for (rank, (at, p)) in order.into_iter().enumerate() {
        largest = largest.max(p * (tests - rank) as f64).min(1.0);
        adjusted[at] = Some(largest);
    }
    adjusted
}

/// The largest sets of `n` models within which no two are told apart, by the insert-and-absorb algorithm
/// (H.-P. Piepho, "An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons", Journal of
/// Computational and Graphical Statistics 13, 2004): two models share a set if and only if they are not told
/// apart. Each set ascends; the sets are in the order of their members.
pub fn groups(n: usize, told_apart: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = if n == 0 { Vec::new() } else { vec![(0..n).collect()] };
    for (a, b) in (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).filter(|(a, b)| told_apart(*a, *b)) {
        let (both, mut kept): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| set.contains(&a) && set.contains(&b));
        for set in both {
            for out in [a, b] {
                kept.push(set.iter().copied().filter(|member| *member != out).collect());
            }
        }
        // A set within another says nothing new.
        kept.sort_by_key(|set| std::cmp::Reverse(set.len()));
        sets = Vec::new();
        for set in kept {
            if !sets.iter().any(|larger| set.iter().all(|member| larger.contains(member))) {
                sets.push(set);
            }
        }
    }
    sets.sort();
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_by_hand() {
        // Of four: 0.01 · 4, 0.02 · 3, 0.03 · 2 (not below 0.06), 0.5 · 1.
        let adjusted = holm(&[Some(0.03), Some(0.01), None, Some(0.5), Some(0.02)]);
        let expected = [Some(0.06), Some(0.04), None, Some(0.5), Some(0.06)];
        for (a, b) in adjusted.iter().zip(expected) {
            assert!(a.is_none() == b.is_none() && (a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() < 1e-15, "{adjusted:?}");
        }
        assert_eq!(holm(&[Some(0.7), Some(0.8)]), [Some(1.0), Some(1.0)]);
        assert_eq!(holm(&[]), []);
    }

    #[test]
    fn groups_overlap_where_telling_apart_is_not_transitive() {
        let pairs = |told: &'static [(usize, usize)]| move |a: usize, b: usize| told.contains(&(a, b));
        assert_eq!(groups(3, pairs(&[])), [vec![0, 1, 2]]);
        assert_eq!(groups(3, pairs(&[(0, 2)])), [vec![0, 1], vec![1, 2]]);
        assert_eq!(groups(3, pairs(&[(0, 1), (0, 2), (1, 2)])), [vec![0], vec![1], vec![2]]);
        assert_eq!(groups(4, pairs(&[(0, 1), (2, 3)])), [vec![0, 2], vec![0, 3], vec![1, 2], vec![1, 3]]);
        assert_eq!(groups(1, pairs(&[])), [vec![0]]);
        assert_eq!(groups(0, pairs(&[])), Vec::<Vec<usize>>::new());
    }
}
