//! `msdata.toml`: what an encoder's other files cannot say.

use super::directory::{Pooling, read_if_there};
use super::onnx::Wants;
use crate::error::{Error, Result};
use crate::image::CropOffset;
use crate::text::quote;
use std::path::{Component, Path};

/// The settings' file.
pub(super) const SETTINGS: &str = "msdata.toml";

/// Larger than any that a person writes.
const MAX_BYTES: u64 = 1 << 20;

/// More tokens before the first patch than any network has.
const MAX_PREFIX: i64 = 65_536;

/// What `msdata.toml` says; nothing where there is no such file.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub name: Option<String>,
    pub image_model: Option<String>,
    /// `none`: there is a text network, and it must not be used.
    pub text_model: Option<String>,
    pub input: Option<String>,
    pub output: Option<String>,
    pub text_input: Option<String>,
    pub text_output: Option<String>,
    pub pooling: Option<Pooling>,
    pub crop_offset: CropOffset,
    pub spatial: Option<String>,
    pub prefix_tokens: Option<usize>,
}

impl Settings {
    const KEYS: [&str; 11] = [
        "name",
        "image_model",
        "text_model",
        "input",
        "output",
        "text_input",
        "text_output",
        "pooling",
        "crop_offset",
        "spatial",
        "prefix_tokens",
    ];

    /// What is wanted of the networks.
    pub(super) fn wants(&self, siglip: bool) -> Wants<'_> {
        Wants {
            input: self.input.as_deref(),
            output: self.output.as_deref(),
            text_input: self.text_input.as_deref(),
            text_output: self.text_output.as_deref(),
            pooling: self.pooling,
            spatial: self.spatial.as_deref(),
            siglip,
        }
    }

    /// Reads the settings of a directory.
    ///
    /// # Errors
    /// [`Error::Encoder`] with every fault of the file; or it cannot be read.
    pub(super) fn read(dir: &Path) -> Result<Settings> {
        let path = &dir.join(SETTINGS);
        let Some(bytes) = read_if_there(path, MAX_BYTES)? else { return Ok(Settings::default()) };
        let text = std::str::from_utf8(&bytes).map_err(Error::model(path, "is not UTF-8"))?;
        let table: toml::Table = text.parse().map_err(Error::model(path, "is not TOML"))?;
        let mut reader = SettingsReader { table: &table, faults: Vec::new() };
        reader.refuse_unknown();
        let settings = Settings {
            name: reader.text("name"),
            image_model: reader.file("image_model"),
            text_model: reader.file("text_model"),
            input: reader.text("input"),
            output: reader.text("output"),
            text_input: reader.text("text_input"),
            text_output: reader.text("text_output"),
            pooling: reader.one_of("pooling", &Pooling::WORDS),
            crop_offset: reader.one_of("crop_offset", &CROP_OFFSETS).unwrap_or_default(),
            spatial: reader.text("spatial"),
            prefix_tokens: reader.count("prefix_tokens"),
        };
        if reader.faults.is_empty() {
            return Ok(settings);
        }
        Err(Error::encoder(path, reader.faults.join("; "), format!("it may say {}", Settings::KEYS.join(", "))))
    }
}

const CROP_OFFSETS: [(&str, CropOffset); 2] = [("floor", CropOffset::Floor), ("half_even", CropOffset::HalfEven)];

/// Reads values and gathers what is wrong with them.
struct SettingsReader<'a> {
    table: &'a toml::Table,
    faults: Vec<String>,
}

impl SettingsReader<'_> {
    fn refuse_unknown(&mut self) {
        let unknown: Vec<_> = self.table.keys().filter(|key| !Settings::KEYS.contains(&key.as_str())).map(|k| quote(k)).collect();
        if !unknown.is_empty() {
            self.faults.push(format!("does not know {}", unknown.join(", ")));
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.table.get(key)? {
            toml::Value::String(text) if !text.trim().is_empty() => return Some(text.clone()),
            _ => self.faults.push(format!("`{key}` must be a text in quotes, not empty")),
        }
        None
    }

    /// A file of the directory.
    fn file(&mut self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        if Path::new(&text).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            return Some(text);
        }
        self.faults.push(format!("`{key}` is {}, and must be a file inside the directory", quote(&text)));
        None
    }

    fn count(&mut self, key: &str) -> Option<usize> {
        match self.table.get(key)? {
            toml::Value::Integer(n @ 0..=MAX_PREFIX) => return usize::try_from(*n).ok(),
            _ => self.faults.push(format!("`{key}` must be a whole number from 0 to {MAX_PREFIX}")),
        }
        None
    }

    fn one_of<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let word = self.text(key)?;
        let found = words.iter().find(|(w, _)| *w == word).map(|(_, value)| *value);
        if found.is_none() {
            let allowed: Vec<_> = words.iter().map(|(w, _)| *w).collect();
            self.faults.push(format!("`{key}` is {}, none of {}", quote(&word), allowed.join(", ")));
        }
        found
    }
}
