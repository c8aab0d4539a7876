//! What an encoder is, exactly: hashes over all that its vectors depend on.
//!
//! Vectors of different fingerprints never meet in one score. Covered are the bytes of each network
//! with its weight files, the preprocessing, the choice of the output, the pixel rule, the tokenizer
//! and the cut, and what becomes of transparent pixels. Names, places and the version of ONNX Runtime are not.

use super::directory::EncoderDirectory;
use super::onnx::{CHOICE_RULE, weight_files};
use super::tokens::{MAX_TOKENS, Tokenizer};
use crate::error::{Error, Result};
use crate::image::Transparency;
use std::io::Read;
use std::path::Path;

/// BLAKE3, in hexadecimal, of an encoder and of its two halves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Both halves; of an encoder without a text network, of the image half alone.
    pub encoder: String,
    /// The image half: changes of the text half leave it as it is.
    pub image: String,
    /// The text half.
    pub text: Option<String>,
}

impl EncoderDirectory {
    /// Reads every byte of the networks, in pieces. `preprocessing` is its canonical text,
    /// `pixel_rule` the number of the rule by which files become pixels.
    ///
    /// # Errors
    /// A file cannot be read, or a model is not whole.
    pub fn fingerprint(&self, preprocessing: &str, pixel_rule: u32) -> Result<Fingerprint> {
        let mut image = FingerprintParts::new("image");
        image.model(&self.image_model)?;
        image.part("preprocessing", preprocessing.as_bytes());
        image.part("pixel rule", pixel_rule.to_string().as_bytes());
        self.choice(&mut image);
        // These came later: they count where they are set, and leave older fingerprints as they are.
        image.optional("input", self.input.as_deref());
        image.optional("spatial", self.spatial.as_deref());
        image.optional("prefix tokens", self.prefix_tokens.map(|n| n.to_string()).as_deref());
        let image = image.end();

        let text = match &self.text {
            Some(files) => {
                let mut text = FingerprintParts::new("text");
                text.model(&files.model)?;
                text.file("tokenizer", &files.tokenizer)?;
                // Only SigLIP's texts are padded; opening a tokenizer takes a moment.
                let rule = match self.siglip {
                    true => Tokenizer::open(&files.tokenizer)?.rule(),
                    false => format!("{MAX_TOKENS} tokens, the last of them the end token"),
                };
                text.part("cut", rule.as_bytes());
                self.choice(&mut text);
                text.optional("text input", self.text_input.as_deref());
                text.optional("text output", self.text_output.as_deref());
                Some(text.end())
            }
            None => None,
        };

        let mut encoder = FingerprintParts::new("encoder");
        encoder.part("image", image.as_bytes());
        encoder.part("text", text.as_deref().unwrap_or_default().as_bytes());
        Ok(Fingerprint { encoder: encoder.end(), image, text })
    }

    fn choice(&self, parts: &mut FingerprintParts) {
        parts.part("choice of the output", CHOICE_RULE.to_string().as_bytes());
        parts.part("output", self.output.as_deref().unwrap_or_default().as_bytes());
        parts.part("pooling", self.pooling.map_or("", |p| p.as_str()).as_bytes());
        parts.optional("family", self.siglip.then_some("SigLIP"));
    }
}

/// The fingerprint of an encoder to which images are shown with `transparency`; dropping alpha is what the pixel rule
/// does by itself.
pub fn under(fingerprint: &str, transparency: Transparency) -> String {
    if transparency == Transparency::Drop {
        return fingerprint.to_owned();
    }
    let mut parts = FingerprintParts::new("encoder with transparency");
    parts.part("encoder", fingerprint.as_bytes());
    parts.part("transparency", transparency.as_str().as_bytes());
    parts.end()
}

/// A hash of named parts; each goes in with its length, so that no two lists of parts look alike.
struct FingerprintParts(blake3::Hasher);

impl FingerprintParts {
    fn new(what: &str) -> FingerprintParts {
        let mut parts = FingerprintParts(blake3::Hasher::new());
        parts.part("msdata encoder fingerprint 1", what.as_bytes());
        parts
    }

    fn part(&mut self, name: &str, content: &[u8]) {
        self.head(name, content.len() as u64);
        self.0.update(content);
    }

    fn optional(&mut self, name: &str, content: Option<&str>) {
        if let Some(content) = content {
            self.part(name, content.as_bytes());
        }
    }

    fn head(&mut self, name: &str, length: u64) {
        self.0.update(&(name.len() as u64).to_le_bytes());
        self.0.update(name.as_bytes());
        self.0.update(&length.to_le_bytes());
    }

    fn file(&mut self, name: &str, path: &Path) -> Result<()> {
        let mut file = crate::input::open(path).map_err(Error::io("read", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        self.head(name, length);
        let mut buffer = vec![0; 1 << 18];
        let mut read = 0;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    self.0.update(&buffer[..n]);
                    read += n as u64;
                    if read > length {
                        break; // it grows, and may have no end
                    }
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io("read", path)(e)),
            }
        }
        if read == length {
            return Ok(());
        }
        Err(Error::encoder(path, "changed while it was read", "run the command again once nothing writes there"))
    }

    fn model(&mut self, path: &Path) -> Result<()> {
        let weights = weight_files(path)?;
        self.file("model", path)?;
        weights.iter().try_for_each(|weights| self.file(&weights.location, &weights.path))
    }

    fn end(self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::Pooling;
    use super::super::onnx::sample::{Model, tensor_outside};
    use super::*;

    fn encoder() -> (tempfile::TempDir, EncoderDirectory) {
        let dir = tempfile::Builder::new().prefix("net").tempdir().unwrap();
        let model = Model::channel_means().with_initializer(tensor_outside("w", "model.onnx_data", 0, 4));
        for (file, bytes) in [
            ("model.onnx", model.bytes()),
            ("model.onnx_data", vec![1, 2, 3, 4]),
            ("text_model.onnx", Model::channel_means().bytes()),
            ("tokenizer.json", b"{}".to_vec()),
            ("preprocessor_config.json", b"{}".to_vec()),
        ] {
            std::fs::write(dir.path().join(file), bytes).unwrap();
        }
        let read = EncoderDirectory::read(dir.path()).unwrap();
        (dir, read)
    }

    #[test]
    fn every_part_counts_and_only_on_its_side() {
        let (dir, encoder) = encoder();
        let first = encoder.fingerprint("resize 256", 1).unwrap();
        assert_eq!(first, encoder.fingerprint("resize 256", 1).unwrap());
        assert_eq!(first.encoder.len(), 64);

        let image_only = |other: &Fingerprint| {
            assert_ne!(first.encoder, other.encoder);
            assert_ne!(first.image, other.image);
            assert_eq!(first.text, other.text);
        };
        image_only(&encoder.fingerprint("resize 224", 1).unwrap());
        image_only(&encoder.fingerprint("resize 256", 2).unwrap());
        std::fs::write(dir.path().join("model.onnx_data"), [1, 2, 3, 5]).unwrap();
        image_only(&encoder.fingerprint("resize 256", 1).unwrap());
        std::fs::write(dir.path().join("model.onnx_data"), [1, 2, 3, 4]).unwrap();
        assert_eq!(first, encoder.fingerprint("resize 256", 1).unwrap());

        std::fs::write(dir.path().join("tokenizer.json"), "{ }").unwrap();
        let other = encoder.fingerprint("resize 256", 1).unwrap();
        assert_eq!(first.image, other.image);
        assert_ne!(first.text, other.text);
        assert_ne!(first.encoder, other.encoder);
    }

    #[test]
    fn output_and_pooling_count_and_the_name_does_not() {
        let (_dir, encoder) = encoder();
        let first = encoder.fingerprint("", 1).unwrap();
        let renamed = EncoderDirectory { name: "other".parse().unwrap(), ..encoder.clone() };
        assert_eq!(first, renamed.fingerprint("", 1).unwrap());
        let output = EncoderDirectory { output: Some("x".into()), ..encoder.clone() };
        for changed in [
            EncoderDirectory { input: Some("x".into()), ..encoder.clone() },
            EncoderDirectory { spatial: Some("x".into()), ..encoder.clone() },
            EncoderDirectory { prefix_tokens: Some(1), ..encoder.clone() },
        ] {
            assert_ne!(first.image, changed.fingerprint("", 1).unwrap().image);
        }
        let pooling = EncoderDirectory { pooling: Some(Pooling::Mean), ..encoder };
        assert_ne!(first.image, output.fingerprint("", 1).unwrap().image);
        assert_ne!(first.image, pooling.fingerprint("", 1).unwrap().image);
    }
}
