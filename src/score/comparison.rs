//! Can two models be told apart? Tests on paired differences, and the groups that they leave.

use super::draws::Draws;

/// Sign patterns up to which all are counted: 2²⁰.
const EXACT: usize = 20;

/// Sign patterns drawn where there are more; with the observed one that makes 20,000.
const FLIPS: usize = 19_999;

/// The two-sided p of a sign-flip permutation test: were either model as likely to be the better on each
/// prompt, how often would the prompts' differences sum to as much as they do, or more? `differences` are means
/// over each prompt's pairs. `None` of no prompt.
///
/// Up to 20 differences other than 0 all sign patterns are counted (Fisher's randomisation test; P. Good,
/// "Permutation, Parametric and Bootstrap Tests of Hypotheses", 2005, section 3.2). With more, 19,999 patterns are
/// drawn, and the observed one is counted as one of them, so that p is never 0 and the test keeps its level
/// (M. Ernst, "Permutation Methods: A Basis for Exact Inference", Statistical Science 19, 2004).
pub fn sign_flip(differences: &[f64], seed: u64) -> Option<f64> {
    if differences.is_empty() {
        return None;
    }
    // A zero has no sign to flip.
    let differences: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    let [first, rest @ ..] = &differences[..] else { return Some(1.0) };
    let whole: f64 = differences.iter().map(|d| d.abs()).sum();
    // Sums that are equal but for rounding are equal.
    let observed = differences.iter().sum::<f64>().abs() - 1e-9 * whole;
    if differences.len() <= EXACT {
        // A pattern and its opposite have the same absolute sum: the first sign can stay. The others go through
        // a Gray code, in which one sign changes at a time.
        let mut sum: f64 = differences.iter().sum();
        let mut signs = vec![1.0; rest.len()];
        let patterns = 1_u32 << rest.len();
        let mut extreme = 1_u32;
        for pattern in 1..patterns {
            let flipped = pattern.trailing_zeros() as usize;
            signs[flipped] = -signs[flipped];
            sum += 2.0 * signs[flipped] * rest[flipped];
            extreme += u32::from(sum.abs() >= observed);
        }
        return Some(f64::from(extreme) / f64::from(patterns));
    }
    let mut draws = Draws::new(seed);
    let mut extreme = 1;
    for _ in 0..FLIPS {
        let mut sum = *first;
        for block in rest.chunks(64) {
            let mut bits = draws.bits();
            for difference in block {
                sum += if bits & 1 == 1 { -difference } else { *difference };
                bits >>= 1;
            }
        }
        extreme += usize::from(sum.abs() >= observed);
    }
    Some(extreme as f64 / (FLIPS + 1) as f64)
}

/// Holm's adjustment of a family of p values (S. Holm, "A Simple Sequentially Rejective Multiple Test
/// Procedure", Scandinavian Journal of Statistics 6, 1979): the i-th smallest of m is multiplied by m − i + 1, and
/// none is smaller than one before it. What is `None` is no test and does not count.
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
    fn every_sign_pattern_by_hand() {
        // ±1 ±2 ±3: of the eight sums ±6, ±4, ±2, ±0 two are as far from 0 as 6.
        assert_eq!(sign_flip(&[1.0, 2.0, 3.0], 0), Some(0.25));
        // 1 + 2 − 3 = 0: every sum is as far.
        assert_eq!(sign_flip(&[1.0, 2.0, -3.0], 0), Some(1.0));
        // Five of one sign: 2 of 32 patterns.
        assert_eq!(sign_flip(&[0.1; 5], 0), Some(0.0625));
        // 0.1 is the least of the sums ±0.1, ±0.3 (twice), ±0.5.
        assert_eq!(sign_flip(&[-0.3, 0.1, 0.1], 0), Some(1.0));
    }

    #[test]
    fn nothing_to_flip() {
        assert_eq!(sign_flip(&[], 0), None);
        assert_eq!(sign_flip(&[0.0, 0.0], 0), Some(1.0));
        assert_eq!(sign_flip(&[0.3], 0), Some(1.0), "one prompt shows nothing");
        assert_eq!(sign_flip(&[1.0, 0.0, 2.0, 3.0, 0.0], 0), Some(0.25), "prompts without a difference change nothing");
    }

    #[test]
    fn more_prompts_than_can_be_counted() {
        // 30 equal differences of which 20 have one sign: |sum| ≥ 10 where at most 10 or at least 20 of 30 fair coins
        // are heads: 0.0987 by the binomial table.
        let twenty: Vec<f64> = (0..30).map(|i| if i < 20 { 1.0 } else { -1.0 }).collect();
        let p = sign_flip(&twenty, 0).unwrap();
        assert!((p - 0.0987).abs() < 0.01, "{p}");
        assert_eq!(sign_flip(&twenty, 0), Some(p), "the same every time");
        // Never 0: the pattern that was observed is one of them.
        assert_eq!(sign_flip(&[1.0; 80], 0), Some(1.0 / 20_000.0));
        // Counted and drawn agree where both can be done.
        let mixed: Vec<f64> = (0..20).map(|i| f64::from(i * 7 % 11) - 3.5).collect();
        let counted = sign_flip(&mixed, 0).unwrap();
        let drawn = sign_flip(&[&mixed[..], &[1e-300]].concat(), 0).unwrap();
        assert!((counted - drawn).abs() < 0.015, "{counted} {drawn}");
    }

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
