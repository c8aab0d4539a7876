//! What a report counts and adds up, cell by cell and within each by prompt, in one pass over the generations.
//!
//! Counts are whole and sums are exact, so the order of the generations leaves no trace; nothing is kept of a single one.

use super::cells::SHARE;
use super::keys::Keys;
use super::{Key, KeyValue, ReportOptions, Snapshot};
use crate::catalog::{GenerationRow, ScoredGeneration};
use crate::score::{Clustered, ExactSum};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What to tally.
#[derive(Clone, Copy)]
pub(crate) struct Tallied<'o> {
    /// The keys of the cells.
    pub(crate) by: &'o [Key],
    /// The thresholds of SCR, ascending.
    pub(crate) thresholds: &'o [f64],
    /// Whether sums are kept prompt by prompt, for intervals; they take room.
    pub(crate) by_prompt: bool,
}

impl<'o> Tallied<'o> {
    /// Whether these cells, put together, are those: of the same generations, by more keys, at the same thresholds. (A generation
    /// is once in a cell however many of its subjects are, so cells of subjects cannot be put together.)
    pub(crate) fn gives(self, coarser: Tallied<'_>) -> bool {
        coarser.by.iter().all(|key| self.by.contains(key))
            && (self.by == coarser.by || !Key::are_of_subjects(self.by))
            && self.by.contains(&Key::Model) == coarser.by.contains(&Key::Model)
            && self.thresholds == coarser.thresholds
    }

    /// What a report needs, with intervals or without.
    pub(crate) fn of(options: &'o ReportOptions, with_intervals: bool) -> Tallied<'o> {
        Tallied { by: &options.by, thresholds: options.thresholds.values(), by_prompt: with_intervals }
    }
}

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

    fn merge(&mut self, other: Added) {
        self.sum.merge(other.sum);
        self.count += other.count;
    }
}

/// The cells of a report, as they fill.
pub(crate) struct Tally<'s> {
    snapshot: &'s Snapshot,
    keys: Keys<'s>,
    tallied: Tallied<'s>,
    /// The place of the encoder that decides collapse.
    identity: usize,
    /// Whether models are told apart; if not, controls are in no cell.
    apart: bool,
    /// Whether cells are over pairs of a generation and a subject.
    pairs: bool,
    cells: Vec<CellTally>,
    places: HashMap<Vec<i64>, usize>,
    /// The keys of the unit before, and its cell: generations of one prompt often follow each other.
    before: Option<(Vec<i64>, usize)>,
    codes: Vec<i64>,
    /// By encoder: whether any generation has CLIP-T.
    texts: Vec<bool>,
    totals: Totals,
}

/// What is counted over all cells.
#[derive(Debug, Clone, Default)]
pub(super) struct Totals {
    /// Generations that the cells are over.
    pub(super) generations: u64,
    /// Those that are scored by the encoder that decides collapse.
    pub(super) scored: u64,
    /// Those that no run has made yet.
    pub(super) unmade: u64,
    /// Images of models under test that are blank.
    pub(super) blank: u64,
    /// Model, prompt and seed of the first of them.
    pub(super) first_blank: Option<(u32, u32, i64)>,
    /// Composites of references that their prompts no longer have.
    pub(super) outdated_composites: u64,
}

impl Totals {
    fn merge(&mut self, other: Totals) {
        self.generations += other.generations;
        self.scored += other.scored;
        self.unmade += other.unmade;
        self.blank += other.blank;
        self.first_blank = [self.first_blank, other.first_blank].into_iter().flatten().min();
        self.outdated_composites += other.outdated_composites;
    }
}

/// Everything that was tallied.
pub(super) struct Tallies {
    /// The cells, by their keys.
    pub(super) cells: Vec<CellTally>,
    /// The encoders with CLIP-T, ascending.
    pub(super) texts: Vec<usize>,
    pub(super) totals: Totals,
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

impl<'s> Tally<'s> {
    /// Of no generation yet.
    pub(crate) fn new(snapshot: &'s Snapshot, tallied: Tallied<'s>) -> Tally<'s> {
        Tally {
            snapshot,
            keys: Keys::new(snapshot),
            identity: snapshot.identity_place(),
            apart: tallied.by.contains(&Key::Model),
            pairs: Key::are_of_subjects(tallied.by),
            tallied,
            cells: Vec::new(),
            places: HashMap::new(),
            before: None,
            codes: Vec::new(),
            texts: vec![false; snapshot.encoders.len()],
            totals: Totals::default(),
        }
    }

    /// Adds a generation with its scores.
    pub(crate) fn add(&mut self, scored: &ScoredGeneration<'_>) {
        let generation = &scored.row;
        let (snapshot, control) = (self.snapshot, self.snapshot.models[generation.model as usize].1);
        if snapshot.is_composite(generation) && !snapshot.composites.contains(&generation.id) {
            self.totals.outdated_composites += 1;
        }
        if !control && snapshot.blank.contains(&generation.id) {
            let key = (generation.model, generation.prompt, generation.seed);
            self.totals.blank += 1;
            self.totals.first_blank = Some(self.totals.first_blank.map_or(key, |first| first.min(key)));
        }
        self.expect(generation, 1);
        let once = |value: Option<f64>| value.map(Added::once).unwrap_or_default();
        for (encoder, (similarity, clip_t)) in scored.similarity.iter().zip(scored.clip_t).enumerate() {
            if similarity.is_some() || clip_t.is_some() {
                self.score(generation, encoder, once(*similarity), once(*clip_t));
            }
        }
        if !self.pairs {
            let similarities = snapshot.whole_similarities(scored, self.identity);
            let steps: Vec<(usize, u64)> = similarities.iter().map(|similarity| (self.step(*similarity), 1)).collect();
            return self.score_subjects(generation, None, self.identity, Added::default(), &steps);
        }
        for encoder in 0..scored.of_subjects.len() {
            for (ordinal, similarity) in (0..).zip(snapshot.whole_similarities(scored, encoder)) {
                let steps = [(self.step(*similarity), 1)];
                self.score_subjects(generation, Some(ordinal), encoder, Added::once(*similarity), &steps);
            }
        }
    }

    /// Adds generations that there are, scored or not, of a model, a prompt and what else cells are told apart by.
    pub(crate) fn expect(&mut self, of: &GenerationRow, count: u64) {
        if !self.snapshot.is_reported(of.model, self.apart) {
            return;
        }
        self.totals.generations += count;
        self.totals.unmade += if of.id < 0 { count } else { 0 };
        for at in self.cells_of(of) {
            self.cells[at].generations += count;
        }
    }

    /// Adds what such generations were scored by an encoder as a whole.
    pub(crate) fn score(&mut self, of: &GenerationRow, encoder: usize, similarity: Added, clip_t: Added) {
        self.texts[encoder] |= clip_t.count > 0;
        if !self.snapshot.is_reported(of.model, self.apart) {
            return;
        }
        let by_identity = encoder == self.identity && similarity.count > 0;
        self.totals.scored += if by_identity { similarity.count } else { 0 };
        for at in self.cells_of(of) {
            let cell = &mut self.cells[at];
            cell.scored[encoder] += similarity.count;
            cell.with_text[encoder] += clip_t.count;
            if by_identity {
                cell.prompts.insert(of.prompt);
                cell.sizes.extend(of.size);
            }
        }
        for ordinal in self.units_of(of) {
            let (at, cluster) = self.cluster(of, ordinal);
            let cell = &mut self.cells[at];
            // The similarity of a pair is that of its subject.
            if ordinal.is_none() {
                cell.similarity_of(cluster, encoder).merge(similarity);
            }
            cell.add_clip_t(cluster, encoder, clip_t);
        }
    }

    /// Adds what subjects of such generations were scored by an encoder: the one at a place of the prompt, where cells are
    /// over pairs, else any. By the encoder that decides collapse, `steps` says how many are on each (see [`Tally::step`]).
    pub(crate) fn score_subjects(
        &mut self,
        of: &GenerationRow,
        ordinal: Option<u32>,
        encoder: usize,
        similarity: Added,
        steps: &[(usize, u64)],
    ) {
        if steps.is_empty() || !self.snapshot.is_reported(of.model, self.apart) {
            return;
        }
        let (at, cluster) = self.cluster(of, ordinal);
        let cell = &mut self.cells[at];
        if ordinal.is_some() {
            cell.similarity_of(cluster, encoder).merge(similarity);
        }
        if encoder == self.identity {
            steps.iter().for_each(|(step, count)| cell.steps_of[cluster * cell.steps + step] += count);
        }
    }

    /// How many thresholds a similarity is not below.
    pub(crate) fn step(&self, similarity: f64) -> usize {
        self.tallied.thresholds.partition_point(|threshold| similarity >= *threshold)
    }

    /// The units that a generation is: itself, or a pair with each of its subjects.
    fn units_of(&self, of: &GenerationRow) -> impl Iterator<Item = Option<u32>> + use<> {
        let subjects = self.snapshot.prompts[of.prompt as usize].subjects.len() as u32;
        let pairs = if self.pairs { 0..subjects } else { 0..0 };
        pairs.map(Some).chain((!self.pairs).then_some(None))
    }

    /// The cells that a generation is in, each once.
    fn cells_of(&mut self, of: &GenerationRow) -> Vec<usize> {
        let mut cells: Vec<usize> = self.units_of(of).map(|ordinal| self.cell(of, ordinal)).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// The cell of a unit, and the cluster in it.
    fn cluster(&mut self, of: &GenerationRow, ordinal: Option<u32>) -> (usize, usize) {
        let requested = self.snapshot.prompts[of.prompt as usize].subjects.len() as u32;
        let subjects = if ordinal.is_some() { 1 } else { requested };
        let key = if self.tallied.by_prompt { of.prompt } else { subjects };
        let at = self.cell(of, ordinal);
        (at, self.cells[at].cluster(key, u64::from(subjects)))
    }

    fn cell(&mut self, of: &GenerationRow, ordinal: Option<u32>) -> usize {
        self.codes.clear();
        self.codes.extend(self.tallied.by.iter().map(|key| self.keys.code(*key, of, ordinal)));
        if let Some((_, at)) = self.before.as_ref().filter(|(codes, _)| *codes == self.codes) {
            return *at;
        }
        let at = self.cell_of(self.codes.clone(), of.model);
        self.before = Some((self.codes.clone(), at));
        at
    }

    /// The cell of these codes, which has units of this model.
    fn cell_of(&mut self, codes: Vec<i64>, model: u32) -> usize {
        if let Some(at) = self.places.get(&codes) {
            let cell = &mut self.cells[*at];
            cell.model = cell.model.min(model);
            return *at;
        }
        let keys = self.tallied.by.iter().zip(&codes).map(|(key, code)| (*key, self.keys.value(*key, *code)));
        let (encoders, steps) = (self.snapshot.encoders.len(), self.tallied.thresholds.len() + 1);
        self.cells.push(CellTally::new(codes.clone(), keys.collect(), model, encoders, steps));
        self.places.insert(codes, self.cells.len() - 1);
        self.cells.len() - 1
    }

    /// Returns the cells by some of the keys, each put together of these (see [`Tallied::gives`]).
    pub(crate) fn by(&self, keys: &'s [Key]) -> Tally<'s> {
        let place = |key: &Key| self.tallied.by.iter().position(|known| known == key);
        let places: Vec<usize> = keys.iter().filter_map(place).collect();
        let mut tally = Tally::new(self.snapshot, Tallied { by: keys, ..self.tallied });
        for cell in &self.cells {
            let at = tally.cell_of(places.iter().map(|at| cell.codes[*at]).collect(), cell.model);
            tally.cells[at].merge(cell);
        }
        (tally.texts, tally.totals) = (self.texts.clone(), self.totals.clone());
        tally.shrink_to_fit();
        tally
    }

    /// Returns both together: what was added to either.
    pub(crate) fn merge(mut self, other: Tally<'s>) -> Tally<'s> {
        for cell in other.cells {
            match self.places.get(&cell.codes) {
                Some(at) => self.cells[*at].merge(&cell),
                None => {
                    self.places.insert(cell.codes.clone(), self.cells.len());
                    self.cells.push(cell);
                }
            }
        }
        self.texts.iter_mut().zip(other.texts).for_each(|(one, other)| *one |= other);
        self.totals.merge(other.totals);
        self
    }

    /// Gives back the room that is kept for more: a third of all.
    pub(crate) fn shrink_to_fit(&mut self) {
        for cell in &mut self.cells {
            cell.prompts.shrink_to_fit();
            cell.clusters.shrink_to_fit();
            [&mut cell.subjects, &mut cell.steps_of].into_iter().for_each(Vec::shrink_to_fit);
            [&mut cell.sums, &mut cell.texts].into_iter().for_each(Vec::shrink_to_fit);
        }
    }

    /// Says what cannot be: scores of generations that there are not, or of only some subjects of an image.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        for cell in &self.cells {
            if cell.scored.iter().chain(&cell.with_text).any(|scored| *scored > cell.generations) {
                return Some("there are scores of more images than there are generations");
            }
            let (_, subjects) = cell.units(self.identity);
            if subjects != cell.steps_of.iter().sum::<u64>() {
                return Some("the scores of subjects are not those of the images that are scored");
            }
        }
        None
    }

    /// Returns what was added.
    pub(super) fn finish(mut self) -> Tallies {
        self.cells.sort_by(|one, other| one.codes.cmp(&other.codes));
        let texts = (0..self.texts.len()).filter(|encoder| self.texts[*encoder]).collect();
        Tallies { cells: self.cells, texts, totals: self.totals }
    }
}

impl CellTally {
    fn new(codes: Vec<i64>, keys: Vec<(Key, KeyValue)>, model: u32, encoders: usize, steps: usize) -> CellTally {
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

    fn cluster(&mut self, key: u32, subjects: u64) -> usize {
        let cluster = *self.clusters.entry(key).or_insert_with(|| {
            self.subjects.push(subjects);
            self.sums.resize(self.sums.len() + self.encoders, Added::default());
            self.steps_of.resize(self.steps_of.len() + self.steps, 0);
            self.subjects.len() as u32 - 1
        });
        cluster as usize
    }

    /// Adds what the same cell has in another tally, or a part of it.
    fn merge(&mut self, other: &CellTally) {
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
    fn similarity_of(&mut self, cluster: usize, encoder: usize) -> &mut Added {
        &mut self.sums[cluster * self.encoders + encoder]
    }

    fn add_clip_t(&mut self, cluster: usize, encoder: usize, added: Added) {
        if added.count > 0 {
            let at = cluster * self.encoders + encoder;
            self.texts.resize(self.texts.len().max(at + 1), Added::default());
            self.texts[at].merge(added);
        }
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

#[cfg(test)]
mod tests {
    use super::super::{Report, build};
    use super::*;
    use crate::catalog::{PromptRow, SubjectRow};
    use crate::score::Confidence;
    use crate::vocabulary::SceneType;

    #[test]
    fn cells_put_together_are_the_cells_by_fewer_keys() {
        let subject = |id: i64| SubjectRow {
            id,
            subject_id: format!("s{id}").parse().unwrap(),
            label: "thing".into(),
            source: None,
            kind: None,
            caption: None,
            license: None,
            references: Vec::new(),
        };
        let prompt = |id: i64, scene_type, subjects: &[usize]| PromptRow {
            id,
            prompt_id: format!("p{id}").parse().unwrap(),
            text: String::new(),
            scene_type,
            subjects: subjects.to_vec(),
            cut: None,
        };
        let scenes = [SceneType::Neutral, SceneType::Occlusion];
        let snapshot = Snapshot {
            models: ["b", "a", "c"].map(|name| (name.parse().unwrap(), name == "c")).to_vec(),
            subjects: (0..3).map(subject).collect(),
            prompts: (0..8).map(|id| prompt(id, scenes[id as usize / 2 % 2], &[0, 1, 2][..1 + id as usize % 3])).collect(),
            encoders: vec![(1, "dinov2-small".parse().unwrap())],
            identity: "dinov2-small".into(),
            ..Snapshot::default()
        };
        let report = |by: &[Key], from: Option<&[Key]>| -> Report {
            let options = ReportOptions { by: by.to_vec(), confidence: Some(Confidence::default()), ..ReportOptions::default() };
            let mut tally = Tally::new(&snapshot, Tallied { by: from.unwrap_or(by), ..Tallied::of(&options, true) });
            for (id, (model, prompt, seed)) in
                (0..3).flat_map(|model| (0..8).flat_map(move |prompt| (0..2).map(move |seed| (model, prompt, seed)))).enumerate()
            {
                let size = Some([512, 512 + prompt % 2]);
                let row = GenerationRow { id: id as i64, model, prompt, seed, size };
                let subjects = snapshot.prompts[prompt as usize].subjects.len();
                let of_subjects: Vec<f64> = (0..subjects).map(|place| ((id * 7 + place * 3) % 10) as f64 / 10.0).collect();
                let is_scored = id % 5 > 0;
                let similarity = is_scored.then(|| of_subjects.iter().sum::<f64>() / subjects as f64);
                let clip_t = [similarity.map(|similarity| similarity / 2.0).filter(|_| seed == 0)];
                let of_subjects = [if is_scored { of_subjects } else { Vec::new() }];
                tally.add(&ScoredGeneration { row, similarity: &[similarity], clip_t: &clip_t, of_subjects: &of_subjects });
            }
            build(&snapshot, &options, if from.is_some() { tally.by(&options.by) } else { tally })
        };
        let fine = [Key::Seed, Key::Model, Key::SceneType, Key::SubjectCount, Key::Size];
        for by in [&[Key::Model][..], &[Key::SubjectCount, Key::Model], &[Key::Size, Key::Model, Key::SceneType]] {
            let direct = report(by, None);
            assert!(direct.rows.len() >= 3 && direct.rows.iter().all(|row| row.ci.is_some() && row.images > 0));
            assert!(direct.rows.iter().any(|row| row.missing > 0));
            assert_eq!(report(by, Some(&fine)), direct);
        }
    }

    #[test]
    fn only_cells_of_the_same_units_are_put_together() {
        let gives = |fine: &[Key], coarse: &[Key]| {
            let tallied = |by| Tallied { by, thresholds: &[0.5], by_prompt: false };
            tallied(fine).gives(tallied(coarse))
        };
        let (model, count, kind, subject) = (Key::Model, Key::SubjectCount, Key::Kind, Key::SubjectId);
        assert!(gives(&[count, model], &[model]) && gives(&[model, subject], &[model, subject]) && gives(&[count], &[]));
        // Whether controls are in is told by the model; a generation with two subjects of a kind is once in the cell of the kind.
        assert!(!gives(&[count, model], &[count]) && !gives(&[subject, kind], &[kind]) && !gives(&[model, kind], &[model]));
        assert!(!gives(&[model], &[model, count]));
    }
}
