//! The demonstration: what the simulated generators did is known, so the whole tool can be held to it.

use crate::support::lab::{cells, contents};
use msdata::demo::{self, Demo, DemoOptions};
use msdata::report::{Key, KeyValue, Report, Row};
use msdata::table::Cell;
use msdata::{Dataset, Error, Watch};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const MODELS: [&str; 3] = ["simulated-faithful", "simulated-bleeding", "simulated-cloning"];
const COUNTS: [i64; 5] = [2, 4, 6, 8, 10];

fn cell<'r>(report: &'r Report, model: &str, count: i64) -> &'r Row {
    let keys = [(Key::Model, KeyValue::Text(Some(model.into()))), (Key::SubjectCount, KeyValue::Integer(count))];
    report.rows.iter().find(|row| row.keys == keys).unwrap()
}

#[test]
fn the_scores_tell_what_the_simulated_generators_did() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("demo");
    let mut warnings = Vec::new();
    let Demo { report, page, by_image, by_windows, by_boxes, winners } =
        demo::make(&dir, &DemoOptions::default(), &mut Watch::silent().on_warning(|w| warnings.push(w.to_owned()))).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert!(fs::read_to_string(page).unwrap().contains("Simulated: drawn characters"));
    // Windows tell what was drawn far better than the whole image does.
    let (image, windows) = (by_image.unwrap(), by_windows.unwrap());
    let near = |found: f64, expected: f64, within: f64| (found - expected).abs() <= within;
    assert!(
        near(windows.kept_over_replaced, 0.989, 0.01) && near(image.kept_over_replaced, 0.725, 0.02),
        "{image:?} {windows:?}"
    );
    assert!(near(windows.kept_over_bled, 0.916, 0.02) && near(image.kept_over_bled, 0.620, 0.02), "{image:?} {windows:?}");
    assert!(windows.bleeding < -0.4 && windows.bleeding < image.bleeding, "{image:?} {windows:?}");
    println!("true boxes: {by_boxes:?}");
    // The share of requested subjects that are missing: the faithful model's is chance's, the others' grow with the cast.
    let missing = |model| COUNTS.map(|count| cell(&report, model, count).local.as_ref().unwrap().cscr[0].1.unwrap());
    for (model, expected) in [
        ("simulated-faithful", [0.000, 0.000, 0.011, 0.017, 0.047]),
        ("simulated-bleeding", [0.033, 0.183, 0.444, 0.608, 0.747]),
        ("simulated-cloning", [0.100, 0.267, 0.522, 0.750, 0.847]),
    ] {
        let found = missing(model);
        assert!(found.iter().zip(expected).all(|(found, expected)| near(*found, expected, 0.03)), "{model}: {found:?}");
    }
    assert_eq!(report.rows.len(), MODELS.len() * COUNTS.len());
    assert!(report.rows.iter().all(|row| (row.images, row.missing) == (45, 0)), "{report:?}");

    // By every measure that leads, the faithful model is the best; SCR, which does not, is fooled where pictures are full.
    let leading: Vec<_> = winners.iter().filter(|winner| winner.leads).collect();
    assert!(leading.len() >= 7 && leading.iter().all(|winner| !winner.is_fooled()), "{winners:#?}");
    let fooled: Vec<&str> = winners.iter().filter(|winner| winner.is_fooled()).map(|winner| winner.measure.as_str()).collect();
    assert_eq!(fooled, ["SCR@0.6"]);

    // At thresholds that were chosen for this encoder and these pictures.
    let thresholds = "0.44,0.46,0.48".parse().unwrap();
    let options = msdata::ReportOptions { thresholds, controls: true, ..msdata::ReportOptions::default() };
    let report = Dataset::open_to_read(&dir).unwrap().report(&options).unwrap();
    let scr = |model, count| cell(&report, model, count).scr.iter().map(|(_, scr)| scr.unwrap()).collect::<Vec<f64>>();
    let auc = |model, count| cell(&report, model, count).controls.as_ref().unwrap().identification.as_ref().unwrap().auc;
    for count in COUNTS {
        let (faithful, ceiling) = (scr(MODELS[0], count), auc(MODELS[0], count));
        for failing in [MODELS[1], MODELS[2]] {
            let lower = faithful.iter().zip(scr(failing, count)).all(|(faithful, failing)| *faithful < failing);
            assert!(lower, "SCR at {count}: {faithful:?}, {failing} {:?}", scr(failing, count));
            assert!(ceiling > auc(failing, count), "AUC at {count}: {ceiling}, {failing} {}", auc(failing, count));
        }
    }
    for failing in [MODELS[1], MODELS[2]] {
        for pair in COUNTS.windows(2) {
            let rises = scr(failing, pair[0]).iter().zip(scr(failing, pair[1])).all(|(fewer, more)| *fewer < more);
            assert!(rises, "{failing}: {:?} at {}, {:?} at {}", scr(failing, pair[0]), pair[0], scr(failing, pair[1]), pair[1]);
        }
    }
}

#[test]
fn the_truth_is_there_to_query_and_every_run_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let options = DemoOptions { per_cell: 1, seeds: vec![7] };
    let [first, second] = ["first", "second"].map(|name| {
        let dir = dir.path().join(name);
        let report = demo::make(&dir, &options, &mut Watch::silent()).unwrap().report;
        (report, files(&dir), dir)
    });
    assert_eq!(first.0, second.0);
    assert_eq!(first.1.keys().collect::<Vec<_>>(), second.1.keys().collect::<Vec<_>>());
    for (name, bytes) in &first.1 {
        assert!(second.1[name] == *bytes, "{name} differs");
    }
    // 24 references, 45 images of 3 generators, 5 manifests: of the generations also that of the first seed; and the boxes.
    assert_eq!(first.1.len(), 24 + 45 + 5);

    let fates =
        "SELECT g.model, t.value ->> 'fate', count(*) FROM generations g, json_each(g.meta, '$.subjects') t GROUP BY 1, 2";
    let fates = cells(&mut Dataset::open_to_read(&first.2).unwrap(), fates);
    let of = |model: &str, fate: &str| {
        let row = fates.iter().find(|row| row[..2] == [Cell::Text(model.into()), Cell::Text(fate.into())]);
        row.map(|row| row[2].clone())
    };
    // 3 scene types × (2 + 4 + 6 + 8 + 10) subjects.
    assert_eq!(of("simulated-faithful", "kept"), Some(Cell::Integer(90)));
    assert_eq!(of("simulated-bleeding", "bled"), Some(Cell::Integer(90)));
    let (Some(Cell::Integer(kept)), Some(Cell::Integer(replaced))) =
        (of("simulated-cloning", "kept"), of("simulated-cloning", "replaced"))
    else {
        panic!("{fates:?}")
    };
    assert_eq!(kept + replaced, 90);
    assert!(kept >= 15, "the dominant subject of each of 15 images stays, {kept} did");
    // The truth of each subject is that of the subject asked for in that place.
    let strangers = "SELECT count(*) FROM generations g JOIN prompts p USING (prompt_id), json_each(g.meta, '$.subjects') t
        WHERE json_extract(p.subjects, '$[' || t.key || ']') <> t.value ->> 'subject_id'";
    assert_eq!(cells(&mut Dataset::open_to_read(&first.2).unwrap(), strangers), [[Cell::Integer(0)]]);
}

/// Every file that was drawn or written for people, by its path.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = contents(dir);
    found.retain(|path, _| (path.ends_with(".png") || path.ends_with(".jsonl")) && !path.starts_with("page/"));
    found
}

#[test]
fn a_directory_that_holds_something_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    let refused = demo::make(dir.path(), &DemoOptions::default(), &mut Watch::silent());
    assert!(matches!(refused, Err(Error::Request { .. })), "{refused:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
