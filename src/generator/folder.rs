//! A folder to run a generator on: its list, the references under safe names, a README with the commands, and
//! [`ExportManifest`] for the way back.

use super::export_manifest::{self, ExportManifest};
use super::{Case, System, jobs, mosaic, psr, xverse};
use crate::durable::{write_directory, write_whole};
use crate::error::{Error, Result};
use crate::image::Door;
use crate::text::plain;
use crate::vocabulary::{ImageFormat, SubjectKind};
use crate::watch::Watch;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A prompt that a generator cannot be asked for, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The prompt.
    pub prompt_id: String,
    /// The reason, as a sentence.
    pub reason: String,
}

/// A summary of what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Prompts in the generator's list.
    pub prompts: usize,
    /// Images that it is asked for.
    pub images: usize,
    /// Prompts that it cannot be asked for.
    pub left_out: Vec<LeftOut>,
}

/// What a system's list is made from.
pub(super) struct ExportRequest<'a> {
    pub system: System,
    pub model: Option<&'a str>,
    pub cases: &'a [Case],
    pub seeds: &'a [i64],
    references: &'a References,
}

impl ExportRequest<'_> {
    /// Returns the folder's name in the generator's own directory, where its paths begin.
    pub fn folder(&self) -> String {
        format!("msdata-{}", self.system)
    }

    /// Returns the path of a subject's reference for a generator that runs in its own directory.
    pub fn reference(&self, subject_id: &str, index: usize) -> String {
        format!("{}/{}", self.folder(), self.references.name(subject_id, index))
    }

    /// Returns the path of a subject's reference, relative to the folder.
    pub fn reference_here(&self, subject_id: &str, index: usize) -> String {
        self.references.name(subject_id, index).to_owned()
    }
}

/// The files that a system needs for a request.
pub(super) struct ExportFiles {
    /// The names of the folder's files, and their contents.
    pub files: Vec<(String, String)>,
    /// Directories that must be there before the generator writes.
    pub directories: Vec<String>,
    /// What it asks for, and what it cannot.
    pub manifest: ExportManifest,
}

/// Writes the folder `dir`, which must be new or empty, whole or not at all. References are copied, read
/// through `door`.
///
/// # Errors
/// There is nothing to ask for, a reference cannot be read, `dir` is not empty, or the folder cannot be written.
pub fn write(
    dir: &Path,
    system: System,
    model: Option<&str>,
    cases: &[Case],
    seeds: &[i64],
    door: &Door,
    watch: &mut Watch<'_>,
) -> Result<Exported> {
    if cases.is_empty() {
        return Err(Error::request(
            "there is no prompt to export",
            "make some with `msdata bench build`, or ingest a prompts manifest",
        ));
    }
    if seeds.is_empty() {
        return Err(Error::request("there is no seed to ask for", "say `--seeds 42,43,44`"));
    }
    let references = References::read(cases, door, watch)?;
    let request = ExportRequest { system, model, cases, seeds, references: &references };
    let files_of = match system {
        System::Xverse => xverse::export(&request),
        System::Mosaic => mosaic::export(&request),
        System::Psr => psr::export(&request),
        System::Jobs => jobs::export(&request),
        System::Jsonl => jobs::export_lines(&request),
    };
    let ExportManifest { batches, prompts, left_out, .. } = &files_of.manifest;
    let seeds: usize = batches.iter().map(|b| b.seeds.len()).sum();
    let exported = Exported { prompts: prompts.len(), images: prompts.len() * seeds, left_out: left_out.clone() };
    if prompts.is_empty() {
        let first = left_out.first().map_or_else(String::new, |l| format!(": {} {}", plain(&l.prompt_id), l.reason));
        return Err(Error::request(format!("{system} cannot be asked for any of these prompts{first}"), "choose another format"));
    }
    write_directory(dir, |partial| {
        for (path, bytes) in references.files() {
            watch.check()?;
            write_whole(&partial.join(path), bytes)?;
        }
        for name in &files_of.directories {
            let path = partial.join(name);
            fs::create_dir_all(&path).map_err(Error::io("make", &path))?;
        }
        for (name, text) in &files_of.files {
            write_whole(&partial.join(name), text.as_bytes())?;
        }
        write_whole(&partial.join(export_manifest::FILE), lines(&files_of.manifest).as_bytes())?;
        Ok(exported)
    })
}

/// Returns JSON for people and programs, one value per line.
pub(super) fn lines(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Returns the README's list of what could not be asked for; empty if there is nothing.
pub(super) fn left_out_section(left_out: &[LeftOut]) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    let line = |l: &LeftOut| format!("- `{}`: {}\n", plain(&l.prompt_id), l.reason);
    format!("\n## Left out\n\n{}", left_out.iter().map(line).collect::<String>())
}

/// The references of all subjects asked for, and their names in the folder.
struct References {
    names: HashMap<(String, usize), String>,
    files: Vec<(String, Vec<u8>)>,
}

impl References {
    /// Reads every reference, because some generators silently take a missing one for a black image.
    fn read(cases: &[Case], door: &Door, watch: &mut Watch<'_>) -> Result<References> {
        let (mut names, mut files, mut faults) = (HashMap::new(), Vec::new(), Vec::new());
        let mut subjects: Vec<&super::Asked> = cases.iter().flat_map(|case| &case.subjects).collect();
        subjects.sort_by(|a, b| a.subject_id.cmp(&b.subject_id));
        subjects.dedup_by(|a, b| a.subject_id == b.subject_id);
        for (number, subject) in subjects.into_iter().enumerate() {
            watch.check()?;
            for (index, path) in subject.references.iter().enumerate() {
                match door.load(path) {
                    Ok((bytes, decoded)) => {
                        let name = name(subject.kind, number, index, &subject.label, extension(decoded.format));
                        names.insert((subject.subject_id.clone(), index), name.clone());
                        files.push((name, bytes));
                    }
                    Err(reason) => {
                        faults.push(format!("{}: {}: {reason}", plain(&subject.subject_id), plain(&path.display().to_string())))
                    }
                }
            }
        }
        if faults.is_empty() {
            return Ok(References { names, files });
        }
        Err(Error::request(
            format!("{} references cannot be read:\n{}", faults.len(), faults.join("\n")),
            "put these files in their places, or ingest the subjects again with other references",
        ))
    }

    fn name(&self, subject_id: &str, index: usize) -> &str {
        self.names.get(&(subject_id.to_owned(), index)).map_or("", String::as_str)
    }

    fn files(&self) -> impl Iterator<Item = (PathBuf, &[u8])> {
        self.files.iter().map(|(name, bytes)| (PathBuf::from(name), bytes.as_slice()))
    }
}

/// Returns the file extension of a format.
fn extension(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "jpg",
        other => other.as_str(),
    }
}

/// `references/human/0001_0_black-woman.jpg`. People, and nobody else, are under a folder whose name starts with
/// `human`: XVerse looks for that word anywhere in a path.
fn name(kind: Option<SubjectKind>, number: usize, index: usize, label: &str, extension: &str) -> String {
    let kind = kind.map_or("other", SubjectKind::as_str);
    let words: String = label.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    let words = words.trim_matches('-').replace("human", "hmn");
    format!("references/{kind}/{number:04}_{index}_{words}.{extension}", number = number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_people_have_human_in_their_path() {
        assert_eq!(name(Some(SubjectKind::Human), 0, 0, "black woman", "jpg"), "references/human/0001_0_black-woman.jpg");
        let robot = name(Some(SubjectKind::Object), 6, 1, "Humanoid robot/é", "png");
        assert_eq!(robot, "references/object/0007_1_hmnoid-robot.png");
    }
}
