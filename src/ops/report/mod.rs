//! Turns scores into tables, figures and the page.

mod baseline;
pub(crate) mod figures;
mod local;
mod page;
mod regions;
pub(crate) mod snapshot;
mod verdict;

use crate::dataset::Dataset;
use crate::error::Result;
use crate::ops::score;
use crate::report::{Report, ReportOptions};
use snapshot::Reading;

impl Dataset {
    /// Returns the tables of similarity and collapse.
    ///
    /// # Errors
    /// There are no vectors yet, or nothing says which encoder decides collapse.
    pub fn report(&self, options: &ReportOptions) -> Result<Report> {
        let mut snapshot = self.snapshot(options.identity.as_deref(), &Reading::of(options))?;
        // What a run was to make and did not is expected, and missing.
        snapshot.generations.append(&mut self.catalog.unmade()?);
        snapshot.generations.sort_unstable_by_key(|g| (g.model, g.prompt, g.seed));
        snapshot.select(&options.models)?;
        let mut report = crate::report::build(&snapshot, options)?;
        if report.generations_missing > 0
            && let Some(row) = self.catalog.encoders()?.iter().find(|row| row.name.as_str() == report.identity)
        {
            // If the keys leave controls out, they are not among the missing either.
            report.generations_waiting = score::waiting(&self.catalog, row)?.min(report.generations_missing);
        }
        Ok(report)
    }
}
