use super::selection::Selection;
use super::terminal::{path_to_standard_output, refuse_binary_on_terminal, results};
use super::{Ended, Terminal};
use msdata::durable::{check_target, write_whole};
use msdata::ops::report_of_tables;
use msdata::page::{PageOptions, PageOutput, size};
use msdata::report::{Key, Published, RegionChoice, Thresholds, is_dinov2, thresholds_mean_something};
use msdata::score::Confidence;
use msdata::table::Format;
use msdata::{Dataset, ReportOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Print the tables: similarity, identification, Subject Collapse Rate
///
/// A cell is the mean over its generations. A generation is used only if all its subjects are scored;
/// otherwise it is counted as missing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata report --ci --controls
  msdata report --by model,scene_type --format latex --models ours,mosaic --rename ours=Ours
  msdata report --html page")]
pub struct ReportArgs {
    /// Group by these
    ///
    /// model, subject_count, scene_type, prompt_id, seed, kind, subject_id, source, cut (is the prompt longer than the text
    /// encoder takes?), size (of the image).
    #[arg(long, value_name = "KEYS", value_delimiter = ',', default_value = "model,subject_count")]
    by: Vec<Key>,
    /// Of SCR: numbers, or first:last:step [default: 0.4,0.5,0.6]
    ///
    /// The default thresholds were chosen for DINOv2: where another encoder decides collapse, tables show SCR only at
    /// thresholds given here, and identification AUC otherwise.
    #[arg(long, value_name = "T,…", allow_hyphen_values = true)]
    thresholds: Option<Thresholds>,
    /// Decides collapse [default: the DINOv2 encoder, else the only one]
    ///
    /// Or who decides by kind: human=SET:ENCODER,*=ENCODER.
    #[arg(long, value_name = "ENCODER")]
    identity: Option<String>,
    /// Add an interval to every mean [PERCENT: 95]
    ///
    /// By a bootstrap over prompts; the percentage is its nominal coverage.
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, default_missing_value = "95", value_parser = confidence)]
    ci: Option<Confidence>,
    /// Add identification, chance and composites
    ///
    /// What needs no threshold: are the requested subjects told apart from the rest of the pool? Also SCR and similarity by
    /// chance; with `msdata controls make` also the composites' similarity, and the model's between the two.
    #[arg(long)]
    controls: bool,
    /// Add SCR at every threshold and the area below it
    ///
    /// The steps are in JSON; the area is from 0 to 1.
    #[arg(long)]
    curve: bool,
    /// The level at which a subject counts as present
    ///
    /// Where the images were searched window by window (`msdata embed --windows`): by chance, cSCR is 1 minus this.
    #[arg(long, value_name = "ALPHA", default_value = "0.05", value_parser = alpha)]
    alpha: f64,
    /// What a region set says instead (repeatable)
    ///
    /// Who has a region of their own; docs/regions.md.
    #[arg(long, value_name = "SET[:ENCODER]", value_delimiter = ',')]
    regions: Vec<RegionChoice>,
    /// With --regions: from here on a region is a subject's
    ///
    /// Without it, the 99th percentile of the cosines of references of different subjects.
    #[arg(long, value_name = "TAU", requires = "regions", allow_hyphen_values = true, value_parser = cosine)]
    tau: Option<f64>,
    /// Add the paper's numbers, as rows set off
    ///
    /// Where the data set is the paper's protocol, with its encoders; otherwise it says why not.
    #[arg(long, conflicts_with = "regions")]
    published: bool,
    /// Of exported tables instead of a data set
    ///
    /// A directory that `msdata export` or `msdata shard score` wrote.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["controls", "curve", "regions", "published", "html"])]
    tables: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    /// table, json, jsonl, csv, md, latex, arrow or parquet
    #[arg(long, default_value = "table")]
    format: Format,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write a page instead: tables, figures and every image
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "format", "by", "ci", "models", "rename"])]
    html: Option<PathBuf>,
    /// Write the page as one file, with a sample of the images
    #[arg(long, requires = "html")]
    single_file: bool,
    /// Largest size of the single file: 20MB, 800KB, …
    #[arg(long, requires = "single_file", value_name = "SIZE", default_value = "20MB", value_parser = size)]
    max_size: u64,
    /// The page's heading
    #[arg(long, requires = "html", value_name = "TEXT")]
    title: Option<String>,
    /// A sentence below the heading: a date, a caveat
    #[arg(long, requires = "html", value_name = "TEXT")]
    note: Option<String>,
}

/// Reads a level, between 0 and 1.
pub fn alpha(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(alpha) if alpha > 0.0 && alpha < 1.0 => Ok(alpha),
        _ => Err("a level is a number between 0 and 1, such as 0.05".into()),
    }
}

/// Reads a cosine.
pub fn cosine(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|tau| (-1.0..=1.0).contains(tau)).ok_or_else(|| format!("`{text}` is not a number from -1 to 1"))
}

impl ReportArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        if let Some(place) = self.html.clone() {
            return self.page(place, dataset, terminal);
        }
        let options = ReportOptions {
            by: self.by,
            thresholds: self.thresholds.unwrap_or_default(),
            identity: self.identity,
            confidence: self.ci,
            controls: self.controls,
            curve: self.curve,
            alpha: self.alpha,
            models: self.selection.into(),
            regions: self.regions,
            tau: self.tau,
            published: self.published,
        };
        refuse_binary_on_terminal(self.format, self.out.as_deref());
        self.out.as_deref().map_or(Ok(()), check_target)?;
        let report = match &self.tables {
            Some(tables) => terminal.watch(|watch| report_of_tables(tables, &options, watch.stop()))?,
            None => Dataset::open_to_read(dataset)?.report(&options)?,
        };
        deliver(self.out.as_deref(), |out| report.write(out, self.format))?;
        let of_regions = report.rows.first().is_some_and(|row| !row.regions.is_empty());
        // Without an encoder metrics are all that there is.
        if !of_regions && !report.identity.is_empty() {
            warn_of_identity(&report.identity, &report.thresholds, terminal);
        }
        report.warnings.iter().for_each(|warning| terminal.warn(warning));
        report.notes.iter().for_each(|note| terminal.say(note));
        if !of_regions {
            report.metric_notes.iter().for_each(|note| terminal.say(note));
        }
        if let Some(reason) = report.published.as_ref().and_then(Published::reason) {
            terminal.warn(reason);
        }
        for (encoder, prompts) in &report.cut_prompts {
            terminal.warn(format!(
                "{prompts} prompts are longer than {encoder} takes and were cut: their CLIP-T is for only part of the text"
            ));
        }
        let (missing, unmade) = (report.generations_missing, report.generations_unmade);
        if unmade > 0 {
            terminal.warn(format!(
                "{unmade} of {} generations are missing because `msdata run` has not made them",
                report.generations
            ));
        }
        let missing = missing - unmade;
        if missing > 0 && !of_regions {
            const LACKING: &str = "without a usable image, or without a vector of their own or of a reference";
            const WAITING: &str = "not scored yet: `msdata score`";
            const UNMEASURED: &str = "without a value of any metric";
            let why = match (missing - report.generations_waiting, report.generations_waiting) {
                _ if report.identity.is_empty() => UNMEASURED.to_owned(),
                (_, 0) => LACKING.to_owned(),
                (0, _) => WAITING.to_owned(),
                (lacking, waiting) => format!("{lacking} {LACKING}; {waiting} {WAITING}"),
            };
            terminal.warn(format!("{missing} of {} generations are missing and not in the means: {why}", report.generations));
        }
        Ok(Ended::Done)
    }

    fn page(self, place: PathBuf, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        // The command as typed, except for the paths, which differ between machines.
        let identity = self.identity.as_ref().map(|name| format!(" --identity {name}")).unwrap_or_default();
        let thresholds = self.thresholds.as_ref().map(|given| format!(" --thresholds {given}")).unwrap_or_default();
        let form = if self.single_file { "FILE --single-file" } else { "DIR" };
        let command = format!("msdata report --html {form}{thresholds}{identity}");
        let options = PageOptions {
            thresholds: self.thresholds.unwrap_or_default(),
            identity: self.identity,
            title: self.title,
            note: self.note,
            command: Some(command),
            regions: self.regions,
            tau: self.tau,
        };
        let output = match self.single_file {
            true => PageOutput::SingleFile { path: place, max_bytes: self.max_size },
            false => PageOutput::Directory(place),
        };
        let data = Dataset::open_to_read(dataset)?;
        let written = terminal.watch(|watch| data.write_page(&options, &output, watch))?;
        terminal.say(format!("{} images shown, {} missing or unusable", written.shown, written.unusable));
        if written.left_out > 0 {
            terminal.warn(format!("{} images did not fit within --max-size and are not in the file", written.left_out));
        }
        path_to_standard_output(&written.path)?;
        Ok(Ended::Done)
    }
}

/// Writes a result to a file, whole or not at all, or to standard output.
pub fn deliver(to: Option<&Path>, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    match to {
        None => write(&mut BufWriter::new(results()))?,
        Some(path) => {
            let mut text = Vec::new();
            write(&mut text)?;
            write_whole(path, &text)?;
        }
    }
    Ok(())
}

/// Warns where SCR is by another encoder than the one its thresholds were found for.
pub fn warn_of_identity(encoder: &str, thresholds: &Thresholds, terminal: &Terminal) {
    if !thresholds_mean_something(encoder, thresholds) {
        terminal.warn(format!(
            "the thresholds were chosen for DINOv2 and mean nothing for {encoder}, so no table shows SCR by it: read AUC \
             (`--thresholds` with your own shows SCR at these)"
        ));
    } else if !is_dinov2(encoder) {
        terminal.warn(format!("the thresholds were chosen for DINOv2; this SCR is by {encoder}"));
    }
}

pub fn confidence(text: &str) -> Result<Confidence, String> {
    match text.parse::<f64>() {
        Ok(percent) if (50.0..100.0).contains(&percent) => Ok(Confidence { level: percent / 100.0, ..Confidence::default() }),
        _ => Err("expected a percentage from 50 to below 100".into()),
    }
}
