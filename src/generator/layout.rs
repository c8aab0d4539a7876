//! Any tree of images, by a pattern such as `{model}/{prompt_id}/{seed}.png`.

use super::safe_name;
use crate::error::{Error, Result};
use crate::vocabulary::quote;
use regex::Regex;
use std::collections::HashMap;

/// What a path says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The model, if the pattern names it.
    pub model: Option<String>,
    /// The prompt as the path writes it.
    pub prompt: String,
    /// The seed, if the pattern names it.
    pub seed: Option<i64>,
}

/// A pattern of paths.
#[derive(Debug, Clone)]
pub struct Layout {
    pattern: String,
    paths: Regex,
}

impl PartialEq for Layout {
    fn eq(&self, other: &Layout) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Layout {}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.pattern)
    }
}

impl std::str::FromStr for Layout {
    type Err = Error;

    /// `{model}`, `{prompt_id}` and `{seed}` stand for themselves, each once at most; `*` for anything within a name.
    fn from_str(pattern: &str) -> Result<Layout> {
        let hint = "write it as in `{model}/{prompt_id}/{seed}.png`; `*` stands for anything within a name";
        let refuse = |reason: String| Error::request(format!("layout {}: {reason}", quote(pattern)), hint);
        let mut expression = String::from("^");
        let mut rest = pattern;
        let mut seen: Vec<&str> = Vec::new();
        while let Some(at) = rest.find(['{', '*']) {
            expression.push_str(&regex::escape(&rest[..at]));
            if rest[at..].starts_with('*') {
                expression.push_str("[^/]*");
                rest = &rest[at + 1..];
                continue;
            }
            let Some(end) = rest[at..].find('}') else { return Err(refuse("a `{` without its `}`".into())) };
            let field = &rest[at + 1..at + end];
            expression.push_str(match field {
                "model" => "(?P<model>[^/]+)",
                "prompt_id" => "(?P<prompt_id>.+)",
                "seed" => "(?P<seed>-?[0-9]+)",
                _ => return Err(refuse(format!("there is no field {}", quote(field)))),
            });
            if seen.contains(&field) {
                return Err(refuse(format!("{} stands twice", quote(field))));
            }
            seen.push(field);
            rest = &rest[at + end + 1..];
        }
        if !seen.contains(&"prompt_id") {
            return Err(refuse("it has no `{prompt_id}`".into()));
        }
        expression.push_str(&regex::escape(rest));
        expression.push('$');
        let paths = Regex::new(&expression).map_err(|e| refuse(e.to_string()))?;
        Ok(Layout { pattern: pattern.to_owned(), paths })
    }
}

impl Layout {
    /// What a path (with `/`, relative to the tree) says; `None` if it does not fit.
    pub fn parts(&self, path: &str) -> Option<Parts> {
        let found = self.paths.captures(path)?;
        let text = |name: &str| found.name(name).map(|m| m.as_str().to_owned());
        let seed = match text("seed") {
            Some(digits) => Some(digits.parse().ok()?),
            None => None,
        };
        Some(Parts { model: text("model"), prompt: text("prompt_id")?, seed })
    }
}

/// Prompts by the names that paths give them: their ids, or safe names of these.
pub struct PromptNames<'a>(HashMap<String, &'a str>);

impl<'a> PromptNames<'a> {
    /// Of these ids.
    pub fn new(ids: impl Iterator<Item = &'a str> + Clone) -> PromptNames<'a> {
        let mut names: HashMap<String, &str> = ids.clone().map(|id| (safe_name(id), id)).collect();
        names.extend(ids.map(|id| (id.to_owned(), id))); // an id as it is goes before another's safe name
        PromptNames(names)
    }

    /// The id that a path means.
    pub fn id(&self, written: &str) -> Option<&'a str> {
        self.0.get(written).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(pattern: &str) -> Layout {
        pattern.parse().unwrap()
    }

    #[test]
    fn a_path_says_what_the_pattern_names() {
        let parts = layout("{model}/{prompt_id}/{seed}.png").parts("MOSAIC/a/b/-7.png").unwrap();
        assert_eq!(parts, Parts { model: Some("MOSAIC".into()), prompt: "a/b".into(), seed: Some(-7) });
        let parts = layout("img_{seed}_{prompt_id}.*").parts("img_42_x_1.jpeg").unwrap();
        assert_eq!(parts, Parts { model: None, prompt: "x_1".into(), seed: Some(42) });
        assert_eq!(layout("{prompt_id}.png").parts("p.jpg"), None);
        assert_eq!(layout("{prompt_id}_{seed}.png").parts("p_99999999999999999999.png"), None, "no seed has twenty digits");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["{model}.png", "{prompt_id}/{prompt_id}", "{prompt}/x", "{prompt_id"] {
            assert!(pattern.parse::<Layout>().is_err(), "{pattern}");
        }
    }

    #[test]
    fn prompts_are_known_by_their_safe_names() {
        let names = PromptNames::new(["a/b", "c"].into_iter());
        assert_eq!(names.id("a/b"), Some("a/b"));
        assert_eq!(names.id(&safe_name("a/b")), Some("a/b"));
        assert_eq!(names.id("a_b"), None);
    }
}
