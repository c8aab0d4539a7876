//! Which of a directory's files are the networks and their configuration.

use super::directory::read_json;
use super::elsewhere::recipe;
use super::settings::{SETTINGS, Settings};
use crate::error::{Error, Result};
use crate::text::{plain, quote};
use std::path::{Path, PathBuf};

/// Where `pip` and the hub's exporters put networks: at the top, or a folder down.
const PLACES: [&str; 2] = ["", "onnx"];

/// Networks that are listed where none has the right name.
const MAX_LISTED: usize = 12;

/// Where a file of the directory is, at the top or in `onnx/`.
///
/// # Errors
/// There is something of that name that is not a file: often a link of the hub's cache to what was never
/// fetched.
fn find(dir: &Path, file: &str) -> Result<Option<PathBuf>> {
    for path in PLACES.iter().map(|place| dir.join(place).join(file)) {
        if path.is_file() {
            return Ok(Some(path));
        }
        if path.symlink_metadata().is_ok() {
            let reason = "is not a regular file, or is a link to one that is not there";
            return Err(Error::encoder(&path, reason, "fetch it again, or put a file in its place"));
        }
    }
    Ok(None)
}

/// As [`find`]; there must be one.
///
/// # Errors
/// There is none.
pub(super) fn required(dir: &Path, file: &str, why: &str) -> Result<Option<PathBuf>> {
    match find(dir, file)? {
        Some(found) => Ok(Some(found)),
        None => Err(Error::encoder(dir, format!("has no {file}: {why}"), format!("take {file} from where the model comes from"))),
    }
}

/// The network that `msdata.toml` names.
fn named_model(dir: &Path, key: &str, file: &str) -> Result<Option<PathBuf>> {
    let path = dir.join(file);
    if path.is_file() {
        return Ok(Some(path));
    }
    let there = networks(dir).join(", ");
    let there = if there.is_empty() { "none".into() } else { there };
    let reason = format!("`{key}` is {}, and there is no such file", quote(file));
    Err(Error::encoder(&dir.join(SETTINGS), reason, format!("name one of the networks in the directory: {there}")))
}

/// The ONNX files of a directory, as `msdata.toml` would name them.
fn networks(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for place in PLACES {
        let Ok(entries) = std::fs::read_dir(dir.join(place)) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.ends_with(".onnx") && entry.path().is_file()) else { continue };
            let name = plain(name);
            found.push(if place.is_empty() { name.into_owned() } else { format!("{place}/{name}") });
        }
    }
    found.sort();
    found.truncate(MAX_LISTED);
    found
}

/// Whether a network is a text network, by its file's name.
fn of_texts(file: &str) -> bool {
    file.rsplit('/').next().is_some_and(|name| name.starts_with("text"))
}

/// The one to suggest: half precision changes vectors least.
fn suggested(files: &[String]) -> Option<&String> {
    files.iter().find(|file| file.contains("fp16")).or(files.first())
}

/// The image network.
///
/// # Errors
/// There is none, or none of a known name.
pub(super) fn image_model(dir: &Path, settings: &Settings) -> Result<Option<PathBuf>> {
    if let Some(file) = &settings.image_model {
        return named_model(dir, "image_model", file);
    }
    for file in ["vision_model.onnx", "model.onnx"] {
        if let Some(found) = find(dir, file)? {
            return Ok(Some(found));
        }
    }
    let others: Vec<String> = networks(dir).into_iter().filter(|file| !of_texts(file)).collect();
    let missing = "has no model.onnx or vision_model.onnx";
    let Some(one) = suggested(&others) else {
        return Err(Error::encoder(
            dir,
            format!("{missing}, neither at its top nor in onnx/"),
            "export the image network to ONNX (scripts/export_encoder.py of msdata does it), or give the directory that holds it",
        ));
    };
    Err(Error::encoder(
        dir,
        format!("{missing}, only {}", others.join(", ")),
        format!(
            "to use one of these, name it in {}: `image_model = \"{one}\"` (a quantised network gives other vectors than the \
             one it was made from)",
            dir.join(SETTINGS).display()
        ),
    ))
}

/// The text network, if there is one that is to be used.
///
/// # Errors
/// There is one, of another name, and nobody says whether it is to be used.
pub(super) fn text_model(dir: &Path, settings: &Settings) -> Result<Option<PathBuf>> {
    match settings.text_model.as_deref() {
        Some("none") => return Ok(None),
        Some(file) => return named_model(dir, "text_model", file),
        None => {}
    }
    if let Some(found) = find(dir, "text_model.onnx")? {
        return Ok(Some(found));
    }
    let others: Vec<String> = networks(dir).into_iter().filter(|file| of_texts(file)).collect();
    let Some(one) = suggested(&others) else { return Ok(None) };
    Err(Error::encoder(
        dir,
        format!("has no text_model.onnx, only {}", others.join(", ")),
        format!(
            "to use one of these, name it in {}: `text_model = \"{one}\"`; to embed images alone: `text_model = \"none\"`",
            dir.join(SETTINGS).display()
        ),
    ))
}

/// The file that says how images are prepared. Newer exporters write one for images and texts.
///
/// # Errors
/// There is none, or it says nothing about images.
pub(super) fn preprocessor(dir: &Path) -> Result<Option<PathBuf>> {
    let (own, shared) = ("preprocessor_config.json", "processor_config.json");
    if let Some(found) = find(dir, own)? {
        return Ok(Some(found));
    }
    let why = "it says how an image becomes the network's input";
    let there = |dir: &Path| [own, shared].iter().any(|file| dir.join(file).is_file());
    match find(dir, shared)? {
        None if dir.parent().is_some_and(there) => Err(Error::encoder(
            dir,
            format!("has no {own}: {why}"),
            "the directory above has one: give that directory as the encoder",
        )),
        None => match recipe(dir) {
            Some((file, command)) => {
                Err(Error::encoder(dir, format!("has no {own}: {why}"), format!("write it from what its {file} says: {command}")))
            }
            None => required(dir, own, why),
        },
        Some(found) if read_json(&found)?.get("image_processor").is_some_and(serde_json::Value::is_object) => Ok(Some(found)),
        Some(_) => Err(Error::encoder(
            dir,
            format!("has no {own}, and its {shared} says nothing about images (`image_processor`)"),
            format!("take {own} from where the model comes from"),
        )),
    }
}
