//! Subjects given as a directory: of Parquet, CSV or JSON parts, or of images.

use crate::catalog::EntryKind;
use crate::error::{Error, Result};
use crate::input;
use crate::manifest::{ImageFolder, ManifestSettings, RowKind};
use crate::ops::ingest::ahead::give_subjects;
use crate::ops::ingest::rows::Intake;
use crate::problem::{Origin, Problem};
use crate::text::{plain, quote};
use std::path::Path;

impl<'w> Intake<'_, '_, 'w> {
    /// Takes in subjects: a manifest, a directory of its parts, or a directory of images. Which of the two a directory is
    /// its content says.
    pub fn subjects(&mut self, path: &Path, reading: &ManifestSettings) -> Result<()> {
        if path.is_dir() {
            let part = input::first_part(path, self.stop())?;
            let reason = match (part, ImageFolder::holds_images(path)?) {
                (None, true) => return self.image_folder(path, reading),
                (Some(_), false) => None,
                (None, false) => Some(
                    "a directory with neither images nor the parts of a table; give a folder with a folder of images for each \
                     subject, or a manifest"
                        .to_owned(),
                ),
                (Some(part), true) => Some(format!(
                    "a directory with images and with {}, which is not an image: give that itself if it lists the subjects, or else \
                     move it away",
                    quote(&part)
                )),
            };
            if let Some(reason) = reason {
                self.unread(EntryKind::Subject, vec![Problem { origin: Origin::whole(path), reason }]);
                return Ok(());
            }
        }
        self.manifest(path, RowKind::Subjects, reading, give_subjects, Intake::subject)
    }

    fn image_folder(&mut self, path: &Path, reading: &ManifestSettings) -> Result<()> {
        let folder = match ImageFolder::read(path, reading.roots.as_deref(), self.stop()) {
            Err(Error::Manifest(problems)) => {
                self.unread(EntryKind::Subject, problems);
                return Ok(());
            }
            read => read?,
        };
        let count = |n: u64, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let references: usize = folder.subjects.iter().map(|subject| subject.row.references.len()).sum();
        let loose = match folder.loose {
            0 => String::new(),
            n => format!(" and {}, a subject each,", count(n, "loose image", "loose images")),
        };
        let (folders, references) = (count(folder.folders, "folder", "folders"), count(references as u64, "image", "images"));
        self.taken(format!("subjects of {}: {folders}{loose} with {references} in all", plain(&path.display().to_string())));
        if !folder.problems.is_empty() {
            self.refuse_some(EntryKind::Subject);
        }
        self.warnings(folder.problems, folder.warnings);
        self.rows(folder.subjects, Intake::subject)
    }
}
