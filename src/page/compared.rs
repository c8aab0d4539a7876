//! The models against each other, pair by pair, on the images that both have.

use super::text::{NAME, count, name, shown};
use super::{PageData, PageVerdict};
use crate::report::Comparison;
use maud::{Markup, html};

/// Rows of the table; the measure that leads comes first.
const ROWS: usize = 90;

/// A pair that is told apart by a measure, the other way round than by the one that leads.
pub struct Otherwise {
    /// The measure.
    pub measure: String,
    /// Who is better by it.
    pub ahead: String,
    /// Who is better by the measure that leads.
    pub behind: String,
}

/// Returns the name of a measure as people read it.
pub fn measure_name(measure: &str) -> String {
    let (kind, of) = measure.split_once(['@', '/']).unwrap_or((measure, ""));
    let of = shown(of);
    match kind {
        "cscr" => format!("cSCR@{of}"),
        "cscr_kind" => format!("cSCR in kind@{of}"),
        "scr" => format!("SCR@{of}"),
        "auc" => format!("AUC by {of}"),
        "local" => format!("local similarity by {of}"),
        "similarity" => format!("similarity by {of}"),
        "clip_t" => format!("CLIP-T by {of}"),
        _ => shown(measure).replace('_', " "),
    }
}

/// By how much the first model of a pair is better, if they are told apart.
fn lead(row: &Comparison, level: f64) -> Option<f64> {
    let difference = row.of_prompts.filter(|_| row.p_holm.is_some_and(|p| p <= 1.0 - level))?;
    Some(if row.shown().higher_is_better() { difference } else { -difference })
}

/// Returns the pairs that are told apart both by the measure that leads and by another one, which puts them the other way
/// round. How well an image follows its text is another question, so CLIP-T is none of these.
pub fn otherwise(verdict: &PageVerdict) -> Vec<Otherwise> {
    let (rows, level) = (&verdict.pairs.rows, verdict.pairs.level);
    let mut found = Vec::new();
    for leading in rows.iter().filter(|row| row.measure == verdict.board.measure) {
        let Some(by_leading) = lead(leading, level) else { continue };
        let same_pair = |row: &&Comparison| {
            let asks_else = row.metric.is_some() || row.measure.starts_with("clip_t/");
            row.a == leading.a && row.b == leading.b && row.measure != leading.measure && !asks_else
        };
        for row in rows.iter().filter(same_pair) {
            if lead(row, level).is_some_and(|lead| lead * by_leading < 0.0) {
                let (ahead, behind) = if by_leading > 0.0 { (&row.b, &row.a) } else { (&row.a, &row.b) };
                found.push(Otherwise { measure: row.measure.clone(), ahead: ahead.clone(), behind: behind.clone() });
            }
        }
    }
    found
}

/// Returns the table of comparisons; `None` with fewer than two models.
pub fn compared(data: &PageData) -> Option<Markup> {
    let verdict = data.verdict.as_ref().filter(|verdict| !verdict.pairs.rows.is_empty())?;
    let mut rows: Vec<&Comparison> = verdict.pairs.rows.iter().collect();
    rows.sort_by_key(|row| row.measure != verdict.board.measure); // stable
    let measures = {
        let mut names: Vec<&str> = rows.iter().map(|row| row.measure.as_str()).collect();
        names.dedup();
        names
    };
    let all = rows.len();
    let pairs = rows.iter().filter(|row| row.measure == verdict.board.measure).count();
    // A measure is shown for every pair or not at all, but for the first.
    let whole = (ROWS / pairs.max(1)).max(1);
    let percent = 100.0 * verdict.pairs.level;
    Some(html! {
        p {
            "Each pair of models on the prompts and seeds that both have: the mean difference with its " (format!("{percent:.0} %"))
            " interval, by a bootstrap over prompts. Two models are " em { "told apart" } " when the sign-flip test over prompts, corrected by \
             Holm’s method over all pairs of a measure, has p ≤ " (format!("{:.2}", 1.0 - verdict.pairs.level))
            ". A model’s rank is 1 more than the number of models that are better and told apart from it."
        }
        (contradictions(verdict))
        div.scroll role="region" aria-label="Models against each other" tabindex="0" {
            table.pairs {
                caption { "Models against each other, all prompts" }
                thead { tr {
                    th scope="col" { "measure" } th scope="col" { "better" } th scope="col" { "than" }
                    th.number scope="col" { "by" } th.number scope="col" { "their means" } th.number scope="col" { "pairs" } th.number scope="col" { "p (Holm)" } th scope="col" { "told apart" }
                } }
                @for measure in measures.iter().take(whole) {
                    @let of_measure: Vec<&&Comparison> = rows.iter().filter(|row| row.measure == **measure).collect();
                    tbody {
                        @for (at, row) in of_measure.iter().enumerate() {
                            tr {
                                @if at == 0 {
                                    th scope="rowgroup" rowspan=(of_measure.len()) {
                                        @if row.metric.is_some() { (shown(measure)) } @else { (measure_name(measure)) }
                                        @if row.shown().is_percent() { "\u{a0}%" } "\u{a0}"
                                        @let lower = !row.shown().higher_is_better();
                                        span role="img" aria-label=(if lower { "less is better" } else { "more is better" }) { (if lower { "↓" } else { "↑" }) }
                                    }
                                }
                                (line(row, verdict.pairs.level))
                            }
                        }
                    }
                }
            }
        }
        @if measures.len() > whole {
            p.quiet { (count(all - pairs * whole, "more row")) " of other measures: " code { "msdata compare --all --whole" } }
        }
        @if !verdict.board.warnings.is_empty() {
            ul.notes { @for warning in &verdict.board.warnings { li { (shown(warning)) } } }
        }
    })
}

/// The cells of a pair, the better model first.
fn line(row: &Comparison, level: f64) -> Markup {
    let number = |x: f64| row.shown().rounded(x).replace('-', "−");
    let Some(difference) = row.difference else {
        return html! { td { (name(&row.a, NAME)) } td { (name(&row.b, NAME)) } td.number colspan="5" { "no image of the same prompt and seed" } };
    };
    let turned = if row.shown().higher_is_better() { difference < 0.0 } else { difference > 0.0 };
    let (better, other) = if turned { (&row.b, &row.a) } else { (&row.a, &row.b) };
    let means = if turned { [row.mean_b, row.mean_a] } else { [row.mean_a, row.mean_b] };
    let ends = row.ci.map(|[low, high]| if difference < 0.0 { [-high, -low] } else { [low, high] });
    let told = row.p_holm.is_some_and(|p| p <= 1.0 - level);
    html! {
        td { @if told { strong { (name(better, NAME)) } } @else { (name(better, NAME)) } } td { (name(other, NAME)) }
        td.number { (number(difference.abs())) @if let Some([low, high]) = ends { span.interval { " [" (number(low)) ", " (number(high)) "]" } } }
        td.number { @for (at, mean) in means.into_iter().flatten().enumerate() { @if at > 0 { " : " } (number(mean)) } }
        td.number { (row.pairs) }
        td.number { @match row.p_holm { Some(p) if p < 1e-4 => "< 0.0001", Some(p) => (format!("{p:.4}")), None => "–" } }
        td { @if told { "yes" } @else { "no" } }
    }
}

/// Which measures say otherwise than the one that leads, and why that may be.
fn contradictions(verdict: &PageVerdict) -> Markup {
    let found = otherwise(verdict);
    let mut measures: Vec<&str> = found.iter().map(|one| one.measure.as_str()).collect();
    measures.sort_unstable();
    measures.dedup();
    html! {
        @if !found.is_empty() {
            p.caution {
                strong { "Some measures say otherwise than " (measure_name(&verdict.board.measure)) "." } " "
                @for (at, measure) in measures.iter().enumerate() {
                    @if at > 0 { "; " }
                    (measure_name(measure)) " puts "
                    @for (n, one) in found.iter().filter(|one| one.measure == **measure).enumerate() {
                        @if n > 0 { ", " }
                        (name(&one.ahead, NAME)) " before " (name(&one.behind, NAME))
                    }
                }
                ". "
                @let of = |kinds: &[&str]| measures.iter().any(|measure| kinds.iter().any(|kind| measure.starts_with(kind)));
                @if verdict.board.measure.starts_with("cscr@") && of(&["scr@", "auc/", "similarity/"]) {
                    "A measure of the whole image rises when the colours and textures of the subjects are anywhere in it, whoever is there; \
                     cSCR asks of each subject whether some place shows that very one. "
                }
                @if verdict.board.measure.starts_with("cscr@") && of(&["local/"]) {
                    "Local similarity is a mean, so a few places that are very like their subjects make up for others that show nobody. "
                }
                "Look at the images of both before you believe either."
            }
        }
    }
}
