//! What the windows say, for people to check: verdicts with boxes, crops and nulls; whom the places resemble; whether the
//! encoder can tell at all.

use super::gallery::{img, ten_thousandths};
use super::pictures::{Shelf, Shown};
use super::sections::{apart, drawing, model};
use super::text::shown;
use super::{PageData, PagePrompt};
use crate::report::{ALPHA, Confusion, Null, Seen, SeenSubject};
use crate::vocabulary::SubjectKind;
use crate::windows::Rectangle;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use serde_json::{Value, json as value};
use std::collections::HashMap;

/// Subjects of a pool of which each is a row of the matrix of requested against found.
const MATRIX: usize = 40;

/// Confusions that are listed.
const LISTED: usize = 10;

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

/// The verdict on a subject as a sign and a word.
fn verdict(subject: &SeenSubject) -> Markup {
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
                li { (verdict(verdict_of)) " " bdi { (shown(&data.subjects[*subject].label)) } }
            }
            @for extra in &seen.extras {
                li { span.verdict.lost { "+" span.word { " unasked:" } } " " bdi { (shown(&data.subjects[extra.subject].label)) } }
            }
        }
    }
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

/// The definition, on one of the user's own images: one in which some subjects are missing and some present, if there is
/// one. `None`: no image was searched.
pub fn worked(data: &PageData, shelf: &Shelf) -> Option<Markup> {
    let under_test = data.styles.models.len();
    let candidates = data.generations.iter().filter_map(|g| {
        let places = g.places.as_ref()?;
        let picture = source(shelf, g.picture)?;
        let count = |verdict| places.seen.subjects.iter().filter(|s| s.present == verdict).count();
        let (present, missing) = (count(Some(true)), count(Some(false)));
        let all = places.seen.subjects.len();
        Some((
            (g.model >= under_test, present + missing < all, present == 0 || missing == 0, all.abs_diff(4)),
            (g, places, picture),
        ))
    });
    let (_, (generation, places, picture)) = candidates.min_by_key(|(rank, _)| *rank)?;
    let prompt = &data.prompts[generation.prompt];
    let subjects = &places.seen.subjects;
    let missing = subjects.iter().filter(|s| s.present == Some(false)).count();
    let [width, height] = places.size;
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
                    (model(data, generation)) ", seed " (generation.seed) ", prompt " bdi { (shown(&prompt.id)) } ": "
                    q { bdi { (shown(&prompt.text)) } } " Broken frames are the best places of subjects that are missing."
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
                            span.label { bdi { (shown(&subject.label)) } br; (verdict(seen)) }
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
            @for figure in [&figures.cscr, &figures.cscr_scene, &figures.cscr_curve].into_iter().flatten() {
                @for panel in apart(figure) { (drawing(&panel, None)) }
            }
        }
        @if let Some(figure) = &figures.presence {
            h3 { "Present, by subject count and scene type" }
            div.figures { (drawing(figure, Some(&figure.description))) }
        }
    }
}

/// A kind in the plural.
fn plural(kind: Option<SubjectKind>) -> &'static str {
    match kind {
        Some(SubjectKind::Human) => "people",
        Some(SubjectKind::Animal) => "animals",
        Some(SubjectKind::Object) => "objects",
        None => "of no stated kind",
    }
}

/// Requested against found: by kind, subject by subject in a pool that is not too large, and the pairs most often taken for
/// one another.
pub fn found(data: &PageData) -> Option<Markup> {
    let confusions = &data.windows.confusions;
    if confusions.is_empty() {
        return None;
    }
    let kind_of = |subject: usize| data.subjects[subject].kind;
    let mut kinds: Vec<Option<SubjectKind>> = data.subjects.iter().map(|s| s.kind).collect();
    kinds.sort_unstable_by_key(|kind| (kind.is_none(), *kind));
    kinds.dedup();
    let row = |confusion: &Confusion, kind: Option<SubjectKind>| -> (u32, Vec<u32>) {
        let of_kind = || confusion.counts.iter().filter(move |((asked, _), _)| kind_of(*asked) == kind);
        let sum =
            |is: &dyn Fn(usize, Option<usize>) -> bool| of_kind().filter(|((a, f), _)| is(*a, *f)).map(|(_, n)| n).sum::<u32>();
        let mut cells = vec![sum(&|asked, found| found == Some(asked))];
        cells.extend(kinds.iter().map(|other| sum(&|asked, found| found.is_some_and(|f| f != asked && kind_of(f) == *other))));
        cells.push(sum(&|_, found| found.is_none()));
        (of_kind().map(|(_, n)| n).sum(), cells)
    };
    Some(html! {
        p {
            "Each requested subject has one place to itself. Whose reference does that place resemble most, of the whole pool? Right is the \
             subject itself. Others of its kind in its place mean that the kind was drawn and not the identity, or that the encoder cannot \
             tell; another kind means that the place shows something else."
        }
        div.scroll role="region" aria-label="Requested and found, by kind" tabindex="0" {
            table {
                caption { "Requested and found, by kind, in per cent of the requested subjects" }
                thead { tr {
                    th scope="col" { "model" } th scope="col" { "requested" } th.number scope="col" { "subjects" } th.number scope="col" { "itself" }
                    @for kind in &kinds { th.number scope="col" { @if kind.is_some() { "other " } (plural(*kind)) } }
                    th.number scope="col" { "no place" }
                } }
                @for confusion in confusions {
                    @let rows: Vec<_> = kinds.iter().map(|kind| (*kind, row(confusion, *kind))).filter(|(_, (all, _))| *all > 0).collect();
                    tbody {
                        @for (n, (kind, (all, cells))) in rows.iter().enumerate() {
                            tr {
                                @if n == 0 { th scope="rowgroup" rowspan=(rows.len()) { bdi { (shown(&confusion.model)) } } }
                                th scope="row" { (plural(*kind)) }
                                td.number { (all) }
                                @for cell in cells { td.number { (format!("{:.1}", 100.0 * f64::from(*cell) / f64::from(*all))) } }
                            }
                        }
                    }
                }
            }
        }
        @for confusion in confusions {
            h3 { bdi { (shown(&confusion.model)) } }
            @if data.subjects.len() <= MATRIX { (matrix(data, confusion)) }
            (often(data, confusion))
        }
    })
}

/// The pairs that are most often taken for one another.
fn often(data: &PageData, confusion: &Confusion) -> Markup {
    let wrong = confusion.counts.iter().filter_map(|((asked, found), n)| Some((*asked, (*found)?, *n)));
    let mut wrong: Vec<(usize, usize, u32)> = wrong.filter(|(asked, found, _)| asked != found).collect();
    wrong.sort_by_key(|(asked, found, n)| (std::cmp::Reverse(*n), *asked, *found));
    let name = |subject: usize| shown(&data.subjects[subject].label);
    html! {
        @if !wrong.is_empty() {
            p.quiet {
                "Most often taken for another: "
                @for (n, (asked, found, times)) in wrong.iter().take(LISTED).enumerate() {
                    @if n > 0 { ", " } bdi { (name(*asked)) } " → " bdi { (name(*found)) } " (" (times) ")"
                }
                "."
            }
        }
    }
}

/// A row for each subject that was asked for, a column for each whom its places resemble most.
fn matrix(data: &PageData, confusion: &Confusion) -> Markup {
    const CELL: usize = 10;
    const NAMES: usize = 92;
    let pool = data.subjects.len();
    let mut sums = vec![0_u32; pool];
    confusion.counts.iter().for_each(|((asked, _), n)| sums[*asked] += n);
    let (width, height) = (NAMES + CELL * (pool + 1), CELL * (pool + 2));
    let short = |label: &str| {
        if label.chars().count() > 20 { format!("{}…", label.chars().take(19).collect::<String>()) } else { label.to_owned() }
    };
    html! {
        figure.plot.matrix {
            svg viewBox={ "0 0 " (width) " " (height) } role="img" aria-label={ "Requested (rows) against found (columns), " (shown(&confusion.model)) } {
                @for (at, subject) in data.subjects.iter().enumerate() {
                    @let middle = CELL * at + CELL / 2;
                    text x=(NAMES - 3) y=(CELL + middle + 2) text-anchor="end" font-size="5.5" fill="currentColor" { (shown(&short(&subject.label))) " " (at + 1) }
                    text x=(NAMES + middle) y=(CELL - 3) text-anchor="middle" font-size="5.5" fill="currentColor" { (at + 1) }
                }
                text x=(NAMES + CELL * pool + CELL / 2) y=(CELL - 3) text-anchor="middle" font-size="5.5" fill="currentColor" { "–" }
                @for ((asked, found), n) in &confusion.counts {
                    @let share = f64::from(*n) / f64::from(sums[*asked].max(1));
                    @let column = found.unwrap_or(pool);
                    @let class = if *found == Some(*asked) { "right" } else { "wrong" };
                    g {
                        rect class=(class) x=(NAMES + CELL * column) y=(CELL * (asked + 1)) width=(CELL) height=(CELL) fill-opacity=(format!("{:.2}", 0.15 + 0.85 * share)) {}
                        title {
                            (shown(&data.subjects[*asked].label)) " → "
                            @match found { Some(found) => (shown(&data.subjects[*found].label)), None => "no place" }
                            ": " (n) " of " (sums[*asked])
                        }
                    }
                }
                path.grid d={ "M" (NAMES) " " (CELL) "h" (CELL * (pool + 1)) "v" (CELL * pool) "h-" (CELL * (pool + 1)) "z" } fill="none" {}
            }
            figcaption { "Rows: who was asked for. Columns: whom the place resembles most; – for no place. Darker: more of the row." }
        }
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
                        tr { th scope="row" { (plural(Some(one.kind))) } td { bdi { (shown(&one.model)) } } td.number { (one.images) } td.number { (format!("{:.3}", one.auc)) } }
                    } }
                }
            }
            p { "Near 0.5 for every model: either none keeps the identities of that kind, or the encoder does not see them, and its figures for that kind say nothing." }
        }
    })
}
