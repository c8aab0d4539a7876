//! Publishes a data set: tables, images, a dataset card and Croissant metadata in one directory, for others to load.
//!
//! | module | noun |
//! |---|---|
//! | `card` | [`Card`]: what only the author knows, from `card.toml` |
//! | `images` | the image files, each held to what the catalog knows, and their published names |
//! | `shards` | Parquet files of limited size |
//! | `tables` | the exported tables with published names and images, and the table of references |
//! | `windows` | what the windows showed, as tables |
//! | `regions` | what an export leaves out of region sets |
//! | `private` | paths and names of machines in texts |
//! | `described` | [`PublishedTable`]: what the card and the metadata say about a table |
//! | `readme` | the dataset card, `README.md` |
//! | `croissant` | `croissant.json` |

mod card;
mod croissant;
mod described;
mod images;
mod private;
mod readme;
mod regions;
mod shards;
mod tables;
mod windows;

use crate::dataset::Dataset;
use crate::durable::{check_target, write_directory, write_whole};
use crate::encoder::registry::licence_of;
use crate::error::{Error, Result};
use crate::layout::{CARD, PUBLISHED_FACTS, PUBLISHED_TABLES};
use crate::manifest::{PublishedEncoder, PublishedFacts, PublishedRegionSet};
use crate::ops::export::export;
use crate::text::plain;
use crate::vocabulary::closed_set;
use crate::watch::Watch;
use card::{Card, TEMPLATE, Wanted};
use described::PublishedTable;
use images::ImageFiles;
use std::fs;
use std::path::{Path, PathBuf};

closed_set! {
    /// Where the images of a published data set are.
    ImagePlace, "place" {
        /// In the Parquet tables.
        Inside = "inside",
        /// Files beside the tables.
        Beside = "beside",
    }
}

/// How to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishOptions {
    /// What the author says; `None`: `card.toml` in the data set's directory.
    pub card: Option<PathBuf>,
    /// Where the images go.
    pub images: ImagePlace,
    /// Leave the generations' meta data out.
    pub without_meta: bool,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishSummary {
    /// Tables; a table of several files is one.
    pub tables: usize,
    /// Images with their bytes.
    pub images: u64,
    /// Images that are missing or unusable: rows without an image, with the reason.
    pub absent: u64,
    /// Digest of the data set.
    pub digest: String,
}

impl Dataset {
    /// Writes a `card.toml` to fill in, into the data set's directory or to `file`; returns its path.
    ///
    /// # Errors
    /// There is one already, or it cannot be written.
    pub fn write_card(&self, file: Option<&Path>) -> Result<PathBuf> {
        let path = file.map_or_else(|| self.dir.join(CARD), Path::to_owned);
        if path.symlink_metadata().is_ok() {
            let shown = plain(&path.display().to_string()).into_owned();
            return Err(Error::request(format!("{shown} exists"), "fill it in, or choose another name with --card"));
        }
        check_target(&path)?;
        let wanted = self.card_wanted()?;
        write_whole(&path, wanted.complete(TEMPLATE).as_bytes())?;
        Ok(path)
    }

    /// Publishes the data set into `dir`, which must be new or empty. Everything is written, or nothing.
    ///
    /// # Errors
    /// The card lacks something (all of it is listed), an image file is not what the catalog knows, a text holds a path of
    /// this machine, `dir` is not empty, the disk is full, a part is damaged, or the caller wants to stop.
    pub fn publish(&self, dir: &Path, options: &PublishOptions, watch: &mut Watch<'_>) -> Result<PublishSummary> {
        let path = options.card.clone().unwrap_or_else(|| self.dir.join(CARD));
        let card = Card::read(&path, &self.card_wanted()?)?;
        write_directory(dir, |partial| {
            let digest = self.digest(watch)?.blake3;
            let at = partial.join(PUBLISHED_TABLES);
            export(&self.catalog, &self.store, &at, watch)?;
            let mut files = ImageFiles::new(&self.door, options.images, partial);
            tables::subjects(self, &at)?;
            tables::references(self, &at, &mut files, watch)?;
            tables::generations(self, &at, &mut files, options.without_meta, watch)?;
            let (images, absent) = files.finish()?;
            windows::write(self, &at, watch)?;
            regions::write(self, &at, watch)?;
            tables::cut_prompts(self, &at)?;
            let facts = self.published_facts(digest)?;
            fs::write(partial.join(PUBLISHED_FACTS), facts.to_json()).map_err(Error::io("write", partial))?;
            let tables = PublishedTable::all(partial)?;
            private::refuse(partial, &tables, watch)?;
            let about = readme::About { card: &card, facts: &facts, images, absent, models: self.catalog.models()? };
            let write =
                |name: &str, text: String| fs::write(partial.join(name), text).map_err(Error::io("write", partial.join(name)));
            write("README.md", readme::text(&about, &tables))?;
            write("croissant.json", croissant::text(&about, &tables, partial, watch)?)?;
            Ok(PublishSummary { tables: tables.len(), images, absent, digest: facts.digest })
        })
    }

    /// Returns what the card must answer for this data set.
    fn card_wanted(&self) -> Result<Wanted> {
        let mut wanted = Wanted::default();
        for subject in self.catalog.subjects()? {
            match subject.license.filter(|license| !license.trim().is_empty()) {
                Some(license) => drop(wanted.licences.insert(license)),
                None => wanted.unlicensed.push(subject.subject_id.to_string()),
            }
        }
        for encoder in self.catalog.encoders()? {
            wanted.encoders.push((encoder.name.to_string(), licence_of(encoder.name.as_str()).map(str::to_owned)));
        }
        Ok(wanted)
    }

    fn published_facts(&self, digest: String) -> Result<PublishedFacts> {
        let mut facts = PublishedFacts::new(digest, self.catalog.transparency()?.to_string());
        let models = self.catalog.models()?.into_iter().zip(self.catalog.text_only_models()?);
        facts.text_only = models.filter(|(_, text_only)| *text_only).map(|((name, _), _)| name.to_string()).collect();
        let encoders = self.catalog.encoders()?;
        for encoder in &encoders {
            facts.encoders.push(PublishedEncoder {
                name: encoder.name.to_string(),
                whole_images: self.catalog.embeds_whole_images(encoder.id)?,
                windows: self.catalog.window_pattern(encoder.id)?.map(|pattern| pattern.to_string()),
            });
        }
        for set in self.catalog.region_sets()? {
            let of = self.catalog.encoders_of_regions(set.id)?;
            let crop = set.rules.crop;
            facts.region_sets.push(PublishedRegionSet {
                name: set.name.to_string(),
                kinds: set.rules.kinds.map(|kinds| kinds.iter().map(ToString::to_string).collect()),
                least_side: set.rules.least_side,
                least_score: set.rules.least_score,
                margin: crop.margin,
                square: crop.square,
                outside: crop.outside.map(|colour| colour.to_string()),
                fit: crop.fit.to_string(),
                encoders: encoders.iter().filter(|e| of.contains(&e.id)).map(|e| e.name.to_string()).collect(),
            });
        }
        Ok(facts)
    }
}
