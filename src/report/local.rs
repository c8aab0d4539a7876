//! Local results: what the windows say of each generation's subjects, and the verdicts that follow from it.

use super::Snapshot;
use super::observations::Observations;
use crate::catalog::GenerationRow;
use crate::score::{
    Evidence, Identification, NoVerdict, OWN_NULL, Presence, Question, Request, Requests, Unit, calibrated_collapse_rate,
    identification, mean, presence,
};
use crate::vocabulary::SubjectKind;
use crate::windows::{Pattern, Rectangle};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Images that asked for a subject and show it, from which it is known how clearly it is seen where it is.
const FEWEST_SHOWN: usize = 5;

/// The local similarities by the encoder that decides collapse.
#[derive(Debug, Clone)]
pub struct LocalSnapshot {
    /// The windows that were searched; `None`: regions alone decide.
    pub pattern: Option<Pattern>,
    /// What decides, in words: an encoder and its windows, or region sets, by kind.
    pub by: String,
    /// Subjects that nothing decides on, as places among [`Snapshot::subjects`]: they are in no count.
    pub outside: HashSet<usize>,
    /// The pool: places among [`Snapshot::subjects`].
    pub pool: Vec<usize>,
    /// By generation row: where its similarities begin in `similarities`.
    pub rows: HashMap<i64, usize>,
    /// Of each generation that was searched its local similarity with each subject of the pool.
    pub similarities: Vec<f32>,
    /// Places that resemble a subject most: generation row, place in the pool, pool-centred cosine, window; of each
    /// generation and subject the best first.
    pub found: Vec<(i64, usize, f32, Rectangle)>,
    /// Of each model whether it was given the prompt and no reference.
    pub text_only: Vec<bool>,
}

/// The verdicts on every generation that was searched.
pub(super) struct Locals<'f> {
    snapshot: &'f Snapshot,
    local: &'f LocalSnapshot,
    kinds: Vec<Option<u8>>,
    requests: Vec<Request>,
    similarities: Vec<f32>,
    /// Of each request the positions in the prompt of its subjects.
    ordinals: Vec<Vec<u32>>,
    /// Of each request the generation, as a place among the facts.
    generations: Vec<usize>,
    /// Of each generation its request, if it was searched.
    request_of: Vec<Option<usize>>,
    known: Vec<Vec<Presence>>,
    /// Of each request and place in it: in how many separate places the subject is.
    copies: Vec<Vec<u32>>,
    nulls: Nulls,
    /// Local similarities of text-only controls by prompt and subject.
    of_words: HashMap<(u32, u32), Vec<f32>>,
}

impl<'f> Locals<'f> {
    /// `None` where nothing was searched. `alpha` decides which places count as the subject's.
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
            ordinals: Vec::new(),
            generations: Vec::new(),
            request_of: vec![None; snapshot.generations.len()],
            known: Vec::new(),
            copies: Vec::new(),
            nulls: Nulls::default(),
            of_words: HashMap::new(),
        };
        for (at, generation) in snapshot.generations.iter().enumerate() {
            let Some(row) = local.rows.get(&generation.id) else { continue };
            let asked = (0..).zip(&snapshot.prompts[generation.prompt as usize].subjects);
            let asked: Vec<(u32, &usize)> = asked.filter(|(_, subject)| !local.outside.contains(subject)).collect();
            // A subject that has no usable reference is in no pool, and a generation that asked for it has no verdict.
            let subjects: Vec<u32> = asked.iter().filter_map(|(_, subject)| place_in_pool.get(subject).copied()).collect();
            if subjects.len() < asked.len() {
                continue;
            }
            locals.ordinals.push(asked.iter().map(|(ordinal, _)| *ordinal).collect());
            locals.request_of[at] = Some(locals.requests.len());
            locals.generations.push(at);
            locals.requests.push(Request {
                model: generation.model,
                prompt: generation.prompt,
                subjects,
                may_serve: locals.may_serve(&generation),
            });
            locals.similarities.extend_from_slice(&local.similarities[*row..row + width]);
        }
        locals.known = presence(locals.requests());
        locals.nulls = Nulls::new(&locals, alpha);
        locals.copies = locals.count_copies(alpha);
        for request in locals.of_text_only().collect::<Vec<_>>() {
            for (ordinal, subject) in locals.requests[request].subjects.iter().enumerate() {
                let value = locals.of_subject(request, ordinal) as f32;
                locals.of_words.entry((locals.requests[request].prompt, *subject)).or_default().push(value);
            }
        }
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

    /// Positions in the prompt of a request's subjects.
    pub(super) fn ordinals(&self, request: usize) -> &[u32] {
        &self.ordinals[request]
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

    /// How clearly each subject of the pool is seen where it is: its median local similarity in the images of models under
    /// test that asked for it and in which it is present. `None`: these are too few to say.
    pub(super) fn clearly(&self, alpha: f64) -> Vec<Option<f32>> {
        let mut shown: Vec<Vec<f32>> = vec![Vec::new(); self.kinds.len()];
        for (at, request) in
            self.requests.iter().enumerate().filter(|(_, request)| !self.snapshot.models[request.model as usize].1)
        {
            for (presence, subject) in self.known[at].iter().zip(&request.subjects) {
                if presence.verdict(Question::Present, alpha) == Ok(true) {
                    shown[*subject as usize].push(self.row(at)[*subject as usize]);
                }
            }
        }
        let median = |mut values: Vec<f32>| {
            values.sort_unstable_by(f32::total_cmp);
            (values.len() >= FEWEST_SHOWN).then(|| values[values.len() / 2])
        };
        shown.into_iter().map(median).collect()
    }

    /// The generation of a request.
    pub(super) fn generation(&self, request: usize) -> GenerationRow {
        self.snapshot.generations.get(self.generations[request])
    }

    /// A subject of the pool as a place among the snapshot's.
    pub(super) fn subject(&self, in_pool: u32) -> usize {
        self.local.pool[in_pool as usize]
    }

    /// In how many separate places each subject of a request is.
    pub(super) fn copies(&self, request: usize) -> &[u32] {
        &self.copies[request]
    }

    /// The null of a subject for a model.
    pub(super) fn null_of(&self, model: u32, subject: usize) -> Null {
        self.nulls.of(model, subject)
    }

    /// Share of a unit's pairs with text-only controls in which it is the more similar, ties half. `None`: it has none, or
    /// is a text-only control itself.
    pub(super) fn beyond_words(&self, unit: Unit) -> Option<f64> {
        let request = &self.requests[unit.generation];
        if self.is_text_only(request.model) {
            return None;
        }
        let subjects = match unit.ordinal {
            Some(ordinal) => ordinal..ordinal + 1,
            None => 0..request.subjects.len(),
        };
        let mut won = Vec::new();
        for ordinal in subjects {
            let own = self.of_subject(unit.generation, ordinal) as f32;
            let controls = self.of_words.get(&(request.prompt, request.subjects[ordinal]));
            won.extend(controls.into_iter().flatten().map(|control| match own.total_cmp(control) {
                _ if own == *control => 0.5,
                order => f64::from(u8::from(order.is_gt())),
            }));
        }
        (!won.is_empty()).then(|| mean(&won))
    }

    /// Requested subjects of a unit without a verdict.
    pub(super) fn undecided(&self, unit: Unit, question: Question, alpha: f64) -> u64 {
        let known = &self.known[unit.generation];
        let known = unit.ordinal.map_or(&known[..], |ordinal| &known[ordinal..=ordinal]);
        known.iter().filter(|presence| presence.verdict(question, alpha).is_err()).count() as u64
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
        (0..units.generation.len()).map(|unit| value(self.of_unit(units, unit)?)).collect()
    }

    /// A unit of a report or a comparison as the requests number it; `None` where its generation was not searched, or asked for
    /// nobody on whom anything decides.
    pub(super) fn of_unit(&self, units: &Observations<'_>, unit: usize) -> Option<Unit> {
        let request = self.request_of[units.generation[unit] as usize]?;
        let ordinals = &self.ordinals[request];
        let ordinal = match units.place(unit) {
            Some(ordinal) => Some(ordinals.iter().position(|known| *known == ordinal)?),
            None if ordinals.is_empty() => return None,
            None => None,
        };
        Some(Unit { generation: request, ordinal })
    }

    /// In how many separate places each requested subject is: those that resemble it more than anybody else, the best of
    /// them if it is present, and each other that overlaps none of these and in which it is seen as clearly as where it is
    /// (see [`Locals::clearly`]; where that is not known, so clearly that it is present).
    fn count_copies(&self, alpha: f64) -> Vec<Vec<u32>> {
        let clear = self.clearly(alpha);
        let mut places: Vec<Vec<Vec<Rectangle>>> =
            self.requests.iter().map(|request| vec![Vec::new(); request.subjects.len()]).collect();
        let request_of: HashMap<i64, usize> =
            self.generations.iter().enumerate().map(|(at, generation)| (self.snapshot.generations.id(*generation), at)).collect();
        for (generation, subject, cosine, window) in &self.local.found {
            let Some(at) = request_of.get(generation) else { continue };
            let request = &self.requests[*at];
            let Some(ordinal) = request.subjects.iter().position(|asked| *asked as usize == *subject) else { continue };
            let counted = &mut places[*at][ordinal];
            let Some(floor) = self.nulls.of(request.model, *subject).floor else { continue };
            let counts = match counted.is_empty() {
                true => *cosine > floor,
                false => {
                    clear[*subject].map_or(*cosine > floor, |clear| *cosine >= clear)
                        && !counted.iter().any(|other| other.overlaps(*window))
                }
            };
            if counts {
                counted.push(*window);
            }
        }
        places.into_iter().map(|of_request| of_request.into_iter().map(|counted| counted.len() as u32).collect()).collect()
    }

    /// Why no requested subject has a verdict on its being present; `None`: some have one.
    pub(super) fn no_verdict(&self, alpha: f64) -> Option<NoVerdict> {
        let mut why = NoVerdict::NothingRequested;
        for presence in self.known.iter().flatten() {
            match presence.verdict(Question::Present, alpha) {
                Ok(_) => return None,
                Err(reason) => why = reason,
            }
        }
        Some(why)
    }

    /// What a reader should know of the verdicts: how large the nulls are and whose, or why there is none.
    pub(super) fn notes(&self, alpha: f64) -> Vec<String> {
        let mut said = Vec::new();
        for (question, name) in [(Question::Present, "cSCR"), (Question::Identified, "cSCR within kind")] {
            let (mut own, mut pooled) = (Range::default(), Range::default());
            let (mut without, mut undecided, mut all): (Option<NoVerdict>, usize, usize) = (None, 0, 0);
            for presence in self.known.iter().flatten() {
                all += 1;
                match presence.verdict(question, alpha) {
                    Ok(_) => {
                        if let Ok(Evidence { null, own: of_model, .. }) = presence.evidence(question) {
                            if of_model { own.take(null) } else { pooled.take(null) }
                        }
                    }
                    Err(why) => {
                        undecided += 1;
                        without = without.or(Some(why));
                    }
                }
            }
            let parts: Vec<String> =
                [own.say("the model's own"), pooled.say("all models' together")].into_iter().flatten().collect();
            if !parts.is_empty() {
                said.push(format!("{name}@{alpha} by {}: values in the null of a subject: {}", self.local.by, parts.join("; ")));
            }
            if let Some(why) = without {
                said.push(format!(
                    "{name}@{alpha} by {}: {undecided} of {all} requested subjects are without a verdict and in no rate, the \
                     first because {why}",
                    self.local.by
                ));
            }
        }
        said
    }
}

/// How well one model's images tell the subjects that they were asked for from others of their kind.
#[derive(Debug, Clone, PartialEq)]
pub struct KindAuc {
    /// The model.
    pub model: String,
    /// The kind.
    pub kind: SubjectKind,
    /// Images that were searched, that asked for subjects of the kind and not for all of them.
    pub images: usize,
    /// Mean over them of the share of pairs, one asked for and one not, in which the one asked for has the larger local
    /// similarity, ties half; 0.5 is chance.
    pub auc: f64,
}

/// Of every kind and every model under test; nothing where no images were searched.
pub fn auc_in_kind(snapshot: &Snapshot) -> Vec<KindAuc> {
    let Some(locals) = Locals::new(snapshot, super::ALPHA) else { return Vec::new() };
    let kinds: Vec<Option<SubjectKind>> = locals.local.pool.iter().map(|subject| snapshot.subjects[*subject].kind).collect();
    let mut found: BTreeMap<(SubjectKind, u32), Vec<f64>> = BTreeMap::new();
    for (at, request) in locals.requests.iter().enumerate().filter(|(_, request)| !snapshot.models[request.model as usize].1) {
        for kind in SubjectKind::ALL {
            let of_kind = || (0..).zip(locals.row(at)).filter(|(subject, _)| kinds[*subject as usize] == Some(*kind));
            let (asked, others): (Vec<_>, Vec<_>) = of_kind().partition(|(subject, _)| request.subjects.contains(subject));
            let values = |side: Vec<(u32, &f32)>| side.into_iter().map(|(_, value)| f64::from(*value)).collect::<Vec<f64>>();
            if let Some(told) = identification(&values(asked), &values(others)) {
                found.entry((*kind, request.model)).or_default().push(told.auc);
            }
        }
    }
    let row = |((kind, model), aucs): ((SubjectKind, u32), Vec<f64>)| KindAuc {
        model: snapshot.models[model as usize].0.to_string(),
        kind,
        images: aucs.len(),
        auc: mean(&aucs),
    };
    found.into_iter().map(row).collect()
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

/// What a subject's local similarity is held against, in short.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Null {
    /// How many values.
    pub values: usize,
    /// Whether they are the model's own; otherwise they are all models' together.
    pub own: bool,
    /// Least, lower quartile, median, upper quartile, greatest; `None`: there is no value.
    pub quartiles: Option<[f32; 5]>,
    /// The value above which the subject is present; `None`: α cannot be reached.
    pub floor: Option<f32>,
}

impl Null {
    fn new(mut values: Vec<f32>, own: bool, alpha: f64) -> Null {
        values.sort_unstable_by(|a, b| b.total_cmp(a));
        // p ≤ α as long as no more than α (1 + n) − 1 values are as large or larger.
        let budget = (alpha * (1 + values.len()) as f64 - 1.0 + 1e-9).floor();
        let floor = (budget >= 0.0).then(|| values.get(budget as usize).copied().unwrap_or(f32::NEG_INFINITY));
        let last = values.len().saturating_sub(1);
        let quartiles = (!values.is_empty()).then(|| [4, 3, 2, 1, 0].map(|quarter| values[last * quarter / 4]));
        Null { values: values.len(), own, quartiles, floor }
    }
}

/// The nulls of all subjects: by model where it has enough of its own, else for all.
#[derive(Default)]
struct Nulls {
    own: HashMap<(u32, usize), Null>,
    pooled: Vec<Null>,
}

impl Nulls {
    fn new(locals: &Locals<'_>, alpha: f64) -> Nulls {
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
        let own = own.into_iter().filter(|(_, null)| null.len() >= OWN_NULL);
        Nulls {
            own: own.map(|(key, null)| (key, Null::new(null, true, alpha))).collect(),
            pooled: pooled.into_iter().map(|null| Null::new(null, false, alpha)).collect(),
        }
    }

    fn of(&self, model: u32, subject: usize) -> Null {
        self.own.get(&(model, subject)).copied().unwrap_or(self.pooled[subject])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_in_short_agrees_with_its_verdicts() {
        let values: Vec<f32> = (0..39).map(|n| n as f32).collect();
        let null = Null::new(values, true, 0.05);
        // p = (1 + 1) / 40 with one value as large or larger: above the second largest it is present.
        assert_eq!((null.floor, null.quartiles), (Some(37.0), Some([0.0, 10.0, 19.0, 29.0, 38.0])));
        assert_eq!(Null::new(vec![0.0; 18], false, 0.05).floor, None);
        assert_eq!(Null::new(Vec::new(), false, 0.05).quartiles, None);
    }
}
