//! Every image with what its prompt asked for. All of it is data for the script, which shows what the reader selects;
//! the worst prompts are in the page itself for readers without JavaScript.

use super::pictures::{Shelf, Shown};
use super::places::NullList;
use super::text::{json, name, shown};
use super::worked::bar;
use super::{PageBox, PageData, PageGeneration};
use crate::report::SeenSubject;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, PreEscaped, html};
use serde_json::{Value, json as value};
use std::collections::{BTreeMap, HashMap};

/// Prompts that are shown without JavaScript.
const STATIC: usize = 6;

/// Returns a picture, or why there is none. `class` is `thumb` or `view`.
pub fn img(shelf: &Shelf, data: &PageData, picture: usize, alt: &str, class: &str) -> Markup {
    let alt = shown(alt);
    match shelf.of(picture) {
        Shown::File(name) => {
            // There may be many thumbnails, so they load when they are near; the one large view is what its section shows.
            let (size, loading) = if class == "view" { ("views", "eager") } else { ("thumbs", "lazy") };
            html! { img class=(class) src={ (size) "/" (name) ".jpg" } alt=(alt) loading=(loading) decoding="async"; }
        }
        Shown::Data(bytes) => {
            shelf.stands(picture);
            let src = format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes));
            html! { img class=(class) data-picture=(picture) src=(src) alt=(alt) decoding="async"; }
        }
        Shown::LeftOut => html! { span class={ "absent " (class) } role="img" aria-label=(alt) { "not in this file" } },
        Shown::Unusable(reason) => html! {
            span class={ "absent " (class) } role="img" aria-label={ (alt) ": " (shown(reason)) } title=(shown(&data.pictures[picture].name)) { (shown(reason)) }
        },
    }
}

/// Returns whether a subject collapsed, as a sign and a word.
pub fn verdict(collapsed: bool) -> Markup {
    html! {
        @if collapsed { span.verdict.lost { "✕" span.word { " collapsed" } } }
        @else { span.verdict.kept { "✓" span.word { " kept" } } }
    }
}

/// Returns a similarity with some digits, or with four if rounding would lift it from below the threshold to it.
pub fn rounded(similarity: f64, digits: usize, threshold: Option<f64>) -> String {
    let text = format!("{similarity:.digits$}");
    let reaches = |tau: f64| similarity < tau && text.parse::<f64>().is_ok_and(|shown| shown >= tau);
    let lifted = threshold.is_some_and(reaches);
    if lifted { format!("{:.4}", ten_thousandths(similarity) as f64 / 1e4) } else { text }
}

/// Returns the gallery: what is shown without JavaScript, the script's controls, and its data.
pub fn section(data: &PageData, shelf: &Shelf) -> Markup {
    let left_out = shelf.all().iter().filter(|s| **s == Shown::LeftOut).count();
    html! {
        section id="gallery" aria-labelledby="gallery-title" {
            h2 id="gallery-title" tabindex="-1" { "Gallery" }
            p {
                @if data.windows.pattern.is_some() {
                    "Every prompt with its references and what each model made of it, the worst first. Under an image that was looked \
                     through: who is " span.verdict.kept { "✓" } " present, " span.verdict.lost { "✕" } " missing, in several places (×2), and \
                     who is there unasked (+). Under others the bars are the similarity of the whole image with each subject"
                    @if data.threshold().is_some() { ", and ✕ marks those below the threshold" } "."
                } @else if data.threshold().is_some() {
                    "Every prompt with its references and what each model made of it, the worst first. The bars show the similarity of the image \
                     with each subject; " span.verdict.lost { "✕" } " marks those below the threshold."
                } @else {
                    "Every prompt with its references and what each model made of it, the least similar first. The bars show the similarity of \
                     the image with each subject."
                }
            }
            @if left_out > 0 {
                p.caution { "This file has room for only a sample: " (left_out) " of " (shelf.all().len()) " images are not in it. The numbers include all images." }
            }
            @if data.generations_left_out > 0 {
                p.caution { (data.generations_left_out) " images of other prompts are not in this gallery, which shows whole prompts, chosen by a hash of their ids. The numbers include all images." }
            }
            div #controls role="search" aria-label="Filter the gallery" hidden {}
            p #found role="status" aria-live="polite" {}
            div #list { (without_script(data, shelf)) }
            div #more {}
            p.on-paper #on-paper { "On paper: the prompts above, of " (data.prompts.len()) "; the page on a screen shows all." }
            dialog #lightbox aria-label="Image" {}
            dialog #compare aria-label="One prompt by every model" {}
            script #data type="application/json" { (PreEscaped(json(&script_data(data, shelf)))) }
        }
    }
}

/// Share of subjects that are lost and mean similarity of an image: missing where it was searched, else collapsed.
/// What is not scored comes last.
fn badness(data: &PageData, generation: usize) -> Option<(f64, f64)> {
    let similarities = data.generations[generation].similarities.as_deref()?;
    if let Some(seen) = &data.generations[generation].seen {
        let locals: Vec<f64> = seen.subjects.iter().map(|s| s.local).collect();
        let missing = seen.subjects.iter().filter(|s| s.present == Some(false)).count();
        return Some((missing as f64 / locals.len().max(1) as f64, crate::score::mean(&locals)));
    }
    let mean = crate::score::mean(similarities);
    match data.threshold() {
        Some(tau) => Some((crate::score::subject_collapse_rate(similarities, tau), mean)),
        // Among images with verdicts, one without says nothing.
        None if data.windows.pattern.is_some() => None,
        None => Some((0.0, mean)),
    }
}

/// Returns the generations by prompt.
fn by_prompt(data: &PageData) -> BTreeMap<usize, Vec<usize>> {
    let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    data.generations.iter().enumerate().for_each(|(i, g)| found.entry(g.prompt).or_default().push(i));
    found
}

/// Returns the prompts, the worst first: by the mean share of collapsed subjects, then by the least similar.
fn worst_first(data: &PageData) -> Vec<(usize, Vec<usize>)> {
    let mut prompts: Vec<(usize, Vec<usize>)> = by_prompt(data).into_iter().collect();
    let rank = |generations: &[usize]| {
        let scored: Vec<(f64, f64)> = generations.iter().filter_map(|g| badness(data, *g)).collect();
        let mean = |pick: fn(&(f64, f64)) -> f64| scored.iter().map(pick).sum::<f64>() / scored.len() as f64;
        if scored.is_empty() { (1.0, 1.0) } else { (-mean(|s| s.0), mean(|s| s.1)) }
    };
    prompts.sort_by(|(a, x), (b, y)| {
        let (x, y) = (rank(x), rank(y));
        x.0.total_cmp(&y.0).then(x.1.total_cmp(&y.1)).then(a.cmp(b))
    });
    prompts
}

fn without_script(data: &PageData, shelf: &Shelf) -> Markup {
    let names: Vec<&str> = data.styles.all().map(|(name, _)| name).collect();
    let prompts = worst_first(data);
    html! {
        p.quiet { "The " (prompts.len().min(STATIC)) " worst of " (prompts.len()) " prompts; with JavaScript, all of them, and filters." }
        @for (prompt, generations) in prompts.iter().take(STATIC) {
            @let prompt = &data.prompts[*prompt];
            article.prompt {
                h3 { bdi { (shown(&prompt.id)) } " " span.quiet { (prompt.subjects.len()) " subjects, " (prompt.scene_type) } }
                p.text { bdi { (shown(&prompt.text)) } }
                div.images {
                    @for g in generations.iter().filter(|g| data.generations[**g].similarities.is_some()).take(6) {
                        @let g = &data.generations[*g];
                        figure {
                            (img(shelf, data, g.picture, &prompt.text, "thumb"))
                            figcaption { (name(names[g.model], 28)) " " span.quiet { "seed " (g.seed) } }
                            @if let Some(seen) = &g.seen { (super::places::marks(data, prompt, seen)) }
                            @else { ul.sims {
                                @for (subject, s) in prompt.subjects.iter().zip(g.similarities.iter().flatten()) {
                                    li {
                                        @let tau = data.threshold();
                                        span.label { (name(&data.subjects[*subject].label, 18)) }
                                        (bar(*s, tau.as_slice(), tau.is_some_and(|tau| *s < tau)))
                                        span.value { (rounded(*s, 2, tau)) }
                                        @if let Some(tau) = tau { (verdict(*s < tau)) }
                                    }
                                }
                            } }
                        }
                    }
                }
            }
        }
    }
}

/// Returns a similarity in ten-thousandths, rounded down, so that it is below a threshold of four decimals exactly if the
/// similarity is.
pub fn ten_thousandths(similarity: f64) -> i64 {
    let nearest = (similarity * 1e4).round();
    if nearest / 1e4 > similarity { nearest as i64 - 1 } else { nearest as i64 }
}

/// Returns the script's data. It has lists instead of objects and indices instead of names, so that ten thousand images
/// take a megabyte or two.
fn script_data(data: &PageData, shelf: &Shelf) -> Value {
    let controls_from = data.styles.models.len();
    let models: Vec<Value> =
        data.styles.all().enumerate().map(|(i, (name, _))| value!([shown(name), i >= controls_from])).collect();
    let subjects: Vec<Value> = data.subjects.iter().map(|s| value!([shown(&s.id), shown(&s.label), s.references])).collect();
    let prompts: Vec<Value> =
        data.prompts.iter().map(|p| value!([shown(&p.id), shown(&p.text), p.scene_type, p.subjects])).collect();
    let mut reasons: Vec<&str> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    // A picture is the name of its files, or a number: from 1, that of its reason; 0 means that it is not in this file.
    let mut embedded = serde_json::Map::new();
    let mut pictures = Vec::with_capacity(data.pictures.len());
    for (i, picture) in shelf.all().iter().enumerate() {
        pictures.push(match picture {
            Shown::File(name) => value!(name),
            Shown::Data(bytes) => {
                if !shelf.is_standing(i) {
                    embedded.insert(i.to_string(), value!(STANDARD.encode(bytes)));
                }
                value!(0)
            }
            Shown::LeftOut => value!(0),
            Shown::Unusable(reason) => {
                let place = *places.entry(reason).or_insert_with(|| {
                    reasons.push(reason);
                    reasons.len()
                });
                value!(place)
            }
        });
    }
    let mut nulls = NullList::default();
    let images: Vec<Value> = data.generations.iter().map(|g| image_data(data, g, &mut nulls)).collect();
    value!({
        "threshold": data.threshold(),
        "thresholds": data.threshold().map(|_| data.options.thresholds.values()).unwrap_or_default(),
        "sets": data.box_sets.iter().map(|name| shown(name)).collect::<Vec<_>>(),
        "metrics": data.metrics.iter().map(|(name, lower)| value!([shown(name), lower])).collect::<Vec<_>>(),
        "views": shelf.views,
        "models": models,
        "subjects": subjects,
        "prompts": prompts,
        "pictures": pictures,
        "reasons": reasons.into_iter().map(shown).collect::<Vec<_>>(),
        "embedded": embedded,
        "images": images,
        "nulls": nulls.all(),
    })
}

/// One image: model, prompt, seed, picture, similarities, CLIP-T, path; where anything is framed in it or there are metrics,
/// what is seen, size, and the frames of each set; and the values of metrics.
fn image_data(data: &PageData, g: &PageGeneration, nulls: &mut NullList) -> Value {
    let similarities = g.similarities.as_ref().map(|s| s.iter().map(|s| ten_thousandths(*s)).collect::<Vec<_>>());
    let path = shown(&data.pictures[g.picture].name);
    // A seed may have more digits than a JavaScript number.
    let mut row = vec![value!(g.model), value!(g.prompt), value!(g.seed.to_string()), value!(g.picture), value!(similarities)];
    row.extend([value!(g.clip_t.map(ten_thousandths)), value!(path)]);
    if g.seen.is_some() || !g.boxes.is_empty() || !g.metrics.is_empty() {
        // Whom a place resembles is said where it is not the subject itself.
        let subject = |(asked, s): (&usize, &SeenSubject)| {
            let mut row = vec![
                value!(ten_thousandths(s.local)),
                value!(s.present.map(u8::from)),
                value!(s.places),
                value!(nulls.place(&s.null)),
            ];
            row.extend(s.resembles.filter(|found| found != asked).map(|found| value!(found)));
            row
        };
        let seen = g
            .seen
            .as_ref()
            .map(|seen| data.prompts[g.prompt].subjects.iter().zip(&seen.subjects).map(subject).collect::<Vec<_>>());
        let last = g.boxes.iter().map(|one| one.set).max().unwrap_or_default();
        let of_set = |set| g.boxes.iter().filter(|one| one.set == set).map(frame).collect::<Vec<_>>();
        row.extend([value!(seen), value!(g.size), value!((0..=last).map(of_set).collect::<Vec<_>>())]);
        row.extend((!g.metrics.is_empty()).then(|| value!(g.metrics)));
    }
    Value::Array(row)
}

/// One frame: subject, state, x, y, width, height; then, where there is one, similarity and how sure the detector was.
fn frame(one: &PageBox) -> Vec<Value> {
    let mut row = vec![value!(one.subject), value!(one.state as u8)];
    let Some(place) = one.place else { return row };
    row.extend([place.x, place.y, place.width, place.height].map(|pixels| value!(pixels)));
    if one.similarity.is_some() || one.score.is_some() {
        row.extend([one.similarity, one.score].map(|share| value!(share.map(ten_thousandths))));
    }
    row
}

/// Returns the order in which a single file takes in pictures: the pool, then whole prompts, so that models can be
/// compared, in turn from each cell of subject count and scene type, so that the sample covers all cells.
pub fn embedding_order(data: &PageData) -> Vec<usize> {
    let mut order: Vec<usize> = data.subjects.iter().filter_map(|s| s.references.first().copied()).collect();
    let mut cells: BTreeMap<_, Vec<Vec<usize>>> = BTreeMap::new();
    for (prompt, generations) in by_prompt(data) {
        let fact = &data.prompts[prompt];
        let pictures = generations.iter().map(|g| data.generations[*g].picture).collect();
        cells.entry((fact.subjects.len(), fact.scene_type)).or_default().push(pictures);
    }
    let rounds = cells.values().map(Vec::len).max().unwrap_or_default();
    for round in 0..rounds {
        order.extend(cells.values().filter_map(|prompts| prompts.get(round)).flatten());
    }
    order.extend(data.subjects.iter().flat_map(|s| s.references.iter().skip(1).copied()));
    order
}

#[cfg(test)]
mod tests {
    use super::{rounded, ten_thousandths};

    #[test]
    fn what_is_below_the_threshold_looks_it() {
        let shown = [(0.49996, 2), (0.4961, 2), (0.4941, 2), (0.5, 3)].map(|(s, digits)| rounded(s, digits, Some(0.5)));
        assert_eq!(shown, ["0.4999", "0.4961", "0.49", "0.500"]);
    }

    #[test]
    fn rounding_never_moves_a_similarity_over_a_threshold() {
        assert_eq!([0.57, 0.4, 0.39999, 0.40001, -0.00005].map(ten_thousandths), [5700, 4000, 3999, 4000, -1]);
    }
}
