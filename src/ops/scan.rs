//! Looks at every image file: which are new, changed or gone. Files whose size and time are unchanged are not read
//! again; missing or failed ones are never taken for unchanged.

use crate::catalog::{Aside, Awaiting, Catalog, Changes, ImageRow, RowSet};
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
use std::time::{Duration, Instant};

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
    inspect_others(catalog, door, &RowSet::default(), watch)
}

/// Does what [`inspect`] does, but for files that were just found to be as the catalog knows them.
pub fn inspect_others(catalog: &mut Catalog, door: &Door, unchanged: &RowSet, watch: &mut Watch<'_>) -> Result<Inspected> {
    look_at_all(catalog, door, unchanged, false, watch)
}

/// Reads the files of all images of the data set, so that a change that kept size and time is found too.
pub fn rehash(catalog: &mut Catalog, door: &Door, watch: &mut Watch<'_>) -> Result<Inspected> {
    look_at_all(catalog, door, &RowSet::default(), true, watch)
}

/// Looks at the files of all images but those of `except`; with `rehash`, all of them are read.
fn look_at_all(catalog: &mut Catalog, door: &Door, except: &RowSet, rehash: bool, watch: &mut Watch<'_>) -> Result<Inspected> {
    let total = catalog.image_count()?;
    let mut pace = Pace::of(catalog, total)?;
    let (mut after, mut done, mut found) = (0, except.len(), Inspected::default());
    let mut misnamed = Misnamed::default();
    let mut ended = watch.check();
    let mut at_end = false;
    while ended.is_ok() && !at_end {
        let changes = catalog.begin()?;
        let mut aside = pace.awaiting_many().map(|awaiting| changes.put_aside(awaiting)).transpose()?;
        let (began, mut looks, mut recorded) = (Instant::now(), Vec::new(), 0);
        while ended.is_ok() && !at_end && began.elapsed() < until_commit(aside.is_some()) {
            let images = changes.images_after(after, BLOCK, except)?;
            at_end = images.len() < BLOCK;
            after = images.last().map_or(after, |last| last.id);
            done += images.len() as u64;
            // While the catalog takes what was found of one block the next block's files are read.
            let (next, taken) = thread::scope(|scope| {
                let next = scope.spawn(|| look_at(images, door, rehash));
                let taken = record(&changes, &mut aside, &looks);
                (next.join().unwrap_or_else(|panic| resume_unwind(panic)), taken)
            });
            recorded += taken?;
            looks = next;
            found.read += looks.len() as u64;
            let news = looks.iter().filter(|(image, probe)| !tells_nothing_new(image, probe));
            news.for_each(|(image, probe)| misnamed.note(&image.path, &probe.outcome));
            watch.report("images", done, Some(total));
            ended = watch.check();
        }
        // What was found is recorded in any case.
        recorded += record(&changes, &mut aside, &looks)?;
        aside.map_or(Ok(()), Aside::put_back)?;
        changes.commit()?;
        found.changed += recorded;
        pace.note(recorded, began.elapsed());
    }
    ended?;
    if let Some(warning) = misnamed.warning() {
        watch.warn(&warning);
    }
    Ok(found)
}

/// How long images are looked at between two commits: what a kill can lose.
const UNTIL_COMMIT: Duration = Duration::from_secs(1);

/// The same where many are looked at for the first time: indices are made anew with each commit.
const UNTIL_COMMIT_OF_MANY: Duration = Duration::from_secs(10);

fn until_commit(of_many: bool) -> Duration {
    if of_many { UNTIL_COMMIT_OF_MANY } else { UNTIL_COMMIT }
}

/// So many first contents are worth making indices anew.
const MANY: u64 = 2 * BLOCK as u64;

/// Indices are made anew where so large a part of what is in them is new.
const GOOD_PART: u64 = 4;

/// How many first contents the next changes will bring, by how fast those before came.
struct Pace {
    /// Known where many are to come.
    awaiting: Option<Awaiting>,
    /// Images that were looked at before, and that were not yet.
    known: u64,
    pending: u64,
    /// First contents that came in the time between two commits of many; at first as many as there are to come.
    expected: u64,
}

impl Pace {
    fn of(catalog: &Catalog, total: u64) -> Result<Pace> {
        let pending = catalog.pending_count()?;
        let awaiting = (pending >= MANY).then(|| catalog.awaiting()).transpose()?;
        Ok(Pace { awaiting, known: total - pending, pending, expected: pending })
    }

    /// Returns what awaits first contents if many are to come.
    fn awaiting_many(&self) -> Option<Awaiting> {
        let expected = self.expected.min(self.pending);
        self.awaiting.filter(|_| expected >= MANY && expected.saturating_mul(GOOD_PART) >= self.known)
    }

    fn note(&mut self, recorded: u64, took: Duration) {
        self.known += recorded;
        self.pending = self.pending.saturating_sub(recorded);
        self.expected = (recorded as f64 / took.as_secs_f64().max(1e-3) * UNTIL_COMMIT_OF_MANY.as_secs_f64()) as u64;
    }
}

/// Returns what the files of images are now, on all cores; those that need not be read are left out.
fn look_at(images: Vec<ImageRow>, door: &Door, rehash: bool) -> Vec<(ImageRow, Probe)> {
    images.into_par_iter().filter_map(|image| look(&image, door, rehash).map(|probe| (image, probe))).collect()
}

/// Records what is new; returns how many files that are. Before another content takes the place of one, what was put aside
/// comes back: it is for first contents only.
fn record(changes: &Changes<'_>, aside: &mut Option<Aside<'_, '_>>, looks: &[(ImageRow, Probe)]) -> Result<u64> {
    let news: Vec<&(ImageRow, Probe)> = looks.iter().filter(|(image, probe)| !tells_nothing_new(image, probe)).collect();
    if news.iter().any(|(image, _)| image.blake3.is_some()) {
        aside.take().map_or(Ok(()), Aside::put_back)?;
    }
    news.iter().try_for_each(|(image, probe)| changes.record_probe(image.id, probe))?;
    Ok(news.len() as u64)
}

/// Returns what the file of an image is now; `None` if it need not be read.
fn look(image: &ImageRow, door: &Door, rehash: bool) -> Option<Probe> {
    if image.status == ImageStatus::Pending {
        return Some(door.probe(&image.path));
    }
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
