//! Data sets of thousands of rows, where rows are read in bulk and indices are made anew: what comes of it is what comes of
//! each row alone.

use crate::support::lab::Lab;
use crate::support::prescribed::tiny_image;
use serde_json::{Value, json};
use std::fs;

/// Seeds of each model and prompt.
const SEEDS: i64 = 300;

fn row(model: &str, prompt: usize, seed: i64) -> Value {
    json!({"model": model, "prompt_id": format!("p{prompt}"), "seed": seed, "path": format!("images/{model}-{prompt}-{seed}.png")})
}

/// Two models, two prompts: 1,200 generations, in the order of the seeds.
fn all_rows() -> Vec<Value> {
    let of_seed = |seed| ["A", "B"].into_iter().flat_map(move |model| [1, 2].map(|prompt| row(model, prompt, seed)));
    (0..SEEDS).flat_map(of_seed).collect()
}

/// A data set of these rows, whose files are there for the first hundred seeds.
fn lab() -> Lab {
    lab_with_files(100)
}

/// A data set of these rows, whose files are there for some of the seeds, the first.
fn lab_with_files(seeds: i64) -> Lab {
    let lab = Lab::empty();
    fs::create_dir_all(lab.path("input/images")).unwrap();
    tiny_image(&lab.path("input/images/r.png"), u32::MAX);
    for (n, row) in (0..).zip(all_rows()).filter(|(_, row)| row["seed"].as_i64().unwrap() < seeds) {
        tiny_image(&lab.path(&format!("input/{}", row["path"].as_str().unwrap())), n);
    }
    let subjects = [json!({"subject_id": "S", "label": "dog", "references": ["images/r.png"]})];
    let prompts =
        [1, 2].map(|n| json!({"prompt_id": format!("p{n}"), "text": "A dog.", "scene_type": "neutral", "subjects": ["S"]}));
    lab.manifests("input", &subjects, &prompts, &all_rows());
    lab.ok(&["init", "data"]);
    lab
}

/// Writes these generations, ingests them, and returns what is said of them.
fn ingested(lab: &Lab, rows: &[Value], more: &[&str]) -> (i32, String) {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    lab.write("input/g.jsonl", lines.join("\n"));
    let mut arguments = vec!["-d", "data", "ingest", "--no-embed", "--generations", "input/g.jsonl"];
    arguments.extend(more);
    let output = lab.run(&arguments);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code().unwrap(), text)
}

fn said<'t>(text: &'t str, what: &str) -> &'t str {
    text.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("no {what} in {text}"))
}

#[test]
fn known_rows_are_known_in_any_order() {
    let lab = lab();
    lab.ingest("data", &["--no-embed"]);
    let all = all_rows();
    let again = |rows: &[Value]| {
        let (code, text) = ingested(&lab, rows, &[]);
        assert_eq!(code, 3, "files of most seeds are missing: {text}");
        let counts = said(&text, "generations:").to_owned();
        assert!(counts.contains(&format!("{} unchanged", rows.len())), "{} rows: {counts}", rows.len());
    };
    again(&all);
    again(&all.iter().rev().cloned().collect::<Vec<_>>());
    again(&all.iter().step_by(3).cloned().collect::<Vec<_>>());
    let mut by_model = all.clone();
    by_model.sort_by_key(|row| row["model"].to_string());
    again(&by_model);
    // Leaps of seven are in no order at all, and reach every row.
    again(&(0..all.len()).map(|n| all[n * 7 % all.len()].clone()).collect::<Vec<_>>());
    // A row that comes twice, near and far.
    again(&[&all[..10], &all[5..700], &all[..3]].concat());
}

#[test]
fn what_differs_among_known_rows_is_seen() {
    let lab = lab();
    lab.ingest("data", &["--no-embed"]);
    let mut rows = all_rows();
    // A new row, a moved one, one with other content, and one that is not said alike twice.
    rows.insert(500, row("A", 1, 1000));
    fs::rename(lab.path("input/images/A-1-7.png"), lab.path("input/images/moved.png")).unwrap();
    let place = |rows: &[Value], model: &str, prompt: &str, seed: i64| {
        rows.iter().position(|row| row["model"] == model && row["prompt_id"] == prompt && row["seed"] == seed).unwrap()
    };
    let moved = place(&rows, "A", "p1", 7);
    rows[moved]["path"] = json!("images/moved.png");
    let (code, text) = ingested(&lab, &rows, &[]);
    assert_eq!(code, 3, "{text}");
    let counts = said(&text, "generations:");
    assert!(counts.contains("1 added") && counts.contains("1199 unchanged") && counts.contains("1 moved"), "{counts}");

    let other = place(&rows, "B", "p2", 250);
    rows[other]["meta"] = json!({"steps": 20});
    let (code, text) = ingested(&lab, &rows, &[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(&format!("input/g.jsonl:{}:", other + 1)) && text.contains("known with other content"), "{text}");
    let (code, text) = ingested(&lab, &rows, &["--replace"]);
    assert_eq!(code, 3, "{text}");
    let counts = said(&text, "generations:");
    assert!(counts.contains("1200 unchanged") && counts.contains("1 replaced"), "{counts}");

    rows.push(row("A", 1, 3));
    rows.last_mut().unwrap()["path"] = json!("images/B-1-3.png");
    let (code, text) = ingested(&lab, &rows, &[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(&format!("input/g.jsonl:{}:", rows.len())) && text.contains("appears twice"), "{text}");
}

#[test]
fn a_file_that_changes_is_read_again_among_those_that_do_not() {
    let lab = lab();
    lab.ingest("data", &["--no-embed"]);
    let count = || lab.sql("SELECT count(*) FROM image WHERE status = 'ok'")[0].clone();
    assert_eq!(count(), "401");
    tiny_image(&lab.path("input/images/B-1-50.png"), 123_456);
    fs::write(lab.path("input/images/B-1-51.png"), "no image").unwrap();
    fs::remove_file(lab.path("input/images/B-1-52.png")).unwrap();
    tiny_image(&lab.path("input/images/A-2-200.png"), 123_457);
    let before = lab.sql("SELECT blake3 FROM generations WHERE model = 'B' AND prompt_id = 'p1' AND seed = 50");
    let (code, text) = ingested(&lab, &all_rows(), &[]);
    assert_eq!(code, 3, "{text}");
    assert_eq!(count(), "400");
    assert_ne!(lab.sql("SELECT blake3 FROM generations WHERE model = 'B' AND prompt_id = 'p1' AND seed = 50"), before);
    let states = "SELECT model, prompt_id, seed, status FROM generations
        WHERE (model = 'B' AND prompt_id = 'p1' AND seed IN (51, 52)) OR (model = 'A' AND prompt_id = 'p2' AND seed = 200) ORDER BY 1, 3";
    let states = lab.sql(states);
    assert_eq!(states.iter().filter(|row| row.contains("unreadable")).count(), 1, "{states:?}");
    assert_eq!(states.iter().filter(|row| row.contains("missing")).count(), 1, "{states:?}");
    assert_eq!(states.iter().filter(|row| row.contains("ok")).count(), 1, "{states:?}");
}

#[test]
fn many_first_contents_leave_a_sound_catalog() {
    let lab = Lab::empty();
    fs::create_dir_all(lab.path("input/images")).unwrap();
    tiny_image(&lab.path("input/images/r.png"), u32::MAX);
    let rows = 9_000;
    let mut lines = String::new();
    for n in 0..rows {
        // Every hundredth has the bytes of the one before.
        tiny_image(&lab.path(&format!("input/images/{n}.png")), if n % 100 == 99 { n - 1 } else { n });
        lines += &format!("{{\"model\": \"M\", \"prompt_id\": \"p\", \"seed\": {n}, \"path\": \"images/{n}.png\"}}\n");
    }
    let subjects = [json!({"subject_id": "S", "label": "dog", "references": ["images/r.png"]})];
    let prompts = [json!({"prompt_id": "p", "text": "A dog.", "scene_type": "neutral", "subjects": ["S"]})];
    lab.manifests("input", &subjects, &prompts, &[]);
    lab.write("input/generations.jsonl", lines);
    lab.ok(&["init", "data"]);
    let schema = "SELECT name, sql FROM sqlite_schema ORDER BY name";
    let before = lab.sql(schema);
    let output = lab.ingest("data", &["--no-embed"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lab.sql(schema), before);
    assert_eq!(lab.sql("SELECT status, count(*) FROM image GROUP BY 1"), ["ok,9001"]);
    assert_eq!(
        lab.sql("SELECT count(DISTINCT blake3) FROM image INDEXED BY image_by_content WHERE blake3 IS NOT NULL")[0],
        "8911"
    );
    assert_eq!(lab.sql("PRAGMA integrity_check"), ["ok"]);
    lab.ok(&["-d", "data", "verify", "--deep"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("generations with the same bytes (90 in all)"), "{said}");
}

#[test]
fn a_digest_is_of_the_keys_in_their_order_whatever_the_order_of_the_rows() {
    let all = all_rows();
    let mut by_key = all.clone();
    by_key.sort_by_key(|row| (row["model"].to_string(), row["prompt_id"].to_string(), row["seed"].as_i64()));
    // In the order of seeds; in leaps of seven, which are in no order at all; in the order of the keys.
    let in_leaps = (0..all.len()).map(|n| all[n * 7 % all.len()].clone()).collect();
    let mut digests = Vec::new();
    for rows in [all, in_leaps, by_key] {
        let lab = lab_with_files(5);
        lab.write("input/generations.jsonl", rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"));
        lab.ingest("data", &["--encoder", "builtin-texture"]);
        let tables = lab.ok(&["-d", "data", "digest", "--tables"]);
        // What is hashed: a line for each row.
        let query = "SELECT model, prompt_id, seed, ordinal, similarity FROM subject_scores ORDER BY 1, 2, 3, 4";
        let mut lines = blake3::Hasher::new();
        for row in lab.sql(query) {
            let [model, prompt, seed, ordinal, similarity] = row.split(',').collect::<Vec<_>>()[..] else { panic!("{row}") };
            let line = format!("[\"builtin-texture\",[\"{model}\",\"{prompt}\",{seed}],[{ordinal},{similarity}]]\n");
            lines.update(line.as_bytes());
        }
        let expected = format!("{}  subject_scores (20 rows)\n", lines.finalize());
        assert!(tables.contains(&expected), "{expected} {tables}");
        digests.push(tables);
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}
