//! The names of classes in a `data.yaml`: the few forms in which tools write them, without the rest of YAML.

use std::collections::HashMap;

/// Names by number.
#[derive(Debug, Default, PartialEq)]
pub struct Names(pub HashMap<u64, String>);

/// Returns the names under the key `names`: a list or a mapping, in brackets or one a line.
///
/// # Errors
/// There are none, or they are written in another way; and the line.
pub fn names(text: &str) -> Result<Names, (u64, String)> {
    let mut lines = text.lines().enumerate().map(|(i, line)| (i as u64 + 1, without_comment(line))).peekable();
    let mut names = None;
    while let Some((at, line)) = lines.next() {
        if line.trim_start() != line {
            continue; // belongs to another key
        }
        match line.split_once(':').map(|(key, rest)| (unquoted(key.trim()), rest.trim())) {
            Some((key, _)) if key == "kpt_shape" => {
                let reason =
                    "the labels are of poses (`kpt_shape`): points follow each box, which cannot be told from an outline";
                return Err((at, reason.into()));
            }
            Some((key, rest)) if key == "names" => {
                let mut entries: Vec<(u64, String)> = Vec::new();
                let mut flow = rest.to_owned();
                if !rest.is_empty() {
                    let close = if rest.starts_with('[') { ']' } else { '}' };
                    while !flow.trim_end().ends_with(close) {
                        let Some((_, more)) = lines.next() else {
                            return Err((at, "`names` is not closed".into()));
                        };
                        flow.push_str(more);
                    }
                    let inner = flow.trim().strip_prefix(['[', '{']).and_then(|f| f.strip_suffix(close));
                    let inner = inner.ok_or((at, form()))?;
                    entries.extend(items(inner).into_iter().map(|item| (at, item)));
                }
                while rest.is_empty()
                    && let Some((line, entry)) = lines.next_if(|(_, l)| l.trim().is_empty() || l.starts_with([' ', '-', '\t']))
                {
                    if !entry.trim().is_empty() {
                        entries.push((line, entry.trim().to_owned()));
                    }
                }
                names = Some(numbered(&entries, close_of(rest), at)?);
            }
            _ => {}
        }
    }
    names.ok_or((1, "it has no `names` of classes".into()))
}

fn form() -> String {
    "`names` must be a list or a mapping of numbers to names".into()
}

/// How entries are written: in a list in brackets they are names alone.
fn close_of(rest: &str) -> bool {
    rest.starts_with('[')
}

/// Returns the names by number: `0: name`, `- name`, or, in a list in brackets, `name`.
fn numbered(entries: &[(u64, String)], in_list: bool, at: u64) -> Result<Names, (u64, String)> {
    let mut names = HashMap::new();
    for (i, (line, entry)) in entries.iter().enumerate() {
        let (number, name) = match (in_list, entry.strip_prefix('-'), entry.split_once(':')) {
            (true, ..) => (i as u64, entry.as_str()),
            (false, Some(name), _) => (i as u64, name),
            (false, None, Some((number, name))) => (unquoted(number.trim()).parse().map_err(|_| (*line, form()))?, name),
            _ => return Err((*line, form())),
        };
        let name = unquoted(name.trim());
        if name.is_empty() || names.insert(number, name).is_some() {
            return Err((*line, format!("class {number} has no name, or two")));
        }
    }
    if names.is_empty() { Err((at, "`names` is empty".into())) } else { Ok(Names(names)) }
}

/// Returns the items between commas that are outside quotes; none after a last comma.
fn items(text: &str) -> Vec<String> {
    let (mut items, mut item, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match (quote, c) {
            (None, ',') => items.push(std::mem::take(&mut item).trim().to_owned()),
            (None, '\'' | '"') if item.trim().is_empty() || item.trim_end().ends_with(':') => {
                quote = Some(c);
                item.push(c);
            }
            _ => {
                quote = quote.filter(|q| *q != c);
                item.push(c);
            }
        }
    }
    items.extend(Some(item.trim().to_owned()).filter(|item| !item.is_empty()));
    items
}

fn unquoted(text: &str) -> String {
    let inner = ['\'', '"'].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q).map(|inner| (*q, inner)));
    match inner {
        Some(('\'', inner)) => inner.replace("''", "'"),
        Some((_, inner)) => inner.replace("\\\"", "\""),
        None => text.to_owned(),
    }
}

/// Returns a line without its comment, which begins with `#` at its start or after a space.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    let mut quote = None;
    for (i, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before.is_whitespace() => return line[..i].trim_end(),
            (None, '\'' | '"') if !before.is_alphanumeric() => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
        before = c;
    }
    line.trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_tools_write_them() {
        let expected = Names([(0, "person".into()), (1, "traffic light".into()), (2, "don't".into())].into());
        for text in [
            "names: ['person', \"traffic light\", 'don''t']\nnc: 3\n",
            "path: .\nnc: 3 # classes\nnames:\n  0: person\n  1: traffic light # red\n  2: 'don''t'\nval: x\n",
            "names:\n- person\n- traffic light\n- don't\n",
            "names: [person,\n  traffic light,\n  \"don't\",\n]\n",
            "names: {0: person, 1: 'traffic light', 2: \"don't\"}\r\n",
            "\"names\":\r\n  - person\r\n\r\n  - traffic light\r\n  - don't\r\ntrain: images\r\n",
        ] {
            assert_eq!(names(text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn names_that_cannot_be_read() {
        for (text, line) in [
            ("nc: 3\n", 1),
            ("names:\nnc: 3\n", 1),
            ("nc: 1\nnames: person\n", 2),
            ("names: [a, b\n", 1),
            ("names:\n  0: a\n  0: b\n", 3),
            ("names:\n  first: a\n", 2),
            ("names: [a]\nkpt_shape: [17, 3]\n", 2),
        ] {
            assert_eq!(names(text).unwrap_err().0, line, "{text}");
        }
    }
}
