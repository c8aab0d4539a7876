//! What supervision's `CSVSink` and `JSONSink` write: one row for each region. Boxes are two corners in pixels, `x_min`,
//! `y_min`, `x_max`, `y_max`.
//!
//! The image is named by a column of one's own (`custom_data={"image": …}`). A sink writes nothing for an image in which
//! nothing was found; a row with the image's name and no corners says so.

use super::super::csv_records::Records;
use super::super::fields::{Field, Fields};
use super::super::records::RecordFault;
use super::intake::Intake;
use super::region::{Bounds, FoundRegion, label, score};
use super::{RegionImage, source};
use crate::error::Result;
use crate::problem::{Origin, Position};
use std::path::Path;
use std::sync::Arc;

const CORNERS: [&str; 4] = ["x_min", "y_min", "x_max", "y_max"];

/// Reads the file at `path`, CSV or JSON by its name.
pub fn read(path: &Path, intake: &mut Intake<'_, '_>) -> Result<()> {
    if source::is_named(path, &["csv"]) { csv(path, intake) } else { source::objects(path, intake, row) }
}

fn csv(path: &Path, intake: &mut Intake<'_, '_>) -> Result<()> {
    let file: Arc<Path> = path.into();
    let mut records = Records::new(source::open(path, intake)?.1, b',');
    let mut header: Option<Vec<String>> = None;
    while let Some(record) = records.next() {
        intake.check()?;
        let line = record.as_ref().map_or_else(|fault| fault.line, |(line, _)| *line);
        let place = Origin { file: file.clone(), place: Position::Line(line) };
        let read = |cells: Vec<&str>, intake: &mut Intake<'_, '_>| {
            let Some(columns) = &header else {
                let columns: Vec<String> = cells.into_iter().map(str::to_owned).collect();
                let lacking = CORNERS.iter().find(|corner| !columns.iter().any(|c| c == *corner));
                return lacking.map_or(Ok(Some(columns)), |corner| Err(format!("the header has no column `{corner}`")));
            };
            if cells.len() != columns.len() {
                return Err(format!("{} fields, but the header has {}", cells.len(), columns.len()));
            }
            let fields = columns.iter().zip(cells).map(|(name, cell)| (name.as_str().into(), Field::Csv(cell))).collect();
            row(intake, &place, &Fields(fields)).map(|()| None)
        };
        match record {
            Ok((_, cells)) => match cells.texts().and_then(|cells| read(cells, intake)) {
                Ok(None) => {}
                Ok(columns) => header = columns,
                Err(reason) => {
                    intake.problem(&place, reason);
                    if header.is_none() {
                        break;
                    }
                }
            },
            Err(RecordFault { reason, last, .. }) => {
                intake.problem(&place, reason);
                if last {
                    break;
                }
            }
        }
    }
    intake.check()
}

fn row(intake: &mut Intake<'_, '_>, place: &Origin, fields: &Fields<'_>) -> std::result::Result<(), String> {
    let image = RegionImage::File(source::image_name(fields)?.into());
    if CORNERS.iter().all(|corner| !given(fields, corner)) {
        intake.row(place, image, None);
        return Ok(());
    }
    let mut corners = [0.0; 4];
    for (corner, name) in corners.iter_mut().zip(CORNERS) {
        *corner = fields.number(name)?;
    }
    let class = if given(fields, "class_id") { Some(fields.integer("class_id")?.to_string()) } else { None };
    let region = FoundRegion {
        score: score(if given(fields, "confidence") { fields.optional_number("confidence")? } else { None })?,
        label: label(fields.optional_text("class_name")?).or(class),
        ..FoundRegion::new(Bounds::corners(corners)?)
    };
    intake.row(place, image, Some(region));
    Ok(())
}

/// Returns whether a field says something; a sink writes `""` for what it does not know, in JSON as well.
fn given(fields: &Fields<'_>, name: &str) -> bool {
    fields.optional_raw(name).is_some_and(|raw| raw != "\"\"")
}
