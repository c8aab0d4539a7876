//! How long a text is to CLIP, with the vocabulary in the program, so that no encoder need be installed.

use instant_clip_tokenizer::Tokenizer;

/// Bytes of a text beyond which it is not counted to the end: merging is quadratic in the length of a word.
const LONGEST: usize = 10_000;

/// Counts CLIP's tokens.
pub struct TokenCounter(Tokenizer);

impl std::fmt::Debug for TokenCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenCounter")
    }
}

impl Default for TokenCounter {
    fn default() -> TokenCounter {
        TokenCounter(Tokenizer::new())
    }
}

impl TokenCounter {
    /// Tokens of a text, start and end token counted; of a text of more than 10,000 bytes, those of its beginning.
    pub fn count(&self, text: &str) -> usize {
        let mut tokens = Vec::new();
        self.0.encode(&text[..text.floor_char_boundary(LONGEST)], &mut tokens);
        tokens.len() + 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::MAX_TOKENS;

    #[test]
    fn start_and_end_are_counted() {
        let counter = TokenCounter::default();
        assert_eq!(counter.count(""), 2);
        assert_eq!(counter.count("A dog beside a red clock."), 9); // a, dog, beside, a, red, clock, the full stop
        assert!(counter.count(&"x".repeat(1_000_000)) > MAX_TOKENS);
    }
}
