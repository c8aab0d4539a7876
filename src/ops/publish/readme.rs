//! The dataset card: `README.md`, whose front matter says how the tables are loaded.

use super::card::{Card, Named};
use super::described::{ColumnKind, PublishedTable};
use crate::manifest::PublishedFacts;
use crate::text::plain_lines;
use crate::vocabulary::ModelName;
use serde_json::json;
use std::fmt::Write;

/// What the card tells besides the tables.
pub struct About<'a> {
    /// What the author says.
    pub card: &'a Card,
    /// What the data set is.
    pub facts: &'a PublishedFacts,
    /// Images with their bytes.
    pub images: u64,
    /// Images that are missing or unusable.
    pub absent: u64,
    /// Every model and whether it is a control.
    pub models: Vec<(ModelName, bool)>,
}

/// The split that all tables are in: nothing here is for training.
pub const SPLIT: &str = "test";

/// Returns the text of the card.
pub fn text(about: &About<'_>, tables: &[PublishedTable]) -> String {
    let mut out = String::from("---\n");
    front_matter(&mut out, about.card, tables);
    out.push_str("---\n\n");
    body(&mut out, about, tables);
    out
}

/// A text as YAML has it: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

/// Writes to a string, which cannot fail.
macro_rules! line {
    ($out:expr, $($part:tt)*) => {{ let _ = writeln!($out, $($part)*); }};
}

fn front_matter(out: &mut String, card: &Card, tables: &[PublishedTable]) {
    line!(out, "pretty_name: {}", quoted(&card.name));
    if is_identifier(&card.license) {
        line!(out, "license: {}", card.license.to_ascii_lowercase());
    } else {
        line!(out, "license: other\nlicense_name: {}", quoted(&card.license));
        if is_address(&card.license) {
            line!(out, "license_link: {}", quoted(&card.license));
        }
    }
    line!(out, "task_categories:\n- text-to-image\ntags:");
    for tag in ["evaluation", "multi-subject", "msdata"].into_iter().chain(card.keywords.iter().map(String::as_str)) {
        line!(out, "- {}", quoted(tag));
    }
    line!(out, "configs:");
    for (rank, table) in tables.iter().enumerate() {
        line!(
            out,
            "- config_name: {}\n  data_files:\n  - split: {SPLIT}\n    path: {}",
            quoted(&table.name),
            quoted(&table.pattern)
        );
        if rank == 0 {
            line!(out, "  default: true");
        }
    }
    line!(out, "dataset_info:");
    for table in tables {
        line!(out, "- config_name: {}\n  features:", quoted(&table.name));
        for column in &table.columns {
            line!(out, "  - name: {}", quoted(&column.name));
            match column.kind {
                ColumnKind::Text => line!(out, "    dtype: string"),
                ColumnKind::Texts => line!(out, "    list: string"),
                ColumnKind::Int32 => line!(out, "    dtype: int32"),
                ColumnKind::Int64 => line!(out, "    dtype: int64"),
                ColumnKind::Float64 => line!(out, "    dtype: float64"),
                ColumnKind::Flag => line!(out, "    dtype: bool"),
                ColumnKind::Vector(length) => line!(out, "    list: float32\n    length: {length}"),
                ColumnKind::Image => line!(out, "    dtype: image"),
            }
        }
        line!(out, "  splits:\n  - name: {SPLIT}\n    num_bytes: {}\n    num_examples: {}", table.bytes, table.rows);
        line!(out, "  dataset_size: {}", table.bytes);
    }
}

/// Whether a licence is written as an SPDX identifier.
pub fn is_identifier(licence: &str) -> bool {
    !licence.is_empty() && licence.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.+".contains(&b))
}

/// Whether a text is the address of a page.
pub fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

fn body(out: &mut String, about: &About<'_>, tables: &[PublishedTable]) {
    let About { card, facts, images, absent, models } = about;
    line!(out, "# {}\n\n{}\n", plain_lines(&card.name), plain_lines(&card.description));
    line!(out, "## Tables\n\n| table | rows | what a row is |\n|---|---|---|");
    for table in tables {
        line!(out, "| `{}` | {} | {} |", table.name, table.rows, cell(&table.about));
    }
    let inside = tables.first().is_some_and(|table| table.columns.iter().any(|column| column.kind == ColumnKind::Image));
    line!(out, "\n```python\nimport datasets");
    line!(out, "data = datasets.load_dataset(\"DIR\", split=\"{SPLIT}\")    # the generations; a table by its name:");
    line!(out, "scores = datasets.load_dataset(\"DIR\", \"image_scores\", split=\"{SPLIT}\")\n```\n");
    match inside {
        true => line!(out, "Images are in the column `image`; `path` is the name that they have when they are unpacked."),
        false => line!(out, "Images are files; `path` is where each lies in this directory."),
    }
    line!(out, "{images} images are here. {absent} are missing or unusable: their rows have no image, and `reason` says why.\n");
    let named = |control: bool| {
        let names = models.iter().filter(|(_, is)| *is == control).map(|(name, _)| format!("`{}`", cell(name.as_str())));
        names.collect::<Vec<_>>().join(", ")
    };
    line!(out, "Models: {}.", named(false));
    if models.iter().any(|(_, control)| *control) {
        line!(out, "Controls, which are no generators under test and have `control` set: {}.", named(true));
    }
    line!(out, "\n## Licences\n\n- What is published here: {}", plain_lines(&card.license));
    for licence in &card.reference_licences {
        line!(out, "- Reference images: {}", plain_lines(licence));
    }
    for (encoder, licence) in &card.encoder_licences {
        line!(out, "- The encoder `{}`, whose vectors and scores are here: {}", cell(encoder), plain_lines(licence));
    }
    line!(out, "\n## Where it comes from\n");
    for (what, entries) in [("Made from", &card.derived_from), ("Made by", &card.generated_by)] {
        for Named { name, url, more } in entries {
            let url = url.as_ref().map_or_else(String::new, |url| format!(", <{url}>"));
            let more = more.as_ref().map_or_else(String::new, |more| format!(" ({more})"));
            line!(out, "- {what}: {}{}{}", plain_lines(name), plain_lines(&url), plain_lines(&more));
        }
    }
    line!(out, "\n## Responsible use\n");
    for (what, said) in [
        ("How the data came about", &card.data_collection),
        ("Biases", &card.data_biases),
        ("Personal and sensitive information", &card.personal_sensitive_information),
        ("Limitations", &card.data_limitations),
        ("Use cases", &card.data_use_cases),
        ("Social impact", &card.data_social_impact),
    ] {
        line!(out, "**{what}.** {}\n", plain_lines(said));
    }
    let synthetic = if card.has_synthetic_data { "It holds synthetic data." } else { "It holds no synthetic data." };
    line!(out, "{synthetic}\n\n## Creators and citation\n");
    for Named { name, url, more } in &card.creators {
        let more = more.as_ref().map_or_else(String::new, |more| format!(", {more}"));
        let url = url.as_ref().map_or_else(String::new, |url| format!(", <{url}>"));
        line!(out, "- {}{}{}", plain_lines(name), plain_lines(&more), plain_lines(&url));
    }
    line!(
        out,
        "\nPublished {} at <{}>, version {}.\n\n```bibtex",
        card.date_published,
        plain_lines(&card.url),
        plain_lines(&card.version)
    );
    line!(out, "{}\n```\n", plain_lines(&card.citation));
    line!(
        out,
        "## With msdata\n\n```sh\nmsdata init set && cd set && msdata ingest --from published DIR --no-embed\nmsdata digest    # {}\n```",
        facts.digest
    );
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    crate::text::plain(text).replace('|', "\\|").replace('`', "'")
}
