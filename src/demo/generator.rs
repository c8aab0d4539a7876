//! Three simulated generators, which differ only in what happens to the requested subjects.

use super::roll;
use super::scene::Spot;
use crate::vocabulary::closed_set;

closed_set! {
    /// A simulated generator.
    Generator, "generator" {
        /// Every subject is there.
        Faithful = "simulated-faithful",
        /// Neighbours take on each other's colours, patterns and shapes; the denser the scene, the more.
        Bleeding = "simulated-bleeding",
        /// One subject takes the places of others; the denser the scene, the more often.
        Cloning = "simulated-cloning",
    }
}

/// What happened to a subject; others are named by their index in the cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is there.
    Kept,
    /// It has become another by some percent.
    Bled { from: usize, percent: u32 },
    /// A copy of another is in its place.
    Replaced { by: usize },
}

impl Generator {
    /// Returns what happens to each of `subjects`, who stand at `spots`; `key` varies it.
    pub fn fates(self, subjects: &[usize], spots: &[Spot], key: &str) -> Vec<Fate> {
        let count = subjects.len() as u32;
        let dominant = subjects[roll(&format!("{key}/dominant"), count) as usize];
        let fate = |(i, subject): (usize, &usize)| match self {
            Generator::Faithful => Fate::Kept,
            Generator::Bleeding => {
                let percent = 14 + 4 * count + roll(&format!("{key}/bleeds {i}"), 8);
                Fate::Bled { from: subjects[nearest(spots, i)], percent: percent.min(100) }
            }
            Generator::Cloning => {
                let lost = *subject != dominant && roll(&format!("{key}/lost {i}"), 100) < (10 * count).min(95);
                if lost { Fate::Replaced { by: dominant } } else { Fate::Kept }
            }
        };
        subjects.iter().enumerate().map(fate).collect()
    }
}

/// Returns who stands nearest to `i`.
fn nearest(spots: &[Spot], i: usize) -> usize {
    let distance = |j: &usize| (spots[i].x - spots[*j].x).pow(2) + (spots[i].y - spots[*j].y).pow(2);
    (0..spots.len()).filter(|j| *j != i).min_by_key(distance).unwrap_or(i)
}
