//! What a report averages over: generations, or pairs of a generation and one of its subjects.

use super::Key;
use super::Snapshot;
use super::keys::Keys;
use crate::catalog::GenerationRow;
use crate::score::subject_collapse_rate;

/// The units of a report, in the order of the keys (model, prompt, seed, place in the prompt).
pub(super) struct Observations<'f> {
    snapshot: &'f Snapshot,
    /// Place of the generation among the facts.
    pub(super) generation: Vec<u32>,
    /// Place in the prompt, where units are pairs.
    pub(super) ordinal: Option<Vec<u32>>,
}

impl<'f> Observations<'f> {
    /// The units that cells by these keys are over, of the generations at these places, ascending.
    pub(super) fn new(snapshot: &'f Snapshot, by: &[Key], generations: impl Iterator<Item = usize>) -> Observations<'f> {
        let pairs = Key::are_of_subjects(by);
        let (mut generation, mut ordinal) = (Vec::new(), Vec::new());
        for at in generations {
            let subjects = || snapshot.prompts[snapshot.generations.prompt(at) as usize].subjects.len() as u32;
            let units = if pairs { subjects() } else { 1 };
            generation.extend((0..units).map(|_| at as u32));
            if pairs {
                ordinal.extend(0..units);
            }
        }
        generation.shrink_to_fit();
        Observations { snapshot, generation, ordinal: pairs.then_some(ordinal) }
    }

    /// What a unit's generation is.
    pub(super) fn fact(&self, unit: usize) -> GenerationRow {
        self.snapshot.generations.get(self.generation[unit] as usize)
    }

    /// Its place in the prompt, where units are pairs.
    pub(super) fn place(&self, unit: usize) -> Option<u32> {
        self.ordinal.as_ref().map(|ordinal| ordinal[unit])
    }

    /// The values of keys for a unit, as codes.
    pub(super) fn codes(&self, unit: usize, by: &[Key], keys: &Keys<'_>) -> impl Iterator<Item = i64> {
        let (fact, place) = (self.fact(unit), self.place(unit));
        by.iter().map(move |key| keys.code(*key, &fact, place))
    }

    /// Similarity by an encoder.
    pub(super) fn similarity(&self, encoder: usize, unit: usize) -> Option<f64> {
        let (scores, generation) = (&self.snapshot.scores, self.generation[unit] as usize);
        match self.place(unit) {
            Some(place) => Some(scores.of_subjects(encoder, generation)?[place as usize]),
            None => scores.similarity(encoder, generation),
        }
    }

    /// CLIP-T by an encoder.
    pub(super) fn clip_t(&self, encoder: usize, unit: usize) -> Option<f64> {
        self.snapshot.scores.clip_t(encoder, self.generation[unit] as usize)
    }

    /// SCR of an image; of a pair, whether it is collapsed.
    pub(super) fn collapse(&self, encoder: usize, unit: usize, threshold: f64) -> Option<f64> {
        match &self.ordinal {
            Some(_) => self.similarity(encoder, unit).map(|s| subject_collapse_rate(&[s], threshold)),
            None => self.snapshot.scores.collapse(encoder, self.generation[unit] as usize, threshold),
        }
    }
}
