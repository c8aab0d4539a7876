//! The reports as tables: the headline of the first screen, and every measure.

use super::text::{NAME, name, shown};
use super::{PageData, PageVerdict};
use crate::report::{Key, KeyValue, MeasureColumn, Published, PublishedCell, Report, Row};
use maud::{Markup, html};

/// Returns a model's row of a report by model.
pub fn row_of<'r>(report: &'r Report, model: &str) -> Option<&'r Row> {
    report.rows.iter().find(|row| row.key(Key::Model).and_then(KeyValue::text) == Some(model))
}

/// Returns the models by rank, then the controls, with the measures that say most.
pub fn headline(data: &PageData, verdict: &PageVerdict) -> Markup {
    let report = &data.by_model;
    let columns = report.columns();
    let leads = |m: &&MeasureColumn| m.measures(verdict.measure);
    let mut measures: Vec<&MeasureColumn> = columns.iter().filter(leads).collect();
    let said = |m: &&MeasureColumn| report.rows.iter().any(|row| m.value(row).is_some());
    let others = [
        columns.iter().find(|m| m.is_cscr(true)),
        columns.iter().find(|m| m.is_beyond_words()),
        columns.iter().find(|m| m.is_auc(report)),
        columns.iter().find(|m| m.is_identity(report)),
        columns.iter().find(|m| m.is_clip_t()),
    ];
    measures.extend(others.into_iter().flatten().filter(said).filter(|m| !leads(m)));
    let any_missing = report.generations_missing > 0;
    let ranked: Vec<(Option<u64>, &str)> = verdict.board.rows.iter().map(|s| (s.rank, s.model.as_str())).collect();
    let controls = data.styles.controls.iter().map(|control| (None, control.as_str()));
    html! {
        div.scroll role="region" aria-label="Models by rank" tabindex="0" {
            table.headline {
                caption {
                    "Models by rank" span.quiet {
                        ": models that share a letter cannot be told apart. In brackets 95 % intervals."
                        @if data.by_model.columns().iter().any(|m| m.measures(verdict.measure) && m.is_cscr(false)) {
                            " cSCR: share of requested subjects not found in any part of their image (in kind: not told from others of their kind \
                             either); a picture that has nothing of the request would have 95 %."
                        }
                    }
                }
                thead { tr {
                    th.number scope="col" { "rank" } th scope="col" { "model" } th scope="col" { "group" } th.number scope="col" { "images" }
                    @if any_missing { th.number scope="col" { "no image" } }
                    @for m in &measures { (head(m, if m.is_identity(report) { "similarity" } else { m.name() })) }
                } }
                tbody {
                    @for (rank, model) in ranked.iter().copied().chain(controls) {
                        @let row = row_of(report, model);
                        tr.control[row.is_some_and(|row| row.control)] {
                            td.number { @match rank { Some(rank) => (rank), None => "–" } }
                            th scope="row" { (name(model, NAME)) }
                            td { @if let Some(standing) = verdict.board.rows.iter().find(|s| s.model == model) { (standing.groups) } }
                            td.number { (row.map_or(0, |row| row.images)) }
                            @if any_missing { td.number { (row.map_or(0, |row| row.missing)) } }
                            @for m in &measures { td.number { @if let Some(row) = row { (cell(m, row)) } @else { "–" } } }
                        }
                    }
                }
            }
        }
    }
}

/// A measure's name with its unit and which way is better.
fn head(m: &MeasureColumn, name: &str) -> Markup {
    let (arrow, better) = if m.higher_is_better() { ("↑", "more is better") } else { ("↓", "less is better") };
    html! {
        th.number scope="col" { (shown(name).replace('-', "\u{2011}")) @if m.is_percent() { "\u{a0}%" } "\u{a0}" span aria-label=(better) role="img" { (arrow) } }
    }
}

fn cell(m: &MeasureColumn, row: &Row) -> Markup {
    html! {
        @match m.value(row) {
            Some(value) => { (m.text(value)) @if !m.interval(row).is_empty() { span.interval { (m.interval(row)) } } }
            None => "–",
        }
    }
}

/// Returns every headline measure by model, and by model and subject count.
pub fn results(data: &PageData) -> Markup {
    let report = &data.by_model;
    let columns = report.columns();
    html! {
        p {
            "Means over images, with 95 % intervals by a bootstrap over prompts in brackets. ↑ more is better, ↓ less is better."
            @if columns.iter().any(|m| m.is_auc(report)) {
                " AUC: how often a subject that was asked for is more similar to the image than one of the pool that was not; 0.5 is chance, \
                 whatever the subject count."
                @if data.threshold().is_some() { " Chance SCR: the SCR of subjects that were not asked for." }
            }
            @if columns.iter().any(|m| m.name() == "normalised") {
                " Normalised: where the similarity is between chance (0) and the composites of the references (1)."
            }
            @if !columns.iter().any(MeasureColumn::is_clip_t) {
                " No encoder embeds both images and prompts, so there is no CLIP-T; a CLIP encoder provides it."
            }
            @for (model, measure) in exceeded(data).iter().take(1) {
                " The composites are no ceiling here: " (name(model, NAME)) " exceeds them by " (shown(measure)) "."
            }
        }
        (table(data, report, "All prompts", &[]))
        (table(data, &data.by_count, "By subject count", &[Key::SubjectCount]))
        @let published = data.by_count.published.as_ref();
        @let unpublished = published.and_then(Published::reason);
        @if !report.metric_notes.is_empty() || unpublished.is_some() {
            ul.notes { @for note in report.metric_notes.iter().chain(&unpublished) { li { (shown(note)) } } }
        }
        @if let Some(published) = published.filter(|_| unpublished.is_none()) { (beside(published)) }
        @if !report.warnings.is_empty() { ul.notes { @for warning in &report.warnings { li { (shown(warning)) } } } }
    }
}

/// Returns the paper's numbers in a table of their own.
fn beside(published: &Published) -> Markup {
    let cells = published.cells();
    html! {
        div.scroll role="region" aria-label="Published numbers" tabindex="0" {
            table.published {
                caption { "Published, not computed here" span.quiet { ": " (published.source()) } }
                thead { tr {
                    th scope="col" { "model" } th.number scope="col" { "subjects" }
                    @for (name, up) in PublishedCell::HEADS {
                        th.number scope="col" {
                            (name.replace('-', "\u{2011}").replace(' ', "\u{a0}")) "\u{a0}"
                            span aria-label=(if up { "more is better" } else { "less is better" }) role="img" { (if up { "↑" } else { "↓" }) }
                        }
                    }
                } }
                @for of_model in cells.chunk_by(|a, b| a.model == b.model) {
                    tbody {
                        @for (at, cell) in of_model.iter().enumerate() {
                            tr {
                                @if at == 0 { th scope="rowgroup" rowspan=(of_model.len()) { (cell.model) " (published)" } }
                                th.number scope="row" { (cell.subject_count) }
                                @for number in cell.printed() { td.number { (number) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns what each region set says, by model.
pub fn regions(data: &PageData) -> Markup {
    html! {
        p { "One subject, one place: regions and requested subjects are paired so that the sum of their similarities is as large as it \
             can be, and a subject whose region is less similar than τ, or who has none, is missing (R-SCR)." }
        @for (report, set) in data.by_regions.iter().zip(data.box_sets.iter().skip(1)) {
            (table(data, report, &format!("Regions {}", shown(set)), &[]))
            ul.notes {
                @for note in report.notes.iter().filter(|note| note.starts_with("regions ")) { li { (shown(note)) } }
                @for warning in report.warnings.iter().filter(|warning| warning.starts_with("regions ")) { li { (shown(warning)) } }
            }
        }
    }
}

/// Returns the models that do better than a control by a measure that rises with identity, with the measure: what they
/// exceed is no ceiling.
pub fn exceeded(data: &PageData) -> Vec<(String, String)> {
    let report = &data.by_model;
    let columns = report.columns();
    let mut found = Vec::new();
    for m in columns.iter().filter(|m| m.is_identity(report) || m.is_auc(report)) {
        let value = |model: &String| row_of(report, model).and_then(|row| m.value(row));
        let Some(ceiling) = data.styles.controls.iter().filter_map(value).reduce(f64::max) else { continue };
        let above = data.styles.models.iter().filter(|model| value(model).is_some_and(|value| value > ceiling));
        found.extend(above.map(|model| (model.clone(), m.name().to_owned())));
    }
    found
}

/// Returns a table of models under test, then controls, each with the rows of its other keys.
fn table(data: &PageData, report: &Report, caption: &str, keys: &[Key]) -> Markup {
    let meant = data.threshold().is_some();
    let is_shown = |m: &MeasureColumn| m.is_headline(report, data.options.threshold()) && (meant || !m.needs_threshold());
    let measures: Vec<MeasureColumn> = report.columns().into_iter().filter(is_shown).collect();
    let of_regions = report.rows.first().is_some_and(|row| !row.regions.is_empty());
    let any_missing = report.generations_missing > 0 && !of_regions;
    let columns = 2 + keys.len() + usize::from(any_missing) + measures.len();
    let names: Vec<&str> = data.styles.all().map(|(name, _)| name).collect();
    let rows_of = |name: &str| -> Vec<&Row> {
        report.rows.iter().filter(|r| r.key(Key::Model).and_then(KeyValue::text) == Some(name)).collect()
    };
    let controls_from = data.styles.models.len();
    let controls = if exceeded(data).is_empty() { "Controls: what a perfect model might reach" } else { "Controls" };
    html! {
        div.scroll role="region" aria-label=(caption) tabindex="0" {
            table {
                caption { (caption) }
                thead { tr {
                    th scope="col" { "model" }
                    @for key in keys { th.number scope="col" { (key.as_str().replace("subject_count", "subjects").replace('_', " ")) } }
                    th.number scope="col" { "images" }
                    @if any_missing { th.number scope="col" { "missing" } }
                    @for m in &measures { (head(m, m.name())) }
                } }
                @for (i, model) in names.iter().enumerate() {
                    @if i == controls_from { tbody { tr.group { th colspan=(columns) scope="rowgroup" { (controls) } } } }
                    tbody {
                        @for (k, row) in rows_of(model).into_iter().enumerate() {
                            tr {
                                @if keys.is_empty() { th scope="row" { (name(model, NAME)) } }
                                @else if k == 0 { th scope="rowgroup" rowspan=(rows_of(model).len()) { (name(model, NAME)) } }
                                @for key in keys { th.number scope="row" { (key_text(row, *key)) } }
                                td.number { (row.regions.first().map_or(row.images, |cell| cell.images)) }
                                @if any_missing { td.number { (row.missing) } }
                                @for m in &measures { td.number { (cell(m, row)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn key_text(row: &Row, key: Key) -> String {
    match row.key(key) {
        Some(KeyValue::Integer(n)) => n.to_string(),
        Some(KeyValue::Text(Some(text))) => shown(text),
        _ => "–".to_owned(),
    }
}
