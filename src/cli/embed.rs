use super::ingest::name_unusable;
use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::encoder::{Batch, Device};
use msdata::image::Transparency;
use msdata::ops::{EmbedOptions, EmbedSummary, Embedded, EmbeddedRegions, Searched, WindowChoice};
use msdata::page::size;
use msdata::text::plain;
use msdata::vocabulary::RegionSetName;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// The options of embedding, shared by `ingest` and `embed`.
#[derive(clap::Args)]
pub struct Embedding {
    /// A name, a directory, or `paper` for the paper's three
    ///
    /// Repeatable. Without it, the encoders in the data set, else `builtin-texture`.
    #[arg(long, value_name = "NAME|DIR")]
    encoder: Vec<String>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: Device,
    /// Transparent pixels: drop, white or black [default: as before]
    ///
    /// For every image and every encoder: drop (hidden colours count as if they were visible), white or black (the picture
    /// is laid on it). Kept in the data set; another choice embeds everything again. At first: drop.
    #[arg(long, value_name = "HOW")]
    transparency: Option<Transparency>,
    /// Images per run of the network [default: 1 on the CPU, 32 on a GPU]
    ///
    /// 1 or a multiple of 8.
    #[arg(long, value_name = "N")]
    batch: Option<Batch>,
    /// Number of threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// The library of ONNX Runtime, or its directory [default: found]
    ///
    /// It is looked for here, in ORT_DYLIB_PATH, in the data directory (MSDATA_HOME, else ~/.local/share/msdata), next to
    /// the program, and where the system looks.
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Search images: none, fast, full, fine, dense, auto
    ///
    /// Where in the images to look for each subject: none, fast (34 windows per image), full (83), fine (109, some of
    /// them smaller), dense (83 from one pass of an encoder with a spatial output), or auto: the same as before, else full
    /// on a GPU and fast on a CPU that does it in ten minutes.
    #[arg(long, value_name = "WINDOWS", default_value = "auto")]
    windows: WindowChoice,
    /// Room for windows' vectors: 500MB, 20GB; 0: none [default: as before]
    ///
    /// How much room the windows' vectors may take that are kept in the data set, so that a new reference costs no new
    /// pass over the images. At first: 4GB.
    #[arg(long, value_name = "SIZE", value_parser = room)]
    keep_windows: Option<u64>,
}

/// A size, or 0.
fn room(text: &str) -> Result<u64, String> {
    if text.trim() == "0" { Ok(0) } else { size(text).map_err(|e| e + ", or 0") }
}

impl Embedding {
    pub fn options(self, retry_failed: bool, regions: Vec<RegionSetName>) -> EmbedOptions {
        EmbedOptions {
            encoders: self.encoder,
            device: self.device,
            batch: self.batch,
            threads: self.threads,
            library: self.onnxruntime,
            transparency: self.transparency,
            retry_failed,
            windows: self.windows,
            keep_windows: self.keep_windows,
            regions,
        }
    }
}

/// Embed and score what is missing
///
/// Images and prompts without a vector get one, by the encoders given, else by those already in the data
/// set; then everything that can be scored is. Finished work survives a kill; running it again does what is left. An
/// encoder whose model has changed embeds everything again. Images whose size or time has changed are read
/// again; `msdata ingest --rehash` reads all of them. Exit status 3 means that some images are missing or
/// unusable, or changed while they were read.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata embed --encoder paper --device cuda
  msdata embed --encoder ../my-encoder --batch 16
  msdata embed --regions faces --encoder ../arcface
  msdata embed --retry-failed")]
pub struct EmbedArgs {
    #[command(flatten)]
    embedding: Embedding,
    /// Embed the regions of this set, and nothing else (repeatable); later runs without it go on with what is new
    #[arg(long, value_name = "SET", value_delimiter = ',', conflicts_with_all = ["windows", "keep_windows"])]
    regions: Vec<RegionSetName>,
    /// Retry what could not be read or embedded before
    #[arg(long)]
    retry_failed: bool,
}

impl EmbedArgs {
    pub fn run(self, dataset: &Path, terminal: &Terminal) -> anyhow::Result<Ended> {
        let options = self.embedding.options(self.retry_failed, self.regions);
        let mut data = Dataset::open_to_write(dataset)?;
        let summary = terminal.watch(|watch| data.embed(&options, watch))?;
        print(&summary, terminal);
        if summary.encoders.is_empty() && summary.regions.is_empty() {
            terminal.say("nothing left to embed");
        }
        terminal.say(format!("scores: {} new", summary.scored));
        let images = summary.images;
        if images.missing + images.unusable > 0 {
            terminal.say(format!("images: {} usable, {} missing, {} unusable", images.ok, images.missing, images.unusable));
            name_unusable(images, &summary.unusable, terminal);
        }
        Ok(if summary.lacks_images() || images.missing + images.unusable > 0 { Ended::Incomplete } else { Ended::Done })
    }
}

/// Prints what was embedded, one line per encoder.
pub fn print(summary: &EmbedSummary, terminal: &Terminal) {
    if let Some(device) = &summary.device {
        terminal.say(format!("embedded with {device}"));
    }
    for (name, Embedded { images, shared, prompts, failed, changed, .. }) in &summary.encoders {
        let counts = [
            (*images, "images"),
            (*shared, "more with the same content"),
            (*prompts, "prompts"),
            (*failed, "failed"),
            (*changed, "changed while they were read: run again"),
        ];
        let counts: Vec<String> = counts.iter().filter(|c| c.0 > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let counts = if counts.is_empty() { "nothing new".to_owned() } else { counts.join(", ") };
        terminal.say(format!("  {}: {counts}", plain(name.as_str())));
    }
    for (name, set, EmbeddedRegions { regions, failed, .. }) in &summary.regions {
        let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
        terminal.say(format!("  {}: {regions} regions of {}{failed}", plain(name.as_str()), plain(set.as_str())));
    }
    for (name, pattern, Searched { images, windows, failed, not_kept, compared }) in &summary.windows {
        let name = plain(name.as_str());
        if *compared > 0 {
            terminal.say(format!("  {name}: compared {compared} images by their kept windows ({pattern})"));
        }
        if images + failed > 0 {
            let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
            terminal.say(format!("  {name}: searched {images} images, {windows} windows ({pattern}){failed}"));
        }
        if *not_kept > 0 {
            terminal.say(format!(
                "  {name}: the windows of {not_kept} images did not fit within --keep-windows; a new reference costs a new pass over \
                 these images"
            ));
        }
    }
    if summary.windows_taken_out > 0 {
        terminal
            .say(format!("the kept windows of {} images were removed, to stay within --keep-windows", summary.windows_taken_out));
    }
    if summary.failed > 0 {
        terminal.say(format!(
            "{} images or prompts could not be embedded; `msdata embed --retry-failed` tries them again",
            summary.failed
        ));
        summary.failures.iter().for_each(|line| terminal.say(format!("  {}", plain(line))));
        if summary.failed > summary.failures.len() as u64 {
            terminal.say("  …: msdata sql \"SELECT * FROM embedding_failures\"");
        }
    }
}
