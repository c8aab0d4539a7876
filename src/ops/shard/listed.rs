//! The images that manifests name, as tasks: in order of their keys, each key once.

use super::tasks::Task;
use crate::catalog::VectorKey;
use crate::error::{Error, Result};
use crate::input::FileState;
use crate::manifest::{ImagePath, Located, Manifest, ManifestSettings, RowKind};
use crate::ops::ingest::rows::{MOST_PROBLEMS, parts_of};
use crate::problem::{Origin, Problem};
use crate::text::quote;
use crate::vocabulary::{PromptId, SubjectId};
use crate::watch::Watch;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Rows between two progress reports.
const PACE: u64 = 4096;

/// What manifests say, as far as shards need it.
#[derive(Default)]
pub(super) struct Listed {
    tasks: Vec<(Task, Origin)>,
    problems: Vec<Problem>,
    further: u64,
    /// The subjects and prompts that a manifest brings; `None`: there was none, and they are known elsewhere.
    subjects: Option<HashSet<SubjectId>>,
    prompts: Option<HashSet<PromptId>>,
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
                self.add(VectorKey::Generation(row.model, row.prompt_id, row.seed), row.path, origin);
                Ok(())
            }),
        }
    }

    fn subject(&mut self, row: Located<crate::manifest::Subject>) {
        let Located { origin, row } = row;
        self.subjects.get_or_insert_default().insert(row.subject_id.clone());
        for (index, reference) in row.references.into_iter().enumerate() {
            self.add(VectorKey::Reference(row.subject_id.clone(), index as i32), reference, origin.clone());
        }
    }

    fn add(&mut self, key: VectorKey, image: ImagePath, origin: Origin) {
        let file = match image.state {
            FileState::There { bytes, mtime_ns } => Some((bytes, mtime_ns)),
            FileState::Missing(_) | FileState::Unusable(_) => None,
        };
        self.tasks.push((Task { key, path: image.path, file }, origin));
    }

    fn fault(&mut self, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.further += 1;
        }
    }

    /// Returns the tasks in order of their keys.
    ///
    /// # Errors
    /// [`Error::Manifest`] lists every bad row, and keys that two rows give different images.
    pub(super) fn finish(mut self) -> Result<Vec<Task>> {
        let mut tasks = std::mem::take(&mut self.tasks);
        // Rows of a key keep their order, so that the second is named.
        tasks.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key));
        for pair in tasks.windows(2) {
            let [(above, _), (here, origin)] = pair else { continue };
            if above.key == here.key && above.path != here.path {
                let shown = |path: &PathBuf| quote(&path.display().to_string());
                let reason = format!("{} appears twice: {} above, {} here", here.key, shown(&above.path), shown(&here.path));
                let problem = Problem { origin: origin.clone(), reason };
                self.fault(problem);
            }
        }
        if !self.problems.is_empty() {
            if self.further > 0 {
                let file = self.problems[0].origin.file.clone();
                self.problems.push(Problem::further(file, self.further));
            }
            return Err(Error::Manifest(self.problems));
        }
        let mut tasks: Vec<Task> = tasks.into_iter().map(|(task, _)| task).collect();
        tasks.dedup_by(|here, above| here.key == above.key);
        Ok(tasks)
    }
}
