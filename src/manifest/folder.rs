//! A directory of images as a list of subjects: one file or one folder per subject.
//!
//! The label comes from the name: digits, `_`, `-`, spaces and dots at its start, a number that one of these parts off
//! at its end, and the extension are taken away, and `_` and `-` become spaces: `07_old_man.jpg` is an old man. Folders named
//! `human`, `humans`, `people`, `animal`, `animals`, `object` or `objects` hold subjects of that kind. The
//! `subject_id` is the path below the directory, without extension.

use crate::problem::{Origin, Problem};

use super::{ImagePath, Located, Resolver, Subject};
use crate::error::{Error, Result};
use crate::vocabulary::{ImageFormat, SubjectId, SubjectKind};
use crate::watch::Stop;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The subjects found in a directory of images.
pub struct ImageFolder {
    /// The subjects, sorted by path.
    pub subjects: Vec<Located<Subject>>,
    /// Entries that cannot be used.
    pub problems: Vec<Problem>,
    /// Entries that look odd.
    pub warnings: Vec<Problem>,
    /// The folders that are subjects.
    pub folders: u64,
    /// The images that are subjects of their own.
    pub loose: u64,
}

impl ImageFolder {
    /// Returns whether there are images in a directory, or in folders of it as [`ImageFolder::read`] looks into.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn holds_images(root: &Path) -> Result<bool> {
        shows_images(root, 2)
    }

    /// Reads the directory at `root`; `roots`, if given, are the only trees that images may lie in.
    ///
    /// # Errors
    /// The directory, or one inside it, cannot be read, or the caller wants to stop.
    pub fn read(root: &Path, roots: Option<&[PathBuf]>, stop: Stop<'_>) -> Result<ImageFolder> {
        let mut reader = FolderReader {
            root,
            stop,
            resolver: Resolver::for_directory(root, roots)?,
            others: Vec::new(),
            folder: ImageFolder { subjects: vec![], problems: vec![], warnings: vec![], folders: 0, loose: 0 },
        };
        reader.read(root, None)?;
        let FolderReader { mut folder, others, mut resolver, .. } = reader;
        folder.warnings.extend(resolver.remarks().into_iter().map(|reason| Problem { origin: Origin::whole(root), reason }));
        if let Some(first) = others.first() {
            let reason = match others.len() {
                1 => "does not have the name of an image, and was left out".to_owned(),
                n => format!("does not have the name of an image, and was left out, as were {} more", n - 1),
            };
            folder.warnings.push(Problem { origin: Origin::whole(first), reason });
        }
        let mut seen: HashMap<String, Origin> = HashMap::new();
        for subject in &folder.subjects {
            let id = subject.row.subject_id.to_string();
            if let Some(first) = seen.insert(id, subject.origin.clone()) {
                folder.problems.push(subject.problem(format!("has the same name as {first}; rename one of them")));
            }
        }
        Ok(folder)
    }
}

struct FolderReader<'a> {
    root: &'a Path,
    stop: Stop<'a>,
    resolver: Resolver,
    /// Files that are not images.
    others: Vec<PathBuf>,
    folder: ImageFolder,
}

impl FolderReader<'_> {
    /// Reads the files and folders of subjects in `dir`.
    fn read(&mut self, dir: &Path, kind: Option<SubjectKind>) -> Result<()> {
        for path in entries(dir)? {
            self.stop.check()?;
            if !path.is_dir() {
                if ImageFormat::is_named(&path) { self.subject(&path, vec![path.clone()], kind) } else { self.others.push(path) }
            } else if let (None, Some(kind)) = (kind, kind_of(&path)) {
                self.read(&path, Some(kind))?;
            } else {
                let (nested, files): (Vec<PathBuf>, Vec<PathBuf>) = entries(&path)?.into_iter().partition(|p| p.is_dir());
                let (images, others): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(|p| ImageFormat::is_named(p));
                self.others.extend(others);
                if images.is_empty() && !nested.is_empty() {
                    let kinds = "human, animal or object";
                    let reason = format!(
                        "holds folders, but no image of its own; give it itself if its folders are the subjects, or name it {kinds} \
                         if all of them are"
                    );
                    self.folder.problems.push(Problem { origin: Origin::whole(&path), reason });
                    continue;
                }
                for folder in nested {
                    let reason = "a folder within a subject's folder, and was left out";
                    self.folder.warnings.push(Problem { origin: Origin::whole(&folder), reason: reason.into() });
                }
                self.subject(&path, images, kind);
            }
        }
        Ok(())
    }

    fn subject(&mut self, at: &Path, images: Vec<PathBuf>, kind: Option<SubjectKind>) {
        let origin = Origin::whole(at);
        match self.row(at, &images, kind) {
            Ok(row) => {
                let counted = if at.is_dir() { &mut self.folder.folders } else { &mut self.folder.loose };
                *counted += 1;
                self.folder.subjects.push(Located { origin, row });
            }
            Err(reason) => self.folder.problems.push(Problem { origin, reason }),
        }
    }

    fn row(&mut self, at: &Path, images: &[PathBuf], kind: Option<SubjectKind>) -> std::result::Result<Subject, String> {
        if images.is_empty() {
            return Err("a folder without images".into());
        }
        let below = at.strip_prefix(self.root).unwrap_or(at);
        let stem = if at.is_dir() { below.to_path_buf() } else { below.with_extension("") };
        let id = stem.to_str().ok_or("its name is not UTF-8, which the catalog cannot keep")?;
        let name = stem.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let label = label_of(name);
        if label.is_empty() {
            return Err("its name gives no label; name it after what it shows, such as `red_teapot.jpg`".into());
        }
        let references: std::result::Result<Vec<ImagePath>, String> = images
            .iter()
            .map(|image| {
                let written = image.strip_prefix(self.root).unwrap_or(image).to_str();
                self.resolver.resolve(written.ok_or("the name of an image is not UTF-8, which the catalog cannot keep")?)
            })
            .collect();
        Ok(Subject {
            subject_id: SubjectId::new(id).map_err(|e| format!("its name as a `subject_id` {e}"))?,
            label,
            references: references?,
            source: None,
            kind,
            caption: None,
            license: None,
        })
    }
}

fn shows_images(dir: &Path, depth: u32) -> Result<bool> {
    for path in entries(dir)? {
        let shows = if path.is_dir() { depth > 0 && shows_images(&path, depth - 1)? } else { ImageFormat::is_named(&path) };
        if shows {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the entries of a directory, sorted by name, without hidden files.
fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let path = entry.map_err(Error::io("read", dir))?.path();
        if !path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".")) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn kind_of(dir: &Path) -> Option<SubjectKind> {
    match dir.file_name()?.to_str()?.to_lowercase().as_str() {
        "human" | "humans" | "people" => Some(SubjectKind::Human),
        "animal" | "animals" => Some(SubjectKind::Animal),
        "object" | "objects" => Some(SubjectKind::Object),
        _ => None,
    }
}

fn label_of(name: &str) -> String {
    let parts = |c: char| matches!(c, '_' | '-' | ' ' | '.');
    let name = name.trim_start_matches(|c: char| c.is_ascii_digit() || parts(c)).trim_end_matches(parts);
    let before = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let name = if before.ends_with(parts) { before } else { name };
    name.split(['_', '-', ' ']).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_from_names() {
        assert_eq!(label_of("07_old_man"), "old man");
        assert_eq!(label_of("dog"), "dog");
        assert_eq!(label_of("red-teapot_00"), "red teapot");
        assert_eq!(label_of("12 - Siamese cat"), "Siamese cat");
        assert_eq!(label_of("R2D2"), "R2D2");
        assert_eq!(label_of("0001"), "");
    }

    #[test]
    fn files_folders_and_kinds() {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "teapot.jpg",
            "teapot.png",
            "0001.jpg",
            "notes.txt",
            ".DS_Store",
            "people/01_boy.webp",
            "people/old man/b.png",
            "people/old man/a.PNG",
            "people/old man/more/c.png",
            "train/dog/1.png",
        ] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        let folder = ImageFolder::read(dir.path(), None, Stop::default()).unwrap();
        let rows: Vec<(&str, &str, Option<SubjectKind>, usize)> = folder
            .subjects
            .iter()
            .map(|s| (s.row.subject_id.as_str(), s.row.label.as_str(), s.row.kind, s.row.references.len()))
            .collect();
        let human = Some(SubjectKind::Human);
        assert_eq!(
            rows,
            [
                ("people/01_boy", "boy", human, 1),
                ("people/old man", "old man", human, 2),
                ("teapot", "teapot", None, 1),
                ("teapot", "teapot", None, 1),
            ]
        );
        assert_eq!((folder.folders, folder.loose), (1, 3));
        assert!(folder.subjects[1].row.references[0].path.ends_with("people/old man/a.PNG"));
        let said = |problems: &[Problem]| {
            problems.iter().map(|p| p.to_string().replace(&dir.path().display().to_string(), "")).collect::<Vec<_>>()
        };
        assert_eq!(
            said(&folder.problems),
            [
                "/0001.jpg: its name gives no label; name it after what it shows, such as `red_teapot.jpg`",
                "/empty: a folder without images",
                "/train: holds folders, but no image of its own; give it itself if its folders are the subjects, or name it human, \
                 animal or object if all of them are",
                "/teapot.png: has the same name as /teapot.jpg; rename one of them",
            ]
        );
        assert_eq!(
            said(&folder.warnings),
            [
                "/people/old man/more: a folder within a subject's folder, and was left out",
                "/notes.txt: does not have the name of an image, and was left out",
            ]
        );
    }
}
