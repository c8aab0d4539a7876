//! From a file to the network's tensor on one core: msdata against Pillow and numpy, and their parts.

use super::peer::Peer;
use super::{draw, median, network, seconds, verdict};
use msdata::image::{CropOffset, IMAGENET, Preprocessing, decode, read};
use std::hint::black_box;

/// What is drawn: its name, and how.
const KINDS: [(&str, &[&str]); 5] = [
    ("JPEG, 0.25 megapixels", &["--megapixels", "0.25", "0.25", "--only", "jpeg"]),
    ("JPEG, 0.6 megapixels", &["--megapixels", "0.6", "0.6", "--only", "jpeg"]),
    ("JPEG, 2 megapixels", &["--megapixels", "2", "2", "--only", "jpeg"]),
    ("PNG, 768 × 768", &["--megapixels", "0.589824", "0.589824", "--only", "png", "--square"]),
    ("PNG, 1024 × 1024", &["--megapixels", "1.048576", "1.048576", "--only", "png", "--square"]),
];
/// Pictures of each kind.
const PICTURES: usize = 16;
/// Turns; medians are told.
const ROUNDS: usize = 7;

const TARGET: f64 = 3.0;

/// Measures each kind: the whole, then decoding alone, then resizing alone.
pub fn decoding() {
    let lab = tempfile::tempdir().unwrap();
    let encoder = network(lab.path());
    let dinov2 = Preprocessing::shortest_edge(256, 224, CropOffset::Floor, IMAGENET);
    println!("{PICTURES} pictures a kind, one thread each, {ROUNDS} rounds in turns, medians");
    for (at, (kind, arguments)) in KINDS.into_iter().enumerate() {
        let place = lab.path().join(at.to_string());
        std::fs::create_dir(&place).unwrap();
        let paths = draw(&place, &[&[&*PICTURES.to_string()], arguments].concat());
        let mut peer = Peer::start(&place, &encoder, &paths);
        let decoded: Vec<_> = paths.iter().map(|path| decode(&read(path).unwrap()).unwrap().rgb).collect();
        let megapixels: f64 = decoded.iter().map(|rgb| f64::from(rgb.width) * f64::from(rgb.height) / 1e6).sum();
        let cropped: Vec<_> = decoded.iter().map(|rgb| dinov2.crop(rgb).unwrap()).collect();

        let [mut whole, mut theirs] = [const { [const { Vec::new() }; 3] }; 2];
        let mut normalising = Vec::new();
        for _ in 0..ROUNDS {
            whole[0].push(seconds(|| {
                paths.iter().for_each(|path| drop(black_box(dinov2.tensor(&decode(&read(path).unwrap()).unwrap().rgb).unwrap())));
            }));
            whole[1].push(seconds(|| paths.iter().for_each(|path| drop(black_box(decode(&read(path).unwrap()).unwrap())))));
            whole[2].push(seconds(|| decoded.iter().for_each(|rgb| drop(black_box(dinov2.crop(rgb).unwrap())))));
            let mut tensor = vec![0.0; 3 * 224 * 224];
            normalising.push(seconds(|| cropped.iter().for_each(|rgb| dinov2.normalise(black_box(&rgb.pixels), &mut tensor))));
            for (seconds, part) in theirs.iter_mut().zip(["prepare", "decode", "resize"]) {
                seconds.push(peer.seconds(part));
            }
        }
        println!("{kind}");
        let [ours, theirs] = [whole, theirs].map(|parts| parts.map(|seconds| median(&seconds)));
        println!(
            "  {:26} {:9.1} images/s; Pillow and numpy {:9.1}",
            "to the tensor",
            PICTURES as f64 / ours[0],
            PICTURES as f64 / theirs[0]
        );
        for (at, part) in [(1, "decoding"), (2, "resizing and cropping")] {
            let [us, them] = [ours[at], theirs[at]].map(|seconds| megapixels / seconds);
            println!("  {part:26} {us:9.1} megapixels/s; Pillow {them:9.1}; {:.2} times", us / them);
        }
        println!("  {:26} {:9.2} ms an image", "normalising", 1e3 * median(&normalising) / PICTURES as f64);
        verdict("times Pillow and numpy", theirs[0] / ours[0], TARGET, theirs[0] / ours[0] >= TARGET);
    }
}
