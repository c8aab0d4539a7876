//! Any tree of images, by a pattern such as `{model}/{prompt_id}/{seed}.png`.
//!
//! A path may be read by a pattern in several ways: `a_b_1.png` by `{model}_{prompt_id}_{seed}.png`. All of them are
//! found, and those remain whose prompt is known; what then is left open is for the user to say.

use crate::error::{Error, Result};
use crate::manifest::integer_of;
use crate::text::{nearest, quote, safe_name, shell_word};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

/// Steps that the reading of one path may take: patterns with many `*` can be read in very many ways.
const MOST_STEPS: u32 = 200_000;

/// What a path says of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parts {
    /// The model, if the pattern names it.
    pub model: Option<String>,
    /// The prompt as the path writes it.
    pub prompt: String,
    /// The seed, if the pattern names it: digits, perhaps with a minus.
    seed: Option<String>,
}

impl Parts {
    /// The seed, if the pattern names it.
    ///
    /// # Errors
    /// The seed is out of the catalog's range.
    pub fn seed(&self) -> std::result::Result<Option<i64>, String> {
        self.seed.as_deref().map(integer_of).transpose().map_err(|reason| format!("the seed {reason}"))
    }
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(model) = &self.model {
            write!(f, "model {}, ", quote(model))?;
        }
        write!(f, "prompt {}", quote(&self.prompt))?;
        self.seed.iter().try_for_each(|seed| write!(f, ", seed {seed}"))
    }
}

/// How a path can be read by a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Not at all.
    None,
    /// With no known prompt; this is one way.
    Unknown(Parts),
    /// In these ways, each with a known prompt.
    Known(Vec<Parts>),
    /// In more ways than can be tried.
    Endless,
}

/// A pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pattern: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Text that stands for itself.
    Text(String),
    /// The extension of images at the end: in either case, with its dot.
    Extension(String),
    /// `*`: anything within a name.
    Any,
    Model,
    Prompt,
    Seed,
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.pattern)
    }
}

impl std::str::FromStr for Layout {
    type Err = Error;

    /// `{model}`, `{prompt_id}` and `{seed}` stand for themselves, each once at most; `*` for anything within a name.
    fn from_str(pattern: &str) -> Result<Layout> {
        let hint = "write it as in `{model}/{prompt_id}/{seed}.png`; `*` matches anything within a name";
        let refuse = |reason: String, hint: String| Error::request(format!("layout {}: {reason}", quote(pattern)), hint);
        let mut tokens = Vec::new();
        let mut unknown: Vec<&str> = Vec::new();
        let mut rest = pattern;
        while !rest.is_empty() {
            let at = rest.find(['{', '*']).unwrap_or(rest.len());
            if at > 0 {
                tokens.push(Token::Text(rest[..at].to_owned()));
                rest = &rest[at..];
                continue;
            }
            if let Some(after) = rest.strip_prefix('*') {
                if tokens.last() != Some(&Token::Any) {
                    tokens.push(Token::Any);
                }
                rest = after;
                continue;
            }
            let Some(end) = rest.find('}') else { return Err(refuse("a `{` without its `}`".into(), hint.into())) };
            let field = &rest[1..end];
            rest = &rest[end + 1..];
            let token = match field {
                "model" => Token::Model,
                "prompt_id" => Token::Prompt,
                "seed" => Token::Seed,
                _ => {
                    unknown.push(field);
                    continue;
                }
            };
            if tokens.contains(&token) {
                return Err(refuse(format!("{} appears twice", quote(field)), hint.into()));
            }
            tokens.push(token);
        }
        if !unknown.is_empty() {
            let fields = unknown.iter().map(|field| quote(&format!("{{{field}}}"))).collect::<Vec<_>>().join(", ");
            let corrected = unknown.iter().try_fold(pattern.to_owned(), |pattern, field| {
                Some(pattern.replacen(&format!("{{{field}}}"), &format!("{{{}}}", meant(field)?), 1))
            });
            // Only a pattern that would be taken is proposed.
            let hint = match corrected.filter(|pattern| pattern.parse::<Layout>().is_ok()) {
                Some(pattern) => format!("did you mean `--layout {}`?", shell_word(Path::new(&pattern))),
                None => format!("the fields are `{{model}}`, `{{prompt_id}}` and `{{seed}}`; {hint}"),
            };
            let what = if unknown.len() == 1 { "there is no field" } else { "there are no fields" };
            return Err(refuse(format!("{what} {fields}"), hint));
        }
        if !tokens.contains(&Token::Prompt) {
            return Err(refuse("it has no `{prompt_id}`".into(), hint.into()));
        }
        if let Some(Token::Text(text)) = tokens.last()
            && let Some(dot) = text.rfind('.').filter(|dot| !text[*dot..].contains('/'))
        {
            let (before, extension) = (text[..dot].to_owned(), text[dot..].to_owned());
            tokens.pop();
            if !before.is_empty() {
                tokens.push(Token::Text(before));
            }
            tokens.push(Token::Extension(extension));
        }
        Ok(Layout { pattern: pattern.to_owned(), tokens })
    }
}

/// The field that a name which is not one most likely stands for.
fn meant(field: &str) -> Option<&'static str> {
    let name = field.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    match name.as_str() {
        "prompt" | "id" | "promptid" | "prompt_name" | "case" | "index" => Some("prompt_id"),
        "generator" | "system" | "method" | "model_name" => Some("model"),
        "n" | "i" | "number" | "sample" | "seed_id" => Some("seed"),
        other => nearest(other, ["model", "prompt_id", "seed"].into_iter()),
    }
}

impl Layout {
    /// How a path (with `/`, relative to the tree) can be read, with the prompts that `is_known` knows. A seed takes
    /// all digits that stand together.
    pub fn read(&self, path: &str, is_known: impl Fn(&str) -> bool) -> Reading {
        let mut known =
            LayoutSearch { path, is_known: &is_known, most: usize::MAX, seen: HashSet::new(), found: BTreeSet::new(), steps: 0 };
        if !known.go_on(&self.tokens, 0, Spans::default()) {
            return Reading::Endless;
        }
        if !known.found.is_empty() {
            return Reading::Known(known.found.into_iter().collect());
        }
        let mut any =
            LayoutSearch { path, is_known: &|_: &str| true, most: 1, seen: HashSet::new(), found: BTreeSet::new(), steps: 0 };
        let whole = any.go_on(&self.tokens, 0, Spans::default());
        match any.found.pop_first() {
            Some(parts) => Reading::Unknown(parts),
            None if whole => Reading::None,
            None => Reading::Endless,
        }
    }
}

/// Where the fields stand in a path: their first byte and the one after their last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Spans {
    model: Option<(usize, usize)>,
    prompt: Option<(usize, usize)>,
    seed: Option<(usize, usize)>,
}

struct LayoutSearch<'a> {
    path: &'a str,
    is_known: &'a dyn Fn(&str) -> bool,
    /// Ways after which it ends.
    most: usize,
    /// What was tried: from which token at which byte, with which fields.
    seen: HashSet<(usize, usize, Spans)>,
    found: BTreeSet<Parts>,
    steps: u32,
}

impl LayoutSearch<'_> {
    /// Reads the rest of the path from the byte `at` by these tokens; whether the search is to go on: there were not too many ways.
    fn go_on(&mut self, tokens: &[Token], at: usize, spans: Spans) -> bool {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return false;
        }
        if !self.seen.insert((tokens.len(), at, spans)) {
            return true;
        }
        let path = self.path;
        let rest = &path[at..];
        let Some((token, after)) = tokens.split_first() else {
            if rest.is_empty() {
                let text = |span: Option<(usize, usize)>| span.map(|(start, end)| path[start..end].to_owned());
                let prompt = text(spans.prompt).unwrap_or_default();
                self.found.insert(Parts { model: text(spans.model), prompt, seed: text(spans.seed) });
            }
            return self.found.len() < self.most;
        };
        let ends = |within: &str, least: usize| -> Vec<usize> {
            let bounds = within.char_indices().map(|(i, _)| i).chain([within.len()]);
            bounds.filter(|i| *i >= least).map(|i| at + i).collect()
        };
        let name = &rest[..rest.find('/').unwrap_or(rest.len())];
        match token {
            Token::Text(text) => !rest.starts_with(text.as_str()) || self.go_on(after, at + text.len(), spans),
            Token::Extension(text) => !rest.eq_ignore_ascii_case(text) || self.go_on(after, path.len(), spans),
            Token::Any => ends(name, 0).into_iter().all(|end| self.go_on(after, end, spans)),
            Token::Model => {
                ends(name, 1).into_iter().all(|end| self.go_on(after, end, Spans { model: Some((at, end)), ..spans }))
            }
            Token::Prompt => ends(rest, 1).into_iter().all(|end| {
                !(self.is_known)(&path[at..end]) || self.go_on(after, end, Spans { prompt: Some((at, end)), ..spans })
            }),
            Token::Seed => {
                let digits = rest.strip_prefix('-').unwrap_or(rest);
                let count = digits.bytes().take_while(u8::is_ascii_digit).count();
                // Digits that stand together are one number: none of them belongs to what comes before or after.
                let cut = rest.len() == digits.len() && path[..at].ends_with(|c: char| c.is_ascii_digit());
                if count == 0 || cut {
                    return true;
                }
                let end = path.len() - digits.len() + count;
                self.go_on(after, end, Spans { seed: Some((at, end)), ..spans })
            }
        }
    }
}

/// Prompts by the names that paths give them: their ids, or safe names of these.
pub struct PromptNames<'a>(HashMap<String, &'a str>);

impl<'a> PromptNames<'a> {
    /// Returns the names of these ids.
    pub fn new(ids: impl Iterator<Item = &'a str> + Clone) -> PromptNames<'a> {
        let mut names: HashMap<String, &str> = ids.clone().map(|id| (safe_name(id), id)).collect();
        names.extend(ids.map(|id| (id.to_owned(), id))); // an id as it is goes before another's safe name
        PromptNames(names)
    }

    /// Returns the id that a path means.
    pub fn id(&self, written: &str) -> Option<&'a str> {
        self.0.get(written).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The readings of a path, as text; in parentheses where the prompt is not known.
    fn read(pattern: &str, path: &str, known: &[&str]) -> Vec<String> {
        let layout: Layout = pattern.parse().unwrap();
        match layout.read(path, |id| known.contains(&id)) {
            Reading::None => vec![],
            Reading::Known(all) => all.iter().map(|p| p.to_string().replace('`', "")).collect(),
            Reading::Unknown(parts) => vec![format!("({})", parts.to_string().replace('`', ""))],
            Reading::Endless => vec!["endless".into()],
        }
    }

    #[test]
    fn a_path_says_what_the_pattern_names() {
        assert_eq!(read("{model}/{prompt_id}/{seed}.png", "MOSAIC/a/b/-7.png", &["a/b"]), ["model MOSAIC, prompt a/b, seed -7"]);
        assert_eq!(read("img_{seed}_{prompt_id}.*", "img_42_x_1.jpeg", &["x_1"]), ["prompt x_1, seed 42"]);
        assert_eq!(read("{prompt_id}.png", "p.jpg", &["p"]), [""; 0]);
        assert_eq!(read("{prompt_id}.png", "q.png", &["p"]), ["(prompt q)"]);
        assert_eq!(read("{prompt_id}/{seed}.png", "p/42.PNG", &["p"]), ["prompt p, seed 42"]);
        assert_eq!(read("{prompt_id}/{seed}.PnG", "p/42.png", &["p"]), ["prompt p, seed 42"]);
        assert_eq!(read("X/{prompt_id}.png", "x/p.png", &["p"]), [""; 0], "only the extension may be in another case");
    }

    #[test]
    fn a_seed_takes_all_its_digits() {
        assert_eq!(read("{prompt_id}/*{seed}.png", "p/seed42.png", &["p"]), ["prompt p, seed 42"]);
        assert_eq!(
            read("{prompt_id}/*{seed}.png", "p/2025-08-02_699712853630613.png", &["p"]),
            ["prompt p, seed 699712853630613"]
        );
        assert_eq!(read("{prompt_id}{seed}.png", "p142.png", &["p", "p1", "p14"]), ["prompt p, seed 142"]);
        assert_eq!(read("{prompt_id}_{seed}*", "p_42.1.png", &["p"]), ["prompt p, seed 42"]);
        let both = ["prompt p, seed -3172825024", "prompt p, seed 3172825024"];
        assert_eq!(read("{prompt_id}/*{seed}.png", "p/00039-3172825024.png", &["p"]), both);
        assert_eq!(read("{prompt_id}/*-{seed}.png", "p/00039-3172825024.png", &["p"]), both[1..]);
        let great = "{prompt_id}/{seed}.png".parse::<Layout>().unwrap().read("p/18446744073709551615.png", |id| id == "p");
        let Reading::Known(great) = great else { panic!("{great:?}") };
        assert!(great[0].seed().unwrap_err().contains("greater than 9223372036854775807"));
    }

    #[test]
    fn known_prompts_decide_between_readings() {
        let (pattern, path) = ("{model}_{prompt_id}_{seed}.png", "flux_dev_neutral_2_01_7.png");
        assert_eq!(read(pattern, path, &["neutral_2_01"]), ["model flux_dev, prompt neutral_2_01, seed 7"]);
        assert_eq!(
            read(pattern, path, &["neutral_2_01", "01"]),
            ["model flux_dev, prompt neutral_2_01, seed 7", "model flux_dev_neutral_2, prompt 01, seed 7"]
        );
        assert_eq!(read(pattern, path, &["02"]).len(), 1);
    }

    #[test]
    fn a_pattern_of_many_stars_ends() {
        let pattern = "*a*a*a*a*a*a*a*{model}*{prompt_id}*a*a*a*b";
        assert_eq!(read(pattern, &"a".repeat(250), &["a"]), ["endless"]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["{model}.png", "{prompt_id}/{prompt_id}", "{prompt}/x", "{prompt_id", "{}", ""] {
            assert!(pattern.parse::<Layout>().is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_wrong_field_is_answered_with_the_pattern_that_was_meant() {
        for (pattern, meant) in [
            ("{model}/{prompt}/{seed}.png", "{model}/{prompt_id}/{seed}.png"),
            ("{Model}/{promptid}/{sed}.png", "{model}/{prompt_id}/{seed}.png"),
            ("img_{seed}_{id}.*", "img_{seed}_{prompt_id}.*"),
        ] {
            let refused = pattern.parse::<Layout>().unwrap_err();
            assert_eq!(refused.hint(), Some(format!("did you mean `--layout '{meant}'`?")), "{refused}");
            assert!(meant.parse::<Layout>().is_ok());
        }
        // A pattern that would not be taken either is not proposed.
        for pattern in ["{prompt}/{prompt_id}.png", "{colour}/{prompt_id}.png", "{modle}.png"] {
            let hint = pattern.parse::<Layout>().unwrap_err().hint().unwrap();
            assert!(hint.starts_with("the fields are"), "{hint}");
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
