//! Where encoders live on this machine.
//!
//! A pulled encoder is a directory `encoders/NAME` of the data directory, complete once it holds its lock
//! file. An encoder of the user's own stays where it is: `encoders/NAME.path` is a text file that holds
//! its absolute path. (A link would do on Unix; a file works everywhere and can be read by eye.)

use super::directory::read_if_there;
use super::hub::{LOCK_FILE, alone};
use crate::durable::write_whole;
use crate::error::{Error, Result};
use crate::text::quote;
use crate::vocabulary::EncoderName;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The hub, unless `HF_ENDPOINT` names another.
const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// Extension of the files that point to a directory of the user's.
const POINTER: &str = "path";
/// Bytes of such a file: longer than any path.
const MAX_POINTER: u64 = 64 << 10;

/// Places and settings from the environment. No `Debug`: it holds the token.
#[derive(Clone)]
pub struct Home {
    /// `$MSDATA_HOME`, else `$XDG_DATA_HOME/msdata`, else `~/.local/share/msdata`.
    pub data: PathBuf,
    /// The hub's own cache: `$HF_HUB_CACHE`, else `$HF_HOME/hub`, else `~/.cache/huggingface/hub`.
    pub hub_cache: Option<PathBuf>,
    /// `$HF_ENDPOINT`, without a slash at its end.
    pub endpoint: String,
    /// `$HF_TOKEN`.
    pub token: Option<String>,
    /// `$HF_HUB_OFFLINE`: the network must not be used.
    pub offline: bool,
    /// `$ORT_DYLIB_PATH`: the library of ONNX Runtime, or its directory.
    pub runtime_library: Option<PathBuf>,
}

/// An encoder that is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What it is called.
    pub name: EncoderName,
    /// Its directory.
    pub path: PathBuf,
    /// From the hub, or a directory of the user's.
    pub origin: EncoderOrigin,
}

/// How an encoder came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncoderOrigin {
    /// From the hub.
    Pulled,
    /// Registered by the user.
    Added,
}

/// An encoder that was removed from this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedEncoder {
    /// What it was.
    pub installed: Installed,
    /// Bytes that are free now.
    pub freed: u64,
    /// Bytes of files that the hub's cache has too, and that stay there.
    pub shared: u64,
    /// The pulled encoder of the same name, which the user's own had hidden.
    pub left: Option<Installed>,
}

impl Home {
    /// Reads the environment; nothing else here does. (The HTTP client reads the usual proxy variables.)
    ///
    /// # Errors
    /// There is no home directory and no variable that says where to go instead.
    pub fn from_env() -> Result<Home> {
        Home::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Result<Home> {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let home = set("HOME").map(PathBuf::from);
        let below_home = |path: &str| home.as_ref().map(|home| home.join(path));

        let data = set("MSDATA_HOME")
            .map(PathBuf::from)
            .or_else(|| set("XDG_DATA_HOME").map(|dir| PathBuf::from(dir).join("msdata")))
            .or_else(|| below_home(".local/share/msdata"))
            .ok_or_else(|| {
                Error::request("there is no home directory", "set MSDATA_HOME to the directory where encoders may live")
            })?;
        let hub_cache = set("HF_HUB_CACHE")
            .map(PathBuf::from)
            .or_else(|| set("HF_HOME").map(|dir| PathBuf::from(dir).join("hub")))
            .or_else(|| set("XDG_CACHE_HOME").map(|dir| PathBuf::from(dir).join("huggingface/hub")))
            .or_else(|| below_home(".cache/huggingface/hub"));
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| DEFAULT_ENDPOINT.into());
        // The words that the hub's own client takes for yes.
        let offline = text("HF_HUB_OFFLINE").is_some_and(|v| matches!(&*v.to_ascii_uppercase(), "1" | "ON" | "YES" | "TRUE"));
        Ok(Home {
            data,
            hub_cache,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: text("HF_TOKEN").map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()),
            offline,
            runtime_library: set("ORT_DYLIB_PATH").map(PathBuf::from),
        })
    }

    /// Where encoders lie.
    pub fn encoders(&self) -> PathBuf {
        self.data.join("encoders")
    }

    /// Where an encoder is, or would be, pulled to.
    pub fn pulled(&self, name: &str) -> PathBuf {
        self.encoders().join(name)
    }

    fn pointer(&self, name: &EncoderName) -> PathBuf {
        self.encoders().join(format!("{name}.{POINTER}"))
    }

    /// Registers a directory of the user's under a name; it stays where it is.
    ///
    /// # Errors
    /// No such directory, a name that another encoder has, or a disk that cannot be written.
    pub fn add(&self, name: &EncoderName, dir: &Path) -> Result<Installed> {
        let path = fs::canonicalize(dir).map_err(Error::io("read", dir))?;
        if !path.is_dir() {
            return Err(Error::request(format!("{} is not a directory", path.display()), "an encoder is a directory"));
        }
        match self.locate(name)? {
            Some(there) if there.path == path => return Ok(there),
            Some(there) if there.path.is_dir() => {
                return Err(Error::request(
                    format!("there is an encoder {name} already: {}", there.path.display()),
                    "give this one another `name` in its msdata.toml, or remove the other",
                ));
            }
            _ => {}
        }
        let Some(text) = path.to_str().filter(|text| !text.contains('\n')) else {
            return Err(Error::request(
                format!("the path {} is not UTF-8 or contains a line break", path.display()),
                "move the directory to a path without such characters",
            ));
        };
        write_whole(&self.pointer(name), format!("{text}\n").as_bytes())?;
        Ok(Installed { name: name.clone(), path, origin: EncoderOrigin::Added })
    }

    /// Where an encoder of that name is, if it is here. What the user added goes before what was pulled.
    ///
    /// # Errors
    /// The data directory cannot be read, or the directory that was added is gone.
    pub fn path(&self, name: &EncoderName) -> Result<Option<Installed>> {
        let found = self.locate(name)?;
        match found {
            Some(gone) if !gone.path.is_dir() => Err(Error::request(
                format!("the encoder {name} is gone: {} is not a directory", gone.path.display()),
                format!("put it back, or take it off the list with `msdata encoders remove {name}`"),
            )),
            found => Ok(found),
        }
    }

    /// As [`Home::path`], without a look whether the user's directory is still there.
    pub(super) fn locate(&self, name: &EncoderName) -> Result<Option<Installed>> {
        let pointer = self.pointer(name);
        if let Some(text) = read_if_there(&pointer, MAX_POINTER)? {
            let text = String::from_utf8(text).map_err(Error::model(&pointer, "is not UTF-8"))?;
            let path = PathBuf::from(text.trim_end_matches(['\n', '\r']));
            return Ok(Some(Installed { name: name.clone(), path, origin: EncoderOrigin::Added }));
        }
        let path = self.pulled(name.as_str());
        let complete = path.join(LOCK_FILE).is_file();
        Ok(complete.then(|| Installed { name: name.clone(), path, origin: EncoderOrigin::Pulled }))
    }

    /// Removes an encoder from this machine: the files of one that was pulled, the mere registration of a directory of the
    /// user's, which stays. A pull that was broken off is removed, too.
    ///
    /// # Errors
    /// There is no such encoder here, it is being pulled, or the disk cannot be written.
    pub fn remove(&self, name: &EncoderName) -> Result<RemovedEncoder> {
        let pointer = self.pointer(name);
        if let Some(own) = self.locate(name)?.filter(|e| e.origin == EncoderOrigin::Added) {
            fs::remove_file(&pointer).map_err(Error::io("remove", &pointer))?;
            return Ok(RemovedEncoder { installed: own, freed: 0, shared: 0, left: self.locate(name)? });
        }
        let dir = self.pulled(name.as_str());
        if !dir.is_dir() {
            let here: Vec<String> = self.list()?.into_iter().map(|e| e.name.to_string()).collect();
            let hint = if here.is_empty() {
                "no encoder was pulled or added here".to_owned()
            } else {
                format!("there is {}", here.join(", "))
            };
            return Err(Error::request(format!("there is no encoder {} on this machine", quote(name.as_str())), hint));
        }
        let (freed, shared) = {
            let _alone = alone(&dir)?;
            let sizes = sizes(&dir)?;
            // The lock file first: without it, what is left is no encoder, whatever happens meanwhile.
            let lock = dir.join(LOCK_FILE);
            match fs::remove_file(&lock) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", lock)(e)),
                _ => {}
            }
            sizes
        };
        fs::remove_dir_all(&dir).map_err(Error::io("remove", &dir))?;
        let installed = Installed { name: name.clone(), path: dir, origin: EncoderOrigin::Pulled };
        Ok(RemovedEncoder { installed, freed, shared, left: None })
    }

    /// Every encoder on this machine, by name; also those of the user's whose directory is gone. A pull that
    /// was broken off is none.
    ///
    /// # Errors
    /// The data directory cannot be read.
    pub fn list(&self) -> Result<Vec<Installed>> {
        let dir = self.encoders();
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io("read", dir)(e)),
        };
        let mut names = std::collections::BTreeSet::new();
        for entry in entries {
            let entry = entry.map_err(Error::io("read", &dir))?;
            let file = entry.file_name();
            let Some(file) = file.to_str() else { continue };
            let name = if entry.path().is_dir() { Some(file) } else { file.strip_suffix(".path") };
            names.extend(name.and_then(|name| EncoderName::new(name).ok()));
        }
        names.iter().filter_map(|name| self.locate(name).transpose()).collect()
    }
}

/// Returns how many bytes of a directory's files are freed with it, and how many are not, because the hub's cache has the
/// same files.
fn sizes(dir: &Path) -> Result<(u64, u64)> {
    let (mut freed, mut shared) = (0, 0);
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let meta = entry.and_then(|entry| entry.metadata()).map_err(Error::io("read", dir))?;
        *(if has_other_links(&meta) { &mut shared } else { &mut freed }) += meta.len();
    }
    Ok((freed, shared))
}

#[cfg(unix)]
fn has_other_links(meta: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(meta) > 1
}

#[cfg(not(unix))]
fn has_other_links(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(variables: &[(&str, &str)]) -> Result<Home> {
        Home::from_variables(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn variables_by_precedence() {
        let plain = home(&[("HOME", "/h")]).unwrap();
        assert_eq!(plain.data, Path::new("/h/.local/share/msdata"));
        assert_eq!(plain.hub_cache.as_deref(), Some(Path::new("/h/.cache/huggingface/hub")));
        assert_eq!((plain.endpoint.as_str(), plain.token.as_deref(), plain.offline), ("https://huggingface.co", None, false));

        let all = [
            ("HOME", "/h"),
            ("XDG_DATA_HOME", "/x"),
            ("HF_HOME", "/hf"),
            ("HF_ENDPOINT", "http://mirror:8/"),
            ("HF_TOKEN", "t\n"),
            ("HF_HUB_OFFLINE", "true"),
        ];
        let set = home(&all).unwrap();
        assert_eq!((set.data.as_path(), set.hub_cache.as_deref()), (Path::new("/x/msdata"), Some(Path::new("/hf/hub"))));
        assert_eq!((set.endpoint.as_str(), set.token.as_deref(), set.offline), ("http://mirror:8", Some("t"), true));
        let own = home(&[("MSDATA_HOME", "/m"), ("XDG_DATA_HOME", "/x"), ("HF_HUB_OFFLINE", "0")]).unwrap();
        assert_eq!((own.data.as_path(), own.offline), (Path::new("/m"), false));
        assert!(home(&[("HOME", "")]).is_err());
    }

    #[test]
    fn directories_of_the_users_are_found_by_name() {
        let place = tempfile::tempdir().unwrap();
        let text = place.path().to_str().unwrap();
        let home = home(&[("MSDATA_HOME", text)]).unwrap();
        let (mine, other) = (place.path().join("my net"), place.path().join("other"));
        fs::create_dir(&mine).unwrap();
        fs::create_dir(&other).unwrap();
        let name = EncoderName::new("my.net").unwrap();
        assert_eq!(home.list().unwrap(), []);
        assert_eq!(home.path(&name).unwrap(), None);

        let added = home.add(&name, &mine).unwrap();
        assert_eq!((added.origin, added.path.as_path()), (EncoderOrigin::Added, mine.canonicalize().unwrap().as_path()));
        assert_eq!(home.add(&name, &mine).unwrap(), added, "twice is once");
        assert!(home.add(&name, &other).unwrap_err().to_string().contains("already"));
        assert_eq!(home.list().unwrap(), [added]);

        fs::create_dir_all(home.pulled("half")).unwrap();
        assert_eq!(home.list().unwrap().len(), 1, "a pull without its lock file is not an encoder");
        fs::remove_dir(&mine).unwrap();
        assert!(home.path(&name).unwrap_err().to_string().contains("is gone"));
        assert_eq!(home.list().unwrap().len(), 1, "but it is still listed");
        assert_eq!(home.add(&name, &other).unwrap().path, other.canonicalize().unwrap(), "and its name can be given anew");
    }
}
