//! What the best image could score: the composites of a prompt's own references, which `msdata controls make`
//! pastes, as scored like any generation.

use super::Snapshot;
use crate::catalog::GenerationRow;
use std::collections::HashMap;

impl Snapshot {
    /// Whether a generation is a composite or one of its tiles.
    pub(crate) fn is_composite(&self, generation: &GenerationRow) -> bool {
        [self.composite, self.crop].contains(&Some(generation.model))
    }
}

/// The composites by prompt. One that is not of the references that its prompt has now does not count.
pub(super) struct Ceilings<'a> {
    snapshot: &'a Snapshot,
    /// By prompt: all its subjects together. A place among the generations.
    composites: HashMap<u32, usize>,
    /// By prompt and place in it: one subject alone.
    crops: HashMap<(u32, u32), usize>,
}

impl<'a> Ceilings<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Ceilings<'a> {
        let mut ceilings = Ceilings { snapshot, composites: HashMap::new(), crops: HashMap::new() };
        for (at, generation) in snapshot.generations.iter().enumerate() {
            if !snapshot.is_composite(&generation) || !snapshot.composites.contains(&generation.id) {
                continue;
            }
            if snapshot.composite == Some(generation.model) {
                ceilings.composites.insert(generation.prompt, at);
            } else if let Ok(ordinal) = u32::try_from(generation.seed) {
                ceilings.crops.insert((generation.prompt, ordinal), at);
            }
        }
        ceilings
    }

    /// Similarity of the composite of a generation's prompt; with a place in the prompt, with that subject.
    pub(super) fn composite(&self, encoder: usize, generation: usize, ordinal: Option<u32>) -> Option<f64> {
        let composite = *self.composites.get(&self.snapshot.generations.prompt(generation))?;
        match ordinal {
            Some(ordinal) => Some(self.snapshot.scores.of_subjects(encoder, composite)?[ordinal as usize]),
            None => self.snapshot.scores.similarity(encoder, composite),
        }
    }

    /// The same where each subject has the image to itself.
    pub(super) fn single(&self, encoder: usize, generation: usize, ordinal: Option<u32>) -> Option<f64> {
        let prompt = self.snapshot.generations.prompt(generation);
        let of = |ordinal: u32| {
            let crop = *self.crops.get(&(prompt, ordinal))?;
            Some(self.snapshot.scores.of_subjects(encoder, crop)?[ordinal as usize])
        };
        match ordinal {
            Some(ordinal) => of(ordinal),
            None => {
                let subjects = self.snapshot.prompts[prompt as usize].subjects.len() as u32;
                let all: Vec<f64> = (0..subjects).map(of).collect::<Option<_>>()?;
                Some(crate::score::mean(&all))
            }
        }
    }
}
