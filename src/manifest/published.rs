//! What a published data set says besides its tables: `msdata.json`.

use crate::error::{Error, Result};
use crate::input;
use crate::layout::PUBLISHED_FACTS;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The format that this program writes and reads.
const FORMAT: u32 = 1;

/// Most bytes of the file.
const MOST: u64 = 64 << 20;

/// What a published data set says besides its tables. Words of closed sets are as the catalog writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedFacts {
    format: u32,
    /// The digest of the data set.
    pub digest: String,
    /// How transparent pixels are treated.
    pub transparency: String,
    /// The controls that are given the prompt but no reference, by name.
    pub text_only: Vec<String>,
    /// The encoders with vectors, by name.
    pub encoders: Vec<PublishedEncoder>,
    /// The region sets, by name.
    pub region_sets: Vec<PublishedRegionSet>,
}

/// What is said of an encoder besides its vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedEncoder {
    /// Its name.
    pub name: String,
    /// Whether it embeds whole images, not only regions.
    pub whole_images: bool,
    /// The windows that it searches; `None`: none.
    pub windows: Option<String>,
}

/// The rules of a region set, and who embeds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedRegionSet {
    /// Its name.
    pub name: String,
    /// The kinds of subjects that it can show; `None`: all.
    pub kinds: Option<Vec<String>>,
    /// A region with a shorter side, in pixels, does not count.
    pub least_side: f64,
    /// A region of a lower score does not count.
    pub least_score: f64,
    /// Margin of the crop, a share of the longer side.
    pub margin: f64,
    /// Whether the shorter side grows to the longer one.
    pub square: bool,
    /// What becomes of the pixels outside the mask; `None`: they stay.
    pub outside: Option<String>,
    /// How the crop becomes as large as the encoder's input.
    pub fit: String,
    /// The encoders of its regions, by name.
    pub encoders: Vec<String>,
}

impl PublishedFacts {
    /// Returns the facts of a data set with this digest, of which nothing else is known yet.
    pub fn new(digest: String, transparency: String) -> PublishedFacts {
        PublishedFacts { format: FORMAT, digest, transparency, text_only: vec![], encoders: vec![], region_sets: vec![] }
    }

    /// Returns the text of the file.
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists: JSON has them all.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads the file of the published data set in `dir`.
    ///
    /// # Errors
    /// `dir` is not a published data set, or one of a later version.
    pub fn read(dir: &Path) -> Result<PublishedFacts> {
        let path = dir.join(PUBLISHED_FACTS);
        let hint = "give the directory that `msdata publish` wrote";
        input::check_directory(dir, hint)?;
        let bytes = input::read(&path, MOST).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::request(
                format!(
                    "{} is not a published data set: it has no {PUBLISHED_FACTS}",
                    crate::text::plain(&dir.display().to_string())
                ),
                hint,
            ),
            _ => Error::io("read", &path)(e),
        })?;
        let wrong =
            |reason: String| Error::request(format!("{}: {reason}", crate::text::plain(&path.display().to_string())), hint);
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        match serde_json::from_slice::<Format>(&bytes) {
            Err(e) => return Err(wrong(format!("it does not say its format: {e}"))),
            Ok(Format { format }) if format > FORMAT => {
                let hint = "use the newer msdata that published it";
                return Err(Error::request(format!("{}: format {format} is newer than this msdata", path.display()), hint));
            }
            Ok(_) => {}
        }
        serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))
    }
}
