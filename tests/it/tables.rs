//! Reports of exported tables, and of catalogs too large to keep the generations: the same to the last digit as the data
//! set's own.

use crate::support::lab::{Lab, err};
use crate::support::prescribed::{Image, Prescribed, ingest};
use arrow::array::{Float64Array, RecordBatch, StringArray};
use msdata::Dataset;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// What reports are made of in these tests, all by the encoder `dinov2-small`.
const WISHES: [&[&str]; 8] = [
    &[],
    &["--by", "model,subject_count,scene_type", "--ci"],
    &["--by", "scene_type"],
    &["--by", "model,seed"],
    &["--by", "prompt_id"],
    &["--by", "kind,model", "--ci", "90"],
    &["--by", "subject_id", "--thresholds", "0:1:0.05"],
    &["--models", "XVerse,MOSAIC", "--rename", "MOSAIC=ours", "--identity", "clip-vit-large-patch14"],
];

/// The same, which tables cannot say.
const OF_DATA_ALONE: [&[&str]; 2] = [&["--by", "model,subject_count", "--published"], &["--by", "model,size", "--published"]];

/// The paper's prompts with uneven similarities, by three encoders, one of which has not seen all images.
fn lab() -> Lab {
    let lab = Lab::empty();
    let set = Prescribed::paper();
    let mut files = set.write(&lab.path("input"));
    let vectors = lab.path("input").join("dinov2.parquet");
    let clip = lab.path("input").join("clip.parquet");
    let of = |image: Image<'_>| -> Vec<f64> {
        let number = |at: usize| (image.prompt * 7 + at * 3 + image.seed as usize * 5 + image.model.len()) as f64;
        (0..set.prompts[image.prompt].subjects.len()).map(|at| 0.45 + 0.13 * number(at).sin()).collect()
    };
    set.write_vectors(&vectors, "dinov2-small", of, None);
    set.write_vectors(&clip, "clip-vit-large-patch14", |image| of(image).iter().map(|s| s / 2.0).collect(), Some(&|_| 0.25));
    files.embeddings = vec![vectors, clip];
    ingest(&mut Dataset::init(&lab.path("data")).unwrap(), &files);
    // A generation that nothing was scored for.
    lab.write(
        "more.jsonl",
        "{\"model\": \"MOSAIC\", \"prompt_id\": \"p00\", \"seed\": 99, \"path\": \"input/images/none.png\"}\n",
    );
    let prompt = lab.sql("SELECT prompt_id FROM prompts ORDER BY prompt_id LIMIT 1").remove(0);
    let text = fs::read_to_string(lab.path("more.jsonl")).unwrap().replace("p00", &prompt);
    lab.write("more.jsonl", text);
    lab.run(&["-d", "data", "ingest", "--no-embed", "--generations", "more.jsonl"]);
    lab
}

fn report(lab: &Lab, of: &[&str], wish: &[&str]) -> String {
    let arguments = [of, &["report", "--format", "json"], wish].concat();
    let done = lab.run(&arguments);
    assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", err(&done));
    without_identification(&String::from_utf8(done.stdout).unwrap())
}

/// A report without what leads where thresholds mean nothing: it needs vectors, and is not computed unasked for many images.
fn without_identification(text: &str) -> String {
    let mut report: serde_json::Value = serde_json::from_str(text).unwrap();
    for row in report["rows"].as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("identification");
    }
    report.to_string()
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().with_batch_size(1 << 20).build();
    reader.unwrap().next().unwrap().unwrap()
}

fn write(path: &Path, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Puts other values in a column.
fn with(batch: &RecordBatch, column: &str, values: arrow::array::ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of(column).unwrap()] = values;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

#[test]
fn tables_give_the_reports_of_the_data_set_however_they_are_cut() {
    let lab = lab();
    lab.ok(&["-d", "data", "export", "tables"]);
    let of_data: Vec<String> = WISHES.iter().map(|wish| report(&lab, &["-d", "data"], wish)).collect();
    assert!(of_data[0].contains("\"missing\":1"), "{}", of_data[0]);
    let tables = ["--tables", "tables"];
    for (wish, expected) in WISHES.iter().zip(&of_data) {
        assert_eq!(&report(&lab, &[], &[*wish, &tables].concat()), expected, "{wish:?}");
    }
    // In many files, the last rows first.
    for name in ["generations", "image_scores", "subject_scores"] {
        let whole = lab.path(&format!("tables/{name}.parquet"));
        let batch = read(&whole);
        fs::remove_file(&whole).unwrap();
        fs::create_dir(lab.path(&format!("tables/{name}"))).unwrap();
        let step = batch.num_rows() / 5 + 1;
        for (part, first) in (0..batch.num_rows()).step_by(step).enumerate() {
            let rows = batch.slice(first, step.min(batch.num_rows() - first));
            write(&lab.path(&format!("tables/{name}/part-{:02}.parquet", 99 - part)), &rows);
        }
    }
    for (wish, expected) in WISHES.iter().zip(&of_data) {
        assert_eq!(&report(&lab, &[], &[*wish, &tables].concat()), expected, "{wish:?}");
    }
}

#[test]
fn tables_that_do_not_belong_together_are_refused() {
    let lab = lab();
    lab.ok(&["-d", "data", "export", "tables"]);
    let refused = |what: &[&str]| {
        let done = lab.run(&[&["report", "--tables", "tables"], what].concat());
        assert_eq!(done.status.code(), Some(1), "{}", err(&done));
        err(&done)
    };
    assert!(refused(&["--by", "model,size"]).contains("a report of tables cannot be grouped by `size`"));
    let path = lab.path("tables/subject_scores.parquet");
    let whole = read(&path);
    write(&path, &whole.slice(0, whole.num_rows() - 3));
    let said = refused(&[]);
    assert!(said.contains("the tables do not belong together: the scores of subjects are not those"), "{said}");
    let similarity = whole.column_by_name("similarity").unwrap();
    let mut values: Vec<f64> = similarity.as_any().downcast_ref::<Float64Array>().unwrap().values().to_vec();
    values[17] = 1.5;
    write(&path, &with(&whole, "similarity", Arc::new(Float64Array::from(values))));
    let said = refused(&[]);
    assert!(said.contains("subject_scores.parquet") && said.contains("row 18: similarity 1.5 is not from -1 to 1"), "{said}");
    let prompts = Arc::new(StringArray::from(vec!["elsewhere"; whole.num_rows()]));
    write(&path, &with(&whole, "prompt_id", prompts));
    let said = refused(&[]);
    assert!(said.contains("row 1: prompt_id `elsewhere` is not in the table of prompts"), "{said}");
    fs::remove_file(&path).unwrap();
    assert!(refused(&[]).contains("tables has no table subject_scores.parquet"));
    assert_eq!(lab.run(&["report", "--tables", "nowhere"]).status.code(), Some(1));
}

#[test]
fn a_catalog_that_is_too_large_to_keep_gives_the_same_report() {
    let lab = lab();
    let wishes = || WISHES.iter().chain(&OF_DATA_ALONE);
    let of_data: Vec<String> = wishes().map(|wish| report(&lab, &["-d", "data"], wish)).collect();
    // With so many subjects AUC takes too long, and nothing needs the generations one by one.
    let db = rusqlite::Connection::open(lab.path("data/catalog.sqlite")).unwrap();
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)
         INSERT INTO subject (subject_id, label) SELECT printf('z%05d', i), 'thing' FROM n",
    )
    .unwrap();
    drop(db);
    for (wish, expected) in wishes().zip(&of_data) {
        let arguments = [&["-d", "data", "report", "--format", "json"], *wish].concat();
        let done = lab.run(&arguments);
        assert!(err(&done).contains("AUC is left out"), "{}", err(&done));
        assert_eq!(&without_identification(&String::from_utf8(done.stdout).unwrap()), expected, "{wish:?}");
    }
}
