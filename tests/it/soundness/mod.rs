//! What is promised of a data set whatever happens to its bytes: `init` is all or nothing, rot is found or has no
//! effect, every advice of `verify` works when it is followed, readers are not disturbed by a writer.

mod advice;
mod catalog;
mod chance;
mod init;
mod parts;

use crate::support::lab::{Lab, err, out};
use crate::support::prescribed::{Image, Prescribed, Prompt};
use msdata::{Dataset, ReportOptions, Verification, Watch};
use std::fs;
use std::path::{Path, PathBuf};

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

/// With vectors that were imported (`dinov2-small`, with prompts) and vectors made here (`builtin-texture`): three
/// subjects, two prompts, two models, three seeds.
impl Lab {
    pub(super) fn sound() -> Lab {
        let lab = Lab::empty();
        let input = lab.path("input");
        set().write(&input);
        let vectors = input.join("v.parquet");
        set().write_vectors(&vectors, "dinov2-small", cosines, Some(&|_| 0.2));
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

    pub(super) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(super) fn verify(&self) -> Verification {
        Dataset::open_to_read(&self.data()).unwrap().verify(true, &mut Watch::silent()).unwrap()
    }

    /// The only fault, with its advice.
    pub(super) fn fault(&self) -> String {
        let found = self.verify();
        assert_eq!(found.faults.len(), 1, "{found:#?}");
        found.faults[0].clone()
    }

    pub(super) fn assert_sound(&self) {
        let found = self.verify();
        assert_eq!((&found.faults[..], &found.unchecked[..]), (&[][..], &[][..]), "{found:#?}");
    }

    /// Follows an advice: `command` must stand in it, and is run with `FILE` replaced.
    pub(super) fn follow(&self, advice: &str, command: &str, file: &str) {
        assert!(advice.contains(&format!("`{command}`")), "{command} is not advised in: {advice}");
        let words: Vec<&str> = command.split(' ').skip(1).map(|word| if word == "FILE" { file } else { word }).collect();
        let output = self.run(&[&["-d", "data"], &words[..]].concat());
        let done = matches!(output.status.code(), Some(0)) || (words[0] == "verify" && output.status.code() == Some(1));
        assert!(done, "{command}: {}{}", out(&output), err(&output));
    }

    /// All that a user gets: reports with controls by both encoders, and the bytes of the export; or why not.
    pub(super) fn results(&self) -> Result<Vec<(String, Vec<u8>)>, String> {
        let data = Dataset::open_to_read(&self.data()).map_err(|e| e.to_string())?;
        results(&data, &self.path("tables"))
    }

    /// Changes bytes of the catalog, which no process has open.
    pub(super) fn edit(&self, from: &str, to: &str) {
        let path = self.data().join("catalog.sqlite");
        assert_eq!(from.len(), to.len());
        let mut bytes = fs::read(&path).unwrap();
        // SQLite leaves bytes of earlier states in a page; which copy counts is not to be seen from here.
        let places: Vec<usize> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
        assert!(!places.is_empty(), "no {from} in the catalog");
        places.iter().for_each(|at| bytes[*at..at + to.len()].copy_from_slice(to.as_bytes()));
        fs::write(&path, bytes).unwrap();
    }

    pub(super) fn part(&self, number: u32) -> PathBuf {
        self.data().join(format!("embeddings/part-{number:06}.parquet"))
    }

    /// Changes one number of a part's first vector, size and time kept.
    pub(super) fn rot(&self, number: u32) {
        let path = self.part(number);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 3;
        bytes[at] ^= 0x40;
        rewrite(&path, &bytes);
    }

    pub(super) fn ok_or_unsound(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}{}", out(&output), err(&output));
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

/// The Python whose `sqlite3` stands for the SQLite that people have.
fn python() -> String {
    std::env::var("MSDATA_PYTHON").unwrap_or_else(|_| "python3".into())
}
