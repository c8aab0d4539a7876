//! Figures of the data set: the report that each is drawn from, or why it cannot be drawn.

use crate::catalog::SubjectRow;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::ops::report::snapshot::Reading;
use crate::plot::{self, Figure, Kind, ModelStyles};
use crate::report::{
    ALPHA, Key, ModelSelection, Report, ReportOptions, Snapshot, Tallied, Tally, Thresholds, build, build_cells, cscr_by_alpha,
    tallied,
};
use crate::score::Confidence;
use crate::text::{quote, suggestion};
use crate::vocabulary::MetricName;
use std::collections::HashMap;

/// What a figure is drawn from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FigureOptions {
    /// SCR is drawn at the middle one; the curve marks all.
    pub thresholds: Thresholds,
    /// The encoder that decides collapse; `None`: see [`crate::report::identity_encoder`].
    pub identity: Option<String>,
    /// The models shown, and their names.
    pub models: ModelSelection,
    /// Draw this metric instead: only with [`Kind::Trend`] and [`Kind::Scene`].
    pub metric: Option<MetricName>,
}

/// Most subjects in a heat map: as many as a column of a page holds.
pub(crate) const HEAT_MAP_ROWS: usize = 50;

/// A table that figures are drawn from.
pub(crate) struct FigureTable {
    options: ReportOptions,
    /// Whether it says all that is to be said of it, and is not of cells alone.
    whole: bool,
}

impl FigureOptions {
    /// Returns the index of the threshold at which SCR is drawn.
    pub(crate) fn middle(&self) -> usize {
        (self.thresholds.values().len() - 1) / 2
    }

    /// Returns what to read for all figures at once.
    pub(crate) fn reading(&self) -> Result<Reading> {
        Ok(Reading::of(&self.options(&[Key::Model])).with_curve_of_chance(&self.fine()?))
    }

    fn options(&self, by: &[Key]) -> ReportOptions {
        ReportOptions {
            by: by.to_vec(),
            thresholds: self.thresholds.clone(),
            identity: self.identity.clone(),
            confidence: Some(Confidence::default()),
            controls: !by.contains(&Key::SubjectId),
            curve: false,
            alpha: ALPHA,
            models: self.models.clone(),
            regions: Vec::new(),
            tau: None,
            published: by == [Key::Model, Key::SubjectCount],
        }
    }

    /// Returns the figure of a metric that was computed elsewhere.
    fn of_metric(
        &self,
        kind: Kind,
        metric: &MetricName,
        snapshot: &Snapshot,
        styles: &ModelStyles,
        table: impl Fn(FigureTable) -> Result<Report>,
    ) -> Result<Figure> {
        let figure = match kind {
            Kind::Trend => plot::metric_trend(&table(self.cells(&[Key::Model, Key::SubjectCount]))?, styles, metric.as_str()),
            Kind::Scene => plot::metric_scene(&table(self.cells(&[Key::Model, Key::SceneType]))?, styles, metric.as_str()),
            other => {
                let message = format!("the figure `{other}` cannot draw a metric that was imported");
                return Err(Error::request(
                    message,
                    format!("`msdata plot trend --metric {metric}` can, and `msdata plot scene`"),
                ));
            }
        };
        figure.ok_or_else(|| {
            let names = || snapshot.metrics.iter().map(|metric| metric.name.as_str());
            let has: Vec<&str> = names().collect();
            let hint = match has[..] {
                [] => "it has none: `msdata ingest --scores FILE` takes some in".to_owned(),
                _ => format!("it has {}", has.join(", ")),
            };
            let near = suggestion(metric.as_str(), names());
            Error::request(format!("the data set has no values of a metric {}{near}", quote(metric.as_str())), hint)
        })
    }

    /// Returns a hundred thresholds and those of the tables.
    fn fine(&self) -> Result<Thresholds> {
        format!("0:1:0.01,{}", self.thresholds).parse().map_err(|e: String| Error::request(e, "give other thresholds"))
    }

    /// Returns a report with all that is to be said of it.
    pub(crate) fn whole(&self, by: &[Key]) -> FigureTable {
        FigureTable { options: self.options(by), whole: true }
    }

    /// Returns the cells of a report, by these keys.
    pub(crate) fn cells(&self, by: &[Key]) -> FigureTable {
        FigureTable { options: self.options(by), whole: false }
    }

    /// Returns the same without intervals.
    pub(crate) fn means(&self, by: &[Key]) -> FigureTable {
        FigureTable { options: ReportOptions { confidence: None, ..self.options(by) }, whole: false }
    }

    /// Returns SCR by model at a hundred thresholds and those of the tables.
    pub(crate) fn curve(&self) -> Result<FigureTable> {
        let options = ReportOptions { thresholds: self.fine()?, confidence: None, ..self.options(&[Key::Model]) };
        Ok(FigureTable { options, whole: false })
    }
}

impl Dataset {
    /// Returns the reports of some tables, for which the scores are read once.
    pub(super) fn figure_tables<const N: usize>(&self, snapshot: &Snapshot, tables: [FigureTable; N]) -> Result<[Report; N]> {
        let wanted: Vec<Tallied<'_>> = tables.iter().map(|table| tallied(snapshot, &table.options, table.whole)).collect();
        let mut order: Vec<usize> = (0..N).collect();
        order.sort_by_key(|at| wanted[*at].by.len());
        // The cells of a table that has the keys of others are put together to theirs.
        let mut finest: Vec<Tallied<'_>> = Vec::new();
        for of in order.iter().rev().map(|at| wanted[*at]) {
            match finest.iter_mut().find(|finer| finer.gives(of)) {
                Some(finer) => finer.by_prompt |= of.by_prompt,
                None => finest.push(of),
            }
        }
        let mut tallies: Vec<Option<Tally<'_>>> = self.tallies(snapshot, &finest)?.into_iter().map(Some).collect();
        let mut reports: [Option<Report>; N] = std::array::from_fn(|_| None);
        for (nth, at) in order.iter().enumerate() {
            let Some(finer) = finest.iter().position(|finer| finer.gives(wanted[*at])) else { continue };
            let is_last = !order[nth + 1..].iter().any(|other| finest[finer].gives(wanted[*other]));
            let tally = match &tallies[finer] {
                Some(_) if is_last && finest[finer].by == wanted[*at].by => tallies[finer].take(),
                tally => tally.as_ref().map(|tally| tally.by(wanted[*at].by)),
            };
            let build = if tables[*at].whole { build } else { build_cells };
            reports[*at] = tally.map(|tally| build(snapshot, &tables[*at].options, tally));
        }
        let reports: Option<Vec<Report>> = reports.into_iter().collect();
        let reports = reports.and_then(|reports| reports.try_into().ok());
        reports.ok_or_else(|| Error::Damaged("tables of figures without their tallies".into()))
    }
}

impl Dataset {
    /// Draws a figure.
    ///
    /// # Errors
    /// Same as [`Dataset::report`]; or the data set lacks what the figure shows.
    pub fn figure(&self, kind: Kind, options: &FigureOptions) -> Result<Figure> {
        let reading = match kind {
            // They show neither chance by the pool nor identification.
            Kind::Heatmap | Kind::Tradeoff | Kind::Cscr | Kind::CscrScene | Kind::CscrCurve => Reading::default(),
            _ => options.reading()?,
        };
        let mut snapshot = self.snapshot(options.identity.as_deref(), &reading)?;
        snapshot.select(&options.models)?;
        let (snapshot, styles) = (&snapshot, ModelStyles::of(&snapshot));
        let table = |table: FigureTable| self.figure_tables(snapshot, [table]).map(|[report]| report);
        if let Some(metric) = &options.metric {
            return options.of_metric(kind, metric, snapshot, &styles, table);
        }
        let figure = match kind {
            Kind::Trend => plot::trend(&table(options.cells(&[Key::Model, Key::SubjectCount]))?, &styles, options.middle()),
            Kind::Scene => plot::scene(&table(options.cells(&[Key::Model, Key::SceneType]))?, &styles, options.middle()),
            Kind::Curve => {
                let [curve, by_model] = self.figure_tables(snapshot, [options.curve()?, options.cells(&[Key::Model])])?;
                plot::curve(&curve, &by_model, &styles)
            }
            Kind::Tradeoff => plot::tradeoff(&table(options.cells(&[Key::Model, Key::SubjectCount]))?, &styles),
            Kind::Radar => plot::radar(&table(options.cells(&[Key::Model]))?, &styles),
            Kind::Heatmap => {
                let labels = subject_labels(snapshot);
                let label = |id: &str| {
                    labels.iter().find(|(other, _)| other == id).map_or_else(|| id.to_owned(), |(_, label)| label.clone())
                };
                plot::heat_map(&table(options.means(&[Key::SubjectId, Key::Model]))?, &styles, label, HEAT_MAP_ROWS)
            }
            Kind::Cscr => plot::cscr(&table(options.cells(&[Key::Model, Key::SubjectCount]))?, &styles, ALPHA),
            Kind::CscrScene => plot::cscr_scene(&table(options.cells(&[Key::Model, Key::SceneType]))?, &styles, ALPHA),
            Kind::CscrCurve => plot::cscr_curve(&cscr_curve(snapshot), &styles, ALPHA),
        };
        figure.ok_or_else(|| match kind {
            Kind::Tradeoff => Error::request(
                "the data set has no CLIP-T: no encoder embedded both the images and the prompts",
                "embed with a CLIP encoder: `msdata embed --encoder clip-vit-large-patch14`",
            ),
            Kind::Cscr | Kind::CscrScene | Kind::CscrCurve => Error::request(
                "no subject has a verdict on its being present: no image was searched for each subject, or too few that did \
                 not ask for it",
                "`msdata embed --windows full` searches them; `msdata report` says what is missing",
            ),
            Kind::Radar => Error::request(
                "a radar needs three measures or more, and the data set has fewer encoders than that",
                "embed with the paper's encoders: `msdata embed --encoder paper`",
            ),
            _ => Error::request("the data set has no scored generation to draw", "`msdata report` says what is missing"),
        })
    }
}

/// Calibrated SCR of each model at the levels up to one half, in hundredths: nobody looks further.
pub(crate) fn cscr_curve(snapshot: &Snapshot) -> Vec<(String, Vec<(f64, f64)>)> {
    let alphas: Vec<f64> = (1..=50).map(|hundredth| f64::from(hundredth) / 100.0).collect();
    cscr_by_alpha(snapshot, &alphas)
}

/// Returns each subject's id with its label as figures show it: with the id before it where others have the same label.
pub(crate) fn subject_labels(snapshot: &Snapshot) -> Vec<(String, String)> {
    let mut known: HashMap<&str, usize> = HashMap::new();
    snapshot.subjects.iter().for_each(|s| *known.entry(&s.label).or_default() += 1);
    let named = |s: &SubjectRow| {
        let alone = known.get(s.label.as_str()) == Some(&1);
        let label = if alone || s.subject_id == *s.label { s.label.clone() } else { format!("{} {}", s.subject_id, s.label) };
        (s.subject_id.to_string(), label)
    };
    snapshot.subjects.iter().map(named).collect()
}
