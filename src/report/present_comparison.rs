//! Comparisons and leaderboards as tables.

use super::metrics::decimal;
use super::present::key_cell;
use super::{Comparison, Comparisons, Key, KeyValue, Leaderboard, RegionMeasure, Standing};
use crate::table::{Cell, Format, Head, TableWriter};
use crate::vocabulary::{Better, MetricRule};
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
            let measure = if exact { row.measure.clone() } else { row.shown().with_unit() };
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
    /// Returns its measure as people read it.
    pub fn shown(&self) -> ShownMeasure<'_> {
        ShownMeasure { name: &self.measure, metric: self.metric }
    }

    fn exact(&self) -> Vec<Cell> {
        let [low, high] = ends(self.ci);
        [self.mean_a, self.mean_b, self.difference, low, high, self.p, self.p_holm].map(number).to_vec()
    }

    fn rounded(&self, alpha: f64) -> Vec<Cell> {
        let shown = self.shown();
        let text = |value: Option<f64>| value.map_or(Cell::Null, |v| Cell::Number(shown.rounded(v)));
        let difference = self.difference.map(|d| shown.rounded(d) + &shown.interval(self.ci));
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
    /// Returns its measure as people read it.
    pub fn shown(&self) -> ShownMeasure<'_> {
        ShownMeasure { name: &self.measure, metric: self.metric }
    }

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
            columns.push(if self.shown().is_percent() { "margin %" } else { "margin" }.to_owned());
        }
        columns.push("images".to_owned());
        match exact {
            true => columns.extend(["mean", "low", "high"].map(str::to_owned)),
            false => columns.push(self.shown().with_unit()),
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
                cells.push(row.margin.map_or(Cell::Null, |margin| Cell::Number(self.shown().rounded(margin))));
            }
            false => {}
        }
        cells.push(Cell::Integer(row.images as i64));
        match exact {
            true => cells.extend([number(row.mean)].into_iter().chain(ends(row.ci).map(number))),
            false => cells.push(
                row.mean.map_or(Cell::Null, |mean| Cell::Number(self.shown().rounded(mean) + &self.shown().interval(row.ci))),
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

/// A measure as people read it, by its name: `cscr@0.05`, `r_scr/faces`, the name of a metric.
#[derive(Debug, Clone, Copy)]
pub struct ShownMeasure<'m> {
    name: &'m str,
    metric: Option<MetricRule>,
}

impl ShownMeasure<'_> {
    /// The measure of regions that a name such as `r_scr/faces` is of.
    fn of_regions(&self) -> Option<RegionMeasure> {
        self.name.split_once('/')?.0.parse().ok()
    }

    /// Returns whether tables print it in per cent.
    pub fn is_percent(&self) -> bool {
        self.metric.is_none()
            && (self.name.starts_with("scr@")
                || self.name.starts_with("cscr")
                || self.of_regions() == Some(RegionMeasure::Collapse))
    }

    /// Returns whether a higher value is better.
    pub fn higher_is_better(&self) -> bool {
        match self.metric {
            Some(rule) => rule.better == Better::Higher,
            None => self.of_regions().map_or(!self.is_percent(), |measure| !measure.lower_is_better()),
        }
    }

    /// The measure with its unit, and an arrow that points where it is better.
    fn with_unit(&self) -> String {
        let arrow = if self.higher_is_better() { '↑' } else { '↓' };
        if self.is_percent() { format!("{} % {arrow}", self.name) } else { format!("{} {arrow}", self.name) }
    }

    /// SCR in percent points with one decimal, cosines with three.
    pub fn rounded(&self, value: f64) -> String {
        match self.metric {
            Some(_) => decimal(value),
            None if self.is_percent() => format!("{:.1}", value * 100.0),
            None => format!("{value:.3}"),
        }
    }

    fn interval(&self, ci: Option<[f64; 2]>) -> String {
        match ci {
            Some([low, high]) => format!(" [{}, {}]", self.rounded(low), self.rounded(high)),
            None => " [–]".to_owned(),
        }
    }
}

/// Four decimals, or as a power of ten what they would round away.
pub(super) fn probability(p: f64) -> String {
    if p < 1e-4 { format!("{p:.1e}") } else { format!("{p:.4}") }
}
