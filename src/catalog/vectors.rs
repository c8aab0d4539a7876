//! Encoders, the Parquet parts that hold their vectors, and where each vector is.

use super::embedding::text_source;
use super::standing::IMAGES;
use super::{Catalog, Changes, KeyOrder, catalog};
use crate::error::{Error, Result};
use crate::text::quote;
use crate::vocabulary::{EncoderName, ModelName, PromptId, Provenance, RegionSetName, SubjectId};
use rusqlite::{OptionalExtension, params};
use std::path::{Path, PathBuf};

/// An encoder of the data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderRow {
    /// The row's id.
    pub id: i64,
    /// Its name.
    pub name: EncoderName,
    /// What it is, exactly: model, preprocessing, pooling, pixel rule; `imported` if the file gave none.
    pub fingerprint: String,
    /// Numbers in a vector.
    pub dimension: usize,
    /// Its directory, if it was given as one.
    pub location: Option<PathBuf>,
    /// The rule by which pixels were read; `None`: its vectors were imported.
    pub pixel_rule: Option<u32>,
}

/// A registered part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// The row's id, which names the file.
    pub id: i64,
    /// The encoder's row.
    pub encoder: i64,
    /// Computed or imported.
    pub provenance: Provenance,
    /// Number of vectors in it.
    pub rows: u64,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
}

/// Parts by their ids: those of vectors, and those of windows' vectors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartIds {
    /// Of vectors.
    pub vectors: Vec<i64>,
    /// Of windows' vectors.
    pub windows: Vec<i64>,
}

/// The place of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VectorPlace {
    /// The part.
    pub part: i64,
    /// Its row, from 0.
    pub row: u32,
}

/// Identifies a vector: the key columns of the embeddings format.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VectorKey {
    /// A subject's reference image.
    Reference(SubjectId, i32),
    /// A generated image.
    Generation(ModelName, PromptId, i64),
    /// A prompt's text.
    Prompt(PromptId),
    /// A region of an image: the image's key, and the region's set and place in its file.
    Region(Box<VectorKey>, RegionSetName, u32),
}

impl std::fmt::Display for VectorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            VectorKey::Reference(s, i) => write!(f, "reference {i} of subject {}", quote(s.as_str())),
            VectorKey::Generation(m, p, s) => write!(f, "generation {}", quote(&format!("{m} {p} {s}"))),
            VectorKey::Prompt(p) => write!(f, "prompt {}", quote(p.as_str())),
            VectorKey::Region(image, set, index) => write!(f, "region {index} of {} in {image}", quote(set.as_str())),
        }
    }
}

/// What a vector belongs to, by row id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// An image row.
    Image(i64),
    /// A prompt row.
    Prompt(i64),
    /// A region row.
    Region(i64),
}

/// A vector to register: what it belongs to, where it is, and the hash of what it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewVector {
    /// What it belongs to.
    pub target: Target,
    /// Its row in the part.
    pub row: u32,
    /// BLAKE3 of the image bytes or the text; `None`: not known.
    pub source: Option<[u8; 32]>,
    /// For a text: whether it was cut, if that is known.
    pub truncated: Option<bool>,
}

/// Images of one kind that lack a usable vector of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Number of images.
    pub total: u64,
    /// Number of images without a usable vector.
    pub lacking: u64,
}

/// How many images lack a usable vector of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    /// Reference images.
    pub references: Gap,
    /// Generations.
    pub generations: Gap,
}

/// A vector's key and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedVector {
    /// Key columns.
    pub key: VectorKey,
    /// Where it lies.
    pub place: VectorPlace,
}

/// Vectors `v` of regions `r` of a set `s`, in what is known of an image, `k`, as the image is now.
const REGION_VECTORS: &str = "FROM region_vector v JOIN region r ON r.id = v.region JOIN region_image k ON k.id = r.region_image
     JOIN region_set s ON s.id = k.region_set JOIN image i ON i.id = k.image AND (k.source IS NULL OR k.source = i.blake3)";

/// The SQL condition, for an image `i` and its vector `v`, that the vector was made from what the image holds. A vector
/// imported before its image was ever read has no source; if the image can no longer be read, that is not known.
pub(super) const FRESH: &str = "(v.source IS NULL OR v.source = i.blake3)";

fn encoder_row(r: &rusqlite::Row<'_>) -> rusqlite::Result<EncoderRow> {
    Ok(EncoderRow {
        id: r.get(0)?,
        name: r.get(1)?,
        fingerprint: r.get(2)?,
        dimension: r.get::<_, i64>(3)? as usize,
        location: r.get::<_, Option<String>>(4)?.map(PathBuf::from),
        pixel_rule: r.get(5)?,
    })
}

impl Catalog {
    /// Returns the encoders, by name.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn encoders(&self) -> Result<Vec<EncoderRow>> {
        self.db
            .prepare_cached("SELECT id, name, fingerprint, dimension, location, pixel_rule FROM encoder ORDER BY name")
            .and_then(|mut q| q.query_map([], encoder_row)?.collect())
            .map_err(catalog("read encoders"))
    }

    /// Returns every registered part, in order.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn parts(&self) -> Result<Vec<PartRow>> {
        self.db
            .prepare_cached("SELECT id, encoder, provenance, rows, bytes, blake3 FROM part ORDER BY id")
            .and_then(|mut q| {
                q.query_map([], |r| {
                    Ok(PartRow {
                        id: r.get(0)?,
                        encoder: r.get(1)?,
                        provenance: r.get_ref(2)?.as_str()?.parse().unwrap_or(Provenance::Imported),
                        rows: r.get::<_, i64>(3)? as u64,
                        bytes: r.get::<_, i64>(4)? as u64,
                        blake3: r.get(5)?,
                    })
                })?
                .collect()
            })
            .map_err(catalog("read parts"))
    }

    /// Calls `each` with every vector of an encoder that is not stale, in the order of its key:
    /// references, generations, prompts, regions of references, regions of generations.
    ///
    /// # Errors
    /// SQLite reports an error, or `each` fails.
    pub fn each_vector(&self, encoder: i64, order: &KeyOrder, mut each: impl FnMut(KeyedVector) -> Result<()>) -> Result<()> {
        let queries = [
            format!(
                "SELECT v.part, v.row, s.subject_id, r.reference_index, NULL FROM image_vector v JOIN image i ON i.id = v.image
                 JOIN reference_image r ON r.image = i.id JOIN subject s ON s.id = r.subject
                 WHERE v.encoder = ?1 AND {FRESH} ORDER BY s.subject_id, r.reference_index"
            ),
            "SELECT v.part, v.row, p.prompt_id, v.source, p.text FROM prompt_vector v JOIN prompt p ON p.id = v.prompt
             WHERE v.encoder = ?1 ORDER BY p.prompt_id"
                .to_owned(),
            format!(
                "SELECT v.part, v.row, u.subject_id, c.reference_index, NULL, s.name, r.region_index {REGION_VECTORS}
                 JOIN reference_image c ON c.image = k.image JOIN subject u ON u.id = c.subject
                 WHERE v.encoder = ?1 AND k.file IS NOT NULL ORDER BY s.name, u.subject_id, c.reference_index, r.region_index"
            ),
            format!(
                "SELECT v.part, v.row, m.name, p.prompt_id, g.seed, s.name, r.region_index {REGION_VECTORS}
                 JOIN generation g ON g.image = k.image JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
                 WHERE v.encoder = ?1 ORDER BY s.name, m.name, p.prompt_id, g.seed, r.region_index"
            ),
        ];
        let act = "read vectors";
        for (kind, sql) in queries.iter().enumerate() {
            let mut query = self.db.prepare_cached(sql).map_err(catalog(act))?;
            let mut rows = query.query([encoder]).map_err(catalog(act))?;
            while let Some(r) = rows.next().map_err(catalog(act))? {
                if let Some(vector) = keyed(kind, r).map_err(catalog(act))? {
                    each(vector)?;
                }
            }
            if kind == 0 && self.has_image_vectors(encoder)? {
                for block in order.blocks() {
                    for (at, place) in self.vectors_in(&block, encoder)? {
                        let (model, prompt, seed) = block.key(at);
                        each(KeyedVector { key: VectorKey::Generation(model.clone(), prompt.clone(), seed), place })?;
                    }
                }
            }
        }
        Ok(())
    }

    fn has_image_vectors(&self, encoder: i64) -> Result<bool> {
        self.db
            .query_row("SELECT EXISTS (SELECT 1 FROM image_vector WHERE encoder = ?1)", [encoder], |r| r.get(0))
            .map_err(catalog("read vectors"))
    }

    /// Returns how many references and generations the data set has, and how many of them lack a usable vector of
    /// an encoder.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn gaps(&self, encoder: i64) -> Result<Gaps> {
        // References are few.
        let of_references = format!(
            "SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
                 SELECT 1 FROM image_vector v WHERE v.encoder = ?1 AND v.image = i.id AND {FRESH}))
             FROM reference_image r CROSS JOIN image i ON i.id = r.image"
        );
        let references = self
            .db
            .query_row(&of_references, [encoder], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?)))
            .map_err(catalog("count vectors"))?;
        // CROSS: vectors and images lie in the order of the images, so that only generations are looked up.
        let fresh = format!(
            "SELECT count(*) FROM image_vector v CROSS JOIN image i ON i.id = v.image CROSS JOIN generation g ON g.image = v.image
             WHERE v.encoder = ?1 AND v.image BETWEEN ?2 AND ?3 AND {FRESH}"
        );
        let with = self.count_in_ranges(IMAGES, &fresh, encoder)?;
        let total = self.generation_count()?;
        Ok(Gaps {
            references: Gap { total: references.0 as u64, lacking: references.1 as u64 },
            generations: Gap { total, lacking: total.saturating_sub(with) },
        })
    }
}

/// Returns a vector's key; `None` if it is of a text that its prompt no longer has.
fn keyed(kind: usize, r: &rusqlite::Row<'_>) -> rusqlite::Result<Option<KeyedVector>> {
    let place = VectorPlace { part: r.get(0)?, row: r.get(1)? };
    let reference = || -> rusqlite::Result<VectorKey> { Ok(VectorKey::Reference(r.get(2)?, r.get(3)?)) };
    let generation = || -> rusqlite::Result<VectorKey> { Ok(VectorKey::Generation(r.get(2)?, r.get(3)?, r.get(4)?)) };
    let key = match kind {
        0 => reference()?,
        2 => VectorKey::Region(Box::new(reference()?), r.get(5)?, r.get(6)?),
        3 => VectorKey::Region(Box::new(generation()?), r.get(5)?, r.get(6)?),
        _ if r.get::<_, [u8; 32]>(3)? != text_source(r.get_ref(4)?.as_str()?) => return Ok(None),
        _ => VectorKey::Prompt(r.get(2)?),
    };
    Ok(Some(KeyedVector { key, place }))
}

/// Returns the error for an encoder that has the name of a different one in the data set.
pub(crate) fn other_encoder(known: &EncoderRow, fingerprint: &str) -> Error {
    Error::request(
        format!(
            "two encoders are named {}: fingerprint {} in the data set, {fingerprint} here",
            quote(known.name.as_str()),
            known.fingerprint
        ),
        "vectors of different encoders cannot be compared: give the other one another name",
    )
}

impl Changes<'_> {
    /// Returns the encoder of this name.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn encoder_named(&self, name: &EncoderName) -> Result<Option<EncoderRow>> {
        self.tx
            .prepare_cached("SELECT id, name, fingerprint, dimension, location, pixel_rule FROM encoder WHERE name = ?1")
            .and_then(|mut q| q.query_row([name.as_str()], encoder_row).optional())
            .map_err(catalog("look up an encoder"))
    }

    /// Returns the encoder of this name and fingerprint, made if it is new.
    ///
    /// # Errors
    /// There is one of that name with another fingerprint or dimension.
    pub fn encoder(&self, name: &EncoderName, fingerprint: &str, dimension: usize) -> Result<i64> {
        let known = self.encoder_named(name)?;
        match known {
            Some(e) if e.fingerprint != fingerprint => Err(other_encoder(&e, fingerprint)),
            Some(e) if e.dimension == dimension => Ok(e.id),
            Some(e) => Err(Error::request(
                format!(
                    "encoder {} has vectors of {} numbers in the data set but of {dimension} here",
                    quote(name.as_str()),
                    e.dimension
                ),
                "give the other encoder another name",
            )),
            None => {
                self.tx
                    .execute(
                        "INSERT INTO encoder (name, fingerprint, dimension) VALUES (?1, ?2, ?3)",
                        params![name.as_str(), fingerprint, dimension as i64],
                    )
                    .map_err(catalog("put an encoder"))?;
                Ok(self.tx.last_insert_rowid())
            }
        }
    }

    /// Records where an encoder's model is and how it reads pixels.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn describe_encoder(&self, encoder: i64, location: Option<&Path>, pixel_rule: u32) -> Result<()> {
        let location = location.and_then(Path::to_str);
        self.tx
            .execute(
                "UPDATE encoder SET location = ?2, pixel_rule = ?3
                 WHERE id = ?1 AND (location IS NOT ?2 OR pixel_rule IS NOT ?3)",
                params![encoder, location, pixel_rule],
            )
            .map(drop)
            .map_err(catalog("describe an encoder"))
    }

    /// Gives an encoder another fingerprint and dimension. Every vector and score of the previous model is removed.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn renew_encoder(&self, encoder: i64, fingerprint: &str, dimension: usize) -> Result<()> {
        self.tx
            .execute(
                "UPDATE encoder SET fingerprint = ?2, dimension = ?3 WHERE id = ?1",
                params![encoder, fingerprint, dimension as i64],
            )
            .map(drop)
            .map_err(catalog("renew an encoder"))
    }

    /// Returns what `key` names, with the hash of its current content; `None` if it is not in the catalog.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn target(&self, key: &VectorKey) -> Result<Option<(Target, Option<[u8; 32]>)>> {
        let image = match key {
            VectorKey::Region(image, set, index) => {
                let Some((Target::Image(image), _)) = self.target(image)? else { return Ok(None) };
                return Ok(self.region_row(set, image, *index)?.map(|region| (Target::Region(region), None)));
            }
            VectorKey::Prompt(prompt) => {
                return self
                    .tx
                    .prepare_cached("SELECT id, text FROM prompt WHERE prompt_id = ?1")
                    .and_then(|mut q| q.query_row([prompt.as_str()], |r| Ok((r.get(0)?, r.get::<_, String>(1)?))).optional())
                    .map(|found| found.map(|(id, text)| (Target::Prompt(id), Some(text_source(&text)))))
                    .map_err(catalog("look up a prompt"));
            }
            VectorKey::Reference(subject, index) => self
                .tx
                .prepare_cached(
                    "SELECT r.image, i.blake3 FROM subject s JOIN reference_image r ON r.subject = s.id JOIN image i ON i.id = r.image
                     WHERE s.subject_id = ?1 AND r.reference_index = ?2",
                )
                .and_then(|mut q| q.query_row(params![subject.as_str(), index], |r| Ok((r.get(0)?, r.get(1)?))).optional()),
            VectorKey::Generation(model, prompt, seed) => self
                .tx
                .prepare_cached(
                    "SELECT g.image, i.blake3 FROM generation g JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
                     JOIN image i ON i.id = g.image WHERE p.prompt_id = ?2 AND m.name = ?1 AND g.seed = ?3",
                )
                .and_then(|mut q| q.query_row(params![model.as_str(), prompt.as_str(), seed], |r| Ok((r.get(0)?, r.get(1)?))).optional()),
        };
        image.map(|found| found.map(|(id, blake3)| (Target::Image(id), blake3))).map_err(catalog("look up an image"))
    }

    /// Returns the place of a target's vector, and the hash of what it was made from.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn vector(&self, encoder: i64, target: Target) -> Result<Option<(VectorPlace, Option<[u8; 32]>)>> {
        let (sql, id) = match target {
            Target::Image(id) => ("SELECT part, row, source FROM image_vector WHERE encoder = ?1 AND image = ?2", id),
            Target::Prompt(id) => ("SELECT part, row, source FROM prompt_vector WHERE encoder = ?1 AND prompt = ?2", id),
            Target::Region(id) => ("SELECT part, row, source FROM region_vector WHERE encoder = ?1 AND region = ?2", id),
        };
        self.tx
            .prepare_cached(sql)
            .and_then(|mut q| {
                q.query_row([encoder, id], |r| Ok((VectorPlace { part: r.get(0)?, row: r.get(1)? }, r.get(2)?))).optional()
            })
            .map_err(catalog("look up a vector"))
    }

    /// Returns the number that the next part will have; numbers are never used twice.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn next_part(&self) -> Result<i64> {
        self.tx
            .query_row("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'part'), 0) + 1", [], |r| r.get(0))
            .map_err(catalog("number a part"))
    }

    /// Registers a part whose file is already safe on disk, and the vectors in it.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_part(&self, part: &PartRow, vectors: &[NewVector]) -> Result<()> {
        let act = "register a part";
        self.tx
            .execute(
                "INSERT INTO part (id, encoder, provenance, rows, bytes, blake3) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![part.id, part.encoder, part.provenance.as_str(), part.rows as i64, part.bytes as i64, part.blake3],
            )
            .map_err(catalog(act))?;
        let mut image = self
            .tx
            .prepare_cached(
                "INSERT INTO image_vector (encoder, image, part, row, source) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET part = excluded.part, row = excluded.row, source = excluded.source",
            )
            .map_err(catalog(act))?;
        let mut prompt = self
            .tx
            .prepare_cached(
                "INSERT INTO prompt_vector (encoder, prompt, part, row, source, truncated) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET part = excluded.part, row = excluded.row, source = excluded.source, truncated = excluded.truncated",
            )
            .map_err(catalog(act))?;
        let mut region = self
            .tx
            .prepare_cached(
                "INSERT INTO region_vector (encoder, region, part, row, source) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET part = excluded.part, row = excluded.row, source = excluded.source",
            )
            .map_err(catalog(act))?;
        for v in vectors {
            match v.target {
                Target::Region(id) => region.execute(params![part.encoder, id, part.id, v.row, v.source]),
                Target::Image(id) => image.execute(params![part.encoder, id, part.id, v.row, v.source]),
                Target::Prompt(id) => prompt.execute(params![part.encoder, id, part.id, v.row, v.source, v.truncated]),
            }
            .map_err(catalog(act))?;
        }
        Ok(())
    }

    /// Forgets parts that no longer hold any vector, then imported encoders without parts; returns the parts' ids.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn drop_unused_parts(&self) -> Result<PartIds> {
        let act = "drop unused parts";
        let drop = |table: &str, unused: &str| -> rusqlite::Result<Vec<i64>> {
            let ids: Vec<i64> = self
                .tx
                .prepare(&format!("SELECT id FROM {table} p WHERE {unused}"))
                .and_then(|mut q| q.query_map([], |r| r.get(0))?.collect())?;
            for id in &ids {
                self.tx.execute(&format!("DELETE FROM {table} WHERE id = ?1"), [id])?;
            }
            Ok(ids)
        };
        let vectors = drop(
            "part",
            "NOT EXISTS (SELECT 1 FROM image_vector v WHERE v.part = p.id) AND NOT EXISTS (SELECT 1 FROM prompt_vector v WHERE v.part = p.id)
             AND NOT EXISTS (SELECT 1 FROM region_vector v WHERE v.part = p.id)",
        );
        let windows = drop("window_part", "NOT EXISTS (SELECT 1 FROM window_vector v WHERE v.part = p.id)");
        let unused = PartIds { vectors: vectors.map_err(catalog(act))?, windows: windows.map_err(catalog(act))? };
        self.tx
            .execute(
                "DELETE FROM encoder WHERE pixel_rule IS NULL AND NOT EXISTS (SELECT 1 FROM part p WHERE p.encoder = encoder.id)",
                [],
            )
            .map_err(catalog(act))?;
        Ok(unused)
    }
}
