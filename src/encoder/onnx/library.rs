//! Where the library of ONNX Runtime lies.

use crate::error::{Error, Result};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Where the search ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FoundLibrary {
    /// A file, by its absolute path.
    File(PathBuf),
    /// No file: what is left is to ask the system's loader. The places that had none, for the message.
    Nowhere(Vec<String>),
}

/// What the search depends on.
#[derive(Debug)]
pub(super) struct LibraryPlaces<'a> {
    pub explicit: Option<&'a Path>,
    pub environment: Option<&'a Path>,
    pub data: &'a Path,
    pub executable: Option<PathBuf>,
}

impl LibraryPlaces<'_> {
    /// Goes through the places in their documented order; the first that has a library decides.
    ///
    /// # Errors
    /// [`Error::Runtime`]: the flag or `ORT_DYLIB_PATH` names nothing.
    pub(super) fn search(&self) -> Result<FoundLibrary> {
        if let Some(path) = self.explicit {
            return library_at(path, "").map(FoundLibrary::File);
        }
        if let Some(path) = self.environment {
            return library_at(path, "ORT_DYLIB_PATH names ").map(FoundLibrary::File);
        }
        let programs = self.programs();
        let beside = programs.iter().filter_map(|program| program.parent()).map(Path::to_owned);
        let prefixes: Vec<PathBuf> = beside.clone().filter_map(|bin| bin.parent().map(Path::to_owned)).collect();
        let packages: Vec<PathBuf> = prefixes.iter().flat_map(|prefix| packages_of(prefix)).collect();
        let mut looked: Vec<String> = match packages.is_empty() {
            true => Vec::new(),
            false => prefixes.iter().map(|prefix| format!("the Python environment {}", prefix.display())).collect(),
        };
        if let Some(library) = newest(packages.iter().filter_map(|dir| newest_in(&dir.join(CAPI)))) {
            return absolute(&library).map(FoundLibrary::File);
        }
        for dir in [self.data.to_owned()].into_iter().chain(beside) {
            match newest_in(&dir) {
                Some(library) => return absolute(&library).map(FoundLibrary::File),
                None => looked.push(dir.display().to_string()),
            }
        }
        Ok(FoundLibrary::Nowhere(looked))
    }

    /// The program by the path that was started, and by that of the file that it is: uv and pipx put links into `bin`.
    fn programs(&self) -> Vec<PathBuf> {
        let started = self.executable.clone();
        let file = started.as_ref().and_then(|path| path.canonicalize().ok()).filter(|path| Some(path) != started.as_ref());
        started.into_iter().chain(file).collect()
    }
}

/// Where the package `onnxruntime` keeps the library.
const CAPI: &str = "onnxruntime/capi";

/// The directories of Python packages below the prefix of an environment: `lib/python3.12/site-packages`, or
/// `dist-packages`, as Debian calls those of the system.
fn packages_of(prefix: &Path) -> Vec<PathBuf> {
    let is_python = |dir: &PathBuf| {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("python3") || name.starts_with("pypy3")
    };
    // Where `lib64` is a link to `lib`, once is enough.
    let libs = ["lib", "lib64"].map(|lib| prefix.join(lib)).into_iter().filter(|lib| !lib.is_symlink());
    let pythons = libs.filter_map(|lib| std::fs::read_dir(lib).ok()).flatten();
    let pythons = pythons.filter_map(|entry| Some(entry.ok()?.path())).filter(is_python);
    pythons.flat_map(|dir| ["site-packages", "dist-packages"].map(|name| dir.join(name))).filter(|dir| dir.is_dir()).collect()
}

/// Whether a library is that of a Python package, which pip can exchange.
pub(super) fn is_of_python(library: &Path) -> bool {
    library.parent().is_some_and(|dir| dir.ends_with(CAPI))
}

/// The names that the system's loader is asked for.
pub(super) fn system_names() -> Vec<String> {
    let plain = format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}");
    if cfg!(target_os = "linux") { vec![format!("{plain}.1"), plain] } else { vec![plain] }
}

/// The commands that put a library where it is found.
pub(super) fn mend() -> String {
    const PIP: &str = "python3 -m pip download --no-deps --only-binary=:all: 'onnxruntime>=1.24'";
    const DIR: &str = "\"${MSDATA_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/msdata}\"";
    format!(
        "`pip install 'onnxruntime>=1.24'` in the Python environment that msdata was installed into with pip; `make setup` in a \
         checkout of msdata; `ORT_DYLIB_PATH=FILE` names one that is elsewhere; or: \
         d=$(mktemp -d) && {PIP} -d $d && mkdir -p {DIR} && unzip -o -j $d/*.whl '*/libonnxruntime*' -d {DIR}"
    )
}

/// The library that a path names: itself, or the newest in the directory.
///
/// # Errors
/// [`Error::Runtime`]: there is none.
pub(super) fn library_at(path: &Path, whose: &str) -> Result<PathBuf> {
    let found = if path.is_dir() { newest_in(path) } else { path.is_file().then(|| path.to_owned()) };
    match found {
        Some(library) => absolute(&library),
        None => Err(Error::Runtime {
            message: format!("{whose}{}: no library of ONNX Runtime there", path.display()),
            hint: mend(),
            source: None,
        }),
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(Error::io("resolve", path))
}

/// The library in a directory; of several, that of the highest version.
fn newest_in(dir: &Path) -> Option<PathBuf> {
    newest(std::fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path())))
}

/// The one of the highest version among the files that are libraries.
fn newest(files: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    files
        .filter_map(|path| Some((version_in_name(path.file_name()?)?, path)))
        .filter(|(_, path)| path.is_file())
        .max()
        .map(|(_, path)| path)
}

/// The numbers in a name such as `libonnxruntime.so.1.31.1`, `libonnxruntime.1.31.1.dylib` (none in
/// `libonnxruntime.so`); `None` if this names no such library (`libonnxruntime_providers_cuda.so`).
fn version_in_name(name: &OsStr) -> Option<Vec<u32>> {
    let rest = name.to_str()?.strip_prefix(DLL_PREFIX)?.strip_prefix("onnxruntime")?;
    let version = match DLL_SUFFIX {
        ".so" => rest.strip_prefix(".so")?,
        suffix => rest.strip_suffix(suffix)?,
    };
    match version.strip_prefix('.') {
        Some(numbers) => numbers.split('.').map(|n| n.parse().ok()).collect(),
        None => version.is_empty().then(Vec::new),
    }
}

/// The version of a library, if its file (behind links) has it in its name.
pub(super) fn version_of(library: &Path) -> Option<String> {
    let file = library.canonicalize().ok()?;
    let numbers = version_in_name(file.file_name()?).filter(|numbers| numbers.len() > 1)?;
    Some(numbers.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

/// The library as the process has it mapped: which one the system's loader took is known in no other way.
pub(super) fn mapped() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines()
        .filter_map(|line| Some(Path::new(&line[line.find('/')?..])))
        .find(|path| path.file_name().and_then(version_in_name).is_some())
        .map(Path::to_owned)
}

/// Refuses a library that ends too early: the system's loader maps it all the same, and the process
/// dies of SIGBUS. The section table, whose place the header tells, is the last thing in an ELF file.
///
/// # Errors
/// [`Error::Runtime`], or the file cannot be read.
pub(super) fn refuse_cut_short(path: &Path) -> Result<()> {
    use std::io::Read;
    let mut header = [0_u8; 64];
    let mut file = crate::input::open(path).map_err(Error::io("read", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    let whole = match file.read_exact(&mut header) {
        Ok(()) => elf_length(&header).is_none_or(|needed| length >= needed),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => false,
        Err(e) => return Err(Error::io("read", path)(e)),
    };
    if whole {
        return Ok(());
    }
    Err(Error::Runtime {
        message: format!("{} is not a complete ONNX Runtime library: it ends after {length} bytes", path.display()),
        hint: mend(),
        source: None,
    })
}

/// Bytes up to the end of the section table; `None` for what is not 64-bit little-endian ELF.
fn elf_length(header: &[u8; 64]) -> Option<u64> {
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let number = |at: usize, bytes: usize| header[at..at + bytes].iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let (table, entry, entries) = (number(0x28, 8), number(0x3a, 2), number(0x3c, 2));
    Some(table.saturating_add(entry * entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn places_are_searched_in_the_documented_order() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let given = at("given/libonnxruntime.so.1.24.0");
        for file in ["data/libonnxruntime.so.1.9.0", "data/libonnxruntime.so.1.31.1", "data/libonnxruntime_providers_shared.so"] {
            touch(&at(file));
        }
        touch(&given);
        touch(&at("bin/libonnxruntime.so"));
        let places = |explicit, environment: Option<&str>, data: &str| {
            let environment = environment.map(at);
            LibraryPlaces { explicit, environment: environment.as_deref(), data: &at(data), executable: Some(at("bin/msdata")) }
                .search()
        };
        let given_dir = at("given");
        assert_eq!(places(Some(&given), Some("data"), "data").unwrap(), FoundLibrary::File(given.clone()));
        assert_eq!(places(Some(&given_dir), None, "none").unwrap(), FoundLibrary::File(given.clone()));
        assert_eq!(places(None, Some("given"), "data").unwrap(), FoundLibrary::File(given.clone()));
        assert_eq!(places(None, None, "data").unwrap(), FoundLibrary::File(at("data/libonnxruntime.so.1.31.1")));
        assert_eq!(places(None, None, "none").unwrap(), FoundLibrary::File(at("bin/libonnxruntime.so")));
        std::fs::remove_file(at("bin/libonnxruntime.so")).unwrap();
        assert!(matches!(places(None, None, "none").unwrap(), FoundLibrary::Nowhere(looked) if looked.len() == 2));
        // The package of the Python environment goes before the data directory, the newest of several.
        for version in [
            "python3.9/site-packages/onnxruntime/capi/libonnxruntime.so.1.30.0",
            "python3.12/dist-packages/onnxruntime/capi/libonnxruntime.so.1.26.1",
        ] {
            touch(&at("lib").join(version));
        }
        touch(&at("lib/python3.12/site-packages/onnxruntime/capi/libonnxruntime_providers_shared.so"));
        let found = at("lib/python3.9/site-packages/onnxruntime/capi/libonnxruntime.so.1.30.0");
        assert_eq!(places(None, None, "data").unwrap(), FoundLibrary::File(found.clone()));
        assert!(is_of_python(&found) && !is_of_python(&at("data/libonnxruntime.so.1.31.1")));
        assert_eq!(places(None, Some("given"), "data").unwrap(), FoundLibrary::File(given.clone()));
        // An environment without the package is named among the places, and the next place decides.
        std::fs::remove_dir_all(at("lib")).unwrap();
        std::fs::create_dir_all(at("lib/python3.12/site-packages")).unwrap();
        assert_eq!(places(None, None, "data").unwrap(), FoundLibrary::File(at("data/libonnxruntime.so.1.31.1")));
        let FoundLibrary::Nowhere(looked) = places(None, None, "none").unwrap() else { panic!("found something") };
        assert_eq!(looked[0], format!("the Python environment {}", dir.path().display()));
        let error = places(None, Some("absent.so"), "data").unwrap_err();
        assert!(error.to_string().starts_with("ORT_DYLIB_PATH names "), "{error}");
        assert!(error.hint().unwrap().contains("make setup"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_that_is_a_link_has_the_environment_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
        let library = at("tools/msdata/lib/python3.12/site-packages/onnxruntime/capi/libonnxruntime.so.1.31.1");
        touch(&library);
        touch(&at("tools/msdata/bin/msdata"));
        std::fs::create_dir(at("bin")).unwrap();
        std::os::unix::fs::symlink(at("tools/msdata/bin/msdata"), at("bin/msdata")).unwrap();
        let places = LibraryPlaces { explicit: None, environment: None, data: &at("data"), executable: Some(at("bin/msdata")) };
        assert_eq!(places.search().unwrap(), FoundLibrary::File(library));
    }

    #[test]
    fn a_cut_library_is_refused_before_the_loader_maps_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("libonnxruntime.so");
        let mut bytes = vec![0_u8; 1000];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[0x28..0x30].copy_from_slice(&936_u64.to_le_bytes());
        bytes[0x3a] = 64; // bytes an entry
        bytes[0x3c] = 1; // entries: 936 + 64 = 1000
        std::fs::write(&path, &bytes).unwrap();
        refuse_cut_short(&path).unwrap();
        std::fs::write(&path, &bytes[..999]).unwrap();
        assert!(refuse_cut_short(&path).unwrap_err().to_string().contains("ends after 999 bytes"));
    }
}
