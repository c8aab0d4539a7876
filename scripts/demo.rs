//! `make demo`: a small data set with prescribed vectors, ingested, scored and reported. The numbers are
//! invented; the path they take is the real one.

#![allow(clippy::unwrap_used)]

#[path = "../tests/prescribed/mod.rs"]
mod prescribed;

use msdata::table::Format;
use msdata::{Dataset, ReportOptions, Watch};
use prescribed::{Image, Prescribed};
use std::path::PathBuf;

fn main() {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "demo".into()));
    let _ = std::fs::remove_dir_all(&dir);
    let set = Prescribed::paper();
    let mut files = set.write(&dir.join("input"));
    // Three invented generators: the denser the scene, the more each loses.
    let similarities = |image: Image<'_>| {
        let n = set.prompts[image.prompt].subjects.len();
        let kept = match image.model {
            "MOSAIC" => 0.62,
            "XVerse" => 0.58,
            _ => 0.55,
        };
        let noise = |k: usize| ((image.prompt * 37 + k * 23 + image.seed as usize * 11) % 20) as f64 / 100.0;
        (0..n).map(|k| (kept - 0.04 * n as f64).max(0.1) + noise(k)).collect::<Vec<f64>>()
    };
    let vectors = dir.join("input/dinov2-small.parquet");
    set.write_vectors(&vectors, "dinov2-small", similarities, None);
    files.embeddings = vec![vectors];
    let mut data = Dataset::init(&dir.join("data")).unwrap();
    data.ingest(&files.options(), &mut Watch::silent()).unwrap();
    println!("Simulated numbers, to show the path from manifests to a table:\n");
    data.report(&ReportOptions::default()).unwrap().write(std::io::stdout(), Format::Table).unwrap();
    println!("\nThe data set is in {0}; try\n  msdata -d {0} report --by model,scene_type --format md", data.dir().display());
}
