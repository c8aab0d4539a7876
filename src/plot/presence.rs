//! What the windows say, as figures: calibrated SCR against the subject count, by scene type, against α; presence cell
//! by cell.

use super::axis::Axis;
use super::chart::{Chart, PlotPoint, Series, Upright};
use super::figure::{Figure, Panel};
use super::figures::{ModelStyles, at, count_axis, count_of, counts, scene_of, scenes, series, told};
use super::heat_map::{HeatMap, HeatQueries};
use super::show::query;
use super::style::Look;
use crate::report::{Key, KeyValue, MeasureColumn, Report, Row};
use crate::vocabulary::SceneType;

/// Calibrated SCR, the same within the kind, and what goes beyond words, against the subject count; of a report by model
/// and subject count at this α. `None`: no image was searched.
pub fn cscr(report: &Report, styles: &ModelStyles, alpha: f64) -> Option<Figure> {
    let measures = report.columns();
    let rate = measures.iter().find(|m| m.is_cscr(false))?;
    let counts = counts(report);
    let x = count_axis(&counts)?;
    let panel = |measure: &MeasureColumn, label: String, chance: f64| {
        let mut all = series(report, styles, count_of, measure);
        if all.is_empty() {
            return None;
        }
        let by_chance = counts.iter().map(|n| at(*n, chance)).collect();
        all.push(Series { name: "chance".into(), look: Look::Chance, points: by_chance });
        let y = Axis::percent(label);
        Some(Panel::Chart(Chart {
            x: x.clone(),
            y,
            series: all,
            upright: Upright::Values,
            joined: true,
            dodge: 2.4,
            aspect: 0.46,
        }))
    };
    let of_rate = |measure: &MeasureColumn| panel(measure, format!("{} (%)", measure.name()), 1.0 - alpha);
    let mut panels: Vec<Panel> = of_rate(rate).into_iter().collect();
    panels.extend(measures.iter().find(|m| m.is_cscr(true)).and_then(of_rate));
    let beyond = measures.iter().find(|m| m.is_beyond_words());
    panels.extend(beyond.and_then(|measure| panel(measure, "beyond words (%)".into(), 0.5)));
    (!panels.is_empty()).then(|| Figure {
        title: format!("{} against the number of subjects", rate.name()),
        description: format!("One line per model, with the interval of each mean. {}", told(report, styles, count_of, rate)),
        panels,
    })
}

/// Calibrated SCR by scene type; of a report by model and scene type at this α.
pub fn cscr_scene(report: &Report, styles: &ModelStyles, alpha: f64) -> Option<Figure> {
    let measures = report.columns();
    let rate = measures.iter().find(|m| m.is_cscr(false))?;
    let scenes = scenes(report);
    let place = |row: &Row| scenes.iter().position(|s| scene_of(row) == Some(s)).map(|i| i as f64);
    let mut all = series(report, styles, place, rate);
    if all.is_empty() {
        return None;
    }
    let points = (0..scenes.len()).map(|i| at(i as f64, 1.0 - alpha)).collect();
    all.push(Series { name: "chance".into(), look: Look::Chance, points });
    let x = Axis::of_names("scene type", scenes.iter().map(|s| (*s).to_owned()).collect());
    let y = Axis::percent(format!("{} (%)", rate.name()));
    let dodge = (40.0 / all.len() as f64).min(11.0);
    Some(Figure {
        title: format!("{} by scene type", rate.name()),
        description: "One marker per model at each scene type, with the interval of its mean; chance is 1 less α.".into(),
        panels: vec![Panel::Chart(Chart { x, y, series: all, upright: Upright::Values, joined: false, dodge, aspect: 0.5 })],
    })
}

/// Calibrated SCR of each model against α, with the line of chance; of [`crate::report::cscr_by_alpha`]. `alpha` is the
/// level of the tables, which is marked.
pub fn cscr_curve(curves: &[(String, Vec<(f64, f64)>)], styles: &ModelStyles, alpha: f64) -> Option<Figure> {
    let mut all = Vec::new();
    for (name, look) in styles.all() {
        let Some((_, points)) = curves.iter().find(|(model, _)| model == name) else { continue };
        let point = |(x, y): &(f64, f64)| PlotPoint { marked: (x - alpha).abs() < 1e-9, ..at(*x, *y) };
        all.push(Series { name: name.to_owned(), look, points: points.iter().map(point).collect() });
    }
    if all.is_empty() {
        return None;
    }
    let alphas = || curves.iter().flat_map(|(_, points)| points).map(|(alpha, _)| *alpha);
    let x = Axis::over("level α", alphas().chain([0.0]), [0.0, 1.0], 6);
    let mut levels: Vec<f64> = alphas().collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let points = levels.into_iter().map(|alpha| at(alpha, 1.0 - alpha)).collect();
    all.push(Series { name: "chance".into(), look: Look::Chance, points });
    let y = Axis::percent("cSCR@α (%)");
    Some(Figure {
        title: "Calibrated Subject Collapse Rate against α".into(),
        description: "One curve per model. Requests drawn at random have 1 less α; the further below that line a curve lies, \
                      the more of what was asked for is there because it was asked for."
            .into(),
        panels: vec![Panel::Chart(Chart { x, y, series: all, upright: Upright::Values, joined: true, dodge: 0.0, aspect: 0.55 })],
    })
}

/// The share of requested subjects that are present, by subject count and scene type, models side by side; of a report by
/// model, subject count and scene type.
pub fn presence_by_cell(report: &Report, styles: &ModelStyles) -> Option<Figure> {
    let measures = report.columns();
    let rate = measures.iter().find(|m| m.is_cscr(false))?;
    let names: Vec<&str> = styles.all().map(|(name, _)| name).collect();
    let mut rows: Vec<(String, Vec<Option<f64>>)> = Vec::new();
    let mut queries = HeatQueries { columns: names.iter().map(|name| query(&[("model", name)])).collect(), rows: Vec::new() };
    for count in counts(report) {
        for scene in SceneType::ALL {
            let is_here = |row: &&Row| count_of(row) == Some(count) && scene_of(row) == Some(scene.as_str());
            let of_model = |name: &&str| {
                let mut here = report.rows.iter().filter(is_here);
                here.find(|row| row.key(Key::Model).and_then(KeyValue::text) == Some(name)).and_then(|row| rate.value(row))
            };
            let values: Vec<Option<f64>> = names.iter().map(|name| of_model(name).map(|rate| 1.0 - rate)).collect();
            if values.iter().any(Option::is_some) {
                rows.push((format!("{count} {scene}"), values));
                queries.rows.push(query(&[("n", &count.to_string()), ("scene", scene.as_str())]));
            }
        }
    }
    (!rows.is_empty()).then(|| Figure {
        title: "Share of requested subjects that are present, by subject count and scene type".into(),
        description: format!("Each cell is 1 less {} over its images.", rate.name()),
        panels: vec![Panel::HeatMap(HeatMap {
            label: "share of subjects that are present".into(),
            queries: Some(queries),
            columns: names.into_iter().map(|name| name.strip_prefix("control:").unwrap_or(name).to_owned()).collect(),
            rows,
        })],
    })
}
