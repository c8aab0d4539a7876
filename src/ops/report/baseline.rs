//! Computes baselines that need no new images: each scored generation against the whole pool, block by block.

use crate::catalog::{Catalog, EncoderRow, ScoringTask, Which};
use crate::embeddings::Store;
use crate::error::Result;
use crate::ops::score::{Blocks, Needs};
use crate::report::Baseline;
use crate::score::{Reference, identification, mean, score_generation};
use rayon::prelude::*;
use std::collections::HashMap;

/// Returns the baseline of every generation that an encoder has scored, by generation row, with chance SCR at these
/// thresholds.
pub fn baselines(catalog: &Catalog, store: &Store, encoder: &EncoderRow, thresholds: &[f64]) -> Result<HashMap<i64, Baseline>> {
    let needs = Needs::read(catalog, encoder)?;
    let pool = needs.pool(store)?;
    let references: Vec<Vec<&Reference>> = pool.iter().map(|(_, references)| references.iter().collect()).collect();
    let mut found = HashMap::new();
    let mut blocks = Blocks::of(catalog, encoder, Which::Scored)?;
    while let Some(block) = blocks.next(catalog)? {
        let places: Vec<_> = block.iter().map(|c| c.place).collect();
        let vectors = store.gather(&places, encoder.dimension)?;
        let baseline = |(candidate, vector): (&ScoringTask, &[f32])| {
            let (similarities, _) = score_generation(vector, &references, None);
            let requested = needs.requested(candidate.prompt);
            let (mut asked, mut others) = (Vec::new(), Vec::new());
            for ((subject, _), similarity) in pool.iter().zip(similarities) {
                if requested.contains(subject) { asked.push(similarity) } else { others.push(similarity) }
            }
            let identification = identification(&asked, &others)?;
            let below = thresholds.iter().map(|t| others.iter().filter(|s| *s < t).count() as u32).collect();
            let (chance, others) = (mean(&others), others.len() as u32);
            Some((candidate.generation, Baseline { identification, chance, below, others }))
        };
        let block: Vec<_> = block.par_iter().zip(vectors.par_chunks_exact(encoder.dimension)).filter_map(baseline).collect();
        found.extend(block);
    }
    Ok(found)
}
