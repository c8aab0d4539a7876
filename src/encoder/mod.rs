//! Encoders: networks that turn images and texts into vectors.
//!
//! | module | noun |
//! |---|---|
//! | this | [`Encoder`]: opened, ready to embed |
//! | [`home`] | [`Home`]: what this machine has, and the environment |
//! | [`registry`] | encoders known by name |
//! | `hub` | fetching them |
//! | `builtin` | the encoder in the program itself |
//! | [`directory`] | [`EncoderDirectory`]: an encoder's files, in the layout of the Hugging Face hub |
//! | `fingerprint` | what an encoder is, exactly, as a hash |
//! | [`onnx`] | networks, run with ONNX Runtime |
//! | `tokens` | a text as token ids |
//!
//! Images are run in batches of one size, so that the same image gives the same vector, bit for bit,
//! whatever its neighbours, its place and the number of threads; see [`Batch`].

mod builtin;
pub mod directory;
mod fingerprint;
pub mod home;
pub mod hub;
pub mod onnx;
pub mod registry;
mod tokens;

pub use builtin::BUILTIN;
pub use directory::{EncoderDirectory, Pooling};
pub use fingerprint::Fingerprint;
pub use home::{Home, Installed, Origin};
pub use hub::{HubFault, Patience, pull};
pub use onnx::{Batch, Device, DeviceChoice, ImageModel, Options, Runtime, TextModel, Vector, VectorFault, weight_files};
pub use tokens::{MAX_TOKENS, Tokenizer, Tokens};

use crate::error::{Error, Result};
use crate::image::{PIXEL_RULE, Preprocessing};
use crate::input;
use crate::vocabulary::{EncoderName, quote};
use std::path::{Path, PathBuf};

/// An encoder's files with what they make of it: cheap to have, nothing is loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// Its name.
    pub name: EncoderName,
    /// Over model bytes, preprocessing, pooling and pixel rule, hexadecimal.
    pub fingerprint: String,
    /// Where it was read from, if it is a directory of the user's.
    pub location: Option<PathBuf>,
    preprocessing: Preprocessing,
    size: (u32, u32),
    files: EncoderDirectory,
}

/// An encoder, opened.
pub struct Encoder {
    preprocessing: Preprocessing,
    images: ImageModel,
    texts: Option<(Tokenizer, TextModel)>,
    files: EncoderDirectory,
}

/// A text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct TextVector {
    /// The numbers.
    pub vector: Vec<f32>,
    /// Whether the text was cut at [`MAX_TOKENS`].
    pub truncated: bool,
}

impl Described {
    /// Finds the encoders that a word names: a directory, a name on this machine, `paper`, or the built-in
    /// one. Their models are read for the fingerprint.
    ///
    /// # Errors
    /// There is no such encoder, or its files are at fault.
    pub fn find(word: &str, home: &Home) -> Result<Vec<Described>> {
        registry::expand(word).into_iter().map(|word| Described::find_one(word, home)).collect()
    }

    fn find_one(word: &str, home: &Home) -> Result<Described> {
        if word == BUILTIN {
            return Described::read(&builtin::directory(home)?, None);
        }
        let is_path = word.contains(std::path::is_separator) || word == "." || word == "..";
        if !is_path && let Ok(name) = EncoderName::new(word) {
            if let Some(installed) = home.path(&name)? {
                return Described::read(&installed.path, None);
            }
            if registry::find(word).is_some() && !Path::new(word).is_dir() {
                return Err(Error::request(
                    format!("encoder {} is not on this machine", quote(word)),
                    format!("fetch it with `msdata encoders pull {word}`, or give a directory"),
                ));
            }
        }
        if !Path::new(word).is_dir() {
            let known: Vec<&str> = registry::ENCODERS.iter().map(|e| e.name).chain([BUILTIN, "paper"]).collect();
            return Err(Error::request(
                format!("{} is neither an encoder on this machine nor a directory", quote(word)),
                format!("known names are {}; `msdata encoders list` shows what is here", known.join(", ")),
            ));
        }
        let location = Path::new(word).canonicalize().map_err(Error::io("resolve", word))?;
        Described::read(Path::new(word), Some(location))
    }

    fn read(dir: &Path, location: Option<PathBuf>) -> Result<Described> {
        let files = EncoderDirectory::read(dir)?;
        let text = input::read_text(&files.preprocessor, input::MAX_JSON).map_err(Error::io("read", &files.preprocessor))?;
        let at_fault =
            |reason: String| Error::encoder(&files.preprocessor, reason, "mend it, or take it from where the model comes from");
        let json = serde_json::from_str(&text).map_err(|e| at_fault(format!("is no JSON: {e}")))?;
        let mut preprocessing = Preprocessing::from_config(&json).map_err(at_fault)?;
        preprocessing.crop_offset = files.crop_offset;
        let size = preprocessing
            .fixed_size()
            .ok_or_else(|| at_fault("makes images of varying size, and a network takes them all alike".into()))?;
        let fingerprint = files.fingerprint(&preprocessing.canonical(), PIXEL_RULE)?.encoder;
        Ok(Described { name: files.name.clone(), fingerprint, location, preprocessing, size, files })
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.files.path
    }

    /// Whether texts can be embedded too.
    pub fn takes_texts(&self) -> bool {
        self.files.text.is_some()
    }

    /// Opens the networks.
    ///
    /// # Errors
    /// ONNX Runtime cannot open or run them, or their inputs and outputs are not what can be used.
    pub fn open(&self, runtime: &'static Runtime, options: Options) -> Result<Encoder> {
        let size = [self.size.1 as usize, self.size.0 as usize];
        let images = ImageModel::open(&self.files, size, runtime, options)?;
        let texts = match (&self.files.text, TextModel::open(&self.files, runtime, options)?) {
            (Some(files), Some(model)) => {
                if model.dimension() != images.dimension() {
                    let reason =
                        format!("gives vectors of {} numbers, the image network of {}", model.dimension(), images.dimension());
                    return Err(Error::encoder(&files.model, reason, "take both networks from the same model"));
                }
                Some((Tokenizer::open(&files.tokenizer)?, model))
            }
            _ => None,
        };
        Ok(Encoder { preprocessing: self.preprocessing.clone(), images, texts, files: self.files.clone() })
    }
}

impl Encoder {
    /// Numbers in a vector.
    pub fn dimension(&self) -> usize {
        self.images.dimension()
    }

    /// How an image becomes the network's input.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Images of one run; see [`Batch`].
    pub fn batch(&self) -> usize {
        self.images.batch()
    }

    /// Whether texts can be embedded too.
    pub fn takes_texts(&self) -> bool {
        self.texts.is_some()
    }

    /// A vector for each image of `pixels` (images × 3 × height × width, normalised).
    ///
    /// # Errors
    /// The network fails as a whole. A vector that cannot be used is that image's fault alone.
    pub fn embed_images(&mut self, pixels: &[f32]) -> Result<Vec<Vector>> {
        self.images.embed(pixels)
    }

    /// The vector of a text.
    ///
    /// # Errors
    /// The encoder takes no texts, or its network or tokenizer fails.
    pub fn embed_text(&mut self, text: &str) -> Result<TextVector> {
        let fault = |reason: String| Error::Encoder { path: self.files.path.clone(), reason, hint: None, source: None };
        let Some((tokenizer, model)) = &mut self.texts else { return Err(fault("takes no texts".into())) };
        let Tokens { ids, truncated } = tokenizer.tokens(text)?;
        match model.embed(&[ids])?.pop() {
            Some(Ok(vector)) => Ok(TextVector { vector, truncated }),
            Some(Err(e)) => Err(fault(format!("gives {} a vector that {e}", quote(text)))),
            None => Err(fault("gave no vector".into())),
        }
    }
}
