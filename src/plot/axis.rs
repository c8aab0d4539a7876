//! An axis: the range it spans and the values it names.

/// One direction of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What is measured, with its unit.
    pub label: String,
    /// What the ends of the axis are.
    pub range: [f64; 2],
    /// Values that are named, with their names, ascending.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Round values over what is to be shown and no more than some `most` of them; `bounds` are never passed.
    pub fn over(label: impl Into<String>, values: impl Iterator<Item = f64>, bounds: [f64; 2], most: usize) -> Axis {
        let (mut low, mut high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low < 1e-3 {
            (low, high) = (low - 0.05, high + 0.05);
        }
        let step = round_step((high - low) / most as f64);
        let (mut first, mut last) = ((low / step).floor() as i64, (high / step).ceil() as i64);
        // A bound need not be a multiple of the step.
        while (first as f64) * step < bounds[0] - 1e-9 {
            first += 1;
        }
        while (last as f64) * step > bounds[1] + 1e-9 {
            last -= 1;
        }
        let decimals = decimals_of(step);
        let ticks = (first..=last).map(|k| (k as f64 * step, format!("{:.decimals$}", k as f64 * step))).collect();
        let range = [(first as f64 * step).min(low).max(bounds[0]), (last as f64 * step).max(high).min(bounds[1])];
        Axis { label: label.into(), range, ticks }
    }

    /// From 0 to 100 per cent, the values being shares.
    pub fn percent(label: impl Into<String>) -> Axis {
        let ticks = [0, 20, 40, 60, 80, 100].map(|p| (f64::from(p) / 100.0, p.to_string()));
        Axis { label: label.into(), range: [0.0, 1.0], ticks: ticks.into() }
    }

    /// Named places 0, 1, 2, …
    pub fn of_names(label: impl Into<String>, names: Vec<String>) -> Axis {
        let range = [-0.5, names.len() as f64 - 0.5];
        Axis { label: label.into(), range, ticks: (0..).map(f64::from).zip(names).collect() }
    }

    /// Where a value lies between `from` (the range's beginning) and `to`.
    pub fn place(&self, value: f64, from: f64, to: f64) -> f64 {
        let [low, high] = self.range;
        from + (value - low) / (high - low) * (to - from)
    }
}

/// The least of 1, 2, 5 times a power of ten that is not below `width`.
fn round_step(width: f64) -> f64 {
    let power = 10f64.powi(width.log10().floor() as i32);
    [1.0, 2.0, 5.0, 10.0].map(|k| k * power).into_iter().find(|step| *step >= width * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

fn decimals_of(step: f64) -> usize {
    (-(step.log10() + 1e-9).floor()).max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_hold_every_value() {
        let axis = Axis::over("x", [0.23, 0.48].into_iter(), [-1.0, 1.0], 5);
        assert_eq!(names(&axis), ["0.20", "0.25", "0.30", "0.35", "0.40", "0.45", "0.50"]);
        assert!(axis.range[0] <= 0.23 && axis.range[1] >= 0.48);
        assert_eq!(names(&Axis::over("x", [0.0, 97.0].into_iter(), [0.0, 100.0], 5)), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(Axis::over("x", [0.99, 1.0].into_iter(), [-1.0, 1.0], 4).range[1], 1.0);
    }

    #[test]
    fn one_value_and_none_still_make_an_axis() {
        assert!(Axis::over("x", [0.3].into_iter(), [-1.0, 1.0], 4).ticks.len() >= 2);
        assert!(Axis::over("x", std::iter::empty(), [0.0, 1.0], 4).ticks.len() >= 2);
    }

    #[test]
    fn places_are_linear() {
        assert_eq!(Axis::percent("p").place(0.25, 100.0, 0.0), 75.0);
    }
}
