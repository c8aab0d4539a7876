//! Windows' vectors that are kept: a new reference costs no new pass, the numbers are the same to the last digit, and
//! what is kept is checked, repaired, removed, moved and copied as everything else is.

use crate::windows::{Lab, figure, scene};
use msdata::embeddings::{KeptWindows, Layout, WindowReader};
use msdata::windows::Pattern;
use serde_json::json;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Images of the lab.
const IMAGES: usize = 12;

impl Lab {
    fn kept_files(&self, data: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.path(data).join("embeddings")).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("windows-") && name.ends_with(".parquet")
        });
        files.sort();
        files
    }

    /// Everything that is kept, by image.
    fn kept(&self, data: &str, pattern: Pattern) -> Vec<KeptWindows> {
        let dimension = self.ok(&["-d", data, "sql", "SELECT dimension FROM encoder", "--format", "csv"]);
        let dimension = dimension.lines().nth(1).unwrap().parse().unwrap();
        let layout = Layout { windows: pattern.count(), dimension };
        let mut kept = Vec::new();
        for file in self.kept_files(data) {
            let reader = WindowReader::open(&file, layout).unwrap();
            kept.extend(reader.read(&(0..reader.rows() as u32).collect::<Vec<_>>()).unwrap());
        }
        kept.sort_by_key(|image| image.source);
        kept
    }

    /// A seventh subject, in `more.jsonl`.
    fn write_seventh(&self) {
        figure(7).save(self.path("s7.png")).unwrap();
        let row = json!({"subject_id": "s7", "label": "seventh", "references": ["s7.png"]});
        fs::write(self.path("more.jsonl"), row.to_string()).unwrap();
    }

    /// A data set that had seven subjects from the beginning and keeps nothing; its digest.
    fn fresh_with_seventh(&self) -> String {
        self.ok(&["init", "fresh"]);
        self.ok(&["-d", "fresh", "ingest", "--subjects", "subjects.jsonl", "--subjects", "more.jsonl", "--no-embed"]);
        let rest =
            ["--prompts", "prompts.jsonl", "--generations", "generations.jsonl", "--windows", "fast", "--keep-windows", "0"];
        self.ok(&[&["-d", "fresh", "ingest"], &rest[..]].concat());
        assert!(self.kept_files("fresh").is_empty());
        self.ok(&["-d", "fresh", "digest"])
    }

    /// Makes the generated images something else while their size and time say that they are not: whoever reads them
    /// finds out.
    fn spoil_images(&self) {
        for at in 0..IMAGES / 2 {
            for model in ["right", "wrong"] {
                let path = self.path(&format!("{model}_{at}.png"));
                let (bytes, time) = (fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap());
                fs::write(&path, vec![0; bytes.len()]).unwrap();
                fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            }
        }
    }

    /// What a command says beside its results.
    fn told(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    fn change(&self, sql: &str) {
        let db = rusqlite::Connection::open(self.path("data/catalog.sqlite")).unwrap();
        assert!(db.execute(sql, []).unwrap() > 0, "{sql}");
    }

    fn verify(&self) -> (bool, String) {
        let output = self.run(&["verify", "--deep"]);
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }
}

#[test]
fn a_new_reference_costs_no_pass_over_images_whose_windows_are_kept() {
    let lab = Lab::new();
    lab.ingest(&["--windows", "fast"]);
    assert_eq!((lab.kept_files("data").len(), lab.kept("data", Pattern::Fast).len()), (1, IMAGES));
    lab.write_seventh();
    let (before, fresh) = (lab.ok(&["digest"]), lab.fresh_with_seventh());
    lab.spoil_images();
    lab.ok(&["ingest", "--subjects", "more.jsonl", "--no-embed"]);
    let said = lab.told(&["embed"]);
    assert!(said.contains("compared 12 images by their kept windows (fast)") && !said.contains("searched"), "{said}");
    assert_eq!(lab.ok(&["digest"]), fresh);
    assert_eq!(lab.sql("SELECT count(*) FROM window_score"), "count(*)\n12\n");
    // A subject less needs no network at all.
    lab.ok(&["remove", "--subject", "s7"]);
    let said = lab.told(&["embed"]);
    assert!(said.contains("compared 12 images") && !said.contains("embedded with"), "{said}");
    assert_eq!(lab.ok(&["digest"]), before);
}

#[test]
fn what_finds_no_room_is_looked_through_again() {
    let lab = Lab::new();
    let bytes = Layout { windows: 34, dimension: lab_dimension(&lab) }.bytes();
    let room = (3 * bytes + 4096).to_string();
    lab.ingest(&["--no-embed"]);
    let said = lab.told(&["embed", "--windows", "fast", "--keep-windows", &room]);
    let kept = lab.kept("data", Pattern::Fast).len();
    assert!((3..=4).contains(&kept), "{kept}");
    let size: u64 = lab.kept_files("data").iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(size <= 3 * bytes + 4096 + 2048, "{size} of {room}");
    assert!(said.contains(&format!("the windows of {} images did not fit within --keep-windows", IMAGES - kept)), "{said}");
    lab.write_seventh();
    let fresh = lab.fresh_with_seventh();
    // The choice is remembered; what is kept is compared, the rest is searched.
    lab.ok(&["ingest", "--subjects", "more.jsonl", "--no-embed"]);
    let said = lab.told(&["embed"]);
    assert!(said.contains(&format!("compared {kept} images")), "{said}");
    assert!(said.contains(&format!("searched {} images", IMAGES - kept)), "{said}");
    assert_eq!(lab.kept("data", Pattern::Fast).len(), kept);
    assert_eq!(lab.ok(&["digest"]), fresh);
    // Less room: what is over goes, and the scores stay.
    let said = lab.told(&["embed", "--keep-windows", "0"]);
    assert!(said.contains(&format!("the kept windows of {kept} images were removed")), "{said}");
    assert!(lab.kept_files("data").is_empty());
    assert_eq!(lab.ok(&["digest"]), fresh);
    assert_eq!(lab.sql("SELECT keep_bytes FROM window_choice"), "keep_bytes\n0\n");
    let refused = lab.run(&["embed", "--keep-windows", "much"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("a size such as 20MB, 800KB or 1.5GB, or 0"), "{said}");
}

fn lab_dimension(lab: &Lab) -> usize {
    lab.ok(&["init", "probe"]);
    lab.ok(&["-d", "probe", "ingest", "--subjects", "subjects.jsonl", "--windows", "none"]);
    let said = lab.ok(&["-d", "probe", "sql", "SELECT dimension FROM encoder", "--format", "csv"]);
    said.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_same_bytes_on_any_number_of_threads_and_after_five_kills() {
    let lab = Lab::new();
    let files = ["--subjects", "subjects.jsonl", "--prompts", "prompts.jsonl", "--generations", "generations.jsonl"];
    let tables = |data: &str| {
        let to = format!("{data}-tables");
        lab.ok(&["-d", data, "export", &to]);
        let (mut dirs, mut files) = (vec![lab.path(&to)], Vec::new());
        while let Some(dir) = dirs.pop() {
            for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() { dirs.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
            .iter()
            .map(|file| (file.strip_prefix(lab.path(&to)).unwrap().to_owned(), fs::read(file).unwrap()))
            .collect::<Vec<_>>()
    };
    for (data, threads) in [("one", "1"), ("two", "2"), ("eight", "8")] {
        lab.ok(&["init", data]);
        lab.ok(&[&["-d", data, "ingest", "--windows", "full", "--threads", threads], &files[..]].concat());
    }
    let (digest, exported) = (lab.ok(&["-d", "one", "digest"]), tables("one"));
    let bytes = |data: &str| lab.kept_files(data).iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>();
    for other in ["two", "eight"] {
        assert_eq!(lab.ok(&["-d", other, "digest"]), digest);
        assert!(tables(other) == exported && bytes(other) == bytes("one"), "{other} threads");
    }
    // Killed when two more images are through, five times.
    lab.ok(&["init", "killed"]);
    lab.ok(&[&["-d", "killed", "ingest", "--no-embed"], &files[..]].concat());
    let through = || {
        let db = rusqlite::Connection::open(lab.path("killed/catalog.sqlite")).unwrap();
        db.query_row("SELECT count(*) FROM window_score", [], |r| r.get::<_, i64>(0)).unwrap() as usize
    };
    for kill in 1..=5 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_msdata"));
        command.args(["-d", "killed", "embed", "--windows", "full"]).current_dir(lab.path(""));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while through() < 2 * kill {
            assert!(child.try_wait().unwrap().is_none(), "kill {kill} came too late");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(through() < IMAGES, "the last kill came too late");
    lab.ok(&["-d", "killed", "embed"]);
    assert_eq!(lab.ok(&["-d", "killed", "digest"]), digest);
    assert!(tables("killed") == exported);
    let whole = lab.kept("one", Pattern::Full);
    assert!(whole.len() == IMAGES && lab.kept("killed", Pattern::Full) == whole, "whatever was searched is kept");
}

#[test]
fn a_wrong_local_score_is_found_and_made_anew() {
    let lab = Lab::new();
    lab.ingest(&["--windows", "fast"]);
    let digest = lab.ok(&["digest"]);
    let (sound, said) = lab.verify();
    assert!(sound && said.contains("the windows of 12 images embedded again"), "{said}");
    let of_all = "generation = (SELECT min(id) FROM generation)";
    for change in [
        format!("UPDATE local_score SET local = local - 1e-9 WHERE {of_all}"),
        format!("UPDATE subject_place SET x = x + 1 WHERE {of_all}"),
        format!("DELETE FROM found_place WHERE {of_all}"),
    ] {
        lab.change(&change);
        let (sound, said) = lab.verify();
        assert!(!sound, "{change}");
        let fault = "the local similarities of 1 generations by `builtin-texture` are not what their kept windows say";
        assert!(said.contains(fault), "{change}: {said}");
        let repaired = lab.ok(&["verify", "--repair"]);
        assert!(repaired.contains("of 1 generations by builtin-texture are removed"), "{repaired}");
        let said = lab.told(&["embed"]);
        assert!(said.contains("compared 1 images") && !said.contains("searched"), "{said}");
        assert_eq!(lab.ok(&["digest"]), digest);
        assert!(lab.verify().0);
    }
    // Where nothing is kept, the encoder says so, but for what another device may make of it.
    lab.ok(&["embed", "--keep-windows", "0"]);
    lab.change(&format!("UPDATE local_score SET uncentred = uncentred - 1e-5 WHERE {of_all}"));
    assert!(lab.verify().0);
    lab.change(&format!("UPDATE local_score SET uncentred = uncentred - 0.01 WHERE {of_all}"));
    let (sound, said) = lab.verify();
    assert!(!sound && said.contains("are not what the encoder sees in their images (12 looked at)"), "{said}");
    let repaired = lab.ok(&["verify", "--repair"]);
    assert!(repaired.contains("of 1 generations by builtin-texture are removed"), "{repaired}");
    assert!(lab.told(&["embed"]).contains("searched 1 images"));
    assert_eq!(lab.ok(&["digest"]), digest);
}

#[test]
fn where_the_encoder_is_not_at_hand_verification_says_so() {
    let lab = Lab::new();
    lab.ingest(&["--windows", "fast"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_msdata"));
    command.args(["-d", "data", "verify", "--deep"]).current_dir(lab.path("")).env("ORT_DYLIB_PATH", "/nowhere");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("not checked: local similarities by `builtin-texture` against the images: the encoder is not at hand"),
        "{said}"
    );
    // What is kept is compared all the same.
    lab.change("UPDATE local_score SET local = local / 2 WHERE generation = (SELECT min(id) FROM generation)");
    assert_eq!(command.output().unwrap().status.code(), Some(1));
}

#[test]
fn damaged_kept_windows_are_found_and_go_alone() {
    let lab = Lab::new();
    lab.ingest(&["--windows", "fast"]);
    let (digest, part) = (lab.ok(&["digest"]), lab.kept_files("data").remove(0));
    let file = fs::File::options().read(true).write(true).open(&part).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 4000).unwrap();
    file.write_all_at(&[byte[0] ^ 4], 4000).unwrap();
    assert!(lab.ok(&["verify"]).contains("sound"), "the bytes are not read");
    let (sound, said) = lab.verify();
    assert!(!sound && said.contains("windows-000001.parquet is not what was written: its checksum differs"), "{said}");
    // Nobody compares with them either.
    lab.write_seventh();
    let fresh = lab.fresh_with_seventh();
    lab.ok(&["ingest", "--subjects", "more.jsonl", "--no-embed"]);
    let refused = lab.run(&["embed"]);
    assert!(!refused.status.success(), "rotten vectors are not compared");
    let repaired = lab.ok(&["verify", "--repair"]);
    assert!(repaired.contains("the windows of 12 images are taken out; their scores stay"), "{repaired}");
    assert!(!part.exists() && part.with_extension("parquet.damaged").exists());
    assert!(lab.told(&["embed"]).contains("searched 12 images"));
    assert_eq!(lab.ok(&["digest"]), fresh);
    assert_ne!(fresh, digest);
    assert_eq!(lab.kept("data", Pattern::Fast).len(), IMAGES);
    // A part that is gone.
    let part = lab.kept_files("data").remove(0);
    fs::remove_file(part).unwrap();
    let said = String::from_utf8(lab.run(&["verify"]).stdout).unwrap();
    assert!(said.contains("is gone") && said.contains("1 fault"), "{said}");
    lab.ok(&["verify", "--repair"]);
    assert_eq!((lab.verify().0, lab.ok(&["digest"])), (true, fresh));
}

#[test]
fn kept_windows_follow_their_image_their_pattern_and_their_encoder() {
    let lab = Lab::new();
    lab.ingest(&["--windows", "fast"]);
    let sources = || lab.kept("data", Pattern::Fast).iter().map(|kept| kept.source).collect::<Vec<_>>();
    let named = || lab.sql("SELECT count(*) FROM window_vector").lines().nth(1).unwrap().parse::<usize>().unwrap();
    let before = sources();
    scene([None, None, Some(5), None]).save(lab.path("right_0.png")).unwrap();
    lab.ingest(&["--replace"]);
    assert_eq!((named(), sources().len()), (IMAGES, IMAGES + 1), "the part of the others keeps its bytes");
    assert!(before.iter().all(|source| sources().contains(source)));
    assert!(lab.verify().0);
    // Other windows take the place of those before.
    lab.ok(&["embed", "--windows", "full"]);
    assert_eq!((named(), lab.kept("data", Pattern::Full).len()), (IMAGES, IMAGES));
    assert!(lab.verify().0);
    // Another choice for transparent pixels is another encoder.
    lab.ok(&["embed", "--transparency", "white", "--keep-windows", "0"]);
    assert_eq!((named(), lab.kept_files("data").len()), (0, 0));
    assert!(lab.verify().0);
}

#[test]
fn kept_windows_are_removed_collected_copied_and_stay_when_images_move() {
    let lab = Lab::new();
    lab.ingest(&["--windows", "fast"]);
    lab.ok(&["remove", "--model", "wrong"]);
    assert_eq!(lab.sql("SELECT count(*) FROM window_vector"), "count(*)\n6\n");
    assert_eq!(lab.kept_files("data").len(), 1);
    // Left over by a killed run.
    fs::write(lab.path("data/embeddings/windows-000009.parquet"), "torn").unwrap();
    fs::write(lab.path("data/embeddings/windows-000010.parquet.tmp"), "torn").unwrap();
    assert!(lab.ok(&["verify"]).contains("windows-000009.parquet is a leftover"));
    let garbage = lab.ok(&["gc"]);
    assert!(garbage.contains("windows-000009.parquet") && garbage.contains("windows-000010.parquet.tmp"), "{garbage}");
    lab.ok(&["gc", "--yes"]);
    assert_eq!(lab.kept_files("data").len(), 1);
    // The copy has them.
    lab.ok(&["backup", "copy.tar"]);
    fs::create_dir(lab.path("restored")).unwrap();
    let untar = Command::new("tar").args(["-xf", "../copy.tar"]).current_dir(lab.path("restored")).status().unwrap();
    assert!(untar.success());
    assert_eq!(lab.kept("restored/data", Pattern::Fast), lab.kept("data", Pattern::Fast));
    assert!(lab.ok(&["-d", "restored/data", "verify", "--deep"]).contains("sound"));
    // Images that were moved are the same images.
    fs::create_dir(lab.path("moved")).unwrap();
    for at in 0..IMAGES / 2 {
        fs::rename(lab.path(&format!("right_{at}.png")), lab.path(&format!("moved/right_{at}.png"))).unwrap();
        lab.ok(&["relocate", &format!("right_{at}.png"), &format!("moved/right_{at}.png")]);
    }
    lab.write_seventh();
    lab.ok(&["ingest", "--subjects", "more.jsonl", "--no-embed"]);
    let said = lab.told(&["embed"]);
    assert!(said.contains("compared 6 images") && !said.contains("searched"), "{said}");
    // Exports hold no windows' vectors.
    lab.ok(&["export", "tables"]);
    let names = fs::read_dir(lab.path("tables")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.contains("windows")));
    lab.ok(&["remove", "--model", "right"]);
    assert!(lab.kept_files("data").is_empty() && lab.verify().0);
}
