//! Reads shards ahead of their merge, on a thread of its own: while one batch goes into the catalog, the next is decoded.

use super::check::Places;
use super::output::{ShardFile, ShardRows};
use super::plan::ShardPlan;
use super::shard_path;
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::mpsc::SyncSender;

/// What comes of reading shards in order.
pub(super) enum Ahead {
    /// Rows of a shard, each with what the plan knows of its file.
    Rows(ShardRows),
    /// The end of a shard.
    End,
}

/// Reads every shard of a plan, until nobody listens.
pub(super) fn read(plan: &ShardPlan, dir: &Path, give: &SyncSender<Result<Ahead>>) {
    for shard in 0..plan.shards.len() {
        if let Err(e) = read_one(plan, dir, shard, give) {
            let _ = give.send(Err(e)); // whoever does not listen has failed already
            return;
        }
    }
}

fn read_one(plan: &ShardPlan, dir: &Path, shard: usize, give: &SyncSender<Result<Ahead>>) -> Result<()> {
    let tasks = plan.tasks(dir, shard)?;
    let path = shard_path(dir, shard);
    let damaged = |reason: String| Error::Parquet { path: path.clone(), reason };
    let mut file = ShardFile::open(&path).map_err(damaged)?;
    let mut places = Places::of(&tasks);
    while let Some(mut rows) = file.next().map_err(damaged)? {
        for (key, found) in rows.keys.iter().zip(&mut rows.found) {
            let Some((task, _)) = places.next(key) else {
                return Err(damaged(format!("{key} does not belong to this shard")));
            };
            found.file = task.file;
        }
        if give.send(Ok(Ahead::Rows(rows))).is_err() {
            return Ok(());
        }
    }
    let _ = give.send(Ok(Ahead::End));
    Ok(())
}
