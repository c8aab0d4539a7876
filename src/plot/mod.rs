//! Figures: series of numbers as SVG and PNG, in one style.
//!
//! | module | noun |
//! |---|---|
//! | this | [`Kind`]: the figures there are |
//! | `presence` | [`cscr`], [`cscr_scene`], [`cscr_curve`]: the same by windows |
//! | `figures` | [`trend`], [`scene`], [`curve`], …: a report as a figure |
//! | `metric` | [`metric_trend`], [`metric_scene`]: metrics from elsewhere |
//! | `figure` | [`Figure`]: panels under a legend; files |
//! | `pdf` | a figure as PDF |
//! | `chart` | [`Chart`]: series over two axes |
//! | `radar` | [`Radar`]: measures on spokes |
//! | `heat_map` | [`HeatMap`]: rows by columns |
//! | `axis` | [`Axis`]: range and ticks |
//! | `show` | what a point or a cell shows in the page's gallery |
//! | `histogram` | [`histogram`]: how often which similarity |
//! | `style` | colours, markers, dashes |
//! | `canvas` | SVG, and how wide a text is |

#![allow(missing_docs)] // the fields of a drawing say what they are

mod axis;
mod canvas;
mod chart;
mod figure;
mod figures;
mod heat_map;
mod histogram;
mod metric;
mod pdf;
mod presence;
mod radar;
mod show;
mod style;

pub use axis::Axis;
pub use chart::{Chart, PlotPoint, Series, Upright};
pub use figure::{DOTS_PER_INCH, Figure, Panel};
pub use figures::{ModelStyles, curve, heat_map, profile, radar, scene, tradeoff, tradeoff_correlation, trend};
pub use heat_map::{HeatMap, HeatQueries};
pub use histogram::{BinCounts, Bins, histogram};
pub use metric::{metric_scene, metric_trend};
pub use presence::{cscr, cscr_curve, cscr_scene, presence_by_cell};
pub use radar::Radar;
pub use show::{query, query_of};
pub use style::Look;

use crate::vocabulary::closed_set;

/// Size of labels and legends, in points.
const LABEL: f64 = 7.0;
/// Size of what axes and cells say.
const TICK: f64 = 6.2;
/// Radius of markers.
const MARKER: f64 = 2.1;

/// Width of a column of a two-column paper, in inches.
pub const COLUMN: f64 = 3.3;

/// Width of both columns of such a paper with the space between them, in inches.
pub const PAGE: f64 = 6.9;

closed_set! {
    /// A figure of a data set.
    Kind, "figure" {
        /// Similarity and SCR against the subject count.
        Trend = "trend",
        /// SCR by scene type.
        Scene = "scene",
        /// SCR against the threshold.
        Curve = "curve",
        /// CLIP-T against identity similarity, from few subjects to many.
        Tradeoff = "tradeoff",
        /// Each model over CLIP-T, CLIP-I, DINO, DINOv2.
        Radar = "radar",
        /// Subjects by models: the share of images in which each is present, or similarity where none was searched.
        Heatmap = "heatmap",
        /// Calibrated SCR against the subject count: present, within the kind, and what goes beyond words.
        Cscr = "cscr",
        /// Calibrated SCR by scene type.
        CscrScene = "cscr-scene",
        /// Calibrated SCR against the level α.
        CscrCurve = "cscr-curve",
    }
}
