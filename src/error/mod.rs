//! One error type for the library.
//!
//! Every variant carries what is wrong and where; [`Error::hint`] says what to do next. Types of the
//! packages underneath (SQLite, Parquet) stay behind a boxed source, so that they can be exchanged.

use crate::problem::{Problem, TextPlace, list_problems};
use crate::text::{plain, shell_word};
use std::path::{Path, PathBuf};

mod hub;

pub use hub::HubFault;

/// The library's result type.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a package underneath, boxed so that the package can be exchanged.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {action} {}: {}", shown(path), io_reason(source))]
    Io {
        /// What was tried: "read", "write", "rename", …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no data set at this place.
    #[error("{} is not a data set: it has no catalog.sqlite", shown(.0))]
    NoDataSet(PathBuf),
    /// `init` found something in its place.
    #[error("{} already holds a data set", shown(.0))]
    AlreadyThere(PathBuf),
    /// The file is not a catalog of msdata, or not an SQLite file at all.
    #[error("{} is not a catalog of msdata", shown(.0))]
    ForeignCatalog(PathBuf),
    /// The catalog was written by a later version.
    #[error("{} has schema version {found}, but this msdata knows versions up to {known} only", shown(path))]
    NewerCatalog {
        /// The catalog.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// Another process is writing.
    #[error("another msdata is writing to {}", shown(.0))]
    Locked(PathBuf),
    /// SQLite reported an error.
    #[error("catalog: cannot {action}: {source}")]
    Catalog {
        /// What was tried.
        action: &'static str,
        /// What SQLite said.
        source: Source,
    },
    /// A query by the user was refused or failed.
    #[error("query refused: {reason}{}", place.map(|place| format!(" (at {place})")).unwrap_or_default())]
    Query {
        /// What is wrong with it.
        reason: String,
        /// Where in its text, if that is known.
        place: Option<TextPlace>,
    },
    /// Some rows to ingest are bad; nothing was written.
    #[error("{}", list_problems(.0))]
    Manifest(Vec<Problem>),
    /// A Parquet file could not be read or written.
    #[error("{}: {reason}", shown(path))]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// ONNX Runtime itself, or a device, is not available.
    #[error("{message}{}", because(source.as_ref()))]
    Runtime {
        /// What is wrong.
        message: String,
        /// The command that fixes it.
        hint: String,
        /// What the loader or the runtime said.
        source: Option<Source>,
    },
    /// An encoder's directory, or a file in it, cannot be used.
    #[error("{}: {reason}{}", shown(path), because(source.as_ref()))]
    Encoder {
        /// The directory or the file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do next, if there is anything to say.
        hint: Option<String>,
        /// What the package underneath said.
        source: Option<Source>,
    },
    /// An encoder could not be fetched.
    #[error("{what}: {fault}")]
    Hub {
        /// The encoder, or the address of its file.
        what: String,
        /// What was wrong.
        #[source]
        fault: HubFault,
    },
    /// The data set contradicts itself.
    #[error("the data set is damaged: {0}")]
    Damaged(String),
    /// What was asked for does not exist or does not fit together.
    #[error("{message}")]
    Request {
        /// What is wrong.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The user stopped the run; what was finished is kept.
    #[error("interrupted; finished work is kept, run the same command again to continue")]
    Interrupted,
}

impl Error {
    /// What to do next, if there is anything to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::NoDataSet(dir) => Some(format!("make one with `msdata init {}`", shell_word(dir))),
            Error::AlreadyThere(dir) => Some(format!("use it with `-d {}`, or choose another directory", shell_word(dir))),
            Error::ForeignCatalog(_) => Some("choose another directory with `-d`".into()),
            Error::NewerCatalog { .. } => Some("use the newer msdata that made it".into()),
            Error::Locked(_) => Some("wait for it to finish; commands that only read, such as `report`, need not wait".into()),
            Error::Manifest(_) => Some("fix these rows and run the command again".into()),
            Error::Damaged(_) => Some("`msdata verify --deep` lists every fault and what to do about it".into()),
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some("make room on the disk and run the same command again".into())
            }
            Error::Request { hint, .. } | Error::Encoder { hint, .. } => hint.clone(),
            Error::Runtime { hint, .. } => Some(hint.clone()),
            Error::Hub { fault, .. } => fault.hint(),
            _ => None,
        }
    }

    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::Io { action, path: path.as_ref().to_path_buf(), source }
    }

    /// Converts a Parquet error; a failure of the file underneath is named as such, because Parquet's own wording hides it.
    pub(crate) fn parquet(path: &Path) -> impl Fn(parquet::errors::ParquetError) -> Error + '_ {
        move |e| match io_kind(&e) {
            Some(kind @ std::io::ErrorKind::StorageFull) => Error::io("write", path)(kind.into()),
            // When its writer ends, only the words of the system's error are left.
            _ if e.to_string().contains("No space left on device") => {
                Error::io("write", path)(std::io::ErrorKind::StorageFull.into())
            }
            _ => Error::Parquet { path: path.to_path_buf(), reason: e.to_string() },
        }
    }

    pub(crate) fn encoder(path: &Path, reason: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Encoder { path: path.to_path_buf(), reason: reason.into(), hint: Some(hint.into()), source: None }
    }

    /// Like [`Error::encoder`], with what the package underneath said and no advice of ours.
    pub(crate) fn model<S: Into<Source>>(path: &Path, reason: &'static str) -> impl FnOnce(S) -> Error {
        move |source| Error::Encoder { path: path.to_path_buf(), reason: reason.into(), hint: None, source: Some(source.into()) }
    }

    pub(crate) fn request(message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Request { message: message.into(), hint: Some(hint.into()) }
    }
}

/// Returns the kind of the system's error at the bottom of another, if there is one.
fn io_kind(e: &(dyn std::error::Error + 'static)) -> Option<std::io::ErrorKind> {
    let bottom = std::iter::successors(Some(e), |e| e.source());
    bottom.filter_map(|e| e.downcast_ref::<std::io::Error>()).map(std::io::Error::kind).last()
}

/// Returns a path in one line that is safe on a terminal.
fn shown(path: &Path) -> String {
    plain(&path.display().to_string()).into_owned()
}

fn because(source: Option<&Source>) -> String {
    source.map(|s| format!(": {s}")).unwrap_or_default()
}

/// Returns what the system said, without `(os error 2)`.
pub(crate) fn io_reason(e: &std::io::Error) -> String {
    use std::io::ErrorKind::*;
    match e.kind() {
        NotFound if e.get_ref().is_none() => "no such file".into(),
        PermissionDenied => "permission denied".into(),
        StorageFull => "the disk is full".into(),
        IsADirectory => "it is a directory".into(),
        NotADirectory => "a part of its path is not a directory".into(),
        _ => {
            let text = e.to_string();
            let text = text.split(" (os error").next().unwrap_or(&text);
            let mut chars = text.chars();
            chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
        }
    }
}
