//! The windows of an image compared with the pool: local similarities, whose place is where, who stands there twice.

use crate::catalog::{Catalog, EncoderRow, FoundPlace, LocalScore, SubjectPlace, WindowScore};
use crate::embeddings::Store;
use crate::error::Result;
use crate::ops::score::Needs;
use crate::score::{Compared, Local, Places, Pool, Reference, most_similar};
use crate::windows::{Pattern, Rectangle};
use std::collections::HashMap;

/// The subjects that windows are compared with by an encoder: those whose references all have vectors.
pub struct Comparison {
    needs: Needs,
    pool: Pool,
    dimension: usize,
    /// Subject rows of the pool, in its order.
    ids: Vec<i64>,
    /// Where each is in the pool.
    place: HashMap<i64, usize>,
}

impl Comparison {
    /// Reads the pool; `None` where it is empty. Dense windows have references of their own.
    pub fn read(catalog: &Catalog, store: &Store, row: &EncoderRow, pattern: Pattern) -> Result<Option<Comparison>> {
        let needs = Needs::read(catalog, row)?;
        let (ids, references): (Vec<i64>, Vec<Vec<Vec<f32>>>) = match pattern {
            Pattern::Dense => catalog.dense_pool(row.id)?.into_iter().unzip(),
            _ => {
                let vectors = |(id, all): (i64, Vec<Reference>)| (id, all.into_iter().map(|r| r.vector).collect());
                needs.pool(store)?.into_iter().map(vectors).unzip()
            }
        };
        let dimension = references.first().and_then(|all| all.first()).map_or(0, Vec::len);
        let references: Vec<Vec<&[f32]>> = references.iter().map(|all| all.iter().map(Vec::as_slice).collect()).collect();
        let Some(pool) = Pool::new(&references) else { return Ok(None) };
        let place = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        Ok(Some(Comparison { needs, pool, dimension, ids, place }))
    }

    /// Numbers in a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Where a subject row is in the pool.
    pub fn place_of(&self, subject: i64) -> Option<usize> {
        self.place.get(&subject).copied()
    }

    /// Where the subject that a prompt names in this position is in the pool.
    pub fn requested_at(&self, prompt: i64, ordinal: u32) -> Option<usize> {
        self.place_of(*self.needs.requested(prompt).get(ordinal as usize)?)
    }

    /// How many subjects are compared with.
    pub fn subjects(&self) -> usize {
        self.ids.len()
    }

    /// What windows, whose vectors lie one after another, say of the pool.
    pub fn compare(&self, vectors: &[f32]) -> Compared {
        self.pool.compare(vectors)
    }

    /// What the windows of an image say of these generations with it, each given with its prompt's row.
    pub fn scores(&self, generations: &[(i64, i64)], squares: &[Rectangle], vectors: &[f32]) -> Vec<WindowScore> {
        let Compared { locals, cosines } = self.pool.compare(vectors);
        let local = |(subject, local): (&i64, &Local)| LocalScore {
            subject: *subject,
            local: local.similarity,
            uncentred: local.uncentred,
            window: squares[local.window],
        };
        let locals: Vec<LocalScore> = self.ids.iter().zip(&locals).map(local).collect();
        let places = Places::new(&squares.iter().map(|square| square.to_box()).collect::<Vec<_>>());
        let found = self.found(squares, &cosines, &places);
        let score = |(generation, prompt): &(i64, i64)| WindowScore {
            generation: *generation,
            locals: locals.clone(),
            places: self.requested(*prompt, squares, &cosines, &places),
            found: found.clone(),
        };
        generations.iter().map(score).collect()
    }

    /// The place that each subject of a prompt has to itself. A subject that is not in the pool has none.
    fn requested(&self, prompt: i64, squares: &[Rectangle], cosines: &[f64], places: &Places) -> Vec<SubjectPlace> {
        let requested: Vec<(u32, usize)> =
            (0..).zip(self.needs.requested(prompt)).filter_map(|(ordinal, id)| Some((ordinal, self.place_of(*id)?))).collect();
        let subjects: Vec<usize> = requested.iter().map(|(_, subject)| *subject).collect();
        let pool = self.ids.len();
        let of = |((ordinal, subject), window): (&(u32, usize), Option<usize>)| {
            let row = &cosines[window? * pool..][..pool];
            Some(SubjectPlace {
                ordinal: *ordinal,
                local: row[*subject],
                resembles: self.ids[most_similar(row)?],
                window: squares[window?],
            })
        };
        requested.iter().zip(places.assign(cosines, pool, &subjects)).filter_map(of).collect()
    }

    /// Of each subject the windows that resemble it most, the best first; one that is one place with a better one is
    /// that place.
    fn found(&self, squares: &[Rectangle], cosines: &[f64], places: &Places) -> Vec<FoundPlace> {
        let pool = self.ids.len();
        let mut windows: Vec<(usize, usize, f64)> = cosines
            .chunks_exact(pool)
            .enumerate()
            .filter_map(|(window, row)| most_similar(row).map(|subject| (subject, window, row[subject])))
            .filter(|(_, _, cosine)| *cosine > 0.0)
            .collect();
        windows.sort_by(|a, b| a.0.cmp(&b.0).then(b.2.total_cmp(&a.2)).then(a.1.cmp(&b.1)));
        let mut taken: Vec<(usize, usize)> = Vec::new();
        let mut found = Vec::new();
        for (subject, window, cosine) in windows {
            if taken.iter().any(|(other, at)| *other == subject && places.one_place(*at, window)) {
                continue;
            }
            taken.push((subject, window));
            found.push(FoundPlace { subject: self.ids[subject], local: cosine, window: squares[window] });
        }
        found
    }
}
