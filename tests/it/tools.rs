//! The small commands that keep a data set: `digest`, `relocate`, `backup`, `gc`, and `init --relative`.

use crate::support::lab::{err, msdata, ok, refused, rows};
use crate::support::small::{INGEST, made, png, tree, write};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn lines_reversed(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().rev().collect();
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn the_digest_is_of_the_results_and_of_nothing_else() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(a.path(), &["init"]);
    // Elsewhere, in another order, in many steps, with relative paths and meta: the same results.
    let b = b.path();
    write(b);
    for file in ["subjects.jsonl", "prompts.jsonl", "generations.jsonl"] {
        lines_reversed(&b.join(file));
    }
    ok(b, &["init", "--relative"]);
    ok(b, &["ingest", "--subjects", "subjects.jsonl", "--encoder", "builtin-texture"]);
    ok(b, &["ingest", "--prompts", "prompts.jsonl", "--no-embed"]);
    let text = fs::read_to_string(b.join("generations.jsonl")).unwrap();
    for (i, line) in text.lines().enumerate() {
        let line = line.replace("}", &format!(",\"meta\":{{\"host\":\"{i}\"}}}}"));
        fs::write(b.join("one.jsonl"), line).unwrap();
        ok(b, &["ingest", "--generations", "one.jsonl"]);
    }
    let (first, tables) = (ok(a.path(), &["digest"]), ok(a.path(), &["digest", "--tables"]));
    assert_eq!((first.trim().len(), first.lines().count()), (64, 1));
    assert_eq!(tables, ok(b, &["digest", "--tables"]));
    assert!(tables.ends_with(&first) && tables.contains("  subject_scores (8 rows)\n"), "{tables}");
    // One image of other content: it shows where.
    fs::write(b.join("images/p1-1.png"), png(77)).unwrap();
    ok(b, &["ingest"]);
    let other = ok(b, &["digest", "--tables"]);
    let differ = |name: &str| {
        let line = |text: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        line(&tables) != line(&other)
    };
    for (table, changed) in
        [("subjects", false), ("prompts", false), ("generations", true), ("vectors", true), ("image_scores", true)]
    {
        assert_eq!(differ(&format!("  {table} ")), changed, "{table}\n{tables}{other}");
    }
    // A removed generation, a prompt's other text.
    ok(a.path(), &["remove", "--generation", "M,p2,2"]);
    assert_ne!(ok(a.path(), &["digest"]), first);
}

#[test]
fn moved_images_are_found_again_without_being_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir, &["init"]);
    let before = ok(dir, &["digest"]);
    let paths = || rows(dir, "data", "SELECT path FROM generations");
    let known = paths();
    assert!(refused(dir, &["relocate", "pictures", "images"]).contains("no image is below"));
    // They are still where they were.
    fs::create_dir(dir.join("moved")).unwrap();
    assert!(refused(dir, &["relocate", "images", "moved"]).contains("still in the old one"));
    fs::remove_dir(dir.join("moved")).unwrap();
    fs::rename(dir.join("images"), dir.join("moved")).unwrap();
    assert!(refused(dir, &["relocate", "images", "data"]).contains("none of the 6 images"));
    assert!(refused(dir, &["relocate", "images", "nowhere"]).contains("no such file"));
    let trial = msdata(dir, &["relocate", "images", "moved", "--dry-run"]).output().unwrap();
    assert!(err(&trial).contains("6 images would be relocated, 0 of them read"), "{}", err(&trial));
    assert_eq!(paths(), known);
    let done = msdata(dir, &["relocate", "images/", "moved/"]).output().unwrap();
    assert!(err(&done).contains("6 images relocated, 0 of them read"), "{}", err(&done));
    assert!(paths().iter().all(|path| path.contains("/moved/")), "{:?}", paths());
    let again = msdata(dir, &["ingest"]).output().unwrap();
    assert!(err(&again).contains("0 read now"), "{}", err(&again));
    assert_eq!(ok(dir, &["digest"]), before);

    // Noticed too late: they are missing by then. Copied, so that times differ: read, and the same.
    fs::create_dir(dir.join("copied")).unwrap();
    for name in tree(&dir.join("moved")) {
        fs::write(dir.join("copied").join(&name), fs::read(dir.join("moved").join(&name)).unwrap()).unwrap();
    }
    fs::remove_dir_all(dir.join("moved")).unwrap();
    assert_eq!(msdata(dir, &["ingest"]).output().unwrap().status.code(), Some(3));
    // Of other content: refused by name, and nothing changes.
    let kept = fs::read(dir.join("copied/dog.png")).unwrap();
    fs::write(dir.join("copied/dog.png"), png(9)).unwrap();
    let told = refused(dir, &["relocate", "moved", "copied"]);
    assert!(told.contains("1 file has content that differs"), "{told}");
    assert!(told.contains("dog.png") && paths().iter().all(|path| path.contains("/moved/")), "{told}");
    fs::write(dir.join("copied/dog.png"), kept).unwrap();
    let done = msdata(dir, &["relocate", "moved", "copied"]).output().unwrap();
    assert!(err(&done).contains("6 images relocated, 6 of them read"), "{}", err(&done));
    ok(dir, &["verify", "--deep"]);
    assert_eq!(ok(dir, &["digest"]), before);
}

#[test]
fn a_folder_with_a_relative_data_set_can_be_moved() {
    let outer = tempfile::tempdir().unwrap();
    let (here, there) = (outer.path().join("here"), outer.path().join("there/deeper"));
    made(&here, &["init", "--relative"]);
    ok(&here, &["controls", "make"]);
    let before = ok(&here, &["digest"]);
    let report = ok(&here, &["report", "--format", "json"]);
    fs::create_dir(outer.path().join("there")).unwrap();
    fs::rename(&here, &there).unwrap();
    let dir = there.as_path();

    let mut paths = rows(dir, "data", "SELECT path FROM generations");
    paths.extend(rows(dir, "data", "SELECT \"references\" ->> 0 FROM subjects"));
    assert!(paths.contains(&"../images/p1-1.png".to_owned()) && paths.contains(&"../images/cat.png".to_owned()), "{paths:?}");
    assert!(paths.iter().all(|path| path.starts_with("../images/") || path.starts_with("controls/")), "{paths:?}");
    ok(dir, &["verify", "--deep"]);
    let again = msdata(dir, &INGEST).output().unwrap();
    assert!(err(&again).contains("0 read now"), "{}", err(&again));
    assert_eq!(ok(dir, &["digest"]), before);
    assert_eq!(ok(dir, &["report", "--format", "json"]), report);
    // Every reader of images finds them.
    assert_eq!(msdata(dir, &["subjects", "check"]).output().unwrap().status.code().map(|code| code < 2), Some(true));
    ok(dir, &["bench", "export", "--for", "jobs", "--seeds", "1", "jobs"]);
    let page = msdata(dir, &["report", "--html", "page"]).output().unwrap();
    assert!(err(&page).contains(" images shown, 0 missing or unusable"), "{}", err(&page));
    ok(dir, &["controls", "make"]);
    // The exported tables say what the views say.
    ok(dir, &["export", "tables"]);
    let exported = fs::read(dir.join("tables/generations.parquet")).unwrap();
    assert!(!exported.windows(6).any(|w| w == b"deeper"), "an absolute path is in the export");
    let run = Command::new(env!("CARGO_BIN_EXE_msdata"))
        .current_dir(outer.path())
        .args([
            "-d",
            "there/deeper/data",
            "run",
            "--model",
            "N",
            "--seeds",
            "5",
            "--command",
            "cp there/deeper/images/cat.png {output}",
        ])
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", err(&run));
    assert_eq!(
        rows(dir, "data", "SELECT path FROM generations WHERE model = 'N'"),
        ["generated/N/p1/5.png", "generated/N/p2/5.png"]
    );
    // Moved by themselves, they are relocated like any other.
    fs::rename(dir.join("images"), dir.join("data/pictures")).unwrap();
    ok(dir, &["relocate", "images", "data/pictures"]);
    assert!(rows(dir, "data", "SELECT path FROM generations WHERE model = 'M'").contains(&"pictures/p1-1.png".to_owned()));
    ok(dir, &["verify", "--deep"]);
}

fn untar(archive: &Path, into: &Path) {
    fs::create_dir_all(into).unwrap();
    let done = Command::new("tar").arg("xf").arg(archive).arg("-C").arg(into).output().unwrap();
    assert!(done.status.success(), "{}", err(&done));
}

#[test]
fn a_backup_of_a_data_set_in_use_is_a_sound_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir, &["init", "--relative"]);
    ok(dir, &["controls", "make"]);
    let digest = ok(dir, &["digest"]);
    ok(dir, &["backup", "b.tar"]);
    untar(&dir.join("b.tar"), &dir.join("restored"));
    fs::create_dir_all(dir.join("restored/images")).unwrap();
    for name in tree(&dir.join("images")) {
        Command::new("cp").arg("-p").arg(dir.join("images").join(&name)).arg(dir.join("restored/images")).status().unwrap();
    }
    let restored = dir.join("restored");
    assert!(ok(&restored, &["verify", "--deep"]).contains("sound"));
    assert_eq!(ok(&restored, &["digest"]), digest);
    let again = msdata(&restored, &["ingest"]).output().unwrap();
    assert!(err(&again).contains("0 read now"), "times are restored to the nanosecond: {}", err(&again));
    assert_eq!(tree(dir).iter().filter(|name| name.contains("msdata-tmp") || name.contains("-journal")).count(), 0);

    // Through a pipe; over an earlier backup, but over nothing else.
    let through = msdata(dir, &["backup", "/dev/stdout"]).output().unwrap();
    fs::write(dir.join("piped.tar"), through.stdout).unwrap();
    untar(&dir.join("piped.tar"), &dir.join("piped"));
    assert_eq!(ok(&dir.join("piped"), &["digest"]), digest);
    ok(dir, &["backup", "b.tar"]);
    assert!(refused(dir, &["backup", "subjects.jsonl"]).contains("is not a backup"));
    assert!(refused(dir, &["backup", "images/"]).contains("names a directory"));

    // A writer that adds and removes all the time.
    let mut writer = Command::new("sh");
    let script = "while :; do $0 -q -d data remove --model M; $0 -q -d data ingest --generations generations.jsonl; done";
    let mut writer = writer
        .current_dir(dir)
        .args(["-c", script, env!("CARGO_BIN_EXE_msdata")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let mut outcomes = Vec::new();
    for n in 0..6 {
        let file = format!("busy{n}.tar");
        let done = msdata(dir, &["backup", &file]).output().unwrap();
        outcomes.push((file, done));
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    for (file, done) in outcomes {
        assert_eq!(done.status.code(), Some(0), "{}", err(&done));
        let into = dir.join(file.replace(".tar", ""));
        untar(&dir.join(&file), &into);
        fs::create_dir(into.join("images")).unwrap();
        for name in tree(&dir.join("images")) {
            Command::new("cp").arg("-p").arg(dir.join("images").join(&name)).arg(into.join("images")).status().unwrap();
        }
        assert!(ok(&into, &["verify", "--deep"]).contains("sound"), "{file}");
    }

    // A part that is not what was written is not backed up in silence, and an earlier backup stays.
    let part = tree(&dir.join("data/embeddings")).into_iter().find(|name| name.ends_with(".parquet")).unwrap();
    let part = dir.join("data/embeddings").join(part);
    let mut bytes = fs::read(&part).unwrap();
    bytes[100] ^= 1;
    fs::write(&part, bytes).unwrap();
    let earlier = fs::read(dir.join("b.tar")).unwrap();
    assert!(refused(dir, &["backup", "b.tar"]).contains("checksum differs"));
    assert_eq!(fs::read(dir.join("b.tar")).unwrap(), earlier);
}

#[test]
fn garbage_is_named_and_removed_only_on_demand() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir, &["init"]);
    ok(dir, &["controls", "make"]);
    assert_eq!(ok(dir, &["gc"]), "");
    let digest = ok(dir, &["digest"]);
    let data = dir.join("data");
    fs::create_dir_all(data.join("generated/M/p1/.7.2.msdata-run")).unwrap();
    fs::create_dir_all(data.join("generated/M/p1/.8.msdata-run")).unwrap();
    for (file, garbage) in [
        ("embeddings/part-000999.parquet", true),
        ("embeddings/part-001000.parquet.tmp", true),
        ("embeddings/mine.parquet", false),
        ("generated/M/p1/.7.2.msdata-run/7.png", true),
        ("generated/M/p1/.8.msdata-run/8.png", false), // the next run takes it, if it is whole
        ("generated/M/p1/9.png", false),
        ("controls/crop/gone-0123456789ab-512.png", true),
        ("controls/crop/mine.png", false),
        (".table.csv.0.msdata-tmp", true),
        ("table.csv.tmp", false),
    ] {
        fs::write(data.join(file), "1234567").unwrap();
        let listed = ok(dir, &["gc"]);
        let shown = listed.lines().any(|line| file.contains(line.split(": ").next().unwrap().rsplit('/').next().unwrap()));
        assert_eq!(shown, garbage, "{file}: {listed}");
    }
    // What another process is writing is not garbage.
    let held = File::create(data.join(".held.0.msdata-tmp")).unwrap();
    held.lock().unwrap();
    let before = tree(&data);
    let listed = ok(dir, &["gc"]);
    assert_eq!((listed.lines().count(), listed.contains("held")), (5, false), "{listed}");
    assert_eq!(tree(&data), before);
    let done = msdata(dir, &["gc", "--yes"]).output().unwrap();
    assert!(err(&done).contains("removed 5 of 5"), "{}", err(&done));
    let gone: Vec<String> = before.into_iter().filter(|name| !tree(&data).contains(name)).collect();
    let expected = [
        ".table.csv.0.msdata-tmp",
        "controls/crop/gone-0123456789ab-512.png",
        "embeddings/part-000999.parquet",
        "embeddings/part-001000.parquet.tmp",
        "generated/M/p1/.7.2.msdata-run",
        "generated/M/p1/.7.2.msdata-run/7.png",
    ];
    assert_eq!(gone, expected);
    assert_eq!(ok(dir, &["digest"]), digest);
    // Pictures of a prompt that is gone; the others stay.
    ok(dir, &["remove", "--model", "M"]);
    ok(dir, &["remove", "--prompt", "p2"]);
    let listed = ok(dir, &["gc"]);
    assert!(listed.contains("controls/composite/p2-") && !listed.contains("composite/p1-"), "{listed}");
    // While another writes, there is nothing that can be said.
    let lock = File::options().write(true).open(data.join(".lock")).unwrap();
    lock.lock().unwrap();
    assert!(refused(dir, &["gc"]).contains("another msdata is writing"));
}
