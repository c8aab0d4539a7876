//! Sums that no order of addition changes.

/// The exact sum of cosines and shares, which lie in [-1, 1].
///
/// A number is a whole multiple of 2⁻⁹⁰: every float64 of magnitude 2⁻³⁸ or more is one, and what a smaller one has below
/// that is cut off, from each by itself. Whole numbers may be added in any order, by any number of threads and in any number
/// of parts, and give the same bits. There is room for 2³⁷ of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExactSum(i128);

/// 2⁹⁰, in which the sum counts.
const UNIT: f64 = (1_u128 << 90) as f64;

impl ExactSum {
    /// Adds a number from -1 to 1.
    pub fn add(&mut self, value: f64) {
        debug_assert!(value.abs() <= 1.0, "{value}");
        self.0 += (value * UNIT) as i128;
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: ExactSum) {
        self.0 += other.0;
    }

    /// Returns a number from -1 to 1 in multiples of 2⁻³⁰, 2⁻⁶⁰ and 2⁻⁹⁰, which may be added up each for itself where
    /// there are no such large numbers.
    pub fn parts(value: f64) -> [i64; 3] {
        let mut rest = value;
        [(); 3].map(|()| {
            rest *= (1_u64 << 30) as f64;
            let whole = rest.trunc();
            rest -= whole;
            whole as i64
        })
    }

    /// Returns the sum of numbers whose [`ExactSum::parts`] add up to these.
    pub fn from_parts([large, middle, small]: [i64; 3]) -> ExactSum {
        ExactSum((i128::from(large) << 60) + (i128::from(middle) << 30) + i128::from(small))
    }

    /// Returns the sum, rounded once.
    pub fn value(self) -> f64 {
        self.0 as f64 / UNIT
    }

    /// Returns the mean of so many numbers, rounded once, so that the mean of equal numbers is that number; `None` of none.
    pub fn mean(self, count: u64) -> Option<f64> {
        (count > 0).then(|| (self.0 / i128::from(count)) as f64 / UNIT)
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::ExactSum;

    fn sum(values: impl IntoIterator<Item = f64>) -> ExactSum {
        let mut sum = ExactSum::default();
        values.into_iter().for_each(|value| sum.add(value));
        sum
    }

    #[test]
    fn it_is_exact_where_float64_is_not() {
        // In float64, ((1 + 2⁻⁶⁰) - 1) is 0.
        let small = 2.0_f64.powi(-60);
        assert_eq!(sum([1.0, small, -1.0]).value(), small);
        assert_eq!(sum([0.1; 10]).value(), 1.0, "ten times the float64 nearest to 0.1 is nearest to 1");
        assert_eq!((sum([]).value(), sum([]).mean(0)), (0.0, None));
        assert_eq!(sum([0.25, 0.5]).mean(2), Some(0.375));
        assert_eq!(sum([0.45; 3]).mean(3), Some(0.45));
    }

    #[test]
    fn no_order_and_no_division_changes_it() {
        let mut draws = Random::new(3);
        let values: Vec<f64> =
            (0..10_000).map(|_| draws.below(1 << 40) as f64 / (1_u64 << 39) as f64 - 1.0).map(f64::sin).collect();
        let forwards = sum(values.iter().copied());
        assert_eq!(forwards, sum(values.iter().rev().copied()));
        let mut of_parts = ExactSum::default();
        values.chunks(77).for_each(|part| of_parts.merge(sum(part.iter().copied())));
        assert_eq!(forwards, of_parts);
    }

    #[test]
    fn three_small_sums_are_one_large() {
        let values = [0.731, -0.2, 1.0, -1.0, 1.0 / 3.0, 2.0_f64.powi(-80)];
        let add = |parts: [i64; 3], value: &f64| std::array::from_fn(|at| parts[at] + ExactSum::parts(*value)[at]);
        assert_eq!(ExactSum::from_parts(values.iter().fold([0; 3], add)), sum(values));
    }
}
