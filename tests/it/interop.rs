//! The exported tables in the hands of others: DuckDB, pandas, pyarrow, Polars and SQLite give the table
//! that `msdata report` gives. Needs `MSDATA_PYTHON`, an interpreter with those packages (`make test`
//! sets it).

use crate::support::prescribed::{self, Prescribed, ingest};
use msdata::report::KeyValue;
use msdata::{Dataset, ReportOptions, Watch};
use std::process::Command;

#[test]
fn others_read_the_same_table() {
    let Ok(python) = std::env::var("MSDATA_PYTHON") else {
        eprintln!("skipped: MSDATA_PYTHON is not set; `make test` sets it");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed::paper();
    let mut files = set.write(&dir.path().join("input"));
    let vectors = dir.path().join("dinov2.parquet");
    let similarities = |i: prescribed::Image<'_>| {
        let n = set.prompts[i.prompt].subjects.len();
        (0..n).map(|k| 0.3 + 0.3 * ((i.prompt * 31 + k * 17 + i.seed as usize * 7) % 100) as f64 / 100.0).collect()
    };
    set.write_vectors(&vectors, "dinov2-small", similarities, None);
    files.embeddings = vec![vectors];
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    ingest(&mut data, &files);
    let tables = dir.path().join("tables");
    data.export(&tables, &mut Watch::silent()).unwrap();

    let report = data.report(&ReportOptions::default()).unwrap();
    let expected: Vec<serde_json::Value> = report
        .rows
        .iter()
        .map(|row| {
            let (KeyValue::Text(model), KeyValue::Integer(count)) = (&row.keys[0].1, &row.keys[1].1) else { panic!("{row:?}") };
            serde_json::json!({
                "model": model, "subject_count": count, "images": row.images,
                "similarity": row.similarity[0].1, "scr_04": row.scr[0].1,
            })
        })
        .collect();
    let path = dir.path().join("expected.json");
    std::fs::write(&path, serde_json::to_string(&expected).unwrap()).unwrap();
    let status = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop.py"))
        .args([tables.as_os_str(), data.dir().join("catalog.sqlite").as_os_str(), path.as_os_str()])
        .status()
        .unwrap();
    assert!(status.success());
}
