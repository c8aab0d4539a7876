//! What every generation of a snapshot was scored, in as little room as it takes: a data set may have ten million.

use super::Snapshot;
use super::generations::{GenerationColumns, Generations};
use super::integers::Integers;
use crate::catalog::{GenerationRow, ScoredGeneration};
use crate::score::subject_collapse_rate;
use std::ops::Range;

/// Stands for the number of a generation's subjects below a threshold where they are not all scored.
const UNSCORED: i64 = -1;

/// Which similarities of single subjects are kept: they are most of what there is.
#[derive(Debug, Clone, PartialEq)]
pub enum KeptSimilarities {
    /// Those of all encoders.
    All,
    /// Those of the encoder that decides collapse.
    OfIdentity,
    /// How many are below each of these thresholds, ascending, by the encoder that decides collapse; but of composites and
    /// their tiles all.
    Counted(Vec<f64>),
}

impl Default for KeptSimilarities {
    fn default() -> KeptSimilarities {
        KeptSimilarities::Counted(Vec::new())
    }
}

/// Scores by encoder and generation, both by their places in a [`Snapshot`]. Columns may end early: there is nothing in
/// what is left.
#[derive(Debug, Default)]
pub struct Scores {
    /// [encoder][generation]; no number: none.
    similarity: Vec<Vec<f64>>,
    /// [encoder][generation], likewise.
    clip_t: Vec<Vec<f64>>,
    /// [encoder]: whether it gave any generation a CLIP-T, if only one that was passed over.
    texts: Vec<bool>,
    /// [generation]: how many subjects it has.
    subjects: Integers,
    /// The place of the encoder that decides collapse.
    identity: usize,
    thresholds: Vec<f64>,
    /// [generation][threshold]: subjects below it by that encoder.
    below: Integers,
    /// [generation]: where its subjects begin in `of_subjects`; negative: they are not kept.
    begin: Integers,
    /// [encoder]: kept subjects of all generations, as they were read: those of one in the order of its prompt. Likewise.
    of_subjects: Vec<Vec<f64>>,
    /// Pairs of a generation and a subject that are kept.
    pairs: usize,
}

/// Generations with what they were scored, in the order in which they were read.
#[derive(Default)]
pub(crate) struct ScoreRows {
    generations: GenerationColumns,
    scores: Scores,
}

impl ScoreRows {
    /// Returns rows of no generation yet, by so many encoders, of which the one at a place decides collapse; its subjects are
    /// counted at thresholds.
    pub(crate) fn new(encoders: usize, identity: usize, thresholds: &[f64]) -> ScoreRows {
        let columns = || vec![Vec::new(); encoders];
        let (similarity, clip_t, of_subjects) = (columns(), columns(), columns());
        let (texts, thresholds) = (vec![false; encoders], thresholds.to_vec());
        let scores = Scores { similarity, clip_t, texts, of_subjects, identity, thresholds, ..Scores::default() };
        ScoreRows { scores, ..ScoreRows::default() }
    }

    /// Adds a generation that has so many subjects; `keep`: with the similarity of each.
    pub(crate) fn add(&mut self, scored: &ScoredGeneration<'_>, subjects: usize, keep: bool) {
        let at = self.generations.len();
        self.push(scored.row, subjects, keep);
        self.pass_over(scored);
        let scores = &mut self.scores;
        let of = |columns: &mut [Vec<f64>], values: &[Option<f64>]| {
            columns.iter_mut().zip(values).for_each(|(column, value)| put(column, at, value.as_slice()));
        };
        of(&mut scores.similarity, scored.similarity);
        of(&mut scores.clip_t, scored.clip_t);
        let of_identity = scored.of_subjects.get(scores.identity).map(Vec::as_slice).unwrap_or_default();
        let below = |threshold: &f64| match of_identity.len() < subjects {
            true => UNSCORED,
            false => of_identity.iter().filter(|similarity| *similarity < threshold).count() as i64,
        };
        scores.thresholds.iter().map(below).for_each(|below| scores.below.push(below));
        if keep {
            let begin = scores.pairs - subjects;
            for (column, similarities) in scores.of_subjects.iter_mut().zip(scored.of_subjects) {
                put(column, begin, &similarities[..similarities.len().min(subjects)]);
            }
        }
    }

    /// Keeps nothing of a generation but that there are such scores.
    pub(crate) fn pass_over(&mut self, scored: &ScoredGeneration<'_>) {
        self.scores.texts.iter_mut().zip(scored.clip_t).for_each(|(any, clip_t)| *any |= clip_t.is_some());
    }

    fn push(&mut self, row: GenerationRow, subjects: usize, keep: bool) {
        let scores = &mut self.scores;
        scores.begin.push(if keep { scores.pairs as i64 } else { -1 });
        scores.pairs += if keep { subjects } else { 0 };
        scores.subjects.push(subjects as i64);
        self.generations.push(row);
    }

    /// Returns both, one after the other.
    pub(crate) fn append(mut self, other: ScoreRows) -> ScoreRows {
        let (ScoreRows { generations, scores: all }, others) = (&mut self, other.scores);
        let rows = generations.len();
        // What was copied is given back at once.
        let of = |columns: &mut [Vec<f64>], others: Vec<Vec<f64>>, at: usize| {
            columns.iter_mut().zip(others).for_each(|(column, other)| put(column, at, &other));
        };
        generations.append(other.generations);
        others.begin.iter().for_each(|begin| all.begin.push(if begin < 0 { begin } else { all.pairs as i64 + begin }));
        all.texts.iter_mut().zip(others.texts).for_each(|(any, other)| *any |= other);
        all.subjects.append(others.subjects);
        all.below.append(others.below);
        of(&mut all.similarity, others.similarity, rows);
        of(&mut all.clip_t, others.clip_t, rows);
        of(&mut all.of_subjects, others.of_subjects, all.pairs);
        all.pairs += others.pairs;
        self
    }

    /// Returns the generations by model, prompt and seed, among them those that are only expected, and their scores.
    pub(crate) fn finish(mut self, expected: Vec<GenerationRow>) -> (Generations, Scores) {
        for row in expected {
            self.push(row, 0, false);
            (0..self.scores.thresholds.len()).for_each(|_| self.scores.below.push(UNSCORED));
        }
        let order = self.generations.order();
        let scores = match &order {
            Some(order) => self.scores.in_order(order),
            None => self.scores,
        };
        (self.generations.finish(order.as_deref()), scores)
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
    /// Returns the scores of the generations at some places. Those of subjects stay where they are: they may be most of it.
    fn in_order(mut self, places: &[u32]) -> Scores {
        self.begin = self.begin.in_order(places);
        self.subjects = self.subjects.in_order(places);
        let width = self.thresholds.len();
        let of_one = |at: &u32| (*at as usize * width..).take(width);
        self.below = places.iter().flat_map(of_one).map(|at| self.below.get(at)).collect();
        for column in self.similarity.iter_mut().chain(&mut self.clip_t).filter(|column| !column.is_empty()) {
            *column = places.iter().map(|at| number(column, *at as usize).unwrap_or(f64::NAN)).collect();
        }
        self
    }

    /// Returns the mean similarity of a generation.
    pub fn similarity(&self, encoder: usize, generation: usize) -> Option<f64> {
        number(self.similarity.get(encoder)?, generation)
    }

    /// Returns the CLIP-T of a generation.
    pub fn clip_t(&self, encoder: usize, generation: usize) -> Option<f64> {
        number(self.clip_t.get(encoder)?, generation)
    }

    /// Returns whether an encoder has scored any image.
    pub fn has_images(&self, encoder: usize) -> bool {
        self.similarity.get(encoder).is_some_and(|column| !column.is_empty())
    }

    /// Returns whether an encoder has any CLIP-T.
    pub fn has_texts(&self, encoder: usize) -> bool {
        self.texts.get(encoder).is_some_and(|any| *any)
    }

    /// Returns the similarities of a scored generation's subjects, in the prompt's order, if they are kept. A generation has
    /// all its subjects scored, or none.
    pub fn of_subjects(&self, encoder: usize, generation: usize) -> Option<&[f64]> {
        self.similarity(encoder, generation)?;
        let begin = usize::try_from(self.begin.get(generation)).ok()?;
        let range: Range<usize> = begin..begin + self.subjects.get(generation) as usize;
        let all = self.of_subjects[encoder].get(range)?;
        all.iter().all(|value| !value.is_nan()).then_some(all)
    }

    /// Returns SCR of a scored generation at a threshold, where its similarities are kept or counted at that threshold.
    pub fn collapse(&self, encoder: usize, generation: usize, threshold: f64) -> Option<f64> {
        if let Some(similarities) = self.of_subjects(encoder, generation) {
            return Some(subject_collapse_rate(similarities, threshold));
        }
        self.similarity(encoder, generation).filter(|_| encoder == self.identity)?;
        let at = self.thresholds.iter().position(|known| *known == threshold)?;
        let below = Some(self.below.get(generation * self.thresholds.len() + at)).filter(|below| *below != UNSCORED)?;
        Some(below as f64 / self.subjects.get(generation) as f64)
    }
}

impl Snapshot {
    /// Returns the similarities of a generation's subjects by the encoder at a place; nothing where it is not scored. A
    /// generation has all its subjects scored, or none.
    pub(crate) fn whole_similarities<'r>(&self, scored: &'r ScoredGeneration<'_>, encoder: usize) -> &'r [f64] {
        let requested = self.prompts[scored.row.prompt as usize].subjects.len();
        let is_scored = scored.similarity.get(encoder).is_some_and(Option::is_some);
        scored.of_subjects.get(encoder).filter(|all| is_scored && all.len() == requested).map_or(&[], Vec::as_slice)
    }

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
        // Each is its own score; the second encoder has no texts and decides collapse, and of the subjects those of the first
        // were not read, nor all of the generation 7. Those of model 0 are kept, the others counted.
        let read = |rows: &[(GenerationRow, &[f64])]| {
            let mut read = ScoreRows::new(2, 1, &[3.25, 8.25]);
            for (row, of_subjects) in rows {
                let id = Some(row.id as f64).filter(|_| !of_subjects.is_empty());
                let (similarity, clip_t) = ([id, id.map(|id| -id)], [id, None]);
                let of_subjects = [Vec::new(), of_subjects.to_vec()];
                let (row, keep) = (*row, row.model == 0);
                read.add(&ScoredGeneration { row, similarity: &similarity, clip_t: &clip_t, of_subjects: &of_subjects }, 2, keep);
            }
            read
        };
        let one = read(&[(row(1, 1, 1), &[1.0, 1.5]), (row(2, 0, 2), &[]), (row(3, 0, 0), &[3.0, 3.5])]);
        let other =
            read(&[(row(9, 0, 1), &[]), (row(8, 1, 0), &[8.0, 8.5]), (row(7, 1, 3), &[7.0]), (row(6, 0, 4), &[6.0, 6.5])]);
        let (generations, scores) = one.append(other).finish(vec![row(-1, 1, 2), row(-2, 0, 3)]);
        assert_eq!(generations.iter().map(|g| g.id).collect::<Vec<_>>(), [3, 9, 2, -2, 6, 8, 1, -1, 7]);
        for (at, generation) in generations.iter().enumerate() {
            let id = generation.id as f64;
            let scored = [3, 8, 1, 7, 6].contains(&generation.id).then_some(id);
            assert_eq!([0, 1].map(|e| scores.similarity(e, at)), [scored, scored.map(|id| -id)], "{id}");
            assert_eq!([0, 1].map(|e| scores.clip_t(e, at)), [scored, None], "{id}");
            let subjects = [3, 6].contains(&generation.id).then_some([id, id + 0.5]);
            assert_eq!([0, 1].map(|e| scores.of_subjects(e, at)), [None, subjects.as_ref().map(|s| &s[..])], "{id}");
            let collapse = match generation.id {
                1 => [Some(1.0), Some(1.0)],
                3 => [Some(0.5), Some(1.0)],
                6 => [Some(0.0), Some(1.0)],
                8 => [Some(0.0), Some(0.5)],
                _ => [None, None],
            };
            assert_eq!([3.25, 8.25].map(|threshold| scores.collapse(1, at, threshold)), collapse, "{id}");
            assert_eq!([scores.collapse(0, at, 3.25), scores.collapse(1, at, 3.5).filter(|_| subjects.is_none())], [None, None]);
        }
        assert_eq!([0, 1, 2].map(|e| scores.has_images(e)), [true, true, false]);
        assert_eq!([0, 1, 2].map(|e| scores.has_texts(e)), [true, false, false]);
    }
}
