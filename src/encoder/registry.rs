//! The encoders known by name: where the hub keeps an ONNX export of each, and the preprocessing that
//! published scores were made with.
//!
//! **The real hub is untried**: this was written without access to it. Repositories, commits and digests
//! were taken from public pages and from other projects' pins. A digest stands here only where such a
//! source gives it for the very file and commit; where it is `None`, [`super::hub`] holds the file to the
//! digest that the hub declares and writes it to the lock file, so that later pulls are held to the first.

use crate::image::{CLIP, CropOffset, IMAGENET, Preprocessing};

/// An encoder that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NamedEncoder {
    /// As `--encoder` takes it.
    pub name: &'static str,
    /// What it is built like.
    pub family: Family,
    /// The checkpoint it was exported from; `scripts/export_encoder.py` takes it.
    pub checkpoint: &'static str,
    /// Where its ONNX export is; `None` if nobody is known to have published one.
    pub export: Option<HubExport>,
    /// Length of its vectors.
    pub dimension: usize,
}

/// The families that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// DINOv2 without registers: the class token of `last_hidden_state`.
    DinoV2,
    /// DINO (v1): the class token of `last_hidden_state`.
    Dino,
    /// CLIP: an image and a text tower with projections.
    Clip,
}

/// A repository of the hub at one revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubExport {
    /// `owner/name`.
    pub repository: &'static str,
    /// A commit where one is known for certain; else `main`, whose commit is looked up and recorded when
    /// the encoder is first pulled.
    pub revision: &'static str,
    /// What is needed of it.
    pub files: &'static [HubFile],
}

/// One file of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubFile {
    /// Its path there.
    pub path: &'static str,
    /// Its name in the encoder's directory.
    pub name: &'static str,
    /// SHA-256 in lower-case hexadecimal, where it is known.
    pub sha256: Option<&'static str>,
}

impl Family {
    /// How pixels become its input. Both DINO families as the published evaluations prepare them, with
    /// torchvision; the hub's own configuration of DINO v1 (resize straight to 224) differs and does not
    /// reproduce their scores.
    pub fn preprocessing(self) -> Preprocessing {
        match self {
            Family::DinoV2 | Family::Dino => Preprocessing::shortest_edge(256, 224, CropOffset::HalfEven, IMAGENET),
            Family::Clip => Preprocessing::shortest_edge(224, 224, CropOffset::Floor, CLIP),
        }
    }
}

impl Family {
    /// Returns the licence of its published weights, as an SPDX identifier.
    pub fn licence(self) -> &'static str {
        match self {
            Family::DinoV2 | Family::Dino => "Apache-2.0",
            Family::Clip => "MIT",
        }
    }
}

/// Returns the licence of an encoder that is known by name, as an SPDX identifier.
pub fn licence_of(name: &str) -> Option<&'static str> {
    if name == super::BUILTIN { Some(env!("CARGO_PKG_LICENSE")) } else { find(name).map(|encoder| encoder.family.licence()) }
}

const fn file(path: &'static str, name: &'static str, sha256: Option<&'static str>) -> HubFile {
    HubFile { path, name, sha256 }
}

const fn dino(
    name: &'static str,
    family: Family,
    checkpoint: &'static str,
    dimension: usize,
    export: Option<HubExport>,
) -> NamedEncoder {
    NamedEncoder { name, family, checkpoint, export, dimension }
}

const fn clip(name: &'static str, checkpoint: &'static str, dimension: usize, export: HubExport) -> NamedEncoder {
    NamedEncoder { name, family: Family::Clip, checkpoint, export: Some(export), dimension }
}

/// Every encoder known by name.
pub const ENCODERS: &[NamedEncoder] = &[
    dino(
        "dinov2-small",
        Family::DinoV2,
        "facebook/dinov2-small",
        384,
        Some(HubExport {
            repository: "Xenova/dinov2-small",
            revision: "c2bb04a51fab207c420665f1946016107bffc701",
            files: &[file(
                "onnx/model.onnx",
                "model.onnx",
                Some("83141175ec78b4ff9a2bb58a4c7c264ba0054d1c2e122e5a8114b79a8d4179ea"),
            )],
        }),
    ),
    dino(
        "dinov2-base",
        Family::DinoV2,
        "facebook/dinov2-base",
        768,
        Some(HubExport {
            repository: "Xenova/dinov2-base",
            revision: "31039eeb603df058f44c4e1cd25f6add34f48169",
            files: &[file(
                "onnx/model.onnx",
                "model.onnx",
                Some("2c7a813d6e0d25784d0c29227760b08cb72f2bee9d928da935a31480a649bbce"),
            )],
        }),
    ),
    dino(
        "dinov2-large",
        Family::DinoV2,
        "facebook/dinov2-large",
        1024,
        Some(HubExport {
            repository: "Xenova/dinov2-large",
            revision: "ea6fe542912c2af69cbe7cef2ba6a5257b09db00",
            files: &[file("onnx/model.onnx", "model.onnx", None)],
        }),
    ),
    // 4.5 GB of float32, beyond what one ONNX file may hold; no export is known.
    dino("dinov2-giant", Family::DinoV2, "facebook/dinov2-giant", 1536, None),
    dino(
        "dino-vits16",
        Family::Dino,
        "facebook/dino-vits16",
        384,
        Some(HubExport {
            repository: "Xenova/dino-vits16",
            revision: "main",
            files: &[file("onnx/model.onnx", "model.onnx", None)],
        }),
    ),
    dino(
        "dino-vitb16",
        Family::Dino,
        "facebook/dino-vitb16",
        768,
        Some(HubExport {
            repository: "Xenova/dino-vitb16",
            revision: "main",
            files: &[file("onnx/model.onnx", "model.onnx", None)],
        }),
    ),
    clip(
        "clip-vit-base-patch32",
        "openai/clip-vit-base-patch32",
        512,
        HubExport {
            repository: "Xenova/clip-vit-base-patch32",
            revision: "d15189d7028b43f1d3e65039190477f6af591c2a",
            files: &[
                file(
                    "onnx/vision_model.onnx",
                    "vision_model.onnx",
                    Some("fd6e1402a588279d1723c7534d4bcba5bc0b14b47dfab0e46f8c47b8270d7d40"),
                ),
                file(
                    "onnx/text_model.onnx",
                    "text_model.onnx",
                    Some("3f6571f5bad13a97c469c1622e1cfc4d9aef78b79fdbfcff804ca357bfada8cc"),
                ),
                file(
                    "tokenizer.json",
                    "tokenizer.json",
                    Some("f7f3b7af117d467b58374797691a6438d3e6b9e9cef800dfd5dced7f697a90cd"),
                ),
            ],
        },
    ),
    clip(
        "clip-vit-base-patch16",
        "openai/clip-vit-base-patch16",
        512,
        HubExport {
            repository: "Xenova/clip-vit-base-patch16",
            revision: "main",
            files: &[
                file("onnx/vision_model.onnx", "vision_model.onnx", None),
                file("onnx/text_model.onnx", "text_model.onnx", None),
                file("tokenizer.json", "tokenizer.json", None),
            ],
        },
    ),
    clip(
        "clip-vit-large-patch14",
        "openai/clip-vit-large-patch14",
        768,
        HubExport {
            repository: "Xenova/clip-vit-large-patch14",
            revision: "c307790166907339eed5a9a53a249af534102536",
            files: &[
                file(
                    "onnx/vision_model.onnx",
                    "vision_model.onnx",
                    Some("ff49f8aa57c7abfd26e382eb083e4dbf988505223a9bd3767dbfd4e729206709"),
                ),
                file(
                    "onnx/text_model.onnx",
                    "text_model.onnx",
                    Some("a86051a90491b97e2ea1d0351ef664926735bca7536034384f901915ee91fd69"),
                ),
                file("tokenizer.json", "tokenizer.json", None),
            ],
        },
    ),
];

/// What `--encoder paper` means: the encoders of the paper's published scores.
pub const PAPER: [&str; 3] = ["dinov2-small", "dino-vits16", "clip-vit-large-patch14"];

/// The encoder of that name.
pub fn find(name: &str) -> Option<&'static NamedEncoder> {
    ENCODERS.iter().find(|e| e.name == name)
}

/// The names that a word of `--encoder` stands for: `paper` is three, any other word itself.
pub fn expand(word: &str) -> Vec<&str> {
    if word == "paper" { PAPER.to_vec() } else { vec![word] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::EncoderName;

    #[test]
    fn names_are_unique_and_fit_for_directories() {
        for (i, encoder) in ENCODERS.iter().enumerate() {
            assert!(EncoderName::new(encoder.name).is_ok());
            assert_eq!(find(encoder.name), Some(&ENCODERS[i]), "{} twice", encoder.name);
        }
    }

    #[test]
    fn paper_is_what_the_published_scores_used() {
        assert_eq!(expand("paper"), ["dinov2-small", "dino-vits16", "clip-vit-large-patch14"]);
        assert_eq!(expand("some/dir"), ["some/dir"]);
        assert!(PAPER.iter().all(|name| find(name).is_some()));
    }

    #[test]
    fn pins_are_whole_digests_of_pinned_commits() {
        let hex = |text: &str, digits| text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        for export in ENCODERS.iter().filter_map(|e| e.export) {
            let pinned = hex(export.revision, 40);
            assert!(pinned || export.revision == "main");
            for file in export.files {
                assert!(file.sha256.is_none_or(|digest| pinned && hex(digest, 64)), "{} {}", export.repository, file.path);
            }
        }
    }
}
