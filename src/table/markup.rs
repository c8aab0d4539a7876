//! Writes Markdown and LaTeX, with all text of the user escaped.

use super::{Cell, Head, exact_text};
use crate::text::plain;
use std::io::{self, Write};

pub fn markdown_head(out: &mut impl Write, names: &[String]) -> io::Result<()> {
    writeln!(out, "| {} |", names.iter().map(|n| markdown(n)).collect::<Vec<_>>().join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(names.len()))
}

pub fn markdown_row(out: &mut impl Write, cells: &[Cell]) -> io::Result<()> {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| match cell {
            Cell::Best(text) => format!("**{}**", markdown(text)),
            other => markdown(&exact_text(other)),
        })
        .collect();
    writeln!(out, "| {} |", cells.join(" | "))
}

fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// Writes the head of a tabular; `sample` tells which columns hold numbers.
pub fn latex_head(out: &mut impl Write, head: &Head, sample: Option<&[Cell]>) -> io::Result<()> {
    let align: String = (0..head.columns.len())
        .map(|i| match sample.map(|s| &s[i]) {
            Some(Cell::Text(_)) | None => 'l',
            Some(_) => 'r',
        })
        .collect();
    writeln!(out, "% needs \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{align}}}\n\\toprule")?;
    if !head.groups.is_empty() {
        let cells: Vec<String> = head
            .groups
            .iter()
            .map(
                |(name, n)| {
                    if name.is_empty() { "& ".repeat(n - 1) } else { format!("\\multicolumn{{{n}}}{{c}}{{{}}}", latex(name)) }
                },
            )
            .collect();
        writeln!(out, "{} \\\\", cells.join(" & "))?;
        let mut at = 1;
        for (name, n) in &head.groups {
            if !name.is_empty() {
                write!(out, "\\cmidrule(lr){{{at}-{}}} ", at + n - 1)?;
            }
            at += n;
        }
        writeln!(out)?;
    }
    writeln!(out, "{} \\\\\n\\midrule", head.columns.iter().map(|c| latex(c)).collect::<Vec<_>>().join(" & "))
}

pub fn latex_row(out: &mut impl Write, cells: &[Cell]) -> io::Result<()> {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| match cell {
            Cell::Best(text) => format!("\\textbf{{{}}}", latex(text)),
            other => latex(&exact_text(other)),
        })
        .collect();
    writeln!(out, "{} \\\\", cells.join(" & "))
}

pub fn latex_foot(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\\bottomrule\n\\end{{tabular}}")
}

/// Returns text that LaTeX sets in any of its encodings. Signs that we write become commands; other characters outside
/// ASCII stay, and need an engine or a package that has them.
fn latex(text: &str) -> String {
    let text = plain(text);
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars() {
        match (c, before) {
            // At the beginning of a row `\\` would take them for its own.
            ('[' | '*', None) => out.extend(['{', c, '}']),
            // Two hyphens must not become a dash.
            ('-', Some('-')) => out.push_str("{}-"),
            ('&' | '%' | '$' | '#' | '_' | '{' | '}', _) => out.extend(['\\', c]),
            _ => match command(c) {
                Some(command) => out.push_str(command),
                None => out.push(c),
            },
        }
        before = Some(c);
    }
    out
}

fn command(c: char) -> Option<&'static str> {
    Some(match c {
        '\\' => "\\textbackslash{}",
        '~' => "\\textasciitilde{}",
        '^' => "\\textasciicircum{}",
        '<' => "\\textless{}",
        '>' => "\\textgreater{}",
        '|' => "\\textbar{}",
        '↑' => "$\\uparrow$",
        '↓' => "$\\downarrow$",
        '−' => "$-$",
        '×' => "$\\times$",
        '±' => "$\\pm$",
        '≤' => "$\\leq$",
        '≥' => "$\\geq$",
        '≠' => "$\\neq$",
        'τ' => "$\\tau$",
        'α' => "$\\alpha$",
        '·' => "$\\cdot$",
        '²' => "$^2$",
        '→' => "$\\rightarrow$",
        '°' => "$^\\circ$",
        '…' => "\\ldots{}",
        '–' => "--",
        '—' => "---",
        '‘' => "`",
        '’' => "'",
        '“' => "``",
        '”' => "''",
        '\u{a0}' => "~",
        _ => return None,
    })
}
