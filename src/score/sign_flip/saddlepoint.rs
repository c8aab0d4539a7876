//! The same where prompts are so many that counting patterns takes long: a tail by its saddlepoint, whose relative error
//! shrinks with their number, far out too, where the normal distribution's grows.
//!
//! Of S = Σ ± aᵢ with fair signs, K(t) = Σ ln cosh(t aᵢ) generates the cumulants. At the t where K′(t) = x, and with
//! w = √(2 (t x − K(t))), P(S ≥ x) is Φ(−w) + φ(w) (1/u − 1/w), where u = t √K″(t) (R. Lugannani and S. Rice, "Saddle
//! Point Approximation for the Distribution of the Sum of Independent Random Variables", Advances in Applied Probability
//! 12, 1980; for permutation tests J. Robinson, "Saddlepoint Approximations for Permutation Tests and Confidence
//! Intervals", Journal of the Royal Statistical Society B 44, 1982). Where all sizes are multiples of one number, S has a
//! step h of twice that, and P(S ≥ x) is the same at x − h/2 with u = 2/h · sinh(h t / 2) √K″(t) (H. E. Daniels, "Tail
//! Probability Approximations", International Statistical Review 55, 1987, his second correction).

use statrs::function::erf::erfc;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Newton's steps, at most; some ten are usual.
const STEPS: usize = 200;

/// Below this w the difference of 1/u and 1/w is nothing but rounding: it goes with w, as odd cumulants are 0.
const NEAR: f64 = 1e-3;

/// Where the tail is below the least number there is.
const FARTHEST: f64 = 38.0;

/// The two-sided p of so large a sum: how often the sum of these sizes, each with either sign, is as far from 0. `unit`: the
/// number of which all are multiples, if there is one.
pub(super) fn two_sided(sizes: impl Iterator<Item = f64> + Clone, observed: f64, unit: Option<f64>) -> f64 {
    let half_step = unit.unwrap_or(0.0);
    let x = observed - half_step;
    // No sum is nearer to 0, but for rounding.
    if x <= 1e-9 * observed || observed == 0.0 {
        return 1.0;
    }
    // K′ rises ever slower, so that from below no step goes too far.
    let slope = |t: f64| {
        sizes.clone().fold([0.0; 2], |[first, second], a| {
            let tanh = (a * t).tanh();
            [first + a * tanh, second + a * a * (1.0 - tanh * tanh)]
        })
    };
    let (mut t, mut second) = (0.0, 0.0);
    for _ in 0..STEPS {
        let [first, bend] = slope(t);
        second = bend;
        let step = (x - first) / bend;
        if !step.is_finite() || step.abs() <= 1e-12 * t {
            break;
        }
        t += step;
    }
    // ln cosh, of large numbers too.
    let cumulant: f64 = sizes.map(|a| a * t + (-2.0 * a * t).exp().ln_1p() - std::f64::consts::LN_2).sum();
    let w = (2.0 * (t * x - cumulant)).max(0.0).sqrt();
    if w.is_nan() || w > FARTHEST {
        return f64::MIN_POSITIVE;
    }
    let across = if half_step > 0.0 { (half_step * t).sinh() / half_step } else { t };
    let density = (-0.5 * w * w).exp() / (2.0 * PI).sqrt();
    let beside = if w < NEAR { 0.0 } else { density * (1.0 / (across * second.sqrt()) - 1.0 / w) };
    (erfc(w * FRAC_1_SQRT_2) + 2.0 * beside).clamp(f64::MIN_POSITIVE, 1.0)
}
