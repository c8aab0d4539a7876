//! Takes region files into a set: finds the image of each row, cuts boxes to it, and compares with what is there.

use crate::catalog::{Change, Changes, RegionRow, RegionRules, RegionSetRow, RegionTarget};
use crate::crop::CropRule;
use crate::error::{Error, Result};
use crate::image::Door;
use crate::manifest::{
    Bounds, FoundRegion, Generation, ImageRegions, Located, Mask, RegionFormat, RegionImage, read_region_rows,
};
use crate::ops::ingest::rows::MOST_PROBLEMS;
use crate::ops::ingest::summary::Counts;
use crate::problem::Problem;
use crate::text::{plain, quote};
use crate::vocabulary::{Outcome, RegionSetName, SubjectKind};
use crate::watch::Watch;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which region files to take in, and what the user says about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegionOptions {
    /// Region files, or directories of them.
    pub files: Vec<PathBuf>,
    /// The set that they belong to; `None`: `regions`.
    pub set: Option<RegionSetName>,
    /// Their format; `None`: recognised by their content.
    pub format: Option<RegionFormat>,
    /// The kinds of subjects that the set can show; `None`: as before, all at first.
    pub scope: Option<Vec<SubjectKind>>,
    /// How regions are cut out; `None`: as before.
    pub crop: Option<CropRule>,
    /// A region with a shorter side, in pixels, does not count; `None`: as before, 0 at first.
    pub least_side: Option<f64>,
    /// A region of a lower score does not count; `None`: as before, 0 at first.
    pub least_score: Option<f64>,
    /// The kind of subject that a label stands for: a person and an object cannot be a pair.
    pub label_kinds: Vec<(String, SubjectKind)>,
}

impl RegionOptions {
    /// Returns whether there is anything to do.
    pub(crate) fn is_idle(&self) -> bool {
        *self == RegionOptions::default()
    }

    /// Returns the rules of the set, which were `before`.
    fn rules(&self, before: &RegionRules) -> RegionRules {
        RegionRules {
            kinds: self.scope.clone().map_or_else(|| before.kinds.clone(), Some),
            least_side: self.least_side.unwrap_or(before.least_side),
            least_score: self.least_score.unwrap_or(before.least_score),
            crop: self.crop.unwrap_or(before.crop),
        }
    }
}

/// What region files brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegionCounts {
    /// Images with regions.
    pub images: Counts,
    /// Regions in them.
    pub regions: u64,
    /// Images among them in which the detector found nothing.
    pub empty: u64,
}

/// The name of a set that was given none.
const UNNAMED: &str = "regions";

/// Takes regions into one set.
pub struct RegionIntake<'a, 'c> {
    changes: &'a Changes<'c>,
    options: &'a RegionOptions,
    door: &'a Door,
    replace: bool,
    set: RegionSetRow,
    /// Which images this run has met, and where.
    seen: HashMap<i64, String>,
    /// Every image, by the last part of its path; read when a file first names images by their paths.
    by_name: Option<HashMap<String, Vec<(PathBuf, RegionTarget)>>>,
    pub counts: RegionCounts,
    pub problems: Vec<Problem>,
    further: u64,
}

impl<'a, 'c> RegionIntake<'a, 'c> {
    /// Begins with the set that `options` name, made if it is new; rules that they give are its rules from now on.
    pub fn new(
        changes: &'a Changes<'c>,
        options: &'a RegionOptions,
        door: &'a Door,
        replace: bool,
        watch: &mut Watch<'_>,
    ) -> Result<Self> {
        let name = match &options.set {
            Some(name) => name.clone(),
            None => RegionSetName::new(UNNAMED).map_err(Error::Damaged)?,
        };
        let mut set = changes.region_set(&name, &options.rules(&RegionRules::default()))?;
        let rules = options.rules(&set.rules);
        if rules != set.rules {
            if rules.crop != set.rules.crop {
                watch.warn(&format!(
                    "regions of {} are cut out otherwise from now on: their vectors are made again by `msdata embed --regions {}`",
                    quote(name.as_str()),
                    plain(name.as_str())
                ));
            }
            changes.set_region_rules(set.id, &rules)?;
            set.rules = rules;
        }
        let (seen, counts) = (HashMap::new(), RegionCounts::default());
        Ok(RegionIntake { changes, options, door, replace, set, seen, by_name: None, counts, problems: Vec::new(), further: 0 })
    }

    /// Takes a file in.
    pub fn file(&mut self, path: &Path, watch: &mut Watch<'_>) -> Result<()> {
        let (rows, problems) = read_region_rows(path, self.options.format, watch)?;
        self.problems.extend(problems);
        let format = self.options.format.map_or("", |format| format.as_str());
        let file = self.record_file(path, format, digest_of(path, &rows)?)?;
        let base = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        for (at, row) in rows.iter().enumerate() {
            if at % 256 == 0 {
                watch.check()?;
                watch.report("regions", at as u64, Some(rows.len() as u64));
            }
            if let Err(reason) = self.row(row, base, file)? {
                self.problem(row.problem(reason));
            }
        }
        let further = std::mem::take(&mut self.further);
        self.problems.extend((further > 0).then(|| Problem::further(path.into(), further)));
        watch.report("regions", rows.len() as u64, Some(rows.len() as u64));
        Ok(())
    }

    /// Takes in the regions that rows of generations manifests have.
    pub fn rows(&mut self, rows: Vec<Located<Generation>>) -> Result<()> {
        let mut files: HashMap<Arc<Path>, i64> = HashMap::new();
        for row in rows {
            let Some(json) = &row.row.regions else { continue };
            let file = match files.get(&row.origin.file) {
                Some(file) => *file,
                None => {
                    let file = self.record_file(&row.origin.file, "manifest", digest_of(&row.origin.file, &[])?)?;
                    files.insert(row.origin.file.clone(), file);
                    file
                }
            };
            let Generation { model, prompt_id, seed, .. } = &row.row;
            let regions = match ImageRegions::of_generation((model, prompt_id, *seed), row.origin.clone(), json) {
                Ok(regions) => regions,
                Err(reason) => {
                    self.problem(row.problem(reason));
                    continue;
                }
            };
            if let Err(reason) = self.row(&regions, Path::new(""), file)? {
                self.problem(row.problem(reason));
            }
        }
        Ok(())
    }

    /// Records a file that regions come from.
    fn record_file(&self, path: &Path, format: &str, digest: [u8; 32]) -> Result<i64> {
        let name = path.file_name().map_or_else(String::new, |name| plain(&name.to_string_lossy()).into_owned());
        self.changes.region_file(self.set.id, &name, format, &digest)
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS { self.problems.push(problem) } else { self.further += 1 }
    }

    /// Takes the regions of an image in, or says what prevents it.
    fn row(&mut self, row: &ImageRegions, base: &Path, file: i64) -> Result<std::result::Result<(), String>> {
        let target = match self.target(&row.image, base)? {
            Ok(target) => self.seen_now(target)?,
            Err(reason) => return Ok(Err(reason)),
        };
        match self.seen.entry(target.image) {
            Entry::Occupied(first) => {
                return Ok(Err(format!("the regions of this image are in {} already: one file of a set has them", first.get())));
            }
            Entry::Vacant(new) => new.insert(row.origin.clone()),
        };
        if let (Some(stated), Some(size)) = (row.size, target.size)
            && stated != size
        {
            return Ok(Err(format!(
                "these are regions of an image of {} × {} pixels, but it has {} × {} (upright, as its EXIF orientation says)",
                stated[0], stated[1], size[0], size[1]
            )));
        }
        let mut regions = Vec::with_capacity(row.regions.len());
        for (index, found) in row.regions.iter().enumerate() {
            match self.region(index, found, target.size.or(row.size)) {
                Ok(region) => regions.push(region),
                Err(reason) => return Ok(Err(format!("region {}: {reason}", index + 1))),
            }
        }
        self.put(&target, file, &regions)
    }

    fn put(&mut self, target: &RegionTarget, file: i64, regions: &[RegionRow]) -> Result<std::result::Result<(), String>> {
        let known = self.changes.regions_of(self.set.id, target.image)?;
        let same = |known: &[RegionRow]| known.iter().map(|r| RegionRow { id: 0, ..r.clone() }).eq(regions.iter().cloned());
        let change = match &known {
            None => Change::Added,
            Some(known) if same(known) => Change::Unchanged,
            Some(_) if self.replace => Change::Replaced,
            Some(known) => {
                return Ok(Err(format!(
                    "the image has other regions in {}: {} there, {} here (`--replace` takes those given here)",
                    quote(self.set.name.as_str()),
                    known.len(),
                    regions.len()
                )));
            }
        };
        // A reference in which nothing was found is used whole, as one that was not looked at.
        if change != Change::Unchanged && !(target.is_reference && regions.is_empty()) {
            self.changes.put_regions(self.set.id, target, Some(file), regions)?;
        }
        self.counts.images.count(change);
        self.counts.regions += regions.len() as u64;
        self.counts.empty += u64::from(regions.is_empty());
        Ok(Ok(()))
    }

    fn region(&self, index: usize, found: &FoundRegion, size: Option<[u32; 2]>) -> std::result::Result<RegionRow, String> {
        let bounds = match (found.bounds, size) {
            (bounds, Some([width, height])) => bounds.clip(width, height)?,
            (Bounds::Pixels(bounds), None) => bounds,
            (Bounds::Shares(_), None) => {
                return Err("its box is in shares of an image whose size is not known, because it cannot be read".into());
            }
        };
        let mask = match size {
            Some([width, height]) => found.mask_in(width, height)?,
            None => found.mask.clone(),
        };
        let label = found.label.as_ref().map(|label| plain(label).into_owned());
        let kind = self
            .options
            .label_kinds
            .iter()
            .find(|(word, _)| word == "*" || label.as_deref() == Some(word))
            .map(|(_, kind)| *kind);
        Ok(RegionRow {
            id: 0,
            index: index as u32,
            bounds,
            score: found.score,
            label,
            kind,
            claimed: found.subject_id.as_ref().map(ToString::to_string),
            mask: mask.as_ref().map(mask_as_json),
        })
    }

    /// Returns the image that a row is of, or why there is none.
    fn target(&mut self, image: &RegionImage, base: &Path) -> Result<std::result::Result<RegionTarget, String>> {
        Ok(match image {
            RegionImage::Generation { model, prompt_id, seed } => {
                self.changes.generation_target(model, prompt_id, *seed)?.ok_or_else(|| {
                    let key = quote(&format!("{model} {prompt_id} {seed}"));
                    format!("there is no generation {key} in the catalog")
                })
            }
            RegionImage::Reference { subject_id, reference_index } => {
                self.changes.reference_target(subject_id, *reference_index)?.ok_or_else(|| {
                    format!("there is no reference {reference_index} of subject {} in the catalog", quote(subject_id.as_str()))
                })
            }
            RegionImage::File(path) => self.by_path(path, base)?,
        })
    }

    /// Returns the image whose path is, or ends with, a path of the file; the more of it the two share, the better.
    fn by_path(&mut self, path: &Path, base: &Path) -> Result<std::result::Result<RegionTarget, String>> {
        let by_name = match &mut self.by_name {
            Some(by_name) => by_name,
            none => {
                let mut by_name: HashMap<String, Vec<(PathBuf, RegionTarget)>> = HashMap::new();
                for (path, target) in self.changes.targets_by_path()? {
                    for name in [path.file_name(), path.file_stem()].into_iter().flatten() {
                        by_name.entry(name.to_string_lossy().into_owned()).or_default().push((path.clone(), target.clone()));
                    }
                }
                none.insert(by_name)
            }
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let all = by_name.get(&name).map_or(&[][..], Vec::as_slice);
        let full = base.join(path);
        if let Some((_, target)) = all.iter().find(|(known, _)| *known == full || known.with_extension("") == full) {
            return Ok(Ok(target.clone()));
        }
        let shared = |known: &Path| {
            let bare = if path.extension().is_none() { known.with_extension("") } else { known.to_owned() };
            bare.components().rev().zip(path.components().rev()).take_while(|(a, b)| a == b).count()
        };
        let most = all.iter().map(|(known, _)| shared(known)).max().unwrap_or(0);
        let mut best = all.iter().filter(|(known, _)| most > 0 && shared(known) == most);
        Ok(match (best.next(), best.next()) {
            (Some((_, target)), None) => Ok(target.clone()),
            (Some((a, _)), Some((b, _))) => Err(format!(
                "the image {} may be {} or {}: give more of its path",
                quote(&path.to_string_lossy()),
                quote(&a.to_string_lossy()),
                quote(&b.to_string_lossy())
            )),
            (None, _) => Err(format!("no image of the catalog is named {}", quote(&path.to_string_lossy()))),
        })
    }

    /// Looks at an image that was not read yet: its size is needed.
    fn seen_now(&self, target: RegionTarget) -> Result<RegionTarget> {
        if target.size.is_some() {
            return Ok(target);
        }
        let probe = self.door.probe(&self.changes.path_of(target.image)?);
        Ok(match probe.outcome {
            Outcome::Image { width, height, .. } => RegionTarget { size: Some([width, height]), source: probe.blake3, ..target },
            Outcome::Unusable(..) => target,
        })
    }
}

/// The mask as COCO writes it.
fn mask_as_json(mask: &Mask) -> String {
    serde_json::json!({ "size": [mask.height(), mask.width()], "counts": mask.compressed() }).to_string()
}

/// Returns the BLAKE3 of a region file; of a directory, of what was read in it.
fn digest_of(path: &Path, rows: &[ImageRegions]) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    if path.is_dir() {
        for row in rows {
            hasher.update(format!("{:?} {:?}\n", row.image, row.regions).as_bytes());
        }
    } else {
        let mut file = fs::File::open(path).map_err(Error::io("read", path))?;
        hasher.update_reader(&mut file).map_err(Error::io("read", path))?;
    }
    Ok(*hasher.finalize().as_bytes())
}
