//! Markdown and LaTeX, with everything of the user's escaped.

use super::{Cell, Head, exact_text};
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
    for c in text.chars() {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The head of a tabular; `sample` tells which columns hold numbers.
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

fn latex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '↑' => out.push_str("$\\uparrow$"),
            '↓' => out.push_str("$\\downarrow$"),
            '–' => out.push_str("--"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
