//! The first screen: one sentence a model, what is hardest, whether to trust it; then the headline table and figure.

use super::sections::{apart, drawing};
use super::tables::{headline, row_of};
use super::text::{NAME, count, listed, name, shown};
use super::{Hardest, PageData, PageRanking, PageVerdict};
use crate::report::{ALPHA, Comparison, Measure, Standing, Thresholds};
use crate::score::Question;
use maud::{Markup, html};

/// Models of which each has a sentence; the table holds the others.
const SENTENCES: usize = 4;

/// Subjects and scenes that are named.
const NAMED: usize = 3;

/// Returns the first screen without its heading.
pub fn verdict(data: &PageData) -> Markup {
    let Some(verdict) = &data.verdict else {
        return html! { p.lead { "Nothing is scored yet, so there is no verdict." } (trust(data, None)) };
    };
    html! {
        div.answer {
            div {
                ol.standings {
                    @for standing in verdict.board.rows.iter().take(SENTENCES) { li { (sentence(data, verdict, standing)) } }
                }
                @if verdict.board.rows.len() > SENTENCES {
                    p.quiet { (count(verdict.board.rows.len() - SENTENCES, "more model")) " in the table." }
                }
                dl.facts {
                    @if let Some(ranking) = &verdict.subjects { dt { (worst(ranking)) " subjects" } dd { (hardest(ranking)) } }
                    @if let Some(ranking) = &verdict.scenes { dt { (worst(ranking)) " scenes" } dd { (hardest(ranking)) } }
                    dt { "Trust" } dd { (trust(data, Some(verdict))) }
                }
                (headline(data, verdict))
            }
            div.figures { @for figure in figures(data, verdict) { (figure) } }
        }
    }
}

/// The measure that leads, against the subject count and by scene type.
fn figures(data: &PageData, verdict: &PageVerdict) -> Vec<Markup> {
    let figures = &data.figures;
    let (by_count, panel, by_scene) = match verdict.measure {
        Measure::Calibrated(_) => (&figures.cscr, 0, &figures.cscr_scene),
        Measure::Scr(_) => (&figures.trend, 1, &figures.scene),
        // The last panel where there is identification, else similarity.
        _ => (&figures.trend, usize::MAX, &figures.scene),
    };
    let by_count = by_count.iter().filter_map(|figure| {
        let panels = apart(figure);
        panels.get(panel.min(panels.len().saturating_sub(1))).map(|panel| drawing(panel, None))
    });
    by_count.chain(by_scene.iter().map(|figure| drawing(figure, None))).collect()
}

/// A value of the measure that leads, as sentences have it.
fn value(measure: Measure, value: f64) -> String {
    if measure.is_percent() { format!("{:.1}\u{a0}%", value * 100.0) } else { format!("{value:.3}") }
}

/// The ends of an interval, in the unit of the value before it.
fn interval(measure: Measure, ends: Option<[f64; 2]>) -> String {
    match ends {
        Some([low, high]) if measure.is_percent() => format!(" [{:.1}, {:.1}]", low * 100.0, high * 100.0),
        Some([low, high]) => format!(" [{low:.3}, {high:.3}]"),
        None => String::new(),
    }
}

/// One sentence on a model: rank, value, told apart from whom, and by how much from the first or from the next.
fn sentence(data: &PageData, verdict: &PageVerdict, standing: &Standing) -> Markup {
    let measure = verdict.measure;
    // The table's interval where it has one: for cSCR that draws the nulls too.
    let column = data.by_model.columns().into_iter().find(|column| column.measures(measure));
    let row = row_of(&data.by_model, &standing.model);
    let ci = column.zip(row).and_then(|(column, row)| column.ends(row)).or(standing.ci);
    let others: Vec<&Standing> = verdict.board.rows.iter().filter(|other| other.model != standing.model).collect();
    let told = |other: &&&Standing| against(verdict, standing, other).is_some_and(|(_, told)| told);
    let (apart, alike): (Vec<&Standing>, Vec<&Standing>) = others.iter().partition(|other| told(other));
    let names = |of: &[&Standing]| -> Vec<String> { of.iter().map(|s| s.model.clone()).collect() };
    let (apart_names, alike_names) = (names(&apart), names(&alike));
    let p = format!("p\u{a0}≤\u{a0}{:.2}", 1.0 - verdict.pairs.level);
    let borrowed = |of: &[String]| -> Markup { listed(&of.iter().map(String::as_str).collect::<Vec<_>>()) };
    html! {
        span.rank { @match standing.rank { Some(rank) => { (rank) "." }, None => "–" } } " "
        b { (name(&standing.model, NAME)) } " "
        @match standing.mean {
            Some(mean) => {
                (said(measure, &value(measure, mean), &interval(measure, ci)))
                @if let Some(chance) = chance(measure).filter(|chance| ci.is_some_and(|[low, high]| low <= *chance && *chance <= high)) {
                    ", no better than chance (" (value(measure, chance)) ")"
                }
                (by_how_much(verdict, standing, &others)) ". "
                @if others.is_empty() { "There is no other model to compare it with." }
                @else if alike.is_empty() { "Told apart from every other model (paired test, " (p) ")." }
                @else if apart.is_empty() { "Not told apart from any other model: a difference may be chance." }
                @else { "Told apart from " (borrowed(&apart_names)) " (paired test, " (p) "), not from " (borrowed(&alike_names)) "." }
            }
            None => "has no image that this measure says anything of.",
        }
    }
}

/// What a model does, by its value.
fn said(measure: Measure, value: &str, interval: &str) -> Markup {
    let number = html! { strong { (value) } span.interval { (interval) } };
    match measure {
        Measure::Calibrated(_) => html! { "misses " (number) " of the requested subjects" },
        Measure::Scr(threshold) => html! { "loses " (number) " of the requested subjects at τ = " (Thresholds::name(threshold)) },
        Measure::Auc(_) => html! { "has an identification AUC of " (number) },
        _ => html! { "has a mean similarity of " (number) },
    }
}

/// What a model reaches that takes no notice of the request.
fn chance(measure: Measure) -> Option<f64> {
    match measure {
        Measure::Calibrated(_) => Some(1.0 - ALPHA),
        Measure::Auc(_) => Some(0.5),
        _ => None,
    }
}

/// How much better a model is than another, on the images that both have, and whether they are told apart.
fn against<'v>(verdict: &'v PageVerdict, one: &Standing, other: &Standing) -> Option<((f64, &'v Comparison), bool)> {
    let rows = || verdict.pairs.rows.iter().filter(|row| row.measure == verdict.board.measure);
    let (row, sign) = match rows().find(|row| row.a == one.model && row.b == other.model) {
        Some(row) => (row, 1.0),
        None => (rows().find(|row| row.a == other.model && row.b == one.model)?, -1.0),
    };
    let better = if verdict.measure.lower_is_better() { -sign } else { sign };
    let told = row.p_holm.is_some_and(|p| p <= 1.0 - verdict.pairs.level);
    Some(((better * row.difference?, row), told))
}

/// The distance of the first model from the next, or of another from the first.
fn by_how_much(verdict: &PageVerdict, standing: &Standing, others: &[&Standing]) -> Markup {
    let Some(other) = others.iter().find(|other| against(verdict, standing, other).is_some_and(|(_, told)| told)) else {
        return html! {};
    };
    let Some(((lead, row), _)) = against(verdict, standing, other) else { return html! {} };
    let measure = verdict.measure;
    let (unit, scale, digits) = if measure.is_percent() { ("\u{a0}points", 100.0, 1) } else { ("", 1.0, 3) };
    let number = |x: f64| format!("{:.digits$}", x * scale).replace('-', "−");
    let ends = row.ci.map(|[low, high]| if row.difference < Some(0.0) { [-high, -low] } else { [low, high] });
    let way = match (measure.is_percent(), (lead > 0.0) != measure.lower_is_better()) {
        (true, true) => " more than ",
        (true, false) => " fewer than ",
        (false, true) => " higher than ",
        (false, false) => " lower than ",
    };
    html! {
        ", " strong { (number(lead.abs())) (unit) }
        @if let Some([low, high]) = ends { span.interval { " [" (number(low)) ", " (number(high)) "]" } }
        (way) (name(&other.model, NAME))
    }
}

/// What the first of a ranking are, by its measure.
fn worst(ranking: &PageRanking) -> &'static str {
    match (ranking.column.is_cscr(false), ranking.column.is_percent(), ranking.column.is_cosine()) {
        (true, _, _) => "Most missed",
        (_, true, _) => "Most collapsed",
        (_, _, true) => "Least similar",
        _ => "Least identified",
    }
}

/// The hardest of a ranking and the easiest, each a link to its images.
fn hardest(ranking: &PageRanking) -> Markup {
    let column = &ranking.column;
    let (digits, unit, scale) = if column.is_percent() { (0, "\u{a0}%", 100.0) } else { (2, "", 1.0) };
    let one = |of: &Hardest| {
        let value = format!("{:.digits$}{unit}", of.value * scale);
        html! { a href={ "#" (of.query) } { (name(&of.name, NAME)) } "\u{a0}" (value) }
    };
    html! {
        @for (at, hard) in ranking.all.iter().take(NAMED).enumerate() { @if at > 0 { ", " } (one(hard)) }
        @if let Some(easiest) = ranking.all.get(NAMED..).and_then(<[Hardest]>::last) { "; easiest " (one(easiest)) }
        span.quiet { " (mean over the models)" }
    }
}

/// Images that are missing, thresholds, sizes, and what says otherwise, in a line.
fn trust(data: &PageData, verdict: Option<&PageVerdict>) -> Markup {
    let under_test = || data.by_model.rows.iter().filter(|row| !row.control);
    let missing: u64 = under_test().map(|row| row.missing).sum();
    let scored: u64 = under_test().map(|row| row.images).sum();
    let searched: u64 = under_test().filter_map(|row| Some(row.local.as_ref()?.images)).sum();
    let undecided: u64 = under_test().filter_map(|row| Some(row.local.as_ref()?.undecided)).sum();
    let by_windows = verdict.is_some_and(|verdict| verdict.measure == Measure::Calibrated(Question::Present));
    html! {
        @if missing == 0 { "All " (count(scored as usize, "image")) " are scored" }
        @else if missing == 1 { strong { "1 of " (count((scored + 1) as usize, "image")) " does not exist or cannot be read" } " and is in no mean" }
        @else { strong { (missing) " of " (count((scored + missing) as usize, "image")) " do not exist or cannot be read" } " and are in no mean" }
        @if by_windows && searched < scored { "; cSCR is over " (searched) " of them, which were searched window by window" }
        @if by_windows && undecided > 0 { "; " (count(undecided as usize, "requested subject")) " could not be judged" }
        ". "
        @if verdict.is_some() && !by_windows {
            @if data.windows.pattern.is_none() { "No image was searched for each subject, which gives cSCR: " code { "msdata embed --windows full" } ". " }
            @else { "No requested subject has a verdict, so there is no cSCR: " a href="#where" { "why" } ". " }
        }
        @for run in &data.by_model.unfinished { strong { (shown(&run.in_words())) } ". " }
        (thresholds(data))
        @if let Some(verdict) = verdict {
            @match &verdict.sizes[..] {
                [] => {},
                [[width, height]] => { " All images are " (width) " × " (height) " pixels." },
                sizes if verdict.sizes_differ => {
                    " " strong { "Image sizes differ between models" } " (" (sizes.len()) " sizes), which may be a part of a difference."
                },
                sizes => { " The images have " (sizes.len()) " sizes, the same for every model." },
            }
            @let otherwise = super::compared::otherwise(verdict);
            @if let Some(first) = otherwise.first() {
                " " strong { "Another measure says otherwise" } ": " (super::compared::measure_name(&first.measure)) " puts " (name(&first.ahead, NAME)) " before "
                (name(&first.behind, NAME)) "; " a href="#compared" { "why" } "."
            }
        }
        @for (encoder, prompts) in &data.by_model.cut_prompts {
            " " (count(*prompts as usize, "prompt")) " are longer than " (shown(encoder)) " takes: their CLIP-T is for only part of the text."
        }
    }
}

/// What the thresholds mean here.
fn thresholds(data: &PageData) -> Markup {
    let identity = shown(&data.by_model.identity);
    let given = &data.options.thresholds;
    html! {
        @if !data.by_model.thresholds_mean_something() {
            "The paper’s thresholds are DINOv2’s and mean nothing for " (identity) ", so no SCR is shown."
        } @else if crate::report::is_dinov2(&data.by_model.identity) {
            "Thresholds τ = " (given) @if given.are_chosen() { ", chosen by the user." } @else { ", the paper’s for DINOv2." }
        } @else {
            "Thresholds τ = " (given) " were chosen for " (identity) ": compare models with each other, not with published numbers."
        }
        @let saturated: Vec<String> = data.by_model.saturated.iter().map(|tau| Thresholds::name(*tau)).collect();
        @if !saturated.is_empty() {
            " " strong { "τ = " (saturated.join(", ")) " separates nothing here" } ": even composites of the references are collapsed, or no model is \
             clearly apart from chance; read AUC."
        }
    }
}
