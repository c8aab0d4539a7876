//! A figure: panels under one legend, as SVG for the page or for paper, or as pixels.

use super::canvas::{Anchor, Canvas, MARGIN, escaped, fitted, text_width};
use super::chart::Chart;
use super::heat_map::HeatMap;
use super::pdf::pdf;
use super::radar::Radar;
use super::style::{Ink, Look, Theme};
use super::{LABEL, MARKER, TICK};
use crate::error::{Error, Result};
use crate::image::{Rgb, png};
use resvg::{tiny_skia, usvg};
use std::sync::Arc;

/// One drawing of a figure.
#[derive(Debug, Clone, PartialEq)]
pub enum Panel {
    /// Points over two axes.
    Chart(Chart),
    /// Measures on spokes.
    Radar(Radar),
    /// Rows by columns.
    HeatMap(HeatMap),
}

/// Panels below one another, or side by side where there is room, with one legend.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name, for those who cannot see it.
    pub title: String,
    /// What it shows, in words.
    pub description: String,
    /// From left to right and from top to bottom.
    pub panels: Vec<Panel>,
}

/// Dots an inch of a figure as pixels: what journals ask for.
pub const DOTS_PER_INCH: f64 = 300.0;

/// Space between panels that stand side by side, in points.
const GUTTER: f64 = 14.0;

/// Least width of a panel beside another, in points.
const LEAST: f64 = 140.0;

impl Figure {
    /// For the page, whose colours and font it takes; `width` in points says how large text is in proportion.
    pub fn for_page(&self, width: f64) -> String {
        self.draw(Theme::Page, width)
    }

    /// A file for a paper, `inches` wide; every letter is an outline, so that it needs no font.
    ///
    /// # Errors
    /// The figure cannot be drawn (it would be a fault of ours).
    pub fn svg(&self, inches: f64) -> Result<Vec<u8>> {
        let tree = self.outlined(inches)?;
        let options = usvg::WriteOptions { coordinates_precision: 3, transforms_precision: 5, ..usvg::WriteOptions::default() };
        let svg = tree.to_string(&options);
        let Some(end) = svg.find('>') else { return Err(failed("it has no root")) };
        // A root of our own: lengths in inches, and the words that say what the figure is, which outlines do not.
        let (width, height) = (tree.size().width(), tree.size().height());
        let root = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{inches}in\" height=\"{:.4}in\" viewBox=\"0 0 {width:.2} {height:.2}\" role=\"img\"><title>{}</title><desc>{}</desc>",
            inches * f64::from(height) / f64::from(width),
            escaped(&self.title),
            escaped(&self.description)
        );
        Ok((root + &svg[end + 1..]).into_bytes())
    }

    /// A PDF, `inches` wide: one page of the figure's size; every letter is an outline.
    ///
    /// # Errors
    /// As [`Figure::svg`].
    pub fn pdf(&self, inches: f64) -> Result<Vec<u8>> {
        let tree = self.outlined(inches)?;
        let width = inches * 72.0;
        let height = width * f64::from(tree.size().height()) / f64::from(tree.size().width());
        pdf(&tree, [width, height], &self.title).map_err(|e| failed(&e.to_string()))
    }

    /// A PNG of [`DOTS_PER_INCH`], `inches` wide.
    ///
    /// # Errors
    /// As [`Figure::svg`].
    pub fn png(&self, inches: f64) -> Result<Vec<u8>> {
        let tree = self.outlined(inches)?;
        let scale = inches * DOTS_PER_INCH / f64::from(tree.size().width());
        let (width, height) = ((inches * DOTS_PER_INCH).round() as u32, (f64::from(tree.size().height()) * scale).ceil() as u32);
        let mut pixels = tiny_skia::Pixmap::new(width, height).ok_or_else(|| failed("it has no area"))?;
        pixels.fill(tiny_skia::Color::WHITE);
        resvg::render(&tree, tiny_skia::Transform::from_scale(scale as f32, scale as f32), &mut pixels.as_mut());
        // Opaque, so that premultiplied is plain.
        let rgb: Vec<u8> = pixels.data().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
        png(&Rgb { width, height, pixels: rgb }).map_err(|e| failed(&e.to_string()))
    }

    fn outlined(&self, inches: f64) -> Result<usvg::Tree> {
        let mut fonts = usvg::fontdb::Database::new();
        for face in [dejavu::sans_condensed::regular(), dejavu::sans_condensed::bold()] {
            fonts.load_font_source(usvg::fontdb::Source::Binary(Arc::new(face)));
        }
        let options = usvg::Options { fontdb: Arc::new(fonts), dpi: 72.0, ..usvg::Options::default() };
        usvg::Tree::from_str(&self.draw(Theme::Paper, inches * 72.0), &options).map_err(|e| failed(&e.to_string()))
    }

    fn draw(&self, theme: Theme, width: f64) -> String {
        let mut canvas = Canvas::new(theme);
        let (inner, mut y) = (width - 2.0 * MARGIN, 0.0);
        let entries = self.legend();
        if !entries.is_empty() {
            y = legend(&mut canvas, &entries, inner, y) + 5.0;
        }
        // In a paper panels stand side by side where there is room; the page lays them out itself.
        let beside = if theme == Theme::Paper { ((inner + GUTTER) / (LEAST + GUTTER)).floor().max(1.0) as usize } else { 1 };
        let rows = self.panels.len().div_ceil(beside).max(1);
        let beside = self.panels.len().div_ceil(rows).max(1);
        let width_of_one = (inner - GUTTER * (beside - 1) as f64) / beside as f64;
        for (i, row) in self.panels.chunks(beside).enumerate() {
            if i > 0 {
                y += 7.0;
            }
            let mut end = y;
            for (column, panel) in row.iter().enumerate() {
                canvas.set_left((width_of_one + GUTTER) * column as f64);
                end = end.max(match panel {
                    Panel::Chart(chart) => chart.draw(&mut canvas, width_of_one, y),
                    Panel::Radar(radar) => radar.draw(&mut canvas, width_of_one, y),
                    Panel::HeatMap(map) => map.draw(&mut canvas, width_of_one, y),
                });
            }
            canvas.set_left(0.0);
            y = end;
        }
        canvas.finish(width, y + 2.0 * MARGIN, &self.title, &self.description)
    }

    /// Every series of every panel once.
    fn legend(&self) -> Vec<(&str, Look)> {
        let mut entries: Vec<(&str, Look)> = Vec::new();
        for panel in &self.panels {
            let found: Vec<(&str, Look)> = match panel {
                Panel::Chart(chart) => chart.series.iter().map(|s| (s.name.as_str(), s.look)).collect(),
                Panel::Radar(radar) => radar.models.iter().map(|(name, look, _)| (name.as_str(), *look)).collect(),
                Panel::HeatMap(_) => Vec::new(),
            };
            for entry in found {
                if !entries.contains(&entry) {
                    entries.push(entry);
                }
            }
        }
        entries
    }
}

/// Names beside their looks, in as many lines as they need; where it ended.
fn legend(canvas: &mut Canvas, entries: &[(&str, Look)], width: f64, top: f64) -> f64 {
    const SAMPLE: f64 = 18.0;
    const LINE: f64 = 11.0;
    let (mut x, mut y) = (0.0, top + LABEL);
    for (name, look) in entries {
        let name = fitted(name, LABEL, width - SAMPLE - 6.0);
        let needed = SAMPLE + 3.0 + text_width(&name, LABEL, false);
        if x > 0.0 && x + needed > width {
            (x, y) = (0.0, y + LINE);
        }
        let middle = y - LABEL * 0.36;
        canvas.line((x, middle), (x + SAMPLE, middle), look.stroke());
        look.marker(canvas, (x + SAMPLE / 2.0, middle), MARKER);
        canvas.text((x + SAMPLE + 3.0, y), Anchor::Start, LABEL, Ink::Text, false, &name);
        x += needed + 10.0;
    }
    y + TICK * 0.4
}

fn failed(why: &str) -> Error {
    Error::Damaged(format!("a figure could not be drawn: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Axis, PlotPoint, Series, Upright};

    fn figure() -> Figure {
        let points =
            [0.0, 1.0].map(|x| PlotPoint { x, y: 0.5, interval: Some([0.4, 0.6]), marked: true, ..PlotPoint::default() }).into();
        let series = vec![Series { name: "<b>\"A\" & B".into(), look: Look::Model(0), points }];
        let (x, y) = (Axis::of_names("x", vec!["one".into(), "two".into()]), Axis::percent("y (%)"));
        let chart = Chart { x, y, series, upright: Upright::Values, joined: true, dodge: 0.0, aspect: 0.5 };
        Figure { title: "A <title>".into(), description: "words".into(), panels: vec![Panel::Chart(chart)] }
    }

    #[test]
    fn a_file_needs_no_font_and_keeps_its_words() {
        let svg = String::from_utf8(figure().svg(3.3).unwrap()).unwrap();
        assert!(!svg.contains("<text") && svg.matches("<path").count() > 10, "letters are outlines");
        assert!(svg.contains("<title>A &lt;title&gt;</title><desc>words</desc>"), "{}", &svg[..300]);
        assert!(svg.contains("width=\"3.3in\"") && svg.contains("viewBox=\"0 0 237.60 "), "{}", &svg[..150]);
        assert_eq!(figure().svg(3.3).unwrap(), svg.into_bytes(), "the same bytes every time");
    }

    #[test]
    fn a_pdf_is_one_page_of_paths() {
        let bytes = figure().pdf(3.3).unwrap();
        assert_eq!(figure().pdf(3.3).unwrap(), bytes, "the same bytes every time");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("%PDF-1.5") && text.ends_with("%%EOF\n"));
        assert!(text.contains("/MediaBox [0 0 237.6 ") && text.contains("/Title <FEFF0041"), "{}", &text[..400]);
        // The table of objects says where each begins.
        let table: usize = text.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
        assert_eq!(&bytes[table..table + 4], b"xref");
        let lines = String::from_utf8_lossy(&bytes[table..]).into_owned();
        for (number, line) in (1..).zip(lines.lines().skip(3).take(5)) {
            let offset: usize = line[..10].parse().unwrap();
            assert!(bytes[offset..].starts_with(format!("{number} 0 obj").as_bytes()), "{line}");
        }
        let start = bytes.windows(8).position(|w| w == b"stream\n\x78").unwrap() + 7;
        let mut content = String::new();
        std::io::Read::read_to_string(&mut flate2::read::ZlibDecoder::new(&bytes[start..]), &mut content).unwrap();
        assert!(content.matches(" m\n").count() > 10 && content.contains("0 0.4471 0.698 RG"), "{}", &content[..300]);
    }

    #[test]
    fn panels_stand_side_by_side_where_there_is_room() {
        let one = figure();
        let three = Figure { panels: vec![one.panels[0].clone(); 3], ..one };
        let height = |inches: f64| {
            let svg = String::from_utf8(three.svg(inches).unwrap()).unwrap();
            svg.split("height=\"").nth(1).unwrap().split("in").next().unwrap().parse::<f64>().unwrap()
        };
        assert!(height(super::super::PAGE) < 2.0 && height(super::super::COLUMN) > 4.0);
        assert_eq!(three.for_page(600.0).matches("subject").count(), one_panel_of(&three) * 3);
    }

    fn one_panel_of(figure: &Figure) -> usize {
        Figure { panels: figure.panels[..1].to_vec(), ..figure.clone() }.for_page(600.0).matches("subject").count()
    }

    #[test]
    fn pixels_are_three_hundred_an_inch() {
        let png = image::load_from_memory(&figure().png(2.0).unwrap()).unwrap();
        assert_eq!(png.width(), 600);
        let corners = [(0, 0), (599, 0), (0, png.height() - 1), (599, png.height() - 1)];
        let rgb = png.to_rgb8();
        assert!(corners.iter().all(|(x, y)| rgb.get_pixel(*x, *y).0 == [255; 3]), "nothing is cut at the edge");
        assert!(rgb.pixels().any(|p| p.0[2] > 150 && p.0[0] < 60), "a blue line");
    }

    #[test]
    fn the_page_gets_text_and_its_own_colours() {
        let svg = figure().for_page(300.0);
        assert!(svg.contains("role=\"img\"") && svg.contains("var(--model-1)") && svg.contains("&lt;b&gt;&quot;A&quot; &amp; B"));
        assert!(!svg.contains("style="), "the page's policy allows no inline style");
    }
}
