//! The best assignment of windows to subjects where the only rule is one subject per window.

/// Of each subject the windows that it gains by, ascending, with the gain, above 0.
pub(super) type Offers = Vec<Vec<(usize, i64)>>;

/// What a subject gains by a window.
pub(super) fn gain_of(offers: &[(usize, i64)], window: usize) -> Option<i64> {
    offers.iter().find(|(other, _)| *other == window).map(|(_, gain)| *gain)
}

/// What a choice gains.
pub(super) fn worth(offers: &Offers, choice: &[Option<usize>]) -> i64 {
    choice.iter().zip(offers).filter_map(|(window, offers)| gain_of(offers, (*window)?)).sum()
}

/// The assignment of greatest gain, each window to one subject at most, by shortest augmenting paths (R. Jonker and
/// A. Volgenant, "A Shortest Augmenting Path Algorithm for Dense and Sparse Linear Assignment Problems", Computing 38,
/// 1987).
pub(super) fn assignment(offers: &Offers) -> Vec<Option<usize>> {
    let best =
        |all: &Vec<(usize, i64)>| all.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a }).map(|(window, _)| window);
    let favourites: Vec<Option<usize>> = offers.iter().map(best).collect();
    // The column of each window.
    let mut column_of = vec![None; offers.iter().flatten().map(|(window, _)| window + 1).max().unwrap_or(0)];
    if favourites.iter().flatten().all(|window| column_of[*window].replace(0).is_none()) {
        return favourites;
    }
    let mut windows = Vec::new();
    column_of.fill(None);
    for (window, _) in offers.iter().flatten() {
        column_of[*window].get_or_insert_with(|| {
            windows.push(*window);
            windows.len() - 1
        });
    }
    // A window that a subject gains nothing by stands for none, and so do columns that make up the number.
    let (rows, columns) = (offers.len(), windows.len().max(offers.len()));
    let mut costs = vec![vec![0_i64; columns]; rows];
    for (costs, offers) in costs.iter_mut().zip(offers) {
        offers.iter().filter_map(|(window, gain)| Some((column_of[*window]?, gain))).for_each(|(at, gain)| costs[at] = -gain);
    }
    let (mut of_rows, mut of_columns) = (vec![0_i64; rows], vec![0_i64; columns]);
    let mut owner: Vec<Option<usize>> = vec![None; columns];
    for start in 0..rows {
        let mut distance = vec![i64::MAX; columns];
        let mut before: Vec<Option<usize>> = vec![None; columns];
        let mut done = vec![false; columns];
        let (mut row, mut from) = (start, None);
        let end = loop {
            for column in (0..columns).filter(|column| !done[*column]) {
                let reduced = costs[row][column] - of_rows[row] - of_columns[column];
                if reduced < distance[column] {
                    (distance[column], before[column]) = (reduced, from);
                }
            }
            let Some(next) = (0..columns).filter(|column| !done[*column]).min_by_key(|column| distance[*column]) else {
                break None;
            };
            let delta = distance[next];
            of_rows[start] += delta;
            for column in 0..columns {
                if done[column] {
                    of_columns[column] -= delta;
                    if let Some(row) = owner[column] {
                        of_rows[row] += delta;
                    }
                } else {
                    distance[column] -= delta;
                }
            }
            done[next] = true;
            match owner[next] {
                Some(owner) => (row, from) = (owner, Some(next)),
                None => break Some(next),
            }
        };
        let mut column = end;
        while let Some(at) = column {
            owner[at] = before[at].and_then(|earlier| owner[earlier]).or(Some(start));
            column = before[at];
        }
    }
    let mut choice = vec![None; rows];
    for (column, window) in windows.iter().enumerate() {
        if let Some(row) = owner[column].filter(|row| costs[*row][column] < 0) {
            choice[row] = Some(*window);
        }
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_by_hand() {
        // Both want window 3; together 5 + 4 is more than 6 + 0.
        assert_eq!(assignment(&vec![vec![(1, 5), (3, 6)], vec![(3, 4)]]), [Some(1), Some(3)]);
        // Three subjects, two windows: the least gain goes without.
        assert_eq!(assignment(&vec![vec![(0, 3), (1, 2)], vec![(0, 1)], vec![(0, 9), (1, 7)]]), [Some(1), None, Some(0)]);
        assert_eq!(assignment(&vec![vec![], vec![(2, 1)]]), [None, Some(2)]);
    }
}
