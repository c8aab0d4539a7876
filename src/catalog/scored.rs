//! The generations with their scores, in one pass and without keeping any.

use super::{Catalog, GenerationRow, catalog};
use crate::error::Result;
use rusqlite::{Row, Rows};
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
    /// Hands on every generation with its scores by encoders, in the order of their rows. Similarities of single subjects
    /// are read for the one encoder of that place, or for all.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub(crate) fn each_scored(
        &self,
        encoders: &[i64],
        of_subjects_of: Option<usize>,
        mut take: impl FnMut(&ScoredGeneration<'_>),
    ) -> Result<()> {
        let places: HashMap<i64, usize> = encoders.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let [models, prompts] = self.ranks()?;
        // All three are stored in the order of the generations, so each is read once, from front to back.
        let mut generations = self
            .db
            .prepare_cached(
                "SELECT g.id, g.model, g.prompt, g.seed, i.width, i.height FROM generation g JOIN image i ON i.id = g.image
                 ORDER BY g.id",
            )
            .map_err(catalog(ACT))?;
        let mut whole = self
            .db
            .prepare_cached("SELECT generation, encoder, similarity, clip_t FROM image_score ORDER BY generation, encoder")
            .map_err(catalog(ACT))?;
        let mut each = self
            .db
            .prepare_cached(
                "SELECT generation, encoder, similarity, NULL FROM subject_score ORDER BY generation, encoder, ordinal",
            )
            .map_err(catalog(ACT))?;
        let mut rows = generations.query([]).map_err(catalog(ACT))?;
        let mut whole = Ahead::new(whole.query([]))?;
        let mut each = Ahead::new(each.query([]))?;
        let (mut similarity, mut clip_t) = (vec![None; encoders.len()], vec![None; encoders.len()]);
        let mut of_subjects: Vec<Vec<f64>> = vec![Vec::new(); encoders.len()];
        while let Some(row) = rows.next().map_err(catalog(ACT))? {
            let row = keyed(row, &models, &prompts).map_err(catalog(ACT))?;
            similarity.fill(None);
            clip_t.fill(None);
            of_subjects.iter_mut().for_each(Vec::clear);
            whole.of(row.id, |(_, encoder, value, text)| {
                if let Some(at) = places.get(&encoder) {
                    (similarity[*at], clip_t[*at]) = (Some(value), text);
                }
            })?;
            each.of(row.id, |(_, encoder, value, _)| {
                if let Some(at) = places.get(&encoder).filter(|at| of_subjects_of.is_none_or(|only| only == **at)) {
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
