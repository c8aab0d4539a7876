//! Runs the user's own queries: read-only, one statement, row by row.

mod statements;

use super::Catalog;
use crate::error::{Error, Result};
use crate::problem::TextPlace;
use crate::table::Cell;
use crate::text::{quote, shortened};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use statements::{find_name, statements};
use std::ops::Range;

/// Pragmas that only read.
const TELLING: &[&str] = &[
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
    "integrity_check",
    "quick_check",
    "user_version",
    "application_id",
    "schema_version",
    "page_count",
    "page_size",
    "freelist_count",
    "compile_options",
    "function_list",
    "collation_list",
    "database_list",
    "encoding",
    "data_version",
];

/// The rows of a query: column names first, then each row as it is read.
pub struct QueryRows<'r> {
    /// Called once, with the names of the columns.
    pub columns: &'r mut dyn FnMut(&[String]) -> Result<()>,
    /// Called for each row.
    pub row: &'r mut dyn FnMut(&[Cell]) -> Result<()>,
}

impl Catalog {
    /// Runs one read-only statement. Comments, semicolons and a byte-order mark around it are fine.
    ///
    /// # Errors
    /// It writes, attaches, is more than one statement or not SQL; or `rows` fails.
    pub fn query(&mut self, sql: &str, rows: QueryRows<'_>) -> Result<()> {
        let refused = |e: rusqlite::Error| Error::Query { reason: reason(&e), place: None };
        let sql = sql.strip_prefix('\u{feff}').unwrap_or(sql);
        let statement = only_statement(sql)?;
        self.db.authorizer(Some(|context: AuthContext<'_>| authorize(&context.action))).map_err(refused)?;
        let outcome = self.run(sql, statement, rows);
        self.db.authorizer(None::<fn(AuthContext<'_>) -> Authorization>).map_err(refused)?;
        outcome
    }

    fn run(&self, sql: &str, statement: Range<usize>, rows: QueryRows<'_>) -> Result<()> {
        let refused = |e: rusqlite::Error| Error::Query { reason: reason(&e), place: place(&e, sql, &statement) };
        let mut statement = self.db.prepare(&sql[statement.clone()]).map_err(refused)?;
        if !statement.readonly() {
            return Err(Error::Query { reason: "it would write; `msdata sql` only reads".into(), place: None });
        }
        let names: Vec<String> = statement.column_names().map(|n| n.to_string()).collect();
        (rows.columns)(&names)?;
        let mut found = statement.query([]).map_err(refused)?;
        let mut cells = Vec::with_capacity(names.len());
        while let Some(row) = found.next().map_err(refused)? {
            cells.clear();
            for column in 0..names.len() {
                cells.push(match row.get_ref(column).map_err(refused)? {
                    ValueRef::Null => Cell::Null,
                    ValueRef::Integer(n) => Cell::Integer(n),
                    ValueRef::Real(x) => Cell::Real(x),
                    ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
                    ValueRef::Blob(bytes) => Cell::Text(hex(bytes)),
                });
            }
            (rows.row)(&cells)?;
        }
        Ok(())
    }
}

impl Catalog {
    /// Calls `each` with every row of one of our views, in an order.
    ///
    /// # Errors
    /// SQLite reports an error, or `each` fails.
    pub(crate) fn each_view_row(
        &self,
        columns: &str,
        view: &str,
        order: &str,
        each: &mut dyn FnMut(&[Cell]) -> Result<()>,
    ) -> Result<()> {
        let sql = format!("SELECT {columns} FROM {view} ORDER BY {order}");
        self.run(&sql, 0..sql.len(), QueryRows { columns: &mut |_| Ok(()), row: each })
    }
}

/// Returns where the only statement of a text is.
fn only_statement(sql: &str) -> Result<Range<usize>> {
    let refused = |reason: String, at| Err(Error::Query { reason, place: Some(TextPlace::of(sql, at)) });
    // SQLite would take it for the end.
    if let Some(at) = sql.find('\0') {
        return refused("it has a NUL character".into(), at);
    }
    match &statements(sql)[..] {
        [] => Err(Error::Query { reason: "it is empty".into(), place: None }),
        [one] => Ok(one.clone()),
        [_, second, ..] => {
            let n = statements(sql).len();
            let text = sql[second.clone()].split_whitespace().collect::<Vec<_>>().join(" ");
            refused(
                format!("it is {n} statements, and only one is run; the second is {}", quote(&shortened(&text, 40))),
                second.start,
            )
        }
    }
}

/// Returns where in a text what SQLite refuses is, if that is known.
fn place(e: &rusqlite::Error, sql: &str, statement: &Range<usize>) -> Option<TextPlace> {
    let (message, offset) = match e {
        rusqlite::Error::SqlInputError { msg, offset, .. } => (msg, usize::try_from(*offset).ok()),
        rusqlite::Error::SqliteFailure(_, Some(message)) => (message, None),
        _ => return None,
    };
    // Of names that it does not know SQLite does not always say where they are.
    let named = || {
        let name = message.strip_prefix("no such table: ").or(message.strip_prefix("no such column: "))?;
        find_name(&sql[statement.clone()], name.rsplit('.').next()?)
    };
    let at = offset.or_else(named)?;
    Some(TextPlace::of(sql, statement.start + at))
}

fn authorize(action: &AuthAction<'_>) -> Authorization {
    match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => Authorization::Allow,
        AuthAction::Pragma { pragma_name, .. } if TELLING.iter().any(|t| pragma_name.eq_ignore_ascii_case(t)) => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

fn reason(e: &rusqlite::Error) -> String {
    match e {
        rusqlite::Error::SqliteFailure(f, _) if f.code == rusqlite::ErrorCode::AuthorizationForStatementDenied => {
            "it would write, attach or change a setting; `msdata sql` only reads".into()
        }
        rusqlite::Error::SqlInputError { msg, .. } | rusqlite::Error::SqliteFailure(_, Some(msg)) => msg.clone(),
        other => other.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        use std::fmt::Write;
        let _ = write!(out, "{b:02x}");
        out
    })
}
