//! Computes baselines that need no new images: each scored generation against the whole pool, block by block.

use crate::catalog::{EncoderRow, ScoringTask, Which};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::ops::score::{Blocks, Needs};
use crate::report::{Baseline, ChanceCurve, EncoderBaselines, GenerationPlaces, Generations};
use crate::score::{Ranks, Reference, mean, score_generation};
use rayon::prelude::*;

impl Dataset {
    /// Returns the baselines of these generations, those that an encoder has scored, with chance SCR at these thresholds; and
    /// adds to `curve`.
    pub(super) fn encoder_baselines(
        &self,
        generations: &Generations,
        encoder: &EncoderRow,
        thresholds: &[f64],
        curve: &mut ChanceCurve,
    ) -> Result<EncoderBaselines> {
        let needs = Needs::read(&self.catalog, encoder)?;
        let pool = needs.pool(&self.store)?;
        let references: Vec<Vec<&Reference>> = pool.iter().map(|(_, references)| references.iter().collect()).collect();
        let places = GenerationPlaces::of(generations);
        let mut found = EncoderBaselines::new(generations.len(), pool.len(), thresholds.len());
        let mut blocks = Blocks::of(&self.catalog, encoder, Which::Scored)?;
        while let Some(block) = blocks.next(&self.catalog)? {
            let vectors: Vec<_> = block.iter().map(|c| c.place).collect();
            let vectors = self.store.gather(&vectors, encoder.dimension)?;
            let baseline = |(candidate, vector): (&ScoringTask, &[f32])| {
                let place = places.find(candidate.generation)?;
                let (similarities, _) = score_generation(vector, &references, None);
                let requested = needs.requested(candidate.prompt);
                let (mut asked, mut others) = (Vec::new(), Vec::new());
                for ((subject, _), similarity) in pool.iter().zip(similarities) {
                    if requested.contains(subject) { asked.push(similarity) } else { others.push(similarity) }
                }
                let ranks = Ranks::of(&asked, &others)?;
                let below = thresholds.iter().map(|t| others.iter().filter(|s| *s < t).count() as u64).collect();
                let (chance, steps) = (mean(&others), curve.steps(&others));
                Some((place, Baseline { ranks, chance, below }, steps))
            };
            let block: Vec<_> = block.par_iter().zip(vectors.par_chunks_exact(encoder.dimension)).filter_map(baseline).collect();
            for (place, baseline, steps) in block {
                found.put(place, &baseline);
                curve.add(generations.get(place).model, &steps);
            }
        }
        Ok(found)
    }
}
