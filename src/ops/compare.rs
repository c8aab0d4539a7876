//! Compares two models on the same prompts and seeds, and ranks all models.

use crate::dataset::Dataset;
use crate::error::Result;
use crate::ops::report::snapshot::Reading;
use crate::report::{CompareOptions, Comparisons, Leaderboard, Snapshot};
use crate::vocabulary::ModelName;

impl Dataset {
    /// Compares two models on the same prompts and seeds; without names, every pair of models under test.
    ///
    /// # Errors
    /// There is no such model or measure, or nothing says which encoder decides collapse.
    pub fn compare(&self, models: Option<[&ModelName; 2]>, options: &CompareOptions) -> Result<Comparisons> {
        crate::report::compare(&self.snapshot_to_compare(options)?, models, options)
    }

    /// Ranks the models under test, best first, and groups those that cannot be told apart.
    ///
    /// # Errors
    /// Same as [`Dataset::compare`].
    pub fn leaderboard(&self, options: &CompareOptions) -> Result<Leaderboard> {
        crate::report::leaderboard(&self.snapshot_to_compare(options)?, options)
    }

    fn snapshot_to_compare(&self, options: &CompareOptions) -> Result<Snapshot> {
        self.snapshot(options.identity.as_deref(), &Reading::comparison(options))
    }
}
