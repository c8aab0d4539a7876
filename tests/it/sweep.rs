//! A sweep of faults over every write, fsync, rename, open and unlink of a small pipeline.

use crate::support::lab::{err, msdata, ok};
use crate::support::small::{INGEST, temporary, tree, write};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The commands that are swept, in order.
pub(super) const STEPS: [&[&str]; 4] =
    [&["init"], &INGEST, &["report", "--format", "csv", "--out", "t.csv"], &["export", "tables"]];

const OPERATIONS: [&str; 5] = ["write", "fsync", "rename", "open", "unlink"];
const ACTIONS: [&str; 4] = ["KILL", "ENOSPC", "EIO", "SHORT"];

/// Runs the steps from `first` on, as one who goes on after a fault does.
pub(super) fn resume(dir: &Path, first: usize) -> std::result::Result<(), String> {
    for (n, step) in STEPS.iter().enumerate().skip(first) {
        if n == 0 && dir.join("data/catalog.sqlite").exists() || n == 3 && dir.join("tables").exists() {
            continue;
        }
        let done = msdata(dir, step).output().unwrap();
        if !done.status.success() {
            return Err(format!("resuming with {}: {}", step[0], err(&done)));
        }
    }
    Ok(())
}

/// All that the steps gave: the digest, the report, the tables.
pub(super) fn result(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = vec![("digest".to_owned(), ok(dir, &["digest"]).into_bytes())];
    found.push(("t.csv".into(), fs::read(dir.join("t.csv")).unwrap_or_default()));
    let tables = tree(&dir.join("tables"))
        .into_iter()
        .filter(|name| name.ends_with(".parquet") && name != "generations.parquet" && name != "subjects.parquet");
    found.extend(tables.map(|name| (name.clone(), fs::read(dir.join("tables").join(&name)).unwrap())));
    found
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap().success());
}

/// One fault: a step fails there, and then? `None`: the step has fewer calls.
fn fault(
    shim: &Path,
    before: &Path,
    step: usize,
    fault: &str,
    clean: &[(String, Vec<u8>)],
) -> Option<std::result::Result<(), String>> {
    let dir = tempfile::tempdir().unwrap();
    let (dir, mark) = (dir.path().join("work"), dir.path().join("mark"));
    fs::create_dir(&dir).unwrap();
    copy(before, &dir);
    let ended = msdata(&dir, STEPS[step])
        .env("LD_PRELOAD", shim)
        .env("MSDATA_FAULT", fault)
        .env("MSDATA_FAULT_BELOW", &dir)
        .env("MSDATA_FAULT_MARK", &mark)
        .output()
        .unwrap();
    if !mark.exists() {
        return None;
    }
    let judge = || {
        let told = err(&ended);
        match ended.status.code() {
            _ if told.contains("panicked") => return Err(format!("a panic: {told}")),
            None if !fault.ends_with("KILL") => return Err(format!("ended by a signal: {told}")),
            Some(1) if !told.starts_with("error: ") && !told.contains("\nerror: ") => {
                return Err(format!("no word of it: {told}"));
            }
            _ => {}
        }
        let sound = |when: &str| {
            let verified = msdata(&dir, &["verify", "--deep"]).output().unwrap();
            let told = String::from_utf8_lossy(&verified.stdout).into_owned() + &err(&verified);
            if verified.status.success() { Ok(()) } else { Err(format!("{when}: {told}")) }
        };
        if dir.join("data/catalog.sqlite").exists() {
            sound("verify after the fault")?;
        }
        // What has its name is whole.
        if step == 2
            && dir.join("t.csv").exists()
            && fs::read(dir.join("t.csv")).ok().as_ref() != clean.get(1).map(|(_, bytes)| bytes)
        {
            return Err("half a report".into());
        }
        resume(&dir, step)?;
        sound("verify in the end")?;
        let differs = result(&dir).iter().zip(clean).find(|(a, b)| a != b).map(|(a, _)| a.0.clone());
        if let Some(name) = differs.or((result(&dir).len() != clean.len()).then(|| "a table".into())) {
            return Err(format!("{name} is not what it is without a fault"));
        }
        // An export that failed when its last step was done is not made again.
        let left = temporary(&dir);
        if left.is_empty() { Ok(()) } else { Err(format!("left behind: {left:?}")) }
    };
    Some(judge())
}

/// A few points of each sort; all of them with `MSDATA_SWEEP=all`.
#[test]
fn a_fault_at_any_point_breaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let shim = dir.path().join("faults.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/faults.c");
    match Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&shim).args([source, "-ldl"]).status() {
        Ok(status) => assert!(status.success()),
        Err(e) => return eprintln!("skipped: there is no C compiler (cc): {e}"),
    }
    // The data set as it is before each step.
    let mut before: Vec<PathBuf> = Vec::new();
    let run = dir.path().join("clean");
    fs::create_dir(&run).unwrap();
    write(&run);
    for (n, step) in STEPS.iter().enumerate() {
        let state = dir.path().join(format!("before-{n}"));
        fs::create_dir(&state).unwrap();
        copy(&run, &state);
        before.push(state);
        ok(&run, step);
    }
    let clean = result(&run);
    let all = std::env::var("MSDATA_SWEEP").is_ok_and(|wish| wish == "all");
    let mut sorts = Vec::new();
    for step in 0..STEPS.len() {
        for operation in OPERATIONS {
            for action in ACTIONS {
                if action != "SHORT" || operation == "write" {
                    sorts.push((step, operation, action));
                }
            }
        }
    }
    let next = std::sync::Mutex::new(sorts.into_iter());
    let (broken, tried) = (std::sync::Mutex::new(Vec::new()), std::sync::atomic::AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((step, operation, action)) = next.lock().unwrap().next() else { break };
                    let mut at = 1;
                    loop {
                        let name = format!("{operation}:{at}:{action}");
                        let Some(outcome) = fault(&shim, &before[step], step, &name, &clean) else { break };
                        tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if let Err(why) = outcome {
                            broken.lock().unwrap().push(format!("{} {name}: {why}", STEPS[step][0]));
                        }
                        // Each sort of fault at other points.
                        at += if all { 1 } else { 5 * at + action.len() + operation.len() };
                    }
                }
            });
        }
    });
    let (broken, tried) = (broken.into_inner().unwrap(), tried.into_inner());
    eprintln!("{tried} faults");
    assert!(tried > 60, "only {tried} faults");
    assert!(broken.is_empty(), "{} of {tried} broken:\n{}", broken.len(), broken.join("\n"));
}
