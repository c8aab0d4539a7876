//! Checks what region sets gave: the vectors against what they are made from, the scores against the vectors.

use crate::catalog::{Catalog, EncoderRow, RegionScore, RegionSetRow};
use crate::embeddings::Store;
use crate::error::Result;
use crate::ops::region_score::RegionPool;
use crate::watch::Watch;

/// Generations in a block.
const BLOCK: usize = 64;

/// Returns the generations whose regions' vectors give other scores than the catalog has, by a set and an encoder; and how
/// many were looked at.
pub(crate) fn wrong_region_scores(
    catalog: &Catalog,
    store: &Store,
    set: &RegionSetRow,
    encoder: &EncoderRow,
    takes: impl Fn(u64) -> bool,
    watch: &mut Watch<'_>,
) -> Result<(Vec<i64>, u64)> {
    let pool = RegionPool::read(catalog, store, set.id, encoder)?;
    let (mut after, mut wrong, mut checked) = (0, Vec::new(), 0);
    loop {
        watch.check()?;
        let mut tasks = catalog.region_scoring_tasks(set.id, encoder.id, true, after, BLOCK)?;
        let Some(last) = tasks.last() else { break };
        after = last.generation;
        tasks.retain(|task| takes(task.generation as u64));
        let mut again = pool.scores(store, &tasks)?;
        for task in &tasks {
            let known = catalog.region_score_of(set.id, encoder.id, task.generation)?;
            let computed = again.iter().position(|score| score.generation == task.generation).map(|at| again.swap_remove(at));
            if known.map(in_order) != computed.map(in_order) {
                wrong.push(task.generation);
            }
        }
        checked += tasks.len() as u64;
        watch.report("scores of regions", checked, None);
    }
    Ok((wrong, checked))
}

/// The score with its pairs and locals in one order.
fn in_order(mut score: RegionScore) -> RegionScore {
    score.pairs.sort_by_key(|pair| (pair.ordinal, pair.region));
    score.locals.sort_by_key(|local| local.subject);
    score
}
