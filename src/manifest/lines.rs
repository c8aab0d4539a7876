//! Manifests as this program writes them, with the names that [`row`](super::row) reads.

use super::Prompt;
use crate::vocabulary::{PromptId, SceneType, SubjectId};
use serde::Serialize;

/// A prompt as its manifest has it.
#[derive(Debug, Serialize)]
pub struct PromptLine<'a> {
    prompt_id: &'a PromptId,
    text: &'a str,
    scene_type: SceneType,
    subjects: &'a [SubjectId],
}

impl<'a> From<&'a Prompt> for PromptLine<'a> {
    fn from(prompt: &'a Prompt) -> PromptLine<'a> {
        let Prompt { prompt_id, text, scene_type, subjects } = prompt;
        PromptLine { prompt_id, text, scene_type: *scene_type, subjects }
    }
}

/// A generation as its manifest has it.
#[derive(Debug, Serialize)]
pub struct GenerationLine<'a> {
    /// Its model.
    pub model: &'a str,
    /// Its prompt.
    pub prompt_id: &'a str,
    /// Its seed.
    pub seed: i64,
    /// Where its image is or will be, relative to the manifest.
    pub path: &'a str,
}

/// Returns JSON Lines: one object per line.
pub fn json_lines(rows: impl IntoIterator<Item = impl Serialize>) -> String {
    let mut text = String::new();
    for row in rows {
        // Strings, numbers and lists: JSON has them all.
        text.push_str(&serde_json::to_string(&row).unwrap_or_default());
        text.push('\n');
    }
    text
}
