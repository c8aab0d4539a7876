//! How many near-duplicates are found among many vectors, and how long it takes. Results: docs/performance.md.
//!
//!     cargo bench --bench duplicates
//!
//! 25,000 and 100,000 vectors of 384 numbers with a mean cosine of 0.5 between them, as embeddings of images have;
//! 1,000 of them are near copies of others at each of five cosines.

use msdata::score::near_duplicates;
use std::convert::Infallible;
use std::time::Instant;

const DIMENSION: usize = 384;
const PLANTED: usize = 1000;
const COSINES: [f64; 5] = [0.98, 0.985, 0.99, 0.995, 0.999];

fn main() {
    for n in [25_000, 100_000] {
        let mut chance = blake3::Hasher::new().update(b"duplicates").finalize_xof();
        let mut normal = || {
            // The sum of eight bytes is normal enough.
            let mut eight = [0; 8];
            chance.fill(&mut eight);
            (eight.iter().map(|b| f64::from(*b)).sum::<f64>() - 1020.0) / 209.0
        };
        // A common direction and as much of one's own.
        let mut vectors: Vec<Vec<f64>> = (0..n).map(|_| unit((0..DIMENSION).map(|_| 1.0 + normal()).collect())).collect();
        for k in 0..PLANTED * COSINES.len() {
            let cosine = COSINES[k / PLANTED];
            let (from, to) = (k, n - 1 - k);
            // Of another direction, what stands at right angles to the first.
            let other: Vec<f64> = unit((0..DIMENSION).map(|_| normal()).collect());
            let along: f64 = other.iter().zip(&vectors[from]).map(|(a, b)| a * b).sum();
            let aside = unit(other.iter().zip(&vectors[from]).map(|(a, b)| a - along * b).collect());
            let sine = (1.0 - cosine * cosine).sqrt();
            vectors[to] = vectors[from].iter().zip(&aside).map(|(a, b)| (cosine + 1e-6) * a + sine * b).collect();
        }
        let flat: Vec<f32> = vectors.iter().flatten().map(|x| *x as f32).collect();
        let started = Instant::now();
        let of = |at: &usize| &flat[at * DIMENSION..(at + 1) * DIMENSION];
        let read = |room: &mut Vec<f32>, places: &[usize]| {
            room.clear();
            room.extend(places.iter().flat_map(of));
            Ok::<_, Infallible>(())
        };
        let Ok(found) = near_duplicates(n, DIMENSION, 0.98, read);
        let seconds = started.elapsed().as_secs_f64();
        print!("{n} vectors: {seconds:.1} s; found");
        for (k, cosine) in COSINES.iter().enumerate() {
            let planted = |at: usize, earlier: usize| at + earlier == n - 1 && earlier / PLANTED == k;
            let share = found.iter().filter(|d| planted(d.at, d.earlier)).count() as f64 / PLANTED as f64;
            print!(" {:.1} % at {cosine},", share * 100.0);
        }
        println!(" {} in all", found.len());
    }
}

fn unit(vector: Vec<f64>) -> Vec<f64> {
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    vector.iter().map(|x| x / length).collect()
}
