//! The use cases of a data set: one file or folder each, as methods of [`Dataset`](crate::Dataset).
//!
//! A use case may use those above it in this table, but none below:
//!
//! | module | does | noun |
//! |---|---|---|
//! | `scan` | looks at image files on all cores | |
//! | `region_score` | compares regions with references: who is where | |
//! | `score` | scores what is embedded, block by block | |
//! | `embed` | turns pixels, texts and windows into vectors | [`EmbedOptions`], [`EmbedSummary`] |
//! | `worker` | embeds images without a data set | [`Worker`], [`WorkerOptions`] |
//! | `ingest` | puts manifests and embeddings files into the catalog, all or nothing | [`IngestOptions`], [`IngestSummary`] |
//! | `export` | writes the Parquet tables | |
//! | `shard` | embeds in shards, on many machines, merges and scores them | [`PlanOptions`], [`ShardOptions`], [`MergeSummary`] |
//! | `ceiling` | pastes references together, as control models | [`ControlsSummary`] |
//! | `pool_check` | finds what is wrong with the references | [`PoolCheck`] |
//! | `stress_test` | makes prompts from subjects; checks prompts | [`StressTestOptions`], [`StressTestSummary`], [`StressTestCheck`] |
//! | `generate` | writes the stress test for a generator; runs it for the missing images | [`RunOptions`], [`RunSummary`] |
//! | `report` | turns scores into tables, figures and the page | [`FigureOptions`] |
//! | `instrument` | tries an encoder on the pool's own references | [`InstrumentCheck`] |
//! | `compare` | compares two models, or ranks all of them | |
//! | `audit` | finds images to look at before you believe a table | [`Audit`] |
//! | `standing` | says where a data set stands | [`Standing`] |
//! | `verify` | checks every row, file and checksum; repairs | [`Verification`], [`RepairOptions`] |
//! | `digest` | computes one hash of all results | [`Digest`] |
//! | `publish` | writes the data set for others: tables, images, card, metadata | [`PublishOptions`], [`PublishSummary`] |
//! | `relocate` | follows images that were moved | [`Relocation`] |
//! | `backup` | writes the data set as one file | [`BackedUp`] |
//! | `gc` | finds files that nobody needs | [`Garbage`] |

mod audit;
mod backup;
mod ceiling;
mod compare;
mod digest;
mod embed;
mod export;
mod gc;
mod generate;
mod ingest;
mod instrument;
mod pool_check;
mod publish;
mod region_score;
mod relocate;
mod report;
mod scan;
mod score;
mod shard;
mod standing;
mod stress_test;
mod verify;
mod worker;

pub use audit::{Audit, AuditOptions, Flag, FlagKind, ImageKey};
pub use backup::BackedUp;
pub use ceiling::ControlsSummary;
pub use digest::{Digest, TableDigest};
pub use embed::pipeline::Embedded;
pub use embed::regions::EmbeddedRegions;
pub use embed::windows::{Searched, WindowChoice};
pub use embed::{EmbedOptions, EmbedSummary};
pub use gc::{Garbage, GarbageKind};
pub use generate::{GeneratorCommand, RunOptions, RunSummary};
pub use ingest::metrics::{MetricCounts, ScoreOptions};
pub use ingest::regions::{RegionCounts, RegionOptions};
pub use ingest::summary::{Counts, IngestSummary};
pub use ingest::{IngestOptions, OutputOptions, SourceFormat};
pub use instrument::{InstrumentCheck, SidesFrom, TOLD_APART};
pub use pool_check::PoolCheck;
pub use publish::{ImagePlace, PublishOptions, PublishSummary};
pub use relocate::Relocation;
pub use report::figures::FigureOptions;
pub use report::report_of_tables;
pub use shard::{
    MergeSummary, PlanOptions, PlanSummary, ShardOptions, ShardScores, ShardSummary, plan as plan_shards, run_shard, score_shards,
};
pub use standing::{EncoderStanding, RegionSetStanding, Standing};
pub use stress_test::{StressTestCheck, StressTestOptions, StressTestSummary};
pub use verify::repair::RepairOptions;
pub use verify::{Depth, Verification};
pub use worker::{ImageSource, Served, Worker, WorkerEncoder, WorkerImage, WorkerOptions, WorkerTask};
