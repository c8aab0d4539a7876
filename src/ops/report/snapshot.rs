//! What reports, comparisons, figures and the page are made from: read once.

use super::baseline::baselines;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::report::{Baselines, Decider, Key, RegionChoice, ReportOptions, Snapshot, identity_encoder};
use crate::vocabulary::EncoderName;
use std::collections::HashMap;

/// What to read besides what every report needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    /// Subject scores of all encoders, not only of the one that decides collapse: there are many.
    all_subject_scores: bool,
    /// Baselines, with chance SCR at these thresholds.
    baselines: Option<Vec<f64>>,
    /// Region sets, τ if it is given, and whether they are compared with decoys.
    regions: (Vec<RegionChoice>, Option<f64>, bool),
}

impl Reading {
    /// Returns what a report needs.
    pub(crate) fn of(options: &ReportOptions) -> Reading {
        Reading {
            all_subject_scores: options.controls || Reading::keys(&options.by).all_subject_scores,
            baselines: options.controls.then(|| options.thresholds.values().to_vec()),
            regions: (options.regions.clone(), options.tau, options.controls),
        }
    }

    /// Returns what cells by these keys need.
    pub(crate) fn keys(by: &[Key]) -> Reading {
        Reading { all_subject_scores: by.iter().any(|key| key.is_of_subjects()), ..Reading::default() }
    }
}

impl Dataset {
    /// Returns everything that is scored, as of this moment.
    ///
    /// # Errors
    /// There are no vectors yet, or nothing says which encoder decides collapse.
    pub(crate) fn snapshot(&self, identity: Option<&str>, reading: &Reading) -> Result<Snapshot> {
        let deciders = self.deciders(identity)?;
        let wanted = match &deciders {
            // An encoder whose windows decide is the one for whole images too.
            Some(deciders) => deciders.iter().find_map(|(_, decider)| match decider {
                Decider::Windows(encoder) => Some(encoder.as_str()),
                Decider::Regions(_) => None,
            }),
            None => identity,
        };
        let (encoders, identity) = self.encoders_and_identity(wanted, deciders.is_some() || !reading.regions.0.is_empty())?;
        let mut subject_scores = Vec::new();
        for (id, _) in encoders.iter().filter(|(_, name)| reading.all_subject_scores || *name == *identity) {
            subject_scores.extend(self.catalog.subject_scores(*id)?);
        }
        let baselines = match &reading.baselines {
            Some(thresholds) => Some(self.baselines(&encoders, &identity, thresholds)?),
            None => None,
        };
        let mut snapshot = Snapshot {
            models: self.catalog.models()?,
            subjects: self.catalog.subjects()?,
            prompts: self.catalog.prompts()?,
            generations: self.catalog.generations()?,
            image_scores: self.catalog.image_scores()?,
            subject_scores,
            encoders,
            identity,
            cut_prompts: self.catalog.cut_prompts()?,
            composites: self.catalog.current_composites()?,
            blank: self.catalog.blank_generations()?,
            baselines,
            local: None,
            regions: Vec::new(),
        };
        snapshot.local = match &deciders {
            Some(deciders) => self.local_by(deciders, &snapshot)?,
            None => self.local_by_identity(&snapshot)?,
        };
        let (choices, tau, decoys) = &reading.regions;
        for choice in choices {
            snapshot.regions.push(self.region_snapshot(choice, *tau, *decoys, &snapshot)?);
        }
        Ok(snapshot)
    }

    fn baselines(&self, encoders: &[(i64, EncoderName)], identity: &str, thresholds: &[f64]) -> Result<Baselines> {
        let rows = self.catalog.encoders()?;
        let mut of = Vec::with_capacity(encoders.len());
        for (id, name) in encoders {
            let thresholds = if *name == *identity { thresholds } else { &[] };
            of.push(match rows.iter().find(|row| row.id == *id) {
                Some(row) => baselines(&self.catalog, &self.store, row, thresholds)?,
                None => HashMap::new(),
            });
        }
        Ok(Baselines { thresholds: thresholds.to_vec(), of })
    }

    /// Returns the image encoders, row and name, and the name of the one that decides collapse; none is needed where regions
    /// are what is asked about.
    fn encoders_and_identity(&self, wanted: Option<&str>, of_regions: bool) -> Result<(Vec<(i64, EncoderName)>, String)> {
        let encoders = self.catalog.image_encoders()?;
        if encoders.is_empty() && of_regions {
            return Ok((encoders, String::new()));
        }
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
}
