//! Whether a threshold of SCR means anything for the encoder that decides collapse, and which measure leads.

use super::identity::is_dinov2;
use super::{Measure, Report, Thresholds};
use crate::score::Question;

/// Whether "collapsed" and "kept" can be meant: the thresholds were found for DINOv2 on whole images, so they hold for a
/// DINOv2 encoder, and for any other only where the user chose them. Where this is false, tables, figures and the page
/// show no SCR and no such marks unless somebody asks for one by name; similarity and identification lead instead.
pub fn thresholds_mean_something(identity: &str, thresholds: &Thresholds) -> bool {
    is_dinov2(identity) || thresholds.are_chosen()
}

impl Report {
    /// Whether its SCR can be meant: see [`thresholds_mean_something`].
    pub fn thresholds_mean_something(&self) -> bool {
        thresholds_mean_something(&self.identity, &self.thresholds)
    }

    /// Returns the measure by which the models are ranked: cSCR where any model has one, else SCR at `threshold` where that
    /// means something and separates anything, else identification AUC where the report has it, else similarity. `None` without rows.
    pub fn leading(&self, threshold: f64) -> Option<Measure> {
        let columns = self.columns();
        let under_test = || self.rows.iter().filter(|row| !row.control);
        let said = |measure: Measure| {
            let column = columns.iter().find(|column| column.measures(measure))?;
            under_test().any(|row| column.value(row).is_some()).then_some(measure)
        };
        let identity = self.rows.first()?.similarity.iter().position(|(name, _)| *name == self.identity)?;
        said(Measure::Calibrated(Question::Present))
            .or_else(|| {
                said(Measure::Scr(threshold)).filter(|_| self.thresholds_mean_something() && !self.saturated.contains(&threshold))
            })
            .or_else(|| said(Measure::Auc(identity)))
            .or_else(|| said(Measure::Similarity(identity)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_hold_for_dinov2_or_where_somebody_chose_them() {
        let chosen: Thresholds = "0.4,0.5,0.6".parse().unwrap();
        let default = Thresholds::default();
        assert_eq!(chosen.values(), default.values());
        let means = |encoder: &str| [&default, &chosen].map(|thresholds| thresholds_mean_something(encoder, thresholds));
        assert_eq!(means("dinov2-small"), [true, true]);
        assert_eq!(means("builtin-texture"), [false, true]);
    }
}
