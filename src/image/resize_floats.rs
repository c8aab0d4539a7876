//! PyTorch's antialiased resize of float32 samples, which DINOv3's processor uses: as Pillow's, but nothing
//! is rounded to 8 bits on the way. Weights and sums are float32, the horizontal pass is the first.

use crate::image::filter::Filter;
use crate::image::pixels::Rgb;

/// Samples between the passes that are not exceeded: of a very tall image, the vertical pass is the first.
const MAX_BETWEEN: usize = 1 << 26;

/// The first of the input samples that make an output sample, and their weights.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// Resizes `rgb`, whose bytes stand for the numbers of `values`, to `width`×`height`: rows of RGB.
pub(super) fn resize_floats(rgb: &Rgb, width: u32, height: u32, filter: Filter, values: &[f32; 256]) -> Vec<f32> {
    let (across, down) = (taps(rgb.width, width, filter), taps(rgb.height, height, filter));
    let stride = rgb.width as usize * 3;
    let row = |y: usize| rgb.pixels[y * stride..][..stride].iter().map(|byte| values[usize::from(*byte)]);
    let out_stride = across.len() * 3;
    let mut out = Vec::with_capacity(out_stride * down.len());
    if out_stride * rgb.height as usize <= MAX_BETWEEN {
        let mut between = Vec::with_capacity(out_stride * rgb.height as usize);
        let mut samples = Vec::with_capacity(stride);
        for y in 0..rgb.height as usize {
            samples.clear();
            samples.extend(row(y));
            horizontal(&samples, &across, &mut between);
        }
        for taps in &down {
            out.extend(vertical(taps, out_stride, |y| between[y * out_stride..][..out_stride].iter().copied()));
        }
    } else {
        for taps in &down {
            horizontal(&vertical(taps, stride, row), &across, &mut out);
        }
    }
    out
}

fn horizontal(row: &[f32], across: &[Taps], out: &mut Vec<f32>) {
    for Taps { first, weights } in across {
        let mut sums = [0.0_f32; 3];
        for (pixel, weight) in row[3 * first..].as_chunks::<3>().0.iter().zip(weights) {
            for (sum, sample) in sums.iter_mut().zip(pixel) {
                *sum += sample * weight;
            }
        }
        out.extend(sums);
    }
}

fn vertical<R: Iterator<Item = f32>>(taps: &Taps, length: usize, row: impl Fn(usize) -> R) -> Vec<f32> {
    let mut sums = vec![0.0_f32; length];
    for (y, weight) in (taps.first..).zip(&taps.weights) {
        sums.iter_mut().zip(row(y)).for_each(|(sum, sample)| *sum += sample * weight);
    }
    sums
}

/// The taps of each output sample of an axis. An axis that keeps its length is not filtered.
fn taps(input: u32, output: u32, filter: Filter) -> Vec<Taps> {
    if input == output {
        return (0..output as usize).map(|first| Taps { first, weights: vec![1.0] }).collect();
    }
    let scale = input as f32 / output as f32;
    let stretch = scale.max(1.0);
    let support = filter.support() as f32 * stretch;
    let of_sample = |index: u32| {
        let center = scale * (index as f32 + 0.5);
        // A negative number saturates to 0.
        let first = ((center - support + 0.5) as u32).min(input - 1);
        let end = ((center + support + 0.5) as u32).clamp(first + 1, input);
        let value = |x: u32| filter.value(f64::from((x as f32 + first as f32 - center + 0.5) / stretch)) as f32;
        let mut weights: Vec<f32> = (0..end - first).map(value).collect();
        let sum: f32 = weights.iter().sum();
        if sum != 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= sum);
        }
        Taps { first: first as usize, weights }
    };
    (0..output).map(of_sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinks_and_widens_as_pytorch_does() {
        // From torchvision 0.29.2 (`resize` of float32 with antialias), of 7×5 pixels to 3×2 and, the second row, to 9×4.
        let pixel = |x: u32, y: u32| [(37 * (x + 2 * y) % 256) as u8, (x * x * 7 % 256) as u8, (255 - 60 * y) as u8];
        let pixels = (0..5).flat_map(|y| (0..7).flat_map(move |x| pixel(x, y))).collect();
        let source = Rgb { width: 7, height: 5, pixels };
        let values = std::array::from_fn(|sample| sample as f32 / 255.0);
        let close = |ours: &[f32], theirs: &[f32]| {
            assert_eq!(ours.len(), theirs.len());
            ours.iter().zip(theirs).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{ours:?}"));
        };
        let shrunk: [(Filter, [f32; 18]); 2] = [
            (
                Filter::Bilinear,
                [
                    0.3852305, 0.0352941, 0.764706, 0.494642, 0.2728951, 0.764706, 0.4399288, 0.7411765, 0.764706, 0.4115101,
                    0.0352941, 0.2941176, 0.4120164, 0.2728951, 0.2941177, 0.5085816, 0.7411764, 0.2941176,
                ],
            ),
            (
                Filter::Bicubic,
                [
                    0.3765301, 0.0185958, 0.7984053, 0.5075927, 0.2570471, 0.7984053, 0.43695, 0.7703984, 0.7984053, 0.4192614,
                    0.0185958, 0.2604183, 0.4087038, 0.2570471, 0.2604183, 0.5062578, 0.7703985, 0.2604184,
                ],
            ),
        ];
        for (filter, theirs) in shrunk {
            close(&resize_floats(&source, 3, 2, filter, &values), &theirs);
        }
        let widened = [
            0.4111111, 0.0, 0.6666667, 0.5078431, 0.0183007, 0.6666667, 0.6206972, 0.0640523, 0.6666667, 0.6405955, 0.140305,
            0.6666667, 0.4281046, 0.2470588, 0.6666667, 0.5409586, 0.3965141, 0.6666667, 0.3284676, 0.5764706, 0.6666667,
            0.1810458, 0.7869282, 0.6666667, 0.2777778, 0.9882354, 0.6666667,
        ];
        close(&resize_floats(&source, 9, 4, Filter::Bilinear, &values)[27..54], &widened);
    }

    #[test]
    fn a_very_tall_image_takes_little_memory_and_gives_the_same() {
        let pixels = (0..400_000 * 3).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let tall = Rgb { width: 1, height: 400_000, pixels };
        let values = std::array::from_fn(|sample| sample as f32 / 255.0);
        // 400,000 rows of 64 pixels are beyond the limit; of 8, not.
        let (wide, narrow) =
            (resize_floats(&tall, 64, 5, Filter::Bilinear, &values), resize_floats(&tall, 8, 5, Filter::Bilinear, &values));
        for (wide, narrow) in wide.chunks(64 * 3).zip(narrow.chunks(8 * 3)) {
            assert!(wide[..3].iter().zip(&narrow[..3]).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
}
