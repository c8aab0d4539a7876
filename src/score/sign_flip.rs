//! The sign-flip test: whether one model is better than another by more than chance explains.
//!
//! No pattern of signs is drawn. A pattern sums to as much as was observed if and only if the sizes on one of its
//! sides sum to at most what the smaller side was observed to have, so the patterns can be counted as subsets, and
//! p can be as small as the data say: 2 of 2ⁿ where all n prompts agree. Of very many prompts the count is approximated.

mod saddlepoint;

/// Differences up to which subsets are counted with the sizes as they are: 2 × 2¹¹ sums, met in the middle.
const AS_THEY_ARE: usize = 22;

/// Differences from which on the count is approximated: it grows with their square.
const MANY: usize = 5_000;

/// Units in the root mean square of the sizes, where sizes are counted in units.
const UNITS: f64 = 128.0;

/// The same where prompts are so many that this would take long, and the sizes (n² · units) up to which it does not.
const FEWEST_UNITS: f64 = 16.0;
const WORK: f64 = 33_554_432.0;

/// Units a difference, on average, up to which sizes that are multiples of one number are counted in it.
const FINEST: f64 = 256.0;

/// Differences below this share of the largest are rounding, and none.
const NOTHING: f64 = 1e-12;

/// The two-sided p of a sign-flip permutation test: were either model as likely to be the better on each prompt, how
/// often would the prompts' differences sum to as much as they do, or more? `differences` are means over each prompt's
/// pairs. `None` of no prompt, 1 where none differs; never 0.
///
/// Up to 22 differences other than 0 every sign pattern counts, with the sizes as they are (Fisher's randomisation
/// test; P. Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 2005, section 3.2). With more, every
/// pattern counts too, with each size rounded to a whole number of units, at least one (M. Pagano and D. Tritchler, "On
/// Obtaining Permutation Distributions in Polynomial Time", Journal of the American Statistical Association 78, 1983).
/// The unit depends on the sizes alone and not on the signs, so the test of the rounded differences is exact as well. From
/// 5,000 on the count is approximated by a saddlepoint (see the source of `saddlepoint`).
pub fn sign_flip(differences: &[f64]) -> Option<f64> {
    if differences.is_empty() {
        return None;
    }
    let largest = differences.iter().fold(0.0_f64, |largest, d| largest.max(d.abs()));
    // A zero has no sign to flip.
    let mut differences: Vec<f64> = differences.iter().copied().filter(|d| d.abs() > NOTHING * largest).collect();
    // Neither the order of the prompts nor which model is the first changes a digit.
    differences.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    match differences.len() {
        0 => Some(1.0),
        n if n <= AS_THEY_ARE => Some(counted(&differences)),
        n if n >= MANY => Some(approximated(&differences)),
        _ => Some(counted_in_units(&differences)),
    }
}

/// The least p that the test can give for so many prompts: all of them agree.
pub fn least_p(prompts: u64) -> f64 {
    2.0_f64.powi(1 - prompts.min(1000) as i32)
}

/// Of differences in the order of their sizes: the share of sign patterns whose sum is as far from 0.
fn counted(differences: &[f64]) -> f64 {
    let whole: f64 = differences.iter().map(|d| d.abs()).sum();
    let observed = differences.iter().sum::<f64>().abs();
    // Sums that are equal but for rounding are equal.
    let smaller_side = (whole - observed + 1e-9 * whole) / 2.0;
    if smaller_side >= whole / 2.0 {
        return 1.0;
    }
    let half = |first: usize| subset_sums(differences.iter().skip(first).step_by(2).map(|d| d.abs()));
    let (one, other) = (half(0), half(1));
    // Both ascend: as the one's sums grow, fewer of the other's fit.
    let mut fitting = other.len();
    let mut subsets = 0;
    for sum in &one {
        while fitting > 0 && sum + other[fitting - 1] > smaller_side {
            fitting -= 1;
        }
        subsets += fitting;
    }
    // A pattern and its opposite are as far from 0.
    (2 * subsets) as f64 / 2.0_f64.powi(differences.len() as i32)
}

/// The sums of all subsets, ascending.
fn subset_sums(sizes: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sums = vec![0.0];
    for size in sizes {
        let mut merged = Vec::with_capacity(2 * sums.len());
        let (mut without, mut with) = (0, 0);
        while without < sums.len() {
            if sums[without] <= sums[with] + size {
                merged.push(sums[without]);
                without += 1;
            } else {
                merged.push(sums[with] + size);
                with += 1;
            }
        }
        merged.extend(sums[with..].iter().map(|sum| sum + size));
        sums = merged;
    }
    sums
}

/// The same in whole units.
fn counted_in_units(differences: &[f64]) -> f64 {
    let unit = common_unit(differences).unwrap_or_else(|| {
        let n = differences.len() as f64;
        let root_mean_square = (differences.iter().map(|d| d * d).sum::<f64>() / n).sqrt();
        root_mean_square / (WORK / (n * n)).clamp(FEWEST_UNITS, UNITS)
    });
    // However small beside others, a difference has a sign, which counts.
    let sizes: Vec<usize> = differences.iter().map(|d| ((d.abs() / unit).round() as usize).max(1)).collect();
    let positive: usize = differences.iter().zip(&sizes).filter(|(d, _)| **d > 0.0).map(|(_, size)| size).sum();
    let whole: usize = sizes.iter().sum();
    let smaller_side = positive.min(whole - positive);
    if 2 * smaller_side == whole {
        return 1.0;
    }
    // By sum, the share of sign patterns so far whose one side has it; halved with each sign, so that it stays a share.
    let mut shares = vec![0.0_f64; smaller_side + 1];
    let mut next = shares.clone();
    shares[0] = 1.0;
    let mut reach = 0;
    for size in sizes {
        reach = (reach + size).min(smaller_side);
        let below = size.min(reach + 1);
        next[..below].iter_mut().zip(&shares[..below]).for_each(|(next, share)| *next = 0.5 * share);
        let both = shares[below..=reach].iter().zip(&shares);
        next[below..=reach].iter_mut().zip(both).for_each(|(next, (stays, joins))| *next = 0.5 * (stays + joins));
        std::mem::swap(&mut shares, &mut next);
    }
    (2.0 * shares.iter().sum::<f64>()).clamp(f64::MIN_POSITIVE, 1.0)
}

/// The same of very many.
fn approximated(differences: &[f64]) -> f64 {
    // Each side for itself, so that the order of equal sizes changes no digit.
    let side = |sign: f64| differences.iter().filter(|d| **d * sign > 0.0).sum::<f64>().abs();
    let observed = (side(1.0) - side(-1.0)).abs();
    saddlepoint::two_sided(differences.iter().map(|d| d.abs()), observed, common_unit(differences))
}

/// The largest number of which all are multiples (as rates of so many images are), unless it is too small beside
/// them to be told from rounding.
fn common_unit(differences: &[f64]) -> Option<f64> {
    let largest = differences.last()?.abs();
    let least = differences.iter().map(|d| d.abs()).sum::<f64>() / (FINEST * differences.len() as f64);
    let rounding = 1e-9 * largest;
    let mut unit = differences.first()?.abs();
    for difference in differences {
        let (mut a, mut b) = (difference.abs(), unit);
        while b > rounding {
            let rest = a % b;
            (a, b) = (b, if b - rest <= rounding { 0.0 } else { rest });
        }
        unit = a;
        if unit < least.max(1000.0 * rounding) {
            return None;
        }
    }
    let unit = largest / (largest / unit).round();
    let is_multiple = |d: &f64| (d.abs() / unit - (d.abs() / unit).round()).abs() < 1e-6;
    differences.iter().all(is_multiple).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    #[test]
    fn every_sign_pattern_by_hand() {
        // ±1 ±2 ±3: of the eight sums ±6, ±4, ±2, ±0 two are as far from 0 as 6.
        assert_eq!(sign_flip(&[1.0, 2.0, 3.0]), Some(0.25));
        // 1 + 2 − 3 = 0: every sum is as far.
        assert_eq!(sign_flip(&[1.0, 2.0, -3.0]), Some(1.0));
        // Five of one sign: 2 of 32 patterns.
        assert_eq!(sign_flip(&[0.1; 5]), Some(0.0625));
        // 0.1 is the least of the sums ±0.1, ±0.3 (twice), ±0.5.
        assert_eq!(sign_flip(&[-0.3, 0.1, 0.1]), Some(1.0));
        // The sums ±1 ±2 ±4 ±8 are the odd numbers to ±15; ten of the sixteen are as far as 7.
        assert_eq!(sign_flip(&[8.0, -4.0, 2.0, 1.0]), Some(10.0 / 16.0));
    }

    #[test]
    fn nothing_to_flip() {
        assert_eq!(sign_flip(&[]), None);
        assert_eq!(sign_flip(&[0.0, 0.0]), Some(1.0));
        assert_eq!(sign_flip(&[0.3]), Some(1.0), "one prompt shows nothing");
        assert_eq!(sign_flip(&[1.0, 0.0, 2.0, 3.0, 0.0]), Some(0.25), "prompts without a difference change nothing");
        assert_eq!(sign_flip(&[1.0, 2.0, 3.0, 1e-17]), Some(0.25), "nor does what rounding leaves");
    }

    #[test]
    fn there_is_no_floor_but_that_of_the_prompts() {
        for n in [5_u64, 21, 22, 23, 75, 900] {
            let unlike: Vec<f64> = (0..n).map(|i| 0.01 + (i as f64 * 0.7).sin().abs().powi(9)).collect();
            let p = sign_flip(&unlike).unwrap();
            assert!((p / least_p(n) - 1.0).abs() < 1e-9, "{n} prompts that agree: {p}");
            assert_eq!(sign_flip(&unlike.iter().map(|d| -d).collect::<Vec<_>>()), Some(p));
        }
        assert!(sign_flip(&vec![0.5; 3000]).unwrap() > 0.0, "never 0");
    }

    #[test]
    fn coins_by_the_binomial_table() {
        // 30 equal differences of which 20 have one sign: at most 10 or at least 20 heads of 30 fair coins,
        // 2 · 53,009,102 of 2³⁰.
        let twenty: Vec<f64> = (0..30).map(|i| if i < 20 { 0.1 } else { -0.1 }).collect();
        let p = sign_flip(&twenty).unwrap();
        assert!((p - 2.0 * 53_009_102.0 / 2.0_f64.powi(30)).abs() < 1e-12, "{p}");
        // 100 coins, 60 of one side: 0.05688793364 (R: binom.test(60, 100)).
        let sixty: Vec<f64> = (0..100).map(|i| if i < 60 { 1.0 } else { -1.0 }).collect();
        assert!((sign_flip(&sixty).unwrap() - 0.056_887_933_6).abs() < 1e-9);
    }

    #[test]
    fn rates_are_counted_as_they_are_and_others_nearly_so() {
        // Multiples of 1/12, and twenty times the same in other words.
        let rates: Vec<f64> = (0..28).map(|i| f64::from(i * 7 % 11 - 4) / 12.0).filter(|d| *d != 0.0).collect();
        let exact = counted(&sorted(&rates));
        assert!((counted_in_units(&sorted(&rates)) / exact - 1.0).abs() < 1e-9, "{exact}");
        let mut draws = Random::new(3);
        for shift in [0.0, 0.1, 0.2, 0.3] {
            let others: Vec<f64> = (0..28).map(|_| draws.below(1 << 20) as f64 / f64::from(1 << 20) - 0.5 + shift).collect();
            let (exact, near) = (counted(&sorted(&others)), counted_in_units(&sorted(&others)));
            let close = if exact > 1e-4 { 0.03 } else { 0.1 };
            assert!((near / exact - 1.0).abs() < close, "{shift}: {exact} {near}");
        }
    }

    #[test]
    fn of_very_many_the_approximation_is_the_count() {
        let mut draws = Random::new(5);
        for n in [300, 2000] {
            // Rates of twelfths, and squares, which are far from normal.
            for rates in [true, false] {
                let mut difference = || match rates {
                    true => (draws.below(13) as f64 - 6.0) / 12.0,
                    false => (draws.below(26) as f64 - 12.5).signum() * (1.0 + draws.below(12) as f64).powi(2),
                };
                let differences: Vec<f64> = (0..n).map(|_| difference()).filter(|d| *d != 0.0).collect();
                // Some of them get the sign that takes the sum further from 0.
                for share in [0.0, 0.1, 0.3, 0.7] {
                    let agree = (share * f64::from(n)) as usize;
                    let turned = differences.iter().enumerate().map(|(at, d)| if at < agree { d.abs() } else { *d });
                    let differences = sorted(&turned.collect::<Vec<_>>());
                    let (count, near) = (counted_in_units(&differences), approximated(&differences));
                    assert!((near / count - 1.0).abs() < 0.005, "{n}, {rates}, {share}: {count} {near}");
                }
            }
        }
        // Cubes of all sizes, by numerical inversion of the characteristic function Π cos(aᵢ t).
        let cube = |i: i32| ((f64::from(i) + 0.5) / 6000.0).powi(3) * if i % 100 < 52 { 1.0 } else { -1.0 };
        let p = sign_flip(&(0..6000).map(cube).collect::<Vec<_>>()).unwrap();
        assert!((p - 0.231_505_03).abs() < 1e-6, "{p}");
        // Sums that cannot be nearer to 0, all of one sign, and a p that no number holds.
        let coins: Vec<f64> = (0..6001).map(|i| if i % 2 == 0 { 0.1 } else { -0.1 }).collect();
        assert_eq!(sign_flip(&coins), Some(1.0));
        assert_eq!(sign_flip(&vec![0.5; 6000]), Some(f64::MIN_POSITIVE));
        let unlike: Vec<f64> = (0..6000).map(|i| 0.01 + (f64::from(i) * 0.7).sin().abs()).collect();
        assert_eq!(sign_flip(&unlike), Some(f64::MIN_POSITIVE));
        // 6,000 coins, 3,100 of one side: as many patterns as subsets of up to 2,900, twice, of 2⁶⁰⁰⁰.
        let coins: Vec<f64> = (0..6000).map(|i| if i < 3100 { 0.1 } else { -0.1 }).collect();
        assert!((sign_flip(&coins).unwrap() - 0.010_191_041_5).abs() < 1e-7, "{:?}", sign_flip(&coins));
    }

    fn sorted(differences: &[f64]) -> Vec<f64> {
        let mut sorted = differences.to_vec();
        sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        sorted
    }

    /// Where nothing differs, some 5 of 100 p are at most 0.05, with few prompts (as they are) and many (in units),
    /// with values of all sizes and with rates.
    #[test]
    fn the_test_keeps_its_size() {
        let mut draws = Random::new(11);
        for (n, steps) in [(12, 1 << 30), (40, 1 << 30), (40, 7)] {
            let mut rejected = 0;
            for _ in 0..1000 {
                let difference = |draws: &mut Random| draws.below(steps) as f64 - (steps - 1) as f64 / 2.0;
                let differences: Vec<f64> = (0..n).map(|_| difference(&mut draws).powi(3)).collect();
                rejected += usize::from(sign_flip(&differences).unwrap() <= 0.05);
            }
            // 5 % of 1,000 is 50, its standard deviation 6.9.
            assert!((30..=70).contains(&rejected), "{n} prompts, {steps} steps: {rejected} of 1000");
        }
    }

    #[test]
    fn the_order_of_prompts_and_of_models_changes_no_digit() {
        let mut differences: Vec<f64> = (0..60).map(|i| (f64::from(i) * 1.3).sin() * 0.1 + 0.02).collect();
        let p = sign_flip(&differences);
        differences.reverse();
        assert_eq!(sign_flip(&differences), p);
        assert_eq!(sign_flip(&differences.iter().map(|d| -d).collect::<Vec<_>>()), p);
    }
}
