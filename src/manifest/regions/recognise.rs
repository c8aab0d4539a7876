//! The format of a region file, by its content: by the keys at its beginning.

use super::florence2::is_task;
use super::intake::Intake;
use super::{RegionFormat, source};
use crate::error::{Error, Result};
use crate::input::is_parquet;
use std::path::Path;

/// How much of a file is looked at, in bytes.
const HEAD: usize = 64 << 10;

/// Returns the format of the file at `path`.
///
/// # Errors
/// It cannot be read, or is in none of the formats.
pub fn format_of(path: &Path, intake: &Intake<'_, '_>) -> Result<RegionFormat> {
    if source::is_named(path, &["txt", "yaml", "yml"]) {
        return Ok(RegionFormat::Yolo);
    }
    if source::is_named(path, &["csv"]) {
        return Ok(RegionFormat::Supervision);
    }
    let (head, keys) = match is_parquet(path) {
        true => (Vec::new(), source::parquet(path, intake)?.columns().iter().map(|column| (1, column.clone())).collect()),
        false => {
            let head = source::open(path, intake)?.1.head(HEAD).map_err(Error::io("read", path))?;
            let keys = keys(&head);
            (head, keys)
        }
    };
    let has = |name: &str| keys.iter().any(|(depth, key)| *depth <= 1 && key == name);
    let is_key = has("model") || has("prompt_id") || has("subject_id") || has("reference_index");
    let format = if is_key && (has("regions") || has("box")) {
        Some(RegionFormat::Jsonl)
    } else if has("shapes") {
        Some(RegionFormat::LabelMe)
    } else if has("image_path") && has("annotations") {
        Some(RegionFormat::GroundedSam2)
    } else if has("x_min") && has("y_min") {
        Some(RegionFormat::Supervision)
    } else if has("filepath") || has("samples") {
        Some(RegionFormat::FiftyOne)
    } else if has("images")
        || has("annotations")
        || has("categories")
        || has("image_id") && (has("bbox") || has("segmentation"))
        || head.trim_ascii() == b"[]"
    {
        Some(RegionFormat::Coco)
    } else if keys.iter().any(|(_, key)| is_task(key)) {
        Some(RegionFormat::Florence2)
    } else {
        None
    };
    // A file without any row is a canonical file without rows.
    let format = format.or_else(|| (keys.is_empty() && head.trim_ascii().is_empty()).then_some(RegionFormat::Jsonl));
    format.ok_or_else(|| {
        let known: Vec<&str> = RegionFormat::ALL.iter().map(|format| format.as_str()).collect();
        let message = format!("{} is in no format of regions that is known by its keys ({})", path.display(), known.join(", "));
        Error::request(message, "name its format with --format; docs/regions.md shows what each looks like")
    })
}

/// Returns the keys of JSON objects in a text that may be cut short, each with the number of objects it is within,
/// counted from 1.
fn keys(text: &[u8]) -> Vec<(u32, String)> {
    let (mut keys, mut depth, mut at) = (Vec::new(), 0_u32, 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                let start = at;
                while text.get(at).is_some_and(|b| *b != b'"') {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
                let Some(inner) = text.get(start..at) else { break };
                at += 1;
                if text.get(at..).unwrap_or_default().trim_ascii_start().starts_with(b":") {
                    keys.push((depth, String::from_utf8_lossy(inner).into_owned()));
                }
            }
            _ => {}
        }
    }
    keys
}
