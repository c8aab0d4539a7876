//! What only the author knows: `card.toml`.

use crate::error::{Error, Result};
use crate::input;
use crate::text::{nearest, plain, quote};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use toml::{Table, Value};

/// Most bytes of a card.
const MOST: u64 = 4 << 20;

/// Names listed in an error; the others are counted.
const NAMED: usize = 5;

/// A card to fill in.
pub const TEMPLATE: &str = include_str!("card.toml");

/// What a data set needs a card to answer.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Licences that subjects have.
    pub licences: BTreeSet<String>,
    /// Subjects without a licence.
    pub unlicensed: Vec<String>,
    /// Every encoder with its licence, if that is known.
    pub encoders: Vec<(String, Option<String>)>,
}

impl Wanted {
    /// Returns the template with a line for each encoder whose licence is not known.
    pub fn complete(&self, template: &str) -> String {
        let mut text = template.to_owned();
        for (name, _) in self.encoders.iter().filter(|(_, licence)| licence.is_none()) {
            // A string of JSON is one of TOML.
            text += &format!("{} = \"\"\n", serde_json::json!(name));
        }
        text
    }
}

/// Something named, with an address and terms where they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name, or what there is to say.
    pub name: String,
    /// Its address.
    pub url: Option<String>,
    /// Its licence, or the affiliation of a person.
    pub more: Option<String>,
}

/// What the author says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Card {
    /// Name of the data set.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Licence of what is published: an SPDX identifier or an address.
    pub license: String,
    /// Who made it.
    pub creators: Vec<Named>,
    /// How to cite it.
    pub citation: String,
    /// Date of publication, YYYY-MM-DD.
    pub date_published: String,
    /// Where it is published.
    pub url: String,
    /// Its version.
    pub version: String,
    /// Words to find it by.
    pub keywords: Vec<String>,
    /// How the data came about.
    pub data_collection: String,
    /// Known biases.
    pub data_biases: String,
    /// Personal and sensitive information.
    pub personal_sensitive_information: String,
    /// Limitations.
    pub data_limitations: String,
    /// What it is for, and what not.
    pub data_use_cases: String,
    /// Social impact.
    pub data_social_impact: String,
    /// Whether it has synthetic data.
    pub has_synthetic_data: bool,
    /// What it was derived from.
    pub derived_from: Vec<Named>,
    /// What generated it.
    pub generated_by: Vec<Named>,
    /// Licences of the references, with how many subjects have none of their own.
    pub reference_licences: Vec<String>,
    /// The licence of every encoder.
    pub encoder_licences: BTreeMap<String, String>,
}

/// What is absent from a card, and what is wrong with it.
struct Reading {
    faults: Vec<String>,
}

impl Card {
    /// Reads the card at `path`.
    ///
    /// # Errors
    /// One error lists everything that is absent or wrong.
    pub fn read(path: &Path, wanted: &Wanted) -> Result<Card> {
        let shown = plain(&path.display().to_string()).into_owned();
        let (text, there) = match input::read_text(path, MOST) {
            Ok(text) => (text, true),
            Err(e) if e.kind() == ErrorKind::NotFound => (String::new(), false),
            Err(e) => return Err(Error::io("read", path)(e)),
        };
        let table: Table = text.parse().map_err(|e: toml::de::Error| {
            let line = e.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            Error::request(format!("{shown}:{line}: {}", plain(e.message())), "correct it and run the same command again")
        })?;
        let mut reading = Reading { faults: Vec::new() };
        let card = reading.card(&table, wanted);
        if reading.faults.is_empty() {
            return Ok(card);
        }
        let first = match there {
            true => format!("{shown} lacks what only you know; nothing was written"),
            false => format!("there is no {shown}, which says what only you know; nothing was written"),
        };
        let lines: Vec<String> = std::iter::once(first).chain(reading.faults.iter().map(|f| format!("  {}", plain(f)))).collect();
        let hint = match there {
            true => {
                "fill it in and run the same command again; `msdata publish --init --card FILE` writes a new one with comments"
            }
            false => "`msdata publish --init` writes it with comments: fill it in and run the same command again",
        };
        Err(Error::request(lines.join("\n"), hint))
    }
}

const TOP: [&str; 14] = [
    "name",
    "description",
    "license",
    "creators",
    "citation",
    "date_published",
    "url",
    "version",
    "keywords",
    "rai",
    "derived_from",
    "generated_by",
    "references",
    "encoders",
];

const RAI: [&str; 7] = [
    "data_collection",
    "data_biases",
    "personal_sensitive_information",
    "data_limitations",
    "data_use_cases",
    "data_social_impact",
    "has_synthetic_data",
];

impl Reading {
    fn card(&mut self, table: &Table, wanted: &Wanted) -> Card {
        self.unknown(table, "", &TOP);
        let none = Table::new();
        let part = |reading: &mut Reading, name: &str| match table.get(name) {
            Some(Value::Table(part)) => part.clone(),
            Some(_) => {
                reading.faults.push(format!("`{name}` must be a table: write [{name}]"));
                none.clone()
            }
            None => none.clone(),
        };
        let (rai, references, encoders) = (part(self, "rai"), part(self, "references"), part(self, "encoders"));
        self.unknown(&rai, "rai.", &RAI);
        self.unknown(&references, "references.", &["license"]);
        Card {
            name: self.text(table, "", "name", "the name of the data set"),
            description: self.text(table, "", "description", "what it is, in some sentences"),
            license: self.text(table, "", "license", "the licence of what is published, such as CC-BY-4.0"),
            creators: self.list(table, "creators", "who made it", "affiliation"),
            citation: self.text(table, "", "citation", "how to cite it, BibTeX"),
            date_published: self.date(table),
            url: self.text(table, "", "url", "where it is published"),
            version: self.optional(table, "", "version").unwrap_or_else(|| "1.0.0".to_owned()),
            keywords: self.words(table, "keywords"),
            data_collection: self.text(&rai, "rai.", RAI[0], "how the data came about"),
            data_biases: self.text(&rai, "rai.", RAI[1], "known biases"),
            personal_sensitive_information: self.text(
                &rai,
                "rai.",
                RAI[2],
                "personal and sensitive information, or that there is none",
            ),
            data_limitations: self.text(&rai, "rai.", RAI[3], "what it cannot show"),
            data_use_cases: self.text(&rai, "rai.", RAI[4], "what it is for, and what not"),
            data_social_impact: self.text(&rai, "rai.", RAI[5], "what good and harm it may do"),
            has_synthetic_data: self.flag(&rai),
            derived_from: self.list(table, "derived_from", "the data that it was made from, or that there is none", "license"),
            generated_by: self.list(table, "generated_by", "how the images were made", "license"),
            reference_licences: self.references(&references, wanted),
            encoder_licences: self.encoders(&encoders, wanted),
        }
    }

    fn unknown(&mut self, table: &Table, of: &str, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let near = nearest(key, known.iter().copied()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            self.faults.push(format!("{} is not known{near}", quote(&format!("{of}{key}"))));
        }
    }

    fn optional(&mut self, table: &Table, of: &str, key: &str) -> Option<String> {
        match table.get(key)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            other => {
                self.faults.push(format!("`{of}{key}` must be text, not {}", other.type_str()));
                None
            }
        }
    }

    fn text(&mut self, table: &Table, of: &str, key: &str, what: &str) -> String {
        let before = self.faults.len();
        let text = self.optional(table, of, key);
        if text.is_none() && self.faults.len() == before {
            self.faults.push(format!("`{of}{key}`: {what}"));
        }
        text.unwrap_or_default()
    }

    fn date(&mut self, table: &Table) -> String {
        let text = match table.get("date_published") {
            Some(Value::Datetime(date)) => date.to_string(),
            _ => self.text(table, "", "date_published", "YYYY-MM-DD"),
        };
        if !text.is_empty() && chrono::NaiveDate::parse_from_str(&text, "%Y-%m-%d").is_err() {
            self.faults.push(format!("`date_published` is {}, not a date such as 2026-05-31", quote(&text)));
        }
        text
    }

    fn flag(&mut self, rai: &Table) -> bool {
        match rai.get("has_synthetic_data") {
            Some(Value::Boolean(answer)) => *answer,
            Some(_) => {
                self.faults.push("`rai.has_synthetic_data` must be true or false".to_owned());
                false
            }
            None => {
                self.faults.push("`rai.has_synthetic_data`: true or false; images from generators are synthetic".to_owned());
                false
            }
        }
    }

    fn words(&mut self, table: &Table, key: &str) -> Vec<String> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let words = value.as_array().map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>());
        match words.filter(|words| Some(words.len()) == value.as_array().map(Vec::len)) {
            Some(words) => words,
            None => {
                self.faults.push(format!("`{key}` must be a list of texts"));
                Vec::new()
            }
        }
    }

    /// Entries that are texts, or tables with a name.
    fn list(&mut self, table: &Table, key: &str, what: &str, more: &str) -> Vec<Named> {
        let entries = match table.get(key) {
            Some(Value::Array(entries)) => entries.clone(),
            Some(text @ Value::String(_)) => vec![text.clone()],
            Some(_) => {
                self.faults.push(format!("`{key}` must be a list"));
                return Vec::new();
            }
            None => Vec::new(),
        };
        let before = self.faults.len();
        let mut named = Vec::new();
        for entry in &entries {
            match entry {
                Value::String(text) if text.trim().is_empty() => {}
                Value::String(text) => named.push(Named { name: text.trim().to_owned(), url: None, more: None }),
                Value::Table(entry) => {
                    self.unknown(entry, &format!("{key}."), &["name", "url", more]);
                    let of = format!("{key}.");
                    let (url, said) = (self.optional(entry, &of, "url"), self.optional(entry, &of, more));
                    match self.optional(entry, &of, "name") {
                        Some(name) => named.push(Named { name, url, more: said }),
                        None if url.is_some() || said.is_some() => self.faults.push(format!("`{key}`: an entry has no `name`")),
                        None => {}
                    }
                }
                _ => self.faults.push(format!("`{key}`: an entry must be text or {{ name = \"…\" }}")),
            }
        }
        if named.is_empty() && self.faults.len() == before {
            self.faults.push(format!("`{key}`: {what}"));
        }
        named
    }

    fn references(&mut self, table: &Table, wanted: &Wanted) -> Vec<String> {
        let default = self.optional(table, "references.", "license");
        let mut licences: Vec<String> = wanted.licences.iter().cloned().collect();
        match (default, wanted.unlicensed.as_slice()) {
            (_, []) => {}
            (Some(default), lacking) => {
                if !licences.contains(&default) {
                    licences.push(format!("{default} ({} of the subjects, which name none of their own)", lacking.len()));
                }
            }
            (None, lacking) => {
                let first: Vec<String> = lacking.iter().take(NAMED).map(|id| quote(id)).collect();
                let more = if lacking.len() > NAMED { ", …" } else { "" };
                self.faults.push(format!(
                    "`references.license`: {} subjects have no `license` ({}{more}): say theirs here, or in their manifest",
                    lacking.len(),
                    first.join(", ")
                ));
            }
        }
        licences
    }

    fn encoders(&mut self, table: &Table, wanted: &Wanted) -> BTreeMap<String, String> {
        let names: Vec<&str> = wanted.encoders.iter().map(|(name, _)| name.as_str()).collect();
        self.unknown(table, "encoders.", &names);
        let mut licences = BTreeMap::new();
        for (name, known) in &wanted.encoders {
            match self.optional(table, "encoders.", name).or_else(|| known.clone()) {
                Some(licence) => drop(licences.insert(name.clone(), licence)),
                None => self
                    .faults
                    .push(format!("`encoders.{}`: the licence of this encoder is not known", quote(name).trim_matches('`'))),
            }
        }
        licences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        let encoders = vec![("dinov2-small".to_owned(), Some("Apache-2.0".to_owned())), ("mine".to_owned(), None)];
        Wanted { licences: BTreeSet::new(), unlicensed: (0..7).map(|n| format!("s{n}")).collect(), encoders }
    }

    #[test]
    fn everything_that_is_absent_is_one_error_and_the_template_lacks_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("card.toml");
        let absent = Card::read(&path, &wanted()).unwrap_err().to_string();
        for key in TOP.iter().filter(|key| !["version", "keywords", "rai", "references", "encoders"].contains(key)) {
            assert!(absent.contains(&format!("`{key}`: ")), "{key}: {absent}");
        }
        assert!(RAI.iter().all(|key| absent.contains(&format!("`rai.{key}`: "))), "{absent}");
        assert!(absent.contains("7 subjects have no `license`") && absent.contains("`encoders.mine`"), "{absent}");
        std::fs::write(&path, wanted().complete(TEMPLATE)).unwrap();
        let template = Card::read(&path, &wanted()).unwrap_err().to_string();
        let lines = |text: &str| {
            text.lines().skip(1).filter(|l| !l.contains("has_synthetic_data")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines(&template), lines(&absent), "the template knows every key, and answers none but what is always so");
    }

    #[test]
    fn words_that_are_not_known_and_wrong_types_are_listed_with_what_is_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("card.toml");
        std::fs::write(&path, "nmae = \"x\"\ndescription = 3\ndate_published = \"tomorrow\"\n[encoders]\nmne = \"MIT\"\n")
            .unwrap();
        let said = Card::read(&path, &wanted()).unwrap_err().to_string();
        for part in ["did you mean `name`?", "`description` must be text, not integer", "not a date", "did you mean `mine`?"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        std::fs::write(&path, "name = \"x\"\ndescription = \"\nb\"\n").unwrap();
        let said = Card::read(&path, &wanted()).unwrap_err().to_string();
        assert!(said.contains("card.toml:3: "), "{said}");
    }
}
