//! How often which similarity, by model.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::plot::{self, BinCounts, Bins, Figure, ModelStyles};
use crate::report::Snapshot;
use std::collections::HashMap;
use std::convert::Infallible;

impl Dataset {
    /// Returns the histogram of the similarities of whole images with their subjects, by the encoder that decides collapse;
    /// `None` without any. They are too many to be kept: the catalog is read for their ends, and again to count them.
    pub(super) fn histogram(&self, snapshot: &Snapshot, marks: &[f64], styles: &ModelStyles) -> Result<Option<Figure>> {
        let no_ends = || vec![None; snapshot.models.len()];
        let mut ends = no_ends();
        let add = |ends: &mut Vec<Ends>, model: usize, value: f64| widen(&mut ends[model], value);
        for some in self.each_similarity(snapshot, no_ends, add)? {
            let values = some.into_iter().map(|ends| ends.into_iter().flatten());
            ends.iter_mut().zip(values).for_each(|(ends, values)| values.for_each(|value| widen(ends, value)));
        }
        let count = |bins: &Bins| {
            let no_counts = || vec![BinCounts::default(); snapshot.models.len()];
            let add = |counts: &mut Vec<BinCounts>, model: usize, value: f64| counts[model][bins.of(value)] += 1;
            let mut counts = no_counts();
            for some in self.each_similarity(snapshot, no_counts, add)? {
                counts.iter_mut().flatten().zip(some.iter().flatten()).for_each(|(all, some)| *all += some);
            }
            Ok::<_, Error>(counts)
        };
        plot::histogram(&names(snapshot), &ends, count, styles, "similarity of the whole image", marks)
    }

    /// Hands on every subject's similarity with its whole image, with the place of the model, some to each of several values,
    /// which are returned.
    fn each_similarity<T: Send>(
        &self,
        snapshot: &Snapshot,
        start: impl Fn() -> T + Sync,
        take: impl Fn(&mut T, usize, f64) + Sync,
    ) -> Result<Vec<T>> {
        let Some(encoder) = snapshot.encoder_place(&snapshot.identity) else { return Ok(Vec::new()) };
        self.catalog.each_scored(&[snapshot.encoders[encoder].0], Some(0), start, |value, scored| {
            let model = scored.row.model as usize;
            snapshot.whole_similarities(scored, 0).iter().for_each(|similarity| take(value, model, *similarity));
        })
    }
}

/// Returns the histogram of the similarities of subjects with the places where images were searched; `None` without any.
pub(super) fn local_histogram(snapshot: &Snapshot, styles: &ModelStyles) -> Option<Figure> {
    let found = snapshot.local.as_ref()?;
    let in_pool: HashMap<usize, usize> = found.pool.iter().copied().zip(0..).collect();
    let of_generation = |at: usize| {
        let generation = snapshot.generations.get(at);
        let row = *found.rows.get(&generation.id)?;
        let requested = snapshot.prompts[generation.prompt as usize].subjects.iter();
        let in_pool = requested.filter_map(|subject| in_pool.get(subject));
        Some(in_pool.map(move |at| f64::from(found.similarities[row + at])))
    };
    let of_model = |model: u32| snapshot.generations.of_model(model).filter_map(of_generation).flatten();
    let models = || 0..snapshot.models.len() as u32;
    let ends_of = |model: u32| {
        let mut ends = None;
        of_model(model).for_each(|value| widen(&mut ends, value));
        ends
    };
    let count = |bins: &Bins| {
        let of_model = |model: u32| {
            let mut counts = BinCounts::default();
            of_model(model).for_each(|value| counts[bins.of(value)] += 1);
            counts
        };
        Ok::<_, Infallible>(models().map(of_model).collect())
    };
    let ends: Vec<Ends> = models().map(ends_of).collect();
    let Ok(figure) = plot::histogram(&names(snapshot), &ends, count, styles, "local similarity ℓ", &[]);
    figure
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.models.iter().map(|(name, _)| name.as_str()).collect()
}

/// The least and the greatest of some values; `None` of none.
type Ends = Option<[f64; 2]>;

fn widen(ends: &mut Ends, value: f64) {
    *ends = Some(ends.map_or([value; 2], |[low, high]| [low.min(value), high.max(value)]));
}
