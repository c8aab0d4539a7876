//! A report as a table: aligned for people, side by side for papers, flat for programs.

use super::columns::MeasureColumn;
use super::{CellMetric, CellRegions, Intervals, Key, KeyValue, Named, Published, PublishedCell, Report, Row};
use crate::table::{Cell, Format, Head, TableWriter, json};
use std::io::{self, Write};

impl Report {
    /// Writes the report in a format. Markdown and LaTeX look like the paper's Table 1: models side by
    /// side, the other keys down, the best value of a row set off.
    ///
    /// # Errors
    /// Writing to `out` fails.
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
                for cell in self.published_cells() {
                    json::write(&mut out, &cell)?;
                    out.write_all(b"\n")?;
                }
                out.flush()
            }
            Format::Csv | Format::Arrow | Format::Parquet => self.write_flat(out, format),
            Format::Table => {
                self.write_rows(&mut out, format)?;
                self.write_published(out, format)
            }
            Format::Md | Format::Latex => {
                match self.by.len() > 1 && self.by.contains(&Key::Model) {
                    true => self.write_side_by_side(&mut out, format)?,
                    false => self.write_rows(&mut out, format)?,
                }
                self.write_published(out, format)
            }
        }
    }

    fn published_cells(&self) -> Vec<PublishedCell> {
        self.published.as_ref().map(Published::cells).unwrap_or_default()
    }

    /// Writes the paper's numbers as a table of their own.
    fn write_published(&self, mut out: impl Write, format: Format) -> io::Result<()> {
        let cells = self.published_cells();
        let Some(published) = self.published.as_ref().filter(|_| !cells.is_empty()) else { return Ok(()) };
        let comment = if format == Format::Latex { "% " } else { "" };
        writeln!(out, "\n{comment}Published, not computed here: {}\n", published.source())?;
        let mut columns: Vec<String> = self.by.iter().map(|key| key.to_string()).collect();
        columns.extend(PublishedCell::HEADS.map(|(name, up)| match format {
            Format::Table => name.to_owned(),
            _ => format!("{name} {}", if up { "↑" } else { "↓" }),
        }));
        let mut table = TableWriter::new(out, format, Head::new(columns))?;
        for cell in cells {
            let mut row: Vec<Cell> = cell.keys(&self.by).iter().map(key_cell).collect();
            row.extend(cell.printed().map(Cell::Number));
            table.row(&row)?;
        }
        table.finish().map(drop)
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
        let meant = self.thresholds_mean_something();
        means.extend(self.thresholds.values().iter().filter(|_| meant).map(|t| format!("scr_{}", super::Thresholds::name(*t))));
        let ends: Vec<String> = means.iter().flat_map(|m| [format!("{m}_low"), format!("{m}_high")]).collect();
        columns.append(&mut means);
        if first.is_some_and(|row| row.ci.is_some()) {
            columns.extend(ends);
        }
        if meant {
            columns.extend(names("uncollapsed", |r| &r.uncollapsed));
        }
        let identity = first.and_then(|row| row.similarity.iter().position(|(encoder, _)| *encoder == self.identity));
        let controls = first.and_then(|row| row.controls.as_ref());
        if controls.is_some() {
            columns.extend(["r_precision", "mean_rank"].map(str::to_owned));
        }
        if controls.is_some_and(|controls| !controls.complete) {
            columns.push(format!("auc_{}", self.identity));
        }
        if let Some(controls) = controls.filter(|controls| controls.complete) {
            columns.extend(controls.chance_scr.iter().filter(|_| meant).map(|(t, _)| format!("chance_scr_{t}")));
            for (name, values) in controls.by_encoder() {
                columns.extend(values.iter().map(|(encoder, _)| format!("{name}_{encoder}")));
            }
        }
        let curve = first.is_some_and(|row| row.curve.is_some());
        let any_control = self.rows.iter().any(|row| row.control);
        if let Some(local) = first.and_then(|row| row.local.as_ref()) {
            columns.extend(local.columns());
        }
        for cell in first.map(|row| row.regions.as_slice()).unwrap_or_default() {
            let names =
                cell.counts().map(|(name, _)| name.to_owned()).into_iter().chain(cell.numbers().into_iter().map(|(n, _)| n));
            columns.extend(names.map(|name| format!("regions_{}_{name}", cell.set)));
        }
        let of_metrics = |metric: &CellMetric| {
            let ends = metric.ci.map(|_| ["low", "high"].map(|end| format!("metric_{}_{end}", metric.name)));
            let own = [format!("metric_{}", metric.name), format!("metric_{}_images", metric.name)];
            own.into_iter().chain(ends.into_iter().flatten())
        };
        columns.extend(first.iter().flat_map(|row| &row.metrics).flat_map(of_metrics));
        columns.extend(curve.then(|| "area".to_owned()).into_iter().chain(any_control.then(|| "control".to_owned())));
        let published = self.published_cells();
        columns.extend((!published.is_empty()).then(|| "published".to_owned()));
        let of_published: Vec<Vec<Cell>> =
            published.iter().map(|cell| columns.iter().map(|column| cell.cell(column)).collect()).collect();
        let mut table = TableWriter::new(out, format, Head::new(columns))?;
        // A mean that does not exist is a number all the same, so that a column of such means has the type of the others.
        let number = |value: Option<f64>| Cell::Real(value.unwrap_or(f64::NAN));
        for row in &self.rows {
            let mut cells: Vec<Cell> = row.keys.iter().map(|(_, v)| key_cell(v)).collect();
            cells.extend([row.images, row.subjects, row.missing].map(|n| Cell::Integer(n as i64)));
            let scr = row.scr.iter().filter(|_| meant);
            cells.extend(row.clip_t.iter().chain(&row.similarity).chain(scr).map(|(_, mean)| number(*mean)));
            let of_scr = |ci: &Intervals| if meant { ci.scr.clone() } else { Vec::new() };
            for (_, ends) in row.ci.iter().flat_map(|ci| [ci.clip_t.clone(), ci.similarity.clone(), of_scr(ci)].concat()) {
                cells.extend([0, 1].map(|end| number(ends.map(|ends| ends[end]))));
            }
            cells.extend(row.uncollapsed.iter().filter(|_| meant).map(|(_, mean)| number(*mean)));
            if let Some(controls) = &row.controls {
                cells.push(number(controls.identification.map(|i| i.r_precision)));
                cells.push(number(controls.identification.map(|i| i.mean_rank)));
            }
            if row.controls.as_ref().is_some_and(|controls| !controls.complete) {
                cells.push(number(identity.and_then(|at| row.auc(at))));
            }
            if let Some(controls) = row.controls.as_ref().filter(|controls| controls.complete) {
                cells.extend(controls.chance_scr.iter().filter(|_| meant).map(|(_, value)| number(*value)));
                cells.extend(controls.by_encoder().iter().flat_map(|(_, values)| *values).map(|(_, value)| number(*value)));
            }
            cells.extend(row.local.iter().flat_map(|local| local.values()).map(number));
            for cell in &row.regions {
                cells.extend(cell.counts().map(|(_, count)| Cell::Integer(count as i64)));
                cells.extend(cell.numbers().into_iter().map(|(_, value)| number(value)));
            }
            for metric in &row.metrics {
                cells.extend([number(metric.mean), Cell::Integer(metric.images as i64)]);
                let ends = metric.ci.map(|ends| [0, 1].map(|end| number(ends.map(|ends| ends[end]))));
                cells.extend(ends.into_iter().flatten());
            }
            cells.extend(row.curve.iter().map(|curve| number(curve.as_ref().map(|curve| curve.area))));
            cells.extend(any_control.then_some(Cell::Flag(row.control)));
            cells.extend((!of_published.is_empty()).then_some(Cell::Null));
            table.row(&cells)?;
        }
        of_published.iter().try_for_each(|cells| table.row(cells))?;
        table.finish().map(drop)
    }

    /// One line a cell, for a person.
    fn write_rows(&self, out: impl Write, format: Format) -> io::Result<()> {
        let measures = self.measures(format == Format::Table);
        let mut columns: Vec<String> = self.by.iter().map(|k| k.to_string()).collect();
        columns.push("images".into());
        // Of region sets, an image that was not looked at is another thing than one that cannot be scored.
        let of_regions = self.rows.first().is_some_and(|row| !row.regions.is_empty());
        let any_missing = self.generations_missing > 0 && !of_regions;
        let not_run = self.rows.iter().any(|row| row.regions.iter().any(|cell| cell.not_run + cell.unscored > 0));
        if any_missing {
            columns.push("missing".into());
        }
        if not_run {
            columns.push("not looked at".into());
        }
        if of_regions {
            columns.extend(["subjects", "regions"].map(str::to_owned));
        }
        columns.extend(measures.iter().map(|m| head(m, format)));
        let mut table = TableWriter::new(out, format, Head::new(columns))?;
        // Subjects that no set can show have no line.
        let is_shown = |row: &&Row| !Key::are_of_subjects(&self.by) || row.regions.iter().any(|cell| cell.requested > 0);
        for row in self.rows.iter().filter(|row| !of_regions || is_shown(row)) {
            let mut cells: Vec<Cell> = row.keys.iter().map(|(key, v)| marked(*key, v, row.control)).collect();
            let images = row.regions.first().map_or(row.images, |cell| cell.images);
            cells.push(Cell::Integer(images as i64));
            if any_missing {
                cells.push(Cell::Integer(row.missing as i64));
            }
            let of_first = |pick: fn(&CellRegions) -> u64| Cell::Integer(row.regions.first().map_or(0, pick) as i64);
            if not_run {
                cells.push(of_first(|cell| cell.not_run + cell.unscored));
            }
            if of_regions {
                cells.extend([of_first(|cell| cell.requested), of_first(|cell| cell.regions)]);
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
}

fn head(measure: &MeasureColumn, format: Format) -> String {
    let arrow = match (format, measure.higher_is_better()) {
        (Format::Table, _) => "",
        (_, true) => " ↑",
        (_, false) => " ↓",
    };
    let percent = if measure.is_percent() { " %" } else { "" };
    format!("{}{percent}{arrow}", measure.name())
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
