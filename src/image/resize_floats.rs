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
