//! A small data set made by the program itself: two subjects, two prompts, four images of one model.

use super::lab::ok;
use super::pictures::{encoded, picture};
use image::ImageFormat;
use serde_json::json;
use std::fs;
use std::path::Path;

/// A picture's file.
pub fn png(number: u32) -> Vec<u8> {
    encoded(picture(number, 32, 32), ImageFormat::Png)
}

/// Writes manifests into `dir`, and their images into `dir`/images.
pub fn write(dir: &Path) {
    fs::create_dir_all(dir.join("images")).unwrap();
    let (mut subjects, mut prompts, mut generations) = (String::new(), String::new(), String::new());
    for (i, label) in ["cat", "dog"].into_iter().enumerate() {
        let path = format!("images/{label}.png");
        fs::write(dir.join(&path), png(i as u32)).unwrap();
        subjects += &format!("{}\n", json!({"subject_id": label, "label": label, "references": [path]}));
    }
    for p in ["p1", "p2"] {
        let row = json!({"prompt_id": p, "text": format!("A cat and a dog, {p}."), "scene_type": "neutral", "subjects": ["cat", "dog"]});
        prompts += &format!("{row}\n");
        for seed in [1, 2] {
            let path = format!("images/{p}-{seed}.png");
            fs::write(dir.join(&path), png(generations.len() as u32 + 5)).unwrap();
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

/// Writes, makes and fills a data set in `dir`/data.
pub fn made(dir: &Path, init: &[&str]) {
    write(dir);
    ok(dir, init);
    ok(dir, &INGEST);
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
