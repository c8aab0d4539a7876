//! Masks: which pixels of an image belong to a region.

use super::super::fields::Fields;
use crate::text::quote;
use std::fmt;

/// Most pixels of a mask: those of the largest image that is read.
pub const MOST_PIXELS: u64 = 100_000_000;

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

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A mask of pixels given row by row.
    pub fn of_pixels(width: u32, height: u32, inside: impl Fn(u32, u32) -> bool) -> Result<Mask, String> {
        let mut counts = vec![0_u32];
        for at in 0..width * height {
            // An even number of runs ends within.
            if inside(at / height, at % height) != (counts.len() % 2 == 0) {
                counts.push(0);
            }
            *counts.last_mut().unwrap() += 1;
        }
        Mask::from_counts(width, height, &counts)
    }

    #[test]
    fn run_lengths_are_compressed_as_coco_does() {
        // As pycocotools 2.0 writes them.
        let rectangle = of_pixels(64, 48, |x, y| (10..27).contains(&x) && (20..29).contains(&y)).unwrap();
        assert_eq!(rectangle.compressed(), "d?9W10000000000000000000000000000000lf1");
        assert_eq!((rectangle.area(), rectangle.bounds()), (153, [10, 20, 17, 9]));
        let rows =
            [[1, 1, 0, 0, 1, 1, 1], [1, 0, 1, 1, 0, 1, 0], [0, 0, 1, 0, 0, 1, 1], [0, 1, 1, 0, 0, 1, 0], [1, 0, 1, 1, 0, 0, 1]];
        let mixed = of_pixels(7, 5, |x, y| rows[y as usize][x as usize] == 1).unwrap();
        assert_eq!(mixed.compressed(), "02200O03OM1122MM0000");
        assert_eq!(mixed.counts(), [0, 2, 2, 2, 2, 1, 2, 4, 1, 1, 2, 2, 4, 4, 1, 1, 1, 1, 1, 1]);
        let wide = of_pixels(900, 1000, |x, y| (3..700).contains(&x) || (x, y) == (0, 0)).unwrap();
        assert_eq!((wide.compressed().as_str(), wide.area(), wide.bounds()), ("01gm2WeXe0Y\\P6", 697_001, [0, 0, 700, 1000]));
        assert_eq!(of_pixels(5, 3, |_, _| true).unwrap().compressed(), "0?");
        for mask in [rectangle, mixed, wide] {
            assert_eq!(Mask::from_compressed(mask.width, mask.height, &mask.compressed()), Ok(mask));
        }
    }

    #[test]
    fn what_a_mask_holds_does_not_depend_on_how_it_is_asked() {
        let mut state = 1_u32;
        for round in 0..200 {
            let (width, height) = (1 + round % 13, 1 + round % 7);
            let bits: Vec<bool> = (0..width * height)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state >> 30 == 0
                })
                .collect();
            let inside = |x: u32, y: u32| bits[(y * width + x) as usize];
            let Ok(mask) = of_pixels(width, height, inside) else {
                assert!(!bits.contains(&true));
                continue;
            };
            assert_eq!(mask.pixels(), bits);
            assert_eq!(mask.area(), bits.iter().filter(|b| **b).count() as u64);
            let all: Vec<(u32, u32)> =
                (0..width * height).map(|i| (i % width, i / width)).filter(|(x, y)| inside(*x, *y)).collect();
            let (xs, ys) = (all.iter().map(|p| p.0), all.iter().map(|p| p.1));
            let [x, y] = [xs.clone().min().unwrap(), ys.clone().min().unwrap()];
            assert_eq!(mask.bounds(), [x, y, xs.max().unwrap() - x + 1, ys.max().unwrap() - y + 1]);
            assert!((0..width * height).all(|i| mask.contains(i % width, i / width) == bits[i as usize]));
            assert!(!mask.contains(width, 0) && !mask.contains(0, height));
            assert_eq!(Mask::from_compressed(width, height, &mask.compressed()), Ok(mask));
        }
    }

    #[test]
    fn a_mask_is_written_in_one_way() {
        let written: [&[u32]; 3] = [&[1, 2, 3], &[1, 1, 0, 1, 3], &[0, 0, 1, 2, 0, 0, 3, 0, 0]];
        for counts in written {
            assert_eq!(Mask::from_counts(3, 2, counts).unwrap().counts(), [1, 2, 3], "{counts:?}");
        }
    }

    #[test]
    fn masks_that_cannot_be() {
        let refused = |json: &str, part: &str| {
            let said = Mask::from_json(json).unwrap_err();
            assert!(said.contains(part), "{json}: {said}");
        };
        refused(r#"{"size": [48, 64], "counts": "d?9W1"}"#, "run lengths for");
        refused(r#"{"size": [2, 3], "counts": [1, 2, 4]}"#, "has run lengths for 7 pixels, but its image has 3 × 2 = 6");
        refused(r#"{"size": [2, 3], "counts": [6]}"#, "is empty");
        refused(r#"{"size": [2, 3], "counts": [1, -2, 7]}"#, "not whole numbers");
        refused(r#"{"size": [2, 3], "counts": [1, 4294967295, 4294967295]}"#, "run lengths for 8589934591 pixels");
        refused(r#"{"size": [2, 3], "counts": "0 1"}"#, "at character 2");
        refused(r#"{"size": [2, 3], "counts": "0oooooooooo"}"#, "cannot be read at character");
        refused(r#"{"size": [2, 3], "counts": "o"}"#, "cannot be read at character 2");
        refused(r#"{"size": [2, 3], "counts": "O0"}"#, "cannot be read at character 1");
        refused(r#"{"size": [1000000, 1000000], "counts": [0]}"#, "100 megapixels at most");
        refused(r#"{"size": [0, 3], "counts": [0]}"#, "cannot be");
        refused(r#"{"size": [2.5, 3], "counts": [0]}"#, "must be");
        refused(r#""abc""#, "must be");
    }
}
