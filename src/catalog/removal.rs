//! Removes subjects, prompts and generations, with their scores and vectors, and nothing else.

use super::{Changes, catalog};
use crate::error::{Error, Result};
use crate::text::quote;
use crate::vocabulary::{CROP, ModelName, PromptId, SubjectId};

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Subjects removed.
    pub subjects: u64,
    /// Prompts removed.
    pub prompts: u64,
    /// Generations removed.
    pub generations: u64,
    /// Jobs of a model's queue removed with it.
    pub jobs: u64,
    /// Whether the model that was removed was marked as a control.
    pub control: bool,
    /// Number of regions of a set that was removed.
    pub regions: Option<u64>,
    /// Number of values of a metric that was removed.
    pub values: Option<u64>,
}

impl Changes<'_> {
    /// Removes a subject, which must not be in any prompt.
    ///
    /// # Errors
    /// There is no such subject, or prompts still name it.
    pub fn remove_subject(&self, subject: &SubjectId) -> Result<Removed> {
        let id = self.subject_row(subject.as_str())?.ok_or_else(|| absent("subject", subject.as_str()))?;
        let prompts: i64 = self
            .tx
            .query_row("SELECT count(*) FROM prompt_subject WHERE subject = ?1", [id], |r| r.get(0))
            .map_err(catalog("count prompts"))?;
        if prompts > 0 {
            return Err(Error::request(
                format!("subject {} is in {prompts} prompts", quote(subject.as_str())),
                "a prompt without one of its subjects would be a different prompt: remove those prompts first (`msdata remove --prompt P`)",
            ));
        }
        self.execute("DELETE FROM reference_image WHERE subject = ?1", id)?;
        self.execute("DELETE FROM subject WHERE id = ?1", id)?;
        Ok(Removed { subjects: 1, ..Removed::default() })
    }

    /// Removes a prompt and its generations.
    ///
    /// # Errors
    /// There is no such row.
    pub fn remove_prompt(&self, prompt: &PromptId) -> Result<Removed> {
        let id = self.prompt_row(prompt.as_str())?.ok_or_else(|| absent("prompt", prompt.as_str()))?;
        let generations = self.execute("DELETE FROM generation WHERE prompt = ?1", id)?;
        self.execute("DELETE FROM prompt WHERE id = ?1", id)?;
        self.drop_idle_models()?;
        Ok(Removed { prompts: 1, generations, ..Removed::default() })
    }

    /// Removes a model: its generations, its queue, and whether it is a control.
    ///
    /// # Errors
    /// There is no such model.
    pub fn remove_model(&self, model: &ModelName) -> Result<Removed> {
        let id = self.known_model(model)?.ok_or_else(|| absent("model", model.as_str()))?;
        let control = self
            .tx
            .query_row("SELECT control FROM model WHERE id = ?1", [id], |r| r.get(0))
            .map_err(catalog("look up a model"))?;
        let generations = self.execute("DELETE FROM generation WHERE model = ?1", id)?;
        let jobs = self.execute("DELETE FROM job WHERE model = ?1", id)?;
        self.execute("DELETE FROM model WHERE id = ?1", id)?;
        Ok(Removed { generations, jobs, control, ..Removed::default() })
    }

    /// Removes one generation. A model without any keeps its queue and its mark as a control.
    ///
    /// # Errors
    /// There is no such row.
    pub fn remove_generation(&self, model: &ModelName, prompt: &PromptId, seed: i64) -> Result<Removed> {
        let key = format!("{model},{prompt},{seed}");
        let row = match (self.known_model(model)?, self.prompt_row(prompt.as_str())?) {
            (Some(m), Some(p)) => self.generation_row(p, m, seed)?,
            _ => None,
        };
        let (id, _) = row.ok_or_else(|| absent("generation", &key))?;
        self.execute("DELETE FROM generation WHERE id = ?1", id)?;
        self.drop_idle_models()?;
        Ok(Removed { generations: 1, ..Removed::default() })
    }

    /// Forgets models about which nothing is left.
    fn drop_idle_models(&self) -> Result<()> {
        const SQL: &str = "DELETE FROM model WHERE control = 0
            AND NOT EXISTS (SELECT 1 FROM generation g WHERE g.model = model.id)
            AND NOT EXISTS (SELECT 1 FROM job j WHERE j.model = model.id)";
        self.tx.execute(SQL, []).map_err(catalog("forget models"))?;
        Ok(())
    }

    /// Removes crops of subjects that their prompts no longer have.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn drop_surplus_crops(&self) -> Result<()> {
        const SQL: &str = "DELETE FROM generation WHERE model = (SELECT id FROM model WHERE name = ?1)
            AND seed >= (SELECT count(*) FROM prompt_subject ps WHERE ps.prompt = generation.prompt)";
        self.tx.execute(SQL, [CROP]).map_err(catalog("remove crops"))?;
        Ok(())
    }
}

pub(super) fn absent(what: &str, key: &str) -> Error {
    let view = match what {
        "region set" => "region_sets",
        "metric" => "metrics",
        "subject" => "subjects",
        "prompt" => "prompts",
        _ => "generations",
    };
    Error::request(
        format!("there is no {what} {}", quote(key)),
        format!("`msdata sql 'SELECT * FROM {view}'` lists what is there"),
    )
}
