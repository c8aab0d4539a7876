//! Rows, scores and reports, each beside what one does without msdata, in one run. Results: docs/performance.md.
//!
//!     cargo bench --bench catalog                 all of it
//!     cargo bench --bench catalog -- reports      one part: rows, similarities, scores, reports, models or start
//!
//! `MSDATA_BENCH_ROWS` is how many generations there are (1,000,000).
//!
//! - **ingest** of manifests whose images have some 1,000 bytes, new and again unchanged, against a Python loop
//!   that reads, hashes and inserts the same (benches/catalog_peer.py);
//! - **similarities** of vectors of 768 numbers, 2 to 10 subjects an image, through the library and without a catalog, against
//!   numpy and DuckDB on the same Parquet; and what of it is arithmetic, against a plain sum of the same numbers;
//! - **scores**: the same into the catalog; import, export and audit of the vectors, against a copy of their part;
//! - **reports** of a catalog that is filled through SQL (benches/large_catalog.py), and of its exported tables, against
//!   DuckDB attached to the same file, and on the same tables;
//! - **models**: every pair of 1,000 models on 75 prompts;
//! - **start**: `--version`, and the report of the paper's 675 images, from the start of the process.
//!
//! `MSDATA_PYTHON` names the Python that has numpy, pyarrow and DuckDB with its SQLite extension (`make bench` sets it).

#![allow(clippy::unwrap_used)]

#[path = "../tests/it/support/prescribed.rs"]
mod prescribed;

use msdata::Stop;
use msdata::catalog::VectorKey;
use msdata::embeddings::{ExportWriter, Import, ImportRow};
use msdata::score::{Reference, score_generation};
use msdata::vocabulary::{PromptId, SubjectId};
use prescribed::{Prescribed, Prompt, tiny_image};
use rayon::prelude::*;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const POOL: usize = 30;
const PROMPTS: usize = 500;
const DIMENSION: usize = 768;

fn generations() -> usize {
    std::env::var("MSDATA_BENCH_ROWS").map_or(1_000_000, |text| text.parse().expect("a number"))
}

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |part: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == part);
    let lab = tempfile::tempdir().unwrap();
    if ["rows", "similarities", "scores"].into_iter().any(wants) {
        rows(lab.path());
    }
    if wants("similarities") || wants("scores") {
        vectors(lab.path());
    }
    if wants("similarities") {
        similarities(lab.path());
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

/// A picture of some 1,000 bytes.
fn noise(path: &Path, number: u32) {
    let mut state = number;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    image::RgbImage::from_fn(17, 17, |_, _| image::Rgb([next(), next(), next()])).save(path).unwrap();
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
        noise(&input.join(format!("images/{n}.png")), n as u32);
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

/// A vector of numbers in [-1, 1).
fn vector(n: usize) -> Vec<f32> {
    let mut state = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..DIMENSION).map(|_| next()).collect()
}

fn embeddings(path: &Path) -> ExportWriter {
    ExportWriter::create(path, "dinov2-small", "imported", "imported", DIMENSION).unwrap()
}

fn write_generations(path: &Path, numbers: impl Iterator<Item = usize>) {
    let mut out = embeddings(path);
    for n in numbers {
        let (prompt, seed) = (n % PROMPTS, (n / PROMPTS) as i64);
        let key = VectorKey::Generation("M".parse().unwrap(), format!("p{prompt}").parse().unwrap(), seed);
        out.push(key, &vector(POOL + n)).unwrap();
    }
    out.finish().unwrap();
}

fn vectors(lab: &Path) {
    let mut out = embeddings(&lab.join("references.parquet"));
    for n in 0..POOL {
        out.push(VectorKey::Reference(format!("S{n}").parse().unwrap(), 0), &vector(n)).unwrap();
    }
    out.finish().unwrap();
    write_generations(&lab.join("generations.parquet"), 0..generations());
}

/// The seconds that a part of the peer took with the vectors.
fn peer_of_vectors(lab: &Path, part: &str) -> f64 {
    peer(&[Path::new(part), &lab.join("input"), &lab.join("references.parquet"), &lab.join("generations.parquet")])
}

fn pairs() -> usize {
    (0..generations()).map(|n| subjects_of(n % PROMPTS).len()).sum()
}

fn seconds(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

fn read_pool(references: &Path) -> HashMap<SubjectId, Reference> {
    let mut pool = HashMap::new();
    let mut rows = Import::open(references, Stop::default()).unwrap();
    let mut keep = |rows: &[ImportRow<'_>]| {
        for row in rows {
            let Ok((_, VectorKey::Reference(subject, _), vector)) = &row.content else { panic!("{row:?}") };
            pool.insert(subject.clone(), Reference::new(vector.to_vec()));
        }
        Ok(())
    };
    while rows.next_batch(&mut keep).unwrap() {}
    pool
}

/// The references that each prompt asks for, subject by subject.
fn asked(pool: &HashMap<SubjectId, Reference>) -> Vec<Vec<Vec<&Reference>>> {
    let subject = |n: usize| vec![&pool[&format!("S{n}").parse::<SubjectId>().unwrap()]];
    (0..PROMPTS).map(|n| subjects_of(n).into_iter().map(subject).collect()).collect()
}

fn similarities(lab: &Path) {
    let mut found: Vec<Vec<f64>> = Vec::new();
    let ours = seconds(|| {
        let pool = read_pool(&lab.join("references.parquet"));
        let prompts: HashMap<PromptId, Vec<Vec<&Reference>>> =
            asked(&pool).into_iter().enumerate().map(|(n, subjects)| (format!("p{n}").parse().unwrap(), subjects)).collect();
        let mut rows = Import::open(&lab.join("generations.parquet"), Stop::default()).unwrap();
        let mut score = |rows: &[ImportRow<'_>]| {
            found.par_extend(rows.par_iter().map(|row| {
                let Ok((_, VectorKey::Generation(_, prompt, _), vector)) = &row.content else { panic!("{row:?}") };
                score_generation(vector, &prompts[prompt], None).0
            }));
            Ok(())
        };
        while rows.next_batch(&mut score).unwrap() {}
    });
    assert_eq!(found.iter().map(Vec::len).sum::<usize>(), pairs());
    println!("similarities of {} pairs, from Parquet to memory: {ours:.2} s", pairs());
    for (part, peer) in [("duckdb", "DuckDB"), ("numpy", "numpy")] {
        let theirs = peer_of_vectors(lab, part);
        println!("  {peer}: {theirs:.2} s; {:.2} times as long", theirs / ours);
    }
    // The arithmetic alone: the numbers lie in memory.
    let some: Vec<f32> = (0..generations().min(100_000)).flat_map(|n| vector(POOL + n)).collect();
    let pool = read_pool(&lab.join("references.parquet"));
    let prompts = asked(&pool);
    let score = |(n, vector): (usize, &[f32])| score_generation(vector, &prompts[n % PROMPTS], None).0.iter().sum::<f64>();
    let mut sums = [0.0; 2];
    let scored = seconds(|| sums[0] = some.par_chunks_exact(DIMENSION).enumerate().map(score).sum());
    let plain = |vector: &[f32]| {
        let mut lanes = [0.0_f64; 8];
        for some in vector.as_chunks::<8>().0 {
            lanes.iter_mut().zip(some).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        lanes.iter().sum::<f64>()
    };
    let summed = seconds(|| sums[1] = some.par_chunks_exact(DIMENSION).map(plain).sum());
    assert!(sums.iter().all(|sum| sum.is_finite()));
    let gigabytes = 4.0 * some.len() as f64 / 1e9;
    println!(
        "  arithmetic of {gigabytes:.1} GB in memory: {scored:.3} s; a plain sum of the same: {summed:.3} s; {:.2} times as long",
        scored / summed
    );
}

/// Runs a command on a data set.
fn msdata_of(data: &Path, arguments: &[&str]) -> (f64, f64) {
    msdata(&[&["-d", data.to_str().unwrap()], arguments].concat())
}

fn ingest_vectors(data: &Path, vectors: &Path) -> (f64, f64) {
    msdata_of(data, &["ingest", "--no-embed", "--embeddings", vectors.to_str().unwrap()])
}

/// Seconds that it takes to copy a file to another, and to have it on the disk.
fn durable_copy(from: &Path, to: &Path) -> f64 {
    let taken = seconds(|| {
        fs::copy(from, to).unwrap();
        fs::File::open(to).unwrap().sync_all().unwrap();
    });
    fs::remove_file(to).unwrap();
    taken
}

fn scores(lab: &Path) {
    let (data, other, tables) = (lab.join("data"), lab.join("other"), lab.join("tables"));
    let copied = Command::new("cp").arg("-r").args([&data, &other]).status().unwrap();
    assert!(copied.success());
    let moved = |data: &Path, vectors: &Path, what: &str| {
        let (import, memory) = ingest_vectors(data, vectors);
        let copy = durable_copy(&data.join("embeddings/part-000001.parquet"), &lab.join("copy"));
        println!("import of {} vectors of {DIMENSION} numbers, {what}: {import:.2} s, {memory:.0} MiB", generations());
        println!("  a copy of the part: {copy:.2} s; the import takes {:.2} times as long", import / copy);
        let (export, memory) = msdata_of(data, &["export", tables.to_str().unwrap()]);
        println!("  export: {export:.2} s, {memory:.0} MiB; {:.2} times as long as the copy", export / copy);
        fs::remove_dir_all(&tables).unwrap();
    };
    moved(&data, &lab.join("generations.parquet"), "in the order of the manifest");
    // With the references everything can be scored: nearly all of this is scoring.
    let ours = ingest_vectors(&data, &lab.join("references.parquet"));
    let what = format!("scores of {} pairs, into the catalog", pairs());
    for (part, peer) in
        [("duckdb", "DuckDB, to memory"), ("numpy", "numpy, to memory"), ("scores", "numpy, into SQLite in memory")]
    {
        beside(&what, ours, peer, peer_of_vectors(lab, part));
    }
    let (audit, memory) = msdata_of(&data, &["audit", "--format", "csv", "--out", lab.join("audit.csv").to_str().unwrap()]);
    println!("audit: {audit:.2} s, {memory:.0} MiB");
    [&data, &lab.join("generations.parquet")].into_iter().for_each(|done| remove(done));
    // Each vector lies far from the one before it, in every table.
    let shuffled = lab.join("shuffled.parquet");
    write_generations(&shuffled, (0..generations()).map(|n| n * 611_953 % generations()));
    moved(&other, &shuffled, "in another order");
    [&other, &shuffled].into_iter().for_each(|done| remove(done));
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
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
    filled(&data, 10, generations() / 100, 10);
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
