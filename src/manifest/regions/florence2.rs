//! Parsed answers of Florence-2, what its processor's `post_process_generation` returns, each with the image it is of.
//! Boxes are [x1, y1, x2, y2] in pixels, polygons are in pixels; there are no scores.
//!
//! Read are objects `{"image": "a.png", "<OD>": {"bboxes": […], "labels": […]}}`, as JSON Lines or an array, and objects
//! keyed by image, `{"a.png": {"<OD>": {…}}, …}`. Answers that are text (captions) are passed over.

use super::super::fields::{Fields, numbers_of};
use super::intake::Intake;
use super::outline::Outline;
use super::region::{Bounds, FoundRegion, label};
use super::{RegionImage, source};
use crate::error::Result;
use crate::problem::Origin;
use crate::text::quote;
use serde_json::value::RawValue;
use std::path::Path;

type Regions = Vec<std::result::Result<FoundRegion, String>>;

/// Reads the file at `path`.
pub fn read(path: &Path, intake: &mut Intake<'_, '_>) -> Result<()> {
    source::objects(path, intake, |intake, place, fields| {
        if fields.0.iter().any(|(name, _)| is_task(name)) {
            return one(intake, place, source::image_name(fields)?, fields);
        }
        for (name, _) in &fields.0 {
            let answer = Fields::from_json(fields.raw(name)?).and_then(|answer| one(intake, place, name.to_string(), &answer));
            if let Err(reason) = answer {
                intake.problem(place, format!("{}: {reason}", quote(name)));
            }
        }
        Ok(())
    })
}

/// Returns whether a key is one of Florence-2's tasks, such as `<OD>`.
pub fn is_task(key: &str) -> bool {
    key.strip_prefix('<').and_then(|k| k.strip_suffix('>')).is_some_and(|k| !k.is_empty() && !k.contains(char::is_lowercase))
}

/// Reads the answers about one image: one of them has regions.
fn one(intake: &mut Intake<'_, '_>, place: &Origin, image: String, fields: &Fields<'_>) -> std::result::Result<(), String> {
    let tasks = fields.0.iter().filter(|(name, _)| is_task(name)).map(|(name, _)| name.as_ref());
    let with_regions: Vec<&str> =
        tasks.filter(|task| fields.optional_raw(task).is_some_and(|raw| raw.starts_with('{'))).collect();
    let task = match with_regions[..] {
        [task] => task,
        [] => return Err("no answer with regions, such as `<OD>`: {\"bboxes\", \"labels\"}".into()),
        _ => {
            return Err(format!(
                "it has regions of several tasks, {}; keep one",
                with_regions.iter().map(|task| quote(task)).collect::<Vec<_>>().join(" and ")
            ));
        }
    };
    let answer = Fields::from_json(fields.raw(task)?).map_err(|e| format!("{}: {e}", quote(task)))?;
    let regions = regions(&answer).map_err(|e| format!("{}: {e}", quote(task)))?;
    intake.image(place, RegionImage::File(image.into()), None, regions);
    Ok(())
}

fn regions(answer: &Fields<'_>) -> std::result::Result<Regions, String> {
    let [boxes, polygons] = ["bboxes", "polygons"].map(|key| list(answer, key));
    let (boxes, polygons) = (boxes?, polygons?);
    if boxes.is_none() && polygons.is_none() {
        return Err("it has neither `bboxes` nor `polygons`".into());
    }
    // Open-vocabulary detection has both, each with labels of its own.
    let mut regions = Regions::new();
    for (key, items) in [("bboxes", boxes), ("polygons", polygons)] {
        let Some(items) = items else { continue };
        let labels = labels(answer, key, items.len())?;
        for (item, text) in items.into_iter().zip(labels) {
            let region = if key == "bboxes" { boxed(item.get()) } else { outlined(item.get()) };
            regions.push(region.map(|region| FoundRegion { label: label(text), ..region }));
        }
    }
    Ok(regions)
}

fn list<'a>(answer: &Fields<'a>, key: &str) -> std::result::Result<Option<Vec<&'a RawValue>>, String> {
    let read = |raw: &'a str| serde_json::from_str(raw).map_err(|_| format!("`{key}` must be a list, not {}", quote(raw)));
    answer.optional_raw(key).map(read).transpose()
}

/// Returns the labels of the items of a list: as many as these.
fn labels(answer: &Fields<'_>, key: &str, count: usize) -> std::result::Result<Vec<Option<String>>, String> {
    let own = format!("{key}_labels");
    let name = if answer.optional_raw(&own).is_some() { own.as_str() } else { "labels" };
    let Some(raw) = answer.optional_raw(name) else { return Ok(vec![None; count]) };
    let labels: Vec<Option<String>> =
        serde_json::from_str(raw).map_err(|_| format!("`{name}` must be a list of texts, not {}", quote(raw)))?;
    if labels.len() != count {
        return Err(format!("`{name}` has {} entries, but `{key}` has {count}", labels.len()));
    }
    Ok(labels)
}

fn boxed(json: &str) -> std::result::Result<FoundRegion, String> {
    Ok(FoundRegion::new(Bounds::corners(numbers_of(json).map_err(|e| format!("the box {e}"))?)?))
}

/// Reads the polygons of one region: [[x1, y1, x2, y2, …], …].
fn outlined(json: &str) -> std::result::Result<FoundRegion, String> {
    let parts: Vec<&RawValue> =
        serde_json::from_str(json).map_err(|_| format!("it must be a list of polygons, not {}", quote(json)))?;
    let polygons = parts.into_iter().map(|part| source::points(part.get())).collect::<std::result::Result<_, _>>()?;
    let outline = Outline::pixels(polygons)?;
    Ok(FoundRegion { outline: Some(outline.clone()), ..FoundRegion::new(outline.bounds()?) })
}
