//! Bits that flip, and readers beside a writer.

use super::{files, python, rewrite};
use crate::support::chance::{Draw, number};
use crate::support::lab::{Lab, err, out};
use msdata::Dataset;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One bit at a time, in a part, an image or the catalog after VACUUM. `MSDATA_FLIPS=200` flips more.
#[test]
fn a_flipped_bit_is_found_or_has_no_effect() {
    let lab = Lab::sound();
    let vacuum = Command::new(python())
        .args(["-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute('VACUUM')"])
        .arg(lab.data().join("catalog.sqlite"))
        .status();
    if !vacuum.is_ok_and(|status| status.success()) {
        eprintln!("there is no Python here: the catalog is flipped as it is, not vacuumed");
    }
    drop(Dataset::open_to_write(&lab.data()).unwrap()); // what VACUUM left in the log comes into the file
    lab.assert_sound();
    let before = lab.results().unwrap();
    let targets: Vec<PathBuf> = [lab.part(1), lab.part(2), lab.data().join("catalog.sqlite"), lab.data().join("catalog.sqlite")]
        .into_iter()
        .chain([files(&lab.path("input/images"))[4].clone()])
        .collect();
    let mut draw = Draw::new();
    let (mut found, mut without_effect) = (0, 0);
    for n in 0..number("MSDATA_FLIPS", 40) {
        let path = &targets[n as usize % targets.len()];
        let whole = fs::read(path).unwrap();
        let (byte, bit) = (draw.below(whole.len()), draw.below(8));
        let mut flipped = whole.clone();
        flipped[byte] ^= 1 << bit;
        rewrite(path, &flipped);
        let verify = lab.run(&["-d", "data", "verify", "--deep"]);
        let at = format!("bit {bit} of byte {byte} of {}", path.display());
        assert!(matches!(verify.status.code(), Some(0 | 1)), "{at}: {}{}", out(&verify), err(&verify));
        if verify.status.code() == Some(1) {
            found += 1;
        } else {
            assert_eq!(lab.results().as_ref(), Ok(&before), "{at}: not found, and not without effect");
            without_effect += 1;
        }
        for suffix in ["-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(lab.data().join(format!("catalog.sqlite{suffix}")));
        }
        rewrite(path, &whole);
    }
    lab.assert_sound();
    eprintln!("{found} flips found, {without_effect} without effect");
    assert!(found > without_effect, "{found} found, {without_effect} without effect");
}

/// Readers in a loop beside a writer that removes and embeds again. `MSDATA_READER_SECONDS` makes it longer.
#[test]
fn readers_are_not_disturbed_by_a_writer() {
    let lab = Lab::sound();
    let until = Instant::now() + Duration::from_secs(number("MSDATA_READER_SECONDS", 4));
    let (stop, reads, writes) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let report = |output: &str| -> Vec<(String, u64, u64)> {
        let json: serde_json::Value = serde_json::from_str(output).unwrap();
        let row = |r: &serde_json::Value| {
            (r["model"].as_str().unwrap().to_owned(), r["images"].as_u64().unwrap(), r["missing"].as_u64().unwrap())
        };
        json["rows"].as_array().unwrap().iter().map(row).collect()
    };
    std::thread::scope(|scope| {
        for reader in 0..8 {
            let (lab, stop, reads) = (&lab, &stop, &reads);
            scope.spawn(move || {
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    match reader % 3 {
                        0 => {
                            let identity = ["dinov2-small", "builtin-texture"][round % 2];
                            let text = lab.ok(&[
                                "-d",
                                "data",
                                "report",
                                "--by",
                                "model",
                                "--controls",
                                "--identity",
                                identity,
                                "--format",
                                "json",
                            ]);
                            // beta stays whole; alpha is there or not, its images scored or not, but all six or none.
                            for (model, images, missing) in report(&text) {
                                assert!(
                                    images + missing == 6 && (model == "alpha" || missing == 0),
                                    "{model}: {images}, {missing}"
                                );
                            }
                        }
                        1 => {
                            let counts = lab.ok(&[
                                "-d",
                                "data",
                                "sql",
                                "--format",
                                "csv",
                                "SELECT count(*) % 6 FROM generations UNION ALL
                                SELECT (SELECT count(*) FROM image_score) * 2 - (SELECT count(*) FROM subject_score)",
                            ]);
                            assert_eq!(counts.lines().skip(1).collect::<Vec<_>>(), ["0", "0"], "half a view");
                        }
                        _ => {
                            let tables = format!("tables-{reader}-{round}");
                            lab.ok(&["-d", "data", "export", &tables]);
                            fs::remove_dir_all(lab.path(&tables)).unwrap();
                        }
                    }
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let writer = scope.spawn(|| {
            while Instant::now() < until {
                lab.ok(&["-d", "data", "remove", "--model", "alpha"]);
                lab.ok(&["-d", "data", "ingest", "--generations", "input/generations.jsonl", "--embeddings", "input/v.parquet"]);
                writes.fetch_add(1, Ordering::Relaxed);
            }
        });
        let wrote = writer.join();
        stop.store(true, Ordering::Relaxed);
        assert!(wrote.is_ok(), "the writer failed");
    });
    lab.assert_sound();
    let (reads, writes) = (reads.into_inner(), writes.into_inner());
    eprintln!("{reads} reads beside {writes} rounds of the writer");
    assert!(reads >= 8 && writes >= 1);
}
