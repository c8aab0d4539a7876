//! What happens to a data set over time: running again, moving files, changing images, replacing,
//! removing, reordering. The numbers follow; nothing is mixed.

use crate::support::lab::contents;
use crate::support::prescribed::{self, Image, Prescribed, Prompt, Written, ingest, ingest_with_warnings};
use msdata::dataset::Removal;
use msdata::report::Key;
use msdata::{Dataset, Error, IngestOptions, ReportOptions, Watch};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Two prompts over a pool of three, two models, two seeds: eight images.
fn small() -> Prescribed {
    let prompt = |id: &str, scene, subjects| Prompt { id: id.into(), scene, subjects };
    Prescribed {
        models: vec!["A", "B"],
        pool: 3,
        prompts: vec![prompt("p1", "neutral", vec![0, 1]), prompt("p2", "interaction", vec![2, 0])],
        seeds: vec![1, 2],
    }
}

fn cosines(image: Image<'_>) -> Vec<f64> {
    if image.model == "A" { vec![0.3, 0.7] } else { vec![0.55, 0.45] }
}

struct Lab {
    _dir: tempfile::TempDir,
    input: PathBuf,
    files: Written,
    data: Dataset,
}

fn lab() -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("input");
    let mut files = small().write(&input);
    let vectors = input.join("dinov2.parquet");
    small().write_vectors(&vectors, "dinov2-small", cosines, None);
    files.embeddings = vec![vectors];
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    assert_eq!(ingest(&mut data, &files).scored, 8);
    Lab { _dir: dir, input, files, data }
}

fn scr(data: &Dataset) -> Vec<Option<f64>> {
    let report = data.report(&ReportOptions { by: vec![Key::Model], ..ReportOptions::default() }).unwrap();
    report.rows.iter().map(|r| r.scr[0].1).collect()
}

fn problems(error: Error) -> Vec<String> {
    match error {
        Error::Manifest(problems) => problems.iter().map(|p| p.to_string()).collect(),
        other => panic!("{other}"),
    }
}

fn try_ingest(data: &mut Dataset, options: &IngestOptions) -> Result<msdata::IngestSummary, Error> {
    data.ingest(options, &mut Watch::silent())
}

fn export(data: &Dataset, dir: &Path) -> BTreeMap<String, Vec<u8>> {
    data.export(dir, &mut Watch::silent()).unwrap();
    contents(dir)
}

#[test]
fn running_again_writes_nothing() {
    let Lab { files, data, _dir, .. } = lab();
    let place = data.dir().to_owned();
    drop(data);
    let before = contents(&place);
    let summary = ingest(&mut Dataset::open_to_write(&place).unwrap(), &files);
    assert_eq!((summary.generations.unchanged, summary.vectors.unchanged), (8, 3 + 8));
    assert_eq!((summary.images_read, summary.scored), (0, 0));
    assert_eq!(contents(&place), before);
}

#[test]
fn one_writer_many_readers() {
    let Lab { data, _dir, .. } = lab();
    assert!(matches!(Dataset::open_to_write(data.dir()), Err(Error::Locked(_))));
    assert_eq!(scr(&Dataset::open_to_read(data.dir()).unwrap()), scr(&data));
}

#[test]
fn a_reader_sees_one_moment() {
    let Lab { mut data, _dir, .. } = lab();
    let reader = Dataset::open_to_read(data.dir()).unwrap();
    assert_eq!(scr(&reader), [Some(0.5), Some(0.0)]);
    data.remove(&Removal::Model("A".parse().unwrap())).unwrap();
    assert_eq!(scr(&reader), [Some(0.5), Some(0.0)]);
    assert_eq!(scr(&data), [Some(0.0)]);
}

#[test]
fn a_moved_file_is_no_conflict_and_keeps_its_scores() {
    let Lab { input, mut files, mut data, _dir, .. } = lab();
    fs::rename(input.join("images"), input.join("renamed")).unwrap();
    let text = fs::read_to_string(&files.generations).unwrap().replace("images/", "renamed/");
    files.generations = input.join("moved.jsonl");
    fs::write(&files.generations, text).unwrap();
    let summary = ingest(&mut data, &files);
    assert_eq!((summary.generations.moved, summary.scored), (8, 0));
    assert_eq!(scr(&data), [Some(0.5), Some(0.0)]);
}

#[test]
fn another_content_is_an_error_that_shows_both_and_replace_takes_it() {
    let Lab { input, mut data, _dir, .. } = lab();
    let prompts = input.join("other.jsonl");
    let line = r#"{"prompt_id": "p1", "text": "Another text.", "scene_type": "neutral", "subjects": ["S0001", "S0002"]}"#;
    fs::write(&prompts, line).unwrap();
    let mut options = IngestOptions { prompts: vec![prompts.clone()], ..IngestOptions::default() };
    let found = problems(try_ingest(&mut data, &options).unwrap_err());
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with(&format!("{}:1: prompt `p1`", prompts.display())), "{found:?}");
    assert!(found[0].contains("A scene of 2 things.") && found[0].contains("Another text."), "{found:?}");
    options.replace = true;
    assert_eq!(try_ingest(&mut data, &options).unwrap().prompts.replaced, 1);
}

#[test]
fn a_changed_image_makes_its_vector_stale_and_its_scores_go() {
    let Lab { input, files, mut data, _dir, .. } = lab();
    let image = input.join("images/A/p1/1.png");
    prescribed::tiny_image(&image, 77);
    let (summary, warnings) = ingest_with_warnings(&mut data, &IngestOptions { embeddings: vec![], ..files.options() });
    assert_eq!((summary.images_read, warnings.len()), (1, 0));
    let report = data.report(&ReportOptions { by: vec![Key::Model], ..ReportOptions::default() }).unwrap();
    assert_eq!((report.rows[0].images, report.rows[0].missing), (3, 1));
    // A reference: every image of its subject loses its scores.
    prescribed::tiny_image(&input.join("references/S0003.png"), 78);
    ingest_with_warnings(&mut data, &IngestOptions { embeddings: vec![], ..files.options() });
    let report = data.report(&ReportOptions { by: vec![Key::PromptId], ..ReportOptions::default() }).unwrap();
    assert_eq!((report.rows[0].images, report.rows[1].images), (3, 0));
    // Vectors of the new content replace the stale ones without asking.
    let (summary, _) = ingest_with_warnings(&mut data, &files.options());
    assert_eq!((summary.vectors.replaced, summary.vectors.unchanged, summary.scored), (2, 9, 5));
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let Lab { input, mut files, data, _dir, .. } = lab();
    for path in [&mut files.subjects, &mut files.prompts, &mut files.generations] {
        let text = fs::read_to_string(&*path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.reverse();
        *path = path.with_file_name(format!("reversed-{}", path.file_name().unwrap().display()));
        fs::write(&*path, lines.join("\n")).unwrap();
    }
    let mut again = Dataset::init(&input.join("again")).unwrap();
    ingest(&mut again, &files);
    assert_eq!(export(&again, &input.join("b")), export(&data, &input.join("a")));
    let json = |data: &Dataset| serde_json::to_string(&data.report(&ReportOptions::default()).unwrap()).unwrap();
    assert_eq!(json(&again), json(&data));
}

#[test]
fn an_export_comes_back_as_it_went() {
    let Lab { input, files, data, _dir, .. } = lab();
    let first = export(&data, &input.join("a"));
    let mut again = Dataset::init(&input.join("again")).unwrap();
    let embeddings = vec![input.join("a/embeddings/dinov2-small/part-0001.parquet")];
    ingest_with_warnings(&mut again, &IngestOptions { embeddings, ..files.options() });
    assert_eq!(export(&again, &input.join("b")), first);
    let error = data.export(&input.join("a"), &mut Watch::silent()).unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
}

#[test]
fn removing_takes_rows_scores_and_vectors_and_nothing_else() {
    let Lab { input, files, mut data, _dir, .. } = lab();
    let removal = Removal::Generation("A".parse().unwrap(), "p1".parse().unwrap(), 1);
    assert_eq!(data.remove(&removal).unwrap().generations, 1);
    assert!(data.remove(&removal).is_err());
    let error = data.remove(&Removal::Subject("S0001".parse().unwrap())).unwrap_err();
    assert!(error.to_string().contains("in 2 prompts"), "{error}");
    data.remove(&Removal::Prompt("p1".parse().unwrap())).unwrap();
    data.remove(&Removal::Subject("S0002".parse().unwrap())).unwrap();
    assert!(input.join("images/A/p1/1.png").exists());
    let found = data.verify(true, &mut Watch::silent()).unwrap();
    assert_eq!((found.faults.len(), found.scores), (0, 4), "{found:?}");
    // Everything comes back.
    let (summary, _) = ingest_with_warnings(&mut data, &files.options());
    assert_eq!((summary.subjects.added, summary.prompts.added, summary.generations.added), (1, 1, 4));
    assert_eq!(scr(&data), [Some(0.5), Some(0.0)]);
}

#[test]
fn bad_rows_of_every_file_are_listed_and_nothing_is_written() {
    let Lab { input, mut data, _dir, .. } = lab();
    let write = |name: &str, text: &str| {
        fs::write(input.join(name), text).unwrap();
        input.join(name)
    };
    let good = r#"{"subject_id": "S0009", "label": "x", "references": ["references/S0001.png"]}"#;
    let subjects = write("s.jsonl", &format!("{good}\n\n{{\"subject_id\": \"S10\"}}\n"));
    let prompts = write("p.csv", "prompt_id,text,scene_type,subjects\np9,hello,neutral,S001\np8,hello,sideways,S0001\n");
    let options = IngestOptions { subjects: vec![subjects.clone()], prompts: vec![prompts.clone()], ..IngestOptions::default() };
    let found = problems(try_ingest(&mut data, &options).unwrap_err());
    let (s, p) = (subjects.display(), prompts.display());
    assert_eq!(
        found,
        [
            format!("{s}:3: `label` is missing"),
            format!("{p}:2: there is no subject `S001`; did you mean `S0001`?"),
            format!("{p}:3: scene_type `sideways` is not one of neutral, occlusion, interaction"),
        ]
    );
    let options = IngestOptions { subjects: vec![write("good.jsonl", good)], dry_run: true, ..IngestOptions::default() };
    assert_eq!(try_ingest(&mut data, &options).unwrap().subjects.added, 1);
    let options = IngestOptions { dry_run: false, ..options };
    assert_eq!(try_ingest(&mut data, &options).unwrap().subjects.added, 1, "neither run before this one wrote anything");
}

#[test]
fn damage_is_found_and_named() {
    let Lab { data, _dir, .. } = lab();
    let part = data.dir().join("embeddings/part-000001.parquet");
    fs::write(data.dir().join("embeddings/part-000009.parquet.tmp"), "half").unwrap();
    let verify = |deep| data.verify(deep, &mut Watch::silent()).unwrap();
    let sound = verify(true);
    assert_eq!((sound.faults.len(), sound.notes.len(), sound.scores), (0, 1, 8), "{sound:?}");
    let whole = fs::read(&part).unwrap();
    let mut flipped = whole.clone();
    let number = whole.windows(4).position(|bytes| bytes == 1.0_f32.to_le_bytes()).unwrap();
    flipped[number] ^= 1;
    fs::write(&part, flipped).unwrap();
    assert_eq!(verify(false).faults.len(), 0, "only a deep look reads the numbers");
    assert!(verify(true).faults[0].contains("checksum"));
    fs::write(&part, &whole[..whole.len() - 9]).unwrap();
    assert_eq!(verify(false).faults.len(), 1);
    fs::remove_file(&part).unwrap();
    assert!(verify(false).faults[0].contains("is gone"));
}

#[test]
fn an_interruption_keeps_what_was_finished() {
    let Lab { files, data, _dir, .. } = lab();
    let place = data.dir().with_file_name("interrupted");
    let mut interrupted = Dataset::init(&place).unwrap();
    let flag = std::sync::atomic::AtomicBool::new(false);
    let stop_at_images = |p: msdata::Progress| flag.store(p.stage == "images", std::sync::atomic::Ordering::Relaxed);
    let mut watch = Watch::silent().on_progress(stop_at_images).until(&flag);
    assert!(matches!(interrupted.ingest(&files.options(), &mut watch), Err(Error::Interrupted)));
    let summary = ingest(&mut interrupted, &files);
    assert_eq!((summary.generations.unchanged, summary.images_read, summary.scored), (8, 0, 8));
    assert_eq!(scr(&interrupted), scr(&data));
}
