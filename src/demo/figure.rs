//! How a character is drawn: a recipe of a few shapes, some of them in its coat.

use super::shape::{Colour, Shape, mix, paint, push_ellipse, push_polygon, push_slab};
use crate::vocabulary::SubjectKind;
use tiny_skia::{FillRule, LineCap, LineJoin, Mask, Path, PathBuilder, Pixmap, Stroke, Transform};

/// What a shape is filled with.
pub enum Fill {
    /// The coat: its first colour with its pattern.
    Worn,
    /// The coat's second colour.
    Mark,
    /// The coat's third colour.
    Accent,
    /// A colour of its own, whatever the coat.
    Own(Colour),
}

/// What a character wears.
pub struct Coat {
    /// First colour.
    pub base: Colour,
    /// Pattern on the first colour.
    pub pattern: Pattern,
    /// Second colour: that of the pattern.
    pub mark: Colour,
    /// Third colour.
    pub accent: Colour,
    /// Another coat's pattern on top, at some percent; skin and hair take on its colour too.
    pub stain: Option<(Pattern, u32)>,
}

/// Marks all over a coat.
#[derive(Clone, Copy)]
pub enum Pattern {
    Striped,
    Banded,
    Slanted,
    Dotted,
    Checked,
    Zigzag,
    Ringed,
    Starry,
}

/// One of the cast.
pub struct Character {
    /// Class noun.
    pub label: &'static str,
    /// Human, animal or object.
    pub kind: SubjectKind,
    /// What it wears.
    pub coat: Coat,
    /// Its shapes, back to front; feet are at y = [`FEET`].
    pub parts: &'static [(Fill, Shape)],
}

/// The y coordinate of a figure's feet in its box.
pub const FEET: i32 = 97;

/// Width of outlines, in units.
const OUTLINE: f32 = 1.6;
const INK: Colour = 0x2b2838;
const WHITE: Colour = 0xffffff;
const CHEEK: Colour = 0xe98a8a;

impl Coat {
    /// Returns this coat after it has become another by some percent.
    pub fn bled(&self, other: &Coat, percent: u32) -> Coat {
        Coat {
            base: mix(self.base, other.base, percent),
            pattern: self.pattern,
            mark: mix(self.mark, other.mark, percent),
            accent: mix(self.accent, other.accent, percent),
            stain: Some((other.pattern, percent)),
        }
    }

    fn colour(&self, fill: &Fill) -> Colour {
        match (fill, self.stain) {
            (Fill::Worn, _) => self.base,
            (Fill::Mark, _) => self.mark,
            (Fill::Accent, _) => self.accent,
            (Fill::Own(colour), None) => *colour,
            (Fill::Own(colour), Some((_, percent))) => mix(*colour, self.mark, percent * 2 / 3),
        }
    }
}

impl Character {
    /// Draws it in a coat on a transparent square of `side` pixels, leaning to the right by `lean` percent of its height.
    /// `None`: such a square cannot be made.
    pub fn draw(&self, coat: &Coat, side: u32, lean: i16) -> Option<Pixmap> {
        let mut layer = Pixmap::new(side, side)?;
        let (scale, lean) = (side as f32 / 100.0, f32::from(lean) / 100.0);
        // A shear about the feet.
        let place = Transform::from_row(scale, 0.0, -lean * scale, scale, lean * FEET as f32 * scale, 0.0);
        for (fill, shape) in self.parts {
            let colour = coat.colour(fill);
            let edge = mix(colour, INK, 55);
            let Some(path) = shape.path() else {
                face(&mut layer, shape, place);
                continue;
            };
            if let Some(width) = shape.width() {
                stroke(&mut layer, &path, edge, width + 2.0 * OUTLINE, place);
                stroke(&mut layer, &path, colour, width, place);
                continue;
            }
            layer.fill_path(&path, &paint(colour, 100), FillRule::Winding, place, None);
            if matches!(fill, Fill::Worn) {
                let mut inside = Mask::new(side, side)?;
                inside.fill_path(&path, FillRule::Winding, true, place);
                for (pattern, percent) in [Some((coat.pattern, 100)), coat.stain].into_iter().flatten() {
                    layer.fill_path(&pattern.marks()?, &paint(coat.mark, percent), FillRule::EvenOdd, place, Some(&inside));
                }
            }
            stroke(&mut layer, &path, edge, OUTLINE, place);
        }
        Some(layer)
    }
}

fn face(layer: &mut Pixmap, shape: &Shape, place: Transform) {
    let Shape::Face(x, y, gap) = shape else { return };
    let (x, y, gap) = (f32::from(*x), f32::from(*y), f32::from(*gap));
    for eye in [-gap, gap] {
        for (dx, dy, rx, ry, colour) in [
            (eye * 1.6, 5.0, 2.6, 1.7, CHEEK),
            (eye, 0.0, 3.6, 4.6, WHITE),
            (eye, 0.5, 2.6, 3.6, INK),
            (eye + 0.8, -1.0, 0.9, 1.2, WHITE),
        ] {
            let mut path = PathBuilder::new();
            push_ellipse(&mut path, x + dx, y + dy, rx, ry);
            if let Some(path) = path.finish() {
                layer.fill_path(&path, &paint(colour, 100), FillRule::Winding, place, None);
            }
        }
    }
    let mut mouth = PathBuilder::new();
    mouth.move_to(x - 3.0, y + 5.5);
    mouth.quad_to(x, y + 9.0, x + 3.0, y + 5.5);
    if let Some(mouth) = mouth.finish() {
        stroke(layer, &mouth, INK, 1.3, place);
    }
}

fn stroke(layer: &mut Pixmap, path: &Path, colour: Colour, width: f32, place: Transform) {
    let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
    layer.stroke_path(path, &paint(colour, 100), &stroke, place, None);
}

impl Pattern {
    /// Returns its marks all over the box, to be filled with the even-odd rule.
    fn marks(self) -> Option<Path> {
        /// Five points, of radius 6.6.
        #[rustfmt::skip]
        const STAR: [(f32, f32); 10] = [
            (0.0, -6.6), (1.8, -2.4), (6.3, -2.1), (2.9, 0.9), (3.9, 5.4),
            (0.0, 3.0), (-3.9, 5.4), (-2.9, 0.9), (-6.3, -2.1), (-1.8, -2.4),
        ];
        let steps = |step: i16| (0..=100 / step).map(move |k| f32::from(k * step));
        // Every other row is shifted half a step to the right.
        let staggered = |dy: i16, dx: i16| {
            let shift = move |row: usize| if row.is_multiple_of(2) { 0.0 } else { f32::from(dx) / 2.0 };
            steps(dy).enumerate().flat_map(move |(row, y)| steps(dx).map(move |x| (x + shift(row) - 8.0, y)))
        };
        let mut path = PathBuilder::new();
        match self {
            Pattern::Striped => steps(13).for_each(|x| push_slab(&mut path, [x + 1.0, 0.0, x + 7.0, 100.0], 0.0)),
            Pattern::Banded => steps(13).for_each(|y| push_slab(&mut path, [0.0, y, 100.0, y + 6.0], 0.0)),
            Pattern::Checked => staggered(9, 18).for_each(|(x, y)| push_slab(&mut path, [x, y, x + 9.0, y + 9.0], 0.0)),
            Pattern::Slanted => (0..13).map(|k| 16.0 * f32::from(k as i16)).for_each(|x| {
                push_polygon(&mut path, &[(x, 0.0), (x + 8.0, 0.0), (x - 92.0, 100.0), (x - 100.0, 100.0)]);
            }),
            Pattern::Dotted => staggered(11, 17).for_each(|(x, y)| push_ellipse(&mut path, x, y, 4.4, 4.4)),
            Pattern::Starry => {
                staggered(13, 18).for_each(|(x, y)| push_polygon(&mut path, &STAR.map(|(dx, dy)| (x + dx, y + dy))));
            }
            Pattern::Ringed => steps(6).skip(1).for_each(|r| push_ellipse(&mut path, 50.0, 62.0, r, r)),
            Pattern::Zigzag => steps(15).for_each(|y| {
                let upper = (0..=20_i16).map(|k| (5.0 * f32::from(k), y + 6.0 * f32::from(k % 2)));
                let lower = upper.clone().rev().map(|(x, y)| (x, y + 6.5));
                push_polygon(&mut path, &upper.chain(lower).collect::<Vec<_>>());
            }),
        }
        path.finish()
    }
}
