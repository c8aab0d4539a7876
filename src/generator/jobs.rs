//! Job lists: a line for each image to be made. The paper's runners read `jobs.jsonl` and write
//! `results/{model}/{prompt_id}/{seed}.png`; scripts of one's own get [`Job`]s.

use super::export_manifest::{ExportManifest, ManifestBatch, ManifestEntry};
use super::folder::{ExportFiles, ExportRequest};
use super::{Asked, Case};
use crate::manifest::GenerationLine;
use crate::text::safe_name;
use crate::vocabulary::{SceneType, SubjectKind};
use serde::Serialize;

/// One image to be made, with everything there is to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// The prompt.
    pub prompt_id: String,
    /// Its text.
    pub prompt: String,
    /// Its scene type.
    pub scene_type: SceneType,
    /// The seed.
    pub seed: i64,
    /// The subjects it asks for, in order.
    pub subjects: Vec<JobSubject>,
    /// Where the image is to be written.
    pub output: String,
}

/// A subject of a [`Job`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobSubject {
    /// Its id.
    pub subject_id: String,
    /// Class noun.
    pub label: String,
    /// Human, animal, object.
    pub kind: Option<SubjectKind>,
    /// A phrase that describes it.
    pub caption: Option<String>,
    /// Paths of its references.
    pub references: Vec<String>,
}

impl Job {
    /// Returns the job for a case and a seed; `reference` gives the path of a subject's reference by its index.
    pub fn new(case: &Case, seed: i64, output: String, reference: impl Fn(&Asked, usize) -> String) -> Job {
        let subject = |s: &Asked| JobSubject {
            subject_id: s.subject_id.clone(),
            label: s.label.clone(),
            kind: s.kind,
            caption: s.caption.clone(),
            references: (0..s.references.len()).map(|index| reference(s, index)).collect(),
        };
        Job {
            prompt_id: case.prompt_id.clone(),
            prompt: case.text.clone(),
            scene_type: case.scene_type,
            seed,
            subjects: case.subjects.iter().map(subject).collect(),
            output,
        }
    }
}

/// A line as the paper's runners read it.
#[derive(Serialize)]
struct RunnerLine<'a> {
    prompt_id: &'a str,
    prompt: &'a str,
    seed: i64,
    scene_type: SceneType,
    subjects: Vec<RunnerSubject<'a>>,
}

#[derive(Serialize)]
struct RunnerSubject<'a> {
    image: String,
    name: &'a str,
    caption: &'a str,
    /// Whether identity weights are to be used: for people.
    idip: bool,
    subject_id: &'a str,
}

/// Returns a safe name for the images of a prompt, with `{seed}` to be filled in.
fn output_name(prompt_id: &str) -> String {
    format!("{}/{{seed}}.png", safe_name(prompt_id))
}

/// Returns the job list for the paper's runners.
pub(super) fn export(request: &ExportRequest) -> ExportFiles {
    let mut text = String::new();
    for case in request.cases {
        for seed in request.seeds {
            let subjects = case
                .subjects
                .iter()
                .map(|s| RunnerSubject {
                    image: request.reference(&s.subject_id, 0),
                    name: &s.label,
                    caption: s.phrase(),
                    idip: s.kind == Some(SubjectKind::Human),
                    subject_id: &s.subject_id,
                })
                .collect();
            push_line(
                &mut text,
                &RunnerLine {
                    prompt_id: &case.prompt_id,
                    prompt: &case.text,
                    seed: *seed,
                    scene_type: case.scene_type,
                    subjects,
                },
            );
        }
    }
    finish(request, text, "results", |id| format!("{id}/{{seed}}.png"), include_str!("jobs.md"), vec![])
}

/// Returns a list for a custom script, and a generations manifest of the images it is to make.
pub(super) fn export_lines(request: &ExportRequest) -> ExportFiles {
    let (mut text, mut manifest) = (String::new(), String::new());
    for case in request.cases {
        for seed in request.seeds {
            let output = format!("outputs/{}", output_name(&case.prompt_id).replace("{seed}", &seed.to_string()));
            let path = output.clone();
            push_line(&mut text, &Job::new(case, *seed, output, |s, index| request.reference_here(&s.subject_id, index)));
            let model = request.model.unwrap_or_default();
            push_line(&mut manifest, &GenerationLine { model, prompt_id: &case.prompt_id, seed: *seed, path: &path });
        }
    }
    finish(request, text, "outputs", output_name, include_str!("jsonl.md"), vec![("generations.jsonl".to_owned(), manifest)])
}

fn push_line(text: &mut String, value: &impl Serialize) {
    text.push_str(&serde_json::to_string(value).unwrap_or_default());
    text.push('\n');
}

fn finish(
    request: &ExportRequest,
    text: String,
    folder: &str,
    name: impl Fn(&str) -> String,
    readme: &str,
    mut files: Vec<(String, String)>,
) -> ExportFiles {
    let entry =
        |case: &Case| ManifestEntry { prompt_id: case.prompt_id.clone(), text: case.text.clone(), name: name(&case.prompt_id) };
    let batches = vec![ManifestBatch { folder: folder.to_owned(), seeds: request.seeds.to_vec() }];
    let readme = readme.replace("{folder}", &request.folder()).replace("{model}", request.model.unwrap_or("MODEL"));
    files.push(("jobs.jsonl".to_owned(), text));
    files.push(("README.md".to_owned(), readme));
    let prompts = request.cases.iter().map(entry).collect();
    let manifest = ExportManifest::new(request.system, request.model, batches, prompts, vec![]);
    ExportFiles { files, directories: vec![folder.to_owned()], manifest }
}
