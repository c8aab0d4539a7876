//! The whole document: head, policy, and the order of its sections.

use super::pictures::Shelf;
use super::text::{count, shown};
use super::{GENERATOR, PageData, gallery, sections, verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, PreEscaped, html};
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!(
    include_str!("script/data.js"),
    include_str!("script/marks.js"),
    include_str!("script/frames.js"),
    include_str!("script/list.js"),
    include_str!("script/dialogs.js"),
    include_str!("script/address.js"),
);

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
                a.skip href="#verdict" { "Skip to the report" }
                // Where the reader is at any time: beside the header, not in it, so that it stays in view.
                nav aria-label="Contents" {
                    ol {
                        li { a href="#verdict" { "Verdict" } }
                        @for section in &sections { li { a href={ "#" (section.id) } { (section.short) } } }
                    }
                    a.to-gallery href="#gallery" { "Gallery" }
                }
                header {
                    h1 { (title) }
                    p.note { (summary(data)) @if let Some(note) = &data.options.note { " " (shown(note)) } }
                }
                main {
                    section #verdict aria-labelledby="verdict-title" {
                        h2 #verdict-title { "Verdict" }
                        (verdict::verdict(data))
                    }
                    @for section in &sections {
                        section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                            h2 id={ (section.id) "-title" } { (section.title) }
                            (section.body)
                        }
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

/// Returns what there is, in a sentence.
fn summary(data: &PageData) -> String {
    let counts: Vec<usize> = data.prompts.iter().map(|p| p.subjects.len()).collect();
    let range = match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) if least < most => format!(" of {least} to {most} subjects"),
        (Some(least), _) => format!(" of {}", count(*least, "subject")),
        _ => String::new(),
    };
    let controls = match data.styles.controls.len() {
        0 => String::new(),
        n => format!(" and {}", count(n, "control")),
    };
    format!(
        "{}{controls}, {}{range} from a pool of {}.",
        count(data.styles.models.len(), "model"),
        count(data.prompts.len(), "prompt"),
        count(data.subjects.len(), "subject")
    )
}
