//! Finds vectors that are nearly the same.

use super::random::Random;
use super::{cosine_with_norms, dot};
use rayon::prelude::*;

/// Vectors up to which every pair is compared.
const EXHAUSTIVE: usize = 2048;

/// Times that larger sets are cut into buckets, each time by other hyperplanes.
const TABLES: usize = 24;

/// Vectors of a bucket that one is compared with: those just before it.
const WINDOW: usize = 64;

/// Bytes of vectors that are read at a time.
const BLOCK_BYTES: usize = 64 << 20;

/// A vector that is nearly the same as one before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearDuplicate {
    /// Its place.
    pub at: usize,
    /// The place of the most similar one before it that was found.
    pub earlier: usize,
    /// Their cosine.
    pub cosine: f64,
}

/// Every one of `count` vectors whose cosine with one before it is at least `bound`, in order. `read` makes the room that it
/// is given hold the vectors of these places, one after the other: some tens of megabytes at a time, again and again.
///
/// Up to 2,048 vectors all pairs are compared. Beyond, vectors are cut 24 times into buckets by the side of random
/// hyperplanes through their mean on which they lie (M. Charikar, "Similarity Estimation Techniques from Rounding
/// Algorithms", 2002), so many hyperplanes that a bucket holds some 16, and each is compared with the 64 before
/// it in its bucket: the work grows as n log n. A pair is then found with a probability, the higher the nearer;
/// docs/performance.md has measured ones. In memory are some 130 bytes a vector, whatever its length.
///
/// # Errors
/// Those of `read`.
pub fn near_duplicates<E>(
    count: usize,
    dimension: usize,
    bound: f64,
    read: impl FnMut(&mut Vec<f32>, &[usize]) -> Result<(), E>,
) -> Result<Vec<NearDuplicate>, E> {
    search(count, dimension, bound, (BLOCK_BYTES / (4 * dimension)).max(WINDOW), read)
}

/// The same, of which `rows` vectors are read at a time, and those before them that they are compared with.
fn search<E>(
    count: usize,
    dimension: usize,
    bound: f64,
    rows: usize,
    mut read: impl FnMut(&mut Vec<f32>, &[usize]) -> Result<(), E>,
) -> Result<Vec<NearDuplicate>, E> {
    let mut best: Vec<Option<(usize, f64)>> = vec![None; count];
    let mut vectors = Vec::new();
    if count <= EXHAUSTIVE {
        let all: Vec<usize> = (0..count).collect();
        read(&mut vectors, &all)?;
        let squared = squares(&vectors, dimension);
        let set = VectorBlock { places: &all, vectors: &vectors, squared: &squared, dimension };
        best.par_iter_mut().enumerate().for_each(|(at, best)| *best = set.nearest(at, 0..at, bound));
    } else {
        let Buckets { squared, sides } = Buckets::new(count, dimension, rows, &mut vectors, &mut read)?;
        for sides in sides {
            let mut order: Vec<usize> = (0..count).collect();
            order.sort_by_key(|at| sides[*at]); // stable: within a bucket in order
            for begin in (0..count).step_by(rows) {
                let first = begin.saturating_sub(WINDOW);
                let places = &order[first..count.min(begin + rows)];
                read(&mut vectors, places)?;
                let set = VectorBlock { places, vectors: &vectors, squared: &squared, dimension };
                let nearest = |at: usize| {
                    let before = (at.saturating_sub(WINDOW)..at).filter(|other| sides[places[*other]] == sides[places[at]]);
                    (places[at], set.nearest(at, before, bound))
                };
                let found: Vec<_> = (begin - first..places.len()).into_par_iter().map(nearest).collect();
                for (at, found) in found {
                    best[at] = nearer(best[at], found);
                }
            }
        }
    }
    let found = best.into_iter().enumerate();
    Ok(found.filter_map(|(at, best)| best.map(|(earlier, cosine)| NearDuplicate { at, earlier, cosine })).collect())
}

/// The nearer of two; the earlier of equals.
fn nearer(a: Option<(usize, f64)>, b: Option<(usize, f64)>) -> Option<(usize, f64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.1 > a.1 || b.1 == a.1 && b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// Squared length of each vector.
fn squares(vectors: &[f32], dimension: usize) -> Vec<f64> {
    vectors.par_chunks_exact(dimension).map(|v| dot(v, v)).collect()
}

/// Some of the vectors.
struct VectorBlock<'a> {
    /// Their places among all.
    places: &'a [usize],
    vectors: &'a [f32],
    /// Squared length of every vector, not only of these.
    squared: &'a [f64],
    dimension: usize,
}

impl VectorBlock<'_> {
    fn get(&self, at: usize) -> (&[f32], f64) {
        (&self.vectors[at * self.dimension..(at + 1) * self.dimension], self.squared[self.places[at]])
    }

    /// The place of the most similar of some vectors of the block, if its cosine reaches the bound.
    fn nearest(&self, at: usize, others: impl Iterator<Item = usize>, bound: f64) -> Option<(usize, f64)> {
        let (vector, squared) = self.get(at);
        let cosine = |other: usize| {
            let (other, other_squared) = self.get(other);
            cosine_with_norms(vector, squared, other, other_squared)
        };
        others
            .map(|other| (self.places[other], cosine(other)))
            .filter(|(_, c)| *c >= bound)
            .fold(None, |best, found| nearer(best, Some(found)))
    }
}

/// All vectors, cut into buckets.
struct Buckets {
    squared: Vec<f64>,
    /// By table, for each vector: on which side of the table's hyperplanes it lies.
    sides: Vec<Vec<u32>>,
}

impl Buckets {
    /// Cuts so many vectors by random hyperplanes through the mean of the unit vectors, and reads so many at a time.
    fn new<E>(
        count: usize,
        dimension: usize,
        rows: usize,
        vectors: &mut Vec<f32>,
        read: &mut impl FnMut(&mut Vec<f32>, &[usize]) -> Result<(), E>,
    ) -> Result<Buckets, E> {
        let all: Vec<usize> = (0..count).collect();
        let mut squared = Vec::with_capacity(count);
        let mut mean = vec![0.0_f32; dimension];
        for places in all.chunks(rows) {
            read(vectors, places)?;
            let of_these = squares(vectors, dimension);
            for (vector, squared) in vectors.chunks_exact(dimension).zip(&of_these) {
                let scale = (squared.sqrt() * count as f64).recip() as f32;
                mean.iter_mut().zip(vector).for_each(|(sum, x)| *sum += scale * x);
            }
            squared.extend(of_these);
        }
        let bits = ((count as f64 / 16.0).log2().ceil() as usize).min(32);
        let mut draws = Random::new(0);
        let tables: Vec<Vec<(Vec<f32>, f64)>> =
            (0..TABLES).map(|_| (0..bits).map(|_| hyperplane(&mean, &mut draws)).collect()).collect();
        let mut sides = vec![vec![0; count]; TABLES];
        for places in all.chunks(rows) {
            read(vectors, places)?;
            for (planes, sides) in tables.iter().zip(&mut sides) {
                let side = |(at, vector): (&usize, &[f32])| {
                    let length = squared[*at].sqrt();
                    let above = planes.iter().map(|(plane, middle)| dot(plane, vector) > middle * length);
                    above.fold(0, |sides, above| sides << 1 | u32::from(above))
                };
                let of_these: Vec<u32> = places.par_iter().zip(vectors.par_chunks_exact(dimension)).map(side).collect();
                sides[places[0]..places[0] + places.len()].copy_from_slice(&of_these);
            }
        }
        Ok(Buckets { squared, sides })
    }
}

/// A random hyperplane through `mean`: its normal, and the dot product of the two.
fn hyperplane(mean: &[f32], draws: &mut Random) -> (Vec<f32>, f64) {
    let mut signs = 0;
    let sign = |i: usize| {
        if i.is_multiple_of(64) {
            signs = draws.bits();
        }
        let sign = if signs & 1 == 1 { 1.0 } else { -1.0 };
        signs >>= 1;
        sign
    };
    let normal: Vec<f32> = (0..mean.len()).map(sign).collect();
    let middle = dot(&normal, mean);
    (normal, middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(vectors: &[f32], dimension: usize, bound: f64) -> Vec<NearDuplicate> {
        all_by(10_000, vectors, dimension, bound)
    }

    fn all_by(rows: usize, vectors: &[f32], dimension: usize, bound: f64) -> Vec<NearDuplicate> {
        let of = |at: &usize| vectors[at * dimension..(at + 1) * dimension].to_vec();
        let read = |room: &mut Vec<f32>, places: &[usize]| {
            room.clear();
            room.extend(places.iter().flat_map(of));
            Ok::<_, ()>(())
        };
        search(vectors.len() / dimension, dimension, bound, rows, read).unwrap()
    }

    #[test]
    fn every_pair_of_a_few() {
        // Cosines of the second with the first 0.96, of the third with the first 0.8, with the second 0.936.
        let vectors = [1.0, 0.0, 0.96, 0.28, 0.8, 0.6, -2.0, 0.0];
        let found = all(&vectors, 2, 0.9);
        assert_eq!(found.iter().map(|d| (d.at, d.earlier)).collect::<Vec<_>>(), [(1, 0), (2, 1)]);
        assert!((found[0].cosine - 0.96).abs() < 1e-6 && (found[1].cosine - 0.936).abs() < 1e-6);
        assert_eq!(all(&vectors, 2, 0.97), []);
        // At the bound counts; length does not.
        assert_eq!(all(&[1.0, 0.0, 5.0, 0.0], 2, 1.0), [NearDuplicate { at: 1, earlier: 0, cosine: 1.0 }]);
        assert_eq!(all(&[], 2, 0.5), []);
    }

    #[test]
    fn of_equals_the_first() {
        let found = all(&[1.0, 0.0, 1.0, 0.0, 1.0, 0.0], 2, 0.9);
        assert_eq!(found.iter().map(|d| (d.at, d.earlier)).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
    }

    /// 6,000 vectors with much in common, as embeddings have, of which 50 are near copies of others.
    #[test]
    fn planted_copies_are_found_among_many() {
        const DIMENSION: usize = 64;
        let mut draws = Random::new(3);
        let mut number = || (draws.below(1 << 30) as f32 / (1 << 30) as f32 - 0.5) * 2.0;
        let mut vectors: Vec<f32> = (0..6000 * DIMENSION).map(|_| 0.5 + number()).collect();
        for copy in 0..50 {
            let (from, to) = (copy * 100 * DIMENSION, (copy * 100 + 57) * DIMENSION);
            for i in 0..DIMENSION {
                vectors[to + i] = vectors[from + i] + 0.1 * number();
            }
        }
        let found = all(&vectors, DIMENSION, 0.98);
        let planted: Vec<(usize, usize)> = (0..50).map(|copy| (copy * 100 + 57, copy * 100)).collect();
        assert_eq!(found.iter().map(|d| (d.at, d.earlier)).collect::<Vec<_>>(), planted);
        // Blocks leave no trace, however small.
        assert_eq!(all_by(WINDOW, &vectors, DIMENSION, 0.98), found);
        assert_eq!(all_by(257, &vectors, DIMENSION, 0.5), all(&vectors, DIMENSION, 0.5));
    }
}
