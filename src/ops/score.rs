//! Scores what is embedded but not yet scored, block by block: memory holds one block of generations and the
//! references and prompts that it needs, however many there are in total.

use crate::catalog::{Catalog, EncoderRow, RowSet, Score, ScoringTask, StoredVector, VectorPlace, Which};
use crate::dataset::Dataset;
use crate::embeddings::Store;
use crate::error::Result;
use crate::ops::region_score::score_regions;
use crate::score::{Reference, mean, score_generation};
use crate::watch::Watch;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::resume_unwind;
use std::thread;

/// Most bytes of generation vectors in a block.
const BLOCK_BYTES: usize = 16 << 20;

/// Most generations in a block.
const BLOCK_ROWS: usize = 4096;

/// Vectors that are looked at at once for such as are wanted.
const LOOK: usize = 1 << 16;

/// Blocks whose scores are recorded together: each time waits for the disk.
const RECORDED_BLOCKS: usize = 4;

impl Dataset {
    /// Scores what is embedded but not yet scored; returns the number of (generation, encoder) pairs, and of those of
    /// regions by a set.
    ///
    /// # Errors
    /// A part is damaged, the disk is full, or the caller wants to stop (what was scored is kept).
    pub fn score(&mut self, watch: &mut Watch<'_>) -> Result<u64> {
        Ok(score(&mut self.catalog, &self.store, watch)? + score_regions(&mut self.catalog, &self.store, watch)?)
    }
}

/// Scores every generation that has all it needs; returns the number of (generation, encoder) pairs.
pub fn score(catalog: &mut Catalog, store: &Store, watch: &mut Watch<'_>) -> Result<u64> {
    let mut scored = 0;
    for encoder in catalog.encoders()? {
        watch.check()?;
        let mut blocks = Blocks::of(catalog, &encoder, Which::Unscored)?;
        let Some(first) = blocks.next(catalog)? else { continue };
        let needs = Needs::read(catalog, &encoder)?;
        if needs.references.values().all(Option::is_none) {
            continue; // Nothing can be scored, whatever waits.
        }
        let (mut known, mut some) = (Known::default(), vec![first]);
        let mut computed: Vec<Score> = Vec::new();
        // What was computed is recorded in any case.
        let mut ended = Ok(());
        loop {
            while ended.is_ok()
                && some.len() < RECORDED_BLOCKS
                && let Some(block) = blocks.next(catalog)?
            {
                some.push(block);
            }
            // While the catalog takes the scores of some blocks those of the next are computed.
            let (next, put) = thread::scope(|scope| {
                let compute = || -> Result<Vec<Score>> {
                    let scores = some.iter().map(|block| score_block(&needs, store, &mut known, block));
                    Ok(scores.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
                };
                let next = scope.spawn(compute);
                let put = put(catalog, encoder.id, &computed);
                (next.join().unwrap_or_else(|panic| resume_unwind(panic)), put)
            });
            put?;
            if !computed.is_empty() {
                scored += computed.len() as u64;
                watch.report("scores", scored, None);
            }
            if some.is_empty() {
                break ended?;
            }
            computed = next?;
            some.clear();
            ended = watch.check();
        }
    }
    Ok(scored)
}

/// Records scores, durably.
fn put(catalog: &mut Catalog, encoder: i64, scores: &[Score]) -> Result<()> {
    if scores.is_empty() {
        return Ok(());
    }
    let changes = catalog.begin()?;
    changes.put_scores(encoder, scores)?;
    changes.commit()
}

/// Returns how many generations have everything that a score by an encoder needs, but no score yet.
pub fn waiting(catalog: &Catalog, encoder: &EncoderRow) -> Result<u64> {
    let needs = Needs::read(catalog, encoder)?;
    let mut blocks = Blocks::of(catalog, encoder, Which::Unscored)?;
    let mut waiting = 0;
    while let Some(block) = blocks.next(catalog)? {
        waiting += block.iter().filter(|candidate| needs.of(candidate.prompt).is_some()).count() as u64;
    }
    Ok(waiting)
}

/// Goes through an encoder's generations in the order in which their vectors are stored, so that each part is read
/// once, from front to back. It borrows nothing of the catalog, which may change between two blocks.
pub struct Blocks<'e> {
    encoder: &'e EncoderRow,
    which: Which,
    parts: VecDeque<i64>,
    /// Images whose generations need no look, because they are scored.
    passed: RowSet,
    chosen: Option<&'e dyn Fn(VectorPlace) -> bool>,
    /// The vector of the first part that was looked at last.
    after: Option<StoredVector>,
    /// Vectors before it that are wanted.
    wanted: VecDeque<StoredVector>,
}

impl<'e> Blocks<'e> {
    /// Returns the blocks of those generations of an encoder.
    pub fn of(catalog: &Catalog, encoder: &'e EncoderRow, which: Which) -> Result<Blocks<'e>> {
        let mut parts: VecDeque<i64> =
            catalog.parts()?.into_iter().filter(|part| part.encoder == encoder.id).map(|part| part.id).collect();
        let mut passed = RowSet::default();
        if which == Which::Unscored {
            passed = catalog.scored_images(encoder.id)?;
            if passed.len() == catalog.generation_count()? {
                parts.clear();
            }
        }
        Ok(Blocks { encoder, which, parts, passed, chosen: None, after: None, wanted: VecDeque::new() })
    }

    /// Leaves out generations whose vector's place is not chosen, without a look at them.
    pub fn choosing(self, chosen: &'e dyn Fn(VectorPlace) -> bool) -> Blocks<'e> {
        Blocks { chosen: Some(chosen), ..self }
    }

    /// Returns the next block; blocks are never empty.
    pub fn next(&mut self, catalog: &Catalog) -> Result<Option<Vec<ScoringTask>>> {
        let rows = (BLOCK_BYTES / (4 * self.encoder.dimension)).clamp(1, BLOCK_ROWS);
        while let Some(&part) = self.parts.front() {
            while self.wanted.len() < rows {
                let vectors = catalog.stored_vectors(self.encoder, part, self.after, LOOK)?;
                let Some(last) = vectors.last() else { break };
                self.after = Some(*last);
                let is_chosen = |row| self.chosen.is_none_or(|chosen| chosen(VectorPlace { part, row }));
                self.wanted.extend(vectors.into_iter().filter(|(row, image)| !self.passed.contains(*image) && is_chosen(*row)));
            }
            if self.wanted.is_empty() {
                self.parts.pop_front();
                self.after = None;
                continue;
            }
            let some: Vec<StoredVector> = self.wanted.drain(..rows.min(self.wanted.len())).collect();
            let block = catalog.tasks_of(self.encoder, part, self.which, &some)?;
            if !block.is_empty() {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }
}

/// The places of the vectors that generations are compared with.
pub struct Needs {
    dimension: usize,
    /// The references of each subject; `None`: one of them has no vector, so no score may be made.
    references: HashMap<i64, Option<Vec<VectorPlace>>>,
    /// The subjects of each prompt, in order.
    subjects: HashMap<i64, Vec<i64>>,
    prompts: HashMap<i64, VectorPlace>,
}

impl Needs {
    /// Reads what an encoder's scores need.
    pub fn read(catalog: &Catalog, encoder: &EncoderRow) -> Result<Needs> {
        let mut references: HashMap<i64, Option<Vec<VectorPlace>>> = HashMap::new();
        for reference in catalog.reference_vectors(encoder.id)? {
            let places = references.entry(reference.subject).or_insert_with(|| Some(Vec::new()));
            match reference.place {
                Some(place) => places.iter_mut().for_each(|p| p.push(place)),
                None => *places = None,
            }
        }
        let mut subjects: HashMap<i64, Vec<i64>> = HashMap::new();
        for (prompt, subject) in catalog.prompt_subjects()? {
            subjects.entry(prompt).or_default().push(subject);
        }
        let prompts = catalog.prompt_vectors(encoder.id)?.into_iter().collect();
        Ok(Needs { dimension: encoder.dimension, references, subjects, prompts })
    }

    /// Returns every subject that can be compared with, and its references, by row.
    pub fn pool(&self, store: &Store) -> Result<Vec<(i64, Vec<Reference>)>> {
        let mut places: Vec<(i64, &[VectorPlace])> =
            self.references.iter().filter_map(|(id, p)| Some((*id, p.as_deref()?))).collect();
        places.sort_unstable_by_key(|(id, _)| *id);
        let read = |(id, places): (i64, &[VectorPlace])| {
            let vectors = store.gather(places, self.dimension)?;
            Ok((id, vectors.chunks_exact(self.dimension).map(|v| Reference::new(v.to_vec())).collect()))
        };
        places.into_iter().map(read).collect()
    }

    /// Returns the subjects that a prompt asks for, by row.
    pub fn requested(&self, prompt: i64) -> &[i64] {
        self.subjects.get(&prompt).map_or(&[], Vec::as_slice)
    }

    /// Returns the references of each of a prompt's subjects; `None` if anything is missing.
    fn of(&self, prompt: i64) -> Option<Vec<&[VectorPlace]>> {
        self.subjects.get(&prompt)?.iter().map(|s| self.references.get(s)?.as_deref()).collect()
    }
}

/// Vectors of references and prompts that blocks before needed, and the next may need again.
#[derive(Default)]
pub struct Known {
    vectors: HashMap<VectorPlace, Reference>,
}

/// Most bytes of vectors that are kept from block to block.
const KNOWN_BYTES: usize = 128 << 20;

impl Known {
    /// Reads those of these vectors that are not known.
    fn learn(&mut self, store: &Store, places: impl Iterator<Item = VectorPlace>, dimension: usize) -> Result<()> {
        let wanted: BTreeSet<VectorPlace> = places.collect();
        let is_new = |place: &&VectorPlace| !self.vectors.contains_key(place);
        let mut new: Vec<VectorPlace> = wanted.iter().filter(is_new).copied().collect();
        if (self.vectors.len() + new.len()) * 4 * dimension > KNOWN_BYTES {
            self.vectors.clear();
            new = wanted.into_iter().collect();
        }
        let vectors = store.gather(&new, dimension)?;
        self.vectors.extend(new.into_iter().zip(vectors.chunks_exact(dimension).map(|v| Reference::new(v.to_vec()))));
        Ok(())
    }
}

/// Returns the scores of those generations of a block that have all they need, in the block's order.
pub fn score_block(needs: &Needs, store: &Store, known: &mut Known, block: &[ScoringTask]) -> Result<Vec<Score>> {
    let ready: Vec<(&ScoringTask, Vec<&[VectorPlace]>)> = block.iter().filter_map(|c| Some((c, needs.of(c.prompt)?))).collect();
    let places: Vec<VectorPlace> = ready.iter().map(|(c, _)| c.place).collect();
    let vectors = store.gather(&places, needs.dimension)?;
    let references = ready.iter().flat_map(|(_, subjects)| subjects.iter().copied().flatten().copied());
    let prompts = ready.iter().filter_map(|(c, _)| needs.prompts.get(&c.prompt).copied());
    known.learn(store, references.chain(prompts), needs.dimension)?;
    let known = &known.vectors;
    let score = |((candidate, subjects), vector): (&(&ScoringTask, Vec<&[VectorPlace]>), &[f32])| {
        let subjects: Vec<Vec<&Reference>> = subjects.iter().map(|s| s.iter().map(|p| &known[p]).collect()).collect();
        let prompt = needs.prompts.get(&candidate.prompt).map(|p| &known[p]);
        let (similarities, clip_t) = score_generation(vector, &subjects, prompt);
        Score { generation: candidate.generation, similarity: mean(&similarities), similarities, clip_t }
    };
    Ok(ready.par_iter().zip(vectors.par_chunks_exact(needs.dimension)).map(score).collect())
}
