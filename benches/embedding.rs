//! Images to vectors with a network of the size of DINOv2 ViT-S/14: images a second of `Dataset::embed`, and
//! its memory. Results: docs/performance.md.
//!
//!     cargo bench --bench embedding               images a second
//!     cargo bench --bench embedding -- memory     peak memory over 2,000 images of 2 megapixels
//!     cargo bench --bench embedding -- windows    images looked through a second, and peak memory
//!
//! Three contenders take turns, so that what else the machine does hits all alike:
//!
//! - **msdata**: `Dataset::embed` on a data set that holds the images and no vector yet, from opening the network
//!   to the durable part;
//! - **ceiling**: the same network, threads and batch on tensors that lie in memory, opened beforehand;
//! - **Python**: benches/peer.py, a loop with Pillow and onnxruntime, opening its network too.
//!
//! Network and pictures are made by the Python scripts beside this file. `MSDATA_PYTHON` names the Python that
//! has numpy, pillow, onnx and onnxruntime (`make bench` sets it), `MSDATA_BENCH_IMAGES` a directory of images
//! to take instead of drawn ones.

#![allow(clippy::unwrap_used)]

#[path = "embedding/windows.rs"]
mod windows;

use msdata::encoder::{Batch, Described, Device, Encoder, Home, Options, Runtime};
use msdata::image::{decode, read};
use msdata::ops::{EmbedOptions, IngestOptions};
use msdata::{Dataset, Watch};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// Pictures drawn.
const PICTURES: usize = 160;
/// Times that each contender runs; medians are told.
const ROUNDS: usize = 5;
/// Images of the memory measurement, and how many of them are drawn; the others repeat these with another comment.
const MANY: usize = 2000;
const DRAWN: usize = 8;

const TARGET_OF_CEILING: f64 = 0.85;
const TARGET_OF_PYTHON: f64 = 1.15;
const TARGET_MEBIBYTES: f64 = 400.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => throughput(),
        ["memory"] => memory(),
        ["windows"] => windows::windows(),
        // What the memory measurement starts, each in a process of its own.
        ["embed", data, encoder] => {
            embed(&mut Dataset::open_to_write(data.as_ref()).unwrap(), encoder.as_ref());
            println!("{}", peak_kibibytes());
        }
        ["look", data, encoder, pattern] => {
            windows::search_images(data.as_ref(), encoder.as_ref(), pattern.parse().unwrap());
            println!("{}", peak_kibibytes());
        }
        ["bare", encoder] => {
            let mut encoder = open(encoder.as_ref());
            let pixels = vec![0.5; encoder.at_once() * 3 * 224 * 224];
            (0..5).for_each(|_| drop(encoder.embed_images(&pixels).unwrap()));
            println!("{}", peak_kibibytes());
        }
        other => panic!("unknown arguments {other:?}"),
    }
}

fn throughput() {
    let lab = tempfile::tempdir().unwrap();
    let encoder = network(lab.path());
    let pictures = match std::env::var_os("MSDATA_BENCH_IMAGES") {
        Some(dir) => distinct(images_below(Path::new(&dir))),
        None => draw(lab.path(), &[&PICTURES.to_string()]),
    };
    let ingested = Ingested::of(lab.path(), &pictures);

    let opening = Instant::now();
    let mut session = open(&encoder);
    let opening = opening.elapsed().as_secs_f64();
    let preparing = Instant::now();
    let tensors: Vec<f32> = pictures.iter().flat_map(|path| tensor(path, &session)).collect();
    let preparing = preparing.elapsed().as_secs_f64();
    let mut peer = Peer::start(lab.path(), &encoder, &pictures);

    let [mut ours, mut ceiling, mut python, mut bare] = [const { Vec::new() }; 4];
    let mut vectors = Vec::new();
    for round in 0..ROUNDS {
        let mut data = ingested.copy(&lab.path().join(format!("round{round}")));
        ours.push(seconds(|| embed(&mut data, &encoder)));
        ceiling.push(seconds(|| vectors = session.embed_images(&tensors).unwrap()));
        python.push(peer.seconds("loop"));
        bare.push(peer.seconds("bare"));
    }
    let vectors: Vec<Vec<f32>> = vectors.into_iter().map(Result::unwrap).collect();
    let least = peer.vectors().iter().zip(&vectors).map(|(a, b)| msdata::score::cosine(a, b)).fold(1.0, f64::min);
    // Pillow and msdata decode JPEG files alike but for roundings; a wrong crop or channel would be far off.
    assert!(least > 0.99, "the two do not compute the same: cosine {least}");

    let images = pictures.len() as f64;
    let threads = threads();
    println!("{images} images, batch {}, {threads} threads, {ROUNDS} rounds: median (least to most)", Batch::CPU.images());
    for (name, seconds) in [
        ("msdata, files to part", &ours),
        ("ceiling: its session on tensors in memory", &ceiling),
        ("Python loop, Pillow and onnxruntime", &python),
        ("onnxruntime in Python on tensors in memory", &bare),
    ] {
        let mut rates: Vec<f64> = seconds.iter().map(|s| images / s).collect();
        rates.sort_by(f64::total_cmp);
        println!("  {name:42}  {:6.2} images/s ({:.2} to {:.2})", median(&rates), rates[0], rates[ROUNDS - 1]);
    }
    println!(
        "  opening the network: {opening:.2} s; decoding and preprocessing on one core: {:.1} ms an image",
        1e3 * preparing / images
    );
    println!("  least cosine of msdata's and Python's vectors: {least:.6}");
    // By round, because the contenders of a round ran under the same conditions.
    let ratio = |other: &[f64]| median(&ours.iter().zip(other).map(|(us, other)| other / us).collect::<Vec<_>>());
    verdict("of the ceiling", ratio(&ceiling), TARGET_OF_CEILING, ratio(&ceiling) >= TARGET_OF_CEILING);
    verdict("of the Python loop", ratio(&python), TARGET_OF_PYTHON, ratio(&python) >= TARGET_OF_PYTHON);
}

fn memory() {
    let lab = tempfile::tempdir().unwrap();
    let encoder = network(lab.path());
    let drawn = draw(lab.path(), &[&DRAWN.to_string(), "--megapixels", "2", "2", "--jpeg-only"]);
    let copies: Vec<PathBuf> = (0..MANY)
        .map(|number| {
            let path = lab.path().join(format!("{number}.jpg"));
            fs::write(&path, with_comment(&fs::read(&drawn[number % DRAWN]).unwrap(), number as u32)).unwrap();
            path
        })
        .collect();
    let data = Ingested::of(lab.path(), &copies).dir;
    let bare = peak(&["bare", encoder.to_str().unwrap()]);
    let started = Instant::now();
    let whole = peak(&["embed", data.to_str().unwrap(), encoder.to_str().unwrap()]);
    println!("{MANY} images of 2 megapixels in {:.0} s, {} threads", started.elapsed().as_secs_f64(), threads());
    println!("  peak memory {whole:.0} MiB; of the bare session {bare:.0} MiB");
    verdict("MiB more than the session", whole - bare, TARGET_MEBIBYTES, whole - bare <= TARGET_MEBIBYTES);
}

/// The most MiB that this program holds with these arguments.
fn peak(arguments: &[&str]) -> f64 {
    let output = Command::new(std::env::current_exe().unwrap()).args(arguments).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().parse::<f64>().unwrap() / 1024.0
}

fn verdict(what: &str, value: f64, target: f64, met: bool) {
    println!("  {value:.2} {what}; wanted {target:.2}: {}", if met { "met" } else { "MISSED" });
}

fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn threads() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

/// The most memory that this process held at any time.
fn peak_kibibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("memory is measured on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn python() -> Command {
    Command::new(std::env::var_os("MSDATA_PYTHON").unwrap_or_else(|| "python3".into()))
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches").join(name)
}

fn network(lab: &Path) -> PathBuf {
    let dir = lab.join("random-vit-s14");
    assert!(python().arg(script("random_vit.py")).arg(&dir).status().unwrap().success());
    dir
}

fn draw(lab: &Path, arguments: &[&str]) -> Vec<PathBuf> {
    let dir = lab.join("pictures");
    assert!(python().arg(script("pictures.py")).arg(&dir).args(arguments).status().unwrap().success());
    images_below(&dir)
}

fn images_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(images_below(&path));
        } else if path.extension().is_some_and(|e| ["jpg", "jpeg", "png"].iter().any(|known| e.eq_ignore_ascii_case(known))) {
            found.push(path.canonicalize().unwrap());
        }
    }
    found.sort();
    found
}

/// Without files that repeat another: msdata embeds a content once, the others would embed it again.
fn distinct(mut images: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    images.retain(|path| seen.insert(blake3::hash(&fs::read(path).unwrap())));
    images
}

/// A JPEG file with a comment behind its first marker: other bytes, the same pixels.
fn with_comment(jpeg: &[u8], number: u32) -> Vec<u8> {
    let (start_of_image, rest) = jpeg.split_at(2);
    let comment = [&[0xff, 0xfe, 0, 6][..], &number.to_be_bytes()].concat();
    [start_of_image, &comment, rest].concat()
}

fn open(encoder: &Path) -> Encoder {
    let home = Home::from_env().unwrap();
    let runtime = Runtime::load(&home, None).unwrap_or_else(|e| panic!("{e}: {}", e.hint().unwrap_or_default()));
    let described = Described::find(encoder.to_str().unwrap(), &home).unwrap().remove(0);
    described.open(runtime, Options { device: Device::Cpu, threads: threads(), batch: Batch::CPU }).unwrap()
}

fn tensor(path: &Path, encoder: &Encoder) -> Vec<f32> {
    encoder.preprocessing().tensor(&decode(&read(path).unwrap()).unwrap().rgb).unwrap()
}

fn embed(data: &mut Dataset, encoder: &Path) {
    let options =
        EmbedOptions { encoders: vec![encoder.to_str().unwrap().into()], device: Device::Cpu, ..EmbedOptions::default() };
    let summary = data.embed(&options, &mut Watch::silent()).unwrap();
    let done = &summary.encoders[0].1;
    assert_eq!((done.images, done.failed), (summary.images.ok - done.shared, 0));
}

/// A data set with images and no vectors.
struct Ingested {
    dir: PathBuf,
}

impl Ingested {
    /// The images are the references of one subject.
    fn of(lab: &Path, images: &[PathBuf]) -> Ingested {
        let manifest = lab.join("subjects.jsonl");
        let mut row = String::from(r#"{"subject_id": "s", "label": "thing", "references": ["#);
        for (n, path) in images.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(row, "{comma}{:?}", path.to_str().unwrap()).unwrap();
        }
        fs::write(&manifest, row + "]}\n").unwrap();
        let dir = lab.join("ingested");
        let options = IngestOptions { subjects: vec![manifest], ..IngestOptions::default() };
        let summary = Dataset::init(&dir).unwrap().ingest(&options, &mut Watch::silent()).unwrap();
        assert_eq!(summary.images.ok, images.len() as u64, "{:?}", summary.unusable);
        Ingested { dir }
    }

    fn copy(&self, to: &Path) -> Dataset {
        fs::create_dir_all(to.join("embeddings")).unwrap();
        fs::copy(self.dir.join("catalog.sqlite"), to.join("catalog.sqlite")).unwrap();
        Dataset::open_to_write(to).unwrap()
    }
}

/// The Python loop, in a process that waits for its turns.
struct Peer {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    vectors: PathBuf,
}

impl Peer {
    fn start(lab: &Path, encoder: &Path, images: &[PathBuf]) -> Peer {
        let (list, vectors) = (lab.join("images.txt"), lab.join("vectors.f32"));
        fs::write(&list, images.iter().map(|path| format!("{}\n", path.display())).collect::<String>()).unwrap();
        let mut command = python();
        command.arg(script("peer.py")).arg(encoder.join("model.onnx"));
        command.args([Batch::CPU.images().to_string(), threads().to_string()]).arg(list).arg(&vectors);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (ask, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Peer { child, ask, answers, vectors }
    }

    fn seconds(&mut self, command: &str) -> f64 {
        writeln!(self.ask, "{command}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().parse().unwrap()
    }

    /// What its last loop computed; and its end.
    fn vectors(self) -> Vec<Vec<f32>> {
        let Peer { mut child, ask, vectors, .. } = self;
        drop(ask);
        assert!(child.wait().unwrap().success());
        let numbers: Vec<f32> = fs::read(vectors).unwrap().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        numbers.chunks_exact(384).map(<[f32]>::to_vec).collect()
    }
}
