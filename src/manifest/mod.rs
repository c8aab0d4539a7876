//! Manifests: a user's lists of subjects, prompts and generations, and what metrics say of these. Reads JSON Lines,
//! JSON arrays and CSV (plain, gzip, zstd), Parquet and the files of generators into rows, each with the place it came
//! from, and knows nothing of the catalog.
//!
//! | module | noun |
//! |---|---|
//! | [`row`] | [`Subject`], [`Prompt`], [`Generation`]: one row of each manifest |
//! | `fields` | a row's named fields before they mean anything |
//! | `records` | lines of JSON, elements of an array: decompression, limits |
//! | `csv_records` | records of CSV |
//! | `file` | a manifest file |
//! | `header` | the header of a CSV |
//! | `columns` | the names that columns have in files, where these are not ours |
//! | `scores` | [`Scores`]: what metrics say of a generation |
//! | `parquet_rows` | rows of Parquet, as fields |
//! | `paths` | an image path as written, and the file it names |
//! | `near_path` | a file that a missing path may mean |
//! | `folder` | a directory of images as subjects |
//! | `lines` | rows as this program writes them |
//! | `published` | what a published data set says besides its tables |
//! | `regions` | region files: what a detector says is where |
//! | `repository` | the repository of the paper's authors |

mod columns;
mod csv_records;
mod fields;
mod file;
mod folder;
mod header;
mod lines;
mod near_path;
mod parquet_rows;
mod paths;
mod published;
mod records;
mod regions;
mod repository;
pub mod row;
mod scores;

pub use columns::{ColumnName, Renaming};
pub(crate) use fields::{MOST_EXACT, integer_of, is_integer};
pub use file::{Manifest, ManifestSettings, RowKind};
pub use folder::ImageFolder;
pub use lines::{GenerationLine, PromptLine, json_lines};
pub(crate) use paths::unexpanded;
pub use paths::{ImagePath, Look, Resolver};
pub use published::{PublishedEncoder, PublishedFacts, PublishedRegionSet};
pub use regions::{Bounds, FoundRegion, ImageRegions, Mask, Outline, RegionFormat, RegionImage, read_region_rows, read_regions};
pub use repository::StressTestRepo;
pub use row::{Generation, PlacedGeneration, Prompt, Region, Subject};
pub use scores::{METADATA as METRICS_METADATA, Scores, header as metrics_header};

use crate::problem::{Origin, Problem};

/// A row with the place it came from.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// Where it was written.
    pub origin: Origin,
    /// What was written.
    pub row: T,
}

impl<T> Located<T> {
    pub(crate) fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem { origin: self.origin.clone(), reason: reason.into() }
    }
}
