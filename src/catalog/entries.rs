//! Puts in subjects, prompts and generations, and compares them with what is there.

use super::known_generations::KnownGeneration;
use super::known_images::{Sameness, compare};
use super::{Changes, catalog};
use crate::error::Result;
use crate::manifest::{Generation, Prompt, Subject};
use crate::text::quote;
use crate::vocabulary::{COMPOSITE, CROP, ModelName, SubjectId};
use rusqlite::{OptionalExtension, params};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// What putting a row into the catalog did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It was already there, unchanged.
    Unchanged,
    /// It is new.
    Added,
    /// It is the same, with its file at another path.
    Moved,
    /// Its content differed and was replaced, because the user said so.
    Replaced,
}

/// The kinds of entry that have a user's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A subject.
    Subject,
    /// A prompt.
    Prompt,
    /// A generation.
    Generation,
}

impl std::fmt::Display for EntryKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            EntryKind::Subject => "subject",
            EntryKind::Prompt => "prompt",
            EntryKind::Generation => "generation",
        })
    }
}

/// A row with a known key but different content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    differences: Vec<(&'static str, String, String)>,
}

impl Conflict {
    /// Returns, for each file that differs, the known path and the given one.
    pub fn paths(&self) -> impl Iterator<Item = (&Path, &Path)> {
        let files = self.differences.iter().filter(|(field, ..)| matches!(*field, "image" | "reference"));
        files.map(|(_, known, given)| (Path::new(known), Path::new(given)))
    }

    /// Returns both sides of every difference: `text is `a` {known} and `b` {given}`.
    pub fn with_sides(&self, known: &str, given: &str) -> String {
        let sides = |(field, a, b): &(&str, String, String)| format!("{field} is {} {known} and {} {given}", quote(a), quote(b));
        self.differences.iter().map(sides).collect::<Vec<_>>().join(", ")
    }
}

/// The id of a row put in and what that did, or why it could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// Done.
    Done(i64, Change),
    /// Done, as a move: the files differ in their paths but not, as far as is known, in their content.
    Moved(i64, Conflict),
    /// The key is there with different content.
    Conflict(i64, Conflict),
    /// It names a prompt or subject that is not there.
    Unknown(EntryKind, String),
}

/// The rows of prompts and models that generations have named, which the next ones name again. Who puts generations in, or
/// merges them, removes neither.
#[derive(Default)]
pub(super) struct NamedRows {
    prompts: HashMap<String, i64>,
    models: HashMap<String, i64>,
}

/// Most prompts that are remembered.
const MOST_NAMED: usize = 1 << 20;

/// Returns the BLAKE3 of a file's bytes, if it can be read: moved files are recognized by their content.
pub type ContentOf<'a> = &'a mut dyn FnMut(&Path) -> Option<[u8; 32]>;

impl Changes<'_> {
    /// Puts a subject in. With `replace`, differing content replaces what is there.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_subject(&self, subject: &Subject, replace: bool, content: ContentOf<'_>) -> Result<Put> {
        let act = "put a subject";
        let known = self
            .tx
            .prepare_cached("SELECT id, label, source, kind, caption, license FROM subject WHERE subject_id = ?1")
            .and_then(|mut q| {
                q.query_row([subject.subject_id.as_str()], |r| {
                    Ok((r.get::<_, i64>(0)?, [r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get::<_, Option<String>>(5)?]))
                })
                .optional()
            })
            .map_err(catalog(act))?;
        let kind = subject.kind.map(|k| k.as_str().to_owned());
        let given = [Some(subject.label.clone()), subject.source.clone(), kind, subject.caption.clone(), subject.license.clone()];
        let Some((id, fields)) = known else {
            self.tx
                .prepare_cached(
                    "INSERT INTO subject (subject_id, label, source, kind, caption, license) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )
                .and_then(|mut q| {
                    q.execute(params![subject.subject_id.as_str(), given[0], given[1], given[2], given[3], given[4]])
                })
                .map_err(catalog(act))?;
            let id = self.tx.last_insert_rowid();
            for (index, reference) in subject.references.iter().enumerate() {
                self.put_reference(id, index, reference)?;
            }
            return Ok(Put::Done(id, Change::Added));
        };
        let mut differences = Vec::new();
        let shown = |text: &Option<String>| text.clone().unwrap_or_default();
        for (name, (known, given)) in ["label", "source", "kind", "caption", "license"].into_iter().zip(fields.iter().zip(&given))
        {
            if known != given {
                differences.push((name, shown(known), shown(given)));
            }
        }
        let images = self.references(id)?;
        let (mut moves, mut paths) = (Vec::new(), Vec::new());
        if images.len() == subject.references.len() {
            for (known, given) in images.iter().zip(&subject.references) {
                match compare(known, given, content) {
                    Sameness::Same => {}
                    Sameness::Moved => {
                        moves.push((known.id, given));
                        paths.push(("reference", known.path.clone(), given.path.display().to_string()));
                    }
                    Sameness::Other => differences.push(("reference", known.path.clone(), given.path.display().to_string())),
                }
            }
        } else {
            differences.push((
                "references",
                images.iter().map(|i| i.path.clone()).collect::<Vec<_>>().join(";"),
                subject.references.iter().map(|i| i.path.display().to_string()).collect::<Vec<_>>().join(";"),
            ));
        }
        if differences.is_empty() {
            if moves.is_empty() {
                return Ok(Put::Done(id, Change::Unchanged));
            }
            for (image, given) in moves {
                self.move_image(image, given)?;
            }
            return Ok(Put::Moved(id, Conflict { differences: paths }));
        }
        if !replace {
            return Ok(Put::Conflict(id, Conflict { differences }));
        }
        self.tx
            .prepare_cached("UPDATE subject SET label = ?2, source = ?3, kind = ?4, caption = ?5, license = ?6 WHERE id = ?1")
            .and_then(|mut q| q.execute(params![id, given[0], given[1], given[2], given[3], given[4]]))
            .map_err(catalog(act))?;
        if differences.iter().any(|(name, ..)| name.starts_with("reference")) {
            self.replace_references(id, &images, &subject.references, content)?;
        } else {
            for (image, given) in moves {
                self.move_image(image, given)?;
            }
        }
        Ok(Put::Done(id, Change::Replaced))
    }

    /// Puts a prompt in; its subjects must be there.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_prompt(&self, prompt: &Prompt, replace: bool) -> Result<Put> {
        let act = "put a prompt";
        let mut subjects = Vec::with_capacity(prompt.subjects.len());
        for subject in &prompt.subjects {
            match self.subject_row(subject.as_str())? {
                Some(id) => subjects.push(id),
                None => return Ok(Put::Unknown(EntryKind::Subject, subject.to_string())),
            }
        }
        let known = self
            .tx
            .prepare_cached("SELECT id, text, scene_type FROM prompt WHERE prompt_id = ?1")
            .and_then(|mut q| {
                q.query_row([prompt.prompt_id.as_str()], |r| {
                    Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?))
                })
                .optional()
            })
            .map_err(catalog(act))?;
        let Some((id, text, scene_type)) = known else {
            self.tx
                .prepare_cached("INSERT INTO prompt (prompt_id, text, scene_type) VALUES (?1, ?2, ?3)")
                .and_then(|mut q| q.execute(params![prompt.prompt_id.as_str(), prompt.text, prompt.scene_type.as_str()]))
                .map_err(catalog(act))?;
            let id = self.tx.last_insert_rowid();
            self.put_prompt_subjects(id, &subjects)?;
            return Ok(Put::Done(id, Change::Added));
        };
        let listed: Vec<String> = self
            .tx
            .prepare_cached(
                "SELECT s.subject_id FROM prompt_subject ps JOIN subject s ON s.id = ps.subject WHERE ps.prompt = ?1 ORDER BY ps.ordinal",
            )
            .and_then(|mut q| q.query_map([id], |r| r.get(0))?.collect())
            .map_err(catalog(act))?;
        let given = prompt.subjects.iter().map(SubjectId::as_str).collect::<Vec<_>>();
        let mut differences = Vec::new();
        if text != prompt.text {
            differences.push(("text", text, prompt.text.clone()));
        }
        if scene_type != prompt.scene_type.as_str() {
            differences.push(("scene_type", scene_type, prompt.scene_type.to_string()));
        }
        let other_subjects = listed != given;
        if other_subjects {
            differences.push(("subjects", listed.join(";"), given.join(";")));
        }
        if differences.is_empty() {
            return Ok(Put::Done(id, Change::Unchanged));
        }
        if !replace {
            return Ok(Put::Conflict(id, Conflict { differences }));
        }
        self.tx
            .prepare_cached("UPDATE prompt SET text = ?2, scene_type = ?3 WHERE id = ?1")
            .and_then(|mut q| q.execute(params![id, prompt.text, prompt.scene_type.as_str()]))
            .map_err(catalog(act))?;
        if other_subjects {
            self.execute("DELETE FROM prompt_subject WHERE prompt = ?1", id)?;
            self.put_prompt_subjects(id, &subjects)?;
        }
        Ok(Put::Done(id, Change::Replaced))
    }

    /// Puts a generation in; its prompt must be there.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_generation(&self, generation: &Generation, replace: bool, content: ContentOf<'_>) -> Result<Put> {
        let act = "put a generation";
        let Some(prompt) = self.named_prompt(generation.prompt_id.as_str())? else {
            return Ok(Put::Unknown(EntryKind::Prompt, generation.prompt_id.to_string()));
        };
        let model = match self.named_model(&generation.model)? {
            Some(model) => model,
            None => self.model_row(&generation.model)?,
        };
        let Some(known) = self.known_generation([prompt, model, generation.seed])? else {
            let image = self.put_image(&generation.path)?;
            self.tx
                .prepare_cached(
                    "INSERT INTO generation (model, prompt, seed, image, meta, regions) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )
                .and_then(|mut q| q.execute(params![model, prompt, generation.seed, image, generation.meta, generation.regions]))
                .map_err(catalog(act))?;
            return Ok(Put::Done(self.tx.last_insert_rowid(), Change::Added));
        };
        if known.has_file(&generation.path) {
            self.unchanged.borrow_mut().insert(known.image.id);
        }
        let KnownGeneration { id, meta, regions, image, .. } = known;
        let sameness = compare(&image, &generation.path, content);
        let mut differences = Vec::new();
        if sameness == Sameness::Other {
            differences.push(("image", image.path.clone(), generation.path.path.display().to_string()));
        }
        for (name, known, given) in [("meta", &meta, &generation.meta), ("regions", &regions, &generation.regions)] {
            if !same_json(known.as_deref(), given.as_deref()) {
                differences.push((name, known.clone().unwrap_or_default(), given.clone().unwrap_or_default()));
            }
        }
        if differences.is_empty() {
            if sameness == Sameness::Moved {
                self.move_image(image.id, &generation.path)?;
                let paths = ("image", image.path, generation.path.path.display().to_string());
                return Ok(Put::Moved(id, Conflict { differences: vec![paths] }));
            }
            return Ok(Put::Done(id, Change::Unchanged));
        }
        if !replace {
            return Ok(Put::Conflict(id, Conflict { differences }));
        }
        match sameness {
            Sameness::Same => {}
            Sameness::Moved => self.move_image(image.id, &generation.path)?,
            Sameness::Other => {
                // A new row: the vectors of the old image must not outlive it.
                let new = self.put_image(&generation.path)?;
                self.tx.execute("UPDATE generation SET image = ?2 WHERE id = ?1", params![id, new]).map_err(catalog(act))?;
                self.execute("DELETE FROM image WHERE id = ?1", image.id)?;
                self.unchanged.borrow_mut().remove(image.id);
            }
        }
        self.tx
            .prepare_cached("UPDATE generation SET meta = ?2, regions = ?3 WHERE id = ?1")
            .and_then(|mut q| q.execute(params![id, generation.meta, generation.regions]))
            .map_err(catalog(act))?;
        Ok(Put::Done(id, Change::Replaced))
    }

    /// Marks a model as a control; returns whether there is such a model.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn set_control(&self, model: &ModelName) -> Result<bool> {
        let marked = self.tx.execute("UPDATE model SET control = 1 WHERE name = ?1", [model.as_str()]);
        Ok(marked.map_err(catalog("mark a control"))? > 0)
    }

    /// Returns how many images models have made from a prompt, without composites, which are made again by themselves.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn generations_of(&self, prompt: i64) -> Result<u64> {
        self.tx
            .prepare_cached(
                "SELECT count(*) FROM generation g JOIN model m ON m.id = g.model WHERE g.prompt = ?1 AND m.name NOT IN (?2, ?3)",
            )
            .and_then(|mut q| q.query_row(params![prompt, COMPOSITE, CROP], |r| r.get::<_, i64>(0)))
            .map(|n| n as u64)
            .map_err(catalog("count generations"))
    }

    /// Returns every id of the kind, for suggestions. Generations have no ids of their own.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn ids(&self, entry: EntryKind) -> Result<Vec<String>> {
        let sql = match entry {
            EntryKind::Subject => "SELECT subject_id FROM subject ORDER BY subject_id",
            EntryKind::Prompt => "SELECT prompt_id FROM prompt ORDER BY prompt_id",
            EntryKind::Generation => return Ok(Vec::new()),
        };
        self.tx.prepare(sql).and_then(|mut q| q.query_map([], |r| r.get(0))?.collect()).map_err(catalog("read ids"))
    }

    /// Returns the id and the text of every prompt.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn prompt_texts(&self) -> Result<Vec<(String, String)>> {
        self.tx
            .prepare("SELECT prompt_id, text FROM prompt ORDER BY prompt_id")
            .and_then(|mut q| q.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
            .map_err(catalog("read the prompts"))
    }

    /// Returns the highest row id of the kind; rows put in later have higher ones.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn last_id(&self, entry: EntryKind) -> Result<i64> {
        let sql = match entry {
            EntryKind::Subject => "SELECT coalesce(max(id), 0) FROM subject",
            EntryKind::Prompt => "SELECT coalesce(max(id), 0) FROM prompt",
            EntryKind::Generation => "SELECT coalesce(max(id), 0) FROM generation",
        };
        self.tx.query_row(sql, [], |r| r.get(0)).map_err(catalog("read ids"))
    }

    pub(super) fn execute(&self, sql: &'static str, id: i64) -> Result<u64> {
        self.tx.prepare_cached(sql).and_then(|mut q| q.execute([id])).map(|n| n as u64).map_err(catalog("change a row"))
    }

    pub(super) fn subject_row(&self, subject_id: &str) -> Result<Option<i64>> {
        self.row("SELECT id FROM subject WHERE subject_id = ?1", subject_id)
    }

    pub(super) fn prompt_row(&self, prompt_id: &str) -> Result<Option<i64>> {
        self.row("SELECT id FROM prompt WHERE prompt_id = ?1", prompt_id)
    }

    pub(super) fn known_model(&self, model: &ModelName) -> Result<Option<i64>> {
        self.row("SELECT id FROM model WHERE name = ?1", model.as_str())
    }

    /// Returns the row and the image of a generation.
    pub(super) fn generation_row(&self, prompt: i64, model: i64, seed: i64) -> Result<Option<(i64, i64)>> {
        self.tx
            .prepare_cached("SELECT id, image FROM generation WHERE prompt = ?1 AND model = ?2 AND seed = ?3")
            .and_then(|mut q| q.query_row(params![prompt, model, seed], |r| Ok((r.get(0)?, r.get(1)?))).optional())
            .map_err(catalog("look up a generation"))
    }

    pub(super) fn model_row(&self, model: &ModelName) -> Result<i64> {
        if let Some(id) = self.known_model(model)? {
            return Ok(id);
        }
        self.tx.execute("INSERT INTO model (name) VALUES (?1)", [model.as_str()]).map_err(catalog("put a model"))?;
        Ok(self.tx.last_insert_rowid())
    }

    pub(super) fn named_prompt(&self, prompt_id: &str) -> Result<Option<i64>> {
        if let Some(id) = self.named.borrow().prompts.get(prompt_id) {
            return Ok(Some(*id));
        }
        let row = self.prompt_row(prompt_id)?;
        let prompts = &mut self.named.borrow_mut().prompts;
        if let Some(id) = row {
            if prompts.len() >= MOST_NAMED {
                prompts.clear();
            }
            prompts.insert(prompt_id.to_owned(), id);
        }
        Ok(row)
    }

    pub(super) fn named_model(&self, model: &ModelName) -> Result<Option<i64>> {
        if let Some(id) = self.named.borrow().models.get(model.as_str()) {
            return Ok(Some(*id));
        }
        let row = self.known_model(model)?;
        if let Some(id) = row {
            self.named.borrow_mut().models.insert(model.to_string(), id);
        }
        Ok(row)
    }

    fn row(&self, sql: &'static str, key: &str) -> Result<Option<i64>> {
        self.tx
            .prepare_cached(sql)
            .and_then(|mut q| q.query_row([key], |r| r.get(0)).optional())
            .map_err(catalog("look up a row"))
    }

    fn put_prompt_subjects(&self, prompt: i64, subjects: &[i64]) -> Result<()> {
        for (ordinal, subject) in subjects.iter().enumerate() {
            self.tx
                .prepare_cached("INSERT INTO prompt_subject (prompt, ordinal, subject) VALUES (?1, ?2, ?3)")
                .and_then(|mut q| q.execute(params![prompt, ordinal as i64, subject]))
                .map_err(catalog("put a prompt's subjects"))?;
        }
        Ok(())
    }
}

/// Returns whether two texts are the same JSON: white space, the order of names and how a number is written do not
/// matter.
fn same_json(a: Option<&str>, b: Option<&str>) -> bool {
    fn same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
                (Some(a), Some(b)) => a == b,
                _ => a.as_f64() == b.as_f64(),
            },
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
            }
            _ => a == b,
        }
    }
    match (a, b) {
        (Some(a), Some(b)) if a != b => match (serde_json::from_str::<Value>(a), serde_json::from_str::<Value>(b)) {
            (Ok(a), Ok(b)) => same(&a, &b),
            _ => false,
        },
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::same_json;

    #[test]
    fn json_is_compared_as_json() {
        let same = |a, b| same_json(Some(a), Some(b));
        assert!(same(r#"{"a": 1, "b": [2.50, null]}"#, r#"{"b":[2.5,null],"a":1.0}"#));
        assert!(same(r#""\u00e9""#, "\"é\""));
        assert!(!same("9007199254740993", "9007199254740992"), "whole numbers are compared whole");
        assert!(!same("[1, 2]", "[2, 1]"));
        assert!(!same(r#"{"a": 1}"#, r#"{"a": 1, "b": null}"#));
        assert!(!same_json(None, Some("null")));
    }
}
