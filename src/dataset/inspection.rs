//! A look at every image file: which are new, changed, gone. What is unchanged is not read again.

use crate::catalog::{Catalog, ImageRow};
use crate::error::Result;
use crate::image::Door;
use crate::manifest::{FileState, state_of};
use crate::vocabulary::{ImageFormat, ImageStatus, Outcome, Probe, quote};
use crate::watch::Watch;
use rayon::prelude::*;
use std::path::Path;

/// Images looked at between two commits.
const BLOCK: usize = 4096;

/// Looks at the files of all images of the data set, on all cores; how many had to be read or had gone.
pub fn inspect(catalog: &mut Catalog, door: &Door, watch: &mut Watch<'_>) -> Result<u64> {
    let total = catalog.image_count()?;
    let (mut after, mut done, mut changed) = (0, 0, 0);
    let mut misnamed = Misnamed::default();
    loop {
        watch.check()?;
        let images = catalog.images_after(after, BLOCK)?;
        let Some(last) = images.last() else { break };
        after = last.id;
        done += images.len() as u64;
        let news: Vec<(i64, Probe)> = images.par_iter().filter_map(|image| Some((image.id, look(image, door)?))).collect();
        if !news.is_empty() {
            changed += news.len() as u64;
            let changes = catalog.begin()?;
            for (id, probe) in &news {
                changes.record_probe(*id, probe)?;
            }
            changes.commit()?;
            for (image, (_, probe)) in images.iter().filter(|i| news.binary_search_by_key(&i.id, |n| n.0).is_ok()).zip(&news) {
                misnamed.note(&image.path, &probe.outcome);
            }
        }
        watch.report("images", done, Some(total));
    }
    if let Some(warning) = misnamed.warning() {
        watch.warn(&warning);
    }
    Ok(changed)
}

/// What is new about an image, or nothing.
fn look(image: &ImageRow, door: &Door) -> Option<Probe> {
    let unchanged = match state_of(&image.path) {
        FileState::There { bytes, mtime_ns } => {
            image.status != ImageStatus::Pending && (image.bytes, image.mtime_ns) == (Some(bytes), Some(mtime_ns))
        }
        FileState::Missing(reason) => image.status == ImageStatus::Missing && image.reason == Some(reason),
        FileState::Unusable(reason) => image.status == ImageStatus::Unreadable && image.reason == Some(reason),
    };
    (!unchanged).then(|| door.probe(&image.path))
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
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if !extensions(*format).contains(&extension.as_str()) {
            self.count += 1;
            self.first.get_or_insert_with(|| format!("{} is {format}", quote(&path.display().to_string())));
        }
    }

    fn warning(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(format!("{} images have an extension that contradicts their content: {first}", self.count))
    }
}

fn extensions(format: ImageFormat) -> &'static [&'static str] {
    match format {
        ImageFormat::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
        ImageFormat::Png => &["png", "apng"],
        ImageFormat::WebP => &["webp"],
        ImageFormat::Gif => &["gif"],
        ImageFormat::Bmp => &["bmp", "dib"],
        ImageFormat::Tiff => &["tif", "tiff"],
    }
}
