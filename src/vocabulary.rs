//! The words that manifests, tables and the catalog use: ids as newtypes, closed sets as enums.
//!
//! Each closed set has its names in one place: [`std::fmt::Display`], [`std::str::FromStr`] and
//! serde all use the same list, and a test compares the CHECKs of `schema/` with it.

mod metric;

pub use metric::{MetricDeclaration, MetricRule};

use crate::text::{nearest, quote};
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// A word that is not in a closed set; says what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord {
    what: &'static str,
    given: String,
    allowed: Vec<&'static str>,
}

impl UnknownWord {
    pub(crate) fn new(what: &'static str, given: &str, allowed: Vec<&'static str>) -> UnknownWord {
        UnknownWord { what, given: given.to_owned(), allowed }
    }
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let near = nearest(&self.given, self.allowed.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; did you mean {}?", quote(near)));
        write!(f, "{} {} is not one of {}{near}", self.what, quote(&self.given), self.allowed.join(", "))
    }
}

impl std::error::Error for UnknownWord {}

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* #[doc = concat!("Written `", $word, "`.")] $variant),+ }

        impl $name {
            /// Every member, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// Returns the word as manifests, tables and the catalog write it.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::vocabulary::UnknownWord;
            fn from_str(s: &str) -> ::std::result::Result<Self, $crate::vocabulary::UnknownWord> {
                let unknown = || $crate::vocabulary::UnknownWord::new($what, s, Self::ALL.iter().map(|v| v.as_str()).collect());
                Self::ALL.iter().copied().find(|v| v.as_str() == s).ok_or_else(unknown)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, s: S) -> ::std::result::Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use closed_set;

closed_set! {
    /// How the subjects of a prompt relate to each other.
    SceneType, "scene_type" {
        /// Subjects are side by side; none is hidden, none touch.
        Neutral = "neutral",
        /// Some subjects partly hide others.
        Occlusion = "occlusion",
        /// Subjects act on each other.
        Interaction = "interaction",
    }
}

impl SceneType {
    /// Reads a scene type as manifests may write it: ASCII case is ignored, and `no_interaction` means neutral.
    ///
    /// # Errors
    /// Any other word.
    pub fn from_manifest(word: &str) -> Result<SceneType, UnknownWord> {
        let lower = word.to_ascii_lowercase();
        if lower == "no_interaction" {
            return Ok(SceneType::Neutral);
        }
        lower.parse().map_err(|e: UnknownWord| UnknownWord { given: word.to_owned(), ..e })
    }
}

closed_set! {
    /// What a subject is.
    SubjectKind, "kind" { Human = "human", Animal = "animal", Object = "object" }
}

closed_set! {
    /// What is known about an image file.
    ImageStatus, "status" {
        /// Registered but not read yet (an interrupted run).
        Pending = "pending",
        /// Read and hashed, in a supported format.
        Ok = "ok",
        /// There is no such file.
        Missing = "missing",
        /// The file is there, but is not a usable image.
        Unreadable = "unreadable",
        /// Over the limits (100 megapixels, 1 GiB).
        Oversized = "oversized",
    }
}

closed_set! {
    /// Image formats that are read; recognized by content, never by extension.
    ImageFormat, "format" {
        Jpeg = "jpeg", Png = "png", WebP = "webp", Gif = "gif", Bmp = "bmp", Tiff = "tiff",
    }
}

impl ImageFormat {
    /// Returns the extensions that its files have, in lower case.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            ImageFormat::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            ImageFormat::Png => &["png", "apng"],
            ImageFormat::WebP => &["webp"],
            ImageFormat::Gif => &["gif"],
            ImageFormat::Bmp => &["bmp", "dib"],
            ImageFormat::Tiff => &["tif", "tiff"],
        }
    }

    /// Returns whether a file has the extension of an image, in upper or lower case. What it is, its content says.
    pub fn is_named(path: &Path) -> bool {
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_lowercase).unwrap_or_default();
        ImageFormat::ALL.iter().any(|format| format.extensions().contains(&extension.as_str()))
    }
}

closed_set! {
    /// What a vector represents.
    VectorKind, "kind" {
        Reference = "reference", Generation = "generation", Prompt = "prompt", Region = "region",
    }
}

closed_set! {
    /// Where a vector came from.
    Provenance, "provenance" {
        /// Computed here from the image or text.
        Computed = "computed",
        /// Read from a file that the user gave.
        Imported = "imported",
    }
}

/// What is known about an image file after looking at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Size in bytes, if there is a file.
    pub bytes: Option<u64>,
    /// Time of its last change, in nanoseconds since 1970.
    pub mtime_ns: Option<i64>,
    /// BLAKE3 of its bytes, if they could be read.
    pub blake3: Option<[u8; 32]>,
    /// What it is.
    pub outcome: Outcome,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An image in a supported format; its upright size in pixels.
    Image {
        /// The format, by content.
        format: ImageFormat,
        /// Width, orientation applied.
        width: u32,
        /// Height, orientation applied.
        height: u32,
    },
    /// Not usable: why, as a status and a sentence.
    Unusable(ImageStatus, String),
}

closed_set! {
    /// Which way a metric is better.
    Better, "direction" { Higher = "higher", Lower = "lower" }
}

/// Longest encoder name, in bytes: it names a directory in an export.
const MAX_ENCODER_NAME: usize = 200;

/// Returns why `text` cannot be an id, or nothing.
fn id_fault(text: &str) -> Option<String> {
    if text.is_empty() {
        Some("is empty".into())
    } else if text.contains('\0') {
        Some("contains a NUL character".into())
    } else if text.trim() != text {
        Some(format!("{} starts or ends with white space", quote(text)))
    } else {
        None
    }
}

fn encoder_fault(text: &str) -> Option<String> {
    id_fault(text).or_else(|| {
        (text.starts_with('.')
            || text.len() > MAX_ENCODER_NAME
            || text.contains(|c: char| c.is_control() || c == '/' || c == '\\'))
        .then(|| {
            format!(
                "{} cannot name a directory (no `/`, `\\`, control characters or leading dot, {MAX_ENCODER_NAME} bytes at most)",
                quote(text)
            )
        })
    })
}

/// Longest name of a region set, in bytes.
const MAX_SET_NAME: usize = 100;

/// A set's name is written in lists such as `human=faces:arcface,*=dinov2-small`.
fn set_fault(text: &str) -> Option<String> {
    id_fault(text).or_else(|| {
        (text.len() > MAX_SET_NAME || text.contains(|c: char| c.is_control() || [',', ':', '=', '*', '/'].contains(&c)))
            .then(|| format!("{} cannot name a region set (no `,` `:` `=` `*` `/`, {MAX_SET_NAME} bytes at most)", quote(text)))
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $fault:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Makes an id from text.
            ///
            /// # Errors
            /// The text cannot be such an id; says why.
            pub fn new(text: impl Into<String>) -> Result<Self, String> {
                let text = text.into();
                match $fault(&text) {
                    Some(fault) => Err(fault),
                    None => Ok(Self(text)),
                }
            }

            /// Returns the id as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> Result<Self, String> {
                Self::new(s)
            }
        }
    };
}

id! {
    /// One identity. Non-empty, no NUL, no white space at its ends; otherwise any text.
    SubjectId, id_fault
}
id! {
    /// One prompt. Same rule as [`SubjectId`].
    PromptId, id_fault
}
id! {
    /// A generator under test. Same rule as [`SubjectId`].
    ModelName, id_fault
}
id! {
    /// An encoder; can also name a directory.
    EncoderName, encoder_fault
}

id! {
    /// A set of regions of one origin: one detector, one annotator.
    RegionSetName, set_fault
}

id! {
    /// A metric: a number about generations, or about the subjects in them, that was computed elsewhere.
    MetricName, metric::fault
}

/// The control model whose images show all of a prompt's references.
pub const COMPOSITE: &str = "control:composite";

/// The control model whose images show one of a prompt's references each; the seed is the subject's position.
pub const CROP: &str = "control:crop";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scene_types_as_manifests_write_them() {
        assert_eq!(SceneType::from_manifest("No_Interaction"), Ok(SceneType::Neutral));
        assert_eq!(SceneType::from_manifest("OCCLUSION"), Ok(SceneType::Occlusion));
        assert!(SceneType::from_manifest("").is_err());
        assert!(SceneType::from_manifest("İnteraction").is_err(), "a dotted capital I is not a case of ASCII");
    }

    #[test]
    fn ids_refuse_what_cannot_be_told_apart_by_eye() {
        assert!(ModelName::new("modelA ").is_err());
        assert!(SubjectId::new("").is_err());
        assert!(PromptId::new("a\0b").is_err());
        assert!(EncoderName::new("../up").is_err());
        assert_eq!(EncoderName::new("dinov2-small").unwrap().as_str(), "dinov2-small");
    }
}
