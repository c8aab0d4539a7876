//! Region files: what a detector, a segmenter or an annotator says is where in an image. Reads the canonical file and
//! the files of seven tools, and knows nothing of the catalog.
//!
//! | module | noun |
//! |---|---|
//! | [`region`](self) | [`FoundRegion`]: one region, and its [`Bounds`] |
//! | `mask` | [`Mask`]: a run-length mask |
//! | `outline` | [`Outline`]: polygons from which a mask is drawn |
//! | `intake` | the regions and the faults of a file, gathered |
//! | `source` | a region file: its records, or its whole text |
//! | `recognise` | the format of a file, by its content |
//! | `jsonl` | the canonical file |
//! | `coco`, `grounded_sam2`, `florence2`, `supervision`, `labelme`, `yolo`, `fiftyone` | the files of a tool |
//! | `yaml` | the names of classes in a `data.yaml` |

mod coco;
mod fiftyone;
mod florence2;
mod grounded_sam2;
mod intake;
mod jsonl;
mod labelme;
mod mask;
mod outline;
mod recognise;
mod region;
mod source;
mod supervision;
mod yaml;
mod yolo;

pub use mask::Mask;
pub use outline::Outline;
pub(super) use region::regions_of;
pub use region::{Bounds, FoundRegion};

use crate::error::{Error, Result};
use crate::input;
use crate::problem::{Origin, Problem};
use crate::vocabulary::{ModelName, PromptId, SubjectId, closed_set};
use crate::watch::Watch;
use intake::Intake;
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
    /// What is wrong with them.
    pub fn of_generation(
        (model, prompt_id, seed): (&ModelName, &PromptId, i64),
        place: Origin,
        json: &str,
    ) -> std::result::Result<ImageRegions, String> {
        let regions = regions_of(json, &mut Vec::new()).map_err(|reason| format!("`regions`{reason}"))?;
        let image = RegionImage::Generation { model: model.clone(), prompt_id: prompt_id.clone(), seed };
        Ok(ImageRegions { image, origin: place.to_string(), size: None, regions, place })
    }

    /// Returns a problem with these regions, at the place where they were written.
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem { origin: self.place.clone(), reason: reason.into() }
    }
}

/// Reads the region file at `path`, or the region files of a directory, and returns the regions of each image in the
/// order of the file. A file without a `format` is recognised by its content. Plain text, `.gz`, `.zst` and Parquet are read.
///
/// # Errors
/// The file cannot be read, its format is not recognised, or the caller wants to stop. [`Error::Manifest`] lists
/// everything that is wrong with its content.
pub fn read_regions(path: &Path, format: Option<RegionFormat>, watch: &mut Watch<'_>) -> Result<Vec<ImageRegions>> {
    match read_region_rows(path, format, watch)? {
        (found, problems) if problems.is_empty() => Ok(found),
        (_, problems) => Err(Error::Manifest(problems)),
    }
}

/// Does the same as [`read_regions`], but returns what can be used beside what is wrong, so that more can be said about it.
///
/// # Errors
/// The file cannot be read, its format is not recognised, or the caller wants to stop.
pub fn read_region_rows(
    path: &Path,
    format: Option<RegionFormat>,
    watch: &mut Watch<'_>,
) -> Result<(Vec<ImageRegions>, Vec<Problem>)> {
    let mut intake = Intake::new(watch);
    match read(path, format, &mut intake) {
        // What is wrong with a file as a whole is listed with the rest.
        Err(Error::Manifest(problems)) => problems.into_iter().for_each(|p| intake.problem(&p.origin, p.reason)),
        done => done?,
    }
    intake.finish(path)
}

fn read(path: &Path, format: Option<RegionFormat>, intake: &mut Intake<'_, '_>) -> Result<()> {
    if !path.is_dir() {
        let format = format.map_or_else(|| recognise::format_of(path, intake), Ok)?;
        return file(path, format, Path::new(""), intake);
    }
    if input::holds_parquet(path, intake.stop())? {
        for part in input::parts(path, true, intake.stop())? {
            read(&part, format, intake)?;
        }
        return Ok(());
    }
    let files = input::files_below(path, intake.stop())?.files;
    if format == Some(RegionFormat::Yolo) || format.is_none() && yolo::is_laid_out(&files) {
        return yolo::read(path, intake);
    }
    let files: Vec<&Path> = files.iter().map(Path::new).filter(|file| source::is_named(file, &RECORDS)).collect();
    let Some(first) = files.first() else {
        let what = format!("{} holds no region files ({})", path.display(), RECORDS.join(", "));
        return Err(Error::request(what, "give the file or the directory that the detector wrote"));
    };
    let format = format.map_or_else(|| recognise::format_of(&path.join(first), intake), Ok)?;
    // The list of images of COCO results is read with them.
    let is_listing = |file: &Path| format == RegionFormat::Coco && files.len() > 1 && file.ends_with(coco::IMAGES);
    for name in files.iter().filter(|file| !is_listing(file)) {
        match file(&path.join(name), format, name.parent().unwrap_or(Path::new("")), intake) {
            Err(Error::Manifest(problems)) => problems.into_iter().for_each(|p| intake.problem(&p.origin, p.reason)),
            done => done?,
        }
    }
    Ok(())
}

/// Extensions of files that hold regions as records.
const RECORDS: [&str; 4] = ["json", "jsonl", "ndjson", "csv"];

/// Reads one file, which lies in the directory `below` of the directory that is read.
fn file(path: &Path, format: RegionFormat, below: &Path, intake: &mut Intake<'_, '_>) -> Result<()> {
    match format {
        RegionFormat::Jsonl => jsonl::read(path, intake),
        RegionFormat::Coco => coco::read(path, intake),
        RegionFormat::GroundedSam2 => grounded_sam2::read(path, intake),
        RegionFormat::Florence2 => florence2::read(path, intake),
        RegionFormat::Supervision => supervision::read(path, intake),
        RegionFormat::LabelMe => labelme::read(path, below, intake),
        RegionFormat::Yolo => yolo::read(path, intake),
        RegionFormat::FiftyOne => fiftyone::read(path, intake),
    }
}
