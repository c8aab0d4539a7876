//! Region files: what a detector, a segmenter or an annotator says is where in an image. Reads the canonical file and
//! the files of seven tools, and knows nothing of the catalog.
//!
//! | module | noun |
//! |---|---|
//! | [`region`](self) | [`FoundRegion`]: one region, and its [`Bounds`] |
//! | `mask` | [`Mask`]: a run-length mask, and the [`Outline`] it is drawn from |
//! | `intake` | the regions and the faults of a file, gathered |
//! | `source` | a region file: its records, or its whole text |
//! | `recognise` | the format of a file, by its content |
//! | `jsonl` … `fiftyone` | one file for each format |

mod intake;
mod jsonl;
mod mask;
mod region;
mod source;

pub use mask::{Mask, Outline};
pub(super) use region::list_of;
pub use region::{Bounds, FoundRegion};

use crate::error::{Error, Result};
use crate::problem::{Origin, Problem};
use crate::vocabulary::{ModelName, PromptId, SubjectId, closed_set};
use crate::watch::Watch;
use std::path::{Path, PathBuf};

closed_set! {
    /// A format of region files.
    RegionFormat, "format of regions" {
        /// The canonical file: one row for each image, with its key and its regions.
        Jsonl = "jsonl",
        /// COCO results, with the images that they are of.
        Coco = "coco",
        /// What the demos of Grounded-SAM-2 dump.
        GroundedSam2 = "grounded-sam2",
        /// Parsed answers of Florence-2.
        Florence2 = "florence2",
        /// What the sinks of supervision write, CSV or JSON.
        Supervision = "supervision",
        /// Annotations of LabelMe.
        LabelMe = "labelme",
        /// Labels of YOLO, beside a `data.yaml`.
        Yolo = "yolo",
        /// Samples of FiftyOne.
        FiftyOne = "fiftyone",
    }
}

/// The image that regions are of, as the file names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RegionImage {
    /// A generation.
    Generation {
        /// Its model.
        model: ModelName,
        /// Its prompt.
        prompt_id: PromptId,
        /// Its seed.
        seed: i64,
    },
    /// A reference image of a subject.
    Reference {
        /// The subject.
        subject_id: SubjectId,
        /// Which of its references, counted from 0.
        reference_index: i32,
    },
    /// A path or a name as written, to be tied to an image of the catalog. A relative path of a file in a directory
    /// that was read is relative to that directory. Labels of YOLO do not say what the extension of their image is: if
    /// no image lies at its usual place, the path has none.
    File(PathBuf),
}

/// The regions of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRegions {
    /// Whose regions they are.
    pub image: RegionImage,
    /// Where they were written, `FILE:LINE`, safe to print.
    pub origin: String,
    /// Width and height of the image, if the file states them.
    pub size: Option<[u32; 2]>,
    /// What was found; empty if the detector ran and found nothing.
    pub regions: Vec<FoundRegion>,
    place: Origin,
}

impl ImageRegions {
    /// Returns the regions that a row of a generations manifest has: a list as the canonical file has it, in JSON.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be used.
    pub fn of_generation(
        (model, prompt_id, seed): (&ModelName, &PromptId, i64),
        place: Origin,
        json: &str,
    ) -> std::result::Result<ImageRegions, String> {
        let numbered = |(at, region): (usize, std::result::Result<FoundRegion, String>)| {
            region.map_err(|reason| format!("`regions`: region {}: {reason}", at + 1))
        };
        let found = list_of(json, &mut Vec::new()).map_err(|reason| format!("`regions` {reason}"))?;
        let regions = found.into_iter().enumerate().map(numbered).collect::<std::result::Result<_, _>>()?;
        let image = RegionImage::Generation { model: model.clone(), prompt_id: prompt_id.clone(), seed };
        Ok(ImageRegions { image, origin: place.to_string(), size: None, regions, place })
    }

    /// Returns a problem with these regions, at the place where they were written.
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem { origin: self.place.clone(), reason: reason.into() }
    }
}

/// Reads the region file at `path`, or the region files of a directory, and returns the regions of each image in the
/// order of the file. A file without a `format` is recognised by its content. Plain text, `.gz` and `.zst` are read.
///
/// # Errors
/// The file cannot be read, its format is not recognised, or the caller wants to stop. [`Error::Manifest`] lists
/// everything that is wrong with its content.
pub fn read_regions(path: &Path, format: Option<RegionFormat>, watch: &mut Watch<'_>) -> Result<Vec<ImageRegions>> {
    let mut intake = intake::Intake::new(watch);
    match format {
        Some(RegionFormat::Jsonl) | None => jsonl::read(path, &mut intake)?,
        Some(other) => return Err(Error::request(format!("{other} cannot be read yet"), "convert it to jsonl")),
    }
    intake.finish(path)
}
