//! Removes rows, with everything that was derived from them.

use super::{Dataset, Removed, commit};
use crate::error::Result;
use crate::vocabulary::{MetricName, ModelName, PromptId, RegionSetName, SubjectId};

/// What to remove with [`Dataset::remove`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// Every generation of a model.
    Model(ModelName),
    /// A prompt and its generations.
    Prompt(PromptId),
    /// One generation.
    Generation(ModelName, PromptId, i64),
    /// A subject that no prompt names.
    Subject(SubjectId),
    /// A region set.
    RegionSet(RegionSetName),
    /// A metric with all its values.
    Metric(MetricName),
}

impl Dataset {
    /// Removes rows, with their scores and vectors, and nothing else. Image files are not touched.
    ///
    /// # Errors
    /// The row does not exist, or something else needs it.
    pub fn remove(&mut self, what: &Removal) -> Result<Removed> {
        let changes = self.catalog.begin()?;
        let removed = match what {
            Removal::Model(model) => changes.remove_model(model)?,
            Removal::Prompt(prompt) => changes.remove_prompt(prompt)?,
            Removal::Generation(model, prompt, seed) => changes.remove_generation(model, prompt, *seed)?,
            Removal::Subject(subject) => changes.remove_subject(subject)?,
            Removal::RegionSet(name) => changes.remove_region_set(name)?,
            Removal::Metric(name) => changes.remove_metric(name)?,
        };
        commit(changes, &self.store)?;
        Ok(removed)
    }
}
