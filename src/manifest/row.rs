//! The rows of the three manifests, as the contract writes them.

use super::fields::Fields;
use super::file::RowKind;
use super::paths::{ImagePath, Look, PlacedPath, Resolver};
use super::regions::regions_of;
use crate::text::quote;
use crate::vocabulary::{ModelName, PromptId, SceneType, SubjectId, SubjectKind};
use serde::Serialize;
use std::path::PathBuf;

/// The columns a row type reads.
pub trait ManifestRow {
    /// The kind of row.
    const KIND: RowKind;
    /// Columns that a row cannot do without.
    const REQUIRED: &'static [&'static str];
    /// Every column that is read.
    const FIELDS: &'static [&'static str];

    /// Returns whether a column is read; in a score file that depends on whether its rows name their metric.
    fn is_known(column: &str, _is_long: bool) -> bool {
        Self::FIELDS.contains(&column)
    }
}

/// A line of a subjects manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Unique id.
    pub subject_id: SubjectId,
    /// Class noun.
    pub label: String,
    /// Reference images, one or more; their index is the `reference_index`.
    pub references: Vec<ImagePath>,
    /// Data set it came from.
    pub source: Option<String>,
    /// Human, animal or object.
    pub kind: Option<SubjectKind>,
    /// A phrase that describes it.
    pub caption: Option<String>,
    /// Terms of its images.
    pub license: Option<String>,
}

/// A line of a prompts manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// Unique id.
    pub prompt_id: PromptId,
    /// What the generator was told.
    pub text: String,
    /// How the subjects relate to each other.
    pub scene_type: SceneType,
    /// Requested subjects, distinct, in order; their index is the `ordinal`.
    pub subjects: Vec<SubjectId>,
}

/// A line of a generations manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// The generator.
    pub model: ModelName,
    /// What it was asked for.
    pub prompt_id: PromptId,
    /// Its seed.
    pub seed: i64,
    /// The image.
    pub path: ImagePath,
    /// Any JSON, as written.
    pub meta: Option<String>,
    /// Regions of the image, as JSON (a list of [`Region`]).
    pub regions: Option<String>,
}

/// A region of a generation as its manifest has it; [`FoundRegion`](super::FoundRegion) is what is read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Region {
    /// Who is in it, if anyone requested is.
    pub subject_id: Option<String>,
    /// x, y, width, height in pixels.
    #[serde(rename = "box")]
    pub bounds: [f64; 4],
    /// Confidence of the detector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

impl ManifestRow for Subject {
    const KIND: RowKind = RowKind::Subjects;
    const REQUIRED: &'static [&'static str] = &["subject_id", "label", "references"];
    const FIELDS: &'static [&'static str] = &["subject_id", "label", "references", "source", "kind", "caption", "license"];
}

impl Subject {
    pub(super) fn from_fields(fields: &Fields<'_>, paths: &mut Resolver, _: &mut Vec<String>) -> Result<Subject, String> {
        Ok(Subject {
            subject_id: SubjectId::new(fields.id("subject_id")?).map_err(|e| format!("`subject_id` {e}"))?,
            label: not_blank("label", fields.text("label")?)?,
            kind: fields.optional_text("kind")?.map(|k| k.parse().map_err(|e| format!("{e}"))).transpose()?,
            source: fields.optional_text("source")?,
            caption: fields.optional_text("caption")?,
            license: fields.optional_text("license")?,
            references: fields.list("references")?.iter().map(|p| paths.resolve(p)).collect::<Result<_, _>>()?,
        })
    }
}

/// What to do about prompts without a scene type.
pub(super) const SCENE_HINT: &str = "`ingest --scene-type neutral` gives it to every prompt that has none";

impl ManifestRow for Prompt {
    const KIND: RowKind = RowKind::Prompts;
    const REQUIRED: &'static [&'static str] = &["prompt_id", "text", "scene_type", "subjects"];
    const FIELDS: &'static [&'static str] = Self::REQUIRED;
}

impl Prompt {
    /// Where a row has no scene type, it is `scene`.
    pub(super) fn from_fields(fields: &Fields<'_>, scene: Option<SceneType>) -> Result<Prompt, String> {
        let subjects: Vec<SubjectId> = fields
            .ids("subjects")?
            .into_iter()
            .map(|s| SubjectId::new(s).map_err(|e| format!("`subjects` {e}")))
            .collect::<Result<_, _>>()?;
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = subjects.iter().find(|s| !seen.insert(*s)) {
            return Err(format!("`subjects` names {} twice", quote(twice.as_str())));
        }
        Ok(Prompt {
            prompt_id: PromptId::new(fields.id("prompt_id")?).map_err(|e| format!("`prompt_id` {e}"))?,
            text: not_blank("text", fields.text("text")?)?,
            scene_type: match (fields.optional_text("scene_type")?, scene) {
                (Some(word), _) => SceneType::from_manifest(&word).map_err(|e| e.to_string())?,
                (None, Some(scene)) => scene,
                (None, None) => return Err(format!("{} ({SCENE_HINT})", fields.absent("scene_type"))),
            },
            subjects,
        })
    }
}

/// A line of a generations manifest whose image is still to be looked at.
pub struct PlacedGeneration {
    model: ModelName,
    prompt_id: PromptId,
    seed: i64,
    path: PlacedPath,
    /// What is wrong with it counts after what is wrong with the image.
    meta: Result<Option<String>, String>,
    regions: Option<String>,
}

impl ManifestRow for PlacedGeneration {
    const KIND: RowKind = RowKind::Generations;
    const REQUIRED: &'static [&'static str] = &["model", "prompt_id", "seed", "path"];
    const FIELDS: &'static [&'static str] = &["model", "prompt_id", "seed", "path", "meta", "regions"];
}

impl PlacedGeneration {
    /// Keys of regions that are not read are put in `unread`.
    pub(super) fn from_fields(
        fields: &Fields<'_>,
        paths: &mut Resolver,
        unread: &mut Vec<String>,
    ) -> Result<PlacedGeneration, String> {
        let regions = fields.optional_json("regions")?;
        if let Some(regions) = &regions {
            regions_of(regions, unread).map_err(|e| format!("`regions`{e}"))?;
        }
        Ok(PlacedGeneration {
            model: ModelName::new(fields.text("model")?).map_err(|e| format!("`model` {e}"))?,
            prompt_id: PromptId::new(fields.id("prompt_id")?).map_err(|e| format!("`prompt_id` {e}"))?,
            seed: fields.integer("seed")?,
            path: paths.place(fields.text("path")?)?,
            meta: fields.optional_json("meta"),
            regions,
        })
    }

    /// Takes the path that is to be looked at.
    pub fn take_path(&mut self) -> PathBuf {
        std::mem::take(&mut self.path.path)
    }

    pub(super) fn settle(self, look: Look, paths: &mut Resolver) -> Result<Generation, String> {
        let PlacedGeneration { model, prompt_id, seed, path, meta, regions } = self;
        let path = paths.settle(path, look)?;
        Ok(Generation { model, prompt_id, seed, path, meta: meta?, regions })
    }
}

fn not_blank(name: &str, text: String) -> Result<String, String> {
    if text.trim().is_empty() { Err(format!("`{name}` is blank")) } else { Ok(text) }
}
