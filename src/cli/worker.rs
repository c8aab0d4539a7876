use super::ingest::usage;
use super::{Ended, Terminal};
use msdata::Watch;
use msdata::crop::CropRule;
use msdata::encoder::{Batch, Device};
use msdata::image::Transparency;
use msdata::ops::{Served, Worker, WorkerEncoder, WorkerOptions};
use msdata::text::plain;
use std::io::{self, BufWriter, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Embed the images of a stream, without a data set: one of many machines
///
/// Batches of an Arrow IPC stream come in on standard input, with a column `path` or `bytes`; each is answered by one batch
/// on standard output, at once: the same columns without `bytes`, what the image is (status, reason, blake3, width, height,
/// format), and a column of vectors for each encoder, named after it. An image that cannot be used is a row that says why.
/// The vectors are those of `msdata embed`. The worker keeps nothing, and ends with its input. docs/worker.md has the
/// columns and an example; `msdata.ray` in Python drives many workers.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata worker --stdio --encoder dinov2-small < images.arrows > vectors.arrows
  msdata worker --stdio --encoder ../my-encoder --device cuda:1 --threads 8")]
pub struct WorkerArgs {
    /// Read from standard input, write to standard output
    #[arg(long, required = true)]
    stdio: bool,
    /// A name, a directory, or `paper` for the paper's three (repeatable)
    #[arg(long, value_name = "NAME|DIR", required = true)]
    encoder: Vec<String>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: Device,
    /// Transparent pixels: drop, white or black
    ///
    /// drop (hidden colours count as if they were visible), white or black (the picture is laid on it).
    #[arg(long, value_name = "HOW", default_value = "drop")]
    transparency: Transparency,
    /// How boxes are cut out, where there are columns of boxes
    ///
    /// margin=SHARE,square,fit=squash|pad|encoder
    #[arg(long, value_name = "RULE", default_value = "fit=squash")]
    crop: CropRule,
    /// Images per run of the network [default: 1 on the CPU, 32 on a GPU]
    ///
    /// 1 or a multiple of 8.
    #[arg(long, value_name = "N")]
    batch: Option<Batch>,
    /// Number of threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// The library of ONNX Runtime, or its directory [default: found]
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
}

impl WorkerArgs {
    pub fn run(self, terminal: &Terminal) -> anyhow::Result<Ended> {
        if io::stdin().is_terminal() || io::stdout().is_terminal() {
            usage(
                "a worker reads and writes bytes, which a terminal cannot show: connect both ends to a program or a file".into(),
            );
        }
        let options = WorkerOptions {
            encoders: self.encoder,
            device: self.device,
            batch: self.batch,
            threads: self.threads,
            library: self.onnxruntime,
            transparency: self.transparency,
            crop: self.crop,
        };
        let mut worker = Worker::open(&options)?;
        let encoders = worker.encoders().iter();
        let encoders: Vec<String> = encoders
            .map(|WorkerEncoder { name, dimension, .. }| format!("{} ({dimension} numbers)", plain(name.as_str())))
            .collect();
        terminal.say(format!("embedding with {}: {}", worker.device(), encoders.join(", ")));
        // Signals end the process at once, which costs nothing: there is no state.
        let mut watch = Watch::silent().on_warning(|warning| terminal.warn(warning));
        let served = worker.serve(io::stdin().lock(), BufWriter::new(io::stdout().lock()), &mut watch);
        drop(watch);
        let Served { rows, embedded, missing, unusable } = served?;
        terminal.say(format!("{rows} rows: {embedded} embedded, {missing} missing, {unusable} unusable"));
        Ok(Ended::Done)
    }
}
