//! Writes the stress test for generators: prompts with their subjects, and seeds.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::generator::{Asked, Case, Exported, System, write};
use crate::text::plain;
use crate::vocabulary::ModelName;
use crate::watch::Watch;
use std::path::Path;

impl Dataset {
    /// Writes a folder to run a generator on, completely or not at all; it must be new or empty. `model` is the name that
    /// its images will be filed under; `seeds`, if not given, are those of the stress test.
    ///
    /// # Errors
    /// There are no prompts or no seeds, a reference cannot be read, or the folder cannot be written.
    pub fn export_stress_test(
        &self,
        system: System,
        dir: &Path,
        model: Option<&ModelName>,
        seeds: Option<&[i64]>,
        watch: &mut Watch<'_>,
    ) -> Result<Exported> {
        let model = model.map(ModelName::as_str).or(system.model());
        if system == System::Jsonl && model.is_none() {
            return Err(Error::request("nothing says which model the images will be filed under", "give `--model NAME`"));
        }
        let exported = write(dir, system, model, &self.cases()?, &self.seeds_or(seeds)?, &self.door, watch)?;
        for left_out in &exported.left_out {
            watch.remark(format!("prompt {}", plain(&left_out.prompt_id)), &format!("is left out: {}", left_out.reason));
        }
        Ok(exported)
    }

    /// Returns every prompt with everything that a generator is told about it, by id.
    pub(crate) fn cases(&self) -> Result<Vec<Case>> {
        let subjects = self.catalog.subjects()?;
        let asked = |place: &usize| {
            let s = &subjects[*place];
            Asked {
                subject_id: s.subject_id.to_string(),
                label: s.label.clone(),
                kind: s.kind,
                caption: s.caption.clone(),
                references: s.references.iter().map(Into::into).collect(),
            }
        };
        let case = |p: crate::catalog::PromptRow| Case {
            prompt_id: p.prompt_id.into(),
            text: p.text,
            scene_type: p.scene_type,
            subjects: p.subjects.iter().map(asked).collect(),
        };
        Ok(self.catalog.prompts()?.into_iter().map(case).collect())
    }

    /// Returns the seeds given, else those of the stress test, else those that generations have; ascending.
    pub(crate) fn seeds_or(&self, given: Option<&[i64]>) -> Result<Vec<i64>> {
        let mut seeds = match given {
            Some(given) => given.to_vec(),
            None => self.catalog.seeds()?,
        };
        if seeds.is_empty() {
            seeds = self.catalog.generations()?.into_iter().map(|g| g.seed).collect();
        }
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.is_empty() {
            return Err(Error::request("nothing says which seeds to use", "give `--seeds 42,43,44`"));
        }
        Ok(seeds)
    }
}
