//! Reports of exported tables, without the data set: read in batches, each grouped by Polars, and what the groups add up to
//! added up. Sums are exact, so it is the data set's own report to the last digit, however the tables were cut.

mod file;

use crate::catalog::{GenerationRow, PromptRow, SubjectRow};
use crate::error::{Error, Result};
use crate::report::{Added, Key, Report, ReportOptions, Snapshot, Tallied, Tally, build, identity_encoder};
use crate::score::ExactSum;
use crate::text::{plain, quote};
use crate::vocabulary::{EncoderName, ModelName};
use crate::watch::Stop;
use file::{Rows, Table};
use polars::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Returns the report of the tables in a directory, as `msdata export` writes them: `subjects`, `prompts`, `generations`,
/// `image_scores` and `subject_scores`, each a Parquet file or a directory of them.
///
/// # Errors
/// A table is missing or damaged, its rows name what the others do not have, or the options ask for what needs the data
/// set: vectors, regions, windows, image sizes.
pub fn report_of_tables(dir: &Path, options: &ReportOptions, stop: Stop<'_>) -> Result<Report> {
    if let Some(key) = options.by.iter().find(|key| matches!(key, Key::Size | Key::Cut)) {
        let message = format!("a report of tables cannot be grouped by `{key}`: the tables of scores do not have it");
        return Err(Error::request(message, "`msdata report` of the data set can"));
    }
    let tables = Tables {
        generations: Table::find(dir, "generations", stop)?,
        image_scores: Table::find(dir, "image_scores", stop)?,
        subject_scores: Table::find(dir, "subject_scores", stop)?,
    };
    let mut snapshot = facts(dir, &tables, options, stop)?;
    let names = Names::of(&snapshot);
    snapshot.select(&options.models)?;
    let start = || Tally::new(&snapshot, Tallied::of(options, options.confidence.is_some()));
    let reading = Reading {
        names: &names,
        identity: names.encoders.get(&snapshot.identity).copied().unwrap_or_default(),
        by_seed: options.by.contains(&Key::Seed),
        pairs: Key::are_of_subjects(&options.by),
        stop,
    };
    let mut read = reading.generations(&tables.generations, start)?;
    read.extend(reading.image_scores(&tables.image_scores, start)?);
    read.extend(reading.subject_scores(&tables.subject_scores, &snapshot, start)?);
    let tally = read.into_iter().reduce(Tally::merge).unwrap_or_else(start);
    // No denominator may hide rows that are missing.
    if let Some(what) = tally.contradiction() {
        let message = format!("{}: the tables do not belong together: {what}", plain(&dir.display().to_string()));
        return Err(Error::request(message, "export the tables again, all into one directory"));
    }
    Ok(build(&snapshot, options, tally))
}

struct Tables {
    generations: Table,
    image_scores: Table,
    subject_scores: Table,
}

/// Reads what there is besides generations and scores.
fn facts(dir: &Path, tables: &Tables, options: &ReportOptions, stop: Stop<'_>) -> Result<Snapshot> {
    let columns = &["subject_id", "label", "source", "kind"];
    let read = Table::find(dir, "subjects", stop)?.each(columns, stop, Vec::new, |subjects, rows| {
        let (labels, sources, kinds) = (rows.texts("label")?, rows.texts("source")?, rows.texts("kind")?);
        for (row, id) in rows.texts("subject_id")?.into_iter().enumerate() {
            let kind = kinds[row].as_deref().map(str::parse).transpose().map_err(|e| rows.wrong(row, e))?;
            subjects.push(SubjectRow {
                id: 0,
                subject_id: id.unwrap_or_default().parse().map_err(|e| rows.wrong(row, e))?,
                label: labels[row].clone().unwrap_or_default(),
                source: sources[row].clone(),
                kind,
                caption: None,
                license: None,
                references: Vec::new(),
            });
        }
        Ok(())
    })?;
    let mut subjects: Vec<SubjectRow> = read.into_iter().flatten().collect();
    subjects.sort_by(|a, b| a.subject_id.as_str().cmp(b.subject_id.as_str()));
    let place: HashMap<String, usize> = subjects.iter().enumerate().map(|(at, s)| (s.subject_id.to_string(), at)).collect();
    let columns = &["prompt_id", "scene_type", "subjects"];
    let read = Table::find(dir, "prompts", stop)?.each(columns, stop, Vec::new, |prompts, rows| {
        let (scenes, of_prompts) = (rows.texts("scene_type")?, rows.lists("subjects")?);
        for (row, id) in rows.texts("prompt_id")?.into_iter().enumerate() {
            let subject = |id: &String| {
                let unknown = || rows.wrong(row, format!("subject {} is not in subjects", quote(id)));
                place.get(id).copied().ok_or_else(unknown)
            };
            prompts.push(PromptRow {
                id: 0,
                prompt_id: id.unwrap_or_default().parse().map_err(|e| rows.wrong(row, e))?,
                text: String::new(),
                scene_type: scenes[row].as_deref().unwrap_or_default().parse().map_err(|e| rows.wrong(row, e))?,
                subjects: of_prompts[row].iter().map(subject).collect::<Result<_>>()?,
                cut: None,
            });
        }
        Ok(())
    })?;
    let mut prompts: Vec<PromptRow> = read.into_iter().flatten().collect();
    prompts.sort_by(|a, b| a.prompt_id.as_str().cmp(b.prompt_id.as_str()));
    let read = tables.generations.each(&["model", "control"], stop, BTreeMap::new, |models, rows| {
        let controls = rows.flags("control")?;
        for (model, row) in rows.different("model")? {
            models.entry(model).or_insert(controls[row]);
        }
        Ok(())
    })?;
    // The first row that names a model says whether it is a control.
    let models: BTreeMap<String, bool> = read.into_iter().rev().flatten().collect();
    let read = tables.image_scores.each(&["encoder"], stop, BTreeSet::new, |encoders, rows| {
        encoders.extend(rows.different("encoder")?.into_iter().map(|(encoder, _)| encoder));
        Ok(())
    })?;
    let encoders: BTreeSet<String> = read.into_iter().flatten().collect();
    let names: Vec<&str> = encoders.iter().map(String::as_str).collect();
    let identity = identity_encoder(&names, options.identity.as_deref())?.to_owned();
    let named = |(model, control): (&String, &bool)| Ok((ModelName::new(model.as_str())?, *control));
    let of_encoder = |(at, name): (usize, &String)| Ok((at as i64, EncoderName::new(name.as_str())?));
    let wrong = |e: String| Error::request(format!("{}: {e}", dir.display()), "export the tables again");
    Ok(Snapshot {
        models: models.iter().map(named).collect::<std::result::Result<_, String>>().map_err(wrong)?,
        subjects,
        prompts,
        encoders: encoders.iter().enumerate().map(of_encoder).collect::<std::result::Result<_, String>>().map_err(wrong)?,
        identity,
        unfound: Some("AUC is left out, because tables of scores have no vectors: `msdata report` of the data set has it".into()),
        ..Snapshot::default()
    })
}

/// The places of what rows name.
struct Names {
    models: HashMap<String, i64>,
    prompts: HashMap<String, i64>,
    encoders: HashMap<String, i64>,
}

impl Names {
    fn of(snapshot: &Snapshot) -> Names {
        Names {
            models: (0..).zip(&snapshot.models).map(|(at, (name, _))| (name.to_string(), at)).collect(),
            prompts: (0..).zip(&snapshot.prompts).map(|(at, prompt)| (prompt.prompt_id.to_string(), at)).collect(),
            encoders: (0..).zip(&snapshot.encoders).map(|(at, (_, name))| (name.to_string(), at)).collect(),
        }
    }
}

/// How the tables are read.
struct Reading<'a> {
    names: &'a Names,
    /// The place of the encoder that decides collapse.
    identity: i64,
    by_seed: bool,
    /// Whether cells are over pairs of a generation and a subject.
    pairs: bool,
    stop: Stop<'a>,
}

impl Reading<'_> {
    /// Model, prompt and, where cells are told apart by it, seed of every row.
    fn keys(&self, rows: &Rows) -> Result<Vec<Vec<i64>>> {
        let seed = |(row, seed): (usize, Option<i64>)| seed.ok_or_else(|| rows.wrong(row, "it has no seed"));
        let seeds = match self.by_seed {
            true => rows.whole("seed")?.into_iter().enumerate().map(seed).collect::<Result<_>>()?,
            false => vec![0; rows.count()],
        };
        let model = rows.places("model", &self.names.models, "the table of generations")?;
        Ok(vec![model, rows.places("prompt_id", &self.names.prompts, "the table of prompts")?, seeds])
    }

    fn generations<'s>(&self, table: &Table, start: impl Fn() -> Tally<'s> + Sync) -> Result<Vec<Tally<'s>>> {
        table.each(&["model", "prompt_id", "seed"], self.stop, start, |tally, rows| {
            for (key, [count]) in sums(self.keys(rows)?, [vec![1; rows.count()]])? {
                tally.expect(&generation(&key), count as u64);
            }
            Ok(())
        })
    }

    fn image_scores<'s>(&self, table: &Table, start: impl Fn() -> Tally<'s> + Sync) -> Result<Vec<Tally<'s>>> {
        table.each(&["model", "prompt_id", "seed", "encoder", "similarity", "clip_t"], self.stop, start, |tally, rows| {
            let mut keys = self.keys(rows)?;
            keys.push(rows.places("encoder", &self.names.encoders, "the table of image scores")?);
            let mut values: [Vec<i64>; 8] = std::array::from_fn(|_| Vec::with_capacity(rows.count()));
            for (similarity, clip_t) in rows.cosines("similarity")?.into_iter().zip(rows.cosines("clip_t")?) {
                let both = [similarity, clip_t].map(addends);
                values.iter_mut().zip(both.into_iter().flatten()).for_each(|(column, value)| column.push(value));
            }
            for (key, [a, b, c, n, d, e, f, m]) in sums(keys, values)? {
                tally.score(&generation(&key), key[3] as usize, added([a, b, c, n]), added([d, e, f, m]));
            }
            Ok(())
        })
    }

    fn subject_scores<'s>(
        &self,
        table: &Table,
        snapshot: &Snapshot,
        start: impl Fn() -> Tally<'s> + Sync,
    ) -> Result<Vec<Tally<'s>>> {
        table.each(&["model", "prompt_id", "seed", "encoder", "ordinal", "similarity"], self.stop, start, |tally, rows| {
            let mut keys = self.keys(rows)?;
            let encoders = rows.places("encoder", &self.names.encoders, "the table of image scores")?;
            let (mut ordinals, mut steps) = (Vec::with_capacity(rows.count()), Vec::with_capacity(rows.count()));
            let mut values: [Vec<i64>; 4] = std::array::from_fn(|_| Vec::with_capacity(rows.count()));
            let similarities = rows.cosines("similarity")?;
            for (row, ordinal) in rows.whole("ordinal")?.into_iter().enumerate() {
                let requested = &snapshot.prompts[keys[1][row] as usize].subjects;
                let ordinal = ordinal.filter(|ordinal| (0..requested.len() as i64).contains(ordinal));
                let ordinal = ordinal.ok_or_else(|| rows.wrong(row, "its prompt has no subject at that ordinal"))?;
                let similarity = similarities[row].ok_or_else(|| rows.wrong(row, "it has no similarity"))?;
                ordinals.push(if self.pairs { ordinal } else { 0 });
                steps.push(tally.step(similarity) as i64);
                values.iter_mut().zip(addends(Some(similarity))).for_each(|(column, value)| column.push(value));
            }
            keys.extend([encoders, ordinals, steps]);
            for (key, sum) in sums(keys, values)? {
                let (encoder, step) = (key[3], key[5] as usize);
                if self.pairs || encoder == self.identity {
                    let (ordinal, sum) = (self.pairs.then_some(key[4] as u32), added(sum));
                    tally.score_subjects(&generation(&key), ordinal, encoder as usize, sum, &[(step, sum.count)]);
                }
            }
            Ok(())
        })
    }
}

/// The generations of a model, a prompt and a seed.
fn generation(key: &[i64]) -> GenerationRow {
    GenerationRow { id: 0, model: key[0] as u32, prompt: key[1] as u32, seed: key[2], size: None }
}

/// A number as whole ones that may be added up, and 1 for the number of numbers.
fn addends(value: Option<f64>) -> [i64; 4] {
    let [large, middle, small] = value.map(ExactSum::parts).unwrap_or_default();
    [large, middle, small, i64::from(value.is_some())]
}

fn added([large, middle, small, count]: [i64; 4]) -> Added {
    Added { sum: ExactSum::from_parts([large, middle, small]), count: count as u64 }
}

/// Adds up values over rows with the same keys.
fn sums<const N: usize>(keys: Vec<Vec<i64>>, values: [Vec<i64>; N]) -> Result<Vec<(Vec<i64>, [i64; N])>> {
    let failed = |e: PolarsError| Error::Damaged(format!("the grouping of a table failed: {e}"));
    let name = |kind: &str, at: usize| -> PlSmallStr { format!("{kind}{at}").into() };
    let height = keys.first().map_or(0, Vec::len);
    let by: Vec<PlSmallStr> = (0..keys.len()).map(|at| name("key", at)).collect();
    let of: Vec<PlSmallStr> = (0..N).map(|at| name("value", at)).collect();
    let columns = by.iter().chain(&of).cloned().zip(keys.into_iter().chain(values));
    let columns: Vec<Column> = columns.map(|(name, values)| Column::new(name, values)).collect();
    let grouped = DataFrame::new(height, columns)
        .map_err(failed)?
        .lazy()
        .group_by(by.iter().cloned().map(col).collect::<Vec<_>>())
        .agg(of.iter().cloned().map(|value| col(value).sum()).collect::<Vec<_>>())
        .collect()
        .map_err(failed)?;
    let column = |name: &PlSmallStr| -> Result<Vec<i64>> {
        let column = grouped.column(name).and_then(Column::i64).map_err(failed)?;
        Ok(column.iter().map(Option::unwrap_or_default).collect())
    };
    let keys = by.iter().map(column).collect::<Result<Vec<_>>>()?;
    let values = of.iter().map(column).collect::<Result<Vec<_>>>()?;
    let row = |at: usize| (keys.iter().map(|key| key[at]).collect(), std::array::from_fn(|value| values[value][at]));
    Ok((0..grouped.height()).map(row).collect())
}
