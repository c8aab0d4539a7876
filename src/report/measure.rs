//! What is measured: one enum, from the command line to the tables.

use super::{RegionMeasure, Thresholds};
use crate::score::Question;

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
}

impl Measure {
    /// Returns whether a lower value is better.
    pub fn lower_is_better(self) -> bool {
        use Measure::*;
        match self {
            Region(_, measure) | RegionDecoy(_, measure) => measure.lower_is_better(),
            other => matches!(other, Scr(_) | ChanceScr(_) | Calibrated(_) | CurveArea | MeanRank),
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
        }
    }
}
