//! What there is to know of a metric from elsewhere: its name, which way it is better, its range.

use super::{Better, MetricName, UnknownWord, id_fault};
use crate::text::quote;
use std::fmt;

/// What must be known of a metric before its values mean anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricRule {
    /// Which way it is better.
    pub better: Better,
    /// The least and the greatest value that it can have; `None`: not stated.
    pub range: Option<[f64; 2]>,
}

impl MetricRule {
    /// Returns the range, if `value` is outside it.
    pub fn left_by(&self, value: f64) -> Option<[f64; 2]> {
        self.range.filter(|[least, most]| value < *least || value > *most)
    }
}

impl fmt::Display for MetricRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is better", self.better)?;
        match self.range {
            Some([least, most]) => write!(f, ", from {least} to {most}"),
            None => Ok(()),
        }
    }
}

/// A metric and its rule; on the command line `NAME:higher`, `NAME:lower:MIN:MAX`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricDeclaration {
    /// The metric.
    pub name: MetricName,
    /// Its rule.
    pub rule: MetricRule,
}

impl MetricDeclaration {
    /// Makes a declaration of words: a name, a direction and, if there is a range, its ends.
    ///
    /// # Errors
    /// A word is not what it should be; says which.
    pub fn of_words(words: &[&str]) -> Result<MetricDeclaration, String> {
        let (name, better, ends) = match words {
            [name, better, ends @ ..] if matches!(ends.len(), 0 | 2) => (*name, *better, ends),
            _ => return Err("expected a name, `higher` or `lower`, and perhaps the least and the greatest value".to_owned()),
        };
        let name = MetricName::new(name).map_err(|e| format!("the metric's name {e}"))?;
        let better = better.parse().map_err(|e: UnknownWord| e.to_string())?;
        let end = |text: &str| match text.parse::<f64>() {
            Ok(end) if end.is_finite() => Ok(end),
            _ => Err(format!("{} is not a number that can end a range", quote(text))),
        };
        let range = match ends {
            [least, most] => Some([end(least)?, end(most)?]),
            _ => None,
        };
        Self::checked(name, MetricRule { better, range })
    }

    /// # Errors
    /// The range is empty.
    pub(crate) fn checked(name: MetricName, rule: MetricRule) -> Result<MetricDeclaration, String> {
        match rule.range {
            Some([least, most]) if least >= most => Err(format!("the range of {name} from {least} to {most} is empty")),
            _ => Ok(MetricDeclaration { name, rule }),
        }
    }
}

impl std::str::FromStr for MetricDeclaration {
    type Err = String;

    fn from_str(text: &str) -> Result<MetricDeclaration, String> {
        Self::of_words(&text.split(':').collect::<Vec<_>>())
    }
}

/// Longest name of a metric, in bytes: it heads a column.
const MAX_METRIC_NAME: usize = 100;

/// Words that mean something else where the names of metrics are written: as a measure, as a key of a report, or as a
/// column of a file with scores.
const TAKEN: &[&str] = &[
    "area",
    "auc",
    "beyond_words",
    "bleeding",
    "chance",
    "chance_scr",
    "ci",
    "clip_t",
    "control",
    "copying",
    "count_accuracy",
    "cscr",
    "cscr_kind",
    "curve",
    "cut",
    "doubled",
    "encoder",
    "extra",
    "homogenisation",
    "identities",
    "identity",
    "images",
    "kind",
    "local",
    "local_auc",
    "margin",
    "matched",
    "mean_rank",
    "metric",
    "metrics",
    "missing",
    "model",
    "normalised",
    "presence_f1",
    "prompt_id",
    "r_precision",
    "r_scr",
    "regions",
    "scene_type",
    "scored",
    "scr",
    "seed",
    "similarity",
    "size",
    "source",
    "subject_count",
    "subject_id",
    "subjects",
    "top1",
    "uncollapsed",
    "value",
    "visible",
];

/// The name of a metric is a word of command lines, column heads and keys.
pub(super) fn fault(text: &str) -> Option<String> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    id_fault(text).or_else(|| {
        if text.len() > MAX_METRIC_NAME || !text.chars().all(fits) || text.starts_with(['-', '.']) {
            Some(format!(
                "{} cannot name a metric (letters, digits, `_`, `-` and `.`, {MAX_METRIC_NAME} bytes at most)",
                quote(text)
            ))
        } else if TAKEN.contains(&text.to_ascii_lowercase().as_str()) {
            Some(format!("{} is the name of something else here; give the metric another name", quote(text)))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_says_which_way_is_better() {
        let metric: MetricDeclaration = "hpsv2:higher:0:1".parse().unwrap();
        assert_eq!((metric.name.as_str(), metric.rule.better, metric.rule.range), ("hpsv2", Better::Higher, Some([0.0, 1.0])));
        assert_eq!("fid:lower".parse::<MetricDeclaration>().unwrap().rule, MetricRule { better: Better::Lower, range: None });
        for wrong in ["hpsv2", "hpsv2:up", "hpsv2:higher:0", "hpsv2:higher:1:0", "hpsv2:higher:0:inf", "a b:lower", "scr:lower"] {
            assert!(wrong.parse::<MetricDeclaration>().is_err(), "{wrong}");
        }
    }
}
