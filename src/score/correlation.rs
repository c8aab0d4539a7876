//! The correlation of two measures.

/// Pearson's correlation of pairs; `None` for fewer than three pairs, or where one side does not vary.
///
/// ```
/// use msdata::score::pearson;
/// assert_eq!(pearson(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]), Some(1.0));
/// assert_eq!(pearson(&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0]), None);
/// ```
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.len() < 3 {
        return None;
    }
    let (mean_x, mean_y) = (super::mean(x), super::mean(y));
    let sum =
        |a: &[f64], a_mean: f64, b: &[f64], b_mean: f64| a.iter().zip(b).map(|(a, b)| (a - a_mean) * (b - b_mean)).sum::<f64>();
    let (xx, yy) = (sum(x, mean_x, x, mean_x), sum(y, mean_y, y, mean_y));
    (xx > 0.0 && yy > 0.0).then(|| (sum(x, mean_x, y, mean_y) / (xx * yy).sqrt()).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::pearson;

    #[test]
    fn by_hand() {
        // Deviations −1.5 −0.5 0.5 1.5 and −1 1 −1 1: 2 / √(5 · 4).
        let r = pearson(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 1.0, 3.0]).unwrap();
        assert!((r - 2.0 / 20f64.sqrt()).abs() < 1e-12);
        assert_eq!(pearson(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(pearson(&[3.0, 2.0, 1.0], &[0.0, 1.0, 2.0]), Some(-1.0));
    }
}
