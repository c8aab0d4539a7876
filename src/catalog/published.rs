//! What is published of a data set besides its exported tables, and how it comes back.

use super::snapshot::ImageDetails;
use super::{Catalog, Changes, VectorPlace, WindowScore, catalog};
use crate::error::Result;
use crate::vocabulary::{EncoderName, ImageFormat, ImageStatus, ModelName, PromptId, SubjectId};
use rusqlite::{OptionalExtension, Row, params};

/// Whose image regions are of: a reference by its subject and index, or a generation by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegionOwner {
    /// A reference.
    Reference(SubjectId, i32),
    /// A generation.
    Generation(ModelName, PromptId, i64),
}

/// An image that a region set has looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionImageRow {
    /// Whose image it is.
    pub owner: RegionOwner,
    /// How many regions it has.
    pub regions: u32,
    /// The name of the file that they come from, its format and its BLAKE3; `None`: a reference that is used whole.
    pub file: Option<(String, String, [u8; 32])>,
    /// BLAKE3 of the image that the regions are of; `None`: the image was never read.
    pub source: Option<[u8; 32]>,
}

/// The state of an image whose file is not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageState {
    /// Missing, unreadable or oversized.
    pub status: ImageStatus,
    /// Why.
    pub reason: String,
    /// BLAKE3 of the bytes last read.
    pub blake3: Option<[u8; 32]>,
    /// Format of the bytes last read.
    pub format: Option<ImageFormat>,
    /// Upright width and height in pixels.
    pub size: Option<[u32; 2]>,
}

/// The images that set ?1 has looked at, with the columns of their owners, in the order of the view `regions`.
const REGION_IMAGES: &str = "
    SELECT * FROM (
        SELECT 'generation' AS kind, NULL AS subject_id, NULL AS reference_index, m.name AS model, p.prompt_id, g.seed,
               (SELECT count(*) FROM region r WHERE r.region_image = i.id), f.name AS file, f.format, i.source, f.blake3
        FROM region_image i JOIN generation g ON g.image = i.image JOIN model m ON m.id = g.model
        JOIN prompt p ON p.id = g.prompt LEFT JOIN region_file f ON f.id = i.file WHERE i.region_set = ?1
        UNION ALL
        SELECT 'reference', u.subject_id, c.reference_index, NULL, NULL, NULL,
               (SELECT count(*) FROM region r WHERE r.region_image = i.id), f.name, f.format, i.source, f.blake3
        FROM region_image i JOIN reference_image c ON c.image = i.image JOIN subject u ON u.id = c.subject
        LEFT JOIN region_file f ON f.id = i.file WHERE i.region_set = ?1)
    ORDER BY kind, subject_id, reference_index, model, prompt_id, seed";

impl Catalog {
    /// Returns the image of every reference, with its subject and index, in their order.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn reference_details(&self) -> Result<Vec<(SubjectId, i32, ImageDetails)>> {
        self.rows(
            "SELECT s.subject_id, r.reference_index, full_path(i.path), i.status, i.reason, i.width, i.height, i.format,
                    lower(hex(i.blake3))
             FROM reference_image r JOIN subject s ON s.id = r.subject JOIN image i ON i.id = r.image
             ORDER BY s.subject_id, r.reference_index",
            |r| {
                let details = ImageDetails {
                    path: r.get(2)?,
                    status: r.get(3)?,
                    reason: r.get(4)?,
                    width: r.get(5)?,
                    height: r.get(6)?,
                    format: r.get(7)?,
                    blake3: r.get::<_, Option<String>>(8)?.filter(|hex| !hex.is_empty()),
                    meta: None,
                };
                Ok((r.get(0)?, r.get(1)?, details))
            },
        )
    }

    /// Returns whether each encoder had to cut a prompt, where it said so: encoder, prompt and answer, by name and id.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn cut_by_encoder(&self) -> Result<Vec<(EncoderName, PromptId, bool)>> {
        self.rows(
            "SELECT e.name, p.prompt_id, v.truncated FROM prompt_vector v JOIN encoder e ON e.id = v.encoder
             JOIN prompt p ON p.id = v.prompt WHERE v.truncated IS NOT NULL ORDER BY e.name, p.prompt_id",
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
        )
    }

    /// Returns what an encoder's windows showed in a generation; `None`: it has not searched it.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn window_score(&self, encoder: i64, generation: i64) -> Result<Option<WindowScore>> {
        let act = "read local similarities";
        let searched = self
            .db
            .prepare_cached("SELECT 1 FROM window_score WHERE generation = ?1 AND encoder = ?2")
            .and_then(|mut q| q.exists([generation, encoder]))
            .map_err(catalog(act))?;
        searched.then(|| self.read_window_score(encoder, generation)).transpose().map_err(catalog(act))
    }

    /// Calls `each` with every image that a region set has looked at, in the order of the view `regions`.
    ///
    /// # Errors
    /// SQLite reports an error, or `each` fails.
    pub fn each_region_image(&self, set: i64, mut each: impl FnMut(RegionImageRow) -> Result<()>) -> Result<()> {
        let act = "read regions";
        let mut query = self.db.prepare_cached(REGION_IMAGES).map_err(catalog(act))?;
        let mut rows = query.query([set]).map_err(catalog(act))?;
        while let Some(r) = rows.next().map_err(catalog(act))? {
            each(region_image(r).map_err(catalog(act))?)?;
        }
        Ok(())
    }

    /// Returns where the vectors of the references lie that a set uses whole, by an encoder: subject, index, part and row.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn whole_reference_vectors(&self, set: i64, encoder: i64) -> Result<Vec<(SubjectId, i32, VectorPlace)>> {
        self.db
            .prepare_cached(
                "SELECT u.subject_id, c.reference_index, v.part, v.row FROM region_image i
                 JOIN reference_image c ON c.image = i.image JOIN subject u ON u.id = c.subject
                 JOIN region r ON r.region_image = i.id JOIN region_vector v ON v.region = r.id AND v.encoder = ?2
                 WHERE i.region_set = ?1 AND i.file IS NULL ORDER BY u.subject_id, c.reference_index",
            )
            .and_then(|mut q| {
                let place =
                    |r: &Row<'_>| -> rusqlite::Result<VectorPlace> { Ok(VectorPlace { part: r.get(2)?, row: r.get(3)? }) };
                q.query_map([set, encoder], |r| Ok((r.get(0)?, r.get(1)?, place(r)?)))?.collect()
            })
            .map_err(catalog("read vectors"))
    }
}

impl Changes<'_> {
    /// Returns the row of a generation; `None`: there is none.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn generation_id(&self, model: &ModelName, prompt: &PromptId, seed: i64) -> Result<Option<i64>> {
        self.tx
            .prepare_cached(
                "SELECT g.id FROM generation g JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
                 WHERE p.prompt_id = ?2 AND m.name = ?1 AND g.seed = ?3",
            )
            .and_then(|mut q| q.query_row(params![model.as_str(), prompt.as_str(), seed], |r| r.get(0)).optional())
            .map_err(catalog("look up a generation"))
    }

    /// Returns the row of a subject; `None`: there is none.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn subject_id(&self, subject: &SubjectId) -> Result<Option<i64>> {
        self.tx
            .prepare_cached("SELECT id FROM subject WHERE subject_id = ?1")
            .and_then(|mut q| q.query_row([subject.as_str()], |r| r.get(0)).optional())
            .map_err(catalog("look up a subject"))
    }

    /// Returns whether an encoder has searched a generation.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn has_window_score(&self, encoder: i64, generation: i64) -> Result<bool> {
        self.tx
            .prepare_cached("SELECT 1 FROM window_score WHERE generation = ?1 AND encoder = ?2")
            .and_then(|mut q| q.exists([generation, encoder]))
            .map_err(catalog("look up local similarities"))
    }

    /// Records whether an encoder had to cut a prompt of which it has a vector.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn set_cut(&self, encoder: &EncoderName, prompt: &PromptId, cut: bool) -> Result<()> {
        self.tx
            .prepare_cached(
                "UPDATE prompt_vector SET truncated = ?3 WHERE encoder = (SELECT id FROM encoder WHERE name = ?1)
                 AND prompt = (SELECT id FROM prompt WHERE prompt_id = ?2)",
            )
            .and_then(|mut q| q.execute(params![encoder.as_str(), prompt.as_str(), cut]))
            .map(drop)
            .map_err(catalog("record a cut prompt"))
    }

    /// Records what whoever published the data set knew of an image whose file did not come with it, unless there is a
    /// file by now.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_image_state(&self, image: i64, state: &ImageState) -> Result<()> {
        let ImageState { status, reason, blake3, format, size } = state;
        let [width, height] = size.map_or([None, None], |[width, height]| [Some(width), Some(height)]);
        let format = format.map(|format| format.as_str());
        self.tx
            .prepare_cached(
                "UPDATE image SET status = ?2, reason = ?3, blake3 = ?4, format = ?5, width = ?6, height = ?7
                 WHERE id = ?1 AND status IN ('pending', 'missing')",
            )
            .and_then(|mut q| q.execute(params![image, status.as_str(), reason, blake3, format, width, height]))
            .map(drop)
            .map_err(catalog("record an image"))
    }

    /// Marks references as used whole: the file that their regions were put under is forgotten.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_region_file(&self, file: i64) -> Result<()> {
        self.tx
            .execute("UPDATE region_image SET file = NULL WHERE file = ?1", [file])
            .and_then(|_| self.tx.execute("DELETE FROM region_file WHERE id = ?1", [file]))
            .map(drop)
            .map_err(catalog("put references"))
    }
}

fn region_image(r: &Row<'_>) -> rusqlite::Result<RegionImageRow> {
    let owner = match r.get::<_, Option<SubjectId>>(1)? {
        Some(subject) => RegionOwner::Reference(subject, r.get(2)?),
        None => RegionOwner::Generation(r.get(3)?, r.get(4)?, r.get(5)?),
    };
    let file = match r.get::<_, Option<String>>(7)? {
        Some(name) => Some((name, r.get(8)?, r.get(10)?)),
        None => None,
    };
    Ok(RegionImageRow { owner, regions: r.get(6)?, file, source: r.get(9)? })
}
