//! The paper's Table 1 from vectors whose cosines are prescribed: counts of collapsed subjects written
//! down by hand, so that the table must come out as printed (arXiv 2603.26078).

use crate::support::prescribed::{self, COUNTS, Image, Prescribed, ingest};
use msdata::report::{Key, KeyValue, Named, Row, Thresholds};
use msdata::{Dataset, IngestOptions, Report, ReportOptions, Watch};
use std::path::Path;

/// Of the 45·N pairs of a cell, those below 0.4; from the paper's percentages.
const BELOW_04: [(&str, [usize; 5]); 3] =
    [("MOSAIC", [44, 147, 245, 341, 432]), ("XVerse", [53, 144, 251, 340, 434]), ("PSR", [57, 154, 254, 342, 440])];
/// Those below 0.5 and 0.6, as for MOSAIC.
const BELOW_05: [usize; 5] = [57, 155, 255, 347, 444];
const BELOW_06: [usize; 5] = [60, 157, 261, 353, 448];

/// 0.2, 0.45, 0.55 or 0.75: by the pair's number in its cell.
fn prescribed_dinov2(set: &Prescribed, image: Image<'_>) -> Vec<f64> {
    let n = set.prompts[image.prompt].subjects.len();
    let cell = COUNTS.iter().position(|c| *c == n).unwrap();
    let of_model = BELOW_04.iter().find(|(model, _)| *model == image.model).unwrap().1;
    let in_cell = (image.prompt % 15) * 3 + (image.seed - 42) as usize;
    let of_pair = |pair: usize| match pair {
        p if p < of_model[cell] => 0.2,
        p if p < BELOW_05[cell] => 0.45,
        p if p < BELOW_06[cell] => 0.55,
        _ => 0.75,
    };
    (0..n).map(|i| of_pair(in_cell * n + i)).collect()
}

/// The paper's data set with three encoders, in `dir`.
fn paper(dir: &Path) -> (Prescribed, Dataset) {
    let set = Prescribed::paper();
    let mut files = set.write(&dir.join("input"));
    let path = |name: &str| dir.join("input").join(name);
    set.write_vectors(&path("dinov2.parquet"), "dinov2-small", |i| prescribed_dinov2(&set, i), None);
    set.write_vectors(&path("dino.parquet"), "dino-vits16", |i| vec![0.5; set.prompts[i.prompt].subjects.len()], None);
    let clip_t = |i: Image<'_>| if i.model == "PSR" { 0.25 } else { 0.375 };
    let clip = "clip-vit-large-patch14";
    set.write_vectors(&path("clip.parquet"), clip, |i| vec![0.625; set.prompts[i.prompt].subjects.len()], Some(&clip_t));
    files.embeddings = vec![path("dinov2.parquet"), path("dino.parquet"), path("clip.parquet")];
    let mut data = Dataset::init(&dir.join("data")).unwrap();
    let summary = ingest(&mut data, &files);
    assert_eq!((summary.generations.added, summary.scored), (675, 3 * 675));
    (set, data)
}

fn cell<'r>(report: &'r Report, keys: &[&str]) -> &'r Row {
    let text = |value: &KeyValue| match value {
        KeyValue::Integer(n) => n.to_string(),
        KeyValue::Text(t) => t.clone().unwrap_or_default(),
    };
    report.rows.iter().find(|row| row.keys.iter().map(|(_, v)| text(v)).eq(keys.iter().copied())).unwrap()
}

fn percent(values: &[Named]) -> Vec<String> {
    values.iter().map(|(_, v)| format!("{:.1}", v.unwrap() * 100.0)).collect()
}

#[test]
fn table_1_to_every_printed_digit() {
    let dir = tempfile::tempdir().unwrap();
    let (_, data) = paper(dir.path());
    let report = data.report(&ReportOptions::default()).unwrap();
    assert_eq!(report.identity, "dinov2-small");
    assert_eq!(report.rows.len(), 15);
    let printed = [
        ("MOSAIC", ["48.9", "81.7", "90.7", "94.7", "96.0"]),
        ("XVerse", ["58.9", "80.0", "93.0", "94.4", "96.4"]),
        ("PSR", ["63.3", "85.6", "94.1", "95.0", "97.8"]),
    ];
    for (model, scr) in printed {
        for (count, scr) in COUNTS.iter().zip(scr) {
            let row = cell(&report, &[model, &count.to_string()]);
            assert_eq!(percent(&row.scr)[0], scr, "{model} at {count}");
            assert_eq!((row.images, row.subjects, row.missing), (45, 45 * *count as u64, 0));
            let clip_t = if model == "PSR" { 0.25 } else { 0.375 };
            assert!((row.clip_t[0].1.unwrap() - clip_t).abs() < 1e-6);
            let similarity = |encoder: &str| row.similarity.iter().find(|(e, _)| e == encoder).unwrap().1.unwrap();
            assert!((similarity("dino-vits16") - 0.5).abs() < 1e-6);
            assert!((similarity("clip-vit-large-patch14") - 0.625).abs() < 1e-6);
        }
    }
    // By hand: 44 · 0.2 + 13 · 0.45 + 3 · 0.55 + 30 · 0.75 of 90 pairs.
    let mosaic_2 = cell(&report, &["MOSAIC", "2"]).similarity.iter().find(|(e, _)| e == "dinov2-small").unwrap().1.unwrap();
    assert!((mosaic_2 - 38.8 / 90.0).abs() < 1e-6, "{mosaic_2}");
    assert_eq!(percent(&cell(&report, &["MOSAIC", "4"]).scr), ["81.7", "86.1", "87.2"]);
}

#[test]
fn every_grouping_adds_up() {
    let dir = tempfile::tempdir().unwrap();
    let (_, data) = paper(dir.path());
    let by = |keys: &[Key]| data.report(&ReportOptions { by: keys.to_vec(), ..ReportOptions::default() }).unwrap();
    let cells = by(&[Key::Model, Key::SubjectCount, Key::SceneType]);
    assert_eq!(cells.rows.len(), 45);
    // The first five prompts of a cell are neutral: 15 images, 30 pairs, and 44 of its 90 pairs collapse, in order.
    let first = |scene| cell(&cells, &["MOSAIC", "2", scene]).scr[0].1.unwrap();
    assert_eq!((first("neutral"), first("occlusion"), first("interaction")), (1.0, 14.0 / 30.0, 0.0));
    assert_eq!(by(&[Key::Model, Key::SceneType]).rows.len(), 9);
    assert_eq!(by(&[]).rows.len(), 1);
    assert_eq!(by(&[Key::Seed]).rows.iter().map(|r| r.images).sum::<u64>(), 675);
    // Over pairs: every pair once, whatever the attribute.
    for key in [Key::Kind, Key::SubjectId] {
        let report = by(&[key]);
        assert_eq!(report.rows.iter().map(|r| r.subjects).sum::<u64>(), 3 * 45 * (2 + 4 + 6 + 8 + 10));
        assert_eq!(report.rows.len(), if key == Key::Kind { 3 } else { 30 });
    }
}

#[test]
fn the_curve_is_the_table_at_every_threshold() {
    let dir = tempfile::tempdir().unwrap();
    let (_, data) = paper(dir.path());
    for by in [vec![Key::Model, Key::SubjectCount], vec![Key::Model], vec![Key::Kind], vec![]] {
        let thresholds: Thresholds = "0:1:0.01".parse().unwrap();
        let report = data.report(&ReportOptions { by, thresholds, curve: true, ..ReportOptions::default() }).unwrap();
        for row in &report.rows {
            let curve = row.curve.as_ref().unwrap().as_ref().unwrap();
            assert_eq!(row.scr.len(), 101);
            for (threshold, scr) in &row.scr {
                assert!((curve.at(threshold.parse().unwrap()) - scr.unwrap()).abs() < 1e-9, "{threshold} {row:?}");
            }
            // No similarity is negative: the area is what is missing of the mean similarity.
            let similarity = row.similarity.iter().find(|(e, _)| e == "dinov2-small").unwrap().1.unwrap();
            assert!((curve.area - (1.0 - similarity)).abs() < 1e-9);
        }
    }
    // By hand: 44 of 90 pairs at 0.2, 13 at 0.45, 3 at 0.55, 30 at 0.75 (float32 vectors make several of each).
    let report = data.report(&ReportOptions { curve: true, ..ReportOptions::default() }).unwrap();
    let mosaic_2 = cell(&report, &["MOSAIC", "2"]).curve.clone().unwrap().unwrap();
    assert!((mosaic_2.area - (1.0 - 38.8 / 90.0)).abs() < 1e-6);
    for (threshold, below) in [(0.19, 0.0), (0.21, 44.0), (0.46, 57.0), (0.56, 60.0), (0.76, 90.0)] {
        assert!((mosaic_2.at(threshold) - below / 90.0).abs() < 1e-12, "{threshold}");
    }
    let kept = &cell(&report, &["MOSAIC", "2"]).uncollapsed;
    assert!((kept[0].1.unwrap() - 46.0 / 45.0).abs() < 1e-12 && (kept[2].1.unwrap() - 30.0 / 45.0).abs() < 1e-12, "{kept:?}");
}

#[test]
fn controls_compare_with_the_whole_pool() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed {
        models: vec!["M"],
        pool: 4,
        prompts: vec![prescribed::Prompt { id: "all".into(), scene: "neutral", subjects: vec![0, 1, 2, 3] }],
        seeds: vec![1],
    };
    // An image that was asked for everybody has nobody to be told from: null, not a number.
    let mut files = set.write(&dir.path().join("input"));
    let vectors = dir.path().join("v.parquet");
    set.write_vectors(&vectors, "dinov2-small", |_| vec![0.5, 0.3, 0.2, 0.45], None);
    files.embeddings = vec![vectors];
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    ingest(&mut data, &files);
    let options = ReportOptions { controls: true, ..ReportOptions::default() };
    let json = serde_json::to_value(data.report(&options).unwrap()).unwrap();
    assert!(json["rows"][0]["identification"]["auc"].is_null() && json["rows"][0]["chance_scr"]["0.4"].is_null(), "{json}");

    // Now the prompt asks for the first and the third, at 0.5 and 0.2; the others are at 0.3 and 0.45.
    let text = std::fs::read_to_string(&files.prompts).unwrap().replace(r#", "S0002", "S0003", "S0004""#, r#", "S0003""#);
    std::fs::write(&files.prompts, text).unwrap();
    let options_of_ingest = IngestOptions { prompts: vec![files.prompts], replace: true, ..IngestOptions::default() };
    data.ingest(&options_of_ingest, &mut Watch::silent()).unwrap();
    let json = serde_json::to_value(data.report(&options).unwrap()).unwrap();
    // Two of four pairs in order; ranks 1 and 4; one of the first two; of the others one is below 0.4.
    assert_eq!(json["rows"][0]["identification"], serde_json::json!({"auc": 0.5, "r_precision": 0.5, "mean_rank": 2.5}));
    assert_eq!(json["rows"][0]["chance_scr"], serde_json::json!({"0.4": 0.5, "0.5": 1.0, "0.6": 1.0}));
}

#[test]
fn one_reference_without_a_vector_makes_its_generations_missing() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed {
        models: vec!["M"],
        pool: 3,
        prompts: vec![
            prescribed::Prompt { id: "with".into(), scene: "neutral", subjects: vec![0, 2] },
            prescribed::Prompt { id: "without".into(), scene: "neutral", subjects: vec![0, 1] },
        ],
        seeds: vec![1],
    };
    let input = dir.path().join("input");
    let files = set.write(&input);
    let whole = input.join("dinov2.parquet");
    set.write_vectors(&whole, "dinov2-small", |_| vec![0.3, 0.7], None);
    // The same vectors without reference S0003, which is row 3.
    let partial = input.join("partial.parquet");
    prescribed_without_row(&whole, &partial, 2);
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    let mut warnings = Vec::new();
    let options = IngestOptions {
        subjects: vec![files.subjects],
        prompts: vec![files.prompts],
        generations: vec![files.generations],
        embeddings: vec![partial],
        ..IngestOptions::default()
    };
    data.ingest(&options, &mut Watch::silent().on_warning(|w| warnings.push(w.to_owned()))).unwrap();
    assert!(warnings.iter().any(|w| w.contains("1 of 3 references have no vector")), "{warnings:?}");
    let report = data.report(&ReportOptions { by: vec![Key::PromptId], ..ReportOptions::default() }).unwrap();
    let missing = cell(&report, &["with"]);
    assert_eq!((missing.images, missing.missing, missing.scr[0].1), (0, 1, None));
    let there = cell(&report, &["without"]);
    assert_eq!((there.images, there.missing, there.scr[0].1), (1, 0, Some(0.5)));
    // A cell with one scored and one missing generation averages over the scored one.
    let all = data.report(&ReportOptions { by: vec![], ..ReportOptions::default() }).unwrap();
    assert_eq!((all.rows[0].images, all.rows[0].subjects, all.rows[0].missing), (1, 2, 1));
    // The missing vector comes: the generation is scored, nothing else changes.
    let options = IngestOptions { embeddings: vec![whole], ..IngestOptions::default() };
    let summary = data.ingest(&options, &mut Watch::silent()).unwrap();
    assert_eq!((summary.vectors.added, summary.vectors.unchanged, summary.scored), (1, 4, 1));
}

/// Copies a Parquet file without one of its rows.
fn prescribed_without_row(from: &Path, to: &Path, row: usize) {
    use arrow::array::BooleanArray;
    use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
    let batch = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(from).unwrap())
        .unwrap()
        .build()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let keep: BooleanArray = (0..batch.num_rows()).map(|i| Some(i != row)).collect();
    let batch = arrow::compute::filter_record_batch(&batch, &keep).unwrap();
    let mut out = ArrowWriter::try_new(std::fs::File::create(to).unwrap(), batch.schema(), None).unwrap();
    out.write(&batch).unwrap();
    out.close().unwrap();
}
