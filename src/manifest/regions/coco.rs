//! COCO results. Boxes are [x, y, width, height] in pixels; masks are run lengths or polygons in pixels.
//!
//! Read are one object, `{"images": […], "annotations" or "results": […], "categories": […]}`, and a list of results with
//! a file `images.json` beside it that has `images`, and perhaps `categories`. In an image that is listed and has no
//! entry, nothing was found.

use super::super::fields::Fields;
use super::intake::Intake;
use super::mask::Mask;
use super::outline::Outline;
use super::region::{Bounds, FoundRegion, label, score};
use super::{RegionImage, source};
use crate::error::Result;
use crate::problem::{Origin, Position};
use crate::text::quote;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The name of the file that lists the images of a list of results.
pub const IMAGES: &str = "images.json";

/// The images that are listed, and what was found in them.
#[derive(Default)]
struct Listed {
    images: Vec<Listing>,
    /// Which of them has an id, as JSON writes it.
    by_id: HashMap<String, usize>,
    /// Names of categories, by id; `None` if there is no list.
    categories: Option<HashMap<String, String>>,
}

struct Listing {
    place: Origin,
    name: String,
    size: Option<[u32; 2]>,
    regions: Vec<FoundRegion>,
}

/// Reads the file at `path`.
pub fn read(path: &Path, intake: &mut Intake<'_, '_>) -> Result<()> {
    let file: Arc<Path> = path.into();
    let is_list = source::open(path, intake)?.1.first_byte() == Some(b'[');
    let mut listed = Listed::default();
    if is_list {
        let images = path.with_file_name(IMAGES);
        if !images.is_file() {
            let reason = format!(
                "a list of COCO results does not name its images: put the annotation file that lists them beside it as \
                 {IMAGES}, or write one object {{\"images\": […], \"results\": […]}}"
            );
            intake.problem(&Origin::whole(path), reason);
            return Ok(());
        }
        if let Some(text) = source::whole(&images, intake)? {
            let file: Arc<Path> = images.as_path().into();
            if let Err(reason) = Fields::from_json(&text).and_then(|fields| listed.read(&fields, &file, intake)) {
                intake.problem(&Origin::whole(&images), reason);
            }
        }
        source::objects(path, intake, |_, _, fields| listed.entry(fields))?;
    } else if let Some(text) = source::whole(path, intake)?
        && let Err(reason) = Fields::from_json(&text).and_then(|fields| object(&fields, &mut listed, &file, intake))
    {
        intake.problem(&Origin::whole(path), reason);
    }
    for Listing { place, name, size, regions } in listed.images {
        intake.image(&place, RegionImage::File(name.into()), size, regions.into_iter().map(Ok).collect());
    }
    intake.check()
}

/// Reads an object that has the images and what was found in them.
fn object(
    fields: &Fields<'_>,
    listed: &mut Listed,
    file: &Arc<Path>,
    intake: &mut Intake<'_, '_>,
) -> std::result::Result<(), String> {
    listed.read(fields, file, intake)?;
    let key = match (fields.optional_raw("annotations"), fields.optional_raw("results")) {
        (Some(_), Some(_)) => return Err("it has `annotations` and `results`; keep those that are to be read".into()),
        (None, Some(_)) => "results",
        _ => "annotations",
    };
    each(fields, key, file, intake, |fields, _| listed.entry(fields))
}

/// Calls `read` with each object of a list; what it says is wrong is noted with its number.
fn each(
    fields: &Fields<'_>,
    key: &str,
    file: &Arc<Path>,
    intake: &mut Intake<'_, '_>,
    mut read: impl FnMut(&Fields<'_>, &Origin) -> std::result::Result<(), String>,
) -> std::result::Result<(), String> {
    let items: Vec<&RawValue> =
        serde_json::from_str(fields.raw(key)?).map_err(|_| format!("`{key}` must be a list of objects"))?;
    for (i, item) in items.into_iter().enumerate() {
        if intake.stop().is_wanted() {
            return Err("interrupted".into());
        }
        let place = Origin { file: file.clone(), place: Position::Entry(i as u64 + 1) };
        if let Err(reason) = Fields::from_json(item.get()).and_then(|fields| read(&fields, &place)) {
            intake.problem(&place, format!("of `{key}`: {reason}"));
        }
    }
    Ok(())
}

impl Listed {
    /// Reads `images` and `categories`.
    fn read(&mut self, fields: &Fields<'_>, file: &Arc<Path>, intake: &mut Intake<'_, '_>) -> std::result::Result<(), String> {
        if fields.optional_raw("categories").is_some() {
            let mut names = HashMap::new();
            each(fields, "categories", file, intake, |category, _| {
                match names.insert(id(category, "id")?, category.text("name")?) {
                    Some(_) => Err(format!("the id {} appears twice", quote(&id(category, "id")?))),
                    None => Ok(()),
                }
            })?;
            self.categories = Some(names);
        }
        each(fields, "images", file, intake, |image, place| {
            let (id, name) = (id(image, "id")?, image.text("file_name")?);
            if self.by_id.insert(id.clone(), self.images.len()).is_some() {
                return Err(format!("the id {} appears twice", quote(&id)));
            }
            let size = source::size(image, "width", "height")?;
            self.images.push(Listing { place: place.clone(), name, size, regions: Vec::new() });
            Ok(())
        })
    }

    /// Reads an annotation or a result.
    fn entry(&mut self, fields: &Fields<'_>) -> std::result::Result<(), String> {
        let image = id(fields, "image_id")?;
        let image = *self.by_id.get(&image).ok_or_else(|| format!("`image_id` {} is not in `images`", quote(&image)))?;
        let region = self.region(fields)?;
        self.images[image].regions.push(region);
        Ok(())
    }

    fn region(&self, fields: &Fields<'_>) -> std::result::Result<FoundRegion, String> {
        let (mut mask, mut outline) = (None, None);
        match fields.optional_raw("segmentation") {
            Some(raw) if raw.starts_with('{') => {
                mask = Some(Mask::from_json(raw).map_err(|e| format!("`segmentation` {e}"))?);
            }
            Some(raw) => outline = polygons(raw).map_err(|e| format!("`segmentation`: {e}"))?,
            None => {}
        }
        let bounds = match (fields.optional_raw("bbox"), &mask, &outline) {
            (None, Some(mask), _) => Bounds::pixels(mask.bounds().map(f64::from)),
            (None, None, Some(outline)) => outline.bounds(),
            _ => Bounds::pixels(fields.numbers("bbox")?),
        };
        Ok(FoundRegion {
            score: score(fields.optional_number("score")?)?,
            label: self.label(fields)?,
            mask,
            outline,
            ..FoundRegion::new(bounds?)
        })
    }

    /// Returns the name of the category, or its id if there is no list of names.
    fn label(&self, fields: &Fields<'_>) -> std::result::Result<Option<String>, String> {
        if fields.optional_raw("category_id").is_none() {
            return Ok(None);
        }
        let category = id(fields, "category_id")?;
        match &self.categories {
            None => Ok(label(Some(category.trim_matches('"').to_owned()))),
            Some(names) => match names.get(&category) {
                Some(name) => Ok(label(Some(name.clone()))),
                None => Err(format!("`category_id` {} is not in `categories`", quote(&category))),
            },
        }
    }
}

/// Returns an id, an integer or a text, as JSON writes it.
fn id(fields: &Fields<'_>, name: &str) -> std::result::Result<String, String> {
    match fields.raw(name)? {
        raw if raw.starts_with('"') => Ok(raw.to_owned()),
        _ => fields.integer(name).map(|id| id.to_string()),
    }
}

/// Reads a list of polygons [x1, y1, x2, y2, …]; `None` if it is empty.
fn polygons(json: &str) -> std::result::Result<Option<Outline>, String> {
    let items: Vec<&RawValue> = serde_json::from_str(json)
        .map_err(|_| format!("it must be run lengths {{\"size\", \"counts\"}} or a list of polygons, not {}", quote(json)))?;
    if items.is_empty() {
        return Ok(None);
    }
    let polygons = items.into_iter().map(|item| source::points(item.get())).collect::<std::result::Result<_, _>>()?;
    Outline::pixels(polygons).map(Some)
}
