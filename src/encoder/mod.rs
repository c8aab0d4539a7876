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
//! | `files` | which of its files are what |
//! | `elsewhere` | directories that are not encoders as they are |
//! | `settings` | its `msdata.toml` |
//! | `naming` | what it is called; the hub's cache |
//! | `fingerprint` | what an encoder is, exactly, as a hash |
//! | [`onnx`] | networks, run with ONNX Runtime |
//! | `tokens` | a text as token ids |
//!
//! Images are run in batches of one size, so that the same image gives the same vector, bit for bit,
//! whatever its neighbours, its place and the number of threads; see [`Batch`].

mod builtin;
pub mod directory;
mod elsewhere;
mod files;
mod fingerprint;
pub mod home;
pub mod hub;
mod naming;
pub mod onnx;
pub mod registry;
mod settings;
mod tokens;

pub use builtin::BUILTIN;
pub use directory::{EncoderDirectory, Pooling};
pub use fingerprint::Fingerprint;
pub use home::{EncoderOrigin, Home, Installed, RemovedEncoder};
pub use hub::{Patience, pull};
pub use onnx::{Batch, Cells, Device, DeviceChoice, ImageModel, Options, Runtime, TextModel, Vector, VectorFault, weight_files};
pub use tokens::{MAX_TOKENS, Tokenizer, Tokens};

use crate::error::{Error, Result};
use crate::image::{PIXEL_RULE, Preprocessing, Transparency, is_siglip};
use crate::text::{nearest, plain, quote, shell_word};
use crate::vocabulary::EncoderName;
use crate::windows::DENSE_SIDE;
use directory::{FoundFiles, all_at_once, one_error, read_json};
use onnx::{ANY_SIZE, Declared, image_fit, signature, text_fit};
use registry::NamedEncoder;
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
    transparency: Transparency,
    /// The fingerprint where alpha is dropped.
    dropped: String,
    size: (u32, u32),
    files: EncoderDirectory,
}

/// An encoder, opened.
pub struct Encoder {
    preprocessing: Preprocessing,
    transparency: Transparency,
    images: ImageModel,
    texts: Option<(Tokenizer, TextModel)>,
    files: EncoderDirectory,
}

/// Says that a word names no encoder, and what may be meant: a file of one, the hub's name of one, a slip.
fn not_there(word: &str, home: &Home) -> Error {
    let path = Path::new(word);
    if path.is_file() {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return Error::request(
            format!("{} is a file; an encoder is a directory with its network and preprocessor_config.json", quote(word)),
            format!("give the directory: `--encoder {}`", shell_word(dir)),
        );
    }
    let message = format!("{} is neither an encoder on this machine nor a directory", quote(word));
    let of_hub = registry::ENCODERS.iter().find(|e| e.checkpoint == word || e.export.is_some_and(|x| x.repository == word));
    if let Some(NamedEncoder { name, .. }) = of_hub {
        return Error::request(
            message,
            format!("here it is called `{name}`: `--encoder {name}`, after `msdata encoders pull {name}`"),
        );
    }
    // The hub's cache writes OWNER/NAME as models--OWNER--NAME.
    let cached = home.hub_cache.as_ref().map(|cache| cache.join(format!("models--{}", word.replace('/', "--"))));
    if let Some(cached) = cached.filter(|dir| word.matches('/').count() == 1 && dir.is_dir()) {
        return Error::request(message, format!("the hub's cache has it: `--encoder {}`", shell_word(&cached)));
    }
    let known: Vec<&str> = registry::ENCODERS.iter().map(|e| e.name).chain([BUILTIN, "paper"]).collect();
    let hint = match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known names are {}; `msdata encoders list` shows what is here", known.join(", ")),
    };
    Error::request(message, hint)
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
            return Err(not_there(word, home));
        }
        // A link keeps its name, by which the encoder is known.
        let location = match Path::new(word).components().next_back() {
            Some(std::path::Component::Normal(_)) => std::path::absolute(word),
            _ => Path::new(word).canonicalize(),
        };
        Described::read(Path::new(word), Some(location.map_err(Error::io("resolve", word))?))
    }

    fn read(dir: &Path, location: Option<PathBuf>) -> Result<Described> {
        let (found, mut faults) = FoundFiles::in_directory(dir)?;
        let prepared = found.preparation(&mut faults);
        found.check_networks(prepared.as_ref().map(|(_, (width, height))| [*height as usize, *width as usize]), &mut faults);
        all_at_once(dir, faults)?;
        let (Some(files), Some((preprocessing, size))) = (found.directory(), prepared) else {
            return Err(Error::encoder(dir, "is not whole", "take it from where the model comes from again"));
        };
        let fingerprint = files.fingerprint(&preprocessing.canonical(), PIXEL_RULE)?.encoder;
        let (transparency, dropped) = (Transparency::Drop, fingerprint.clone());
        Ok(Described { name: files.name.clone(), fingerprint, location, preprocessing, transparency, dropped, size, files })
    }

    /// What became of transparent pixels where this encoder has another fingerprint; nothing if that is not why.
    pub fn other_transparency(&self, fingerprint: &str) -> Option<Transparency> {
        Transparency::ALL.iter().copied().find(|t| fingerprint::under(&self.dropped, *t) == fingerprint)
    }

    /// The same encoder, to which images are shown with `transparency`: another fingerprint, unless alpha is dropped.
    #[must_use]
    pub fn under(self, transparency: Transparency) -> Described {
        let fingerprint = fingerprint::under(&self.dropped, transparency);
        Described { fingerprint, transparency, ..self }
    }

    /// The output of the image network with a vector for each place, where `msdata.toml` names one.
    pub fn spatial(&self) -> Option<&str> {
        self.files.spatial.as_deref()
    }

    /// How many tokens of [`Described::spatial`] come before that of the first patch, where `msdata.toml` says
    /// so.
    pub fn prefix_tokens(&self) -> Option<usize> {
        self.files.prefix_tokens
    }

    /// Whether it can search dense windows, as far as its files tell.
    ///
    /// # Errors
    /// It has no spatial output, or its network takes one size of images only: with the line of `msdata.toml`, or the
    /// export, that is needed.
    pub fn check_dense(&self) -> Result<()> {
        let path = &self.files.image_model;
        let network = signature(path)?;
        if self.files.spatial.is_none() {
            return Err(self.files.without_spatial(&network.outputs));
        }
        let named = self.files.input.as_deref().unwrap_or("pixel_values");
        let input = network.inputs.iter().find(|input| input.name == named);
        let sides = input.map_or([None, None], |input| [input.fixed(2), input.fixed(3)]);
        if sides.iter().flatten().any(|side| *side != DENSE_SIDE as usize) {
            let [height, width] = sides.map(|side| side.map_or("any".to_owned(), |side| side.to_string()));
            let reason = format!("takes images of {height} × {width} only, and dense windows need {DENSE_SIDE} × {DENSE_SIDE}");
            return Err(Error::encoder(path, reason, ANY_SIZE));
        }
        Ok(())
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
        let mut faults = Vec::new();
        let images = ImageModel::open(&self.files, size, runtime, options).map_err(|fault| faults.push(fault)).ok();
        let texts = self.open_texts(runtime, options).map_err(|fault| faults.push(fault)).ok().flatten();
        if let (Some(images), Some((_, model)), Some(files)) = (&images, &texts, &self.files.text)
            && model.dimension() != images.dimension()
        {
            let reason = format!("gives vectors of {} numbers, the image network of {}", model.dimension(), images.dimension());
            let hint = "take both networks from the same model; or embed images alone: `text_model = \"none\"` in msdata.toml";
            faults.push(Error::encoder(&files.model, reason, hint));
        }
        match images {
            Some(images) if faults.is_empty() => {
                let (preprocessing, files) = (self.preprocessing.clone(), self.files.clone());
                Ok(Encoder { preprocessing, transparency: self.transparency, images, texts, files })
            }
            _ => Err(one_error(self.directory(), faults)),
        }
    }

    fn open_texts(&self, runtime: &'static Runtime, options: Options) -> Result<Option<(Tokenizer, TextModel)>> {
        let Some(files) = &self.files.text else { return Ok(None) };
        let mut faults = Vec::new();
        let tokenizer = tokenizer(&files.tokenizer, self.files.siglip).map_err(|fault| faults.push(fault)).ok();
        let model = TextModel::open(&self.files, runtime, options).map_err(|fault| faults.push(fault)).ok().flatten();
        match (tokenizer, model) {
            (Some(tokenizer), Some(model)) => Ok(Some((tokenizer, model))),
            _ => Err(one_error(self.directory(), faults)),
        }
    }
}

impl EncoderDirectory {
    /// That no spatial output is named; `outputs` are those that the image network has.
    fn without_spatial(&self, outputs: &[Declared]) -> Error {
        let spatial = |output: &&Declared| matches!(output.shape.len(), 3 | 4) && output.shape[2..].iter().all(|n| *n != 1);
        let hint = match outputs.iter().find(spatial) {
            Some(output) if output.shape.len() == 3 => format!(
                "if {} has a token for each patch, let msdata.toml say so: `spatial = \"{}\"`, and how many tokens come before \
                 the first patch: `prefix_tokens = 1`; or let windows be cut out: `--windows full`",
                output.described(),
                plain(&output.name)
            ),
            Some(output) => format!(
                "if {} is its feature map, let msdata.toml say so: `spatial = \"{}\"`; or let windows be cut out: \
                 `--windows full`",
                output.described(),
                plain(&output.name)
            ),
            None => "export it with its patch tokens or its feature map as an output, and let msdata.toml name that: \
                     `spatial = \"…\"`; or let windows be cut out: `--windows full`"
                .into(),
        };
        Error::encoder(&self.path, "names no spatial output, and dense windows are means of its cells", hint)
    }
}

/// The tokenizer of a text network.
fn tokenizer(path: &Path, siglip: bool) -> Result<Tokenizer> {
    let tokenizer = Tokenizer::open(path)?;
    if tokenizer.pads() && !siglip {
        return Err(Error::encoder(
            path,
            "puts an end token alone behind a text, and only SigLIP's texts are known to be padded for that",
            "if it is SigLIP's, let preprocessor_config.json say `\"image_processor_type\": \"SiglipImageProcessor\"`; if not, \
             embed images alone: `text_model = \"none\"` in msdata.toml",
        ));
    }
    Ok(tokenizer)
}

impl FoundFiles {
    /// How images are prepared, and the width and height that they get.
    fn preparation(&self, faults: &mut Vec<Error>) -> Option<(Preprocessing, (u32, u32))> {
        let path = self.preprocessor.as_ref()?;
        let prepared = read_json(path).and_then(|json| {
            let at_fault = |reason: String| Error::encoder(path, reason, CONFIG_HINT);
            let mut preprocessing = Preprocessing::from_config(&json).map_err(at_fault)?;
            self.refuse_contradiction(path, &preprocessing)?;
            preprocessing.crop_offset = self.settings.crop_offset;
            let varying = || at_fault("makes images of varying size, and a network takes them all alike".into());
            let size = preprocessing.fixed_size().ok_or_else(varying)?;
            Ok((preprocessing, size))
        });
        prepared.map_err(|fault| faults.push(fault)).ok()
    }

    /// Two files may say how images are prepared, and programs differ in which one they read.
    fn refuse_contradiction(&self, path: &Path, preprocessing: &Preprocessing) -> Result<()> {
        let other = path.with_file_name("processor_config.json");
        if other == *path || !other.is_file() {
            return Ok(());
        }
        let json = read_json(&other)?;
        let contradicts = json.get("image_processor").is_some_and(serde_json::Value::is_object)
            && Preprocessing::from_config(&json).as_ref() != Ok(preprocessing);
        if contradicts {
            let reason = "and processor_config.json beside it prepare images in two ways";
            return Err(Error::encoder(path, reason, "keep the one that is right, and take the other away"));
        }
        Ok(())
    }

    /// Holds the networks, as their files declare them, and the tokenizer to what is wanted of them.
    fn check_networks(&self, size: Option<[usize; 2]>, faults: &mut Vec<Error>) {
        let config = self.preprocessor.as_ref().and_then(|path| read_json(path).ok());
        let siglip = config.is_some_and(|config| is_siglip(&config));
        let wants = self.settings.wants(siglip);
        if let Some(path) = &self.image_model {
            match signature(path) {
                Ok(signature) => {
                    faults.extend(image_fit(path, &signature, wants, size).err().into_iter().flatten());
                    let is_combined = self.text_model.is_none() && signature.inputs.iter().any(|input| input.name == "input_ids");
                    if is_combined && !self.path.join("tokenizer.json").is_file() {
                        let reason = "has no tokenizer.json: its texts need it";
                        faults.push(Error::encoder(&self.path, reason, "take tokenizer.json from where the model comes from"));
                    }
                }
                Err(fault) => faults.push(fault),
            }
        }
        if let Some(path) = &self.text_model {
            match signature(path) {
                Ok(signature) => faults.extend(text_fit(path, &signature, wants).err().into_iter().flatten()),
                Err(fault) => faults.push(fault),
            }
        }
        // Large ones take a second to open, so that it is left for later where nothing else is wrong.
        if let Some(path) = self.tokenizer.as_ref().filter(|_| siglip || !faults.is_empty()) {
            faults.extend(tokenizer(path, siglip).err());
        }
    }
}

/// What to do where the preprocessing cannot be understood.
const CONFIG_HINT: &str = "docs/encoders.md lists the processors and keys that are understood; a file that spells out every step \
                           need not name a processor";

impl Encoder {
    /// Numbers in a vector.
    pub fn dimension(&self) -> usize {
        self.images.dimension()
    }

    /// Width and height of its input, in pixels.
    pub fn size(&self) -> [u32; 2] {
        let [height, width] = self.images.size();
        [width as u32, height as u32]
    }

    /// Numbers in its input of one image: 3 × height × width.
    pub fn numbers(&self) -> usize {
        let [height, width] = self.images.size();
        3 * height * width
    }

    /// How an image becomes the network's input.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// What becomes of transparent pixels before.
    pub fn transparency(&self) -> Transparency {
        self.transparency
    }

    /// Images to embed in one call: fewer leave some of the processor idle.
    pub fn at_once(&self) -> usize {
        self.images.at_once()
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

    /// The cells of images of `size` (width and height in pixels) by the spatial output. `pixels` is images × 3 ×
    /// height × width, normalised.
    ///
    /// # Errors
    /// There is no such output, it is not of places, or the network takes no images of this size.
    pub fn cells(&mut self, pixels: &[f32], [width, height]: [u32; 2]) -> Result<Vec<Cells>> {
        let Some(output) = &self.files.spatial else { return Err(self.files.without_spatial(&[])) };
        self.images.cells(output, self.files.prefix_tokens, [height as usize, width as usize], pixels)
    }

    /// Whether the network gives cells of an image as dense windows need it: tried on a black one.
    ///
    /// # Errors
    /// As [`Encoder::cells`].
    pub fn try_dense(&mut self) -> Result<()> {
        let Some(output) = &self.files.spatial else { return Err(self.files.without_spatial(&[])) };
        self.images.try_cells(output, self.files.prefix_tokens, [DENSE_SIDE as usize; 2])
    }

    /// The vector of a text, or why this text has none.
    ///
    /// # Errors
    /// The encoder takes no texts, or its network fails whatever the text.
    pub fn embed_text(&mut self, text: &str) -> Result<std::result::Result<TextVector, String>> {
        let Some((tokenizer, model)) = &mut self.texts else {
            return Err(Error::Encoder {
                path: self.files.path.clone(),
                reason: "takes no texts".into(),
                hint: None,
                source: None,
            });
        };
        let Tokens { ids, truncated } = match tokenizer.tokens(text) {
            Ok(tokens) => tokens,
            Err(fault) => return Ok(Err(fault.to_string())),
        };
        let vector = model.embed(&[ids])?.pop().unwrap_or(Err(VectorFault::AllZero));
        Ok(vector.map(|vector| TextVector { vector, truncated }).map_err(|fault| fault.to_string()))
    }
}
