//! How well the scores agree with what was really drawn.

use crate::Dataset;
use crate::catalog::QueryRows;
use crate::error::{Error, Result};
use crate::score::{identification, pearson};
use crate::table::Cell;

/// What was drawn for every requested subject, next to what the encoder saw: one row for each subject of each image.
const TRUTH: &str = "\
SELECT t.value ->> 'fate', t.value ->> 'percent', s.similarity, s.local,
       (SELECT r.similarity FROM region_pairs r WHERE r.model = s.model AND r.prompt_id = s.prompt_id AND r.seed = s.seed
        AND r.ordinal = s.ordinal AND r.encoder = s.encoder AND r.assigned = 1)
FROM generations g, json_each(g.meta, '$.subjects') t JOIN subject_scores s USING (model, prompt_id, seed)
WHERE s.ordinal = t.key ORDER BY model, prompt_id, seed, s.ordinal";

/// How well one similarity tells subjects that were drawn from those that were not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Chance that a subject that was drawn is more similar than one that was replaced by a copy of another.
    pub kept_over_replaced: f64,
    /// Chance that a subject that was drawn is more similar than one that has bled.
    pub kept_over_bled: f64,
    /// Spearman's rank correlation between how much a subject has bled and its similarity: -1 is best.
    pub bleeding: f64,
}

/// Returns the agreement of the whole image's similarity and, where there are such, that of windows and that of the regions
/// with which subjects are paired.
pub fn agreement(data: &mut Dataset) -> Result<[Option<Agreement>; 3]> {
    let mut rows: Vec<(String, Option<f64>, [Option<f64>; 3])> = Vec::new();
    let number = |cell: &Cell| match cell {
        Cell::Real(value) => Some(*value),
        Cell::Integer(value) => Some(*value as f64),
        _ => None,
    };
    let mut take = |cells: &[Cell]| {
        let [Cell::Text(fate), percent, similarity, local, boxed] = cells else {
            return Err(Error::Damaged("the demonstration's record of what was drawn".into()));
        };
        rows.push((fate.clone(), number(percent), [number(similarity), number(local), number(boxed)]));
        Ok(())
    };
    data.query(TRUTH, QueryRows { columns: &mut |_| Ok(()), row: &mut take })?;
    let of = |which: usize| {
        let with = |fate: &str| -> Vec<f64> {
            rows.iter().filter(|(known, ..)| known == fate).filter_map(|(_, _, values)| values[which]).collect()
        };
        let (kept, replaced, bled) = (with("kept"), with("replaced"), with("bled"));
        let strengths: Vec<f64> =
            rows.iter().filter(|(_, _, v)| v[which].is_some()).filter_map(|(_, percent, _)| *percent).collect();
        Some(Agreement {
            kept_over_replaced: identification(&kept, &replaced)?.auc,
            kept_over_bled: identification(&kept, &bled)?.auc,
            bleeding: pearson(&ranks(&strengths), &ranks(&bled))?,
        })
    };
    Ok([of(0), of(1), of(2)])
}

/// Returns the rank of each value; equal values share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut at = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = at as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|i| ranks[*i] = rank);
        at += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::ranks;

    #[test]
    fn equal_values_share_a_rank() {
        assert_eq!(ranks(&[0.3, 0.1, 0.3, 0.2]), [2.5, 0.0, 2.5, 1.0]);
    }
}
