//! Published data sets: loaded and validated by others, and back again with the same digest.

use crate::support::lab::{contents, err, msdata, ok, refused};
use crate::support::prescribed::{Prescribed, ingest};
use image::RgbImage;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A card with everything in it.
const CARD: &str = r#"
name = "A test"
description = "Drawn squares: \"quoted\", and | more."
license = "CC-BY-4.0"
creators = [{ name = "A. Author", affiliation = "Somewhere" }]
citation = "@misc{test, title={A test}}"
date_published = 2026-05-31
url = "https://example.org/test"
derived_from = ["nothing: drawn for this test"]
generated_by = [{ name = "a loop", url = "https://example.org/loop" }]
[rai]
data_collection = "drawn"
data_biases = "squares only"
personal_sensitive_information = "none"
data_limitations = "small"
data_use_cases = "tests"
data_social_impact = "none"
has_synthetic_data = true
[references]
license = "CC0-1.0"
"#;

/// A data set `data` in `dir`, with images, vectors of two encoders, one image missing and one that is none; and a card.
fn data_set(dir: &Path) {
    let set = Prescribed::paper();
    let mut files = set.write(&dir.join("input"));
    let vectors = |name: &str, cosine: f64| {
        let path = dir.join(name).with_extension("parquet");
        set.write_vectors(&path, name, |i| vec![cosine; set.prompts[i.prompt].subjects.len()], None);
        path
    };
    files.embeddings = vec![vectors("dinov2-small", 0.3), vectors("clip-vit-large-patch14", 0.7)];
    let images = dir.join("input/images/PSR/01_neutral");
    fs::remove_file(images.join("42.png")).unwrap();
    fs::write(images.join("43.png"), "this is text").unwrap();
    let mut data = msdata::Dataset::init(&dir.join("data")).unwrap();
    ingest(&mut data, &files);
    fs::write(dir.join("data/card.toml"), CARD).unwrap();
}

fn digest(dir: &Path, data: &str) -> String {
    ok(dir, &["-d", data, "digest"])
}

#[test]
fn it_comes_back_with_the_same_digest_from_inside_and_beside() {
    let lab = tempfile::tempdir().unwrap();
    let dir = lab.path();
    data_set(dir);
    let before = digest(dir, "data");
    for place in ["inside", "beside"] {
        ok(dir, &["-d", "data", "publish", place, "--images", place]);
        ok(dir, &["init", &format!("back-{place}")]);
        let back = format!("back-{place}");
        let output = msdata(dir, &["-d", &back, "ingest", "--from", "published", place, "--no-embed"]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "two images are not there: {}", err(&output));
        assert!(!err(&output).contains("the digest is"), "{}", err(&output));
        assert_eq!(digest(dir, &back), before, "{}", ok(dir, &["-d", &back, "digest", "--tables"]));
        ok(dir, &["-d", &back, "verify"]);
        // Again: nothing changes.
        let again = msdata(dir, &["-d", &back, "ingest", "--from", "published", place, "--no-embed"]).output().unwrap();
        assert!(!err(&again).contains(" added"), "{}", err(&again));
        assert_eq!(digest(dir, &back), before);
    }
}

#[test]
fn the_same_data_give_the_same_bytes_without_a_trace_of_the_machine() {
    let lab = tempfile::tempdir().unwrap();
    let dir = lab.path();
    data_set(dir);
    ok(dir, &["-d", "data", "publish", "one"]);
    ok(dir, &["-d", "data", "publish", "two"]);
    let (one, two) = (contents(&dir.join("one")), contents(&dir.join("two")));
    assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    let place = dir.canonicalize().unwrap();
    for (name, bytes) in &one {
        assert!(two[name] == *bytes, "{name} differs");
        let trace = place.to_str().unwrap().as_bytes();
        assert!(!bytes.windows(trace.len()).any(|window| window == trace), "{name} names {}", place.display());
    }
}

#[test]
fn changed_images_paths_in_meta_and_what_the_card_lacks_are_refused_and_nothing_is_left() {
    let lab = tempfile::tempdir().unwrap();
    let dir = lab.path();
    data_set(dir);
    let names = || fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>();
    let before = names();
    // The card.
    fs::rename(dir.join("data/card.toml"), dir.join("card")).unwrap();
    let said = refused(dir, &["-d", "data", "publish", "out"]);
    assert!(said.contains("`description`") && said.contains("`rai.data_biases`") && said.contains("publish --init"), "{said}");
    ok(dir, &["-d", "data", "publish", "--init"]);
    let said = refused(dir, &["-d", "data", "publish", "--init"]);
    assert!(said.contains("card.toml exists"), "{said}");
    let said = refused(dir, &["-d", "data", "publish", "out"]);
    assert!(said.contains("`creators`") && !said.contains("has_synthetic_data"), "{said}");
    fs::rename(dir.join("card"), dir.join("data/card.toml")).unwrap();
    // An image.
    let image = dir.join("input/images/PSR/02_neutral/42.png");
    let bytes = fs::read(&image).unwrap();
    RgbImage::from_pixel(9, 9, image::Rgb([1, 2, 3])).save(&image).unwrap();
    let said = refused(dir, &["-d", "data", "publish", "out"]);
    assert!(said.contains("1 image files are not what the catalog knows") && said.contains("02_neutral/42.png"), "{said}");
    fs::write(&image, bytes).unwrap();
    // A path.
    let manifest = dir.join("meta.jsonl");
    let line = serde_json::json!({
        "model": "PSR", "prompt_id": "02_neutral", "seed": 42, "path": image, "meta": { "out": "/data/runs/7/x.png" },
    });
    fs::write(&manifest, line.to_string() + "\n").unwrap();
    msdata(dir, &["-d", "data", "ingest", "--generations", "meta.jsonl", "--replace", "--no-embed"]).output().unwrap();
    let said = refused(dir, &["-d", "data", "publish", "out"]);
    assert!(
        said.contains("`meta` has a path of this machine, `/data/runs/7/x.png`") && said.contains("--without-meta"),
        "{said}"
    );
    fs::remove_file(&manifest).unwrap();
    assert_eq!(names(), before, "nothing is left");
    ok(dir, &["-d", "data", "publish", "out", "--without-meta"]);
    let said = refused(dir, &["-d", "data", "publish", "out", "--without-meta"]);
    assert!(said.contains("not empty"), "{said}");
}

#[test]
fn damaged_and_hostile_tables_are_refused() {
    let lab = tempfile::tempdir().unwrap();
    let dir = lab.path();
    data_set(dir);
    ok(dir, &["-d", "data", "publish", "out", "--images", "beside"]);
    ok(dir, &["init", "back"]);
    let said = refused(dir, &["-d", "back", "ingest", "--from", "published", "input"]);
    assert!(said.contains("is not a published data set") && said.contains("msdata publish"), "{said}");
    let table = dir.join("out/data/subjects.parquet");
    let bytes = fs::read(&table).unwrap();
    for cut in [0, 4, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&table, &bytes[..cut]).unwrap();
        let said = refused(dir, &["-d", "back", "ingest", "--from", "published", "out", "--no-embed"]);
        assert!(said.contains("subjects.parquet") && !said.contains("panicked"), "{said}");
    }
    fs::write(&table, &bytes).unwrap();
    let facts = dir.join("out/msdata.json");
    let text = fs::read_to_string(&facts).unwrap();
    fs::write(&facts, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    let said = refused(dir, &["-d", "back", "ingest", "--from", "published", "out", "--no-embed"]);
    assert!(said.contains("newer"), "{said}");
    assert!(ok(dir, &["-d", "back", "sql", "SELECT count(*) FROM subjects", "--format", "csv"]).contains('0'));
}

#[test]
fn others_validate_stream_and_load_it() {
    let Ok(python) = std::env::var("MSDATA_PYTHON") else {
        eprintln!("skipped: MSDATA_PYTHON is not set; `make test` sets it");
        return;
    };
    let lab = tempfile::tempdir().unwrap();
    let dir = lab.path();
    data_set(dir);
    ok(dir, &["-d", "data", "publish", "out"]);
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/published.py"))
        .args([dir.join("out"), dir.join("cache")])
        .env("HF_HOME", dir.join("hub"))
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap();
    if output.status.code() == Some(77) {
        eprintln!("{}", err(&output));
        return;
    }
    assert!(output.status.success(), "{}", err(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let generations = ok(dir, &["-d", "data", "sql", "SELECT count(*) FROM generations", "--format", "csv"]);
    assert_eq!(found["tables"]["generations"].to_string(), generations.lines().last().unwrap());
}
