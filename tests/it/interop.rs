//! The exported tables in the hands of others: DuckDB, pandas, pyarrow, Polars and SQLite give the table
//! that `msdata report` gives. Needs `MSDATA_PYTHON`, an interpreter with those packages (`make test`
//! sets it).

use crate::support::prescribed::{self, Prescribed, ingest};
use msdata::report::KeyValue;
use msdata::{Dataset, ReportOptions, Watch};
use parquet::basic::{ColumnOrder, Encoding, Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::path::{Path, PathBuf};
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

/// Every file that leaves a data set, and its parts, has nothing in its footer or its pages that readers of earlier years
/// refuse: column orders as types define them, encodings of the format's first version.
#[test]
fn older_readers_find_nothing_new() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed::paper();
    let mut files = set.write(&dir.path().join("input"));
    let vectors = dir.path().join("dinov2.parquet");
    set.write_vectors(&vectors, "dinov2-small", |image| vec![0.5; set.prompts[image.prompt].subjects.len()], None);
    files.embeddings = vec![vectors];
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    ingest(&mut data, &files);
    let tables = dir.path().join("tables");
    data.export(&tables, &mut Watch::silent()).unwrap();

    let mut floats = 0;
    for path in parquet_files(&tables).into_iter().chain(parquet_files(data.dir())) {
        let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        let file = reader.metadata().file_metadata();
        let orders = file.column_orders().unwrap();
        assert!(orders.iter().all(|order| matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_))), "{path:?}: {orders:?}");
        for column in reader.metadata().row_groups().iter().flat_map(|group| group.columns()) {
            floats += usize::from(matches!(column.column_type(), Type::FLOAT | Type::DOUBLE));
            assert!(column.column_index_offset().is_none(), "{path:?}");
            let old = |encoding: Encoding| matches!(encoding, Encoding::PLAIN | Encoding::RLE | Encoding::RLE_DICTIONARY);
            assert!(
                column.encodings().all(old),
                "{path:?} {}: {:?}",
                column.column_path(),
                column.encodings().collect::<Vec<_>>()
            );
        }
    }
    assert!(floats > 3, "{floats}");
}

fn parquet_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { parquet_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect()
}
