//! Images looked through for their subjects: windows a second of `Dataset::embed`, against the bare session and a Python
//! loop, and its memory.

use super::peer::Peer;
use super::{distinct, draw, images_below, network, open, peak, seconds, threads, verdict};
use msdata::encoder::{Batch, Device};
use msdata::ops::{EmbedOptions, IngestOptions, WindowChoice};
use msdata::windows::Pattern;
use msdata::{Dataset, Watch};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Pictures drawn.
const PICTURES: usize = 6;
/// Subjects of the pool.
const POOL: usize = 30;

const TARGET_OF_SESSION: f64 = 0.95;

/// Measures `MSDATA_BENCH_IMAGES` (else drawn pictures) with `MSDATA_BENCH_ENCODER` (else the random network), of which the
/// best of `MSDATA_BENCH_ROUNDS` (3) is told.
pub fn windows() {
    let lab = tempfile::tempdir().unwrap();
    let encoder = std::env::var_os("MSDATA_BENCH_ENCODER").map_or_else(|| network(lab.path()), PathBuf::from);
    let pictures = match std::env::var_os("MSDATA_BENCH_IMAGES") {
        Some(dir) => distinct(images_below(Path::new(&dir))),
        None => draw(lab.path(), &[&PICTURES.to_string(), "--megapixels", "1", "1"]),
    };
    let rounds: usize = std::env::var("MSDATA_BENCH_ROUNDS").map_or(3, |n| n.parse().unwrap());
    let mut session = open(&encoder);
    let size = session.size();
    let mut peer = Peer::start(lab.path(), &encoder, &pictures);
    let few = &pictures[..pictures.len().div_ceil(3)];
    let data = Unlooked::of(&lab.path().join("all"), &pictures, &encoder);
    let small = Unlooked::of(&lab.path().join("few"), few, &encoder);
    println!("{} images, batch {}, {} threads, best of {rounds}", pictures.len(), Batch::CPU.images(), threads());
    let batch = vec![0.5; session.at_once() * 3 * size[0] as usize * size[1] as usize];
    session.embed_images(&batch).unwrap();
    let mut patterns = vec![(Pattern::Fast, 3), (Pattern::Full, 4)];
    if session.try_dense().is_ok() {
        patterns.push((Pattern::Dense, 4));
    }
    for (pattern, finest) in patterns {
        let dense = pattern == Pattern::Dense;
        let [mut ours, mut bare, mut python] = [f64::INFINITY; 3];
        let windows = pictures.len() * pattern.count();
        for _ in 0..rounds {
            let copy = data.copy(lab.path());
            ours = ours.min(seconds(|| search_images(copy.path(), &encoder, pattern)));
            if !dense {
                bare = bare.min(seconds(|| {
                    (0..windows.div_ceil(session.at_once())).for_each(|_| drop(session.embed_images(&batch).unwrap()));
                }));
                python = python.min(peer.seconds(&format!("windows {finest}")));
            }
        }
        let images = pictures.len() as f64;
        println!("{pattern}, {windows} windows");
        for (name, seconds) in [("msdata", ours), ("its session on a batch in memory", bare), ("Python loop", python)] {
            if seconds.is_finite() {
                println!("  {name:42}  {:7.3} images/s, {:8.2} windows/s", images / seconds, windows as f64 / seconds);
            }
        }
        if !dense {
            verdict("of the session", bare / ours, TARGET_OF_SESSION, bare / ours >= TARGET_OF_SESSION);
            println!("  {:.2} of the Python loop", python / ours);
        }
        let peak = |data: &Unlooked| {
            let copy = data.copy(lab.path());
            peak(&["look", copy.path().to_str().unwrap(), encoder.to_str().unwrap(), pattern.as_str()])
        };
        println!("  peak memory: {:.0} MiB of {} images, {:.0} MiB of {images}", peak(&small), few.len(), peak(&data));
    }
}

/// Looks through every image of a data set, opening network and data set too.
pub fn search_images(data: &Path, encoder: &Path, pattern: Pattern) {
    let mut data = Dataset::open_to_write(data).unwrap();
    let options = EmbedOptions { windows: WindowChoice::Pattern(pattern), ..options(encoder) };
    let summary = data.embed(&options, &mut Watch::silent()).unwrap();
    assert_eq!((summary.windows[0].2.images, summary.windows[0].2.failed), (summary.images.ok - POOL as u64, 0));
}

fn options(encoder: &Path) -> EmbedOptions {
    EmbedOptions { encoders: vec![encoder.to_str().unwrap().into()], device: Device::Cpu, ..EmbedOptions::default() }
}

/// A data set with images, and vectors of the whole images alone.
struct Unlooked {
    dir: PathBuf,
}

impl Unlooked {
    /// The images are generations, each of a prompt for four subjects; some are the subjects' references too.
    fn of(dir: &Path, images: &[PathBuf], encoder: &Path) -> Unlooked {
        fs::create_dir(dir).unwrap();
        let [mut subjects, mut prompts, mut generations] = [const { String::new() }; 3];
        for (at, path) in (0..POOL).zip(images.iter().cycle()) {
            // The same pixels in another file.
            let copy = dir.join(format!("reference{at}"));
            let mut bytes = fs::read(path).unwrap();
            bytes.extend(format!("reference {at}").bytes());
            fs::write(&copy, bytes).unwrap();
            subjects += &format!("{}\n", json!({"subject_id": format!("s{at}"), "label": "thing", "references": [copy]}));
        }
        for (at, path) in images.iter().enumerate() {
            let asked: Vec<String> = (0..4).map(|n| format!("s{}", (at + 7 * n) % POOL)).collect();
            let prompt = json!({"prompt_id": at.to_string(), "text": "Things.", "scene_type": "neutral", "subjects": asked});
            prompts += &format!("{prompt}\n");
            let generation = json!({"model": "m", "prompt_id": at.to_string(), "seed": 1, "path": path});
            generations += &format!("{generation}\n");
        }
        let write = |name: &str, text: String| {
            let path = dir.join(name);
            fs::write(&path, text).unwrap();
            vec![path]
        };
        let options = IngestOptions {
            subjects: write("subjects.jsonl", subjects),
            prompts: write("prompts.jsonl", prompts),
            generations: write("generations.jsonl", generations),
            embed: Some(EmbedOptions { windows: WindowChoice::None, ..options(encoder) }),
            ..IngestOptions::default()
        };
        let dir = dir.join("data");
        let summary = Dataset::init(&dir).unwrap().ingest(&options, &mut Watch::silent()).unwrap();
        assert_eq!(summary.images.ok, (images.len() + POOL) as u64, "{:?}", summary.unusable);
        Unlooked { dir }
    }

    fn copy(&self, lab: &Path) -> tempfile::TempDir {
        let copy = tempfile::tempdir_in(lab).unwrap();
        fs::create_dir(copy.path().join("embeddings")).unwrap();
        fs::copy(self.dir.join("catalog.sqlite"), copy.path().join("catalog.sqlite")).unwrap();
        for part in fs::read_dir(self.dir.join("embeddings")).unwrap() {
            let part = part.unwrap();
            fs::copy(part.path(), copy.path().join("embeddings").join(part.file_name())).unwrap();
        }
        copy
    }
}
