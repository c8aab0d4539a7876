//! The program as the tests run it, and a directory to run it in.

use msdata::Dataset;
use msdata::catalog::QueryRows;
use msdata::encoder::Home;
use msdata::table::Cell;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// `msdata` in `dir`, where `data` is its data set unless it is told otherwise; with a data directory of its own, and the
/// ONNX Runtime that is there.
pub fn msdata(dir: &Path, arguments: &[&str]) -> Command {
    let home = Home::from_env().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_msdata"));
    command.args(arguments).current_dir(dir).env("MSDATA_DATASET", "data").env("MSDATA_HOME", dir.join("home"));
    command.env("ORT_DYLIB_PATH", home.runtime_library.unwrap_or(home.data));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a command wrote to standard output.
pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command wrote to standard error.
pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command that must end well wrote to standard output.
pub fn ok(dir: &Path, arguments: &[&str]) -> String {
    let done = msdata(dir, arguments).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}{}", out(&done), err(&done));
    out(&done)
}

/// What a command that must fail wrote to standard error.
pub fn refused(dir: &Path, arguments: &[&str]) -> String {
    let done = msdata(dir, arguments).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{arguments:?}: {}{}", out(&done), err(&done));
    err(&done)
}

/// The rows that a query of a data set in `dir` gives, as lines of CSV.
pub fn rows(dir: &Path, data: &str, query: &str) -> Vec<String> {
    ok(dir, &["-d", data, "sql", query, "--format", "csv"]).lines().skip(1).map(str::to_owned).collect()
}

/// The rows that a query of an open data set gives.
pub fn cells(data: &mut Dataset, query: &str) -> Vec<Vec<Cell>> {
    let mut found = Vec::new();
    let mut row = |cells: &[Cell]| {
        found.push(cells.to_vec());
        Ok(())
    };
    data.query(query, QueryRows { columns: &mut |_| Ok(()), row: &mut row }).unwrap();
    found
}

/// Every file below `dir` with its bytes, by path relative to it.
pub fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(dir).unwrap().display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// A Python with what the exported tables are opened with, if the tests were told of one.
pub fn python() -> Option<String> {
    let python = std::env::var("MSDATA_PYTHON").ok();
    if python.is_none() {
        eprintln!("skipped: MSDATA_PYTHON is not set; `make test` sets it");
    }
    python
}

/// A part of the data that lies beside the checkout or in `MSDATA_SHARED`, if it is there.
pub fn shared(part: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let path = std::env::var_os("MSDATA_SHARED").map_or(beside, PathBuf::from).join(part);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// A directory with the input of a data set, and the program to run in it.
pub struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    /// With nothing in it.
    pub fn empty() -> Lab {
        Lab { dir: tempfile::tempdir().unwrap() }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    /// Writes `subjects.jsonl`, `prompts.jsonl` and `generations.jsonl` into a directory of it.
    pub fn manifests(&self, directory: &str, subjects: &[Value], prompts: &[Value], generations: &[Value]) {
        for (name, rows) in [("subjects", subjects), ("prompts", prompts), ("generations", generations)] {
            let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
            let place = self.path(directory).join(name).with_extension("jsonl");
            fs::write(place, text).unwrap();
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        msdata(self.dir(), arguments)
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that must end well wrote to standard output.
    pub fn ok(&self, arguments: &[&str]) -> String {
        ok(self.dir(), arguments)
    }

    /// What a command that must end well wrote to standard error.
    pub fn told(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}{}", out(&done), err(&done));
        err(&done)
    }

    /// Ingests the manifests, from the directory `input` if there is one, into the data set `data`, which is made if it is
    /// not there.
    pub fn ingest(&self, data: &str, more: &[&str]) -> Output {
        if !self.path(data).exists() {
            self.ok(&["init", data]);
        }
        let directory = if self.path("input").exists() { "input/" } else { "" };
        let files = ["subjects", "prompts", "generations"].map(|kind| [format!("--{kind}"), format!("{directory}{kind}.jsonl")]);
        let files: Vec<&str> = files.as_flattened().iter().map(String::as_str).collect();
        self.run(&[&["-d", data, "ingest"], &files[..], more].concat())
    }

    /// The rows that a query of the data set gives, as lines of CSV.
    pub fn sql(&self, query: &str) -> Vec<String> {
        rows(self.dir(), "data", query)
    }

    /// As [`Lab::sql`], of the data set `data`.
    pub fn sql_of(&self, data: &str, query: &str) -> Vec<String> {
        rows(self.dir(), data, query)
    }
}
