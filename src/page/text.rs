//! Makes text from outside harmless. Maud escapes markup; what is left is characters that would change how the rest of
//! a line reads (control and direction-changing characters), and data inside a script element.

use crate::text::{plain, shortened};
use maud::{Markup, html};
use serde::Serialize;

/// Returns text as the page shows it, in HTML and in the script's data.
pub fn shown(text: &str) -> String {
    plain(text).into_owned()
}

/// Returns JSON that no HTML parser can take for markup, whatever strings it holds.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value)
        .unwrap_or_default()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// Most characters of a name where it has a line or a table's first column.
pub const NAME: usize = 28;

/// Returns a name of at most `most` characters, with the whole of it where the pointer rests.
pub fn name(text: &str, most: usize) -> Markup {
    let all = shown(text);
    let short = shortened(&all, most);
    html! { @if *short == *all { bdi { (all) } } @else { bdi title=(all) { (short) } } }
}

/// Returns names as a sentence has them: `A`, `A and B`, `A, B and C`, `A, B and 7 others`.
pub fn listed(names: &[&str]) -> Markup {
    const SHOWN: usize = 3;
    let (here, others) = if names.len() > SHOWN { (&names[..SHOWN - 1], names.len() - SHOWN + 1) } else { (names, 0) };
    let last = here.len() - usize::from(others == 0);
    html! {
        @for (at, one) in here.iter().enumerate() {
            @if at > 0 { (if at == last { " and " } else { ", " }) }
            b { (name(one, NAME)) }
        }
        @if others > 0 { " and " (others) " others" }
    }
}

/// Returns `1 prompt`, `2 prompts`.
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_the_script_element() {
        let hostile = ["</script><script>alert(1)</script>", "<!--", "]]>", "&lt;", "a\u{2028}b"];
        let written = json(&hostile);
        assert!(!written.contains(['<', '>', '&', '\u{2028}']), "{written}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&written).unwrap(), hostile);
    }

    #[test]
    fn names_make_a_sentence() {
        let plain = |names: &[&str]| listed(names).into_string().replace("<b><bdi>", "").replace("</bdi></b>", "");
        assert_eq!(plain(&["a"]), "a");
        assert_eq!(plain(&["a", "b"]), "a and b");
        assert_eq!(plain(&["a", "b", "c"]), "a, b and c");
        assert_eq!(plain(&["a", "b", "c", "d"]), "a, b and 2 others");
    }

    #[test]
    fn control_characters_show_as_what_they_are() {
        assert_eq!(shown("a\u{202e}b\u{7}<"), "a\\u{202e}b\\u{7}<");
    }
}
