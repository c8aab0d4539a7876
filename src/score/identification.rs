//! Does an image resemble the subjects it was asked for more than those it was not? Ranks within the pool
//! need no threshold and do not dilute with the number of subjects as SCR does.

/// How well the requested subjects of one image can be told from the rest of the pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Identification {
    /// Share of (requested, not requested) pairs in the right order, ties half: the area under the ROC
    /// curve. 0.5 is chance.
    pub auc: f64,
    /// Share of the N requested subjects among the N most similar of the pool (R-precision at N).
    pub r_precision: f64,
    /// Mean rank of the requested subjects in the pool, from 1; ties share theirs.
    pub mean_rank: f64,
}

/// Where the requested subjects of one image stand among the others of the pool, in whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranks {
    /// Requested subjects; at least one.
    pub requested: u64,
    /// Subjects that were not requested; at least one.
    pub others: u64,
    /// Pairs of both in the wrong order, twice; those that are tied once.
    pub twice_wrong: u64,
    /// Requested subjects whose rank is no more than their number.
    pub found: u64,
}

impl Ranks {
    /// Returns those of similarities of an image with its requested subjects and with the others; `None` where there is
    /// nobody to be told from.
    pub fn of(requested: &[f64], others: &[f64]) -> Option<Ranks> {
        if requested.is_empty() || others.is_empty() {
            return None;
        }
        // Twice the subjects before this one: those more similar, and half of those that are as similar.
        let before = |s: f64, among: &[f64]| -> u64 {
            let more = among.iter().filter(|other| **other > s).count() as u64;
            let equal = among.iter().filter(|other| **other == s).count() as u64;
            2 * more + equal
        };
        let (mut twice_wrong, mut found) = (0, 0);
        for s in requested {
            let wrong = before(*s, others);
            // Among the requested each is equal to itself, which is half of one before it.
            let twice_rank = 2 + wrong + before(*s, requested) - 1;
            twice_wrong += wrong;
            found += u64::from(twice_rank <= 2 * requested.len() as u64);
        }
        Some(Ranks { requested: requested.len() as u64, others: others.len() as u64, twice_wrong, found })
    }
}

impl Identification {
    /// Returns what ranks say.
    pub fn of(ranks: Ranks) -> Identification {
        let (n, wrong) = (ranks.requested as f64, ranks.twice_wrong as f64 / 2.0);
        Identification {
            auc: 1.0 - wrong / (n * ranks.others as f64),
            r_precision: ranks.found as f64 / n,
            // Among themselves they have the ranks from 1 to n, and each of the others before one adds 1.
            mean_rank: (wrong + n * (n + 1.0) / 2.0) / n,
        }
    }
}

/// Of similarities of one image with its requested subjects and with the other subjects of the pool; `None`
/// where there is nobody to be told from.
pub fn identification(requested: &[f64], others: &[f64]) -> Option<Identification> {
    Ranks::of(requested, others).map(Identification::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_right_order_and_in_the_wrong_one() {
        let right = Identification { auc: 1.0, r_precision: 1.0, mean_rank: 1.5 };
        assert_eq!(identification(&[0.8, 0.9], &[0.1, 0.2, 0.3]), Some(right));
        let wrong = Identification { auc: 0.0, r_precision: 0.0, mean_rank: 4.5 };
        assert_eq!(identification(&[0.0, 0.05], &[0.1, 0.2, 0.3]), Some(wrong));
    }

    #[test]
    fn by_hand() {
        // 0.5 is before both others, 0.2 behind one: 3 of 4 pairs; ranks 1 and 3; one of the first two.
        let by_hand = Identification { auc: 0.75, r_precision: 0.5, mean_rank: 2.0 };
        assert_eq!(identification(&[0.5, 0.2], &[0.3, 0.1]), Some(by_hand));
    }

    #[test]
    fn ties_are_half() {
        // All four equal: each rank is 2.5.
        let tied = Identification { auc: 0.5, r_precision: 0.0, mean_rank: 2.5 };
        assert_eq!(identification(&[0.4, 0.4], &[0.4, 0.4]), Some(tied));
    }

    #[test]
    fn with_nobody_else_there_is_nothing_to_tell() {
        assert_eq!(identification(&[0.4], &[]), None);
        assert_eq!(identification(&[], &[0.4]), None);
    }
}
