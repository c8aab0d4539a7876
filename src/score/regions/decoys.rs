//! Decoys: subjects that were not requested, in the place of those that were. What a measure gives for them is what the
//! kinds of the subjects give by themselves.

use super::super::random::Random;
use std::collections::BTreeSet;

/// Decoys that are drawn where there are more.
pub const DECOYS: usize = 200;

/// Sets of as many subjects of the same kinds as are requested, none of them requested: all such sets where there are at most
/// [`DECOYS`], else as many different ones, each as likely, drawn with the seed. Ascending; none where a kind has too few
/// subjects, or nobody is requested.
///
/// `kinds` are those of the pool, of which `requested` and the results are positions; subjects of unknown kind are a kind.
/// Position k of a decoy stands for `requested[k]` and is of its kind; those of one kind are in ascending order.
pub fn decoys<K: PartialEq>(kinds: &[Option<K>], requested: &[usize], seed: u64) -> Vec<Vec<usize>> {
    let groups = Group::of(kinds, requested);
    let count = groups.iter().map(Group::count).fold(1, usize::saturating_mul);
    if requested.is_empty() || count == 0 {
        return Vec::new();
    }
    let mut found = BTreeSet::new();
    if count <= DECOYS {
        let mut all = vec![vec![0; requested.len()]];
        for group in &groups {
            let sets = combinations(&group.others, group.places.len());
            all = all.iter().flat_map(|decoy| sets.iter().map(|set| group.put(decoy.clone(), set))).collect();
        }
        found.extend(all);
    } else {
        let mut draws = Random::new(seed);
        while found.len() < DECOYS {
            found.insert(groups.iter().fold(vec![0; requested.len()], |decoy, group| group.put(decoy, &group.draw(&mut draws))));
        }
    }
    found.into_iter().collect()
}

/// The requested subjects of one kind, by their place among the requested, and the others of this kind.
struct Group {
    places: Vec<usize>,
    others: Vec<usize>,
}

impl Group {
    fn of<K: PartialEq>(kinds: &[Option<K>], requested: &[usize]) -> Vec<Group> {
        let mut groups: Vec<(&Option<K>, Group)> = Vec::new();
        for (place, subject) in requested.iter().enumerate() {
            let kind = &kinds[*subject];
            if let Some((_, group)) = groups.iter_mut().find(|(other, _)| *other == kind) {
                group.places.push(place);
                continue;
            }
            let others = (0..kinds.len()).filter(|other| kinds[*other] == *kind && !requested.contains(other)).collect();
            groups.push((kind, Group { places: vec![place], others }));
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// The number of sets, or one more than [`DECOYS`] where there are more.
    fn count(&self) -> usize {
        let (all, chosen) = (self.others.len(), self.places.len());
        if chosen > all {
            return 0;
        }
        let mut count = 1;
        for k in 0..chosen.min(all - chosen) {
            count = count * (all - k) / (k + 1);
            if count > DECOYS {
                return DECOYS + 1;
            }
        }
        count
    }

    /// One set, each as likely, ascending.
    fn draw(&self, draws: &mut Random) -> Vec<usize> {
        let mut others = self.others.clone();
        for k in 0..self.places.len() {
            let drawn = k + draws.below(others.len() - k);
            others.swap(k, drawn);
        }
        others.truncate(self.places.len());
        others.sort_unstable();
        others
    }

    fn put(&self, mut decoy: Vec<usize>, set: &[usize]) -> Vec<usize> {
        self.places.iter().zip(set).for_each(|(place, subject)| decoy[*place] = *subject);
        decoy
    }
}

/// All choices of so many, in ascending order.
fn combinations(from: &[usize], chosen: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for k in 0..chosen {
        let longer = |start: Vec<usize>| {
            let first = start.last().map_or(0, |last| from.partition_point(|subject| subject <= last));
            let last = from.len() + k + 1 - chosen;
            from[first..last].iter().map(move |next| [start.as_slice(), &[*next]].concat()).collect::<Vec<_>>()
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_by_hand() {
        let kinds = ["human", "object", "human", "object", "human", "human"].map(Some);
        // An object and a human, in this order: the other object with each of three humans.
        assert_eq!(decoys(&kinds, &[3, 0], 7), [[1, 2], [1, 4], [1, 5]]);
        assert_eq!(decoys(&kinds, &[4, 0], 7), [[2, 5]]);
        // Too few objects, or humans; nobody.
        assert!(decoys(&kinds, &[1, 3], 7).is_empty() && decoys(&kinds, &[0, 2, 4], 7).is_empty());
        assert!(decoys(&kinds, &[], 7).is_empty());
        // What is of unknown kind stands for what is of unknown kind.
        let kinds = [None, Some("human"), None, None, Some("human")];
        assert_eq!(decoys(&kinds, &[2, 1], 7), [[0, 4], [3, 4]]);
        assert_eq!(combinations(&[2, 3, 5, 7], 2), [[2, 3], [2, 5], [2, 7], [3, 5], [3, 7], [5, 7]]);
    }

    #[test]
    fn where_there_are_more_some_are_drawn() {
        // 20 · 10 = 200, all; 20 · 11 is more.
        let pool = |humans: usize, objects: usize| -> Vec<Option<u8>> {
            [vec![Some(0); humans + 1], vec![Some(1); objects + 1]].concat()
        };
        assert_eq!(decoys(&pool(20, 10), &[0, 21], 1).len(), 200);
        for (kinds, requested) in [
            (pool(20, 11), vec![21, 0]),
            (vec![None::<u8>; 202], vec![5]),
            (vec![None; 64], (20..30).collect()),
            (vec![None; 1_000], (0..400).collect()),
        ] {
            let found = decoys(&kinds, &requested, 1);
            assert!(found.len() == DECOYS && found.is_sorted_by(|a, b| a < b));
            assert_eq!(found, decoys(&kinds, &requested, 1));
            assert_ne!(found, decoys(&kinds, &requested, 2));
            for decoy in &found {
                let unlike = decoy.iter().zip(&requested).any(|(decoy, subject)| kinds[*decoy] != kinds[*subject]);
                let mut different = decoy.clone();
                different.sort_unstable();
                different.dedup();
                assert!(!unlike && different.len() == requested.len() && !decoy.iter().any(|at| requested.contains(at)));
            }
        }
    }

    #[test]
    fn each_is_as_likely() {
        // Pairs of 24 others, 276, of which 200 are drawn.
        let kinds = vec![Some(0); 26];
        let mut drawn = std::collections::BTreeMap::new();
        for seed in 0..1_000 {
            decoys(&kinds, &[7, 9], seed).into_iter().for_each(|decoy| *drawn.entry(decoy).or_insert(0) += 1);
        }
        let (least, most) = (drawn.values().min().unwrap(), drawn.values().max().unwrap());
        // 725 ± 14, and the most and the least of 276.
        assert!(drawn.len() == 276 && *least > 660 && *most < 790, "{least} to {most}");
    }
}
