//! Who is in which prompt: every subject about equally often.
//!
//! Prompts are filled in the order of their subject counts, the smallest first: what small prompts leave uneven, large
//! ones even out. Each place goes to the subject least used so far; ties are broken by a hash of the random seed, so
//! that the plan is the same every time. In one prompt no two subjects have the same label, and as long as there is
//! another choice no label stands within another's (*man*, *old man*). No set of subjects comes twice as long as there
//! is another.

use super::mentions::Labels;
use crate::error::{Error, Result};
use crate::text::quote;
use crate::vocabulary::{SceneType, SubjectId, SubjectKind};
use std::collections::{BTreeMap, HashSet};

/// A subject that prompts may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSubject {
    /// Its id.
    pub id: SubjectId,
    /// Class noun.
    pub label: String,
    /// What it is.
    pub kind: Option<SubjectKind>,
}

/// The shape of a stress test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Design {
    /// Subject counts.
    pub counts: Vec<usize>,
    /// Scene types.
    pub scenes: Vec<SceneType>,
    /// Prompts of each count and scene type.
    pub per_cell: usize,
    /// In how many prompts of a cell a subject may be; `None`: any.
    pub max_per_cell: Option<usize>,
    /// Breaks ties.
    pub random_seed: u64,
}

/// A prompt without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectSet {
    /// Its scene type.
    pub scene: SceneType,
    /// Number within its cell, from 1.
    pub number: usize,
    /// Positions in the pool, in no meaningful order.
    pub subjects: Vec<usize>,
}

/// Assigns the subjects of `pool`, which is sorted by id, to the prompts of `shape`.
///
/// # Errors
/// The shape is empty or names something twice, or the pool is too small for it.
pub fn plan(pool: &[PoolSubject], shape: &Design) -> Result<Vec<SubjectSet>> {
    let planner = Planner::new(pool, shape)?;
    let mut uses = vec![0; pool.len()];
    let mut sets = HashSet::new();
    let mut subject_sets = Vec::new();
    let mut counts = shape.counts.clone();
    counts.sort_unstable();
    let mut scenes = shape.scenes.clone();
    scenes.sort_unstable();
    for (cell, (count, scene)) in counts.iter().flat_map(|c| scenes.iter().map(move |s| (*c, *s))).enumerate() {
        let mut uses_here = vec![0; pool.len()];
        for number in 1..=shape.per_cell {
            let place = Slot { prompt: cell * shape.per_cell + number, left: shape.per_cell - number + 1, count };
            let subjects = planner.fill(&place, &uses, &uses_here, &mut sets);
            for subject in &subjects {
                uses[*subject] += 1;
                uses_here[*subject] += 1;
            }
            subject_sets.push(SubjectSet { scene, number, subjects });
        }
    }
    Ok(subject_sets)
}

/// A number that the seed, a purpose, a prompt and a subject give.
pub fn lot(random_seed: u64, purpose: &str, prompt: usize, subject: &SubjectId) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&random_seed.to_le_bytes()).update(purpose.as_bytes()).update(&(prompt as u64).to_le_bytes());
    let hash = hasher.update(subject.as_str().as_bytes()).finalize();
    let mut eight = [0; 8];
    eight.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(eight)
}

struct Planner<'a> {
    pool: &'a [PoolSubject],
    shape: &'a Design,
    labels: Labels,
    /// For each subject the first with the same label.
    label_of: Vec<usize>,
}

/// A prompt to be filled.
struct Slot {
    prompt: usize,
    /// Prompts of its cell still to be filled, this one included.
    left: usize,
    count: usize,
}

impl<'a> Planner<'a> {
    fn new(pool: &'a [PoolSubject], shape: &'a Design) -> Result<Planner<'a>> {
        check_shape(shape)?;
        let largest = shape.counts.iter().copied().max().unwrap_or(0);
        if pool.is_empty() {
            return Err(Error::request(
                "there is no subject to make prompts of",
                "ingest a subjects manifest, give a directory with --images, or ask for other --kinds",
            ));
        }
        if pool.len() < largest {
            return Err(Error::request(
                format!("the pool has {} subjects; a prompt of {largest} needs as many", pool.len()),
                "add subjects, or ask for smaller --counts",
            ));
        }
        let labels = Labels::new(pool.iter().map(|s| s.label.as_str()));
        let label_of: Vec<usize> = (0..pool.len()).map(|i| labels.first_equal(i)).collect();
        let mut subjects_of: BTreeMap<usize, usize> = BTreeMap::new();
        label_of.iter().for_each(|label| *subjects_of.entry(*label).or_default() += 1);
        if subjects_of.len() < largest {
            return Err(Error::request(
                format!(
                    "the {} subjects of the pool have only {} labels, and subjects with one label never share a prompt; a prompt of {largest} needs as many",
                    pool.len(),
                    subjects_of.len()
                ),
                "give more telling labels (`red teapot`), add subjects, or ask for smaller --counts",
            ));
        }
        if let Some(most) = shape.max_per_cell {
            // Each label is at most once in a prompt, and as often in the cell as its subjects may be together.
            let capacity: usize = subjects_of.values().map(|n| shape.per_cell.min(n * most)).sum();
            if capacity < largest * shape.per_cell {
                return Err(Error::request(
                    format!(
                        "{} prompts of {largest} subjects have {} places; with --max-per-cell {most} the pool fills {capacity}",
                        shape.per_cell,
                        largest * shape.per_cell
                    ),
                    "allow a larger --max-per-cell, fewer prompts --per-cell, or smaller --counts",
                ));
            }
        }
        Ok(Planner { pool, shape, labels, label_of })
    }

    /// Subjects for one prompt; if it can be avoided, no set that is in `sets`.
    fn fill(&self, place: &Slot, uses: &[usize], uses_here: &[usize], sets: &mut HashSet<Vec<usize>>) -> Vec<usize> {
        let mut chosen = Vec::with_capacity(place.count);
        while chosen.len() < place.count {
            match self.ranked(place, &chosen, uses, uses_here, place.count - chosen.len()).first() {
                Some(best) => chosen.push(*best),
                None => break, // not reached: the capacity was checked
            }
        }
        let set = |subjects: &[usize]| {
            let mut set = subjects.to_vec();
            set.sort_unstable();
            set
        };
        if sets.contains(&set(&chosen)) {
            // The least pressing of the choices is changed first.
            let other = (0..chosen.len()).rev().find_map(|at| {
                let mut rest = chosen.clone();
                rest.remove(at);
                let others = self.ranked(place, &rest, uses, uses_here, 1);
                others.into_iter().map(|other| [rest.as_slice(), &[other]].concat()).find(|c| !sets.contains(&set(c)))
            });
            chosen = other.unwrap_or(chosen);
        }
        sets.insert(set(&chosen));
        chosen
    }

    /// Who may still join `chosen`, best first; `open` places are left in the prompt.
    fn ranked(&self, place: &Slot, chosen: &[usize], uses: &[usize], uses_here: &[usize], open: usize) -> Vec<usize> {
        let within = |i: usize| self.shape.max_per_cell.is_none_or(|most| uses_here[i] < most);
        let must = self.pressing(place, chosen, uses_here, open);
        let free = |i: &usize| {
            within(*i)
                && chosen.iter().all(|c| self.label_of[*c] != self.label_of[*i])
                && must.as_ref().is_none_or(|labels| labels.contains(&self.label_of[*i]))
        };
        let mut ranked: Vec<usize> = (0..self.pool.len()).filter(free).collect();
        ranked.sort_by_cached_key(|i| {
            let nested = chosen.iter().any(|c| self.labels.overlap(*c, *i));
            let lot = lot(self.shape.random_seed, "cast", place.prompt, &self.pool[*i].id);
            (nested, uses[*i], uses_here[*i], lot)
        });
        ranked
    }

    /// With a limit a cell, the labels of which this prompt must take one now, lest later prompts of the cell find too
    /// few; `None`: any will do.
    fn pressing(&self, place: &Slot, chosen: &[usize], uses_here: &[usize], open: usize) -> Option<HashSet<usize>> {
        let most = self.shape.max_per_cell?;
        let mut capacity: BTreeMap<usize, usize> = BTreeMap::new();
        for (i, label) in self.label_of.iter().enumerate() {
            *capacity.entry(*label).or_default() += most - uses_here[i].min(most);
        }
        let supply: usize = capacity.values().map(|c| (*c).min(place.left)).sum();
        let slack = supply.saturating_sub(place.count * place.left);
        // A label that could be in every prompt left loses a place by being left out of this one.
        let taken: HashSet<usize> = chosen.iter().map(|c| self.label_of[*c]).collect();
        let tight: HashSet<usize> =
            capacity.iter().filter(|(l, c)| **c >= place.left && !taken.contains(l)).map(|(l, _)| *l).collect();
        (tight.len() >= slack + open).then_some(tight)
    }
}

fn check_shape(shape: &Design) -> Result<()> {
    let refuse = |message: String| Err(Error::Request { message, hint: None });
    if shape.counts.is_empty() || shape.scenes.is_empty() || shape.per_cell == 0 || shape.max_per_cell == Some(0) {
        return refuse("a stress test has at least one subject count, one scene type and one prompt a cell".into());
    }
    if let Some(twice) = (1..shape.counts.len()).find(|i| shape.counts[..*i].contains(&shape.counts[*i])) {
        return refuse(format!("the subject count {} is named twice", shape.counts[twice]));
    }
    if let Some(twice) = (1..shape.scenes.len()).find(|i| shape.scenes[..*i].contains(&shape.scenes[*i])) {
        return refuse(format!("the scene type {} is named twice", quote(shape.scenes[twice].as_str())));
    }
    Ok(())
}
