//! The generations of a snapshot, in as little room as it takes: a data set may have ten million.

use super::integers::Integers;
use crate::catalog::GenerationRow;
use std::collections::HashMap;
use std::ops::Range;

/// Generations by model, prompt and seed.
#[derive(Debug, Default)]
pub struct Generations {
    columns: GenerationColumns,
    /// [model]: where its generations end, and those of the next begin.
    ends: Vec<usize>,
}

/// Generations in any order, column by column.
#[derive(Debug, Default)]
pub(super) struct GenerationColumns {
    id: Integers,
    /// Empty once they are in order: a few ends say as much.
    model: Integers,
    prompt: Integers,
    seed: Integers,
    /// A place among the sizes.
    size: Integers,
    sizes: Sizes,
}

/// Distinct sizes of images, most often few.
#[derive(Debug, Default)]
struct Sizes {
    all: Vec<Option<[u32; 2]>>,
    places: HashMap<Option<[u32; 2]>, u32>,
    /// The one that was added last: images of a model mostly have one size.
    last: Option<(Option<[u32; 2]>, u32)>,
}

impl Sizes {
    fn place(&mut self, size: Option<[u32; 2]>) -> u32 {
        if let Some((_, place)) = self.last.filter(|(last, _)| *last == size) {
            return place;
        }
        let next = self.all.len() as u32;
        let place = *self.places.entry(size).or_insert(next);
        if place == next {
            self.all.push(size);
        }
        self.last = Some((size, place));
        place
    }
}

impl GenerationColumns {
    pub(super) fn len(&self) -> usize {
        self.prompt.len()
    }

    pub(super) fn push(&mut self, row: GenerationRow) {
        self.id.push(row.id);
        self.model.push(row.model.into());
        self.prompt.push(row.prompt.into());
        self.seed.push(row.seed);
        self.size.push(self.sizes.place(row.size).into());
    }

    pub(super) fn append(&mut self, other: GenerationColumns) {
        self.id.append(other.id);
        self.model.append(other.model);
        self.prompt.append(other.prompt);
        self.seed.append(other.seed);
        let places: Vec<u32> = other.sizes.all.into_iter().map(|size| self.sizes.place(size)).collect();
        other.size.iter().for_each(|place| self.size.push(places[place as usize].into()));
    }

    /// Returns the places of the generations in the order of their keys; `None`: they are in that order.
    pub(super) fn order(&self) -> Option<Vec<u32>> {
        let key = |at: usize| (self.model.get(at), self.prompt.get(at), self.seed.get(at));
        if (1..self.len()).all(|at| key(at - 1) <= key(at)) {
            return None;
        }
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_by_key(|at| key(*at as usize)); // it makes use of what is in order already
        Some(order)
    }

    /// Returns them in that order.
    pub(super) fn finish(mut self, order: Option<&[u32]>) -> Generations {
        if let Some(order) = order {
            for column in [&mut self.id, &mut self.model, &mut self.prompt, &mut self.seed, &mut self.size] {
                *column = column.in_order(order);
            }
        }
        let mut ends = Vec::new();
        for (at, model) in std::mem::take(&mut self.model).iter().enumerate() {
            ends.resize((model as usize).max(ends.len()), at);
        }
        ends.push(self.len());
        Generations { columns: self, ends }
    }
}

impl Generations {
    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the one at a place.
    pub fn get(&self, at: usize) -> GenerationRow {
        let columns = &self.columns;
        let model = self.ends.partition_point(|end| *end <= at) as u32;
        GenerationRow {
            id: columns.id.get(at),
            model,
            prompt: columns.prompt.get(at) as u32,
            seed: columns.seed.get(at),
            size: columns.sizes.all[columns.size.get(at) as usize],
        }
    }

    /// Returns the row of the one at a place.
    pub fn id(&self, at: usize) -> i64 {
        self.columns.id.get(at)
    }

    /// Returns the prompt of the one at a place.
    pub fn prompt(&self, at: usize) -> u32 {
        self.columns.prompt.get(at) as u32
    }

    /// Returns all, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = GenerationRow> + Clone {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Returns the places of a model's.
    pub fn of_model(&self, model: u32) -> Range<usize> {
        let end = |model: usize| self.ends.get(model).copied().unwrap_or(self.len());
        (model as usize).checked_sub(1).map_or(0, end)..end(model as usize)
    }
}

/// Finds generations by their rows.
pub struct GenerationPlaces<'g> {
    generations: &'g Generations,
    /// Their places in the order of their rows; `None`: they are in it.
    order: Option<Vec<u32>>,
}

impl GenerationPlaces<'_> {
    /// Returns the finder of these.
    pub fn of(generations: &Generations) -> GenerationPlaces<'_> {
        let in_order = (1..generations.len()).all(|at| generations.id(at - 1) < generations.id(at));
        let order = (!in_order).then(|| {
            let mut order: Vec<u32> = (0..generations.len() as u32).collect();
            order.sort_by_key(|at| generations.id(*at as usize)); // it makes use of what is in order already
            order
        });
        GenerationPlaces { generations, order }
    }

    /// Returns the place of a generation.
    pub fn find(&self, row: i64) -> Option<usize> {
        let place = |rank: usize| self.order.as_ref().map_or(rank, |order| order[rank] as usize);
        let (mut begin, mut end) = (0, self.generations.len());
        while begin < end {
            let middle = begin.midpoint(end);
            if self.generations.id(place(middle)) < row { begin = middle + 1 } else { end = middle }
        }
        (begin < self.generations.len()).then(|| place(begin)).filter(|at| self.generations.id(*at) == row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_by_their_keys() {
        let row = |id: i64, model: u32, prompt: u32, seed: i64, size| GenerationRow { id, model, prompt, seed, size };
        let rows = [
            row(7, 3, 0, i64::MIN, Some([512, 512])),
            row(-1, 1, 2, 5, None),
            row(i64::MAX, 1, 2, 4, Some([512, 512])),
            row(2, 3, 0, -1, Some([u32::MAX, 1])),
        ];
        for cut in 0..=rows.len() {
            let columns = |rows: &[GenerationRow]| {
                let mut columns = GenerationColumns::default();
                rows.iter().for_each(|row| columns.push(*row));
                columns
            };
            let mut all = columns(&rows[..cut]);
            all.append(columns(&rows[cut..]));
            let order = all.order();
            assert_eq!(order.as_deref(), Some(&[2, 1, 0, 3][..]));
            let generations = all.finish(order.as_deref());
            assert_eq!(generations.iter().collect::<Vec<_>>(), [rows[2], rows[1], rows[0], rows[3]]);
            let of_models: Vec<_> = (0..5).map(|model| generations.of_model(model)).collect();
            assert_eq!(of_models, [0..0, 0..2, 2..2, 2..4, 4..4]);
            let places = GenerationPlaces::of(&generations);
            assert_eq!(
                [i64::MAX, -1, 7, 2, 3, i64::MIN].map(|id| places.find(id)),
                [Some(0), Some(1), Some(2), Some(3), None, None]
            );
        }
        let none = GenerationColumns::default().finish(None);
        assert!(none.is_empty() && none.of_model(0).is_empty() && GenerationPlaces::of(&none).find(0).is_none());
    }
}
