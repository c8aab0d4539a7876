//! Compares the regions of generations with the references of a set's subjects: who is where, as exactly as can be.

use crate::catalog::{Catalog, EncoderRow, RegionLocal, RegionPair, RegionScore, RegionScoringTask, VectorPlace};
use crate::embeddings::Store;
use crate::error::Result;
use crate::score::{Reference, Similarities, pair, region_measures};
use crate::vocabulary::SubjectKind;
use crate::watch::Watch;
use rayon::prelude::*;
use std::collections::HashMap;

/// Generations in a block.
const BLOCK: usize = 64;

/// Scores the regions of every set that have all they need; returns the number of (generation, set, encoder) triples.
pub fn score_regions(catalog: &mut Catalog, store: &Store, watch: &mut Watch<'_>) -> Result<u64> {
    let encoders = catalog.encoders()?;
    let mut scored = 0;
    for (set, encoder) in catalog.scored_by_regions()? {
        let Some(encoder) = encoders.iter().find(|row| row.id == encoder) else { continue };
        let pool = RegionPool::read(catalog, store, set, encoder)?;
        let mut after = 0;
        loop {
            watch.check()?;
            let tasks = catalog.region_scoring_tasks(set, encoder.id, false, after, BLOCK)?;
            let Some(last) = tasks.last() else { break };
            after = last.generation;
            let scores = pool.scores(store, &tasks)?;
            let changes = catalog.begin()?;
            changes.put_region_scores(set, encoder.id, &scores)?;
            changes.commit()?;
            scored += scores.len() as u64;
            watch.report("scores of regions", scored, None);
        }
    }
    Ok(scored)
}

/// The subjects that a set can show, with the references that its regions are compared with, by one encoder.
pub struct RegionPool {
    dimension: usize,
    /// Subject rows, ascending; those of which a reference has no vector are left out.
    ids: Vec<i64>,
    /// The kind of each.
    kinds: Vec<Option<SubjectKind>>,
    /// The references of each.
    references: Vec<Vec<Reference>>,
    /// Where each subject row is.
    place: HashMap<i64, usize>,
    /// Subject rows that the set can show but that have no vectors.
    lacking: Vec<i64>,
    /// The subjects of each prompt, in order.
    prompts: HashMap<i64, Vec<i64>>,
}

impl RegionPool {
    /// Reads what a set's regions are compared with.
    pub fn read(catalog: &Catalog, store: &Store, set: i64, encoder: &EncoderRow) -> Result<RegionPool> {
        let mut places: Vec<(i64, Option<SubjectKind>, Option<Vec<VectorPlace>>)> = Vec::new();
        for reference in catalog.region_references(set, encoder.id)? {
            if places.last().is_none_or(|(subject, ..)| *subject != reference.subject) {
                places.push((reference.subject, reference.kind, Some(Vec::new())));
            }
            let Some((_, _, known)) = places.last_mut() else { continue };
            match reference.place {
                Some(place) => known.iter_mut().for_each(|known| known.push(place)),
                None => *known = None,
            }
        }
        let mut pool = RegionPool {
            dimension: encoder.dimension,
            ids: Vec::new(),
            kinds: Vec::new(),
            references: Vec::new(),
            place: HashMap::new(),
            lacking: Vec::new(),
            prompts: HashMap::new(),
        };
        for (subject, kind, places) in places {
            let Some(places) = places else {
                pool.lacking.push(subject);
                continue;
            };
            let vectors = store.gather(&places, encoder.dimension)?;
            pool.place.insert(subject, pool.ids.len());
            pool.ids.push(subject);
            pool.kinds.push(kind);
            pool.references.push(vectors.chunks_exact(encoder.dimension).map(|v| Reference::new(v.to_vec())).collect());
        }
        for (prompt, subject) in catalog.prompt_subjects()? {
            pool.prompts.entry(prompt).or_default().push(subject);
        }
        Ok(pool)
    }

    /// Returns the subject rows of the pool, ascending.
    pub fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// Returns the kind of each subject of the pool.
    pub fn kinds(&self) -> &[Option<SubjectKind>] {
        &self.kinds
    }

    /// Returns the references of a subject of the pool.
    pub fn references(&self, subject: usize) -> &[Reference] {
        &self.references[subject]
    }

    /// Returns g of two subjects of the pool: the largest cosine of a reference of the one and a reference of the other.
    pub fn between(&self, a: usize, b: usize) -> f64 {
        let cosines = self.references[a].iter().flat_map(|a| self.references[b].iter().map(|b| a.cosine(b)));
        cosines.fold(f64::NEG_INFINITY, f64::max)
    }

    /// Returns the cosines of references of different subjects of the pool.
    pub fn between_references(&self) -> Vec<f64> {
        let mut cosines = Vec::new();
        for (a, references) in self.references.iter().enumerate() {
            for others in &self.references[..a] {
                cosines.extend(references.iter().flat_map(|x| others.iter().map(|y| x.cosine(y))));
            }
        }
        cosines
    }

    /// Returns the subjects of the pool that a prompt requests, each with its position in the prompt; `None` if the set can
    /// show one of which a reference has no vector.
    pub fn requested(&self, prompt: i64) -> Option<Vec<(u32, usize)>> {
        let subjects = self.prompts.get(&prompt).map_or(&[][..], Vec::as_slice);
        if subjects.iter().any(|subject| self.lacking.contains(subject)) {
            return None;
        }
        Some((0..).zip(subjects).filter_map(|(ordinal, id)| Some((ordinal, *self.place.get(id)?))).collect())
    }

    /// Returns the cosines of the regions of an image, in their order, with every subject of the pool: a row of subjects per
    /// region, the largest over the subject's references; `None` where the two cannot be a pair.
    pub fn cosines(&self, task: &RegionScoringTask, vectors: &[Reference]) -> Vec<Option<f64>> {
        let mut cosines = Vec::with_capacity(task.regions.len() * self.ids.len());
        for (region, vector) in task.regions.iter().zip(vectors) {
            for (kind, references) in self.kinds.iter().zip(&self.references) {
                let forbidden =
                    matches!((region.kind, kind), (Some(a), Some(b)) if (a == SubjectKind::Human) != (*b == SubjectKind::Human));
                let most = || references.iter().map(|r| vector.cosine(r)).fold(f64::NEG_INFINITY, f64::max);
                cosines.push((!forbidden).then(most));
            }
        }
        cosines
    }

    /// Returns each task with the vectors of its regions.
    pub fn with_vectors<'t>(
        &self,
        store: &Store,
        tasks: &'t [RegionScoringTask],
    ) -> Result<Vec<(&'t RegionScoringTask, Vec<Reference>)>> {
        let places: Vec<VectorPlace> = tasks.iter().flat_map(|task| task.regions.iter().map(|region| region.place)).collect();
        let vectors = store.gather(&places, self.dimension)?;
        let mut vectors = vectors.chunks_exact(self.dimension).map(|vector| Reference::new(vector.to_vec()));
        Ok(tasks.iter().map(|task| (task, vectors.by_ref().take(task.regions.len()).collect())).collect())
    }

    /// Returns what the regions of generations show; those of which a reference lacks a vector are left out.
    pub fn scores(&self, store: &Store, tasks: &[RegionScoringTask]) -> Result<Vec<RegionScore>> {
        let images = self.with_vectors(store, tasks)?;
        Ok(images.par_iter().filter_map(|(task, vectors)| self.score(task, vectors)).collect())
    }

    fn score(&self, task: &RegionScoringTask, vectors: &[Reference]) -> Option<RegionScore> {
        let requested = self.requested(task.prompt)?;
        let (cosines, width) = (self.cosines(task, vectors), self.ids.len());
        let of = |region: usize, subject: usize| cosines[region * width + subject];
        let similarities = Similarities::new(requested.len(), task.regions.len(), |i, j| of(j, requested[i].1));
        let pairing = pair(&similarities);
        let between_regions = |a: usize, b: usize| vectors[a].cosine(&vectors[b]);
        let between_references = |a: usize, b: usize| self.between(requested[a].1, requested[b].1);
        let measured = region_measures(&similarities, &pairing, between_references, between_regions);
        let pairs = requested.iter().zip(&pairing).enumerate().flat_map(|(i, ((ordinal, _), own))| {
            task.regions.iter().enumerate().map(move |(j, region)| (i, j, *ordinal, region.region, *own == Some(j)))
        });
        let pairs = pairs
            .map(|(i, j, ordinal, region, assigned)| RegionPair { ordinal, region, similarity: similarities.get(i, j), assigned })
            .collect();
        let local = |(subject, id): (usize, &i64)| {
            let known = (0..task.regions.len()).filter_map(|region| Some((region, of(region, subject)?)));
            let (region, similarity) = known.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
            Some(RegionLocal { subject: *id, similarity, region: task.regions[region].region })
        };
        Some(RegionScore {
            generation: task.generation,
            requested: requested.len() as u32,
            regions: task.regions.len() as u32,
            identity: measured.map(|m| m.identity),
            matched: measured.and_then(|m| m.matched),
            top1: measured.and_then(|m| m.top1),
            margin: measured.and_then(|m| m.margin),
            bleeding: measured.and_then(|m| m.bleeding),
            homogenisation: measured.and_then(|m| m.homogenisation),
            doubled: measured.map_or(0, |m| m.doubled as u32),
            pairs,
            locals: self.ids.iter().enumerate().filter_map(local).collect(),
        })
    }
}
