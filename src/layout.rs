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
