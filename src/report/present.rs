//! A report as a table: aligned for people, side by side for papers, flat for programs.

use super::identity::{is_clip, is_dinov2};
use super::{Key, KeyValue, Named, Report, Row};
use crate::table::{Cell, Format, Head, TableWriter, json};
use std::io::{self, Write};

/// A measured column: how to name it and where in a row it is.
#[derive(Debug, Clone)]
pub struct Measure {
    name: String,
    better: Better,
    part: Part,
    at: usize,
    percent: bool,
}

/// The ends of an interval, with the name of its encoder or threshold.
type NamedEnds = (String, Option<[f64; 2]>);

/// Which of a row's lists of means.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    ClipT,
    Similarity,
    Scr,
    Uncollapsed,
    Area,
    Normalised,
    Auc,
    RPrecision,
    MeanRank,
    Chance,
    Local,
    Cscr,
    CscrKind,
    BeyondWords,
    LocalAuc,
}

#[derive(Debug, PartialEq, Clone, Copy)]
enum Better {
    Higher,
    Lower,
}

impl Report {
    /// Writes the report in a format. Markdown and LaTeX look like the paper's Table 1: models side by
    /// side, the other keys down, the best value of a row set off.
    ///
    /// # Errors
    /// `out` fails.
    pub fn write(&self, mut out: impl Write, format: Format) -> io::Result<()> {
        match format {
            Format::Json => {
                json::write(&mut out, self)?;
                out.write_all(b"\n")?;
                out.flush()
            }
            Format::Jsonl => {
                for row in &self.rows {
                    json::write(&mut out, row)?;
                    out.write_all(b"\n")?;
                }
                out.flush()
            }
            Format::Csv => self.write_flat(out, format),
            Format::Table => self.write_rows(out, format),
            Format::Md | Format::Latex => match self.by.len() > 1 && self.by.contains(&Key::Model) {
                true => self.write_side_by_side(out, format),
                false => self.write_rows(out, format),
            },
        }
    }

    /// Every number, exact, one column each.
    fn write_flat(&self, out: impl Write, format: Format) -> io::Result<()> {
        let mut columns: Vec<String> = self.by.iter().map(|k| k.to_string()).collect();
        columns.extend(["images", "subjects", "missing"].map(str::to_owned));
        let first = self.rows.first();
        let names = |prefix: &str, part: fn(&Row) -> &[Named]| -> Vec<String> {
            first.map(part).unwrap_or_default().iter().map(|(n, _)| format!("{prefix}_{n}")).collect()
        };
        let mut means = names("clip_t", |r| &r.clip_t);
        means.extend(names("similarity", |r| &r.similarity));
        means.extend(self.thresholds.values().iter().map(|t| format!("scr_{}", super::Thresholds::name(*t))));
        let ends: Vec<String> = means.iter().flat_map(|m| [format!("{m}_low"), format!("{m}_high")]).collect();
        columns.append(&mut means);
        if first.is_some_and(|row| row.ci.is_some()) {
            columns.extend(ends);
        }
        columns.extend(names("uncollapsed", |r| &r.uncollapsed));
        if let Some(controls) = first.and_then(|row| row.controls.as_ref()) {
            columns.extend(["r_precision", "mean_rank"].map(str::to_owned));
            columns.extend(controls.chance_scr.iter().map(|(t, _)| format!("chance_scr_{t}")));
            for (name, values) in controls.by_encoder() {
                columns.extend(values.iter().map(|(encoder, _)| format!("{name}_{encoder}")));
            }
        }
        let curve = first.is_some_and(|row| row.curve.is_some());
        let any_control = self.rows.iter().any(|row| row.control);
        if let Some(local) = first.and_then(|row| row.local.as_ref()) {
            columns.extend(local.columns());
        }
        columns.extend(curve.then(|| "area".to_owned()).into_iter().chain(any_control.then(|| "control".to_owned())));
        let mut table = TableWriter::new(out, format, Head::new(columns))?;
        let number = |value: Option<f64>| value.map_or(Cell::Null, Cell::Real);
        for row in &self.rows {
            let mut cells: Vec<Cell> = row.keys.iter().map(|(_, v)| key_cell(v)).collect();
            cells.extend([row.images, row.subjects, row.missing].map(|n| Cell::Integer(n as i64)));
            cells.extend(row.clip_t.iter().chain(&row.similarity).chain(&row.scr).map(|(_, mean)| number(*mean)));
            for (_, ends) in row.ci.iter().flat_map(|ci| ci.clip_t.iter().chain(&ci.similarity).chain(&ci.scr)) {
                cells.extend([0, 1].map(|end| number(ends.map(|ends| ends[end]))));
            }
            cells.extend(row.uncollapsed.iter().map(|(_, mean)| number(*mean)));
            if let Some(controls) = &row.controls {
                cells.push(number(controls.identification.map(|i| i.r_precision)));
                cells.push(number(controls.identification.map(|i| i.mean_rank)));
                cells.extend(controls.chance_scr.iter().map(|(_, value)| number(*value)));
                cells.extend(controls.by_encoder().iter().flat_map(|(_, values)| *values).map(|(_, value)| number(*value)));
            }
            cells.extend(row.local.iter().flat_map(|local| local.values()).map(number));
            cells.extend(row.curve.iter().map(|curve| number(curve.as_ref().map(|curve| curve.area))));
            cells.extend(any_control.then_some(Cell::Integer(i64::from(row.control))));
            table.row(&cells)?;
        }
        table.finish().map(drop)
    }

    /// One line a cell, for a person.
    fn write_rows(&self, out: impl Write, format: Format) -> io::Result<()> {
        let measures = self.measures(format == Format::Table);
        let mut columns: Vec<String> = self.by.iter().map(|k| k.to_string()).collect();
        columns.push("images".into());
        let any_missing = self.generations_missing > 0;
        if any_missing {
            columns.push("missing".into());
        }
        columns.extend(measures.iter().map(|m| head(m, format)));
        let mut table = TableWriter::new(out, format, Head::new(columns))?;
        for row in &self.rows {
            let mut cells: Vec<Cell> = row.keys.iter().map(|(key, v)| marked(*key, v, row.control)).collect();
            cells.push(Cell::Integer(row.images as i64));
            if any_missing {
                cells.push(Cell::Integer(row.missing as i64));
            }
            cells.extend(measures.iter().map(|m| match m.value(row) {
                Some(value) => Cell::Number(m.text(value) + &m.interval(row)),
                None => Cell::Null,
            }));
            table.row(&cells)?;
        }
        table.finish().map(drop)
    }

    fn write_side_by_side(&self, out: impl Write, format: Format) -> io::Result<()> {
        let measures = self.measures(false);
        let mut models: Vec<(&KeyValue, bool)> = Vec::new();
        let mut lines: Vec<(Vec<&KeyValue>, Vec<Option<&Row>>)> = Vec::new();
        for row in &self.rows {
            for (key, value) in &row.keys {
                if *key == Key::Model && !models.iter().any(|(model, _)| *model == value) {
                    models.push((value, row.control));
                }
            }
        }
        models.sort_by_key(|(_, control)| *control);
        for row in &self.rows {
            let others: Vec<&KeyValue> = row.keys.iter().filter(|(k, _)| *k != Key::Model).map(|(_, v)| v).collect();
            let model = row.keys.iter().find(|(k, _)| *k == Key::Model).and_then(|(_, v)| models.iter().position(|m| m.0 == v));
            let line = match lines.iter().position(|(keys, _)| *keys == others) {
                Some(at) => &mut lines[at],
                None => {
                    lines.push((others, vec![None; models.len()]));
                    let last = lines.len() - 1;
                    &mut lines[last]
                }
            };
            if let Some(model) = model {
                line.1[model] = Some(row);
            }
        }
        let any_missing = self.generations_missing > 0;
        let width = measures.len() + usize::from(any_missing);
        let other_keys: Vec<String> = self.by.iter().filter(|k| **k != Key::Model).map(|k| k.to_string()).collect();
        let mut groups = vec![(String::new(), other_keys.len())];
        let mut columns = other_keys;
        for (model, control) in &models {
            let Cell::Text(name) = marked(Key::Model, model, *control) else { continue };
            groups.push((name, width));
            columns.extend(measures.iter().map(|m| head(m, format)));
            if any_missing {
                columns.push("missing".into());
            }
        }
        let mut table = TableWriter::new(out, format, Head { columns, groups })?;
        for (keys, rows) in &lines {
            let mut cells: Vec<Cell> = keys.iter().map(|v| key_cell(v)).collect();
            let best: Vec<Option<String>> = measures.iter().map(|m| m.best(rows)).collect();
            for row in rows {
                for (m, best) in measures.iter().zip(&best) {
                    let mean = row.and_then(|r| Some((m.text(m.value(r)?), m.interval(r))));
                    cells.push(match mean {
                        Some((text, interval)) if best.as_ref() == Some(&text) && row.is_some_and(|r| !r.control) => {
                            Cell::Best(text + &interval)
                        }
                        Some((text, interval)) => Cell::Number(text + &interval),
                        None => Cell::Number("–".into()),
                    });
                }
                if any_missing {
                    cells.push(row.map_or(Cell::Null, |r| Cell::Integer(r.missing as i64)));
                }
            }
            table.row(&cells)?;
        }
        table.finish().map(drop)
    }

    /// The measured columns, in the order of the tables.
    pub fn columns(&self) -> Vec<Measure> {
        self.measures(false)
    }

    /// The measured columns in the order of the paper: CLIP-T, CLIP-I, DINO, DINOv2, others, SCR@τ; then those
    /// that the paper lacks. With `kept`, how many subjects of an image have not collapsed at the first threshold.
    fn measures(&self, kept: bool) -> Vec<Measure> {
        let Some(first) = self.rows.first() else { return Vec::new() };
        let mut measures = Vec::new();
        let texts = first.clip_t.len();
        for (i, (encoder, _)) in first.clip_t.iter().enumerate() {
            let name = if texts > 1 { format!("CLIP-T ({encoder})") } else { "CLIP-T".to_owned() };
            measures.push(Measure { name, better: Better::Higher, percent: false, part: Part::ClipT, at: i });
        }
        let heads: Vec<(usize, &str)> = first.similarity.iter().map(|(e, _)| family(e)).collect();
        let mut order: Vec<usize> = (0..heads.len()).collect();
        order.sort_by_key(|i| heads[*i].0);
        let mut encoders = Vec::new();
        for i in order {
            let (rank, name) = heads[i];
            let encoder = &first.similarity[i].0;
            let shared = heads.iter().filter(|h| h.0 == rank).count() > 1;
            let name = if shared && rank < OTHER { format!("{name} ({encoder})") } else { name.to_owned() };
            encoders.push((i, name.clone()));
            measures.push(Measure { name, better: Better::Higher, percent: false, part: Part::Similarity, at: i });
        }
        for (t, (threshold, _)) in first.scr.iter().enumerate() {
            let name = format!("SCR@{threshold}");
            measures.push(Measure { name, better: Better::Lower, percent: true, part: Part::Scr, at: t });
        }
        let plain = |name: &str, better, part| Measure { name: name.to_owned(), better, part, at: 0, percent: false };
        if let Some((threshold, _)) = first.uncollapsed.first().filter(|_| kept) {
            measures.push(plain(&format!("kept@{threshold}"), Better::Higher, Part::Uncollapsed));
        }
        if first.curve.is_some() {
            measures.push(plain("area", Better::Lower, Part::Area));
        }
        if let Some(controls) = &first.controls {
            for (at, name) in &encoders {
                let name = if encoders.len() > 1 { format!("AUC ({name})") } else { "AUC".to_owned() };
                measures.push(Measure { at: *at, ..plain(&name, Better::Higher, Part::Auc) });
            }
            measures.push(plain("R-precision", Better::Higher, Part::RPrecision));
            measures.push(plain("rank", Better::Lower, Part::MeanRank));
            for (at, (threshold, _)) in controls.chance_scr.iter().enumerate() {
                let name = format!("chance SCR@{threshold}");
                measures.push(Measure { name, better: Better::Lower, part: Part::Chance, at, percent: true });
            }
            let identity = first.similarity.iter().position(|(encoder, _)| *encoder == self.identity);
            if let Some(at) = identity.filter(|at| self.rows.iter().any(|r| r.ceiling(*at).is_some())) {
                measures.push(Measure { at, ..plain("normalised", Better::Higher, Part::Normalised) });
            }
        }
        if let Some(local) = &first.local {
            measures.push(plain("local", Better::Higher, Part::Local));
            for (name, part, of) in [("cSCR", Part::Cscr, &local.cscr), ("cSCR in kind", Part::CscrKind, &local.cscr_kind)] {
                measures.extend(of.iter().enumerate().map(|(at, (alpha, _))| Measure {
                    name: format!("{name}@{alpha}"),
                    better: Better::Lower,
                    part,
                    at,
                    percent: true,
                }));
            }
            if local.beyond_words.is_some() {
                measures.push(plain("beyond words", Better::Higher, Part::BeyondWords));
            }
            if local.identification.is_some() {
                measures.push(plain("local AUC", Better::Higher, Part::LocalAuc));
            }
        }
        measures
    }
}

const OTHER: usize = 3;

/// The paper's name for an encoder's similarity, and its place in the table.
fn family(encoder: &str) -> (usize, &str) {
    let name = encoder.to_ascii_lowercase();
    if is_dinov2(&name) {
        (2, "DINOv2")
    } else if name.starts_with("dino-") || name == "dino" {
        (1, "DINO")
    } else if is_clip(&name) {
        (0, "CLIP-I")
    } else {
        (OTHER, encoder)
    }
}

impl Measure {
    /// As tables head it: `CLIP-T`, `DINOv2`, `SCR@0.4`, …
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a share that tables print in per cent.
    pub fn is_percent(&self) -> bool {
        self.percent
    }

    /// Whether more of it is better.
    pub fn higher_is_better(&self) -> bool {
        self.better == Better::Higher
    }

    /// Whether it is a cosine of an image with its subjects or its prompt.
    pub fn is_cosine(&self) -> bool {
        matches!(self.part, Part::ClipT | Part::Similarity)
    }

    /// Whether it is a cosine with the prompt.
    pub fn is_clip_t(&self) -> bool {
        self.part == Part::ClipT
    }

    /// Whether it is SCR at a threshold.
    pub fn is_scr(&self) -> bool {
        self.part == Part::Scr
    }

    /// Whether it is the calibrated SCR: of being present, or within the kind.
    pub fn is_cscr(&self, within_kind: bool) -> bool {
        self.part == if within_kind { Part::CscrKind } else { Part::Cscr }
    }

    /// Whether it is the share of pairs with text-only controls that are won.
    pub fn is_beyond_words(&self) -> bool {
        self.part == Part::BeyondWords
    }

    /// Whether a summary shows it: every cosine and SCR; of the controls, those by the identity encoder, and chance at
    /// one threshold.
    pub fn is_headline(&self, report: &Report, threshold: f64) -> bool {
        match self.part {
            Part::ClipT | Part::Similarity | Part::Scr | Part::Normalised => true,
            Part::Auc => self.is_auc(report),
            Part::Chance => self.name.ends_with(&format!("@{}", super::Thresholds::name(threshold))),
            Part::Local | Part::Cscr | Part::CscrKind | Part::BeyondWords | Part::LocalAuc => true,
            Part::Uncollapsed | Part::Area | Part::RPrecision | Part::MeanRank => false,
        }
    }

    /// Whether it is the similarity by the encoder that decides collapse.
    pub fn is_identity(&self, report: &Report) -> bool {
        self.part == Part::Similarity && self.is_by_identity(report)
    }

    /// Whether it is the identification AUC by the encoder that decides collapse.
    pub fn is_auc(&self, report: &Report) -> bool {
        self.part == Part::Auc && self.is_by_identity(report)
    }

    fn is_by_identity(&self, report: &Report) -> bool {
        let named = |row: &Row| row.similarity.get(self.at).is_some_and(|(name, _)| *name == report.identity);
        report.rows.first().is_some_and(named)
    }

    /// Its mean in a cell.
    pub fn value(&self, row: &Row) -> Option<f64> {
        let means = match self.part {
            Part::ClipT => &row.clip_t,
            Part::Similarity => &row.similarity,
            Part::Scr => &row.scr,
            Part::Uncollapsed => &row.uncollapsed,
            Part::Area => return row.curve.as_ref()?.as_ref().map(|curve| curve.area),
            Part::Normalised => &row.controls.as_ref()?.normalised,
            Part::Auc => &row.controls.as_ref()?.auc,
            Part::RPrecision => return row.controls.as_ref()?.identification.map(|i| i.r_precision),
            Part::MeanRank => return row.controls.as_ref()?.identification.map(|i| i.mean_rank),
            Part::Chance => &row.controls.as_ref()?.chance_scr,
            Part::Local => &row.local.as_ref()?.similarity,
            Part::Cscr => &row.local.as_ref()?.cscr,
            Part::CscrKind => &row.local.as_ref()?.cscr_kind,
            Part::BeyondWords => return row.local.as_ref()?.beyond_words?,
            Part::LocalAuc => return row.local.as_ref()?.identification?.map(|i| i.auc),
        };
        means.get(self.at).and_then(|(_, mean)| *mean)
    }

    /// The interval of its mean in a cell, if it has one.
    pub fn ends(&self, row: &Row) -> Option<[f64; 2]> {
        self.intervals(row)?.get(self.at).and_then(|(_, interval)| *interval)
    }

    fn intervals<'a>(&self, row: &'a Row) -> Option<&'a [NamedEnds]> {
        if let Some(ci) = row.local.as_ref().and_then(|local| local.ci.as_ref()) {
            match self.part {
                Part::Local => return Some(&ci.similarity),
                Part::Cscr => return Some(&ci.cscr),
                Part::CscrKind => return Some(&ci.cscr_kind),
                Part::BeyondWords => return Some(&ci.beyond_words),
                _ => {}
            }
        }
        let ci = row.ci.as_ref()?;
        match self.part {
            Part::ClipT => Some(&ci.clip_t),
            Part::Similarity => Some(&ci.similarity),
            Part::Scr => Some(&ci.scr),
            _ => None,
        }
    }

    /// The interval as it follows its mean: ` [32, 66]`; empty if none was asked for.
    pub fn interval(&self, row: &Row) -> String {
        if self.intervals(row).is_none() {
            return String::new();
        }
        match self.ends(row) {
            Some([low, high]) if self.percent => format!(" [{:.0}, {:.0}]", low * 100.0, high * 100.0),
            Some([low, high]) => format!(" [{low:.2}, {high:.2}]"),
            None => " [–]".to_owned(),
        }
    }

    /// SCR in percent with one decimal, cosines with three, as the paper prints them.
    pub fn text(&self, value: f64) -> String {
        if self.percent { format!("{:.1}", value * 100.0) } else { format!("{value:.3}") }
    }

    /// The best value of a line's models, without the controls, as it is printed, so that equal print means equally best; nothing is
    /// set off where all are equal.
    fn best(&self, rows: &[Option<&Row>]) -> Option<String> {
        let values: Vec<f64> = rows.iter().flatten().filter(|r| !r.control).filter_map(|r| self.value(r)).collect();
        let first = self.text(*values.first()?);
        if values.iter().all(|v| self.text(*v) == first) {
            return None;
        }
        let best = match self.better {
            Better::Higher => values.into_iter().max_by(f64::total_cmp),
            Better::Lower => values.into_iter().min_by(f64::total_cmp),
        };
        best.map(|v| self.text(v))
    }
}

fn head(measure: &Measure, format: Format) -> String {
    let arrow = match (format, measure.better) {
        (Format::Table, _) => "",
        (_, Better::Higher) => " ↑",
        (_, Better::Lower) => " ↓",
    };
    let percent = if measure.percent { " %" } else { "" };
    format!("{}{percent}{arrow}", measure.name)
}

pub(super) fn key_cell(value: &KeyValue) -> Cell {
    match value {
        KeyValue::Integer(n) => Cell::Integer(*n),
        KeyValue::Text(Some(text)) => Cell::Text(text.clone()),
        KeyValue::Text(None) => Cell::Null,
    }
}

/// The value of a key where people read it: a control says so.
fn marked(key: Key, value: &KeyValue, control: bool) -> Cell {
    match (key, value) {
        (Key::Model, KeyValue::Text(Some(name))) if control => Cell::Text(format!("{name} (control)")),
        _ => key_cell(value),
    }
}
