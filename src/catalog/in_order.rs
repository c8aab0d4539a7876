//! The generations in the order of the users' keys, and what is known of them, a block at a time: memory holds the keys alone,
//! 24 bytes a generation.

use super::vectors::FRESH;
use super::windows::local_score;
use super::{Catalog, LocalScore, VectorPlace, catalog};
use crate::error::Result;
use crate::vocabulary::{ImageStatus, ModelName, PromptId};
use rusqlite::{Row, params_from_iter};
use std::ops::Deref;

/// Generations of a block.
const BLOCK: usize = 16_384;

/// Rows this near each other are read together, with those between them, which are passed over.
const NEAR: i64 = 32;

const ACT: &str = "read the generations in order";

/// The generations in the order of their keys: the names of models, then the ids of prompts, then seeds.
pub struct KeyOrder {
    keys: Vec<OrderedKey>,
    models: Vec<ModelName>,
    prompts: Vec<PromptId>,
}

/// A generation; model and prompt by their places among all names.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct OrderedKey {
    model: u32,
    prompt: u32,
    seed: i64,
    id: i64,
}

/// Generations that follow each other in the order of their keys.
pub struct OrderedBlock<'o> {
    order: &'o KeyOrder,
    keys: &'o [OrderedKey],
    rows: RowBlock,
}

/// Rows of generations that are read together: row and place in the block, by row.
pub struct RowBlock(Vec<(i64, u32)>);

impl RowBlock {
    /// Returns the block of these, in the order of their places.
    pub fn of(rows: impl IntoIterator<Item = i64>) -> RowBlock {
        let mut rows: Vec<(i64, u32)> = rows.into_iter().zip(0..).collect();
        rows.sort_unstable();
        RowBlock(rows)
    }
}

impl Deref for OrderedBlock<'_> {
    type Target = RowBlock;

    fn deref(&self) -> &RowBlock {
        &self.rows
    }
}

/// What is known of a block's generations, each with its place in the block, by place.
pub type Placed<T> = Vec<(u32, T)>;

/// What the catalog says of a generation and its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationState {
    /// State of the image as last read.
    pub status: ImageStatus,
    /// BLAKE3 of its bytes when last read.
    pub blake3: Option<[u8; 32]>,
    /// Upright width and height in pixels, if it was ever read.
    pub size: Option<[u32; 2]>,
    /// Its regions, as JSON.
    pub regions: Option<String>,
}

impl KeyOrder {
    /// Returns the generations, some thousand at a time.
    pub fn blocks(&self) -> impl Iterator<Item = OrderedBlock<'_>> {
        let block = |keys| OrderedBlock { order: self, keys, rows: RowBlock::of(keys.iter().map(|key: &OrderedKey| key.id)) };
        self.keys.chunks(BLOCK).map(block)
    }

    /// Returns the models, by name.
    pub fn models(&self) -> &[ModelName] {
        &self.models
    }
}

impl<'o> OrderedBlock<'o> {
    /// Returns the key of the generation at a place of the block.
    pub fn key(&self, place: u32) -> (&'o ModelName, &'o PromptId, i64) {
        let OrderedKey { model, prompt, seed, .. } = &self.keys[place as usize];
        (&self.order.models[*model as usize], &self.order.prompts[*prompt as usize], *seed)
    }

    /// Returns the model of the generation at a place of the block, as its place among [`KeyOrder::models`].
    pub fn model(&self, place: u32) -> usize {
        self.keys[place as usize].model as usize
    }
}

impl Catalog {
    /// Returns the order of all generations by their keys.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn key_order(&self) -> Result<KeyOrder> {
        let models = self.rows("SELECT name FROM model ORDER BY name", |r| r.get(0))?;
        let prompts = self.rows("SELECT prompt_id FROM prompt ORDER BY prompt_id", |r| r.get(0))?;
        let [of_model, of_prompt] = self.ranks()?;
        let mut keys = Vec::with_capacity(self.generation_count()? as usize);
        let mut query = self.db.prepare("SELECT id, model, prompt, seed FROM generation").map_err(catalog(ACT))?;
        let mut rows = query.query([]).map_err(catalog(ACT))?;
        let key = |r: &Row<'_>| -> rusqlite::Result<OrderedKey> {
            let (model, prompt) = (of_model[&r.get(1)?], of_prompt[&r.get(2)?]);
            Ok(OrderedKey { model, prompt, seed: r.get(3)?, id: r.get(0)? })
        };
        while let Some(row) = rows.next().map_err(catalog(ACT))? {
            keys.push(key(row).map_err(catalog(ACT))?);
        }
        keys.sort_unstable();
        Ok(KeyOrder { keys, models, prompts })
    }

    /// Returns what is known of the generations of a block, each with its place in it.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn states_of(&self, block: &RowBlock) -> Result<Placed<GenerationState>> {
        const SQL: &str = "SELECT g.id, i.status, i.blake3, i.width, i.height, g.regions
             FROM generation g CROSS JOIN image i ON i.id = g.image WHERE g.id BETWEEN ?1 AND ?2 ORDER BY g.id";
        self.of_block(SQL, None, block, |r| {
            Ok(GenerationState {
                status: r.get(1)?,
                blake3: r.get(2)?,
                size: r.get::<_, Option<u32>>(3)?.zip(r.get(4)?).map(|(width, height)| [width, height]),
                regions: r.get(5)?,
            })
        })
    }

    /// Returns the scores of a block's images by an encoder, each with its place: similarity and CLIP-T.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn image_scores_in(&self, block: &RowBlock, encoder: i64) -> Result<Placed<(f64, Option<f64>)>> {
        const SQL: &str = "SELECT generation, similarity, clip_t FROM image_score
             WHERE generation BETWEEN ?1 AND ?2 AND encoder = ?3 ORDER BY generation";
        self.of_block(SQL, Some(encoder), block, |r| Ok((r.get(1)?, r.get(2)?)))
    }

    /// Returns the scores of the subjects in a block's images by an encoder, each with its place: position in the prompt and
    /// similarity, in the prompt's order.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn subject_scores_in(&self, block: &RowBlock, encoder: i64) -> Result<Placed<(u32, f64)>> {
        const SQL: &str = "SELECT generation, ordinal, similarity FROM subject_score
             WHERE generation BETWEEN ?1 AND ?2 AND encoder = ?3 ORDER BY generation";
        let read = |r: &Row<'_>| Ok((r.get::<_, u32>(1)?, r.get::<_, f64>(2)?));
        let mut found = self.of_block(SQL, Some(encoder), block, read)?;
        // They come in this order; SQLite, asked for it, would sort those of each generation.
        found.sort_by_key(|(place, (ordinal, _))| (*place, *ordinal));
        Ok(found)
    }

    /// Returns the local similarities of a block's images by an encoder, each with its place; of one image in no order.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn local_scores_in(&self, block: &RowBlock, encoder: i64) -> Result<Placed<LocalScore>> {
        const SQL: &str = "SELECT generation, subject, local, uncentred, x, y, width, height FROM local_score
             WHERE generation BETWEEN ?1 AND ?2 AND encoder = ?3 ORDER BY generation";
        self.of_block(SQL, Some(encoder), block, |r| Ok(local_score(r)?.1))
    }

    /// Returns the vectors of a block's images by an encoder that are not stale, each with its place.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn vectors_in(&self, block: &RowBlock, encoder: i64) -> Result<Placed<VectorPlace>> {
        // CROSS: in this order, or SQLite reads all vectors for each block.
        let sql = format!(
            "SELECT g.id, v.part, v.row FROM generation g CROSS JOIN image i ON i.id = g.image
             CROSS JOIN image_vector v ON v.image = i.id AND v.encoder = ?3
             WHERE g.id BETWEEN ?1 AND ?2 AND {FRESH} ORDER BY g.id"
        );
        self.of_block(&sql, Some(encoder), block, |r| Ok(VectorPlace { part: r.get(1)?, row: r.get(2)? }))
    }

    /// Runs a query, which gives rows of the generations from one row to another by row, for all generations of a block.
    /// Returns what it says of them, by place; of one place in the query's order.
    fn of_block<T>(
        &self,
        sql: &str,
        encoder: Option<i64>,
        block: &RowBlock,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Placed<T>> {
        let mut query = self.db.prepare_cached(sql).map_err(catalog(ACT))?;
        let mut found = Vec::with_capacity(block.0.len());
        for near in block.0.chunk_by(|one, next| next.0 - one.0 <= NEAR) {
            let ends = [near[0].0, near[near.len() - 1].0];
            let mut rows = query.query(params_from_iter(ends.into_iter().chain(encoder))).map_err(catalog(ACT))?;
            let mut near = near.iter().peekable();
            while let Some(row) = rows.next().map_err(catalog(ACT))? {
                let id: i64 = row.get(0).map_err(catalog(ACT))?;
                while near.next_if(|(before, _)| *before < id).is_some() {}
                if let Some((_, place)) = near.peek().filter(|(next, _)| *next == id) {
                    found.push((*place, read(row).map_err(catalog(ACT))?));
                }
            }
        }
        found.sort_by_key(|(place, _)| *place);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::PathRule;
    use super::*;

    /// Three blocks of generations, whose rows are near and far from each other and never in the order of the keys.
    #[test]
    fn blocks_give_what_the_order_of_the_keys_gives() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        Catalog::create(&path, PathRule::Absolute).unwrap();
        let catalog = Catalog::open_to_write(&path).unwrap();
        catalog
            .db
            .execute_batch(
                "PRAGMA foreign_keys = off; BEGIN;
                 CREATE TEMP TABLE number AS WITH RECURSIVE n (value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n WHERE value < 34999)
                     SELECT value FROM n;
                 INSERT INTO model (id, name) VALUES (1, 'b'), (2, 'c'), (3, 'a');
                 INSERT INTO prompt (id, prompt_id, text, scene_type)
                     SELECT value, 'p' || (value * 7 % 50), 'A thing.', 'neutral' FROM number WHERE value BETWEEN 1 AND 49;
                 INSERT INTO encoder (id, name, fingerprint, dimension) VALUES (1, 'e', 'f', 8), (2, 'other', 'f', 8);
                 CREATE TEMP TABLE row AS SELECT value AS n,
                     value * 7919 % 35000 * iif(value % 3 = 0, 1, iif(value % 3 = 1, 100, 20)) + value % 3 * 10000000 AS id FROM number;
                 INSERT INTO image (id, path, status, reason) SELECT id, '/nowhere', 'missing', 'gone' FROM row;
                 INSERT INTO generation (id, model, prompt, seed, image, regions)
                     SELECT id, n % 3 + 1, n / 3 % 49 + 1, n / 147 - 100, id, iif(n % 5 = 0, '[]', NULL) FROM row;
                 INSERT INTO image_score SELECT row.id, e.id, 0.5, e.id / 4.0 FROM row, encoder e WHERE n % 4 > 0;
                 INSERT INTO subject_score SELECT row.id, e.id, k.value, (n - k.value) / 40000.0
                     FROM row, encoder e, (SELECT 0 AS value UNION ALL SELECT 1) k WHERE n % 4 > 0;
                 COMMIT;",
            )
            .unwrap();
        let order = catalog.key_order().unwrap();
        let (mut scores, mut regions, mut blocks) = (Vec::new(), Vec::new(), 0);
        for block in order.blocks() {
            blocks += 1;
            let key = |place| {
                let (model, prompt, seed) = block.key(place);
                (model.to_string(), prompt.to_string(), seed)
            };
            scores.extend(catalog.subject_scores_in(&block, 2).unwrap().into_iter().map(|(at, score)| (key(at), score)));
            regions.extend(catalog.states_of(&block).unwrap().into_iter().map(|(at, state)| (key(at), state.regions)));
        }
        assert_eq!(blocks, 3);
        let keys = "m.name, p.prompt_id, g.seed";
        let from = "FROM generation g JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt";
        let key = |r: &Row<'_>| -> rusqlite::Result<(String, String, i64)> { Ok((r.get(0)?, r.get(1)?, r.get(2)?)) };
        let sql = format!(
            "SELECT {keys}, s.ordinal, s.similarity {from} JOIN subject_score s ON s.generation = g.id AND s.encoder = 2
             ORDER BY {keys}, s.ordinal"
        );
        let mut query = catalog.db.prepare(&sql).unwrap();
        let expected = query.query_map([], |r| Ok((key(r)?, (r.get(3)?, r.get(4)?)))).unwrap().map(|row| row.unwrap());
        assert!(scores.len() == 52_500 && scores.into_iter().eq(expected));
        let mut query = catalog.db.prepare(&format!("SELECT {keys}, g.regions {from} ORDER BY {keys}")).unwrap();
        let expected = query.query_map([], |r| Ok((key(r)?, r.get(3)?))).unwrap().map(|row| row.unwrap());
        assert!(regions.len() == 35_000 && regions.into_iter().eq(expected));
    }
}
