//! What a report may be grouped by, and the value of each key for a generation or a pair.

use super::{KeyValue, Snapshot};
use crate::catalog::GenerationRow;
use crate::vocabulary::{SceneType, SubjectKind, closed_set};
use std::collections::BTreeSet;

closed_set! {
    /// What a report may be grouped by.
    Key, "key" {
        Model = "model",
        SubjectCount = "subject_count",
        SceneType = "scene_type",
        PromptId = "prompt_id",
        Seed = "seed",
        /// An attribute of subjects: a cell is over (generation, subject) pairs.
        Kind = "kind",
        /// An attribute of subjects: a cell is over (generation, subject) pairs.
        SubjectId = "subject_id",
        /// An attribute of subjects: a cell is over (generation, subject) pairs.
        Source = "source",
        /// Whether the prompt is longer than a text encoder takes: `whole` or `cut`.
        Cut = "cut",
        /// Width and height of the image in pixels.
        Size = "size",
    }
}

impl Key {
    /// Whether cells are over (generation, subject) pairs.
    pub fn is_of_subjects(self) -> bool {
        matches!(self, Key::Kind | Key::SubjectId | Key::Source)
    }

    /// Returns whether cells by these keys are over pairs of a generation and one of its subjects.
    pub fn are_of_subjects(keys: &[Key]) -> bool {
        keys.iter().any(|key| key.is_of_subjects())
    }
}

/// The code of a value that is not there or not known: after every other.
const NONE: i64 = i64::MAX;

/// Words of [`Key::Cut`], by code.
const CUT: [&str; 2] = ["whole", "cut"];

/// The values of the keys as numbers that sort as the values do.
pub(super) struct Keys<'f> {
    snapshot: &'f Snapshot,
    /// Models by rank: those under test by name, then the controls.
    models: Vec<usize>,
    /// Rank of each model.
    ranks: Vec<i64>,
    sources: Vec<&'f str>,
}

impl<'f> Keys<'f> {
    pub(super) fn new(snapshot: &'f Snapshot) -> Keys<'f> {
        let mut models: Vec<usize> = (0..snapshot.models.len()).collect();
        models.sort_by_key(|m| (snapshot.models[*m].1, snapshot.order(*m)));
        let mut ranks = vec![0; models.len()];
        for (rank, model) in (0..).zip(&models) {
            ranks[*model] = rank;
        }
        let sources: BTreeSet<&str> = snapshot.subjects.iter().filter_map(|s| s.source.as_deref()).collect();
        Keys { snapshot, models, ranks, sources: sources.into_iter().collect() }
    }

    /// The code of a generation's key, or of the key of the pair that it makes with a subject of its prompt.
    pub(super) fn code(&self, key: Key, generation: &GenerationRow, ordinal: Option<u32>) -> i64 {
        let prompt = &self.snapshot.prompts[generation.prompt as usize];
        let subject = || prompt.subjects[ordinal.unwrap_or_default() as usize];
        let place = |found: Option<usize>| found.map_or(NONE, |at| at as i64);
        match key {
            Key::Model => self.ranks[generation.model as usize],
            Key::PromptId => i64::from(generation.prompt),
            Key::Seed => generation.seed,
            Key::SubjectCount => prompt.subjects.len() as i64,
            Key::SceneType => prompt.scene_type as i64,
            Key::SubjectId => subject() as i64,
            Key::Kind => self.snapshot.subjects[subject()].kind.map_or(NONE, |kind| kind as i64),
            Key::Source => {
                place(self.snapshot.subjects[subject()].source.as_deref().and_then(|s| self.sources.binary_search(&s).ok()))
            }
            Key::Cut => prompt.cut.map_or(NONE, i64::from),
            // By width, then by height.
            Key::Size => generation.size.map_or(NONE, |[width, height]| i64::from(width) << 32 | i64::from(height)),
        }
    }

    /// The value of a code.
    pub(super) fn value(&self, key: Key, code: i64) -> KeyValue {
        let at = usize::try_from(code).unwrap_or(usize::MAX);
        let text = |text: Option<&str>| KeyValue::Text(text.map(str::to_owned));
        match key {
            Key::SubjectCount | Key::Seed => KeyValue::Integer(code),
            Key::Model => text(self.models.get(at).map(|model| self.snapshot.models[*model].0.as_str())),
            Key::PromptId => text(self.snapshot.prompts.get(at).map(|prompt| prompt.prompt_id.as_str())),
            Key::SubjectId => text(self.snapshot.subjects.get(at).map(|subject| subject.subject_id.as_str())),
            Key::SceneType => text(SceneType::ALL.get(at).map(|scene| scene.as_str())),
            Key::Kind => text(SubjectKind::ALL.get(at).map(|kind| kind.as_str())),
            Key::Source => text(self.sources.get(at).copied()),
            Key::Cut => text(CUT.get(at).copied()),
            Key::Size => KeyValue::Text((code != NONE).then(|| format!("{}x{}", code >> 32, code & i64::from(u32::MAX)))),
        }
    }
}
