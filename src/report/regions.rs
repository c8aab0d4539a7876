//! What a region set says of each generation: which requested subject has a region of its own, and how well it fits.

use super::Named;
use super::cells::mean_of;
use super::observations::Observations;
use crate::score::{AtThreshold, Curve, Paired, RegionMeasures, auc, quantile};
use crate::vocabulary::{EncoderName, RegionSetName, closed_set};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::{HashMap, HashSet};

closed_set! {
    /// What is measured of the regions of an image. Formulas: see the functions of [`crate::score`]; sources there.
    RegionMeasure, "measure of regions" {
        /// Share of the requested subjects without a region of at least τ.
        Collapse = "r_scr",
        /// 2 |T| / (N + M).
        PresenceF1 = "presence_f1",
        /// Whether there are as many regions as requested subjects.
        CountAccuracy = "count_accuracy",
        /// Mean of max(0, similarity) over the requested subjects, 0 without a region.
        Identity = "identity",
        /// Mean similarity of the pairs alone.
        Matched = "matched",
        /// Share of the pairs whose region is most similar to its own subject.
        Top1 = "top1",
        /// Lead of a pair over the subject's next region.
        Margin = "margin",
        /// How much more regions are like another requested subject than that subject is like theirs.
        Bleeding = "bleeding",
        /// How much more the regions of an image are alike than their subjects.
        Homogenisation = "homogenisation",
        /// Effective number of identities.
        Identities = "identities",
        /// Requested subjects without a region of at least τ.
        Missing = "missing",
        /// Regions that are nobody's.
        Extra = "extra",
        /// Regions whose most similar requested subject is also that of another region.
        Doubled = "doubled",
        /// Share of its box that the mask of a pair's region fills: less where something stands before it.
        Visible = "visible",
        /// Whether a region copies the reference that was given (1) or shows the subject of another photo (-1).
        Copying = "copying",
    }
}

impl RegionMeasure {
    /// As tables head it.
    pub fn head(self, tau: f64) -> String {
        match self {
            RegionMeasure::Collapse => format!("R-SCR@{tau:.2}"),
            RegionMeasure::PresenceF1 => "presence F1".into(),
            RegionMeasure::CountAccuracy => "count right".into(),
            RegionMeasure::Top1 => "top-1".into(),
            other => other.as_str().into(),
        }
    }

    /// Returns whether a lower value is better.
    pub fn lower_is_better(self) -> bool {
        use RegionMeasure::*;
        matches!(self, Collapse | Bleeding | Homogenisation | Missing | Extra | Doubled | Copying)
    }

    /// Returns whether it lies between 0 and 1.
    pub fn is_share(self) -> bool {
        use RegionMeasure::*;
        matches!(self, Collapse | PresenceF1 | CountAccuracy | Identity | Top1 | Visible)
    }
}

/// One value of each measure, in the order of [`RegionMeasure::ALL`].
pub type RegionValues = [Option<f64>; RegionMeasure::ALL.len()];

/// What a region set says, by one encoder.
#[derive(Debug, Clone)]
pub struct RegionSnapshot {
    /// The set.
    pub set: RegionSetName,
    /// The encoder.
    pub encoder: EncoderName,
    /// τ: the similarity from which a region counts as a subject's.
    pub tau: f64,
    /// Whether the user gave it; else it is the 99th percentile of cosines of references of different subjects.
    pub tau_given: bool,
    /// Which subjects the set can show, in words.
    pub scope: String,
    /// Generation rows on which its origin ran.
    pub ran: HashSet<i64>,
    /// By generation row, those that are scored.
    pub of: HashMap<i64, RegionFacts>,
}

/// What the regions of one generation show.
#[derive(Debug, Clone, Default)]
pub struct RegionFacts {
    /// Positions in the prompt of the requested subjects that the set can show.
    pub ordinals: Vec<u32>,
    /// Number of regions that count.
    pub regions: u32,
    /// Every measure of the image; those of a requested subject are `None` where nobody is requested.
    pub values: RegionValues,
    /// The same of each requested subject by itself, in the order of `ordinals`.
    pub of_subjects: Vec<RegionValues>,
    /// Similarities of the pairs.
    pub pairs: Vec<f64>,
    /// Thresholds below which as many subjects are present ([`crate::score::presence_thresholds`]).
    pub thresholds: Vec<f64>,
    /// The shorter side of each region, in pixels.
    pub sides: Vec<f64>,
    /// Means over decoys, and the similarities of their pairs, where they were asked for.
    pub decoys: Option<(RegionValues, Vec<f64>)>,
}

/// The values of the measures of an image.
pub fn region_values(measures: Option<RegionMeasures>, at: &AtThreshold) -> RegionValues {
    let of = |pick: fn(&RegionMeasures) -> Option<f64>| measures.as_ref().and_then(pick);
    let asked = measures.is_some();
    RegionMeasure::ALL
        .iter()
        .map(|measure| match measure {
            RegionMeasure::Collapse => at.collapse_rate,
            RegionMeasure::PresenceF1 => at.presence_f1.filter(|_| asked),
            RegionMeasure::CountAccuracy => asked.then_some(at.count_accuracy),
            RegionMeasure::Identity => of(|m| Some(m.identity)),
            RegionMeasure::Matched => of(|m| m.matched),
            RegionMeasure::Top1 => of(|m| m.top1),
            RegionMeasure::Margin => of(|m| m.margin),
            RegionMeasure::Bleeding => of(|m| m.bleeding),
            RegionMeasure::Homogenisation => of(|m| m.homogenisation),
            RegionMeasure::Identities => asked.then_some(at.identities),
            RegionMeasure::Missing => asked.then_some(at.missing as f64),
            RegionMeasure::Extra => asked.then_some(at.extra as f64),
            RegionMeasure::Doubled => of(|m| Some(m.doubled as f64)),
            RegionMeasure::Visible | RegionMeasure::Copying => None,
        })
        .collect::<Vec<_>>()
        .try_into()
        .unwrap_or_default()
}

/// The values of one requested subject: whether it is present at τ, and its pair, if it has one.
pub fn subject_values(present: bool, pair: Option<&Paired>) -> RegionValues {
    RegionMeasure::ALL
        .iter()
        .map(|measure| match measure {
            RegionMeasure::Collapse | RegionMeasure::Missing => Some(f64::from(u8::from(!present))),
            RegionMeasure::Identity => Some(pair.map_or(0.0, |p| p.similarity.max(0.0))),
            RegionMeasure::Matched => pair.map(|p| p.similarity),
            RegionMeasure::Top1 => pair.and_then(|p| p.top1),
            RegionMeasure::Margin => pair.and_then(|p| p.margin),
            RegionMeasure::Bleeding => pair.and_then(|p| p.bleeding),
            _ => None,
        })
        .collect::<Vec<_>>()
        .try_into()
        .unwrap_or_default()
}

/// What a region set says of a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellRegions {
    /// The set's name.
    pub set: String,
    /// The encoder's.
    pub encoder: String,
    /// τ.
    pub tau: f64,
    /// Generations that are scored.
    pub images: u64,
    /// Generations on which the set's origin did not run.
    pub not_run: u64,
    /// Generations on which it ran and that are not scored, because a vector is missing.
    pub unscored: u64,
    /// Generations that request a subject that the set can show.
    pub asking: u64,
    /// Subjects requested in them.
    pub requested: u64,
    /// Regions in them.
    pub regions: u64,
    /// Pairs of a subject and its region, whatever its similarity.
    pub paired: u64,
    /// Subjects without a region of at least τ.
    pub missing: u64,
    /// Regions that are nobody's.
    pub extra: u64,
    /// Regions in generations that request at least two.
    pub regions_of_two: u64,
    /// Of these, regions whose most similar requested subject is also that of another region.
    pub doubled: u64,
    /// Regions in generations that request nobody whom the set can show.
    pub elsewhere: u64,
    /// Mean similarity over all pairs of the cell.
    pub pair_similarity: Option<f64>,
    /// Median of the regions' shorter sides, in pixels.
    pub median_side: Option<f64>,
    /// Mean of each measure over generations, or pairs of a generation and a subject.
    pub means: RegionValues,
    /// The interval of each, where intervals were asked for.
    pub ci: Option<[Option<[f64; 2]>; RegionMeasure::ALL.len()]>,
    /// The mean of each over decoys, where controls were asked for.
    pub decoys: Option<RegionValues>,
    /// AUC of requested against decoy pairs, where controls were asked for.
    pub auc: Option<Option<f64>>,
    /// R-SCR at every threshold, where that was asked for.
    pub curve: Option<Option<Curve>>,
}

impl CellRegions {
    /// Returns the mean of a measure.
    pub fn mean(&self, measure: RegionMeasure) -> Option<f64> {
        self.means[measure as usize]
    }

    /// Counts, by their names.
    pub(super) fn counts(&self) -> [(&'static str, u64); 12] {
        [
            ("images", self.images),
            ("not_run", self.not_run),
            ("unscored", self.unscored),
            ("asking", self.asking),
            ("requested", self.requested),
            ("regions", self.regions),
            ("paired", self.paired),
            ("missing_subjects", self.missing),
            ("extra_regions", self.extra),
            ("regions_of_two", self.regions_of_two),
            ("doubled_regions", self.doubled),
            ("elsewhere", self.elsewhere),
        ]
    }

    /// Every other number, by its name; without the curve.
    pub(super) fn numbers(&self) -> Vec<Named> {
        let named = |prefix: &str, values: &RegionValues| -> Vec<Named> {
            RegionMeasure::ALL.iter().map(|m| (format!("{prefix}{m}"), values[*m as usize])).collect()
        };
        let mut all = vec![
            ("tau".to_owned(), Some(self.tau)),
            ("pair_similarity".to_owned(), self.pair_similarity),
            ("median_side".to_owned(), self.median_side),
        ];
        all.extend(named("", &self.means));
        if let Some(ci) = &self.ci {
            for (measure, ends) in RegionMeasure::ALL.iter().zip(ci) {
                all.extend([("low", 0), ("high", 1)].map(|(end, at)| (format!("{measure}_{end}"), ends.map(|ends| ends[at]))));
            }
        }
        if let Some(decoys) = &self.decoys {
            all.extend(named("decoy_", decoys));
        }
        all.extend(self.auc.map(|auc| ("auc".to_owned(), auc)));
        all.extend(self.curve.as_ref().map(|curve| ("area".to_owned(), curve.as_ref().map(|curve| curve.area))));
        all
    }
}

impl Serialize for CellRegions {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("encoder", &self.encoder)?;
        for (name, count) in self.counts() {
            map.serialize_entry(name, &count)?;
        }
        for (name, value) in self.numbers() {
            map.serialize_entry(&name, &value)?;
        }
        if let Some(curve) = &self.curve {
            map.serialize_entry("curve", curve)?;
        }
        map.end()
    }
}

impl RegionSnapshot {
    /// The value of a measure for a unit.
    pub(super) fn value(&self, units: &Observations<'_>, unit: usize, measure: RegionMeasure) -> Option<f64> {
        let facts = self.of.get(&units.fact(unit).id)?;
        match &units.ordinal {
            None => facts.values[measure as usize],
            Some(ordinals) => {
                let at = facts.ordinals.iter().position(|ordinal| *ordinal == ordinals[unit])?;
                facts.of_subjects[at][measure as usize]
            }
        }
    }

    /// What the set says of a cell, without intervals.
    pub(super) fn cell(&self, units: &Observations<'_>, members: &[u32], with: &CellWish) -> CellRegions {
        let mut generations: Vec<i64> = members.iter().map(|unit| units.fact(*unit as usize).id).collect();
        generations.dedup();
        let scored: Vec<&RegionFacts> = generations.iter().filter_map(|id| self.of.get(id)).collect();
        let not_run = generations.iter().filter(|id| !self.ran.contains(id)).count() as u64;
        let asking: Vec<&&RegionFacts> = scored.iter().filter(|facts| !facts.ordinals.is_empty()).collect();
        let sum = |value: &dyn Fn(&RegionFacts) -> u64| asking.iter().map(|facts| value(facts)).sum::<u64>();
        // Where a cell is over pairs of a generation and a subject, it is these subjects that are counted.
        let of_pairs = |measure: RegionMeasure| -> Option<Vec<f64>> {
            units.ordinal.as_ref()?;
            Some(members.iter().filter_map(|unit| self.value(units, *unit as usize, measure)).collect())
        };
        let whole = |facts: &RegionFacts, measure: RegionMeasure| facts.values[measure as usize].unwrap_or(0.0) as u64;
        let of_two = |facts: &RegionFacts| facts.ordinals.len() > 1;
        let pairs = of_pairs(RegionMeasure::Matched)
            .unwrap_or_else(|| asking.iter().flat_map(|facts| &facts.pairs).copied().collect::<Vec<f64>>());
        let means = RegionMeasure::ALL
            .iter()
            .map(|measure| mean_of(members.iter().map(|unit| self.value(units, *unit as usize, *measure))));
        let mut sides: Vec<f64> = scored.iter().flat_map(|facts| &facts.sides).copied().collect();
        sides.sort_unstable_by(f64::total_cmp);
        let decoys = with.controls.then(|| {
            let of = |measure: &RegionMeasure| {
                mean_of(asking.iter().map(|facts| facts.decoys.as_ref().and_then(|(values, _)| values[*measure as usize])))
            };
            RegionMeasure::ALL.iter().map(of).collect::<Vec<_>>().try_into().unwrap_or_default()
        });
        CellRegions {
            set: self.set.to_string(),
            encoder: self.encoder.to_string(),
            tau: self.tau,
            images: scored.len() as u64,
            not_run,
            unscored: generations.len() as u64 - scored.len() as u64 - not_run,
            asking: asking.len() as u64,
            requested: of_pairs(RegionMeasure::Missing)
                .map_or_else(|| sum(&|facts| facts.ordinals.len() as u64), |subjects| subjects.len() as u64),
            regions: sum(&|facts| u64::from(facts.regions)),
            paired: pairs.len() as u64,
            missing: of_pairs(RegionMeasure::Missing)
                .map_or_else(|| sum(&|facts| whole(facts, RegionMeasure::Missing)), |missing| missing.iter().sum::<f64>() as u64),
            extra: sum(&|facts| whole(facts, RegionMeasure::Extra)),
            regions_of_two: sum(&|facts| if of_two(facts) { u64::from(facts.regions) } else { 0 }),
            doubled: sum(&|facts| whole(facts, RegionMeasure::Doubled)),
            elsewhere: scored.iter().filter(|facts| facts.ordinals.is_empty()).map(|facts| u64::from(facts.regions)).sum(),
            pair_similarity: (!pairs.is_empty()).then(|| crate::score::mean(&pairs)),
            median_side: (!sides.is_empty()).then(|| quantile(&sides, 0.5)),
            means: means.collect::<Vec<_>>().try_into().unwrap_or_default(),
            ci: None,
            auc: with.controls.then(|| {
                let of_decoys = asking.iter().filter_map(|facts| facts.decoys.as_ref()).flat_map(|(_, pairs)| pairs);
                let of_decoys: Vec<f64> = of_decoys.copied().collect();
                let with: Vec<f64> =
                    asking.iter().filter(|facts| facts.decoys.is_some()).flat_map(|facts| &facts.pairs).copied().collect();
                auc(&with, &of_decoys)
            }),
            decoys,
            curve: with.curve.then(|| Curve::of(asking.iter().map(|facts| facts.thresholds.as_slice()))),
        }
    }

    /// What a reader should know of the set: τ, its scope, and whether the regions of models differ in size.
    pub(super) fn notes(&self, snapshot: &super::Snapshot) -> (Vec<String>, Vec<String>) {
        let how = match self.tau_given {
            true => "as given".to_owned(),
            false => "the 99th percentile of the cosines of references of different subjects".to_owned(),
        };
        let notes = vec![format!(
            "regions {} by {}: a subject is present where a region of its own has a similarity of at least τ = {:.3} ({how}); {}",
            self.set, self.encoder, self.tau, self.scope
        )];
        let mut notes = notes;
        if self.of.values().any(|facts| facts.decoys.is_some()) {
            notes.push(format!(
                "regions {}: AUC says whether regions are more like the requested subjects than like others of their kind. A prompt \
                 alone can do that: names give age, sex and skin away, and a generator that never saw a reference reaches 0.75 on \
                 faces. Hold it against a text-only control",
                self.set
            ));
        }
        let mut warnings = Vec::new();
        let all: Vec<i64> = snapshot.generations.iter().map(|g| g.id).collect();
        let not_run = all.iter().filter(|id| !self.ran.contains(id)).count();
        if not_run > 0 {
            warnings.push(format!(
                "regions {}: {not_run} of {} generations are in no file of the set, as it is for their images now: its origin did not \
                 run on them, and they are in no mean",
                self.set,
                all.len()
            ));
        }
        let unscored = all.iter().filter(|id| self.ran.contains(id) && !self.of.contains_key(id)).count();
        if unscored > 0 {
            warnings.push(format!(
                "regions {}: {unscored} generations have regions but no score, because a region or a reference has no vector by \
                 {}; `msdata embed --regions {}` makes what can be made",
                self.set, self.encoder, self.set
            ));
        }
        let mut sides: Vec<(String, f64)> = Vec::new();
        for (model, (name, control)) in snapshot.models.iter().enumerate() {
            let of_model = snapshot.generations.iter().filter(|g| g.model as usize == model && !control);
            let mut all: Vec<f64> = of_model.filter_map(|g| self.of.get(&g.id)).flat_map(|facts| &facts.sides).copied().collect();
            all.sort_unstable_by(f64::total_cmp);
            if !all.is_empty() {
                sides.push((name.to_string(), quantile(&all, 0.5)));
            }
        }
        sides.sort_by(|a, b| a.1.total_cmp(&b.1));
        if let ([(small, least), ..], [.., (large, most)]) = (&sides[..], &sides[..])
            && *most > least * 4.0 / 3.0
        {
            warnings.push(format!(
                "regions {}: those of {} are larger (median side {most:.0} pixels) than those of {} ({least:.0}); the smaller a \
                 region, the lower its similarity, whoever it shows",
                self.set,
                crate::text::plain(large),
                crate::text::plain(small)
            ));
        }
        (notes, warnings)
    }
}

/// What a cell is to hold besides means.
pub(super) struct CellWish {
    pub controls: bool,
    pub curve: bool,
}
