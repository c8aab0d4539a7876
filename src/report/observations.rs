//! What a report averages over: generations, or pairs of a generation and one of its subjects; and what each
//! of them was scored.

use super::Key;
use super::Snapshot;
use super::keys::Keys;
use crate::catalog::{GenerationRow, ScoredGeneration};
use crate::score::subject_collapse_rate;
use std::collections::HashMap;

/// Scores by encoder (its place among the facts) and generation (likewise).
pub(super) struct Scores {
    /// Where each generation's subjects begin in `of_subjects`; one more at the end.
    begin: Vec<usize>,
    /// [encoder][generation]
    similarity: Vec<Vec<Option<f64>>>,
    /// [encoder][generation]
    clip_t: Vec<Vec<Option<f64>>>,
    /// [encoder]: the subjects of all generations in a row; empty where none were read.
    of_subjects: Vec<Vec<f64>>,
}

impl Scores {
    pub(super) fn collect(snapshot: &Snapshot) -> Scores {
        let n = snapshot.generations.len();
        let position: HashMap<i64, usize> = snapshot.generations.iter().enumerate().map(|(i, g)| (g.id, i)).collect();
        let encoder: HashMap<i64, usize> = snapshot.encoders.iter().enumerate().map(|(i, (id, _))| (*id, i)).collect();
        let mut begin = Vec::with_capacity(n + 1);
        let mut pairs = 0;
        for generation in &snapshot.generations {
            begin.push(pairs);
            pairs += snapshot.prompts[generation.prompt as usize].subjects.len();
        }
        begin.push(pairs);
        let mut scores = Scores {
            begin,
            similarity: vec![vec![None; n]; snapshot.encoders.len()],
            clip_t: vec![vec![None; n]; snapshot.encoders.len()],
            of_subjects: vec![Vec::new(); snapshot.encoders.len()],
        };
        for s in &snapshot.image_scores {
            let (Some(&e), Some(&g)) = (encoder.get(&s.encoder), position.get(&s.generation)) else { continue };
            scores.similarity[e][g] = Some(s.similarity);
            scores.clip_t[e][g] = s.clip_t;
        }
        for s in &snapshot.subject_scores {
            let (Some(&e), Some(&g)) = (encoder.get(&s.encoder), position.get(&s.generation)) else { continue };
            let values = &mut scores.of_subjects[e];
            if values.is_empty() {
                values.resize(pairs, f64::NAN); // never read: a generation has all its subjects scored, or none
            }
            values[scores.begin[g] + s.ordinal as usize] = s.similarity;
        }
        scores
    }

    /// Hands every generation on, with its scores.
    pub(super) fn each(&self, snapshot: &Snapshot, mut take: impl FnMut(&ScoredGeneration<'_>)) {
        let encoders = self.similarity.len();
        let (mut similarity, mut clip_t) = (vec![None; encoders], vec![None; encoders]);
        let mut of_subjects: Vec<Vec<f64>> = vec![Vec::new(); encoders];
        for (at, generation) in snapshot.generations.iter().enumerate() {
            for encoder in 0..encoders {
                similarity[encoder] = self.similarity(encoder, at);
                clip_t[encoder] = self.clip_t(encoder, at);
                of_subjects[encoder].clear();
                of_subjects[encoder].extend_from_slice(self.of_subjects(encoder, at).unwrap_or_default());
            }
            let row = *generation;
            take(&ScoredGeneration { row, similarity: &similarity, clip_t: &clip_t, of_subjects: &of_subjects });
        }
    }

    /// Mean similarity of a generation.
    pub(super) fn similarity(&self, encoder: usize, generation: usize) -> Option<f64> {
        *self.similarity.get(encoder)?.get(generation)?
    }

    /// CLIP-T of a generation.
    pub(super) fn clip_t(&self, encoder: usize, generation: usize) -> Option<f64> {
        self.clip_t[encoder][generation]
    }

    /// Whether an encoder has any CLIP-T.
    pub(super) fn has_texts(&self, encoder: usize) -> bool {
        self.clip_t[encoder].iter().any(Option::is_some)
    }

    /// The similarities of a scored generation's subjects, in the prompt's order.
    pub(super) fn of_subjects(&self, encoder: usize, generation: usize) -> Option<&[f64]> {
        self.similarity(encoder, generation)?;
        self.of_subjects[encoder].get(self.begin[generation]..self.begin[generation + 1])
    }
}

/// The units of a report, in the order of the keys (model, prompt, seed, place in the prompt).
pub(super) struct Observations<'f> {
    snapshot: &'f Snapshot,
    scores: &'f Scores,
    /// Place of the generation among the facts.
    pub(super) generation: Vec<u32>,
    /// Place in the prompt, where units are pairs.
    pub(super) ordinal: Option<Vec<u32>>,
}

impl<'f> Observations<'f> {
    /// The units that cells by these keys are over, of the generations to be kept.
    pub(super) fn new(
        snapshot: &'f Snapshot,
        scores: &'f Scores,
        by: &[Key],
        keep: impl Fn(&GenerationRow) -> bool,
    ) -> Observations<'f> {
        let kept = (0..).zip(&snapshot.generations).filter(|(_, generation)| keep(generation));
        let pairs = by.iter().any(|key| key.is_of_subjects());
        let (mut generation, mut ordinal) = (Vec::new(), Vec::new());
        for (g, fact) in kept {
            let units = if pairs { snapshot.prompts[fact.prompt as usize].subjects.len() as u32 } else { 1 };
            generation.extend((0..units).map(|_| g));
            ordinal.extend(0..units);
        }
        Observations { snapshot, scores, generation, ordinal: pairs.then_some(ordinal) }
    }

    /// What each unit's generation is.
    pub(super) fn snapshot(&self) -> impl Iterator<Item = &'f GenerationRow> + '_ {
        self.generation.iter().map(|g| &self.snapshot.generations[*g as usize])
    }

    /// What a unit's generation is.
    pub(super) fn fact(&self, unit: usize) -> &'f GenerationRow {
        &self.snapshot.generations[self.generation[unit] as usize]
    }

    /// The value of a key for each unit, as a code.
    pub(super) fn codes(&self, key: Key, keys: &Keys<'_>) -> Vec<i64> {
        match &self.ordinal {
            Some(ordinals) => self.snapshot().zip(ordinals).map(|(fact, ordinal)| keys.code(key, fact, Some(*ordinal))).collect(),
            None => self.snapshot().map(|fact| keys.code(key, fact, None)).collect(),
        }
    }

    /// Similarity by an encoder.
    pub(super) fn similarity(&self, encoder: usize) -> Vec<Option<f64>> {
        match &self.ordinal {
            Some(ordinal) => {
                let of = |(g, o): (&u32, &u32)| Some(self.scores.of_subjects(encoder, *g as usize)?[*o as usize]);
                self.generation.iter().zip(ordinal).map(of).collect()
            }
            None => self.generation.iter().map(|g| self.scores.similarity(encoder, *g as usize)).collect(),
        }
    }

    /// CLIP-T by an encoder.
    pub(super) fn clip_t(&self, encoder: usize) -> Vec<Option<f64>> {
        self.generation.iter().map(|g| self.scores.clip_t(encoder, *g as usize)).collect()
    }

    /// SCR of an image; of a pair, whether it is collapsed.
    pub(super) fn collapse(&self, encoder: usize, threshold: f64) -> Vec<Option<f64>> {
        match &self.ordinal {
            Some(_) => self.similarity(encoder).iter().map(|s| s.map(|s| subject_collapse_rate(&[s], threshold))).collect(),
            None => {
                let of = |g: &u32| self.scores.of_subjects(encoder, *g as usize).map(|s| subject_collapse_rate(s, threshold));
                self.generation.iter().map(of).collect()
            }
        }
    }
}
