//! Removes rows, with everything that was derived from them.

use super::{Dataset, Lock, Removed, catalog_of, commit};
use crate::catalog::{Catalog, Changes};
use crate::error::Result;
use crate::vocabulary::{MetricName, ModelName, PromptId, RegionSetName, SubjectId};
use std::path::{Path, PathBuf};

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

/// What a removal would take away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovalPreview {
    /// What it would report.
    pub removed: Removed,
    /// The tables of the catalog that would lose rows, by name, and how many each.
    pub tables: Vec<(String, u64)>,
    /// The files of vectors that nothing would need any more.
    pub files: Vec<PartFile>,
}

/// A file of vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFile {
    /// Its path, relative to the data set.
    pub path: PathBuf,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

impl Removal {
    fn take_out(&self, changes: &Changes<'_>) -> Result<Removed> {
        match self {
            Removal::Model(model) => changes.remove_model(model),
            Removal::Prompt(prompt) => changes.remove_prompt(prompt),
            Removal::Generation(model, prompt, seed) => changes.remove_generation(model, prompt, *seed),
            Removal::Subject(subject) => changes.remove_subject(subject),
            Removal::RegionSet(name) => changes.remove_region_set(name),
            Removal::Metric(name) => changes.remove_metric(name),
        }
    }
}

impl Dataset {
    /// Removes rows, with their scores and vectors, and nothing else. Image files are not touched.
    ///
    /// # Errors
    /// The row does not exist, or something else needs it.
    pub fn remove(&mut self, what: &Removal) -> Result<Removed> {
        let changes = self.catalog.begin()?;
        let removed = what.take_out(&changes)?;
        commit(changes, &self.store)?;
        Ok(removed)
    }

    /// Returns what [`Dataset::remove`] would take out of the data set in `dir`, which stays as it is.
    ///
    /// # Errors
    /// Same as [`Dataset::remove`]; another process is writing.
    pub fn preview_removal(dir: &Path, what: &Removal) -> Result<RemovalPreview> {
        let path = catalog_of(dir)?;
        let lock = Lock::take(dir)?;
        let mut data = Dataset::opened(dir, Catalog::open_to_try(&path)?, None, Some(lock))?;
        let (parts, windows) = (data.catalog.parts()?, data.catalog.window_parts()?);
        let changes = data.catalog.begin()?;
        let before = changes.row_counts()?;
        let removed = what.take_out(&changes)?;
        let unused = changes.drop_unused_parts()?;
        let after = changes.row_counts()?;
        drop(changes); // not committed, so taken back
        let lost = |(table, rows): (String, u64)| {
            let left = after.get(&table).copied().unwrap_or(0);
            (left < rows).then(|| (table, rows - left))
        };
        let file = |path: PathBuf, rows, bytes| PartFile {
            path: path.strip_prefix(&data.dir).map_or_else(|_| path.clone(), Path::to_path_buf),
            rows,
            bytes,
        };
        let vectors = parts.iter().filter(|part| unused.vectors.contains(&part.id));
        let vectors = vectors.map(|part| file(data.store.vectors().path(part.id), part.rows, part.bytes));
        let windows = windows.iter().filter(|part| unused.windows.contains(&part.id));
        let windows = windows.map(|part| file(data.store.windows().path(part.id), part.rows, part.bytes));
        let files = vectors.chain(windows).collect();
        Ok(RemovalPreview { removed, tables: before.into_iter().filter_map(lost).collect(), files })
    }
}
