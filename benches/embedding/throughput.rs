//! Images a second from files to durable vectors, at photographs of several sizes.

use super::peer::Peer;
use super::{Ingested, distinct, draw, embed, images_below, median, network, open, seconds, tensor, threads, verdict};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Millions of pixels.
const SIZES: [&str; 3] = ["0.25", "0.6", "2"];
/// Photographs of each size.
const PHOTOGRAPHS: usize = 64;
/// Times that each contender runs; medians are told.
const ROUNDS: usize = 3;
/// Batches and numbers of sessions of the bare runtime.
const BARE: [(usize, usize); 6] = [(1, 1), (1, 2), (8, 1), (8, 2), (32, 1), (32, 2)];

const TARGET_OF_BARE: f64 = 0.95;
const TARGET_OF_LOOP: f64 = 1.0;
const TARGET_OF_TRANSFORMERS: f64 = 2.3;

/// Measures drawn photographs, or the images in `MSDATA_BENCH_IMAGES`.
pub fn throughput() {
    let lab = tempfile::tempdir().unwrap();
    let encoder = network(lab.path());
    if let Some(dir) = std::env::var_os("MSDATA_BENCH_IMAGES") {
        return measure("given", lab.path(), &encoder, &distinct(images_below(Path::new(&dir))));
    }
    for size in SIZES {
        let place = lab.path().join(size);
        std::fs::create_dir(&place).unwrap();
        let photographs = draw(&place, &[&PHOTOGRAPHS.to_string(), "--megapixels", size, size, "--only", "jpeg"]);
        measure(&format!("photographs of {size} megapixels"), &place, &encoder, &photographs);
    }
}

fn measure(what: &str, lab: &Path, encoder: &Path, pictures: &[PathBuf]) {
    let ingested = Ingested::of(lab, pictures);
    let images = pictures.len() as f64;
    println!("{} {what}, {} threads, {ROUNDS} rounds: median (least to most)", pictures.len(), threads());

    let mut session = open(encoder);
    let preparing = Instant::now();
    let tensors: Vec<f32> = pictures.iter().flat_map(|path| tensor(path, &session)).collect();
    let preparing = preparing.elapsed().as_secs_f64() / images;

    let mut peer = Peer::start(lab, encoder, pictures);
    let mut transformers = Peer::transformers(lab, pictures);
    let bare = BARE.map(|(batch, sessions)| (peer.seconds(&format!("bare {batch} {sessions}")), batch, sessions));
    let (_, batch, sessions) = bare.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();

    let [mut ours, mut opening, mut own, mut best, mut python, mut published] = [const { Vec::new() }; 6];
    let mut vectors = Vec::new();
    for round in 0..ROUNDS {
        let mut data = ingested.copy(&lab.join(format!("round{round}")));
        ours.push(seconds(|| embed(&mut data, encoder)));
        opening.push(seconds(|| open(encoder)));
        own.push(seconds(|| vectors = session.embed_images(&tensors).unwrap()));
        best.push(peer.seconds(&format!("bare {batch} {sessions}")));
        python.push(peer.seconds("loop"));
        published.extend(transformers.as_mut().ok().map(|peer| peer.seconds("loop")));
    }
    let vectors: Vec<Vec<f32>> = vectors.into_iter().map(Result::unwrap).collect();
    let least = peer.vectors().iter().zip(&vectors).map(|(a, b)| msdata::score::cosine(a, b)).fold(1.0, f64::min);
    // Pillow and msdata decode JPEG files alike but for roundings; a wrong crop or channel would be far off.
    assert!(least > 0.99, "the two do not compute the same: cosine {least}");

    let line = |name: &str, seconds: &[f64]| {
        let mut rates: Vec<f64> = seconds.iter().map(|s| images / s).collect();
        rates.sort_by(f64::total_cmp);
        println!("  {name:52}  {:6.2} images/s ({:.2} to {:.2})", median(&rates), rates[0], rates[ROUNDS - 1]);
    };
    line("msdata, files to part, opening the network", &ours);
    line("its sessions on tensors in memory", &own);
    line(&format!("bare, the best: batch {batch}, sessions {sessions}"), &best);
    line("Python loop, Pillow and onnxruntime, batch 8", &python);
    match &transformers {
        Ok(_) => line("transformers and torch, an image at a time", &published),
        Err(why) => println!("  transformers and torch: skipped: {why}"),
    }
    let tried = bare.map(|(seconds, batch, sessions)| format!("{batch}×{sessions} {:.1}", images / seconds));
    println!("  bare, batch × sessions, one try each, images/s: {}", tried.join(", "));
    println!(
        "  opening the network: {:.2} s; decoding and preprocessing on one core: {:.1} ms an image",
        median(&opening),
        1e3 * preparing
    );
    println!("  least cosine of msdata's and Python's vectors: {least:.6}");
    // By round, because the contenders of a round ran under the same conditions.
    let ratio = |other: &[f64]| median(&ours.iter().zip(other).map(|(us, other)| other / us).collect::<Vec<_>>());
    println!("  {:.2} of the best bare session, with the opening, which so few images do not make good", ratio(&best));
    let opened: Vec<f64> = ours.iter().zip(&opening).map(|(ours, opening)| ours - opening).collect();
    let of_bare = median(&opened.iter().zip(&best).map(|(us, bare)| bare / us).collect::<Vec<_>>());
    verdict("of the best bare session, without the opening", of_bare, TARGET_OF_BARE, of_bare >= TARGET_OF_BARE);
    verdict("times the Python loop", ratio(&python), TARGET_OF_LOOP, ratio(&python) > TARGET_OF_LOOP);
    if transformers.is_ok() {
        let ratio = ratio(&published);
        verdict("times transformers and torch", ratio, TARGET_OF_TRANSFORMERS, ratio >= TARGET_OF_TRANSFORMERS);
    }
}
