//! Makes text from outside safe to print, to compare and to use in file names.

use std::borrow::Cow;
use std::path::Path;
use unicode_normalization::UnicodeNormalization;

/// Returns text from outside in quotes, with control characters shown instead of sent to the terminal.
pub fn quote(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{}`", plain(&shown))
}

/// Returns text from outside in one line, with control and direction-changing characters written as `\u{..}`.
///
/// Everything that leaves the program as text goes through here, through [`plain_lines`], or, as JSON, through
/// [`crate::table::json`]: names, paths, reasons, what SQLite or a generator said.
pub fn plain(text: &str) -> Cow<'_, str> {
    shown(text, is_harmful)
}

/// Does the same as [`plain`] for text of several lines: line feeds and tabs stay.
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    shown(text, |c| is_harmful(c) && !matches!(c, '\n' | '\t'))
}

/// Returns whether a character affects a terminal, or the rest of its line, instead of being shown: control
/// characters (C0, DEL, C1), line and paragraph separators, marks, embeddings, overrides and isolates of direction,
/// interlinear annotation, and tags.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn shown(text: &str, escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&escaped) {
        return text.into();
    }
    text.chars()
        .fold(String::new(), |mut out, c| {
            if escaped(c) {
                out.extend(c.escape_unicode());
            } else {
                out.push(c);
            }
            out
        })
        .into()
}

/// Returns a text of at most `most` characters that begins and ends as `text` does: `western…woman`. What is left out is
/// whole words where their ends are near enough.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    let all: Vec<char> = text.chars().collect();
    if all.len() <= most {
        return text.into();
    }
    let kept = most.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let between_words = |c: char| !c.is_alphanumeric();
    let end = (head / 3 + 1..=head).rev().find(|at| between_words(all[*at])).unwrap_or(head);
    let last = all.len() - tail;
    let begin = (last..=all.len() - tail / 3 - 1).find(|at| between_words(all[*at - 1])).unwrap_or(last);
    let side = |of: &[char]| of.iter().collect::<String>();
    format!("{}…{}", side(&all[..end]).trim_end(), side(&all[begin..]).trim_start()).into()
}

/// Returns a path as one word of a shell command; control characters are escaped for bash, zsh and ksh.
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let safe = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        return text;
    }
    if !text.contains(is_harmful) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut word = String::from("$'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => word.extend(['\\', c]),
            c if is_harmful(c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| word += &format!("\\x{byte:02x}")),
            c => word.push(c),
        }
    }
    word + "'"
}

/// Returns a file name for any text: ASCII letters, digits, `-`, `_` and inner dots stay; other characters become `_`;
/// if that changed anything, a part of the text's hash keeps the name apart from others.
pub fn safe_name(text: &str) -> String {
    const LONGEST: usize = 100;
    let kept = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    let mut name: String = text.chars().map(|c| if kept(c) { c } else { '_' }).take(LONGEST).collect();
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    if name != text || name.is_empty() {
        name.push('-');
        name.push_str(&blake3::hash(text.as_bytes()).to_hex()[..8]);
    }
    name
}

/// Returns a file name for any id: its legible part, and a hash that tells it from all others.
pub fn file_stem(id: &str) -> String {
    let legible = id.chars().take(40).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' });
    let hash = blake3::hash(id.as_bytes()).to_hex();
    format!("{}-{}", legible.collect::<String>(), &hash[..12])
}

/// Returns a text in Unicode form NFC, in which texts that look alike are compared.
pub(crate) fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// Returns what to say if `given` is not known: a known word that differs only in Unicode form, or a likely typing error.
pub(crate) fn suggestion<'a>(given: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let form = composed(given);
    if known.clone().any(|k| k != given && k.chars().count() <= 2 * given.chars().count() && composed(k) == form) {
        return "; there is one that differs only in Unicode form (NFC, NFD): write both the same way".into();
    }
    nearest(given, known).map_or_else(String::new, |near| format!("; did you mean {}?", crate::text::quote(near)))
}

/// Returns the known word most like `given`, if a typing error is plausible.
pub(crate) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 100;
    if given.len() > LONGEST {
        return None;
    }
    let tolerated = (given.chars().count() / 3).clamp(1, 2);
    known
        .filter(|k| k.len() <= LONGEST)
        .map(|k| (strsim::damerau_levenshtein(&given.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(quote("x"), "`x`");
        assert_eq!(plain("a\nb\tc\r"), "a\\u{a}b\\u{9}c\\u{d}");
        assert_eq!(plain_lines("a\nb\tc\r\u{9b}"), "a\nb\tc\\u{d}\\u{9b}");
        assert_eq!(plain("\u{61c}é猫👨‍👩‍👧"), "\\u{61c}é猫👨‍👩‍👧", "joiners are a part of what is written");
    }

    #[test]
    fn the_middle_of_a_long_name_is_left_out() {
        assert_eq!(shortened("western blonde woman", 20), "western blonde woman");
        assert_eq!(shortened("western blonde woman", 15), "western…woman");
        assert_eq!(shortened("lime candy-striped queen", 22), "lime candy…queen");
        assert_eq!(shortened("simulated-replacing", 12), "simula…acing");
        assert_eq!(shortened("a golden retriever with a red scarf", 22), "a golden…red scarf");
        for most in 1..9 {
            assert!(shortened("猫 eats 10 fish", most).chars().count() <= most);
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["S0001", "S0002", "cat"];
        assert_eq!(nearest("S001", known.into_iter()), Some("S0001"));
        assert_eq!(nearest("s0002", known.into_iter()), Some("S0002"));
        assert_eq!(nearest("zebra", known.into_iter()), None);
    }

    #[test]
    fn names_of_files_are_safe_and_distinct() {
        assert_eq!(safe_name("11_interaction"), "11_interaction");
        assert_eq!(safe_name("v1.2"), "v1.2");
        let [slash, space] = [safe_name("a/b"), safe_name("a b")];
        assert!(slash.starts_with("a_b-") && space.starts_with("a_b-") && slash != space, "{slash} {space}");
        assert!(safe_name("..").starts_with("_.-"), "{}", safe_name(".."));
        assert!(safe_name(&"ä".repeat(500)).len() < 120);
        assert!(!safe_name("").is_empty());
    }

    #[test]
    fn any_id_names_a_file() {
        assert_eq!(file_stem("01_neutral").split_once('-').unwrap().0, "01_neutral");
        assert_ne!(file_stem("a/b"), file_stem("a_b"));
        assert!(file_stem("../../etc").starts_with("______etc-"));
        assert!(file_stem(&"ä".repeat(500)).len() < 60);
    }
}
