//! Looks at every image file: which are new, changed or gone. Files whose size and time are unchanged are not read
//! again; missing or failed ones are never taken for unchanged.

use crate::catalog::{Catalog, ImageRow};
use crate::error::Result;
use crate::image::Door;
use crate::input::{Container, FileState, Member, state_of};
use crate::text::quote;
use crate::vocabulary::{ImageStatus, Outcome, Probe};
use crate::watch::Watch;
use rayon::prelude::*;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

/// Images checked between two commits.
const BLOCK: usize = 4096;

/// What a look at the image files found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inspected {
    /// Files that are new, have changed, or are gone.
    pub changed: u64,
    /// Files that were read, and files that are gone.
    pub read: u64,
}

/// Looks at the files of all images of the data set, on all cores, and reads those that are not known to be
/// unchanged.
pub fn inspect(catalog: &mut Catalog, door: &Door, watch: &mut Watch<'_>) -> Result<Inspected> {
    look_at_all(catalog, door, false, watch)
}

/// Reads the files of all images of the data set, so that a change that kept size and time is found too.
pub fn rehash(catalog: &mut Catalog, door: &Door, watch: &mut Watch<'_>) -> Result<Inspected> {
    look_at_all(catalog, door, true, watch)
}

fn look_at_all(catalog: &mut Catalog, door: &Door, rehash: bool, watch: &mut Watch<'_>) -> Result<Inspected> {
    let total = catalog.image_count()?;
    let (mut after, mut done, mut found) = (0, 0, Inspected::default());
    let mut misnamed = Misnamed::default();
    let mut looks: Vec<(ImageRow, Probe)> = Vec::new();
    // What was found is recorded in any case.
    let mut ended = watch.check();
    while ended.is_ok() {
        let images = catalog.images_after(after, BLOCK)?;
        let Some(last) = images.last().map(|last| last.id) else { break };
        after = last;
        done += images.len() as u64;
        // While the catalog takes what was found of one block the next block's files are read.
        let (next, recorded) = thread::scope(|scope| {
            let next = scope.spawn(|| look_at(images, door, rehash));
            let recorded = record(catalog, &looks);
            (next.join().unwrap_or_else(|panic| resume_unwind(panic)), recorded)
        });
        found.changed += recorded?;
        looks = next;
        found.read += looks.len() as u64;
        let news = looks.iter().filter(|(image, probe)| !tells_nothing_new(image, probe));
        news.for_each(|(image, probe)| misnamed.note(&image.path, &probe.outcome));
        watch.report("images", done, Some(total));
        ended = watch.check();
    }
    found.changed += record(catalog, &looks)?;
    ended?;
    if let Some(warning) = misnamed.warning() {
        watch.warn(&warning);
    }
    Ok(found)
}

/// Returns what the files of images are now, on all cores; those that need not be read are left out.
fn look_at(images: Vec<ImageRow>, door: &Door, rehash: bool) -> Vec<(ImageRow, Probe)> {
    images.into_par_iter().filter_map(|image| look(&image, door, rehash).map(|probe| (image, probe))).collect()
}

/// Records what is new; returns how many files that are.
fn record(catalog: &mut Catalog, looks: &[(ImageRow, Probe)]) -> Result<u64> {
    let news: Vec<&(ImageRow, Probe)> = looks.iter().filter(|(image, probe)| !tells_nothing_new(image, probe)).collect();
    if !news.is_empty() {
        let changes = catalog.begin()?;
        news.iter().try_for_each(|(image, probe)| changes.record_probe(image.id, probe))?;
        changes.commit()?;
    }
    Ok(news.len() as u64)
}

/// Returns what the file of an image is now; `None` if it need not be read.
fn look(image: &ImageRow, door: &Door, rehash: bool) -> Option<Probe> {
    let unchanged = match state_of(&image.path) {
        FileState::There { bytes, mtime_ns } => {
            !rehash && image.status == ImageStatus::Ok && (image.bytes, image.mtime_ns) == (Some(bytes), Some(mtime_ns))
        }
        FileState::Missing(reason) => image.status == ImageStatus::Missing && image.reason == Some(reason),
        FileState::Unusable(_) => false,
    };
    (!unchanged).then(|| door.probe(&image.path))
}

/// Returns whether a probe says only what the catalog knows. The same bytes in the same file are as usable as they
/// were, even where the catalog knows that they could not be decoded, which a probe does not find out.
fn tells_nothing_new(image: &ImageRow, probe: &Probe) -> bool {
    let same_file = (image.bytes, image.mtime_ns) == (probe.bytes, probe.mtime_ns);
    let same_fault = match &probe.outcome {
        Outcome::Unusable(status, reason) => image.status == *status && image.reason.as_ref() == Some(reason),
        Outcome::Image { .. } => false,
    };
    let same_content = match probe.blake3 {
        None if image.status == ImageStatus::Missing => same_fault,
        None => same_fault && image.blake3.is_none(),
        content => image.blake3 == content && !matches!(image.status, ImageStatus::Pending | ImageStatus::Missing),
    };
    same_file && same_content
}

/// Files whose extension contradicts their content.
#[derive(Default)]
struct Misnamed {
    count: u64,
    first: Option<String>,
}

impl Misnamed {
    fn note(&mut self, path: &Path, outcome: &Outcome) {
        let Outcome::Image { format, .. } = outcome else { return };
        // A row of a Parquet file has no name.
        if Member::of(path).is_some_and(|member| member.kind == Container::Parquet) {
            return;
        }
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if !format.extensions().contains(&extension.as_str()) {
            self.count += 1;
            self.first.get_or_insert_with(|| format!("{} is {format}", quote(&path.display().to_string())));
        }
    }

    fn warning(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(format!("{} images have an extension that contradicts their content: {first}", self.count))
    }
}
