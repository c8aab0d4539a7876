//! A text as token ids, by the encoder's own `tokenizer.json`.
//!
//! CLIP takes 77 tokens. A longer text is cut: its first 76 tokens, the start token among them, and
//! the end token; it is flagged as cut.

use crate::error::{Error, Result};
use crate::input;
use std::path::{Path, PathBuf};

/// Tokens of a text at most, start and end counted.
pub const MAX_TOKENS: usize = 77;

/// A text as its network takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// With start and end token, not padded; [`MAX_TOKENS`] at most.
    pub ids: Vec<i64>,
    /// Whether something was cut off.
    pub truncated: bool,
}

/// An encoder's tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    end: i64,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("path", &self.path).field("end", &self.end).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. Padding and truncation that it sets are switched off.
    ///
    /// # Errors
    /// [`Error::Encoder`]: it cannot be read, or puts no start and end token around a text.
    pub fn open(path: &Path) -> Result<Tokenizer> {
        let bytes = input::read(path, input::MAX_TOKENIZER).map_err(Error::io("read", path))?;
        let mut inner =
            tokenizers::Tokenizer::from_bytes(bytes).map_err(Error::model(path, "is no tokenizer that can be read"))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(Error::model(path, "is no tokenizer that can be read"))?;
        let mut tokenizer = Tokenizer { inner, path: path.to_owned(), end: 0 };
        match tokenizer.all("")?[..] {
            [_start, end] => tokenizer.end = end,
            ref other => {
                let reason = format!("puts {} tokens around a text, not a start and an end token", other.len());
                return Err(Error::encoder(path, reason, "take tokenizer.json from where the model comes from"));
            }
        }
        Ok(tokenizer)
    }

    /// The tokens of a text, cut to [`MAX_TOKENS`].
    ///
    /// # Errors
    /// [`Error::Encoder`]: the tokenizer failed.
    pub fn tokens(&self, text: &str) -> Result<Tokens> {
        let mut ids = self.all(text)?;
        let truncated = ids.len() > MAX_TOKENS;
        if truncated {
            ids.truncate(MAX_TOKENS - 1);
            ids.push(self.end);
        }
        Ok(Tokens { ids, truncated })
    }

    fn all(&self, text: &str) -> Result<Vec<i64>> {
        let encoding = self.inner.encode_fast(text, true).map_err(Error::model(&self.path, "cannot tokenize a text"))?;
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
        assert!(Tokenizer::open(&path).unwrap_err().to_string().contains("is no tokenizer"));
    }
}
