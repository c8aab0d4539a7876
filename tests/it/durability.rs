//! Files written for users, and processes started for them, whatever happens: odd targets, left-overs, two at once,
//! signals.

use crate::support::lab::{err, msdata, ok, refused};
use crate::support::small::{made, temporary, tree, write};
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const REPORT: [&str; 3] = ["report", "--format", "csv"];

#[test]
fn a_result_goes_where_it_is_sent_and_replaces_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir, &["init"]);
    let csv = ok(dir, &REPORT);
    let report = |out: &str| ok(dir, &[&REPORT[..], &["--out", out]].concat());

    // Beside files of the user with names that could be taken for ours.
    for mine in ["t.csv.tmp", "t.tmp", ".t.csv.tmp", "t.csv~"] {
        fs::write(dir.join(mine), "mine").unwrap();
    }
    report("t.csv");
    assert_eq!(fs::read_to_string(dir.join("t.csv")).unwrap(), csv);
    for mine in ["t.csv.tmp", "t.tmp", ".t.csv.tmp", "t.csv~"] {
        assert_eq!(fs::read_to_string(dir.join(mine)).unwrap(), "mine");
    }
    // A link stays a link, also one to nothing; what is private stays so.
    for link in ["there.csv", "to-be.csv"] {
        if link == "there.csv" {
            fs::write(dir.join(link), "old").unwrap();
            fs::set_permissions(dir.join(link), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        symlink(link, dir.join("link")).unwrap();
        report("link");
        assert!(dir.join("link").symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(dir.join(link)).unwrap(), csv);
        fs::remove_file(dir.join("link")).unwrap();
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&dir.join("there.csv").metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Devices, pipes and standard output by its names are written to, not replaced.
    report("/dev/null");
    assert!(Path::new("/dev/null").metadata().unwrap().file_type().is_char_device());
    symlink("/dev/null", dir.join("null")).unwrap();
    report("null");
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        assert_eq!(report(name), csv, "{name}");
    }
    let script = format!(
        "{{ echo before; '{}' -d data {} --out /dev/stdout; echo after; }} 2>/dev/null > all",
        env!("CARGO_BIN_EXE_msdata"),
        REPORT.join(" ")
    );
    Command::new("sh").args(["-c", &script]).current_dir(dir).status().unwrap();
    assert_eq!(fs::read_to_string(dir.join("all")).unwrap(), format!("before\n{csv}after\n"));
    assert!(Command::new("mkfifo").arg(dir.join("fifo")).status().unwrap().success());
    let reader = Command::new("cat").arg(dir.join("fifo")).stdout(Stdio::piped()).spawn().unwrap();
    report("fifo");
    assert_eq!(String::from_utf8(reader.wait_with_output().unwrap().stdout).unwrap(), csv);
    assert!(dir.join("fifo").metadata().unwrap().file_type().is_fifo());
    ok(dir, &["plot", "trend", "--out", "/dev/null"]);
    ok(dir, &["report", "--html", "/dev/null", "--single-file"]);
    // A directory is none of these, and is refused before the work.
    for out in ["data", "new/", "."] {
        assert!(refused(dir, &[&REPORT[..], &["--out", out]].concat()).contains("names a directory"), "{out}");
    }
    assert!(!dir.join("new").exists());
    report("deep/er/t.csv");
    assert_eq!(temporary(dir), Vec::<String>::new());
}

#[test]
fn a_directory_comes_whole_under_the_name_that_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir, &["init"]);
    for mine in ["out.partial", "out.tmp", "out"] {
        fs::create_dir(dir.join(mine)).unwrap();
        if mine != "out" {
            fs::write(dir.join(mine).join("precious"), "mine").unwrap();
        }
    }
    for target in ["out/", "new", "slash/", "deep/er//", "./dot/../dotted"] {
        if target.starts_with("./dot") {
            fs::create_dir(dir.join("dot")).unwrap();
        }
        ok(dir, &["export", target]);
        assert!(dir.join(target).join("image_scores.parquet").is_file(), "{target}");
    }
    for mine in ["out.partial", "out.tmp"] {
        assert_eq!(fs::read_to_string(dir.join(mine).join("precious")).unwrap(), "mine");
    }
    // Refused before the work: full, a file, the current directory, a link to nothing.
    symlink("nothing", dir.join("dangling")).unwrap();
    fs::create_dir(dir.join("empty")).unwrap();
    for (target, why) in [("out", "not empty"), ("subjects.jsonl", "is not a directory"), ("dangling", "does not exist")] {
        assert!(refused(dir, &["export", target]).contains(why), "{target}");
    }
    let here = Command::new(env!("CARGO_BIN_EXE_msdata"))
        .args(["-d", "../data", "export", "."])
        .current_dir(dir.join("empty"))
        .output()
        .unwrap();
    assert!(err(&here).contains("current directory"), "{}", err(&here));
    assert_eq!(temporary(dir), Vec::<String>::new());
}

#[test]
fn left_overs_are_swept_when_nobody_holds_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir, &["init"]);
    // As killed writers leave them; one is still being written.
    for (name, content) in [(".t.csv.0.msdata-tmp", "half"), (".t.csv.1.msdata-tmp", "held"), (".t.csv.2.msdata-tmp", "half")] {
        fs::write(dir.join(name), content).unwrap();
    }
    let held = File::open(dir.join(".t.csv.1.msdata-tmp")).unwrap();
    held.lock().unwrap();
    ok(dir, &[&REPORT[..], &["--out", "t.csv"]].concat());
    assert_eq!(temporary(dir), [".t.csv.1.msdata-tmp"]);
    drop(held);
    ok(dir, &[&REPORT[..], &["--out", "t.csv"]].concat());
    assert_eq!(temporary(dir), Vec::<String>::new());
    // The same of directories; while one is written, nobody else writes it.
    fs::create_dir_all(dir.join(".out.0.msdata-tmp/embeddings")).unwrap();
    fs::write(dir.join(".out.0.msdata-tmp/embeddings/part"), "half").unwrap();
    let held = File::open(dir.join(".out.0.msdata-tmp")).unwrap();
    held.lock().unwrap();
    assert!(refused(dir, &["export", "out"]).contains("another msdata is writing out"));
    drop(held);
    ok(dir, &["export", "out"]);
    assert_eq!(temporary(dir), Vec::<String>::new());
}

#[test]
fn two_writers_of_one_place_do_not_meet() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir, &["init"]);
    ok(dir, &["export", "alone"]);
    for n in 0..4 {
        let out = format!("both{n}");
        let start = || msdata(dir, &["export", &out]).spawn().unwrap();
        let ends: Vec<_> = [start(), start(), start()].map(|child| child.wait_with_output().unwrap()).into();
        assert_eq!(ends.iter().filter(|end| end.status.success()).count(), 1, "{ends:?}");
        let told = |end: &std::process::Output| {
            end.status.success() || err(end).contains("another msdata is writing") || err(end).contains("not empty")
        };
        assert!(ends.iter().all(told), "{ends:?}");
        for name in tree(&dir.join("alone")).iter().filter(|name| name.ends_with(".parquet")) {
            assert_eq!(fs::read(dir.join("alone").join(name)).unwrap(), fs::read(dir.join(&out).join(name)).unwrap(), "{name}");
        }
    }
    let out = ["report", "--format", "csv", "--out", "t.csv"];
    let ends = [0; 4].map(|_| msdata(dir, &out).spawn().unwrap()).map(|child| child.wait_with_output().unwrap());
    assert!(ends.iter().all(|end| end.status.success()), "{ends:?}");
    assert_eq!(fs::read_to_string(dir.join("t.csv")).unwrap(), ok(dir, &REPORT));
    assert_eq!(temporary(dir), Vec::<String>::new());
}

#[test]
fn a_page_removes_no_picture_of_the_users() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir, &["init"]);
    let mine = format!("{}.jpg", "0123456789abcdef".repeat(2));
    fs::create_dir_all(dir.join("page/thumbs")).unwrap();
    fs::write(dir.join("page/thumbs").join(&mine), "mine").unwrap();
    for _ in 0..2 {
        ok(dir, &["report", "--html", "page"]);
        assert!(dir.join("page/thumbs").join(&mine).exists());
    }
    let held = File::open(dir.join("page")).unwrap();
    held.lock().unwrap();
    assert!(refused(dir, &["report", "--html", "page"]).contains("another msdata is writing page"));
}

/// A data set with prompts and no images of model G, and a generator that writes its process id and then waits.
fn waiting(dir: &Path, trap: &str) {
    write(dir);
    ok(dir, &["init"]);
    ok(dir, &["ingest", "--subjects", "subjects.jsonl", "--prompts", "prompts.jsonl", "--no-embed"]);
    let script = format!("{trap}\n[ -e go ] && exec cp images/cat.png \"$1\"\necho $$ >> pids\nwhile :; do sleep 0.1; done\n");
    fs::write(dir.join("generate.sh"), script).unwrap();
}

const RUN: [&str; 10] =
    ["run", "--model", "G", "--seeds", "1", "--jobs", "2", "--no-embed", "--command", "sh generate.sh {output}"];

fn pids(dir: &Path) -> Vec<String> {
    fs::read_to_string(dir.join("pids")).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
}

/// Whether this process, and so whatever it starts, ignores SIGHUP.
fn hangups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[test]
fn every_signal_ends_the_generator_and_puts_its_jobs_back() {
    for (name, trap, twice) in [
        ("HUP", "", false),
        ("INT", "", false),
        ("TERM", "", false),
        ("QUIT", "", false),
        // A generator that does not listen: the second signal waits for nothing.
        ("HUP", "trap '' HUP INT TERM QUIT", true),
        ("INT", "trap '' HUP INT TERM QUIT", true),
        ("TERM", "trap '' HUP INT TERM QUIT", true),
        ("QUIT", "trap '' HUP INT TERM QUIT", true),
    ] {
        if name == "HUP" && hangups_are_ignored() {
            eprintln!("skipped: SIGHUP is ignored here (nohup), and a run that is to outlive its terminal does");
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        waiting(dir, trap);
        for round in 1..=2 {
            let child = msdata(dir, &RUN).spawn().unwrap();
            until("the generators start", || pids(dir).len() == 2 * round);
            let began = Instant::now();
            signal(&child, name);
            if twice {
                std::thread::sleep(Duration::from_millis(300));
                signal(&child, name);
            }
            let ended = child.wait_with_output().unwrap();
            assert_eq!(ended.status.code(), Some(130), "{name} {}", err(&ended));
            assert!(began.elapsed() < Duration::from_secs(4), "{name} {twice}: {:?}", began.elapsed());
            for pid in pids(dir) {
                until(&format!("SIG{name}: {pid} still runs"), || !runs(&pid));
            }
            let jobs = ok(dir, &["sql", "SELECT state, attempts FROM jobs", "--format", "csv"]);
            assert_eq!(jobs, format!("state,attempts\npending,{round}\npending,{round}\n"), "{name}");
            assert_eq!(temporary(dir), Vec::<String>::new(), "{name}");
        }
        fs::write(dir.join("go"), "").unwrap();
        ok(dir, &RUN);
        let done = ok(
            dir,
            &["sql", "SELECT j.state, g.status FROM jobs j JOIN generations g USING (model, prompt_id, seed)", "--format", "csv"],
        );
        assert_eq!(done, "state,status\ndone,ok\ndone,ok\n");
    }
}

#[test]
fn a_run_that_is_to_outlive_its_terminal_does() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    waiting(dir, "");
    let mut command = Command::new("nohup");
    command.current_dir(dir).arg(env!("CARGO_BIN_EXE_msdata")).args(["-d", "data"]).args(RUN);
    let mut child = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the generators start", || pids(dir).len() == 2);
    signal(&child, "HUP");
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none());
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_a_killed_run_leaves_is_swept_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    waiting(dir, "");
    let mut child = msdata(dir, &RUN).spawn().unwrap();
    until("the generators start", || pids(dir).len() == 2);
    child.kill().unwrap();
    child.wait().unwrap();
    pids(dir).iter().for_each(|pid| drop(Command::new("kill").arg(pid).status()));
    assert_eq!(temporary(dir).len(), 2);
    fs::write(dir.join("go"), "").unwrap();
    ok(dir, &RUN);
    assert_eq!(temporary(dir), Vec::<String>::new());
}

#[test]
fn what_a_generator_wrote_elsewhere_is_named_and_swept() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    waiting(dir, "");
    let run = |command: &str| {
        let arguments = ["run", "--model", "G", "--seeds", "1", "--retries", "0", "--no-embed", "--shell", "--command", command];
        msdata(dir, &arguments).output().unwrap()
    };
    let ended = run("cp images/cat.png {output}.jpg; mkdir $(dirname {output})/sub");
    assert_eq!(ended.status.code(), Some(3));
    assert!(err(&ended).contains("`1.png.jpg`, `sub`"), "{}", err(&ended));
    assert_eq!(tree(&dir.join("data/generated/G")), ["p1", "p2"]);
    // Beside a whole image it is no failure, and is told.
    let ended = run("cp images/cat.png {output}; echo {} > {output}.json");
    assert_eq!(ended.status.code(), Some(0), "{}", err(&ended));
    assert!(err(&ended).contains("warning: the generator wrote `1.png.json` next to the image of p1 1"), "{}", err(&ended));
    assert_eq!(tree(&dir.join("data/generated/G")), ["p1", "p1/1.png", "p2", "p2/1.png"]);
}
