//! The grouping: one row a generation (or a pair of generation and subject), into cells, with Polars.
//!
//! Polars groups and collects; the means are ours, summed in the order of the rows' keys. A parallel
//! sum would change in its last digit with the number of threads.

use super::identity::identity_encoder;
use super::{CellControls, Control, Intervals, Key, KeyValue, Report, ReportOptions, Row, Thresholds};
use crate::catalog::{GenerationFact, ImageScoreFact, PromptFact, SubjectFact, SubjectScoreFact};
use crate::error::{Error, Result};
use crate::score::{Clustered, Confidence, Identification, intervals};
use crate::vocabulary::{SceneType, SubjectKind};
use polars::prelude::*;
use std::collections::HashMap;

/// What a report is made from.
pub struct Facts {
    /// Models by name, with whether each is a control.
    pub models: Vec<(String, bool)>,
    /// Subjects by id.
    pub subjects: Vec<SubjectFact>,
    /// Prompts by id.
    pub prompts: Vec<PromptFact>,
    /// Generations by model, prompt, seed.
    pub generations: Vec<GenerationFact>,
    /// Encoders with image vectors: row and name, by name.
    pub encoders: Vec<(i64, String)>,
    /// Image scores, in any order.
    pub image_scores: Vec<ImageScoreFact>,
    /// Subject scores of the encoders that the report needs, in any order.
    pub subject_scores: Vec<SubjectScoreFact>,
    /// How many prompts each encoder cut, by its name.
    pub cut_prompts: Vec<(String, u64)>,
    /// By generation row, if controls were asked for.
    pub controls: Option<HashMap<i64, Control>>,
}

/// Code of a subject without a kind: after every kind.
const NO_KIND: i64 = 99;

/// Column of the generation's position, in the frame of units.
const GENERATION: &str = "generation";

/// Makes the report.
///
/// # Errors
/// Nothing says which encoder decides collapse.
pub fn build(facts: &Facts, options: &ReportOptions) -> Result<Report> {
    let names: Vec<&str> = facts.encoders.iter().map(|(_, name)| name.as_str()).collect();
    let identity = identity_encoder(&names, options.identity.as_deref())?;
    let identity_at = names.iter().position(|n| *n == identity).unwrap_or(0);
    let scores = Scores::collect(facts, identity_at, &options.thresholds);
    let pairs = options.by.iter().any(|k| k.is_of_subjects());
    let units = if pairs { Units::pairs(facts) } else { Units::generations(facts) };
    let columns = units.columns(facts, options, &scores);
    let grouped = group(columns, &options.by).map_err(|e| Error::Damaged(format!("the report's grouping failed: {e}")))?;
    let texts: Vec<usize> = (0..names.len()).filter(|e| scores.clip_t[*e].iter().any(Option::is_some)).collect();
    let mut rows = Vec::with_capacity(grouped.height());
    for i in 0..grouped.height() {
        let cell = Cell { frame: &grouped, row: i };
        let identity_values = cell.values(&similarity_column(identity_at));
        let generations = cell.integers(GENERATION);
        let scored_generations = distinct(generations.iter().zip(&identity_values).filter(|(_, v)| v.is_some()).map(|(g, _)| *g));
        let all_generations = distinct(generations.iter().copied());
        let subjects = match pairs {
            true => identity_values.iter().flatten().count() as u64,
            false => generations
                .iter()
                .zip(&identity_values)
                .filter(|(_, v)| v.is_some())
                .map(|(g, _)| facts.prompts[facts.generations[*g as usize].prompt as usize].subjects.len() as u64)
                .sum(),
        };
        let mut scored = Vec::new();
        let mut note = |name: String, values: &[Option<f64>]| {
            let n = distinct(generations.iter().zip(values).filter(|(_, v)| v.is_some()).map(|(g, _)| *g));
            if n != scored_generations {
                scored.push((name, n));
            }
        };
        let similarities: Vec<_> = (0..names.len()).map(|e| cell.values(&similarity_column(e))).collect();
        let clip_ts: Vec<_> = texts.iter().map(|e| cell.values(&clip_t_column(*e))).collect();
        let rates: Vec<_> = (0..options.thresholds.values().len()).map(|t| cell.values(&scr_column(t))).collect();
        similarities.iter().zip(&names).for_each(|(values, name)| note((*name).to_owned(), values));
        clip_ts.iter().zip(&texts).for_each(|(values, e)| note(format!("clip_t/{}", names[*e]), values));
        let measures: Vec<&[Option<f64>]> = [&similarities, &clip_ts, &rates].into_iter().flatten().map(Vec::as_slice).collect();
        let labels = Labels { names: &names, texts: &texts, thresholds: &options.thresholds };
        let [similarity, clip_t, scr] = labels.label(measures.iter().map(|values| mean_of(values)));
        let ci = options.confidence.map(|confidence| {
            let prompts: Vec<u32> = generations.iter().map(|g| facts.generations[*g as usize].prompt).collect();
            let [similarity, clip_t, scr] = labels.label(cell_intervals(&prompts, &measures, confidence).into_iter());
            Intervals { clip_t, similarity, scr }
        });
        rows.push(Row {
            keys: options.by.iter().map(|key| (*key, key_value(*key, cell.integer(key.as_str()), facts))).collect(),
            images: scored_generations,
            subjects,
            missing: all_generations - scored_generations,
            clip_t,
            similarity,
            scr,
            scored,
            ci,
            controls: facts.controls.as_ref().map(|controls| {
                let mut ids: Vec<i64> = generations.iter().map(|g| facts.generations[*g as usize].id).collect();
                ids.dedup(); // pairs of one generation stand together
                cell_controls(ids.iter().filter_map(|id| controls.get(id)), &options.thresholds)
            }),
        });
    }
    let scored = scores.similarity[identity_at].iter().flatten().count() as u64;
    let generations = facts.generations.len() as u64;
    Ok(Report {
        thresholds: options.thresholds.clone(),
        identity: identity.to_owned(),
        by: options.by.clone(),
        rows,
        generations,
        generations_missing: generations - scored,
        cut_prompts: facts.cut_prompts.clone(),
    })
}

/// The names of a cell's measures, which stand in the order: similarities, CLIP-T, SCR.
struct Labels<'a> {
    names: &'a [&'a str],
    /// Encoders with texts.
    texts: &'a [usize],
    thresholds: &'a Thresholds,
}

impl Labels<'_> {
    fn label<T>(&self, mut values: impl Iterator<Item = T>) -> [Vec<(String, T)>; 3] {
        let similarity = self.names.iter().map(|name| (*name).to_owned()).zip(values.by_ref()).collect();
        let clip_t = self.texts.iter().map(|e| self.names[*e].to_owned()).zip(values.by_ref()).collect();
        let scr = self.thresholds.values().iter().map(|t| Thresholds::name(*t)).zip(values).collect();
        [similarity, clip_t, scr]
    }
}

fn cell_controls<'a>(controls: impl Iterator<Item = &'a Control>, thresholds: &Thresholds) -> CellControls {
    let controls: Vec<&Control> = controls.collect();
    let mean = |pick: &dyn Fn(&Control) -> f64| mean_of(&controls.iter().map(|c| Some(pick(c))).collect::<Vec<_>>());
    let identification = mean(&|c| c.identification.auc).map(|auc| Identification {
        auc,
        r_precision: mean(&|c| c.identification.r_precision).unwrap_or_default(),
        mean_rank: mean(&|c| c.identification.mean_rank).unwrap_or_default(),
    });
    let chance = thresholds.values().iter().enumerate().map(|(t, value)| (Thresholds::name(*value), mean(&|c| c.chance[t])));
    CellControls { identification, chance_scr: chance.collect() }
}

/// The interval of each measure of a cell; `prompts` says which prompt each value belongs to.
fn cell_intervals(prompts: &[u32], measures: &[&[Option<f64>]], confidence: Confidence) -> Vec<Option<[f64; 2]>> {
    let mut distinct: Vec<u32> = prompts.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let clusters: Vec<usize> = prompts.iter().map(|p| distinct.partition_point(|d| d < p)).collect();
    let clustered =
        |values: &&[Option<f64>]| Clustered::new(distinct.len(), clusters.iter().copied().zip(values.iter().copied()));
    intervals(&measures.iter().map(clustered).collect::<Vec<_>>(), confidence)
}

/// Groups units by the keys; every other column becomes a list, in the order of the units.
fn group(columns: Vec<Column>, by: &[Key]) -> PolarsResult<DataFrame> {
    let height = columns.first().map_or(0, Column::len);
    let keys: Vec<Expr> = by.iter().map(|k| col(k.as_str())).collect();
    let rest: Vec<Expr> =
        columns.iter().map(|c| c.name().as_str()).filter(|name| !by.iter().any(|k| k.as_str() == *name)).map(col).collect();
    let names: Vec<PlSmallStr> = by.iter().map(|k| k.as_str().into()).collect();
    DataFrame::new(height, columns)?.lazy().group_by_stable(keys).agg(rest).sort(names, SortMultipleOptions::default()).collect()
}

/// Scores by encoder and generation position, or by pair.
struct Scores {
    /// [encoder][generation]
    similarity: Vec<Vec<Option<f64>>>,
    /// [encoder][generation]
    clip_t: Vec<Vec<Option<f64>>>,
    /// [threshold][generation], of the identity encoder
    collapsed: Vec<Vec<u32>>,
    /// [encoder] of (generation, ordinal)
    pairs: Vec<HashMap<(u32, u32), f64>>,
    identity: usize,
}

impl Scores {
    fn collect(facts: &Facts, identity: usize, thresholds: &Thresholds) -> Scores {
        let n = facts.generations.len();
        let position: HashMap<i64, u32> = facts.generations.iter().zip(0..).map(|(g, i)| (g.id, i)).collect();
        let encoder: HashMap<i64, usize> = facts.encoders.iter().enumerate().map(|(i, (id, _))| (*id, i)).collect();
        let mut scores = Scores {
            similarity: vec![vec![None; n]; facts.encoders.len()],
            clip_t: vec![vec![None; n]; facts.encoders.len()],
            collapsed: vec![vec![0; n]; thresholds.values().len()],
            pairs: vec![HashMap::new(); facts.encoders.len()],
            identity,
        };
        for s in &facts.image_scores {
            let (Some(&e), Some(&g)) = (encoder.get(&s.encoder), position.get(&s.generation)) else { continue };
            scores.similarity[e][g as usize] = Some(s.similarity);
            scores.clip_t[e][g as usize] = s.clip_t;
        }
        for s in &facts.subject_scores {
            let (Some(&e), Some(&g)) = (encoder.get(&s.encoder), position.get(&s.generation)) else { continue };
            scores.pairs[e].insert((g, s.ordinal), s.similarity);
            if e == identity {
                for (t, threshold) in thresholds.values().iter().enumerate() {
                    scores.collapsed[t][g as usize] += u32::from(s.similarity < *threshold);
                }
            }
        }
        scores
    }
}

/// What a report averages over: generations, or pairs of generation and subject.
struct Units {
    generation: Vec<u32>,
    /// Position in the prompt, for pairs.
    ordinal: Option<Vec<u32>>,
}

impl Units {
    fn generations(facts: &Facts) -> Units {
        Units { generation: (0..facts.generations.len() as u32).collect(), ordinal: None }
    }

    fn pairs(facts: &Facts) -> Units {
        let (mut generation, mut ordinal) = (Vec::new(), Vec::new());
        for (g, fact) in (0..).zip(&facts.generations) {
            for o in 0..facts.prompts[fact.prompt as usize].subjects.len() as u32 {
                generation.push(g);
                ordinal.push(o);
            }
        }
        Units { generation, ordinal: Some(ordinal) }
    }

    fn columns(&self, facts: &Facts, options: &ReportOptions, scores: &Scores) -> Vec<Column> {
        let generations = || self.generation.iter().map(|g| &facts.generations[*g as usize]);
        let mut columns = Vec::new();
        for key in &options.by {
            let codes: Vec<i64> = match key {
                Key::Model => generations().map(|g| i64::from(g.model)).collect(),
                Key::PromptId => generations().map(|g| i64::from(g.prompt)).collect(),
                Key::Seed => generations().map(|g| g.seed).collect(),
                Key::SubjectCount => generations().map(|g| facts.prompts[g.prompt as usize].subjects.len() as i64).collect(),
                Key::SceneType => generations().map(|g| facts.prompts[g.prompt as usize].scene_type as i64).collect(),
                Key::SubjectId => self.subjects(facts).map(|s| s as i64).collect(),
                Key::Kind => self.subjects(facts).map(|s| facts.subjects[s].kind.map_or(NO_KIND, |k| k as i64)).collect(),
            };
            columns.push(Column::new(key.as_str().into(), codes));
        }
        let positions: Vec<i64> = self.generation.iter().map(|g| i64::from(*g)).collect();
        columns.push(Column::new(GENERATION.into(), positions));
        for e in 0..facts.encoders.len() {
            columns.push(Column::new(similarity_column(e).into(), self.similarity(scores, e)));
            let clip_t: Vec<Option<f64>> = self.generation.iter().map(|g| scores.clip_t[e][*g as usize]).collect();
            columns.push(Column::new(clip_t_column(e).into(), clip_t));
        }
        for (t, threshold) in options.thresholds.values().iter().enumerate() {
            let rates: Vec<Option<f64>> = match self.ordinal {
                Some(_) => self
                    .similarity(scores, scores.identity)
                    .iter()
                    .map(|s| s.map(|s| f64::from(u8::from(s < *threshold))))
                    .collect(),
                None => generations()
                    .zip(&self.generation)
                    .map(|(fact, g)| {
                        let n = facts.prompts[fact.prompt as usize].subjects.len();
                        scores.similarity[scores.identity][*g as usize]
                            .map(|_| f64::from(scores.collapsed[t][*g as usize]) / n as f64)
                    })
                    .collect(),
            };
            columns.push(Column::new(scr_column(t).into(), rates));
        }
        columns
    }

    fn similarity(&self, scores: &Scores, e: usize) -> Vec<Option<f64>> {
        match &self.ordinal {
            Some(ordinal) => self.generation.iter().zip(ordinal).map(|(g, o)| scores.pairs[e].get(&(*g, *o)).copied()).collect(),
            None => self.generation.iter().map(|g| scores.similarity[e][*g as usize]).collect(),
        }
    }

    /// Position of each pair's subject.
    fn subjects<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = usize> + 'a {
        let ordinals = self.ordinal.as_deref().unwrap_or_default();
        self.generation
            .iter()
            .zip(ordinals)
            .map(|(g, o)| facts.prompts[facts.generations[*g as usize].prompt as usize].subjects[*o as usize])
    }
}

fn similarity_column(encoder: usize) -> String {
    format!("similarity {encoder}")
}

fn clip_t_column(encoder: usize) -> String {
    format!("clip_t {encoder}")
}

fn scr_column(threshold: usize) -> String {
    format!("scr {threshold}")
}

fn key_value(key: Key, code: i64, facts: &Facts) -> KeyValue {
    let at = code as usize;
    match key {
        Key::SubjectCount | Key::Seed => KeyValue::Integer(code),
        Key::Model => KeyValue::Text(Some(facts.models[at].0.clone())),
        Key::PromptId => KeyValue::Text(Some(facts.prompts[at].prompt_id.clone())),
        Key::SubjectId => KeyValue::Text(Some(facts.subjects[at].subject_id.clone())),
        Key::SceneType => KeyValue::Text(SceneType::ALL.get(at).map(|s| s.to_string())),
        Key::Kind => KeyValue::Text(SubjectKind::ALL.get(at).map(|k| k.to_string())),
    }
}

/// The mean of what is there; `None` of nothing.
fn mean_of(values: &[Option<f64>]) -> Option<f64> {
    let values: Vec<f64> = values.iter().flatten().copied().collect();
    (!values.is_empty()).then(|| crate::score::mean(&values))
}

/// How many different numbers; equal ones stand together.
fn distinct(numbers: impl Iterator<Item = i64>) -> u64 {
    let mut last = None;
    numbers.filter(|n| last.replace(*n) != Some(*n)).count() as u64
}

/// A row of the grouped frame.
struct Cell<'a> {
    frame: &'a DataFrame,
    row: usize,
}

impl Cell<'_> {
    fn integer(&self, column: &str) -> i64 {
        self.frame.column(column).ok().and_then(|c| c.i64().ok()).and_then(|c| c.get(self.row)).unwrap_or_default()
    }

    fn list(&self, column: &str) -> Option<Series> {
        self.frame.column(column).ok()?.list().ok()?.get_as_series(self.row)
    }

    fn values(&self, column: &str) -> Vec<Option<f64>> {
        self.list(column).and_then(|s| s.f64().ok().map(|v| v.iter().collect())).unwrap_or_default()
    }

    fn integers(&self, column: &str) -> Vec<i64> {
        self.list(column).and_then(|s| s.i64().ok().map(|v| v.iter().flatten().collect())).unwrap_or_default()
    }
}
