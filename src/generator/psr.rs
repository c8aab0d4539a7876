//! PSR: lists of PSRBench, at most four subjects a prompt; `result_path` says where each image lies.

use super::export_manifest::{ExportManifest, ManifestBatch, ManifestEntry};
use super::folder::{ExportFiles, ExportRequest, left_out_section, lines};
use super::{Case, LeftOut};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most subjects that PSR takes in one prompt.
const MOST_SUBJECTS: usize = 4;

/// An entry of a list, as far as it is read back.
#[derive(Deserialize)]
pub struct PsrList {
    /// The prompt's text.
    pub instruction: String,
    /// The path of the image.
    pub result_path: Option<String>,
    /// The seed, which this program adds.
    pub seed: Option<i64>,
}

#[derive(Serialize)]
struct PsrSample<'a> {
    instruction: &'a str,
    /// Its evaluation reads this name, its README the other.
    input_path: Vec<String>,
    input_paths: Vec<String>,
    #[serde(flatten)]
    categories: Map<String, Value>,
    result_path: String,
    seed: i64,
    prompt_id: &'a str,
}

/// Returns a list for each seed, and the commands.
pub(super) fn export(request: &ExportRequest) -> ExportFiles {
    let (fit, large): (Vec<&Case>, Vec<&Case>) = request.cases.iter().partition(|case| case.subjects.len() <= MOST_SUBJECTS);
    let reason = |case: &Case| format!("{} subjects; PSR takes at most {MOST_SUBJECTS}", case.subjects.len());
    let left_out: Vec<LeftOut> =
        large.into_iter().map(|case| LeftOut { prompt_id: case.prompt_id.clone(), reason: reason(case) }).collect();
    let name = |place: usize| format!("{:04}.png", place + 1);
    let (mut files, mut batches) = (Vec::new(), Vec::new());
    for seed in request.seeds {
        let folder = format!("outputs/seed_{seed}");
        let samples = fit.iter().enumerate().map(|(place, case)| {
            let paths: Vec<String> = case.subjects.iter().map(|s| request.reference(&s.subject_id, 0)).collect();
            let category = |(n, label): (usize, &String)| (format!("category{}", n + 1), Value::from(label.as_str()));
            PsrSample {
                instruction: &case.text,
                input_path: paths.clone(),
                input_paths: paths,
                categories: case.subjects.iter().map(|s| &s.label).enumerate().map(category).collect(),
                result_path: format!("{}/{folder}/{}", request.folder(), name(place)),
                seed: *seed,
                prompt_id: &case.prompt_id,
            }
        });
        files.push((format!("psr_seed_{seed}.json"), lines(&samples.collect::<Vec<_>>())));
        batches.push(ManifestBatch { folder, seeds: vec![*seed] });
    }
    let entry = |(place, case): (usize, &&Case)| ManifestEntry {
        prompt_id: case.prompt_id.clone(),
        text: case.text.clone(),
        name: name(place),
    };
    let prompts = fit.iter().enumerate().map(entry).collect();
    let readme = include_str!("psr.md")
        .replace("{folder}", &request.folder())
        .replace("{seeds}", &request.seeds.iter().map(i64::to_string).collect::<Vec<_>>().join(", "))
        .replace("{left_out}", &left_out_section(&left_out));
    files.push(("README.md".to_owned(), readme));
    let directories = batches.iter().map(|b| b.folder.clone()).collect();
    ExportFiles { files, directories, manifest: ExportManifest::new(request.system, request.model, batches, prompts, left_out) }
}
