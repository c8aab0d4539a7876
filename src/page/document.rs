//! The whole document: head, policy, and the order of its sections.

use super::gallery;
use super::pictures::Shelf;
use super::sections;
use super::text::{count, shown};
use super::{GENERATOR, PageData};
use crate::report::Thresholds;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

const QUESTION: &str = "Did each requested identity survive?";

/// Returns the page as one text.
pub fn html(data: &PageData, shelf: &Shelf) -> String {
    let title = data.options.title.as_deref().map_or_else(|| QUESTION.to_owned(), shown);
    let sections = sections::all(data, shelf);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="generator" content=(GENERATOR);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#tested" { "Skip to the report" }
                header {
                    h1 { (title) }
                    @if let Some(note) = &data.options.note { p.note { (shown(note)) } }
                    (summary(data))
                    nav aria-label="Contents" {
                        ol {
                            @for section in &sections { li { a href={ "#" (section.id) } { (section.short) } } }
                            li { a href="#made" { "How it was made" } }
                            li { a href="#gallery" { "Gallery" } }
                        }
                    }
                }
                main {
                    @for section in &sections {
                        section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                            h2 id={ (section.id) "-title" } { (section.title) }
                            (section.body)
                        }
                    }
                    section id="made" aria-labelledby="made-title" {
                        h2 id="made-title" { "How it was made" }
                        (sections::made(data))
                    }
                    // Last, because it grows while scrolling.
                    (gallery::section(data, shelf))
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Returns what may run and be loaded: the style and the script above by their hashes, and pictures next to the page or
/// in it.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; img-src 'self' data:; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// Returns what there is and what is missing, in two sentences.
fn summary(data: &PageData) -> Markup {
    let counts: Vec<usize> = data.prompts.iter().map(|p| p.subjects.len()).collect();
    let range = match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) if least < most => format!(" of {least} to {most} subjects"),
        (Some(least), _) => format!(" of {}", count(*least, "subject")),
        _ => String::new(),
    };
    let under_test = || data.by_model.rows.iter().filter(|row| !row.control);
    let missing: u64 = under_test().map(|row| row.missing).sum();
    let expected = missing + under_test().map(|row| row.images).sum::<u64>();
    let controls = match data.styles.controls.len() {
        0 => String::new(),
        n => format!(" and {}", count(n, "control")),
    };
    html! {
        p.lead {
            (count(data.styles.models.len(), "model")) (controls) ", "
            (count(data.prompts.len(), "prompt")) (range) " from a pool of "
            (count(data.subjects.len(), "subject")) ". "
            (expected) " images were expected; "
            @if missing == 0 { "all are scored." } @else {
                strong { (expected - missing) " are scored and " (missing) " are missing" }
                ": they have no usable image, lack a vector that a score needs, or are not scored yet. They are not in any mean, and \
                are shown with the reason."
            }
        }
        @if !crate::report::is_dinov2(&data.by_model.identity) {
            p.caution {
                strong { "Read the thresholds with care. " }
                @if data.options.thresholds == Thresholds::default() {
                    "They were chosen for DINOv2; here collapse is decided by " (shown(&data.by_model.identity))
                    ", whose similarities mean something else. "
                } @else {
                    "Collapse is decided by " (shown(&data.by_model.identity)) ", not by DINOv2. "
                }
                "Compare models with each other, not with published numbers."
            }
        }
        @for (encoder, prompts) in &data.by_model.cut_prompts {
            p.caution { (count(*prompts as usize, "prompt")) " are longer than " (shown(encoder)) " takes: their CLIP-T is for only part of the text." }
        }
    }
}
