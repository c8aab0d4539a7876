//! Annotations of LabelMe: one file for each image. Points are (x, y) in pixels. A rectangle is two opposite corners in any
//! order; a polygon is a box and an outline. Shapes of one label and one `group_id` are parts of one region.

use super::super::fields::{Fields, numbers_of};
use super::intake::Intake;
use super::outline::Outline;
use super::region::{FoundRegion, label, score};
use super::{RegionImage, source};
use crate::error::Result;
use crate::problem::Origin;
use crate::text::quote;
use serde_json::value::RawValue;
use std::path::Path;

/// Reads the file at `path`, which lies in the directory `below` of the directory that is read.
pub fn read(path: &Path, below: &Path, intake: &mut Intake<'_, '_>) -> Result<()> {
    source::objects(path, intake, |intake, place, fields| image(intake, place, fields, below))
}

/// A region, put together from its shapes.
struct Shaped {
    label: Option<String>,
    group: Option<String>,
    score: Option<f64>,
    polygons: Vec<Vec<[f64; 2]>>,
    /// Whether it is one rectangle, which needs no mask.
    is_box: bool,
}

fn image(intake: &mut Intake<'_, '_>, place: &Origin, fields: &Fields<'_>, below: &Path) -> std::result::Result<(), String> {
    let shapes: Vec<&RawValue> =
        serde_json::from_str(fields.raw("shapes")?).map_err(|_| "`shapes` must be a list of objects".to_owned())?;
    let mut regions: Vec<std::result::Result<Shaped, String>> = Vec::new();
    for raw in shapes {
        let shape = Fields::from_json(raw.get()).and_then(|fields| shape(&fields));
        let whole =
            |known: &Shaped, part: &Shaped| part.group.is_some() && (&known.group, &known.label) == (&part.group, &part.label);
        match shape {
            Ok(part) => match regions.iter_mut().flatten().find(|known| whole(known, &part)) {
                Some(known) => {
                    known.polygons.extend(part.polygons);
                    known.is_box = false;
                }
                None => regions.push(Ok(part)),
            },
            Err(reason) => regions.push(Err(reason)),
        }
    }
    // As LabelMe does: a file written on Windows has backslashes.
    let name = fields.text("imagePath")?.replace('\\', "/");
    let image = RegionImage::File(source::joined(below, Path::new(&name)));
    let size = source::size(fields, "imageWidth", "imageHeight")?;
    intake.image(place, image, size, regions.into_iter().map(|shaped| shaped.and_then(region)).collect());
    Ok(())
}

fn region(shaped: Shaped) -> std::result::Result<FoundRegion, String> {
    let outline = Outline::pixels(shaped.polygons)?;
    Ok(FoundRegion {
        score: shaped.score,
        label: shaped.label,
        outline: (!shaped.is_box).then(|| outline.clone()),
        ..FoundRegion::new(outline.bounds()?)
    })
}

fn shape(fields: &Fields<'_>) -> std::result::Result<Shaped, String> {
    let raw = fields.raw("points")?;
    let points: Vec<&RawValue> =
        serde_json::from_str(raw).map_err(|_| format!("`points` must be a list of [x, y], not {}", quote(raw)))?;
    let points: Vec<[f64; 2]> = points
        .into_iter()
        .map(|p| numbers_of(p.get()))
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| format!("`points`: a point {e}"))?;
    let kind = fields.optional_text("shape_type")?.unwrap_or_else(|| "polygon".into());
    let polygon = match (kind.as_str(), &points[..]) {
        ("polygon", [_, _, _, ..]) => points,
        ("polygon", _) => return Err("a polygon of fewer than three points".into()),
        ("rectangle", [[x1, y1], [x2, y2]]) => vec![[*x1, *y1], [*x2, *y1], [*x2, *y2], [*x1, *y2]],
        ("rectangle", _) => return Err(format!("a rectangle of {} points; it has two, opposite corners", points.len())),
        _ => return Err(format!("a shape of type {}; rectangles and polygons are read", quote(&kind))),
    };
    Ok(Shaped {
        label: label(fields.optional_text("label")?),
        group: fields.optional_raw("group_id").map(str::to_owned),
        score: score(fields.optional_number("score")?)?,
        polygons: vec![polygon],
        is_box: kind == "rectangle",
    })
}
