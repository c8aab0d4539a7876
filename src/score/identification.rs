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

/// Of similarities of one image with its requested subjects and with the other subjects of the pool; `None`
/// where there is nobody to be told from.
pub fn identification(requested: &[f64], others: &[f64]) -> Option<Identification> {
    if requested.is_empty() || others.is_empty() {
        return None;
    }
    let n = requested.len() as f64;
    // Subjects before this one: those more similar, and half of those that are as similar.
    let before = |s: f64, among: &[f64]| {
        let more = among.iter().filter(|other| **other > s).count() as f64;
        let equal = among.iter().filter(|other| **other == s).count() as f64;
        more + equal / 2.0
    };
    let wrong: f64 = requested.iter().map(|s| before(*s, others)).sum();
    // Among the requested each is equal to itself, which is half of one before it.
    let ranks = requested.iter().map(|s| 1.0 + before(*s, others) + before(*s, requested) - 0.5);
    let (mut rank_sum, mut found) = (0.0, 0.0);
    for rank in ranks {
        rank_sum += rank;
        found += f64::from(u8::from(rank <= n));
    }
    Some(Identification { auc: 1.0 - wrong / (n * others.len() as f64), r_precision: found / n, mean_rank: rank_sum / n })
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
