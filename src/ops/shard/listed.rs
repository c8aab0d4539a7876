//! The images that manifests name, in order of their keys, each key once. There may be millions: names, directories and file
//! names are kept apart, each name and directory once, which leaves some 75 bytes of an image.

use super::tasks::Task;
use crate::catalog::VectorKey;
use crate::error::{Error, Result};
use crate::input::FileState;
use crate::manifest::{ImagePath, Located, Manifest, ManifestSettings, RowKind};
use crate::ops::ingest::rows::{MOST_PROBLEMS, parts_of};
use crate::problem::{Origin, Position, Problem};
use crate::text::quote;
use crate::vocabulary::{ModelName, PromptId, SubjectId};
use crate::watch::Watch;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows between two progress reports.
const PACE: u64 = 4096;

/// What manifests say, as far as shards need it.
#[derive(Default)]
pub(super) struct Listed {
    images: Vec<ListedImage>,
    texts: Texts,
    of_subjects: Numbered<SubjectId>,
    of_prompts: Numbered<PromptId>,
    models: Numbered<ModelName>,
    /// The files of the manifests, each with the place of its first image.
    manifests: Vec<Origin>,
    problems: Vec<Problem>,
    further: u64,
    /// The subjects and prompts that a manifest brings; `None`: there was none, and they are known elsewhere.
    subjects: Option<HashSet<SubjectId>>,
    prompts: Option<HashSet<PromptId>>,
}

/// An image and its key. Until all are listed, names have the numbers in which they came; then those of their order.
#[derive(Clone, Copy)]
struct ListedImage {
    /// 0 for references; for generations one more than the number of the model.
    owner: u32,
    /// The subject, or the prompt.
    name: u32,
    /// The index of the reference, or the seed.
    number: i64,
    directory: u32,
    /// The manifest that names it.
    manifest: u32,
    /// The line or row there.
    place: u64,
    /// Where its file name begins among all.
    file_name: u64,
    /// Size in bytes, or [`NO_FILE`], and time of change.
    bytes: u64,
    mtime_ns: i64,
}

/// No file is so long.
const NO_FILE: u64 = u64::MAX;

impl ListedImage {
    fn key(&self) -> (u32, u32, i64) {
        (self.owner, self.name, self.number)
    }
}

/// Names by the order in which they came.
struct Numbered<T>(HashMap<T, u32>);

impl<T> Default for Numbered<T> {
    fn default() -> Numbered<T> {
        Numbered(HashMap::new())
    }
}

impl<T: Hash + Ord> Numbered<T> {
    fn number(&mut self, name: T) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(name).or_insert(next)
    }

    /// Returns the names in their order, and the place of each by its number.
    fn in_order(self) -> (Vec<T>, Vec<u32>) {
        let mut names: Vec<(T, u32)> = self.0.into_iter().collect();
        names.sort_unstable();
        let mut places = vec![0; names.len()];
        (0..).zip(&names).for_each(|(place, (_, number))| places[*number as usize] = place);
        (names.into_iter().map(|(name, _)| name).collect(), places)
    }
}

/// The paths of images: directories, each once, and file names, each with a NUL after it.
#[derive(Default)]
struct Texts {
    numbers: HashMap<Arc<str>, u32>,
    directories: Vec<Arc<str>>,
    file_names: String,
}

impl Texts {
    /// Keeps a path; returns its directory and where its file name begins.
    fn keep(&mut self, path: &Path) -> (u32, u64) {
        let path = path.to_string_lossy();
        // Bytes are kept as they are, also where a member of a container has a slash in its name.
        let (directory, name) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
        let number = match self.numbers.get(directory) {
            Some(number) => *number,
            None => {
                let (directory, number): (Arc<str>, u32) = (directory.into(), self.directories.len() as u32);
                self.directories.push(directory.clone());
                self.numbers.insert(directory, number);
                number
            }
        };
        let at = self.file_names.len() as u64;
        self.file_names.push_str(name);
        self.file_names.push('\0');
        (number, at)
    }

    fn path(&self, image: &ListedImage) -> PathBuf {
        let name = self.file_names[image.file_name as usize..].split('\0').next().unwrap_or_default();
        [&*self.directories[image.directory as usize], name].concat().into()
    }
}

/// The images that manifests name, in order of their keys.
pub(super) struct ListedImages {
    images: Vec<ListedImage>,
    texts: Texts,
    subjects: Vec<SubjectId>,
    prompts: Vec<PromptId>,
    models: Vec<ModelName>,
}

impl ListedImages {
    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.images.len()
    }

    /// Returns how many of them are references.
    pub(super) fn references(&self) -> u64 {
        self.images.iter().filter(|image| image.owner == 0).count() as u64
    }

    /// Returns how many of them have no file.
    pub(super) fn missing(&self) -> u64 {
        self.images.iter().filter(|image| image.bytes == NO_FILE).count() as u64
    }

    /// Returns some of them as tasks, by the order of what `place` makes of their paths.
    pub(super) fn tasks<K: Ord>(&mut self, range: Range<usize>, place: impl Fn(PathBuf) -> K) -> impl Iterator<Item = Task> {
        self.images[range.clone()].sort_by_cached_key(|image| place(self.texts.path(image)));
        self.images[range].iter().map(|image| self.task(image))
    }

    fn task(&self, image: &ListedImage) -> Task {
        let key = self.key(image);
        let file = (image.bytes != NO_FILE).then_some((image.bytes, image.mtime_ns));
        Task { key, path: self.texts.path(image), file }
    }

    fn key(&self, image: &ListedImage) -> VectorKey {
        let name = image.name as usize;
        match image.owner {
            0 => VectorKey::Reference(self.subjects[name].clone(), image.number as i32),
            owner => VectorKey::Generation(self.models[owner as usize - 1].clone(), self.prompts[name].clone(), image.number),
        }
    }
}

/// Takes the next row of a manifest; says what is wrong with it.
pub(super) type NextRow<'n> = &'n mut dyn FnMut(&mut Manifest<'_>) -> Option<std::result::Result<(), Problem>>;

/// Goes through the rows of a manifest: a file, or a directory of parts. Returns what is wrong with rows.
///
/// # Errors
/// It cannot be read, or the caller wants to stop.
pub(super) fn each_row(
    kind: RowKind,
    path: &Path,
    reading: &ManifestSettings,
    watch: &mut Watch<'_>,
    next: NextRow<'_>,
) -> Result<Vec<Problem>> {
    let files = match parts_of(path, false, watch) {
        Err(Error::Manifest(problems)) => return Ok(problems),
        files => files?,
    };
    // A directory of parts lies where the file would lie whose rows they are.
    let home = path.is_dir().then(|| path.parent().unwrap_or(Path::new("/")).to_owned());
    let reading = ManifestSettings { home, ..reading.clone() };
    let (mut problems, mut rows) = (Vec::new(), 0_u64);
    for file in files {
        let mut manifest = match Manifest::open(&file, kind, &reading, watch.stop()) {
            Err(Error::Manifest(faults)) => {
                problems.extend(faults);
                continue;
            }
            manifest => manifest?,
        };
        while let Some(row) = next(&mut manifest) {
            if let Err(problem) = row {
                watch.check()?; // an interrupted read is not a fault of the file
                problems.push(problem);
            }
            rows += 1;
            if rows.is_multiple_of(PACE) {
                watch.report("rows", rows, None);
                watch.check()?;
            }
        }
        manifest.into_warnings().iter().for_each(|warning| watch.remark(&warning.origin, &warning.reason));
    }
    Ok(problems)
}

impl Listed {
    /// Reads a manifest: a file, or a directory of parts. Bad rows are kept for [`Listed::finish`].
    ///
    /// # Errors
    /// It cannot be read, or the caller wants to stop.
    pub(super) fn read(&mut self, kind: RowKind, path: &Path, reading: &ManifestSettings, watch: &mut Watch<'_>) -> Result<()> {
        let problems = each_row(kind, path, reading, watch, &mut |manifest| self.next(kind, manifest))?;
        problems.into_iter().for_each(|problem| self.fault(problem));
        Ok(())
    }

    fn next(&mut self, kind: RowKind, manifest: &mut Manifest<'_>) -> Option<std::result::Result<(), Problem>> {
        match kind {
            RowKind::Subjects => manifest.next_subject().map(|row| {
                self.subject(row?);
                Ok(())
            }),
            RowKind::Prompts => manifest.next_prompt().map(|row| {
                let row = row?;
                let unknown = |ids: &HashSet<SubjectId>| row.row.subjects.iter().find(|id| !ids.contains(id)).cloned();
                let unknown = self.subjects.as_ref().and_then(unknown);
                let prompt = row.row.prompt_id.clone();
                self.prompts.get_or_insert_default().insert(prompt);
                unknown.map_or(Ok(()), |id| Err(row.problem(format!("there is no subject {}", quote(id.as_str())))))
            }),
            RowKind::Generations | RowKind::Scores => manifest.next_generation().map(|row| {
                let Located { origin, row } = row?;
                let known = self.prompts.as_ref().is_none_or(|ids| ids.contains(&row.prompt_id));
                if !known {
                    let reason = format!("there is no prompt {}", quote(row.prompt_id.as_str()));
                    return Err(Problem { origin, reason });
                }
                let key = (1 + self.models.number(row.model), self.of_prompts.number(row.prompt_id), row.seed);
                self.add(key, row.path, origin);
                Ok(())
            }),
        }
    }

    fn subject(&mut self, row: Located<crate::manifest::Subject>) {
        let Located { origin, row } = row;
        self.subjects.get_or_insert_default().insert(row.subject_id.clone());
        let subject = self.of_subjects.number(row.subject_id);
        for (index, reference) in (0..).zip(row.references) {
            self.add((0, subject, index), reference, origin.clone());
        }
    }

    fn add(&mut self, (owner, name, number): (u32, u32, i64), image: ImagePath, origin: Origin) {
        let (bytes, mtime_ns) = match image.state {
            FileState::There { bytes, mtime_ns } => (bytes, mtime_ns),
            FileState::Missing(_) | FileState::Unusable(_) => (NO_FILE, 0),
        };
        let (directory, file_name) = self.texts.keep(&image.path);
        let place = match origin.place {
            Position::Line(n) | Position::Row(n) | Position::Entry(n) | Position::Further(n) => n,
            Position::File => 0,
        };
        if self.manifests.last().is_none_or(|last| !Arc::ptr_eq(&last.file, &origin.file)) {
            self.manifests.push(origin);
        }
        let manifest = self.manifests.len() as u32 - 1;
        self.images.push(ListedImage { owner, name, number, directory, manifest, place, file_name, bytes, mtime_ns });
    }

    /// Returns where an image is named.
    fn origin(&self, image: &ListedImage) -> Origin {
        let Origin { file, place } = self.manifests[image.manifest as usize].clone();
        let place = match place {
            Position::Row(_) => Position::Row(image.place),
            _ => Position::Line(image.place),
        };
        Origin { file, place }
    }

    fn fault(&mut self, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.further += 1;
        }
    }

    /// Returns the images in order of their keys.
    ///
    /// # Errors
    /// [`Error::Manifest`] lists every bad row, and keys that two rows give different images.
    pub(super) fn finish(mut self) -> Result<ListedImages> {
        let (subjects, of_subject) = std::mem::take(&mut self.of_subjects).in_order();
        let (prompts, of_prompt) = std::mem::take(&mut self.of_prompts).in_order();
        let (models, of_model) = std::mem::take(&mut self.models).in_order();
        let mut images = std::mem::take(&mut self.images);
        for image in &mut images {
            (image.owner, image.name) = match image.owner {
                0 => (0, of_subject[image.name as usize]),
                owner => (1 + of_model[owner as usize - 1], of_prompt[image.name as usize]),
            };
        }
        // Rows of a key keep their order, so that the second is named.
        images.sort_unstable_by_key(|image| (image.key(), image.manifest, image.place));
        let mut listed = ListedImages { images, texts: std::mem::take(&mut self.texts), subjects, prompts, models };
        for (above, here) in listed.images.iter().zip(listed.images.iter().skip(1)) {
            if above.key() != here.key() {
                continue;
            }
            let [one, other] = [above, here].map(|image| listed.texts.path(image));
            if one != other {
                let shown = |path: &PathBuf| quote(&path.display().to_string());
                let reason = format!("{} appears twice: {} above, {} here", listed.key(here), shown(&one), shown(&other));
                self.fault(Problem { origin: self.origin(here), reason });
            }
        }
        if !self.problems.is_empty() {
            if self.further > 0 {
                let file = self.problems[0].origin.file.clone();
                self.problems.push(Problem::further(file, self.further));
            }
            return Err(Error::Manifest(self.problems));
        }
        listed.images.dedup_by_key(|image| image.key());
        Ok(listed)
    }
}
