use super::selection::Selection;
use super::{Ended, Terminal};
use msdata::Dataset;
use msdata::durable::{check_target, write_whole};
use msdata::ops::FigureOptions;
use msdata::plot::{COLUMN, Kind};
use msdata::report::Thresholds;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Draw figures for papers: trend, scene, curve, tradeoff, radar, heatmap, cscr, cscr-scene, cscr-curve
///
/// All figures have one style and are as wide as a column of a two-column paper. Text is drawn as outlines, so no font
/// is needed; models differ in colour, marker and dash, so figures can be read in greyscale. Intervals are 95 %, by a
/// bootstrap over prompts.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  msdata plot trend --out trend.svg
  msdata plot cscr --out cscr.svg
  msdata plot heatmap --format png --width 6.8 --out subjects.png")]
pub struct PlotArgs {
    /// trend, scene, curve, tradeoff, radar, heatmap, cscr, cscr-scene or cscr-curve
    kind: Kind,
    /// svg or png [default: the extension of --out, else svg]
    #[arg(long)]
    format: Option<Format>,
    /// Width in inches
    #[arg(long, value_name = "INCHES", default_value_t = COLUMN, value_parser = inches)]
    width: f64,
    /// Thresholds: the curve marks them all, the other figures show SCR at the middle one [default: 0.4,0.5,0.6]
    #[arg(long, value_name = "T,…", allow_hyphen_values = true)]
    thresholds: Option<Thresholds>,
    /// The encoder that decides collapse [default: the DINOv2 encoder, else the only one]
    #[arg(long, value_name = "ENCODER")]
    identity: Option<String>,
    #[command(flatten)]
    selection: Selection,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A vector image
    Svg,
    /// A pixel image, 300 pixels per inch
    Png,
}

impl PlotArgs {
    pub fn run(self, dataset: &Path, _terminal: &Terminal) -> anyhow::Result<Ended> {
        self.out.as_deref().map_or(Ok(()), check_target)?;
        let options = FigureOptions {
            thresholds: self.thresholds.unwrap_or_default(),
            identity: self.identity,
            models: self.selection.into(),
        };
        let figure = Dataset::open_to_read(dataset)?.figure(self.kind, &options)?;
        let named_png = self.out.as_ref().is_some_and(|path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")));
        let format = self.format.unwrap_or(if named_png { Format::Png } else { Format::Svg });
        let bytes = match format {
            Format::Svg => figure.svg(self.width)?,
            Format::Png => figure.png(self.width)?,
        };
        match &self.out {
            Some(path) => write_whole(path, &bytes)?,
            None => std::io::stdout().lock().write_all(&bytes)?,
        }
        Ok(Ended::Done)
    }
}

fn inches(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(width) if (2.0..=20.0).contains(&width) => Ok(width),
        _ => Err("expected a width from 2 to 20 inches".into()),
    }
}
