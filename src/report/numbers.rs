//! Numbers of which some do not exist, in eight bytes each.

/// A column of numbers, of which some may not exist. None is NaN.
#[derive(Debug, Default)]
pub(super) struct Numbers(Vec<f64>);

impl Numbers {
    /// Returns the one at a place.
    pub(super) fn get(&self, at: usize) -> Option<f64> {
        self.0.get(at).copied().filter(|value| !value.is_nan())
    }

    /// Returns all, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<f64>> + Clone {
        self.0.iter().map(|value| Some(*value).filter(|value| !value.is_nan()))
    }

    /// Returns how many exist.
    pub(super) fn count(&self) -> u64 {
        self.iter().flatten().count() as u64
    }
}

impl FromIterator<Option<f64>> for Numbers {
    fn from_iter<I: IntoIterator<Item = Option<f64>>>(values: I) -> Numbers {
        Numbers(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_is_told_from_zero() {
        let values = [Some(0.0), None, Some(-1.5)];
        let numbers: Numbers = values.into_iter().collect();
        assert_eq!(numbers.iter().collect::<Vec<_>>(), values);
        assert_eq!([0, 1, 2, 3].map(|at| numbers.get(at)), [Some(0.0), None, Some(-1.5), None]);
        assert_eq!((numbers.count(), Numbers::default().count()), (2, 0));
    }
}
