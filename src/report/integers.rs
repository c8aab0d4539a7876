//! Columns of whole numbers, as narrow as they can be: a data set may have ten million rows.

/// Whole numbers, all in two, four or eight bytes: as many as the one furthest from 0 takes.
#[derive(Debug)]
pub(super) enum Integers {
    Two(Vec<i16>),
    Four(Vec<i32>),
    Eight(Vec<i64>),
}

impl Default for Integers {
    fn default() -> Integers {
        Integers::Two(Vec::new())
    }
}

impl FromIterator<i64> for Integers {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> Integers {
        let mut all = Integers::default();
        values.into_iter().for_each(|value| all.push(value));
        all.shrink_to_fit();
        all
    }
}

impl Integers {
    /// Returns so many zeros.
    pub(super) fn zeros(count: usize) -> Integers {
        Integers::Two(vec![0; count])
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Integers::Two(all) => all.len(),
            Integers::Four(all) => all.len(),
            Integers::Eight(all) => all.len(),
        }
    }

    pub(super) fn get(&self, at: usize) -> i64 {
        match self {
            Integers::Two(all) => i64::from(all[at]),
            Integers::Four(all) => i64::from(all[at]),
            Integers::Eight(all) => all[at],
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = i64> {
        (0..self.len()).map(|at| self.get(at))
    }

    pub(super) fn push(&mut self, value: i64) {
        self.make_room_for(value);
        match self {
            Integers::Two(all) => all.push(value as i16),
            Integers::Four(all) => all.push(value as i32),
            Integers::Eight(all) => all.push(value),
        }
    }

    pub(super) fn set(&mut self, at: usize, value: i64) {
        self.make_room_for(value);
        match self {
            Integers::Two(all) => all[at] = value as i16,
            Integers::Four(all) => all[at] = value as i32,
            Integers::Eight(all) => all[at] = value,
        }
    }

    /// Widens all, if it takes that to hold a value.
    fn make_room_for(&mut self, value: i64) {
        let fits = match self {
            Integers::Two(_) => i16::try_from(value).is_ok(),
            Integers::Four(_) => i32::try_from(value).is_ok(),
            Integers::Eight(_) => true,
        };
        if !fits {
            *self = match i32::try_from(value) {
                Ok(_) => Integers::Four(self.iter().map(|value| value as i32).collect()),
                Err(_) => Integers::Eight(self.iter().collect()),
            };
        }
    }

    pub(super) fn append(&mut self, other: Integers) {
        match (&mut *self, other) {
            (Integers::Two(all), Integers::Two(others)) => all.extend(others),
            (Integers::Four(all), Integers::Four(others)) => all.extend(others),
            (_, other) => other.iter().for_each(|value| self.push(value)),
        }
    }

    /// Gives back the room that is kept for more.
    fn shrink_to_fit(&mut self) {
        match self {
            Integers::Two(all) => all.shrink_to_fit(),
            Integers::Four(all) => all.shrink_to_fit(),
            Integers::Eight(all) => all.shrink_to_fit(),
        }
    }

    /// Returns those at some places.
    pub(super) fn in_order(&self, places: &[u32]) -> Integers {
        match self {
            Integers::Two(all) => Integers::Two(places.iter().map(|at| all[*at as usize]).collect()),
            Integers::Four(all) => Integers::Four(places.iter().map(|at| all[*at as usize]).collect()),
            Integers::Eight(all) => Integers::Eight(places.iter().map(|at| all[*at as usize]).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_comes_back() {
        let bounds =
            [0, 1, -1, i64::from(i16::MAX), i64::from(i16::MIN), 1 << 15, i64::from(i32::MAX), i64::from(i32::MIN), 1 << 31];
        let all: Vec<i64> = bounds.into_iter().chain([i64::MAX, i64::MIN, 7]).collect();
        for cut in 0..=all.len() {
            let mut column: Integers = all[..cut].iter().copied().collect();
            column.append(all[cut..].iter().copied().collect());
            assert!(column.iter().eq(all.iter().copied()) && column.len() == all.len());
            assert!(column.in_order(&[11, 0, 8]).iter().eq([7, 0, 1 << 31]));
            let mut set = Integers::zeros(cut);
            all[..cut].iter().enumerate().rev().for_each(|(at, value)| set.set(at, *value));
            assert!(set.iter().eq(all[..cut].iter().copied()));
        }
    }

    #[test]
    fn they_are_no_wider_than_they_need_be() {
        assert!(matches!([5, -5].into_iter().collect(), Integers::Two(_)));
        assert!(matches!([5, 1 << 20].into_iter().collect(), Integers::Four(_)));
        assert!(matches!([5, 1 << 40].into_iter().collect(), Integers::Eight(_)));
    }
}
