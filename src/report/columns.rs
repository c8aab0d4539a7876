//! The measured columns of a report: how each is named, where in a row it is, and how it is printed.

use super::identity::{is_clip, is_dinov2};
use super::measure::Measure;
use super::metrics::decimal;
use super::{CellMetric, Named, RegionMeasure, Report, Row, Thresholds};
use crate::score::Question;

/// A measured column of a report.
#[derive(Debug, Clone)]
pub struct MeasureColumn {
    name: String,
    measure: Measure,
    /// Place in the row's list of such means.
    at: usize,
}

/// The ends of an interval, with the name of its encoder or threshold.
type NamedEnds = (String, Option<[f64; 2]>);

impl Report {
    /// The measured columns, in the order of the tables.
    pub fn columns(&self) -> Vec<MeasureColumn> {
        self.measures(false)
    }

    /// The measured columns in the order of the paper: CLIP-T, CLIP-I, DINO, DINOv2, others, SCR@τ; then those
    /// that the paper lacks. With `kept`, how many subjects of an image have not collapsed at the first threshold.
    pub(super) fn measures(&self, kept: bool) -> Vec<MeasureColumn> {
        let Some(first) = self.rows.first() else { return Vec::new() };
        let mut measures = Vec::new();
        let column = |name: String, measure, at| MeasureColumn { name, measure, at };
        if !first.regions.is_empty() {
            return self.measures_of_regions(first);
        }
        let place = |name: &str| first.similarity.iter().position(|(encoder, _)| encoder == name).unwrap_or_default();
        let texts = first.clip_t.len();
        for (at, (encoder, _)) in first.clip_t.iter().enumerate() {
            let name = if texts > 1 { format!("CLIP-T ({encoder})") } else { "CLIP-T".to_owned() };
            measures.push(column(name, Measure::ClipT(place(encoder)), at));
        }
        let heads: Vec<(usize, &str)> = first.similarity.iter().map(|(e, _)| family(e)).collect();
        let mut order: Vec<usize> = (0..heads.len()).collect();
        order.sort_by_key(|i| heads[*i].0);
        let mut encoders = Vec::new();
        for i in order {
            let (rank, name) = heads[i];
            let encoder = &first.similarity[i].0;
            let shared = heads.iter().filter(|h| h.0 == rank).count() > 1;
            let name = if shared && rank < OTHER { format!("{name} ({encoder})") } else { name.to_owned() };
            encoders.push((i, name.clone()));
            measures.push(column(name, Measure::Similarity(i), i));
        }
        let thresholds = self.thresholds.values();
        let meant = self.thresholds_mean_something();
        for (at, threshold) in thresholds.iter().enumerate().filter(|_| meant) {
            measures.push(column(format!("SCR@{}", Thresholds::name(*threshold)), Measure::Scr(*threshold), at));
        }
        if let Some(threshold) = thresholds.first().filter(|_| kept && meant) {
            measures.push(column(format!("kept@{}", Thresholds::name(*threshold)), Measure::Uncollapsed(*threshold), 0));
        }
        if first.curve.is_some() {
            measures.push(column("area".into(), Measure::CurveArea, 0));
        }
        if let Some(controls) = &first.controls {
            let tells = |encoder: usize| self.rows.iter().any(|row| row.auc(encoder).is_some());
            for (at, name) in &encoders {
                let name = if encoders.len() > 1 { format!("AUC ({name})") } else { "AUC".to_owned() };
                if controls.complete || tells(*at) {
                    measures.push(column(name, Measure::Auc(*at), *at));
                }
            }
            if controls.complete || encoders.iter().any(|(at, _)| tells(*at)) {
                measures.push(column("R-precision".into(), Measure::RPrecision, 0));
            }
        }
        if first.controls.as_ref().is_some_and(|controls| controls.complete) {
            measures.push(column("rank".into(), Measure::MeanRank, 0));
            for (at, threshold) in thresholds.iter().enumerate().filter(|_| meant) {
                let name = format!("chance SCR@{}", Thresholds::name(*threshold));
                measures.push(column(name, Measure::ChanceScr(*threshold), at));
            }
            let identity = first.similarity.iter().position(|(encoder, _)| *encoder == self.identity);
            if let Some(at) = identity.filter(|at| self.rows.iter().any(|r| r.ceiling(*at).is_some())) {
                measures.push(column("normalised".into(), Measure::Normalised(at), at));
            }
        }
        if let Some(local) = &first.local {
            measures.push(column("local".into(), Measure::Local, 0));
            for (name, question, of) in
                [("cSCR", Question::Present, &local.cscr), ("cSCR in kind", Question::Identified, &local.cscr_kind)]
            {
                let named =
                    |(at, (alpha, _)): (usize, &Named)| column(format!("{name}@{alpha}"), Measure::Calibrated(question), at);
                measures.extend(of.iter().enumerate().map(named));
            }
            if local.beyond_words.is_some() {
                measures.push(column("beyond words".into(), Measure::BeyondWords, 0));
            }
            if local.identification.is_some() {
                measures.push(column("local AUC".into(), Measure::LocalAuc, 0));
            }
        }
        for (at, CellMetric { name, rule, of_subjects, .. }) in first.metrics.iter().enumerate() {
            measures.push(column(name.to_string(), Measure::Metric { at, rule: *rule, of_subjects: *of_subjects }, at));
        }
        measures
    }
}

impl Report {
    /// The columns of region sets: those of whole images are another table's.
    fn measures_of_regions(&self, first: &Row) -> Vec<MeasureColumn> {
        use RegionMeasure::*;
        let mut measures = Vec::new();
        let several = first.regions.len() > 1;
        for (set, cell) in first.regions.iter().enumerate() {
            let named = |name: String| if several { format!("{}: {name}", cell.set) } else { name };
            let mut column = |name: String, measure| measures.push(MeasureColumn { name: named(name), measure, at: set });
            for measure in [Collapse, PresenceF1, Identity, Matched, Top1, Margin, Bleeding, Homogenisation, Extra, Doubled] {
                column(measure.head(cell.tau), Measure::Region(set, measure));
            }
            if cell.auc.is_some() {
                column("AUC".into(), Measure::RegionAuc(set));
                column(format!("decoy {}", Collapse.head(cell.tau)), Measure::RegionDecoy(set, Collapse));
                column("decoy matched".into(), Measure::RegionDecoy(set, Matched));
            }
            for measure in [Visible, Copying] {
                if self.rows.iter().any(|row| row.regions[set].mean(measure).is_some()) {
                    column(measure.head(cell.tau), Measure::Region(set, measure));
                }
            }
        }
        measures
    }
}

const OTHER: usize = 3;

/// The paper's name for an encoder's similarity, and its place in the table.
fn family(encoder: &str) -> (usize, &str) {
    let name = encoder.to_ascii_lowercase();
    if is_dinov2(&name) {
        (2, "DINOv2")
    } else if name.starts_with("dino-") || name == "dino" {
        (1, "DINO")
    } else if is_clip(&name) {
        (0, "CLIP-I")
    } else {
        (OTHER, encoder)
    }
}

impl MeasureColumn {
    /// As tables head it: `CLIP-T`, `DINOv2`, `SCR@0.4`, …
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the column of a measure.
    pub fn measures(&self, measure: Measure) -> bool {
        self.measure == measure
    }

    /// Whether it depends on a threshold of SCR, and means nothing where these mean nothing.
    pub fn needs_threshold(&self) -> bool {
        matches!(self.measure, Measure::Scr(_) | Measure::Uncollapsed(_) | Measure::ChanceScr(_))
    }

    /// Whether it is a share that tables print in per cent.
    pub fn is_percent(&self) -> bool {
        self.measure.is_percent()
    }

    /// Returns whether a higher value is better.
    pub fn higher_is_better(&self) -> bool {
        !self.measure.lower_is_better()
    }

    /// Whether it is a cosine of an image with its subjects or its prompt.
    pub fn is_cosine(&self) -> bool {
        matches!(self.measure, Measure::ClipT(_) | Measure::Similarity(_))
    }

    /// Whether it is a cosine with the prompt.
    pub fn is_clip_t(&self) -> bool {
        matches!(self.measure, Measure::ClipT(_))
    }

    /// Whether it is SCR at a threshold.
    pub fn is_scr(&self) -> bool {
        matches!(self.measure, Measure::Scr(_))
    }

    /// Whether it is the calibrated SCR: of being present, or within the kind.
    pub fn is_cscr(&self, within_kind: bool) -> bool {
        self.measure == Measure::Calibrated(if within_kind { Question::Identified } else { Question::Present })
    }

    /// Whether it is the share of pairs with text-only controls that are won.
    pub fn is_beyond_words(&self) -> bool {
        self.measure == Measure::BeyondWords
    }

    /// Whether a summary shows it: every cosine and SCR; of the controls, those by the identity encoder, and chance at
    /// one threshold.
    pub fn is_headline(&self, report: &Report, threshold: f64) -> bool {
        match self.measure {
            Measure::ClipT(_) | Measure::Similarity(_) | Measure::Scr(_) | Measure::Normalised(_) => true,
            Measure::Auc(_) => self.is_auc(report),
            Measure::ChanceScr(at) => at == threshold,
            Measure::Local | Measure::Calibrated(_) | Measure::BeyondWords | Measure::LocalAuc => true,
            Measure::Region(_, measure) => {
                use RegionMeasure::*;
                matches!(measure, Collapse | PresenceF1 | Matched | Top1 | Bleeding | Homogenisation | Extra)
            }
            Measure::RegionAuc(_) | Measure::Metric { .. } => true,
            Measure::RegionDecoy(..) => false,
            Measure::Uncollapsed(_) | Measure::CurveArea | Measure::RPrecision | Measure::MeanRank => false,
        }
    }

    /// Whether it is the similarity by the encoder that decides collapse.
    pub fn is_identity(&self, report: &Report) -> bool {
        matches!(self.measure, Measure::Similarity(_)) && self.is_by_identity(report)
    }

    /// Whether it is the identification AUC by the encoder that decides collapse.
    pub fn is_auc(&self, report: &Report) -> bool {
        matches!(self.measure, Measure::Auc(_)) && self.is_by_identity(report)
    }

    fn is_by_identity(&self, report: &Report) -> bool {
        let named = |row: &Row| row.similarity.get(self.at).is_some_and(|(name, _)| *name == report.identity);
        report.rows.first().is_some_and(named)
    }

    /// Returns its mean in a cell.
    pub fn value(&self, row: &Row) -> Option<f64> {
        let means = match self.measure {
            Measure::ClipT(_) => &row.clip_t,
            Measure::Similarity(_) => &row.similarity,
            Measure::Scr(_) => &row.scr,
            Measure::Uncollapsed(_) => &row.uncollapsed,
            Measure::CurveArea => return row.curve.as_ref()?.as_ref().map(|curve| curve.area),
            Measure::Normalised(_) => &row.controls.as_ref()?.normalised,
            Measure::Auc(_) => &row.controls.as_ref()?.auc,
            Measure::RPrecision => return row.controls.as_ref()?.identification.map(|i| i.r_precision),
            Measure::MeanRank => return row.controls.as_ref()?.identification.map(|i| i.mean_rank),
            Measure::ChanceScr(_) => &row.controls.as_ref()?.chance_scr,
            Measure::Local => &row.local.as_ref()?.similarity,
            Measure::Calibrated(Question::Present) => &row.local.as_ref()?.cscr,
            Measure::Calibrated(Question::Identified) => &row.local.as_ref()?.cscr_kind,
            Measure::BeyondWords => return row.local.as_ref()?.beyond_words?,
            Measure::LocalAuc => return row.local.as_ref()?.identification?.map(|i| i.auc),
            Measure::Region(set, measure) => return row.regions.get(set)?.mean(measure),
            Measure::RegionDecoy(set, measure) => return row.regions.get(set)?.decoys.as_ref()?[measure as usize],
            Measure::RegionAuc(set) => return row.regions.get(set)?.auc?,
            Measure::Metric { at, .. } => return row.metrics.get(at)?.mean,
        };
        means.get(self.at).and_then(|(_, mean)| *mean)
    }

    /// Returns the interval of its mean in a cell, if it has one.
    pub fn ends(&self, row: &Row) -> Option<[f64; 2]> {
        if let Measure::Region(set, measure) = self.measure {
            return row.regions.get(set)?.ci.as_ref()?[measure as usize];
        }
        if let Measure::Metric { at, .. } = self.measure {
            return row.metrics.get(at)?.ci?;
        }
        self.intervals(row)?.get(self.at).and_then(|(_, interval)| *interval)
    }

    fn intervals<'a>(&self, row: &'a Row) -> Option<&'a [NamedEnds]> {
        if let Some(ci) = row.local.as_ref().and_then(|local| local.ci.as_ref()) {
            match self.measure {
                Measure::Local => return Some(&ci.similarity),
                Measure::Calibrated(Question::Present) => return Some(&ci.cscr),
                Measure::Calibrated(Question::Identified) => return Some(&ci.cscr_kind),
                Measure::BeyondWords => return Some(&ci.beyond_words),
                _ => {}
            }
        }
        let ci = row.ci.as_ref()?;
        match self.measure {
            Measure::ClipT(_) => Some(&ci.clip_t),
            Measure::Similarity(_) => Some(&ci.similarity),
            Measure::Scr(_) => Some(&ci.scr),
            _ => None,
        }
    }

    /// The interval as it follows its mean: ` [32, 66]`; empty if none was asked for.
    pub fn interval(&self, row: &Row) -> String {
        let of_others = match self.measure {
            Measure::Region(set, _) => row.regions.get(set).is_some_and(|cell| cell.ci.is_some()),
            Measure::Metric { at, .. } => row.metrics.get(at).is_some_and(|cell| cell.ci.is_some()),
            _ => false,
        };
        if !of_others && self.intervals(row).is_none() {
            return String::new();
        }
        match self.ends(row) {
            Some([low, high]) if self.measure.is_percent() => format!(" [{:.0}, {:.0}]", low * 100.0, high * 100.0),
            Some([low, high]) if self.is_metric() => format!(" [{}, {}]", decimal(low), decimal(high)),
            Some([low, high]) => format!(" [{low:.2}, {high:.2}]"),
            None => " [–]".to_owned(),
        }
    }

    /// Whether it is a metric that was computed elsewhere.
    pub fn is_metric(&self) -> bool {
        matches!(self.measure, Measure::Metric { .. })
    }

    /// Returns the range that its values are in, if it is a metric that has one.
    pub fn range(&self) -> Option<[f64; 2]> {
        self.measure.rule()?.range
    }

    /// SCR in percent with one decimal, cosines and metrics with three, as the paper prints them.
    pub fn text(&self, value: f64) -> String {
        match self.measure {
            Measure::Metric { .. } => decimal(value),
            measure if measure.is_percent() => format!("{:.1}", value * 100.0),
            _ => format!("{value:.3}"),
        }
    }

    /// The best value of a line's models, without the controls, as it is printed, so that equal print means equally best; nothing is
    /// set off where all are equal.
    pub(super) fn best(&self, rows: &[Option<&Row>]) -> Option<String> {
        let values: Vec<f64> = rows.iter().flatten().filter(|r| !r.control).filter_map(|r| self.value(r)).collect();
        let first = self.text(*values.first()?);
        if values.iter().all(|v| self.text(*v) == first) {
            return None;
        }
        let best = match self.higher_is_better() {
            true => values.into_iter().max_by(f64::total_cmp),
            false => values.into_iter().min_by(f64::total_cmp),
        };
        best.map(|v| self.text(v))
    }
}
