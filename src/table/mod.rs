//! Writes tables in any of the output formats: text, one row at a time; Arrow and Parquet, once all rows are there, of which
//! memory holds 65,536.
//!
//! | module | noun |
//! |---|---|
//! | this | [`Cell`], [`Head`], [`Format`], [`TableWriter`] |
//! | `json` | JSON whose strings are safe on a terminal |
//! | `layout` | columns aligned for a person to read |
//! | `markup` | Markdown and LaTeX, escaped |
//! | [`parquet`] | Parquet files that older readers open |
//! | `spool` | the rows of a typed table that memory does not hold |
//! | `typed` | Arrow and Parquet, where every column has a type |

pub mod json;
mod layout;
mod markup;
pub mod parquet;
mod spool;
mod typed;

use crate::text::plain_lines;

use crate::vocabulary::closed_set;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

closed_set! {
    /// How a table is written.
    Format, "format" {
        /// Aligned columns, for a person.
        Table = "table",
        /// A JSON array of objects.
        Json = "json",
        /// One JSON object per line.
        Jsonl = "jsonl",
        /// Comma-separated, RFC 4180.
        Csv = "csv",
        /// Markdown.
        Md = "md",
        /// A LaTeX tabular (package `booktabs`).
        Latex = "latex",
        /// A stream of Arrow IPC: typed columns, null as null.
        Arrow = "arrow",
        /// A Parquet file, the same.
        Parquet = "parquet",
    }
}

impl Format {
    /// Returns whether programs read it: then numbers are exact and columns have names for programs.
    pub fn is_for_programs(self) -> bool {
        matches!(self, Format::Json | Format::Jsonl | Format::Csv) || self.is_binary()
    }

    /// Returns whether it is no text, and nothing for a terminal.
    pub fn is_binary(self) -> bool {
        matches!(self, Format::Arrow | Format::Parquet)
    }
}

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value: null in JSON, empty elsewhere.
    Null,
    /// Yes or no: 1 or 0 where the format has no such type.
    Flag(bool),
    /// An integer.
    Integer(i64),
    /// A number; null if it is not finite.
    Real(f64),
    /// Text, escaped as the format needs.
    Text(String),
    /// A number that is already formatted, right-aligned.
    Number(String),
    /// The same, marked as the best in its row.
    Best(String),
}

/// The head of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    /// Column names.
    pub columns: Vec<String>,
    /// Names above several columns, each with the number of columns; empty: none. Together they span all columns.
    pub groups: Vec<(String, usize)>,
}

impl Head {
    /// Returns a head without groups.
    pub fn new(columns: Vec<String>) -> Head {
        Head { columns, groups: Vec::new() }
    }

    /// Returns each column's name after its group's.
    fn full_names(&self) -> Vec<String> {
        let groups = self.groups.iter().flat_map(|(name, n)| std::iter::repeat_n(name.as_str(), *n)).chain(std::iter::repeat(""));
        self.columns.iter().zip(groups).map(|(c, g)| if g.is_empty() { c.clone() } else { format!("{g} {c}") }).collect()
    }
}

/// Writes rows in a [`Format`] as they come.
pub struct TableWriter<W: Write> {
    out: W,
    format: Format,
    head: Head,
    rows: u64,
    layout: layout::TableLayout,
    typed: typed::TypedTable,
}

impl<W: Write> TableWriter<W> {
    /// Begins a table.
    ///
    /// # Errors
    /// Writing to `out` fails.
    pub fn new(mut out: W, format: Format, head: Head) -> io::Result<TableWriter<W>> {
        match format {
            Format::Json => out.write_all(b"[")?,
            Format::Csv => write_csv(&mut out, &head.full_names())?,
            Format::Md => markup::markdown_head(&mut out, &head.full_names())?,
            Format::Table | Format::Latex | Format::Jsonl | Format::Arrow | Format::Parquet => {}
        }
        let typed = typed::TypedTable::new(if format.is_binary() { head.full_names() } else { Vec::new() }, format);
        Ok(TableWriter { out, format, head, rows: 0, layout: layout::TableLayout::default(), typed })
    }

    /// Puts what Arrow and Parquet must keep until all rows are there into a temporary file in this directory. Without it,
    /// that is the system's directory of temporary files.
    pub fn spooling_in(mut self, dir: &Path) -> TableWriter<W> {
        self.typed.room = dir.to_owned();
        self
    }

    /// Writes a row: as many cells as there are columns.
    ///
    /// # Errors
    /// Writing to `out`, or to a temporary file, fails; or, of Arrow and Parquet, [`io::ErrorKind::InvalidData`]: a column holds both texts and
    /// numbers.
    pub fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.rows += 1;
        match self.format {
            Format::Json => {
                self.out.write_all(if self.rows == 1 { b"\n" } else { b",\n" })?;
                write_object(&mut self.out, &self.head.columns, cells)
            }
            Format::Jsonl => {
                write_object(&mut self.out, &self.head.columns, cells)?;
                self.out.write_all(b"\n")
            }
            Format::Csv => write_csv(&mut self.out, &cells.iter().map(exact_text).collect::<Vec<_>>()),
            Format::Md => markup::markdown_row(&mut self.out, cells),
            Format::Latex => {
                if self.rows == 1 {
                    markup::latex_head(&mut self.out, &self.head, Some(cells))?;
                }
                markup::latex_row(&mut self.out, cells)
            }
            Format::Table => self.layout.row(&mut self.out, &self.head, cells),
            Format::Arrow | Format::Parquet => self.typed.row(cells),
        }
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Writing to `out` fails.
    pub fn finish(mut self) -> io::Result<W> {
        match self.format {
            Format::Json => self.out.write_all(if self.rows == 0 { b"]\n" } else { b"\n]\n" })?,
            Format::Latex => {
                if self.rows == 0 {
                    markup::latex_head(&mut self.out, &self.head, None)?;
                }
                markup::latex_foot(&mut self.out)?;
            }
            Format::Table => self.layout.finish(&mut self.out, &self.head)?,
            Format::Arrow | Format::Parquet => self.typed.write(&mut self.out)?,
            Format::Jsonl | Format::Csv | Format::Md => {}
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Returns a value in full, to the last digit.
fn exact_text(cell: &Cell) -> std::borrow::Cow<'_, str> {
    match cell {
        Cell::Null => "".into(),
        Cell::Flag(flag) => if *flag { "1" } else { "0" }.into(),
        Cell::Integer(n) => n.to_string().into(),
        Cell::Real(x) if x.is_finite() => serde_json::to_string(x).unwrap_or_default().into(),
        Cell::Real(_) => "".into(),
        Cell::Text(text) | Cell::Number(text) | Cell::Best(text) => text.into(),
    }
}

impl Serialize for Cell {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Null => s.serialize_unit(),
            Cell::Flag(flag) => s.serialize_bool(*flag),
            Cell::Integer(n) => s.serialize_i64(*n),
            Cell::Real(x) if x.is_finite() => s.serialize_f64(*x),
            Cell::Real(_) => s.serialize_unit(),
            Cell::Text(text) | Cell::Number(text) | Cell::Best(text) => s.serialize_str(text),
        }
    }
}

fn write_object(out: &mut impl Write, columns: &[String], cells: &[Cell]) -> io::Result<()> {
    out.write_all(b"{")?;
    for (i, (name, cell)) in columns.iter().zip(cells).enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        json::write(out, name)?;
        out.write_all(b":")?;
        json::write(out, cell)?;
    }
    out.write_all(b"}")
}

/// Writes a row of CSV. Text is written as it is, even where a spreadsheet would take it for a formula (`=`, `+`, `-`,
/// `@`), so that programs read back the ids that they know. But control and direction-changing characters, other than
/// line feeds and tabs, are written `\u{1b}`, because people look at text files on terminals.
fn write_csv(out: &mut impl Write, cells: &[impl AsRef<str>]) -> io::Result<()> {
    let mut line = csv::Writer::from_writer(Vec::new());
    line.write_record(cells.iter().map(|cell| plain_lines(cell.as_ref()).into_owned())).map_err(io::Error::other)?;
    out.write_all(&line.into_inner().map_err(|e| io::Error::other(e.to_string()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, cells: &[Cell]) -> String {
        let columns = (0..cells.len()).map(|i| format!("c{i}")).collect();
        let mut table = TableWriter::new(Vec::new(), format, Head::new(columns)).unwrap();
        table.row(cells).unwrap();
        String::from_utf8(table.finish().unwrap()).unwrap()
    }

    #[test]
    fn numbers_keep_every_digit_where_machines_read() {
        let third = [Cell::Real(1.0 / 3.0), Cell::Real(f64::NAN)];
        assert_eq!(written(Format::Csv, &third), "c0,c1\n0.3333333333333333,\n");
        assert_eq!(written(Format::Json, &third), "[\n{\"c0\":0.3333333333333333,\"c1\":null}\n]\n");
        assert_eq!(written(Format::Jsonl, &third), "{\"c0\":0.3333333333333333,\"c1\":null}\n");
    }

    #[test]
    fn markup_is_text() {
        let hostile = [Cell::Text("a|b<i>_\\input{x} & 5%".into())];
        assert_eq!(written(Format::Md, &hostile), "| c0 |\n|---|\n| a\\|b&lt;i&gt;\\_\\\\input{x} &amp; 5% |\n");
        let latex = written(Format::Latex, &hostile);
        assert!(latex.contains("a\\textbar{}b\\textless{}i\\textgreater{}\\_\\textbackslash{}input\\{x\\} \\& 5\\%"), "{latex}");
    }

    #[test]
    fn latex_of_ours_is_ascii_and_no_cell_is_an_argument() {
        let row = [
            Cell::Text("[5pt] a--b".into()),
            Cell::Text("*".into()),
            Cell::Number("– [0, 1]".into()),
            Cell::Text("1 − 2 × 3 ≤ “τ…”".into()),
        ];
        let latex = written(Format::Latex, &row);
        assert!(latex.is_ascii(), "{latex}");
        assert!(
            latex.contains("\n{[}5pt] a-{}-b & {*} & -- [0, 1] & 1 $-$ 2 $\\times$ 3 $\\leq$ ``$\\tau$\\ldots{}'' \\\\\n"),
            "{latex}"
        );
    }

    #[test]
    fn no_format_lets_control_characters_through() {
        let hostile = "a\u{1b}[31m\u{9b}5m\u{202e}b\u{7f}\u{2066}\u{85}\u{e0041}\r\u{8}c\nd";
        let cells = [Cell::Text(hostile.into()), Cell::Number(hostile.into()), Cell::Best(hostile.into())];
        for format in Format::ALL.iter().filter(|format| !format.is_binary()) {
            let head = Head { columns: vec![hostile.into(); 3], groups: vec![(hostile.into(), 3)] };
            let mut table = TableWriter::new(Vec::new(), *format, head).unwrap();
            table.row(&cells).unwrap();
            let text = String::from_utf8(table.finish().unwrap()).unwrap();
            assert!(!text.contains(|c: char| c != '\n' && crate::text::is_harmful(c)), "{format}: {text:?}");
        }
        let json = written(Format::Jsonl, &cells[..1]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["c0"], hostile, "the same text to a parser");
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_written_as_it_is() {
        assert_eq!(written(Format::Csv, &[Cell::Text("=1+1".into()), Cell::Text("@x\ty".into())]), "c0,c1\n=1+1,@x\ty\n");
    }

    #[test]
    fn an_empty_table_is_a_table() {
        let table = TableWriter::new(Vec::new(), Format::Json, Head::new(vec!["a".into()])).unwrap();
        assert_eq!(table.finish().unwrap(), b"[]\n");
        let table = TableWriter::new(Vec::new(), Format::Table, Head::new(vec!["a".into()])).unwrap();
        assert_eq!(table.finish().unwrap(), b"a\n-\n");
    }

    #[test]
    fn columns_are_aligned_and_terminals_are_safe() {
        let mut table = TableWriter::new(Vec::new(), Format::Table, Head::new(vec!["name".into(), "n".into()])).unwrap();
        table.row(&[Cell::Text("é\u{1b}[1m".into()), Cell::Integer(5)]).unwrap();
        table.row(&[Cell::Text("b".into()), Cell::Integer(12)]).unwrap();
        let text = String::from_utf8(table.finish().unwrap()).unwrap();
        assert_eq!(text, "name         n\n----------  --\né\\u{1b}[1m   5\nb           12\n");
    }
}
