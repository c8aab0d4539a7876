//! The references of dense windows: one vector each, kept with the encoder's windows.

use super::embedding::ImageTask;
use super::{Catalog, Changes, catalog};
use crate::error::{Error, Result};
use rusqlite::params;
use std::path::PathBuf;

/// Usable reference images, one of each content, whose content has no vector for the dense windows of encoder ?1.
const TO_MAKE: &str = "
    FROM reference_image r JOIN image i ON i.id = r.image
    WHERE i.status = 'ok' AND NOT EXISTS (SELECT 1 FROM dense_reference d WHERE d.encoder = ?1 AND d.source = i.blake3)";

impl Catalog {
    /// Returns the references that lack a vector for the dense windows of an encoder: the first image of each content, in order.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn dense_references_to_make(&self, encoder: i64) -> Result<Vec<ImageTask>> {
        self.db
            .prepare_cached(&format!("SELECT min(i.id), full_path(i.path), i.blake3 {TO_MAKE} GROUP BY i.blake3 ORDER BY 1"))
            .and_then(|mut q| {
                q.query_map([encoder], |r| {
                    Ok(ImageTask { image: r.get(0)?, path: PathBuf::from(r.get::<_, String>(1)?), source: r.get(2)? })
                })?
                .collect()
            })
            .map_err(catalog("read references"))
    }

    /// Returns whether a reference lacks a vector for the dense windows of an encoder.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn lacks_dense_references(&self, encoder: i64) -> Result<bool> {
        self.db
            .query_row(&format!("SELECT EXISTS (SELECT 1 {TO_MAKE})"), [encoder], |r| r.get(0))
            .map_err(catalog("read references"))
    }

    /// Returns the subjects by row, each with its references' vectors for the dense windows of an encoder, in order. A subject
    /// with a reference that has no such vector is left out.
    ///
    /// # Errors
    /// SQLite reports an error, or vectors differ in length.
    pub fn dense_pool(&self, encoder: i64) -> Result<Vec<(i64, Vec<Vec<f32>>)>> {
        let act = "read references";
        let mut query = self
            .db
            .prepare_cached(
                "SELECT r.subject, d.vector FROM reference_image r JOIN image i ON i.id = r.image
                 LEFT JOIN dense_reference d ON d.encoder = ?1 AND d.source = i.blake3
                 ORDER BY r.subject, r.reference_index",
            )
            .map_err(catalog(act))?;
        let mut rows = query.query([encoder]).map_err(catalog(act))?;
        let mut pool: Vec<(i64, Option<Vec<Vec<f32>>>)> = Vec::new();
        while let Some(r) = rows.next().map_err(catalog(act))? {
            let (subject, vector) = (r.get(0).map_err(catalog(act))?, r.get(1).map_err(catalog(act))?);
            let vector =
                Option::map(vector, |bytes: Vec<u8>| bytes.as_chunks().0.iter().map(|n| f32::from_le_bytes(*n)).collect());
            if pool.last().is_none_or(|(last, _)| *last != subject) {
                pool.push((subject, Some(Vec::new())));
            }
            if let Some((_, all)) = pool.last_mut() {
                *all = all.take().zip(vector).map(|(mut all, vector)| {
                    all.push(vector);
                    all
                });
            }
        }
        let pool: Vec<(i64, Vec<Vec<f32>>)> = pool.into_iter().filter_map(|(subject, all)| Some((subject, all?))).collect();
        let mut lengths = pool.iter().flat_map(|(_, all)| all.iter().map(Vec::len));
        if let Some(first) = lengths.next()
            && lengths.any(|length| length != first)
        {
            return Err(Error::Damaged("references of dense windows have vectors of different lengths".into()));
        }
        Ok(pool)
    }
}

impl Changes<'_> {
    /// Puts in the vector of a reference's content for the dense windows of an encoder.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_dense_reference(&self, encoder: i64, source: &[u8; 32], vector: &[f32]) -> Result<()> {
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tx
            .prepare_cached("INSERT INTO dense_reference (encoder, source, vector) VALUES (?1, ?2, ?3)")
            .and_then(|mut q| q.execute(params![encoder, source, bytes]))
            .map(drop)
            .map_err(catalog("put a reference"))
    }

    /// Removes the vectors of contents that no reference has any more.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn forget_unused_dense_references(&self, encoder: i64) -> Result<()> {
        self.tx
            .execute(
                "DELETE FROM dense_reference WHERE encoder = ?1 AND NOT EXISTS (
                     SELECT 1 FROM reference_image r JOIN image i ON i.id = r.image WHERE i.blake3 = source)",
                [encoder],
            )
            .map(drop)
            .map_err(catalog("take references out"))
    }
}
