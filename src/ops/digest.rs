//! One hash of all results, so that two machines or two runs can be compared at a glance.
//!
//! Each row is a JSON array on one line, in the order of the users' keys; a table's hash is BLAKE3 over its lines,
//! the data set's is BLAKE3 over the tables' names and hashes. Left out: paths, times, row ids, how vectors are
//! divided into parts, reasons of failures (they are the system's words), `meta`, the queue and its logs.

use crate::catalog::{KeyOrder, KeyedVector, OrderedBlock, VectorKey};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::table::Cell;
use crate::watch::Watch;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Most bytes of vectors read at a time.
const GATHER_BYTES: usize = 64 << 20;

/// Most vectors read at a time.
const GATHER_ROWS: usize = 65_536;

/// Bytes of lines that are hashed together, which is faster than line by line.
const HASHED_BYTES: usize = 64 << 10;

/// The hash of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableDigest {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// BLAKE3, hexadecimal.
    pub blake3: String,
}

/// The hash of all results of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// BLAKE3, hexadecimal.
    pub blake3: String,
    /// The hash of each table: shows where two data sets differ.
    pub tables: Vec<TableDigest>,
}

/// What a digest says of regions: the view, its columns, and the order of its rows.
const REGION_VIEWS: [(&str, &str, &str); 4] = [
    ("region_sets", "region_set, kinds, least_side, least_score, margin, square, outside, fit", "region_set"),
    (
        "regions",
        "region_set, kind, subject_id, reference_index, model, prompt_id, seed, region_index, x, y, width, height, score, label, \
         shows, claimed, mask, stale",
        "region_set, kind, subject_id, reference_index, model, prompt_id, seed, region_index",
    ),
    (
        "region_scores",
        "region_set, encoder, model, prompt_id, seed, requested, regions, identity, matched, top1, margin, bleeding, homogenisation, \
         doubled",
        "region_set, encoder, model, prompt_id, seed",
    ),
    (
        "region_pairs",
        "region_set, encoder, model, prompt_id, seed, ordinal, region_index, similarity, assigned",
        "region_set, encoder, model, prompt_id, seed, ordinal, region_index",
    ),
];

fn as_json(cell: &Cell) -> serde_json::Value {
    match cell {
        Cell::Null => serde_json::Value::Null,
        Cell::Flag(flag) => (*flag).into(),
        Cell::Integer(n) => (*n).into(),
        Cell::Real(x) => (*x).into(),
        Cell::Text(text) | Cell::Number(text) | Cell::Best(text) => text.as_str().into(),
    }
}

/// The hash of a table, as its rows come.
struct DigestRows {
    table: &'static str,
    rows: u64,
    /// Lines that are not hashed yet.
    lines: Vec<u8>,
    hasher: blake3::Hasher,
}

impl DigestRows {
    fn of(table: &'static str) -> DigestRows {
        DigestRows { table, rows: 0, lines: Vec::with_capacity(2 * HASHED_BYTES), hasher: blake3::Hasher::new() }
    }

    fn row(&mut self, row: &impl Serialize) {
        // Cannot fail: JSON has strings, numbers and lists, and memory takes what is written to it.
        let _ = serde_json::to_writer(&mut self.lines, row);
        self.lines.push(b'\n');
        self.rows += 1;
        if self.lines.len() >= HASHED_BYTES {
            self.hash();
        }
    }

    fn hash(&mut self) {
        self.hasher.update(&self.lines);
        self.lines.clear();
    }

    /// Adds what `read` reads of the generations, block by block; a thread of its own adds one block while the next is read.
    fn blocks<T: Send>(
        &mut self,
        order: &KeyOrder,
        watch: &Watch<'_>,
        read: impl Fn(&OrderedBlock<'_>) -> Result<T>,
        add: impl Fn(&mut DigestRows, &OrderedBlock<'_>, T) + Send,
    ) -> Result<()> {
        thread::scope(|scope| {
            let (sender, blocks) = sync_channel(1);
            let adding = scope.spawn(move || blocks.into_iter().for_each(|(block, found)| add(self, &block, found)));
            let read = order.blocks().try_for_each(|block| {
                watch.check()?;
                let found = read(&block)?;
                // Whoever receives it ends after this thread, or panics, which is passed on below.
                let _ = sender.send((block, found));
                Ok(())
            });
            drop(sender);
            adding.join().unwrap_or_else(|panic| resume_unwind(panic));
            read
        })
    }

    fn done(mut self) -> TableDigest {
        self.hash();
        TableDigest { table: self.table, rows: self.rows, blake3: self.hasher.finalize().to_hex().to_string() }
    }
}

impl Dataset {
    /// Returns one hash of all results: subjects, prompts, generations with the content and state of their images,
    /// encoders, vectors, scores. It is the same on every machine, in whatever order the rows came.
    ///
    /// # Errors
    /// The catalog or a part cannot be read, or the caller wants to stop.
    pub fn digest(&self, watch: &mut Watch<'_>) -> Result<Digest> {
        let subjects = self.catalog.subjects()?;
        let mut references: HashMap<i64, Vec<_>> = HashMap::new();
        for (subject, file) in self.catalog.reference_files()? {
            references.entry(subject).or_default().push((file.status, file.blake3));
        }
        let mut table = DigestRows::of("subjects");
        for s in &subjects {
            table.row(&(&s.subject_id, &s.label, &s.source, s.kind, &s.caption, &s.license, references.get(&s.id)));
        }
        let mut tables = vec![table.done()];

        let prompts = self.catalog.prompts()?;
        let mut table = DigestRows::of("prompts");
        for p in &prompts {
            let requested: Vec<&str> = p.subjects.iter().map(|s| subjects[*s].subject_id.as_str()).collect();
            table.row(&(&p.prompt_id, &p.text, p.scene_type, requested, p.cut));
        }
        tables.push(table.done());

        watch.check()?;
        let (models, order) = (self.catalog.models()?, self.catalog.key_order()?);
        let mut table = DigestRows::of("generations");
        let states = |block: &OrderedBlock<'_>| self.catalog.states_of(block);
        table.blocks(&order, watch, states, |table, block, found| {
            for (place, state) in found {
                let blake3 = state.blake3.map(|hash| blake3::Hash::from_bytes(hash).to_hex());
                let file = Some((state.status, blake3.as_ref().map(|hash| hash.as_str())));
                table.row(&(block.key(place), models[block.model(place)].1, file, state.size, state.regions));
            }
        })?;
        tables.push(table.done());

        let (mut encoder_rows, mut vector_rows) = (DigestRows::of("encoders"), DigestRows::of("vectors"));
        let (mut image_rows, mut subject_rows) = (DigestRows::of("image_scores"), DigestRows::of("subject_scores"));
        let mut local_rows = DigestRows::of("local_scores");
        let ids: HashMap<i64, &str> = subjects.iter().map(|s| (s.id, s.subject_id.as_str())).collect();
        for encoder in self.catalog.encoders()? {
            let name = encoder.name.as_str();
            let before = vector_rows.rows;
            self.digest_vectors(&encoder, &order, &mut vector_rows, watch)?;
            if vector_rows.rows > before {
                // An encoder without any vector left says nothing about results.
                encoder_rows.row(&(name, &encoder.fingerprint, encoder.dimension));
            }
            if self.catalog.window_pattern(encoder.id)?.is_some() {
                let locals = |block: &OrderedBlock<'_>| self.catalog.local_scores_in(block, encoder.id);
                local_rows.blocks(&order, watch, locals, |table, block, mut found| {
                    for of_generation in found.chunk_by_mut(|one, next| one.0 == next.0) {
                        of_generation.sort_unstable_by_key(|(_, local)| ids.get(&local.subject).copied());
                        for (place, l) in of_generation {
                            let window = [l.window.x, l.window.y, l.window.width, l.window.height];
                            let subject = ids.get(&l.subject).copied().unwrap_or_default();
                            table.row(&(name, block.key(*place), (subject, l.local, l.uncentred, window)));
                        }
                    }
                })?;
            }
            let scores = |block: &OrderedBlock<'_>| self.catalog.image_scores_in(block, encoder.id);
            image_rows.blocks(&order, watch, scores, |table, block, found| {
                found.iter().for_each(|(place, score)| table.row(&(name, block.key(*place), score)));
            })?;
            let scores = |block: &OrderedBlock<'_>| self.catalog.subject_scores_in(block, encoder.id);
            subject_rows.blocks(&order, watch, scores, |table, block, found| {
                found.iter().for_each(|(place, score)| table.row(&(name, block.key(*place), score)));
            })?;
        }
        tables.extend([encoder_rows, vector_rows, image_rows, subject_rows].map(DigestRows::done));
        // Where no windows were searched, the hash is the same as before there were windows.
        tables.extend((local_rows.rows > 0).then(|| local_rows.done()));

        // The same of regions.
        if !self.catalog.region_sets()?.is_empty() {
            for (table, columns, order) in REGION_VIEWS {
                watch.check()?;
                let mut rows = DigestRows::of(table);
                self.catalog.each_view_row(columns, table, order, &mut |cells| {
                    let cells: Vec<serde_json::Value> = cells.iter().map(as_json).collect();
                    rows.row(&cells);
                    Ok(())
                })?;
                tables.push(rows.done());
            }
        }

        // And of metrics.
        if !self.catalog.metrics()?.is_empty() {
            watch.check()?;
            let mut rows = DigestRows::of("metrics");
            const COLUMNS: &str = "metric, better, least, most, model, prompt_id, seed, subject_id, value, stale";
            const ORDER: &str = "metric, model, prompt_id, seed, subject_id";
            self.catalog.each_view_row(COLUMNS, "metrics", ORDER, &mut |cells| {
                rows.row(&cells.iter().map(as_json).collect::<Vec<_>>());
                Ok(())
            })?;
            tables.push(rows.done());
        }

        let mut whole = DigestRows::of("data set");
        tables.iter().for_each(|t| whole.row(&(t.table, t.rows, &t.blake3)));
        Ok(Digest { blake3: whole.done().blake3, tables })
    }

    fn digest_vectors(
        &self,
        encoder: &crate::catalog::EncoderRow,
        order: &KeyOrder,
        rows: &mut DigestRows,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let block = (GATHER_BYTES / (4 * encoder.dimension)).clamp(1, GATHER_ROWS);
        let mut pending: Vec<KeyedVector> = Vec::new();
        let mut flush = |pending: &mut Vec<KeyedVector>, watch: &mut Watch<'_>| -> Result<()> {
            watch.check()?;
            let places: Vec<_> = pending.iter().map(|v| v.place).collect();
            let vectors = self.store.gather(&places, encoder.dimension)?;
            let of_vector = |vector: &[f32]| {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                blake3::hash(&bytes).to_hex()
            };
            let contents: Vec<_> = vectors.par_chunks_exact(encoder.dimension).map(of_vector).collect();
            for (keyed, content) in pending.drain(..).zip(&contents) {
                let content = content.as_str();
                let name = encoder.name.as_str();
                let image = |key: &VectorKey| match key {
                    VectorKey::Reference(subject, index) => (subject.to_string(), String::new(), i64::from(*index)),
                    VectorKey::Generation(model, prompt, seed) => (model.to_string(), prompt.to_string(), *seed),
                    VectorKey::Prompt(_) | VectorKey::Region(..) => Default::default(),
                };
                match &keyed.key {
                    VectorKey::Region(of, set, index) => rows.row(&(name, "region", image(of), set.as_str(), index, content)),
                    VectorKey::Reference(subject, index) => rows.row(&(name, "reference", subject.as_str(), index, content)),
                    VectorKey::Generation(model, prompt, seed) => {
                        rows.row(&(name, "generation", model.as_str(), prompt.as_str(), seed, content));
                    }
                    VectorKey::Prompt(prompt) => rows.row(&(name, "prompt", prompt.as_str(), content)),
                }
            }
            watch.report("vectors", rows.rows, None);
            Ok(())
        };
        self.catalog.each_vector(encoder.id, order, |vector| {
            pending.push(vector);
            if pending.len() < block { Ok(()) } else { flush(&mut pending, watch) }
        })?;
        flush(&mut pending, watch)
    }
}
