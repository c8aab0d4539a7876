//! The checks that read all rows of a catalog. They are independent of each other, so each of the catalog's readers takes the
//! next that nobody has taken.

use super::readers::on_each;
use super::seal::{Seal, seal_of};
use super::soundness::{CONTRADICTIONS, CatalogFault, Contradiction, integrity_faults};
use super::{Catalog, catalog};
use crate::error::Result;
use rusqlite::Connection;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the rows of a catalog alone show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChecks {
    /// What SQLite's own check and the foreign keys find.
    pub integrity: Vec<CatalogFault>,
    /// Whether they are those that msdata wrote.
    pub seal: Seal,
    /// What SQLite cannot know to be wrong: every contradiction between tables.
    pub contradictions: Vec<CatalogFault>,
}

enum Check {
    Integrity,
    Seal,
    Contradiction(&'static Contradiction),
}

enum Outcome {
    Integrity(Vec<CatalogFault>),
    Seal(Seal),
    Contradiction(Option<CatalogFault>),
}

impl Check {
    fn run(&self, db: &Connection) -> Result<Outcome> {
        Ok(match self {
            Check::Integrity => Outcome::Integrity(integrity_faults(db)?),
            Check::Seal => Outcome::Seal(seal_of(db)?),
            Check::Contradiction(one) => Outcome::Contradiction(one.found(db)?),
        })
    }
}

impl Catalog {
    /// Checks all rows; `deep`: also what takes a look at every vector.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn row_checks(&self, deep: bool) -> Result<RowChecks> {
        // The longest first.
        let contradictions = CONTRADICTIONS.iter().filter(|check| deep || !check.deep).map(Check::Contradiction);
        let checks: Vec<Check> = [Check::Integrity, Check::Seal].into_iter().chain(contradictions).collect();
        let next = AtomicUsize::new(0);
        let run = |db: &Connection| -> Result<Vec<(usize, Outcome)>> {
            let mut outcomes = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(check) = checks.get(at) else { return Ok(outcomes) };
                outcomes.push((at, check.run(db)?));
            }
        };
        let (outcomes, others) = on_each(&self.db, self.others.take(), run);
        self.others.replace(others);
        let mut outcomes: Vec<(usize, Outcome)> =
            outcomes.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        outcomes.sort_unstable_by_key(|(at, _)| *at);
        let mut found = RowChecks { integrity: Vec::new(), seal: Seal::Open, contradictions: Vec::new() };
        for (_, outcome) in outcomes {
            match outcome {
                Outcome::Integrity(faults) => found.integrity = faults,
                Outcome::Seal(seal) => found.seal = seal,
                Outcome::Contradiction(fault) => found.contradictions.extend(fault),
            }
        }
        Ok(found)
    }

    /// Returns what SQLite's own check and the foreign keys find.
    ///
    /// # Errors
    /// The check itself cannot run.
    pub fn integrity_faults(&self) -> Result<Vec<CatalogFault>> {
        integrity_faults(&self.db)
    }
}

impl Contradiction {
    fn found(&self, db: &Connection) -> Result<Option<CatalogFault>> {
        let n: i64 = db.query_row(self.count, [], |r| r.get(0)).map_err(catalog("check the catalog"))?;
        let then = match &self.remedy {
            Ok(_) => "`msdata verify --repair` removes them, then `msdata embed` and `msdata score` make again what is needed",
            Err(then) => then,
        };
        Ok((n > 0).then(|| CatalogFault::new(format!("catalog.sqlite: {n} {}", self.what), then)))
    }
}
