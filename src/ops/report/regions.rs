//! What reports say of region sets: reads what was scored, and compares with decoys where that is asked for.

use crate::catalog::{EncoderRow, RegionPair, RegionScoringTask, RegionSetRow};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::manifest::Mask;
use crate::ops::region_score::RegionPool;
use crate::report::{
    RegionChoice, RegionFacts, RegionMeasure, RegionSnapshot, RegionValues, Snapshot, region_values, subject_values,
};
use crate::score::{
    Reference, RegionMeasures, Similarities, at_threshold, copying, decoys, default_threshold, mean, pair, pair_above, paired,
    presence_thresholds, region_measures,
};
use crate::text::quote;
use rayon::prelude::*;
use std::collections::HashMap;

/// The seed of the decoys.
const SEED: u64 = 0;

/// Generations in a block.
const BLOCK: usize = 64;

/// A set and the encoder that looks at its regions.
pub(super) struct Chosen {
    pub set: RegionSetRow,
    pub encoder: EncoderRow,
}

impl Dataset {
    /// Returns the set and the encoder that a choice names.
    pub(super) fn chosen(&self, choice: &RegionChoice) -> Result<Chosen> {
        let set = self.region_set(&choice.set)?;
        let encoders = self.catalog.encoders()?;
        let of_set = self.catalog.encoders_of_regions(set.id)?;
        let able: Vec<&EncoderRow> = encoders.iter().filter(|row| of_set.contains(&row.id)).collect();
        let names = || able.iter().map(|row| quote(row.name.as_str())).collect::<Vec<_>>().join(", ");
        let encoder = match (&choice.encoder, &able[..]) {
            (Some(name), _) => able.iter().find(|row| row.name == *name).copied().ok_or_else(|| {
                let hint = match able.is_empty() {
                    true => format!("`msdata embed --regions {} --encoder {name}` makes them", set.name),
                    false => format!("{} has; or `msdata embed --regions {} --encoder …`", names(), set.name),
                };
                Error::request(format!("encoder {} has no vectors of the regions of {}", quote(name.as_str()), set.name), hint)
            })?,
            (None, [only]) => only,
            (None, []) => {
                return Err(Error::request(
                    format!("no encoder has vectors of the regions of {}", quote(set.name.as_str())),
                    format!("`msdata embed --regions {} --encoder NAME` makes them", set.name),
                ));
            }
            (None, _) => {
                return Err(Error::request(
                    format!("several encoders have vectors of the regions of {}: {}", quote(set.name.as_str()), names()),
                    format!("name one: `--regions {}:ENCODER`", set.name),
                ));
            }
        };
        Ok(Chosen { set, encoder: encoder.clone() })
    }

    /// Returns τ of a set where none is given; `None`: too few subjects have vectors.
    pub(super) fn default_tau(&self, choice: &RegionChoice) -> Result<Option<f64>> {
        let Chosen { set, encoder } = self.chosen(choice)?;
        let pool = RegionPool::read(&self.catalog, &self.store, set.id, &encoder)?;
        Ok(default_threshold(&mut pool.between_references()))
    }

    /// Returns what a region set says, with decoys or without.
    pub(crate) fn region_snapshot(
        &self,
        choice: &RegionChoice,
        tau: Option<f64>,
        with_decoys: bool,
        snapshot: &Snapshot,
    ) -> Result<RegionSnapshot> {
        let chosen = self.chosen(choice)?;
        let Chosen { set, encoder } = &chosen;
        let pool = RegionPool::read(&self.catalog, &self.store, set.id, encoder)?;
        let default = default_threshold(&mut pool.between_references());
        let at = tau.or(default).ok_or_else(|| {
            Error::request(
                format!("τ of regions {} cannot be chosen: fewer than two subjects have references with vectors", set.name),
                "give it: `--tau 0.5`",
            )
        })?;
        let mut pairs: HashMap<i64, Vec<RegionPair>> = HashMap::new();
        self.catalog.each_region_pair(set.id, encoder.id, |generation, pair| {
            pairs.entry(generation).or_default().push(pair);
            Ok(())
        })?;
        let mut sides: HashMap<i64, Vec<f64>> = HashMap::new();
        let mut visible: HashMap<i64, f64> = HashMap::new();
        self.catalog.each_region(set.id, |generation, region, counts| {
            let [_, _, width, height] = region.bounds;
            if let (Some(generation), true) = (generation, counts) {
                sides.entry(generation).or_default().push(width.min(height));
                if let Some(Ok(mask)) = region.mask.as_deref().map(Mask::read) {
                    visible.insert(region.id, (mask.area() as f64 / (width * height)).min(1.0));
                }
            }
            Ok(())
        })?;
        let prompt_of: HashMap<i64, i64> =
            snapshot.generations.iter().map(|g| (g.id, snapshot.prompts[g.prompt as usize].id)).collect();
        let mut of = HashMap::new();
        self.catalog.each_region_score(set.id, encoder.id, |score| {
            let Some(requested) = prompt_of.get(&score.generation).and_then(|prompt| pool.requested(*prompt)) else {
                return Ok(());
            };
            let (n, m) = (score.requested as usize, score.regions as usize);
            let own = pairs.remove(&score.generation).unwrap_or_default();
            if own.len() != n * m || requested.len() != n {
                return Err(Error::Damaged("the pairs of regions are not complete; `msdata verify --deep` says more".into()));
            }
            let similarities = Similarities::new(n, m, |i, j| own[i * m + j].similarity);
            let pairing: Vec<Option<usize>> = (0..n).map(|i| (0..m).find(|j| own[i * m + j].assigned)).collect();
            let between = |a: usize, b: usize| pool.between(requested[a].1, requested[b].1);
            let of_pairs = paired(&similarities, &pairing, between);
            let present = pair_above(&similarities, at);
            let measures = score.identity.map(|identity| RegionMeasures {
                identity,
                matched: score.matched,
                top1: score.top1,
                margin: score.margin,
                bleeding: score.bleeding,
                homogenisation: score.homogenisation,
                doubled: score.doubled as usize,
            });
            let shown = |i: usize| visible.get(&own[i * m + pairing[i]?].region).copied();
            let mut values = region_values(measures, &at_threshold(&similarities, at));
            let of_masks: Vec<f64> = (0..n).filter_map(shown).collect();
            values[RegionMeasure::Visible as usize] = (!of_masks.is_empty()).then(|| mean(&of_masks));
            let of_subject = |i: usize| {
                let mut values = subject_values(present[i].is_some(), of_pairs.iter().find(|pair| pair.subject == i));
                values[RegionMeasure::Visible as usize] = shown(i);
                values
            };
            let facts = RegionFacts {
                ordinals: requested.iter().map(|(ordinal, _)| *ordinal).collect(),
                regions: score.regions,
                values,
                of_subjects: (0..n).map(of_subject).collect(),
                pairs: of_pairs.iter().map(|pair| pair.similarity).collect(),
                thresholds: presence_thresholds(&similarities),
                sides: sides.remove(&score.generation).unwrap_or_default(),
                decoys: None,
            };
            of.insert(score.generation, facts);
            Ok(())
        })?;
        if with_decoys {
            self.add_decoys(&chosen, &pool, at, &mut of)?;
        }
        let scope = match &set.rules.kinds {
            None => format!("it can show every subject ({} have vectors)", pool.ids().len()),
            Some(kinds) => {
                let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
                format!(
                    "it can show subjects of kind {} ({} have vectors); other subjects are in no count",
                    kinds.join(", "),
                    pool.ids().len()
                )
            }
        };
        Ok(RegionSnapshot {
            set: chosen.set.name,
            encoder: chosen.encoder.name,
            tau: at,
            tau_given: tau.is_some(),
            scope,
            ran: self.catalog.generations_with_regions(chosen.set.id)?.into_iter().collect(),
            of,
        })
    }

    /// Holds the regions of each image against equally many subjects of the same kinds that were not requested.
    fn add_decoys(&self, chosen: &Chosen, pool: &RegionPool, tau: f64, of: &mut HashMap<i64, RegionFacts>) -> Result<()> {
        let mut after = 0;
        loop {
            let tasks = self.catalog.region_scoring_tasks(chosen.set.id, chosen.encoder.id, true, after, BLOCK)?;
            let Some(last) = tasks.last() else { return Ok(()) };
            after = last.generation;
            let images = pool.with_vectors(&self.store, &tasks)?;
            let found: Vec<_> = images
                .par_iter()
                .filter_map(|(task, vectors)| Some((task.generation, by_decoys(pool, task, vectors, tau)?)))
                .collect();
            for (generation, (values, pairs, copied)) in found {
                if let Some(facts) = of.get_mut(&generation) {
                    facts.decoys = Some((values, pairs));
                    facts.values[RegionMeasure::Copying as usize] = copied;
                }
            }
        }
    }
}

/// Means over the decoys of an image, the similarities of their pairs, and how much the regions of its own subjects copy;
/// `None` where it has no decoys.
fn by_decoys(
    pool: &RegionPool,
    task: &RegionScoringTask,
    vectors: &[Reference],
    tau: f64,
) -> Option<(RegionValues, Vec<f64>, Option<f64>)> {
    let requested: Vec<usize> = pool.requested(task.prompt)?.into_iter().map(|(_, subject)| subject).collect();
    let sets = decoys(pool.kinds(), &requested, SEED);
    if sets.is_empty() {
        return None;
    }
    let (cosines, width) = (pool.cosines(task, vectors), pool.ids().len());
    let of = |subjects: &[usize]| Similarities::new(subjects.len(), task.regions.len(), |i, j| cosines[j * width + subjects[i]]);
    let mut sums: Vec<Vec<f64>> = vec![Vec::new(); RegionMeasure::ALL.len()];
    let mut pairs = Vec::new();
    for subjects in &sets {
        let similarities = of(subjects);
        let pairing = pair(&similarities);
        let between = |a: usize, b: usize| pool.between(subjects[a], subjects[b]);
        let measures = region_measures(&similarities, &pairing, between, |a, b| vectors[a].cosine(&vectors[b]));
        let values = region_values(measures, &at_threshold(&similarities, tau));
        values.iter().zip(&mut sums).for_each(|(value, sum)| sum.extend(value));
        pairs.extend(pairing.iter().enumerate().filter_map(|(i, j)| similarities.get(i, (*j)?)));
    }
    let means = sums.iter().map(|values| (!values.is_empty()).then(|| mean(values)));
    let own = of(&requested);
    let copied: Vec<f64> = pair(&own)
        .iter()
        .zip(&requested)
        .filter_map(|(region, subject)| {
            let (region, references) = (&vectors[(*region)?], pool.references(*subject));
            let (given, others) = references.split_first()?;
            let each = others.iter().filter_map(|other| copying(region.cosine(other), region.cosine(given), other.cosine(given)));
            let each: Vec<f64> = each.collect();
            (!each.is_empty()).then(|| mean(&each))
        })
        .collect();
    let copied = (!copied.is_empty()).then(|| mean(&copied));
    Some((means.collect::<Vec<_>>().try_into().unwrap_or_default(), pairs, copied))
}
