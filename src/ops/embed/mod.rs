//! Which encoders embed, on what, and in which order.

pub(crate) mod comparison;
pub(crate) mod kept;
pub(crate) mod pipeline;
pub(crate) mod pixels;
pub(crate) mod queue;
pub(crate) mod regions;
pub(crate) mod windows;

use crate::catalog::{EncoderRow, RegionSetRow, Tally, other_encoder};
use crate::dataset::{Dataset, NAMED, commit};
use crate::encoder::{BUILTIN, Batch, Described, Device, Encoder, Home, Options, Runtime};
use crate::error::{Error, Result};
use crate::image::{PIXEL_RULE, Transparency};
use crate::ops::embed::kept::compare_kept;
use crate::ops::embed::pipeline::{Embedded, embed};
use crate::ops::embed::regions::{EmbeddedRegions, embed_regions};
use crate::ops::embed::windows::{Searched, WindowChoice, choose, search_images};
use crate::ops::scan;
use crate::text::shell_word;
use crate::text::{plain, quote};
use crate::vocabulary::{EncoderName, RegionSetName};
use crate::watch::Watch;
use crate::windows::Pattern;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// How to embed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmbedOptions {
    /// Names or directories; empty: the encoders already in the data set, else the built-in one.
    pub encoders: Vec<String>,
    /// Where networks run.
    pub device: Device,
    /// Images per run of the network; `None`: 1 on the CPU, 32 on a GPU.
    pub batch: Option<Batch>,
    /// Threads for decoding, and for computing on the CPU; `None`: all cores.
    pub threads: Option<NonZeroUsize>,
    /// The library of ONNX Runtime; `None`: see [`Runtime`].
    pub library: Option<PathBuf>,
    /// How to treat transparent pixels; `None`: as before, dropped at first.
    pub transparency: Option<Transparency>,
    /// Retry what could not be read or embedded before.
    pub retry_failed: bool,
    /// Which windows to search for each subject.
    pub windows: WindowChoice,
    /// How many bytes the windows' vectors may take that are kept, of all encoders together; `None`: as chosen before,
    /// 4 GB at first.
    pub keep_windows: Option<u64>,
    /// Embed the regions of these sets, and nothing else; empty: whole images.
    pub regions: Vec<RegionSetName>,
}

/// What embedding did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmbedSummary {
    /// The device that it ran on, as a sentence; `None` if nothing had to run.
    pub device: Option<String>,
    /// What was embedded, by encoder.
    pub encoders: Vec<(EncoderName, Embedded)>,
    /// Which windows were searched, and what that did, by encoder that searched images.
    pub windows: Vec<(EncoderName, Pattern, Searched)>,
    /// What was done with the regions of sets, by encoder and set.
    pub regions: Vec<(EncoderName, RegionSetName, EmbeddedRegions)>,
    /// Images whose kept windows' vectors were removed, because they may take less room than before.
    pub windows_taken_out: u64,
    /// Number of images and prompts that can be read but that these encoders could not embed, now or in an earlier run.
    pub failed: u64,
    /// The first of those, each with its encoder and its reason.
    pub failures: Vec<String>,
    /// Number of (generation, encoder) pairs that [`Dataset::embed`] scored afterwards.
    pub scored: u64,
    /// All image files of the data set by state.
    pub images: Tally,
    /// The first images that cannot be used, each with its reason; filled by [`Dataset::embed`].
    pub unusable: Vec<String>,
}

impl EmbedSummary {
    /// Returns whether any image is not embedded, because it cannot be, or because it changed while it was read.
    pub fn lacks_images(&self) -> bool {
        self.failed > 0
            || self.encoders.iter().any(|(_, done)| done.failed + done.changed > 0)
            || self.windows.iter().any(|(_, _, done)| done.failed > 0)
            || self.regions.iter().any(|(_, _, done)| done.failed + done.changed > 0)
    }
}

/// What to do when an encoder's model is not the one that made the vectors in the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfChanged {
    /// Report an error.
    Refuse,
    /// Remove its vectors, and embed everything again.
    Renew,
}

impl Dataset {
    /// Embeds what has no vector, then scores it. An encoder whose model has changed embeds everything again.
    ///
    /// # Errors
    /// There is no such encoder, no ONNX Runtime or no such device; the disk is full; or the caller wants to stop (what
    /// was finished is kept). Images that cannot be embedded are not an error: see [`EmbedSummary`].
    pub fn embed(&mut self, options: &EmbedOptions, watch: &mut Watch<'_>) -> Result<EmbedSummary> {
        let home = Home::from_env()?;
        let encoders = self.wanted(options, false, &home)?;
        if self.changes_transparency(options)? {
            // An encoder that cannot run now must not cost the vectors that are there.
            Runtime::load(&home, options.library.as_deref())?.choose(options.device)?;
            self.change_transparency(self.transparency_under(options)?, watch)?;
        }
        self.fit_all(&encoders, IfChanged::Renew)?;
        if options.retry_failed {
            let changes = self.catalog.begin()?;
            changes.forget_failures()?;
            changes.forget_appearances()?;
            changes.commit()?;
        }
        scan::inspect(&mut self.catalog, &self.door, watch)?;
        let mut summary = self.embed_by(&encoders, options, &home, IfChanged::Renew, watch)?;
        if self.look_at_pixels(watch)? > 0 {
            self.warn_of_pixels(watch)?;
        }
        summary.scored = self.score(watch)?;
        summary.images = self.catalog.tally()?;
        summary.unusable = self.unusable_images()?;
        Ok(summary)
    }

    /// Does the same as [`Dataset::ready_if`], where no encoder may have changed.
    pub(crate) fn ready(&self, options: &EmbedOptions, imports: bool) -> Result<(Home, Vec<Described>)> {
        self.ready_if(options, imports, IfChanged::Refuse)
    }

    /// Returns the encoders that `options` ask for, after checking that they can run: what cannot be found or
    /// loaded, or an encoder that is not the data set's, is an error before anything is written.
    pub(crate) fn ready_if(
        &self,
        options: &EmbedOptions,
        imports: bool,
        if_changed: IfChanged,
    ) -> Result<(Home, Vec<Described>)> {
        self.keeps_transparency(options)?;
        let home = Home::from_env()?;
        let encoders = self.wanted(options, imports, &home)?;
        let known = self.catalog.encoders()?;
        self.fit_all(&encoders, if_changed)?;
        for encoder in &encoders {
            // An encoder that the data set knows has been opened before.
            if known.iter().any(|row| row.fingerprint == encoder.fingerprint) {
                Runtime::load(&home, options.library.as_deref())?.choose(options.device)?;
            } else {
                let mut opened = open(encoder, options, &home)?;
                if options.windows == WindowChoice::Pattern(Pattern::Dense) {
                    opened.encoder.try_dense()?;
                }
            }
        }
        Ok((home, encoders))
    }

    fn named_sets(&self, names: &[RegionSetName]) -> Result<Vec<RegionSetRow>> {
        names.iter().map(|name| self.region_set(name)).collect()
    }

    /// Returns the region set of this name.
    pub(crate) fn region_set(&self, name: &RegionSetName) -> Result<RegionSetRow> {
        let mut known = self.catalog.region_sets()?;
        match known.iter().position(|set| set.name == *name) {
            Some(at) => Ok(known.swap_remove(at)),
            None => {
                let there: Vec<String> = known.iter().map(|set| quote(set.name.as_str())).collect();
                let hint = match there.is_empty() {
                    true => "`msdata ingest --regions FILE --set NAME` makes one (docs/regions.md)".to_owned(),
                    false => format!("there is {}", there.join(", ")),
                };
                Err(Error::request(format!("there is no region set {}", quote(name.as_str())), hint))
            }
        }
    }

    fn fit_all(&self, encoders: &[Described], if_changed: IfChanged) -> Result<()> {
        let known = self.catalog.encoders()?;
        for encoder in encoders {
            if let Some(row) = known.iter().find(|row| row.name == encoder.name) {
                fit(Some(row), self.catalog.has_vectors(row.id)?, encoder, if_changed)?;
            }
        }
        Ok(())
    }

    /// Returns descriptions of the encoders that `options` ask for. If vectors are imported in the same run, the data
    /// set is not without an encoder.
    fn wanted(&self, options: &EmbedOptions, imports: bool, home: &Home) -> Result<Vec<Described>> {
        let known = self.catalog.encoders()?;
        // Imported vectors have no model that could make more.
        let mut computed: Vec<&EncoderRow> = known.iter().filter(|row| row.pixel_rule.is_some()).collect();
        let mut of_sets = Vec::new();
        for set in self.named_sets(&options.regions)? {
            of_sets.extend(self.catalog.encoders_of_regions(set.id)?);
        }
        if !of_sets.is_empty() && !self.changes_transparency(options)? {
            computed.retain(|row| of_sets.contains(&row.id));
        }
        let mut computed =
            computed.into_iter().map(|row| row.location.as_ref().map_or(row.name.to_string(), |dir| dir.display().to_string()));
        let mut words = match options.encoders.is_empty() {
            false => options.encoders.clone(),
            true if known.is_empty() && !imports => vec![BUILTIN.to_owned()],
            true => computed.by_ref().collect(),
        };
        if self.changes_transparency(options)? {
            // It applies to all of them.
            words.extend(computed);
        }
        let found = described(words.iter().map(String::as_str), self.transparency_under(options)?, home)?;
        if options.windows == WindowChoice::Pattern(Pattern::Dense) {
            found.iter().try_for_each(Described::check_dense)?;
        }
        Ok(found)
    }

    pub(crate) fn embed_by(
        &mut self,
        encoders: &[Described],
        options: &EmbedOptions,
        home: &Home,
        if_changed: IfChanged,
        watch: &mut Watch<'_>,
    ) -> Result<EmbedSummary> {
        let mut summary = EmbedSummary::default();
        let changes = self.catalog.begin()?;
        if let Some(transparency) = options.transparency {
            changes.set_transparency(transparency)?;
        }
        if let Some(bytes) = options.keep_windows {
            changes.set_keep_bytes(bytes)?;
            summary.windows_taken_out = changes.keep_windows_within(bytes)?;
        }
        commit(changes, &self.store)?;
        let asked = self.named_sets(&options.regions)?;
        for set in &asked {
            let changes = self.catalog.begin()?;
            changes.use_other_references_whole(set.id)?;
            changes.commit()?;
        }
        for described in encoders {
            let row = self.catalog.encoders()?.into_iter().find(|row| row.name == described.name);
            let plan = self.plan(row.as_ref(), &asked, options)?;
            if let Some(row) = &row
                && row.fingerprint == described.fingerprint
                && self.has_all_by(row, described, &plan)?
            {
                if !plan.whole {
                    continue;
                }
                // No network is needed where the windows' vectors are kept.
                let compared = self.compare_kept(row, options.windows, watch)?;
                if !self.has_windows_to_look_through(row.id, options.windows)? {
                    summary.windows.extend(compared.map(|(pattern, done)| (described.name.clone(), pattern, done)));
                    continue;
                }
            }
            let OpenedEncoder { mut encoder, threads, on_gpu, said } = open(described, options, home)?;
            let before = row.as_ref().map_or(Ok(None), |row| self.catalog.window_pattern(row.id))?;
            if options.windows == WindowChoice::Pattern(Pattern::Dense) && before != Some(Pattern::Dense) {
                // What cannot run must not cost what was found in other windows.
                encoder.try_dense()?;
            }
            let is_new = row.is_none();
            let row = self.registered(described, row, encoder.dimension(), if_changed, watch)?;
            let changes = self.catalog.begin()?;
            if plan.whole || is_new {
                changes.set_embeds_whole_images(row.id, plan.whole)?;
            }
            for set in &plan.sets {
                changes.put_region_encoder(set.id, row.id)?;
            }
            changes.commit()?;
            for set in &plan.sets {
                let done = embed_regions(&mut self.catalog, &self.store, &self.door, &row, &mut encoder, set, watch)?;
                if done != EmbeddedRegions::default() {
                    summary.regions.push((described.name.clone(), set.name.clone(), done));
                }
            }
            summary.device = Some(said);
            if !plan.whole {
                continue;
            }
            if options.windows == WindowChoice::Auto {
                // Chosen and recorded before there are vectors: a run that ends in between would else leave nothing to
                // embed, and no later one would search.
                let images = self.catalog.count_to_look_through(row.id)?;
                let known = self.catalog.window_pattern(row.id)?;
                if images > 0
                    && known.is_none()
                    && let Some(pattern) =
                        choose(options.windows, known, &mut encoder, described.name.as_str(), images, on_gpu, watch)?
                {
                    let changes = self.catalog.begin()?;
                    changes.set_window_pattern(row.id, pattern)?;
                    changes.commit()?;
                }
            }
            let done = embed(&mut self.catalog, &self.store, &self.door, &row, &mut encoder, threads, watch)?;
            if done.cut > 0 {
                watch.warn(&format!(
                    "encoder {}: {} prompts are longer than it takes and were cut",
                    plain(described.name.as_str()),
                    done.cut
                ));
            }
            summary.encoders.push((described.name.clone(), done));
            if let WindowChoice::Pattern(pattern) = options.windows {
                // First remove what was found in other windows: it would count as done.
                if let Some(before) = before.filter(|before| *before != pattern)
                    && self.catalog.looked_through(row.id)? > 0
                {
                    watch.warn(&format!(
                        "encoder {}: what was found in {before} windows is removed, and images are searched in {pattern} ones: \
                         the two cannot be compared",
                        plain(described.name.as_str())
                    ));
                }
                let changes = self.catalog.begin()?;
                changes.set_window_pattern(row.id, pattern)?;
                commit(changes, &self.store)?;
            }
            let compared = self.compare_kept(&row, options.windows, watch)?;
            let known = self.catalog.window_pattern(row.id)?;
            let images = self.catalog.count_to_look_through(row.id)?;
            let mut looked = compared;
            if (images > 0 || self.lacks_dense_references(row.id)?)
                && let Some(pattern) = known.filter(|_| options.windows != WindowChoice::None)
            {
                let compared = looked.map_or(0, |(_, done)| done.compared);
                let done =
                    search_images(&mut self.catalog, &self.store, &self.door, &row, &mut encoder, pattern, threads, watch)?;
                looked = Some((pattern, Searched { compared, ..done }));
            }
            summary.windows.extend(looked.map(|(pattern, done)| (described.name.clone(), pattern, done)));
        }
        if summary.encoders.iter().any(|(_, done)| done.images > 0) {
            self.warn_of_pixels(watch)?;
        }
        for described in encoders {
            let (failed, first) =
                self.catalog.embedding_failures(&described.name, NAMED.saturating_sub(summary.failures.len()))?;
            summary.failed += failed;
            summary.failures.extend(first.iter().map(|line| format!("{}: {line}", plain(described.name.as_str()))));
        }
        Ok(summary)
    }

    /// Compares the images whose windows are kept again where the pool has changed; `None` where there were none, or other
    /// windows are asked for.
    fn compare_kept(
        &mut self,
        row: &EncoderRow,
        choice: WindowChoice,
        watch: &mut Watch<'_>,
    ) -> Result<Option<(Pattern, Searched)>> {
        let asked = |known: &Pattern| match choice {
            WindowChoice::Auto => true,
            WindowChoice::None => false,
            WindowChoice::Pattern(pattern) => pattern == *known,
        };
        let Some(pattern) = self.catalog.window_pattern(row.id)?.filter(asked) else { return Ok(None) };
        let compared = compare_kept(&mut self.catalog, &self.store, row, pattern, watch)?;
        Ok((compared > 0).then(|| (pattern, Searched { compared, ..Searched::default() })))
    }

    /// Returns whether an encoder has images to search, or is to search other windows than before.
    fn has_windows_to_look_through(&self, encoder: i64, choice: WindowChoice) -> Result<bool> {
        let known = self.catalog.window_pattern(encoder)?;
        Ok(match choice {
            WindowChoice::None => false,
            // Windows that nobody asked for come with the first run that has anything to embed.
            WindowChoice::Auto if known.is_none() => false,
            WindowChoice::Pattern(pattern) if known != Some(pattern) => true,
            WindowChoice::Auto | WindowChoice::Pattern(_) => {
                self.catalog.count_to_look_through(encoder)? > 0 || self.lacks_dense_references(encoder)?
            }
        })
    }

    /// Returns whether an encoder searches dense windows and a reference has no vector for them.
    fn lacks_dense_references(&self, encoder: i64) -> Result<bool> {
        Ok(self.catalog.window_pattern(encoder)? == Some(Pattern::Dense) && self.catalog.lacks_dense_references(encoder)?)
    }

    /// Returns what an encoder, `row` if the data set knows it, is to embed: the regions of the sets that were asked for; else
    /// whole images, if it does those, and the regions that it embedded before.
    fn plan(&self, row: Option<&EncoderRow>, asked: &[RegionSetRow], options: &EmbedOptions) -> Result<Plan> {
        if !asked.is_empty() {
            return Ok(Plan { whole: false, sets: asked.to_vec() });
        }
        let Some(row) = row else { return Ok(Plan { whole: true, sets: Vec::new() }) };
        let mut sets = Vec::new();
        for set in self.catalog.region_sets()? {
            if self.catalog.encoders_of_regions(set.id)?.contains(&row.id) {
                sets.push(set);
            }
        }
        Ok(Plan { whole: !options.encoders.is_empty() || self.catalog.embeds_whole_images(row.id)?, sets })
    }

    /// Returns whether nothing is left to embed, so that an unchanged run opens no network.
    fn has_all_by(&mut self, row: &EncoderRow, described: &Described, plan: &Plan) -> Result<bool> {
        for set in &plan.sets {
            if self.catalog.count_regions_to_embed(row.id, set.id)? > 0
                || !self.catalog.encoders_of_regions(set.id)?.contains(&row.id)
            {
                return Ok(false);
            }
        }
        if !plan.whole {
            return Ok(self.catalog.staged(row.id)? == 0);
        }
        if !self.catalog.embeds_whole_images(row.id)? {
            return Ok(false);
        }
        let changes = self.catalog.begin()?;
        changes.share_vectors(row.id)?;
        changes.describe_encoder(row.id, described.location.as_deref(), PIXEL_RULE)?;
        changes.commit()?;
        let no_prompts = !described.takes_texts() || self.catalog.prompts_to_embed(row.id)?.is_empty();
        Ok(no_prompts && self.catalog.staged(row.id)? == 0 && self.catalog.count_to_embed(row.id)? == 0)
    }

    /// Returns the encoder's row, made or renewed.
    fn registered(
        &mut self,
        described: &Described,
        row: Option<EncoderRow>,
        dimension: usize,
        if_changed: IfChanged,
        watch: &mut Watch<'_>,
    ) -> Result<EncoderRow> {
        let held = match &row {
            Some(row) => self.catalog.has_vectors(row.id)?,
            None => false,
        };
        fit(row.as_ref(), held, described, if_changed)?;
        let changes = self.catalog.begin()?;
        let id = match row {
            // Imported vectors are not ours to throw away: `encoder` refuses.
            Some(row) if row.fingerprint != described.fingerprint && row.pixel_rule.is_some() => {
                let (name, rule) = (row.name.as_str(), row.pixel_rule.filter(|rule| *rule != PIXEL_RULE));
                if held {
                    let why = match rule {
                        Some(rule) => format!("was used with pixel rule {rule}, which is now {PIXEL_RULE}"),
                        None => "has changed".to_owned(),
                    };
                    watch.warn(&format!("encoder {} {why}: everything is embedded again", plain(name)));
                }
                changes.renew_encoder(row.id, &described.fingerprint, dimension)?;
                row.id
            }
            _ => changes.encoder(&described.name, &described.fingerprint, dimension)?,
        };
        changes.describe_encoder(id, described.location.as_deref(), PIXEL_RULE)?;
        commit(changes, &self.store)?;
        let rows = self.catalog.encoders()?;
        rows.into_iter().find(|row| row.id == id).ok_or_else(|| Error::Damaged("an encoder's row is gone".into()))
    }
}

/// Returns descriptions of the encoders that words name, each once.
///
/// # Errors
/// There is no such encoder, its files are at fault, or two have one name.
pub(crate) fn described<'w>(
    words: impl IntoIterator<Item = &'w str>,
    transparency: Transparency,
    home: &Home,
) -> Result<Vec<Described>> {
    let mut found: Vec<Described> = Vec::new();
    for word in words {
        for encoder in Described::find(word, home)?.into_iter().map(|encoder| encoder.under(transparency)) {
            match found.iter().find(|other| other.name == encoder.name) {
                None => found.push(encoder),
                Some(other) if other.fingerprint == encoder.fingerprint => {}
                Some(_) => {
                    return Err(Error::request(
                        format!("two encoders are named {}", quote(encoder.name.as_str())),
                        "give one of them another `name` in its msdata.toml",
                    ));
                }
            }
        }
    }
    Ok(found)
}

/// What an encoder is to embed.
struct Plan {
    /// Whether whole images and prompts.
    whole: bool,
    /// The regions of these sets.
    sets: Vec<RegionSetRow>,
}

/// An encoder ready to embed.
pub(crate) struct OpenedEncoder {
    pub(crate) encoder: Encoder,
    pub(crate) threads: usize,
    on_gpu: bool,
    /// The device that it runs on, as a sentence.
    pub(crate) said: String,
}

pub(crate) fn open(described: &Described, options: &EmbedOptions, home: &Home) -> Result<OpenedEncoder> {
    let runtime = Runtime::load(home, options.library.as_deref())?;
    let choice = runtime.choose(options.device)?;
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = options.threads.unwrap_or(cores).get();
    let batch = match choice.device {
        Device::Cuda(_) => Batch::CUDA,
        Device::Auto | Device::Cpu => Batch::CPU,
    };
    let batch = options.batch.unwrap_or(batch);
    let encoder = described.open(runtime, Options { device: choice.device, threads, batch })?;
    let on_gpu = matches!(choice.device, Device::Cuda(_));
    Ok(OpenedEncoder { encoder, threads, on_gpu, said: choice.said })
}

/// Checks that an encoder is the one of the same name in the data set, `row`; `held` says whether that has vectors.
///
/// # Errors
/// It is a different one, unless that is allowed and its vectors can be made again, as imported ones cannot.
pub(crate) fn fit(row: Option<&EncoderRow>, held: bool, encoder: &Described, if_changed: IfChanged) -> Result<()> {
    let Some(row) = row.filter(|row| row.fingerprint != encoder.fingerprint) else { return Ok(()) };
    let Some(rule) = row.pixel_rule else {
        return Err(match encoder.other_transparency(&row.fingerprint) {
            Some(transparency) => Error::request(
                format!("the imported vectors of encoder {} were made with another `--transparency`", quote(row.name.as_str())),
                format!("`--transparency {transparency}` keeps them"),
            ),
            None => other_encoder(row, &encoder.fingerprint),
        });
    };
    if if_changed == IfChanged::Refuse && held {
        let name = quote(row.name.as_str());
        let word = encoder.location.as_deref().map_or_else(|| encoder.name.to_string(), shell_word);
        return Err(match rule == PIXEL_RULE {
            true => Error::request(
                format!("encoder {name} is not the one that made the vectors in the data set"),
                format!(
                    "`msdata embed --encoder {word}` embeds everything again with it; \
                     or give it another `name` in its msdata.toml"
                ),
            ),
            false => Error::request(
                format!(
                    "the vectors of encoder {name} were made by pixel rule {rule}, but files now become pixels by rule \
                     {PIXEL_RULE}"
                ),
                format!("`msdata embed --encoder {word}` embeds everything again"),
            ),
        });
    }
    Ok(())
}
