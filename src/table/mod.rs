//! Tables as text: rows in, any of the output formats out, one row at a time.
//!
//! | module | noun |
//! |---|---|
//! | this | [`Cell`], [`Head`], [`Format`], [`TableWriter`] |
//! | `layout` | columns aligned for a person to read |
//! | `markup` | what Markdown and LaTeX need escaped |

mod layout;
mod markup;

use crate::vocabulary::closed_set;
use serde::Serialize;
use std::io::{self, Write};

closed_set! {
    /// How a table is written.
    Format, "format" {
        /// Aligned columns, for a person.
        Table = "table",
        /// An array of objects.
        Json = "json",
        /// An object a line.
        Jsonl = "jsonl",
        /// Comma-separated, RFC 4180.
        Csv = "csv",
        /// Markdown.
        Md = "md",
        /// A LaTeX tabular (package `booktabs`).
        Latex = "latex",
    }
}

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value: null in JSON, empty elsewhere.
    Null,
    /// An integer.
    Integer(i64),
    /// A number; null where it is not finite.
    Real(f64),
    /// Text, escaped as the format needs.
    Text(String),
    /// A number already written, right-aligned.
    Number(String),
    /// The same, set off as the best of its row.
    Best(String),
}

/// The head of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    /// Column names.
    pub columns: Vec<String>,
    /// Names over several columns, each with how many; empty: none. Together they span all columns.
    pub groups: Vec<(String, usize)>,
}

impl Head {
    /// A head without groups.
    pub fn new(columns: Vec<String>) -> Head {
        Head { columns, groups: Vec::new() }
    }

    /// A column's name with its group's.
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
    layout: layout::Layout,
}

impl<W: Write> TableWriter<W> {
    /// Begins a table.
    ///
    /// # Errors
    /// `out` fails.
    pub fn new(mut out: W, format: Format, head: Head) -> io::Result<TableWriter<W>> {
        match format {
            Format::Json => out.write_all(b"[")?,
            Format::Csv => write_csv(&mut out, &head.full_names())?,
            Format::Md => markup::markdown_head(&mut out, &head.full_names())?,
            Format::Table | Format::Latex | Format::Jsonl => {}
        }
        Ok(TableWriter { out, format, head, rows: 0, layout: layout::Layout::default() })
    }

    /// Writes a row: as many cells as there are columns.
    ///
    /// # Errors
    /// `out` fails.
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
            Format::Csv => write_csv(&mut self.out, &cells.iter().map(|c| exact_text(c).into_owned()).collect::<Vec<_>>()),
            Format::Md => markup::markdown_row(&mut self.out, cells),
            Format::Latex => {
                if self.rows == 1 {
                    markup::latex_head(&mut self.out, &self.head, Some(cells))?;
                }
                markup::latex_row(&mut self.out, cells)
            }
            Format::Table => self.layout.row(&mut self.out, &self.head, cells),
        }
    }

    /// Ends the table.
    ///
    /// # Errors
    /// `out` fails.
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
            Format::Jsonl | Format::Csv | Format::Md => {}
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

/// A value as it is, to the last digit.
fn exact_text(cell: &Cell) -> std::borrow::Cow<'_, str> {
    match cell {
        Cell::Null => "".into(),
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
        serde_json::to_writer(&mut *out, name)?;
        out.write_all(b":")?;
        serde_json::to_writer(&mut *out, cell)?;
    }
    out.write_all(b"}")
}

fn write_csv(out: &mut impl Write, cells: &[String]) -> io::Result<()> {
    let mut line = csv::Writer::from_writer(Vec::new());
    line.write_record(cells).map_err(io::Error::other)?;
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
        assert!(latex.contains("a|b<i>\\_\\textbackslash{}input\\{x\\} \\& 5\\%"), "{latex}");
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
