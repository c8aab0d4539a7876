//! A disk that is full to the last block: what reads works on, what writes says why it does not.

use crate::support::lab::{err, msdata, ok};
use crate::support::small::made;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a script of sh with `$MSDATA` and a full tmpfs, `full/`, that holds a copy of the data set. `None`: this system
/// lets nobody but root mount.
fn on_a_full_disk(dir: &Path, script: &str) -> Option<String> {
    let may = Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: `unshare -rm` is not allowed here");
        return None;
    }
    let fill = "set -e; mount -t tmpfs -o size=2m none full; cp -a data full/data; rm -f full/data/catalog.sqlite-*
        dd if=/dev/zero of=full/ballast bs=4k status=none 2>/dev/null || true; set +e; ";
    fs::create_dir_all(dir.join("full")).unwrap();
    fs::create_dir_all(dir.join("temporary")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c"]).arg(fill.to_owned() + script).current_dir(dir);
    let done = command.env("MSDATA", env!("CARGO_BIN_EXE_msdata")).env("TMPDIR", dir.join("temporary")).output().unwrap();
    assert!(done.status.success(), "{}", err(&done));
    Some(String::from_utf8(done.stdout).unwrap())
}

#[test]
fn a_full_disk_can_be_read_and_refuses_to_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir, &["init"]);
    let digest = ok(dir, &["digest"]);
    ok(dir, &["score"]); // leaves no log
    let script = "for v in digest 'verify --deep' gc score; do $MSDATA -q -d full/data $v 2>&1; echo \"= $?\"; done";
    let Some(told) = on_a_full_disk(dir, script) else { return };
    assert!(told.starts_with(&format!("{digest}= 0\n")), "{told}");
    assert_eq!(told.matches("= 0\n").count(), 3, "{told}");
    assert!(told.contains("sound: ") && told.contains("catalog.sqlite-shm: the disk is full\nhint: make room"), "{told}");
    assert!(told.ends_with("= 1\n"), "{told}");
    let left: Vec<_> = fs::read_dir(dir.join("temporary")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    // ONNX Runtime, which `verify --deep` loads, leaves a file of its own (`.ses`).
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("msdata-")), "a copy is left: {left:?}");
}

/// What the system sends where a mapped file cannot grow.
#[test]
fn a_bus_error_is_told_as_an_error() {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), &["init"]);
    let endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c";
    let running = msdata(dir.path(), &["sql", endless]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(Command::new("kill").args(["-BUS", &running.id().to_string()]).status().unwrap().success());
    let done = running.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{:?}", done.status);
    assert!(err(&done).starts_with("error: ") && err(&done).contains("\nhint: make room"), "{}", err(&done));
}
