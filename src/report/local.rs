//! Local results: what the windows say of each generation's subjects, and the verdicts that follow from it.

use super::Snapshot;
use super::observations::Observations;
use crate::catalog::GenerationRow;
use crate::score::{
    Evidence, Identification, NoVerdict, OWN_NULL, Presence, Question, Request, Requests, Unit, calibrated_collapse_rate,
    identification, mean, presence,
};
use crate::windows::Pattern;
use std::collections::HashMap;

/// The local similarities by the encoder that decides collapse.
#[derive(Debug, Clone)]
pub struct LocalSnapshot {
    /// The windows that were looked through.
    pub pattern: Pattern,
    /// The pool: places among [`Snapshot::subjects`].
    pub pool: Vec<usize>,
    /// By generation row: where its similarities begin in `similarities`.
    pub rows: HashMap<i64, usize>,
    /// Of each generation that was looked through its local similarity with each subject of the pool.
    pub similarities: Vec<f32>,
    /// Separate places that resemble a subject most: generation row, place in the pool, pool-centred cosine.
    pub found: Vec<(i64, usize, f32)>,
    /// Of each model whether it was given the prompt and no reference.
    pub text_only: Vec<bool>,
}

/// The verdicts on every generation that was looked through.
pub(super) struct Locals<'f> {
    snapshot: &'f Snapshot,
    local: &'f LocalSnapshot,
    kinds: Vec<Option<u8>>,
    requests: Vec<Request>,
    similarities: Vec<f32>,
    /// Of each request the generation, as a place among the facts.
    generations: Vec<usize>,
    /// Of each generation its request, if it was looked through.
    request_of: Vec<Option<usize>>,
    known: Vec<Vec<Presence>>,
    /// Of each request and place in it: in how many separate places the subject is.
    copies: Vec<Vec<u32>>,
}

impl<'f> Locals<'f> {
    /// `None` where nothing was looked through. `alpha` decides which places count as the subject's.
    pub(super) fn new(snapshot: &'f Snapshot, alpha: f64) -> Option<Locals<'f>> {
        let local = snapshot.local.as_ref()?;
        let width = local.pool.len();
        let place_in_pool: HashMap<usize, u32> = local.pool.iter().copied().zip(0..).collect();
        let kinds: Vec<Option<u8>> =
            local.pool.iter().map(|subject| snapshot.subjects[*subject].kind.map(|kind| kind as u8)).collect();
        let mut locals = Locals {
            snapshot,
            local,
            kinds,
            requests: Vec::new(),
            similarities: Vec::new(),
            generations: Vec::new(),
            request_of: vec![None; snapshot.generations.len()],
            known: Vec::new(),
            copies: Vec::new(),
        };
        for (at, generation) in snapshot.generations.iter().enumerate() {
            let Some(row) = local.rows.get(&generation.id) else { continue };
            let asked = snapshot.prompts[generation.prompt as usize].subjects.iter();
            // A subject that has no usable reference is in no pool, and a generation that asked for it has no verdict.
            let subjects: Vec<u32> = asked.clone().filter_map(|subject| place_in_pool.get(subject).copied()).collect();
            if subjects.len() < asked.len() {
                continue;
            }
            locals.request_of[at] = Some(locals.requests.len());
            locals.generations.push(at);
            locals.requests.push(Request {
                model: generation.model,
                prompt: generation.prompt,
                subjects,
                may_serve: locals.may_serve(generation),
            });
            locals.similarities.extend_from_slice(&local.similarities[*row..row + width]);
        }
        locals.known = presence(locals.requests());
        locals.copies = locals.count_copies(alpha);
        Some(locals)
    }

    /// Whether a generation's values count in the nulls of other models: those of composites of the references and of
    /// the user's other controls do not.
    fn may_serve(&self, generation: &GenerationRow) -> bool {
        let model = generation.model as usize;
        !self.snapshot.models[model].1 || self.local.text_only[model]
    }

    pub(super) fn requests(&self) -> Requests<'_> {
        Requests { kinds: &self.kinds, generations: &self.requests, similarities: &self.similarities }
    }

    pub(super) fn known(&self) -> &[Vec<Presence>] {
        &self.known
    }

    /// Whether there is a model that was given the prompt and no reference.
    pub(super) fn has_text_only(&self) -> bool {
        self.requests.iter().any(|request| self.is_text_only(request.model))
    }

    pub(super) fn is_text_only(&self, model: u32) -> bool {
        self.local.text_only[model as usize]
    }

    /// A unit as the requests number it; `None` where its generation was not looked through.
    pub(super) fn unit(&self, generation: u32, ordinal: Option<u32>) -> Option<Unit> {
        let request = self.request_of[generation as usize]?;
        Some(Unit { generation: request, ordinal: ordinal.map(|ordinal| ordinal as usize) })
    }

    /// Every request of a model that was given no reference, or of one that was.
    pub(super) fn of_text_only(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.requests.len()).filter(|at| self.is_text_only(self.requests[*at].model))
    }

    /// Local similarity of a unit: of one subject, or the mean over all.
    pub(super) fn similarity(&self, unit: Unit) -> f64 {
        match unit.ordinal {
            Some(ordinal) => self.of_subject(unit.generation, ordinal),
            None => {
                let subjects = 0..self.requests[unit.generation].subjects.len();
                mean(&subjects.map(|ordinal| self.of_subject(unit.generation, ordinal)).collect::<Vec<_>>())
            }
        }
    }

    /// Local similarity of one subject of a request.
    pub(super) fn of_subject(&self, request: usize, ordinal: usize) -> f64 {
        f64::from(self.row(request)[self.requests[request].subjects[ordinal] as usize])
    }

    fn row(&self, request: usize) -> &[f32] {
        let width = self.kinds.len();
        &self.similarities[request * width..][..width]
    }

    /// Calibrated collapse rate of a unit: the share of its subjects that are not there.
    pub(super) fn collapse(&self, unit: Unit, question: Question, alpha: f64) -> Option<f64> {
        let known = &self.known[unit.generation];
        match unit.ordinal {
            Some(ordinal) => calibrated_collapse_rate(&known[ordinal..=ordinal], question, alpha).ok(),
            None => calibrated_collapse_rate(known, question, alpha).ok(),
        }
    }

    /// Subjects of a unit that are in two places or more.
    pub(super) fn doubled(&self, unit: Unit) -> f64 {
        let copies = &self.copies[unit.generation];
        match unit.ordinal {
            Some(ordinal) => f64::from(u8::from(copies[ordinal] > 1)),
            None => copies.iter().filter(|copies| **copies > 1).count() as f64,
        }
    }

    /// The requested subjects among the whole pool, by local similarity.
    pub(super) fn identification(&self, request: usize) -> Option<Identification> {
        let (mut asked, mut others) = (Vec::new(), Vec::new());
        for (subject, value) in (0..).zip(self.row(request)) {
            let side = if self.requests[request].subjects.contains(&subject) { &mut asked } else { &mut others };
            side.push(f64::from(*value));
        }
        identification(&asked, &others)
    }

    /// Values of each unit, in their order.
    pub(super) fn of_units(&self, units: &Observations<'_>, value: impl Fn(Unit) -> Option<f64>) -> Vec<Option<f64>> {
        let ordinal = |at: usize| units.ordinal.as_ref().map(|ordinals| ordinals[at]);
        (0..units.generation.len()).map(|at| value(self.unit(units.generation[at], ordinal(at))?)).collect()
    }

    /// In how many separate places each requested subject is: those that resemble it more than anybody else and in which
    /// its similarity alone would make it present.
    fn count_copies(&self, alpha: f64) -> Vec<Vec<u32>> {
        let floors = Floors::new(self, alpha);
        let mut copies: Vec<Vec<u32>> = self.requests.iter().map(|request| vec![0; request.subjects.len()]).collect();
        let place: HashMap<i64, usize> =
            self.generations.iter().enumerate().map(|(at, generation)| (self.snapshot.generations[*generation].id, at)).collect();
        for (generation, subject, cosine) in &self.local.found {
            let Some(at) = place.get(generation) else { continue };
            let request = &self.requests[*at];
            let Some(ordinal) = request.subjects.iter().position(|asked| *asked as usize == *subject) else { continue };
            copies[*at][ordinal] += u32::from(floors.of(request.model, *subject).is_some_and(|floor| *cosine > floor));
        }
        copies
    }

    /// What a reader should know of the verdicts: how large the nulls are and whose, or why there is none.
    pub(super) fn notes(&self, encoder: &str, alpha: f64) -> Vec<String> {
        let mut said = Vec::new();
        for (question, name) in [(Question::Present, "cSCR"), (Question::Identified, "cSCR within kind")] {
            let (mut own, mut pooled) = (Range::default(), Range::default());
            let mut without: Option<NoVerdict> = None;
            for presence in self.known.iter().flatten() {
                match presence.verdict(question, alpha) {
                    Ok(_) => {
                        if let Ok(Evidence { null, own: of_model, .. }) = presence.evidence(question) {
                            if of_model { own.take(null) } else { pooled.take(null) }
                        }
                    }
                    Err(why) => without = without.or(Some(why)),
                }
            }
            let parts: Vec<String> =
                [own.say("the model's own"), pooled.say("all models' together")].into_iter().flatten().collect();
            if !parts.is_empty() {
                said.push(format!(
                    "{name}@{alpha} by {encoder}, {} windows: values in the null of a subject: {}",
                    self.local.pattern,
                    parts.join("; ")
                ));
            }
            if let Some(why) = without {
                said.push(format!("{name}@{alpha} by {encoder}: subjects without a verdict, the first because {why}"));
            }
        }
        said
    }
}

/// Of each generation that was looked through, by its row: whether each requested subject is present, in the prompt's
/// order; `None`: that cannot be said.
pub fn verdicts(snapshot: &Snapshot, alpha: f64) -> HashMap<i64, Vec<Option<bool>>> {
    let Some(locals) = Locals::new(snapshot, alpha) else { return HashMap::new() };
    let verdict = |presence: &Presence| presence.verdict(Question::Present, alpha).ok();
    let of = |(generation, known): (&usize, &Vec<Presence>)| {
        (snapshot.generations[*generation].id, known.iter().map(verdict).collect())
    };
    locals.generations.iter().zip(&locals.known).map(of).collect()
}

/// The smallest and the largest of some numbers.
#[derive(Default)]
struct Range(Option<[usize; 2]>);

impl Range {
    fn take(&mut self, n: usize) {
        let [least, most] = self.0.unwrap_or([n, n]);
        self.0 = Some([least.min(n), most.max(n)]);
    }

    fn say(&self, whose: &str) -> Option<String> {
        self.0.map(
            |[least, most]| if least == most { format!("{least} of {whose}") } else { format!("{least} to {most} of {whose}") },
        )
    }
}

/// The values above which a subject is present: by model where its null is its own, else for all.
struct Floors {
    own: HashMap<(u32, usize), Option<f32>>,
    pooled: Vec<Option<f32>>,
}

impl Floors {
    fn new(locals: &Locals<'_>, alpha: f64) -> Floors {
        let width = locals.kinds.len();
        let mut own: HashMap<(u32, usize), Vec<f32>> = HashMap::new();
        let mut pooled: Vec<Vec<f32>> = vec![Vec::new(); width];
        for (at, request) in locals.requests.iter().enumerate() {
            for (subject, value) in locals.row(at).iter().enumerate() {
                if request.subjects.contains(&(subject as u32)) {
                    continue;
                }
                own.entry((request.model, subject)).or_default().push(*value);
                if request.may_serve {
                    pooled[subject].push(*value);
                }
            }
        }
        let floor = |mut null: Vec<f32>| {
            // p ≤ α as long as no more than α (1 + n) − 1 values are as large or larger.
            let budget = (alpha * (1 + null.len()) as f64 - 1.0 + 1e-9).floor();
            null.sort_unstable_by(|a, b| b.total_cmp(a));
            (budget >= 0.0).then(|| null.get(budget as usize).copied().unwrap_or(f32::NEG_INFINITY))
        };
        let own = own.into_iter().filter(|(_, null)| null.len() >= OWN_NULL).map(|(key, null)| (key, floor(null))).collect();
        Floors { own, pooled: pooled.into_iter().map(floor).collect() }
    }

    fn of(&self, model: u32, subject: usize) -> Option<f32> {
        self.own.get(&(model, subject)).copied().unwrap_or(self.pooled[subject])
    }
}
