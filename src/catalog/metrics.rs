//! Metrics: numbers about generations, or about the subjects in them, that were computed elsewhere.

use super::removal::{Removed, absent};
use super::{Catalog, Changes, catalog};
use crate::error::Result;
use crate::vocabulary::{MetricName, MetricRule, ModelName, PromptId, SubjectId};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// A metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// The row's id.
    pub id: i64,
    /// Its name.
    pub name: MetricName,
    /// Which way it is better, and its range.
    pub rule: MetricRule,
    /// Whether it has a value for each subject of an image; otherwise it has one for the image.
    pub of_subjects: bool,
}

/// What a metric says of a generation, or of a subject in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricValueRow {
    /// Generation row.
    pub generation: i64,
    /// Subject row; `None`: the image as a whole.
    pub subject: Option<i64>,
    /// The value; `None`: it was imported as missing.
    pub value: Option<f64>,
    /// Whether the image has changed since, so that the value does not count.
    pub stale: bool,
}

/// A generation as the target of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricTarget {
    /// Its row.
    pub generation: i64,
    /// The row of its prompt.
    pub prompt: i64,
    /// BLAKE3 of its image, if that was ever read.
    pub source: Option<[u8; 32]>,
}

/// The generation of a key, or which part of the key is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricTargetFound {
    /// It is there.
    Generation(MetricTarget),
    /// There is no such model.
    NoModel,
    /// There is no such prompt.
    NoPrompt,
    /// The model has no image of this prompt with this seed; it has images of it with these.
    NoSeed(Vec<i64>),
}

const METRICS: &str = "SELECT id, name, better, least, most, of_subjects FROM metric ORDER BY name";

fn metric_row(r: &Row<'_>) -> rusqlite::Result<MetricRow> {
    let range = r.get::<_, Option<f64>>(3)?.zip(r.get::<_, Option<f64>>(4)?).map(|(least, most)| [least, most]);
    Ok(MetricRow { id: r.get(0)?, name: r.get(1)?, rule: MetricRule { better: r.get(2)?, range }, of_subjects: r.get(5)? })
}

fn metrics(db: &Connection) -> Result<Vec<MetricRow>> {
    db.prepare_cached(METRICS).and_then(|mut q| q.query_map([], metric_row)?.collect()).map_err(catalog("read the metrics"))
}

impl Catalog {
    /// Returns every metric, by name.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn metrics(&self) -> Result<Vec<MetricRow>> {
        metrics(&self.db)
    }

    /// Returns every value of a metric, in any order.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn metric_values(&self, metric: i64) -> Result<Vec<MetricValueRow>> {
        const SQL: &str = "SELECT v.generation, v.subject, v.value, v.source IS NOT NULL AND v.source IS NOT i.blake3
            FROM metric_value v JOIN generation g ON g.id = v.generation JOIN image i ON i.id = g.image WHERE v.metric = ?1";
        let row =
            |r: &Row<'_>| Ok(MetricValueRow { generation: r.get(0)?, subject: r.get(1)?, value: r.get(2)?, stale: r.get(3)? });
        self.db.prepare_cached(SQL).and_then(|mut q| q.query_map([metric], row)?.collect()).map_err(catalog("read a metric"))
    }
}

impl Changes<'_> {
    /// Returns every metric, by name.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn metrics(&self) -> Result<Vec<MetricRow>> {
        metrics(&self.tx)
    }

    /// Makes a metric, which must not be there, and returns its row.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_metric(&self, name: &MetricName, rule: &MetricRule, of_subjects: bool) -> Result<i64> {
        let ends = rule.range.map(|[least, most]| (least, most)).unzip();
        let (least, most): (Option<f64>, Option<f64>) = ends;
        self.tx
            .prepare_cached("INSERT INTO metric (name, better, least, most, of_subjects) VALUES (?1, ?2, ?3, ?4, ?5)")
            .and_then(|mut q| q.execute(params![name.as_str(), rule.better.as_str(), least, most, of_subjects]))
            .map_err(catalog("put a metric"))?;
        Ok(self.tx.last_insert_rowid())
    }

    /// Changes the rule of a metric.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn set_metric_rule(&self, metric: i64, rule: &MetricRule) -> Result<()> {
        let ends = rule.range.map(|[least, most]| (least, most)).unzip();
        let (least, most): (Option<f64>, Option<f64>) = ends;
        self.tx
            .prepare_cached("UPDATE metric SET better = ?2, least = ?3, most = ?4 WHERE id = ?1")
            .and_then(|mut q| q.execute(params![metric, rule.better.as_str(), least, most]))
            .map(drop)
            .map_err(catalog("change a metric"))
    }

    /// Returns how many values of a metric are outside a range, and the one that is furthest below or above it.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn values_outside(&self, metric: i64, [least, most]: [f64; 2]) -> Result<Option<(u64, f64)>> {
        const SQL: &str = "SELECT count(*), min(value), max(value) FROM metric_value
                           WHERE metric = ?1 AND (value < ?2 OR value > ?3)";
        let read = |r: &Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, Option<f64>>(1)?, r.get::<_, Option<f64>>(2)?));
        let (n, low, high) = self.tx.query_row(SQL, params![metric, least, most], read).map_err(catalog("read a metric"))?;
        Ok(low.zip(high).map(|(low, high)| (n as u64, if low < least { low } else { high })))
    }

    /// Finds the generation of a key.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn metric_target(&self, model: &ModelName, prompt: &PromptId, seed: i64) -> Result<MetricTargetFound> {
        let act = "look up a generation";
        let Some(model) = self.known_model(model)? else { return Ok(MetricTargetFound::NoModel) };
        let Some(prompt) = self.prompt_row(prompt.as_str())? else { return Ok(MetricTargetFound::NoPrompt) };
        let known = self
            .tx
            .prepare_cached(
                "SELECT g.id, i.blake3 FROM generation g JOIN image i ON i.id = g.image
                 WHERE g.prompt = ?1 AND g.model = ?2 AND g.seed = ?3",
            )
            .and_then(|mut q| q.query_row(params![prompt, model, seed], |r| Ok((r.get(0)?, r.get(1)?))).optional())
            .map_err(catalog(act))?;
        if let Some((generation, source)) = known {
            return Ok(MetricTargetFound::Generation(MetricTarget { generation, prompt, source }));
        }
        self.tx
            .prepare_cached("SELECT seed FROM generation WHERE prompt = ?1 AND model = ?2 ORDER BY seed")
            .and_then(|mut q| q.query_map(params![prompt, model], |r| r.get(0))?.collect())
            .map(MetricTargetFound::NoSeed)
            .map_err(catalog(act))
    }

    /// Returns the row of a subject of a prompt; `None`: the prompt does not have it.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn subject_of_prompt(&self, prompt: i64, subject: &SubjectId) -> Result<Option<i64>> {
        const SQL: &str = "SELECT s.id FROM prompt_subject ps JOIN subject s ON s.id = ps.subject
                           WHERE ps.prompt = ?1 AND s.subject_id = ?2";
        self.tx
            .prepare_cached(SQL)
            .and_then(|mut q| q.query_row(params![prompt, subject.as_str()], |r| r.get(0)).optional())
            .map_err(catalog("look up a subject"))
    }

    /// Returns the names of the models that there are.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn model_names(&self) -> Result<Vec<String>> {
        self.tx
            .prepare("SELECT name FROM model ORDER BY name")
            .and_then(|mut q| q.query_map([], |r| r.get(0))?.collect())
            .map_err(catalog("read the models"))
    }

    /// Returns the value that is there: its row, itself, and the BLAKE3 of the image that it is of.
    ///
    /// # Errors
    /// SQLite reports an error.
    #[allow(clippy::type_complexity)]
    pub fn metric_value(
        &self,
        metric: i64,
        generation: i64,
        subject: Option<i64>,
    ) -> Result<Option<(i64, Option<f64>, Option<[u8; 32]>)>> {
        const SQL: &str = "SELECT id, value, source FROM metric_value
                           WHERE metric = ?1 AND generation = ?2 AND coalesce(subject, 0) = coalesce(?3, 0)";
        self.tx
            .prepare_cached(SQL)
            .and_then(|mut q| {
                q.query_row(params![metric, generation, subject], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).optional()
            })
            .map_err(catalog("look up a value"))
    }

    /// Puts a value where there is none.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn put_metric_value(&self, metric: i64, target: &MetricTarget, subject: Option<i64>, value: Option<f64>) -> Result<()> {
        self.tx
            .prepare_cached("INSERT INTO metric_value (metric, generation, subject, value, source) VALUES (?1, ?2, ?3, ?4, ?5)")
            .and_then(|mut q| q.execute(params![metric, target.generation, subject, value, target.source]))
            .map(drop)
            .map_err(catalog("put a value"))
    }

    /// Changes a value, which is of the image as it is now.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn set_metric_value(&self, row: i64, value: Option<f64>, source: Option<[u8; 32]>) -> Result<()> {
        self.tx
            .prepare_cached("UPDATE metric_value SET value = ?2, source = ?3 WHERE id = ?1")
            .and_then(|mut q| q.execute(params![row, value, source]))
            .map(drop)
            .map_err(catalog("change a value"))
    }

    /// Removes values of subjects that a prompt no longer has; returns how many.
    ///
    /// # Errors
    /// SQLite reports an error.
    pub fn drop_values_of_lost_subjects(&self, prompt: i64) -> Result<u64> {
        self.execute(
            "DELETE FROM metric_value WHERE generation IN (SELECT id FROM generation WHERE prompt = ?1) AND subject IS NOT NULL
             AND subject NOT IN (SELECT subject FROM prompt_subject WHERE prompt = ?1)",
            prompt,
        )
    }

    /// Removes a metric with its values.
    ///
    /// # Errors
    /// There is no such metric.
    pub fn remove_metric(&self, name: &MetricName) -> Result<Removed> {
        let act = "remove a metric";
        let values: Option<i64> = self
            .tx
            .query_row(
                "SELECT (SELECT count(*) FROM metric_value v WHERE v.metric = m.id) FROM metric m WHERE m.name = ?1",
                [name.as_str()],
                |r| r.get(0),
            )
            .optional()
            .map_err(catalog(act))?;
        let values = values.ok_or_else(|| absent("metric", name.as_str()))?;
        self.tx.execute("DELETE FROM metric WHERE name = ?1", [name.as_str()]).map_err(catalog(act))?;
        Ok(Removed { values: Some(values as u64), ..Removed::default() })
    }
}
