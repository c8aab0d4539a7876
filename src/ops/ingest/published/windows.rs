//! What the windows of a published data set showed.

use super::Published;
use super::rows::{TableRow, TableRows};
use crate::catalog::{Changes, FoundPlace, LocalScore, SubjectPlace, WindowScore};
use crate::error::Result;
use crate::text::quote;
use crate::vocabulary::{EncoderName, ModelName, PromptId, SubjectId};
use crate::watch::Watch;
use crate::windows::Rectangle;
use std::collections::HashMap;

/// The key, the subject, the window, and what differs from table to table.
const LOCALS: &[&str] =
    &["encoder", "model", "prompt_id", "seed", "subject_id", "local", "x", "y", "width", "height", "uncentred"];
const PLACES: &[&str] =
    &["encoder", "model", "prompt_id", "seed", "subject_id", "local", "x", "y", "width", "height", "ordinal", "resembles"];
const FOUND: &[&str] = &["encoder", "model", "prompt_id", "seed", "subject_id", "local", "x", "y", "width", "height", "rank"];

/// An encoder and a generation.
type Key = (EncoderName, ModelName, PromptId, i64);

/// A table whose rows come generation by generation.
struct ByGeneration {
    rows: TableRows,
    next: Option<TableRow>,
}

impl ByGeneration {
    fn new(mut rows: TableRows) -> Result<ByGeneration> {
        let next = rows.next()?;
        Ok(ByGeneration { rows, next })
    }

    fn key(&self) -> Result<Option<Key>> {
        self.next.as_ref().map(|row| Ok((row.id(0)?, row.id(1)?, row.id(2)?, row.integer(3)?))).transpose()
    }

    /// Calls `each` with the rows of a generation, which come next or are none.
    fn of(&mut self, key: &Key, mut each: impl FnMut(&TableRow) -> Result<()>) -> Result<()> {
        while self.key()?.as_ref() == Some(key) {
            if let Some(row) = &self.next {
                each(row)?;
            }
            self.next = self.rows.next()?;
        }
        Ok(())
    }
}

impl Published {
    /// Takes in what windows showed, of generations that were not searched here.
    pub fn take_windows(&self, changes: &Changes<'_>, watch: &mut Watch<'_>) -> Result<()> {
        let mut locals = ByGeneration::new(self.rows("local_scores", LOCALS, watch.stop())?)?;
        let mut places = ByGeneration::new(self.rows("subject_places", PLACES, watch.stop())?)?;
        let mut found = ByGeneration::new(self.rows("found_places", FOUND, watch.stop())?)?;
        let mut subjects: HashMap<SubjectId, i64> = HashMap::new();
        let mut done = 0;
        while let Some(key) = locals.key()? {
            watch.check()?;
            done += 1;
            watch.report("local similarities", done, None);
            let mut subject = |row: &TableRow, at: usize| -> Result<i64> {
                let id: SubjectId = row.id(at)?;
                if let Some(known) = subjects.get(&id) {
                    return Ok(*known);
                }
                let known =
                    changes.subject_id(&id)?.ok_or_else(|| row.wrong(format!("there is no subject {}", quote(id.as_str()))))?;
                subjects.insert(id, known);
                Ok(known)
            };
            let mut score = WindowScore { generation: 0, locals: Vec::new(), places: Vec::new(), found: Vec::new() };
            let (mut encoder, mut generation) = (None, None);
            let (name, model, prompt, seed) = &key;
            locals.of(&key, |row| {
                if generation.is_none() {
                    let known = changes.encoder_named(name)?.map(|encoder| encoder.id);
                    encoder = Some(known.ok_or_else(|| row.wrong(format!("there is no encoder {}", quote(name.as_str()))))?);
                    let known = changes.generation_id(model, prompt, *seed)?;
                    generation = Some(known.ok_or_else(|| row.wrong("there is no such generation"))?);
                }
                let (subject, window) = (subject(row, 4)?, window(row)?);
                score.locals.push(LocalScore { subject, local: row.real(5)?, uncentred: row.real(10)?, window });
                Ok(())
            })?;
            places.of(&key, |row| {
                let (resembles, window) = (subject(row, 11)?, window(row)?);
                score.places.push(SubjectPlace { ordinal: row.small(10)?, local: row.real(5)?, resembles, window });
                Ok(())
            })?;
            found.of(&key, |row| {
                let (subject, window) = (subject(row, 4)?, window(row)?);
                score.found.push(FoundPlace { subject, local: row.real(5)?, window });
                Ok(())
            })?;
            let (Some(encoder), Some(generation)) = (encoder, generation) else { continue };
            if !changes.has_window_score(encoder, generation)? {
                changes.put_window_score(encoder, &WindowScore { generation, ..score })?;
            }
        }
        Ok(())
    }
}

fn window(row: &TableRow) -> Result<Rectangle> {
    Ok(Rectangle { x: row.small(6)?, y: row.small(7)?, width: row.small(8)?, height: row.small(9)? })
}
