//! The table of what a check found.

use super::Ended;
use super::terminal::results;
use msdata::stress_test::Finding;
use msdata::table::{Cell, Format, Head, TableWriter};
use std::io::{self, BufWriter};

/// Writes the findings to standard output and returns how the command ends. If nothing was found, that is an empty
/// table, or for a person nothing at all.
pub fn write(findings: &[Finding], format: Format) -> io::Result<Ended> {
    if findings.is_empty() && format == Format::Table {
        return Ok(Ended::Done);
    }
    let head = Head::new(["check", "about", "finding"].map(str::to_owned).to_vec());
    let mut table = TableWriter::new(BufWriter::new(results()), format, head)?;
    for Finding { check, about, finding } in findings {
        table.row(&[Cell::Text(check.to_string()), Cell::Text(about.clone()), Cell::Text(finding.clone())])?;
    }
    table.finish()?;
    Ok(if findings.is_empty() { Ended::Done } else { Ended::Unsound })
}
