//! The measure that leads, worked on one of the user's own images: the one in the middle of its cell, so that neither the
//! best nor the worst stands for all.

use super::gallery::{img, rounded, verdict as collapse};
use super::pictures::{Shelf, Shown};
use super::places::verdict;
use super::text::{name, shown};
use super::{PageData, PageGeneration, PagePrompt};
use crate::report::{ALPHA, SeenSubject};
use crate::score::{mean, subject_collapse_rate};
use crate::vocabulary::SceneType;
use crate::windows::Rectangle;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Subjects of the cell that the image is from, or as near to that as there are: enough to show some lost and some kept.
const SUBJECTS: usize = 4;

/// Most characters of a subject's name beside its bar.
const LABEL: usize = 22;

/// Returns the anchor, the short name, the heading and the body of the section; `None` where no image can be shown.
pub fn worked(data: &PageData, shelf: &Shelf) -> Option<(&'static str, &'static str, &'static str, Markup)> {
    if let Some(body) = by_windows(data, shelf) {
        return Some(("presence", "Example", "What present and missing mean", body));
    }
    match data.threshold() {
        Some(tau) => Some(("scr", "Example", "What the Subject Collapse Rate is", by_threshold(data, shelf, tau)?)),
        None => Some(("similarity", "Example", "What similarity and identification are", by_similarity(data, shelf)?)),
    }
}

/// The image under test that is nearest the median of its cell of subject count and scene type, by `value`; with how many
/// images the cell has. Of the cells that have a picture it is the one whose subject count is nearest to [`SUBJECTS`].
fn typical<'d>(
    data: &'d PageData,
    shelf: &Shelf,
    value: impl Fn(&PageGeneration) -> Option<(f64, f64)>,
) -> Option<(&'d PageGeneration, usize)> {
    type Ranked<'d> = Vec<((f64, f64), &'d PageGeneration)>;
    let mut cells: BTreeMap<(usize, usize, SceneType), Ranked<'d>> = BTreeMap::new();
    for generation in data.generations.iter().filter(|g| g.model < data.styles.models.len()) {
        let prompt = &data.prompts[generation.prompt];
        let Some(value) = value(generation) else { continue };
        let n = prompt.subjects.len();
        cells.entry((n.abs_diff(SUBJECTS), n, prompt.scene_type)).or_default().push((value, generation));
    }
    cells.into_values().find_map(|mut cell| {
        cell.sort_by(|(a, _), (b, _)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))); // stable
        let (all, middle) = (cell.len(), cell.len() / 2);
        let pictured = |at: &usize| matches!(shelf.of(cell[*at].1.picture), Shown::File(_) | Shown::Data(_));
        let nearest = (0..all).filter(pictured).min_by_key(|at| at.abs_diff(middle))?;
        Some((cell[nearest].1, all))
    })
}

/// Which image is shown and why.
fn chosen(data: &PageData, generation: &PageGeneration, of: usize) -> Markup {
    let prompt = &data.prompts[generation.prompt];
    let model = data.styles.all().nth(generation.model).map(|(name, _)| name).unwrap_or_default();
    html! {
        (name(model, 40)) ", seed " (generation.seed) ", prompt " bdi { (shown(&prompt.id)) } ": the image nearest the median of the "
        (of) " with " (prompt.subjects.len()) " subjects and " (prompt.scene_type) ". " q { bdi { (shown(&prompt.text)) } }
    }
}

/// SCR at a threshold.
fn by_threshold(data: &PageData, shelf: &Shelf, tau: f64) -> Option<Markup> {
    let scored = |g: &PageGeneration| {
        let similarities = g.similarities.as_deref()?;
        Some((subject_collapse_rate(similarities, tau), -mean(similarities)))
    };
    let (generation, of) = typical(data, shelf, scored)?;
    let similarities = generation.similarities.as_deref()?;
    let prompt = &data.prompts[generation.prompt];
    let n = similarities.len();
    let lost = similarities.iter().filter(|s| **s < tau).count();
    let percent = |t: f64| format!("{:.0} %", subject_collapse_rate(similarities, t) * 100.0);
    Some(html! {
        p {
            "A subject " em { "collapses" } " when the image is too unlike it: when the cosine similarity of the image and the subject’s \
             reference images, by the encoder " (shown(&data.by_model.identity)) ", is strictly below a threshold τ. SCR@τ of an image is the \
             share of its subjects that collapse; SCR@τ of a model is the mean over its images."
        }
        (image_and(data, shelf, generation, of, html! {
            (bars(data, shelf, prompt, similarities, data.options.thresholds.values(), Some(tau)))
            p {
                (lost) " of " (n) " similarities " @if lost == 1 { "is" } @else { "are" } " below " (tau) ", so SCR@" (tau) " of this image is "
                (lost) "/" (n) " = " strong { (percent(tau)) } "."
                @for other in data.options.thresholds.values().iter().filter(|t| **t != tau) { " At " (other) ": " (percent(*other)) "." }
                " The marks on the bars are the thresholds."
            }
        }))
    })
}

/// Similarity and identification, where no threshold means anything.
fn by_similarity(data: &PageData, shelf: &Shelf) -> Option<Markup> {
    let (generation, of) = typical(data, shelf, |g| Some((-mean(g.similarities.as_deref()?), 0.0)))?;
    let prompt = &data.prompts[generation.prompt];
    let similarities = generation.similarities.as_deref()?;
    Some(html! {
        p {
            "The similarity of a subject is the cosine of the image and the subject’s reference images, by the encoder "
            (shown(&data.by_model.identity)) ". How high is high depends on the encoder, so the subjects that were asked for are held against \
             those of the pool that were not: identification AUC is how often the former are the more similar. 0.5 is chance."
        }
        (image_and(data, shelf, generation, of, bars(data, shelf, prompt, similarities, &[], None)))
    })
}

fn image_and(data: &PageData, shelf: &Shelf, generation: &PageGeneration, of: usize, beside: Markup) -> Markup {
    html! {
        div.worked {
            figure {
                (img(shelf, data, generation.picture, &data.prompts[generation.prompt].text, "view"))
                figcaption { (chosen(data, generation, of)) }
            }
            div { (beside) }
        }
    }
}

/// Each subject beside its reference, with its similarity.
fn bars(data: &PageData, shelf: &Shelf, prompt: &PagePrompt, similarities: &[f64], marks: &[f64], tau: Option<f64>) -> Markup {
    html! {
        ul.sims.large {
            @for (subject, similarity) in prompt.subjects.iter().zip(similarities) {
                @let subject = &data.subjects[*subject];
                @let lost = tau.map(|tau| *similarity < tau);
                li {
                    @if let Some(first) = subject.references.first() { (img(shelf, data, *first, &subject.label, "thumb")) } @else { span {} }
                    span.label { (name(&subject.label, LABEL)) }
                    (bar(*similarity, marks, lost == Some(true)))
                    span.value { (rounded(*similarity, 3, tau)) }
                    @if let Some(lost) = lost { (collapse(lost)) }
                }
            }
        }
    }
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

/// cSCR, where images were searched.
fn by_windows(data: &PageData, shelf: &Shelf) -> Option<Markup> {
    let judged = |g: &PageGeneration| {
        let subjects = &g.seen.as_ref().filter(|_| g.size.is_some())?.subjects;
        let missing =
            subjects.iter().map(|s| s.present).collect::<Option<Vec<bool>>>()?.iter().filter(|present| !**present).count();
        Some((missing as f64 / subjects.len().max(1) as f64, -mean(&subjects.iter().map(|s| s.local).collect::<Vec<_>>())))
    };
    let (generation, of) = typical(data, shelf, judged)?;
    let (seen, [width, height]) = (generation.seen.as_ref()?, generation.size?);
    let picture = source(shelf, generation.picture)?;
    let prompt = &data.prompts[generation.prompt];
    let subjects = &seen.subjects;
    let missing = subjects.iter().filter(|s| s.present == Some(false)).count();
    let line = f64::from(width.max(height)) / 160.0;
    Some(html! {
        p {
            "Each image is searched window by window. A subject’s " em { "local similarity" } " ℓ is the similarity of its reference with the \
             window that resembles it most. A subject is " em { "present" } " when ℓ is above what the same subject reaches in images that did "
            em { "not" } " ask for it (its " em { "null" } "): at most " (format!("{:.0} %", ALPHA * 100.0)) " of these reach it by chance. cSCR is the \
             share of requested subjects that are missing. A generator that ignores the request has a cSCR of "
            (format!("{:.0} %", 100.0 - ALPHA * 100.0)) ", whatever the encoder " (shown(&data.by_model.identity)) " makes of it."
        }
        div.worked {
            figure {
                div.framed {
                    (img(shelf, data, generation.picture, &prompt.text, "view"))
                    svg viewBox={ "0 0 " (width) " " (height) } preserveAspectRatio="xMidYMid meet" aria-hidden="true" {
                        // Once, for every crop: in a page of one file it is the picture itself.
                        defs { image #worked-image href=(picture) x="0" y="0" width=(width) height=(height) preserveAspectRatio="none" {} }
                        @for (n, subject) in subjects.iter().enumerate() {
                            @if let Some(Rectangle { x, y, width, height }) = subject.place {
                                g color=(hue(n)) {
                                    rect x=(x) y=(y) width=(width) height=(height) fill="none" stroke="#fff" stroke-width=(line * 2.0) {}
                                    @let dash = (subject.present != Some(true)).then(|| format!("{} {}", line * 3.0, line * 2.0));
                                    rect x=(x) y=(y) width=(width) height=(height) fill="none" stroke="currentColor" stroke-width=(line) stroke-dasharray=[dash] {}
                                    text x=(f64::from(x) + line * 2.0) y=(f64::from(y) + line * 7.0) font-size=(line * 6.0) fill="currentColor" stroke="#fff" stroke-width=(line) paint-order="stroke" font-weight="bold" { (n + 1) }
                                }
                            }
                        }
                    }
                }
                figcaption {
                    (chosen(data, generation, of)) " Broken frames are the best places of subjects that are missing."
                }
            }
            div {
                ul.seen {
                    @for (n, (subject, seen)) in prompt.subjects.iter().zip(subjects).enumerate() {
                        @let subject = &data.subjects[*subject];
                        li {
                            span.n { (n + 1) }
                            @if let Some(first) = subject.references.first() { (img(shelf, data, *first, &subject.label, "thumb")) }
                            @match seen.place { Some(window) => (crop(window)), None => span.crop.none { "no place" } }
                            span.label { (name(&subject.label, LABEL)) br; (verdict(seen)) }
                            span.null { (strip(seen)) span.value { "ℓ " (format!("{:.2}", seen.local)) } }
                        }
                    }
                }
                p {
                    (missing) " of " (subjects.len()) " are missing, so the cSCR of this image is " (missing) "/" (subjects.len()) " = "
                    strong { (format!("{:.0} %", 100.0 * missing as f64 / subjects.len().max(1) as f64)) } ". In the strips the grey line is the null, \
                     its middle half the bar; the thin mark is the bound, the thick one ℓ."
                }
            }
        }
    })
}

/// The source of a picture, if it is in the page.
fn source(shelf: &Shelf, picture: usize) -> Option<String> {
    match shelf.of(picture) {
        Shown::File(name) => Some(format!("views/{name}.jpg")),
        Shown::Data(bytes) => Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes))),
        Shown::LeftOut | Shown::Unusable(_) => None,
    }
}

/// A colour for the place of the n-th subject: the script's.
fn hue(n: usize) -> String {
    format!("hsl({} 85% 42%)", n * 47 % 360)
}

/// The part of the worked image that a window holds.
fn crop(Rectangle { x, y, width, height }: Rectangle) -> Markup {
    html! {
        svg.crop viewBox={ (x) " " (y) " " (width) " " (height) } aria-hidden="true" focusable="false" { use href="#worked-image" {} }
    }
}

/// A subject's similarity beside its null: the middle half as a bar, the whole as a line, the bound, and the value.
fn strip(subject: &SeenSubject) -> Markup {
    let at = |value: f64| format!("{:.1}", (value.clamp(-0.5, 1.0) + 0.5) / 1.5 * 100.0);
    let Some([least, lower, _, upper, greatest]) = subject.null.quartiles.map(|q| q.map(f64::from)) else { return html! {} };
    let width = |from: f64, to: f64| format!("{:.1}", (to.clamp(-0.5, 1.0) - from.clamp(-0.5, 1.0)) / 1.5 * 100.0);
    let whose = if subject.null.own { "this model’s" } else { "all models’" };
    html! {
        svg.strip viewBox="0 0 100 12" preserveAspectRatio="none" role="img"
            aria-label={ "ℓ " (format!("{:.2}", subject.local)) "; without being asked for, half of " (subject.null.values) " images of " (whose) " have " (format!("{lower:.2}")) " to " (format!("{upper:.2}")) } {
            line.range x1=(at(least)) x2=(at(greatest)) y1="6" y2="6" {}
            rect.half x=(at(lower)) width=(width(lower, upper)) y="2" height="8" {}
            @if let Some(floor) = subject.null.floor { line.bound x1=(at(f64::from(floor))) x2=(at(f64::from(floor))) y1="0" y2="12" {} }
            line.value.missing[subject.present == Some(false)] x1=(at(subject.local)) x2=(at(subject.local)) y1="0" y2="12" {}
        }
    }
}
