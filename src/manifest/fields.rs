//! A row's fields by name, before they mean anything: JSON values or CSV cells, read by one set of rules.

use crate::text::nearest;
use crate::text::quote;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// One field as it was written. JSON stays text until its type is asked for, so that no number passes
/// through a float.
#[derive(Debug, Clone, Copy)]
pub enum Field<'a> {
    Json(&'a RawValue),
    Csv(&'a str),
}

/// The fields of one row, in the order written.
#[derive(Debug, Default)]
pub struct Fields<'a>(pub Vec<(Cow<'a, str>, Field<'a>)>);

/// Separates the items of a list in a CSV cell.
const LIST_SEPARATOR: char = ';';

impl<'a> Fields<'a> {
    /// # Errors
    /// The line is not JSON, is not an object, or has the same key twice.
    pub fn from_json(line: &'a str) -> Result<Fields<'a>, String> {
        if !line.trim_start().starts_with('{') {
            let seen = line.trim_start().chars().next().unwrap_or(' ');
            return Err(match seen {
                '[' => "a JSON array where an object is expected; a manifest has one object a row".into(),
                _ => format!("not a JSON object (it starts with {})", quote(&seen.to_string())),
            });
        }
        let JsonObject(fields) = serde_json::from_str(line).map_err(|e| {
            let hint = match line.trim() {
                _ if at_non_number(line, &e) => " (JSON has no NaN or Infinity: write null)",
                text if text.starts_with("{'") => " (it is the text of a Python dict; `json.dumps` writes JSON)",
                text if text.ends_with("},") => " (a comma after the object: one object per line, with nothing between them)",
                _ => "",
            };
            format!("not valid JSON: {}{hint}", json_reason(&e))
        })?;
        match twice(&fields) {
            Some(name) => Err(format!("the key {} appears twice", quote(name))),
            None => Ok(Fields(fields)),
        }
    }

    /// Returns the number of bytes of all values as they were written.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(_, field)| field.written().len()).sum()
    }

    fn get(&self, name: &str) -> Option<Field<'a>> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, field)| *field).filter(|field| !field.is_absent())
    }

    /// Returns the field, or an error naming a similar field that is present instead.
    fn required(&self, name: &str) -> Result<Field<'a>, String> {
        self.get(name).ok_or_else(|| self.absent(name))
    }

    /// Says that a field is not there or empty.
    pub fn absent(&self, name: &str) -> String {
        match self.0.iter().any(|(n, _)| n == name) {
            true => format!("`{name}` is empty"),
            false => match nearest(name, self.0.iter().map(|(n, _)| n.as_ref())) {
                Some(near) => format!("`{name}` is missing (did you mean {}?)", quote(near)),
                None => format!("`{name}` is missing"),
            },
        }
    }

    pub fn text(&self, name: &str) -> Result<String, String> {
        self.required(name)?.text().map_err(|e| format!("`{name}` {e}"))
    }

    pub fn optional_text(&self, name: &str) -> Result<Option<String>, String> {
        self.get(name).map(|f| f.text()).transpose().map_err(|e| format!("`{name}` {e}"))
    }

    /// Returns text, or the decimal text of a JSON integer.
    pub fn id(&self, name: &str) -> Result<String, String> {
        self.required(name)?.id().map_err(|e| format!("`{name}` {e}"))
    }

    pub fn integer(&self, name: &str) -> Result<i64, String> {
        self.required(name)?.integer().map_err(|e| format!("`{name}` {e}"))
    }

    pub fn list(&self, name: &str) -> Result<Vec<String>, String> {
        self.required(name)?.list().map_err(|e| format!("`{name}` {e}"))
    }

    /// Returns a list of texts or integers, as text.
    pub fn ids(&self, name: &str) -> Result<Vec<String>, String> {
        let field = self.required(name)?;
        let Field::Json(raw) = field else { return self.list(name) };
        // Texts are read by the rules of lists; only integers have to be written as text first.
        let ids = serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok().filter(|items| !items.is_empty()).and_then(|items| {
            let id = |item| Field::Json(item).integer().ok().and_then(|_| Field::Json(item).id().ok());
            items.into_iter().map(id).collect::<Option<Vec<String>>>()
        });
        ids.map_or_else(|| self.list(name), Ok)
    }

    /// Returns a field as it was written.
    pub fn raw(&self, name: &str) -> Result<&'a str, String> {
        self.required(name).map(Field::written)
    }

    pub fn optional_raw(&self, name: &str) -> Option<&'a str> {
        self.get(name).map(Field::written)
    }

    pub fn number(&self, name: &str) -> Result<f64, String> {
        number_of(self.raw(name)?).map_err(|e| format!("`{name}` {e}"))
    }

    pub fn optional_number(&self, name: &str) -> Result<Option<f64>, String> {
        self.optional_raw(name).map(number_of).transpose().map_err(|e| format!("`{name}` {e}"))
    }

    /// Returns a JSON list of N numbers.
    pub fn numbers<const N: usize>(&self, name: &str) -> Result<[f64; N], String> {
        numbers_of(self.raw(name)?).map_err(|e| format!("`{name}` {e}"))
    }

    /// Returns a JSON value exactly as written.
    pub fn optional_json(&self, name: &str) -> Result<Option<String>, String> {
        self.get(name).map(|f| f.json()).transpose().map_err(|e| format!("`{name}` {e}"))
    }
}

/// Returns the first name that came before.
fn twice<'f>(fields: &'f [(Cow<'_, str>, Field<'_>)]) -> Option<&'f str> {
    /// Up to so many, comparing all with each other takes less time than a set of them.
    const FEW: usize = 16;
    let mut names = fields.iter().map(|(name, _)| name.as_ref()).enumerate();
    if fields.len() <= FEW {
        return names.find(|(at, name)| fields[..*at].iter().any(|(other, _)| other == name)).map(|(_, name)| name);
    }
    let mut seen = HashSet::with_capacity(fields.len());
    names.find(|(_, name)| !seen.insert(*name)).map(|(_, name)| name)
}

/// Returns a finite number.
pub(super) fn number_of(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(format!("must be finite, not {}", quote(text))),
        Err(_) if text.replacen(',', ".", 1).parse::<f64>().is_ok() => {
            Err(format!("must be a number with a decimal point, such as {}, not {}", text.replacen(',', ".", 1), quote(text)))
        }
        Err(_) => Err(format!("must be a number, not {}", quote(text))),
    }
}

/// Returns the finite numbers of a JSON list of N.
pub(super) fn numbers_of<const N: usize>(json: &str) -> Result<[f64; N], String> {
    let form = || format!("must be a list of {N} numbers, not {}", quote(json));
    let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| form())?;
    let items: [&RawValue; N] = items.try_into().map_err(|_| form())?;
    let mut numbers = [0.0; N];
    for (number, item) in numbers.iter_mut().zip(items) {
        *number = number_of(item.get())?;
    }
    Ok(numbers)
}

/// Returns whether a text is decimal digits, optionally with a minus sign.
pub(crate) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

impl<'a> Field<'a> {
    fn written(self) -> &'a str {
        match self {
            Field::Csv(cell) => cell,
            Field::Json(raw) => raw.get(),
        }
    }

    pub fn is_absent(&self) -> bool {
        match self {
            Field::Json(raw) => raw.get() == "null",
            Field::Csv(cell) => cell.is_empty(),
        }
    }

    fn text(&self) -> Result<String, String> {
        let text = match self {
            Field::Csv(cell) => (*cell).to_owned(),
            // It has been read as JSON: between the quotes of a text only what follows a backslash is written otherwise.
            Field::Json(raw) if let Some(text) = quoted(raw.get()).filter(|text| !text.contains('\\')) => text.to_owned(),
            Field::Json(raw) if raw.get().starts_with('"') => {
                serde_json::from_str::<String>(raw.get()).map_err(|e| format!("is not a valid text: {}", json_reason(&e)))?
            }
            Field::Json(raw) => return Err(format!("must be text, not {}", quote(raw.get()))),
        };
        if text.contains('\0') {
            return Err("holds a NUL character".into());
        }
        Ok(text)
    }

    /// Returns text, or the decimal text of a JSON integer, which may have been a float for a while.
    fn id(&self) -> Result<String, String> {
        match self {
            Field::Json(raw) if is_integer(raw.get()) => Ok(raw.get().to_owned()),
            Field::Json(raw) if raw.get().ends_with(".0") => self.integer().map(|integer| integer.to_string()),
            field => field.text(),
        }
    }

    fn integer(&self) -> Result<i64, String> {
        let text: &str = match self {
            Field::Csv(cell) => cell,
            Field::Json(raw) => raw.get(),
        };
        // pandas turns a column of integers with a gap in it into floats: 42 becomes 42.0.
        let whole = text.split_once('.').filter(|(_, zeros)| !zeros.is_empty() && zeros.bytes().all(|b| b == b'0'));
        let digits = whole.map_or(text, |(whole, _)| whole);
        if !is_integer(digits) {
            return Err(format!("must be an integer, not {}", quote(text)));
        }
        let integer = integer_of(digits)?;
        if whole.is_some() && integer.unsigned_abs() > MOST_EXACT {
            return Err(format!("{} was a float, which is not exact beyond 2^53; write it as an integer", quote(text)));
        }
        Ok(integer)
    }

    fn list(&self) -> Result<Vec<String>, String> {
        let items = match self {
            Field::Csv(cell) => match listed(cell) {
                Some(items) => items?,
                None => cell.split(LIST_SEPARATOR).map(str::to_owned).collect(),
            },
            Field::Json(raw) => serde_json::from_str::<Vec<String>>(raw.get())
                .map_err(|_| format!("must be a list of texts, not {}", quote(raw.get())))?,
        };
        if items.is_empty() {
            return Err("is an empty list".into());
        }
        if items.iter().any(String::is_empty) {
            return Err("has an empty item".into());
        }
        if items.iter().any(|i| i.contains('\0')) {
            return Err("holds a NUL character".into());
        }
        Ok(items)
    }

    fn json(&self) -> Result<String, String> {
        let text = match self {
            Field::Csv(cell) => cell,
            Field::Json(raw) => raw.get(),
        };
        // Parsed for its limits (depth, numbers, surrogates), kept as it was written.
        serde_json::from_str::<serde_json::Value>(text).map_err(|e| format!("is not valid JSON: {}", json_reason(&e)))?;
        Ok(text.to_owned())
    }
}

/// Returns what is between the quotes of a JSON text.
fn quoted(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}

/// Beyond this an integer that went through a float64 may have become another.
pub(crate) const MOST_EXACT: u64 = 1 << 53;

/// Parses an integer of decimal digits, optionally with a minus sign.
///
/// # Errors
/// The integer is out of the catalog's range; the message gives the bound.
pub(crate) fn integer_of(digits: &str) -> Result<i64, String> {
    digits.parse().map_err(|_| match digits.starts_with('-') {
        true => format!("{} is less than {}, the least integer that can be kept", quote(digits), i64::MIN),
        false => format!("{} is greater than {} (2^63 - 1), the greatest integer that can be kept", quote(digits), i64::MAX),
    })
}

/// The items of a cell that is the text of a Python or JSON list, as pandas (`['S1', 'S2']`), numpy (`['S1' 'S2']`) and
/// JSON write one; `None` if it is not such a text.
fn listed(cell: &str) -> Option<Result<Vec<String>, String>> {
    let cell = cell.trim();
    // JSON escapes some characters in ways of its own, such as two halves of an emoji.
    if let Ok(items) = serde_json::from_str(cell) {
        return Some(Ok(items));
    }
    let inner = match cell.as_bytes() {
        [b'[', .., b']'] | [b'(', .., b')'] => &cell[1..cell.len() - 1],
        _ => return None,
    };
    if inner.trim().is_empty() {
        return (cell.starts_with('[')).then(|| Ok(Vec::new()));
    }
    if !inner.trim_start().starts_with(['\'', '"']) {
        // `[a, b]` may be a list without quotes, or a name; `[a]` and `(a, b)` are names that people give.
        let advice = || Err(format!("{} looks like a list without quotes; separate items by `;`", quote(cell)));
        return (cell.starts_with('[') && inner.contains(',')).then(advice);
    }
    let advice = || format!("{} looks like a list but cannot be read as one; separate items by `;`", quote(cell));
    Some(quoted_items(inner).ok_or_else(advice))
}

/// Quoted texts, parted by commas or white space; a comma may follow the last.
fn quoted_items(text: &str) -> Option<Vec<String>> {
    let mut items = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let mut item = String::new();
        let mut chars = rest.char_indices().skip(1);
        let after = loop {
            let (at, c) = chars.next()?;
            match c {
                c if c == quote => break at + 1,
                '\\' => item.push(escaped(&mut chars)?),
                c => item.push(c),
            }
        };
        items.push(item);
        let tail = &rest[after..];
        let parted = tail.trim_start().strip_prefix(',').unwrap_or(tail);
        if !parted.is_empty() && parted.len() == tail.len() && !tail.starts_with(char::is_whitespace) {
            return None; // two texts side by side
        }
        rest = parted.trim_start();
    }
    Some(items)
}

/// The character that follows a backslash, in Python's writing or JSON's.
fn escaped(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    let digits = match chars.next()?.1 {
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        c @ ('\\' | '\'' | '"' | '/') => return Some(c),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let code: String = chars.take(digits).map(|(_, c)| c).collect();
    if code.len() != digits {
        return None;
    }
    u32::from_str_radix(&code, 16).ok().and_then(char::from_u32)
}

/// Returns serde_json's reason without its line number (always 1 here).
fn json_reason(e: &serde_json::Error) -> String {
    e.to_string().replace(" at line 1 column ", " at column ")
}

/// Returns whether a text is not JSON because of a NaN or an Infinity, which Python writes.
fn at_non_number(text: &str, e: &serde_json::Error) -> bool {
    let line = text.lines().nth(e.line().saturating_sub(1)).unwrap_or_default().as_bytes();
    let at = e.column().saturating_sub(2).min(line.len());
    ["NaN", "Infinity", "-Infinity"]
        .iter()
        .any(|word| (at..at + 2).any(|at| line.get(at..).is_some_and(|t| t.starts_with(word.as_bytes()))))
}

/// A key as it lies in the text, or, if something in it is escaped, what it says.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object's entries in order, duplicates kept.
struct JsonObject<'a>(Vec<(Cow<'a, str>, Field<'a>)>);

impl<'de> de::Deserialize<'de> for JsonObject<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = JsonObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<JsonObject<'de>, M::Error> {
                let mut entries = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    entries.push((name, Field::Json(map.next_value::<&'de RawValue>()?)));
                }
                Ok(JsonObject(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_or_refused() {
        let row = Fields::from_json(r#"{"seed": 9007199254740993, "big": 18446744073709551616, "f": 1.0, "b": true}"#).unwrap();
        assert_eq!(row.integer("seed"), Ok(9007199254740993));
        assert!(row.integer("big").unwrap_err().contains("greater than 9223372036854775807"));
        assert_eq!(row.integer("f"), Ok(1), "pandas writes integers so, beside gaps");
        let row = Fields::from_json(r#"{"half": 1.5, "wide": 9007199254740994.0, "e": 1e3, "dot": "1."}"#).unwrap();
        assert!(["half", "wide", "e", "dot"].iter().all(|name| row.integer(name).is_err()));
        let row = Fields::from_json(r#"{"seed": 9007199254740993, "big": 18446744073709551616, "f": 1.0, "b": true}"#).unwrap();
        assert!(row.integer("b").is_err());
        assert_eq!(row.id("big").unwrap(), "18446744073709551616");
    }

    #[test]
    fn a_slip_in_a_name_is_seen() {
        let row = Fields::from_json(r#"{"sed": 1}"#).unwrap();
        assert_eq!(row.integer("seed").unwrap_err(), "`seed` is missing (did you mean `sed`?)");
        assert!(Fields::from_json(r#"{"a": 1, "a": 2}"#).unwrap_err().contains("twice"));
        assert!(Fields::from_json(r#"{"a": 1} {"a": 2}"#).is_err());
        assert!(Fields::from_json("[1]").unwrap_err().contains("array"));
    }

    #[test]
    fn lists_in_both_forms() {
        let row = Fields(vec![("subjects".into(), Field::Csv("s1;s2"))]);
        assert_eq!(row.list("subjects").unwrap(), ["s1", "s2"]);
        let row = Fields(vec![("subjects".into(), Field::Csv("s1;"))]);
        assert_eq!(row.list("subjects").unwrap_err(), "`subjects` has an empty item");
        let list =
            |cell: &str| Fields(vec![("l".into(), Field::Csv(cell))]).list("l").map_err(|e| e.contains("separate items by `;`"));
        for (cell, items) in [
            ("['S1', 'S2']", &["S1", "S2"][..]),
            ("[\"it's\", 'a, b']", &["it's", "a, b"]),
            ("['S1' 'S2'\n 'S3']", &["S1", "S2", "S3"]),
            ("('S1',)", &["S1"]),
            (r#"["caf\u00e9", "a\\b"]"#, &["café", "a\\b"]),
            (r#"["\ud83d\ude42", "\b"]"#, &["🙂", "\u{8}"]),
            ("[draft]", &["[draft]"]),
            ("(a, b).png", &["(a, b).png"]),
        ] {
            assert_eq!(list(cell).unwrap(), items, "{cell}");
        }
        for cell in ["[S1, S2]", "['S1''S2']", "['S1'];['S2']", "['S1', S2]"] {
            assert_eq!(list(cell), Err(true), "{cell}");
        }
        assert_eq!(list("[]"), Err(false));
        let row = Fields::from_json(r#"{"subjects": [["s1"]]}"#).unwrap();
        assert!(row.list("subjects").is_err());
    }
}
