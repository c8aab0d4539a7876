//! What the image demos of Grounded-SAM-2 dump: one object for each image. Boxes are [x1, y1, x2, y2] in pixels; masks are
//! COCO's compressed run lengths.

use super::super::fields::{Fields, number_of};
use super::intake::Intake;
use super::mask::Mask;
use super::region::{Bounds, FoundRegion, label, score};
use super::{RegionImage, source};
use crate::error::Result;
use crate::problem::Origin;
use crate::text::quote;
use serde_json::value::RawValue;
use std::path::Path;

/// Reads the file at `path`.
pub fn read(path: &Path, intake: &mut Intake<'_, '_>) -> Result<()> {
    source::objects(path, intake, image)
}

fn image(intake: &mut Intake<'_, '_>, place: &Origin, fields: &Fields<'_>) -> std::result::Result<(), String> {
    if let Some(format) = fields.optional_text("box_format")?
        && format != "xyxy"
    {
        return Err(format!("`box_format` is {}; boxes are read as xyxy", quote(&format)));
    }
    let size = source::size(fields, "img_width", "img_height")?;
    let annotations: Vec<&RawValue> =
        serde_json::from_str(fields.raw("annotations")?).map_err(|_| "`annotations` must be a list of objects".to_owned())?;
    let regions = annotations.into_iter().map(|a| Fields::from_json(a.get()).and_then(|a| region(&a))).collect();
    intake.image(place, RegionImage::File(fields.text("image_path")?.into()), size, regions);
    Ok(())
}

fn region(fields: &Fields<'_>) -> std::result::Result<FoundRegion, String> {
    Ok(FoundRegion {
        score: score(confidence(fields)?)?,
        label: label(fields.optional_text("class_name")?),
        mask: fields.optional_raw("segmentation").map(Mask::from_json).transpose().map_err(|e| format!("`segmentation` {e}"))?,
        ..FoundRegion::new(Bounds::corners(fields.numbers("bbox")?)?)
    })
}

/// Returns the score, a number or a list of one.
fn confidence(fields: &Fields<'_>) -> std::result::Result<Option<f64>, String> {
    let Some(raw) = fields.optional_raw("score") else { return Ok(None) };
    let number = match serde_json::from_str::<Vec<&RawValue>>(raw) {
        Ok(items) => match items[..] {
            [one] => number_of(one.get()),
            _ => return Err(format!("`score` has {} numbers, not one", items.len())),
        },
        Err(_) => number_of(raw),
    };
    number.map(Some).map_err(|e| format!("`score` {e}"))
}
