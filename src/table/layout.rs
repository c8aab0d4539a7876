//! Aligns columns for a person. The first rows set the widths, so that a long result still streams.

use super::{Cell, Head};
use crate::text::plain;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Rows that are read before the first is written.
const SAMPLE: usize = 500;

#[derive(Default)]
pub struct TableLayout {
    sample: Vec<Vec<Cell>>,
    columns: Option<Vec<TableColumn>>,
}

struct TableColumn {
    width: usize,
    right: bool,
}

impl TableLayout {
    pub fn row(&mut self, out: &mut impl Write, head: &Head, cells: &[Cell]) -> io::Result<()> {
        if let Some(columns) = &self.columns {
            return write_row(out, columns, cells);
        }
        self.sample.push(cells.to_vec());
        if self.sample.len() == SAMPLE { self.begin(out, head) } else { Ok(()) }
    }

    pub fn finish(&mut self, out: &mut impl Write, head: &Head) -> io::Result<()> {
        if self.columns.is_none() { self.begin(out, head) } else { Ok(()) }
    }

    fn begin(&mut self, out: &mut impl Write, head: &Head) -> io::Result<()> {
        let sample = std::mem::take(&mut self.sample);
        let columns: Vec<TableColumn> = head
            .columns
            .iter()
            .enumerate()
            .map(|(i, name)| TableColumn {
                width: sample.iter().map(|row| shown(&row[i]).width()).chain([plain(name).width()]).max().unwrap_or(0),
                right: sample.iter().any(|row| is_number(&row[i])) && !sample.iter().any(|row| matches!(row[i], Cell::Text(_))),
            })
            .collect();
        if !head.groups.is_empty() {
            write_groups(out, &columns, &head.groups)?;
        }
        write_texts(out, &columns, head.columns.iter().map(|c| plain(c).into_owned()))?;
        write_texts(out, &columns, columns.iter().map(|c| "-".repeat(c.width)))?;
        for row in &sample {
            write_row(out, &columns, row)?;
        }
        self.columns = Some(columns);
        Ok(())
    }
}

fn is_number(cell: &Cell) -> bool {
    matches!(cell, Cell::Integer(_) | Cell::Real(_) | Cell::Number(_) | Cell::Best(_))
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Real(x) if x.is_finite() => rounded(*x),
        Cell::Best(text) => format!("{}*", plain(text)),
        Cell::Number(text) => format!("{} ", plain(text)), // the place of the star
        Cell::Text(text) => plain(text).into_owned(),
        other => super::exact_text(other).into_owned(),
    }
}

/// Returns a number with at most six decimals: people need no more, and CSV and JSON have them all.
fn rounded(x: f64) -> String {
    if x != 0.0 && x.abs() < 1e-4 {
        return format!("{x:.3e}");
    }
    let text = format!("{x:.6}");
    let trimmed = text.trim_end_matches('0');
    if trimmed.ends_with('.') { format!("{trimmed}0") } else { trimmed.to_owned() }
}

fn write_groups(out: &mut impl Write, columns: &[TableColumn], groups: &[(String, usize)]) -> io::Result<()> {
    let mut at = 0;
    let mut line = String::new();
    for (name, n) in groups {
        let width: usize = columns[at..at + n].iter().map(|c| c.width + 2).sum();
        line.push_str(&pad(&plain(name), width, false));
        at += n;
    }
    writeln!(out, "{}", line.trim_end())
}

fn write_row(out: &mut impl Write, columns: &[TableColumn], cells: &[Cell]) -> io::Result<()> {
    write_texts(out, columns, cells.iter().map(shown))
}

fn write_texts(out: &mut impl Write, columns: &[TableColumn], texts: impl Iterator<Item = String>) -> io::Result<()> {
    let padded: Vec<String> = columns.iter().zip(texts).map(|(c, text)| pad(&text, c.width, c.right)).collect();
    writeln!(out, "{}", padded.join("  ").trim_end())
}

fn pad(text: &str, width: usize, right: bool) -> String {
    let space = " ".repeat(width.saturating_sub(text.width()));
    if right { space + text } else { text.to_owned() + &space }
}
