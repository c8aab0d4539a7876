//! A block of a JPEG file's coefficients as samples: libjpeg's accurate inverse transform, eight columns at a time.
//!
//! It is made of sums of products by fixed integers, each rounded once; so that their order is free, and two products
//! are one multiply-add of 16-bit numbers ([`i16x8::dot`]), which every x86-64 and ARM machine has.

use std::sync::LazyLock;
use wide::bytemuck::cast;
use wide::{i16x8, i32x4, i32x8, u8x16, u16x8};

/// Fraction bits of a weight.
const WEIGHT_BITS: i32 = 13;

/// Fraction bits that are kept between the two passes.
const KEPT_BITS: i32 = 2;

/// Each pass scales by √8.
const SCALE_BITS: i32 = 3;

/// The weights, each rounded before they are added: named by their value in thousandths.
const ONE: i16 = 1 << WEIGHT_BITS;
const N298: i16 = 2446;
const N390: i16 = 3196;
const N541: i16 = 4433;
const N765: i16 = 6270;
const N899: i16 = 7373;
const N1175: i16 = 9633;
const N1501: i16 = 12299;
const N1847: i16 = 15137;
const N1961: i16 = 16069;
const N2053: i16 = 16819;
const N2562: i16 = 20995;
const N3072: i16 = 25172;

/// Weights of the frequencies 1, 3, 5 and 7 at the places 0 to 3; at 7 to 4 they are the opposite.
const ODD: [[i16; 4]; 4] = [
    [N1501 - N899 - N390 + N1175, N1175, N1175 - N390, N1175 - N899],
    [N1175, N3072 - N2562 - N1961 + N1175, N1175 - N2562, N1175 - N1961],
    [N1175 - N390, N1175 - N2562, N2053 - N2562 - N390 + N1175, N1175],
    [N1175 - N899, N1175 - N1961, N1175, N298 - N899 - N1961 + N1175],
];

/// The samples, by rows, of a block and its quantisation table, both by rows of rising vertical frequency.
///
/// `None`: there are samples that 8 bits do not hold, and would not but for coarse coefficients. Beyond that, which only
/// damage or intent reaches, libjpeg's plain code wraps where its vector code saturates, so that there is no one answer.
pub fn samples(block: &[i16; 64], steps: &[u16; 64]) -> Option<[[u8; 8]; 8]> {
    let values = rows_of(block);
    if !is_surely_in_range(&values, steps) && !is_in_range(block, steps) {
        return None;
    }
    // In range, what is not zero times its step fits 16 bits, and so does the step.
    let steps = rows_of(&steps.map(|step| step as i16));
    let amplitudes = std::array::from_fn(|row| values[row] * steps[row]);
    let columns = transposed(pass::<{ WEIGHT_BITS - KEPT_BITS }>(amplitudes));
    let rows = transposed(pass::<{ WEIGHT_BITS + KEPT_BITS + SCALE_BITS }>(columns));
    let mut out = [[0; 8]; 8];
    for (two, rows) in out.as_chunks_mut::<2>().0.iter_mut().zip(rows.as_chunks::<2>().0) {
        let [upper, lower] = rows.map(|row| row + i16x8::splat(128));
        *two = cast(u8x16::narrow_i16x8(upper, lower));
    }
    Some(out)
}

fn rows_of(block: &[i16; 64]) -> [i16x8; 8] {
    let rows = block.as_chunks().0;
    std::array::from_fn(|row| i16x8::new(rows[row]))
}

/// The inverse transform of each column, less `SHIFT` fraction bits.
#[inline(always)]
fn pass<const SHIFT: i32>(rows: [i16x8; 8]) -> [i16x8; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    let (r04, r26, r13, r57) = (paired(r0, r4), paired(r2, r6), paired(r1, r3), paired(r5, r7));
    let half = i32x4::splat(1 << (SHIFT - 1));
    let [left, right]: [[i32x4; 8]; 2] = std::array::from_fn(|at| {
        let sum = r04[at].dot(alternating(ONE, ONE)) + half;
        let difference = r04[at].dot(alternating(ONE, -ONE)) + half;
        let outer = r26[at].dot(alternating(N541 + N765, N541));
        let inner = r26[at].dot(alternating(N541, N541 - N1847));
        let even = [sum + outer, difference + inner, difference - inner, sum - outer];
        let odd: [i32x4; 4] = std::array::from_fn(|place| {
            let [a, b, c, d] = ODD[place];
            r13[at].dot(alternating(a, b)) + r57[at].dot(alternating(c, d))
        });
        std::array::from_fn(|place| match place {
            0..4 => (even[place] + odd[place]) >> SHIFT,
            _ => (even[7 - place] - odd[7 - place]) >> SHIFT,
        })
    });
    std::array::from_fn(|place| i16x8::from_i32x8_saturate(cast::<[i32x4; 2], i32x8>([left[place], right[place]])))
}

#[inline(always)]
fn alternating(a: i16, b: i16) -> i16x8 {
    i16x8::new([a, b, a, b, a, b, a, b])
}

/// The numbers of both in turns.
#[inline(always)]
fn paired(a: i16x8, b: i16x8) -> [i16x8; 2] {
    let (a, b) = (a.to_array(), b.to_array());
    [i16x8::new([a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3]]), i16x8::new([a[4], b[4], a[5], b[5], a[6], b[6], a[7], b[7]])]
}

#[inline(always)]
fn transposed(rows: [i16x8; 8]) -> [i16x8; 8] {
    cast(u16x8::transpose(cast(rows)))
}

/// Whether all amplitudes together are too small for any sample to be out of range: so it is of nearly every block.
#[inline(always)]
fn is_surely_in_range(values: &[i16x8; 8], steps: &[u16; 64]) -> bool {
    /// No sample is above the sum of all amplitudes by 4.
    const SURE: u16 = 4 * 500;
    let mut sums = i32x4::ZERO;
    for (values, steps) in values.iter().zip(steps.as_chunks().0) {
        // A factor of that is too much, unless the other is zero; and without a greater one the sum fits 32 bits.
        let sizes = values.max(i16x8::ZERO.saturating_sub(*values)).min(i16x8::splat(SURE as i16));
        let steps = u16x8::new(*steps).min(u16x8::splat(SURE));
        sums += sizes.dot(cast(steps));
    }
    sums.to_array().iter().sum::<i32>() < i32::from(SURE)
}

/// Whether libjpeg's codes agree on the block: by its samples before they are clipped, and by what leads to them.
#[cold]
fn is_in_range(block: &[i16; 64], steps: &[u16; 64]) -> bool {
    /// The plain code wraps at 512.
    const SAMPLE: f32 = 500.0;
    /// Vector code adds two coefficients in 16 bits, and two sums of a column, which by then are scaled by √128.
    const COEFFICIENT: f32 = 16_000.0;
    const COLUMN: f32 = 1_440.0;
    let mut amplitudes = [[0_f32; 8]; 8];
    for (amplitude, (value, step)) in amplitudes.as_flattened_mut().iter_mut().zip(block.iter().zip(steps)) {
        *amplitude = f32::from(*value) * f32::from(*step);
    }
    let largest = |rows: &[[f32; 8]; 8]| rows.as_flattened().iter().fold(0_f32, |most, v| most.max(v.abs()));
    let columns = transformed(&amplitudes);
    largest(&amplitudes) < COEFFICIENT && largest(&columns) < COLUMN && largest(&transformed(&columns)) < SAMPLE
}

/// The inverse cosine transform of each column, and rows and columns exchanged.
fn transformed(amplitudes: &[[f32; 8]; 8]) -> [[f32; 8]; 8] {
    let mut out = [[0_f32; 8]; 8];
    for (place, basis) in BASIS.iter().enumerate() {
        for (weight, row) in basis.iter().zip(amplitudes) {
            for (column, amplitude) in row.iter().enumerate() {
                out[column][place] += weight * amplitude;
            }
        }
    }
    out
}

/// By place and frequency: `cos((2 place + 1) frequency π / 16) / 2`, and `1 / √8` for frequency 0.
static BASIS: LazyLock<[[f32; 8]; 8]> = LazyLock::new(|| {
    std::array::from_fn(|place| {
        std::array::from_fn(|frequency| match frequency {
            0 => 0.125_f32.sqrt(),
            _ => (((2 * place + 1) * frequency) as f32 * std::f32::consts::PI / 16.0).cos() / 2.0,
        })
    })
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_frequency_is_a_wave() {
        let mut block = [0; 64];
        block[0] = -3;
        assert_eq!(samples(&block, &[40; 64]).unwrap(), [[128 - 15; 8]; 8]); // an eighth
        block[2] = 5; // the second across
        // 113 + 200 cos((2 x + 1) π / 8) / √32
        let row = [146, 127, 99, 80, 80, 99, 127, 146];
        assert_eq!(samples(&block, &[40; 64]).unwrap(), [row; 8]);
    }

    #[test]
    fn the_quick_look_is_exact() {
        let sure = |block: &[i16; 64], steps: &[u16; 64]| is_surely_in_range(&rows_of(block), steps);
        let of = |value: i16, step: u16| {
            let (mut block, mut steps) = ([0; 64], [u16::MAX; 64]);
            (block[9], steps[9]) = (value, step);
            sure(&block, &steps)
        };
        assert!(of(1999, 1) && of(1, 1999) && of(-1, 1999) && of(-999, 2) && of(i16::MIN, 0) && of(0, u16::MAX));
        assert!(!of(2000, 1) && !of(1, 2000) && !of(-1, 2000) && !of(1000, -2_i16 as u16) && !of(i16::MIN, 1));
        assert!(!of(1, u16::MAX) && !of(-1, 1 << 15) && !of(256, 256) && !of(i16::MIN, u16::MAX));
        assert!(!sure(&[i16::MIN; 64], &[u16::MAX; 64]) && !sure(&[32; 64], &[1; 64]) && sure(&[31; 64], &[1; 64]));
    }
}
