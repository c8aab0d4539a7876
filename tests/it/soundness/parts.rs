//! Files of vectors that rot, are lost, or are still needed.

use super::{files, results};
use crate::support::lab::{Lab, err, out};
use msdata::catalog::VectorKey;
use msdata::dataset::Removal;
use msdata::embeddings::ExportWriter;
use msdata::ops::Depth;
use msdata::{Dataset, Watch};
use std::fs;
use std::path::PathBuf;

#[test]
fn a_reader_keeps_the_parts_that_it_may_need() {
    let lab = Lab::sound();
    let before = lab.results().unwrap();
    let reader = Dataset::open_to_read(&lab.data()).unwrap();
    let mut writer = Dataset::open_to_write(&lab.data()).unwrap();
    for model in ["alpha", "beta"] {
        writer.remove(&Removal::Model(model.parse().unwrap())).unwrap();
    }
    for prompt in ["p1", "p2"] {
        writer.remove(&Removal::Prompt(prompt.parse().unwrap())).unwrap();
    }
    for subject in ["S0001", "S0002", "S0003"] {
        writer.remove(&Removal::Subject(subject.parse().unwrap())).unwrap();
    }
    drop(writer);
    assert_eq!(results(&reader, &lab.path("tables")).as_ref(), Ok(&before));
    assert_eq!(reader.verify(true, &mut Watch::silent()).unwrap().faults, [] as [&str; 0]);
    // Nor does the next writer take them, while the reader is there.
    drop(Dataset::open_to_write(&lab.data()).unwrap());
    assert_eq!(results(&reader, &lab.path("tables")).as_ref(), Ok(&before));
    drop(reader);
    let note = lab.verify().notes.join("\n");
    assert!(note.contains("part-000001.parquet is a leftover"), "{note}");
    drop(Dataset::open_to_write(&lab.data()).unwrap());
    assert_eq!(files(&lab.data().join("embeddings")), [] as [PathBuf; 0]);
    lab.assert_sound();
}

#[test]
fn rotten_vectors_are_refused_by_whatever_uses_them() {
    for part in [1, 2] {
        let lab = Lab::sound();
        lab.rot(part);
        let identity = ["dinov2-small", "builtin-texture"][part as usize - 1];
        for verb in [&["export", "tables"][..], &["report", "--controls", "--identity", identity], &["subjects", "check"]] {
            let output = lab.run(&[&["-d", "data"], verb].concat());
            assert_eq!(output.status.code(), Some(1), "{verb:?}: {}{}", out(&output), err(&output));
            assert!(err(&output).contains("its checksum differs\nhint: `msdata verify --deep`"), "{verb:?}: {}", err(&output));
        }
        assert!(!lab.path("tables").exists());
        // A score: the references that it needs lie in the rotten part.
        lab.ok(&["-d", "data", "remove", "--generation", "alpha,p1,1"]);
        let mut one = ExportWriter::create(&lab.path("one.parquet"), "dinov2-small", "imported", "imported", 6).unwrap();
        let key = VectorKey::Generation("alpha".parse().unwrap(), "p1".parse().unwrap(), 1);
        one.push(key, &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
        one.finish().unwrap();
        let ingest = ["-d", "data", "ingest", "--generations", "input/generations.jsonl", "--embeddings", "one.parquet"];
        for arguments in [&ingest[..], &["-d", "data", "score"]] {
            let output = lab.run(arguments);
            assert_eq!(output.status.code(), Some(1), "{}", err(&output));
            assert!(err(&output).contains("checksum differs"), "{}", err(&output));
        }
        // A quick look says that it did not look.
        let quick = lab.run(&["-d", "data", "verify"]);
        assert!(out(&quick).contains("not checked: the bytes of "), "{}", out(&quick));
    }
}

#[test]
fn a_sample_finds_in_time_and_says_what_it_left_out() {
    let lab = Lab::sound();
    let all = Dataset::open_to_read(&lab.data()).unwrap().verify_by(Depth::Sample(1.0), &mut Watch::silent()).unwrap();
    assert_eq!((all.faults.len(), all.scores), (0, 36));
    let some = lab.ok(&["-d", "data", "verify", "--sample", "20%"]);
    let left_out = |parts| some.contains(&format!("not checked: the bytes of {parts} parts and "));
    assert!((0..3).any(left_out), "{some}");
    lab.rot(2);
    let found = (0..60).find(|_| lab.run(&["-d", "data", "verify", "--sample", "20%"]).status.code() == Some(1));
    assert!(found.is_some(), "60 samples, each of at least one of two parts, never took the rotten one");
    for wrong in ["0%", "5", "101%", "x%"] {
        assert_eq!(lab.run(&["-d", "data", "verify", "--sample", wrong]).status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn a_lost_or_rotten_part_of_computed_vectors_is_made_anew() {
    for rotten in [true, false] {
        let lab = Lab::sound();
        let before = lab.results().unwrap();
        if rotten {
            lab.rot(2)
        } else {
            fs::remove_file(lab.part(2)).unwrap()
        }
        let advice = lab.fault();
        assert!(advice.contains(if rotten { "checksum" } else { "is gone" }), "{advice}");
        lab.follow(&advice, "msdata verify --repair", "");
        lab.follow(&advice, "msdata embed", "");
        lab.follow(&advice, "msdata score", "");
        lab.assert_sound();
        assert_eq!(lab.results().as_ref(), Ok(&before));
        assert_eq!(lab.part(2).with_extension("parquet.damaged").exists(), rotten, "damaged bytes are kept");
    }
}

#[test]
fn imported_vectors_are_never_dropped_unasked_and_can_be_given_again() {
    for rotten in [true, false] {
        let lab = Lab::sound();
        let before = lab.results().unwrap();
        if rotten {
            lab.rot(1)
        } else {
            fs::remove_file(lab.part(1)).unwrap()
        }
        let advice = lab.fault();
        lab.ok(&["-d", "data", "sql", "SELECT 1"]);
        assert_eq!(lab.run(&["-d", "data", "verify", "--repair"]).status.code(), Some(1));
        assert_eq!(lab.fault(), advice, "a repair leaves them");
        lab.follow(&advice, "msdata ingest --no-embed --embeddings FILE", "input/v.parquet");
        lab.assert_sound();
        assert_eq!(lab.results().as_ref(), Ok(&before));
    }
    let lab = Lab::sound();
    fs::remove_file(lab.part(1)).unwrap();
    lab.follow(&lab.fault(), "msdata verify --repair --drop-imported", "");
    lab.assert_sound();
}
