//! Which measures see that the faithful generator is the best, and which are fooled.

use super::Generator;
use crate::Dataset;
use crate::error::{Error, Result};
use crate::report::{Key, KeyValue, MeasureColumn, Report, ReportOptions, Row};

/// What a measure says of the generators, of which the truth is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Winner {
    /// The measure, as tables head it.
    pub measure: String,
    /// Whether tables, the page and rankings lead with it; SCR by an encoder that its thresholds were not found for does not.
    pub leads: bool,
    /// The generator that is best by it.
    pub best: String,
    /// That one's value and the faithful generator's, as tables print them.
    pub values: [String; 2],
}

impl Winner {
    /// Whether another generator than the faithful one wins.
    pub fn is_fooled(&self) -> bool {
        self.best != Generator::Faithful.to_string()
    }
}

/// Returns the best generator by every measure, over all images.
///
/// # Errors
/// There is nothing to report.
pub(super) fn winners(data: &Dataset) -> Result<Vec<Winner>> {
    let by_model = |thresholds| -> Result<Report> {
        data.report(&ReportOptions { by: vec![Key::Model], thresholds, controls: true, ..ReportOptions::default() })
    };
    let shown = by_model(ReportOptions::default().thresholds)?;
    let asked = by_model("0.4,0.5,0.6".parse().map_err(Error::Damaged)?)?;
    let leading: Vec<String> = shown.columns().iter().map(|column| column.name().to_owned()).collect();
    let is_measured = |column: &MeasureColumn| !column.name().starts_with("chance");
    let winner = |column: &MeasureColumn| winner(&asked.rows, column, leading.iter().any(|name| name == column.name()));
    Ok(asked.columns().iter().filter(|column| is_measured(column)).filter_map(winner).collect())
}

fn winner(rows: &[Row], column: &MeasureColumn, leads: bool) -> Option<Winner> {
    let mut known: Vec<(f64, &str)> = rows
        .iter()
        .filter(|row| !row.control)
        .filter_map(|row| Some((column.value(row)?, row.key(Key::Model).and_then(KeyValue::text)?)))
        .collect();
    let sign = if column.higher_is_better() { -1.0 } else { 1.0 };
    known.sort_by(|(a, one), (b, other)| (sign * a).total_cmp(&(sign * b)).then_with(|| one.cmp(other)));
    let (best_value, best) = *known.first()?;
    let faithful = known.iter().find(|(_, name)| *name == Generator::Faithful.to_string())?.0;
    let shown = |value: f64| column.text(value) + if column.is_percent() { " %" } else { "" };
    Some(Winner { measure: column.name().to_owned(), leads, best: best.to_owned(), values: [best_value, faithful].map(shown) })
}
