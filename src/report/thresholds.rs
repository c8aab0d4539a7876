//! The thresholds τ of a report.

use std::fmt;
use std::str::FromStr;

/// Most thresholds of one report.
const MOST: usize = 10_001;

/// Thresholds, ascending and distinct. Written `0.4,0.5,0.6` or as ranges `first:last:step`, both ends
/// included, or a mix.
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    values: Vec<f64>,
    chosen: bool,
}

impl Thresholds {
    /// The values, ascending.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Whether somebody chose them: true of what was read from text, false of [`Thresholds::default`].
    pub fn are_chosen(&self) -> bool {
        self.chosen
    }

    /// A threshold as keys and heads write it: the shortest text that gives the number back.
    pub fn name(value: f64) -> String {
        value.to_string()
    }
}

impl Default for Thresholds {
    /// 0.4, 0.5 and 0.6: the paper's, for DINOv2.
    fn default() -> Self {
        Thresholds { values: vec![0.4, 0.5, 0.6], chosen: false }
    }
}

impl fmt::Display for Thresholds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.values.iter().map(|t| Self::name(*t)).collect::<Vec<_>>().join(","))
    }
}

impl FromStr for Thresholds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut values = Vec::new();
        for item in text.split(',') {
            match item.split(':').collect::<Vec<_>>()[..] {
                [one] => values.push(number(one)?),
                [first, last, step] => range(first, last, step, &mut values)?,
                _ => return Err(format!("`{item}` is neither a number nor first:last:step")),
            }
            if values.len() > MOST {
                return Err(format!("more than {MOST} thresholds"));
            }
        }
        if let Some(outside) = values.iter().find(|v| !(-1.0..=1.0).contains(*v)) {
            return Err(format!("{outside} is not a cosine: thresholds lie in [-1, 1]"));
        }
        values.sort_by(f64::total_cmp);
        values.dedup();
        Ok(Thresholds { values, chosen: true })
    }
}

fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value + 0.0), // -0 is 0
        _ => Err(format!("`{text}` is not a number")),
    }
}

/// Steps are counted, not added up, and written with the decimals of the range: 0.1:0.9:0.1 holds 0.3, not
/// 0.30000000000000004.
fn range(first: &str, last: &str, step: &str, values: &mut Vec<f64>) -> Result<(), String> {
    let decimals = [first, last, step].map(decimals).into_iter().max().unwrap_or(0);
    let (first, last, step) = (number(first)?, number(last)?, number(step)?);
    if step <= 0.0 || last < first {
        return Err("a range first:last:step needs first ≤ last and a step above 0".into());
    }
    let count = ((last - first) / step + 1e-9).floor();
    if count >= MOST as f64 {
        return Err(format!("more than {MOST} thresholds"));
    }
    for k in 0..=count as usize {
        values.push(number(&format!("{:.decimals$}", first + k as f64 * step))?);
    }
    Ok(())
}

/// How many decimals a number has: 2 of 0.25, and of 2.5e-1; none of 5e1.
fn decimals(number: &str) -> usize {
    let (mantissa, exponent) = number.trim().split_once(['e', 'E']).unwrap_or((number.trim(), "0"));
    let written = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len() as i64);
    // The smallest number that there is has 1,074.
    (written - exponent.parse::<i64>().unwrap_or(0)).clamp(0, 1100) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges() {
        assert_eq!("0.4,0.5,0.6".parse::<Thresholds>().unwrap().values(), Thresholds::default().values());
        let range: Thresholds = "0.1:0.9:0.1".parse().unwrap();
        assert_eq!(range.to_string(), "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9");
        assert_eq!("0:1:0.01".parse::<Thresholds>().unwrap().values().len(), 101);
        // However the numbers are written.
        for same in ["0.1:0.9:1e-1", "1e-1:9E-1:1e-1", ".1:.9:+.1", "1.0e-1:0.9:10e-2", " 0.1 : 0.9 : 0.1 "] {
            assert_eq!(same.parse::<Thresholds>(), Ok(range.clone()), "{same}");
        }
        assert_eq!("0:1:1e-1".parse::<Thresholds>().unwrap().values().len(), 11);
        assert_eq!("0:1:2.5e-1".parse::<Thresholds>().unwrap().to_string(), "0,0.25,0.5,0.75,1");
        assert_eq!("-1:1:5e-1".parse::<Thresholds>().unwrap().to_string(), "-1,-0.5,0,0.5,1");
        assert_eq!("0:3e-17:1e-17".parse::<Thresholds>().unwrap().values(), [0.0, 1e-17, 2e-17, 3e-17]);
        assert_eq!("0:1e0:1e0".parse::<Thresholds>().unwrap().to_string(), "0,1");
        assert_eq!("0.5,0.4,0.5".parse::<Thresholds>().unwrap().to_string(), "0.4,0.5");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "x", "0.4,,0.5", "2", "0.1:0.2", "0.5:0.1:0.1", "0:1:0", "0:1:1e-9", "nan", "inf"] {
            assert!(text.parse::<Thresholds>().is_err(), "{text}");
        }
    }
}
