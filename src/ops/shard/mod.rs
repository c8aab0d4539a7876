//! Embedding on many machines: a plan cuts manifests into shards, each shard is embedded by itself, and the finished
//! shards become a data set. The result is that of one machine.
//!
//! | module | noun |
//! |---|---|
//! | `plan` | [`PlanOptions`], `ShardPlan`: which images belong to which shard, and what all shards must agree on |
//! | `listed` | the images that manifests name |
//! | `tasks` | `Task`: an image to embed, with its key |
//! | `columns` | the columns of tasks and of shards |
//! | `output` | a shard that was embedded, as a file |
//! | `check` | what is wrong with the shards of a plan |
//! | `run` | embeds one shard |
//! | `ahead` | reads shards before they are merged |
//! | `merge` | puts finished shards into a data set |
//! | `score` | scores finished shards without one |

mod ahead;
mod check;
mod columns;
mod listed;
mod merge;
mod output;
mod plan;
mod run;
mod score;
mod tasks;

pub use merge::MergeSummary;
pub use plan::{PlanOptions, PlanSummary, plan};
pub use run::{ShardOptions, ShardSummary, run_shard};
pub use score::{ShardScores, score_shards};

use std::path::{Path, PathBuf};

/// The plan's file in its directory.
const PLAN: &str = "plan.json";

fn tasks_path(dir: &Path, shard: usize) -> PathBuf {
    dir.join(format!("tasks-{shard:05}.parquet"))
}

fn shard_path(dir: &Path, shard: usize) -> PathBuf {
    dir.join(format!("shard-{shard:05}.parquet"))
}
