//! The generations with their scores, in one pass and without keeping any.

use super::{Catalog, GenerationRow, catalog};
use crate::error::Result;
use rusqlite::{Connection, Row, Rows};
use std::collections::HashMap;

/// A generation and its scores; encoders are those that were asked for, in their order.
pub(crate) struct ScoredGeneration<'r> {
    pub(crate) row: GenerationRow,
    /// By encoder: mean similarity.
    pub(crate) similarity: &'r [Option<f64>],
    /// By encoder: CLIP-T.
    pub(crate) clip_t: &'r [Option<f64>],
    /// By encoder: similarity of each subject, in the prompt's order; empty where it has no score, or none was wanted.
    pub(crate) of_subjects: &'r [Vec<f64>],
}

const ACT: &str = "read the scores";

impl Catalog {
    /// Hands on every generation with its scores by encoders. Similarities of single subjects are read for the one encoder
    /// of that place, or for all.
    ///
    /// Each reader of the catalog (see `readers`) hands its generations to a value of its own, which `start` makes: what is
    /// made of them must not depend on which those are, nor on their order. The values are returned.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub(crate) fn each_scored<T: Send>(
        &self,
        encoders: &[i64],
        of_subjects_of: Option<usize>,
        start: impl Fn() -> T + Sync,
        take: impl Fn(&mut T, &ScoredGeneration<'_>) + Sync,
    ) -> Result<Vec<T>> {
        let places = encoders.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let [models, prompts] = self.ranks()?;
        let scored = Scored { encoders: places, of_subjects_of, models, prompts };
        // Each end by itself: SQLite finds both together only by reading all rows.
        let ends = "SELECT (SELECT min(id) FROM generation), (SELECT max(id) FROM generation)";
        self.read_in_ranges(ends, start, |db, range, value| scored.each(db, range, |generation| take(value, generation)))
    }
}

/// What is wanted of generations, and by which ids.
struct Scored {
    encoders: HashMap<i64, usize>,
    of_subjects_of: Option<usize>,
    models: HashMap<i64, u32>,
    prompts: HashMap<i64, u32>,
}

impl Scored {
    /// Hands on the generations of a range of rows, in their order.
    fn each(&self, db: &Connection, range: [i64; 2], mut take: impl FnMut(&ScoredGeneration<'_>)) -> Result<()> {
        // All three are stored in the order of the generations, so each is read from front to back.
        let query = |sql| db.prepare_cached(sql).map_err(catalog(ACT));
        let mut generations = query(
            "SELECT g.id, g.model, g.prompt, g.seed, i.width, i.height FROM generation g JOIN image i ON i.id = g.image
             WHERE g.id BETWEEN ?1 AND ?2 ORDER BY g.id",
        )?;
        let mut whole = query(
            "SELECT generation, encoder, similarity, clip_t FROM image_score WHERE generation BETWEEN ?1 AND ?2
             ORDER BY generation, encoder",
        )?;
        let mut each = query(
            "SELECT generation, encoder, similarity, NULL FROM subject_score WHERE generation BETWEEN ?1 AND ?2
             ORDER BY generation, encoder, ordinal",
        )?;
        let mut rows = generations.query(range).map_err(catalog(ACT))?;
        let mut whole = Ahead::new(whole.query(range))?;
        let mut each = Ahead::new(each.query(range))?;
        let encoders = self.encoders.len();
        let (mut similarity, mut clip_t) = (vec![None; encoders], vec![None; encoders]);
        let mut of_subjects: Vec<Vec<f64>> = vec![Vec::new(); encoders];
        while let Some(row) = rows.next().map_err(catalog(ACT))? {
            let row = keyed(row, &self.models, &self.prompts).map_err(catalog(ACT))?;
            similarity.fill(None);
            clip_t.fill(None);
            of_subjects.iter_mut().for_each(Vec::clear);
            whole.of(row.id, |(_, encoder, value, text)| {
                if let Some(at) = self.encoders.get(&encoder) {
                    (similarity[*at], clip_t[*at]) = (Some(value), text);
                }
            })?;
            each.of(row.id, |(_, encoder, value, _)| {
                if let Some(at) = self.encoders.get(&encoder).filter(|at| self.of_subjects_of.is_none_or(|only| only == **at)) {
                    of_subjects[*at].push(value);
                }
            })?;
            take(&ScoredGeneration { row, similarity: &similarity, clip_t: &clip_t, of_subjects: &of_subjects });
        }
        Ok(())
    }
}

/// The key of a generation; model and prompt by their places.
pub(super) fn keyed(r: &Row<'_>, models: &HashMap<i64, u32>, prompts: &HashMap<i64, u32>) -> rusqlite::Result<GenerationRow> {
    let (model, prompt): (i64, i64) = (r.get(1)?, r.get(2)?);
    let size = r.get::<_, Option<u32>>(4)?.zip(r.get::<_, Option<u32>>(5)?).map(|(width, height)| [width, height]);
    Ok(GenerationRow { id: r.get(0)?, model: models[&model], prompt: prompts[&prompt], seed: r.get(3)?, size })
}

/// A score: generation, encoder, similarity, CLIP-T.
type ScoreRow = (i64, i64, f64, Option<f64>);

/// Scores in the order of their generations, of which the next is looked at.
struct Ahead<'q> {
    rows: Rows<'q>,
    /// `None`: there is no more.
    next: Option<ScoreRow>,
}

impl<'q> Ahead<'q> {
    fn new(rows: rusqlite::Result<Rows<'q>>) -> Result<Ahead<'q>> {
        let mut ahead = Ahead { rows: rows.map_err(catalog(ACT))?, next: None };
        ahead.advance()?;
        Ok(ahead)
    }

    fn advance(&mut self) -> Result<()> {
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        self.next = self.rows.next().and_then(|next| next.map(row).transpose()).map_err(catalog(ACT))?;
        Ok(())
    }

    /// Hands on the scores of a generation; those of generations before it are passed over.
    fn of(&mut self, generation: i64, mut take: impl FnMut(ScoreRow)) -> Result<()> {
        while let Some(next) = self.next.filter(|next| next.0 <= generation) {
            if next.0 == generation {
                take(next);
            }
            self.advance()?;
        }
        Ok(())
    }
}
