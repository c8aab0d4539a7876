//! What `verify` advises puts right what it found.

use super::{python, rewrite};
use crate::support::lab::{Lab, err, out};
use std::fs;
use std::process::Command;

#[test]
fn advice_on_images_works() {
    let lab = Lab::sound();
    let image = lab.path("input/images/alpha/p1/1.png");
    let whole = fs::read(&image).unwrap();
    // Gone, then back.
    fs::remove_file(&image).unwrap();
    let advice = lab.fault();
    assert!(advice.contains("is gone"), "{advice}");
    assert_eq!(lab.run(&["-d", "data", "ingest"]).status.code(), Some(3));
    lab.assert_sound();
    fs::write(&image, &whole).unwrap();
    let note = lab.verify().notes.join("\n");
    assert!(note.contains("1 missing images have appeared; `msdata ingest` reads them"), "{note}");
    lab.follow(&note, "msdata ingest", "");
    lab.assert_sound();
    // Another size or time.
    fs::copy(lab.path("input/images/beta/p2/3.png"), &image).unwrap();
    let advice = lab.fault();
    assert!(advice.contains("has changed since it was read"), "{advice}");
    lab.follow(&advice, "msdata ingest", "");
    let found = lab.verify();
    assert_eq!(found.faults, [] as [&str; 0]);
    assert!(found.notes.join("\n").contains("1 imported vectors are of images that have changed"), "{found:?}");
    // Other bytes with size and time kept: only a deep look sees it, and only `--rehash` reads it again.
    let image = lab.path("input/images/beta/p1/1.png");
    let mut bytes = fs::read(&image).unwrap();
    let at = bytes.len() - 20;
    bytes[at] ^= 1;
    rewrite(&image, &bytes);
    let advice = lab.fault();
    assert!(advice.contains("`msdata ingest --rehash` accepts it as it is"), "{advice}");
    if out(&lab.run(&["ingest", "--help"])).contains("--rehash") {
        lab.run(&["-d", "data", "ingest", "--rehash"]);
        assert_eq!(lab.verify().faults, [] as [&str; 0]);
    } else {
        eprintln!("skipped: this msdata has no `ingest --rehash`");
    }
}

/// Rows that contradict others, each made by another program, with what is said and the commands that put it right.
#[test]
fn advice_on_rows_works() {
    let cases: &[(&str, &str, &[&str], &str)] = &[
        (
            "DELETE FROM reference_image WHERE subject = (SELECT id FROM subject WHERE subject_id = 'S0002')",
            "1 subjects have no reference",
            &["msdata ingest --replace --subjects FILE"],
            "input/subjects.jsonl",
        ),
        (
            "DELETE FROM prompt_subject WHERE prompt = (SELECT id FROM prompt WHERE prompt_id = 'p2')",
            "1 prompts have no subject",
            &["msdata ingest --replace --prompts FILE"],
            "input/prompts.jsonl",
        ),
        (
            "INSERT INTO image (path, status) VALUES ('/nobody/knows.png', 'pending')",
            "1 images belong to no subject and no generation",
            &["msdata verify --repair"],
            "",
        ),
        (
            "UPDATE image_vector SET row = 1000 WHERE part = 2 AND row < 2",
            "2 computed vectors are at rows that their part does not have",
            &["msdata verify --repair", "msdata embed", "msdata score"],
            "",
        ),
        (
            "UPDATE image_vector SET row = 1000 WHERE part = 1 AND row < 2",
            "2 imported vectors are at rows that their part does not have",
            &["msdata ingest --no-embed --embeddings FILE"],
            "input/v.parquet",
        ),
        (
            "UPDATE image_vector SET row = 3 - row WHERE part = 2 AND row IN (1, 2)",
            "2 vectors of",
            &["msdata verify --repair", "msdata embed", "msdata score"],
            "",
        ),
        (
            "DELETE FROM subject_score WHERE ordinal = 1 AND generation = 3",
            "2 image scores do not have one subject score for each subject",
            &["msdata verify --repair", "msdata score"],
            "",
        ),
        (
            "DELETE FROM image_score WHERE generation = 3",
            "4 subject scores belong to no image score",
            &["msdata verify --repair", "msdata score"],
            "",
        ),
        (
            "UPDATE sqlite_sequence SET seq = 0 WHERE name = 'part'",
            "parts have a number that would be given again",
            &["msdata verify --repair"],
            "",
        ),
    ];
    for (sql, what, commands, file) in cases {
        let lab = Lab::sound();
        let before = lab.results().unwrap();
        // One of them is made as by a program that does not enforce foreign keys.
        let keys = !sql.starts_with("DELETE FROM image_score");
        let program = format!(
            "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('PRAGMA foreign_keys = {keys}'); db.execute(sys.argv[2]); db.commit()"
        );
        let changed = Command::new(python()).args(["-c", &program]).arg(lab.data().join("catalog.sqlite")).arg(sql).output();
        let Ok(changed) = changed else { return eprintln!("skipped: there is no Python here") };
        assert!(changed.status.success(), "{sql}: {}", err(&changed));
        lab.ok_or_unsound(&["-d", "data", "verify", "--accept"]);
        let faults = lab.verify().faults.join("\n");
        assert!(faults.contains(what), "{sql}: {faults}");
        for command in *commands {
            lab.follow(&faults, command, file);
        }
        lab.ok(&["-d", "data", "ingest", "--embeddings", "input/v.parquet"]); // references that were taken out with their vectors
        lab.assert_sound();
        assert_eq!(lab.results().as_ref(), Ok(&before), "{sql}");
    }
}
