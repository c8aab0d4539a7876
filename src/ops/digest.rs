//! One hash of all results, so that two machines or two runs can be compared at a glance.
//!
//! Each row is a JSON array on one line, in the order of the users' keys; a table's hash is BLAKE3 over its lines,
//! the data set's is BLAKE3 over the tables' names and hashes. Left out: paths, times, row ids, how vectors are
//! divided into parts, reasons of failures (they are the system's words), `meta`, the queue and its logs.

use crate::catalog::{KeyedVector, VectorKey};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::table::Cell;
use crate::watch::Watch;
use serde::Serialize;
use std::collections::HashMap;

/// Bytes of vectors read at a time.
const GATHER_BYTES: usize = 64 << 20;

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

/// Subject, local similarity, largest plain cosine, window.
type LocalRow<'a> = (&'a str, f64, f64, [u32; 4]);

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
    hasher: blake3::Hasher,
}

impl DigestRows {
    fn of(table: &'static str) -> DigestRows {
        DigestRows { table, rows: 0, hasher: blake3::Hasher::new() }
    }

    fn row(&mut self, row: &impl Serialize) {
        // Cannot fail: JSON has strings, numbers and lists.
        let line = serde_json::to_vec(row).unwrap_or_default();
        self.hasher.update(&line).update(b"\n");
        self.rows += 1;
    }

    fn done(self) -> TableDigest {
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
        let (models, generations) = (self.catalog.models()?, self.catalog.generations()?);
        let (files, regions) = (self.catalog.generation_files()?, self.catalog.regions()?);
        let key =
            |g: &crate::catalog::GenerationRow| (&models[g.model as usize].0, &prompts[g.prompt as usize].prompt_id, g.seed);
        let mut table = DigestRows::of("generations");
        for g in &generations {
            let file = files.get(&g.id).map(|file| (file.status, &file.blake3));
            table.row(&(key(g), models[g.model as usize].1, file, g.size, regions.get(&g.id)));
        }
        tables.push(table.done());

        let (mut encoder_rows, mut vector_rows) = (DigestRows::of("encoders"), DigestRows::of("vectors"));
        let (mut image_rows, mut subject_rows) = (DigestRows::of("image_scores"), DigestRows::of("subject_scores"));
        let mut local_rows = DigestRows::of("local_scores");
        let ids: HashMap<i64, &str> = subjects.iter().map(|s| (s.id, s.subject_id.as_str())).collect();
        let mut image_scores: HashMap<(i64, i64), (f64, Option<f64>)> = HashMap::new();
        for score in self.catalog.image_scores()? {
            image_scores.insert((score.encoder, score.generation), (score.similarity, score.clip_t));
        }
        for encoder in self.catalog.encoders()? {
            let name = encoder.name.as_str();
            let before = vector_rows.rows;
            self.digest_vectors(&encoder, &mut vector_rows, watch)?;
            if vector_rows.rows > before {
                // An encoder without any vector left says nothing about results.
                encoder_rows.row(&(name, &encoder.fingerprint, encoder.dimension));
            }
            let mut similarities: HashMap<i64, Vec<(u32, f64)>> = HashMap::new();
            for score in self.catalog.subject_scores(encoder.id)? {
                similarities.entry(score.generation).or_default().push((score.ordinal, score.similarity));
            }
            let mut locals: HashMap<i64, Vec<LocalRow<'_>>> = HashMap::new();
            self.catalog.each_local_score(encoder.id, |generation, l| {
                let window = [l.window.x, l.window.y, l.window.width, l.window.height];
                let subject = ids.get(&l.subject).copied().unwrap_or_default();
                locals.entry(generation).or_default().push((subject, l.local, l.uncentred, window));
            })?;
            for g in &generations {
                if let Some(scores) = locals.get_mut(&g.id) {
                    scores.sort_unstable_by_key(|(subject, ..)| *subject);
                    scores.iter().for_each(|score| local_rows.row(&(name, key(g), score)));
                }
                if let Some(score) = image_scores.get(&(encoder.id, g.id)) {
                    image_rows.row(&(name, key(g), score));
                }
                if let Some(scores) = similarities.get_mut(&g.id) {
                    scores.sort_unstable_by_key(|(ordinal, _)| *ordinal);
                    scores.iter().for_each(|score| subject_rows.row(&(name, key(g), score)));
                }
            }
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

    fn digest_vectors(&self, encoder: &crate::catalog::EncoderRow, rows: &mut DigestRows, watch: &mut Watch<'_>) -> Result<()> {
        let block = (GATHER_BYTES / (4 * encoder.dimension)).max(1);
        let mut pending: Vec<KeyedVector> = Vec::new();
        let mut flush = |pending: &mut Vec<KeyedVector>, watch: &mut Watch<'_>| -> Result<()> {
            watch.check()?;
            let places: Vec<_> = pending.iter().map(|v| v.place).collect();
            let vectors = self.store.gather(&places, encoder.dimension)?;
            for (keyed, vector) in pending.drain(..).zip(vectors.chunks_exact(encoder.dimension)) {
                let mut content = blake3::Hasher::new();
                for x in vector {
                    content.update(&x.to_le_bytes());
                }
                let content = content.finalize().to_hex().to_string();
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
        self.catalog.each_vector(encoder.id, |vector| {
            pending.push(vector);
            if pending.len() < block { Ok(()) } else { flush(&mut pending, watch) }
        })?;
        flush(&mut pending, watch)
    }
}
