//! Fetches named encoders from the hub.
//!
//! A file is downloaded to `FILE.part`, from where an earlier attempt ended, compared with its SHA-256,
//! and only then given its name; the lock file comes last, and an encoder without it is not there. The
//! digest is the registry's where it has one, else that of the lock file of an earlier pull, else the one
//! that the hub declares; a small file of which nobody says a digest is taken as it comes over the
//! encrypted connection, and held to that ever after.
//!
//! A file that the hub's own cache holds is taken from there. **The real hub is untried**; the tests run
//! against a server that answers as its documentation says.

mod transfer;

use crate::durable::{into_place, write_whole};
use crate::encoder::directory::{MAX_CONFIG, read_bounded, read_if_there};
use crate::encoder::home::{EncoderOrigin, Home};
use crate::encoder::registry::{HubExport, HubFile, NamedEncoder};
use crate::error::{Error, HubFault, Result};
use crate::vocabulary::EncoderName;
use crate::watch::Watch;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use transfer::{Client, sha256};

/// In the directory of a pulled encoder: what it consists of.
pub const LOCK_FILE: &str = "hub.lock.json";

/// How long to bear with a bad connection.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Times a request is made before its failure is reported.
    pub attempts: u32,
    /// Pause after the first failure; each further one is twice as long, to 64 times this.
    pub first_pause: Duration,
    /// Longest time without a byte.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { attempts: 6, first_pause: Duration::from_millis(500), silence: Duration::from_secs(30) }
    }
}

/// What a pulled encoder consists of; written last, and what later pulls and checks go by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubLock {
    /// `owner/name` on the hub.
    pub repository: String,
    /// The revision that was asked for.
    pub revision: String,
    /// The commit that it stood for, if the hub said so.
    pub commit: Option<String>,
    /// The files that came from there.
    pub files: Vec<LockedFile>,
}

/// One file of a pulled encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedFile {
    /// Its name in the directory.
    pub name: String,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// Fetches an encoder into `encoders/NAME` of the data directory and returns that directory. What is
/// there already and whole is not fetched again.
///
/// Progress is reported in bytes, the stage being the name of the file.
///
/// # Errors
/// [`Error::Hub`] says what was wrong; what came so far is kept for the next attempt.
pub fn pull(encoder: &NamedEncoder, home: &Home, patience: Patience, watch: &mut Watch) -> Result<PathBuf> {
    let name = EncoderName::new(encoder.name).map_err(|message| Error::Request { message, hint: None })?;
    if let Some(own) = home.locate(&name)?.filter(|e| e.origin == EncoderOrigin::Added) {
        return Err(Error::request(
            format!("{name} is a directory of your own here: {}", own.path.display()),
            format!("use it as it is, or take it off the list with `msdata encoders remove {name}` and pull again"),
        ));
    }
    let Some(export) = encoder.export else {
        let fault = HubFault::NoExport { checkpoint: encoder.checkpoint };
        return Err(Error::Hub { what: encoder.name.into(), fault });
    };
    let dir = home.pulled(encoder.name);
    fs::create_dir_all(&dir).map_err(Error::io("make", &dir))?;
    let _alone = alone(&dir)?;

    let mut old = read_lock(&dir)?;
    if old.as_ref().is_some_and(|lock| lock.repository != export.repository || lock.revision != export.revision) {
        // An earlier msdata's pin. Until this one is whole, the directory is a mixture and no encoder.
        let path = dir.join(LOCK_FILE);
        fs::remove_file(&path).map_err(Error::io("remove", path))?;
        old = None;
    }
    let mut pull = Pull { export: &export, home, client: Client::new(home, patience), dir: &dir, commit: None };
    pull.commit = old.as_ref().and_then(|lock| lock.commit.clone());
    let mut files = Vec::new();
    for file in export.files {
        let before = old.as_ref().and_then(|lock| lock.files.iter().find(|f| f.name == file.name));
        let pin = file.sha256.or(before.map(|f| f.sha256.as_str()));
        let (sha256, bytes) = pull.file(file, pin, watch)?;
        files.push(LockedFile { name: file.name.into(), sha256, bytes });
    }
    let preprocessing = encoder.family.preprocessing();
    write_json(&dir.join("preprocessor_config.json"), &preprocessing.to_config())?;
    let crop_offset = preprocessing.crop_offset.as_str();
    let settings = format!("# Written by `msdata encoders pull`.\nname = \"{name}\"\ncrop_offset = \"{crop_offset}\"\n");
    write_whole(&dir.join("msdata.toml"), settings.as_bytes())?;
    let lock = HubLock { repository: export.repository.into(), revision: export.revision.into(), commit: pull.commit, files };
    write_json(&dir.join(LOCK_FILE), &lock)?;
    Ok(dir)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| Error::io("write", path)(e.into()))?;
    text.push(b'\n');
    write_whole(path, &text)
}

fn read_lock(dir: &Path) -> Result<Option<HubLock>> {
    let path = dir.join(LOCK_FILE);
    let Some(text) = read_if_there(&path, MAX_CONFIG)? else { return Ok(None) };
    serde_json::from_slice(&text).map(Some).map_err(|e| {
        Error::request(format!("{} is damaged: {e}", path.display()), "remove the encoder's directory and pull again")
    })
}

/// One pull, or removal, at a time in a directory, for as long as the file returned is open.
pub(super) fn alone(dir: &Path) -> Result<File> {
    let path = dir.join(".pulling");
    let file = File::create(&path).map_err(Error::io("write", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::request(format!("another msdata is fetching into {}", dir.display()), "wait for it to finish"))
        }
        Err(TryLockError::Error(e)) => Err(Error::io("lock", path)(e)),
    }
}

struct Pull<'p> {
    export: &'p HubExport,
    home: &'p Home,
    client: Client<'p>,
    dir: &'p Path,
    /// So that all files are of one commit, whatever happens to the branch meanwhile.
    commit: Option<String>,
}

impl Pull<'_> {
    /// Sees to it that the file is there; its digest and size.
    fn file(&mut self, file: &HubFile, pin: Option<&str>, watch: &mut Watch) -> Result<(String, u64)> {
        let path = self.dir.join(file.name);
        if let Some(found) = self.here(file, pin, &path, watch)? {
            return Ok(found);
        }
        let url = self.url(file);
        if self.home.offline {
            return Err(Error::Hub { what: url, fault: HubFault::Offline });
        }
        let declared = self.client.look(&url, watch)?;
        self.commit = self.commit.take().or(declared.commit);
        let url = self.url(file);
        if let (Some(pinned), Some(declared)) = (pin, &declared.sha256)
            && pinned != declared
        {
            let fault = HubFault::OtherFile { pinned: pinned.into(), declared: declared.clone() };
            return Err(Error::Hub { what: url, fault });
        }
        let expected = pin.map(str::to_owned).or(declared.sha256);
        if pin.is_none()
            && let Some(found) = self.here(file, expected.as_deref(), &path, watch)?
        {
            return Ok(found);
        }
        self.download(file, &url, expected, declared.size, &path, watch)
    }

    fn url(&self, file: &HubFile) -> String {
        let revision = self.commit.as_deref().unwrap_or(self.export.revision);
        format!("{}/{}/resolve/{revision}/{}", self.home.endpoint, self.export.repository, file.path)
    }

    /// The file, if it needs no network: it is in its place already, or in the hub's cache.
    fn here(&self, file: &HubFile, expected: Option<&str>, path: &Path, watch: &Watch) -> Result<Option<(String, u64)>> {
        if let Some(expected) = expected
            && path.is_file()
        {
            let found = sha256(path, watch)?;
            if found.0 == expected {
                return Ok(Some(found));
            }
        }
        self.cached(file, expected, path, watch)
    }

    fn download(
        &self,
        file: &HubFile,
        url: &str,
        expected: Option<String>,
        size: Option<u64>,
        path: &Path,
        watch: &mut Watch,
    ) -> Result<(String, u64)> {
        let part = self.dir.join(format!("{}.part", file.name));
        let mut resumed = part.exists();
        loop {
            if expected.is_none() && resumed {
                // Nothing says whether the rest would fit to what is here.
                fs::remove_file(&part).map_err(Error::io("remove", &part))?;
            }
            self.client.fetch(url, size, &part, file.name, watch)?;
            let (found, bytes) = sha256(&part, watch)?;
            let fault = match expected.clone() {
                Some(expected) if expected != found => HubFault::OtherBytes { expected, found: found.clone() },
                None if looks_like_markup(&part)? => HubFault::WebPage,
                _ => {
                    into_place(&part, path)?;
                    return Ok((found, bytes));
                }
            };
            fs::remove_file(&part).map_err(Error::io("remove", &part))?;
            if !resumed {
                return Err(Error::Hub { what: url.into(), fault });
            }
            resumed = false; // what was here may have been of another file: once more from the start
        }
    }

    /// Takes the file from the hub's own cache: by its digest, else by its commit and path.
    fn cached(&self, file: &HubFile, expected: Option<&str>, path: &Path, watch: &Watch) -> Result<Option<(String, u64)>> {
        let Some(cache) = &self.home.hub_cache else { return Ok(None) };
        let repository = cache.join(format!("models--{}", self.export.repository.replace('/', "--")));
        let branch = || {
            let bytes = read_bounded(&repository.join("refs").join(self.export.revision), MAX_CONFIG).ok()?;
            String::from_utf8(bytes).ok()
        };
        let commit = match &self.commit {
            Some(commit) => Some(commit.clone()),
            None if self.export.revision.len() == 40 => Some(self.export.revision.to_owned()),
            // What a branch stood for when the cache was filled counts only where nobody can be asked.
            None if self.home.offline => branch().map(|commit| commit.trim().to_owned()),
            None => None,
        };
        let by_digest = expected.map(|digest| repository.join("blobs").join(digest));
        let by_commit = commit.map(|commit| repository.join("snapshots").join(commit).join(file.path));
        for candidate in [by_digest, by_commit].into_iter().flatten() {
            let Some(candidate) = candidate.canonicalize().ok().filter(|candidate| candidate.is_file()) else { continue };
            let Ok(found) = sha256(&candidate, watch) else { continue };
            if expected.is_some_and(|expected| expected != found.0) {
                continue;
            }
            let part = self.dir.join(format!("{}.cached.part", file.name));
            // A hard link costs nothing; over a border of file systems it cannot be.
            let _ = fs::remove_file(&part);
            fs::hard_link(&candidate, &part)
                .or_else(|_| fs::copy(&candidate, &part).map(|_| ()))
                .map_err(Error::io("copy", &candidate))?;
            into_place(&part, path)?;
            let _ = fs::remove_file(&part); // renaming a link of a file to another link of it does nothing
            return Ok(Some(found));
        }
        Ok(None)
    }
}

/// No model, tokenizer or configuration starts with `<`; a web page does.
fn looks_like_markup(path: &Path) -> Result<bool> {
    let mut start = [0; 64];
    let read = File::open(path).and_then(|mut file| file.read(&mut start)).map_err(Error::io("read", path))?;
    Ok(start[..read].trim_ascii_start().starts_with(b"<"))
}
