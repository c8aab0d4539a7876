//! MOSAIC: `example_cases.json` in, `{index}_cfg_3.5_512x512.jpg` out, and beside each a comparison sheet. Its
//! script has one seed, and a second run overwrites the first, so each seed has a folder.

use super::export_manifest::{ExportManifest, ManifestBatch, ManifestEntry};
use super::folder::{ExportFiles, ExportRequest, lines};
use serde::{Deserialize, Serialize};

/// The seed in its script.
pub const SEED: i64 = 42;

/// An entry of the list, as far as it is read back.
#[derive(Deserialize)]
pub struct MosaicList {
    /// What its files are named after.
    pub index: u64,
    /// The prompt's text.
    pub prompt: String,
}

#[derive(Serialize)]
struct MosaicSample<'a> {
    index: usize,
    prompt: &'a str,
    image_paths: Vec<String>,
}

/// Returns the list, the folders and the commands.
pub(super) fn export(request: &ExportRequest) -> ExportFiles {
    let (mut samples, mut prompts) = (Vec::new(), Vec::new());
    for (index, case) in request.cases.iter().enumerate() {
        let image_paths = case.subjects.iter().map(|s| request.reference(&s.subject_id, 0)).collect();
        samples.push(MosaicSample { index, prompt: &case.text, image_paths });
        let name = format!("{index}_cfg_3.5_512x512.jpg");
        prompts.push(ManifestEntry { prompt_id: case.prompt_id.clone(), text: case.text.clone(), name });
    }
    let batches: Vec<ManifestBatch> =
        request.seeds.iter().map(|seed| ManifestBatch { folder: format!("outputs/seed_{seed}"), seeds: vec![*seed] }).collect();
    let seeds = request.seeds.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
    let readme = include_str!("mosaic.md").replace("{folder}", &request.folder()).replace("{seeds}", &seeds);
    let files = vec![("example_cases.json".to_owned(), lines(&samples)), ("README.md".to_owned(), readme)];
    let directories = batches.iter().map(|b| b.folder.clone()).collect();
    ExportFiles { files, directories, manifest: ExportManifest::new(request.system, request.model, batches, prompts, vec![]) }
}
