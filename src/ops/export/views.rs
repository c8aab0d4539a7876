//! Views that are exported as they are: what region sets and metrics say.

use super::{BATCH, ExportTable};
use crate::catalog::Catalog;
use crate::embeddings::text_column;
use crate::error::{Error, Result};
use crate::manifest::{METRICS_METADATA, metrics_header};
use crate::table::Cell;
use crate::watch::Watch;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array};
use parquet::file::metadata::KeyValue;
use std::path::Path;
use std::sync::Arc;

/// Writes the tables of region sets, if there are any.
pub fn of_regions(catalog: &Catalog, dir: &Path, watch: &mut Watch<'_>) -> Result<()> {
    if catalog.region_sets()?.is_empty() {
        return Ok(());
    }
    REGION_VIEWS.iter().try_for_each(|view| view_table(catalog, dir, view, Vec::new(), watch))
}

/// Writes the table of metrics, if there are any.
pub fn of_metrics(catalog: &Catalog, dir: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let metrics = catalog.metrics()?;
    if metrics.is_empty() {
        return Ok(());
    }
    let header = metrics_header(metrics.iter().map(|metric| (&metric.name, &metric.rule)));
    view_table(catalog, dir, &METRICS, vec![KeyValue::new(METRICS_METADATA.to_owned(), header)], watch)
}

/// A view that is exported as it is: its name, the order of its rows, and its columns with their types.
struct ExportedView {
    name: &'static str,
    order: &'static str,
    columns: &'static [(&'static str, ColumnType, bool)],
}

/// What a column of a view holds.
#[derive(Clone, Copy)]
enum ColumnType {
    Text,
    Whole,
    Long,
    Real,
    Flag,
}

const METRICS: ExportedView = {
    use ColumnType::*;
    ExportedView {
        name: "metrics",
        order: "metric, model, prompt_id, seed, subject_id",
        columns: &[
            ("model", Text, false),
            ("control", Flag, false),
            ("prompt_id", Text, false),
            ("seed", Long, false),
            ("scene_type", Text, false),
            ("subject_count", Whole, false),
            ("metric", Text, false),
            ("better", Text, false),
            ("least", Real, true),
            ("most", Real, true),
            ("subject_id", Text, true),
            ("value", Real, true),
            ("stale", Flag, false),
        ],
    }
};

const REGION_VIEWS: &[ExportedView] = {
    use ColumnType::*;
    &[
        ExportedView {
            name: "regions",
            order: "region_set, kind, subject_id, reference_index, model, prompt_id, seed, region_index",
            columns: &[
                ("region_set", Text, false),
                ("kind", Text, false),
                ("subject_id", Text, true),
                ("reference_index", Whole, true),
                ("model", Text, true),
                ("prompt_id", Text, true),
                ("seed", Long, true),
                ("region_index", Whole, false),
                ("x", Real, false),
                ("y", Real, false),
                ("width", Real, false),
                ("height", Real, false),
                ("score", Real, true),
                ("label", Text, true),
                ("shows", Text, true),
                ("claimed", Text, true),
                ("mask", Text, true),
                ("counts", Flag, false),
                ("stale", Flag, false),
            ],
        },
        ExportedView {
            name: "region_scores",
            order: "region_set, encoder, model, prompt_id, seed",
            columns: &[
                ("model", Text, false),
                ("control", Flag, false),
                ("prompt_id", Text, false),
                ("seed", Long, false),
                ("scene_type", Text, false),
                ("subject_count", Whole, false),
                ("region_set", Text, false),
                ("encoder", Text, false),
                ("requested", Whole, false),
                ("regions", Whole, false),
                ("identity", Real, true),
                ("matched", Real, true),
                ("top1", Real, true),
                ("margin", Real, true),
                ("bleeding", Real, true),
                ("homogenisation", Real, true),
                ("doubled", Whole, false),
            ],
        },
        ExportedView {
            name: "region_pairs",
            order: "region_set, encoder, model, prompt_id, seed, ordinal, region_index",
            columns: &[
                ("model", Text, false),
                ("control", Flag, false),
                ("prompt_id", Text, false),
                ("seed", Long, false),
                ("region_set", Text, false),
                ("encoder", Text, false),
                ("subject_id", Text, false),
                ("ordinal", Whole, false),
                ("region_index", Whole, false),
                ("similarity", Real, true),
                ("assigned", Flag, false),
            ],
        },
    ]
};

fn view_table(catalog: &Catalog, dir: &Path, view: &ExportedView, metadata: Vec<KeyValue>, watch: &mut Watch<'_>) -> Result<()> {
    let mut table = ExportTable::new(dir, view.name).with_metadata(metadata);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut written = false;
    let names: Vec<&str> = view.columns.iter().map(|(name, ..)| *name).collect();
    let mut flush = |rows: &mut Vec<Vec<Cell>>| {
        let column = |(at, (name, of, nullable)): (usize, &(&'static str, ColumnType, bool))| {
            let cells = rows.iter().map(|row| &row[at]);
            (*name, view_column(*of, cells), *nullable)
        };
        table.write(view.columns.iter().enumerate().map(column).collect())?;
        rows.clear();
        Ok::<(), Error>(())
    };
    catalog.each_view_row(&names.join(", "), view.name, view.order, &mut |row| {
        rows.push(row.to_vec());
        if rows.len() == BATCH {
            watch.check()?;
            flush(&mut rows)?;
            written = true;
        }
        Ok(())
    })?;
    // At least one batch, so that even a table without rows is a file with columns.
    if !rows.is_empty() || !written {
        flush(&mut rows)?;
    }
    table.finish()
}

fn view_column<'a>(of: ColumnType, cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    let integer = |cell: &Cell| if let Cell::Integer(n) = cell { Some(*n) } else { None };
    let real = |cell: &Cell| match cell {
        Cell::Real(x) => Some(*x),
        Cell::Integer(n) => Some(*n as f64),
        _ => None,
    };
    match of {
        ColumnType::Text => text_column(cells.map(|cell| if let Cell::Text(text) = cell { Some(text.as_str()) } else { None })),
        ColumnType::Whole => Arc::new(Int32Array::from_iter(cells.map(|cell| integer(cell).map(|n| n as i32)))),
        ColumnType::Long => Arc::new(Int64Array::from_iter(cells.map(integer))),
        ColumnType::Real => Arc::new(Float64Array::from_iter(cells.map(real))),
        ColumnType::Flag => Arc::new(BooleanArray::from_iter(cells.map(|cell| integer(cell).map(|n| n != 0)))),
    }
}
