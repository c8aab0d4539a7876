//! One look for every figure: inks, and what tells the models apart. Colours are Okabe and Ito's ("Color
//! Universal Design", 2008), which people with any colour vision tell apart; markers and dashes do the same in
//! grey.

use super::canvas::Canvas;

/// Where a figure is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// In the page: colours are its variables, so that they follow light and dark; text is its text.
    Page,
    /// In a paper: black on white.
    Paper,
}

/// What a thing is drawn with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ink {
    /// Labels.
    Text,
    /// Labels of lesser weight, axes, ceilings and chance.
    Muted,
    /// Grid lines.
    Grid,
    /// What lies behind.
    Surface,
    /// The colour of the model at a place in the order of names.
    Model(usize),
    /// Fixed, whatever is around it: red, green, blue.
    Fixed([u8; 3]),
}

/// A line's look.
#[derive(Debug, Clone, Copy)]
pub struct Stroke {
    pub ink: Ink,
    pub width: f64,
    /// Lengths of dashes and gaps; empty: solid.
    pub dash: &'static [f64],
}

impl Stroke {
    pub fn solid(ink: Ink, width: f64) -> Stroke {
        Stroke { ink, width, dash: &[] }
    }
}

/// Okabe and Ito's colours, those first that are dark enough for a thin line on white.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

const DASHES: [&[f64]; 5] = [&[], &[4.0, 1.6], &[1.2, 1.4], &[5.0, 1.4, 1.2, 1.4], &[7.0, 2.0]];

/// How many markers there are.
const MARKERS: usize = 6;

impl Theme {
    pub fn colour(self, ink: Ink) -> String {
        match (self, ink) {
            (_, Ink::Fixed([red, green, blue])) => format!("#{red:02x}{green:02x}{blue:02x}"),
            (Theme::Page, Ink::Text) => "var(--text)".into(),
            (Theme::Page, Ink::Muted) => "var(--muted)".into(),
            (Theme::Page, Ink::Grid) => "var(--rule)".into(),
            (Theme::Page, Ink::Surface) => "var(--surface)".into(),
            (Theme::Page, Ink::Model(i)) => format!("var(--model-{})", i % COLOURS.len() + 1),
            (Theme::Paper, Ink::Text) => "#000000".into(),
            (Theme::Paper, Ink::Muted) => "#4d4d4d".into(),
            (Theme::Paper, Ink::Grid) => "#dddddd".into(),
            (Theme::Paper, Ink::Model(i)) => COLOURS[i % COLOURS.len()].into(),
            (Theme::Paper, _) => "#ffffff".into(),
        }
    }
}

/// Who a series is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A model under test, by its place among them.
    Model(usize),
    /// A control that a perfect model might reach, by its place among the controls.
    Ceiling(usize),
    /// What comes of itself.
    Chance,
}

impl Look {
    pub fn ink(self) -> Ink {
        match self {
            Look::Model(i) => Ink::Model(i),
            Look::Ceiling(_) | Look::Chance => Ink::Muted,
        }
    }

    pub fn stroke(self) -> Stroke {
        match self {
            Look::Model(i) => Stroke { ink: self.ink(), width: 1.3, dash: DASHES[i % DASHES.len()] },
            Look::Ceiling(i) => Stroke { ink: Ink::Muted, width: 0.9, dash: [&[2.6, 1.2][..], &[5.0, 1.0]][i % 2] },
            Look::Chance => Stroke { ink: Ink::Muted, width: 0.9, dash: &[0.8, 1.8] },
        }
    }

    /// Draws the series' marker; chance has none.
    pub fn marker(self, canvas: &mut Canvas, (x, y): (f64, f64), radius: f64) {
        let outline = Some(Stroke::solid(self.ink(), 0.9));
        let polygon = |canvas: &mut Canvas, corners: &[(f64, f64)], fill| {
            let points: Vec<(f64, f64)> = corners.iter().map(|(dx, dy)| (x + dx * radius, y + dy * radius)).collect();
            canvas.path(&points, true, Some(fill), outline);
        };
        const SQUARE: [(f64, f64); 4] = [(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)];
        const UP: [(f64, f64); 3] = [(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)];
        const DIAMOND: [(f64, f64); 4] = [(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)];
        const DOWN: [(f64, f64); 3] = [(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)];
        let ink = self.ink();
        match self {
            Look::Model(i) => match i % MARKERS {
                0 => canvas.circle((x, y), radius, Some(ink), outline),
                1 => polygon(canvas, &SQUARE, Ink::Surface),
                2 => polygon(canvas, &UP, ink),
                3 => polygon(canvas, &DIAMOND, Ink::Surface),
                4 => polygon(canvas, &DOWN, ink),
                _ => canvas.circle((x, y), radius, Some(Ink::Surface), outline),
            },
            Look::Ceiling(i) => {
                // A cross, and for the next control a plus.
                let (dx, dy) = if i % 2 == 0 { (radius, radius) } else { (1.3 * radius, 0.0) };
                canvas.line((x - dx, y - dy), (x + dx, y + dy), Stroke::solid(ink, 0.9));
                canvas.line((x - dy, y + dx), (x + dy, y - dx), Stroke::solid(ink, 0.9));
            }
            Look::Chance => {}
        }
    }
}
