//! Do 95 % intervals hold the truth in 95 of 100 trials? Results: docs/metrics.md.
//!
//!     cargo bench --bench coverage
//!
//! 10, 15 and 30 prompts of three seeds, 1,000 trials each, of data whose truth is known:
//!
//! - **normal** values, two thirds of whose variance go with the prompt;
//! - **SCR** of two subjects, whose chance to collapse goes with the prompt (0.1 or 0.9 for most);
//!
//! by the bootstrap over prompts that reports use, and by one that takes every image for independent.

#![allow(clippy::unwrap_used)]

use msdata::score::{Clustered, Confidence, intervals};
use rayon::prelude::*;

const TRIALS: u64 = 1000;
const SEEDS: usize = 3;

fn main() {
    println!("intervals that hold the truth, of {TRIALS} trials");
    for prompts in [10, 15, 30] {
        for (name, of_prompt, truth) in [("normal", normal_prompt as OfPrompt, 0.0), ("SCR", scr_prompt, 0.5)] {
            let held: Vec<(bool, bool)> =
                (0..TRIALS).into_par_iter().map(|trial| held(prompts, of_prompt, truth, trial)).collect();
            let share = |pick: fn(&(bool, bool)) -> bool| 100.0 * held.iter().filter(|h| pick(h)).count() as f64 / TRIALS as f64;
            println!("  {prompts} prompts, {name}: over prompts {:.1} %, over images {:.1} %", share(|h| h.0), share(|h| h.1));
        }
    }
}

/// The values of a prompt's seeds.
type OfPrompt = fn(&mut Chance) -> [f64; SEEDS];

fn held(prompts: usize, of_prompt: OfPrompt, truth: f64, trial: u64) -> (bool, bool) {
    let mut chance = Chance::new(trial);
    let values: Vec<f64> = (0..prompts).flat_map(|_| of_prompt(&mut chance)).collect();
    let holds = |clusters: usize, images_of_cluster: usize| {
        let clustered = Clustered::new(clusters, values.iter().enumerate().map(|(i, v)| (i / images_of_cluster, Some(*v))));
        let [low, high] = intervals(&[clustered], Confidence::default())[0].unwrap();
        low <= truth && truth <= high
    };
    (holds(prompts, SEEDS), holds(prompts * SEEDS, 1))
}

fn normal_prompt(chance: &mut Chance) -> [f64; SEEDS] {
    let common = 2.0_f64.sqrt() * chance.normal();
    std::array::from_fn(|_| common + chance.normal())
}

fn scr_prompt(chance: &mut Chance) -> [f64; SEEDS] {
    let likely = [0.1, 0.1, 0.5, 0.9, 0.9][(chance.uniform() * 5.0) as usize];
    std::array::from_fn(|_| (0..2).filter(|_| chance.uniform() < likely).count() as f64 / 2.0)
}

/// Numbers from BLAKE3, other ones than the bootstrap draws.
struct Chance(blake3::OutputReader);

impl Chance {
    fn new(trial: u64) -> Chance {
        Chance(blake3::Hasher::new().update(b"coverage").update(&trial.to_le_bytes()).finalize_xof())
    }

    /// In [0, 1).
    fn uniform(&mut self) -> f64 {
        let mut eight = [0; 8];
        self.0.fill(&mut eight);
        (u64::from_le_bytes(eight) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
    }
}
