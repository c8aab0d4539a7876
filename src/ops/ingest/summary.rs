//! What an ingest did.

use crate::catalog::{Change, Tally};
use crate::ops::embed::EmbedSummary;
use crate::ops::ingest::metrics::MetricCounts;
use crate::ops::ingest::regions::RegionCounts;

/// What happened to the rows of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows that are new.
    pub added: u64,
    /// Rows that were already there, unchanged.
    pub unchanged: u64,
    /// Rows that were already there, with the same bytes at another path.
    pub moved: u64,
    /// Rows that were already there and were replaced by other content.
    pub replaced: u64,
}

impl Counts {
    pub(crate) fn count(&mut self, change: Change) {
        match change {
            Change::Added => self.added += 1,
            Change::Unchanged => self.unchanged += 1,
            Change::Moved => self.moved += 1,
            Change::Replaced => self.replaced += 1,
        }
    }
}

/// What an ingest did, or with `dry_run` would have done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngestSummary {
    /// Rows of subjects manifests.
    pub subjects: Counts,
    /// What was taken in that its files do not say by their rows, each as a sentence.
    pub taken: Vec<String>,
    /// Prompts without a scene type that were given one.
    pub scenes_given: u64,
    /// Rows of prompts manifests.
    pub prompts: Counts,
    /// Rows of generations manifests.
    pub generations: Counts,
    /// Rows of region files.
    pub regions: RegionCounts,
    /// Rows of embeddings files.
    pub vectors: Counts,
    /// Rows of score files.
    pub metrics: MetricCounts,
    /// Image files read (new, changed, moved, failed before), and those found to be gone.
    pub images_read: u64,
    /// All image files of the data set by state.
    pub images: Tally,
    /// The first images that cannot be used, each with its reason.
    pub unusable: Vec<String>,
    /// What was embedded.
    pub embedded: EmbedSummary,
    /// Encoders that cannot score yet, each as a sentence.
    pub waiting: Vec<String>,
    /// Number of (generation, encoder) pairs scored.
    pub scored: u64,
}
