//! An encoder as a directory in the layout of the Hugging Face hub.
//!
//! | file | |
//! |---|---|
//! | `vision_model.onnx`, else `model.onnx` | the image network; at the top or in `onnx/` |
//! | `text_model.onnx` | the text network, if there is one; the same places |
//! | `preprocessor_config.json`, else `processor_config.json` | how an image becomes its input |
//! | `tokenizer.json` | how a text becomes its input |
//! | `msdata.toml` | optional: what the others cannot say, see [`EncoderDirectory`] |
//!
//! The top comes before `onnx/`. `output` names the output that is the embedding; a text network
//! follows it where it has an output of that name, and else gives `text_embeds`. A directory of the hub's
//! cache (`models--OWNER--NAME/snapshots/COMMIT`) is called by its repository.
//!
//! Whatever is read here is read with a bound (`read_bounded`).

use super::elsewhere::{encoders_below, has_encoder_file};
use super::files::{image_model, preprocessor, required, text_model};
use super::naming::{encoder_name, inside_repository};
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::image::{CropOffset, is_siglip};
use crate::input;
use crate::vocabulary::EncoderName;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// An encoder's directory, described; nothing is loaded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderDirectory {
    /// The directory.
    pub path: PathBuf,
    /// The encoder's name: of the directory or the repository, unless `msdata.toml` says another.
    pub name: EncoderName,
    /// The image network.
    pub image_model: PathBuf,
    /// `preprocessor_config.json`, or the `processor_config.json` that holds the same.
    pub preprocessor: PathBuf,
    /// The text network and what it needs.
    pub text: Option<TextFiles>,
    /// The image network's input, where `msdata.toml` says so; else `pixel_values`.
    pub input: Option<String>,
    /// The output that is the embedding, where `msdata.toml` says so.
    pub output: Option<String>,
    /// The text network's input of token ids, where `msdata.toml` says so; else `input_ids`.
    pub text_input: Option<String>,
    /// The text network's output that is the embedding, where `msdata.toml` says so.
    pub text_output: Option<String>,
    /// How the output becomes one vector, where `msdata.toml` says so.
    pub pooling: Option<Pooling>,
    /// How the crop is placed.
    pub crop_offset: CropOffset,
    /// An output of the image network with a vector for each place, where `msdata.toml` names one: tokens
    /// (batch × tokens × numbers) or a feature map (batch × numbers × rows × columns).
    pub spatial: Option<String>,
    /// How many tokens of `spatial` come before that of the first patch (class token, registers), where
    /// `msdata.toml` says so.
    pub prefix_tokens: Option<usize>,
    /// Whether its images are prepared by SigLIP's processor: its networks then give their embedding as
    /// `pooler_output` (there is no class token), and its tokenizer may add an end token alone.
    pub siglip: bool,
}

/// The files of a text network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFiles {
    /// The network.
    pub model: PathBuf,
    /// `tokenizer.json`.
    pub tokenizer: PathBuf,
}

/// How an output of several vectors becomes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The first token.
    Cls,
    /// The mean of all tokens (the class token among them), or of all places of a feature map.
    Mean,
    /// The output is one vector already.
    None,
}

impl Pooling {
    pub(super) const WORDS: [(&'static str, Pooling); 3] =
        [("cls", Pooling::Cls), ("mean", Pooling::Mean), ("none", Pooling::None)];

    /// As `msdata.toml` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Pooling::Cls => "cls",
            Pooling::Mean => "mean",
            Pooling::None => "none",
        }
    }
}

/// Bytes of a JSON file of an encoder, but for its tokenizer; they are a few hundred.
pub(super) const MAX_CONFIG: u64 = 1 << 20;

/// The bytes of a small file of an encoder, `limit` of them at most.
///
/// # Errors
/// It cannot be read, is larger, or is not a regular file: a device has no end, and a pipe makes one wait.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    input::read(path, limit).map_err(|e| match e.kind() {
        ErrorKind::InvalidInput | ErrorKind::IsADirectory | ErrorKind::FileTooLarge => {
            Error::encoder(path, e.to_string(), "is it the right file? take it from where the model comes from")
        }
        _ => Error::io("read", path)(e),
    })
}

/// As [`read_bounded`]; `None` where there is no such file.
///
/// # Errors
/// As [`read_bounded`].
pub(crate) fn read_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    match read_bounded(path, limit) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// A JSON file of an encoder.
///
/// # Errors
/// It cannot be read, or is not JSON.
pub(super) fn read_json(path: &Path) -> Result<serde_json::Value> {
    serde_json::from_slice(&read_bounded(path, MAX_CONFIG)?).map_err(Error::model(path, "is not JSON"))
}

/// Nothing, if nothing is wrong; else [`one_error`].
///
/// # Errors
/// There is something.
pub(super) fn all_at_once(dir: &Path, faults: Vec<Error>) -> Result<()> {
    if faults.is_empty() { Ok(()) } else { Err(one_error(dir, faults)) }
}

/// One error of all that is wrong with a directory, or with a file of it.
pub(super) fn one_error(dir: &Path, mut faults: Vec<Error>) -> Error {
    if faults.len() == 1 {
        return faults.remove(0);
    }
    let reasons: Vec<String> = faults.iter().map(|fault| format!("\n  {fault}")).collect();
    let mut hints: Vec<String> = Vec::new();
    for hint in faults.iter().filter_map(Error::hint) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    let reason = format!("{} things are wrong{}", faults.len(), reasons.concat());
    let hint = (!hints.is_empty()).then(|| hints.join("\nhint: "));
    Error::Encoder { path: dir.to_path_buf(), reason, hint, source: None }
}

impl EncoderDirectory {
    /// Reads a directory's description.
    ///
    /// # Errors
    /// [`Error::Encoder`] with all that is wrong: no such directory, files that are missing, faults of
    /// `msdata.toml`.
    pub fn read(path: &Path) -> Result<EncoderDirectory> {
        let (found, faults) = FoundFiles::in_directory(path)?;
        all_at_once(path, faults)?;
        found.directory().ok_or_else(|| Error::encoder(path, "is not whole", "take it from where the model comes from again"))
    }
}

/// What was found in a directory, whole or not.
pub(super) struct FoundFiles {
    pub path: PathBuf,
    name: Option<EncoderName>,
    pub image_model: Option<PathBuf>,
    pub preprocessor: Option<PathBuf>,
    pub text_model: Option<PathBuf>,
    pub tokenizer: Option<PathBuf>,
    pub settings: Settings,
}

impl FoundFiles {
    /// Looks for an encoder's files, and says all that is wrong with what it finds.
    ///
    /// # Errors
    /// There is no directory to look into.
    pub(super) fn in_directory(path: &Path) -> Result<(FoundFiles, Vec<Error>)> {
        if !path.is_dir() {
            let reason = if path.exists() { "is not a directory" } else { "no such directory" };
            return Err(Error::encoder(path, reason, "an encoder is a directory with model.onnx and preprocessor_config.json"));
        }
        let path = &inside_repository(path)?;
        if !has_encoder_file(path) {
            let inner = encoders_below(path);
            if !inner.is_empty() {
                let reason = "is not an encoder, but a directory of encoders";
                return Err(Error::encoder(path, reason, format!("give one of the directories in it: {}", inner.join(", "))));
            }
        }
        let mut faults = Vec::new();
        let mut found = FoundFiles {
            path: path.clone(),
            name: None,
            image_model: None,
            preprocessor: None,
            text_model: None,
            tokenizer: None,
            settings: Settings::read(path).unwrap_or_else(|fault| {
                faults.push(fault);
                Settings::default()
            }),
        };
        let mut keep = |result: Result<Option<PathBuf>>| {
            result.unwrap_or_else(|fault| {
                faults.push(fault);
                None
            })
        };
        found.image_model = keep(image_model(path, &found.settings));
        found.preprocessor = keep(preprocessor(path));
        found.text_model = keep(text_model(path, &found.settings));
        if found.text_model.is_some() {
            found.tokenizer = keep(required(path, "tokenizer.json", "its text network needs it"));
        }
        match encoder_name(path, found.settings.name.as_deref()) {
            Ok(name) => found.name = Some(name),
            Err(fault) => faults.push(fault),
        }
        Ok((found, faults))
    }

    /// The directory, if everything is there.
    pub(super) fn directory(self) -> Option<EncoderDirectory> {
        let text = match (self.text_model, self.tokenizer) {
            (Some(model), Some(tokenizer)) => Some(TextFiles { model, tokenizer }),
            (Some(_), None) => return None,
            (None, _) => None,
        };
        let preprocessor = self.preprocessor?;
        let siglip = read_json(&preprocessor).is_ok_and(|config| is_siglip(&config));
        let Settings { input, output, text_input, text_output, pooling, crop_offset, spatial, prefix_tokens, .. } = self.settings;
        Some(EncoderDirectory {
            path: self.path,
            name: self.name?,
            image_model: self.image_model?,
            preprocessor,
            text,
            input,
            output,
            text_input,
            text_output,
            pooling,
            crop_offset,
            spatial,
            prefix_tokens,
            siglip,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::SETTINGS;
    use super::*;

    /// A directory with these files in it, all but `msdata.toml` empty.
    fn encoder(files: &[&str], settings: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("my-encoder");
        std::fs::create_dir_all(path.join("onnx")).unwrap();
        for file in files {
            std::fs::write(path.join(file), "").unwrap();
        }
        if !settings.is_empty() {
            std::fs::write(path.join(SETTINGS), settings).unwrap();
        }
        (dir, path)
    }

    #[test]
    fn an_image_encoder() {
        let (_dir, path) = encoder(&["model.onnx", "preprocessor_config.json"], "");
        let read = EncoderDirectory::read(&path).unwrap();
        assert_eq!((read.name.as_str(), &read.image_model), ("my-encoder", &path.join("model.onnx")));
        assert_eq!((read.text, read.output, read.pooling, read.crop_offset), (None, None, None, CropOffset::Floor));
        assert_eq!(EncoderDirectory::read(&path.join("")).unwrap().name.as_str(), "my-encoder", "a trailing slash");
        assert_eq!(EncoderDirectory::read(&path.join(".")).unwrap().name.as_str(), "my-encoder");
        assert_eq!(EncoderDirectory::read(&path.join("onnx/..")).unwrap().name.as_str(), "my-encoder");
    }

    #[test]
    fn two_networks_come_before_a_combined_one() {
        let files =
            ["onnx/model.onnx", "onnx/vision_model.onnx", "onnx/text_model.onnx", "preprocessor_config.json", "tokenizer.json"];
        let (_dir, path) = encoder(&files, "");
        let read = EncoderDirectory::read(&path).unwrap();
        assert_eq!(read.image_model, path.join("onnx/vision_model.onnx"));
        let text = TextFiles { model: path.join("onnx/text_model.onnx"), tokenizer: path.join("tokenizer.json") };
        assert_eq!(read.text, Some(text));
    }

    #[test]
    fn settings() {
        let files = ["model.onnx", "preprocessor_config.json"];
        let (_dir, path) = encoder(
            &files,
            "name = \"mine\"\noutput = \"features\"\npooling = \"mean\"\ncrop_offset = \"half_even\"\n\
             input = \"images\"\nspatial = \"patches\"\nprefix_tokens = 5\n",
        );
        let read = EncoderDirectory::read(&path).unwrap();
        assert_eq!(
            (read.input.as_deref(), read.spatial.as_deref(), read.prefix_tokens),
            (Some("images"), Some("patches"), Some(5))
        );
        assert_eq!((read.name.as_str(), read.output.as_deref()), ("mine", Some("features")));
        assert_eq!((read.pooling, read.crop_offset), (Some(Pooling::Mean), CropOffset::HalfEven));
    }

    #[test]
    fn faults_name_the_file_and_the_key() {
        let files = ["model.onnx", "preprocessor_config.json"];
        for (settings, said) in [
            ("colour = 1\nname = \"x\"\npoling = \"cls\"", "does not know `colour`, `poling`"),
            ("pooling = \"max\"", "`pooling` is `max`, none of cls, mean, none"),
            ("prefix_tokens = -1", "`prefix_tokens` must be a whole number from 0"),
            ("spatial = 1\ncolour = 2", "does not know `colour`; `spatial` must be a text"),
            ("image_model = \"../other.onnx\"", "must be a file inside the directory"),
            ("crop_offset = true", "`crop_offset` must be a text"),
            ("name = ", "is not TOML"),
        ] {
            let (_dir, path) = encoder(&files, settings);
            let error = EncoderDirectory::read(&path).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("msdata.toml"), "{error}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_what_was_never_fetched_is_named() {
        let (_dir, path) = encoder(&["preprocessor_config.json"], "");
        std::os::unix::fs::symlink("../../blobs/0123", path.join("onnx/model.onnx")).unwrap();
        let error = EncoderDirectory::read(&path).unwrap_err().to_string();
        assert!(error.contains("onnx/model.onnx: is not a regular file, or is a link to one that is not there"), "{error}");
    }

    #[test]
    fn missing_files_are_named() {
        for (files, said) in [
            (&[][..], "has no model.onnx"),
            (&[], "has no preprocessor_config.json"),
            (
                &["model_fp16.onnx", "onnx/model_q4.onnx"],
                "has no model.onnx or vision_model.onnx, only model_fp16.onnx, onnx/model_q4.onnx",
            ),
            (&["model.onnx", "onnx/text_model_int8.onnx"], "has no text_model.onnx, only onnx/text_model_int8.onnx"),
            (&["model.onnx"], "has no preprocessor_config.json"),
            (&["vision_model.onnx", "text_model.onnx", "preprocessor_config.json"], "has no tokenizer.json"),
        ] {
            let (_dir, path) = encoder(files, "");
            let error = EncoderDirectory::read(&path).unwrap_err();
            assert!(error.to_string().contains(said) && error.hint().is_some(), "{error}");
        }
        assert!(EncoderDirectory::read(Path::new("/none/such")).unwrap_err().to_string().contains("no such directory"));
    }
}
