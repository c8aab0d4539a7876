//! The report itself: what was tested, what SCR is, the numbers, the figures, how it was made.

use super::gallery::{img, rounded, verdict};
use super::pictures::{Shelf, Shown};
use super::places;
use super::text::{count, shown};
use super::{GENERATOR, PageData, PageGeneration};
use crate::plot::Figure;
use crate::report::{Key, KeyValue, MeasureColumn, Report, Row, Thresholds};
use crate::score::subject_collapse_rate;
use crate::vocabulary::{SceneType, SubjectKind};
use maud::{Markup, PreEscaped, html};

/// A part of the page with a heading.
pub struct Section {
    /// Its anchor.
    pub id: &'static str,
    /// Its name in the table of contents.
    pub short: &'static str,
    /// Its heading.
    pub title: String,
    /// Its content.
    pub body: Markup,
}

/// Most subjects of the pool that are shown with a picture.
const POOL: usize = 120;

/// Width at which a figure is drawn, in points, before it is scaled to its place; it sets how large its text is.
const WIDE: f64 = 250.0;

/// Returns the sections before the gallery.
pub fn all(data: &PageData, shelf: &Shelf) -> Vec<Section> {
    let scr = format!("SCR@{}", Thresholds::name(data.threshold()));
    let mut sections =
        vec![Section { id: "tested", short: "What was tested", title: "What was tested".into(), body: tested(data, shelf) }];
    if let Some(body) = places::worked(data, shelf) {
        sections.push(Section { id: "presence", short: "What presence is", title: "What present and missing mean".into(), body });
    } else if let Some(body) = worked(data, shelf) {
        sections.push(Section { id: "scr", short: "What SCR is", title: "What the Subject Collapse Rate is".into(), body });
    }
    let mut add = |id, short, title: String, body| sections.push(Section { id, short, title, body });
    add("results", "Results", "Results".into(), results(data));
    if data.figures.cscr.is_some() || data.figures.presence.is_some() {
        add("where", "Who is there", "Who is there, by windows".into(), places::figures(data));
    }
    if let Some(body) = places::found(data) {
        add("confusion", "Requested and found", "Requested and found".into(), body);
    }
    if let Some(body) = places::instrument(data) {
        add("instrument", "The instrument", "Can the encoder tell them apart?".into(), body);
    }
    if let Some(figure) = &data.figures.trend {
        let body = html! {
            p { "Does an identity fade as the scene fills up? Whiskers are 95 % intervals." (explain_controls(data)) }
            div.figures { @for panel in apart(figure) { (drawing(&panel, None)) } }
        };
        add("count", "By subject count", "Similarity and collapse by subject count".into(), body);
    }
    if let Some(figure) = &data.figures.scene {
        let body = html! {
            p { "In neutral scenes the subjects are side by side; in occlusion some hide others; in interaction they act on each other." }
            div.figures { (drawing(figure, None)) }
        };
        add("scene", "By scene type", format!("{scr} by scene type"), body);
    }
    if let Some(figure) = &data.figures.curve {
        let body = html! {
            p { "A threshold is a choice. The whole curve shows what another choice would have said: a model whose curve is lower everywhere is better at every threshold." }
            div.figures { (drawing(figure, None)) }
        };
        add("curve", "SCR over τ", "SCR at every threshold".into(), body);
    }
    add("tradeoff", "Trade-off", "Following the text, keeping the identities".into(), tradeoff(data));
    add("profile", "Profile", "Profile of the models".into(), profile(data));
    if let Some(figure) = &data.figures.heat_map {
        let body = html! { p { (figure.description) } div.figures { (drawing(figure, None)) } };
        add("subjects", "By subject", "Subject by subject".into(), body);
    }
    sections
}

fn tested(data: &PageData, shelf: &Shelf) -> Markup {
    let mut counts: Vec<usize> = data.prompts.iter().map(|p| p.subjects.len()).collect();
    counts.sort_unstable();
    counts.dedup();
    let cell =
        |n: usize, scene: SceneType| data.prompts.iter().filter(|p| p.subjects.len() == n && p.scene_type == scene).count();
    let kinds = SubjectKind::ALL.iter().map(|k| Some(*k)).chain([None]);
    let heading = |kind: Option<SubjectKind>| match kind {
        Some(SubjectKind::Human) => "People",
        Some(SubjectKind::Animal) => "Animals",
        Some(SubjectKind::Object) => "Objects",
        None => "Kind not stated",
    };
    let mut room = POOL;
    let mut groups = Vec::new();
    for kind in kinds {
        let members: Vec<_> = data.subjects.iter().filter(|s| s.kind == kind).collect();
        let here = members.len().min(room);
        room -= here;
        groups.push((heading(kind), members, here));
    }
    groups.retain(|(_, members, _)| !members.is_empty());
    html! {
        p {
            "Each prompt names several subjects of the pool; a model gets the prompt and a reference image of each, and is to \
            show all of them in one image. The question is whether each is still recognisable."
        }
        h3 { "The pool" }
        @for (heading, members, here) in &groups {
            h4 { (heading) " " span.quiet { (members.len()) } }
            ul.pool {
                @for subject in &members[..*here] {
                    li {
                        @if let Some(first) = subject.references.first() { (img(shelf, data, *first, &subject.label, "thumb")) }
                        span { bdi { (shown(&subject.label)) } }
                    }
                }
            }
            @if members.len() > *here { p.quiet { "and " (members.len() - here) " more, in the gallery" } }
        }
        h3 { "The prompts" }
        div.scroll role="region" aria-label="Prompts by subject count and scene type" tabindex="0" {
            table.compact {
                caption { "Prompts by subject count and scene type" }
                thead { tr { th scope="col" { "subjects" } @for scene in SceneType::ALL { th.number scope="col" { (scene) } } } }
                tbody {
                    @for n in &counts {
                        tr { th scope="row" { (n) } @for scene in SceneType::ALL { td.number { (cell(*n, *scene)) } } }
                    }
                }
            }
        }
    }
}

/// Returns the definition, shown on one of the user's own images: one with some subjects lost and some kept, if there
/// is one.
fn worked(data: &PageData, shelf: &Shelf) -> Option<Markup> {
    let tau = data.threshold();
    let under_test = data.styles.models.len();
    let candidates = data.generations.iter().filter_map(|g| {
        let similarities = g.similarities.as_deref()?;
        let lost = similarities.iter().filter(|s| **s < tau).count();
        let mixed = lost > 0 && lost < similarities.len();
        let pictured = matches!(shelf.of(g.picture), Shown::File(_) | Shown::Data(_));
        Some(((g.model >= under_test, !pictured, !mixed, similarities.len().abs_diff(4)), g))
    });
    let (_, generation) = candidates.min_by_key(|(rank, _)| *rank)?;
    let similarities = generation.similarities.as_deref()?;
    let prompt = &data.prompts[generation.prompt];
    let n = similarities.len();
    let lost = |t: f64| similarities.iter().filter(|s| **s < t).count();
    let percent = |t: f64| format!("{:.0} %", subject_collapse_rate(similarities, t) * 100.0);
    Some(html! {
        p {
            "A subject " em { "collapses" } " when the image is too unlike it: when the cosine similarity of the image and the subject’s \
             reference images, by the encoder " (shown(&data.by_model.identity)) ", is strictly below a threshold τ. SCR@τ of an image is the \
             share of its subjects that collapse; SCR@τ of a model is the mean over its images."
        }
        div.worked {
            figure {
                (img(shelf, data, generation.picture, &prompt.text, "view"))
                figcaption {
                    (model(data, generation)) ", seed " (generation.seed) ", prompt " bdi { (shown(&prompt.id)) } ": "
                    q { bdi { (shown(&prompt.text)) } }
                }
            }
            div {
                ul.sims.large {
                    @for (subject, similarity) in prompt.subjects.iter().zip(similarities) {
                        @let subject = &data.subjects[*subject];
                        li {
                            @if let Some(first) = subject.references.first() { (img(shelf, data, *first, &subject.label, "thumb")) }
                            span.label { bdi { (shown(&subject.label)) } }
                            (bar(*similarity, data.options.thresholds.values(), *similarity < tau))
                            span.value { (rounded(*similarity, 3, tau)) }
                            (verdict(*similarity < tau))
                        }
                    }
                }
                p {
                    (lost(tau)) " of " (n) " similarities " @if lost(tau) == 1 { "is" } @else { "are" } " below " (tau) ", so SCR@" (tau) " of this image is "
                    (lost(tau)) "/" (n) " = " strong { (percent(tau)) } "."
                    @for other in data.options.thresholds.values().iter().filter(|t| **t != tau) { " At " (other) ": " (percent(*other)) "." }
                    " The marks on the bars are the thresholds."
                }
            }
        }
    })
}

pub fn model(data: &PageData, generation: &PageGeneration) -> String {
    data.styles.all().nth(generation.model).map(|(name, _)| shown(name)).unwrap_or_default()
}

/// Returns a similarity on a line from 0 to 1, with the thresholds marked. The number is next to it as text.
pub fn bar(similarity: f64, thresholds: &[f64], collapsed: bool) -> Markup {
    let place = |x: f64| format!("{:.1}", x.clamp(0.0, 1.0) * 100.0);
    html! {
        svg.bar.collapsed[collapsed] viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.track x="0" y="2" width="100" height="6" {}
            rect.fill x="0" y="2" width=(place(similarity)) height="6" {}
            @for t in thresholds { line x1=(place(*t)) x2=(place(*t)) y1="0" y2="10" {} }
        }
    }
}

fn results(data: &PageData) -> Markup {
    html! {
        p {
            "Means over images, with 95 % intervals by a bootstrap over prompts in brackets. ↑ more is better, ↓ less is better."
            @if data.by_model.columns().iter().any(|m| m.is_auc(&data.by_model)) {
                " AUC: how often a subject that was asked for is more similar to the image than one of the pool that was not; 0.5 is chance, \
                 whatever the subject count. Chance SCR: the SCR of subjects that were not asked for."
            }
            @if data.by_model.columns().iter().any(|m| m.name() == "normalised") {
                " Normalised: where the similarity is between chance (0) and the composites of the references (1)."
            }
        }
        (table(data, &data.by_model, "All prompts", &[]))
        (table(data, &data.by_count, "By subject count", &[Key::SubjectCount]))
    }
}

/// Returns a table of models under test, then controls, each with the rows of its other keys.
fn table(data: &PageData, report: &Report, caption: &str, keys: &[Key]) -> Markup {
    let measures: Vec<MeasureColumn> = report.columns().into_iter().filter(|m| m.is_headline(report, data.threshold())).collect();
    let any_missing = report.generations_missing > 0;
    let columns = 2 + keys.len() + usize::from(any_missing) + measures.len();
    let names: Vec<&str> = data.styles.all().map(|(name, _)| name).collect();
    let rows_of = |name: &str| -> Vec<&Row> {
        report.rows.iter().filter(|r| r.key(Key::Model).and_then(KeyValue::text) == Some(name)).collect()
    };
    let controls_from = data.styles.models.len();
    html! {
        div.scroll role="region" aria-label=(caption) tabindex="0" {
            table {
                caption { (caption) }
                thead { tr {
                    th scope="col" { "model" }
                    @for key in keys { th.number scope="col" { (key.as_str().replace("subject_count", "subjects").replace('_', " ")) } }
                    th.number scope="col" { "images" }
                    @if any_missing { th.number scope="col" { "missing" } }
                    @for m in &measures {
                        th.number scope="col" {
                            (shown(m.name())) @if m.is_percent() { "\u{a0}%" } "\u{a0}"
                            span aria-label=(if m.higher_is_better() { "more is better" } else { "less is better" }) role="img" { (if m.higher_is_better() { "↑" } else { "↓" }) }
                        }
                    }
                } }
                @for (i, name) in names.iter().enumerate() {
                    @if i == controls_from { tbody { tr.group { th colspan=(columns) scope="rowgroup" { "Controls: what a perfect model might reach" } } } }
                    tbody {
                        @for (k, row) in rows_of(name).into_iter().enumerate() {
                            tr {
                                @if keys.is_empty() { th scope="row" { bdi { (shown(name)) } } }
                                @else if k == 0 { th scope="rowgroup" rowspan=(rows_of(name).len()) { bdi { (shown(name)) } } }
                                @for key in keys { th.number scope="row" { (key_text(row, *key)) } }
                                td.number { (row.images) }
                                @if any_missing { td.number { (row.missing) } }
                                @for m in &measures { td.number {
                                    @match m.value(row) {
                                        Some(value) => { (m.text(value)) @if !m.interval(row).is_empty() { span.interval { (m.interval(row)) } } }
                                        None => "–",
                                    }
                                } }
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

fn explain_controls(data: &PageData) -> Markup {
    html! {
        @if data.styles.controls.is_empty() { " No ceiling is drawn: " code { "msdata controls make" } " makes one." }
        @else { " The crosses are the controls: what the metric gives when every subject is really there." }
    }
}

/// Returns each panel of a figure as a figure of its own.
pub fn apart(figure: &Figure) -> Vec<Figure> {
    figure.panels.iter().map(|panel| Figure { panels: vec![panel.clone()], ..figure.clone() }).collect()
}

pub fn drawing(figure: &Figure, caption: Option<&str>) -> Markup {
    html! {
        figure.plot {
            (PreEscaped(figure.for_page(WIDE)))
            @if let Some(caption) = caption { figcaption { (caption) } }
        }
    }
}

fn tradeoff(data: &PageData) -> Markup {
    let Some(figure) = &data.figures.tradeoff else {
        return html! { p { "No encoder of this data set embeds both images and prompts, so there is no CLIP-T to compare with the similarity; \
        a CLIP encoder provides it." } };
    };
    html! {
        p {
            "One path per model, from its fewest subjects to its most. "
            @if let Some((r, n)) = data.correlation {
                "Over the " (n) " cells of model and subject count, Pearson’s correlation of CLIP-T and identity similarity is "
                strong { (format!("{r:.2}").replace('-', "−")) } ": "
                @if r < -0.3 { "where the text is followed more closely, fewer identities are kept." }
                @else if r > 0.3 { "the two go together." }
                @else { "the two are hardly related." }
            }
        }
        div.figures { (drawing(figure, None)) }
    }
}

fn profile(data: &PageData) -> Markup {
    html! {
        @if data.figures.radar.is_none() {
            p { "With fewer than three cosines there is no radar to draw; the paper’s has CLIP-T, CLIP-I, DINO and DINOv2." }
        } @else {
            p { "All cosines on one scale. The radar shows the shape; the lines next to it are easier to read, and have the 95 % intervals." }
        }
        div.figures {
            @if let Some(figure) = &data.figures.radar { (drawing(figure, None)) }
            @if let Some(figure) = &data.figures.profile { (drawing(figure, None)) }
        }
    }
}

/// Returns how the numbers were made.
pub fn made(data: &PageData) -> Markup {
    html! {
        dl {
            @if let Some(command) = &data.options.command { dt { "Command" } dd { code { (shown(command)) } } }
            dt { "Program" } dd { (GENERATOR) }
            dt { "Collapse" } dd { "similarity by " (shown(&data.by_model.identity)) " strictly below τ = " (data.options.thresholds) }
            dt { "Intervals" } dd { "95 %: " (crate::score::REPLICATES) " draws of prompts with replacement, expanded percentiles" }
            dt { "Encoders" } dd {
                ul.plain { @for e in &data.encoders { li { (shown(&e.name)) ", " (e.dimension) " numbers, fingerprint " code { (shown(&e.fingerprint)) } } } }
            }
            dt { "Data" } dd {
                (count(data.subjects.len(), "subject")) ", " (count(data.prompts.len(), "prompt")) ", " (count(data.by_model.generations as usize, "generation")) ", digest "
                code { (data.digest) }
                br;
                span.quiet { "BLAKE3 over the rows of subjects, prompts, encoders and generations with the hashes of their images and their similarities, sorted by key. \
                    The same data gives the same digest and the same page." }
            }
        }
    }
}
