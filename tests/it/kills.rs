//! The small pipeline, killed at random times by one process and by two, and cut off from power.

use crate::support::chance::{Draw, number};
use crate::support::lab::{err, msdata, ok};
use crate::support::small::write;
use crate::sweep::{STEPS, result, resume};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Results = Vec<(String, Vec<u8>)>;

/// Starts the steps in `dir`, in a process group of their own; each that ends well adds a byte to `told`.
fn start(dir: &Path, told: &Path) -> Child {
    let mut script = String::from("set -e\n");
    for (step, there) in STEPS.iter().zip(["data/catalog.sqlite", "", "", "tables"]) {
        let unless = if there.is_empty() { String::new() } else { format!("test -e {there} || ") };
        script += &format!("{unless}\"$MSDATA\" -d data {}\nprintf . >> \"$TOLD\"\n", step.join(" "));
    }
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(dir).process_group(0);
    command.env("MSDATA", env!("CARGO_BIN_EXE_msdata")).env("TOLD", told);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    // It may have ended.
    let _ = kill_process_group(Pid::from_child(child), signal);
}

/// What a run without a fault gives, and how long it takes.
fn clean(dir: &Path) -> (Results, Duration) {
    let dir = dir.join("clean");
    fs::create_dir(&dir).unwrap();
    write(&dir);
    let begun = Instant::now();
    assert!(start(&dir, &dir.join("told")).wait().unwrap().success());
    let took = begun.elapsed();
    (result(&dir), took)
}

/// What is there after a fault is sound, and what has its name is whole.
fn check(dir: &Path, clean: &Results, when: &str) {
    if dir.join("data/catalog.sqlite").exists() {
        let verified = msdata(dir, &["verify", "--deep"]).output().unwrap();
        let told = String::from_utf8_lossy(&verified.stdout).into_owned() + &err(&verified);
        assert!(verified.status.success(), "{when}: {told}");
    }
    let files = clean.iter().skip(1).filter(|(name, _)| name == "t.csv" || dir.join("tables").exists());
    for (name, bytes) in files {
        let path = if name == "t.csv" { dir.join(name) } else { dir.join("tables").join(name) };
        if name != "t.csv" || path.exists() {
            assert!(fs::read(&path).ok().as_ref() == Some(bytes), "{when}: {name} is not whole");
        }
    }
}

fn finish(dir: &Path, clean: &Results, when: &str) {
    resume(dir, 0).unwrap_or_else(|e| panic!("{when}: {e}"));
    check(dir, clean, when);
    assert!(result(dir) == *clean, "{when}: the results are not those of a run without a fault");
}

/// Kills until `kills` have met a process at work.
fn killed(processes: usize, kills: usize) {
    let dir = tempfile::tempdir().unwrap();
    let (clean, took) = clean(dir.path());
    let mut random = Draw::new();
    let (work, told) = (dir.path().join("work"), dir.path().join("told"));
    let (mut met, mut ended) = (0, 0);
    while met < kills {
        if !work.exists() {
            fs::create_dir(&work).unwrap();
            write(&work);
        }
        let mut running: Vec<Child> = (0..processes).map(|_| start(&work, &told)).collect();
        let until = Instant::now() + took.mul_f64(random.fraction());
        let at_work = |running: &mut Vec<Child>| running.iter_mut().any(|child| child.try_wait().unwrap().is_none());
        while Instant::now() < until && at_work(&mut running) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let whole = !at_work(&mut running);
        running.iter().for_each(|child| signal(child, Signal::KILL));
        for child in &mut running {
            child.wait().unwrap();
        }
        let when = format!("kill {met} of {processes} processes");
        check(&work, &clean, &when);
        if whole || work.join("tables").exists() {
            finish(&work, &clean, &when);
            fs::remove_dir_all(&work).unwrap();
        }
        if whole { ended += 1 } else { met += 1 }
    }
    if work.exists() {
        finish(&work, &clean, "the last kill");
    }
    eprintln!("{met} kills of {processes} at work, {ended} came too late");
}

/// `MSDATA_KILLS=200` kills more often.
#[test]
fn a_killed_process_breaks_nothing() {
    killed(1, number("MSDATA_KILLS", 6) as usize);
}

/// Half as many kills as of one.
#[test]
fn two_killed_processes_break_nothing() {
    killed(2, number("MSDATA_KILLS", 6) as usize / 2);
}

/// A file system of its own, unmounted in the end.
struct Disk(PathBuf);

impl Disk {
    fn mount(image: &Path, at: &Path) -> Disk {
        let done = Command::new("mount").args(["-o", "loop,commit=1"]).args([image, at]).status().unwrap();
        assert!(done.success(), "cannot mount {}: this needs root and loop devices", image.display());
        Disk(at.to_path_buf())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for _ in 0..50 {
            if Command::new("umount").arg(&self.0).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The block device as it is at a random time, mounted anew: what was still in memory is gone. What a command said that it
/// finished is there. Only with `MSDATA_POWER_CUTS=20`, as root.
#[test]
fn a_power_cut_loses_nothing_that_was_told() {
    let cuts = number("MSDATA_POWER_CUTS", 0);
    if cuts == 0 {
        return eprintln!("skipped: power cuts are tried with MSDATA_POWER_CUTS=20, as root");
    }
    let dir = tempfile::tempdir().unwrap();
    let (clean, took) = clean(dir.path());
    let mut random = Draw::new();
    let [image, cut, at, told] = ["image", "cut", "disk", "told"].map(|name| dir.path().join(name));
    fs::create_dir(&at).unwrap();
    let mut kept = [0; STEPS.len() + 1];
    for n in 0..cuts {
        fs::write(&told, "").unwrap();
        fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        assert!(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).status().unwrap().success());
        let disk = Disk::mount(&image, &at);
        write(&at);
        assert!(Command::new("sync").arg("-f").arg(&at).status().unwrap().success());
        let mut running = start(&at, &told);
        std::thread::sleep(took.mul_f64(random.fraction() * 1.2));
        let steps = fs::read(&told).unwrap().len();
        signal(&running, Signal::STOP);
        fs::copy(&image, &cut).unwrap();
        signal(&running, Signal::KILL);
        running.wait().unwrap();
        drop(disk);
        let disk = Disk::mount(&cut, &at);
        let when = format!("power cut {n} after {steps} steps");
        check(&at, &clean, &when);
        assert!(steps < 1 || at.join("data/catalog.sqlite").exists(), "{when}: no data set");
        assert!(steps < 2 || ok(&at, &["digest"]).into_bytes() == clean[0].1, "{when}: rows are gone");
        assert!(steps < 3 || at.join("t.csv").exists(), "{when}: no report");
        assert!(steps < 4 || at.join("tables").exists(), "{when}: no tables");
        finish(&at, &clean, &when);
        drop(disk);
        kept[steps] += 1;
    }
    eprintln!("{cuts} power cuts; after 0, 1, 2, 3, 4 finished commands: {kept:?}");
}
