//! What the windows of generations showed, as tables.

use super::shards::Shards;
use crate::catalog::WindowScore;
use crate::dataset::Dataset;
use crate::embeddings::text_column;
use crate::error::Result;
use crate::watch::Watch;
use crate::windows::Rectangle;
use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Rows at a time.
const BATCH: usize = 65_536;

/// A row of the tables of windows: the key of its generation, a subject, and what the windows showed.
struct WindowRow<'a> {
    encoder: &'a str,
    model: &'a str,
    prompt: &'a str,
    seed: i64,
    subject: &'a str,
    /// Place in the prompt, or rank.
    ordinal: Option<u32>,
    resembles: Option<&'a str>,
    local: f64,
    uncentred: Option<f64>,
    window: Rectangle,
}

/// Writes what the windows showed: the local similarity of every subject, and the places that were found.
pub fn write(data: &Dataset, tables: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let (models, prompts) = (data.catalog.models()?, data.catalog.prompts()?);
    let (subjects, all) = (data.catalog.subjects()?, data.catalog.generations()?);
    let encoders = data.catalog.encoders()?;
    let ids: HashMap<i64, &str> = subjects.iter().map(|s| (s.id, s.subject_id.as_str())).collect();
    let id = |row: i64| ids.get(&row).copied().unwrap_or_default();
    let mut out = ["local_scores", "subject_places", "found_places"].map(|name| (Shards::single(tables, name), Vec::new()));
    for encoder in &encoders {
        if data.catalog.window_pattern(encoder.id)?.is_none() {
            continue;
        }
        for generation in &all {
            let Some(score) = data.catalog.window_score(encoder.id, generation.id)? else { continue };
            watch.check()?;
            let prompt = &prompts[generation.prompt as usize];
            let row = |subject, ordinal, resembles, local, uncentred, window| WindowRow {
                encoder: encoder.name.as_str(),
                model: models[generation.model as usize].0.as_str(),
                prompt: prompt.prompt_id.as_str(),
                seed: generation.seed,
                subject,
                ordinal,
                resembles,
                local,
                uncentred,
                window,
            };
            let WindowScore { locals, places, found, .. } = &score;
            let [(_, of_locals), (_, of_places), (_, of_found)] = &mut out;
            of_locals.extend(locals.iter().map(|l| row(id(l.subject), None, None, l.local, Some(l.uncentred), l.window)));
            of_places.extend(places.iter().map(|p| {
                let requested = prompt.subjects.get(p.ordinal as usize).map_or("", |s| subjects[*s].subject_id.as_str());
                row(requested, Some(p.ordinal), Some(id(p.resembles)), p.local, None, p.window)
            }));
            let mut rank = 0;
            let mut of = None;
            of_found.extend(found.iter().map(|f| {
                rank = if of == Some(f.subject) { rank + 1 } else { 0 };
                of = Some(f.subject);
                row(id(f.subject), Some(rank), None, f.local, None, f.window)
            }));
            for (which, (table, rows)) in out.iter_mut().enumerate() {
                if rows.len() >= BATCH {
                    window_rows(table, which, rows)?;
                    rows.clear();
                }
            }
        }
    }
    for (which, (mut table, rows)) in out.into_iter().enumerate() {
        if !rows.is_empty() {
            window_rows(&mut table, which, &rows)?;
        }
        table.finish()?;
    }
    Ok(())
}

fn window_rows(table: &mut Shards, which: usize, rows: &[WindowRow<'_>]) -> Result<()> {
    let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("encoder", text_column(rows.iter().map(|r| Some(r.encoder))), false),
        ("model", text_column(rows.iter().map(|r| Some(r.model))), false),
        ("prompt_id", text_column(rows.iter().map(|r| Some(r.prompt))), false),
        ("seed", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.seed))), false),
        ("subject_id", text_column(rows.iter().map(|r| Some(r.subject))), false),
    ];
    let ordinal: ArrayRef = Arc::new(Int32Array::from_iter(rows.iter().map(|r| r.ordinal.map(|n| n as i32))));
    match which {
        0 => columns.push(("uncentred", Arc::new(Float64Array::from_iter(rows.iter().map(|r| r.uncentred))), false)),
        1 => {
            columns.push(("ordinal", ordinal, false));
            columns.push(("resembles", text_column(rows.iter().map(|r| r.resembles)), false));
        }
        _ => columns.push(("rank", ordinal, false)),
    }
    columns.push(("local", Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.local))), false));
    for (name, side) in
        [("x", (|w| w.x) as fn(Rectangle) -> u32), ("y", |w| w.y), ("width", |w| w.width), ("height", |w| w.height)]
    {
        let values = rows.iter().map(|r| side(r.window) as i32);
        columns.push((name, Arc::new(Int32Array::from_iter_values(values)), false));
    }
    table.columns(columns, 0)
}
