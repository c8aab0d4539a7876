//! How often which similarity: a line for each model over bins of equal width.

use super::axis::Axis;
use super::chart::{Chart, PlotPoint, Series, Upright};
use super::figure::{Figure, Panel};
use super::figures::{ModelStyles, at};
use super::show::query;
use super::style::Look;

/// Bins over the range of all values.
const BINS: usize = 24;

/// How many values there are in each bin.
pub type BinCounts = [u64; BINS];

/// Bins of equal width.
#[derive(Debug, Clone, Copy)]
pub struct Bins {
    low: f64,
    width: f64,
}

impl Bins {
    /// Returns the bin of a value.
    pub fn of(&self, value: f64) -> usize {
        (((value - self.low) / self.width) as usize).min(BINS - 1)
    }
}

/// How the similarities of each model's requested subjects are spread; `None` without any. `ends` are the least and the
/// greatest by model, and `counts` counts them by model. `marks` are thresholds, each drawn as an upright line.
///
/// # Errors
/// Counting fails.
pub fn histogram<E>(
    models: &[&str],
    ends: &[Option<[f64; 2]>],
    counts: impl FnOnce(&Bins) -> Result<Vec<BinCounts>, E>,
    styles: &ModelStyles,
    label: &str,
    marks: &[f64],
) -> Result<Option<Figure>, E> {
    let places: Vec<(usize, Look)> =
        styles.all().filter_map(|(name, look)| Some((models.iter().position(|model| *model == name)?, look))).collect();
    let ends: Vec<f64> = places.iter().filter_map(|(model, _)| ends[*model]).flatten().collect();
    if ends.is_empty() {
        return Ok(None);
    }
    let x = Axis::over(label, ends.iter().chain(marks).copied(), [-1.0, 1.0], 8);
    let width = (x.range[1] - x.range[0]) / BINS as f64;
    let counts = counts(&Bins { low: x.range[0], width })?;
    let mut series = Vec::new();
    for (model, look) in places {
        let counts = &counts[model];
        let all = counts.iter().sum::<u64>() as f64;
        if all == 0.0 {
            continue;
        }
        let name = models[model];
        let point = |(bin, count): (usize, &u64)| PlotPoint {
            marked: *count > 0,
            show: Some(query(&[("model", name)])),
            ..at(x.range[0] + (bin as f64 + 0.5) * width, *count as f64 / all)
        };
        series.push(Series { name: name.to_owned(), look, points: counts.iter().enumerate().map(point).collect() });
    }
    let highest = series.iter().flat_map(|s| &s.points).map(|point| point.y).fold(0.0, f64::max);
    let top = (highest * 20.0).ceil().max(1.0) / 20.0;
    for mark in marks {
        let points = vec![at(*mark, 0.0), at(*mark, top)];
        series.push(Series { name: format!("τ = {mark}"), look: Look::Chance, points });
    }
    let ticks = (0..=4).map(|quarter| top * f64::from(quarter) / 4.0).map(|y| (y, format!("{:.0}", y * 100.0))).collect();
    let y = Axis { label: "share of requested subjects (%)".into(), range: [0.0, top], ticks };
    Ok(Some(Figure {
        title: format!("How often which {label}, by model"),
        description: "One line per model: the share of its requested subjects in each of 24 bins of equal width.".into(),
        panels: vec![Panel::Chart(Chart { x, y, series, upright: Upright::Values, joined: true, dodge: 0.0, aspect: 0.5 })],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_one_and_the_greatest_value_is_in_the_last_bin() {
        let styles = ModelStyles { models: vec!["a".into(), "b".into()], controls: vec![] };
        let values = [vec![0.0, 0.5, 1.0, 1.0], Vec::new()];
        let count = |bins: &Bins| -> Result<Vec<BinCounts>, ()> {
            let of_model = |values: &Vec<f64>| {
                let mut counts = BinCounts::default();
                values.iter().for_each(|value| counts[bins.of(*value)] += 1);
                counts
            };
            Ok(values.iter().map(of_model).collect())
        };
        let ends = [Some([0.0, 1.0]), None];
        let figure = histogram(&["a", "b"], &ends, count, &styles, "similarity", &[0.4]).unwrap().unwrap();
        let Panel::Chart(chart) = &figure.panels[0] else { panic!("a chart") };
        let names: Vec<&str> = chart.series.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["a", "τ = 0.4"], "a model without values has no line");
        let shares: Vec<f64> = chart.series[0].points.iter().map(|p| p.y).collect();
        assert_eq!((shares.iter().sum::<f64>(), shares[BINS - 1]), (1.0, 0.5));
        assert_eq!(histogram(&["b"], &ends[1..], count, &styles, "similarity", &[]), Ok(None));
    }
}
