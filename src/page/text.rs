//! Makes text from outside harmless. Maud escapes markup; what is left is characters that would change how the rest of
//! a line reads (control and direction-changing characters), and data inside a script element.

use crate::text::plain;
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
    fn control_characters_show_as_what_they_are() {
        assert_eq!(shown("a\u{202e}b\u{7}<"), "a\\u{202e}b\\u{7}<");
    }
}
