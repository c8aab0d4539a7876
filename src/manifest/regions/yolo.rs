//! Labels of YOLO: a text file for each image, one region a line, in shares of the image's width and height; the names of
//! the classes are in `data.yaml`. A file without lines says that nothing was found.
//!
//! | numbers after the class | meaning |
//! |---|---|
//! | 4, 5 | centre x, centre y, width, height, perhaps confidence |
//! | 6 and more | x1, y1, x2, y2, … of an outline, perhaps confidence; an oriented box is an outline of four points |

use super::super::fields::number_of;
use super::super::records::{Lines, RecordFault};
use super::intake::Intake;
use super::outline::Outline;
use super::region::{Bounds, FoundRegion, score};
use super::yaml::{Names, names};
use super::{RegionImage, source};
use crate::error::{Error, Result};
use crate::input;
use crate::problem::{Origin, Position};
use crate::text::quote;
use crate::vocabulary::ImageFormat;
use std::path::{Path, PathBuf};

/// The file that names the classes, in the directory that is read or above it.
const DATA: [&str; 4] = ["data.yaml", "data.yml", "dataset.yaml", "dataset.yml"];

/// Another way to name the classes: one name a line, among the labels.
const CLASSES: &str = "classes.txt";

/// Returns whether these files of a directory are labels of YOLO: a list of names is among them, or there are texts alone.
pub fn is_laid_out(files: &[String]) -> bool {
    let is_text = |file: &String| source::is_named(Path::new(file), &["txt"]);
    let is_listing = |file: &String| DATA.contains(&file.as_str());
    let is_record = |file: &String| source::is_named(Path::new(file), &super::RECORDS);
    files.iter().any(is_text) && (files.iter().any(is_listing) || !files.iter().any(is_record))
}

/// Reads the labels at `path`: a directory, its `data.yaml`, or one file.
pub fn read(path: &Path, intake: &mut Intake<'_, '_>) -> Result<()> {
    if source::is_named(path, &["yaml", "yml"]) {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let names = names_at(path, intake)?;
        return directory(dir, names, intake);
    }
    let (dir, file) = if path.is_dir() { (path, None) } else { (path.parent().unwrap_or(Path::new("")), path.file_name()) };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let above = dir.canonicalize().ok();
    let places = std::iter::once(dir).chain(above.iter().flat_map(|dir| dir.ancestors().skip(1).take(2)));
    let listing = places.flat_map(|dir| DATA.iter().map(|name| dir.join(name))).find(|file| file.is_file());
    let names = match listing.or_else(|| Some(dir.join(CLASSES)).filter(|file| file.is_file())) {
        Some(file) => names_at(&file, intake)?,
        None => {
            intake.warn(&Origin::whole(path), format!("no {} names the classes: labels are their numbers", DATA[0]));
            Names::default()
        }
    };
    match file {
        Some(file) => label_file(dir, Path::new(file), &names, intake),
        None => directory(dir, names, intake),
    }
}

/// Reads the names of the classes; a fault is noted.
fn names_at(path: &Path, intake: &mut Intake<'_, '_>) -> Result<Names> {
    let text = source::whole(path, intake)?.unwrap_or_default();
    if source::is_named(path, &["txt"]) {
        let names = text.lines().map(str::trim).filter(|name| !name.is_empty());
        return Ok(Names(names.enumerate().map(|(i, name)| (i as u64, name.to_owned())).collect()));
    }
    Ok(names(&text).unwrap_or_else(|(line, reason)| {
        intake.problem(&Origin { file: path.into(), place: Position::Line(line) }, reason);
        Names::default()
    }))
}

fn directory(dir: &Path, names: Names, intake: &mut Intake<'_, '_>) -> Result<()> {
    let files = input::files_below(dir, intake.stop())?.files;
    let texts: Vec<&Path> = files.iter().map(Path::new).filter(|file| source::is_named(file, &["txt"])).collect();
    // Lists of images lie beside `labels`; where there is no such directory, every text is a label file.
    let in_labels = |file: &&&Path| file.parent().is_some_and(|dir| dir.components().any(|c| c.as_os_str() == "labels"));
    let some_are = texts.iter().any(|file| in_labels(&file));
    let labels: Vec<&Path> = texts
        .iter()
        .filter(|file| !some_are || in_labels(file))
        .filter(|file| file.file_name().is_some_and(|name| name != CLASSES))
        .copied()
        .collect();
    if labels.is_empty() {
        let what = format!("{} holds no label files (.txt)", dir.display());
        return Err(Error::request(what, "give the directory that holds `labels`, or the labels themselves"));
    }
    labels.into_iter().try_for_each(|file| label_file(dir, file, &names, intake))
}

/// Reads the labels of one image; `file` lies below `dir`.
fn label_file(dir: &Path, file: &Path, names: &Names, intake: &mut Intake<'_, '_>) -> Result<()> {
    let path = dir.join(file);
    let at = |place| Origin { file: path.as_path().into(), place };
    let mut lines = Lines::new(source::open(&path, intake)?.1);
    let mut regions = Vec::new();
    while let Some(record) = lines.next() {
        intake.check()?;
        match record {
            Ok((line, bytes)) => {
                let text = std::str::from_utf8(&bytes).map_err(|_| "not valid UTF-8".to_owned());
                match text.and_then(|text| region(text, names)) {
                    Ok(region) => regions.push(Ok(region)),
                    Err(reason) => intake.problem(&at(Position::Line(line)), reason),
                }
            }
            Err(RecordFault { line, reason, .. }) => {
                intake.problem(&at(Position::Line(line)), reason);
                break;
            }
        }
    }
    match image_of(dir, file) {
        Ok(image) => intake.image(&at(Position::File), RegionImage::File(image), None, regions),
        Err(reason) => intake.problem(&at(Position::File), reason),
    }
    intake.check()
}

fn region(line: &str, names: &Names) -> std::result::Result<FoundRegion, String> {
    let mut numbers = line
        .split_whitespace()
        .map(number_of)
        .collect::<std::result::Result<Vec<f64>, _>>()
        .map_err(|e| format!("a field {e}"))?;
    let class = numbers.first().copied().unwrap_or(-1.0);
    if class < 0.0 || class.fract() != 0.0 || class > f64::from(u32::MAX) {
        return Err(format!("a line begins with the number of a class, not with {class}"));
    }
    numbers.remove(0);
    let label = match names.0.get(&(class as u64)) {
        Some(name) => name.clone(),
        None if names.0.is_empty() => class.to_string(),
        None => return Err(format!("class {class} has no name in the list of names")),
    };
    let confidence = if numbers.len() % 2 == 1 { numbers.pop() } else { None };
    let (bounds, outline) = match numbers[..] {
        [x, y, width, height] => (Bounds::shares([x - width / 2.0, y - height / 2.0, width, height])?, None),
        [_, _, _, _, _, _, ..] => {
            let outline = Outline::shares(vec![numbers.chunks_exact(2).map(|p| [p[0], p[1]]).collect()])?;
            (outline.bounds()?, Some(outline))
        }
        _ => {
            let form = "class, x, y, width and height, or the points of an outline";
            return Err(format!("{} numbers, which are not {form}", numbers.len() + 1 + usize::from(confidence.is_some())));
        }
    };
    Ok(FoundRegion { score: score(confidence)?, label: Some(label), outline, ..FoundRegion::new(bounds) })
}

/// Returns the image that a label file is of, relative to `dir`: the one below `images` in place of `labels`, or beside it;
/// without an extension if there is none.
///
/// # Errors
/// There are several.
fn image_of(dir: &Path, file: &Path) -> std::result::Result<PathBuf, String> {
    let stem = file.with_extension("");
    let mut parts: Vec<_> = stem.components().map(|c| c.as_os_str()).collect();
    if let Some(labels) = parts[..parts.len().saturating_sub(1)].iter().rposition(|part| *part == "labels") {
        parts[labels] = "images".as_ref();
    }
    let usual: PathBuf = parts.iter().collect();
    // A name may hold dots: the extension is appended to it.
    let with = |base: &Path, extension: &str| PathBuf::from(format!("{}.{extension}", base.display()));
    for base in [&usual, &stem] {
        let extensions = ImageFormat::ALL.iter().flat_map(|format| format.extensions());
        let there: Vec<PathBuf> = extensions.map(|e| with(base, e)).filter(|image| dir.join(image).is_file()).collect();
        match there.as_slice() {
            [] => {}
            [one] => return Ok(one.clone()),
            [one, other, ..] => {
                let [one, other] = [one, other].map(|image| quote(&image.display().to_string()));
                return Err(format!("it may be of {one} or of {other}"));
            }
        }
    }
    Ok(usual)
}
