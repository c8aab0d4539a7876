//! `msdata-export.json`: what a folder for a generator asks for, so that its images are known again without
//! guessing.

use super::{LeftOut, System};
use crate::error::{Error, Result, io_reason};
use crate::input;
use crate::text::quote;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Its name in the folder.
pub const FILE: &str = "msdata-export.json";

/// The version of the file format.
const VERSION: u32 = 1;

/// The images that a folder asks for: every prompt in every batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportManifest {
    /// The version of the file format.
    msdata_export: u32,
    /// A [`System`].
    format: String,
    /// What the images are filed under; absent: each folder of images is named after its model.
    pub model: Option<String>,
    /// Runs of the generator.
    pub batches: Vec<ManifestBatch>,
    /// In the order of the generator's list: the place in it is what some names begin with.
    pub prompts: Vec<ManifestEntry>,
    /// Prompts that this generator cannot be asked for.
    pub left_out: Vec<LeftOut>,
}

/// A run of the generator over all prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestBatch {
    /// Where its images go, relative to the file.
    pub folder: String,
    /// One seed for each image; more than one for files that hold several images.
    pub seeds: Vec<i64>,
}

/// A prompt in the generator's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// The prompt.
    pub prompt_id: String,
    /// Its text when it was exported.
    pub text: String,
    /// The file that the generator is expected to write, below a batch's folder.
    pub name: String,
}

impl ExportManifest {
    /// Returns the manifest for a system's folder.
    pub fn new(
        system: System,
        model: Option<&str>,
        batches: Vec<ManifestBatch>,
        prompts: Vec<ManifestEntry>,
        left_out: Vec<LeftOut>,
    ) -> ExportManifest {
        let format = system.as_str().to_owned();
        ExportManifest { msdata_export: VERSION, format, model: model.map(str::to_owned), batches, prompts, left_out }
    }

    /// Reads the manifest in `folder`, if there is one.
    ///
    /// # Errors
    /// The manifest is broken, of a later version, or for another system.
    pub fn find(folder: &Path, system: System) -> Result<Option<ExportManifest>> {
        let path = folder.join(FILE);
        let text = match input::read_text(&path, input::MAX_JSON) {
            Ok(text) => text,
            Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => {
                return Err(Error::request(format!("cannot read {}: {}", path.display(), io_reason(&e)), "fix it or remove it"));
            }
        };
        let broken =
            |reason: String| Error::request(format!("{}: {reason}", path.display()), "export again, or remove this file");
        let found: ExportManifest = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
        if found.msdata_export != VERSION {
            return Err(broken(format!("version {} of this file is not known here", found.msdata_export)));
        }
        if found.format != system.as_str() {
            let message = format!("{} was exported for {}, not for {system}", folder.display(), quote(&found.format));
            return Err(Error::request(message, format!("say `--from {} {}`", found.format, folder.display())));
        }
        Ok(Some(found))
    }
}
