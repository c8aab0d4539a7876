//! Shapes in a box of 100 × 100 units, and the outlines they become.
//!
//! Coordinates are whole numbers, and nothing calls the platform's mathematics library: only + − × ÷ and √, which IEEE 754
//! defines to the last bit, are used. So a picture has the same bytes everywhere.

use tiny_skia::{Paint, Path, PathBuilder, Rect, Transform};

/// A colour as 0xRRGGBB.
pub type Colour = u32;

/// A point of the box: x to the right, y down.
pub type Point = (i16, i16);

/// A shape; one that is not symmetrical about x = 50 can be mirrored.
pub enum Shape {
    /// An ellipse: centre and radii.
    Ball(i16, i16, i16, i16),
    /// A rounded rectangle: left, top, right, bottom, radius of the corners.
    Slab(i16, i16, i16, i16, i16),
    /// A polygon: its corners.
    Poly(&'static [Point]),
    /// A closed smooth curve through points.
    Blob(&'static [Point]),
    /// A smooth line through points, and its width.
    Line(&'static [Point], i16),
    /// A shape and its mirror image.
    Both(&'static Shape),
    /// Two eyes on either side of a point, at this distance from it, and a mouth below.
    Face(i16, i16, i16),
}

impl Shape {
    /// Returns its outline; `None` for a face, which has more than one.
    pub fn path(&self) -> Option<Path> {
        let f = |v: &i16| f32::from(*v);
        let all = |points: &[Point]| points.iter().map(|(x, y)| (f(x), f(y))).collect::<Vec<_>>();
        let mut path = PathBuilder::new();
        match self {
            Shape::Ball(x, y, rx, ry) => push_ellipse(&mut path, f(x), f(y), f(rx), f(ry)),
            Shape::Slab(left, top, right, bottom, r) => push_slab(&mut path, [f(left), f(top), f(right), f(bottom)], f(r)),
            Shape::Poly(points) => push_polygon(&mut path, &all(points)),
            Shape::Blob(points) => push_smooth(&mut path, &all(points), true),
            Shape::Line(points, _) => push_smooth(&mut path, &all(points), false),
            Shape::Both(shape) => {
                let one = shape.path()?;
                path.push_path(&one.clone().transform(Transform::from_row(-1.0, 0.0, 0.0, 1.0, 100.0, 0.0))?);
                path.push_path(&one);
            }
            Shape::Face(..) => return None,
        }
        path.finish()
    }

    /// Returns the width of a line.
    pub fn width(&self) -> Option<f32> {
        match self {
            Shape::Line(_, width) => Some(f32::from(*width)),
            Shape::Both(shape) => shape.width(),
            _ => None,
        }
    }
}

pub fn push_ellipse(path: &mut PathBuilder, x: f32, y: f32, rx: f32, ry: f32) {
    if let Some(bounds) = Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry) {
        path.push_oval(bounds);
    }
}

/// Adds a rectangle with rounded corners.
pub fn push_slab(path: &mut PathBuilder, [left, top, right, bottom]: [f32; 4], r: f32) {
    path.move_to(left + r, top);
    path.line_to(right - r, top);
    path.quad_to(right, top, right, top + r);
    path.line_to(right, bottom - r);
    path.quad_to(right, bottom, right - r, bottom);
    path.line_to(left + r, bottom);
    path.quad_to(left, bottom, left, bottom - r);
    path.line_to(left, top + r);
    path.quad_to(left, top, left + r, top);
    path.close();
}

pub fn push_polygon(path: &mut PathBuilder, points: &[(f32, f32)]) {
    for (i, (x, y)) in points.iter().enumerate() {
        if i == 0 { path.move_to(*x, *y) } else { path.line_to(*x, *y) }
    }
    path.close();
}

/// Adds the smooth curve through all points (Catmull and Rom), closed or not.
fn push_smooth(path: &mut PathBuilder, points: &[(f32, f32)], closed: bool) {
    let count = points.len();
    let at = |i: usize| match closed {
        // Starts one before the first, so that no index is negative.
        true => points[(i + count - 1) % count],
        false => points[i.saturating_sub(1).min(count - 1)],
    };
    path.move_to(at(1).0, at(1).1);
    for i in 1..if closed { count + 1 } else { count } {
        let (before, from, to, after) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        let first = (from.0 + (to.0 - before.0) / 6.0, from.1 + (to.1 - before.1) / 6.0);
        let second = (to.0 - (after.0 - from.0) / 6.0, to.1 - (after.1 - from.1) / 6.0);
        path.cubic_to(first.0, first.1, second.0, second.1, to.0, to.1);
    }
    if closed {
        path.close();
    }
}

/// Returns paint of some percent: 100 is opaque.
pub fn paint(colour: Colour, percent: u32) -> Paint<'static> {
    let [_, r, g, b] = colour.to_be_bytes();
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, (percent * 255 / 100) as u8);
    paint
}

/// Returns the colour some percent of the way to another.
pub fn mix(from: Colour, to: Colour, percent: u32) -> Colour {
    let (from, to) = (from.to_be_bytes(), to.to_be_bytes());
    let channel = |k: usize| ((u32::from(from[k]) * (100 - percent) + u32::from(to[k]) * percent + 50) / 100) as u8;
    u32::from_be_bytes([0, channel(1), channel(2), channel(3)])
}
