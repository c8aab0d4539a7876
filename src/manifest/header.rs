//! The header of a CSV: what separates its cells, and which columns are read.

use super::csv_records::{Cells, Records, SEPARATORS};
use super::file::{ManifestSettings, RowKind, is_field, required};
use super::records::RecordFault;
use super::row::SCENE_HINT;
use super::scores;
use crate::text::{nearest, quote, shell_word};
use crate::vocabulary::MetricDeclaration;

/// What a CSV has before its rows.
pub struct Header {
    /// The line that it begins in.
    pub line: u64,
    /// Names of columns; an empty one is not read.
    pub columns: Vec<String>,
    /// What a score file says of its metrics.
    pub declared: Vec<MetricDeclaration>,
    /// What is odd about it.
    pub remarks: Vec<String>,
}

impl Header {
    /// Reads the first record, and the lines before it that say what the metrics of a score file are. A row of data taken
    /// for a header must not go unseen, so all names that a row needs must be there. Where the header is one cell that `;`,
    /// tabs or bars part into names that are known, these separate throughout; where blanks are around the names, they are
    /// taken from around all cells.
    ///
    /// # Errors
    /// It is not the header of a manifest of this kind.
    pub fn read(records: &mut Records<'_>, kind: RowKind, reading: &ManifestSettings) -> Result<Header, RecordFault> {
        let fault = |line, reason| RecordFault { line, reason, last: true };
        let (mut declared, mut remarks) = (Vec::new(), Vec::new());
        let (line, cells) = loop {
            let (line, cells) = match records.next_guessing() {
                // An empty file: no rows, nothing to misread.
                None => {
                    let columns = required(kind, reading).map(str::to_owned).collect();
                    return Ok(Header { line: 1, columns, declared, remarks });
                }
                Some(next) => next?,
            };
            if let Some(separator) = separator_said(&texts(&cells, line)?, records.separator()) {
                records.separate_by(separator);
                continue;
            }
            let texts = if kind == RowKind::Scores { texts(&cells, line)? } else { Vec::new() };
            match scores::comment(&texts.iter().map(String::as_str).collect::<Vec<_>>()) {
                Some(rule) => declared.push(rule.map_err(|e| fault(line, e))?),
                None => break (line, cells),
            }
        };
        let mut columns = texts(&cells, line)?;
        if let [only] = &columns[..] {
            let known = |names: &[String]| {
                let mut names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
                reading.renaming.rename(kind, &mut names).is_ok()
                    && names.iter().filter(|name| required(kind, reading).any(|column| column == name.as_str())).count() > 1
            };
            for separator in SEPARATORS {
                // A spreadsheet puts quotes around the names or leaves them out.
                let parted: Vec<String> = only.split(separator).map(|name| name.trim_matches('"').to_owned()).collect();
                if parted.len() > 1 && known(&parted) {
                    records.separate_by(separator as u8);
                    columns = parted;
                    break;
                }
            }
        }
        if columns.iter().any(|name| name.trim() != name) {
            for name in &mut columns {
                *name = name.trim().trim_matches('"').to_owned();
            }
            records.trim();
            remarks
                .push("names in the header have blanks around them; blanks around the names and the cells are not read".into());
        }
        for (at, name) in columns.iter_mut().enumerate() {
            if name.is_empty() || scores::is_index(name) {
                remarks.push(nameless(at, name));
                name.clear();
            }
        }
        reading.renaming.rename(kind, &mut columns).map_err(|e| fault(line, e))?;
        check(kind, reading, &columns).map_err(|reason| fault(line, reason))?;
        Ok(Header { line, columns, declared, remarks })
    }
}

fn texts(cells: &Cells, line: u64) -> Result<Vec<String>, RecordFault> {
    let fault = |reason| RecordFault { line, reason, last: true };
    Ok(cells.texts().map_err(fault)?.into_iter().map(str::to_owned).collect())
}

/// Returns the separator that a line such as `sep=;` says, which Excel writes and reads before the header.
fn separator_said(cells: &[String], separator: char) -> Option<u8> {
    let line = cells.join(&separator.to_string());
    let said = line.strip_prefix("sep=").or_else(|| line.strip_prefix("SEP="))?;
    [b',', b';', b'\t', b'|'].into_iter().find(|known| said.as_bytes() == [*known])
}

/// Says that a column is not read because it has no name of its own.
fn nameless(at: usize, name: &str) -> String {
    let what =
        if name.is_empty() { format!("column {} of the header has no name", at + 1) } else { format!("column {}", quote(name)) };
    let index =
        if at == 0 || !name.is_empty() { ": an index that pandas wrote (`to_csv(index=False)` leaves it out)" } else { "" };
    format!("{what}, not read{index}")
}

/// Checks that no name appears twice and none is missing.
fn check(kind: RowKind, reading: &ManifestSettings, columns: &[String]) -> Result<(), String> {
    let named = || columns.iter().map(String::as_str).filter(|name| !name.is_empty());
    if let Some(twice) =
        columns.iter().enumerate().find_map(|(i, name)| (!name.is_empty() && columns[..i].contains(name)).then_some(name))
    {
        return Err(format!("column {} appears twice in the header", quote(twice)));
    }
    missing(kind, reading, columns).map_err(|reason| {
        let parted = columns.len() == 1 && columns[0].contains([';', '\t', '|']);
        let advice = if parted { " (columns are separated by `,`, or by `;`, `|` or tabs throughout)" } else { "" };
        let comment = if columns[0].starts_with('#') { "; lines before the header are not read: take them out" } else { "" };
        format!("the header has {reason}{advice}{comment}")
    })?;
    if kind == RowKind::Scores { scores::check_columns(named()) } else { Ok(()) }
}

/// Checks that the columns that a row cannot do without are there.
pub fn missing(kind: RowKind, reading: &ManifestSettings, columns: &[String]) -> Result<(), String> {
    let missing: Vec<&str> = required(kind, reading).filter(|name| !columns.iter().any(|column| column == name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    // What could be meant by a missing name, if it is not read otherwise.
    let unread = || columns.iter().map(String::as_str).filter(|column| !is_field(kind, column) || kind == RowKind::Scores);
    let near: Vec<(&str, &str)> = missing.iter().filter_map(|name| Some((*name, nearest(name, unread())?))).collect();
    let hint = if missing == ["scene_type"] && near.is_empty() {
        format!(" ({SCENE_HINT})")
    } else if !near.is_empty() {
        let names: Vec<String> = near.iter().map(|(_, near)| quote(near)).collect();
        let pairs: Vec<String> = near.iter().map(|(name, near)| format!("{name}={near}")).collect();
        let word = shell_word(pairs.join(",").as_ref());
        format!(" (did you mean {}? `ingest --columns {word}` reads it so)", names.join(", "))
    } else if missing.len() < required(kind, reading).count() {
        format!(" (`ingest --columns {}=NAME` if it has another name)", missing[0])
    } else {
        String::new()
    };
    Err(format!("no column {names}; it has {}{hint}", quote(&columns.join(","))))
}
