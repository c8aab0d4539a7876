//! Rows, scores and reports, each beside what one does without msdata, in one run. Results: docs/performance.md.
//!
//!     cargo bench --bench catalog                 all of it
//!     cargo bench --bench catalog -- reports      one part: rows, scores, reports, models or start
//!
//! `MSDATA_BENCH_ROWS` is how many generations the first two have (100,000), `MSDATA_BENCH_LARGE` how many the catalog of
//! reports has (1,000,000).
//!
//! - **ingest** of manifests whose images have some 100 bytes, new and again unchanged, against a Python loop
//!   that reads, hashes and inserts the same (benches/catalog_peer.py);
//! - **score** of vectors of 768 numbers, 2 to 10 subjects an image, against numpy and DuckDB on the same Parquet;
//! - **reports** of a catalog that is filled through SQL (benches/large_catalog.py), and of its exported tables, against
//!   DuckDB attached to the same file, and on the same tables;
//! - **models**: every pair of 1,000 models on 75 prompts;
//! - **start**: `--version`, and the report of the paper's 675 images, from the start of the process.
//!
//! `MSDATA_PYTHON` names the Python that has numpy, pyarrow and DuckDB with its SQLite extension (`make bench` sets it).

#![allow(clippy::unwrap_used)]

#[path = "../tests/it/support/prescribed.rs"]
mod prescribed;

use msdata::catalog::VectorKey;
use msdata::embeddings::ExportWriter;
use prescribed::{Prescribed, Prompt, tiny_image};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const POOL: usize = 30;
const PROMPTS: usize = 500;
const DIMENSION: usize = 768;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn generations() -> usize {
    number("MSDATA_BENCH_ROWS", 100_000)
}

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |part: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == part);
    let lab = tempfile::tempdir().unwrap();
    if wants("rows") || wants("scores") {
        rows(lab.path());
    }
    if wants("scores") {
        scores(lab.path());
    }
    if wants("reports") {
        reports(lab.path());
    }
    if wants("models") {
        models(lab.path());
    }
    if wants("start") {
        start(lab.path());
    }
}

/// Prints a figure with its peer's.
fn beside(what: &str, (ours, memory): (f64, f64), peer: &str, theirs: f64) {
    println!("{what}: {ours:.2} s, {memory:.0} MiB; {peer}: {theirs:.2} s; {:.2} times as fast", theirs / ours);
}

/// Runs the program; seconds, and the most memory seen in MiB (sampled).
fn msdata(arguments: &[&str]) -> (f64, f64) {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_msdata")).arg("-q").args(arguments).stdout(Stdio::null()).spawn().unwrap();
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
    file("generations.jsonl", generations(), &|n| {
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
    println!("ingest of {} generations: {new:.2} s, {memory:.0} MiB; again, unchanged: {again:.2} s", generations());
    println!("  a Python loop that reads, hashes and inserts: {theirs:.2} s; {:.2} times as long", theirs / new);
}

fn scores(lab: &Path) {
    let (references, vectors) = (lab.join("references.parquet"), lab.join("generations.parquet"));
    let vector = |n: usize| (0..DIMENSION).map(|i| ((n * 31 + i * 17) as f32 * 0.37).sin()).collect::<Vec<f32>>();
    let writer = |path: &PathBuf| ExportWriter::create(path, "dinov2-small", "imported", "imported", DIMENSION).unwrap();
    let mut out = writer(&references);
    for n in 0..POOL {
        out.push(VectorKey::Reference(format!("S{n}").parse().unwrap(), 0), &vector(n)).unwrap();
    }
    out.finish().unwrap();
    let mut out = writer(&vectors);
    for n in 0..generations() {
        let (prompt, seed) = (n % PROMPTS, (n / PROMPTS) as i64);
        let key = VectorKey::Generation("M".parse().unwrap(), format!("p{prompt}").parse().unwrap(), seed);
        out.push(key, &vector(POOL + n)).unwrap();
    }
    out.finish().unwrap();
    let data = lab.join("data");
    let ingest =
        |path: &Path| msdata(&["-d", data.to_str().unwrap(), "ingest", "--no-embed", "--embeddings", path.to_str().unwrap()]);
    let (import, _) = ingest(&vectors);
    // With the references everything can be scored: nearly all of this is scoring.
    let (score, memory) = ingest(&references);
    let pairs: usize = (0..generations()).map(|n| subjects_of(n % PROMPTS).len()).sum();
    let theirs = |part: &str| peer(&[Path::new(part), &lab.join("input"), &references, &vectors]);
    println!("import of {} vectors of {DIMENSION} numbers: {import:.2} s", generations());
    let what = format!("scores of {pairs} pairs, into the catalog");
    for (part, peer) in
        [("duckdb", "DuckDB, to memory"), ("numpy", "numpy, to memory"), ("scores", "numpy, into SQLite in memory")]
    {
        beside(&what, (score, memory), peer, theirs(part));
    }
}

/// Fills a data set through SQL.
fn filled(data: &Path, models: usize, prompts: usize, seeds: usize) {
    msdata(&["init", data.to_str().unwrap()]);
    let python = std::env::var_os("MSDATA_PYTHON").unwrap_or_else(|| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/large_catalog.py");
    let numbers =
        [("--models", models), ("--prompts", prompts), ("--seeds", seeds)].map(|(flag, n)| [flag.to_owned(), n.to_string()]);
    let made = Command::new(python).arg(script).arg(data).args(numbers.iter().flatten()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    print!("{}", String::from_utf8_lossy(&made.stdout));
}

fn reports(lab: &Path) {
    let (data, out) = (lab.join("large"), lab.join("large.csv"));
    filled(&data, 10, number("MSDATA_BENCH_LARGE", 1_000_000) / 100, 10);
    let theirs = peer(&[Path::new("report"), &data.join("catalog.sqlite")]);
    let by = ["--by", "model,subject_count,scene_type", "--format", "csv", "--out", out.to_str().unwrap()];
    let of_data = ["-d", data.to_str().unwrap(), "report"];
    for (what, more) in [
        ("report of the catalog at three thresholds", &[][..]),
        ("the same with intervals", &["--ci", "95"]),
        ("the same at 101 thresholds", &["--thresholds", "0:1:0.01"]),
    ] {
        beside(what, msdata(&[&of_data[..], &by, more].concat()), "DuckDB attached, three thresholds", theirs);
    }
    beside("by kind of subject", msdata(&[&of_data[..], &["--by", "model,kind"], &by[2..]].concat()), "DuckDB, as above", theirs);
    let tables = lab.join("large-tables");
    peer(&[Path::new("make"), &data.join("catalog.sqlite"), &tables]);
    let theirs = peer(&[Path::new("tables"), &tables]);
    let of_tables = ["report", "--tables", tables.to_str().unwrap()];
    beside("report of the tables", msdata(&[&of_tables[..], &by].concat()), "DuckDB on the tables", theirs);
}

fn models(lab: &Path) {
    let (data, out) = (lab.join("models"), lab.join("models.csv"));
    filled(&data, 1_000, 75, 1);
    let compare = ["-d", data.to_str().unwrap(), "compare", "--format", "csv", "--out", out.to_str().unwrap()];
    for what in ["--leaderboard", "--all"] {
        let (seconds, memory) = msdata(&[&compare[..], &[what, "--measure", "scr@0.5"]].concat());
        println!("compare {what}, 1,000 models, 75 prompts: {seconds:.1} s, {memory:.0} MiB");
    }
}

fn start(lab: &Path) {
    let mut seconds: Vec<f64> = (0..9).map(|_| msdata(&["--version"]).0).collect();
    seconds.sort_by(f64::total_cmp);
    println!("--version: {:.3} s (median of 9)", seconds[4]);

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
