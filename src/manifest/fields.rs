//! A row's fields by name, before they mean anything: JSON values or CSV cells, read by one set of rules.

use crate::manifest::nearest;
use crate::vocabulary::quote;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
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
    /// No JSON, no object, or a key twice.
    pub fn from_json(line: &'a str) -> Result<Fields<'a>, String> {
        if !line.trim_start().starts_with('{') {
            let seen = line.trim_start().chars().next().unwrap_or(' ');
            return Err(match seen {
                '[' => "a JSON array; a manifest has one object a line".into(),
                _ => format!("no JSON object (it starts with {})", quote(&seen.to_string())),
            });
        }
        let Object(fields) = serde_json::from_str(line).map_err(|e| format!("not valid JSON: {}", json_reason(&e)))?;
        for (i, (name, _)) in fields.iter().enumerate() {
            if fields[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(format!("the key {} stands twice", quote(name)));
            }
        }
        Ok(Fields(fields))
    }

    fn get(&self, name: &str) -> Option<Field<'a>> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, field)| *field).filter(|field| !field.is_absent())
    }

    /// The field, or an error that says which near miss stands there instead.
    fn required(&self, name: &str) -> Result<Field<'a>, String> {
        if let Some(field) = self.get(name) {
            return Ok(field);
        }
        Err(match self.0.iter().any(|(n, _)| n == name) {
            true => format!("`{name}` is empty"),
            false => match nearest(name, self.0.iter().map(|(n, _)| n.as_ref())) {
                Some(near) => format!("`{name}` is missing (is {} meant?)", quote(near)),
                None => format!("`{name}` is missing"),
            },
        })
    }

    pub fn text(&self, name: &str) -> Result<String, String> {
        self.required(name)?.text().map_err(|e| format!("`{name}` {e}"))
    }

    pub fn optional_text(&self, name: &str) -> Result<Option<String>, String> {
        self.get(name).map(|f| f.text()).transpose().map_err(|e| format!("`{name}` {e}"))
    }

    /// Text, or a JSON integer taken as its decimal text.
    pub fn id(&self, name: &str) -> Result<String, String> {
        let field = self.required(name)?;
        if let Field::Json(raw) = field
            && is_integer(raw.get())
        {
            return Ok(raw.get().to_owned());
        }
        field.text().map_err(|e| format!("`{name}` {e}"))
    }

    pub fn integer(&self, name: &str) -> Result<i64, String> {
        self.required(name)?.integer().map_err(|e| format!("`{name}` {e}"))
    }

    pub fn list(&self, name: &str) -> Result<Vec<String>, String> {
        self.required(name)?.list().map_err(|e| format!("`{name}` {e}"))
    }

    /// A JSON value as the text it was written in.
    pub fn optional_json(&self, name: &str) -> Result<Option<String>, String> {
        self.get(name).map(|f| f.json()).transpose().map_err(|e| format!("`{name}` {e}"))
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

impl Field<'_> {
    fn is_absent(&self) -> bool {
        match self {
            Field::Json(raw) => raw.get() == "null",
            Field::Csv(cell) => cell.is_empty(),
        }
    }

    fn text(&self) -> Result<String, String> {
        let text = match self {
            Field::Csv(cell) => (*cell).to_owned(),
            Field::Json(raw) if raw.get().starts_with('"') => {
                serde_json::from_str::<String>(raw.get()).map_err(|e| format!("is no valid text: {}", json_reason(&e)))?
            }
            Field::Json(raw) => return Err(format!("must be text, not {}", quote(raw.get()))),
        };
        if text.contains('\0') {
            return Err("holds a NUL character".into());
        }
        Ok(text)
    }

    fn integer(&self) -> Result<i64, String> {
        let text = match self {
            Field::Csv(cell) => cell,
            Field::Json(raw) => raw.get(),
        };
        if !is_integer(text) {
            return Err(format!("must be an integer, not {}", quote(text)));
        }
        text.parse().map_err(|_| format!("{} does not fit in 64 bits", quote(text)))
    }

    fn list(&self) -> Result<Vec<String>, String> {
        let items = match self {
            Field::Csv(cell) => cell.split(LIST_SEPARATOR).map(str::to_owned).collect(),
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
        serde_json::from_str::<serde_json::Value>(text).map_err(|e| format!("is no valid JSON: {}", json_reason(&e)))?;
        Ok(text.to_owned())
    }
}

/// serde_json's reason without its line (always 1 here).
fn json_reason(e: &serde_json::Error) -> String {
    e.to_string().replace(" at line 1 column ", " at column ")
}

/// An object's entries in order, duplicates kept.
struct Object<'a>(Vec<(Cow<'a, str>, Field<'a>)>);

impl<'de> de::Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<'de>, M::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    entries.push((Cow::Owned(name), Field::Json(map.next_value::<&'de RawValue>()?)));
                }
                Ok(Object(entries))
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
        assert!(row.integer("big").unwrap_err().contains("64 bits"));
        assert!(row.integer("f").is_err());
        assert!(row.integer("b").is_err());
        assert_eq!(row.id("big").unwrap(), "18446744073709551616");
    }

    #[test]
    fn a_slip_in_a_name_is_seen() {
        let row = Fields::from_json(r#"{"sed": 1}"#).unwrap();
        assert_eq!(row.integer("seed").unwrap_err(), "`seed` is missing (is `sed` meant?)");
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
        let row = Fields::from_json(r#"{"subjects": [["s1"]]}"#).unwrap();
        assert!(row.list("subjects").is_err());
    }
}
