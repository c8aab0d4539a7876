//! Figures of the instrument check: whether an encoder tells the subjects of the pool apart.

use super::{Catalog, Changes, catalog};
use crate::error::Result;
use crate::vocabulary::SubjectKind;
use rusqlite::params;
use rusqlite::types::FromSqlError;

/// How well one variant of the references is told from others of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct InstrumentFigure {
    /// What was done to the references, in words.
    pub variant: String,
    /// The kind; `None`: the whole pool.
    pub kind: Option<SubjectKind>,
    /// Subjects of the kind.
    pub subjects: u64,
    /// Pictures of them.
    pub pictures: u64,
    /// Share of pictures whose most similar subject of the kind is their own; `None`: there is nobody else.
    pub top1: Option<f64>,
    /// Mean share of others of the kind that are less similar; `None`: there is nobody else.
    pub auc: Option<f64>,
}

impl Catalog {
    /// The kept figures of an encoder, in the order of their table; empty: none were kept, or references have changed
    /// since.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn instrument_figures(&self, encoder: i64) -> Result<Vec<InstrumentFigure>> {
        self.db
            .prepare_cached(
                "SELECT variant, kind, subjects, pictures, top1, auc FROM instrument_check WHERE encoder = ?1 ORDER BY place",
            )
            .and_then(|mut q| {
                q.query_map([encoder], |r| {
                    let kind = r.get_ref(1)?.as_str_or_null()?.map(str::parse::<SubjectKind>).transpose();
                    Ok(InstrumentFigure {
                        variant: r.get(0)?,
                        kind: kind.map_err(|e| FromSqlError::Other(Box::new(e)))?,
                        subjects: r.get::<_, i64>(2)? as u64,
                        pictures: r.get::<_, i64>(3)? as u64,
                        top1: r.get(4)?,
                        auc: r.get(5)?,
                    })
                })?
                .collect()
            })
            .map_err(catalog("read an instrument check"))
    }

    /// The sides of the windows in which requested subjects are most, over the images of the models under test: each
    /// side in pixels with how many windows have it, smallest first.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn sides_of_places(&self, encoder: i64) -> Result<Vec<(u32, u64)>> {
        self.db
            .prepare_cached(
                "SELECT min(l.width, l.height) AS side, count(*) FROM local_score l JOIN generation g ON g.id = l.generation
                 JOIN prompt_subject ps ON ps.prompt = g.prompt AND ps.subject = l.subject
                 JOIN model m ON m.id = g.model WHERE l.encoder = ?1 AND m.control = 0 GROUP BY side ORDER BY side",
            )
            .and_then(|mut q| q.query_map([encoder], |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64)))?.collect())
            .map_err(catalog("read the sides of windows"))
    }

    /// The shorter sides of the generations' images in pixels, each with how many images have it, smallest first.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn sides_of_images(&self) -> Result<Vec<(u32, u64)>> {
        self.db
            .prepare_cached(
                "SELECT min(i.width, i.height) AS side, count(*) FROM generation g JOIN image i ON i.id = g.image
                 WHERE i.width IS NOT NULL AND i.height IS NOT NULL GROUP BY side ORDER BY side",
            )
            .and_then(|mut q| q.query_map([], |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64)))?.collect())
            .map_err(catalog("read the sides of images"))
    }
}

impl Changes<'_> {
    /// Keeps the figures of an encoder in the place of those before.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn keep_instrument_figures(&self, encoder: i64, figures: &[InstrumentFigure]) -> Result<()> {
        let act = "keep an instrument check";
        self.tx.execute("DELETE FROM instrument_check WHERE encoder = ?1", [encoder]).map_err(catalog(act))?;
        let mut put = self
            .tx
            .prepare_cached(
                "INSERT INTO instrument_check (encoder, place, variant, kind, subjects, pictures, top1, auc)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )
            .map_err(catalog(act))?;
        for (place, InstrumentFigure { variant, kind, subjects, pictures, top1, auc }) in figures.iter().enumerate() {
            let kind = kind.map(|kind| kind.as_str());
            put.execute(params![encoder, place as i64, variant, kind, *subjects as i64, *pictures as i64, top1, auc])
                .map_err(catalog(act))?;
        }
        Ok(())
    }
}
