//! What reports, comparisons, figures and the page are made from: read once.

use crate::catalog::{GenerationRow, MetricRow, ScoredGeneration};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::report::{
    Baselines, ChanceCurve, CompareOptions, Compared, Decider, EncoderBaselines, KeptSimilarities, Key, MetricSnapshot,
    RegionChoice, ReportOptions, ScoreRows, Snapshot, Thresholds, identity_encoder, thresholds_mean_something,
};
use crate::vocabulary::{EncoderName, ModelName};
use std::collections::HashMap;

/// What to read besides what every report needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    /// Which similarities of single subjects to keep: there are many.
    similarities: KeptSimilarities,
    /// Only generations of these models and of controls, where nothing that is compared depends on the others.
    models: Option<Vec<ModelName>>,
    /// Baselines, with chance SCR at these thresholds.
    baselines: Option<Vec<f64>>,
    /// Baselines too where these mean nothing for the encoder that decides collapse: identification leads then.
    baselines_unless_meant: Option<Thresholds>,
    /// Without any of those: baselines by the encoder that decides collapse, with chance SCR at these thresholds, unless
    /// there are very many images.
    baselines_of_identity: Option<Vec<f64>>,
    /// With baselines: chance SCR of whole models at these thresholds too.
    curve_of_chance: Vec<f64>,
    /// Region sets, τ if it is given, and whether they are compared with decoys.
    regions: (Vec<RegionChoice>, Option<f64>, bool),
}

/// Most pairs of an image and a subject of the pool that are compared for a report which did not ask for it: some seconds.
const MOST_PAIRS: u64 = 5_000_000;

/// What is said where there are more.
pub(super) const TOO_MANY_PAIRS: &str = "AUC is left out, because it takes long with so many images and subjects: `--controls`";

/// Whether the pairs of an image and a subject of the pool are so few that they are compared unasked.
fn are_few_pairs(generations: u64, facts: &Snapshot) -> bool {
    generations * facts.subjects.len() as u64 <= MOST_PAIRS
}

impl Reading {
    /// Returns what a report needs.
    pub(crate) fn of(options: &ReportOptions) -> Reading {
        Reading {
            similarities: match Key::are_of_subjects(&options.by) {
                // Normalised similarity is of single subjects then.
                true if options.controls => KeptSimilarities::All,
                _ if options.curve => KeptSimilarities::OfIdentity,
                _ => KeptSimilarities::Counted(Vec::new()),
            },
            models: None,
            baselines: options.controls.then(|| options.thresholds.values().to_vec()),
            baselines_unless_meant: None,
            baselines_of_identity: Some(options.thresholds.values().to_vec()),
            curve_of_chance: Vec::new(),
            regions: (options.regions.clone(), options.tau, options.controls),
        }
    }

    /// Returns what needs SCR of every image at these thresholds.
    pub(crate) fn collapse(thresholds: &[f64]) -> Reading {
        Reading { similarities: KeptSimilarities::Counted(thresholds.to_vec()), ..Reading::default() }
    }

    /// Adds chance SCR of whole models at these thresholds.
    pub(super) fn with_curve_of_chance(self, thresholds: &Thresholds) -> Reading {
        Reading { curve_of_chance: thresholds.values().to_vec(), ..self }
    }

    /// Adds SCR of every image at these thresholds.
    pub(super) fn with_collapse(self, thresholds: &Thresholds) -> Reading {
        Reading { similarities: KeptSimilarities::Counted(thresholds.values().to_vec()), ..self }
    }

    /// Returns what a comparison of these models needs.
    pub(crate) fn comparison(options: &CompareOptions, models: Compared<'_>) -> Reading {
        let named: Option<Vec<&ModelName>> = match models {
            Compared::EveryPair | Compared::WithBaseline([], _) => None,
            Compared::Pair(a, b) => Some(vec![a, b]),
            Compared::WithBaseline(ours, baseline) => Some(ours.iter().chain([baseline]).collect()),
        };
        let renamed = &options.models.renamed;
        let before = |named: &[&ModelName]| -> Vec<ModelName> {
            let renamed = renamed.iter().filter(|(_, to)| named.contains(&to)).map(|(from, _)| from);
            named.iter().copied().chain(renamed).cloned().collect()
        };
        // What is said of named models says which subjects each loses most.
        let of_pairs = models != Compared::EveryPair || Key::are_of_subjects(&options.by);
        Reading {
            models: named.map(|named| before(&named)),
            similarities: match of_pairs {
                true => KeptSimilarities::All,
                false => KeptSimilarities::Counted(options.thresholds.values().to_vec()),
            },
            baselines_unless_meant: Some(options.thresholds.clone()),
            regions: (options.regions.clone(), options.tau, false),
            ..Reading::default()
        }
    }
}

impl Dataset {
    /// Returns everything that is scored, as of this moment.
    ///
    /// # Errors
    /// There are no vectors yet, or nothing says which encoder decides collapse.
    pub(crate) fn snapshot(&self, identity: Option<&str>, reading: &Reading) -> Result<Snapshot> {
        let facts = self.facts(identity, reading)?;
        self.with_generations(facts, Vec::new(), identity, reading)
    }

    /// Returns a snapshot without generations: what there is besides them, and which encoder decides collapse.
    ///
    /// # Errors
    /// There are no vectors yet, or nothing says which encoder decides collapse.
    pub(super) fn facts(&self, identity: Option<&str>, reading: &Reading) -> Result<Snapshot> {
        let deciders = self.deciders(identity)?;
        let wanted = match &deciders {
            // An encoder whose windows decide is the one for whole images too.
            Some(deciders) => deciders.iter().find_map(|(_, decider)| match decider {
                Decider::Windows(encoder) => Some(encoder.as_str()),
                Decider::Regions(_) => None,
            }),
            None => identity,
        };
        let metrics_alone = wanted.is_none() && !self.catalog.metrics()?.is_empty();
        let without = metrics_alone || deciders.is_some() || !reading.regions.0.is_empty();
        let (encoders, identity) = self.encoders_and_identity(wanted, without)?;
        let mut snapshot = Snapshot {
            models: self.catalog.models()?,
            subjects: self.catalog.subjects()?,
            prompts: self.catalog.prompts()?,
            encoders,
            identity,
            cut_prompts: self.catalog.cut_prompts()?,
            composites: self.catalog.current_composites()?,
            blank: self.catalog.blank_generations()?,
            unfinished: self.catalog.unfinished_runs()?,
            ..Snapshot::default()
        };
        snapshot.find_composites();
        Ok(snapshot)
    }

    /// Whether a report of these facts needs nothing but counts and sums over the generations, so that none is kept.
    pub(super) fn can_be_tallied(&self, facts: &Snapshot, options: &ReportOptions) -> Result<bool> {
        let needs_each = options.controls || options.curve || options.published || !options.regions.is_empty();
        if needs_each || facts.encoders.is_empty() || self.deciders(options.identity.as_deref())?.is_some() {
            return Ok(false);
        }
        let few = are_few_pairs(self.catalog.generation_count()?, facts);
        Ok(!self.is_searched(facts)? && self.catalog.metrics()?.is_empty() && !few)
    }

    /// Whether the encoder that decides collapse has searched images.
    fn is_searched(&self, facts: &Snapshot) -> Result<bool> {
        let Some(at) = facts.encoder_place(&facts.identity) else { return Ok(false) };
        Ok(self.catalog.window_pattern(facts.encoders[at].0)?.is_some())
    }

    /// Returns a snapshot with its generations, what they were scored, and what else was asked for; `expected` are images that
    /// there are not.
    ///
    /// # Errors
    /// Vectors that were asked for cannot be read, or SQLite reports an error.
    pub(super) fn with_generations(
        &self,
        mut snapshot: Snapshot,
        expected: Vec<GenerationRow>,
        identity: Option<&str>,
        reading: &Reading,
    ) -> Result<Snapshot> {
        let encoders: Vec<i64> = snapshot.encoders.iter().map(|(row, _)| *row).collect();
        // Of all, of the one that decides collapse, or where none does of none.
        let decider = snapshot.encoder_place(&snapshot.identity).unwrap_or(encoders.len());
        let (thresholds, keeps_composites) = match &reading.similarities {
            KeptSimilarities::Counted(thresholds) => (&thresholds[..], snapshot.composite.is_some() || snapshot.crop.is_some()),
            _ => (&[][..], false),
        };
        // What windows and regions say of a model rests on what they say of the others.
        let rests_on_others =
            self.deciders(identity)?.is_some() || !reading.regions.0.is_empty() || self.is_searched(&snapshot)?;
        let only = reading.models.as_ref().filter(|_| !rests_on_others);
        let is_wanted = |(name, control): &(ModelName, bool)| *control || only.is_none_or(|only| only.contains(name));
        let wanted: Vec<bool> = snapshot.models.iter().map(is_wanted).collect();
        let reads_all = keeps_composites || reading.similarities == KeptSimilarities::All;
        let of_subjects_of = (!reads_all).then_some(decider);
        let add = |read: &mut ScoreRows, scored: &ScoredGeneration<'_>| {
            if !wanted[scored.row.model as usize] {
                return read.pass_over(scored);
            }
            let keep = !matches!(reading.similarities, KeptSimilarities::Counted(_)) || snapshot.is_composite(&scored.row);
            read.add(scored, snapshot.prompts[scored.row.prompt as usize].subjects.len(), keep);
        };
        let start = || ScoreRows::new(encoders.len(), decider, thresholds);
        let read = self.catalog.each_scored(&encoders, of_subjects_of, start, add)?;
        snapshot.take(read.into_iter().reduce(ScoreRows::append).unwrap_or_default(), expected);
        (snapshot.baselines, snapshot.unfound) = self.wanted_baselines(&snapshot, reading)?;
        snapshot.metrics = self.metric_snapshots(&snapshot)?;
        snapshot.local = match &self.deciders(identity)? {
            Some(deciders) => self.local_by(deciders, &snapshot)?,
            None => self.local_by_identity(&snapshot)?,
        };
        let (choices, tau, decoys) = &reading.regions;
        for choice in choices {
            snapshot.regions.push(self.region_snapshot(choice, *tau, *decoys, &snapshot)?);
        }
        Ok(snapshot)
    }

    /// Returns the baselines that are wanted, or why there are none where they would lead.
    fn wanted_baselines(&self, snapshot: &Snapshot, reading: &Reading) -> Result<(Option<Baselines>, Option<String>)> {
        let decider = &snapshot.identity;
        let unmeant = reading.baselines_unless_meant.as_ref().filter(|given| !thresholds_mean_something(decider, given));
        if let Some(thresholds) = reading.baselines.as_deref().or(unmeant.map(Thresholds::values)) {
            return Ok((Some(self.baselines(snapshot, thresholds, &reading.curve_of_chance, false)?), None));
        }
        let Some(thresholds) = &reading.baselines_of_identity else { return Ok((None, None)) };
        if !are_few_pairs(self.catalog.generation_count()?, snapshot) {
            return Ok((None, Some(TOO_MANY_PAIRS.into())));
        }
        match self.baselines(snapshot, thresholds, &[], true) {
            // Nobody asked for it: what the scores say needs no vectors.
            Err(e @ (Error::Damaged(_) | Error::Parquet { .. } | Error::Io { .. })) => {
                Ok((None, Some(format!("AUC is left out, because it needs vectors that cannot be read: {e}"))))
            }
            baselines => Ok((Some(baselines?), None)),
        }
    }

    /// Returns every metric with its values.
    fn metric_snapshots(&self, snapshot: &Snapshot) -> Result<Vec<MetricSnapshot>> {
        let subjects: HashMap<i64, usize> = snapshot.subjects.iter().enumerate().map(|(at, subject)| (subject.id, at)).collect();
        let mut all = Vec::new();
        for MetricRow { id, name, rule, of_subjects } in self.catalog.metrics()? {
            let (mut images, mut values) = (HashMap::new(), HashMap::new());
            let (mut missing, mut stale) = (Vec::new(), Vec::new());
            for row in self.catalog.metric_values(id)? {
                let subject = row.subject.and_then(|subject| subjects.get(&subject));
                match (row.value, subject) {
                    _ if row.stale => stale.push(row.generation),
                    (None, _) => missing.push(row.generation),
                    (Some(value), Some(subject)) => drop(values.insert((row.generation, *subject), value)),
                    (Some(value), None) => drop(images.insert(row.generation, value)),
                }
            }
            all.push(MetricSnapshot { name, rule, of_subjects, images, subjects: values, missing, stale });
        }
        Ok(all)
    }

    /// Returns the baselines of a snapshot's generations; chance SCR is by the encoder that decides collapse.
    fn baselines(
        &self,
        snapshot: &Snapshot,
        thresholds: &[f64],
        of_models: &[f64],
        of_identity_alone: bool,
    ) -> Result<Baselines> {
        let rows = self.catalog.encoders()?;
        let (mut of, mut curve) = (Vec::with_capacity(snapshot.encoders.len()), ChanceCurve::at(of_models));
        for (id, name) in &snapshot.encoders {
            let row = rows.iter().find(|row| row.id == *id);
            let generations = &snapshot.generations;
            of.push(match row {
                Some(row) if *name == *snapshot.identity => self.encoder_baselines(generations, row, thresholds, &mut curve)?,
                Some(row) if !of_identity_alone => self.encoder_baselines(generations, row, &[], &mut ChanceCurve::default())?,
                _ => EncoderBaselines::default(),
            });
        }
        Ok(Baselines { thresholds: thresholds.to_vec(), of, curve })
    }

    /// Returns the image encoders, row and name, and the name of the one that decides collapse; `without`: none is needed,
    /// because there are metrics, or regions are what is asked about.
    fn encoders_and_identity(&self, wanted: Option<&str>, without: bool) -> Result<(Vec<(i64, EncoderName)>, String)> {
        let encoders = self.catalog.image_encoders()?;
        if encoders.is_empty() && without {
            return Ok((encoders, String::new()));
        }
        if encoders.is_empty() && self.catalog.image_count()? == 0 {
            return Err(Error::request(
                "the data set is empty, so there is nothing to report",
                "fill it with `msdata ingest --subjects FILE --prompts FILE --generations FILE`",
            ));
        }
        let names: Vec<&str> = encoders.iter().map(|(_, name)| name.as_str()).collect();
        let identity = identity_encoder(&names, wanted).map_err(|e| self.with_unfinished(e))?.to_owned();
        Ok((encoders, identity))
    }

    /// Says with an error what runs have left undone: where there is nothing to report, that is why.
    fn with_unfinished(&self, e: Error) -> Error {
        match (e, self.catalog.unfinished_runs()) {
            (Error::Request { mut message, hint }, Ok(unfinished)) => {
                unfinished.iter().for_each(|run| message += &format!("\n{}", run.in_words()));
                Error::Request { message, hint }
            }
            (e, _) => e,
        }
    }
}
