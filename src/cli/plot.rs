use super::selection::Selection;
use super::terminal::{refuse_bytes_on_terminal, results};
use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::durable::{check_target, write_whole};
use msdata::ops::FigureOptions;
use msdata::plot::{COLUMN, Kind, PAGE};
use msdata::report::Thresholds;
use msdata::vocabulary::MetricName;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Draw figures for papers, as SVG, PDF or PNG
///
/// All figures have one style and are as wide as a column of a two-column paper, or as both. Text is drawn as outlines, so no font
/// is needed; models differ in colour, marker and dash, so figures can be read in greyscale. Intervals are 95 %, by a
/// bootstrap over prompts.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata plot trend --out trend.svg
  msdata plot cscr --width page --models ours,mosaic --rename ours=Ours,mosaic=MOSAIC --out cscr.pdf
  msdata plot heatmap --format png --width 6.8 --out subjects.png")]
pub struct PlotArgs {
    /// trend, scene, curve, tradeoff, radar, heatmap, cscr, cscr-scene, cscr-curve
    kind: Kind,
    /// Vectors, or 300 pixels per inch [default: by --out, else svg]
    #[arg(long)]
    format: Option<Format>,
    /// column (3.3 inches), page (6.9), or inches
    ///
    /// Where there is room, as on a page, panels stand side by side.
    #[arg(long, value_name = "WIDTH", default_value = "column", value_parser = inches)]
    width: f64,
    /// Thresholds of SCR [default: 0.4,0.5,0.6]
    ///
    /// The curve marks them all, the other figures show SCR at the middle one. Without them, and where the encoder that
    /// decides collapse is not DINOv2, figures show identification AUC instead of SCR.
    #[arg(long, value_name = "T,…", allow_hyphen_values = true)]
    thresholds: Option<Thresholds>,
    /// Decides collapse [default: the DINOv2 encoder, else the only one]
    #[arg(long, value_name = "ENCODER")]
    identity: Option<String>,
    /// With trend and scene: draw this metric that was imported
    #[arg(long, value_name = "NAME")]
    metric: Option<MetricName>,
    #[command(flatten)]
    selection: Selection,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Svg,
    Pdf,
    Png,
}

impl PlotArgs {
    pub fn run(self, dataset: &Path, _terminal: &Terminal) -> anyhow::Result<Ended> {
        self.out.as_deref().map_or(Ok(()), check_target)?;
        let extension = self.out.as_ref().and_then(|path| path.extension()?.to_str().map(str::to_ascii_lowercase));
        let format = self.format.unwrap_or(match extension.as_deref() {
            Some("png") => Format::Png,
            Some("pdf") => Format::Pdf,
            _ => Format::Svg,
        });
        match format {
            Format::Png => refuse_bytes_on_terminal("png", self.out.as_deref()),
            Format::Pdf => refuse_bytes_on_terminal("pdf", self.out.as_deref()),
            Format::Svg => {}
        }
        let options = FigureOptions {
            thresholds: self.thresholds.unwrap_or_default(),
            identity: self.identity,
            models: self.selection.into(),
            metric: self.metric,
        };
        let figure = Dataset::open_to_read(dataset)?.figure(self.kind, &options)?;
        let bytes = match format {
            Format::Svg => figure.svg(self.width)?,
            Format::Pdf => figure.pdf(self.width)?,
            Format::Png => figure.png(self.width)?,
        };
        match &self.out {
            Some(path) => write_whole(path, &bytes)?,
            None => results().write_all(&bytes)?,
        }
        Ok(Ended::Done)
    }
}

fn inches(text: &str) -> Result<f64, String> {
    match (text, text.parse::<f64>()) {
        ("column", _) => Ok(COLUMN),
        ("page", _) => Ok(PAGE),
        (_, Ok(width)) if (2.0..=20.0).contains(&width) => Ok(width),
        _ => Err("expected `column`, `page` or a width from 2 to 20 inches".into()),
    }
}
