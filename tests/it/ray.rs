//! The Python package with a Ray of its own. Needs `MSDATA_RAY_PYTHON`, an interpreter with Ray, which is too large for
//! every test run (`make test-ray` sets it).

use crate::python::{small_demo, succeeds, with_package};
use std::path::Path;

#[test]
fn vectors_by_ray_are_those_of_one_machine() {
    let Ok(python) = std::env::var("MSDATA_RAY_PYTHON") else {
        eprintln!("skipped: MSDATA_RAY_PYTHON is not set; `make test-ray` sets it");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    small_demo(&demo);
    let mut command = with_package(&python, dir.path());
    // Ray keeps a file with a secret in the home directory.
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/with_ray.py")).arg(&demo).env("HOME", dir.path());
    succeeds(command);
}
