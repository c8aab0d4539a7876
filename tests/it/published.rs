//! The paper's Table 1 beside one's own numbers: only where it can be compared, and never among them.

use crate::support::lab::{msdata, ok};
use crate::support::prescribed::{self, Image, Prescribed};
use msdata::Dataset;
use serde_json::{Value, json};
use std::fs;

#[test]
fn published_numbers_stand_beside_the_papers_protocol_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed::paper();
    let mut files = set.write(&dir.path().join("input"));
    let path = |name: &str| dir.path().join(name);
    let sims = |i: Image<'_>| vec![0.5; set.prompts[i.prompt].subjects.len()];
    set.write_vectors(&path("dinov2.parquet"), "dinov2-small", sims, None);
    set.write_vectors(&path("clip.parquet"), "clip-vit-large-patch14", sims, Some(&|_| 0.25));
    files.embeddings = vec![path("dinov2.parquet"), path("clip.parquet")];
    prescribed::ingest(&mut Dataset::init(&path("data")).unwrap(), &files);
    let dir = dir.path();
    let plain = ok(dir, &["report"]);
    let table = ok(dir, &["report", "--published"]);
    let published = table.strip_prefix(&plain).unwrap();
    assert!(
        published.starts_with("\nPublished, not computed here: Table 1 of When Identities Collapse (arXiv:2603.26078)\n\n"),
        "{published}"
    );
    let lines: Vec<Vec<&str>> = published.lines().skip(5).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 15);
    assert_eq!(lines[0], ["MOSAIC", "(published)", "2", "0.261", "0.695", "0.425", "48.9"]);
    assert_eq!(lines[8], ["XVerse", "(published)", "8", "0.276", "0.532", "0.123", "94.4"]);
    assert_eq!(lines[14], ["PSR", "(published)", "10", "0.309", "0.500", "0.101", "97.8"]);
    // One's own rows are as they were, in every format.
    let json: Value = serde_json::from_str(&ok(dir, &["report", "--published", "--format", "json"])).unwrap();
    let own: Value = serde_json::from_str(&ok(dir, &["report", "--format", "json"])).unwrap();
    assert_eq!(json["rows"], own["rows"]);
    assert!(own["published"].is_null());
    let cells = json["published"]["rows"].as_array().unwrap();
    assert_eq!(cells.len(), 15);
    assert_eq!(
        (&cells[0]["model"], &cells[0]["subject_count"], &cells[0]["scr"]),
        (&json!("MOSAIC"), &json!(2), &json!({"0.4": 0.489}))
    );
    assert_eq!(cells[0]["similarity"], json!({"clip-vit-large-patch14": 0.695, "dinov2-small": 0.425}));
    let csv = ok(dir, &["report", "--published", "--format", "csv"]);
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| rows[0].iter().position(|column| *column == name).unwrap();
    assert_eq!(rows.len(), 31);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{csv}");
    assert_eq!((rows[1][column("published")], rows[16][column("images")]), ("", ""));
    assert_eq!((rows[16][column("model")], rows[16][column("scr_0.4")]), ("MOSAIC", "0.489"));
    assert!(rows[16][column("published")].contains("2603.26078"));
    assert_eq!(ok(dir, &["report", "--published", "--format", "jsonl"]).lines().count(), 30);
    let md = ok(dir, &["report", "--published", "--format", "md"]);
    assert!(md.contains("| MOSAIC (published) | 2 | 0.261 | 0.695 | 0.425 | 48.9 |"), "{md}");
    ok(dir, &["report", "--html", "page"]);
    let page = fs::read_to_string(dir.join("page/index.html")).unwrap();
    assert!(page.contains("Published, not computed here") && page.contains("XVerse (published)"));

    // Another grouping, another identity encoder, a model with images of one prompt less: each is a reason.
    let why = |arguments: &[&str]| {
        let done = msdata(dir, &[&["report", "--published"], arguments].concat()).output().unwrap();
        assert!(!String::from_utf8_lossy(&done.stdout).contains("Published"));
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    assert!(
        why(&["--by", "model"]).contains("it is by model and subject count, and this report is not (`--by model,subject_count`)")
    );
    let said = why(&["--identity", "clip-vit-large-patch14"]);
    assert!(said.contains("collapse is by dinov2-small, and here by clip-vit-large-patch14"), "{said}");
    let first = &set.prompts[0].id;
    ok(dir, &["remove", "--generation", &format!("PSR,{first},42")]);
    let said = why(&[]);
    assert!(
        said.contains(
            "its models made an image of each prompt with each of 3 seeds, and PSR has 224 images with 3 different seeds"
        ),
        "{said}"
    );
    ok(dir, &["remove", "--prompt", first]);
    let said = why(&["--format", "json"]);
    let reason = "its 75 prompts are 5 of each of 2, 4, 6, 8 and 10 subjects and each scene type, and the data set has 74 (4 of 2 subjects, neutral)";
    assert!(said.contains(reason), "{said}");
    let json: Value = serde_json::from_str(&ok(dir, &["report", "--published", "--format", "json"])).unwrap();
    assert!(json["published"]["rows"].is_null() && json["published"]["why_not"][0] == reason, "{json}");
}
