//! The image files of a published data set: their names in it, and their bytes, held to what the catalog knows of them.

use super::ImagePlace;
use crate::catalog::ImageDetails;
use crate::durable::{directory_of, make_directory};
use crate::error::{Error, Result, io_reason};
use crate::image::Door;
use crate::layout::{PUBLISHED_IMAGES, PUBLISHED_REFERENCES};
use crate::text::{plain, quote, safe_name};
use crate::vocabulary::{ImageFormat, ImageStatus};
use std::fs;
use std::path::{Path, PathBuf};

/// Files named in the error; the others are counted.
const NAMED: usize = 20;

/// Returns the published name of a generated image.
pub fn generation_name(model: &str, prompt: &str, seed: i64, details: &ImageDetails) -> String {
    format!("{PUBLISHED_IMAGES}/{}/{}/{seed}.{}", safe_name(model), safe_name(prompt), extension(details))
}

/// Returns the published name of a reference image.
pub fn reference_name(subject: &str, index: i32, details: &ImageDetails) -> String {
    format!("{PUBLISHED_REFERENCES}/{}/{index}.{}", safe_name(subject), extension(details))
}

/// The usual extension of an image's format; of one that was never read, its own.
fn extension(details: &ImageDetails) -> String {
    let format = details.format.as_deref().and_then(|format| format.parse::<ImageFormat>().ok());
    match format.and_then(|format| format.extensions().first()) {
        Some(usual) => (*usual).to_owned(),
        None => {
            let path = Path::new(&details.path);
            let own = path.extension().and_then(|e| e.to_str()).filter(|_| ImageFormat::is_named(path));
            own.map_or_else(|| "png".to_owned(), str::to_ascii_lowercase)
        }
    }
}

/// The image files on their way out.
pub struct ImageFiles<'a> {
    door: &'a Door,
    place: ImagePlace,
    dir: &'a Path,
    given: u64,
    absent: u64,
    changed: Vec<String>,
    changed_count: u64,
    unread: u64,
}

impl<'a> ImageFiles<'a> {
    /// Begins, for a data set that is published into `dir`.
    pub fn new(door: &'a Door, place: ImagePlace, dir: &'a Path) -> ImageFiles<'a> {
        ImageFiles { door, place, dir, given: 0, absent: 0, changed: Vec::new(), changed_count: 0, unread: 0 }
    }

    /// Returns whether the images are to be inside the tables.
    pub fn are_inside(&self) -> bool {
        self.place == ImagePlace::Inside
    }

    /// Returns the bytes of an image that are to be inside the table; images that go beside it are written there.
    /// What is wrong with a file is said by [`ImageFiles::finish`].
    pub fn take(&mut self, who: &str, name: &str, details: &ImageDetails) -> Result<Option<Vec<u8>>> {
        match details.status.parse() {
            Ok(ImageStatus::Ok) => {}
            Ok(ImageStatus::Pending) => {
                self.unread += 1;
                return Ok(None);
            }
            _ => {
                self.absent += 1;
                return Ok(None);
            }
        }
        let path = PathBuf::from(&details.path);
        let bytes = match self.door.read(&path) {
            Ok(bytes) => bytes,
            Err(e) => return self.note(who, &path, &io_reason(&e)),
        };
        let content = blake3::Hasher::new().update_rayon(&bytes).finalize().to_hex();
        if details.blake3.as_deref() != Some(content.as_str()) {
            return self.note(who, &path, "its bytes are not those that the catalog knows");
        }
        self.given += 1;
        if self.are_inside() {
            return Ok(Some(bytes));
        }
        let to = self.dir.join(name);
        make_directory(directory_of(&to))?;
        fs::write(&to, &bytes).map_err(Error::io("write", &to))?;
        Ok(None)
    }

    fn note(&mut self, who: &str, path: &Path, why: &str) -> Result<Option<Vec<u8>>> {
        self.changed_count += 1;
        if self.changed.len() < NAMED {
            self.changed.push(format!("  {who}: {}: {why}", quote(&path.display().to_string())));
        }
        Ok(None)
    }

    /// Returns how many images were given, and how many are missing or unusable.
    ///
    /// # Errors
    /// A file is not what the catalog knows, or was never read.
    pub fn finish(self) -> Result<(u64, u64)> {
        if self.unread > 0 {
            let message = format!("{} images were registered but not read yet", self.unread);
            return Err(Error::request(message, "run `msdata ingest`, which reads them, then publish again"));
        }
        if self.changed_count > 0 {
            let mut lines =
                vec![format!("{} image files are not what the catalog knows; nothing was written", self.changed_count)];
            lines.extend(self.changed.iter().map(|line| plain(line).into_owned()));
            let rest = self.changed_count - self.changed.len() as u64;
            lines.extend((rest > 0).then(|| format!("  … and {rest} more")));
            return Err(Error::request(
                lines.join("\n"),
                "put the files back, or take them in as they are now with `msdata ingest --rehash`, then publish again",
            ));
        }
        Ok((self.given, self.absent))
    }
}
