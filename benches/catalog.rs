//! Rows and scores at the scale of 100,000 generations. Results: docs/performance.md.
//!
//!     cargo bench --bench catalog
//!
//! - **ingest** of manifests whose images have some 100 bytes, new and again unchanged, against a Python loop
//!   that reads, hashes and inserts the same (benches/catalog_peer.py);
//! - **score** of vectors of 768 numbers, 2 to 10 subjects an image, against numpy on the same Parquet;
//! - **report** of the paper's 675 images, from the start of the process.
//!
//! `MSDATA_PYTHON` names the Python that has numpy and pyarrow (`make bench` sets it).

#![allow(clippy::unwrap_used)]

#[path = "../tests/it/support/prescribed.rs"]
mod prescribed;

use msdata::catalog::VectorKey;
use msdata::embeddings::ExportWriter;
use prescribed::{Prescribed, Prompt, tiny_image};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const GENERATIONS: usize = 100_000;
const POOL: usize = 30;
const PROMPTS: usize = 500;
const DIMENSION: usize = 768;

fn main() {
    let lab = tempfile::tempdir().unwrap();
    rows(lab.path());
    scores(lab.path());
    report(lab.path());
}

/// Runs the program; seconds, and the most memory seen in MiB (sampled).
fn msdata(arguments: &[&str]) -> (f64, f64) {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_msdata")).arg("-q").args(arguments).spawn().unwrap();
    let mut peak = 0.0_f64;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        peak = peak.max(line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(matches!(status.code(), Some(0 | 3)), "{arguments:?}: {status}");
            return (started.elapsed().as_secs_f64(), peak);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The seconds that a part of the peer took.
fn peer(arguments: &[&Path]) -> f64 {
    let python = std::env::var_os("MSDATA_PYTHON").unwrap_or_else(|| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/catalog_peer.py");
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn subjects_of(prompt: usize) -> Vec<usize> {
    (0..2 + 2 * (prompt % 5)).map(|i| (prompt + i) % POOL).collect()
}

fn rows(lab: &Path) {
    let input = lab.join("input");
    fs::create_dir_all(input.join("images")).unwrap();
    let file = |name: &str, count: usize, line: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        (0..count).for_each(|n| writeln!(text, "{}", line(n)).unwrap());
        fs::write(input.join(name), text).unwrap();
    };
    file("subjects.jsonl", POOL, &|n| {
        tiny_image(&input.join(format!("images/r{n}.png")), n as u32);
        format!(r#"{{"subject_id": "S{n}", "label": "thing", "references": ["images/r{n}.png"]}}"#)
    });
    file("prompts.jsonl", PROMPTS, &|n| {
        let subjects: Vec<String> = subjects_of(n).iter().map(|s| format!("\"S{s}\"")).collect();
        format!(r#"{{"prompt_id": "p{n}", "text": "Things.", "scene_type": "neutral", "subjects": [{}]}}"#, subjects.join(", "))
    });
    file("generations.jsonl", GENERATIONS, &|n| {
        tiny_image(&input.join(format!("images/{n}.png")), (POOL + n) as u32);
        let (prompt, seed) = (n % PROMPTS, n / PROMPTS);
        format!(r#"{{"model": "M", "prompt_id": "p{prompt}", "seed": {seed}, "path": "images/{n}.png"}}"#)
    });
    let data = lab.join("data");
    let data = data.to_str().unwrap();
    msdata(&["init", data]);
    let manifests: Vec<String> = ["subjects", "prompts", "generations"]
        .iter()
        .flat_map(|kind| [format!("--{kind}"), input.join(format!("{kind}.jsonl")).display().to_string()])
        .collect();
    let mut ingest = vec!["-d", data, "ingest", "--no-embed"];
    ingest.extend(manifests.iter().map(String::as_str));
    let (new, memory) = msdata(&ingest);
    let (again, _) = msdata(&ingest);
    let theirs = peer(&[Path::new("rows"), &input, &lab.join("peer.sqlite")]);
    println!("ingest of {GENERATIONS} generations: {new:.2} s, {memory:.0} MiB; again, unchanged: {again:.2} s");
    println!("  a Python loop that reads, hashes and inserts: {theirs:.2} s; {:.2} times as long", theirs / new);
}

fn scores(lab: &Path) {
    let (references, generations) = (lab.join("references.parquet"), lab.join("generations.parquet"));
    let vector = |n: usize| (0..DIMENSION).map(|i| ((n * 31 + i * 17) as f32 * 0.37).sin()).collect::<Vec<f32>>();
    let writer = |path: &PathBuf| ExportWriter::create(path, "dinov2-small", "imported", "imported", DIMENSION).unwrap();
    let mut out = writer(&references);
    for n in 0..POOL {
        out.push(VectorKey::Reference(format!("S{n}").parse().unwrap(), 0), &vector(n)).unwrap();
    }
    out.finish().unwrap();
    let mut out = writer(&generations);
    for n in 0..GENERATIONS {
        let (prompt, seed) = (n % PROMPTS, (n / PROMPTS) as i64);
        let key = VectorKey::Generation("M".parse().unwrap(), format!("p{prompt}").parse().unwrap(), seed);
        out.push(key, &vector(POOL + n)).unwrap();
    }
    out.finish().unwrap();
    let data = lab.join("data");
    let ingest =
        |path: &Path| msdata(&["-d", data.to_str().unwrap(), "ingest", "--no-embed", "--embeddings", path.to_str().unwrap()]);
    let (import, _) = ingest(&generations);
    // With the references everything can be scored: nearly all of this is scoring.
    let (score, memory) = ingest(&references);
    let pairs: usize = (0..GENERATIONS).map(|n| subjects_of(n % PROMPTS).len()).sum();
    let theirs = peer(&[Path::new("scores"), &lab.join("input"), &references, &generations]);
    println!("import of {GENERATIONS} vectors of {DIMENSION} numbers: {import:.2} s");
    println!("scores of {pairs} pairs, into the catalog: {score:.2} s, {memory:.0} MiB");
    println!("  numpy on the same Parquet, into SQLite: {theirs:.2} s; {:.2} times as long", theirs / score);
}

fn report(lab: &Path) {
    let set = Prescribed::paper();
    let mut files = set.write(&lab.join("paper"));
    let vectors = lab.join("paper.parquet");
    let of = |prompt: &Prompt| vec![0.45; prompt.subjects.len()];
    set.write_vectors(&vectors, "dinov2-small", |i| of(&set.prompts[i.prompt]), None);
    files.embeddings = vec![vectors];
    let data = lab.join("paper-data");
    prescribed::ingest(&mut msdata::Dataset::init(&data).unwrap(), &files);
    let out = lab.join("report.json");
    let arguments = ["-d", data.to_str().unwrap(), "report", "--format", "json", "--out", out.to_str().unwrap()];
    let mut seconds: Vec<f64> = (0..9).map(|_| msdata(&arguments).0).collect();
    seconds.sort_by(f64::total_cmp);
    println!("report of 675 images, from process start: {:.3} s (median of 9)", seconds[4]);
}
