//! The region sets of a published data set.

use super::Published;
use super::rows::{TableRow, TableRows};
use crate::catalog::{Changes, RegionOwner, RegionRow, RegionRules, RegionSetRow, RegionTarget};
use crate::crop::CropRule;
use crate::error::{Error, Result};
use crate::manifest::PublishedRegionSet;
use crate::text::quote;
use crate::vocabulary::RegionSetName;
use crate::watch::Watch;
use std::collections::HashMap;

/// The columns that say which image a row is of: set, subject, reference, model, prompt, seed.
const IMAGES: &[&str] = &[
    "region_set",
    "subject_id",
    "reference_index",
    "model",
    "prompt_id",
    "seed",
    "regions",
    "file",
    "format",
    "file_blake3",
    "blake3",
];

const REGIONS: &[&str] = &[
    "region_set",
    "subject_id",
    "reference_index",
    "model",
    "prompt_id",
    "seed",
    "region_index",
    "x",
    "y",
    "width",
    "height",
    "score",
    "label",
    "shows",
    "claimed",
    "mask",
];

impl Published {
    /// Takes in the region sets. References that are used whole get a file for now: their vectors need one.
    pub fn take_regions(&mut self, changes: &Changes<'_>, replace: bool, watch: &mut Watch<'_>) -> Result<()> {
        let mut sets: HashMap<String, RegionSetRow> = HashMap::new();
        for set in &self.facts.region_sets {
            let rules = self.rules(set)?;
            let row = changes.region_set(&self.set_name(set)?, &rules)?;
            if row.rules != rules {
                if !replace {
                    let message = format!("the region set {} has other rules in the data set", quote(&set.name));
                    return Err(Error::request(message, "`--replace` takes the rules that are published"));
                }
                changes.set_region_rules(row.id, &rules)?;
            }
            sets.insert(set.name.clone(), row);
        }
        let mut regions = Regions { rows: self.rows("regions", REGIONS, watch.stop())?, next: None };
        regions.next = regions.rows.next()?;
        let mut images = self.rows("region_images", IMAGES, watch.stop())?;
        let mut done = 0;
        while let Some(row) = images.next()? {
            done += 1;
            if done % 256 == 0 {
                watch.check()?;
                watch.report("regions", done, None);
            }
            let name = row.text(0)?;
            let set = sets.get(name).ok_or_else(|| row.wrong(format!("there is no region set {}", quote(name))))?;
            let owner = owner(&row)?;
            let target = match &owner {
                RegionOwner::Reference(subject, index) => changes.reference_target(subject, *index)?,
                RegionOwner::Generation(model, prompt, seed) => changes.generation_target(model, prompt, *seed)?,
            };
            let target = target.ok_or_else(|| row.wrong("there is no such image"))?;
            let target = RegionTarget { source: row.digest(10)?, ..target };
            let Some(file) = row.optional_text(7)? else {
                let RegionOwner::Reference(subject, index) = &owner else { return Err(row.wrong("`file` is null")) };
                let size = self
                    .sizes
                    .get(&(subject.to_string(), *index))
                    .ok_or_else(|| row.wrong("the size of the reference is not known"))?;
                let file = changes.region_file(set.id, "whole references", "published", &[0; 32])?;
                if !self.whole.contains(&file) {
                    self.whole.push(file);
                }
                let bounds = [0.0, 0.0, f64::from(size[0]), f64::from(size[1])];
                let whole =
                    RegionRow { id: 0, index: 0, bounds, score: None, label: None, kind: None, claimed: None, mask: None };
                changes.put_regions(set.id, &target, Some(file), &[whole])?;
                continue;
            };
            let content = row.digest(9)?.ok_or_else(|| row.wrong("`file_blake3` is null"))?;
            let file = changes.region_file(set.id, file, row.text(8)?, &content)?;
            let given = regions.of(name, &owner)?;
            if given.len() as i64 != row.integer(6)? {
                return Err(row.wrong(format!(
                    "{} regions are said of this image, but {} are there",
                    row.integer(6)?,
                    given.len()
                )));
            }
            let known = changes.regions_of(set.id, target.image)?;
            let same = |known: &[RegionRow]| known.iter().map(|r| RegionRow { id: 0, ..r.clone() }).eq(given.iter().cloned());
            match known {
                Some(known) if same(&known) => {}
                Some(_) if !replace => {
                    return Err(row.wrong("the image has other regions in the data set (`--replace` takes those published)"));
                }
                _ => changes.put_regions(set.id, &target, Some(file), &given)?,
            }
        }
        Ok(())
    }

    /// Returns the name of a region set.
    pub fn set_name(&self, set: &PublishedRegionSet) -> Result<RegionSetName> {
        RegionSetName::new(set.name.clone()).map_err(|e| self.wrong(e))
    }

    /// Returns the rules of a region set.
    pub fn rules(&self, set: &PublishedRegionSet) -> Result<RegionRules> {
        let kind = |word: &String| word.parse().map_err(|e| self.wrong(e));
        let sound =
            |x: f64, most: f64| if (0.0..=most).contains(&x) { Ok(x) } else { Err(self.wrong(format!("{x} is out of range"))) };
        Ok(RegionRules {
            kinds: set.kinds.as_ref().map(|kinds| kinds.iter().map(kind).collect::<Result<_>>()).transpose()?,
            least_side: sound(set.least_side, f64::MAX)?,
            least_score: sound(set.least_score, 1.0)?,
            crop: CropRule {
                margin: sound(set.margin, 10.0)?,
                square: set.square,
                outside: set.outside.as_ref().map(|word| word.parse().map_err(|e| self.wrong(e))).transpose()?,
                fit: set.fit.parse().map_err(|e| self.wrong(e))?,
            },
        })
    }
}

/// The rows of the table of regions, in the order of the images that they are of.
struct Regions {
    rows: TableRows,
    next: Option<TableRow>,
}

impl Regions {
    /// Returns the regions of an image, which come next or are none.
    fn of(&mut self, set: &str, image: &RegionOwner) -> Result<Vec<RegionRow>> {
        let mut regions = Vec::new();
        while let Some(row) = &self.next {
            if row.text(0)? != set || owner(row)? != *image {
                break;
            }
            regions.push(RegionRow {
                id: 0,
                index: row.small(6)?,
                bounds: [row.real(7)?, row.real(8)?, row.real(9)?, row.real(10)?],
                score: row.optional_real(11)?,
                label: row.optional_text(12)?.map(str::to_owned),
                kind: row.optional_word(13)?,
                claimed: row.optional_text(14)?.map(str::to_owned),
                mask: row.optional_text(15)?.map(str::to_owned),
            });
            self.next = self.rows.next()?;
        }
        Ok(regions)
    }
}

fn owner(row: &TableRow) -> Result<RegionOwner> {
    match row.optional_text(1)? {
        Some(_) => Ok(RegionOwner::Reference(row.id(1)?, row.small(2)?)),
        None => Ok(RegionOwner::Generation(row.id(3)?, row.id(4)?, row.integer(5)?)),
    }
}
