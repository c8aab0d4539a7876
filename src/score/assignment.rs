//! The best assignment where the only rule is one to one: of windows, or regions, to subjects.

/// What gains are counted in.
const UNIT: f64 = 1e9;

/// The cost of a pair that may not be. Sums of it with any prices stay within an i64.
const FORBIDDEN: i64 = i64::MAX / 4;

/// A similarity in billionths: sums that are equal by the decimals are equal.
pub(super) fn billionths(similarity: f64) -> i64 {
    (similarity * UNIT).round() as i64
}

/// The similarity that is so many billionths.
pub(super) fn similarity_of(billionths: i64) -> f64 {
    billionths as f64 / UNIT
}

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

/// The assignment of greatest gain, each window to one subject at most.
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
    let owner = Solved::of(&costs).owner;
    let mut choice = vec![None; rows];
    for (column, window) in windows.iter().enumerate() {
        if let Some(row) = Some(owner[column]).filter(|row| *row < rows && costs[*row][column] < 0) {
            choice[row] = Some(*window);
        }
    }
    choice
}

/// A best assignment of rows to columns: every row has a column of its own, and no other choice costs less.
struct Solved {
    /// The row that has each column; the number of rows where none has it.
    owner: Vec<usize>,
    /// The prices that prove it: no cost is below the sum of its row's and its column's, those of the pairs chosen are
    /// equal to it, no column's is above 0, and that of a column that no row has is 0.
    of_rows: Vec<i64>,
    of_columns: Vec<i64>,
}

impl Solved {
    /// By shortest augmenting paths (R. Jonker and A. Volgenant, "A Shortest Augmenting Path Algorithm for Dense and
    /// Sparse Linear Assignment Problems", Computing 38, 1987). There are at least as many columns as rows.
    fn of(costs: &[Vec<i64>]) -> Solved {
        let (rows, columns) = (costs.len(), costs.first().map_or(0, Vec::len));
        let (mut of_rows, mut of_columns) = (vec![0_i64; rows], vec![0_i64; columns]);
        let mut owner = vec![rows; columns];
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
                        of_rows[owner[column]] += delta;
                    } else {
                        distance[column] -= delta;
                    }
                }
                done[next] = true;
                if owner[next] == rows {
                    break Some(next);
                }
                (row, from) = (owner[next], Some(next));
            };
            let mut column = end;
            while let Some(at) = column {
                owner[at] = before[at].map_or(start, |earlier| owner[earlier]);
                column = before[at];
            }
        }
        Solved { owner, of_rows, of_columns }
    }

    /// Moves each row in turn to the first column that it has in any best assignment, the rows before it staying.
    ///
    /// The best assignments are those whose every pair costs as much as its prices, and whose idle columns, those that
    /// no row has, have the price 0 (complementary slackness; R. Burkard, M. Dell'Amico and S. Martello, *Assignment
    /// Problems*, 2009, chapter 4). So a row can change to a column if from the row that has it a chain of such moves
    /// leads to the column that the first has left; "idle" is one more row, which has any number of columns.
    fn settle(&mut self, costs: &[Vec<i64>]) {
        let idle = costs.len();
        let mut columns_of: Vec<Vec<usize>> = vec![Vec::new(); idle + 1];
        self.owner.iter().enumerate().for_each(|(column, row)| columns_of[*row].push(column));
        for row in 0..idle {
            let price = |row: usize| if row == idle { 0 } else { self.of_rows[row] };
            let cost = |row: usize, column: usize| if row == idle { 0 } else { costs[row][column] };
            let tight = |row: usize, column: usize| cost(row, column) == price(row) + self.of_columns[column];
            let goal = columns_of[row][0];
            let mut sooner = (0..goal).filter(|column| tight(row, *column)).peekable();
            if sooner.peek().is_none() {
                continue;
            }
            // From where the goal can be reached, and by which move of each row.
            let mut reached = vec![false; self.owner.len()];
            let mut moves = vec![goal; idle + 1];
            let mut left: Vec<usize> = (row + 1..=idle).collect();
            let mut open = vec![goal];
            while let Some(column) = open.pop() {
                left.retain(|other| {
                    let moved = tight(*other, column);
                    if moved {
                        moves[*other] = column;
                        columns_of[*other].iter().for_each(|from| reached[*from] = true);
                        open.extend(&columns_of[*other]);
                    }
                    !moved
                });
                if left.is_empty() {
                    break;
                }
            }
            let Some(first) = sooner.find(|column| reached[*column]) else { continue };
            let (mut mover, mut column) = (row, first);
            loop {
                let evicted = std::mem::replace(&mut self.owner[column], mover);
                columns_of[evicted].retain(|had| *had != column);
                columns_of[mover].push(column);
                if column == goal {
                    break;
                }
                (mover, column) = (evicted, moves[evicted]);
            }
        }
    }
}

/// A best pairing of rows and columns, each with one of the other at most.
pub(super) struct Pairing {
    /// The columns that may be in it, ascending.
    columns: Vec<usize>,
    /// Of each row with these columns and, after them, with "none" of each row.
    costs: Vec<Vec<i64>>,
    solved: Solved,
}

impl Pairing {
    /// The pairing of greatest gain; `None` is a pair that may not be.
    ///
    /// Of n rows each needs only its n best columns, of equal ones the first: one of these is always left by the others, and
    /// no other column is better or sooner.
    pub(super) fn of(rows: usize, columns: usize, gain: impl Fn(usize, usize) -> Option<i64>) -> Pairing {
        let best_of = |row: usize| {
            let mut offers: Vec<(i64, usize)> = (0..columns).filter_map(|column| Some((-gain(row, column)?, column))).collect();
            if offers.len() > rows {
                offers.select_nth_unstable(rows - 1);
                offers.truncate(rows);
            }
            offers
        };
        let offers: Vec<Vec<(i64, usize)>> = (0..rows).map(best_of).collect();
        let mut columns: Vec<usize> = offers.iter().flatten().map(|(_, column)| *column).collect();
        columns.sort_unstable();
        columns.dedup();
        let mut costs = vec![vec![FORBIDDEN; columns.len() + rows]; rows];
        for (row, (costs, offers)) in costs.iter_mut().zip(offers).enumerate() {
            offers.iter().for_each(|(cost, column)| costs[columns.partition_point(|other| other < column)] = *cost);
            costs[columns.len() + row] = 0;
        }
        let solved = Solved::of(&costs);
        Pairing { columns, costs, solved }
    }

    /// Of the pairings of greatest gain the first in the order of the rows, then of the columns, none being last: the
    /// column of each row.
    pub(super) fn first(mut self) -> Vec<Option<usize>> {
        self.solved.settle(&self.costs);
        self.any()
    }

    /// Any pairing of greatest gain, which is found sooner.
    pub(super) fn any(&self) -> Vec<Option<usize>> {
        let mut choice = vec![None; self.costs.len()];
        for (column, row) in self.columns.iter().zip(&self.solved.owner) {
            if let Some(chosen) = choice.get_mut(*row) {
                *chosen = Some(*column);
            }
        }
        choice
    }
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
