//! What is counted and added up of one cell of a report, by prompt.

use super::cells::SHARE;
use super::{Key, KeyValue};
use crate::score::{Clustered, ExactSum};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Numbers that were added up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Added {
    pub(crate) sum: ExactSum,
    pub(crate) count: u64,
}

impl Added {
    /// Of one number, from -1 to 1.
    pub(crate) fn once(value: f64) -> Added {
        let mut sum = ExactSum::default();
        sum.add(value);
        Added { sum, count: 1 }
    }

    /// Adds others.
    pub(super) fn merge(&mut self, other: Added) {
        self.sum.merge(other.sum);
        self.count += other.count;
    }
}

/// A cell.
pub(super) struct CellTally {
    codes: Vec<i64>,
    pub(super) keys: Vec<(Key, KeyValue)>,
    /// The model of its units; if they are of several, the first of those.
    pub(super) model: u32,
    /// Generations that it is over.
    pub(super) generations: u64,
    /// By encoder: generations with a similarity.
    pub(super) scored: Vec<u64>,
    /// By encoder: generations with CLIP-T.
    pub(super) with_text: Vec<u64>,
    /// Prompts with an image that is scored by the encoder that decides collapse.
    pub(super) prompts: HashSet<u32>,
    /// Sizes of those images.
    pub(super) sizes: BTreeSet<[u32; 2]>,
    encoders: usize,
    steps: usize,
    /// By prompt, or where those are not kept apart by subject count: the place in what follows.
    clusters: HashMap<u32, u32>,
    /// [cluster]: subjects of a unit.
    subjects: Vec<u64>,
    /// [cluster][encoder]: similarities.
    sums: Vec<Added>,
    /// [cluster][encoder]: CLIP-T; it may end early, where there is none.
    texts: Vec<Added>,
    /// [cluster][step]: subjects below the threshold of that number, and not below the one before; those below none last.
    steps_of: Vec<u64>,
}

impl CellTally {
    /// A cell of nothing yet.
    pub(super) fn new(codes: Vec<i64>, keys: Vec<(Key, KeyValue)>, model: u32, encoders: usize, steps: usize) -> CellTally {
        CellTally {
            codes,
            keys,
            model,
            generations: 0,
            scored: vec![0; encoders],
            with_text: vec![0; encoders],
            prompts: HashSet::new(),
            sizes: BTreeSet::new(),
            encoders,
            steps,
            clusters: HashMap::new(),
            subjects: Vec::new(),
            sums: Vec::new(),
            texts: Vec::new(),
            steps_of: Vec::new(),
        }
    }

    /// The place of a cluster, which is made if there is none: units of so many subjects.
    pub(super) fn cluster(&mut self, key: u32, subjects: u64) -> usize {
        let cluster = *self.clusters.entry(key).or_insert_with(|| {
            self.subjects.push(subjects);
            self.sums.resize(self.sums.len() + self.encoders, Added::default());
            self.steps_of.resize(self.steps_of.len() + self.steps, 0);
            self.subjects.len() as u32 - 1
        });
        cluster as usize
    }

    /// Adds what the same cell has in another tally, or a part of it.
    pub(super) fn merge(&mut self, other: &CellTally) {
        let add = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        self.model = self.model.min(other.model);
        self.generations += other.generations;
        add(&mut self.scored, &other.scored);
        add(&mut self.with_text, &other.with_text);
        self.prompts.extend(&other.prompts);
        self.sizes.extend(&other.sizes);
        for (key, from) in &other.clusters {
            let from = *from as usize;
            let to = self.cluster(*key, other.subjects[from]);
            for encoder in 0..self.encoders {
                self.similarity_of(to, encoder).merge(other.similarities(encoder)(from));
                self.add_clip_t(to, encoder, other.clip_ts(encoder)(from));
            }
            let steps = self.steps;
            add(&mut self.steps_of[to * steps..][..steps], &other.steps_of[from * steps..][..steps]);
        }
    }

    /// The codes of its keys.
    pub(super) fn codes(&self) -> &[i64] {
        &self.codes
    }

    /// The similarities by an encoder in a cluster.
    pub(super) fn similarity_of(&mut self, cluster: usize, encoder: usize) -> &mut Added {
        &mut self.sums[cluster * self.encoders + encoder]
    }

    /// Adds CLIP-T by an encoder in a cluster.
    pub(super) fn add_clip_t(&mut self, cluster: usize, encoder: usize, added: Added) {
        if added.count > 0 {
            let at = cluster * self.encoders + encoder;
            self.texts.resize(self.texts.len().max(at + 1), Added::default());
            self.texts[at].merge(added);
        }
    }

    /// Adds subjects of a cluster that are on a step.
    pub(super) fn add_step(&mut self, cluster: usize, step: usize, count: u64) {
        self.steps_of[cluster * self.steps + step] += count;
    }

    /// Subjects on all steps.
    pub(super) fn all_steps(&self) -> u64 {
        self.steps_of.iter().sum()
    }

    /// Gives back the room that is kept for more.
    pub(super) fn shrink_to_fit(&mut self) {
        self.prompts.shrink_to_fit();
        self.clusters.shrink_to_fit();
        [&mut self.subjects, &mut self.steps_of].into_iter().for_each(Vec::shrink_to_fit);
        [&mut self.sums, &mut self.texts].into_iter().for_each(Vec::shrink_to_fit);
    }

    /// Subjects of a cluster that are below the threshold of that number.
    fn below(&self, cluster: usize, threshold: usize) -> u64 {
        // Not below the first `step` thresholds: a subject is below those from its step on.
        self.steps_of[cluster * self.steps..][..=threshold].iter().sum()
    }

    /// The similarities by an encoder, cluster by cluster.
    fn similarities(&self, encoder: usize) -> impl Fn(usize) -> Added {
        move |cluster| self.sums[cluster * self.encoders + encoder]
    }

    fn clip_ts(&self, encoder: usize) -> impl Fn(usize) -> Added {
        move |cluster| self.texts.get(cluster * self.encoders + encoder).copied().unwrap_or_default()
    }

    fn mean(&self, of: impl Fn(usize) -> Added) -> Option<f64> {
        let mut all = Added::default();
        (0..self.subjects.len()).for_each(|cluster| all.merge(of(cluster)));
        all.sum.mean(all.count)
    }

    /// Mean similarity by an encoder.
    pub(super) fn similarity(&self, encoder: usize) -> Option<f64> {
        self.mean(self.similarities(encoder))
    }

    /// Mean CLIP-T by an encoder.
    pub(super) fn clip_t(&self, encoder: usize) -> Option<f64> {
        self.mean(self.clip_ts(encoder))
    }

    /// Units that are scored by an encoder, and the subjects in them.
    pub(super) fn units(&self, encoder: usize) -> (u64, u64) {
        let of = self.similarities(encoder);
        let counts = (0..self.subjects.len()).map(|cluster| (of(cluster).count, self.subjects[cluster]));
        counts.fold((0, 0), |(units, all), (n, subjects)| (units + n, all + n * subjects))
    }

    /// Mean SCR at the threshold of that number, by the encoder that decides collapse.
    pub(super) fn scr(&self, threshold: usize, identity: usize) -> Option<f64> {
        // By the subjects of a unit, so that whole numbers are added.
        let mut collapsed: BTreeMap<u64, u64> = BTreeMap::new();
        for cluster in 0..self.subjects.len() {
            *collapsed.entry(self.subjects[cluster]).or_default() += self.below(cluster, threshold);
        }
        let (units, _) = self.units(identity);
        let sum: f64 = collapsed.into_iter().map(|(subjects, n)| n as f64 / subjects.max(1) as f64).sum();
        (units > 0).then(|| sum / units as f64)
    }

    /// Subjects that have not collapsed at the threshold of that number.
    pub(super) fn uncollapsed(&self, threshold: usize, identity: usize) -> u64 {
        let (_, subjects) = self.units(identity);
        subjects.saturating_sub((0..self.subjects.len()).map(|cluster| self.below(cluster, threshold)).sum::<u64>())
    }

    /// Similarity by an encoder, clustered by prompt; only if it was tallied so.
    pub(super) fn clustered_similarity(&self, encoder: usize) -> Clustered {
        self.clustered(self.similarities(encoder))
    }

    /// The same of CLIP-T.
    pub(super) fn clustered_clip_t(&self, encoder: usize) -> Clustered {
        self.clustered(self.clip_ts(encoder))
    }

    fn clustered(&self, of: impl Fn(usize) -> Added) -> Clustered {
        let sums = self.in_order().into_iter().map(of).map(|added| (added.sum.value(), added.count as f64));
        Clustered::of_sums(sums.collect())
    }

    /// The same of SCR at the threshold of that number.
    pub(super) fn clustered_scr(&self, threshold: usize, identity: usize) -> Clustered {
        let units = self.similarities(identity);
        let of = |cluster: usize| {
            let rate = self.below(cluster, threshold) as f64 / self.subjects[cluster].max(1) as f64;
            (rate, units(cluster).count as f64)
        };
        Clustered::of_sums(self.in_order().into_iter().map(of).collect()).within(SHARE)
    }

    /// Its clusters by prompt.
    fn in_order(&self) -> Vec<usize> {
        let mut all: Vec<(u32, u32)> = self.clusters.iter().map(|(prompt, cluster)| (*prompt, *cluster)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, cluster)| cluster as usize).collect()
    }
}
