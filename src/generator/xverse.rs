//! XVerse: a benchmark list in, files of up to four consecutive seeds out, two images to a row.
//!
//! The name of an output begins with the place in the list and 40 characters of the prompt. What ties a subject
//! to its image is a word that must occur in the subject's caption and in the prompt.

use super::export_manifest::{ExportManifest, ManifestBatch, ManifestEntry};
use super::folder::{ExportFiles, ExportRequest, left_out_section, lines};
use super::{Asked, Case, LeftOut};
use crate::text::quote;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The seed that its benchmark script begins with.
pub const FIRST_SEED: i64 = 42;

/// Images in one file: the seeds follow each other.
pub const TILES: i64 = 4;

/// Characters of the prompt in a file's name.
const NAME_CHARACTERS: usize = 40;

/// An entry of the list, as far as it is read back.
#[derive(Deserialize)]
pub struct XverseList {
    /// The prompt's text.
    pub prompt: String,
}

#[derive(Serialize)]
struct XverseSample<'a> {
    index: usize,
    input_images: [&'a str; 0],
    position_delta: [i32; 2],
    prompt: &'a str,
    modulation: [Modulation; 1],
}

#[derive(Serialize)]
struct Modulation {
    r#type: &'static str,
    src_inputs: Vec<Input>,
    use_words: Vec<Words>,
}

#[derive(Serialize)]
struct Input {
    image_path: String,
    caption: String,
}

/// Place of the input, its word in the caption, its word in the prompt, and where the prompt has that word more
/// than once, which of them, from 1.
#[derive(Serialize)]
#[serde(untagged)]
enum Words {
    Only(usize, String, String),
    Nth(usize, String, String, usize),
}

/// Returns the list, the folders and the commands.
pub(super) fn export(request: &ExportRequest) -> ExportFiles {
    let (mut samples, mut prompts, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for case in request.cases {
        match modulation(request, case) {
            Ok(modulation) => {
                let index = samples.len();
                let name = file_name(index, &case.text);
                prompts.push(ManifestEntry { prompt_id: case.prompt_id.clone(), text: case.text.clone(), name });
                let modulation = [modulation];
                samples.push(XverseSample { index, input_images: [], position_delta: [0, -32], prompt: &case.text, modulation });
            }
            Err(reason) => left_out.push(LeftOut { prompt_id: case.prompt_id.clone(), reason }),
        }
    }
    let batches = batches(request.seeds);
    // A `/` in a prompt's beginning makes a directory of it, which the script does not.
    let mut directories = Vec::new();
    for batch in &batches {
        directories.push(batch.folder.clone());
        let nested = prompts.iter().filter_map(|p| p.name.rsplit_once('/'));
        directories.extend(nested.map(|(parent, _)| format!("{}/{parent}", batch.folder)));
    }
    let readme = include_str!("xverse.md")
        .replace("{folder}", &request.folder())
        .replace("{runs}", &batches.iter().map(|b| run(&request.folder(), b)).collect::<String>())
        .replace("{left_out}", &left_out_section(&left_out));
    let files = vec![("xverse.json".to_owned(), lines(&samples)), ("README.md".to_owned(), readme)];
    ExportFiles { files, directories, manifest: ExportManifest::new(request.system, request.model, batches, prompts, left_out) }
}

/// Returns the file name that the script gives to the prompt at a position in the list.
pub fn file_name(index: usize, text: &str) -> String {
    format!("{index}_{}.png", beginning(text))
}

/// Returns the part of a file's name that comes from the prompt.
pub fn beginning(text: &str) -> String {
    text.chars().take(NAME_CHARACTERS).map(|c| if c == ' ' { '_' } else { c }).collect()
}

/// Returns the runs of the script, each of which makes [`TILES`] consecutive seeds.
fn batches(seeds: &[i64]) -> Vec<ManifestBatch> {
    let mut batches: Vec<ManifestBatch> = Vec::new();
    for seed in seeds {
        match batches.last_mut() {
            Some(batch) if seed.saturating_sub(batch.seeds[0]) < TILES => batch.seeds.push(*seed),
            _ => batches.push(ManifestBatch { folder: format!("outputs/seed_{seed}"), seeds: vec![*seed] }),
        }
    }
    batches
}

fn run(folder: &str, batch: &ManifestBatch) -> String {
    let seed = batch.seeds[0];
    format!(
        "sed 's/^model:/model:\\n  seed: {seed}/' train/config/XVerse_config_INF.yaml > {folder}/seed_{seed}.yaml\n\
         accelerate launch -m eval.tools.idip_gen_split_idip --config_name {folder}/seed_{seed}.yaml \\\n    \
         --model_path ./checkpoints/XVerse --target_size 768 --condition_size 256 \\\n    \
         --test_list_name {folder} --save_name {folder}/{}\n",
        batch.folder
    )
}

fn modulation(request: &ExportRequest, case: &Case) -> Result<Modulation, String> {
    let mut taken: Vec<Range<usize>> = Vec::new();
    let (mut src_inputs, mut use_words) = (Vec::new(), Vec::new());
    for (place, subject) in case.subjects.iter().enumerate() {
        let found = locate(&case.text, &subject.label, case.subjects.iter().map(|s| s.label.as_str()), &taken);
        let Some(span) = found else {
            return Err(format!("its text does not name {} ({})", quote(&subject.label), quote(&subject.subject_id)));
        };
        let word = case.text[span.clone()].to_owned();
        let nth = spans(&case.text, &word).filter(|s| case.text[s.clone()] == word && s.start <= span.start).count();
        let (caption, in_caption) = caption(subject);
        src_inputs.push(Input { image_path: request.reference(&subject.subject_id, 0), caption });
        use_words.push(if nth == 1 { Words::Only(place, in_caption, word) } else { Words::Nth(place, in_caption, word, nth) });
        taken.push(span);
    }
    Ok(Modulation { r#type: "adapter", src_inputs, use_words })
}

/// A phrase for the subject and the word in it: its caption if that names it, else its label.
fn caption(subject: &Asked) -> (String, String) {
    let phrase = subject.phrase();
    match spans(phrase, &subject.label).next() {
        Some(span) => (phrase.to_owned(), phrase[span].to_owned()),
        None => (subject.label.clone(), subject.label.clone()),
    }
}

/// Where a prompt names a label: the first place not taken and not part of a longer label ("dog" in "white dog").
fn locate<'a>(text: &str, label: &str, labels: impl Iterator<Item = &'a str>, taken: &[Range<usize>]) -> Option<Range<usize>> {
    let longer: Vec<Range<usize>> =
        labels.filter(|other| other.len() > label.len()).flat_map(|other| spans(text, other)).collect();
    let inside = |span: &Range<usize>, of: &[Range<usize>]| of.iter().any(|o| o.start <= span.start && span.end <= o.end);
    spans(text, label).find(|span| !inside(span, &longer) && !inside(span, taken))
}

/// The places of a phrase in a text, as whole words, whatever their case.
fn spans<'t>(text: &'t str, phrase: &str) -> impl Iterator<Item = Range<usize>> + 't {
    let pattern = regex::RegexBuilder::new(&regex::escape(phrase)).case_insensitive(true).build().ok();
    let bounded = |span: &Range<usize>| {
        !text[..span.start].ends_with(char::is_alphanumeric) && !text[span.end..].starts_with(char::is_alphanumeric)
    };
    let mut found: Vec<Range<usize>> = Vec::new();
    if let Some(pattern) = pattern.filter(|_| !phrase.is_empty()) {
        found.extend(pattern.find_iter(text).map(|m| m.range()).filter(bounded));
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_inside_a_longer_one_is_not_meant() {
        let text = "A white dog, a Dog and a hotdog.";
        let labels = ["dog", "white dog"];
        assert_eq!(locate(text, "dog", labels.into_iter(), &[]), Some(15..18));
        assert_eq!(locate(text, "white dog", labels.into_iter(), &[]), Some(2..11));
        assert_eq!(locate(text, "dog", labels.into_iter(), std::slice::from_ref(&(15..18))), None);
    }

    #[test]
    fn names_are_those_of_the_script() {
        assert_eq!(file_name(3, "A cat and a dog"), "3_A_cat_and_a_dog.png");
        let long = "ä".repeat(50);
        assert_eq!(file_name(0, &long), format!("0_{}.png", "ä".repeat(40)));
    }

    #[test]
    fn four_consecutive_seeds_a_run() {
        let folders = |seeds: &[i64]| batches(seeds).into_iter().map(|b| (b.folder, b.seeds)).collect::<Vec<_>>();
        assert_eq!(folders(&[42, 43, 44]), [("outputs/seed_42".to_owned(), vec![42, 43, 44])]);
        assert_eq!(folders(&[0, 3, 4]), [("outputs/seed_0".to_owned(), vec![0, 3]), ("outputs/seed_4".to_owned(), vec![4])]);
    }
}
