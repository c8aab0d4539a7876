//! A drawing surface that writes SVG. Lengths are points (1/72 inch), y grows downwards.

use super::style::{Ink, Stroke, Theme};
use crate::text::{plain, shortened};
use std::fmt::Write as _;
use std::sync::LazyLock;
use ttf_parser::Face;

/// Where a text's x is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub fn overlaps(&self, other: &Area) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }
}

/// Space around a drawing.
pub const MARGIN: f64 = 2.0;

/// What has been drawn so far.
pub struct Canvas {
    theme: Theme,
    body: String,
    /// Where x is 0, from the left.
    left: f64,
}

impl Canvas {
    pub fn new(theme: Theme) -> Canvas {
        Canvas { theme, body: String::new(), left: 0.0 }
    }

    /// Sets where x is 0 for what is drawn next.
    pub fn set_left(&mut self, left: f64) {
        self.left = left;
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        self.path(&[from, to], false, None, Some(stroke));
    }

    /// A line through points, or a closed shape.
    pub fn path(&mut self, points: &[(f64, f64)], closed: bool, fill: Option<Ink>, stroke: Option<Stroke>) {
        let mut d = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            let _ = write!(d, "{}{} {}", if i == 0 { "M" } else { "L" }, number(self.left + *x), number(*y));
        }
        if closed {
            d.push('Z');
        }
        let paint = self.paint(fill, stroke);
        let _ = write!(self.body, "<path d=\"{d}\" {paint}/>");
    }

    pub fn circle(&mut self, (x, y): (f64, f64), radius: f64, fill: Option<Ink>, stroke: Option<Stroke>) {
        let paint = self.paint(fill, stroke);
        let _ =
            write!(self.body, "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {paint}/>", number(self.left + x), number(y), number(radius));
    }

    pub fn rect(&mut self, area: Area, fill: Option<Ink>, stroke: Option<Stroke>) {
        let paint = self.paint(fill, stroke);
        let Area { x, y, width, height } = area;
        let [x, y, width, height] = [self.left + x, y, width, height].map(number);
        let _ = write!(self.body, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {paint}/>");
    }

    /// A line of text whose baseline is at `y`.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, size: f64, ink: Ink, bold: bool, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let weight = if bold { " font-weight=\"bold\"" } else { "" };
        let text = match self.theme {
            Theme::Page => escaped(text),
            Theme::Paper => escaped(&drawable(text)),
        };
        let fill = self.theme.colour(ink);
        let (x, y, size) = (number(self.left + x), number(y), number(size));
        let _ = write!(self.body, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{fill}\"{anchor}{weight}>{text}</text>");
    }

    /// What is drawn until [`Canvas::end`] belongs together; `title` shows where the pointer rests.
    pub fn begin(&mut self, title: &str) {
        self.begin_showing(title, None);
    }

    /// The same where a click shows something in the page's gallery: a query of [`super::query`].
    pub fn begin_showing(&mut self, title: &str, show: Option<&str>) {
        let show = show.filter(|_| self.theme == Theme::Page).map(|query| format!(" data-show=\"{}\"", escaped(query)));
        let _ = write!(self.body, "<g{}><title>{}</title>", show.unwrap_or_default(), escaped(title));
    }

    pub fn end(&mut self) {
        self.body.push_str("</g>");
    }

    /// The drawing as an SVG element; `title` and `description` are what those hear who cannot see it.
    /// What was drawn has `MARGIN` around it, so that no marker or letter is cut at the edge.
    pub fn finish(self, width: f64, height: f64, title: &str, description: &str) -> String {
        let (edge, w, h) = (number(-MARGIN), number(width), number(height));
        let size = match self.theme {
            Theme::Page => String::new(),
            Theme::Paper => {
                format!(
                    " width=\"{}in\" height=\"{}in\" font-family=\"DejaVu Sans\" font-stretch=\"condensed\"",
                    inches(width),
                    inches(height)
                )
            }
        };
        let background = match self.theme {
            Theme::Page => String::new(),
            Theme::Paper => format!(
                "<rect x=\"{edge}\" y=\"{edge}\" width=\"{w}\" height=\"{h}\" fill=\"{}\"/>",
                self.theme.colour(Ink::Surface)
            ),
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{edge} {edge} {w} {h}\"{size} role=\"img\"><title>{}</title><desc>{}</desc>{background}{}</svg>",
            escaped(title),
            escaped(description),
            self.body
        )
    }

    fn paint(&self, fill: Option<Ink>, stroke: Option<Stroke>) -> String {
        let mut paint = format!("fill=\"{}\"", fill.map_or("none".into(), |ink| self.theme.colour(ink)));
        if let Some(stroke) = stroke {
            let _ = write!(paint, " stroke=\"{}\" stroke-width=\"{}\"", self.theme.colour(stroke.ink), number(stroke.width));
            if !stroke.dash.is_empty() {
                let dash: Vec<String> = stroke.dash.iter().map(|d| number(*d)).collect();
                let _ = write!(paint, " stroke-dasharray=\"{}\"", dash.join(" "));
            } else {
                paint.push_str(" stroke-linejoin=\"round\" stroke-linecap=\"round\"");
            }
        }
        paint
    }
}

/// Two decimals at most: a fiftieth of a hair, and the same text on every machine.
pub fn number(x: f64) -> String {
    let text = format!("{x:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn inches(points: f64) -> String {
    format!("{:.4}", points / 72.0).trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text from outside as XML shows it.
pub fn escaped(text: &str) -> String {
    plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

static FACE: LazyLock<Option<Face<'static>>> = LazyLock::new(|| Face::parse(dejavu::sans_condensed::regular(), 0).ok());

/// How wide a text is at most, in points. Measured in the font of our files with room for the wider fonts that a
/// page may be read in, and taken as square where the font lacks a character.
pub fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    let advance = |c: char| {
        FACE.as_ref()
            .and_then(|face| Some(f64::from(face.glyph_hor_advance(face.glyph_index(c)?)?) / f64::from(face.units_per_em())))
            .unwrap_or(1.0)
    };
    text.chars().map(advance).sum::<f64>() * size * if bold { 1.28 } else { 1.15 }
}

/// The text with a mark in the place of each character that the font of our files lacks.
fn drawable(text: &str) -> String {
    let lacks = |c: char| FACE.as_ref().is_some_and(|face| face.glyph_index(c).is_none());
    plain(text).chars().map(|c| if lacks(c) { '\u{fffd}' } else { c }).collect()
}

/// The text, or as much of its beginning and its end as fits, with an ellipsis between them.
pub fn fitted(text: &str, size: f64, width: f64) -> String {
    let text = plain(text);
    if text_width(&text, size, false) <= width {
        return text.into_owned();
    }
    let shorter = (2..text.chars().count()).rev().map(|most| shortened(&text, most).into_owned());
    shorter.into_iter().find(|shorter| text_width(shorter, size, false) <= width).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_minus_nought() {
        assert_eq!([1.0, 0.126, -0.001, 12.5, 100.0].map(number), ["1", "0.13", "0", "12.5", "100"]);
    }

    #[test]
    fn text_from_outside_is_text() {
        let hostile = "</text><script>alert('x')</script>\"&\u{202e}\u{7}";
        let shown = "&lt;/text&gt;&lt;script&gt;alert('x')&lt;/script&gt;&quot;&amp;\\u{202e}\\u{7}";
        assert_eq!(escaped(hostile), shown);
    }

    #[test]
    fn widths_are_those_of_the_font() {
        // DejaVu Sans Condensed: an `i` is 518, an `m` 1796 of 2048 units.
        assert!((text_width("i", 10.0, false) - 11.5 * 518.0 / 2048.0).abs() < 0.1);
        assert!(text_width("mmm", 7.0, false) > 3.0 * text_width("i", 7.0, false));
        assert_eq!(fitted("short", 7.0, 100.0), "short");
        assert_eq!(drawable("τ é 猫"), "τ é \u{fffd}");
        let cut = fitted("a very long name of a model", 7.0, 60.0);
        assert!(cut.starts_with("a very…") && cut.ends_with("model") && text_width(&cut, 7.0, false) <= 60.0, "{cut}");
    }
}
