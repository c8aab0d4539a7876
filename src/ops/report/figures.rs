//! Figures of the data set: which report each is drawn from, and why there is none.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::plot::{self, Figure, Kind, ModelStyles};
use crate::report::{Key, Report, ReportOptions, Thresholds};
use crate::score::Confidence;

/// What a figure is drawn from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FigureOptions {
    /// SCR is drawn at the middle one; the curve marks all.
    pub thresholds: Thresholds,
    /// The encoder that decides collapse; `None`: see [`crate::report::identity_encoder`].
    pub identity: Option<String>,
}

/// Subjects of a heat map at most: what a column of a page holds.
pub(crate) const HEAT_MAP_ROWS: usize = 50;

impl FigureOptions {
    /// The place of the threshold at which SCR is drawn.
    pub(crate) fn middle(&self) -> usize {
        (self.thresholds.values().len() - 1) / 2
    }

    pub(crate) fn report(&self, data: &Dataset, by: &[Key]) -> Result<Report> {
        let options = ReportOptions {
            by: by.to_vec(),
            thresholds: self.thresholds.clone(),
            identity: self.identity.clone(),
            confidence: Some(Confidence::default()),
            controls: !by.contains(&Key::SubjectId),
            curve: false,
            alpha: crate::report::ALPHA,
        };
        data.report(&options)
    }

    /// SCR by model at a hundred thresholds and those of the tables.
    pub(crate) fn curve(&self, data: &Dataset) -> Result<Report> {
        let fine =
            format!("0:1:0.01,{}", self.thresholds).parse().map_err(|e: String| Error::request(e, "give other thresholds"))?;
        FigureOptions { thresholds: fine, identity: self.identity.clone() }.report(data, &[Key::Model])
    }
}

impl Dataset {
    /// Draws a figure.
    ///
    /// # Errors
    /// As [`Dataset::report`]; or the data set lacks what the figure shows.
    pub fn figure(&self, kind: Kind, options: &FigureOptions) -> Result<Figure> {
        let styles = ModelStyles::new(self.catalog.models()?);
        let figure = match kind {
            Kind::Trend => plot::trend(&options.report(self, &[Key::Model, Key::SubjectCount])?, &styles, options.middle()),
            Kind::Scene => plot::scene(&options.report(self, &[Key::Model, Key::SceneType])?, &styles, options.middle()),
            Kind::Curve => plot::curve(&options.curve(self)?, &styles, &options.thresholds),
            Kind::Tradeoff => plot::tradeoff(&options.report(self, &[Key::Model, Key::SubjectCount])?, &styles),
            Kind::Radar => plot::radar(&options.report(self, &[Key::Model])?, &styles),
            Kind::Heatmap => {
                let labels = self.subject_labels()?;
                let label = |id: &str| {
                    labels.iter().find(|(other, _)| other == id).map_or_else(|| id.to_owned(), |(_, label)| label.clone())
                };
                plot::heat_map(&options.report(self, &[Key::SubjectId, Key::Model])?, &styles, label, HEAT_MAP_ROWS)
            }
        };
        figure.ok_or_else(|| match kind {
            Kind::Tradeoff => Error::request(
                "the data set has no CLIP-T: no encoder embedded both the images and the prompts",
                "embed with a CLIP encoder: `msdata embed --encoder clip-vit-large-patch14`",
            ),
            Kind::Radar => Error::request(
                "a radar needs three measures or more, and the data set has fewer encoders than that",
                "embed with the paper's: `msdata embed --encoder paper`",
            ),
            _ => Error::request("the data set has no scored generation to draw", "`msdata report` says what is missing"),
        })
    }

    /// Each subject's id with its id and label as figures show them.
    pub(crate) fn subject_labels(&self) -> Result<Vec<(String, String)>> {
        let named = |s: crate::catalog::SubjectRow| {
            let label = if s.label == s.subject_id { s.label } else { format!("{} {}", s.subject_id, s.label) };
            (s.subject_id, label)
        };
        Ok(self.catalog.subjects()?.into_iter().map(named).collect())
    }
}
