//! Images to vectors with a network of the size of DINOv2 ViT-S/14: images a second of `Dataset::embed`, and
//! its memory. Results: docs/performance.md.
//!
//!     cargo bench --bench embedding               images a second, photographs of 0.25, 0.6 and 2 megapixels
//!     cargo bench --bench embedding -- decode     files to tensors alone, on one core
//!     cargo bench --bench embedding -- memory     peak memory over 2,000 images of 2 megapixels
//!     cargo bench --bench embedding -- windows    images looked through a second, and peak memory
//!
//! Contenders take turns, so that what else the machine does hits all alike:
//!
//! - **msdata**: `Dataset::embed` on a data set that holds the images and no vector yet, from opening the network
//!   to the durable part; and its sessions alone, on tensors in memory;
//! - **bare**: ONNX Runtime on a tensor in memory, opened beforehand, at the best of several batches and numbers of sessions;
//! - **Python**: benches/peer.py, a loop with Pillow and onnxruntime, opening its network too;
//! - **transformers**: benches/transformers_peer.py, torch and an image at a time, as published evaluations run.
//!
//! Network and pictures are made by the Python scripts beside this file. `MSDATA_PYTHON` names the Python that
//! has numpy, pillow, onnx and onnxruntime (`make bench` sets it), `MSDATA_TORCH_PYTHON` one with torch and transformers, if
//! there is one; `MSDATA_BENCH_IMAGES` a directory of images to take instead of drawn ones.

#![allow(clippy::unwrap_used)]

#[path = "embedding/decode.rs"]
mod decode;
#[path = "embedding/peer.rs"]
mod peer;
#[path = "embedding/throughput.rs"]
mod throughput;
#[path = "embedding/windows.rs"]
mod windows;

use msdata::encoder::{Batch, Described, Device, Encoder, Home, Options, Runtime};
use msdata::image::read;
use msdata::ops::{EmbedOptions, IngestOptions};
use msdata::{Dataset, Watch};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Images of the memory measurement, and how many of them are drawn; the others repeat these with another comment.
const MANY: usize = 2000;
const DRAWN: usize = 8;

const TARGET_MEBIBYTES: f64 = 400.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => throughput::throughput(),
        ["decode"] => decode::decoding(),
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

fn memory() {
    let lab = tempfile::tempdir().unwrap();
    let encoder = network(lab.path());
    let drawn = draw(lab.path(), &[&DRAWN.to_string(), "--megapixels", "2", "2", "--only", "jpeg"]);
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
    encoder.preprocessing().tensor(&msdata::image::decode(&read(path).unwrap()).unwrap().rgb).unwrap()
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
