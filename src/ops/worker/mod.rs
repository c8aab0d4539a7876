//! Embeds images without a data set: what one machine of many does. A worker opens no catalog and keeps no state.
//!
//! | module | noun |
//! |---|---|
//! | this | [`Worker`]: encoders, opened; [`WorkerOptions`] |
//! | `engine` | [`WorkerTask`], [`WorkerImage`]: an image in, facts and vectors out |
//! | `columns` | the same as batches of Arrow: which column is what |
//! | `stream` | a stream of batches in, a stream of batches out |
//!
//! Files are read, hashed, decoded and prepared, and networks are run, by the functions that [`crate::Dataset::embed`]
//! uses: the same image gives the same vector, bit for bit, on the same device.

pub(crate) mod columns;
mod engine;
mod stream;

pub use engine::{ImageSource, WorkerImage, WorkerTask};
pub use stream::Served;

use crate::crop::CropRule;
use crate::encoder::{Batch, Device, Encoder, Home};
use crate::error::{Error, Result};
use crate::image::{Door, Transparency};
use crate::ops::embed::{EmbedOptions, OpenedEncoder, described, open};
use crate::vocabulary::EncoderName;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// How a worker embeds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkerOptions {
    /// Names or directories; at least one.
    pub encoders: Vec<String>,
    /// Where networks run.
    pub device: Device,
    /// Images per run of the network; `None`: 1 on the CPU, 32 on a GPU.
    pub batch: Option<Batch>,
    /// Threads for decoding, and for computing on the CPU; `None`: all cores.
    pub threads: Option<NonZeroUsize>,
    /// The library of ONNX Runtime; `None`: see [`crate::encoder::Runtime`].
    pub library: Option<PathBuf>,
    /// How to treat transparent pixels.
    pub transparency: Transparency,
    /// How boxes are cut out of their images.
    pub crop: CropRule,
}

/// What an encoder is: what its vectors are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WorkerEncoder {
    /// Its name, and that of its column.
    pub name: EncoderName,
    /// Over model bytes, preprocessing, pooling, pixel rule and transparency, hexadecimal.
    pub fingerprint: String,
    /// Numbers in a vector.
    pub dimension: usize,
}

/// Encoders, opened, and how to read images for them.
pub struct Worker {
    facts: Vec<WorkerEncoder>,
    encoders: Vec<Encoder>,
    door: Door,
    threads: usize,
    transparency: Transparency,
    crop: CropRule,
    device: String,
}

impl Worker {
    /// Opens the encoders.
    ///
    /// # Errors
    /// None is named, there is no such encoder, no ONNX Runtime or no such device; or the crop rule needs masks.
    pub fn open(options: &WorkerOptions) -> Result<Worker> {
        if options.encoders.is_empty() {
            return Err(Error::request("no encoder is named", "name one: `--encoder NAME`; `msdata encoders list` shows some"));
        }
        if options.crop.outside.is_some() {
            return Err(Error::request(
                "the crop rule says what becomes of pixels outside a mask, and a worker's boxes have no masks",
                "leave `outside` out of the rule; `msdata embed --regions` cuts by masks",
            ));
        }
        let home = Home::from_env()?;
        let as_embed = EmbedOptions {
            device: options.device,
            batch: options.batch,
            threads: options.threads,
            library: options.library.clone(),
            ..EmbedOptions::default()
        };
        let (mut facts, mut encoders, mut device, mut threads) = (Vec::new(), Vec::new(), String::new(), 1);
        for described in described(options.encoders.iter().map(String::as_str), options.transparency, &home)? {
            let opened: OpenedEncoder = open(&described, &as_embed, &home)?;
            (device, threads) = (opened.said, opened.threads);
            let dimension = opened.encoder.dimension();
            facts.push(WorkerEncoder { name: described.name, fingerprint: described.fingerprint, dimension });
            encoders.push(opened.encoder);
        }
        let (transparency, crop) = (options.transparency, options.crop);
        Ok(Worker { facts, encoders, door: Door::default(), threads, transparency, crop, device })
    }

    /// Returns the worker, which opens files through `door`.
    pub(crate) fn through(self, door: Door) -> Worker {
        Worker { door, ..self }
    }

    /// Its encoders, in the order of the vectors.
    pub fn encoders(&self) -> &[WorkerEncoder] {
        &self.facts
    }

    /// The device that it runs on, as a sentence.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// How it treats transparent pixels.
    pub fn transparency(&self) -> Transparency {
        self.transparency
    }
}
