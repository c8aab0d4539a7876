//! Samples of FiftyOne, as its datasets and samples write them to JSON. Boxes are [x, y, width, height] in shares of the
//! image's width and height.
//!
//! The field that holds the detections may have any name, but one sample has one. A sample whose field is null was not
//! looked at: it has no regions, and none are recorded for it.

use super::super::fields::Fields;
use super::intake::Intake;
use super::region::{Bounds, FoundRegion, label, score};
use super::{RegionImage, source};
use crate::error::Result;
use crate::problem::{Origin, Position};
use crate::text::quote;
use serde_json::value::RawValue;
use std::path::Path;

/// Reads the file at `path`: samples as JSON Lines or an array, or `{"samples": […]}`.
pub fn read(path: &Path, intake: &mut Intake<'_, '_>) -> Result<()> {
    let (mut without, mut masks) = (0_u64, 0_u64);
    source::objects(path, intake, |intake, place, fields| {
        let Some(samples) = fields.optional_raw("samples") else {
            return sample(intake, place, fields, &mut without, &mut masks);
        };
        let samples: Vec<&RawValue> =
            serde_json::from_str(samples).map_err(|_| "`samples` must be a list of objects".to_owned())?;
        for (i, raw) in samples.into_iter().enumerate() {
            let place = Origin { file: place.file.clone(), place: Position::Entry(i as u64 + 1) };
            let read = Fields::from_json(raw.get());
            if let Err(reason) = read.and_then(|fields| sample(intake, &place, &fields, &mut without, &mut masks)) {
                intake.problem(&place, reason);
            }
        }
        Ok(())
    })?;
    if without > 0 {
        let what = "the detector did not run on them, and nothing is recorded for them";
        intake.warn(&Origin::whole(path), format!("samples without detections: {without}; {what}"));
    }
    if masks > 0 {
        let what = "only their boxes are; write them as COCO results to keep them";
        intake.warn(&Origin::whole(path), format!("masks that are not read: {masks}; {what}"));
    }
    Ok(())
}

fn sample(
    intake: &mut Intake<'_, '_>,
    place: &Origin,
    fields: &Fields<'_>,
    without: &mut u64,
    masks: &mut u64,
) -> std::result::Result<(), String> {
    let name = fields.text("filepath")?;
    let mut found: Vec<(&str, &str)> = Vec::new();
    for (field, _) in &fields.0 {
        let Some(raw) = fields.optional_raw(field).filter(|raw| raw.starts_with('{')) else { continue };
        let inner = Fields::from_json(raw).map_err(|e| format!("{}: {e}", quote(field)))?;
        if let Some(detections) = inner.optional_raw("detections") {
            found.push((field, detections));
        }
    }
    let (field, detections) = match found[..] {
        [one] => one,
        [] => {
            *without += 1;
            return Ok(());
        }
        _ => {
            let names: Vec<String> = found.iter().map(|(field, _)| quote(field)).collect();
            return Err(format!("it has detections in {}; keep one field", names.join(" and ")));
        }
    };
    let detections: Vec<&RawValue> =
        serde_json::from_str(detections).map_err(|_| format!("the detections in {} must be a list of objects", quote(field)))?;
    let regions = detections.into_iter().map(|raw| {
        let fields = Fields::from_json(raw.get())?;
        *masks += u64::from(["mask", "mask_path"].iter().any(|key| fields.optional_raw(key).is_some()));
        region(&fields)
    });
    let regions = regions.collect();
    let size = match fields.optional_raw("metadata").filter(|raw| raw.starts_with('{')) {
        Some(raw) => source::size(&Fields::from_json(raw)?, "width", "height")?,
        None => None,
    };
    intake.image(place, RegionImage::File(name.into()), size, regions);
    Ok(())
}

fn region(fields: &Fields<'_>) -> std::result::Result<FoundRegion, String> {
    Ok(FoundRegion {
        score: score(fields.optional_number("confidence")?)?,
        label: label(fields.optional_text("label")?),
        ..FoundRegion::new(Bounds::shares(fields.numbers("bounding_box")?)?)
    })
}
