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

/// Every vector whose cosine with one before it is at least `bound`, in order; `vectors` holds them one after the
/// other.
///
/// Up to 2,048 vectors all pairs are compared. Beyond, vectors are cut 24 times into buckets by the side of random
/// hyperplanes through their mean on which they lie (M. Charikar, "Similarity Estimation Techniques from Rounding
/// Algorithms", 2002), so many hyperplanes that a bucket holds some 16, and each is compared with the 64 before
/// it in its bucket: the work grows as n log n. A pair is then found with a probability, the higher the nearer;
/// docs/performance.md has measured ones.
pub fn near_duplicates(vectors: &[f32], dimension: usize, bound: f64) -> Vec<NearDuplicate> {
    let set = VectorSet::new(vectors, dimension);
    let n = set.squared.len();
    let mut best: Vec<Option<(usize, f64)>> = vec![None; n];
    if n <= EXHAUSTIVE {
        best.par_iter_mut().enumerate().for_each(|(at, best)| *best = set.nearest(at, 0..at, bound));
    } else {
        let bits = ((n as f64 / 16.0).log2().ceil() as usize).min(32);
        let mut draws = Random::new(0);
        for _ in 0..TABLES {
            let sides = set.sides(bits, &mut draws);
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by_key(|at| sides[*at]); // stable: within a bucket in order
            let found: Vec<(usize, Option<(usize, f64)>)> = (0..n)
                .into_par_iter()
                .map(|place| {
                    let at = order[place];
                    let before = order[place.saturating_sub(WINDOW)..place].iter().copied();
                    (at, set.nearest(at, before.filter(|other| sides[*other] == sides[at]), bound))
                })
                .collect();
            for (at, found) in found {
                best[at] = nearer(best[at], found);
            }
        }
    }
    let found = best.into_iter().enumerate();
    found.filter_map(|(at, best)| best.map(|(earlier, cosine)| NearDuplicate { at, earlier, cosine })).collect()
}

/// The nearer of two; the earlier of equals.
fn nearer(a: Option<(usize, f64)>, b: Option<(usize, f64)>) -> Option<(usize, f64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.1 > a.1 || b.1 == a.1 && b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

struct VectorSet<'a> {
    vectors: &'a [f32],
    dimension: usize,
    squared: Vec<f64>,
}

impl VectorSet<'_> {
    fn new(vectors: &[f32], dimension: usize) -> VectorSet<'_> {
        let squared = vectors.par_chunks_exact(dimension).map(|v| dot(v, v)).collect();
        VectorSet { vectors, dimension, squared }
    }

    fn get(&self, at: usize) -> &[f32] {
        &self.vectors[at * self.dimension..(at + 1) * self.dimension]
    }

    /// The most similar of some vectors, if its cosine reaches the bound.
    fn nearest(&self, at: usize, others: impl Iterator<Item = usize>, bound: f64) -> Option<(usize, f64)> {
        let cosine = |other: usize| cosine_with_norms(self.get(at), self.squared[at], self.get(other), self.squared[other]);
        others
            .map(|other| (other, cosine(other)))
            .filter(|(_, c)| *c >= bound)
            .fold(None, |best, found| nearer(best, Some(found)))
    }

    /// For each vector, on which side of `bits` random hyperplanes through the mean of the unit vectors it lies.
    fn sides(&self, bits: usize, draws: &mut Random) -> Vec<u32> {
        let mut mean = vec![0.0_f32; self.dimension];
        let n = self.squared.len();
        for at in 0..n {
            let scale = (self.squared[at].sqrt() * n as f64).recip() as f32;
            mean.iter_mut().zip(self.get(at)).for_each(|(sum, x)| *sum += scale * x);
        }
        let planes: Vec<Vec<f32>> = (0..bits)
            .map(|_| {
                let mut signs = 0;
                let sign = |i: usize| {
                    if i.is_multiple_of(64) {
                        signs = draws.bits();
                    }
                    let sign = if signs & 1 == 1 { 1.0 } else { -1.0 };
                    signs >>= 1;
                    sign
                };
                (0..self.dimension).map(sign).collect()
            })
            .collect();
        let middle: Vec<f64> = planes.iter().map(|plane| dot(plane, &mean)).collect();
        let side = |at: usize| {
            let length = self.squared[at].sqrt();
            let above = planes.iter().zip(&middle).map(|(plane, middle)| dot(plane, self.get(at)) > middle * length);
            above.fold(0, |sides, above| sides << 1 | u32::from(above))
        };
        (0..n).into_par_iter().map(side).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_a_few() {
        // Cosines of the second with the first 0.96, of the third with the first 0.8, with the second 0.936.
        let vectors = [1.0, 0.0, 0.96, 0.28, 0.8, 0.6, -2.0, 0.0];
        let found = near_duplicates(&vectors, 2, 0.9);
        assert_eq!(found.iter().map(|d| (d.at, d.earlier)).collect::<Vec<_>>(), [(1, 0), (2, 1)]);
        assert!((found[0].cosine - 0.96).abs() < 1e-6 && (found[1].cosine - 0.936).abs() < 1e-6);
        assert_eq!(near_duplicates(&vectors, 2, 0.97), []);
        // At the bound counts; length does not.
        assert_eq!(near_duplicates(&[1.0, 0.0, 5.0, 0.0], 2, 1.0), [NearDuplicate { at: 1, earlier: 0, cosine: 1.0 }]);
        assert_eq!(near_duplicates(&[], 2, 0.5), []);
    }

    #[test]
    fn of_equals_the_first() {
        let found = near_duplicates(&[1.0, 0.0, 1.0, 0.0, 1.0, 0.0], 2, 0.9);
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
        let found = near_duplicates(&vectors, DIMENSION, 0.98);
        let planted: Vec<(usize, usize)> = (0..50).map(|copy| (copy * 100 + 57, copy * 100)).collect();
        assert_eq!(found.iter().map(|d| (d.at, d.earlier)).collect::<Vec<_>>(), planted);
    }
}
