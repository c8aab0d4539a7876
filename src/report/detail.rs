//! What a report says of cells that needs the generations one by one: identification, chance, ceilings, curves, regions,
//! metrics.

use super::ceiling::Ceilings;
use super::cells::{BoundedValues, SHARE, cell_intervals, mean_of};
use super::keys::Keys;
use super::observations::Observations;
use super::regions::CellWish;
use super::tally::Tallies;
use super::{
    CellControls, CellMetric, CellRegions, EncoderBaselines, Key, Named, RegionMeasure, RegionSnapshot, ReportOptions, Snapshot,
    Thresholds,
};
use crate::score::{Curve, Identification};
use std::collections::HashMap;

/// The units of every cell.
pub(super) struct Detail<'a> {
    snapshot: &'a Snapshot,
    options: &'a ReportOptions,
    identity: usize,
    names: Vec<&'a str>,
    pub(super) units: Observations<'a>,
    /// By cell, in the order of the cells: the places of its units, in the order of their keys.
    pub(super) members: Vec<Vec<u32>>,
    ceilings: Ceilings<'a>,
}

impl<'a> Detail<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, options: &'a ReportOptions, tallies: &Tallies) -> Detail<'a> {
        let apart = options.by.contains(&Key::Model);
        let models = (0..snapshot.models.len() as u32).filter(|model| snapshot.is_reported(*model, apart));
        let generations = models.flat_map(|model| snapshot.generations.of_model(model));
        let units = Observations::new(snapshot, &options.by, generations);
        let members = members(&units, &Keys::new(snapshot), &options.by, tallies);
        Detail {
            snapshot,
            options,
            identity: snapshot.identity_place(),
            names: snapshot.encoders.iter().map(|(_, name)| name.as_str()).collect(),
            members,
            ceilings: Ceilings::new(snapshot),
            units,
        }
    }

    fn members(&self, cell: usize) -> impl Iterator<Item = usize> + Clone {
        self.members[cell].iter().map(|unit| *unit as usize)
    }

    /// The generations of a cell; pairs of one generation stand together.
    fn generations(&self, cell: usize) -> Vec<u32> {
        let mut all: Vec<u32> = self.members(cell).map(|unit| self.units.generation[unit]).collect();
        all.dedup();
        all
    }

    /// Whether any metric has a value of a generation.
    fn is_measured(&self, generation: usize) -> bool {
        let facts = self.snapshot.generations.get(generation);
        let requested = &self.snapshot.prompts[facts.prompt as usize].subjects;
        self.snapshot.metrics.iter().any(|metric| metric.of_image(facts.id, requested).is_some())
    }

    /// How many generations any metric has a value of.
    pub(super) fn measured_generations(&self) -> u64 {
        let mut all: Vec<u32> = self.units.generation.clone();
        all.dedup();
        all.into_iter().filter(|generation| self.is_measured(*generation as usize)).count() as u64
    }

    /// The same of a cell, and how many subjects are in its units.
    pub(super) fn measured(&self, cell: usize) -> [u64; 2] {
        let images = self.generations(cell).into_iter().filter(|generation| self.is_measured(*generation as usize)).count();
        let subjects = |unit: usize| {
            let generation = self.units.generation[unit] as usize;
            let all = self.snapshot.prompts[self.snapshot.generations.prompt(generation) as usize].subjects.len();
            let of_unit = if self.units.ordinal.is_some() { 1 } else { all as u64 };
            if self.is_measured(generation) { of_unit } else { 0 }
        };
        [images as u64, self.members(cell).map(subjects).sum()]
    }

    /// SCR at every threshold over a cell's units; `None` of none.
    pub(super) fn curve(&self, cell: usize) -> Option<Curve> {
        let members = self.members(cell);
        match self.units.ordinal {
            Some(_) => {
                let pairs: Vec<f64> = members.filter_map(|unit| self.units.similarity(self.identity, unit)).collect();
                Curve::of(pairs.chunks(1))
            }
            None => {
                let of = |unit: usize| self.snapshot.scores.of_subjects(self.identity, self.units.generation[unit] as usize);
                Curve::of(members.filter_map(of))
            }
        }
    }

    /// What region sets say of a cell.
    pub(super) fn regions(&self, cell: usize) -> Vec<CellRegions> {
        self.snapshot.regions.iter().map(|set| self.of_set(set, &self.members[cell])).collect()
    }

    fn of_set(&self, set: &RegionSnapshot, members: &[u32]) -> CellRegions {
        let wish = CellWish { controls: self.options.controls, curve: self.options.curve };
        let cell = set.cell(&self.units, members, &wish);
        let Some(confidence) = self.options.confidence else { return cell };
        let prompts: Vec<u32> = members.iter().map(|unit| self.units.fact(*unit as usize).prompt).collect();
        let of_measure =
            |measure: &RegionMeasure| members.iter().map(|unit| set.value(&self.units, *unit as usize, *measure)).collect();
        let values: Vec<Vec<Option<f64>>> = RegionMeasure::ALL.iter().map(of_measure).collect();
        let measures: Vec<BoundedValues<'_>> = RegionMeasure::ALL
            .iter()
            .zip(&values)
            .map(|(measure, values)| (values.as_slice(), if measure.is_share() { SHARE } else { None }))
            .collect();
        let ci = cell_intervals(&prompts, &measures, confidence).try_into().ok();
        CellRegions { ci, ..cell }
    }

    /// What metrics from elsewhere say of a cell.
    pub(super) fn metrics(&self, cell: usize) -> Vec<CellMetric> {
        let (members, snapshot) = (&self.members[cell], self.snapshot);
        snapshot.metrics.iter().map(|metric| metric.cell(&self.units, members, snapshot, self.options.confidence)).collect()
    }

    /// Which images have no value of a metric, in sentences.
    pub(super) fn metric_notes(&self) -> Vec<String> {
        let apart = self.options.by.contains(&Key::Model);
        let expected = || self.snapshot.generations.iter().filter(|g| self.snapshot.is_reported(g.model, apart));
        self.snapshot.metrics.iter().filter_map(|metric| metric.note(self.snapshot, expected())).collect()
    }

    /// SCR by chance over the images of a cell, at the threshold of that number.
    pub(super) fn chance(&self, threshold: usize, cell: usize) -> Option<f64> {
        let wanted = *self.options.thresholds.values().get(threshold)?;
        self.chance_at(wanted, cell, self.members(cell).map(|unit| self.units.generation[unit] as usize))
    }

    /// The same over some generations of the cell, at a threshold.
    fn chance_at(&self, threshold: f64, cell: usize, generations: impl Iterator<Item = usize>) -> Option<f64> {
        let baselines = self.snapshot.baselines.as_ref()?;
        match baselines.thresholds.iter().position(|known| *known == threshold) {
            Some(at) => {
                let of_identity = baselines.of.get(self.identity)?;
                mean_of(generations.map(|generation| of_identity.chance_scr(generation, at)))
            }
            // At many thresholds it is known of whole models alone.
            None if self.options.by == [Key::Model] => {
                baselines.curve.chance_scr(self.units.fact(self.members(cell).next()?).model, threshold)
            }
            None => None,
        }
    }

    fn baselines(&self, encoder: usize) -> Option<&EncoderBaselines> {
        self.snapshot.baselines.as_ref()?.of.get(encoder)
    }

    /// Means over a cell's generations; where it is over pairs, similarity and ceiling are means over those. `None`: the
    /// pool was not looked at.
    pub(super) fn controls(&self, cell: usize) -> Option<CellControls> {
        self.snapshot.baselines.as_ref()?;
        let (members, generations) = (self.members(cell), self.generations(cell));
        let mean = |encoder: usize, pick: &dyn Fn(&EncoderBaselines, usize) -> Option<f64>| {
            let baselines = self.baselines(encoder)?;
            mean_of(generations.iter().map(|generation| pick(baselines, *generation as usize)))
        };
        let of_identification = |encoder: usize, pick: fn(Identification) -> f64| {
            mean(encoder, &|baselines, g| baselines.identification(g).map(pick))
        };
        let identification = of_identification(self.identity, |i| i.auc).map(|auc| Identification {
            auc,
            r_precision: of_identification(self.identity, |i| i.r_precision).unwrap_or_default(),
            mean_rank: of_identification(self.identity, |i| i.mean_rank).unwrap_or_default(),
        });
        let chance = |threshold: f64| self.chance_at(threshold, cell, generations.iter().map(|generation| *generation as usize));
        let thresholds = self.options.thresholds.values().iter();
        let chance_scr = thresholds.map(|threshold| (Thresholds::name(*threshold), chance(*threshold))).collect();
        let by_encoder = |value: &dyn Fn(usize) -> Option<f64>| -> Vec<Named> {
            self.names.iter().enumerate().map(|(e, name)| ((*name).to_owned(), value(e))).collect()
        };
        let over_units = |value: &dyn Fn(usize, Option<u32>) -> Option<f64>| -> Option<f64> {
            mean_of(members.clone().map(|unit| value(self.units.generation[unit] as usize, self.units.place(unit))))
        };
        let scored = |e: usize, g: usize| self.snapshot.scores.similarity(e, g);
        let ceiling = |e: usize, g: usize, o| scored(e, g).and_then(|_| self.ceilings.composite(e, g, o));
        let single = |e: usize, g: usize, o| scored(e, g).and_then(|_| self.ceilings.single(e, g, o));
        Some(CellControls {
            complete: self.options.controls,
            identification,
            chance_scr,
            auc: by_encoder(&|e| of_identification(e, |i| i.auc)),
            chance: by_encoder(&|e| mean(e, &EncoderBaselines::chance)),
            ceiling: by_encoder(&|e| over_units(&|g, o| ceiling(e, g, o))),
            single: by_encoder(&|e| over_units(&|g, o| single(e, g, o))),
            // Where identification alone is shown, similarities of single subjects may not be kept.
            normalised: by_encoder(&|e| if self.options.controls { self.normalised(e, members.clone()) } else { None }),
        })
    }

    /// (similarity − chance) / (ceiling − chance), each a mean over the units that have all three.
    fn normalised(&self, encoder: usize, members: impl Iterator<Item = usize>) -> Option<f64> {
        let of = |unit: usize| {
            let generation = self.units.generation[unit] as usize;
            let ceiling = self.ceilings.composite(encoder, generation, self.units.place(unit))?;
            Some([self.units.similarity(encoder, unit)?, self.baselines(encoder)?.chance(generation)?, ceiling])
        };
        let all = members.filter_map(of);
        let [similarity, chance, ceiling] = all.fold([0.0; 3], |sums, values| std::array::from_fn(|k| sums[k] + values[k]));
        // Where copies do no better than chance the encoder tells nobody from anybody.
        (ceiling > chance).then(|| (similarity - chance) / (ceiling - chance))
    }
}

/// The units of each cell, in the order of the cells.
fn members(units: &Observations<'_>, keys: &Keys<'_>, by: &[Key], tallies: &Tallies) -> Vec<Vec<u32>> {
    let places: HashMap<&[i64], usize> = tallies.cells.iter().enumerate().map(|(at, cell)| (cell.codes(), at)).collect();
    let mut members = vec![Vec::new(); tallies.cells.len()];
    let mut of_unit = Vec::with_capacity(by.len());
    for unit in 0..units.generation.len() {
        of_unit.clear();
        of_unit.extend(units.codes(unit, by, keys));
        if let Some(at) = places.get(of_unit.as_slice()) {
            members[*at].push(unit as u32);
        }
    }
    members
}
