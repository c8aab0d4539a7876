//! Masks: which pixels of an image belong to a region.

use super::super::fields::Fields;
use super::region::Bounds;
use crate::text::quote;
use std::fmt;

/// Most pixels of a mask: those of the largest image that is read.
const MOST_PIXELS: u64 = 100_000_000;

/// A run-length mask of a whole image. It counts column by column, as COCO does: pixels outside, pixels inside, pixels
/// outside, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    width: u32,
    height: u32,
    counts: Vec<u32>,
}

impl Mask {
    /// Returns the mask of these run lengths, the first of which counts pixels outside.
    ///
    /// # Errors
    /// They do not add up to width × height, no pixel is inside, or the image is too large.
    pub fn from_counts(width: u32, height: u32, counts: &[u32]) -> Result<Mask, String> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 || pixels > MOST_PIXELS {
            let bound = format!("{} megapixels at most", MOST_PIXELS / 1_000_000);
            return Err(format!("is of an image of {width} × {height} pixels, which cannot be ({bound})"));
        }
        let sum: u64 = counts.iter().map(|n| u64::from(*n)).sum();
        if sum != pixels {
            return Err(format!("has run lengths for {sum} pixels, but its image has {width} × {height} = {pixels}"));
        }
        // A run without pixels joins the runs beside it: every mask is written in one way.
        let mut runs: Vec<u32> = Vec::with_capacity(counts.len().min(pixels as usize + 1));
        for (i, count) in counts.iter().copied().enumerate() {
            let is_next = i % 2 == runs.len() % 2;
            match runs.last_mut() {
                Some(last) if !is_next => *last += count,
                Some(_) if count == 0 => {}
                _ => runs.push(count),
            }
        }
        if runs.len() < 2 {
            return Err("is empty: no pixel belongs to the region".into());
        }
        Ok(Mask { width, height, counts: runs })
    }

    /// Returns the mask of COCO's compressed run lengths.
    ///
    /// # Errors
    /// The text is not such run lengths, or as for [`Mask::from_counts`].
    pub fn from_compressed(width: u32, height: u32, text: &str) -> Result<Mask, String> {
        let damaged =
            |at: usize| format!("cannot be read at character {}: it is not run lengths as COCO compresses them", at + 1);
        let mut counts: Vec<u32> = Vec::new();
        let (mut value, mut shift) = (0_i64, 0);
        for (at, byte) in text.bytes().enumerate() {
            let bits = byte.checked_sub(48).filter(|b| *b < 64).map(i64::from).ok_or_else(|| damaged(at))?;
            if shift > 30 {
                return Err(damaged(at));
            }
            value |= (bits & 0x1f) << shift;
            shift += 5;
            if bits & 0x20 != 0 {
                continue;
            }
            if bits & 0x10 != 0 {
                value |= -1 << shift;
            }
            if counts.len() > 2 {
                value += i64::from(counts[counts.len() - 2]);
            }
            counts.push(u32::try_from(value).map_err(|_| damaged(at))?);
            (value, shift) = (0, 0);
        }
        if shift > 0 {
            return Err(damaged(text.len()));
        }
        Mask::from_counts(width, height, &counts)
    }

    /// Reads `{"size": [height, width], "counts": …}`, the counts compressed or a list.
    pub(super) fn from_json(json: &str) -> Result<Mask, String> {
        let form = || format!("must be {{\"size\": [height, width], \"counts\": …}}, not {}", quote(json));
        if !json.starts_with('{') {
            return Err(form());
        }
        let fields = Fields::from_json(json)?;
        let size = fields.optional_raw("size").and_then(|raw| serde_json::from_str::<[u32; 2]>(raw).ok());
        let (Some([height, width]), Some(counts)) = (size, fields.optional_raw("counts")) else { return Err(form()) };
        if counts.starts_with('"') {
            let text: String = serde_json::from_str(counts).map_err(|_| form())?;
            return Mask::from_compressed(width, height, &text);
        }
        let counts: Vec<u32> =
            serde_json::from_str(counts).map_err(|_| format!("has `counts` that are not whole numbers: {}", quote(counts)))?;
        Mask::from_counts(width, height, &counts)
    }

    /// Reads a mask as the canonical file and the catalog write it: `{"size": [height, width], "counts": …}`.
    ///
    /// # Errors
    /// It is not one, or as for [`Mask::from_counts`].
    pub fn read(json: &str) -> Result<Mask, String> {
        Mask::from_json(json).map_err(|reason| format!("its mask {reason}"))
    }

    /// Returns the width of its image in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns the height of its image in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns the run lengths; none but the first is 0.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Returns the run lengths as COCO compresses them.
    pub fn compressed(&self) -> String {
        let mut text = String::new();
        for (i, count) in self.counts.iter().enumerate() {
            let mut value = i64::from(*count);
            if i > 2 {
                value -= i64::from(self.counts[i - 2]);
            }
            loop {
                let bits = (value & 0x1f) as u8;
                value >>= 5;
                let more = if bits & 0x10 != 0 { value != -1 } else { value != 0 };
                text.push(char::from(48 + (bits | if more { 0x20 } else { 0 })));
                if !more {
                    break;
                }
            }
        }
        text
    }

    /// Returns the number of pixels inside.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|n| u64::from(*n)).sum()
    }

    /// Returns x, y, width and height of the smallest box that holds every pixel inside.
    pub fn bounds(&self) -> [u32; 4] {
        let [mut left, mut top, mut right, mut bottom] = [self.width, self.height, 0, 0];
        for [from, to] in self.runs() {
            let last = to - 1;
            let [x1, y1, x2, y2] = [from / self.height, from % self.height, last / self.height, last % self.height];
            [left, right] = [left.min(x1), right.max(x2)];
            // A run that goes on in the next column touches the lower edge, and the upper one.
            [top, bottom] = if x1 == x2 { [top.min(y1), bottom.max(y2)] } else { [0, self.height - 1] };
        }
        [left, top, right - left + 1, bottom - top + 1]
    }

    /// Returns whether the pixel at (x, y) is inside.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        if x >= self.width || y >= self.height {
            return false;
        }
        let at = x * self.height + y;
        let mut end = 0;
        let run = self.counts.iter().position(|n| {
            end += n;
            at < end
        });
        run.is_some_and(|i| i % 2 == 1)
    }

    /// Returns whether each pixel of the image is inside, row by row.
    pub fn pixels(&self) -> Vec<bool> {
        let mut inside = vec![false; self.width as usize * self.height as usize];
        for at in self.runs().flat_map(|[from, to]| from..to) {
            let (x, y) = (at / self.height, at % self.height);
            inside[y as usize * self.width as usize + x as usize] = true;
        }
        inside
    }

    /// Fails if the mask is of an image of another size.
    ///
    /// # Errors
    /// It is.
    pub fn fits(&self, width: u32, height: u32) -> Result<(), String> {
        if [self.width, self.height] == [width, height] {
            return Ok(());
        }
        Err(format!("the mask is of an image of {} × {} pixels, but this one has {width} × {height}", self.width, self.height))
    }

    /// Returns where each run of pixels inside starts and ends, column by column.
    fn runs(&self) -> impl Iterator<Item = [u32; 2]> + '_ {
        let mut end = 0;
        self.counts.chunks(2).filter_map(move |pair| {
            let from = end + pair[0];
            end = from + pair.get(1)?;
            Some([from, end])
        })
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.compressed())
    }
}

/// Most points of an outline.
const MOST_POINTS: usize = 10_000;

/// Most columns × points that are looked at to draw an outline.
const MOST_CROSSINGS: u64 = 1_000_000_000;

/// The outline of a region: one or more polygons, whose union it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Each has three points or more.
    polygons: Vec<Vec<[f64; 2]>>,
    in_shares: bool,
}

impl Outline {
    /// Returns the outline of these polygons, whose points (x, y) are in pixels.
    ///
    /// # Errors
    /// There is no polygon, one has fewer than three points, there are too many points, or a number is not finite.
    pub fn pixels(polygons: Vec<Vec<[f64; 2]>>) -> Result<Outline, String> {
        Outline::new(polygons, false)
    }

    /// Returns the outline of these polygons, whose points (x, y) are in shares of the image's width and height.
    ///
    /// # Errors
    /// As for [`Outline::pixels`].
    pub fn shares(polygons: Vec<Vec<[f64; 2]>>) -> Result<Outline, String> {
        Outline::new(polygons, true)
    }

    fn new(polygons: Vec<Vec<[f64; 2]>>, in_shares: bool) -> Result<Outline, String> {
        if polygons.is_empty() || polygons.iter().any(|p| p.len() < 3) {
            return Err("the outline has a polygon of fewer than three points".into());
        }
        let points: usize = polygons.iter().map(Vec::len).sum();
        if points > MOST_POINTS {
            return Err(format!("the outline has {points} points; {MOST_POINTS} can be read"));
        }
        if polygons.iter().flatten().flatten().any(|n| !n.is_finite()) {
            return Err("the outline has a number that is not finite".into());
        }
        Ok(Outline { polygons, in_shares })
    }

    /// Returns the smallest box that holds the outline.
    ///
    /// # Errors
    /// As for [`Bounds::pixels`] and [`Bounds::shares`].
    pub fn bounds(&self) -> Result<Bounds, String> {
        let ends = |axis: usize| {
            let values = self.polygons.iter().flatten().map(|point| point[axis]);
            values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], n| [low.min(n), high.max(n)])
        };
        let ([left, right], [top, bottom]) = (ends(0), ends(1));
        let numbers = [left, top, right - left, bottom - top];
        if self.in_shares { Bounds::shares(numbers) } else { Bounds::pixels(numbers) }
    }

    /// Returns the mask of the pixels whose centres lie within the outline. Where a polygon crosses itself, what it goes
    /// round twice is outside.
    ///
    /// # Errors
    /// No pixel's centre is within, or the image is too large for so many points.
    pub fn draw(&self, width: u32, height: u32) -> Result<Mask, String> {
        let points: usize = self.polygons.iter().map(Vec::len).sum();
        if u64::from(width) * points as u64 > MOST_CROSSINGS || u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(format!("an outline of {points} points cannot be drawn on an image of {width} × {height} pixels"));
        }
        let scale = if self.in_shares { [f64::from(width), f64::from(height)] } else { [1.0, 1.0] };
        let (mut counts, mut drawn) = (vec![0_u32], 0_u32);
        for x in 0..width {
            for [from, to] in self.spans(f64::from(x) + 0.5, scale, height) {
                let [from, to] = [x * height + from, x * height + to];
                counts.extend([from - drawn, to - from]);
                drawn = to;
            }
        }
        counts.extend([width * height - drawn]);
        // The first run is of length 0, and the next one outside again: `from_counts` joins them.
        counts.insert(1, 0);
        Mask::from_counts(width, height, &counts).map_err(|_| "no pixel's centre lies within the outline".into())
    }

    /// Returns which pixels of a column lie within, as ascending spans that do not touch.
    fn spans(&self, x: f64, scale: [f64; 2], height: u32) -> Vec<[u32; 2]> {
        let mut spans: Vec<[u32; 2]> = Vec::new();
        for polygon in &self.polygons {
            let ends = polygon.iter().zip(polygon.iter().cycle().skip(1));
            let crossing = |(a, b): (&[f64; 2], &[f64; 2])| {
                let ([ax, ay], [bx, by]) = ([a[0] * scale[0], a[1] * scale[1]], [b[0] * scale[0], b[1] * scale[1]]);
                ((ax <= x) != (bx <= x)).then(|| ay + (x - ax) / (bx - ax) * (by - ay))
            };
            let mut crossings: Vec<f64> = ends.filter_map(crossing).collect();
            crossings.sort_by(f64::total_cmp);
            // The first pixel whose centre lies at or below y.
            let pixel = |y: f64| (y - 0.5).ceil().clamp(0.0, f64::from(height)) as u32;
            spans.extend(crossings.chunks_exact(2).map(|pair| [pixel(pair[0]), pixel(pair[1])]).filter(|[from, to]| from < to));
        }
        spans.sort_unstable();
        let mut joined: Vec<[u32; 2]> = Vec::new();
        for [from, to] in spans {
            match joined.last_mut() {
                Some(last) if from <= last[1] => last[1] = last[1].max(to),
                _ => joined.push([from, to]),
            }
        }
        joined
    }
}
