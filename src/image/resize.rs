//! Pillow's antialiased resize of 8-bit RGB, bit for bit.
//!
//! Separable: a horizontal and a vertical pass, each rounded and clipped to u8. A weight is a filter value,
//! normalised in float64 over its window and rounded to fixed point with [`PRECISION`] fraction bits; when
//! shrinking, the filter's support grows with the scale. The vertical pass is the second, unless the height
//! loses more than twice the pixels that the width loses: Pillow's rule since version 13 (before, it was always
//! the second), which for a kept aspect ratio concerns images of more than 1 : 2. Sources: Pillow's
//! documentation, and comparisons with the bytes of Pillow 13.0.0.
//!
//! Only the [`Window`] that is asked for is computed; it equals the same window of the whole.

use crate::image::filter::Filter;
use crate::image::pixels::Rgb;
use wide::{i16x8, i32x4, u8x16};

/// Fraction bits of a weight: 32 minus 8 for the sample minus 2 for overshoot.
const PRECISION: u32 = 32 - 8 - 2;

/// One half in fixed point, to round the sum.
const HALF: i32 = 1 << (PRECISION - 1);

/// A weight is split as `high · 2^SPLIT + low`, so that both halves are 16-bit and their products with
/// samples take the one 16-bit multiply-add that every x86-64 and ARM machine has.
const SPLIT: u32 = 15;

/// Most bytes that the weights of one block of output columns may take.
const WEIGHT_BYTES: usize = 16 << 20;

/// A rectangle of the resized image, in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Resizes the whole of `rgb` to `width`×`height`.
///
/// # Panics
/// If either image has no pixels.
pub fn resize(rgb: &Rgb, width: u32, height: u32, filter: Filter) -> Rgb {
    resize_window(rgb, width, height, filter, Window { x: 0, y: 0, width, height })
}

/// Resizes `rgb` to `width`×`height` and keeps `window` of it, without computing the rest.
///
/// # Panics
/// If an image or the window has no pixels, or the window is not inside `width`×`height`.
pub fn resize_window(rgb: &Rgb, width: u32, height: u32, filter: Filter, window: Window) -> Rgb {
    assert!(rgb.width > 0 && rgb.height > 0 && window.width > 0 && window.height > 0, "no pixels");
    let inside = |start: u32, length: u32, whole: u32| start.checked_add(length).is_some_and(|end| end <= whole);
    assert!(inside(window.x, window.width, width) && inside(window.y, window.height, height), "window outside");
    if filter == Filter::Nearest {
        return nearest(rgb, width, height, window);
    }
    let across = ResizeAxis::new(rgb.width, width, filter);
    let down = ResizeAxis::new(rgb.height, height, filter);
    let (columns, rows) = (across.reach(window.x, window.width), down.reach(window.y, window.height));
    let part = WindowPart { bytes: &rgb.pixels, stride: rgb.width as usize * 3, column: 0, row: 0 };
    let pixels = if is_vertical_first([rgb.width, rgb.height], [width, height]) {
        let short = vertical_pass(part, columns, &down, (window.y, window.height));
        let part = WindowPart { bytes: &short, stride: (columns.1 - columns.0) as usize * 3, column: columns.0, row: window.y };
        horizontal_pass(part, (window.y, window.y + window.height), &across, (window.x, window.width))
    } else {
        let narrow = horizontal_pass(part, rows, &across, (window.x, window.width));
        let part = WindowPart { bytes: &narrow, stride: window.width as usize * 3, column: window.x, row: rows.0 };
        vertical_pass(part, (window.x, window.x + window.width), &down, (window.y, window.height))
    };
    Rgb { width: window.width, height: window.height, pixels }
}

/// Whether the vertical pass comes first, of an image of this width and height that gets another.
pub(super) fn is_vertical_first([width, height]: [u32; 2], [to_width, to_height]: [u32; 2]) -> bool {
    let lost = |from: u32, to: u32| i64::from(from) - i64::from(to);
    to_height < height && lost(height, to_height) > 2 * lost(width, to_width)
}

/// Rows of RGB that begin at some pixel of the whole image.
#[derive(Clone, Copy)]
pub(super) struct WindowPart<'a> {
    pub(super) bytes: &'a [u8],
    /// Bytes from row to row.
    pub(super) stride: usize,
    /// First column that is there.
    pub(super) column: u32,
    /// First row that is there.
    pub(super) row: u32,
}

impl<'a> WindowPart<'a> {
    /// Row `y` from column `x` on, with all that follows it.
    fn from(&self, x: u32, y: u32) -> &'a [u8] {
        &self.bytes[(y - self.row) as usize * self.stride + (x - self.column) as usize * 3..]
    }
}

/// One axis of a resize: which input samples make an output sample, and with what weights.
pub(super) struct ResizeAxis {
    filter: Filter,
    input: u32,
    /// Whether it keeps its length: it is then not filtered.
    same: bool,
    /// Input samples an output sample.
    scale: f64,
    /// The filter's stretch: the scale when shrinking, else 1.
    stretch: f64,
}

impl ResizeAxis {
    pub(super) fn new(input: u32, output: u32, filter: Filter) -> ResizeAxis {
        let scale = f64::from(input) / f64::from(output);
        ResizeAxis { filter, input, same: input == output, scale, stretch: scale.max(1.0) }
    }

    /// Where output sample `index` looks: its centre on the input axis, the first input sample, and the one
    /// after the last.
    fn span(&self, index: u32) -> (f64, u32, u32) {
        let support = self.filter.support() * self.stretch;
        let center = (f64::from(index) + 0.5) * self.scale;
        // Truncation, as in Pillow; a negative number saturates to 0.
        let first = (center - support + 0.5) as u32;
        let end = ((center + support + 0.5) as u32).min(self.input);
        (center, first.min(end), end)
    }

    /// Input samples needed for `length` output samples from `start`: first, and one after the last.
    fn reach(&self, start: u32, length: u32) -> (u32, u32) {
        if self.same {
            return (start, start + length);
        }
        (self.span(start).1, self.span(start + length - 1).2)
    }

    /// Puts the weights of output sample `index` into `weights`; gives the first input sample.
    fn weights(&self, index: u32, raw: &mut Vec<f64>, weights: &mut Vec<i32>) -> u32 {
        let (center, first, end) = self.span(index);
        let per_sample = 1.0 / self.stretch;
        raw.clear();
        raw.extend((0..end - first).map(|x| self.filter.value((f64::from(x + first) - center + 0.5) * per_sample)));
        let sum: f64 = raw.iter().sum();
        let one = f64::from(1_u32 << PRECISION);
        weights.clear();
        weights.extend(raw.iter().map(|w| {
            let w = if sum == 0.0 { *w } else { w / sum };
            // Half away from zero, by truncation.
            if w < 0.0 { (w * one - 0.5) as i32 } else { (w * one + 0.5) as i32 }
        }));
        first
    }
}

fn split(weight: i32) -> (i16, i16) {
    ((weight & ((1 << SPLIT) - 1)) as i16, (weight >> SPLIT) as i16)
}

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Pixels in a group of the horizontal pass: two halves of four pixels, whose bytes are paired, the first of
/// the one half with the first of the other, so that both of a pair are one channel and one multiply-add
/// ([`i16x8::dot`]) sums them.
const GROUP: usize = 8;
const GROUP_BYTES: usize = 3 * GROUP;

/// Bytes that are read for a group: two loads of 16, half a group apart.
const GROUP_REACH: usize = GROUP_BYTES / 2 + 16;

/// Weights of a group, in the order of the paired bytes: the low halves, then the high ones.
struct Group {
    low: [i16x8; 3],
    high: [i16x8; 3],
}

impl Group {
    /// From the weights of 8 pixels or fewer.
    fn new(weights: &[i32]) -> Group {
        let half = |half: fn(i32) -> i16| {
            let lanes: [i16; GROUP_BYTES] = std::array::from_fn(|lane| {
                let (pair, second) = (lane / 2, lane % 2);
                weights.get(second * GROUP / 2 + pair / 3).map_or(0, |weight| half(*weight))
            });
            let (vectors, _) = lanes.as_chunks::<8>();
            [i16x8::new(vectors[0]), i16x8::new(vectors[1]), i16x8::new(vectors[2])]
        };
        Group { low: half(|w| split(w).0), high: half(|w| split(w).1) }
    }
}

/// An output column: the byte of the row where its first group starts, and its groups.
struct WeightColumn {
    start: usize,
    groups: std::ops::Range<usize>,
}

/// Rows `rows` of `part` (first, and one after the last), each brought to `length` output columns from `x`.
pub(super) fn horizontal_pass(part: WindowPart, rows: (u32, u32), axis: &ResizeAxis, (x, length): (u32, u32)) -> Vec<u8> {
    let out_stride = length as usize * 3;
    if axis.same {
        return (rows.0..rows.1).flat_map(|y| &part.from(x, y)[..out_stride]).copied().collect();
    }
    let mut out = vec![0; out_stride * (rows.1 - rows.0) as usize];
    let (mut raw, mut weights) = (Vec::new(), Vec::new());
    let (mut columns, mut groups) = (Vec::new(), Vec::<Group>::new());
    let mut padded = Vec::new();
    let mut done = 0;
    while done < length {
        // A block of columns whose weights stay small; one block for all but extreme images.
        columns.clear();
        groups.clear();
        let block = done;
        while done < length && (done == block || groups.len() * size_of::<Group>() < WEIGHT_BYTES) {
            let first = axis.weights(x + done, &mut raw, &mut weights) - part.column;
            let begin = groups.len();
            groups.extend(weights.chunks(GROUP).map(Group::new));
            columns.push(WeightColumn { start: 3 * first as usize, groups: begin..groups.len() });
            done += 1;
        }
        // The last group may reach past the row, with weights of zero: into the next row, or into padding.
        let reach = columns.iter().map(|c| c.start + c.groups.len() * GROUP_BYTES + GROUP_REACH - GROUP_BYTES).max().unwrap_or(0);
        for (y, out_row) in (rows.0..rows.1).zip(out.chunks_exact_mut(out_stride)) {
            let rest = part.from(part.column, y);
            let row = match rest.get(..reach) {
                Some(row) => row,
                None => {
                    padded.clear();
                    padded.extend_from_slice(&rest[..part.stride.min(rest.len())]);
                    padded.resize(reach.max(part.stride), 0);
                    &padded
                }
            };
            let out_row = &mut out_row[3 * block as usize..3 * done as usize];
            for (pixel, column) in out_row.as_chunks_mut::<3>().0.iter_mut().zip(&columns) {
                *pixel = weigh_row(&row[column.start..], &groups[column.groups.clone()]);
            }
        }
    }
    out
}

/// One output pixel from the bytes of a row, which go on for [`GROUP_REACH`] from the start of each group.
#[inline]
fn weigh_row(bytes: &[u8], groups: &[Group]) -> [u8; 3] {
    let mut low = [i32x4::ZERO; 3];
    let mut high = [i32x4::ZERO; 3];
    for (group, bytes) in groups.iter().zip(bytes.windows(GROUP_REACH).step_by(GROUP_BYTES)) {
        let (Some(first), Some(second)) = (bytes.first_chunk(), bytes.last_chunk()) else { break };
        let (first, second) = (u8x16::new(*first), u8x16::new(*second));
        let (ahead, behind) = (u8x16::unpack_low(first, second), u8x16::unpack_high(first, second));
        let pairs = [i16x8::from_u8x16_low(ahead), i16x8::from_u8x16_high(ahead), i16x8::from_u8x16_low(behind)];
        for part in 0..3 {
            low[part] += pairs[part].dot(group.low[part]);
            high[part] += pairs[part].dot(group.high[part]);
        }
    }
    let sums: [[i32; 4]; 3] = std::array::from_fn(|part| (low[part] + (high[part] << SPLIT as i32)).to_array());
    let sums = sums.as_flattened();
    std::array::from_fn(|c| clip([c, c + 3, c + 6, c + 9].iter().fold(HALF, |sum, part| sum.wrapping_add(sums[*part]))))
}

/// Bytes that the vertical pass handles at a time: their sums stay in registers.
const STRIP: usize = 16;

/// Columns `columns` of `part` (first, and one after the last), brought to `length` output rows from `y`.
pub(super) fn vertical_pass(part: WindowPart, columns: (u32, u32), axis: &ResizeAxis, (y, length): (u32, u32)) -> Vec<u8> {
    let out_stride = (columns.1 - columns.0) as usize * 3;
    if axis.same {
        return (y..y + length).flat_map(|y| &part.from(columns.0, y)[..out_stride]).copied().collect();
    }
    let mut out = vec![0; out_stride * length as usize];
    let (mut raw, mut weights, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for (y, out_row) in (y..).zip(out.chunks_exact_mut(out_stride)) {
        let first = axis.weights(y, &mut raw, &mut weights);
        pairs.clear();
        pairs.extend(weights.chunks(2).map(|two| RowPair::new(two[0], two.get(1).copied().unwrap_or(0))));
        let rows = part.from(columns.0, first);
        let (strips, rest) = out_row.as_chunks_mut::<STRIP>();
        for (i, strip) in strips.iter_mut().enumerate() {
            *strip = weigh_strip(&rows[STRIP * i..], part.stride, &pairs);
        }
        let done = out_stride - rest.len();
        for (i, byte) in rest.iter_mut().enumerate() {
            let column = rows.iter().skip(done + i).step_by(part.stride);
            *byte = clip(column.zip(&weights).fold(HALF, |sum, (s, w)| sum.wrapping_add(i32::from(*s).wrapping_mul(*w))));
        }
    }
    out
}

/// Weights of two rows, alternating, so that one multiply-add takes a sample of each: the low halves, and the high ones.
struct RowPair {
    low: i16x8,
    high: i16x8,
}

impl RowPair {
    fn new(first: i32, second: i32) -> RowPair {
        let alternating = |[a, b]: [i16; 2]| i16x8::new([a, b, a, b, a, b, a, b]);
        let (first, second) = (split(first), split(second));
        RowPair { low: alternating([first.0, second.0]), high: alternating([first.1, second.1]) }
    }
}

/// One strip of output from the rows below each other, `stride` bytes apart. Where the second row of the last pair is not
/// there, its weight is zero.
#[inline]
fn weigh_strip(rows: &[u8], stride: usize, pairs: &[RowPair]) -> [u8; STRIP] {
    let mut low = [i32x4::splat(HALF); STRIP / 4];
    let mut high = [i32x4::ZERO; STRIP / 4];
    for (pair, two) in pairs.iter().zip(rows.chunks(2 * stride)) {
        let Some(first) = two.first_chunk() else { break };
        let second = two.get(stride..).and_then(|row| row.first_chunk()).unwrap_or(first);
        let (first, second) = (u8x16::new(*first), u8x16::new(*second));
        let (left, right) = (u8x16::unpack_low(first, second), u8x16::unpack_high(first, second));
        let samples = [
            i16x8::from_u8x16_low(left),
            i16x8::from_u8x16_high(left),
            i16x8::from_u8x16_low(right),
            i16x8::from_u8x16_high(right),
        ];
        for (four, samples) in samples.into_iter().enumerate() {
            low[four] += samples.dot(pair.low);
            high[four] += samples.dot(pair.high);
        }
    }
    let sums: [[i32; 4]; STRIP / 4] = std::array::from_fn(|four| (low[four] + (high[four] << SPLIT as i32)).to_array());
    std::array::from_fn(|byte| clip(sums.as_flattened()[byte]))
}

fn nearest(rgb: &Rgb, width: u32, height: u32, window: Window) -> Rgb {
    // Pillow adds the step again and again instead of multiplying: the sum's rounding is part of the result.
    let hits = |input: u32, output: u32, start: u32, length: u32| -> Vec<usize> {
        let step = f64::from(input) / f64::from(output);
        let positions = std::iter::successors(Some(step * 0.5), |at| Some(at + step));
        positions.skip(start as usize).take(length as usize).map(|at| (at as usize).min(input as usize - 1)).collect()
    };
    let across = hits(rgb.width, width, window.x, window.width);
    let source = rgb.pixels.as_chunks::<3>().0;
    let mut pixels = Vec::with_capacity(window.width as usize * window.height as usize * 3);
    for y in hits(rgb.height, height, window.y, window.height) {
        let row = &source[y * rgb.width as usize..][..rgb.width as usize];
        pixels.extend(across.iter().flat_map(|x| row[*x]));
    }
    Rgb { width: window.width, height: window.height, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 7×5 pixels: a ramp that wraps, a parabola, and rows.
    fn source() -> Rgb {
        let pixel = |x: u32, y: u32| [(37 * (x + 2 * y) % 256) as u8, (x * x * 7 % 256) as u8, (255 - 60 * y) as u8];
        let pixels = (0..5).flat_map(|y| (0..7).flat_map(move |x| pixel(x, y))).collect();
        Rgb { width: 7, height: 5, pixels }
    }

    #[test]
    fn shrinks_as_pillow_does() {
        // From Pillow 13.0.0.
        let expected: [(Filter, [u8; 18]); 6] = [
            (Filter::Nearest, [111, 7, 195, 185, 63, 195, 3, 175, 195, 3, 7, 75, 77, 63, 75, 151, 175, 75]),
            (Filter::Lanczos, [97, 3, 207, 128, 63, 207, 111, 201, 207, 109, 3, 63, 105, 63, 63, 127, 201, 63]),
            (Filter::Bilinear, [99, 9, 195, 126, 70, 195, 112, 189, 195, 105, 9, 75, 105, 70, 75, 130, 189, 75]),
            (Filter::Bicubic, [96, 5, 204, 129, 66, 204, 111, 196, 204, 107, 5, 66, 104, 66, 66, 129, 196, 66]),
            (Filter::Box, [93, 4, 195, 128, 68, 195, 107, 214, 195, 86, 4, 45, 114, 68, 45, 143, 214, 45]),
            (Filter::Hamming, [89, 7, 205, 137, 67, 205, 104, 197, 205, 98, 7, 65, 101, 67, 65, 138, 197, 65]),
        ];
        for (filter, pixels) in expected {
            assert_eq!(resize(&source(), 3, 2, filter).pixels, pixels, "{filter:?}");
        }
    }

    #[test]
    fn widens_and_shrinks_at_once() {
        // The second row of 9×4, from Pillow 13.0.0, which goes vertically first here.
        let expected: [(Filter, [u8; 27]); 3] = [
            (
                Filter::Nearest,
                [
                    74, 0, 195, 111, 7, 195, 111, 7, 195, 148, 28, 195, 185, 63, 195, 222, 112, 195, 3, 175, 195, 3, 175, 195,
                    40, 252, 195,
                ],
            ),
            (
                Filter::Lanczos,
                [
                    94, 0, 174, 133, 3, 174, 199, 15, 174, 183, 34, 174, 113, 63, 174, 152, 101, 174, 76, 140, 174, 11, 208, 174,
                    53, 255, 174,
                ],
            ),
            (
                Filter::Bicubic,
                [
                    99, 0, 173, 134, 3, 173, 177, 15, 173, 178, 35, 173, 113, 63, 173, 151, 100, 173, 76, 145, 173, 24, 204, 173,
                    60, 255, 173,
                ],
            ),
        ];
        for (filter, row) in expected {
            assert_eq!(resize(&source(), 9, 4, filter).pixels[27..54], row, "{filter:?}");
        }
    }

    #[test]
    fn a_window_is_that_part_of_the_whole() {
        // Wide enough for whole strips, and for several groups an output pixel.
        let pixels = (0..151 * 67 * 3).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let source = Rgb { width: 151, height: 67, pixels };
        for filter in Filter::ALL {
            for (width, height) in [(40, 31), (151, 31), (40, 67), (151, 67), (200, 90), (140, 9), (1, 1)] {
                let whole = resize(&source, width, height, filter);
                let window = Window { x: width / 3, y: height / 4, width: width.div_ceil(2), height: height.div_ceil(3) };
                let part = resize_window(&source, width, height, filter, window);
                for y in 0..window.height {
                    let start = ((window.y + y) * width + window.x) as usize * 3;
                    let row = &part.pixels[(y * window.width) as usize * 3..][..window.width as usize * 3];
                    assert_eq!(whole.pixels[start..start + row.len()], *row, "{filter:?} {width}×{height} row {y}");
                }
            }
        }
    }

    #[test]
    fn the_same_size_changes_nothing() {
        for filter in Filter::ALL {
            assert_eq!(resize(&source(), 7, 5, filter), source());
        }
    }
}
