//! A set of rows of a table, by their ids: one bit for each up to the highest.

use std::ops::Range;

/// Ids from here on are in no set, so that a damaged one does not take all the memory there is.
const BEYOND: i64 = 1 << 33;

/// A set of row ids. There may be millions; an id beyond eight thousand millions is never in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSet {
    words: Vec<u64>,
}

impl RowSet {
    /// Returns whether a row is in the set.
    pub fn contains(&self, id: i64) -> bool {
        place(id).is_some_and(|(word, bit)| self.words.get(word).is_some_and(|word| word & bit != 0))
    }

    /// Puts a row in.
    pub fn insert(&mut self, id: i64) {
        let Some((word, bit)) = place(id) else { return };
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= bit;
    }

    /// Takes a row out.
    pub fn remove(&mut self, id: i64) {
        let Some((word, bit)) = place(id) else { return };
        if let Some(word) = self.words.get_mut(word) {
            *word &= !bit;
        }
    }

    /// Returns how many rows are in the set.
    pub fn len(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Returns whether no row is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Returns the first ids above `after` that are not in the set, up to the next one that is.
    pub fn gap_after(&self, after: i64) -> Range<i64> {
        let start = self.next(after.saturating_add(1), |word| !word);
        let end = self.next(start, |word| word);
        start..end
    }

    /// Returns the first id from `from` on whose bit is set in what `turn` makes of its word; beyond the last word of the set
    /// all are out of it.
    fn next(&self, from: i64, turn: impl Fn(u64) -> u64) -> i64 {
        let from = from.max(0);
        let beyond = (self.words.len() * 64) as i64;
        let mut word = from as usize / 64;
        // The bits before `from` do not count.
        let mut mask = u64::MAX << (from % 64);
        while let Some(found) = self.words.get(word) {
            let bits = turn(*found) & mask;
            if bits != 0 {
                return (word * 64) as i64 + i64::from(bits.trailing_zeros());
            }
            word += 1;
            mask = u64::MAX;
        }
        if turn(0) == 0 { i64::MAX } else { from.max(beyond) }
    }
}

/// Returns the word of an id and its bit there; ids of rows are positive.
fn place(id: i64) -> Option<(usize, u64)> {
    let id = usize::try_from(id).ok().filter(|_| id < BEYOND)?;
    Some((id / 64, 1 << (id % 64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_lie_between_the_rows_of_a_set() {
        let mut set = RowSet::default();
        assert_eq!(set.gap_after(0), 1..i64::MAX);
        [1, 2, 63, 64, 200].into_iter().for_each(|id| set.insert(id));
        assert_eq!((set.len(), set.contains(64), set.contains(65), set.contains(1 << 40)), (5, true, false, false));
        let mut gaps = vec![set.gap_after(0)];
        while let Some(last) = gaps.last().filter(|gap| gap.end < i64::MAX) {
            gaps.push(set.gap_after(last.end));
        }
        assert_eq!(gaps, [3..63, 65..200, 201..i64::MAX]);
        assert_eq!(set.gap_after(10), 11..63);
        set.insert(i64::MAX);
        assert!(!set.contains(i64::MAX) && set.words.len() < 10, "a damaged id");
        (0..64).for_each(|id| set.insert(256 + id));
        assert_eq!(set.gap_after(255), 320..i64::MAX, "a whole last word");
        set.remove(64);
        assert_eq!((set.gap_after(62), set.contains(64)), (64..200, false));
    }
}
