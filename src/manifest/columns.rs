//! The names that columns have in the files of a run, where these are not ours.

use super::file::{RowKind, is_field};
use super::row::{ManifestRow, PlacedGeneration, Prompt, Subject};
use super::scores::ScoreLine;
use crate::error::{Error, Result};
use crate::text::{nearest, quote, suggestion};
use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Most names of columns that are kept to suggest one.
const MOST_NAMES: usize = 1000;

/// A column whose name in the files is another: `prompt_id=id` says that what is called `id` there is the `prompt_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnName {
    /// The name that it is read by.
    pub name: String,
    /// Its name in the files.
    pub written: String,
}

impl FromStr for ColumnName {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<ColumnName, String> {
        match text.split_once('=').map(|(name, written)| (name.trim(), written.trim())) {
            Some((name, written)) if !name.is_empty() && !written.is_empty() => {
                Ok(ColumnName { name: name.to_owned(), written: written.to_owned() })
            }
            _ => Err(format!("{} is not like prompt_id=id: the name of a column here, and its name in the files", quote(text))),
        }
    }
}

/// The columns of a run that have other names in its files, and which of those were met.
#[derive(Debug, Default)]
pub struct Renaming {
    columns: Vec<(ColumnName, AtomicBool)>,
    seen: Mutex<BTreeSet<String>>,
}

impl Renaming {
    /// Returns the renaming by these names. In score files any column may be a metric, so with `scores` any name goes.
    ///
    /// # Errors
    /// A name is not that of a column, or two columns would have the same name.
    pub fn new(columns: &[ColumnName], scores: bool) -> Result<Renaming> {
        let fields =
            || [Subject::FIELDS, Prompt::FIELDS, PlacedGeneration::FIELDS, ScoreLine::FIELDS].into_iter().flatten().copied();
        for (i, ColumnName { name, written }) in columns.iter().enumerate() {
            if !scores && !fields().any(|field| field == name) {
                let near = nearest(name, fields());
                let known: BTreeSet<&str> = fields().collect();
                let hint = near.map_or_else(
                    || format!("they are {}", known.into_iter().collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean `{near}={written}`?"),
                );
                return Err(Error::request(format!("`--columns`: no manifest has a column {}", quote(name)), hint));
            }
            if let Some(other) = columns[..i].iter().find(|other| other.name == *name) {
                return Err(Error::request(
                    format!("`--columns`: {} and {} would both be `{name}`", quote(&other.written), quote(written)),
                    "give each column one name; files that differ in their names are ingested one after the other",
                ));
            }
        }
        let columns = columns.iter().map(|column| (column.clone(), AtomicBool::new(false))).collect();
        Ok(Renaming { columns, seen: Mutex::default() })
    }

    /// Returns whether nothing is renamed.
    pub(super) fn is_idle(&self) -> bool {
        self.columns.is_empty()
    }

    /// Gives the columns of a file, or the keys of a row, the names that they are read by.
    ///
    /// # Errors
    /// Two of them would have the same name.
    pub(super) fn rename(&self, kind: RowKind, names: &mut [String]) -> std::result::Result<(), String> {
        if self.is_idle() {
            return Ok(());
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut renamed: Vec<(usize, &ColumnName)> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            if seen.len() < MOST_NAMES && !seen.contains(name) {
                seen.insert(name.clone());
            }
            let mut here = self.columns.iter().filter(|(column, _)| column.written == *name && is_field(kind, &column.name));
            let Some((column, met)) = here.next() else { continue };
            if let Some((other, _)) = here.next() {
                return Err(format!("`--columns` makes {} both `{}` and `{}`", quote(name), column.name, other.name));
            }
            met.store(true, Ordering::Relaxed);
            renamed.push((at, column));
        }
        for (_, column) in &renamed {
            let taken = names.iter().enumerate().any(|(at, name)| *name == column.name && !renamed.iter().any(|(r, _)| *r == at));
            if taken {
                return Err(format!(
                    "{} would be `{}` (`--columns`), and there is a column of that name already; rename one of the two in the \
                     file, or ingest the file on its own",
                    quote(&column.written),
                    column.name
                ));
            }
        }
        for (at, column) in renamed {
            names[at].clone_from(&column.name);
        }
        Ok(())
    }

    /// Returns, for each name that no file had, a sentence.
    pub fn unmet(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let unmet = self.columns.iter().filter(|(_, met)| !met.load(Ordering::Relaxed));
        unmet
            .map(|(ColumnName { name, written }, _)| {
                let near = suggestion(written, seen.iter().map(String::as_str));
                format!("no manifest of this run has a column {} that could be `{name}`{near}", quote(written))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renaming(columns: &[&str]) -> Result<Renaming> {
        Renaming::new(&columns.iter().map(|c| c.parse().unwrap()).collect::<Vec<_>>(), false)
    }

    #[test]
    fn names_apply_where_the_column_exists() {
        let all = renaming(&["subject_id=id", "prompt_id=id", "text=caption", "path=nowhere"]).unwrap();
        let named = |kind, names: &[&str]| {
            let mut names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            all.rename(kind, &mut names).map(|()| names.join(" "))
        };
        assert_eq!(named(RowKind::Prompts, &["id", "caption"]).unwrap(), "prompt_id text");
        assert_eq!(named(RowKind::Subjects, &["id", "caption"]).unwrap(), "subject_id caption", "subjects have a caption");
        assert!(named(RowKind::Prompts, &["id", "prompt_id"]).unwrap_err().contains("of that name already"));
        assert!(named(RowKind::Scores, &["id"]).unwrap_err().contains("both `subject_id` and `prompt_id`"));
        assert_eq!(all.unmet().len(), 1);
        assert!(all.unmet()[0].contains("`nowhere` that could be `path`"));
        // What is swapped is not there twice.
        let swap = renaming(&["text=scene_type", "scene_type=text"]).unwrap();
        let mut names = vec!["text".to_owned(), "scene_type".to_owned()];
        swap.rename(RowKind::Prompts, &mut names).unwrap();
        assert_eq!(names, ["scene_type", "text"]);
    }

    #[test]
    fn what_cannot_be_a_name() {
        assert!("text".parse::<ColumnName>().is_err() && "=x".parse::<ColumnName>().is_err());
        let error = renaming(&["promt_id=id"]).unwrap_err();
        assert!(error.hint().unwrap().contains("did you mean `prompt_id=id`?"), "{error}");
        assert!(renaming(&["text=a", "text=b"]).unwrap_err().to_string().contains("`a` and `b` would both be `text`"));
    }
}
