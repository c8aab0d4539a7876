//! The Python package, with the program that the tests built: its own tests, its types, the notebook of the docs. Needs
//! `MSDATA_PYTHON`, an interpreter with the packages of the Makefile (`make test` sets it).

use crate::support::lab::python;
use msdata::Watch;
use msdata::demo::{self, DemoOptions};
use msdata::encoder::Home;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Python with the package and the program, and no settings of the user.
pub fn with_package(python: &str, home: &Path) -> Command {
    let mut command = Command::new(python);
    command.env("PYTHONPATH", Path::new(ROOT).join("python")).env("MSDATA_PROGRAM", env!("CARGO_BIN_EXE_msdata"));
    command.env("MSDATA_HOME", home.join("home")).env("ORT_DYLIB_PATH", library());
    command.env("IPYTHONDIR", home.join("ipython")).env("JUPYTER_CONFIG_DIR", home.join("jupyter"));
    command.env_remove("MSDATA_DATASET").current_dir(home);
    command
}

fn library() -> std::path::PathBuf {
    let home = Home::from_env().unwrap();
    home.runtime_library.unwrap_or(home.data)
}

pub fn small_demo(dir: &Path) {
    let options = DemoOptions { per_cell: 1, seeds: vec![42] };
    demo::make(dir, &options, &mut Watch::silent()).unwrap();
}

pub fn succeeds(mut command: Command) {
    let done = command.output().unwrap();
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(done.status.success(), "{command:?}\n{}\n{}", said[0], said[1]);
}

#[test]
fn the_package_says_what_the_program_says() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    small_demo(&demo);
    let mut command = with_package(&python, dir.path());
    command.arg(Path::new(ROOT).join("tests/it/python.py")).arg(&demo);
    succeeds(command);
}

#[test]
fn the_package_is_typed_strictly() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut command = with_package(&python, dir.path());
    command.args(["-m", "mypy", "--strict", "--config-file", "pyproject.toml", "--cache-dir"]).arg(dir.path().join("cache"));
    command.current_dir(ROOT);
    succeeds(command);
}

#[test]
fn the_notebook_runs_from_top_to_bottom() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    small_demo(&dir.path().join("demo"));
    let mut command = with_package(&python, dir.path());
    command.args(["tests/it/notebook.py", "docs/notebook.ipynb"].map(|file| Path::new(ROOT).join(file))).arg(dir.path());
    succeeds(command);
}
