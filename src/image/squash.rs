//! Many parts of an image, each resized to one size. Parts that begin at one column and are as wide share the horizontal
//! pass of the rows that they share, which is most of the work; the bytes are those that each would have alone.

use crate::image::filter::Filter;
use crate::image::pixels::Rgb;
use crate::image::resize::{ResizeAxis, Window, WindowPart, horizontal_pass, is_vertical_first, resize, vertical_pass};
use std::collections::BTreeMap;

/// Each of `parts`, which must lie within `rgb` and have pixels, resized to `width` × `height`: 8-bit RGB, one after another.
pub fn squash(rgb: &Rgb, parts: &[Window], [width, height]: [u32; 2], filter: Filter) -> Vec<u8> {
    let bytes = 3 * width as usize * height as usize;
    let mut out = vec![0; parts.len() * bytes];
    let mut columns: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    for (at, part) in parts.iter().enumerate() {
        if filter == Filter::Nearest || is_vertical_first([part.width, part.height], [width, height]) {
            let alone = resize(&rgb.cut(*part), width, height, filter);
            out[at * bytes..][..bytes].copy_from_slice(&alone.pixels);
        } else {
            columns.entry((part.x, part.width)).or_default().push(at);
        }
    }
    let stride = 3 * width as usize;
    for ((x, wide), places) in columns {
        let across = ResizeAxis::new(wide, width, filter);
        let first = places.iter().map(|at| parts[*at].y).min().unwrap_or(0);
        let end = places.iter().map(|at| parts[*at].y + parts[*at].height).max().unwrap_or(0);
        // Weights of the part alone: what lies beside it is not looked at.
        let beside = WindowPart { bytes: &rgb.pixels[3 * x as usize..], stride: 3 * rgb.width as usize, column: 0, row: 0 };
        let narrow = horizontal_pass(beside, (first, end), &across, (0, width));
        for at in places {
            let Window { y, height: high, .. } = parts[at];
            let down = ResizeAxis::new(high, height, filter);
            let from = (y - first) as usize * stride;
            let part = WindowPart { bytes: &narrow[from..from + high as usize * stride], stride, column: 0, row: 0 };
            out[at * bytes..][..bytes].copy_from_slice(&vertical_pass(part, (0, width), &down, (0, height)));
        }
    }
    out
}

impl Rgb {
    /// Returns a part of the image, which must lie within it.
    pub fn cut(&self, part: Window) -> Rgb {
        let row = |y: u32| {
            let start = (y as usize * self.width as usize + part.x as usize) * 3;
            &self.pixels[start..start + part.width as usize * 3]
        };
        let pixels = (part.y..part.y + part.height).flat_map(row).copied().collect();
        Rgb { width: part.width, height: part.height, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::{Pattern, windows};

    #[test]
    fn parts_are_what_each_would_be_alone() {
        for (wide, high) in [(97_u32, 64_u32), (31, 200), (240, 240), (5, 3), (1, 1)] {
            let pixels = (0..3 * wide * high).map(|n| (n.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
            let rgb = Rgb { width: wide, height: high, pixels };
            let mut parts: Vec<Window> = windows(wide, high, Pattern::Full)
                .iter()
                .map(|w| Window { x: w.x, y: w.y, width: w.width, height: w.height })
                .collect();
            parts.push(Window { x: 0, y: 0, width: wide, height: high });
            parts.push(Window { x: wide / 2, y: 0, width: wide - wide / 2, height: high });
            for size in [[56, 56], [20, 48], [64, 12]] {
                for filter in [Filter::Bicubic, Filter::Bilinear, Filter::Nearest] {
                    let all = squash(&rgb, &parts, size, filter);
                    let each = parts.iter().flat_map(|part| resize(&rgb.cut(*part), size[0], size[1], filter).pixels);
                    assert!(all.into_iter().eq(each), "{wide} × {high} to {size:?} by {filter:?}");
                }
            }
        }
    }
}
