//! Which encoders embed, on what, and in which order.

use super::embedding::{Embedded, embed};
use super::{Dataset, inspection};
use crate::catalog::{EncoderRow, Tally};
use crate::encoder::{BUILTIN, Batch, Described, Device, Home, Options, Runtime};
use crate::error::{Error, Result};
use crate::image::PIXEL_RULE;
use crate::vocabulary::{EncoderName, plain, quote};
use crate::watch::Watch;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// What embeds, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmbedOptions {
    /// Names or directories; empty: the encoders already in the data set, else the built-in one.
    pub encoders: Vec<String>,
    /// Where networks run.
    pub device: Device,
    /// Images of a batch; `None`: 8 on the CPU, 32 on a GPU.
    pub batch: Option<Batch>,
    /// Threads that decode, and that the CPU computes with; `None`: all cores.
    pub threads: Option<NonZeroUsize>,
    /// The library of ONNX Runtime; `None`: see [`Runtime`].
    pub library: Option<PathBuf>,
    /// Try again what could not be read or embedded before.
    pub retry_failed: bool,
}

/// What embedding did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmbedSummary {
    /// What it ran on, as a sentence; `None` if nothing had to run.
    pub device: Option<String>,
    /// By encoder.
    pub encoders: Vec<(EncoderName, Embedded)>,
    /// All image files of the data set by state.
    pub images: Tally,
}

/// What to do when an encoder's model is not the one that made the vectors in the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfChanged {
    /// An error.
    Refuse,
    /// Its vectors are taken out, and everything is embedded anew.
    Renew,
}

impl Dataset {
    /// Embeds what lacks a vector. An encoder whose model has changed embeds everything anew.
    ///
    /// # Errors
    /// No such encoder, no ONNX Runtime, no such device; a full disk; or the caller wants to stop (what
    /// was finished is kept). Images that cannot be embedded are no error: see [`EmbedSummary`].
    pub fn embed(&mut self, options: &EmbedOptions, watch: &mut Watch<'_>) -> Result<EmbedSummary> {
        let home = Home::from_env()?;
        let encoders = self.wanted(options, false, &home)?;
        if options.retry_failed {
            let changes = self.catalog.begin()?;
            changes.forget_failures()?;
            changes.commit()?;
        }
        inspection::inspect(&mut self.catalog, &self.door, watch)?;
        let mut summary = self.embed_by(&encoders, options, &home, IfChanged::Renew, watch)?;
        summary.images = self.catalog.tally()?;
        Ok(summary)
    }

    /// The encoders that `options` ask for, with what they run on found to be there: what cannot be found or
    /// loaded is said before anything is written.
    pub(super) fn ready(&self, options: &EmbedOptions, imports: bool) -> Result<(Home, Vec<Described>)> {
        let home = Home::from_env()?;
        let encoders = self.wanted(options, imports, &home)?;
        if !encoders.is_empty() {
            Runtime::load(&home, options.library.as_deref())?.choose(options.device)?;
        }
        Ok((home, encoders))
    }

    /// The encoders that `options` ask for, described. Where vectors are imported in the same run, the data
    /// set is not without an encoder.
    fn wanted(&self, options: &EmbedOptions, imports: bool, home: &Home) -> Result<Vec<Described>> {
        let known = self.catalog.encoders()?;
        let words = match options.encoders.is_empty() {
            false => options.encoders.clone(),
            true if known.is_empty() && !imports => vec![BUILTIN.to_owned()],
            true => {
                // Imported vectors have no model that could make more.
                let computed = known.iter().filter(|row| row.pixel_rule.is_some());
                computed.map(|row| row.location.as_ref().map_or(row.name.to_string(), |dir| dir.display().to_string())).collect()
            }
        };
        let mut found: Vec<Described> = Vec::new();
        for word in words {
            for encoder in Described::find(&word, home)? {
                match found.iter().find(|other| other.name == encoder.name) {
                    None => found.push(encoder),
                    Some(other) if other.fingerprint == encoder.fingerprint => {}
                    Some(_) => {
                        return Err(Error::request(
                            format!("two encoders are named {}", quote(encoder.name.as_str())),
                            "give one another `name` in its msdata.toml",
                        ));
                    }
                }
            }
        }
        Ok(found)
    }

    pub(super) fn embed_by(
        &mut self,
        encoders: &[Described],
        options: &EmbedOptions,
        home: &Home,
        if_changed: IfChanged,
        watch: &mut Watch<'_>,
    ) -> Result<EmbedSummary> {
        let mut summary = EmbedSummary::default();
        for described in encoders {
            let row = self.catalog.encoders()?.into_iter().find(|row| row.name == described.name);
            if let Some(row) = &row
                && row.fingerprint == described.fingerprint
                && self.has_all_by(row, described)?
            {
                continue;
            }
            let runtime = Runtime::load(home, options.library.as_deref())?;
            let choice = runtime.choose(options.device)?;
            let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            let threads = options.threads.unwrap_or(cores).get();
            let batch = match choice.device {
                Device::Cuda(_) => Batch::CUDA,
                Device::Auto | Device::Cpu => Batch::CPU,
            };
            let batch = options.batch.unwrap_or(batch);
            let mut encoder = described.open(runtime, Options { device: choice.device, threads, batch })?;
            let row = self.registered(described, row, encoder.dimension(), if_changed, watch)?;
            let done = embed(&mut self.catalog, &self.store, &self.door, &row, &mut encoder, threads, watch)?;
            if done.cut > 0 {
                watch.warn(&format!(
                    "encoder {}: {} prompts are longer than it takes and were cut",
                    plain(described.name.as_str()),
                    done.cut
                ));
            }
            summary.device = Some(choice.said);
            summary.encoders.push((described.name.clone(), done));
        }
        Ok(summary)
    }

    /// Whether nothing is left to embed; so that an unchanged run opens no network.
    fn has_all_by(&mut self, row: &EncoderRow, described: &Described) -> Result<bool> {
        let changes = self.catalog.begin()?;
        changes.share_vectors(row.id)?;
        changes.describe_encoder(row.id, described.location.as_deref(), PIXEL_RULE)?;
        changes.commit()?;
        let no_prompts = !described.takes_texts() || self.catalog.prompts_to_embed(row.id)?.is_empty();
        Ok(no_prompts && self.catalog.staged(row.id)? == 0 && self.catalog.count_to_embed(row.id)? == 0)
    }

    /// The encoder's row, made or renewed.
    fn registered(
        &mut self,
        described: &Described,
        row: Option<EncoderRow>,
        dimension: usize,
        if_changed: IfChanged,
        watch: &mut Watch<'_>,
    ) -> Result<EncoderRow> {
        let changes = self.catalog.begin()?;
        let id = match row {
            // Imported vectors are not ours to throw away: `encoder` refuses.
            Some(row) if row.fingerprint != described.fingerprint && row.pixel_rule.is_some() => {
                if if_changed == IfChanged::Refuse {
                    return Err(Error::request(
                        format!("encoder {} is not the one that made the vectors in the data set", quote(row.name.as_str())),
                        "`msdata embed` embeds everything anew with it; or give it another `name` in its msdata.toml",
                    ));
                }
                watch.warn(&format!("encoder {} has changed: everything is embedded anew", plain(row.name.as_str())));
                changes.clear_encoder(row.id)?;
                changes.renew_encoder(row.id, &described.fingerprint, dimension)?;
                row.id
            }
            _ => changes.encoder(&described.name, &described.fingerprint, dimension)?,
        };
        changes.describe_encoder(id, described.location.as_deref(), PIXEL_RULE)?;
        let unused = changes.drop_unused_parts()?;
        changes.commit()?;
        self.store.remove(&unused)?;
        let rows = self.catalog.encoders()?;
        rows.into_iter().find(|row| row.id == id).ok_or_else(|| Error::Damaged("an encoder's row is gone".into()))
    }
}
