//! A catalog whose bytes, rows or schema are not what was written.

use super::{files, python};
use crate::support::lab::{Lab, err, out};
use msdata::dataset::Removal;
use msdata::ops::RepairOptions;
use msdata::{Dataset, Error, Watch};
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_text_of_views_triggers_and_tables_is_compared_and_rebuilt() {
    // A threshold, a trigger's condition, a name, a text that SQLite cannot read any more, a table's check.
    let edits = [
        ("avg(sc.similarity < 0.4) AS scr_04", "avg(sc.similarity < 0.6) AS scr_04", "view"),
        ("WHEN old.blake3 IS NOT NULL AND new", "WHEN old.blake3 IS NOT NULL AND old", "trigger"),
        ("CREATE TRIGGER generation_gone AFTER", "CREATE TRIGGER generatioo_gone AFTER", "trigger"),
        ("CREATE VIEW worst_subjects AS\nSELECT", "CREATE VIEW worst_subjects AS\nSELEKT", "view"),
        ("CREATE INDEX generation_by_model ON", "CREATE INDEX generation_by_model OM", "index"),
        ("seed    INTEGER NOT NULL,", "seed    INTEGER NOT NUMM,", "table"),
        ("bytes    INTEGER CHECK (bytes >= 0)", "bytes    INTEGER CHECK (bytes <= 0)", "table"),
    ];
    for (from, to, kind) in edits {
        let lab = Lab::sound();
        let before = lab.results().unwrap();
        lab.edit(from, to);
        let found = lab.run(&["-d", "data", "verify"]);
        assert_eq!(found.status.code(), Some(1), "{to}: {}{}", out(&found), err(&found));
        let advice = out(&found);
        assert!(advice.contains(&format!("the {kind} ")) || advice.contains("malformed"), "{to}: {advice}");
        lab.follow(&advice, "msdata verify --repair", "");
        lab.assert_sound();
        assert_eq!(lab.results().as_ref(), Ok(&before), "{to}");
    }
}

#[test]
fn a_change_that_no_checksum_of_a_part_would_show_is_found() {
    for (from, to) in
        [("thing 1", "thing 7"), ("alpha", "gamma"), ("A scene of 2", "A scene of 3"), ("references/S0002", "references/S0001")]
    {
        let lab = Lab::sound();
        lab.edit(from, to);
        let quick = lab.run(&["-d", "data", "verify"]);
        assert_eq!(quick.status.code(), Some(1), "{to}: {}", out(&quick));
        assert!(out(&quick).contains("rows are not those that msdata wrote"), "{to}: {}", out(&quick));
    }
    let lab = Lab::sound();
    lab.edit("thing 1", "thing 7");
    let advice = lab.fault();
    assert_eq!(lab.run(&["-d", "data", "verify", "--repair"]).status.code(), Some(1));
    assert_eq!(lab.fault(), advice, "a repair does not take changed rows for right");
    lab.follow(&advice, "msdata verify --accept", "");
    lab.assert_sound();
}

#[test]
fn a_killed_writer_leaves_no_seal_and_the_next_one_makes_it() {
    let lab = Lab::sound();
    lab.assert_sound();
    let mut data = Dataset::open_to_write(&lab.data()).unwrap();
    data.remove(&Removal::Generation("alpha".parse().unwrap(), "p1".parse().unwrap(), 1)).unwrap();
    std::mem::forget(data); // as a kill: nothing is closed, and the lock goes with the process
    let found = lab.verify();
    assert_eq!(found.faults, [] as [&str; 0]);
    assert!(found.unchecked[0].contains("the next one that finishes makes the digest"), "{found:?}");
    let copy = lab.path("copy");
    fs::create_dir_all(copy.join("embeddings")).unwrap();
    for file in files(&lab.data()) {
        fs::copy(&file, copy.join(file.strip_prefix(lab.data()).unwrap())).unwrap();
    }
    lab.ok(&["-d", "copy", "score"]);
    assert!(!lab.ok(&["-d", "copy", "verify", "--deep"]).contains("not checked"));
}

#[test]
fn what_is_derived_is_compared_with_what_it_was_derived_from() {
    // Another text under the same vector.
    let lab = Lab::sound();
    lab.edit("A scene of 2 things.", "A scene of 3 things.");
    lab.ok_or_unsound(&["-d", "data", "verify", "--accept"]);
    // The scores that it made are no longer what the vectors give, because it no longer counts.
    let faults = lab.verify().faults;
    assert_eq!(faults.len(), 2, "{faults:#?}");
    let advice = faults[0].clone();
    assert!(advice.contains("imported vectors of prompts are of another text"), "{advice}");
    lab.follow(&advice, "msdata ingest --no-embed --embeddings FILE", "input/v.parquet");
    lab.assert_sound();

    // A score that is another number.
    let lab = Lab::sound();
    let before = lab.results().unwrap();
    let path = lab.data().join("catalog.sqlite");
    let scores = lab.ok(&["-d", "data", "sql", "--format", "csv", "SELECT similarity FROM image_score LIMIT 1"]);
    let similarity: f64 = scores.lines().nth(1).unwrap().parse().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|w| w == similarity.to_be_bytes()).expect("a score of the report");
    bytes[at + 5] ^= 1;
    fs::write(&path, bytes).unwrap();
    let advice = lab.fault();
    assert!(advice.contains("are not what their vectors give"), "{advice}");
    lab.follow(&advice, "msdata verify --repair", "");
    lab.follow(&advice, "msdata score", "");
    lab.assert_sound();
    assert_eq!(lab.results().as_ref(), Ok(&before));
}

/// A page of the catalog is lost: nothing here can make it anew, a copy can.
#[test]
fn a_damaged_catalog_is_restored_from_a_copy() {
    let lab = Lab::sound();
    let before = lab.results().unwrap();
    let path = lab.data().join("catalog.sqlite");
    let whole = fs::read(&path).unwrap();
    let mut damages = 0;
    for page in 1..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0);
        fs::write(&path, damaged).unwrap();
        let found = lab.run(&["-d", "data", "verify"]);
        if found.status.code() == Some(0) {
            assert_eq!(lab.results().as_ref(), Ok(&before), "page {page} is not found, and not unused");
        } else {
            let said = out(&found);
            assert!(said.contains("fault: ") && (said.contains("restore") || said.contains("--repair")), "page {page}: {said}");
            damages += 1;
        }
        // As advised: the copy, and not the log of the damaged one.
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(lab.data().join(format!("catalog.sqlite{suffix}")));
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(damages > 20, "{damages} pages");
    lab.assert_sound();
    assert_eq!(lab.results().as_ref(), Ok(&before));
}

#[test]
fn the_sqlite_that_people_have_finds_nothing_wrong() {
    let lab = Lab::sound();
    let program = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(sqlite3.sqlite_version)
print(db.execute('PRAGMA integrity_check').fetchone()[0])
for (view,) in db.execute(\"SELECT name FROM sqlite_master WHERE type = 'view'\").fetchall():
    db.execute(f'SELECT * FROM \"{view}\"').fetchall()
db.execute('UPDATE generation SET meta = NULL')
print('ok')
";
    let Ok(output) = Command::new(python()).args(["-c", program]).arg(lab.data().join("catalog.sqlite")).output() else {
        eprintln!("skipped: there is no Python here");
        return;
    };
    let text = out(&output);
    assert!(text.ends_with("\nok\nok\n"), "{text}{}", err(&output));
    lab.assert_sound();
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_in_a_place_where_nobody_can_write_gets_advice_that_works() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let lab = Lab::sound();
    let mut data = Dataset::open_to_write(&lab.data()).unwrap();
    data.remove(&Removal::Generation("alpha".parse().unwrap(), "p1".parse().unwrap(), 1)).unwrap();
    // What a kill leaves, without the memory that the processes share.
    let place = lab.path("place");
    fs::create_dir_all(place.join("embeddings")).unwrap();
    for file in files(&lab.data()).iter().filter(|f| !f.ends_with("catalog.sqlite-shm")) {
        fs::copy(file, place.join(file.strip_prefix(lab.data()).unwrap())).unwrap();
    }
    drop(data);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&place, 0o555);
    mode(lab.dir(), 0o755);
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    let as_nobody = |mut command: Command| {
        if root {
            command.uid(65534);
        }
        command.output()
    };
    let output = as_nobody(lab.command(&["-d", "place", "report", "--identity", "dinov2-small"]));
    mode(&place, 0o755);
    // Without a log there is nothing in the way.
    mode(&lab.data(), 0o555);
    let plain = as_nobody(lab.command(&["-d", "data", "report", "--controls", "--identity", "dinov2-small"]));
    mode(&lab.data(), 0o755);
    if let Ok(plain) = plain {
        assert_eq!(plain.status.code(), Some(0), "{}", err(&plain));
    }
    let output = match output {
        Ok(output) => output,
        Err(e) => return eprintln!("skipped: the program cannot be run by another user: {e}"),
    };
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    let advice = err(&output);
    assert!(advice.contains("only in its log, catalog.sqlite-wal, and this place cannot be written to"), "{advice}");
    let command = advice.split('`').nth(1).unwrap().replace("msdata", env!("CARGO_BIN_EXE_msdata"));
    let followed = Command::new("sh").args(["-c", &command]).current_dir(lab.dir()).output().unwrap();
    assert!(followed.status.success(), "{command}: {}{}", out(&followed), err(&followed));
}

#[test]
fn a_repair_of_a_sound_data_set_does_nothing() {
    let lab = Lab::sound();
    let before = lab.results().unwrap();
    let done = Dataset::repair(&lab.data(), RepairOptions { drop_imported: true }, &mut Watch::silent()).unwrap();
    assert_eq!(done, [] as [&str; 0]);
    assert_eq!(lab.results().as_ref(), Ok(&before));
    let data = Dataset::open_to_write(&lab.data()).unwrap();
    assert!(matches!(Dataset::repair(&lab.data(), RepairOptions::default(), &mut Watch::silent()), Err(Error::Locked(_))));
    drop(data);
}
