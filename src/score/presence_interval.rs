//! Intervals of calibrated collapse rates, the nulls resampled with the rates.
//!
//! A null is made of the same prompts as the values that are held against it, so each replicate draws *all* prompts once
//! and weighs with the draw both the generations of a cell and the values of every null. No null is sorted again: a
//! value stays present as long as the weights of the null's values before it stay within a budget, α (1 + size) − 1, so
//! a replicate walks down the upper α of each null and no further.

use super::interval::{Confidence, expanded_tail, quantile};
use super::null::{each_null, generation};
use super::presence::{Presence, Question, Requests, calibrated_collapse_rate};
use super::random::Random;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Replicates that share a stream of draws.
const CHUNK: usize = 64;

/// What a cell's mean is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// The generation.
    pub generation: usize,
    /// The place of one subject in its request; `None` for its rate over all of them.
    pub ordinal: Option<usize>,
}

/// The intervals of one cell at one α; `None` where fewer than two prompts have a value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CollapseIntervals {
    /// Of the mean cSCR.
    pub present: Option<[f64; 2]>,
    /// Of the mean cSCR within kind.
    pub identified: Option<[f64; 2]>,
}

/// The interval of the mean calibrated collapse rate of each cell at each α: for each cell, in the order of
/// `alphas`. `known` is what [`super::presence`] found in the same `requests`.
///
/// All prompts are drawn with replacement `replicates` times. A unit without a verdict in `known` has no value, in any
/// replicate; whose null a request is held against, the model's own or all models', stays as it is in `known`. In a
/// replicate whose null is too small to reach α nothing is present, and one that drew none of a cell's prompts says
/// nothing of the cell. Bits do not depend on the number of threads.
pub fn presence_intervals(
    requests: Requests<'_>,
    known: &[Vec<Presence>],
    cells: &[Vec<Unit>],
    alphas: &[f64],
    replicates: usize,
    confidence: Confidence,
) -> Vec<Vec<CollapseIntervals>> {
    let resampling = Resampling::new(requests, known, cells, alphas);
    let mut master = Random::new(confidence.seed);
    let seeds: Vec<(u64, usize)> =
        (0..replicates).step_by(CHUNK).map(|from| (master.bits(), CHUNK.min(replicates - from))).collect();
    let chunks: Vec<Vec<f64>> = seeds.into_par_iter().map(|(seed, count)| resampling.replicates(seed, count)).collect();
    let measures = resampling.measures.len();
    let found: Vec<Option<[f64; 2]>> = (0..measures)
        .into_par_iter()
        .map(|measure| {
            let tail = expanded_tail(confidence.level, resampling.measures[measure].prompts)?;
            let means = chunks.iter().flat_map(|chunk| chunk.iter().skip(measure).step_by(measures));
            let mut means: Vec<f64> = means.copied().filter(|mean| !mean.is_nan()).collect();
            means.sort_unstable_by(f64::total_cmp);
            (!means.is_empty()).then(|| [quantile(&means, tail), quantile(&means, 1.0 - tail)])
        })
        .collect();
    let mut found = found.chunks_exact(2).map(|both| CollapseIntervals { present: both[0], identified: both[1] });
    cells.iter().map(|_| found.by_ref().take(alphas.len()).collect()).collect()
}

/// All that a replicate needs, by numbers that need no look-up.
struct Resampling {
    prompts: usize,
    alphas: Vec<f64>,
    /// Of each scope, a model or all that may serve, how many generations each prompt has.
    scopes: Vec<PromptCounts>,
    nulls: Vec<NullWalk>,
    /// Of each question and generation its requests: the null and how many of its values are as large or larger.
    held: [Vec<Vec<(u32, u32)>>; 2],
    /// The prompt of each generation.
    prompt_of: Vec<u32>,
    /// For each cell, α and question in turn.
    measures: Vec<CellQuestion>,
}

/// Prompts with how often each occurs.
type PromptCounts = Vec<(u32, u32)>;

/// A null as a replicate goes through it.
struct NullWalk {
    /// The prompts of its values, in descending order of the values.
    descending: Vec<u32>,
    scope: usize,
    /// Its values by prompt, or where those are fewer the values of the scope that are not in it.
    counts: PromptCounts,
    /// Whether `counts` are those that are not in it.
    without: bool,
}

struct CellQuestion {
    alpha: usize,
    question: Question,
    units: Vec<Unit>,
    /// How many prompts have a value.
    prompts: usize,
}

impl Resampling {
    fn new(requests: Requests<'_>, known: &[Vec<Presence>], cells: &[Vec<Unit>], alphas: &[f64]) -> Resampling {
        let all = requests.generations;
        let mut numbers: Vec<u32> = all.iter().map(|g| g.prompt).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let prompt_of: Vec<u32> = all.iter().map(|g| numbers.partition_point(|number| *number < g.prompt) as u32).collect();
        let scope = |own: Option<u32>| -> PromptCounts {
            let within = all.iter().zip(&prompt_of).filter(|(g, _)| own.map_or(g.may_serve, |model| g.model == model));
            counts(within.map(|(_, prompt)| *prompt))
        };
        let mut scopes: Vec<PromptCounts> = vec![scope(None)];
        let mut scope_of: BTreeMap<Option<u32>, usize> = BTreeMap::from([(None, 0)]);
        let empty: Vec<Vec<(u32, u32)>> = all.iter().map(|g| vec![(0, 0); g.subjects.len()]).collect();
        let mut held = [empty.clone(), empty];
        let mut nulls: Vec<NullWalk> = Vec::new();
        let walks = each_null(requests, |null| {
            let descending: Vec<u32> = null.entries.iter().map(|entry| prompt_of[generation(*entry)]).collect();
            (null.question, null.own, null.asking().collect::<Vec<_>>(), descending)
        });
        for (question, own, asking, descending) in walks {
            for ((generation, ordinal), at_least) in asking {
                held[question as usize][generation][ordinal] = (nulls.len() as u32, at_least as u32);
            }
            let scope = *scope_of.entry(own).or_insert_with(|| {
                scopes.push(scope(own));
                scopes.len() - 1
            });
            let within = counts(descending.iter().copied());
            let outside = difference(&scopes[scope], &within);
            let without = outside.len() < within.len();
            nulls.push(NullWalk { descending, scope, counts: if without { outside } else { within }, without });
        }
        let mut measures = Vec::new();
        for cell in cells {
            for (alpha, level) in alphas.iter().copied().enumerate() {
                for question in [Question::Present, Question::Identified] {
                    let has_value = |unit: &Unit| match unit.ordinal {
                        None => calibrated_collapse_rate(&known[unit.generation], question, level).is_ok(),
                        Some(ordinal) => known[unit.generation][ordinal].verdict(question, level).is_ok(),
                    };
                    let units: Vec<Unit> = cell.iter().copied().filter(has_value).collect();
                    let prompts = counts(units.iter().map(|unit| prompt_of[unit.generation])).len();
                    measures.push(CellQuestion { alpha, question, units, prompts });
                }
            }
        }
        Resampling { prompts: numbers.len(), alphas: alphas.to_vec(), scopes, nulls, held, prompt_of, measures }
    }

    /// The means of all measures in `count` replicates, one replicate after the other; NaN where a replicate drew no
    /// prompt of a measure.
    fn replicates(&self, seed: u64, count: usize) -> Vec<f64> {
        let mut draws = Random::new(seed);
        let mut weights = vec![0_u32; self.prompts];
        // Of each α and question, the rate of each generation and of each of its requests whether it is absent.
        let mut reach = vec![0_u32; self.nulls.len()];
        let mut means = Vec::with_capacity(count * self.measures.len());
        let mut rates: Vec<[Vec<f64>; 2]> =
            self.alphas.iter().map(|_| [(); 2].map(|()| vec![0.0; self.prompt_of.len()])).collect();
        let mut reaches = vec![Vec::new(); self.alphas.len()];
        for _ in 0..count {
            weights.fill(0);
            (0..self.prompts).for_each(|_| weights[draws.below(self.prompts)] += 1);
            let total = |counts: &PromptCounts| {
                counts.iter().map(|(prompt, n)| u64::from(weights[*prompt as usize]) * u64::from(*n)).sum::<u64>()
            };
            let scopes: Vec<u64> = self.scopes.iter().map(total).collect();
            for (at, alpha) in self.alphas.iter().enumerate() {
                for (null, reach) in self.nulls.iter().zip(&mut reach) {
                    let counted = total(&null.counts);
                    let size = if null.without { scopes[null.scope] - counted } else { counted };
                    *reach = null.reach(budget(*alpha, size), &weights);
                }
                for (held, rates) in self.held.iter().zip(&mut rates[at]) {
                    for (requests, rate) in held.iter().zip(rates) {
                        let absent = requests.iter().filter(|(null, place)| *place >= reach[*null as usize]).count();
                        *rate = absent as f64 / requests.len() as f64;
                    }
                }
                reaches[at].clone_from(&reach);
            }
            for measure in &self.measures {
                let (mut sum, mut weight) = (0.0, 0.0);
                for unit in &measure.units {
                    let drawn = f64::from(weights[self.prompt_of[unit.generation] as usize]);
                    let value = match unit.ordinal {
                        None => rates[measure.alpha][measure.question as usize][unit.generation],
                        Some(ordinal) => {
                            let (null, place) = self.held[measure.question as usize][unit.generation][ordinal];
                            f64::from(u8::from(place >= reaches[measure.alpha][null as usize]))
                        }
                    };
                    sum += drawn * value;
                    weight += drawn;
                }
                means.push(sum / weight);
            }
        }
        means
    }
}

impl NullWalk {
    /// How many values of the null, from the top, may be as large as one that is still present, plus one; 0 where none
    /// can be present.
    fn reach(&self, budget: Option<u64>, weights: &[u32]) -> u32 {
        let Some(mut left) = budget else { return 0 };
        for (at, prompt) in self.descending.iter().enumerate() {
            match left.checked_sub(u64::from(weights[*prompt as usize])) {
                Some(rest) => left = rest,
                None => return at as u32 + 1,
            }
        }
        self.descending.len() as u32 + 1
    }
}

/// The largest number of values as large or larger with which p is still α or less; `None` where p is never.
fn budget(alpha: f64, size: u64) -> Option<u64> {
    let p = |at_least: u64| (1 + at_least) as f64 / (1 + size) as f64;
    // The quotient decides, as it does for the verdict itself; the product may be a rounding off.
    let mut at_least = ((alpha * (1 + size) as f64) as u64).min(size);
    while p(at_least) > alpha {
        at_least = at_least.checked_sub(1)?;
    }
    Some(at_least)
}

fn counts(prompts: impl Iterator<Item = u32>) -> PromptCounts {
    let mut prompts: Vec<u32> = prompts.collect();
    prompts.sort_unstable();
    prompts.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len() as u32)).collect()
}

/// What is in `all` and not in `part`, which is a part of it.
fn difference(all: &PromptCounts, part: &PromptCounts) -> PromptCounts {
    let mut part = part.iter().peekable();
    let left = all.iter().map(|(prompt, n)| (*prompt, n - part.next_if(|(other, _)| other == prompt).map_or(0, |(_, n)| *n)));
    left.filter(|(_, n)| *n > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::super::presence::{Request, presence};
    use super::*;

    /// 3 models on the same prompts, two subjects of 12 each; ℓ of a requested subject is raised.
    fn data(prompts: u32) -> (Vec<Option<u8>>, Vec<Request>, Vec<f32>) {
        let mut draws = Random::new(11);
        let (mut generations, mut similarities) = (Vec::new(), Vec::new());
        for (model, prompt) in (0..3).flat_map(|model| (0..prompts).map(move |prompt| (model, prompt))) {
            let first = draws.below(12) as u32;
            let subjects = vec![first, (first + 1 + draws.below(11) as u32) % 12];
            similarities.extend((0..12).map(|s| {
                let raised = if subjects.contains(&s) { 0.2 * f64::from(model) } else { 0.0 };
                // Coarse, so that values tie.
                ((draws.below(100) as f64 / 100.0 + raised) * 50.0).round() as f32 / 50.0
            }));
            generations.push(Request { model, prompt: 10 * prompt + 3, subjects, may_serve: model != 2 });
        }
        ((0..12).map(|s| (s > 0).then_some(s % 2)).collect(), generations, similarities)
    }

    fn all_units(generations: &[Request], model: u32) -> Vec<Unit> {
        let of_model = generations.iter().enumerate().filter(|(_, g)| g.model == model);
        of_model.map(|(generation, _)| Unit { generation, ordinal: None }).collect()
    }

    /// Writes each replicate out: a data set in which a prompt drawn twice is there twice, its nulls sorted afresh.
    #[test]
    fn a_replicate_is_the_rate_of_the_data_set_that_was_drawn() {
        let (kinds, generations, similarities) = data(45);
        let requests = Requests { kinds: &kinds, generations: &generations, similarities: &similarities };
        let known = presence(requests);
        let mut cells: Vec<Vec<Unit>> = (0..3).map(|model| all_units(&generations, model)).collect();
        cells.push((0..60).map(|generation| Unit { generation, ordinal: Some(1) }).collect());
        let resampling = Resampling::new(requests, &known, &cells, &[0.05, 0.2]);
        let means = resampling.replicates(77, 3);
        let mut draws = Random::new(77);
        for replicate in means.chunks(resampling.measures.len()) {
            let mut weights = vec![0_usize; 45];
            (0..45).for_each(|_| weights[draws.below(45)] += 1);
            let drawn: Vec<usize> = (0..generations.len()).flat_map(|g| vec![g; weights[g % 45]]).collect();
            for (measure, mean) in resampling.measures.iter().zip(replicate) {
                let absent = |g: usize, ordinal: usize| {
                    let subject = generations[g].subjects[ordinal];
                    let value = |g: usize| similarities[g * 12 + subject as usize];
                    let kind_of = |s: &u32| kinds[*s as usize].is_some() && kinds[*s as usize] == kinds[subject as usize];
                    let in_null = |h: &&usize| {
                        let other = &generations[**h];
                        !other.subjects.contains(&subject)
                            && (measure.question == Question::Present || other.subjects.iter().any(kind_of))
                            && other.may_serve
                    };
                    let null: Vec<f32> = drawn.iter().filter(in_null).map(|h| value(*h)).collect();
                    let at_least = null.iter().filter(|other| **other >= value(g)).count();
                    (1 + at_least) as f64 / (1 + null.len()) as f64 > [0.05, 0.2][measure.alpha]
                };
                let rates: Vec<f64> = drawn
                    .iter()
                    .flat_map(|g| measure.units.iter().filter(move |unit| unit.generation == *g))
                    .map(|unit| match unit.ordinal {
                        Some(ordinal) => f64::from(u8::from(absent(unit.generation, ordinal))),
                        None => (0..2).map(|o| f64::from(u8::from(absent(unit.generation, o)))).sum::<f64>() / 2.0,
                    })
                    .collect();
                assert!((super::super::mean(&rates) - mean).abs() < 1e-12, "{mean} {rates:?}");
            }
        }
        // Subject 0 has no kind: those that ask for it have no rate within kind.
        let with_0 = generations.iter().filter(|g| g.model == 0 && g.subjects.contains(&0)).count();
        assert!(with_0 > 0);
        assert_eq!(resampling.measures[1].units.len(), 45 - with_0);
    }

    #[test]
    fn intervals_hold_the_rate_and_do_not_depend_on_threads() {
        let (kinds, generations, similarities) = data(150);
        let requests = Requests { kinds: &kinds, generations: &generations, similarities: &similarities };
        let known = presence(requests);
        assert!(known[0][0].present.own, "a null of a model's own");
        let cells: Vec<Vec<Unit>> = (0..3).map(|model| all_units(&generations, model)).collect();
        let run = || presence_intervals(requests, &known, &cells, &[0.05], 1000, Confidence::default());
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool(1).install(run);
        assert_eq!(found, pool(5).install(run));
        for (cell, found) in cells.iter().zip(&found) {
            let rate = |unit: &Unit| calibrated_collapse_rate(&known[unit.generation], Question::Present, 0.05).unwrap();
            let mean = super::super::mean(&cell.iter().map(rate).collect::<Vec<_>>());
            let [low, high] = found[0].present.unwrap();
            assert!(low <= mean && mean <= high && high - low > 0.01 && high - low < 0.2, "{low} {mean} {high}");
            assert!(found[0].identified.is_some());
        }
    }

    #[test]
    fn cells_of_one_prompt_or_without_a_verdict_have_no_interval() {
        let (kinds, generations, similarities) = data(45);
        let requests = Requests { kinds: &kinds, generations: &generations, similarities: &similarities };
        let known = presence(requests);
        let one = vec![Unit { generation: 0, ordinal: None }, Unit { generation: 45, ordinal: None }];
        let cells = [one, vec![], all_units(&generations, 0)];
        // 1/1001 needs 1000 values.
        let found = presence_intervals(requests, &known, &cells, &[0.05, 0.001], 200, Confidence::default());
        let none = CollapseIntervals::default();
        assert_eq!((&found[0], &found[1], found[2][1]), (&vec![none; 2], &vec![none; 2], none));
        assert!(found[2][0].present.is_some());
    }

    #[test]
    fn budgets_agree_with_verdicts() {
        assert_eq!([0, 18, 19, 38, 39, 99].map(|size| budget(0.05, size)), [None, None, Some(0), Some(0), Some(1), Some(4)]);
        assert_eq!((budget(1.0, 0), budget(1.0, 7)), (Some(0), Some(7)));
        let walk = NullWalk { descending: vec![0, 1, 1, 2], scope: 0, counts: Vec::new(), without: false };
        // Weights 2, 0, 1: the values weigh 2, 0, 0, 1.
        assert_eq!([None, Some(0), Some(1), Some(2), Some(3)].map(|budget| walk.reach(budget, &[2, 0, 1])), [0, 1, 1, 4, 5]);
    }
}
