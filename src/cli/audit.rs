use super::report::deliver;
use super::terminal::refuse_binary_on_terminal;
use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::durable::check_target;
use msdata::ops::{AuditOptions, FlagKind};
use msdata::table::Format;
use std::path::{Path, PathBuf};

/// List the images to look at before you believe the tables
///
/// blind_spot: CLIP-I in the upper quartile of its subject count, and every subject collapsed. copy: more similar to
/// one reference of a requested subject than its references are to each other. same_bytes, near_duplicate: already
/// there as another image. blank: a single colour, or nothing visible. Of each region set the clearest case of missing
/// subjects, extra regions, clones, bleeding and homogenisation (docs/regions.md). Controls are not listed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata audit
  msdata audit --copy 0.9 --near 0.95 --format csv")]
pub struct AuditArgs {
    /// A subject below this is collapsed [default: 0.4 by DINOv2]
    #[arg(long, value_name = "T", value_parser = cosine, allow_hyphen_values = true)]
    threshold: Option<f64>,
    /// Decides collapse [default: the DINOv2 encoder, else the only one]
    ///
    /// Its vectors also show copies.
    #[arg(long, value_name = "ENCODER")]
    identity: Option<String>,
    /// The encoder whose blind spot is listed [default: every CLIP encoder]
    #[arg(long, value_name = "ENCODER")]
    clip: Option<String>,
    /// Above this cosine with a reference an image is a copy
    ///
    /// Without it, the largest cosine between the subject's references.
    #[arg(long, value_name = "BOUND", value_parser = cosine, allow_hyphen_values = true)]
    copy: Option<f64>,
    /// From this cosine on two images are near-duplicates
    #[arg(long, value_name = "BOUND", default_value = "0.98", value_parser = cosine, allow_hyphen_values = true)]
    near: f64,
    /// table, json, jsonl, csv, md, latex, arrow or parquet
    #[arg(long, default_value = "table")]
    format: Format,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl AuditArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let options = AuditOptions {
            identity: self.identity,
            clip: self.clip,
            threshold: self.threshold,
            copy: self.copy,
            near: self.near,
        };
        refuse_binary_on_terminal(self.format, self.out.as_deref());
        self.out.as_deref().map_or(Ok(()), check_target)?;
        let data = Dataset::open_to_read(dataset)?;
        let audit = terminal.watch(|watch| data.audit(&options, watch))?;
        deliver(self.out.as_deref(), |out| audit.write(out, self.format))?;
        let counts: Vec<String> = FlagKind::ALL
            .iter()
            .map(|kind| format!("{kind} {}", audit.flags.iter().filter(|flag| flag.flag == *kind).count()))
            .collect();
        terminal.say(counts.join(", "));
        audit.warnings.iter().for_each(|warning| terminal.warn(warning));
        Ok(Ended::Done)
    }
}

fn cosine(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|c| (-1.0..=1.0).contains(c)).ok_or_else(|| "expected a cosine from -1 to 1".into())
}
