//! Turns scores into tables, figures and the page.

mod baseline;
pub(crate) mod figures;
mod local;
mod page;
mod regions;
pub(crate) mod snapshot;
mod tables;
mod verdict;

use crate::catalog::GenerationRow;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::ops::score;
use crate::report::{Report, ReportOptions, Snapshot, Tallied, Tally, build, build_tallied};
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
        let mut report = if self.can_be_tallied(&snapshot, options)? {
            snapshot.unfound = Some(TOO_MANY_PAIRS.into());
            snapshot.select(&options.models)?;
            self.tallied(&snapshot, options, &unmade)?
        } else {
            snapshot = self.with_generations(snapshot, unmade, identity, &reading)?;
            snapshot.select(&options.models)?;
            build(&snapshot, options)
        };
        if report.generations_missing > 0
            && let Some(row) = self.catalog.encoders()?.iter().find(|row| row.name.as_str() == report.identity)
        {
            // If the keys leave controls out, they are not among the missing either.
            report.generations_waiting = score::waiting(&self.catalog, row)?.min(report.generations_missing);
        }
        Ok(report)
    }

    /// Reads the generations once and keeps counts and sums.
    fn tallied(&self, snapshot: &Snapshot, options: &ReportOptions, unmade: &[GenerationRow]) -> Result<Report> {
        let encoders: Vec<i64> = snapshot.encoders.iter().map(|(row, _)| *row).collect();
        let identity = snapshot.encoder_place(&snapshot.identity);
        let of_pairs = options.by.iter().any(|key| key.is_of_subjects());
        let start = || Tally::new(snapshot, Tallied::of(options, options.confidence.is_some()));
        let tallies = self.catalog.each_scored(&encoders, identity.filter(|_| !of_pairs), start, Tally::add)?;
        let mut tally = tallies.into_iter().reduce(Tally::merge).unwrap_or_else(start);
        unmade.iter().for_each(|generation| tally.expect(generation, 1));
        Ok(build_tallied(snapshot, options, tally))
    }
}
