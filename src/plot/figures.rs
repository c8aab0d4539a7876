//! Reports as figures. Each function takes the report whose keys it names, and gives nothing where the report
//! holds nothing that could be drawn.

use super::axis::Axis;
use super::chart::{Chart, PlotPoint, Series, Upright};
use super::figure::{Figure, Panel};
use super::heat_map::{HeatMap, HeatQueries};
use super::radar::Radar;
use super::show::{query, query_of};
use super::style::Look;
use crate::report::{Key, KeyValue, MeasureColumn, Report, Row, Snapshot, thresholds_mean_something};
use crate::vocabulary::{CROP, ModelName, SceneType};

/// Who is who: every model by name, with whether it is a control.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelStyles {
    /// Models under test, by name; their places give them their looks.
    pub models: Vec<String>,
    /// Controls, by name.
    pub controls: Vec<String>,
}

impl ModelStyles {
    /// Of all models but the tiles of composites, each of which was asked for one subject alone: no ceiling of
    /// images that hold several.
    pub fn new(models: &[(ModelName, bool)]) -> ModelStyles {
        let models = models.iter().filter(|(name, control)| !(*control && *name == *CROP));
        let (controls, models): (Vec<_>, Vec<_>) = models.partition(|(_, control)| *control);
        let names = |of: Vec<&(ModelName, bool)>| of.into_iter().map(|(name, _)| name.to_string()).collect();
        ModelStyles { models: names(models), controls: names(controls) }
    }

    /// Of the models of a snapshot that are shown, in their order.
    pub fn of(snapshot: &Snapshot) -> ModelStyles {
        let mut shown: Vec<usize> = (0..snapshot.models.len()).filter(|at| snapshot.is_shown(*at as u32)).collect();
        shown.retain(|at| snapshot.crop != Some(*at as u32));
        shown.sort_by_key(|at| snapshot.order(*at));
        let (controls, models): (Vec<usize>, Vec<usize>) = shown.into_iter().partition(|at| snapshot.models[*at].1);
        let names = |of: Vec<usize>| of.into_iter().map(|at| snapshot.models[at].0.to_string()).collect();
        ModelStyles { models: names(models), controls: names(controls) }
    }

    /// Models under test, then controls, each with its look.
    pub fn all(&self) -> impl Iterator<Item = (&str, Look)> {
        let models = self.models.iter().enumerate().map(|(i, name)| (name.as_str(), Look::Model(i)));
        models.chain(self.controls.iter().enumerate().map(|(i, name)| (name.as_str(), Look::Ceiling(i))))
    }

    fn is_control(&self, row: &Row) -> bool {
        row.key(Key::Model).and_then(KeyValue::text).is_some_and(|name| self.controls.iter().any(|c| c == name))
    }
}

const PER_CENT: [f64; 2] = [0.0, 1.0];
const COSINE: [f64; 2] = [-1.0, 1.0];

/// Similarity, SCR and, where the report has controls, identification AUC against the subject count; of a report by
/// model and subject count. `scr` is the place of the threshold.
pub fn trend(report: &Report, styles: &ModelStyles, scr: usize) -> Option<Figure> {
    let measures = report.columns();
    let similarity = measures.iter().find(|m| m.is_identity(report))?;
    // Where no threshold means anything, identification says what SCR cannot.
    let rate = measures.iter().filter(|m| m.is_scr() && report.thresholds_mean_something()).nth(scr);
    let auc = measures.iter().find(|m| m.is_auc(report));
    let leads = rate.or(auc).unwrap_or(similarity);
    let counts = counts(report);
    let x = count_axis(&counts)?;
    let panel = |measure: &MeasureColumn, chance: Option<Series>| {
        let mut series = series(report, styles, count_of, measure);
        series.extend(chance);
        let values =
            series.iter().flat_map(|s| &s.points).flat_map(|p| [Some(p.y), p.interval.map(|i| i[0]), p.interval.map(|i| i[1])]);
        let y = match measure.is_percent() {
            true => Axis::percent(format!("{} (%)", measure.name())),
            false if measure.is_auc(report) => Axis::over("identification AUC", values.flatten().chain([0.45, 1.0]), PER_CENT, 5),
            false => Axis::over(format!("{} similarity", measure.name()), values.flatten(), COSINE, 5),
        };
        Panel::Chart(Chart { x: x.clone(), y, series, upright: Upright::Values, joined: true, dodge: 2.4, aspect: 0.46 })
    };
    let chance_scr: Vec<PlotPoint> =
        counts.iter().filter_map(|n| chance(report, styles, scr, |row| count_of(row) == Some(*n)).map(|y| at(*n, y))).collect();
    let chance_of =
        |points: Vec<PlotPoint>| (!points.is_empty()).then(|| Series { name: "chance".into(), look: Look::Chance, points });
    let mut panels = vec![panel(similarity, None)];
    panels.extend(rate.map(|rate| panel(rate, chance_of(chance_scr))));
    panels.extend(auc.map(|auc| panel(auc, chance_of(counts.iter().map(|n| at(*n, 0.5)).collect()))));
    Some(Figure {
        title: format!("{} similarity and {} against the number of subjects", similarity.name(), leads.name()),
        description: format!("One line per model, with the interval of each mean. {}", told(report, styles, count_of, leads)),
        panels,
    })
}

/// SCR by scene type, or identification AUC where no threshold means anything; of a report by model and scene type.
pub fn scene(report: &Report, styles: &ModelStyles, scr: usize) -> Option<Figure> {
    let measures = report.columns();
    let meant = report.thresholds_mean_something();
    let rate = measures.iter().filter(|m| if meant { m.is_scr() } else { m.is_auc(report) }).nth(if meant { scr } else { 0 })?;
    let scenes = scenes(report);
    let place = |row: &Row| scenes.iter().position(|s| scene_of(row) == Some(s)).map(|i| i as f64);
    let mut all = series(report, styles, place, rate);
    let by_chance = |i: f64| if meant { chance(report, styles, scr, |row| place(row) == Some(i)) } else { Some(0.5) };
    let chance: Vec<PlotPoint> = (0..scenes.len()).filter_map(|i| by_chance(i as f64).map(|y| at(i as f64, y))).collect();
    if !chance.is_empty() {
        all.push(Series { name: "chance".into(), look: Look::Chance, points: chance });
    }
    let x = Axis::of_names("scene type", scenes.iter().map(|s| (*s).to_owned()).collect());
    let values = || all.iter().flat_map(|s| &s.points).map(|point| point.y);
    let y = match meant {
        true => Axis::percent(format!("{} (%)", rate.name())),
        false => Axis::over("identification AUC", values().chain([0.45, 1.0]), PER_CENT, 5),
    };
    let dodge = (40.0 / all.len() as f64).min(11.0);
    Some(Figure {
        title: format!("{} by scene type", rate.name()),
        description: "One marker per model at each scene type, with the interval of its mean.".into(),
        panels: vec![Panel::Chart(Chart { x, y, series: all, upright: Upright::Values, joined: false, dodge, aspect: 0.5 })],
    })
}

/// SCR against the threshold; of a report by model over many thresholds. `tables`: one at the thresholds of the tables,
/// which are marked and have their intervals.
pub fn curve(report: &Report, tables: &Report, styles: &ModelStyles) -> Option<Figure> {
    let (thresholds, marked) = (report.thresholds.values(), &tables.thresholds);
    // Thresholds that mean nothing are not marked as if they did.
    let meant = thresholds_mean_something(&report.identity, marked);
    let marks: &[f64] = if meant { marked.values() } else { &[] };
    let mark = |t: f64| marks.iter().position(|m| (m - t).abs() < 1e-9);
    let mut all = Vec::new();
    for (name, look) in styles.all() {
        let Some(row) = row_of(report, name) else { continue };
        let intervals = row_of(tables, name).and_then(|row| row.ci.as_ref());
        let ends = |mark: usize| intervals.and_then(|ci| ci.scr.get(mark)).and_then(|(_, ends)| *ends);
        let points: Vec<PlotPoint> = thresholds
            .iter()
            .enumerate()
            .filter_map(|(t, x)| {
                let mark = mark(*x);
                Some(PlotPoint { interval: mark.and_then(ends), marked: mark.is_some(), ..at(*x, row.scr.get(t)?.1?) })
            })
            .collect();
        if !points.is_empty() {
            all.push(Series { name: name.to_owned(), look, points });
        }
    }
    let by_chance: Vec<PlotPoint> =
        thresholds.iter().enumerate().filter_map(|(t, x)| chance(report, styles, t, |_| true).map(|y| at(*x, y))).collect();
    if !by_chance.is_empty() {
        all.push(Series { name: "chance".into(), look: Look::Chance, points: by_chance });
    }
    // Where every curve has reached its end there is nothing to see.
    let moving = all.iter().flat_map(|s| &s.points).filter(|p| p.y > 0.005 && p.y < 0.995).map(|p| p.x);
    let x = Axis::over("threshold τ", moving.chain(marks.iter().copied()), COSINE, 6);
    for series in &mut all {
        series.points.retain(|p| p.x >= x.range[0] - 1e-9 && p.x <= x.range[1] + 1e-9);
    }
    let y = Axis::percent("SCR@τ (%)");
    (!all.is_empty()).then(|| Figure {
        title: "Subject Collapse Rate against the threshold".into(),
        description: match meant {
            true => format!("One curve per model, with intervals at the thresholds {marked}."),
            false => "One curve per model.".to_owned(),
        },
        panels: vec![Panel::Chart(Chart { x, y, series: all, upright: Upright::Values, joined: true, dodge: 0.0, aspect: 0.55 })],
    })
}

/// CLIP-T against identity similarity, one path per model from the fewest subjects to the most; of a report by model
/// and subject count. `None` without CLIP-T.
pub fn tradeoff(report: &Report, styles: &ModelStyles) -> Option<Figure> {
    let cells = tradeoff_cells(report, styles);
    let measures = report.columns();
    let (text, identity) = tradeoff_measures(report, &measures)?;
    let series: Vec<Series> = styles
        .all()
        .filter_map(|(name, look)| {
            let mut points: Vec<PlotPoint> = cells
                .iter()
                .filter(|cell| cell.model == name)
                .map(|cell| PlotPoint {
                    marked: true,
                    label: Some(cell.count.to_string()),
                    show: Some(query(&[("model", name), ("n", &cell.count.to_string())])),
                    ..at(cell.clip_t, cell.identity)
                })
                .collect();
            let last = points.len().saturating_sub(1);
            points.iter_mut().enumerate().filter(|(i, _)| *i != 0 && *i != last).for_each(|(_, p)| p.label = None);
            (!points.is_empty()).then(|| Series { name: name.to_owned(), look, points })
        })
        .collect();
    if series.is_empty() {
        return None;
    }
    let points = || series.iter().flat_map(|s| &s.points);
    let x = Axis::over(text.name(), points().map(|p| p.x), COSINE, 5);
    let y = Axis::over(format!("{} similarity", identity.name()), points().map(|p| p.y), COSINE, 5);
    Some(Figure {
        title: format!("{} against {}", text.name(), identity.name()),
        description: "One path per model; the numbers are the subjects in the prompt at its ends.".into(),
        panels: vec![Panel::Chart(Chart { x, y, series, upright: Upright::Values, joined: true, dodge: 0.0, aspect: 0.7 })],
    })
}

/// The correlation over the cells of [`tradeoff`], controls left out, and how many cells those are.
pub fn tradeoff_correlation(report: &Report, styles: &ModelStyles) -> Option<(f64, usize)> {
    let mut cells = tradeoff_cells(report, styles);
    cells.retain(|cell| styles.models.contains(&cell.model));
    let (x, y): (Vec<f64>, Vec<f64>) = cells.iter().map(|cell| (cell.clip_t, cell.identity)).unzip();
    Some((crate::score::pearson(&x, &y)?, cells.len()))
}

struct FigureCell {
    model: String,
    count: i64,
    clip_t: f64,
    identity: f64,
}

fn tradeoff_measures<'m>(report: &Report, measures: &'m [MeasureColumn]) -> Option<(&'m MeasureColumn, &'m MeasureColumn)> {
    Some((measures.iter().find(|m| m.is_clip_t())?, measures.iter().find(|m| m.is_identity(report))?))
}

fn tradeoff_cells(report: &Report, styles: &ModelStyles) -> Vec<FigureCell> {
    let measures = report.columns();
    let Some((text, identity)) = tradeoff_measures(report, &measures) else { return Vec::new() };
    let cell = |row: &Row| {
        let Some(KeyValue::Integer(count)) = row.key(Key::SubjectCount) else { return None };
        let model = row.key(Key::Model)?.text()?.to_owned();
        Some(FigureCell { model, count: *count, clip_t: text.value(row)?, identity: identity.value(row)? })
    };
    let known = |cell: &FigureCell| styles.all().any(|(name, _)| name == cell.model);
    report.rows.iter().filter_map(cell).filter(known).collect()
}

/// Each model over every cosine, on spokes; of a report by model. `None` with fewer than three.
pub fn radar(report: &Report, styles: &ModelStyles) -> Option<Figure> {
    let measures: Vec<MeasureColumn> = report.columns().into_iter().filter(MeasureColumn::is_cosine).collect();
    if measures.len() < 3 {
        return None;
    }
    let values = |name| row_of(report, name).map(|row| measures.iter().map(|m| m.value(row)).collect::<Vec<_>>());
    let models: Vec<_> = styles.all().filter_map(|(name, look)| Some((name.to_owned(), look, values(name)?))).collect();
    let names: Vec<String> = measures.iter().map(|m| m.name().to_owned()).collect();
    (!models.is_empty()).then(|| Figure {
        title: format!("Profile of the models over {}", names.join(", ")),
        description: "One outline per model; all spokes have the same scale.".into(),
        panels: vec![Panel::Radar(Radar { measures: names, models })],
    })
}

/// Each model over every cosine, on lines: the radar's numbers with their intervals; of a report by model.
pub fn profile(report: &Report, styles: &ModelStyles) -> Option<Figure> {
    let measures: Vec<MeasureColumn> = report.columns().into_iter().filter(MeasureColumn::is_cosine).collect();
    let series: Vec<Series> = styles
        .all()
        .filter_map(|(name, look)| {
            let row = row_of(report, name)?;
            let point = |(i, m): (usize, &MeasureColumn)| {
                Some(PlotPoint {
                    interval: m.ends(row),
                    marked: true,
                    show: Some(query_of(&row.keys)),
                    ..at(m.value(row)?, i as f64)
                })
            };
            let points: Vec<PlotPoint> = measures.iter().enumerate().filter_map(point).collect();
            (!points.is_empty()).then(|| Series { name: name.to_owned(), look, points })
        })
        .collect();
    let values =
        series.iter().flat_map(|s| &s.points).flat_map(|p| [Some(p.x), p.interval.map(|i| i[0]), p.interval.map(|i| i[1])]);
    let x = Axis::over("cosine", values.flatten(), COSINE, 5);
    let y = Axis::of_names("", measures.iter().map(|m| m.name().to_owned()).collect());
    let rows = measures.len() as f64;
    let (aspect, dodge) = ((0.1 * rows).max(0.14), (14.0 / series.len().max(1) as f64).min(5.0));
    (!series.is_empty()).then(|| Figure {
        title: "Profile of the models over their cosines".into(),
        description: "One marker per model in each row, with the interval of its mean.".into(),
        panels: vec![Panel::Chart(Chart { x, y, series, upright: Upright::Names, joined: false, dodge, aspect })],
    })
}

/// Subjects by models, the worst first: how often each is present, or, where no image was searched, how similar; of
/// a report by subject and model. `name_of` names a subject by its id; of more than `most` subjects the worst are shown.
pub fn heat_map(report: &Report, styles: &ModelStyles, name_of: impl Fn(&str) -> String, most: usize) -> Option<Figure> {
    let measures = report.columns();
    // Where images were searched, presence says what similarity of the whole image cannot.
    let rate = measures.iter().find(|m| m.is_cscr(false) && report.rows.iter().any(|row| m.value(row).is_some()));
    let identity = measures.iter().find(|m| m.is_identity(report))?;
    let value = |row: &Row| match rate {
        Some(rate) => rate.value(row).map(|rate| 1.0 - rate),
        None => identity.value(row),
    };
    let names: Vec<&str> = styles.all().map(|(name, _)| name).collect();
    let mut rows: Vec<(&str, Vec<Option<f64>>)> = Vec::new();
    for row in &report.rows {
        let (Some(subject), Some(model)) =
            (row.key(Key::SubjectId).and_then(KeyValue::text), row.key(Key::Model).and_then(KeyValue::text))
        else {
            continue;
        };
        let Some(column) = names.iter().position(|name| *name == model) else { continue };
        if rows.last().is_none_or(|(last, _)| *last != subject) {
            rows.push((subject, vec![None; names.len()]));
        }
        if let Some((_, values)) = rows.last_mut() {
            values[column] = value(row);
        }
    }
    let under_test = styles.models.len();
    let mean = |values: &[Option<f64>]| {
        let known: Vec<f64> = values[..under_test].iter().flatten().copied().collect();
        if known.is_empty() { f64::INFINITY } else { crate::score::mean(&known) }
    };
    rows.sort_by(|(a, x), (b, y)| mean(x).total_cmp(&mean(y)).then_with(|| a.cmp(b)));
    let all = rows.len();
    rows.truncate(most);
    let least = if rate.is_some() { "least often present" } else { "least similar" };
    let shown = if all > most {
        format!("The {most} of {all} subjects that are {least}")
    } else {
        format!("All {all} subjects, the {least} first")
    };
    let (title, label) = match rate {
        Some(_) => {
            ("How often each subject is present, by model".to_owned(), "share of images with the subject present".to_owned())
        }
        None => {
            (format!("{} similarity of each subject by model", identity.name()), format!("mean {} similarity", identity.name()))
        }
    };
    let mean = if rate.is_some() { "share of" } else { "mean over" };
    (!rows.is_empty()).then(|| Figure {
        title,
        description: format!("{shown}; each cell is the {mean} the images that were to show the subject."),
        panels: vec![Panel::HeatMap(HeatMap {
            label,
            queries: Some(HeatQueries {
                columns: names.iter().map(|name| query(&[("model", name)])).collect(),
                rows: rows.iter().map(|(subject, _)| query(&[("subject", subject)])).collect(),
            }),
            columns: names.into_iter().map(|name| name.strip_prefix("control:").unwrap_or(name).to_owned()).collect(),
            rows: rows.into_iter().map(|(subject, values)| (name_of(subject), values)).collect(),
        })],
    })
}

pub(super) fn at(x: f64, y: f64) -> PlotPoint {
    PlotPoint { x, y, ..PlotPoint::default() }
}

pub(super) fn counts(report: &Report) -> Vec<f64> {
    let mut counts: Vec<f64> = report.rows.iter().filter_map(count_of).collect();
    counts.sort_unstable_by(f64::total_cmp);
    counts.dedup();
    counts
}

/// How many subjects the prompts of a row have.
pub(super) fn count_of(row: &Row) -> Option<f64> {
    match row.key(Key::SubjectCount) {
        Some(KeyValue::Integer(n)) => Some(*n as f64),
        _ => None,
    }
}

/// The axis of subject counts, which ascend; `None`: there are none.
pub(super) fn count_axis(counts: &[f64]) -> Option<Axis> {
    let (first, last) = (*counts.first()?, *counts.last()?);
    let margin = ((last - first) / 14.0).max(0.5);
    Some(Axis {
        label: "subjects in the prompt".into(),
        range: [first - margin, last + margin],
        ticks: counts.iter().map(|n| (*n, n.to_string())).collect(),
    })
}

/// The scene types that a report has rows of, in their order.
pub(super) fn scenes(report: &Report) -> Vec<&'static str> {
    SceneType::ALL.iter().map(|s| s.as_str()).filter(|s| report.rows.iter().any(|row| scene_of(row) == Some(s))).collect()
}

pub(super) fn scene_of(row: &Row) -> Option<&str> {
    row.key(Key::SceneType).and_then(KeyValue::text)
}

fn row_of<'r>(report: &'r Report, model: &str) -> Option<&'r Row> {
    report.rows.iter().find(|row| row.key(Key::Model).and_then(KeyValue::text) == Some(model))
}

/// A measure of every model, at the places that `x` gives its rows.
pub(super) fn series(
    report: &Report,
    styles: &ModelStyles,
    x: impl Fn(&Row) -> Option<f64>,
    measure: &MeasureColumn,
) -> Vec<Series> {
    let of = |name: &str| -> Vec<PlotPoint> {
        let rows = report.rows.iter().filter(|row| row.key(Key::Model).and_then(KeyValue::text) == Some(name));
        let point = |row: &Row| {
            let show = Some(query_of(&row.keys));
            Some(PlotPoint { interval: measure.ends(row), marked: true, show, ..at(x(row)?, measure.value(row)?) })
        };
        rows.filter_map(point).collect()
    };
    let series = styles.all().map(|(name, look)| Series { name: name.to_owned(), look, points: of(name) });
    series.filter(|s| !s.points.is_empty()).collect()
}

/// SCR by chance: the mean over the models under test, whose rows `which` picks.
fn chance(report: &Report, styles: &ModelStyles, threshold: usize, which: impl Fn(&Row) -> bool) -> Option<f64> {
    let rows = report.rows.iter().filter(|row| which(row) && !styles.is_control(row));
    let values: Vec<f64> = rows.filter_map(|row| row.controls.as_ref()?.chance_scr.get(threshold)?.1).collect();
    (!values.is_empty()).then(|| crate::score::mean(&values))
}

/// The first and the last value of each model, in words.
pub(super) fn told(report: &Report, styles: &ModelStyles, x: impl Fn(&Row) -> Option<f64>, measure: &MeasureColumn) -> String {
    let percent = |y: f64| format!("{:.1} %", y * 100.0);
    let all = series(report, styles, x, measure);
    let sentences = all.iter().filter_map(|s| {
        let (first, last) = (s.points.first()?, s.points.last()?);
        Some(format!(
            "{}: {} from {} at {} subjects to {} at {}.",
            s.name,
            measure.name(),
            percent(first.y),
            first.x,
            percent(last.y),
            last.x
        ))
    });
    sentences.collect::<Vec<_>>().join(" ")
}
