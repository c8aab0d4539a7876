//! What is measured: one enum, from the command line to the tables.

use super::{RegionMeasure, Thresholds};
use crate::score::Question;
use crate::vocabulary::{Better, MetricRule};

/// What is measured. Encoders are given by their place in [`Snapshot::encoders`](super::Snapshot::encoders); what names
/// none is by the encoder that decides collapse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// Cosine of an image and its prompt, by an encoder.
    ClipT(usize),
    /// Cosine of an image and its subjects, by an encoder.
    Similarity(usize),
    /// Subject Collapse Rate at a threshold.
    Scr(f64),
    /// How many subjects of an image have not collapsed at a threshold.
    Uncollapsed(f64),
    /// The area below SCR over all thresholds.
    CurveArea,
    /// Identification AUC, by an encoder.
    Auc(usize),
    /// R-precision of identification.
    RPrecision,
    /// Mean rank of the requested subjects.
    MeanRank,
    /// SCR at a threshold by subjects that were not requested.
    ChanceScr(f64),
    /// Where similarity lies between chance and the ceiling, by an encoder.
    Normalised(usize),
    /// Local similarity.
    Local,
    /// Calibrated collapse rate (cSCR), at large or within kind.
    Calibrated(Question),
    /// Share of pairs with text-only controls that are won.
    BeyondWords,
    /// Identification AUC by local similarity.
    LocalAuc,
    /// What a region set says, by its place in [`Snapshot::regions`](super::Snapshot::regions).
    Region(usize, RegionMeasure),
    /// The same of subjects that were not requested.
    RegionDecoy(usize, RegionMeasure),
    /// AUC of requested against decoy pairs of a region set.
    RegionAuc(usize),
    /// A metric that was computed elsewhere.
    Metric {
        /// Its place in [`Snapshot::metrics`](super::Snapshot::metrics).
        at: usize,
        /// Which way it is better, and its range.
        rule: MetricRule,
        /// Whether it has a value for each subject of an image.
        of_subjects: bool,
    },
}

impl Measure {
    /// Returns whether a lower value is better.
    pub fn lower_is_better(self) -> bool {
        use Measure::*;
        match self {
            Region(_, measure) | RegionDecoy(_, measure) => measure.lower_is_better(),
            Metric { rule, .. } => rule.better == Better::Lower,
            other => matches!(other, Scr(_) | ChanceScr(_) | Calibrated(_) | CurveArea | MeanRank),
        }
    }

    /// Returns the rule of a metric that was computed elsewhere.
    pub(super) fn rule(self) -> Option<MetricRule> {
        match self {
            Measure::Metric { rule, .. } => Some(rule),
            _ => None,
        }
    }

    /// Returns the least and the greatest value that it can have; `None`: they are not known, or only nearly reached.
    pub(super) fn bounds(self) -> Option<[f64; 2]> {
        match self {
            Measure::Metric { rule, .. } => rule.range,
            other => other.is_share().then_some([0.0, 1.0]),
        }
    }

    /// Whether it lies between 0 and 1, as cosines need not.
    pub fn is_share(self) -> bool {
        match self {
            Measure::Region(_, measure) | Measure::RegionDecoy(_, measure) => measure.is_share(),
            other => other.is_percent() || other == Measure::BeyondWords,
        }
    }

    /// Returns whether tables print it in per cent.
    pub fn is_percent(self) -> bool {
        use Measure::*;
        matches!(
            self,
            Scr(_) | ChanceScr(_) | Calibrated(_) | Region(_, RegionMeasure::Collapse) | RegionDecoy(_, RegionMeasure::Collapse)
        )
    }

    /// Returns its name, as `--measure` takes it: `scr@0.4`, `similarity/ENCODER`, … `encoder` is the encoder that it is
    /// by.
    pub fn name(self, encoder: &str, alpha: f64) -> String {
        match self {
            Measure::ClipT(_) => format!("clip_t/{encoder}"),
            Measure::Similarity(_) => format!("similarity/{encoder}"),
            Measure::Scr(threshold) => format!("scr@{}", Thresholds::name(threshold)),
            Measure::Uncollapsed(threshold) => format!("uncollapsed@{}", Thresholds::name(threshold)),
            Measure::CurveArea => "area".to_owned(),
            Measure::Auc(_) => format!("auc/{encoder}"),
            Measure::RPrecision => "r_precision".to_owned(),
            Measure::MeanRank => "mean_rank".to_owned(),
            Measure::ChanceScr(threshold) => format!("chance_scr@{}", Thresholds::name(threshold)),
            Measure::Normalised(_) => format!("normalised/{encoder}"),
            Measure::Local => format!("local/{encoder}"),
            Measure::Calibrated(Question::Present) => format!("cscr@{alpha}"),
            Measure::Calibrated(Question::Identified) => format!("cscr_kind@{alpha}"),
            Measure::BeyondWords => "beyond_words".to_owned(),
            Measure::LocalAuc => format!("local_auc/{encoder}"),
            // `encoder` is then the set's name.
            Measure::Region(_, measure) => format!("{measure}/{encoder}"),
            Measure::RegionDecoy(_, measure) => format!("decoy_{measure}/{encoder}"),
            Measure::RegionAuc(_) => format!("auc/{encoder}"),
            // It is then the metric's name.
            Measure::Metric { .. } => encoder.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::MetricName;

    #[test]
    fn no_metric_has_the_name_of_a_measure() {
        use Measure::*;
        let region = RegionMeasure::ALL.iter().flat_map(|m| [Region(0, *m), RegionDecoy(0, *m)]);
        let others = [
            ClipT(0),
            Similarity(0),
            Scr(0.4),
            Uncollapsed(0.4),
            CurveArea,
            Auc(0),
            RPrecision,
            MeanRank,
            ChanceScr(0.4),
            Normalised(0),
            Local,
            Calibrated(Question::Present),
            Calibrated(Question::Identified),
            BeyondWords,
            LocalAuc,
            RegionAuc(0),
        ];
        for measure in others.into_iter().chain(region) {
            let name = measure.name("encoder", 0.05);
            assert!(MetricName::new(name.as_str()).is_err(), "{name}");
            let word = name.split(['@', '/']).next().unwrap();
            assert!(MetricName::new(word).is_err() || word.starts_with("decoy_"), "{word}");
        }
        for key in super::super::Key::ALL {
            assert!(MetricName::new(key.as_str()).is_err(), "{key}");
        }
    }
}
