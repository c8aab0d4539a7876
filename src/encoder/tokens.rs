//! A text as token ids, by the encoder's own `tokenizer.json`.
//!
//! CLIP takes 77 tokens. A longer text is cut: its first 76 tokens, the start token among them, and
//! the end token; it is flagged as cut.
//!
//! SigLIP's tokenizer puts an end token behind a text and nothing before it, and its network was trained on
//! texts of one length, 64 tokens, filled up with a padding token that it sees as any other: a text without
//! that padding gets another vector. Length and token are those of `tokenizer_config.json`, else those of
//! `tokenizer.json`.

use super::directory::{read_bounded, read_json};
use crate::error::{Error, Result};
use crate::input::guarded;
use std::path::{Path, PathBuf};
use tokenizers::{PaddingDirection, PaddingParams, PaddingStrategy};

/// Tokens of a text at most, start and end counted, where the tokenizer puts both around it.
pub const MAX_TOKENS: usize = 77;

/// Tokens of each of SigLIP's texts, where its files do not say it.
const SIGLIP_TOKENS: usize = 64;

/// No text network takes more; greater numbers in `tokenizer_config.json` stand for "no limit".
const MOST_TOKENS: u64 = 4096;

/// Bytes of a `tokenizer.json`; the largest known vocabularies take some 35 MB.
const MAX_BYTES: u64 = 256 << 20;

/// A text as its network takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// With the special tokens, [`Tokenizer::length`] at most; padded where the tokenizer pads.
    pub ids: Vec<i64>,
    /// Whether something was cut off.
    pub truncated: bool,
}

/// An encoder's tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    end: i64,
    length: usize,
    padding: Option<Padding>,
}

/// What fills a text up.
#[derive(Debug, Clone, Copy)]
struct Padding {
    id: i64,
    /// It comes before the text.
    left: bool,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("path", &self.path).field("rule", &self.rule()).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. CLIP's padding and truncation, where it sets them, are switched off.
    ///
    /// # Errors
    /// [`Error::Encoder`]: it cannot be read, puts neither start and end token nor an end token alone around
    /// a text, or does not say what it pads with.
    pub fn open(path: &Path) -> Result<Tokenizer> {
        let bytes = read_bounded(path, MAX_BYTES)?;
        let unreadable = "is not a readable tokenizer";
        // The package has panicked on odd files.
        let parsed = guarded(|| tokenizers::Tokenizer::from_bytes(bytes));
        let mut inner = parsed.unwrap_or_else(|| Err("its reader failed".into())).map_err(Error::model(path, unreadable))?;
        let padding = inner.get_padding().cloned();
        let cut_at = inner.get_truncation().map(|truncation| truncation.max_length);
        inner.with_padding(None);
        inner.with_truncation(None).map_err(Error::model(path, unreadable))?;
        let mut tokenizer = Tokenizer { inner, path: path.to_owned(), end: 0, length: MAX_TOKENS, padding: None };
        match tokenizer.all("")?[..] {
            [_start, end] => tokenizer.end = end,
            [end] => {
                tokenizer.end = end;
                tokenizer.pad_as(padding, cut_at)?;
            }
            ref other => {
                let reason =
                    format!("puts {} tokens around a text, not a start and an end token, nor an end token alone", other.len());
                let hint = "take tokenizer.json from where the model comes from; or embed images alone: `text_model = \"none\"` in \
                            msdata.toml";
                return Err(Error::encoder(path, reason, hint));
            }
        }
        Ok(tokenizer)
    }

    /// Settles length and padding from the files: `padding` and `cut_at` are what `tokenizer.json` says.
    fn pad_as(&mut self, padding: Option<PaddingParams>, cut_at: Option<usize>) -> Result<()> {
        let config = self.path.with_file_name("tokenizer_config.json");
        let config = if config.exists() { read_json(&config)? } else { serde_json::Value::Null };
        let token = config.get("pad_token").and_then(|token| token.as_str().or_else(|| token.get("content")?.as_str()));
        let id = match token {
            Some(token) => self.inner.token_to_id(token),
            None => padding.as_ref().map(|padding| padding.pad_id),
        };
        let Some(id) = id else {
            let reason = "puts an end token alone behind a text, as SigLIP's, and does not say what it pads texts with";
            let hint = "put tokenizer_config.json, with its `pad_token`, beside it; or embed images alone: \
                        `text_model = \"none\"` in msdata.toml";
            return Err(Error::encoder(&self.path, reason, hint));
        };
        let left = match config.get("padding_side").and_then(|side| side.as_str()) {
            Some(side) => side == "left",
            None => padding.as_ref().is_some_and(|padding| matches!(padding.direction, PaddingDirection::Left)),
        };
        let said = config.get("model_max_length").and_then(|length| length.as_u64()).filter(|length| *length <= MOST_TOKENS);
        let fixed = padding.and_then(|padding| match padding.strategy {
            PaddingStrategy::Fixed(length) => Some(length),
            PaddingStrategy::BatchLongest => None,
        });
        let length = said.and_then(|length| usize::try_from(length).ok()).or(fixed).or(cut_at).unwrap_or(SIGLIP_TOKENS);
        self.length = length.clamp(1, MOST_TOKENS as usize);
        self.padding = Some(Padding { id: i64::from(id), left });
        Ok(())
    }

    /// Tokens of a text at most; where it pads, of every text.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether it fills every text up to one length.
    pub fn pads(&self) -> bool {
        self.padding.is_some()
    }

    /// A text that is the same for the same cut and padding and for no other; part of an encoder's fingerprint.
    pub fn rule(&self) -> String {
        let cut = format!("{} tokens, the last of them the end token", self.length);
        match self.padding {
            None => cut,
            Some(Padding { id, left }) => format!("{cut}; padded {} with {id}", if left { "before" } else { "behind" }),
        }
    }

    /// The tokens of a text, cut and padded to its [`Tokenizer::length`].
    ///
    /// # Errors
    /// [`Error::Encoder`]: the tokenizer failed on this text.
    pub fn tokens(&self, text: &str) -> Result<Tokens> {
        let mut ids = self.all(text)?;
        let truncated = ids.len() > self.length;
        if truncated {
            ids.truncate(self.length - 1);
            ids.push(self.end);
        }
        if let Some(Padding { id, left }) = self.padding {
            let padding = vec![id; self.length - ids.len()];
            ids = if left { [padding, ids].concat() } else { [ids, padding].concat() };
        }
        Ok(Tokens { ids, truncated })
    }

    fn all(&self, text: &str) -> Result<Vec<i64>> {
        let encoded = guarded(|| self.inner.encode_fast(text, true));
        let encoding = encoded.unwrap_or_else(|| Err("the tokenizer gave up".into()));
        let encoding = encoding.map_err(Error::model(&self.path, "cannot turn a text into tokens"))?;
        Ok(encoding.get_ids().iter().map(|id| i64::from(*id)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tokenizer of words: `a` 0, `b` 1, start 2, end 3; it asks for truncation and padding itself.
    fn saved(post: &str) -> (tempfile::TempDir, PathBuf) {
        let json = format!(
            r#"{{"version":"1.0",
            "truncation":{{"direction":"Right","max_length":4,"strategy":"LongestFirst","stride":0}},
            "padding":{{"strategy":{{"Fixed":9}},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,"pad_token":"a"}},
            "added_tokens":[],"normalizer":null,"pre_tokenizer":{{"type":"WhitespaceSplit"}},"post_processor":{post},"decoder":null,
            "model":{{"type":"WordLevel","vocab":{{"a":0,"b":1,"<s>":2,"</s>":3}},"unk_token":"a"}}}}"#
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        std::fs::write(&path, json).unwrap();
        (dir, path)
    }

    const START_AND_END: &str = r#"{"type":"BertProcessing","sep":["</s>",3],"cls":["<s>",2]}"#;

    #[test]
    fn long_texts_keep_76_tokens_and_the_end() {
        let (_dir, path) = saved(START_AND_END);
        let tokenizer = Tokenizer::open(&path).unwrap();
        assert_eq!(tokenizer.tokens("a b").unwrap(), Tokens { ids: vec![2, 0, 1, 3], truncated: false });
        assert_eq!(tokenizer.tokens("").unwrap().ids, [2, 3]);
        let full = tokenizer.tokens(&"b ".repeat(75)).unwrap();
        assert_eq!((full.ids.len(), full.truncated), (77, false));
        let cut = tokenizer.tokens(&"b ".repeat(76)).unwrap();
        assert!(cut.truncated);
        assert_eq!((cut.ids.len(), cut.ids[0], cut.ids[75], cut.ids[76]), (77, 2, 1, 3));
    }

    #[test]
    fn without_an_end_token_or_no_json_it_is_refused_by_name() {
        let (_dir, path) = saved("null");
        let error = Tokenizer::open(&path).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json: puts 0 tokens around a text"), "{error}");
        std::fs::write(&path, "{").unwrap();
        assert!(Tokenizer::open(&path).unwrap_err().to_string().contains("is not a readable tokenizer"));
    }

    const END: &str = r#"{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],
        "pair":[{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"</s>":{"id":"</s>","ids":[3],"tokens":["</s>"]}}}"#;

    #[test]
    fn an_end_token_alone_means_texts_of_one_length() {
        let (_dir, path) = saved(END);
        let own = Tokenizer::open(&path).unwrap();
        assert_eq!(own.tokens("a b").unwrap().ids, [0, 1, 3, 0, 0, 0, 0, 0, 0], "padded as tokenizer.json says");
        let config = |text: &str| {
            std::fs::write(path.with_file_name("tokenizer_config.json"), text).unwrap();
            Tokenizer::open(&path).unwrap()
        };
        let other = config(r#"{"pad_token": {"content": "</s>"}, "model_max_length": 4}"#);
        assert_eq!(other.tokens("b").unwrap(), Tokens { ids: vec![1, 3, 3, 3], truncated: false });
        assert_eq!(other.tokens("a b a b a").unwrap(), Tokens { ids: vec![0, 1, 0, 3], truncated: true });
        let left = config(r#"{"pad_token": "<s>", "model_max_length": 4, "padding_side": "left"}"#);
        assert_eq!(left.tokens("b").unwrap().ids, [2, 2, 1, 3]);
        let rules = [own.rule(), other.rule(), left.rule()];
        assert_eq!(rules.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{rules:?}");
        std::fs::write(path.with_file_name("tokenizer_config.json"), r#"{"pad_token": "nowhere"}"#).unwrap();
        assert!(Tokenizer::open(&path).unwrap_err().to_string().contains("what it pads texts with"));
    }
}
