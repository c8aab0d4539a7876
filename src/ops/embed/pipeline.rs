//! Turns pixels and texts into vectors: images are read, decoded and preprocessed on all cores, gathered into
//! batches, run through the network, and staged in the catalog batch by batch; parts are written when
//! enough vectors are staged. Memory holds a few batches, however many images there are.

use crate::catalog::{Catalog, Changes, EncoderRow, ImageTask, NewVector, PartRow, StagedVector, Target};
use crate::dataset::commit;
use crate::embeddings::{PartWriter, Store};
use crate::encoder::Encoder;
use crate::error::{Error, Result, io_reason};
use crate::image::{Appearance, Door, Preprocessing, Transparency, decode_on};
use crate::ops::embed::queue::Queue;
use crate::text::{plain, quote};
use crate::vocabulary::{ImageStatus, Outcome, Probe, Provenance};
use crate::watch::Watch;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// Bytes of staged vectors that are written as one part.
const PART_BYTES: usize = 32 << 20;

/// Tasks read from the catalog at a time.
const PAGE: usize = 1024;

/// What embedding with one encoder did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Embedded {
    /// Image contents embedded, each once.
    pub images: u64,
    /// Further images that share one of those contents.
    pub shared: u64,
    /// Prompts embedded.
    pub prompts: u64,
    /// Prompts among them that were cut at the encoder's limit.
    pub cut: u64,
    /// Images and prompts that could not be embedded.
    pub failed: u64,
    /// Images whose bytes were not those that the catalog knows: they have changed since they were read. The next
    /// run reads and embeds them.
    pub changed: u64,
}

/// Embeds everything without a vector of `row`, with `encoder`; `threads` threads decode. Finished vectors survive an
/// interruption.
pub fn embed(
    catalog: &mut Catalog,
    store: &Store,
    door: &Door,
    row: &EncoderRow,
    encoder: &mut Encoder,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<Embedded> {
    let mut done = Embedded::default();
    let outcome = prompts(catalog, row, encoder, &mut done, watch)
        .and_then(|()| images(catalog, store, door, row, encoder, threads, &mut done, watch));
    match outcome {
        Ok(()) | Err(Error::Interrupted) => {
            flush(catalog, store, row)?;
            let changes = catalog.begin()?;
            done.shared = changes.share_vectors(row.id)?;
            changes.commit()?;
        }
        Err(_) => {} // staged vectors stay staged
    }
    outcome.map(|()| done)
}

fn prompts(
    catalog: &mut Catalog,
    row: &EncoderRow,
    encoder: &mut Encoder,
    done: &mut Embedded,
    watch: &mut Watch<'_>,
) -> Result<()> {
    if !encoder.takes_texts() {
        return Ok(());
    }
    let tasks = catalog.prompts_to_embed(row.id)?;
    for block in tasks.chunks(64) {
        watch.check()?;
        let (mut staged, mut failed) = (Vec::with_capacity(block.len()), Vec::new());
        for task in block {
            match encoder.embed_text(&task.text)? {
                Ok(text) => {
                    done.cut += u64::from(text.truncated);
                    staged.push(StagedVector {
                        target: Target::Prompt(task.prompt),
                        source: task.source(),
                        truncated: Some(text.truncated),
                        vector: text.vector,
                    });
                }
                Err(reason) => failed.push((task.prompt, reason)),
            }
        }
        done.prompts += staged.len() as u64;
        done.failed += failed.len() as u64;
        let changes = catalog.begin()?;
        changes.stage(row.id, &staged)?;
        for (prompt, reason) in &failed {
            changes.record_prompt_failure(row.id, *prompt, &plain(reason))?;
        }
        changes.commit()?;
        watch.report("prompts", done.prompts + done.failed, Some(tasks.len() as u64));
    }
    Ok(())
}

/// An image made ready for the network, or why it could not be.
struct PreparedImage {
    task: ImageTask,
    tensor: std::result::Result<Tensor, EmbedRefusal>,
}

/// A network's input, and what the user should know about the image it was made from.
struct Tensor {
    values: Vec<f32>,
    notes: Vec<&'static str>,
    appearance: Appearance,
}

/// Why an image gives no tensor.
enum EmbedRefusal {
    /// The file cannot be read now.
    Unread(ImageStatus, String),
    /// What was read is not a usable image.
    Broken(ImageStatus, String),
    /// It is not the file that the catalog knows: it has changed since it was read.
    Changed,
    /// The encoder's preprocessing cannot take it.
    Unfit(String),
}

#[allow(clippy::too_many_arguments)]
fn images(
    catalog: &mut Catalog,
    store: &Store,
    door: &Door,
    row: &EncoderRow,
    encoder: &mut Encoder,
    threads: usize,
    done: &mut Embedded,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let total = catalog.count_to_embed(row.id)?;
    if total == 0 {
        return Ok(());
    }
    let (preprocessing, transparency) = (encoder.preprocessing().clone(), encoder.transparency());
    let under_way = 2 * encoder.at_once() + threads;
    let prepare = |task: ImageTask| {
        let tensor = tensor(&task, door, &preprocessing, transparency);
        PreparedImage { task, tensor }
    };
    Queue::with(threads, prepare, |queue| {
        let mut run = EmbedRun { catalog, store, row, warnings: BTreeMap::new(), done };
        let outcome = run.batches(encoder, under_way, &queue, total, watch);
        for (warning, (count, first)) in &run.warnings {
            watch.warn(&format!("{first}: {warning} ({count} such images in all)"));
        }
        outcome
    })
}

fn tensor(
    task: &ImageTask,
    door: &Door,
    preprocessing: &Preprocessing,
    transparency: Transparency,
) -> std::result::Result<Tensor, EmbedRefusal> {
    let bytes = door.read(&task.path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => EmbedRefusal::Unread(ImageStatus::Missing, io_reason(&e)),
        _ => EmbedRefusal::Unread(ImageStatus::Unreadable, io_reason(&e)),
    })?;
    if *blake3::hash(&bytes).as_bytes() != task.source {
        return Err(EmbedRefusal::Changed);
    }
    let decoded = decode_on(&bytes, transparency).map_err(|fault| EmbedRefusal::Broken(fault.status, fault.reason))?;
    drop(bytes);
    let values = preprocessing.tensor(&decoded.rgb).map_err(EmbedRefusal::Unfit)?;
    Ok(Tensor { values, notes: decoded.notes, appearance: decoded.appearance })
}

/// The main thread's side of a run.
struct EmbedRun<'a> {
    catalog: &'a mut Catalog,
    store: &'a Store,
    row: &'a EncoderRow,
    /// Warnings about images: how many images each concerns, and the first.
    warnings: BTreeMap<&'static str, (u64, String)>,
    done: &'a mut Embedded,
}

impl EmbedRun<'_> {
    fn batches(
        &mut self,
        encoder: &mut Encoder,
        under_way: usize,
        queue: &Queue<ImageTask, PreparedImage>,
        total: u64,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let (mut waiting, mut after, mut given, mut received) = (VecDeque::new(), 0, 0, 0);
        let mut substitutes = HashSet::new();
        let mut staged_bytes = self.catalog.staged(self.row.id)? as usize * self.row.dimension * 4;
        let batch = encoder.at_once();
        let (mut tasks, mut pixels) = (Vec::with_capacity(batch), Vec::new());
        loop {
            watch.check()?;
            while given - received < under_way {
                if waiting.is_empty() {
                    let page = self.catalog.images_to_embed(self.row.id, after, PAGE)?;
                    after = page.last().map_or(after, |task| task.image);
                    waiting.extend(page.into_iter().filter(|task| !substitutes.contains(&task.image)));
                }
                let Some(task) = waiting.pop_front() else { break };
                queue.give(task);
                given += 1;
            }
            if given == received {
                self.stage(encoder, &mut tasks, &mut pixels)?;
                watch.report("embedding", self.done.images + self.done.failed + self.done.changed, Some(total));
                return Ok(());
            }
            let prepared = queue.next()?;
            received += 1;
            match prepared.tensor {
                Ok(tensor) => {
                    tensor.notes.iter().for_each(|note| self.warning(&prepared.task, note));
                    pixels.extend_from_slice(&tensor.values);
                    tasks.push((prepared.task, tensor.appearance));
                }
                Err(refusal) => {
                    if let Some(substitute) = self.refuse(&prepared.task, refusal)?
                        && substitutes.insert(substitute.image)
                    {
                        waiting.push_front(substitute);
                    }
                }
            }
            if tasks.len() == batch {
                staged_bytes += tasks.len() * self.row.dimension * 4;
                self.stage(encoder, &mut tasks, &mut pixels)?;
                if staged_bytes >= PART_BYTES {
                    flush(self.catalog, self.store, self.row)?;
                    staged_bytes = 0;
                }
                watch.report("embedding", self.done.images + self.done.failed + self.done.changed, Some(total));
            }
        }
    }

    /// Runs the network on a batch and makes its vectors durable.
    fn stage(&mut self, encoder: &mut Encoder, tasks: &mut Vec<(ImageTask, Appearance)>, pixels: &mut Vec<f32>) -> Result<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        let vectors = encoder.embed_images(pixels)?;
        pixels.clear();
        let mut staged = Vec::with_capacity(vectors.len());
        let changes = self.catalog.begin()?;
        for ((task, appearance), vector) in tasks.drain(..).zip(vectors) {
            changes.record_appearance(&task.source, appearance)?;
            match vector {
                Ok(vector) => {
                    staged.push(StagedVector { target: Target::Image(task.image), source: task.source, truncated: None, vector })
                }
                Err(fault) => {
                    self.done.failed += 1;
                    changes.record_failure(self.row.id, task.image, &task.source, &fault.to_string())?;
                }
            }
        }
        changes.stage(self.row.id, &staged)?;
        self.done.images += staged.len() as u64;
        changes.commit()
    }

    fn warning(&mut self, task: &ImageTask, warning: &'static str) {
        let entry = self.warnings.entry(warning).or_insert_with(|| (0, quote(&task.path.display().to_string())));
        entry.0 += 1;
    }

    /// Records why an image was not embedded; if the reason concerns its file alone, another file of the same content is
    /// tried.
    fn refuse(&mut self, task: &ImageTask, refusal: EmbedRefusal) -> Result<Option<ImageTask>> {
        let encoder = self.row.id;
        match refusal {
            EmbedRefusal::Changed => {
                self.warning(task, "it changed while it was read; run again to embed it");
                self.done.changed += 1;
                self.record(|changes| changes.forget_content(task.image))?;
            }
            EmbedRefusal::Unread(status, reason) => {
                let outcome = Outcome::Unusable(status, plain(&reason).into_owned());
                let probe = Probe { bytes: None, mtime_ns: None, blake3: None, outcome };
                self.done.failed += 1;
                self.record(|changes| changes.record_probe(task.image, &probe))?;
            }
            EmbedRefusal::Broken(status, reason) => {
                self.done.failed += 1;
                self.record(|changes| changes.record_unusable(&task.source, status, &plain(&reason)))?;
                return Ok(None);
            }
            EmbedRefusal::Unfit(reason) => {
                self.done.failed += 1;
                self.record(|changes| changes.record_failure(encoder, task.image, &task.source, &reason))?;
                return Ok(None);
            }
        }
        self.catalog.first_of_content(&task.source)
    }

    fn record(&mut self, record: impl FnOnce(&Changes<'_>) -> Result<()>) -> Result<()> {
        let changes = self.catalog.begin()?;
        record(&changes)?;
        changes.commit()
    }
}

/// Writes the staged vectors as one part.
pub(crate) fn flush(catalog: &mut Catalog, store: &Store, row: &EncoderRow) -> Result<()> {
    if catalog.staged(row.id)? == 0 {
        return Ok(());
    }
    let changes = catalog.begin()?;
    let part = changes.next_part()?;
    let mut writer: Option<PartWriter> = None;
    let mut vectors = Vec::new();
    changes.unstage(row.id, |staged| {
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(store.begin(part, row.dimension)?),
        };
        let at = writer.push(&staged.vector, Some(staged.source))?;
        vectors.push(NewVector { target: staged.target, row: at, source: Some(staged.source), truncated: staged.truncated });
        Ok(())
    })?;
    if let Some(writer) = writer {
        let finished = writer.finish()?;
        store.publish(part, &finished)?;
        let (rows, bytes, blake3) = (finished.rows, finished.bytes, finished.blake3);
        changes
            .put_part(&PartRow { id: part, encoder: row.id, provenance: Provenance::Computed, rows, bytes, blake3 }, &vectors)?;
    }
    commit(changes, store)
}
