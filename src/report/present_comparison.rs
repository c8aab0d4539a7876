//! Comparisons and leaderboards as tables.

use super::present::key_cell;
use super::{Comparison, Comparisons, Key, KeyValue, Leaderboard, RegionMeasure, Standing};
use crate::table::{Cell, Format, Head, TableWriter};
use std::io::{self, Write};

impl Comparisons {
    /// Writes the comparisons in a format. A difference is set off where the models are told apart.
    ///
    /// # Errors
    /// Writing to `out` fails.
    pub fn write(&self, mut out: impl Write, format: Format) -> io::Result<()> {
        let exact = format.is_for_programs();
        if matches!(format, Format::Table | Format::Md) {
            for words in &self.words {
                writeln!(out, "{words}\n")?;
            }
        }
        let unmatched = exact || self.rows.iter().any(|row| row.only_a + row.only_b > 0);
        let mut columns = vec!["measure", "a", "b"];
        columns.extend(self.by.iter().map(|key| key.as_str()));
        columns.extend(["pairs", "prompts"]);
        columns.extend(["only_a", "only_b"].iter().filter(|_| unmatched));
        match exact {
            true => columns.extend(["mean_a", "mean_b", "difference", "low", "high", "p", "p_holm"]),
            false => columns.extend(["mean a", "mean b", "a - b", "p", "p (Holm)"]),
        }
        let mut table = TableWriter::new(out, format, Head::new(columns.into_iter().map(str::to_owned).collect()))?;
        for row in &self.rows {
            let measure = if exact { row.measure.clone() } else { with_unit(&row.measure) };
            let mut cells = [&measure, &row.a, &row.b].map(|text| Cell::Text(text.clone())).to_vec();
            cells.extend(row.keys.iter().map(|(_, value)| key_cell(value)));
            cells.extend([row.pairs, row.prompts].map(|n| Cell::Integer(n as i64)));
            if unmatched {
                cells.extend([row.only_a, row.only_b].map(|n| Cell::Integer(n as i64)));
            }
            cells.extend(if exact { row.exact() } else { row.rounded(1.0 - self.level) });
            table.row(&cells)?;
        }
        table.finish().map(drop)
    }
}

impl Comparison {
    fn exact(&self) -> Vec<Cell> {
        let [low, high] = ends(self.ci);
        [self.mean_a, self.mean_b, self.difference, low, high, self.p, self.p_holm].map(number).to_vec()
    }

    fn rounded(&self, alpha: f64) -> Vec<Cell> {
        let text = |value: Option<f64>| value.map_or(Cell::Null, |v| Cell::Number(rounded(&self.measure, v)));
        let difference = self.difference.map(|d| rounded(&self.measure, d) + &interval(&self.measure, self.ci));
        let told_apart = self.p_holm.is_some_and(|p| p <= alpha);
        vec![
            text(self.mean_a),
            text(self.mean_b),
            difference.map_or(Cell::Null, |text| if told_apart { Cell::Best(text) } else { Cell::Number(text) }),
            self.p.map_or(Cell::Null, |p| Cell::Number(probability(p))),
            self.p_holm.map_or(Cell::Null, |p| Cell::Number(probability(p))),
        ]
    }
}

impl Leaderboard {
    /// Writes the leaderboard in a format.
    ///
    /// # Errors
    /// Writing to `out` fails.
    pub fn write(&self, out: impl Write, format: Format) -> io::Result<()> {
        let exact = format.is_for_programs();
        let mut columns: Vec<String> = self.by.iter().map(|key| key.to_string()).collect();
        columns.extend(["rank", "model", "groups"].map(str::to_owned));
        if exact {
            columns.push("margin".to_owned());
        } else if self.unequal {
            columns.push(if is_percent(&self.measure) { "margin %" } else { "margin" }.to_owned());
        }
        columns.push("images".to_owned());
        match exact {
            true => columns.extend(["mean", "low", "high"].map(str::to_owned)),
            false => columns.push(with_unit(&self.measure)),
        }
        let mut table = TableWriter::new(out, format, Head::new(columns))?;
        for row in &self.rows {
            table.row(&self.cells(row, exact))?;
        }
        table.finish().map(drop)
    }

    fn cells(&self, row: &Standing, exact: bool) -> Vec<Cell> {
        let keys: &[(Key, KeyValue)] = &row.keys;
        let mut cells: Vec<Cell> = keys.iter().map(|(_, value)| key_cell(value)).collect();
        cells.push(row.rank.map_or(Cell::Null, |rank| Cell::Integer(rank as i64)));
        cells.extend([&row.model, &row.groups].map(|text| Cell::Text(text.clone())));
        match exact {
            true => cells.push(number(row.margin)),
            false if self.unequal => {
                cells.push(row.margin.map_or(Cell::Null, |margin| Cell::Number(rounded(&self.measure, margin))));
            }
            false => {}
        }
        cells.push(Cell::Integer(row.images as i64));
        match exact {
            true => cells.extend([number(row.mean)].into_iter().chain(ends(row.ci).map(number))),
            false => cells.push(
                row.mean.map_or(Cell::Null, |mean| Cell::Number(rounded(&self.measure, mean) + &interval(&self.measure, row.ci))),
            ),
        }
        cells
    }
}

/// A number that does not exist is one all the same, so that a column of such has the type of the others.
fn number(value: Option<f64>) -> Cell {
    Cell::Real(value.unwrap_or(f64::NAN))
}

fn ends(ci: Option<[f64; 2]>) -> [Option<f64>; 2] {
    [ci.map(|[low, _]| low), ci.map(|[_, high]| high)]
}

pub(super) fn is_percent(measure: &str) -> bool {
    measure.starts_with("scr@") || measure.starts_with("cscr") || of_regions(measure) == Some(RegionMeasure::Collapse)
}

/// The measure of regions that a name such as `r_scr/faces` is of.
fn of_regions(measure: &str) -> Option<RegionMeasure> {
    measure.split_once('/')?.0.parse().ok()
}

/// Whether a higher value of a measure that can be compared is better.
pub(super) fn higher_is_better(measure: &str) -> bool {
    of_regions(measure).map_or(!is_percent(measure), |measure| !measure.lower_is_better())
}

/// The measure as people read it: with its unit, and an arrow that points where it is better.
fn with_unit(measure: &str) -> String {
    let arrow = if higher_is_better(measure) { '↑' } else { '↓' };
    if is_percent(measure) { format!("{measure} % {arrow}") } else { format!("{measure} {arrow}") }
}

/// SCR in percent points with one decimal, cosines with three.
pub(super) fn rounded(measure: &str, value: f64) -> String {
    if is_percent(measure) { format!("{:.1}", value * 100.0) } else { format!("{value:.3}") }
}

/// Four decimals, or as a power of ten what they would round away.
pub(super) fn probability(p: f64) -> String {
    if p < 1e-4 { format!("{p:.1e}") } else { format!("{p:.4}") }
}

fn interval(measure: &str, ci: Option<[f64; 2]>) -> String {
    match ci {
        Some([low, high]) => format!(" [{}, {}]", rounded(measure, low), rounded(measure, high)),
        None => " [–]".to_owned(),
    }
}
