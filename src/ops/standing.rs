//! Where a data set stands: what there is, what is missing, what is next. Only the catalog is read.

use crate::catalog::{EncoderCounts, EncoderRow, Gaps, ImageCounts, ModelCounts, RegionCounts, UnfinishedRun};
use crate::dataset::Dataset;
use crate::encoder::BUILTIN;
use crate::error::Result;
use crate::ops::score::waiting;
use crate::report::identity_encoder;
use crate::vocabulary::{EncoderName, RegionSetName};
use crate::windows::Pattern;

/// Images that cannot be used, named at most.
const NAMED: usize = 3;

/// Where a data set stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Number of subjects.
    pub subjects: u64,
    /// Number of prompts.
    pub prompts: u64,
    /// The references of the subjects.
    pub references: ImageCounts,
    /// The models, those under test first.
    pub models: Vec<ModelCounts>,
    /// The encoders that the data set has vectors by, or began to have.
    pub encoders: Vec<EncoderStanding>,
    /// The region sets, by each encoder that embeds them.
    pub region_sets: Vec<RegionSetStanding>,
    /// What runs have left undone.
    pub unfinished: Vec<UnfinishedRun>,
    /// The first images that cannot be used, each with its reason.
    pub unusable: Vec<String>,
    /// The encoder that reports take to decide collapse, and whether they must be told; `None`: nothing is scored.
    pub identity: Option<(String, bool)>,
}

/// What an encoder has done and has to do.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderStanding {
    /// The encoder; without a pixel rule its vectors were imported, and only importing brings more.
    pub row: EncoderRow,
    /// Whether it embeds whole images, not only regions.
    pub whole: bool,
    /// Images that lack a vector.
    pub gaps: Gaps,
    /// What it has done.
    pub done: EncoderCounts,
    /// Images and, if it takes any, prompts that it can embed and has not.
    pub to_embed: u64,
    /// Generations that need nothing but to be scored.
    pub to_score: u64,
    /// Which windows it searches, in how many generations it has, and in how many images it has not.
    pub windows: Option<(Pattern, u64, u64)>,
}

/// What an encoder has made of a region set.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionSetStanding {
    /// The set.
    pub set: RegionSetName,
    /// Generations that its origin looked at.
    pub generations: u64,
    /// Its regions.
    pub regions: u64,
    /// The encoder and what it has done; `None`: no encoder embeds them.
    pub by: Option<(EncoderName, RegionCounts)>,
    /// Regions that the encoder can embed and has not.
    pub to_embed: u64,
}

impl EncoderStanding {
    /// Returns the word by which [`crate::ops::EmbedOptions`] would find it.
    pub fn word(&self) -> String {
        self.row.location.as_ref().map_or_else(|| self.row.name.to_string(), |dir| dir.display().to_string())
    }

    /// Returns whether its vectors are computed here, and not by the program itself.
    pub fn needs_files(&self) -> bool {
        self.row.pixel_rule.is_some() && self.row.name.as_str() != BUILTIN
    }
}

impl Dataset {
    /// Returns where the data set stands.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub fn standing(&self) -> Result<Standing> {
        let catalog = &self.catalog;
        let (subjects, prompts) = catalog.subject_and_prompt_counts()?;
        let rows = catalog.encoders()?;
        let encoders: Vec<EncoderStanding> = rows.iter().map(|row| self.encoder_standing(row)).collect::<Result<_>>()?;
        let mut region_sets = Vec::new();
        for set in catalog.region_sets()? {
            let (generations, regions) = catalog.region_set_counts(set.id)?;
            let ids = catalog.encoders_of_regions(set.id)?;
            let standing = |by, to_embed| RegionSetStanding { set: set.name.clone(), generations, regions, by, to_embed };
            for row in rows.iter().filter(|row| ids.contains(&row.id)) {
                let to_embed = if row.pixel_rule.is_some() { catalog.count_regions_to_embed(row.id, set.id)? } else { 0 };
                region_sets.push(standing(Some((row.name.clone(), catalog.region_counts(set.id, row.id)?)), to_embed));
            }
            if ids.is_empty() {
                region_sets.push(standing(None, 0));
            }
        }
        let known = catalog.image_encoders()?;
        let names: Vec<&str> = known.iter().map(|(_, name)| name.as_str()).collect();
        let scored = |name: &str| encoders.iter().find(|e| e.row.name.as_str() == name).is_some_and(|e| e.done.scored > 0);
        let identity = match identity_encoder(&names, None) {
            Ok(one) => Some((one.to_owned(), false)),
            Err(_) => names.iter().find(|name| scored(name)).map(|name| ((*name).to_owned(), true)),
        };
        Ok(Standing {
            subjects,
            prompts,
            references: catalog.reference_counts()?,
            models: catalog.model_counts()?,
            identity: identity.filter(|(name, _)| scored(name)),
            encoders,
            region_sets,
            unfinished: catalog.unfinished_runs()?,
            unusable: catalog.unusable_images(NAMED)?,
        })
    }

    fn encoder_standing(&self, row: &EncoderRow) -> Result<EncoderStanding> {
        let catalog = &self.catalog;
        let (whole, gaps, done) = (catalog.embeds_whole_images(row.id)?, catalog.gaps(row.id)?, catalog.encoder_counts(row.id)?);
        let windows = match catalog.window_pattern(row.id)? {
            Some(pattern) => Some((pattern, catalog.looked_through(row.id)?, catalog.count_to_look_through(row.id)?)),
            None => None,
        };
        let to_embed = match (whole && row.pixel_rule.is_some(), done.prompts) {
            (false, _) => 0,
            (true, 0) => catalog.count_to_embed(row.id)? + catalog.staged(row.id)?,
            // It takes texts.
            (true, _) => {
                catalog.count_to_embed(row.id)? + catalog.staged(row.id)? + catalog.prompts_to_embed(row.id)?.len() as u64
            }
        };
        let embedded = gaps.generations.total - gaps.generations.lacking;
        let to_score = if done.scored < embedded { waiting(catalog, row)? } else { 0 };
        Ok(EncoderStanding { row: row.clone(), whole, gaps, done, to_embed, to_score, windows })
    }
}
