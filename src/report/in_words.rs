//! Two models against each other in plain words, with the numbers.

use super::measure::Measure;
use super::pairing::Pairing;
use super::present_comparison::{ShownMeasure, probability};
use super::{CompareOptions, Comparison, Key, KeyValue, Snapshot};
use crate::error::Result;
use crate::score::{Question, holm};
use crate::text::plain;

/// Most subjects named as a model's worst.
const WORST: usize = 3;

/// Returns sentences on each pair of models: which is better by the measure that leads (or the one asked for), by how much,
/// whether that is more than chance, at which subject counts and in which scenes; what the other measures say; and each
/// one's worst subjects.
pub(super) fn in_words(snapshot: &Snapshot, pairs: &[[u32; 2]], options: &CompareOptions) -> Result<Vec<String>> {
    let by = |keys: &[Key]| CompareOptions { by: keys.to_vec(), ..options.clone() };
    let (whole, counts, scenes, subjects) = (by(&[]), by(&[Key::SubjectCount]), by(&[Key::SceneType]), by(&[Key::SubjectId]));
    let pairing = Pairing::new(snapshot, &whole, pairs.as_flattened())?;
    let leading = pairing.measures(options.measure.as_deref())?[0];
    // The measures that a reader should know of: one of each kind, whatever was asked for.
    let all = pairing.measures(None)?;
    let told = |measure: &Measure| {
        *measure == leading || is_metric(measure) || all.iter().find(|m| kind(m) == kind(measure)) == Some(measure)
    };
    let mut measures = vec![leading];
    measures.extend(all.iter().filter(|m| **m != leading && (kind(m) != kind(&leading) || is_metric(m)) && told(m)));
    let mut words = Vec::new();
    for pair in pairs {
        let alone = std::slice::from_ref(pair);
        // Of the others nobody is told an interval.
        let mut rows = pairing.compare(alone, &measures[..1]);
        rows.extend(measures[1..].iter().flat_map(|measure| pairing.match_up(alone, *measure)));
        let adjusted = holm(&rows.iter().map(|row| row.p).collect::<Vec<_>>());
        let rows: Vec<Comparison> = rows.into_iter().zip(adjusted).map(|(row, p_holm)| Comparison { p_holm, ..row }).collect();
        let Some((first, others)) = rows.split_first() else { continue };
        let alpha = 1.0 - options.confidence.level;
        let mut sentences = vec![verdict(first, rows.len(), alpha)];
        if first.pairs > 0 {
            for (options, what) in [(&counts, "subject count"), (&scenes, "scene type")] {
                let pairing = Pairing::new(snapshot, options, pair)?;
                let cells = pairing.match_up(alone, leading);
                sentences.extend(by_cell(&cells, what, alpha));
            }
            sentences.extend(by_others(others, alpha));
            let is_of_images = match leading {
                Measure::Metric { of_subjects, .. } => !of_subjects,
                other => matches!(other, Measure::Auc(_) | Measure::ClipT(_)),
            };
            let of_subjects = if is_of_images { similarity(&all) } else { Some(leading) };
            if let Some(measure) = of_subjects {
                let pairing = Pairing::new(snapshot, &subjects, pair)?;
                sentences.extend(worst(&pairing.match_up(alone, measure)));
            }
        }
        words.push(sentences.join(" "));
    }
    Ok(words)
}

/// Measures of one kind say the same with another number in them.
fn kind(measure: &Measure) -> std::mem::Discriminant<Measure> {
    match measure {
        Measure::Calibrated(_) => std::mem::discriminant(&Measure::Calibrated(Question::Present)),
        other => std::mem::discriminant(other),
    }
}

/// Two metrics say different things, whatever they are.
fn is_metric(measure: &Measure) -> bool {
    matches!(measure, Measure::Metric { .. })
}

fn similarity(all: &[Measure]) -> Option<Measure> {
    all.iter().find(|measure| matches!(measure, Measure::Similarity(_))).copied()
}

/// Which is better, by how much, and whether that is more than chance.
fn verdict(row: &Comparison, measures: usize, alpha: f64) -> String {
    let (a, b, measure) = (plain(&row.a), plain(&row.b), &row.measure);
    let (Some(mean_a), Some(mean_b), Some(difference), Some(p)) = (row.mean_a, row.mean_b, row.difference, row.p) else {
        return format!("{a} and {b} have no scored image of the same prompt and seed, so {measure} does not compare them.");
    };
    let shown = row.shown();
    let value = |x: f64| valued(shown, x);
    let sign = if difference > 0.0 { "+" } else { "" };
    let points = if shown.is_percent() { " points" } else { "" };
    let interval = row.ci.map_or_else(String::new, |[low, high]| format!(" [{}, {}]", shown.rounded(low), shown.rounded(high)));
    let way = if shown.higher_is_better() { "higher is better" } else { "lower is better" };
    let real = row.p_holm.is_some_and(|p| p <= alpha);
    let opening = match (real, is_better(shown, difference)) {
        (true, true) => format!("{a} is better than {b} by {measure}"),
        (true, false) => format!("{a} is worse than {b} by {measure}"),
        (false, _) => format!("{a} and {b} cannot be told apart by {measure}"),
    };
    let chance = if real { "which is more than chance" } else { "which may be chance" };
    let images = if row.pairs == row.prompts {
        format!("{} prompts", row.prompts)
    } else {
        format!("{} pairs of images of {} prompts", row.pairs, row.prompts)
    };
    let holm = match row.p_holm {
        Some(adjusted) if measures > 1 => format!(", by Holm's method over {measures} measures {}", probability(adjusted)),
        _ => String::new(),
    };
    format!(
        "{opening} ({way}): {} against {}, a difference of {sign}{}{points}{interval} over {images}, {chance} (p = {}{holm}).",
        value(mean_a),
        value(mean_b),
        shown.rounded(difference),
        probability(p),
    )
}

/// In which cells the one is better, in which the other, and in which they are not told apart.
fn by_cell(rows: &[Comparison], what: &str, alpha: f64) -> Option<String> {
    let named = |row: &Comparison| row.keys.first().map(|(_, value)| key_text(value)).unwrap_or_default();
    let (mut better, mut worse, mut neither) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows.iter().filter(|row| row.pairs > 0) {
        let Some(difference) = row.difference else { continue };
        let side = match (row.p_holm.is_some_and(|p| p <= alpha), is_better(row.shown(), difference)) {
            (false, _) => &mut neither,
            (true, true) => &mut better,
            (true, false) => &mut worse,
        };
        side.push(named(row));
    }
    let first = rows.first()?;
    let mut parts = Vec::new();
    for (cells, said) in [
        (better, format!("{} is better at", plain(&first.a))),
        (worse, format!("{} is better at", plain(&first.b))),
        (neither, "they are not told apart at".to_owned()),
    ] {
        if !cells.is_empty() {
            parts.push(format!("{said} {}", listed(&cells)));
        }
    }
    (!parts.is_empty()).then(|| format!("By {what}: {}.", parts.join("; ")))
}

/// What the other measures say.
fn by_others(rows: &[Comparison], alpha: f64) -> Option<String> {
    let (mut better, mut worse, mut neither) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let (Some(a), Some(b), Some(difference)) = (row.mean_a, row.mean_b, row.difference) else { continue };
        let side = match (row.p_holm.is_some_and(|p| p <= alpha), is_better(row.shown(), difference)) {
            (false, _) => &mut neither,
            (true, true) => &mut better,
            (true, false) => &mut worse,
        };
        side.push(format!("{} ({} against {})", row.measure, valued(row.shown(), a), valued(row.shown(), b)));
    }
    let first = rows.first()?;
    let mut parts = Vec::new();
    for (measures, said) in [
        (better, format!("{} is better by", plain(&first.a))),
        (worse, format!("{} is better by", plain(&first.b))),
        (neither, "they are not told apart by".to_owned()),
    ] {
        if !measures.is_empty() {
            parts.push(format!("{said} {}", listed(&measures)));
        }
    }
    (!parts.is_empty()).then(|| format!("By other measures: {}.", parts.join("; ")))
}

/// The subjects at which each of the two does worst.
fn worst(rows: &[Comparison]) -> Option<String> {
    let first = rows.first()?;
    let of = |model: &str, mean: fn(&Comparison) -> Option<f64>| {
        let mut known: Vec<(f64, String)> =
            rows.iter().filter_map(|row| Some((mean(row)?, row.keys.first().map(|(_, value)| key_text(value))?))).collect();
        let sign = if first.shown().higher_is_better() { 1.0 } else { -1.0 };
        known.sort_by(|(x, one), (y, other)| (sign * x).total_cmp(&(sign * y)).then_with(|| one.cmp(other)));
        let named: Vec<String> =
            known.iter().take(WORST).map(|(value, subject)| format!("{subject} ({})", valued(first.shown(), *value))).collect();
        format!("of {} are {}", plain(model), listed(&named))
    };
    Some(format!(
        "By {} the worst subjects {}; {}.",
        first.measure,
        of(&first.a, |row| row.mean_a),
        of(&first.b, |row| row.mean_b)
    ))
}

fn is_better(measure: ShownMeasure<'_>, difference: f64) -> bool {
    if measure.higher_is_better() { difference > 0.0 } else { difference < 0.0 }
}

fn valued(measure: ShownMeasure<'_>, value: f64) -> String {
    let percent = if measure.is_percent() { " %" } else { "" };
    measure.rounded(value) + percent
}

fn key_text(value: &KeyValue) -> String {
    match value {
        KeyValue::Integer(n) => n.to_string(),
        KeyValue::Text(text) => plain(text.as_deref().unwrap_or("none")).into_owned(),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
