//! The regions and the faults of one run, gathered from its files.

use super::{Bounds, FoundRegion, ImageRegions, RegionImage};
use crate::error::{Error, Result};
use crate::problem::{Origin, Problem};
use crate::text::quote;
use crate::watch::{Stop, Watch};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Bad rows that are listed; more are counted.
const MOST_PROBLEMS: usize = 200;

/// Most regions of one run: what is more would fill the memory.
const MOST_REGIONS: usize = 5_000_000;

/// Takes in regions, image by image.
pub struct Intake<'a, 'w> {
    watch: &'a mut Watch<'w>,
    found: Vec<ImageRegions>,
    /// Where each image is in `found`, and whether its regions come in rows of their own.
    seen: HashMap<RegionImage, (usize, bool)>,
    regions: usize,
    /// The first box in pixels that lies within the first pixel, and whether all do.
    tiny: Option<Origin>,
    all_tiny: bool,
    problems: Vec<Problem>,
    /// Problems that are not listed.
    further: u64,
    /// Keys that mean nothing, with their first place and their number.
    unread: BTreeMap<String, (Origin, u64)>,
}

impl<'a, 'w> Intake<'a, 'w> {
    pub fn new(watch: &'a mut Watch<'w>) -> Intake<'a, 'w> {
        Intake {
            watch,
            found: Vec::new(),
            seen: HashMap::new(),
            regions: 0,
            tiny: None,
            all_tiny: true,
            problems: Vec::new(),
            further: 0,
            unread: BTreeMap::new(),
        }
    }

    /// Returns the wish to stop.
    pub fn stop(&self) -> Stop<'w> {
        self.watch.stop()
    }

    /// Takes in all regions of an image. What is wrong with one is in its place.
    pub fn image(
        &mut self,
        place: &Origin,
        image: RegionImage,
        size: Option<[u32; 2]>,
        regions: Vec<std::result::Result<FoundRegion, String>>,
    ) {
        if let Some((first, _)) = self.seen.get(&image) {
            let first = &self.found[*first].place;
            self.problem(place, format!("{} appears twice: its regions are in {first} already", named(&image)));
            return;
        }
        self.add(place, image, size, regions, false);
    }

    fn add(
        &mut self,
        place: &Origin,
        image: RegionImage,
        size: Option<[u32; 2]>,
        regions: Vec<std::result::Result<FoundRegion, String>>,
        in_rows: bool,
    ) {
        let mut sound = Vec::with_capacity(regions.len());
        for (i, region) in regions.into_iter().enumerate() {
            match region {
                Ok(region) => sound.push(region),
                Err(reason) => self.problem(place, format!("region {}: {reason}", i + 1)),
            }
        }
        sound.iter().for_each(|region| self.weigh(place, &region.bounds));
        self.seen.insert(image.clone(), (self.found.len(), in_rows));
        self.found.push(ImageRegions { image, origin: place.to_string(), size, regions: sound, place: place.clone() });
    }

    /// Takes in one more region of an image, or that there is none, from a row of its own.
    pub fn row(&mut self, place: &Origin, image: RegionImage, region: Option<FoundRegion>) {
        match self.seen.get(&image) {
            Some((known, true)) if self.found[*known].place.file == place.file => {
                let known = *known;
                region.iter().for_each(|region| self.weigh(place, &region.bounds));
                self.found[known].regions.extend(region);
            }
            Some(_) => self.image(place, image, None, Vec::new()),
            None => self.add(place, image, None, region.into_iter().map(Ok).collect(), true),
        }
    }

    /// Counts a region, and looks at whether its pixels may be shares.
    fn weigh(&mut self, place: &Origin, bounds: &Bounds) {
        self.regions += 1;
        let Bounds::Pixels([x, y, w, h]) = *bounds else { return };
        let is_tiny = x + w <= 1.0 && y + h <= 1.0;
        self.all_tiny &= is_tiny;
        if is_tiny && [x, y, w, h].iter().any(|n| n.fract() != 0.0) {
            self.tiny.get_or_insert_with(|| place.clone());
        }
    }

    /// Takes in a fault.
    pub fn problem(&mut self, place: &Origin, reason: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem { origin: place.clone(), reason: reason.into() });
        } else {
            self.further += 1;
        }
    }

    /// Tells the caller about something odd.
    pub fn warn(&mut self, place: &Origin, reason: impl Into<String>) {
        self.watch.remark(place, &reason.into());
    }

    /// Notes a key that is not read.
    pub fn unread(&mut self, place: &Origin, key: &str) {
        if let Some((_, times)) = self.unread.get_mut(key) {
            *times += 1;
        } else if self.unread.len() < MOST_PROBLEMS {
            self.unread.insert(key.to_owned(), (place.clone(), 1));
        }
    }

    /// Fails if the caller wants to stop, or if there are more regions than can be held.
    pub fn check(&self) -> Result<()> {
        self.watch.check()?;
        if self.regions > MOST_REGIONS {
            let hint = "split the file, and give each part a name of its own with --set";
            return Err(Error::request(format!("more than {MOST_REGIONS} regions in one region set"), hint));
        }
        Ok(())
    }

    /// Returns the regions that can be used, and everything that is wrong.
    pub fn finish(mut self, path: &Path) -> Result<(Vec<ImageRegions>, Vec<Problem>)> {
        self.watch.check()?;
        for (key, (place, times)) in std::mem::take(&mut self.unread) {
            let more = if times > 1 { format!(" ({times} times)") } else { String::new() };
            self.warn(&place, format!("unknown column {}, not read{more}", quote(&key)));
        }
        if let Some(place) = self.tiny.take().filter(|_| self.all_tiny) {
            let reason = "every box lies within the first pixel of its image: these are shares of width and height, but \
                          boxes of this format are in pixels";
            self.problem(&place, reason);
        }
        if !self.problems.is_empty() {
            let file: Arc<Path> = path.into();
            self.problems.extend((self.further > 0).then(|| Problem::further(file, self.further)));
        } else if self.found.is_empty() {
            self.warn(&Origin::whole(path), "no rows");
        }
        Ok((self.found, self.problems))
    }
}

/// Returns an image in words.
fn named(image: &RegionImage) -> String {
    match image {
        RegionImage::Generation { model, prompt_id, seed } => {
            format!("the generation ({}, {}, {seed})", quote(model.as_str()), quote(prompt_id.as_str()))
        }
        RegionImage::Reference { subject_id, reference_index } => {
            format!("reference {reference_index} of subject {}", quote(subject_id.as_str()))
        }
        RegionImage::File(path) => format!("the image {}", quote(&path.to_string_lossy())),
    }
}
