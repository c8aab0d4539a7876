//! The canonical file. Boxes are [x, y, width, height] in pixels of the upright image.
//!
//! One row for each image: `{"model", "prompt_id", "seed", "regions": […]}` for a generation,
//! `{"subject_id", "reference_index", "regions": […]}` for a reference. A row of a reference may also be one region:
//! `{"subject_id", "reference_index", "box": …, "score": …}`.

use super::super::fields::Fields;
use super::intake::Intake;
use super::region::{FoundRegion, list_of};
use super::{RegionImage, source};
use crate::error::Result;
use crate::problem::Origin;
use crate::vocabulary::{ModelName, PromptId, SubjectId};
use std::path::Path;

const GENERATION: [&str; 4] = ["model", "prompt_id", "seed", "regions"];
const REFERENCE: [&str; 3] = ["subject_id", "reference_index", "regions"];
const FLAT: [&str; 6] = ["subject_id", "reference_index", "box", "score", "label", "mask"];

/// Reads the file at `path`.
pub fn read(path: &Path, intake: &mut Intake<'_, '_>) -> Result<()> {
    source::objects(path, intake, row)
}

fn row(intake: &mut Intake<'_, '_>, place: &Origin, fields: &Fields<'_>) -> std::result::Result<(), String> {
    let has = |name: &str| fields.0.iter().any(|(n, _)| n == name);
    let of_generation = has("model") || has("prompt_id") || has("seed");
    if of_generation && has("reference_index") {
        return Err("a row is of a generation (`model`, `prompt_id`, `seed`) or of a reference (`subject_id`, \
                    `reference_index`), not of both"
            .into());
    }
    let is_flat = has("box");
    if is_flat && (of_generation || has("regions")) {
        let what = if of_generation { "of a generation has its boxes" } else { "with `regions` has its boxes" };
        return Err(format!("a row {what} in `regions`: [{{\"box\": [x, y, w, h]}}, …], none beside it"));
    }
    let known: &[&str] = if of_generation {
        &GENERATION
    } else if is_flat {
        &FLAT
    } else {
        &REFERENCE
    };
    for (name, _) in fields.0.iter().filter(|(name, _)| !known.contains(&name.as_ref())) {
        intake.unread(place, name);
    }
    let image = if of_generation {
        RegionImage::Generation {
            model: ModelName::new(fields.text("model")?).map_err(|e| format!("`model` {e}"))?,
            prompt_id: PromptId::new(fields.id("prompt_id")?).map_err(|e| format!("`prompt_id` {e}"))?,
            seed: fields.integer("seed")?,
        }
    } else {
        let index = fields.integer("reference_index")?;
        RegionImage::Reference {
            subject_id: SubjectId::new(fields.text("subject_id")?).map_err(|e| format!("`subject_id` {e}"))?,
            reference_index: i32::try_from(index)
                .ok()
                .filter(|i| *i >= 0)
                .ok_or_else(|| format!("`reference_index` {index} cannot be: references are counted from 0"))?,
        }
    };
    if is_flat {
        let region = FoundRegion::from_fields(fields)?;
        intake.row(place, image, Some(FoundRegion { subject_id: None, ..region }));
        return Ok(());
    }
    if has("regions") && fields.optional_raw("regions").is_none() {
        return Err(
            "`regions` is null: write [] where the detector ran and found nothing, and no row where it did not run".into()
        );
    }
    let mut unread = Vec::new();
    let regions = list_of(fields.raw("regions")?, &mut unread).map_err(|e| format!("`regions` {e}"))?;
    unread.iter().for_each(|key| intake.unread(place, key));
    intake.image(place, image, None, regions);
    Ok(())
}
