//! From brightness and colour differences, as JPEG files hold them, to RGB: libjpeg's smooth upsampling and its colours, in
//! its integers.

use wide::bytemuck::cast;
use wide::{i16x8, i32x4, i32x8, u8x16};

/// Pixels whose colours are made at a time; rows are padded to a multiple.
const STRIP: usize = 16;

/// How many pixels have a sample of each colour difference in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Each has its own: 4:4:4.
    One,
    /// Two beside each other: 4:2:2.
    Two,
    /// Two by two: 4:2:0.
    Four,
}

impl Sharing {
    /// Rows of pixels to a row of colour differences.
    fn high(self) -> usize {
        if self == Sharing::Four { 2 } else { 1 }
    }

    /// Columns of pixels to a column of colour differences.
    fn wide(self) -> usize {
        if self == Sharing::One { 1 } else { 2 }
    }
}

/// The rows of a band in one plane, behind the last row of the band before.
struct Plane {
    samples: Vec<u8>,
    stride: usize,
}

impl Plane {
    fn row(&self, index: usize) -> &[u8] {
        &self.samples[index * self.stride..][..self.stride]
    }
}

/// A picture in three planes, of which a band is there at a time: eight rows of colour differences, and the brightness of
/// the same pixels.
pub struct Bands {
    sharing: Sharing,
    width: usize,
    height: usize,
    /// Rows of pixels of the bands before.
    before: usize,
    planes: [Plane; 3],
    sums: Vec<u16>,
    widened: [Vec<[u8; 2]>; 2],
}

impl Bands {
    /// The bands of a picture that is more than four pixels wide, if they share any; its planes are of so many blocks.
    pub fn new(sharing: Sharing, width: u32, height: u32, blocks: [u32; 3]) -> Bands {
        let rows = [8 * sharing.high(), 8, 8];
        let planes: [Plane; 3] = std::array::from_fn(|plane| {
            let stride = (8 * blocks[plane] as usize).next_multiple_of(STRIP);
            Plane { samples: vec![0; stride * (1 + rows[plane])], stride }
        });
        let widened = std::array::from_fn(|_| vec![[0; 2]; planes[0].stride / 2]);
        Bands { sharing, width: width as usize, height: height as usize, before: 0, planes, sums: Vec::new(), widened }
    }

    /// The rows of each plane, for the next band.
    pub fn rows(&mut self) -> [impl Iterator<Item = &mut [u8]>; 3] {
        self.planes.each_mut().map(|plane| plane.samples.chunks_exact_mut(plane.stride).skip(1))
    }

    /// Puts the rows of pixels that can be made, now that a band is there, into `rgb`, the whole picture: up to the band's last but
    /// one, as the last may need the next band.
    pub fn convert(&mut self, rgb: &mut [u8]) {
        let (high, before) = (self.sharing.high(), self.before);
        self.before += 8 * high;
        let end = if self.before < self.height { self.before - 1 } else { self.height };
        let columns = self.width.div_ceil(self.sharing.wide());
        let lowest = self.height.div_ceil(high) - 1;
        let [light, differences @ ..] = &self.planes;
        let rows = (0..end).zip(rgb.chunks_exact_mut(3 * self.width)).skip(before.saturating_sub(1));
        for (y, rgb) in rows {
            let near = y / high;
            let next = match (self.sharing, y % 2) {
                (Sharing::Four, 0) => near.saturating_sub(1),
                (Sharing::Four, _) => lowest.min(near + 1),
                _ => near,
            };
            let light = light.row(y + 1 - before);
            let [near, next] = [near, next].map(|row| row + 1 - before / high);
            if self.sharing == Sharing::One {
                convert(light, differences[0].row(near), differences[1].row(near), rgb);
                continue;
            }
            for (plane, widened) in differences.iter().zip(&mut self.widened) {
                let [near, next] = [near, next].map(|row| &plane.row(row)[..columns]);
                widen(self.sharing, near, next, &mut self.sums, widened);
            }
            convert(light, self.widened[0].as_flattened(), self.widened[1].as_flattened(), rgb);
        }
        for plane in &mut self.planes {
            let last = plane.samples.len() - plane.stride;
            plane.samples.copy_within(last.., 0);
        }
    }
}

/// Brings a row of samples to twice its width; `next` is the next row to the pixels, if they share the samples of a column.
///
/// Of a pixel, three quarters are the sample that it shares and a quarter the next to it, across and then down; past the
/// edge the next is the same again. What is half is rounded up and down in turns.
fn widen(sharing: Sharing, near: &[u8], next: &[u8], sums: &mut Vec<u16>, widened: &mut [[u8; 2]]) {
    let bias = if sharing == Sharing::Four { [8, 7] } else { [4, 8] };
    // Four times a sample, with one more at both ends.
    sums.clear();
    sums.push(0);
    sums.extend(near.iter().zip(next).map(|(near, next)| 3 * u16::from(*near) + u16::from(*next)));
    sums.push(sums[near.len()]);
    sums[0] = sums[1];
    for (pair, sums) in widened.iter_mut().zip(sums.windows(3)) {
        let three = 3 * sums[1];
        *pair = [((three + sums[0] + bias[0]) >> 4) as u8, ((three + sums[2] + bias[1]) >> 4) as u8];
    }
}

/// Makes a row of `rgb`; the others are of at least as many samples, in whole strips.
fn convert(light: &[u8], blue: &[u8], red: &[u8], rgb: &mut [u8]) {
    let strips = light.as_chunks().0.iter().zip(blue.as_chunks().0).zip(red.as_chunks().0);
    let mut strips = strips.map(|((light, blue), red)| strip(u8x16::new(*light), u8x16::new(*blue), u8x16::new(*red)));
    let (whole, rest) = rgb.as_chunks_mut::<{ 3 * STRIP }>();
    // Whole strips apart from the rest: of a length that is known they are written without a call.
    for (rgb, strip) in whole.iter_mut().zip(&mut strips) {
        *rgb = strip;
    }
    if let Some(strip) = strips.next() {
        rest.copy_from_slice(&strip[..rest.len()]);
    }
}

/// The colours of as many pixels.
///
/// With `b` and `r` for the differences less 128, red is the brightness and 1.402 `r`, blue is it and 1.772 `b`, and green
/// is it less 0.34414 `b` and 0.71414 `r`. The factors have 16 bits after the point, and what they give is rounded.
#[inline(always)]
fn strip(light: u8x16, blue: u8x16, red: u8x16) -> [u8; 3 * STRIP] {
    /// 0.402, so that it fits 16 bits; a whole one is added.
    const RED: i16 = 26_345;
    /// -0.228, and twice one.
    const BLUE: i16 = -14_942;
    /// -0.34414, and 0.28586 less one.
    const GREEN: [i16; 2] = [-22_554, 18_734];
    let centre = i16x8::splat(128);
    let halves = |bytes: u8x16| [i16x8::from_u8x16_low(bytes), i16x8::from_u8x16_high(bytes)];
    let (y, b, r) = (halves(light), halves(blue).map(|v| v - centre), halves(red).map(|v| v - centre));
    // The upper half of a product has no fraction left to round by: it is of twice the number.
    let times = |v: i16x8, factor: i16| ((v + v).mul_keep_high(i16x8::splat(factor)) + i16x8::splat(1)) >> 1;
    let reds: [i16x8; 2] = std::array::from_fn(|at| y[at] + r[at] + times(r[at], RED));
    let blues: [i16x8; 2] = std::array::from_fn(|at| y[at] + b[at] + b[at] + times(b[at], BLUE));
    let [f, g] = GREEN;
    let factors = i16x8::new([f, g, f, g, f, g, f, g]);
    // Here the 128 are taken from the sum.
    let half = i32x4::splat((1 << 15) - 128 * (i32::from(f) + i32::from(g)));
    let both = [u8x16::unpack_low(blue, red), u8x16::unpack_high(blue, red)].map(halves);
    let greens: [i16x8; 2] = std::array::from_fn(|at| {
        let sums = both[at].map(|pairs| (pairs.dot(factors) + half) >> 16);
        y[at] - r[at] + i16x8::from_i32x8_saturate(cast::<[i32x4; 2], i32x8>(sums))
    });
    let [reds, greens, blues] = [reds, greens, blues].map(|[low, high]| u8x16::narrow_i16x8(low, high).to_array());
    let mut rgb = [[0; 3]; STRIP];
    for (at, pixel) in rgb.iter_mut().enumerate() {
        *pixel = [reds[at], greens[at], blues[at]];
    }
    cast(rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_is_the_nearest() {
        // In 16 fraction bits, as libjpeg has them: 1.402, 1.772, 0.34414, 0.71414.
        let nearest = |product: i32| (product + (1 << 15)) >> 16;
        for light in [0, 1, 77, 128, 254, 255] {
            for blue in 0..=255 {
                for red in 0..=255 {
                    let [y, b, r] = [light, blue, red].map(i32::from);
                    let (b, r) = (b - 128, r - 128);
                    let exact = [y + nearest(91_881 * r), y + nearest(-22_554 * b - 46_802 * r), y + nearest(116_130 * b)];
                    let mut rgb = [0; 3];
                    convert(&[light; 16], &[blue; 16], &[red; 16], &mut rgb);
                    assert_eq!(rgb, exact.map(|v| v.clamp(0, 255) as u8), "{light} {blue} {red}");
                }
            }
        }
    }

    #[test]
    fn halves_are_rounded_in_turns() {
        let widened = |sharing, near: [u8; 3], next: [u8; 3]| {
            let mut wide = [[0; 2]; 3];
            widen(sharing, &near, &next, &mut Vec::new(), &mut wide);
            wide
        };
        assert_eq!(widened(Sharing::Two, [10, 20, 22], [10, 20, 22]), [[10, 13], [17, 21], [21, 22]]);
        // 12.5, 12.5 + 3.75 / 4 ...
        assert_eq!(widened(Sharing::Four, [10, 20, 22], [20, 20, 20]), [[13, 14], [18, 20], [21, 21]]);
    }
}
