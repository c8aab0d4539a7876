//! Which windows are one place, as a graph.

/// Windows and which of them are one place.
#[derive(Debug, Clone)]
pub(super) struct Conflicts {
    /// A row per window: whether each other one is the same place.
    pub(super) with: Vec<Vec<bool>>,
    /// The maximal sets of windows that are all one place with each other.
    pub(super) cliques: Vec<Vec<usize>>,
}

impl Conflicts {
    pub(super) fn new(count: usize, one_place: impl Fn(usize, usize) -> bool) -> Conflicts {
        let with: Vec<Vec<bool>> = (0..count).map(|a| (0..count).map(|b| a != b && one_place(a, b)).collect()).collect();
        let mut cliques = Vec::new();
        grow(&with, &mut Vec::new(), (0..count).collect(), Vec::new(), &mut cliques);
        Conflicts { with, cliques }
    }
}

/// Adds to `found` every maximal clique that holds `clique`, any of `candidates` and none of `passed` (C. Bron and
/// J. Kerbosch, "Algorithm 457", Communications of the ACM 16, 1973, with a pivot).
fn grow(
    with: &[Vec<bool>],
    clique: &mut Vec<usize>,
    mut candidates: Vec<usize>,
    mut passed: Vec<usize>,
    found: &mut Vec<Vec<usize>>,
) {
    let reached = |pivot: &usize| candidates.iter().filter(|c| with[*pivot][**c]).count();
    let Some(pivot) = candidates.iter().chain(&passed).copied().max_by_key(reached) else {
        if !clique.is_empty() {
            found.push(clique.clone());
        }
        return;
    };
    for next in candidates.clone().into_iter().filter(|next| !with[pivot][*next]) {
        let near = |all: &[usize]| all.iter().copied().filter(|other| with[next][*other]).collect();
        clique.push(next);
        grow(with, clique, near(&candidates), near(&passed), found);
        clique.pop();
        candidates.retain(|other| *other != next);
        passed.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maximal_cliques_by_hand() {
        // A triangle 0 1 2 with a tail 2 – 3, and 4 alone.
        let edges = [(0, 1), (0, 2), (1, 2), (2, 3)];
        let conflicts = Conflicts::new(5, |a, b| edges.contains(&(a.min(b), a.max(b))));
        let mut cliques = conflicts.cliques;
        cliques.iter_mut().for_each(|clique| clique.sort_unstable());
        cliques.sort();
        assert_eq!(cliques, [vec![0, 1, 2], vec![2, 3], vec![4]]);
        assert_eq!(conflicts.with[2], [true, true, false, true, false]);
        assert!(Conflicts::new(0, |_, _| true).cliques.is_empty());
    }
}
