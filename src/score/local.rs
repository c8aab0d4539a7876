//! Local similarity: the pool-centred cosine of every window with every subject, and the best of each.
//!
//! With unit vectors and μ, the mean of the pool, c(w, r) = cos(w − μ, r − μ). The centred references are made
//! once, at length 1, so that a window and a reference cost one dot product; the plain cosine follows from it,
//! w · r = w · μ + ‖r − μ‖ (w · u), where u is the centred reference. Everything is summed in float64 in one fixed order:
//! the same bits on every machine and in whatever company a window is computed.

/// Windows and references that are multiplied at a time: what is loaded once serves several products.
const TILE: usize = 2;

/// Independent sums of each product.
const LANES: usize = 4;

/// Length of a centred vector, the vector itself having length 1, up to which it is rounding and counts as 0.
const NOTHING: f64 = 1e-12;

/// One subject in one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Local {
    /// ℓ: the largest pool-centred cosine over the windows, in [-1, 1].
    pub similarity: f64,
    /// The largest plain cosine over the windows, in [-1, 1]; its window may be another one.
    pub uncentred: f64,
    /// The window of ℓ: of equals the first.
    pub window: usize,
}

/// What the windows of one image say of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Each subject's local similarity; empty where there are no windows.
    pub locals: Vec<Local>,
    /// c of each window with each subject, the largest over the subject's references: a row of subjects per window.
    pub cosines: Vec<f64>,
}

/// The references of a pool of subjects, centred.
#[derive(Debug, Clone)]
pub struct Pool {
    mean: Vec<f64>,
    /// (r − μ) / ‖r − μ‖ of each reference, one after the other; all zero where r is the mean.
    centred: Vec<f64>,
    /// Of each reference: its subject, ‖r − μ‖ and the dot product of μ with the centred reference.
    references: Vec<(usize, f64, f64)>,
    subjects: usize,
}

/// μ: the mean over the subjects of the mean of their references' vectors, each brought to length 1. Each subject
/// counts once, however many references it has.
pub fn pool_mean(subjects: &[Vec<&[f32]>]) -> Vec<f64> {
    let mut mean = vec![0.0; subjects.iter().flatten().next().map_or(0, |vector| vector.len())];
    for references in subjects {
        let mut sum = vec![0.0; mean.len()];
        for reference in references {
            sum.iter_mut().zip(unit(reference)).for_each(|(sum, x)| *sum += x);
        }
        mean.iter_mut().zip(sum).for_each(|(mean, sum)| *mean += sum / references.len() as f64);
    }
    mean.iter_mut().for_each(|x| *x /= subjects.len() as f64);
    mean
}

impl Pool {
    /// Of each subject's reference vectors, finite, of any length but 0. `None` where there is no subject, a subject has no
    /// reference, or vectors differ in their dimension.
    ///
    /// A pool of one subject with one reference is its own mean: every local similarity is 0.
    pub fn new(subjects: &[Vec<&[f32]>]) -> Option<Pool> {
        let dimension = subjects.first()?.first()?.len();
        if subjects.iter().any(|references| references.is_empty() || references.iter().any(|r| r.len() != dimension)) {
            return None;
        }
        let mean = pool_mean(subjects);
        let (mut centred, mut references) = (Vec::new(), Vec::new());
        for (subject, reference) in subjects.iter().enumerate().flat_map(|(at, all)| all.iter().map(move |r| (at, r))) {
            let mut vector: Vec<f64> = unit(reference).iter().zip(&mean).map(|(x, mean)| x - mean).collect();
            let length = scale_to_unit(&mut vector);
            references.push((subject, length, dot(&mean, &vector)));
            centred.extend(vector);
        }
        Some(Pool { mean, centred, references, subjects: subjects.len() })
    }

    /// What an image's windows, whose vectors, finite, lie in `windows` one after the other, say of each subject.
    pub fn compare(&self, windows: &[f32]) -> Compared {
        let count = windows.len().checked_div(self.mean.len()).unwrap_or(0);
        let mut cosines = vec![f64::NEG_INFINITY; count * self.subjects];
        let mut uncentred = vec![f64::NEG_INFINITY; self.subjects];
        self.visit(windows, |window, subject, centred, plain| {
            let cosine = &mut cosines[window * self.subjects + subject];
            if centred > *cosine {
                *cosine = centred;
            }
            uncentred[subject] = uncentred[subject].max(plain);
        });
        if count == 0 {
            return Compared { locals: Vec::new(), cosines };
        }
        let least = Local { similarity: f64::NEG_INFINITY, uncentred: f64::NEG_INFINITY, window: 0 };
        let mut locals: Vec<Local> = uncentred.into_iter().map(|uncentred| Local { uncentred, ..least }).collect();
        for (window, row) in cosines.chunks_exact(self.subjects).enumerate() {
            for (best, cosine) in locals.iter_mut().zip(row) {
                if *cosine > best.similarity {
                    (best.similarity, best.window) = (*cosine, window);
                }
            }
        }
        Compared { locals, cosines }
    }

    /// Calls `visit` with each window, a subject, and the centred and the plain cosine with one of its references.
    fn visit(&self, windows: &[f32], mut visit: impl FnMut(usize, usize, f64, f64)) {
        let dimension = self.mean.len();
        if dimension == 0 {
            return;
        }
        let mut centred = Vec::with_capacity(windows.len());
        // Of each window ‖w − μ‖ and w · μ.
        let mut lengths = Vec::with_capacity(windows.len() / dimension);
        for window in windows.chunks_exact(dimension) {
            let window = unit(window);
            let along = dot(&window, &self.mean);
            let mut vector: Vec<f64> = window.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
            let length = scale_to_unit(&mut vector);
            lengths.push((length, along));
            centred.extend(vector);
        }
        let rows = |vectors: &[f64], from: usize| vectors[from * dimension..].len().min(TILE * dimension);
        for w in (0..lengths.len()).step_by(TILE) {
            let window_rows = &centred[w * dimension..][..rows(&centred, w)];
            for r in (0..self.references.len()).step_by(TILE) {
                let products = tile(window_rows, &self.centred[r * dimension..][..rows(&self.centred, r)], dimension);
                for (i, (length, along)) in lengths[w..].iter().take(TILE).enumerate() {
                    for (j, (subject, spread, shift)) in self.references[r..].iter().take(TILE).enumerate() {
                        let cosine = products[i][j];
                        // w · u = (w − μ) · u + μ · u
                        let plain = along + spread * (length * cosine + shift);
                        visit(w + i, *subject, cosine.clamp(-1.0, 1.0), plain.clamp(-1.0, 1.0));
                    }
                }
            }
        }
    }
}

/// The dot products of up to [`TILE`] vectors with up to as many others, each summed in the order of [`dot`].
fn tile(a: &[f64], b: &[f64], dimension: usize) -> [[f64; TILE]; TILE] {
    let mut products = [[0.0; TILE]; TILE];
    if a.len() < TILE * dimension || b.len() < TILE * dimension {
        for (x, row) in a.chunks_exact(dimension).zip(&mut products) {
            for (y, product) in b.chunks_exact(dimension).zip(row) {
                *product = dot(x, y);
            }
        }
        return products;
    }
    let ((a0, a1), (b0, b1)) = (a.split_at(dimension), b.split_at(dimension));
    let (mut s00, mut s01, mut s10, mut s11) = ([0.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
    let ((a0, a0_rest), (a1, a1_rest)) = (a0.as_chunks::<LANES>(), a1.as_chunks::<LANES>());
    let ((b0, b0_rest), (b1, b1_rest)) = (b0.as_chunks::<LANES>(), b1.as_chunks::<LANES>());
    for (((a0, a1), b0), b1) in a0.iter().zip(a1).zip(b0).zip(b1) {
        for lane in 0..LANES {
            s00[lane] += a0[lane] * b0[lane];
            s01[lane] += a0[lane] * b1[lane];
            s10[lane] += a1[lane] * b0[lane];
            s11[lane] += a1[lane] * b1[lane];
        }
    }
    [[total(s00, a0_rest, b0_rest), total(s01, a0_rest, b1_rest)], [total(s10, a1_rest, b0_rest), total(s11, a1_rest, b1_rest)]]
}

/// Dot product of two vectors of equal length.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (x, y) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    total(sums, a_rest, b_rest)
}

/// A dot product of its lanes and of what is left over.
fn total([s0, s1, s2, s3]: [f64; LANES], a: &[f64], b: &[f64]) -> f64 {
    let rest: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
    (s0 + s2) + (s1 + s3) + rest
}

/// The vector brought to length 1; one of length 0 stays.
fn unit(vector: &[f32]) -> Vec<f64> {
    let mut vector: Vec<f64> = vector.iter().map(|x| f64::from(*x)).collect();
    let length = dot(&vector, &vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}

/// Brings the vector to length 1 and returns the length that it had; what is rounding becomes 0.
fn scale_to_unit(vector: &mut [f64]) -> f64 {
    let length = dot(vector, vector).sqrt();
    if length <= NOTHING {
        vector.fill(0.0);
        return 0.0;
    }
    vector.iter_mut().for_each(|x| *x /= length);
    length
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn by_hand() {
        // Subjects at (1, 0) and (0, 1): μ = (½, ½), centred (½, −½) and (−½, ½).
        let pool = Pool::new(&[vec![&[1.0, 0.0]], vec![&[0.0, 2.0]]]).unwrap();
        // (0.6, 0.8) − μ = (0.1, 0.3): with (1, −1)/√2 it makes −0.2 / (√0.1 · √2) = −1/√5.
        let Compared { locals: local, cosines } = pool.compare(&[0.6, 0.8, 1.0, 0.0]);
        assert!(close(local[0].similarity, 1.0) && close(local[0].uncentred, 1.0) && local[0].window == 1, "{local:?}");
        // In float32 0.6 and 0.8 are not quite what they say.
        assert!((local[1].similarity - 0.2_f64.sqrt()).abs() < 1e-6 && (local[1].uncentred - 0.8).abs() < 1e-6);
        assert_eq!(local[1].window, 0);
        assert!((cosines[0] + 0.2_f64.sqrt()).abs() < 1e-6 && close(cosines[3], -1.0), "{cosines:?}");
    }

    #[test]
    fn each_subject_counts_once_in_the_mean() {
        let mean = pool_mean(&[vec![&[2.0, 0.0], &[0.0, 1.0]], vec![&[0.0, 3.0]]]);
        assert_eq!(mean, [0.25, 0.75]); // ((½, ½) + (0, 1)) / 2
    }

    #[test]
    fn the_best_reference_counts_and_of_equal_windows_the_first() {
        let pool = Pool::new(&[vec![&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0]], vec![&[0.0, 0.0, 1.0]]]).unwrap();
        // The two references of subject 0 mirror each other, and so do the windows: the same cosine for both, the
        // second reference reaching it in window 0, the first in window 1.
        let local = pool.compare(&[0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).locals;
        assert!(close(local[0].similarity, 1.0));
        assert_eq!(local[0].window, 0);
    }

    #[test]
    fn what_has_no_direction_gives_0() {
        let alone = Pool::new(&[vec![&[0.3, 0.1, 0.7]]]).unwrap();
        let local = alone.compare(&[0.3, 0.1, 0.7, 1.0, 0.0, 0.0]).locals;
        assert_eq!((local[0].similarity, local[0].window), (0.0, 0));
        assert!(close(local[0].uncentred, 1.0));
        // The mean of three equal vectors is theirs but for rounding.
        let vector: &[f32] = &[0.1, 0.7, 0.3, 0.9];
        let alike = Pool::new(&[vec![vector], vec![vector], vec![vector]]).unwrap();
        assert_eq!(alike.compare(vector).locals.iter().map(|l| l.similarity).collect::<Vec<_>>(), [0.0; 3]);
        let two = Pool::new(&[vec![&[1.0, 0.0]], vec![&[0.0, 1.0]]]).unwrap();
        // At the mean; and nothing at all, whose plain cosine is 0.
        assert_eq!(two.compare(&[1.0, 1.0]).cosines, [0.0, 0.0]);
        assert!(two.compare(&[0.0, 0.0]).locals.iter().all(|l| close(l.uncentred, 0.0) && l.similarity.is_finite()));
    }

    #[test]
    fn pools_that_cannot_be() {
        assert!(Pool::new(&[]).is_none());
        assert!(Pool::new(&[vec![&[1.0, 0.0]], vec![]]).is_none());
        assert!(Pool::new(&[vec![&[1.0, 0.0]], vec![&[1.0]]]).is_none());
        assert_eq!(Pool::new(&[vec![&[1.0, 0.0]]]).unwrap().compare(&[]).locals, []);
    }

    /// Random vectors of an odd dimension, in odd numbers: every tile, lane and rest takes part.
    #[test]
    fn it_is_the_definition_and_does_not_depend_on_company() {
        const DIMENSION: usize = 19;
        let mut draws = Random::new(3);
        let mut vector = || -> Vec<f32> { (0..DIMENSION).map(|_| draws.below(2001) as f32 / 1000.0 - 0.7).collect() };
        let references: Vec<Vec<Vec<f32>>> = [2, 1, 3, 1].iter().map(|count| (0..*count).map(|_| vector()).collect()).collect();
        let windows: Vec<Vec<f32>> = (0..5).map(|_| vector()).collect();
        let subjects: Vec<Vec<&[f32]>> = references.iter().map(|all| all.iter().map(Vec::as_slice).collect()).collect();
        let pool = Pool::new(&subjects).unwrap();
        let unit = |v: &[f32]| -> Vec<f64> {
            let length = v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            v.iter().map(|x| f64::from(*x) / length).collect()
        };
        let cosine = |a: &[f64], b: &[f64]| {
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
            product(a, b) / (product(a, a) * product(b, b)).sqrt()
        };
        let mean = pool_mean(&subjects);
        let less = |v: &[f64]| -> Vec<f64> { v.iter().zip(&mean).map(|(x, mean)| x - mean).collect() };
        let flat: Vec<f32> = windows.concat();
        let Compared { locals: all, cosines } = pool.compare(&flat);
        for (at, references) in subjects.iter().enumerate() {
            let best = |w: &[f32], centred: bool| {
                let pair = |r: &&[f32]| match centred {
                    true => cosine(&less(&unit(w)), &less(&unit(r))),
                    false => cosine(&unit(w), &unit(r)),
                };
                references.iter().map(pair).fold(-2.0, f64::max)
            };
            for (w, window) in windows.iter().enumerate() {
                assert!(close(cosines[w * 4 + at], best(window, true)));
                let alone = pool.compare(window).locals[at];
                assert_eq!(alone.similarity.to_bits(), cosines[w * 4 + at].to_bits());
                assert!(close(alone.uncentred, best(window, false)));
            }
            let largest = (0..5).map(|w| cosines[w * 4 + at]).fold(-2.0, f64::max);
            assert_eq!((all[at].similarity, cosines[all[at].window * 4 + at]), (largest, largest));
        }
    }
}
