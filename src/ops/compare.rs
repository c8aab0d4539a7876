//! Compares two models on the same prompts and seeds, and ranks all models.

use crate::dataset::Dataset;
use crate::error::Result;
use crate::ops::report::snapshot::Reading;
use crate::report::{CompareOptions, Compared, Comparisons, Leaderboard, Snapshot};

impl Dataset {
    /// Compares models on the same prompts and seeds.
    ///
    /// # Errors
    /// There is no such model or measure, or nothing says which encoder decides collapse.
    pub fn compare<'a>(&self, models: impl Into<Compared<'a>>, options: &CompareOptions) -> Result<Comparisons> {
        let models = models.into();
        crate::report::compare(&self.snapshot_to_compare(options, models)?, models, options)
    }

    /// Ranks the models under test, best first, and groups those that cannot be told apart.
    ///
    /// # Errors
    /// Same as [`Dataset::compare`].
    pub fn leaderboard(&self, options: &CompareOptions) -> Result<Leaderboard> {
        crate::report::leaderboard(&self.snapshot_to_compare(options, Compared::EveryPair)?, options)
    }

    fn snapshot_to_compare(&self, options: &CompareOptions, models: Compared<'_>) -> Result<Snapshot> {
        let mut snapshot = self.snapshot(options.identity.as_deref(), &Reading::comparison(options, models))?;
        snapshot.select(&options.models)?;
        Ok(snapshot)
    }
}
