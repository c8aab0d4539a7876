//! What a report counts and adds up, cell by cell and within each by prompt, in one pass over the generations.
//!
//! Counts are whole and sums are exact, so the order of the generations leaves no trace; nothing is kept of a single one.

use super::cell_tally::{Added, CellTally};
use super::keys::Keys;
use super::{Key, ReportOptions, Snapshot};
use crate::catalog::{GenerationRow, ScoredGeneration};
use std::collections::HashMap;

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
            steps.iter().for_each(|(step, count)| cell.add_step(cluster, *step, *count));
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
            let at = tally.cell_of(places.iter().map(|at| cell.codes()[*at]).collect(), cell.model);
            tally.cells[at].merge(cell);
        }
        (tally.texts, tally.totals) = (self.texts.clone(), self.totals.clone());
        tally.shrink_to_fit();
        tally
    }

    /// Returns both together: what was added to either.
    pub(crate) fn merge(mut self, other: Tally<'s>) -> Tally<'s> {
        for cell in other.cells {
            match self.places.get(cell.codes()) {
                Some(at) => self.cells[*at].merge(&cell),
                None => {
                    self.places.insert(cell.codes().to_vec(), self.cells.len());
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
        self.cells.iter_mut().for_each(CellTally::shrink_to_fit);
    }

    /// Says what cannot be: scores of generations that there are not, or of only some subjects of an image.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        for cell in &self.cells {
            if cell.scored.iter().chain(&cell.with_text).any(|scored| *scored > cell.generations) {
                return Some("there are scores of more images than there are generations");
            }
            let (_, subjects) = cell.units(self.identity);
            if subjects != cell.all_steps() {
                return Some("the scores of subjects are not those of the images that are scored");
            }
        }
        None
    }

    /// Returns what was added.
    pub(super) fn finish(mut self) -> Tallies {
        self.cells.sort_by(|one, other| one.codes().cmp(other.codes()));
        let texts = (0..self.texts.len()).filter(|encoder| self.texts[*encoder]).collect();
        Tallies { cells: self.cells, texts, totals: self.totals }
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
