//! The report below its first screen: figures, what was tested, how it was made.

use super::gallery::img;
use super::pictures::Shelf;
use super::text::{count, name, shown};
use super::worked::worked;
use super::{GENERATOR, PageData, compared, matrix, places, tables};
use crate::plot::Figure;
use crate::report::{Measure, Thresholds};
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

/// Returns the sections between the first screen and the gallery: numbers first, then what they rest on.
pub fn all(data: &PageData, shelf: &Shelf) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut add = |id, short, title: String, body| sections.push(Section { id, short, title, body });
    if let Some(body) = compared::compared(data) {
        add("compared", "Comparisons", "Models against each other".into(), body);
    }
    add("results", "Tables", "Results".into(), tables::results(data));
    if !data.by_regions.is_empty() {
        add("regions", "Regions", "Who has a region of their own".into(), tables::regions(data));
    }
    if let Some(figure) = &data.figures.heat_map {
        let body = html! { p { (figure.description) } div.figures { (heat_map(figure, None)) } };
        add("subjects", "Subjects", "Subject by subject".into(), body);
    }
    if data.windows.pattern.is_some() || data.figures.cscr.is_some() {
        add("where", "Presence", "Who is there, by windows".into(), places::figures(data));
    }
    if let Some(body) = matrix::found(data) {
        add("confusion", "Confusions", "Requested and found".into(), body);
    }
    if let Some(figure) = &data.figures.trend {
        let body = html! {
            p { "Does an identity fade as the scene fills up? Whiskers are 95 % intervals." (explain_controls(data)) }
            div.figures { @for panel in apart(figure) { (drawing(&panel, None)) } }
        };
        let title =
            if data.threshold().is_some() { "Similarity and collapse by subject count" } else { "Similarity by subject count" };
        add("count", "Counts", title.into(), body);
    }
    if !data.figures.metrics.is_empty() {
        let body = html! {
            p { "Numbers that were computed elsewhere and imported, over the images that have one. Whiskers are 95 % intervals." }
            div.figures { @for figure in &data.figures.metrics { (drawing(figure, Some(&figure.title))) } }
        };
        add("metrics", "Metrics", "Metrics from elsewhere".into(), body);
    }
    // The first screen has it where it is of the measure that leads.
    let leads_by_windows = data.verdict.as_ref().is_some_and(|verdict| matches!(verdict.measure, Measure::Calibrated(_)));
    if let Some(figure) = data.figures.scene.as_ref().filter(|_| leads_by_windows) {
        let body = html! {
            p { "In neutral scenes the subjects are side by side; in occlusion some hide others; in interaction they act on each other." }
            div.figures { (drawing(figure, None)) }
        };
        let measure =
            data.threshold().map_or_else(|| "Identification".to_owned(), |tau| format!("SCR@{}", Thresholds::name(tau)));
        add("scene", "Scenes", format!("{measure} by scene type"), body);
    }
    if let Some(figure) = &data.figures.curve {
        let body = html! {
            p { "A threshold is a choice. The whole curve shows what another choice would have said: a model whose curve is lower everywhere is better at every threshold." }
            div.figures { (drawing(figure, None)) }
        };
        add("curve", "Thresholds", "SCR at every threshold".into(), body);
    }
    if !data.figures.histograms.is_empty() {
        let body = html! {
            p { "All requested subjects of all images: a model that keeps identities has its hump at the right, and a threshold separates \
                 something only where the humps of models lie on its two sides." }
            div.figures { @for figure in &data.figures.histograms { (drawing(figure, Some(&figure.title))) } }
        };
        add("spread", "Spread", "How the similarities are spread".into(), body);
    }
    if let Some(figure) = &data.figures.tradeoff {
        add("tradeoff", "Trade-off", "Following the text, keeping the identities".into(), tradeoff(data, figure));
    }
    if data.by_model.columns().iter().filter(|m| m.is_cosine()).count() > 1 {
        add("profile", "Profile", "Profile of the models".into(), profile(data));
    }
    if let Some((id, short, title, body)) = worked(data, shelf) {
        add(id, short, title.into(), body);
    }
    if let Some(body) = places::instrument(data) {
        add("instrument", "Instrument", "Can the encoder tell them apart?".into(), body);
    }
    add("tested", "Pool", "What was tested".into(), tested(data, shelf));
    add("made", "Method", "How it was made".into(), made(data));
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
                        span { (name(&subject.label, 30)) }
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

fn explain_controls(data: &PageData) -> Markup {
    html! {
        @if data.styles.controls.is_empty() { " No control is drawn: " code { "msdata controls make" } " makes composites of the references." }
        @else if tables::exceeded(data).is_empty() { " The crosses are the controls: what the metric gives when every subject is really there." }
        @else { " The crosses are the controls, composites of the references. A model does better, so they are no ceiling here." }
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

/// Returns a heat map, which has room for the names of its columns.
pub fn heat_map(figure: &Figure, caption: Option<&str>) -> Markup {
    html! {
        figure.plot.heat {
            (PreEscaped(figure.for_page(WIDE * 1.6)))
            @if let Some(caption) = caption { figcaption { (caption) } }
        }
    }
}

fn tradeoff(data: &PageData, figure: &Figure) -> Markup {
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

/// How the numbers were made.
fn made(data: &PageData) -> Markup {
    html! {
        dl {
            @if let Some(command) = &data.options.command { dt { "Command" } dd { code { (shown(command)) } } }
            dt { "Program" } dd { (GENERATOR) }
            dt { "Collapse" } dd {
                @if data.threshold().is_some() { "similarity by " (shown(&data.by_model.identity)) " strictly below τ = " (data.options.thresholds) }
                @else { "not said: no threshold is known for " (shown(&data.by_model.identity)) "; " code { "--thresholds" } " chooses some" }
            }
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
