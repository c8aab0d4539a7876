//! Scores into tables.

mod baseline;
pub(crate) mod figures;
mod page;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::ops::score;
use crate::report::{LocalSnapshot, Report, ReportOptions, Snapshot, identity_encoder};
use std::collections::{BTreeSet, HashMap};

impl Dataset {
    /// The tables of the contract.
    ///
    /// # Errors
    /// There are no vectors yet, or nothing says which encoder decides collapse.
    pub fn report(&self, options: &ReportOptions) -> Result<Report> {
        let (encoders, identity) = self.encoders_and_identity(options.identity.as_deref())?;
        // Subject scores are many: those of the identity encoder give SCR; all only for cells over subjects, and
        // for the ceiling.
        let all = options.controls || options.by.iter().any(|key| key.is_of_subjects());
        let mut snapshot = self.snapshot(encoders, |name| all || name == identity)?;
        snapshot.local = self.local_snapshot(&snapshot, &identity)?;
        if options.controls {
            let rows = self.catalog.encoders()?;
            let mut controls = Vec::with_capacity(snapshot.encoders.len());
            for (id, name) in &snapshot.encoders {
                let thresholds = if *name == identity { options.thresholds.values() } else { &[] };
                controls.push(match rows.iter().find(|row| row.id == *id) {
                    Some(row) => baseline::controls(&self.catalog, &self.store, row, thresholds)?,
                    None => HashMap::new(),
                });
            }
            snapshot.controls = Some(controls);
        }
        let mut report = crate::report::build(&snapshot, options)?;
        if report.generations_missing > 0
            && let Some(row) = self.catalog.encoders()?.iter().find(|row| row.name.as_str() == identity)
        {
            // Where the keys leave controls out, they are not among the missing either.
            report.generations_waiting = score::waiting(&self.catalog, row)?.min(report.generations_missing);
        }
        Ok(report)
    }

    /// The image encoders, row and name, and the name of the one that decides collapse.
    pub(crate) fn encoders_and_identity(&self, wanted: Option<&str>) -> Result<(Vec<(i64, String)>, String)> {
        let encoders = self.catalog.image_encoders()?;
        if encoders.is_empty() && self.catalog.image_count()? == 0 {
            return Err(Error::request(
                "the data set is empty, so there is nothing to report",
                "fill it with `msdata ingest --subjects FILE --prompts FILE --generations FILE`",
            ));
        }
        let names: Vec<&str> = encoders.iter().map(|(_, name)| name.as_str()).collect();
        let identity = identity_encoder(&names, wanted)?.to_owned();
        Ok((encoders, identity))
    }

    /// What reports are made from, with the subject scores of these encoders.
    pub(crate) fn snapshot(&self, encoders: Vec<(i64, String)>, wanted: impl Fn(&str) -> bool) -> Result<Snapshot> {
        let mut subject_scores = Vec::new();
        for (id, _) in encoders.iter().filter(|(_, name)| wanted(name)) {
            subject_scores.extend(self.catalog.subject_scores(*id)?);
        }
        Ok(Snapshot {
            models: self.catalog.models()?,
            subjects: self.catalog.subjects()?,
            prompts: self.catalog.prompts()?,
            generations: self.catalog.generations()?,
            image_scores: self.catalog.image_scores()?,
            subject_scores,
            encoders,
            cut_prompts: self.catalog.cut_prompts()?,
            composites: self.catalog.current_composites()?,
            blank: self.catalog.blank_generations()?,
            controls: None,
            local: None,
        })
    }

    /// What the windows of an encoder say; `None` where it looked through nothing.
    pub(crate) fn local_snapshot(&self, snapshot: &Snapshot, identity: &str) -> Result<Option<LocalSnapshot>> {
        let Some((encoder, _)) = snapshot.encoders.iter().find(|(_, name)| name == identity) else { return Ok(None) };
        let Some(pattern) = self.catalog.window_pattern(*encoder)? else { return Ok(None) };
        let place: HashMap<i64, usize> = snapshot.subjects.iter().enumerate().map(|(at, subject)| (subject.id, at)).collect();
        let mut by_generation: HashMap<i64, Vec<(usize, f32)>> = HashMap::new();
        let mut subjects = BTreeSet::new();
        self.catalog.each_local_score(*encoder, |generation, score| {
            let subject = place[&score.subject];
            subjects.insert(subject);
            by_generation.entry(generation).or_default().push((subject, score.local as f32));
        })?;
        let pool: Vec<usize> = subjects.into_iter().collect();
        let in_pool: HashMap<usize, usize> = pool.iter().enumerate().map(|(at, subject)| (*subject, at)).collect();
        let mut local = LocalSnapshot {
            pattern,
            rows: HashMap::with_capacity(by_generation.len()),
            similarities: Vec::with_capacity(by_generation.len() * pool.len()),
            found: Vec::new(),
            text_only: self.catalog.text_only_models()?,
            pool,
        };
        for generation in &snapshot.generations {
            // Every generation has all of the pool, or is not there.
            let Some(mut scores) = by_generation.remove(&generation.id) else { continue };
            scores.sort_unstable_by_key(|(subject, _)| *subject);
            local.rows.insert(generation.id, local.similarities.len());
            local.similarities.extend(scores.iter().map(|(_, value)| *value));
        }
        let found = self.catalog.found_places(*encoder)?;
        local.found = found.iter().map(|(generation, at)| (*generation, in_pool[&place[&at.subject]], at.local as f32)).collect();
        Ok((!local.rows.is_empty()).then_some(local))
    }
}
