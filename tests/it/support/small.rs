//! A small data set made by the program itself: two subjects, two prompts, four images of one model.

use msdata::image::{Rgb, png};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A picture that no other number gives.
pub fn picture(number: usize) -> Vec<u8> {
    let pixels = (0..32 * 32 * 3).map(|p| (p * (2 * number + 3) + p / 97 * number) as u8).collect();
    png(&Rgb { width: 32, height: 32, pixels }).unwrap()
}

/// Writes manifests into `dir`, and their images into `dir`/images.
pub fn write(dir: &Path) {
    fs::create_dir_all(dir.join("images")).unwrap();
    let (mut subjects, mut prompts, mut generations) = (String::new(), String::new(), String::new());
    for (i, label) in ["cat", "dog"].into_iter().enumerate() {
        let path = format!("images/{label}.png");
        fs::write(dir.join(&path), picture(i)).unwrap();
        subjects += &format!("{}\n", json!({"subject_id": label, "label": label, "references": [path]}));
    }
    for p in ["p1", "p2"] {
        let row = json!({"prompt_id": p, "text": format!("A cat and a dog, {p}."), "scene_type": "neutral", "subjects": ["cat", "dog"]});
        prompts += &format!("{row}\n");
        for seed in [1, 2] {
            let path = format!("images/{p}-{seed}.png");
            fs::write(dir.join(&path), picture(generations.len() + 5)).unwrap();
            generations += &format!("{}\n", json!({"model": "M", "prompt_id": p, "seed": seed, "path": path}));
        }
    }
    fs::write(dir.join("subjects.jsonl"), subjects).unwrap();
    fs::write(dir.join("prompts.jsonl"), prompts).unwrap();
    fs::write(dir.join("generations.jsonl"), generations).unwrap();
}

/// The arguments that ingest what [`write()`] wrote, seen from its directory.
pub const INGEST: [&str; 9] = [
    "ingest",
    "--subjects",
    "subjects.jsonl",
    "--prompts",
    "prompts.jsonl",
    "--generations",
    "generations.jsonl",
    "--encoder",
    "builtin-texture",
];

/// `msdata -d data …`, in `dir`.
pub fn msdata(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msdata"));
    command.current_dir(dir).args(["-d", "data"]).args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a command that must end well wrote to standard output.
pub fn ok(dir: &Path, arguments: &[&str]) -> String {
    let done = msdata(dir, arguments).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", stderr(&done));
    String::from_utf8(done.stdout).unwrap()
}

/// What a command that must fail wrote to standard error.
pub fn refused(dir: &Path, arguments: &[&str]) -> String {
    let done = msdata(dir, arguments).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{arguments:?}: {}", stderr(&done));
    stderr(&done)
}

/// Writes, makes and fills a data set in `dir`/data.
pub fn made(dir: &Path, init: &[&str]) {
    write(dir);
    ok(dir, init);
    ok(dir, &INGEST);
}

/// What a command wrote to standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every file and directory below `dir`, by path relative to it.
pub fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(dir).unwrap().display().to_string());
            if path.symlink_metadata().unwrap().is_dir() {
                open.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What below `dir` has a temporary name of ours.
pub fn temporary(dir: &Path) -> Vec<String> {
    tree(dir).into_iter().filter(|name| name.contains("msdata-tmp") || name.contains("msdata-run")).collect()
}
