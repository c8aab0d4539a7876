//! A picture of several characters: where each stands, and what is around them.

use super::cast::CAST;
use super::generator::Fate;
use super::shape::{Colour, mix, paint, push_ellipse};
use super::{figure, roll};
use crate::image::Rgb;
use crate::vocabulary::SceneType;
use tiny_skia::{ColorU8, FillRule, PathBuilder, Pixmap, PixmapPaint, Transform};

/// Width and height of every picture, in pixels.
const SIDE: i32 = 512;

/// Pixels that an encoder's crop may cut off at each edge; no character stands there.
const MARGIN: i32 = 24;

/// Width and height of the figure in a reference, and the colour behind it.
const REFERENCE: i32 = 480;
const PLAIN: Colour = 0xf3f0ea;

/// Where a figure stands.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    /// x coordinate of the middle of its feet.
    pub x: i32,
    /// y coordinate of its feet; the figure with the larger one stands in front.
    pub y: i32,
    side: i32,
    lean: i16,
}

impl Spot {
    /// Returns the square that a figure is drawn in, which may reach beyond the picture: x, y, width, height in pixels.
    pub fn frame(&self) -> [i32; 4] {
        [self.x - self.side / 2, self.y - self.side * figure::FEET / 100, self.side, self.side]
    }
}

/// Colours of the sky above and at the horizon, of far hills, and of the ground far and near. All are pale, so that the
/// figures stand out.
struct Placement {
    sky: [Colour; 2],
    hills: Colour,
    ground: [Colour; 2],
}

/// The places: a meadow, a beach, snow, a desert, a square at dusk.
const PLACES: [Placement; 5] = [
    Placement { sky: [0xe1eaec, 0xf2f1e8], hills: 0xdbe3d6, ground: [0xe3e8d4, 0xdbe2cb] },
    Placement { sky: [0xe5ebec, 0xf5f0e6], hills: 0xd6e2e3, ground: [0xf2ead9, 0xebe2cd] },
    Placement { sky: [0xe6e8ea, 0xf2efed], hills: 0xe0e3e5, ground: [0xf3f2ee, 0xe9eaea] },
    Placement { sky: [0xf2e6dc, 0xf5eee2], hills: 0xe8d8cc, ground: [0xede0cd, 0xe6d6c1] },
    Placement { sky: [0xe8e3e9, 0xf3ece8], hills: 0xdbd6df, ground: [0xe5e2dd, 0xddd9d6] },
];

/// Returns a number from `-most` to `most`; see [`roll`].
fn jitter(key: &str, most: i32) -> i32 {
    roll(key, 2 * most as u32 + 1) as i32 - most
}

/// Returns where `count` characters stand; `key` varies it.
pub fn spots(count: usize, scene: SceneType, key: &str) -> Vec<Spot> {
    // How many in each row, back to front, and how large: the more there are, the smaller each is, but the picture is fuller.
    let (rows, side) = match count {
        0..=3 => (vec![count], 285),
        4 => (vec![2, 2], 200),
        5..=6 => (vec![count - 3, 3], 164),
        7..=8 => (vec![count - 5, 2, 3], 150),
        _ => (vec![count / 3, count / 3, count - 2 * (count / 3)], 138),
    };
    let side = if scene == SceneType::Neutral { side } else { side * 110 / 100 };
    let (usable, depth) = (SIDE - 2 * MARGIN, rows.len() as i32);
    let mut spots = Vec::with_capacity(count);
    for (row, &members) in (0..).zip(&rows) {
        let feet = match depth {
            1 => SIDE / 2 + 20 + side / 2,
            _ => SIDE - MARGIN - 10 - (depth - 1 - row) * side.min((usable - side) / (depth - 1)),
        };
        let members = members as i32;
        for column in 0..members {
            let key = format!("{key}/{row}/{column}");
            let width = usable / members;
            let (mut x, mut y, mut lean) = (MARGIN + width * column + width / 2, feet, 0);
            match scene {
                SceneType::Neutral => {}
                // The row closes up until each hides a part of its neighbour.
                SceneType::Occlusion => {
                    x = SIDE / 2 + (x - SIDE / 2) * (side * 62 / 100) / width;
                    y += if column % 2 == 0 { 6 } else { -6 };
                }
                // Pairs turn to each other, close enough to touch.
                SceneType::Interaction => {
                    let partner = if column % 2 == 1 { -1 } else { i32::from(column + 1 < members) };
                    x += partner * (width - side * 80 / 100).max(0) / 2;
                    lean = 9 * partner as i16;
                }
            }
            spots.push(Spot {
                x: x + jitter(&format!("{key}/x"), 4),
                y: y + jitter(&format!("{key}/y"), 4),
                side: side * (100 + jitter(&format!("{key}/side"), 5)) / 100,
                lean,
            });
        }
    }
    spots
}

/// Draws a character of the cast alone. `None`, here as elsewhere: there is no memory for a picture.
pub fn reference(who: usize) -> Option<Rgb> {
    let mut canvas = Pixmap::new(SIDE as u32, SIDE as u32)?;
    fill_rows(&mut canvas, 0..SIDE, |_| PLAIN);
    let spot = Spot { x: SIDE / 2, y: SIDE / 2 + REFERENCE * (figure::FEET - 50) / 100, side: REFERENCE, lean: 0 };
    put(&mut canvas, &spot, &drawn(who, Fate::Kept, &spot)?);
    Some(pixels(&canvas))
}

/// Draws characters of the cast at their spots, each with its fate. `place` chooses the place; `key` varies the weather.
pub fn scene(members: &[(Spot, usize, Fate)], place: &str, key: &str) -> Option<Rgb> {
    let mut canvas = backdrop(place, key)?;
    let mut members = members.to_vec();
    members.sort_by_key(|(spot, ..)| spot.y);
    for (spot, who, fate) in members {
        ellipses(&mut canvas, &[[spot.x, spot.y, spot.side / 3, spot.side / 20]], 0x6b6475, 35)?;
        put(&mut canvas, &spot, &drawn(who, fate, &spot)?);
    }
    Some(pixels(&canvas))
}

/// Draws a character according to its fate.
fn drawn(who: usize, fate: Fate, spot: &Spot) -> Option<Pixmap> {
    let side = spot.side as u32;
    match fate {
        Fate::Kept => CAST[who].draw(&CAST[who].coat, side, spot.lean),
        Fate::Replaced { by } => CAST[by].draw(&CAST[by].coat, side, spot.lean),
        Fate::Bled { from, percent } => {
            let coat = CAST[who].coat.bled(&CAST[from].coat, percent);
            let (mut layer, other) = (CAST[who].draw(&coat, side, spot.lean)?, CAST[from].draw(&coat, side, spot.lean)?);
            // The other's shape rises from the ground; the stronger it is, the higher.
            let seam = (spot.side * (120 - percent as i32).min(100) / 100 * spot.side) as usize;
            layer.pixels_mut()[seam..].copy_from_slice(&other.pixels()[seam..]);
            Some(layer)
        }
    }
}

fn backdrop(place: &str, key: &str) -> Option<Pixmap> {
    let mut canvas = Pixmap::new(SIDE as u32, SIDE as u32)?;
    let about = |middle: i32, most: i32, what: &str| middle + jitter(&format!("{key}/{what}"), most);
    let horizon = 170 + jitter(&format!("{place}/horizon"), 24);
    let place = &PLACES[roll(place, PLACES.len() as u32) as usize];
    fill_rows(&mut canvas, 0..horizon, |row| mix(place.sky[0], place.sky[1], (100 * row / horizon) as u32));
    ellipses(&mut canvas, &[[about(SIDE / 2, 200, "sun"), 62, 34, 34]], 0xfff7da, 90)?;
    for cloud in ["this cloud", "that cloud"] {
        let (x, y) = (about(SIDE / 2, 230, cloud), about(70, 30, &format!("{cloud}'s height")));
        ellipses(&mut canvas, &[[x - 34, y + 6, 30, 15], [x, y - 4, 36, 18], [x + 36, y + 6, 28, 14]], 0xffffff, 60)?;
    }
    let hills = ["hill 1", "hill 2", "hill 3"].map(|hill| [about(SIDE / 2, 260, hill), horizon, about(122, 20, hill), 52]);
    ellipses(&mut canvas, &hills, place.hills, 100)?;
    let ground = |row: i32| mix(place.ground[0], place.ground[1], (100 * (row - horizon) / (SIDE - horizon)) as u32);
    fill_rows(&mut canvas, horizon..SIDE, ground);
    let tufts: Vec<[i32; 4]> = (0..12)
        .map(|tuft| [about(SIDE / 2, 250, &format!("tuft {tuft}")), about(350, 150, &format!("tuft {tuft}'s height")), 16, 3])
        .collect();
    ellipses(&mut canvas, &tufts, place.ground[1], 100)?;
    Some(canvas)
}

/// Fills ellipses, given by centre and radii, as one.
fn ellipses(canvas: &mut Pixmap, all: &[[i32; 4]], colour: Colour, percent: u32) -> Option<()> {
    let mut path = PathBuilder::new();
    all.iter().map(|one| one.map(|v| v as f32)).for_each(|[x, y, rx, ry]| push_ellipse(&mut path, x, y, rx, ry));
    canvas.fill_path(&path.finish()?, &paint(colour, percent), FillRule::Winding, Transform::identity(), None);
    Some(())
}

fn fill_rows(canvas: &mut Pixmap, rows: std::ops::Range<i32>, colour: impl Fn(i32) -> Colour) {
    for row in rows {
        let [_, r, g, b] = colour(row).to_be_bytes();
        let start = (row * SIDE) as usize;
        canvas.pixels_mut()[start..start + SIDE as usize].fill(ColorU8::from_rgba(r, g, b, 255).premultiply());
    }
}

fn put(canvas: &mut Pixmap, spot: &Spot, layer: &Pixmap) {
    let [left, top, ..] = spot.frame();
    canvas.draw_pixmap(left, top, layer.as_ref(), &PixmapPaint::default(), Transform::identity(), None);
}

fn pixels(canvas: &Pixmap) -> Rgb {
    let pixels = canvas.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
    Rgb { width: canvas.width(), height: canvas.height(), pixels }
}
