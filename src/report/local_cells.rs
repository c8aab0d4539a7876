//! What the windows say, cell by cell.

use super::cells::{cell_intervals, mean_of};
use super::local::Locals;
use super::observations::Observations;
use super::row::{CellLocal, LocalIntervals};
use super::{Named, ReportOptions};
use crate::score::{
    CollapseIntervals, Confidence, Identification, Question, REPLICATES, Requested, Unit, beyond_words, presence_intervals,
};

/// The values of every unit, and the intervals of every cell.
pub(super) struct LocalCells<'a> {
    locals: &'a Locals<'a>,
    units: &'a Observations<'a>,
    options: &'a ReportOptions,
    similarity: Vec<Option<f64>>,
    cscr: Vec<Option<f64>>,
    cscr_kind: Vec<Option<f64>>,
    doubled: Vec<Option<f64>>,
    /// Of each cell, where intervals were asked for.
    intervals: Option<Vec<CollapseIntervals>>,
}

impl<'a> LocalCells<'a> {
    pub(super) fn new(
        locals: &'a Locals<'a>,
        units: &'a Observations<'a>,
        cells: &[Vec<u32>],
        options: &'a ReportOptions,
    ) -> LocalCells<'a> {
        let rate = |question| locals.of_units(units, |unit| locals.collapse(unit, question, options.alpha));
        let intervals = options.confidence.map(|confidence| {
            let of_cell = |members: &Vec<u32>| -> Vec<Unit> {
                members.iter().filter_map(|member| locals.of_unit(units, *member as usize)).collect()
            };
            let cells: Vec<Vec<Unit>> = cells.iter().map(of_cell).collect();
            let found = presence_intervals(locals.requests(), locals.known(), &cells, &[options.alpha], REPLICATES, confidence);
            found.into_iter().map(|of_alphas| of_alphas.into_iter().next().unwrap_or_default()).collect()
        });
        LocalCells {
            locals,
            units,
            options,
            similarity: locals.of_units(units, |unit| Some(locals.similarity(unit))),
            cscr: rate(Question::Present),
            cscr_kind: rate(Question::Identified),
            doubled: locals.of_units(units, |unit| Some(locals.doubled(unit))),
            intervals,
        }
    }

    /// What the windows say in the cell of that number, whose units are `members`.
    pub(super) fn cell(&self, number: usize, members: &[u32], identity: &str) -> CellLocal {
        let of = |values: &[Option<f64>]| -> Vec<Option<f64>> { members.iter().map(|member| values[*member as usize]).collect() };
        let similarity = of(&self.similarity);
        let mut generations: Vec<usize> = members
            .iter()
            .filter_map(|member| self.locals.of_unit(self.units, *member as usize))
            .map(|unit| unit.generation)
            .collect();
        generations.dedup();
        let alpha = self.options.alpha.to_string();
        let named = |value: Option<f64>| -> Vec<Named> { vec![(alpha.clone(), value)] };
        let confidence = self.options.confidence;
        let beyond = self.locals.has_text_only().then(|| self.beyond_words(members, confidence.unwrap_or_default()));
        let identification = self.options.controls.then(|| self.identification(&generations));
        let ci = self.intervals.as_ref().zip(confidence).map(|(intervals, confidence)| {
            let prompts: Vec<u32> = members.iter().map(|member| self.prompt(*member as usize)).collect();
            let of_similarity = cell_intervals(&prompts, &[(&similarity, None)], confidence).into_iter().next().flatten();
            let share = |values: &[Option<f64>], resampled: Option<[f64; 2]>| {
                let known: Vec<f64> = of(values).into_iter().flatten().collect();
                // Prompts that are all alike bound the others; a draw of them says nothing.
                match known.windows(2).all(|two| two[0] == two[1]) {
                    true => cell_intervals(&prompts, &[(&of(values), Some([0.0, 1.0]))], confidence).into_iter().next().flatten(),
                    false => resampled,
                }
            };
            LocalIntervals {
                similarity: vec![(identity.to_owned(), of_similarity)],
                cscr: vec![(alpha.clone(), share(&self.cscr, intervals[number].present))],
                cscr_kind: vec![(alpha.clone(), share(&self.cscr_kind, intervals[number].identified))],
                beyond_words: vec![(String::new(), beyond.flatten().and_then(|(_, interval)| interval))],
            }
        });
        let undecided = |question| -> u64 {
            let units = members.iter().filter_map(|member| self.locals.of_unit(self.units, *member as usize));
            units.map(|unit| self.locals.undecided(unit, question, self.options.alpha)).sum()
        };
        CellLocal {
            images: generations.len() as u64,
            undecided: undecided(Question::Present),
            undecided_in_kind: undecided(Question::Identified),
            similarity: vec![(identity.to_owned(), mean_of(similarity.iter().copied()))],
            cscr: named(mean_of(of(&self.cscr))),
            cscr_kind: named(mean_of(of(&self.cscr_kind))),
            beyond_words: beyond.map(|found| found.map(|(share, _)| share)),
            doubled: mean_of(of(&self.doubled)),
            identification,
            ci,
        }
    }

    fn prompt(&self, member: usize) -> u32 {
        self.units.fact(member).prompt
    }

    /// Share and interval of the cell's pairs with text-only controls. A text-only control is not held against itself.
    fn beyond_words(&self, members: &[u32], confidence: Confidence) -> Option<(f64, Option<[f64; 2]>)> {
        let locals = self.locals;
        let requests = locals.requests().generations;
        let subjects = |unit: Unit| match unit.ordinal {
            Some(ordinal) => ordinal..ordinal + 1,
            None => 0..requests[unit.generation].subjects.len(),
        };
        let requested = |unit: Unit| {
            subjects(unit).map(move |ordinal| Requested {
                prompt: requests[unit.generation].prompt,
                subject: requests[unit.generation].subjects[ordinal],
                similarity: locals.of_subject(unit.generation, ordinal) as f32,
            })
        };
        let of_model: Vec<Requested> = members
            .iter()
            .filter_map(|member| locals.of_unit(self.units, *member as usize))
            .filter(|unit| !locals.is_text_only(requests[unit.generation].model))
            .flat_map(requested)
            .collect();
        let of_control: Vec<Requested> =
            locals.of_text_only().flat_map(|generation| requested(Unit { generation, ordinal: None })).collect();
        beyond_words(&of_model, &of_control, confidence).map(|found| (found.share, found.interval))
    }

    fn identification(&self, generations: &[usize]) -> Option<Identification> {
        let all: Vec<Identification> = generations.iter().filter_map(|at| self.locals.identification(*at)).collect();
        let mean = |pick: fn(&Identification) -> f64| crate::score::mean(&all.iter().map(pick).collect::<Vec<_>>());
        (!all.is_empty()).then(|| Identification {
            auc: mean(|i| i.auc),
            r_precision: mean(|i| i.r_precision),
            mean_rank: mean(|i| i.mean_rank),
        })
    }
}
