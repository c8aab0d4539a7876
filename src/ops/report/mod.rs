//! Turns scores into tables, figures and the page.

mod baseline;
pub(crate) mod figures;
mod histograms;
mod local;
mod page;
mod regions;
pub(crate) mod snapshot;
mod tables;
mod verdict;

use crate::catalog::ScoredGeneration;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::ops::score;
use crate::report::{Key, Report, ReportOptions, Snapshot, Tallied, Tally, build, tallied};
use snapshot::{Reading, TOO_MANY_PAIRS};

pub use tables::report_of_tables;

impl Dataset {
    /// Returns the tables of similarity and collapse.
    ///
    /// # Errors
    /// There are no vectors yet, or nothing says which encoder decides collapse.
    pub fn report(&self, options: &ReportOptions) -> Result<Report> {
        let (identity, reading) = (options.identity.as_deref(), Reading::of(options));
        let mut snapshot = self.facts(identity, &reading)?;
        // What a run was to make and did not is expected, and missing.
        let unmade = self.catalog.unmade()?;
        if self.can_be_tallied(&snapshot, options)? {
            snapshot.unfound = Some(TOO_MANY_PAIRS.into());
        } else {
            snapshot = self.with_generations(snapshot, unmade.clone(), identity, &reading)?;
        }
        snapshot.select(&options.models)?;
        let tallies = self.tallies(&snapshot, &[tallied(&snapshot, options, true)])?;
        let mut tally = tallies.into_iter().next().ok_or_else(|| Error::Damaged("a report without its tally".into()))?;
        unmade.iter().for_each(|generation| tally.expect(generation, 1));
        let mut report = build(&snapshot, options, tally);
        if report.generations_missing > 0
            && let Some(row) = self.catalog.encoders()?.iter().find(|row| row.name.as_str() == report.identity)
        {
            // If the keys leave controls out, they are not among the missing either.
            report.generations_waiting = score::waiting(&self.catalog, row)?.min(report.generations_missing);
        }
        Ok(report)
    }

    /// Reads the generations once, and keeps counts and sums: for each of some reports those that it needs.
    fn tallies<'s>(&self, snapshot: &'s Snapshot, wanted: &[Tallied<'s>]) -> Result<Vec<Tally<'s>>> {
        let encoders: Vec<i64> = snapshot.encoders.iter().map(|(row, _)| *row).collect();
        let identity = snapshot.encoder_place(&snapshot.identity);
        let of_pairs = wanted.iter().any(|tallied| Key::are_of_subjects(tallied.by));
        let start = || wanted.iter().map(|tallied| Tally::new(snapshot, *tallied)).collect::<Vec<_>>();
        let add =
            |tallies: &mut Vec<Tally<'s>>, scored: &ScoredGeneration<'_>| tallies.iter_mut().for_each(|tally| tally.add(scored));
        let merge = |one: Vec<Tally<'s>>, other: Vec<Tally<'s>>| one.into_iter().zip(other).map(|(a, b)| a.merge(b)).collect();
        let tallies = self.catalog.each_scored(&encoders, identity.filter(|_| !of_pairs), start, add)?;
        let mut tallies = tallies.into_iter().reduce(merge).unwrap_or_else(start);
        tallies.iter_mut().for_each(Tally::shrink_to_fit);
        Ok(tallies)
    }
}
