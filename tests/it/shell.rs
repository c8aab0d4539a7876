//! What people see in the shell: `msdata` alone, queries from files, what a removal would take, warnings that would fill the
//! screen, streams that nobody reads.

use crate::support::lab::{Lab, err, out};
use crate::support::small;
use serde_json::json;
use std::fs;
use std::process::{Command, Output, Stdio};

/// The commands that `msdata` alone proposes.
fn proposed(said: &str) -> Vec<Vec<String>> {
    let lines = said.lines().filter_map(|line| line.strip_prefix("  msdata "));
    lines.map(|line| shlex::split(line).unwrap()).collect()
}

#[test]
fn msdata_alone_says_where_one_stands_and_its_advice_works() {
    let lab = Lab::empty();
    let outside = lab.command(&[]).env_remove("MSDATA_DATASET").output().unwrap();
    assert_eq!((outside.status.code(), out(&outside)), (Some(2), String::new()));
    assert!(err(&outside).contains("Usage: msdata") && !err(&outside).starts_with("error"), "{}", err(&outside));
    let nowhere = lab.run(&["-d", "nowhere"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(err(&nowhere).contains("nowhere is not a data set"), "{}", err(&nowhere));

    small::write(lab.dir());
    let stages: [(&[&str], &[&str], &str); 5] = [
        (&["init", "data"], &["0 subjects"], "help ingest"),
        (&["ingest", "--subjects", "subjects.jsonl", "--no-embed"], &["2 subjects with 2 references"], "help bench build"),
        (&["ingest", "--prompts", "prompts.jsonl", "--no-embed"], &["2 prompts, 0 generations"], "help run"),
        (&["ingest", "--generations", "generations.jsonl", "--no-embed"], &["4 generations", "M                4"], "embed"),
        (&["embed"], &["2 of 2       4 of 4", "4 of 4 (fast)"], "report"),
    ];
    for (command, expected, next) in stages {
        lab.ok(command);
        let before = fs::read(lab.path("data/catalog.sqlite")).unwrap();
        let said = lab.ok(&[]);
        for text in expected {
            assert!(said.contains(text), "{text}: {said}");
        }
        let commands = proposed(&said);
        assert_eq!(commands[0].join(" "), next, "{said}");
        assert!(commands.len() <= 2 && !said.contains("missing:"), "{said}");
        assert_eq!(fs::read(lab.path("data/catalog.sqlite")).unwrap(), before, "it only reads");
        for command in commands.iter().filter(|command| *command != &["embed"]) {
            lab.ok(&command.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    // What is missing is said, and how to see it; a data set that is named is named in the advice.
    fs::remove_file(lab.path("images/p1-1.png")).unwrap();
    assert_eq!(lab.run(&["ingest", "--no-embed"]).status.code(), Some(3));
    let said = lab.ok(&["-d", "data"]);
    assert!(said.contains("missing:\n  1 image missing or unusable: generation M p1 1: "), "{said}");
    let commands = proposed(&said);
    assert_eq!(
        (&commands[0][..3], &commands[1][..]),
        (&["-d", "data", "sql"].map(str::to_owned)[..], &["-d", "data", "report"].map(str::to_owned)[..])
    );
    let listed = lab.ok(&commands[0].iter().map(String::as_str).collect::<Vec<_>>());
    assert!(listed.contains("p1-1.png") && listed.lines().count() == 3, "{listed}");
}

#[test]
fn embedding_scores_as_ingesting_does() {
    let lab = Lab::empty();
    small::made(lab.dir(), &["init", "data"]);
    let at_once = lab.ok(&["digest"]);
    lab.ok(&["init", "other"]);
    lab.ok(&[&["-d", "other"], &small::INGEST[..7], &["--no-embed"]].concat());
    let done = lab.told(&["-d", "other", "embed"]);
    assert!(done.contains("scores: 4 new"), "{done}");
    assert_eq!(lab.ok(&["-d", "other", "digest"]), at_once);
}

fn with_input(lab: &Lab, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = lab.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn queries_come_from_files_and_with_comments() {
    let lab = Lab::empty();
    lab.ok(&["init", "data"]);
    let fine: [&[u8]; 4] = [
        b"SELECT 7 AS n",
        b"\xef\xbb\xbf-- how many\r\nSELECT 7 AS n;\r\n-- the end\r\n",
        b"/* a ; b */ SELECT 7 AS n; ;",
        b"--format of it: 'x\nSELECT 7 AS n",
    ];
    for query in fine {
        lab.write("q.sql", query);
        let text = std::str::from_utf8(query).unwrap();
        for arguments in [
            &["sql", "--file", "q.sql", "--format", "csv"][..],
            &["sql", "--format", "csv", text],
            &["sql", text, "--format", "csv"],
        ] {
            assert_eq!(lab.ok(arguments), "n\n7\n", "{arguments:?}");
        }
        let read = with_input(&lab, &["sql", "-", "--format", "csv"], query);
        assert_eq!((read.status.code(), out(&read)), (Some(0), "n\n7\n".to_owned()), "{}", err(&read));
    }
    for (query, place, reason) in [
        (&b"-- x\r\nSELECT nope\r\nFROM subjects"[..], ":2:8", "no such column: nope"),
        (b"-- nowhere\nSELECT 'nowhere'\n  FROM Nowhere", ":3:8", "no such table: Nowhere"),
        (
            b"SELECT 1;\n\nDELETE  FROM\ngeneration;",
            ":3:1",
            "it is 2 statements, and only one is run; the second is `DELETE FROM generation`",
        ),
        (b"SELECT 1 +\0 2", ":1:11", "it has a NUL character"),
        (b"-- nothing\n;", "", "it is empty"),
    ] {
        lab.write("q.sql", query);
        let refused = lab.run(&["sql", "--file", "q.sql"]);
        assert_eq!((refused.status.code(), err(&refused)), (Some(1), format!("error: q.sql{place}: query refused: {reason}\n")));
        let refused = with_input(&lab, &["sql", "-"], query);
        assert_eq!(err(&refused), format!("error: standard input{place}: query refused: {reason}\n"));
    }
    lab.write("q.sql", [0xff, 0xfe, b'S', 0]);
    assert!(err(&lab.run(&["sql", "--file", "q.sql"])).contains("q.sql: a query must be UTF-8 text"));
    assert!(err(&lab.run(&["sql", "--file", "none.sql"])).contains("cannot read none.sql: no such file"));
    for wrong in [&["sql"][..], &["sql", "SELECT 1", "--file", "q.sql"], &["sql", "--formt", "csv", "SELECT 1"]] {
        assert_eq!(lab.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert!(err(&lab.run(&["sql", "--formt", "csv", "SELECT 1"])).contains("unexpected argument '--formt'"));
}

#[test]
fn a_removal_says_before_what_it_takes() {
    let lab = Lab::empty();
    small::made(lab.dir(), &["init", "data"]);
    for what in [&["--generation", "M,p1,1"][..], &["--prompt", "p1"], &["--model", "M"]] {
        let before = fs::read(lab.path("data/catalog.sqlite")).unwrap();
        let command = [&["remove"], what].concat();
        let dry = lab.run(&[&command[..], &["--dry-run"]].concat());
        assert_eq!(dry.status.code(), Some(0), "{}", err(&dry));
        assert!(err(&dry).ends_with("nothing was changed (--dry-run)\n"), "{}", err(&dry));
        assert_eq!(fs::read(lab.path("data/catalog.sqlite")).unwrap(), before);
        let text = out(&dry);
        let rows: Vec<(&str, i64)> = text
            .lines()
            .skip(2)
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .map(|cells| (cells[0], cells[1].parse().unwrap()))
            .collect();
        for table in ["generation", "image", "image_score", "image_vector", "subject_score"] {
            assert!(rows.iter().any(|(name, n)| *name == table && *n > 0), "{table}: {text}");
        }
        let count = |table: &str| lab.sql(&format!("SELECT count(*) FROM {table}"))[0].parse::<i64>().unwrap();
        let tables: Vec<_> =
            rows.iter().filter(|(name, _)| !name.contains('/')).map(|(name, n)| (*name, *n, count(name))).collect();
        let files: Vec<&str> = rows.iter().map(|(name, _)| *name).filter(|name| name.contains('/')).collect();
        assert!(files.iter().all(|file| lab.path("data").join(file).is_file()), "{text}");
        lab.ok(&command);
        for (table, lost, before) in tables {
            assert_eq!(count(table), before - lost, "{table}");
        }
        assert!(files.iter().all(|file| !lab.path("data").join(file).exists()), "{text}");
    }
    let unknown = lab.run(&["remove", "--model", "none", "--dry-run"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn encoders_are_taken_off_this_machine() {
    let lab = Lab::empty();
    lab.write("home/encoders/dinov2-small/model.onnx", [0; 1000]);
    lab.write("home/encoders/dinov2-small/hub.lock.json", "{}");
    lab.write("own/model.onnx", [0; 10]);
    let own = lab.path("own").canonicalize().unwrap();
    lab.write("home/encoders/own.path", format!("{}\n", own.display()));
    let said = lab.told(&["encoders", "remove", "dinov2-small", "own"]);
    assert!(said.contains("removed dinov2-small: 1002 bytes freed"), "{said}");
    assert!(said.contains("keep their vectors") && said.contains("`msdata encoders pull dinov2-small`"), "{said}");
    assert!(said.contains("took own off the list") && own.join("model.onnx").is_file(), "{said}");
    assert_eq!(fs::read_dir(lab.path("home/encoders")).unwrap().count(), 0);
    for (name, why) in [("own", "there is no encoder `own`"), ("builtin-texture", "built into msdata"), ("../own", "`../own`")] {
        let refused = lab.run(&["encoders", "remove", name]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(err(&refused).contains(why), "{}", err(&refused));
    }
}

#[test]
fn a_fault_of_a_thousand_files_is_one_line() {
    let lab = Lab::empty();
    small::made(lab.dir(), &["init", "data"]);
    lab.write("tree/X/p1/1.png", small::png(50));
    (0..1000).for_each(|n| lab.write(&format!("tree/X/strange{n}/1.png"), small::png(51)));
    let said = lab.told(&["ingest", "--no-embed", "--from", "layout", "tree", "--layout", "{model}/{prompt_id}/{seed}.png"]);
    let warnings: Vec<&str> = said.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("(1000 like it: also "), "{said}");
    // Keys that nobody reads, another in every row.
    let rows =
        (0..1000).map(|n| json!({"subject_id": "cat", "label": "cat", "references": ["images/cat.png"], format!("key{n}"): 1}));
    lab.write("s.jsonl", rows.map(|row| format!("{row}\n")).collect::<String>());
    let said = lab.told(&["ingest", "--no-embed", "--subjects", "s.jsonl"]);
    let warnings: Vec<&str> = said.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("unknown column `key0`, not read (1000 like it"), "{said}");
}

/// Runs a command whose streams nobody reads: pipes that are closed at once.
fn unread(lab: &Lab, arguments: &[&str]) -> Option<i32> {
    let mut child = lab.command(arguments).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().unwrap().code()
}

#[cfg(unix)]
#[test]
fn streams_that_nobody_reads_cost_no_work() {
    let lab = Lab::empty();
    small::write(lab.dir());
    let ingest = [&small::INGEST[..], &["--progress", "json"]].concat();
    lab.ok(&["init", "data"]);
    assert_eq!(unread(&lab, &ingest), Some(0));
    let digest = lab.ok(&["digest"]);
    assert_eq!(lab.sql("SELECT count(*) FROM image_scores"), ["4"]);
    // Not even open.
    lab.ok(&["init", "other"]);
    let line = format!("exec {} -d other {} 2>&- >&-", env!("CARGO_BIN_EXE_msdata"), ingest.join(" "));
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(lab.dir());
    shell.envs(lab.command(&[]).get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))));
    assert_eq!(shell.status().unwrap().code(), Some(0));
    assert_eq!(lab.ok(&["-d", "other", "digest"]), digest);
    for command in [
        &["report"][..],
        &["report", "--html", "page"],
        &["verify"],
        &["encoders", "list"],
        &["--help"],
        &["completions", "bash"],
        &[],
    ] {
        assert_eq!(unread(&lab, command), Some(0), "{command:?}");
    }
    assert!(lab.path("page/index.html").is_file());
    // How it ended is told all the same.
    for part in fs::read_dir(lab.path("data/embeddings")).unwrap() {
        fs::remove_file(part.unwrap().path()).unwrap();
    }
    assert_eq!(unread(&lab, &["verify"]), Some(1));
}
