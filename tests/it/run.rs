//! `msdata run`: a generator driven over what is missing, killed, failing, resumed. The generator is a shell script.

use crate::support::lab::{cells, err, msdata};
use msdata::image::{Rgb, png};
use msdata::table::Cell;
use msdata::{Dataset, IngestOptions, Watch};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

const PROMPTS: usize = 75;

/// A data set with two subjects and prompts `p00`, `p01`, …; texts that a shell would take apart.
fn data_set(dir: &Path, prompts: usize) {
    let mut subjects = String::new();
    for (i, label) in ["cat", "dog"].into_iter().enumerate() {
        let pixels = (0..32 * 32 * 3).map(|p| (p * (i + 3)) as u8).collect();
        fs::write(dir.join(format!("{label}.png")), png(&Rgb { width: 32, height: 32, pixels }).unwrap()).unwrap();
        subjects.push_str(&format!("{}\n", json!({"subject_id": label, "label": label, "references": [format!("{label}.png")]})));
    }
    let mut text = String::new();
    for i in 0..prompts {
        let row = json!({"prompt_id": format!("p{i:02}"), "text": format!("A cat's $HOME; a \"dog\" `{i}`"), "scene_type": "neutral",
            "subjects": ["cat", "dog"]});
        text.push_str(&format!("{row}\n"));
    }
    fs::write(dir.join("s.jsonl"), subjects).unwrap();
    fs::write(dir.join("p.jsonl"), text).unwrap();
    let options =
        IngestOptions { subjects: vec![dir.join("s.jsonl")], prompts: vec![dir.join("p.jsonl")], ..IngestOptions::default() };
    Dataset::init(&dir.join("data")).unwrap().ingest(&options, &mut Watch::silent()).unwrap();
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    msdata(dir, &[&["run", "--model", "M", "--no-embed"], arguments].concat()).output().unwrap()
}

/// One row a line, cells separated by `|`.
fn rows(dir: &Path, sql: &str) -> Vec<String> {
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        Cell::Null => String::new(),
        other => format!("{other:?}"),
    };
    let found = cells(&mut Dataset::open_to_read(&dir.join("data")).unwrap(), sql);
    found.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect()
}

#[test]
fn killed_five_times_and_failing_at_first_every_image_is_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    data_set(dir, PROMPTS);
    fs::create_dir(dir.join("failed")).unwrap();
    let script = "case $1 in p?5) if [ $2 = 42 ] && [ ! -e failed/$1 ]; then : > failed/$1; echo 'out of memory' >&2; exit 9; fi;; esac\n\
                  sleep 0.01; cp \"$4\" \"$3\" && echo \"$1 $2\" >> made\n";
    fs::write(dir.join("generate.sh"), script).unwrap();
    let arguments = [
        "--command",
        "sh generate.sh {prompt_id} {seed} {output} {references}",
        "--seeds",
        "42,43,44",
        "--jobs",
        "3",
        "--meta",
        "weights=v2",
    ];
    for kill in 1..=5 {
        let mut child = msdata(dir, &[&["run", "--model", "M", "--no-embed"][..], &arguments].concat()).spawn().unwrap();
        let (began, made) = (Instant::now(), || fs::read_to_string(dir.join("made")).unwrap_or_default().lines().count());
        while made() < kill * 30 && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(child.try_wait().unwrap().is_none(), "it was to be killed on the way");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let done = run(dir, &arguments);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    let sound = msdata(dir, &["verify", "--deep"]).output().unwrap();
    assert_eq!(sound.status.code(), Some(0), "{}", err(&sound));
    assert_eq!(rows(dir, "SELECT CAST(count(*) AS TEXT) FROM generations WHERE status = 'ok' AND model = 'M'"), ["225"]);
    let tally = "SELECT state || ' ' || count(*), CAST(sum(status = 0) AS TEXT) FROM jobs GROUP BY state";
    assert_eq!(rows(dir, tally), ["done 225|225"]);
    // Images are copies of the first reference, whole, under their own names and no others.
    let reference = fs::read(dir.join("cat.png")).unwrap();
    for path in rows(dir, "SELECT path FROM generations") {
        assert_eq!(fs::read(&path).unwrap(), reference, "{path}");
    }
    // What was being made when the run was killed may have been made again; nothing else was.
    let made = fs::read_to_string(dir.join("made")).unwrap().lines().count();
    assert!((225..=225 + 5 * 3).contains(&made), "{made} calls made an image");
    let meta: Value =
        serde_json::from_str(&rows(dir, "SELECT meta FROM generations WHERE prompt_id = 'p15' AND seed = 42")[0]).unwrap();
    assert_eq!((&meta["weights"], &meta["run"]["exit_status"]), (&json!("v2"), &json!(0)));
    assert!(meta["run"]["attempts"].as_u64().unwrap() >= 2, "{meta}");
    assert!(meta["run"]["command"].as_str().unwrap().starts_with("sh generate.sh p15 42 "), "{meta}");
    for field in ["started", "host"] {
        assert!(!meta["run"][field].as_str().unwrap().is_empty(), "{field}");
    }
    let again = run(dir, &arguments);
    assert_eq!(again.status.code(), Some(0));
    assert!(err(&again).contains("0 made now, 225 done in total, 0 failed, 0 open"), "{}", err(&again));
}

#[test]
fn what_fails_is_told_with_its_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    data_set(dir, 3);
    let script = "case {prompt_id} in p00) echo no memory; exit 3;; p01) printf 'no image' > {output};; *) cp {references} {output};; esac";
    // `cp` of two references to a file fails: give it only the first.
    let script = script.replace("cp {references}", "set -- {references}; cp \"$1\"");
    let done = run(dir, &["--shell", "--command", &script, "--seeds", "1", "--retries", "1"]);
    assert_eq!(done.status.code(), Some(3), "{}", err(&done));
    assert!(err(&done).contains("1 made now, 1 done in total, 2 failed, 0 open"), "{}", err(&done));
    assert!(err(&done).contains("p00 1: exit status 3: no memory"), "{}", err(&done));
    let jobs = rows(dir, "SELECT prompt_id, state, CAST(attempts AS TEXT), tail FROM jobs ORDER BY 1");
    assert!(jobs[0].starts_with("p00|failed|2|exit status 3\n") && jobs[0].ends_with("no memory"), "{jobs:?}");
    assert!(jobs[1].contains("p01|failed|2|it ended without an error but made no usable image"), "{jobs:?}");
    assert_eq!(jobs[2], "p02|done|1|");
    let slow = run(dir, &["--command", "sh -c 'sleep 60' {output}", "--seeds", "1", "--retries", "0", "--timeout", "0.1"]);
    assert!(err(&slow).contains("not done after 0.1 seconds"), "{}", err(&slow));
}

#[test]
fn one_command_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    data_set(dir, 4);
    // Makes all but one image, the first time; a real one would load its weights once.
    let script = "sed -n 's/.*\"output\":\"\\([^\"]*\\)\".*/\\1/p' \"$1\" | while read -r out; do\n\
                  case $out in *p02*) [ -e second ] || { : > second; continue; };; esac\n\
                  cp cat.png \"$out\"; echo \"$out\" >> made; done";
    fs::write(dir.join("all.sh"), script).unwrap();
    let done = run(dir, &["--batch-command", "sh all.sh {jobs}", "--seeds", "1,2"]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert!(err(&done).contains("8 made now, 8 done in total, 0 failed"), "{}", err(&done));
    assert_eq!(fs::read_to_string(dir.join("made")).unwrap().lines().count(), 8);
}

#[test]
fn wrong_commands_are_refused_before_anything_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    data_set(dir, 1);
    for (arguments, message) in [
        (&["--command", "make {prompt}"][..], "has no place `{output}`"),
        (&["--command", "make {out} {output}"], "there is no place `{out}`"),
        (&["--command", "make {output}"], "nothing says which seeds"),
        (&["--command", "make {output}", "--seeds", "1", "--timeout=-1"], "--timeout"),
        (&["--command", "make {output}", "--seeds", "1", "--meta", "x"], "KEY=VALUE"),
    ] {
        let done = run(dir, arguments);
        assert!(matches!(done.status.code(), Some(1 | 2)), "{arguments:?}");
        assert!(err(&done).contains(message), "{arguments:?}: {}", err(&done));
    }
    assert_eq!(rows(dir, "SELECT model FROM jobs"), Vec::<String>::new());
    let done = run(dir, &["--command", "no-such-generator {output}", "--seeds", "1", "--retries", "0"]);
    assert_eq!(done.status.code(), Some(3));
    assert!(err(&done).contains("cannot start no-such-generator: no such file"), "{}", err(&done));
}

#[test]
fn a_run_stops_when_its_first_jobs_fail_alike_and_says_so_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    data_set(dir, 12);
    let broken = ["--command", "sh -c 'echo no module named torch >&2; exit 1' {output}", "--seeds", "1"];
    let done = run(dir, &broken);
    let said = err(&done);
    assert_eq!(done.status.code(), Some(3), "{said}");
    let sentence = "the first 5 jobs failed in the same way: exit status 1: no module named torch; the other 7 were not tried";
    assert_eq!(said.matches(sentence).count(), 1, "{said}");
    assert_eq!(said.matches("no module named torch").count(), 1, "{said}");
    assert!(said.contains("0 made now, 0 done in total, 5 failed, 7 open"), "{said}");
    let tally = "SELECT state, CAST(count(*) AS TEXT), CAST(sum(attempts) AS TEXT) FROM jobs GROUP BY 1 ORDER BY 1";
    assert_eq!(rows(dir, tally), ["failed|5|5", "pending|7|0"]);
    // Asked to, it goes on; and all of a list that one command did not make have failed alike.
    let done = run(dir, &[&broken[..], &["--stop-after", "0", "--retries", "0"]].concat());
    assert!(err(&done).contains("12 failed, 0 open"), "{}", err(&done));
    let done = run(dir, &["--batch-command", "sh -c 'exit 2' {jobs}", "--seeds", "1"]);
    assert!(err(&done).contains("failed in the same way: exit status 2"), "{}", err(&done));
    assert!(err(&done).contains("12 failed, 0 open"), "{}", err(&done));
    // What fails in different ways, or after an image was made, is for the run to go through.
    let mixed = "case {prompt_id} in p00) exit 1;; p01) exit 2;; *) exit 1;; esac; : {output}";
    let done = run(dir, &["--shell", "--command", mixed, "--seeds", "1", "--retries", "0"]);
    assert!(err(&done).contains("12 failed, 0 open") && !err(&done).contains("in the same way"), "{}", err(&done));
    fs::write(dir.join("one.sh"), "case $1 in p00) cp cat.png \"$2\";; *) exit 1;; esac").unwrap();
    let done = run(dir, &["--command", "sh one.sh {prompt_id} {output}", "--seeds", "1", "--retries", "0"]);
    assert!(err(&done).contains("1 made now, 1 done in total, 11 failed, 0 open"), "{}", err(&done));
}

#[test]
fn what_was_not_made_is_in_the_report_with_its_reason() {
    let lab = crate::support::lab::Lab::empty();
    crate::support::small::made(lab.dir(), &["init", "data"]);
    let run = |more: &[&str]| {
        let command =
            ["run", "--no-embed", "--model", "N", "--command", "sh -c 'echo no weights; exit 7' {output}", "--seeds", "1,2"];
        lab.run(&[&command[..], more].concat())
    };
    assert_eq!(run(&["--stop-after", "2"]).status.code(), Some(3));
    let report = || {
        let done = lab.run(&["report", "--by", "model", "--format", "json"]);
        (serde_json::from_slice::<Value>(&done.stdout).unwrap(), err(&done))
    };
    let (json, said) = report();
    assert!(
        said.contains("model `N` is not finished: 2 of its 4 jobs failed, the first p1 1: exit status 7: no weights; 2 are open"),
        "{said}"
    );
    assert!(said.contains("4 of 8 generations are missing because `msdata run` has not made them"), "{said}");
    let row = json["rows"].as_array().unwrap().iter().find(|row| row["model"] == "N").unwrap();
    assert_eq!((&row["images"], &row["missing"], &row["similarity"]["builtin-texture"]), (&json!(0), &json!(4), &Value::Null));
    run(&["--stop-after", "0", "--retries", "0"]);
    let (json, said) = report();
    assert!(
        said.contains("model `N` has no image: all 4 of its jobs failed, the first p1 1: exit status 7: no weights"),
        "{said}"
    );
    let reason = json!({"model": "N", "done": 0, "failed": 4, "open": 0, "reason": "p1 1: exit status 7: no weights"});
    assert_eq!(json["unfinished"], json!([reason]));
    // Once the images are there, nothing is said of it.
    lab.ok(&["run", "--model", "N", "--command", "cp images/cat.png {output}", "--seeds", "1,2", "--no-embed"]);
    lab.ok(&["embed"]);
    let (json, said) = report();
    assert!(json.get("unfinished").is_none() && !said.contains("jobs"), "{said}");
}
