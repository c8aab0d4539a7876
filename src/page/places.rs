//! What the windows say, for people to check: verdicts, places and nulls; whether the encoder can tell at all.

use super::gallery::ten_thousandths;
use super::sections::{apart, drawing, heat_map};
use super::text::{name, shown};
use super::{PageData, PagePrompt};
use crate::report::{Null, Seen, SeenSubject};
use crate::vocabulary::SubjectKind;
use maud::{Markup, html};
use serde_json::{Value, json as value};
use std::collections::HashMap;

/// Most characters of a subject's name below an image.
const LABEL: usize = 24;

/// The nulls of a page, each once.
#[derive(Default)]
pub struct NullList {
    all: Vec<Value>,
    places: HashMap<String, usize>,
}

impl NullList {
    /// The place of a null in the list: size, whether it is the model's own, quartiles, and the value above which a subject
    /// is present.
    pub fn place(&mut self, held: &Null) -> usize {
        let whole = |x: f32| ten_thousandths(f64::from(x));
        let floor = held.floor.filter(|floor| floor.is_finite()).map(whole);
        let row = value!([held.values, held.own, held.quartiles.map(|q| q.map(whole)), floor]);
        *self.places.entry(row.to_string()).or_insert_with(|| {
            self.all.push(row);
            self.all.len() - 1
        })
    }

    /// All of them.
    pub fn all(self) -> Vec<Value> {
        self.all
    }
}

/// Returns the verdict on a subject as a sign and a word.
pub fn verdict(subject: &SeenSubject) -> Markup {
    html! {
        @match subject.present {
            Some(true) => span.verdict.kept { "✓" span.word { " present" } },
            Some(false) => span.verdict.lost { "✕" span.word { " missing" } },
            None => span.quiet { "?" span.word { " not known" } },
        }
        @if subject.places > 1 { " " span.verdict.lost { "×" (subject.places) span.word { " places" } } }
    }
}

/// Who is present, missing, doubled and extra in an image.
pub fn marks(data: &PageData, prompt: &PagePrompt, seen: &Seen) -> Markup {
    html! {
        ul.marks {
            @for (subject, verdict_of) in prompt.subjects.iter().zip(&seen.subjects) {
                li { (verdict(verdict_of)) " " (name(&data.subjects[*subject].label, LABEL)) }
            }
            @for extra in &seen.extras {
                li { span.verdict.lost { "+" span.word { " unasked:" } } " " (name(&data.subjects[extra.subject].label, LABEL)) }
            }
        }
    }
}

/// cSCR against the subject count, by scene type, against α; presence cell by cell.
pub fn figures(data: &PageData) -> Markup {
    let figures = &data.figures;
    html! {
        p {
            "cSCR: the share of requested subjects that are not present; within the kind: that are not told from others of their kind. \
             The dotted line is chance, the same at every subject count."
        }
        @for note in &data.windows.notes { p.quiet { (shown(note)) } }
        div.figures {
            // The first screen has the first panel, and scene types.
            @for panel in figures.cscr.iter().flat_map(|figure| apart(figure).into_iter().skip(1)) { (drawing(&panel, None)) }
            @if let Some(figure) = &figures.cscr_curve { (drawing(figure, None)) }
        }
        @if let Some(figure) = &figures.presence {
            h3 { "Present, by subject count and scene type" }
            div.figures { (heat_map(figure, Some(&figure.description))) }
        }
    }
}

/// Returns a kind in the plural.
pub fn plural(kind: Option<SubjectKind>) -> &'static str {
    match kind {
        Some(SubjectKind::Human) => "people",
        Some(SubjectKind::Animal) => "animals",
        Some(SubjectKind::Object) => "objects",
        None => "of no stated kind",
    }
}

/// How well the encoder tells the subjects of each kind apart: in copies of their own references, and in the images.
pub fn instrument(data: &PageData) -> Option<Markup> {
    let windows = &data.windows;
    if windows.instrument.is_empty() && windows.in_kind.is_empty() {
        return None;
    }
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    Some(html! {
        p {
            "No verdict is better than the encoder, " (shown(&data.by_model.identity)) ". AUC here is how often the right subject is more \
             similar than another of its kind: 1 is always, 0.5 is chance."
        }
        @if windows.instrument.is_empty() {
            p { code { "msdata subjects check --keep" } " tries the encoder on copies of the pool’s own references, and the page then shows what it finds." }
        } @else {
            div.scroll role="region" aria-label="The pool’s own references" tabindex="0" {
                table {
                    caption { "The pool’s own references, changed, against every subject of their kind" }
                    thead { tr { th scope="col" { "references" } th scope="col" { "kind" } th.number scope="col" { "subjects" } th.number scope="col" { "pictures" } th.number scope="col" { "top-1" } th.number scope="col" { "AUC" } } }
                    tbody { @for figure in &windows.instrument {
                        tr {
                            th scope="row" { (shown(&figure.variant)) }
                            td { @match figure.kind { Some(kind) => (plural(Some(kind))), None => "all" } }
                            td.number { (figure.subjects) } td.number { (figure.pictures) }
                            td.number { (number(figure.top1)) } td.number { (number(figure.auc)) }
                        }
                    } }
                }
            }
            p { "To pass is necessary, not sufficient: a generated subject differs more from its reference than a mirrored copy does." }
        }
        @if !windows.in_kind.is_empty() {
            div.scroll role="region" aria-label="The images" tabindex="0" {
                table.compact {
                    caption { "The images: subjects that were asked for against others of their kind" }
                    thead { tr { th scope="col" { "kind" } th scope="col" { "model" } th.number scope="col" { "images" } th.number scope="col" { "AUC" } } }
                    tbody { @for one in &windows.in_kind {
                        tr { th scope="row" { (plural(Some(one.kind))) } td { (name(&one.model, 28)) } td.number { (one.images) } td.number { (format!("{:.3}", one.auc)) } }
                    } }
                }
            }
            p { "Near 0.5 for every model: either none keeps the identities of that kind, or the encoder does not see them, and its figures for that kind say nothing." }
        }
    })
}
