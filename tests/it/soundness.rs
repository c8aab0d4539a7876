//! What is promised of a data set whatever happens to its bytes: `init` is all or nothing, rot is found or has no
//! effect, every advice of `verify` works when it is followed, readers are not disturbed by a writer.

use crate::support::prescribed::{Image, Prescribed, Prompt, Written};
use msdata::catalog::VectorKey;
use msdata::dataset::Removal;
use msdata::embeddings::ExportWriter;
use msdata::encoder::Home;
use msdata::ops::{Depth, RepairOptions};
use msdata::{Dataset, Error, ReportOptions, Verification, Watch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A data set with vectors that were imported (`dinov2-small`, with prompts) and vectors made here
/// (`builtin-texture`): three subjects, two prompts, two models, three seeds.
struct Lab {
    dir: tempfile::TempDir,
    files: Written,
}

fn set() -> Prescribed {
    let prompt = |id: &str, scene, subjects| Prompt { id: id.into(), scene, subjects };
    Prescribed {
        models: vec!["alpha", "beta"],
        pool: 3,
        prompts: vec![prompt("p1", "neutral", vec![0, 1]), prompt("p2", "interaction", vec![2, 0])],
        seeds: vec![1, 2, 3],
    }
}

fn cosines(image: Image<'_>) -> Vec<f64> {
    if image.model == "alpha" { vec![0.3, 0.7] } else { vec![0.55, 0.45] }
}

impl Lab {
    fn new() -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("input");
        let mut files = set().write(&input);
        let vectors = input.join("v.parquet");
        set().write_vectors(&vectors, "dinov2-small", cosines, Some(&|_| 0.2));
        files.embeddings = vec![vectors];
        let lab = Lab { dir, files };
        lab.ok(&["init", "data"]);
        lab.ok(&[
            "-d",
            "data",
            "ingest",
            "--no-embed",
            "--embeddings",
            "input/v.parquet",
            "--subjects",
            "input/subjects.jsonl",
            "--prompts",
            "input/prompts.jsonl",
            "--generations",
            "input/generations.jsonl",
        ]);
        lab.ok(&["-d", "data", "embed", "--encoder", "builtin-texture"]);
        lab.ok(&["-d", "data", "score"]);
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let home = Home::from_env().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_msdata"));
        command.args(arguments).current_dir(self.dir.path()).env_remove("MSDATA_DATASET").env("MSDATA_HOME", self.path("home"));
        command.env("ORT_DYLIB_PATH", home.runtime_library.unwrap_or(home.data));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}{}", out(&output), err(&output));
        out(&output)
    }

    fn verify(&self) -> Verification {
        Dataset::open_to_read(&self.data()).unwrap().verify(true, &mut Watch::silent()).unwrap()
    }

    /// The only fault, with its advice.
    fn fault(&self) -> String {
        let found = self.verify();
        assert_eq!(found.faults.len(), 1, "{found:#?}");
        found.faults[0].clone()
    }

    fn assert_sound(&self) {
        let found = self.verify();
        assert_eq!((&found.faults[..], &found.unchecked[..]), (&[][..], &[][..]), "{found:#?}");
    }

    /// Follows an advice: `command` must stand in it, and is run with `FILE` replaced.
    fn follow(&self, advice: &str, command: &str, file: &str) {
        assert!(advice.contains(&format!("`{command}`")), "{command} is not advised in: {advice}");
        let words: Vec<&str> = command.split(' ').skip(1).map(|word| if word == "FILE" { file } else { word }).collect();
        let output = self.run(&[&["-d", "data"], &words[..]].concat());
        let done = matches!(output.status.code(), Some(0)) || (words[0] == "verify" && output.status.code() == Some(1));
        assert!(done, "{command}: {}{}", out(&output), err(&output));
    }

    /// All that a user gets: reports with controls by both encoders, and the bytes of the export; or why not.
    fn results(&self) -> Result<Vec<(String, Vec<u8>)>, String> {
        let data = Dataset::open_to_read(&self.data()).map_err(|e| e.to_string())?;
        results(&data, &self.path("tables"))
    }

    /// Changes bytes of the catalog, which no process has open.
    fn edit(&self, from: &str, to: &str) {
        let path = self.data().join("catalog.sqlite");
        assert_eq!(from.len(), to.len());
        let mut bytes = fs::read(&path).unwrap();
        // SQLite leaves bytes of earlier states in a page; which copy counts is not to be seen from here.
        let places: Vec<usize> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
        assert!(!places.is_empty(), "no {from} in the catalog");
        places.iter().for_each(|at| bytes[*at..at + to.len()].copy_from_slice(to.as_bytes()));
        fs::write(&path, bytes).unwrap();
    }

    fn part(&self, number: u32) -> PathBuf {
        self.data().join(format!("embeddings/part-{number:06}.parquet"))
    }

    /// Changes one number of a part's first vector, size and time kept.
    fn rot(&self, number: u32) {
        let path = self.part(number);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 3;
        bytes[at] ^= 0x40;
        rewrite(&path, &bytes);
    }
}

fn results(data: &Dataset, tables: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut all = Vec::new();
    for identity in ["dinov2-small", "builtin-texture"] {
        let options = ReportOptions { identity: Some(identity.into()), controls: true, ..ReportOptions::default() };
        let report = data.report(&options).map_err(|e| e.to_string())?;
        all.push((identity.to_owned(), serde_json::to_vec(&report).unwrap()));
    }
    let _ = fs::remove_dir_all(tables);
    data.export(tables, &mut Watch::silent()).map_err(|e| e.to_string())?;
    all.extend(
        files(tables)
            .into_iter()
            .map(|path| (path.strip_prefix(tables).unwrap().display().to_string(), fs::read(&path).unwrap())),
    );
    Ok(all)
}

/// Writes other bytes into a file, its time kept.
fn rewrite(path: &Path, bytes: &[u8]) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    found.sort();
    found
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Fails the n-th call of a kind on a file whose path holds a word, and all later ones.
const FAULTS: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
static int count;
static int ours(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strstr(path, "/set/") || strstr(path, "/set") == path + n - 4;
}
static int fails(const char *call) {
    const char *kind = getenv("FAIL_CALL");
    if (!kind || strcmp(kind, call) || ++count < atoi(getenv("FAIL_AT"))) return 0;
    FILE *hit = fopen(getenv("FAIL_HIT"), "w");
    if (hit) fclose(hit);
    errno = strcmp(getenv("FAIL_WITH"), "EIO") ? ENOSPC : EIO;
    return 1;
}
static int half(void) { return !strcmp(getenv("FAIL_WITH"), "SHORT") && count == atoi(getenv("FAIL_AT")); }
#define NEXT(name) dlsym(RTLD_NEXT, name)
ssize_t write(int fd, const void *b, size_t n) {
    ssize_t (*next)(int, const void *, size_t) = NEXT("write");
    if (fd > 2 && ours(fd) && fails("write")) return half() ? next(fd, b, n / 2) : -1;
    return next(fd, b, n);
}
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) {
    ssize_t (*next)(int, const void *, size_t, off64_t) = NEXT("pwrite64");
    if (ours(fd) && fails("write")) return half() ? next(fd, b, n / 2, at) : -1;
    return next(fd, b, n, at);
}
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { return pwrite64(fd, b, n, at); }
int fsync(int fd) {
    int (*next)(int) = NEXT("fsync");
    return ours(fd) && fails("fsync") ? -1 : next(fd);
}
int fdatasync(int fd) {
    int (*next)(int) = NEXT("fdatasync");
    return ours(fd) && fails("fsync") ? -1 : next(fd);
}
int rename(const char *a, const char *b) {
    int (*next)(const char *, const char *) = NEXT("rename");
    return fails("rename") ? -1 : next(a, b);
}
int ftruncate64(int fd, off64_t n) {
    int (*next)(int, off64_t) = NEXT("ftruncate64");
    return ours(fd) && fails("truncate") ? -1 : next(fd, n);
}
int ftruncate(int fd, off_t n) { return ftruncate64(fd, n); }
"#;

#[cfg(target_os = "linux")]
#[test]
fn an_init_that_fails_anywhere_leaves_no_data_set_and_the_next_one_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library, hit) = (dir.path().join("faults.c"), dir.path().join("faults.so"), dir.path().join("hit"));
    fs::write(&source, FAULTS).unwrap();
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl").output().unwrap();
    assert!(compiled.status.success(), "{}", err(&compiled));
    let set = dir.path().join("set");
    let msdata = |verb: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_msdata"));
        command.args([verb, "-d", "set"]).current_dir(dir.path()).env_remove("MSDATA_DATASET");
        command
    };
    let mut points = 0;
    for call in ["write", "fsync", "rename", "truncate"] {
        for with in ["ENOSPC", "EIO", "SHORT"] {
            if with == "SHORT" && call != "write" {
                continue;
            }
            // Writes are many, and alike: not each of them every time.
            let step = if call == "write" { number("MSDATA_INIT_STEP", 7) as usize } else { 1 };
            for at in (1..).step_by(step) {
                let _ = (fs::remove_dir_all(&set), fs::remove_file(&hit));
                let faulty = msdata("init")
                    .env("LD_PRELOAD", &library)
                    .envs([("FAIL_CALL", call), ("FAIL_WITH", with), ("FAIL_AT", &at.to_string())])
                    .env("FAIL_HIT", &hit)
                    .output()
                    .unwrap();
                let at = format!("{call} {at} {with}");
                if !hit.exists() {
                    assert_eq!(faulty.status.code(), Some(0), "{at}: {}", err(&faulty));
                    break;
                }
                points += 1;
                if faulty.status.code() != Some(0) {
                    assert_eq!(faulty.status.code(), Some(1), "{at}: {}", err(&faulty));
                    assert!(!set.join("catalog.sqlite").exists(), "{at}: {}", err(&faulty));
                    let again = msdata("init").output().unwrap();
                    assert_eq!(again.status.code(), Some(0), "{at}: {}", err(&again));
                }
                let verify = msdata("verify").arg("--deep").output().unwrap();
                assert_eq!(verify.status.code(), Some(0), "{at}: {}{}", out(&verify), err(&verify));
                assert!(!out(&verify).contains("note"), "{at}: {}", out(&verify));
            }
        }
    }
    assert!(points > 40, "{points} points were tried");
}

#[test]
fn init_takes_no_rows_from_the_log_of_another_catalog() {
    let lab = Lab::new();
    // A log with rows, as a kill leaves it: copied while the writer is open.
    let data = Dataset::open_to_write(&lab.data()).unwrap();
    drop(Dataset::open_to_write(&lab.path("elsewhere")).err());
    let mut data = data;
    data.remove(&Removal::Model("alpha".parse().unwrap())).unwrap();
    fs::create_dir(lab.path("orphan")).unwrap();
    fs::copy(lab.data().join("catalog.sqlite-wal"), lab.path("orphan/catalog.sqlite-wal")).unwrap();
    drop(data);
    let refused = lab.run(&["init", "orphan"]);
    assert_eq!((refused.status.code(), out(&refused)), (Some(1), String::new()));
    assert!(err(&refused).contains("orphan/catalog.sqlite-wal is the log of a catalog that is gone"), "{}", err(&refused));
    assert!(!lab.path("orphan/catalog.sqlite").exists());
    let advice = err(&refused);
    let command = advice.split('`').nth(1).unwrap();
    assert!(command.starts_with("mv "), "{advice}");
    assert!(Command::new("sh").args(["-c", command]).current_dir(lab.dir.path()).status().unwrap().success());
    lab.ok(&["init", "orphan"]);
    assert!(lab.ok(&["-d", "orphan", "verify", "--deep"]).contains("sound: 0 parts, 0 images"));
}

#[test]
fn a_reader_keeps_the_parts_that_it_may_need() {
    let lab = Lab::new();
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
        let lab = Lab::new();
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
    let lab = Lab::new();
    let all = Dataset::open_to_read(&lab.data()).unwrap().verify_by(Depth::Sample(1.0), &mut Watch::silent()).unwrap();
    assert_eq!((all.faults.len(), all.scores), (0, 24));
    let some = lab.ok(&["-d", "data", "verify", "--sample", "20%"]);
    assert!(
        some.contains("not checked: the bytes of 1 parts and ") || some.contains("not checked: the bytes of 0 parts"),
        "{some}"
    );
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
        let lab = Lab::new();
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
        let lab = Lab::new();
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
    let lab = Lab::new();
    fs::remove_file(lab.part(1)).unwrap();
    lab.follow(&lab.fault(), "msdata verify --repair --drop-imported", "");
    lab.assert_sound();
}

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
        let lab = Lab::new();
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
        let lab = Lab::new();
        lab.edit(from, to);
        let quick = lab.run(&["-d", "data", "verify"]);
        assert_eq!(quick.status.code(), Some(1), "{to}: {}", out(&quick));
        assert!(out(&quick).contains("rows are not those that msdata wrote"), "{to}: {}", out(&quick));
    }
    let lab = Lab::new();
    lab.edit("thing 1", "thing 7");
    let advice = lab.fault();
    assert_eq!(lab.run(&["-d", "data", "verify", "--repair"]).status.code(), Some(1));
    assert_eq!(lab.fault(), advice, "a repair does not take changed rows for right");
    lab.follow(&advice, "msdata verify --accept", "");
    lab.assert_sound();
}

#[test]
fn a_killed_writer_leaves_no_seal_and_the_next_one_makes_it() {
    let lab = Lab::new();
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
    let lab = Lab::new();
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
    let lab = Lab::new();
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

impl Lab {
    fn ok_or_unsound(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}{}", out(&output), err(&output));
    }
}

#[test]
fn advice_on_images_works() {
    let lab = Lab::new();
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
        let lab = Lab::new();
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

/// A page of the catalog is lost: nothing here can make it anew, a copy can.
#[test]
fn a_damaged_catalog_is_restored_from_a_copy() {
    let lab = Lab::new();
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

/// The Python whose `sqlite3` stands for the SQLite that people have.
fn python() -> String {
    std::env::var("MSDATA_PYTHON").unwrap_or_else(|_| "python3".into())
}

#[test]
fn the_sqlite_that_people_have_finds_nothing_wrong() {
    let lab = Lab::new();
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
    let lab = Lab::new();
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
    mode(lab.dir.path(), 0o755);
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
    let followed = Command::new("sh").args(["-c", &command]).current_dir(lab.dir.path()).output().unwrap();
    assert!(followed.status.success(), "{command}: {}{}", out(&followed), err(&followed));
}

/// Numbers that differ from run to run of the test only where `MSDATA_SEED` says so.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// One bit at a time, in a part, an image or the catalog after VACUUM. `MSDATA_FLIPS=200` flips more.
#[test]
fn a_flipped_bit_is_found_or_has_no_effect() {
    let lab = Lab::new();
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
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15 ^ number("MSDATA_SEED", 1));
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
    let lab = Lab::new();
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

#[test]
fn a_repair_of_a_sound_data_set_does_nothing() {
    let lab = Lab::new();
    let before = lab.results().unwrap();
    let done = Dataset::repair(&lab.data(), RepairOptions { drop_imported: true }, &mut Watch::silent()).unwrap();
    assert_eq!(done, [] as [&str; 0]);
    assert_eq!(lab.results().as_ref(), Ok(&before));
    let data = Dataset::open_to_write(&lab.data()).unwrap();
    assert!(matches!(Dataset::repair(&lab.data(), RepairOptions::default(), &mut Watch::silent()), Err(Error::Locked(_))));
    drop(data);
    assert_eq!(lab.files.embeddings.len(), 1);
}
