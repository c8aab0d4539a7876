//! The names of all files and folders of a data set, in its directory.

/// The SQLite catalog.
pub const CATALOG: &str = "catalog.sqlite";
/// A catalog on its way; it has no data in it.
pub const CATALOG_TEMPORARY: &str = "catalog.sqlite.tmp";
/// What a `msdata init` that was killed leaves: that catalog, and what SQLite keeps beside it.
pub const TORN: [&str; 4] = [CATALOG_TEMPORARY, "catalog.sqlite.tmp-wal", "catalog.sqlite.tmp-shm", "catalog.sqlite.tmp-journal"];
/// Vectors, in Parquet parts.
pub const EMBEDDINGS: &str = "embeddings";
/// Held by whoever writes; empty. Hidden, because it is not part of the data.
pub const LOCK: &str = ".lock";
/// Composites and crops of references.
pub const CONTROLS: &str = "controls";
/// Images cut out of grids.
pub const TILES: &str = "tiles";
/// Images that `msdata run` had made, by model.
pub const GENERATED: &str = "generated";
/// What generators printed, by model.
pub const LOGS: &str = "logs";
/// What the author says about the data set for those that it is published for.
pub const CARD: &str = "card.toml";

/// In a published data set: its tables.
pub const PUBLISHED_TABLES: &str = "data";
/// In a published data set: what it says besides its tables.
pub const PUBLISHED_FACTS: &str = "msdata.json";
/// In a published data set, and in the names of its images: generated images, by model and prompt.
pub const PUBLISHED_IMAGES: &str = "images";
/// In a published data set, and in the names of its images: reference images, by subject.
pub const PUBLISHED_REFERENCES: &str = "references";
/// Among the tables of a published data set: vectors of the references that region sets use whole, by encoder.
pub const PUBLISHED_WHOLE: &str = "region_references";
