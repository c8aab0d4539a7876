//! An encoder as a directory in the layout of the Hugging Face hub.
//!
//! | file | |
//! |---|---|
//! | `vision_model.onnx`, else `model.onnx` | the image network; at the top or in `onnx/` |
//! | `text_model.onnx` | the text network, if there is one; the same places |
//! | `preprocessor_config.json` | how an image becomes its input |
//! | `tokenizer.json` | how a text becomes its input |
//! | `msdata.toml` | optional: `name`, `output`, `pooling`, `crop_offset` |
//!
//! The top comes before `onnx/`. `output` names the output that is the embedding; a text network
//! follows it where it has an output of that name, and else gives `text_embeds`.

use crate::error::{Error, Result};
use crate::image::CropOffset;
use crate::input;
use crate::vocabulary::EncoderName;
use std::path::{Path, PathBuf};

/// An encoder's directory, described; nothing is loaded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderDirectory {
    /// The directory.
    pub path: PathBuf,
    /// The encoder's name: of the directory, unless `msdata.toml` says another.
    pub name: EncoderName,
    /// The image network.
    pub image_model: PathBuf,
    /// `preprocessor_config.json`.
    pub preprocessor: PathBuf,
    /// The text network and what it needs.
    pub text: Option<TextFiles>,
    /// The output that is the embedding, where `msdata.toml` says so.
    pub output: Option<String>,
    /// How the output becomes one vector, where `msdata.toml` says so.
    pub pooling: Option<Pooling>,
    /// How the crop is placed.
    pub crop_offset: CropOffset,
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
    const WORDS: [(&'static str, Pooling); 3] = [("cls", Pooling::Cls), ("mean", Pooling::Mean), ("none", Pooling::None)];

    /// As `msdata.toml` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Pooling::Cls => "cls",
            Pooling::Mean => "mean",
            Pooling::None => "none",
        }
    }
}

const CROP_OFFSETS: [(&str, CropOffset); 2] = [("floor", CropOffset::Floor), ("half_even", CropOffset::HalfEven)];

/// The settings' file.
const SETTINGS: &str = "msdata.toml";
/// Where `pip` and the hub's exporters put networks: at the top, or a folder down.
const PLACES: [&str; 2] = ["", "onnx"];

impl EncoderDirectory {
    /// Reads a directory's description.
    ///
    /// # Errors
    /// [`Error::Encoder`]: no such directory, a file that is missing, or `msdata.toml` is at fault.
    pub fn read(path: &Path) -> Result<EncoderDirectory> {
        if !path.is_dir() {
            let reason = if path.exists() { "is no directory" } else { "no such directory" };
            return Err(Error::encoder(path, reason, "an encoder is a directory with model.onnx and preprocessor_config.json"));
        }
        let settings = Settings::read(&path.join(SETTINGS))?;
        let name = match settings.name {
            Some(name) => name,
            None => directory_name(path)?,
        };
        let name = EncoderName::new(name)
            .map_err(|fault| Error::encoder(path, format!("its name {fault}"), "give it another: `name` in its msdata.toml"))?;
        let image_model = ["vision_model.onnx", "model.onnx"].iter().find_map(|file| find(path, file)).ok_or_else(|| {
            Error::encoder(
                path,
                "has no model.onnx or vision_model.onnx, neither at its top nor in onnx/",
                "export the image network to ONNX, or give the directory that holds it",
            )
        })?;
        let text = match find(path, "text_model.onnx") {
            Some(model) => {
                Some(TextFiles { model, tokenizer: required(path, "tokenizer.json", "its text_model.onnx needs it")? })
            }
            None => None,
        };
        Ok(EncoderDirectory {
            path: path.to_path_buf(),
            name,
            image_model,
            preprocessor: required(path, "preprocessor_config.json", "it says how an image becomes the network's input")?,
            text,
            output: settings.output,
            pooling: settings.pooling,
            crop_offset: settings.crop_offset,
        })
    }
}

fn find(dir: &Path, file: &str) -> Option<PathBuf> {
    PLACES.iter().map(|place| dir.join(place).join(file)).find(|path| path.is_file())
}

fn required(dir: &Path, file: &str, why: &str) -> Result<PathBuf> {
    find(dir, file).ok_or_else(|| {
        Error::encoder(dir, format!("has no {file}: {why}"), format!("take {file} from where the model comes from"))
    })
}

/// The last part of the path; of `.` and `..`, of what they stand for. Links keep their own name.
fn directory_name(path: &Path) -> Result<String> {
    let named = match path.components().next_back() {
        Some(std::path::Component::Normal(_)) => path.to_path_buf(),
        _ => path.canonicalize().map_err(Error::io("resolve", path))?,
    };
    let name = named.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.ok_or_else(|| Error::encoder(path, "has no name to call the encoder by", "give it one: `name` in its msdata.toml"))
}

/// What `msdata.toml` says.
#[derive(Default)]
struct Settings {
    name: Option<String>,
    output: Option<String>,
    pooling: Option<Pooling>,
    crop_offset: CropOffset,
}

impl Settings {
    const KEYS: [&str; 4] = ["name", "output", "pooling", "crop_offset"];

    /// The defaults where there is no such file.
    fn read(path: &Path) -> Result<Settings> {
        let text = match input::read_text(path, input::MAX_SETTINGS) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Settings::default()),
            Err(e) => return Err(Error::io("read", path)(e)),
        };
        let at_fault = |reason: String| Error::encoder(path, reason, format!("it may say {}", Settings::KEYS.join(", ")));
        let table: toml::Table = text.parse().map_err(Error::model(path, "is no TOML"))?;
        let unknown: Vec<_> =
            table.keys().filter(|key| !Settings::KEYS.contains(&key.as_str())).map(|k| format!("`{k}`")).collect();
        if !unknown.is_empty() {
            return Err(at_fault(format!("does not know {}", unknown.join(", "))));
        }
        let word = |key: &str| match table.get(key) {
            None => Ok(None),
            Some(toml::Value::String(word)) if !word.trim().is_empty() => Ok(Some(word.as_str())),
            Some(_) => Err(at_fault(format!("`{key}` must be a text in quotes, not empty"))),
        };
        Ok(Settings {
            name: word("name")?.map(str::to_owned),
            output: word("output")?.map(str::to_owned),
            pooling: word("pooling")?.map(|w| one_of("pooling", w, &Pooling::WORDS).map_err(at_fault)).transpose()?,
            crop_offset: word("crop_offset")?
                .map(|w| one_of("crop_offset", w, &CROP_OFFSETS).map_err(at_fault))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

fn one_of<T: Copy>(key: &str, word: &str, words: &[(&str, T)]) -> std::result::Result<T, String> {
    words.iter().find(|(w, _)| *w == word).map(|(_, value)| *value).ok_or_else(|| {
        let allowed: Vec<_> = words.iter().map(|(w, _)| *w).collect();
        format!("`{key}` is `{}`, none of {}", word.escape_debug(), allowed.join(", "))
    })
}

#[cfg(test)]
mod tests {
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
        let (_dir, path) =
            encoder(&files, "name = \"mine\"\noutput = \"features\"\npooling = \"mean\"\ncrop_offset = \"half_even\"\n");
        let read = EncoderDirectory::read(&path).unwrap();
        assert_eq!((read.name.as_str(), read.output.as_deref()), ("mine", Some("features")));
        assert_eq!((read.pooling, read.crop_offset), (Some(Pooling::Mean), CropOffset::HalfEven));
    }

    #[test]
    fn faults_name_the_file_and_the_key() {
        let files = ["model.onnx", "preprocessor_config.json"];
        for (settings, said) in [
            ("colour = 1\nname = \"x\"\npoling = \"cls\"", "does not know `colour`, `poling`"),
            ("pooling = \"max\"", "`pooling` is `max`, none of cls, mean, none"),
            ("crop_offset = true", "`crop_offset` must be a text"),
            ("name = ", "is no TOML"),
        ] {
            let (_dir, path) = encoder(&files, settings);
            let error = EncoderDirectory::read(&path).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("msdata.toml"), "{error}");
        }
    }

    #[test]
    fn missing_files_are_named() {
        for (files, said) in [
            (&[][..], "has no model.onnx"),
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
