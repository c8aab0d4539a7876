//! Three simulated generators, which differ only in what becomes of the subjects they were asked for.

use super::roll;
use super::scene::Spot;
use crate::vocabulary::closed_set;

closed_set! {
    /// A simulated generator.
    Generator, "generator" {
        /// Everyone is there.
        Faithful = "simulated-faithful",
        /// Neighbours take on each other's colours, patterns and shapes, the more the denser the scene.
        Bleeding = "simulated-bleeding",
        /// One subject takes the places of others, the oftener the denser the scene.
        Cloning = "simulated-cloning",
    }
}

/// What became of a subject; others are named by their place in the cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is there.
    Kept,
    /// It has become another to some percent.
    Bled { from: usize, percent: u32 },
    /// A copy of another stands in its place.
    Replaced { by: usize },
}

impl Generator {
    /// What becomes of each of `subjects`, who stand at `spots`; `key` varies it.
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

/// Who stands nearest to `i`.
fn nearest(spots: &[Spot], i: usize) -> usize {
    let distance = |j: &usize| (spots[i].x - spots[*j].x).pow(2) + (spots[i].y - spots[*j].y).pow(2);
    (0..spots.len()).filter(|j| *j != i).min_by_key(distance).unwrap_or(i)
}
