//! The fuzz targets, driven on stable: mutations of their seeds, the same every time. For `MSDATA_FUZZ_SECONDS`
//! seconds a target, else for two.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use targets::{TARGETS, Target};

/// No input may take longer.
const SLOW: Duration = Duration::from_secs(10);

/// Longest input, in bytes.
const LONGEST: usize = 64 << 10;

/// What a mutation puts in.
const WORDS: [&[u8]; 24] = [
    b"\"",
    b"'",
    b";",
    b"\r\n",
    b"\r",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\0",
    b"\x1b",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"-",
    b"9223372036854775808",
    b"1e999",
    b"null",
    b"\\u0000",
    b"\\ud800",
    b"../",
    b"{seed}",
    b"*",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
];

/// Xorshift: small, and the same everywhere.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }
}

fn mutated(seeds: &[Vec<u8>], draws: &mut Draws) -> Vec<u8> {
    let mut data = seeds[draws.below(seeds.len())].clone();
    for _ in 0..=draws.below(6) {
        let at = draws.below(data.len() + 1);
        let length = draws.below(1 + (data.len() - at).min(64));
        match draws.below(8) {
            0 if at < data.len() => data[at] ^= 1 << draws.below(8),
            1 if at < data.len() => data[at] = draws.below(256) as u8,
            2 => drop(data.drain(at..at + length)),
            3 => drop(data.splice(at..at, WORDS[draws.below(WORDS.len())].iter().copied())),
            4 => {
                let chunk = data[at..at + length].to_vec();
                let to = draws.below(data.len() + 1);
                data.splice(to..to, chunk);
            }
            5 => {
                let other = &seeds[draws.below(seeds.len())];
                let from = draws.below(other.len() + 1);
                let length = draws.below(1 + (other.len() - from).min(256));
                data.splice(at..at, other[from..from + length].iter().copied());
            }
            6 if draws.below(8) == 0 => data.truncate(at),
            _ if at + 4 <= data.len() => {
                let number = [0, 1, 0x7fff_ffff, u32::MAX, 65_536, data.len() as u32][draws.below(6)];
                data[at..at + 4].copy_from_slice(&number.to_le_bytes());
            }
            _ => {}
        }
    }
    data.truncate(LONGEST);
    data
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn drive(name: &str, target: Target) {
    let seconds = std::env::var("MSDATA_FUZZ_SECONDS").map_or(2, |n| n.parse().unwrap());
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "no seeds of {name}");
    let dir = tempfile::tempdir().unwrap();
    let run = |number: u64, data: &[u8]| {
        let began = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| target(dir.path(), data)));
        if done.is_err() || began.elapsed() > SLOW {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}-{number}"));
            std::fs::write(&kept, data).unwrap();
            panic!("{name}: input {number} fails or takes {:?}; it is in {}", began.elapsed(), kept.display());
        }
    };
    seeds.iter().for_each(|seed| run(0, seed));
    let start = std::env::var("MSDATA_FUZZ_START").map_or(0x9e37_79b9_7f4a_7c15, |n| n.parse().unwrap());
    let (mut draws, began, mut number) = (Draws(start), Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        number += 1;
        run(number, &mutated(&seeds, &mut draws));
    }
    assert!(number > 20, "only {number} inputs of {name}");
    eprintln!("{name}: {number} inputs");
}

#[test]
fn mutated_manifests() {
    drive("manifest", TARGETS[0].1);
}

#[test]
fn mutated_embeddings() {
    drive("embeddings", TARGETS[1].1);
}

#[test]
fn mutated_images() {
    drive("image", TARGETS[2].1);
}

#[test]
fn mutated_layouts() {
    drive("layout", TARGETS[3].1);
}

#[test]
fn mutated_native_formats() {
    drive("native", TARGETS[4].1);
}

#[test]
fn mutated_regions() {
    drive("regions", TARGETS[5].1);
}

#[test]
fn mutated_containers() {
    drive("container", TARGETS[6].1);
}
