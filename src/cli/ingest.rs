use super::embed::{self, Embedding};
use super::{Ended, Terminal};
use msdata::catalog::Tally;
use msdata::crop::CropRule;
use msdata::generator::Grid;
use msdata::manifest::{ColumnName, RegionFormat};
use msdata::ops::{Counts, OutputOptions, RegionCounts, RegionOptions, ScoreOptions, SourceFormat};
use msdata::text::plain;
use msdata::vocabulary::{MetricDeclaration, ModelName, RegionSetName, SceneType, SubjectKind};
use msdata::{Dataset, IngestOptions, IngestSummary};
use std::path::{Path, PathBuf};

/// Read manifests into the data set; embed and score what is new
///
/// Manifests are JSON Lines (.jsonl), one JSON array (.json) or CSV (.csv, .tsv), plain, .gz or .zst, or Parquet; a
/// directory of parts, as Spark and Dask write it, is read as one file. Either all rows come in or none: every bad row is listed as FILE:LINE. Running it again changes nothing. An image file is
/// read again when its size or time has changed, or when it was missing or unusable. Exit status 3 means that some
/// images are missing or unusable, or changed while they were read.
#[derive(clap::Args)]
#[command(after_help = "\
More options, such as --columns, --scene-type and --crop: `msdata help ingest`

Examples:
  msdata ingest --subjects subjects.jsonl --prompts prompts.jsonl --generations generations.csv
  msdata ingest --from layout ../out --layout '{model}/{prompt_id}/{seed}.png'")]
pub struct IngestArgs {
    /// A subjects manifest, or a folder of images for each subject
    ///
    /// Repeatable, as are the following. A directory with a folder of images for each subject: the folder's name is the id
    /// and gives the label, its images in order of their names are the references.
    #[arg(long, value_name = "FILE|DIR")]
    subjects: Vec<PathBuf>,
    /// A prompts manifest (repeatable)
    #[arg(long, value_name = "FILE")]
    prompts: Vec<PathBuf>,
    /// A generations manifest (repeatable)
    #[arg(long, value_name = "FILE")]
    generations: Vec<PathBuf>,
    /// A Parquet file of vectors (repeatable)
    #[arg(long, value_name = "FILE")]
    embeddings: Vec<PathBuf>,
    /// The scene type of prompts that have none
    ///
    /// neutral, occlusion or interaction. A prompt that has one keeps it.
    #[arg(long, value_name = "SCENE", requires = "prompts", value_parser = scene)]
    scene_type: Option<SceneType>,
    /// Columns that have other names in the manifests and score files
    ///
    /// `prompt_id=id,text=caption` reads the column `id` as `prompt_id` and `caption` as `text`, in every manifest of
    /// --subjects, --prompts and --generations that has such a column, and in files of --scores.
    #[arg(long, value_name = "NAME=THEIRS,…", value_delimiter = ',')]
    columns: Vec<ColumnName>,
    /// A file of scores by any metric (repeatable)
    ///
    /// Parquet, CSV or JSON Lines: `model`, `prompt_id`, `seed`, perhaps `subject_id`, and `metric` and `value` or a column
    /// for each metric. A missing value is null, an empty cell or NaN.
    #[arg(long, value_name = "FILE")]
    scores: Vec<PathBuf>,
    /// Which way a metric is better: NAME:higher or NAME:lower
    ///
    /// Where neither the file nor the data set says it (repeatable); `hpsv2:higher:0:1` also says its range, and a value
    /// outside that is refused.
    #[arg(long, value_name = "RULE")]
    metric: Vec<MetricDeclaration>,
    /// stress-test-repo, xverse, mosaic, psr, jobs, layout, published
    ///
    /// A directory in a generator's own layout (repeatable): `stress-test-repo` holds subjects, prompts and images;
    /// `published` is what `msdata publish` wrote; the others hold images of the data set's prompts.
    #[arg(long, num_args = 2, value_names = ["FORMAT", "DIR"])]
    from: Vec<String>,
    /// A model that is a control: shown apart (repeatable)
    ///
    /// A generator that sees only the text, say.
    #[arg(long, value_name = "MODEL")]
    control: Vec<ModelName>,
    /// The models of --control see no reference
    ///
    /// They are given the prompt alone: what the references bring beyond the words is measured against them.
    #[arg(long, requires = "control")]
    text_only: bool,
    #[command(flatten)]
    regions: RegionArgs,
    #[command(flatten)]
    outputs: OutputArgs,
    #[command(flatten)]
    embedding: Embedding,
    /// Do not embed what is new; vectors come from --embeddings
    #[arg(long, conflicts_with_all = ["encoder", "device", "batch", "threads", "transparency", "onnxruntime", "windows", "keep_windows"])]
    no_embed: bool,
    /// Replace rows whose key is known and whose content differs
    #[arg(long)]
    replace: bool,
    /// Only read images below this directory (repeatable)
    ///
    /// Now, and whenever they are opened later.
    #[arg(long, value_name = "DIR")]
    root: Vec<PathBuf>,
    /// Read every image file again, changed or not
    ///
    /// Even if its size and time have not changed: for files that were replaced by a copy that keeps the time
    /// (`rsync -t`, `cp -p`).
    #[arg(long, conflicts_with = "dry_run")]
    rehash: bool,
    /// Change nothing; only say what would change
    #[arg(long)]
    dry_run: bool,
}

fn scene(word: &str) -> Result<SceneType, String> {
    SceneType::from_manifest(word).map_err(|e| e.to_string())
}

/// Regions of the images, and what counts of them.
#[derive(clap::Args)]
struct RegionArgs {
    /// A file or directory of regions (repeatable)
    ///
    /// From a detector or an annotator.
    #[arg(long, value_name = "FILE")]
    regions: Vec<PathBuf>,
    /// The set that they belong to [default: regions]
    #[arg(long, value_name = "NAME")]
    set: Option<RegionSetName>,
    /// The format of --regions [default: recognised]
    ///
    /// jsonl, coco, grounded-sam2, florence2, supervision, labelme, yolo, fiftyone.
    #[arg(long, value_name = "FORMAT")]
    format: Option<RegionFormat>,
    /// The kinds of subjects that the set can show
    ///
    /// human, animal, object; without it as before, and all at first.
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    scope: Option<Vec<SubjectKind>>,
    /// How regions are cut out
    ///
    /// margin=SHARE,square,outside=black|grey|white,fit=squash|pad|encoder
    #[arg(long, value_name = "RULE")]
    crop: Option<CropRule>,
    /// A region with a side below this, in pixels, does not count
    #[arg(long, value_name = "PIXELS", value_parser = side)]
    least_side: Option<f64>,
    /// A region with a score below this does not count
    #[arg(long, value_name = "SCORE", value_parser = share)]
    least_score: Option<f64>,
    /// The kind of subject that a label stands for
    ///
    /// `*` is any other label. A person and an object cannot be a pair.
    #[arg(long, value_name = "LABEL=KIND,…", value_delimiter = ',', value_parser = label_kind, requires = "regions")]
    label_kinds: Vec<(String, SubjectKind)>,
}

impl RegionArgs {
    fn options(self) -> RegionOptions {
        let RegionArgs { regions, set, format, scope, crop, least_side, least_score, label_kinds } = self;
        RegionOptions { files: regions, set, format, scope, crop, least_side, least_score, label_kinds }
    }
}

fn side(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|side: &f64| *side >= 0.0 && side.is_finite())
        .ok_or_else(|| format!("`{text}` is not a number of pixels"))
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| format!("`{text}` is not a number from 0 to 1"))
}

fn label_kind(text: &str) -> Result<(String, SubjectKind), String> {
    let (label, kind) = text.rsplit_once('=').ok_or("expected LABEL=KIND, such as person=human")?;
    Ok((label.to_owned(), kind.parse().map_err(|e| format!("{e}"))?))
}

/// What the files of --from do not say themselves.
#[derive(clap::Args)]
struct OutputArgs {
    /// With --from: file the images under this model
    #[arg(long, value_name = "NAME", requires = "from")]
    model: Option<ModelName>,
    /// With --from: the seeds of the images
    #[arg(long, value_name = "N,…", value_delimiter = ',', requires = "from", allow_negative_numbers = true)]
    seeds: Option<Vec<i64>>,
    /// With --from xverse: auto, none (one image a file), 1x2, 2x2
    #[arg(long, value_name = "GRID", requires = "from")]
    grid: Option<Grid>,
    /// With --from: the list that the generator was given
    ///
    /// Where it is not in the directory.
    #[arg(long, value_name = "FILE", requires = "from")]
    list: Option<PathBuf>,
    /// With --from layout: '{model}/{prompt_id}/{seed}.png', …
    ///
    /// The pattern of the paths; `*` matches anything within a name.
    #[arg(long, value_name = "PATTERN", requires = "from")]
    layout: Option<String>,
    /// With --from published: where its images are unpacked
    ///
    /// Without it, in the data set's directory.
    #[arg(long, value_name = "DIR", requires = "from")]
    output: Option<PathBuf>,
}

impl IngestArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let mut from = Vec::new();
        for pair in self.from.chunks_exact(2) {
            let format: SourceFormat = pair[0].parse().unwrap_or_else(|e| usage(format!("--from: {e}")));
            from.push((format, PathBuf::from(&pair[1])));
        }
        let OutputArgs { model, mut seeds, grid, list, layout, output } = self.outputs;
        if let Some(seeds) = &mut seeds {
            seeds.sort_unstable();
            seeds.dedup();
        }
        let layout = layout.map(|pattern| pattern.parse()).transpose()?;
        let options = IngestOptions {
            subjects: self.subjects,
            prompts: self.prompts,
            generations: self.generations,
            embeddings: self.embeddings,
            scene_type: self.scene_type,
            columns: self.columns,
            from,
            outputs: OutputOptions { model, seeds, grid, list, layout, output },
            controls: self.control,
            text_only: self.text_only,
            roots: self.root,
            replace: self.replace,
            dry_run: self.dry_run,
            rehash: self.rehash,
            regions: self.regions.options(),
            scores: ScoreOptions { files: self.scores, metrics: self.metric },
            embed: (!self.no_embed).then(|| self.embedding.options(false, Vec::new())),
        };
        let mut data = Dataset::open_to_write(dataset)?;
        let summary = terminal.watch(|watch| data.ingest(&options, watch))?;
        print(&summary, options.dry_run, terminal);
        Ok(if summary.embedded.lacks_images() || summary.images.missing + summary.images.unusable > 0 {
            Ended::Incomplete
        } else {
            Ended::Done
        })
    }
}

/// Ends the process as clap does for arguments that it cannot parse.
pub fn usage(message: String) -> ! {
    super::refused(&clap::Error::raw(clap::error::ErrorKind::InvalidValue, message + "\n"))
}

pub fn print(summary: &IngestSummary, dry_run: bool, terminal: &Terminal) {
    let rows = [
        ("subjects", summary.subjects),
        ("prompts", summary.prompts),
        ("generations", summary.generations),
        ("images with regions", summary.regions.images),
        ("vectors", summary.vectors),
        ("values of metrics", summary.metrics.values),
    ];
    summary.taken.iter().for_each(|line| terminal.say(line));
    let would = if dry_run { "would be " } else { "" };
    let mut idle = true;
    for (name, counts) in rows {
        if counts != Counts::default() {
            let Counts { added, unchanged, moved, replaced } = counts;
            let parts = [(added, "added"), (replaced, "replaced"), (moved, "moved")];
            let mut parts: Vec<String> = parts.iter().filter(|p| p.0 > 0).map(|(n, what)| format!("{n} {would}{what}")).collect();
            if unchanged > 0 {
                parts.push(format!("{unchanged} unchanged"));
            }
            terminal.say(format!("{name}: {}", parts.join(", ")));
            idle = false;
        }
    }
    if summary.regions.images != Counts::default() {
        let RegionCounts { regions, empty, .. } = summary.regions;
        terminal.say(format!("regions: {regions}; in {empty} images none was found"));
    }
    for (metric, numbers, missing) in &summary.metrics.of_metrics {
        let missing = if *missing > 0 { format!(", {missing} missing") } else { String::new() };
        terminal.say(format!("metric {metric}: {numbers} value{}{missing}", if *numbers == 1 { "" } else { "s" }));
    }
    summary.metrics.rules.iter().for_each(|rule| terminal.say(rule));
    if dry_run {
        terminal.say("nothing was changed (--dry-run)");
        return;
    }
    let images = summary.images;
    terminal.say(format!(
        "images: {} usable, {} missing, {} unusable; {} read now",
        images.ok, images.missing, images.unusable, summary.images_read
    ));
    name_unusable(images, &summary.unusable, terminal);
    embed::print(&summary.embedded, terminal);
    summary.waiting.iter().for_each(|line| terminal.say(line));
    if summary.scored > 0 || !idle {
        terminal.say(format!("scores: {} new", summary.scored));
    }
}

/// Lists the first images that cannot be used, one per line, and says how to see the others.
pub fn name_unusable(images: Tally, first: &[String], terminal: &Terminal) {
    for line in first {
        terminal.say(format!("  {}", plain(line)));
    }
    let rest = (images.missing + images.unusable).saturating_sub(first.len() as u64);
    if rest > 0 {
        terminal.say(format!("  … and {rest} more: msdata sql \"SELECT path, reason FROM generations WHERE status <> 'ok'\""));
    }
}
