//! Metrics from elsewhere as figures: against the subject count, and by scene type.

use super::axis::Axis;
use super::chart::{Chart, PlotPoint, Series, Upright};
use super::figure::{Figure, Panel};
use super::figures::{ModelStyles, count_axis, count_of, counts, scene_of, scenes, series};
use crate::report::{MeasureColumn, Report, Row};

/// A metric that was computed elsewhere, against the subject count; of a report by model and subject count. `None`: the
/// report has no such metric, or no value of it.
pub fn metric_trend(report: &Report, styles: &ModelStyles, metric: &str) -> Option<Figure> {
    let measure = metric_of(report, metric)?;
    let x = count_axis(&counts(report))?;
    let series = series(report, styles, count_of, &measure);
    let y = metric_axis(&measure, &series);
    let shape = (Upright::Values, true, 2.4, 0.46);
    metric_figure(&measure, "against the number of subjects", "One line per model", (x, y), series, shape)
}

/// A metric that was computed elsewhere, by scene type; of a report by model and scene type. `None`: the report has no such
/// metric, or no value of it.
pub fn metric_scene(report: &Report, styles: &ModelStyles, metric: &str) -> Option<Figure> {
    let measure = metric_of(report, metric)?;
    let scenes = scenes(report);
    let place = |row: &Row| scenes.iter().position(|s| scene_of(row) == Some(s)).map(|i| i as f64);
    let series = series(report, styles, place, &measure);
    let x = Axis::of_names("scene type", scenes.iter().map(|s| (*s).to_owned()).collect());
    let y = metric_axis(&measure, &series);
    let shape = (Upright::Values, false, (40.0 / series.len().max(1) as f64).min(11.0), 0.5);
    metric_figure(&measure, "by scene type", "One marker per model at each scene type", (x, y), series, shape)
}

fn metric_of(report: &Report, metric: &str) -> Option<MeasureColumn> {
    report.columns().into_iter().find(|column| column.is_metric() && column.name() == metric)
}

fn metric_axis(measure: &MeasureColumn, series: &[Series]) -> Axis {
    let ends = |p: &PlotPoint| [Some(p.y), p.interval.map(|i| i[0]), p.interval.map(|i| i[1])];
    let values = series.iter().flat_map(|s| &s.points).flat_map(ends).flatten();
    let better = if measure.higher_is_better() { "higher is better" } else { "lower is better" };
    let bounds = measure.range().unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
    Axis::over(format!("{} ({better})", measure.name()), values, bounds, 5)
}

fn metric_figure(
    measure: &MeasureColumn,
    against: &str,
    drawn: &str,
    (x, y): (Axis, Axis),
    series: Vec<Series>,
    (upright, joined, dodge, aspect): (Upright, bool, f64, f64),
) -> Option<Figure> {
    (!series.is_empty()).then(|| Figure {
        title: format!("{} {against}", measure.name()),
        description: format!("{drawn}, with the interval of each mean."),
        panels: vec![Panel::Chart(Chart { x, y, series, upright, joined, dodge, aspect })],
    })
}
