//! The plan of a directory of shards: which images belong to which, and what all shards must agree on.

use super::listed::Listed;
use super::tasks::{self, Task, checksum};
use super::{PLAN, tasks_path};
use crate::durable::{write_directory, write_whole};
use crate::encoder::Home;
use crate::error::{Error, Result};
use crate::image::{PIXEL_RULE, Transparency};
use crate::input::{self, MAX_JSON, Member};
use crate::manifest::{ColumnName, ManifestSettings, Renaming, RowKind};
use crate::ops::embed::described;
use crate::ops::ingest::rows::parts_of;
use crate::problem::{Origin, Problem};
use crate::text::quote;
use crate::vocabulary::SceneType;
use crate::watch::Watch;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The version of the plan's format.
const VERSION: u32 = 1;

/// Most shards of a plan: their names have five digits.
const MOST_SHARDS: usize = 100_000;

/// What to embed, and in how many shards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// Subjects manifests.
    pub subjects: Vec<PathBuf>,
    /// Prompts manifests.
    pub prompts: Vec<PathBuf>,
    /// Generations manifests. Any of these files may be a directory of parts.
    pub generations: Vec<PathBuf>,
    /// The scene type of prompts that have none; `None`: such prompts are refused.
    pub scene_type: Option<SceneType>,
    /// Columns that have other names in the files.
    pub columns: Vec<ColumnName>,
    /// The only trees that image paths may lie in; empty: any.
    pub roots: Vec<PathBuf>,
    /// The encoders: names or directories.
    pub encoders: Vec<String>,
    /// How to treat transparent pixels.
    pub transparency: Transparency,
    /// How many shards.
    pub shards: usize,
}

/// What was planned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanSummary {
    /// References to embed.
    pub references: u64,
    /// Generations to embed.
    pub generations: u64,
    /// Images among both whose file is not there.
    pub missing: u64,
}

/// The content of `plan.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardPlan {
    version: u32,
    pub(super) pixel_rule: u32,
    pub(super) transparency: String,
    pub(super) encoders: Vec<PlannedEncoder>,
    /// What a data set is to take in with the shards.
    pub(super) manifests: Vec<PlannedManifest>,
    pub(super) scene_type: Option<String>,
    pub(super) columns: Vec<String>,
    pub(super) roots: Vec<PathBuf>,
    pub(super) shards: Vec<PlannedShard>,
}

/// An encoder of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlannedEncoder {
    pub(super) name: String,
    pub(super) fingerprint: String,
    /// Its directory, if it was given as one.
    pub(super) directory: Option<PathBuf>,
}

/// A manifest of a plan, with the hash of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlannedManifest {
    pub(super) rows: String,
    pub(super) path: PathBuf,
    blake3: String,
}

/// A shard of a plan, with the hash of its tasks' file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlannedShard {
    pub(super) rows: u64,
    pub(super) tasks: String,
}

/// The kinds of manifests, by their names.
const KINDS: [(&str, RowKind); 3] =
    [("subjects", RowKind::Subjects), ("prompts", RowKind::Prompts), ("generations", RowKind::Generations)];

/// Cuts the images of manifests into shards, in the new directory `dir`. Shards are ranges of the keys in order, so that
/// the order of the manifests' rows does not matter, and neighbours stay together. In a shard, images are in the order in
/// which they lie in their files.
///
/// # Errors
/// [`Error::Manifest`] lists every bad row; there is no such encoder; or the directory is not empty or cannot be written.
/// Nothing is written then.
pub fn plan(options: &PlanOptions, dir: &Path, watch: &mut Watch<'_>) -> Result<PlanSummary> {
    check(options)?;
    let encoders = described(options.encoders.iter().map(String::as_str), options.transparency, &Home::from_env()?)?;
    let encoders = encoders.into_iter().map(|encoder| PlannedEncoder {
        name: encoder.name.to_string(),
        fingerprint: encoder.fingerprint,
        directory: encoder.location,
    });
    let roots = options.roots.iter().map(|root| root.canonicalize().map_err(Error::io("resolve", root)));
    let roots: Vec<PathBuf> = roots.collect::<Result<_>>()?;
    let renaming = Arc::new(Renaming::new(&options.columns, false)?);
    let reading = ManifestSettings {
        scene_type: options.scene_type,
        renaming: renaming.clone(),
        roots: (!roots.is_empty()).then(|| roots.clone()),
        home: None,
    };
    let (mut listed, mut manifests) = (Listed::default(), Vec::new());
    for ((rows, kind), files) in KINDS.into_iter().zip([&options.subjects, &options.prompts, &options.generations]) {
        for file in files {
            if rows == "subjects" && file.is_dir() && input::first_part(file, watch.stop())?.is_none() {
                return Err(Error::request(
                    format!("{} holds no manifest", file.display()),
                    "a plan takes subjects from manifests: write one for a folder of images",
                ));
            }
            let path = file.canonicalize().map_err(Error::io("read", file))?;
            listed.read(kind, &path, &reading, watch)?;
            let blake3 = hash_of(&path, watch)?;
            manifests.push(PlannedManifest { rows: rows.to_owned(), path, blake3 });
        }
    }
    watch.say_remarks();
    let unmet: Vec<Problem> =
        renaming.unmet().into_iter().map(|reason| Problem { origin: Origin::whole(Path::new("--columns")), reason }).collect();
    if !unmet.is_empty() {
        return Err(Error::Manifest(unmet));
    }
    let mut images = listed.finish()?;
    let references = images.references();
    let summary = PlanSummary { references, generations: images.len() as u64 - references, missing: images.missing() };
    let mut plan = ShardPlan {
        version: VERSION,
        pixel_rule: PIXEL_RULE,
        transparency: options.transparency.to_string(),
        encoders: encoders.collect(),
        manifests,
        scene_type: options.scene_type.map(|scene| scene.to_string()),
        columns: options.columns.iter().map(|column| format!("{}={}", column.name, column.written)).collect(),
        roots,
        shards: Vec::with_capacity(options.shards),
    };
    write_directory(dir, |dir| {
        let all = images.len();
        let bounds = |shard: usize| (all as u128 * shard as u128 / options.shards as u128) as usize;
        for (shard, range) in (0..options.shards).map(|shard| (shard, bounds(shard)..bounds(shard + 1))) {
            watch.check()?;
            let rows = range.len() as u64;
            let blake3 = tasks::write(&tasks_path(dir, shard), images.tasks(range, place))?;
            plan.shards.push(PlannedShard { rows, tasks: hex(&blake3) });
            watch.report("shards", shard as u64 + 1, Some(options.shards as u64));
        }
        let path = dir.join(PLAN);
        let json = serde_json::to_vec_pretty(&plan).map_err(|e| Error::io("write", &path)(e.into()))?;
        write_whole(&path, &json)
    })?;
    Ok(summary)
}

/// The place of an image: rows of a Parquet file by their numbers, so that they are read in order.
fn place(path: PathBuf) -> (PathBuf, u64, String) {
    match Member::of(&path) {
        Some(Member { file, name, .. }) => match name.parse() {
            Ok(row) => (file, row, name),
            Err(_) => (file, 0, name),
        },
        None => (path, 0, String::new()),
    }
}

fn check(options: &PlanOptions) -> Result<()> {
    if options.subjects.is_empty() && options.generations.is_empty() {
        return Err(Error::request("no manifest names images", "give `--generations FILE`, `--subjects FILE`, or both"));
    }
    if options.encoders.is_empty() {
        return Err(Error::request("no encoder is named", "name one: `--encoder NAME`; `msdata encoders list` shows some"));
    }
    if options.shards == 0 || options.shards > MOST_SHARDS {
        return Err(Error::request(format!("{} shards", options.shards), format!("a plan has 1 to {MOST_SHARDS} shards")));
    }
    Ok(())
}

fn hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from(*hash).to_hex().to_string()
}

/// The hash of a manifest: of its bytes, or of the names and bytes of its parts.
fn hash_of(path: &Path, watch: &Watch<'_>) -> Result<String> {
    if !path.is_dir() {
        return Ok(hex(&checksum(path)?));
    }
    let mut hasher = blake3::Hasher::new();
    for part in parts_of(path, false, watch)? {
        let name = part.strip_prefix(path).unwrap_or(&part).to_string_lossy().into_owned();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes()).update(&checksum(&part)?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// A word of a plan that this version does not know.
fn later(reason: String) -> Error {
    Error::request(format!("{PLAN}: {reason}"), "use the msdata that made it")
}

impl ShardPlan {
    /// Reads the plan in a directory.
    ///
    /// # Errors
    /// There is none, or it is not one of this version.
    pub(super) fn read(dir: &Path) -> Result<ShardPlan> {
        let path = dir.join(PLAN);
        let hint = "`msdata shard plan … DIR` makes one; give its directory";
        let text = input::read_text(&path, MAX_JSON).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::request(format!("there is no plan in {}", dir.display()), hint),
            _ => Error::io("read", &path)(e),
        })?;
        let broken = |reason: String| Error::request(format!("{} is not a plan: {reason}", path.display()), hint);
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
        if version != VERSION {
            return Err(Error::request(
                format!("{} has version {version}, but this msdata knows version {VERSION} only", path.display()),
                "use the msdata that made it, or make the plan again",
            ));
        }
        let plan: ShardPlan = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
        if plan.pixel_rule != PIXEL_RULE {
            return Err(Error::request(
                format!("{} is for pixel rule {}, but this msdata has rule {PIXEL_RULE}", path.display(), plan.pixel_rule),
                "use the msdata that made it, or make the plan again",
            ));
        }
        Ok(plan)
    }

    /// How transparent pixels are treated.
    ///
    /// # Errors
    /// The plan has a word of a later version.
    pub(super) fn transparency(&self) -> Result<Transparency> {
        self.transparency.parse().map_err(|e| later(format!("{e}")))
    }

    /// The tasks of a shard.
    ///
    /// # Errors
    /// There is no such shard, or its file is not what was planned.
    pub(super) fn tasks(&self, dir: &Path, shard: usize) -> Result<Vec<Task>> {
        let Some(planned) = self.shards.get(shard) else {
            return Err(Error::request(
                format!("there is no shard {shard}: the plan has {}", self.shards.len()),
                format!("they are numbered from 0 to {}", self.shards.len().saturating_sub(1)),
            ));
        };
        let path = tasks_path(dir, shard);
        let hash = blake3::Hash::from_hex(&planned.tasks);
        let hash = hash.map_err(|e| Error::request(format!("{PLAN}: shard {shard}: {e}"), "make the plan again"))?;
        tasks::read(&path, hash.as_bytes())
    }

    /// How the manifests are read.
    ///
    /// # Errors
    /// The plan has a word of a later version.
    pub(super) fn reading(&self) -> Result<ManifestSettings> {
        Ok(ManifestSettings {
            scene_type: self.scene_type()?,
            renaming: Arc::new(Renaming::new(&self.columns()?, false)?),
            roots: (!self.roots.is_empty()).then(|| self.roots.clone()),
            home: None,
        })
    }

    /// The scene type of prompts that have none.
    ///
    /// # Errors
    /// The plan has a word of a later version.
    pub(super) fn scene_type(&self) -> Result<Option<SceneType>> {
        self.scene_type.as_deref().map(str::parse).transpose().map_err(|e| later(format!("{e}")))
    }

    /// Columns that have other names in the manifests.
    ///
    /// # Errors
    /// As [`ShardPlan::scene_type`].
    pub(super) fn columns(&self) -> Result<Vec<ColumnName>> {
        self.columns.iter().map(|column| column.parse()).collect::<std::result::Result<_, String>>().map_err(later)
    }

    /// The manifests of a kind.
    pub(super) fn manifests(&self, rows: &str) -> Vec<PathBuf> {
        self.manifests.iter().filter(|manifest| manifest.rows == rows).map(|manifest| manifest.path.clone()).collect()
    }

    /// Returns a sentence for each manifest that is not what was planned.
    ///
    /// # Errors
    /// The caller wants to stop.
    pub(super) fn changed_manifests(&self, watch: &Watch<'_>) -> Result<Vec<String>> {
        let mut changed = Vec::new();
        for manifest in &self.manifests {
            watch.check()?;
            let shown = quote(&manifest.path.display().to_string());
            match hash_of(&manifest.path, watch) {
                Ok(hash) if hash == manifest.blake3 => {}
                Ok(_) => changed.push(format!("{shown} has changed since the plan was made")),
                Err(e) => changed.push(format!("{shown}: {e}")),
            }
        }
        Ok(changed)
    }
}
