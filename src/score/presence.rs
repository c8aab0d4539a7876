//! Whether a requested subject is there: a verdict that means the same for every encoder, scale and subject count.
//!
//! A subject is present when its local similarity is above what the same subject reaches by chance: its *null*, the
//! values in generations that did not ask for it. It is identified when it is above a stricter null, of generations
//! that asked for another subject of its kind: not "a person appeared" but "this person". p is the rank of the value
//! in the null, (1 + #{null ≥ ℓ}) / (1 + |null|), so that requests drawn at random are absent with a chance of 1 − α.

use super::null::each_null;
use std::fmt;

/// What one generation was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The model that made it, by any number.
    pub model: u32,
    /// Its prompt, by any number; generations of one prompt are resampled together.
    pub prompt: u32,
    /// The subjects, as places in the pool, in the prompt's order; none twice.
    pub subjects: Vec<u32>,
    /// Whether its values count in the null of other models: those of models under test and of text-only controls
    /// do, those of composites of the references do not.
    pub may_serve: bool,
}

/// The generations of a data set with their local similarities.
#[derive(Debug, Clone, Copy)]
pub struct Requests<'a> {
    /// Of each subject of the pool its kind, by any number, if it has one.
    pub kinds: &'a [Option<u8>],
    /// What each generation was asked for.
    pub generations: &'a [Request],
    /// ℓ, finite: of each generation a row of the pool's subjects.
    pub similarities: &'a [f32],
}

/// What is asked about a requested subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Did something like it appear because it was asked for? Null: generations that did not ask for it.
    Present,
    /// Is it this one and not just one of its kind? Null: generations that asked for another subject of its kind and
    /// not for it.
    Identified,
}

/// The position of a value in its null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// Values of the null that are as large or larger.
    pub at_least: usize,
    /// Values in the null.
    pub null: usize,
    /// Whether the null is the model's own; otherwise it is that of all models that may serve, together.
    pub own: bool,
}

/// What is known of one requested subject in one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// Of its being present.
    pub present: Evidence,
    /// Of its being identified; `None` for a subject without a kind.
    pub identified: Option<Evidence>,
}

/// Why there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoVerdict {
    /// No value could reach α against so small a null.
    NullTooSmall {
        /// The null.
        null: usize,
        /// Whether it is the model's own.
        own: bool,
        /// The fewest values with which α can be reached.
        needed: usize,
        /// The level asked for.
        alpha: f64,
    },
    /// The subject has no kind, so that there are no others of its kind.
    NoKind,
    /// The generation was asked for no subject.
    NothingRequested,
}

impl fmt::Display for NoVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoVerdict::NullTooSmall { null, own, needed, alpha } => {
                let whose = if *own { "of the model's own" } else { "of all models together" };
                write!(f, "the null has {null} values {whose}; α = {alpha} needs at least {needed}")
            }
            NoVerdict::NoKind => f.write_str("the subject has no kind"),
            NoVerdict::NothingRequested => f.write_str("no subject was requested"),
        }
    }
}

impl Evidence {
    /// (1 + #{null ≥ ℓ}) / (1 + |null|), in (0, 1].
    pub fn p(self) -> f64 {
        (1 + self.at_least) as f64 / (1 + self.null) as f64
    }

    /// Whether p ≤ `alpha`.
    ///
    /// # Errors
    /// The null is so small that no value could have such a p.
    pub fn verdict(self, alpha: f64) -> Result<bool, NoVerdict> {
        if 1.0 / (1 + self.null) as f64 <= alpha {
            return Ok(self.p() <= alpha);
        }
        Err(NoVerdict::NullTooSmall { null: self.null, own: self.own, needed: needed(alpha), alpha })
    }
}

/// The fewest values of a null with which p can be `alpha` or less: 1/α − 1, rounded up.
pub fn needed(alpha: f64) -> usize {
    let nearly = (1.0 / alpha - 1.0).floor().max(0.0) as usize;
    // Rounding may put the quotient on either side of a whole number; p is what decides.
    if 1.0 / nearly.saturating_add(1) as f64 <= alpha { nearly } else { nearly.saturating_add(1) }
}

impl Presence {
    /// What is known about a question.
    ///
    /// # Errors
    /// The subject has no kind, and the question is about its kind.
    pub fn evidence(self, question: Question) -> Result<Evidence, NoVerdict> {
        match question {
            Question::Present => Ok(self.present),
            Question::Identified => self.identified.ok_or(NoVerdict::NoKind),
        }
    }

    /// The answer at level `alpha`.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn verdict(self, question: Question, alpha: f64) -> Result<bool, NoVerdict> {
        self.evidence(question)?.verdict(alpha)
    }
}

/// cSCR@α of one generation: the share of its requested subjects that are not present, or not identified.
///
/// # Errors
/// A subject has no verdict: then the generation has no rate, and why.
pub fn calibrated_collapse_rate(subjects: &[Presence], question: Question, alpha: f64) -> Result<f64, NoVerdict> {
    let mut absent = 0_u32;
    for subject in subjects {
        absent += u32::from(!subject.verdict(question, alpha)?);
    }
    if subjects.is_empty() {
        return Err(NoVerdict::NothingRequested);
    }
    Ok(f64::from(absent) / subjects.len() as f64)
}

/// What is known of each requested subject of each generation, in the order of the requests.
pub fn presence(requests: Requests<'_>) -> Vec<Vec<Presence>> {
    let nothing = Evidence { at_least: 0, null: 0, own: false };
    let mut known: Vec<Vec<Presence>> =
        requests.generations.iter().map(|g| vec![Presence { present: nothing, identified: None }; g.subjects.len()]).collect();
    let answers = each_null(requests, |null| {
        null.asking().map(|(asking, at_least)| (null.question, asking, null.evidence(at_least))).collect::<Vec<_>>()
    });
    for (question, (generation, ordinal), evidence) in answers.into_iter().flatten() {
        let known = &mut known[generation][ordinal];
        match question {
            Question::Present => known.present = evidence,
            Question::Identified => known.identified = Some(evidence),
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::super::null::OWN_NULL;
    use super::super::random::Random;
    use super::*;

    fn request(model: u32, prompt: u32, subjects: &[u32]) -> Request {
        Request { model, prompt, subjects: subjects.to_vec(), may_serve: true }
    }

    fn evidence(at_least: usize, null: usize, own: bool) -> Evidence {
        Evidence { at_least, null, own }
    }

    #[test]
    fn by_hand() {
        // Subjects 0 and 1 are of one kind, 2 of another, 3 of none. A row per generation.
        let kinds = [Some(0), Some(0), Some(1), None];
        let generations = [request(0, 0, &[0, 3]), request(0, 1, &[1]), request(1, 0, &[1, 2]), request(1, 1, &[2])];
        #[rustfmt::skip]
        let similarities = [
            0.5, 0.1, 0.3, -0.2,
            0.5, 0.9, 0.4, -0.1,
            0.2, 0.3, 0.4, -0.3,
            0.6, 0.3, 0.1,  0.0,
        ];
        let known = presence(Requests { kinds: &kinds, generations: &generations, similarities: &similarities });
        // Subject 0: null 0.5, 0.2, 0.6, of which 0.5 (a tie counts) and 0.6 are as large; of its kind, subject 1 was
        // asked for in generations 1 and 2: 0.5, 0.2.
        assert_eq!(known[0][0], Presence { present: evidence(2, 3, false), identified: Some(evidence(1, 2, false)) });
        // Subject 3 has no kind; null −0.1, −0.3, 0.
        assert_eq!(known[0][1], Presence { present: evidence(2, 3, false), identified: None });
        // Subject 1: null 0.1 and 0.3; of its kind generation 0 alone.
        assert_eq!(known[1][0], Presence { present: evidence(0, 2, false), identified: Some(evidence(0, 1, false)) });
        assert_eq!(known[2][0], Presence { present: evidence(1, 2, false), identified: Some(evidence(0, 1, false)) });
        // Subject 2 is alone of its kind: the null is empty, p = 1.
        assert_eq!(known[2][1], Presence { present: evidence(1, 2, false), identified: Some(evidence(0, 0, false)) });
        assert_eq!((known[2][1].present.p(), known[0][0].present.p()), (2.0 / 3.0, 0.75));
        assert_eq!(known[3][0].present, evidence(2, 2, false));
    }

    #[test]
    fn a_model_with_100_values_is_held_against_its_own_and_others_against_those_that_may_serve() {
        // Model 0: one generation that asks and `own` that do not, all 0.3; model 1: 7 of 0.9; model 2: 5 composites.
        let of = |own: usize| {
            let mut generations = vec![request(0, 0, &[0]), request(2, 0, &[0])];
            let mut similarities = vec![0.5, 0.5];
            for (model, count, value) in [(0, own, 0.3), (1, 7, 0.9), (2, 5, 0.95)] {
                generations.extend((0..count).map(|at| Request { may_serve: model != 2, ..request(model, at as u32, &[]) }));
                similarities.extend(vec![value; count]);
            }
            let known = presence(Requests { kinds: &[None], generations: &generations, similarities: &similarities });
            (known[0][0].present, known[1][0].present)
        };
        assert_eq!(of(100), (evidence(0, 100, true), evidence(7, 107, false)));
        assert_eq!(of(99), (evidence(7, 106, false), evidence(7, 106, false)));
    }

    #[test]
    fn verdicts_and_why_there_is_none() {
        // 19 values: 1/20 is reached by none at least as large; 18: not at all.
        assert_eq!(evidence(0, 19, true).verdict(0.05), Ok(true));
        assert_eq!(evidence(1, 19, true).verdict(0.05), Ok(false));
        assert_eq!(evidence(1, 39, true).verdict(0.05), Ok(true)); // 2/40
        let small = evidence(0, 18, false).verdict(0.05).unwrap_err();
        assert_eq!(small, NoVerdict::NullTooSmall { null: 18, own: false, needed: 19, alpha: 0.05 });
        assert_eq!(small.to_string(), "the null has 18 values of all models together; α = 0.05 needs at least 19");
        assert_eq!([0.05, 0.01, 0.1, 0.3, 0.5, 1.0, 0.001].map(needed), [19, 99, 9, 3, 1, 0, 999]);
        let unknown = Presence { present: evidence(0, 99, true), identified: None };
        let there = Presence { identified: Some(evidence(50, 99, true)), ..unknown };
        assert_eq!(calibrated_collapse_rate(&[there, unknown], Question::Present, 0.05), Ok(0.0));
        assert_eq!(calibrated_collapse_rate(&[there, unknown], Question::Identified, 0.05), Err(NoVerdict::NoKind));
        assert_eq!(calibrated_collapse_rate(&[there], Question::Identified, 0.05), Ok(1.0));
        assert_eq!(calibrated_collapse_rate(&[], Question::Present, 0.05), Err(NoVerdict::NothingRequested));
    }

    /// Whoever draws subjects without regard to the request is absent 19 times in 20, whatever the encoder: here
    /// each subject has a location and a spread of its own.
    #[test]
    fn requests_drawn_at_random_are_absent_with_a_chance_of_1_less_alpha() {
        let mut draws = Random::new(5);
        let kinds: Vec<Option<u8>> = (0..30).map(|subject| Some(subject % 3)).collect();
        let (mut generations, mut similarities) = (Vec::new(), Vec::new());
        for at in 0..1200_u32 {
            let mut subjects: Vec<u32> = (0..30).collect();
            (0..10).for_each(|to| subjects.swap(to, to + draws.below(30 - to)));
            subjects.truncate(2 + 2 * (at as usize % 5));
            generations.push(request(at % 3, at / 3, &subjects));
            similarities.extend((0..30).map(|s| draws.below(1 << 20) as f32 / (1 << 20) as f32 * (1 + s) as f32 - s as f32));
        }
        let known = presence(Requests { kinds: &kinds, generations: &generations, similarities: &similarities });
        for question in [Question::Present, Question::Identified] {
            for model in 0..3 {
                let of_model = known.iter().zip(&generations).filter(|(_, g)| g.model == model);
                let rates: Vec<f64> = of_model.map(|(k, _)| calibrated_collapse_rate(k, question, 0.05).unwrap()).collect();
                let mean = super::super::mean(&rates);
                assert!((mean - 0.95).abs() < 0.02, "{question:?} of model {model}: {mean}");
            }
        }
        assert!(known.iter().flatten().all(|k| k.present.own && k.present.null >= OWN_NULL));
    }
}
