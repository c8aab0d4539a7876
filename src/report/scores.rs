//! What every generation of a snapshot was scored, in as little room as it takes: a data set may have ten million.

use super::Snapshot;
use crate::catalog::{GenerationRow, ScoredGeneration};
use rayon::prelude::*;

/// The row of a generation that was not read, because it is only expected.
const UNREAD: u32 = u32::MAX;

/// Fewest generations that are worth a thread.
const WORTH: usize = 20_000;

/// Scores by encoder and generation, both by their places in a [`Snapshot`].
#[derive(Default)]
pub struct Scores {
    /// By generation: its row.
    row: Vec<u32>,
    rows: ScoreRows,
}

/// Generations with what they were scored, in the order in which they were read. Columns may end early: there is nothing
/// in what is left.
#[derive(Default)]
pub(crate) struct ScoreRows {
    generations: Vec<GenerationRow>,
    /// [row]: where its subjects end in `of_subjects`, and those of the next begin.
    end: Vec<usize>,
    /// [encoder][row]; no number: none.
    similarity: Vec<Vec<f64>>,
    /// [encoder][row], likewise.
    clip_t: Vec<Vec<f64>>,
    /// [encoder]: the subjects of all rows, in the order of their prompts, likewise.
    of_subjects: Vec<Vec<f64>>,
}

impl ScoreRows {
    /// Returns rows of no generation yet, by so many encoders.
    pub(crate) fn new(encoders: usize) -> ScoreRows {
        let columns = || vec![Vec::new(); encoders];
        ScoreRows { similarity: columns(), clip_t: columns(), of_subjects: columns(), ..ScoreRows::default() }
    }

    /// Adds a generation that has so many subjects.
    pub(crate) fn add(&mut self, scored: &ScoredGeneration<'_>, subjects: usize) {
        let (row, begin) = (self.generations.len(), self.pairs());
        self.generations.push(scored.row);
        self.end.push(begin + subjects);
        let of = |columns: &mut [Vec<f64>], values: &[Option<f64>]| {
            columns.iter_mut().zip(values).for_each(|(column, value)| put(column, row, value.as_slice()));
        };
        of(&mut self.similarity, scored.similarity);
        of(&mut self.clip_t, scored.clip_t);
        for (column, similarities) in self.of_subjects.iter_mut().zip(scored.of_subjects) {
            put(column, begin, &similarities[..similarities.len().min(subjects)]);
        }
    }

    /// Pairs of a generation and a subject.
    fn pairs(&self) -> usize {
        self.end.last().copied().unwrap_or_default()
    }

    /// Returns both, one after the other.
    pub(crate) fn append(mut self, mut other: ScoreRows) -> ScoreRows {
        let (rows, pairs) = (self.generations.len(), self.pairs());
        // What was copied is given back at once.
        let of = |columns: &mut [Vec<f64>], others: Vec<Vec<f64>>, at: usize| {
            columns.iter_mut().zip(others).for_each(|(column, other)| put(column, at, &other));
        };
        self.generations.append(&mut std::mem::take(&mut other.generations));
        self.end.extend(other.end.into_iter().map(|end| pairs + end));
        of(&mut self.similarity, other.similarity, rows);
        of(&mut self.clip_t, other.clip_t, rows);
        of(&mut self.of_subjects, other.of_subjects, pairs);
        self
    }

    /// Returns the generations by model, prompt and seed, among them those that are only expected, and their scores.
    pub(crate) fn finish(mut self, expected: Vec<GenerationRow>) -> (Vec<GenerationRow>, Scores) {
        let key = |g: &GenerationRow| (g.model, g.prompt, g.seed);
        let mut generations = std::mem::take(&mut self.generations);
        let mut row: Vec<u32> = (0..generations.len() as u32).collect();
        generations.extend(expected);
        row.resize(generations.len(), UNREAD);
        if !generations.is_sorted_by_key(key) {
            let mut order: Vec<u32> = (0..generations.len() as u32).collect();
            order.sort_by_key(|at| key(&generations[*at as usize])); // it makes use of what is in order already
            for at in 0..order.len() {
                // What belongs here may have been moved away already.
                let mut from = order[at] as usize;
                while from < at {
                    from = order[from] as usize;
                }
                generations.swap(at, from);
                row.swap(at, from);
            }
        }
        (generations, Scores { row, rows: self })
    }
}

/// Puts values at a place of a column, which has nothing from there on.
fn put(column: &mut Vec<f64>, at: usize, values: &[f64]) {
    if !values.is_empty() {
        column.resize(at, f64::NAN);
        column.extend_from_slice(values);
    }
}

fn number(column: &[f64], at: usize) -> Option<f64> {
    column.get(at).copied().filter(|value| !value.is_nan())
}

impl Scores {
    fn row(&self, generation: usize) -> Option<usize> {
        self.row.get(generation).filter(|row| **row != UNREAD).map(|row| *row as usize)
    }

    /// Returns the mean similarity of a generation.
    pub fn similarity(&self, encoder: usize, generation: usize) -> Option<f64> {
        number(self.rows.similarity.get(encoder)?, self.row(generation)?)
    }

    /// Returns the CLIP-T of a generation.
    pub fn clip_t(&self, encoder: usize, generation: usize) -> Option<f64> {
        number(self.rows.clip_t.get(encoder)?, self.row(generation)?)
    }

    /// Returns whether an encoder has scored any image.
    pub fn has_images(&self, encoder: usize) -> bool {
        self.rows.similarity.get(encoder).is_some_and(|column| !column.is_empty())
    }

    /// Returns whether an encoder has any CLIP-T.
    pub fn has_texts(&self, encoder: usize) -> bool {
        self.rows.clip_t.get(encoder).is_some_and(|column| !column.is_empty())
    }

    /// Returns the similarities of a scored generation's subjects, in the prompt's order. A generation has all its subjects
    /// scored, or none.
    pub fn of_subjects(&self, encoder: usize, generation: usize) -> Option<&[f64]> {
        let row = self.row(generation)?;
        number(self.rows.similarity.get(encoder)?, row)?;
        let begin = row.checked_sub(1).map_or(0, |before| self.rows.end[before]);
        let all = self.rows.of_subjects[encoder].get(begin..self.rows.end[row])?;
        all.iter().all(|value| !value.is_nan()).then_some(all)
    }

    /// Hands every generation on with its scores, some to each of several values, which `start` makes and which are
    /// returned.
    pub(super) fn each<T: Send>(
        &self,
        generations: &[GenerationRow],
        start: impl Fn() -> T + Sync,
        take: impl Fn(&mut T, &ScoredGeneration<'_>) + Sync,
    ) -> Vec<T> {
        let length = generations.len().div_ceil(rayon::current_num_threads()).max(WORTH);
        let of_some = |(n, some): (usize, &[GenerationRow])| {
            let encoders = self.rows.similarity.len();
            let (mut value, first) = (start(), n * length);
            let (mut similarity, mut clip_t) = (vec![None; encoders], vec![None; encoders]);
            let mut of_subjects: Vec<Vec<f64>> = vec![Vec::new(); encoders];
            for (at, row) in (first..).zip(some.iter().copied()) {
                for encoder in 0..encoders {
                    similarity[encoder] = self.similarity(encoder, at);
                    clip_t[encoder] = self.clip_t(encoder, at);
                    of_subjects[encoder].clear();
                    of_subjects[encoder].extend_from_slice(self.of_subjects(encoder, at).unwrap_or_default());
                }
                take(&mut value, &ScoredGeneration { row, similarity: &similarity, clip_t: &clip_t, of_subjects: &of_subjects });
            }
            value
        };
        generations.par_chunks(length).enumerate().map(of_some).collect()
    }
}

impl Snapshot {
    /// Takes in the generations that were read, with their scores, and those that are only expected.
    pub(crate) fn take(&mut self, read: ScoreRows, expected: Vec<GenerationRow>) {
        (self.generations, self.scores) = read.finish(expected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, model: u32, prompt: u32) -> GenerationRow {
        GenerationRow { id, model, prompt, seed: 0, size: None }
    }

    #[test]
    fn rows_of_several_readers_are_found_by_their_keys() {
        // Each is its own score; the second encoder has no texts, and of the subjects those of the first were not read.
        let read = |rows: &[(GenerationRow, &[f64])]| {
            let mut read = ScoreRows::new(2);
            for (row, of_subjects) in rows {
                let id = Some(row.id as f64).filter(|_| !of_subjects.is_empty());
                let (similarity, clip_t) = ([id, id.map(|id| -id)], [id, None]);
                let of_subjects = [Vec::new(), of_subjects.to_vec()];
                let row = *row;
                read.add(&ScoredGeneration { row, similarity: &similarity, clip_t: &clip_t, of_subjects: &of_subjects }, 2);
            }
            read
        };
        let one = read(&[(row(1, 1, 1), &[1.0, 1.5]), (row(2, 0, 2), &[]), (row(3, 0, 0), &[3.0, 3.5])]);
        let other = read(&[(row(9, 0, 1), &[]), (row(8, 1, 0), &[8.0, 8.5])]);
        let (generations, scores) = one.append(other).finish(vec![row(-1, 1, 2), row(-2, 0, 3)]);
        assert_eq!(generations.iter().map(|g| g.id).collect::<Vec<_>>(), [3, 9, 2, -2, 8, 1, -1]);
        for (at, generation) in generations.iter().enumerate() {
            let id = generation.id as f64;
            let scored = [3, 8, 1].contains(&generation.id).then_some(id);
            assert_eq!([0, 1].map(|e| scores.similarity(e, at)), [scored, scored.map(|id| -id)], "{id}");
            assert_eq!([0, 1].map(|e| scores.clip_t(e, at)), [scored, None], "{id}");
            let subjects = scored.map(|id| [id, id + 0.5]);
            assert_eq!([0, 1].map(|e| scores.of_subjects(e, at)), [None, subjects.as_ref().map(|s| &s[..])], "{id}");
        }
        assert_eq!([0, 1, 2].map(|e| scores.has_images(e)), [true, true, false]);
        assert_eq!([0, 1, 2].map(|e| scores.has_texts(e)), [true, false, false]);
        let handed_on = scores.each(&generations, Vec::new, |all, scored| all.push((scored.row.id, scored.similarity[0])));
        assert_eq!(handed_on.concat().len(), generations.len());
    }
}
