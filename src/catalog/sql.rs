//! Runs the user's own queries: read-only, one statement, row by row.

use super::Catalog;
use crate::error::{Error, Result};
use crate::table::Cell;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;

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
    /// Runs one read-only statement.
    ///
    /// # Errors
    /// It writes, attaches, is more than one statement or not SQL; or `rows` fails.
    pub fn query(&mut self, sql: &str, rows: QueryRows<'_>) -> Result<()> {
        let refused = |e: rusqlite::Error| Error::Query(reason(&e));
        self.db.authorizer(Some(|context: AuthContext<'_>| authorize(&context.action))).map_err(refused)?;
        let outcome = self.run(sql, rows);
        self.db.authorizer(None::<fn(AuthContext<'_>) -> Authorization>).map_err(refused)?;
        outcome
    }

    fn run(&self, sql: &str, rows: QueryRows<'_>) -> Result<()> {
        let refused = |e: rusqlite::Error| Error::Query(reason(&e));
        let sql = sql.trim().trim_end_matches(';');
        if sql.is_empty() {
            return Err(Error::Query("it is empty".into()));
        }
        let mut statement = self.db.prepare(sql).map_err(refused)?;
        if !statement.readonly() {
            return Err(Error::Query("it would write; `msdata sql` only reads".into()));
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
        self.run(&format!("SELECT {columns} FROM {view} ORDER BY {order}"), QueryRows { columns: &mut |_| Ok(()), row: each })
    }
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
        rusqlite::Error::MultipleStatement => "it is more than one statement".into(),
        rusqlite::Error::SqlInputError { msg, offset, .. } if *offset >= 0 => format!("{msg} (at character {})", offset + 1),
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
