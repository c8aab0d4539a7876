//! What reports and exports read: the data set as plain facts, in the order of its keys.

use super::scored::keyed;
use super::{Catalog, catalog};
use crate::error::Result;
use crate::vocabulary::{EncoderName, ImageStatus, ModelName, PromptId, SceneType, SubjectId, SubjectKind};
use rusqlite::Row;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

/// A subject.
#[derive(Debug, Clone, PartialEq)]
pub struct SubjectRow {
    /// Its row.
    pub id: i64,
    /// The user's id.
    pub subject_id: SubjectId,
    /// Class noun.
    pub label: String,
    /// Its source.
    pub source: Option<String>,
    /// Human, animal, object.
    pub kind: Option<SubjectKind>,
    /// A descriptive phrase.
    pub caption: Option<String>,
    /// Terms of use.
    pub license: Option<String>,
    /// Paths of the references, by index.
    pub references: Vec<String>,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptRow {
    /// Its row.
    pub id: i64,
    /// The user's id.
    pub prompt_id: PromptId,
    /// The text.
    pub text: String,
    /// The scene type.
    pub scene_type: SceneType,
    /// Positions in [`Catalog::subjects`], in the prompt's order.
    pub subjects: Vec<usize>,
    /// Whether a text encoder had to cut it; `None`: none has embedded it, or none said.
    pub cut: Option<bool>,
}

/// The usable first reference image of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstReference {
    /// Subject row.
    pub subject: i64,
    /// Its file.
    pub path: PathBuf,
    /// BLAKE3 of its bytes when last read.
    pub blake3: [u8; 32],
}

/// A generation's key; small, because a data set may have ten million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenerationRow {
    /// Its row.
    pub id: i64,
    /// Position in [`Catalog::models`].
    pub model: u32,
    /// Position in [`Catalog::prompts`].
    pub prompt: u32,
    /// The seed.
    pub seed: i64,
    /// Upright width and height of its image in pixels, if it was ever read.
    pub size: Option<[u32; 2]>,
}

/// The score of an image by an encoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImageScoreRow {
    /// Generation row.
    pub generation: i64,
    /// Encoder row.
    pub encoder: i64,
    /// Mean similarity over its subjects.
    pub similarity: f64,
    /// Cosine with the prompt.
    pub clip_t: Option<f64>,
}

/// The score of one subject in an image by an encoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubjectScoreRow {
    /// Generation row.
    pub generation: i64,
    /// Encoder row.
    pub encoder: i64,
    /// Position in the prompt.
    pub ordinal: u32,
    /// Mean cosine over its references.
    pub similarity: f64,
}

/// A generation's image and meta data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImageDetails {
    /// Absolute path.
    pub path: String,
    /// Its state as last read.
    pub status: String,
    /// Why it cannot be used.
    pub reason: Option<String>,
    /// Upright width in pixels.
    pub width: Option<i32>,
    /// Upright height in pixels.
    pub height: Option<i32>,
    /// Format by content.
    pub format: Option<String>,
    /// BLAKE3 of its bytes, hexadecimal.
    pub blake3: Option<String>,
    /// The generation's meta data, JSON.
    pub meta: Option<String>,
}

/// An image file as last read.
#[derive(Debug, Clone, PartialEq)]
pub struct FileRow {
    /// Absolute path.
    pub path: String,
    /// Its state as last read.
    pub status: ImageStatus,
    /// Why it cannot be used.
    pub reason: Option<String>,
    /// BLAKE3 of its bytes, hexadecimal.
    pub blake3: Option<String>,
}

impl Catalog {
    /// Returns every subject, by id.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn subjects(&self) -> Result<Vec<SubjectRow>> {
        let mut subjects =
            self.rows("SELECT id, subject_id, label, source, kind, caption, license FROM subject ORDER BY subject_id", |r| {
                Ok(SubjectRow {
                    id: r.get(0)?,
                    subject_id: r.get(1)?,
                    label: r.get(2)?,
                    source: r.get(3)?,
                    kind: r.get(4)?,
                    caption: r.get(5)?,
                    license: r.get(6)?,
                    references: Vec::new(),
                })
            })?;
        let place: HashMap<i64, usize> = subjects.iter().enumerate().map(|(i, s)| (s.id, i)).collect();
        let references = self.rows(
            "SELECT r.subject, full_path(i.path) FROM reference_image r JOIN image i ON i.id = r.image ORDER BY r.subject, r.reference_index",
            |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)),
        )?;
        for (subject, path) in references {
            subjects[place[&subject]].references.push(path);
        }
        Ok(subjects)
    }

    /// Returns every prompt, by id.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn prompts(&self) -> Result<Vec<PromptRow>> {
        let subjects: Vec<i64> = self.rows("SELECT id FROM subject ORDER BY subject_id", |r| r.get(0))?;
        let place: HashMap<i64, usize> = subjects.iter().enumerate().map(|(i, s)| (*s, i)).collect();
        const SQL: &str = "SELECT id, prompt_id, text, scene_type,
                (SELECT max(truncated) FROM prompt_vector v WHERE v.prompt = p.id) FROM prompt p ORDER BY prompt_id";
        let mut prompts = self.rows(SQL, |r| {
            Ok(PromptRow {
                id: r.get(0)?,
                prompt_id: r.get(1)?,
                text: r.get(2)?,
                scene_type: r.get(3)?,
                subjects: Vec::new(),
                cut: r.get(4)?,
            })
        })?;
        let rows: HashMap<i64, usize> = prompts.iter().enumerate().map(|(i, p)| (p.id, i)).collect();
        for (prompt, subject) in self.prompt_subjects()? {
            prompts[rows[&prompt]].subjects.push(place[&subject]);
        }
        Ok(prompts)
    }

    /// Returns the encoders with vectors of images, row and name, by name.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn image_encoders(&self) -> Result<Vec<(i64, EncoderName)>> {
        self.rows(
            "SELECT id, name FROM encoder e WHERE EXISTS (SELECT 1 FROM image_vector v WHERE v.encoder = e.id) ORDER BY name",
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
    }

    /// Returns how many prompts were cut at each encoder's limit, by its name.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn cut_prompts(&self) -> Result<Vec<(String, u64)>> {
        self.rows(
            "SELECT e.name, count(*) FROM prompt_vector v JOIN encoder e ON e.id = v.encoder WHERE v.truncated = 1
             GROUP BY e.name ORDER BY e.name",
            |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64)),
        )
    }

    /// Returns every model and whether it is a control, by name.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn models(&self) -> Result<Vec<(ModelName, bool)>> {
        self.rows("SELECT name, control FROM model ORDER BY name", |r| Ok((r.get(0)?, r.get(1)?)))
    }

    /// Returns, for every model, by name, whether it is given the prompt but no reference.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn text_only_models(&self) -> Result<Vec<bool>> {
        self.rows("SELECT text_only FROM model ORDER BY name", |r| r.get(0))
    }

    /// Returns the images that jobs of `msdata run` are still to make, by model, prompt and seed; their rows are below 0,
    /// because no generation is there.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn unmade(&self) -> Result<Vec<GenerationRow>> {
        self.keyed(
            "SELECT -j.id, j.model, j.prompt, j.seed, NULL, NULL FROM job j WHERE j.state <> 'done' AND NOT EXISTS (
                SELECT 1 FROM generation g WHERE g.prompt = j.prompt AND g.model = j.model AND g.seed = j.seed)",
        )
    }

    /// Returns every generation, by model, prompt and seed.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn generations(&self) -> Result<Vec<GenerationRow>> {
        self.keyed("SELECT g.id, g.model, g.prompt, g.seed, i.width, i.height FROM generation g JOIN image i ON i.id = g.image")
    }

    /// Returns how many generations there are.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn generation_count(&self) -> Result<u64> {
        let counts = self.rows("SELECT count(*) FROM generation", |r| r.get::<_, i64>(0))?;
        Ok(counts.into_iter().next().unwrap_or_default() as u64)
    }

    fn keyed(&self, sql: &'static str) -> Result<Vec<GenerationRow>> {
        let [models, prompts] = self.ranks()?;
        let mut generations = self.rows(sql, |r| keyed(r, &models, &prompts))?;
        generations.sort_unstable_by_key(|g| (g.model, g.prompt, g.seed));
        Ok(generations)
    }

    /// Returns the places of models, then of prompts, by their rows.
    pub(super) fn ranks(&self) -> Result<[HashMap<i64, u32>; 2]> {
        let ranks = |sql| -> Result<HashMap<i64, u32>> {
            let ids: Vec<i64> = self.rows(sql, |r| r.get(0))?;
            Ok(ids.into_iter().zip(0..).collect())
        };
        Ok([ranks("SELECT id FROM model ORDER BY name")?, ranks("SELECT id FROM prompt ORDER BY prompt_id")?])
    }

    /// Returns the first reference of every subject that has a usable one.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn first_references(&self) -> Result<Vec<FirstReference>> {
        self.rows(
            "SELECT r.subject, full_path(i.path), i.blake3 FROM reference_image r JOIN image i ON i.id = r.image
             WHERE r.reference_index = 0 AND i.status = 'ok' ORDER BY r.subject",
            |r| Ok(FirstReference { subject: r.get(0)?, path: PathBuf::from(r.get::<_, String>(1)?), blake3: r.get(2)? }),
        )
    }

    /// Returns composites and crops that were made from their prompts' current references. A composite's
    /// `meta` names the content of each; a crop is of the reference whose place in the prompt is its seed.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn current_composites(&self) -> Result<HashSet<i64>> {
        let ids: Vec<i64> = self.rows(
            "SELECT g.id FROM generation g JOIN model m ON m.id = g.model
             WHERE m.control = 1 AND m.name IN ('control:composite', 'control:crop')
               AND coalesce(g.meta ->> 'transparency', 'drop') = (SELECT transparency FROM pixel_choice)
               AND g.meta ->> 'references' = (
                   SELECT group_concat(content, ' ') FROM (
                       SELECT lower(hex(i.blake3)) AS content FROM prompt_subject ps
                       JOIN reference_image r ON r.subject = ps.subject AND r.reference_index = 0
                       JOIN image i ON i.id = r.image
                       WHERE ps.prompt = g.prompt AND (m.name = 'control:composite' OR ps.ordinal = g.seed)
                       ORDER BY ps.ordinal))",
            |r| r.get(0),
        )?;
        Ok(ids.into_iter().collect())
    }

    /// Returns the image scores of one generation.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn image_scores_of(&self, generation: i64) -> Result<Vec<ImageScoreRow>> {
        self.rows_with(
            "SELECT generation, encoder, similarity, clip_t FROM image_score WHERE generation = ?1",
            generation,
            image_score,
        )
    }

    /// Returns the subject scores of one generation, by encoder row and ordinal.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn subject_scores_of(&self, generation: i64) -> Result<Vec<SubjectScoreRow>> {
        self.rows_with(
            "SELECT generation, encoder, ordinal, similarity FROM subject_score WHERE generation = ?1",
            generation,
            subject_score,
        )
    }

    /// Returns the image of one generation.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn image_of(&self, generation: i64) -> Result<ImageDetails> {
        let rows = self.rows_with(
            "SELECT full_path(i.path), i.status, i.reason, i.width, i.height, i.format, lower(hex(i.blake3)), g.meta
             FROM generation g JOIN image i ON i.id = g.image WHERE g.id = ?1",
            generation,
            |r| {
                Ok(ImageDetails {
                    path: r.get(0)?,
                    status: r.get(1)?,
                    reason: r.get(2)?,
                    width: r.get(3)?,
                    height: r.get(4)?,
                    format: r.get(5)?,
                    blake3: r.get::<_, Option<String>>(6)?.filter(|h| !h.is_empty()),
                    meta: r.get(7)?,
                })
            },
        )?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// Returns the image file of one generation.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn generation_file(&self, generation: i64) -> Result<Option<FileRow>> {
        let files = self.rows_with(
            "SELECT g.id, full_path(i.path), i.status, i.reason, lower(hex(i.blake3)) FROM generation g JOIN image i ON i.id = g.image
             WHERE g.id = ?1",
            generation,
            keyed_file,
        )?;
        Ok(files.into_iter().next().map(|(_, file)| file))
    }

    /// Returns the image file of every reference, with its subject's row; by subject row and index.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn reference_files(&self) -> Result<Vec<(i64, FileRow)>> {
        self.rows(
            "SELECT r.subject, full_path(i.path), i.status, i.reason, lower(hex(i.blake3)) FROM reference_image r
             JOIN image i ON i.id = r.image ORDER BY r.subject, r.reference_index",
            keyed_file,
        )
    }

    pub(super) fn rows<T>(&self, sql: &'static str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        self.db.prepare_cached(sql).and_then(|mut q| q.query_map([], read)?.collect()).map_err(catalog("read the data set"))
    }

    fn rows_with<T>(&self, sql: &'static str, id: i64, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        self.db.prepare_cached(sql).and_then(|mut q| q.query_map([id], read)?.collect()).map_err(catalog("read the data set"))
    }
}

fn keyed_file(r: &Row<'_>) -> rusqlite::Result<(i64, FileRow)> {
    let file = FileRow {
        path: r.get(1)?,
        status: r.get(2)?,
        reason: r.get(3)?,
        blake3: r.get::<_, Option<String>>(4)?.filter(|h| !h.is_empty()),
    };
    Ok((r.get(0)?, file))
}

fn image_score(r: &Row<'_>) -> rusqlite::Result<ImageScoreRow> {
    Ok(ImageScoreRow { generation: r.get(0)?, encoder: r.get(1)?, similarity: r.get(2)?, clip_t: r.get(3)? })
}

fn subject_score(r: &Row<'_>) -> rusqlite::Result<SubjectScoreRow> {
    Ok(SubjectScoreRow { generation: r.get(0)?, encoder: r.get(1)?, ordinal: r.get(2)?, similarity: r.get(3)? })
}
