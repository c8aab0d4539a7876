//! Where generations stand among those of a snapshot, by their rows: one number a generation.

use crate::catalog::GenerationRow;

/// Finds generations by their rows.
pub struct GenerationPlaces<'g> {
    generations: &'g [GenerationRow],
    /// Their places in the order of their rows.
    order: Vec<u32>,
}

impl GenerationPlaces<'_> {
    /// Returns the finder of these.
    pub fn of(generations: &[GenerationRow]) -> GenerationPlaces<'_> {
        let mut order: Vec<u32> = (0..generations.len() as u32).collect();
        order.sort_by_key(|at| generations[*at as usize].id); // it makes use of what is in order already
        GenerationPlaces { generations, order }
    }

    /// Returns the place of a generation.
    pub fn find(&self, row: i64) -> Option<usize> {
        let found = self.order.binary_search_by_key(&row, |at| self.generations[*at as usize].id).ok()?;
        Some(self.order[found] as usize)
    }
}
