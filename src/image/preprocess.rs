//! From an upright image to the tensor that a network takes: resize, centre crop, rescale, normalise.
//!
//! The steps and their arithmetic are those of the Pillow/NumPy image processors of Hugging Face transformers
//! (read from version 5.24: `image_transforms.py`, `image_processing_backends.py`): 8-bit resize,
//! `f32(f64(sample) * rescale)`, then `(value - mean) / std` in float32. [`Preprocessing::from_config`]
//! reads their `preprocessor_config.json`.

use crate::image::filter::Filter;
use crate::image::pixels::Rgb;
use crate::image::resize::{Window, resize_window};
use crate::image::resize_floats::resize_floats;
use crate::image::squash::squash;
use std::fmt::Write;

/// Longest side of a resized image, Pillow's limit.
const MAX_SIDE: u64 = i32::MAX as u64;

/// The size that an image is brought to first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// None: the image stays as it is.
    None,
    /// The shorter side gets this length, the longer one `floor(length * longer / shorter)`.
    ShortestEdge(u32),
    /// Both sides, whatever the shape of the image.
    Exact {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
}

/// Where a crop starts when the margin is odd. One pixel, and it moves every embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CropOffset {
    /// `floor((side - crop) / 2)`, as Hugging Face.
    #[default]
    Floor,
    /// `(side - crop) / 2`, halves to the even number, as torchvision.
    HalfEven,
}

impl CropOffset {
    /// Its name in `msdata.toml` and in canonical texts.
    pub fn as_str(self) -> &'static str {
        match self {
            CropOffset::Floor => "floor",
            CropOffset::HalfEven => "half_even",
        }
    }

    /// Where the crop starts on a side of `side` pixels; negative: so many pixels of padding come first.
    fn start(self, side: u32, crop: u32) -> i64 {
        let margin = i64::from(side) - i64::from(crop);
        match self {
            // Of the padding, Hugging Face puts the odd pixel first, torchvision last.
            CropOffset::Floor => margin.div_euclid(2),
            CropOffset::HalfEven if margin < 0 => margin / 2,
            CropOffset::HalfEven => margin / 2 + i64::from(margin % 4 == 3),
        }
    }
}

/// What is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Samples {
    /// Bytes, and the result is rounded to bytes: Pillow's resize.
    #[default]
    Bytes,
    /// Numbers, rescaled before the resize and never rounded: PyTorch's, as DINOv3's processor uses it.
    Floats,
}

/// What is done to an image before a network sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// First, the size.
    pub resize: Resize,
    /// What is resized.
    pub samples: Samples,
    /// The filter of the resize.
    pub filter: Filter,
    /// Then a crop around the centre, width and height; zeros pad an image that is smaller.
    pub crop: Option<(u32, u32)>,
    /// Where that crop starts.
    pub crop_offset: CropOffset,
    /// Then every sample, 0 to 255, is multiplied by this.
    pub rescale: Option<f64>,
    /// Then per channel: the mean is taken off, and the rest divided by the standard deviation.
    pub normalize: Option<Normalize>,
}

/// Mean and standard deviation of the channels R, G, B.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalize {
    /// Taken off.
    pub mean: [f32; 3],
    /// Divided by.
    pub std: [f32; 3],
}

/// Mean and standard deviation of ImageNet.
pub const IMAGENET: Normalize = Normalize { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/// Mean and standard deviation that CLIP was trained with.
pub const CLIP: Normalize =
    Normalize { mean: [0.481_454_66, 0.457_827_5, 0.408_210_73], std: [0.268_629_54, 0.261_302_6, 0.275_777_1] };

/// One half for all, as the first vision transformers.
pub const HALF: Normalize = Normalize { mean: [0.5; 3], std: [0.5; 3] };

impl Preprocessing {
    /// Bicubic to the shortest edge `edge`, centre crop of `crop` square, /255, `normalize`.
    pub fn shortest_edge(edge: u32, crop: u32, crop_offset: CropOffset, normalize: Normalize) -> Preprocessing {
        Preprocessing {
            resize: Resize::ShortestEdge(edge),
            samples: Samples::Bytes,
            filter: Filter::Bicubic,
            crop: Some((crop, crop)),
            crop_offset,
            rescale: Some(1.0 / 255.0),
            normalize: Some(normalize),
        }
    }

    /// Width and height of the tensors, where they are the same for every image.
    pub fn fixed_size(&self) -> Option<(u32, u32)> {
        match (self.crop, self.resize) {
            (Some(crop), _) => Some(crop),
            (None, Resize::Exact { width, height }) => Some((width, height)),
            (None, _) => None,
        }
    }

    /// Width and height of the tensor that a `width`×`height` image becomes.
    ///
    /// # Errors
    /// An image so long that its resized side is over 2³¹ − 1.
    pub fn output_size(&self, width: u32, height: u32) -> Result<(u32, u32), String> {
        Ok(self.crop.unwrap_or(self.resized(width, height)?))
    }

    fn resized(&self, width: u32, height: u32) -> Result<(u32, u32), String> {
        let edge = match self.resize {
            Resize::None => return Ok((width, height)),
            Resize::Exact { width, height } => return Ok((width, height)),
            Resize::ShortestEdge(edge) => edge,
        };
        let (shorter, longer) = (u64::from(width.min(height)), u64::from(width.max(height)));
        if shorter == 0 {
            return Err("an image without pixels".into());
        }
        let longer = u64::from(edge) * longer / shorter;
        match u32::try_from(longer) {
            Ok(longer) if u64::from(longer) <= MAX_SIDE => Ok(if width <= height { (edge, longer) } else { (longer, edge) }),
            _ => Err(format!("{width}×{height} is too long: resized, its longer side has {longer} pixels")),
        }
    }

    /// The pixels between crop and rescale, 8-bit. (Of [`Samples::Floats`] there are none: this is what they
    /// would be with [`Samples::Bytes`].)
    ///
    /// # Errors
    /// As [`Preprocessing::output_size`].
    pub fn crop(&self, rgb: &Rgb) -> Result<Rgb, String> {
        let (width, height) = self.resized(rgb.width, rgb.height)?;
        let (crop_width, crop_height) = self.crop.unwrap_or((width, height));
        let (left, top) = (self.crop_offset.start(width, crop_width), self.crop_offset.start(height, crop_height));
        // Only what is kept is computed.
        let window =
            Window { x: left.max(0) as u32, y: top.max(0) as u32, width: crop_width.min(width), height: crop_height.min(height) };
        let inner = resize_window(rgb, width, height, self.filter, window);
        if (inner.width, inner.height) == (crop_width, crop_height) {
            return Ok(inner);
        }
        let (stride, inner_stride) = (crop_width as usize * 3, inner.width as usize * 3);
        let (left, top) = ((-left).max(0) as usize, (-top).max(0) as usize);
        let mut pixels = vec![0; stride * crop_height as usize];
        for (row, out) in inner.pixels.chunks_exact(inner_stride).zip(pixels.chunks_exact_mut(stride).skip(top)) {
            out[3 * left..3 * left + inner_stride].copy_from_slice(row);
        }
        Ok(Rgb { width: crop_width, height: crop_height, pixels })
    }

    /// Writes the tensor of `rgb` into `out`: float32, shape 3 × height × width of [`Preprocessing::output_size`].
    ///
    /// # Errors
    /// As [`Preprocessing::output_size`], or an `out` of another length.
    pub fn apply(&self, rgb: &Rgb, out: &mut [f32]) -> Result<(), String> {
        let (width, height) = self.output_size(rgb.width, rgb.height)?;
        let plane = width as usize * height as usize;
        if out.len() != 3 * plane {
            return Err(format!("a tensor of 3×{height}×{width} does not fit {} numbers", out.len()));
        }
        if self.samples == Samples::Floats {
            return self.apply_to_floats(rgb, out);
        }
        self.normalise(&self.crop(rgb)?.pixels, out);
        Ok(())
    }

    /// Rescales and normalises pixels: 8-bit RGB, pixel by pixel, into float32, channel by channel.
    pub fn normalise(&self, pixels: &[u8], out: &mut [f32]) {
        let (pixels, _) = pixels.as_chunks::<3>();
        for (channel, out) in out.chunks_exact_mut(pixels.len().max(1)).enumerate() {
            let values = self.values(channel);
            for (out, pixel) in out.iter_mut().zip(pixels) {
                *out = values[usize::from(pixel[channel])];
            }
        }
    }

    /// Parts of the image, each resized straight to `width` × `height` with the filter of the resize, so that nothing of it
    /// is cut off: 8-bit RGB, pixel by pixel, one part after another. They must lie within the image and have pixels.
    pub fn squash(&self, rgb: &Rgb, parts: &[Window], size: [u32; 2]) -> Vec<u8> {
        squash(rgb, parts, size, self.filter)
    }

    /// As [`Preprocessing::apply`], rescaled before the resize.
    fn apply_to_floats(&self, rgb: &Rgb, out: &mut [f32]) -> Result<(), String> {
        let factor = self.rescale.map_or(1.0, |factor| factor as f32);
        let values = std::array::from_fn(|sample| sample as f32 * factor);
        let (width, height) = self.resized(rgb.width, rgb.height)?;
        let resized = resize_floats(rgb, width, height, self.filter, &values);
        let pixels = resized.as_chunks::<3>().0;
        let (crop_width, crop_height) = self.crop.unwrap_or((width, height));
        let (left, top) = (self.crop_offset.start(width, crop_width), self.crop_offset.start(height, crop_height));
        let Normalize { mean, std } = self.normalize.unwrap_or(Normalize { mean: [0.0; 3], std: [1.0; 3] });
        let within = |at: i64, side: u32| usize::try_from(at).ok().filter(|at| *at < side as usize);
        let plane = crop_width as usize * crop_height as usize;
        for (y, x, at) in (0..plane).map(|at| (at / crop_width as usize, at % crop_width as usize, at)) {
            let place = within(y as i64 + top, height).zip(within(x as i64 + left, width));
            let pixel = place.map_or([0.0; 3], |(y, x)| pixels[y * width as usize + x]);
            for channel in 0..3 {
                out[channel * plane + at] = (pixel[channel] - mean[channel]) / std[channel];
            }
        }
        Ok(())
    }

    /// The tensor of `rgb`, as [`Preprocessing::apply`] writes it.
    ///
    /// # Errors
    /// As [`Preprocessing::output_size`].
    pub fn tensor(&self, rgb: &Rgb) -> Result<Vec<f32>, String> {
        let (width, height) = self.output_size(rgb.width, rgb.height)?;
        let mut out = vec![0.0; 3 * width as usize * height as usize];
        self.apply(rgb, &mut out).map(|()| out)
    }

    /// What each sample of a channel becomes.
    fn values(&self, channel: usize) -> [f32; 256] {
        std::array::from_fn(|sample| {
            let value = match self.rescale {
                Some(factor) => (sample as f64 * factor) as f32,
                None => sample as f32,
            };
            match &self.normalize {
                Some(Normalize { mean, std }) => (value - mean[channel]) / std[channel],
                None => value,
            }
        })
    }

    /// A text that is the same for the same preprocessing and for no other; part of an encoder's fingerprint.
    /// Numbers are written with as many digits as tell them from every other.
    pub fn canonical(&self) -> String {
        let mut text = String::from("resize=");
        // Writing to a string cannot fail.
        let _ = match self.resize {
            Resize::None => write!(text, "none"),
            Resize::ShortestEdge(edge) => write!(text, "shortest_edge:{edge} filter={}", self.filter.as_str()),
            Resize::Exact { width, height } => write!(text, "{width}x{height} filter={}", self.filter.as_str()),
        };
        let _ = match self.crop {
            None => write!(text, " crop=none"),
            Some((width, height)) => write!(text, " crop={width}x{height} crop_offset={}", self.crop_offset.as_str()),
        };
        let _ = match self.rescale {
            None => write!(text, " rescale=none"),
            Some(factor) => write!(text, " rescale={factor:?}"),
        };
        let _ = match &self.normalize {
            None => write!(text, " normalize=none"),
            Some(Normalize { mean, std }) => write!(text, " mean={mean:?} std={std:?}"),
        };
        if self.samples == Samples::Floats {
            text += " samples=floats";
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: u32, height: u32) -> Rgb {
        let pixels = (0..width * height).flat_map(|i| [i as u8, 100, (i * 2) as u8]).collect();
        Rgb { width, height, pixels }
    }

    #[test]
    fn the_two_roundings_of_a_crop() {
        // side - crop = 1, 3, 5, 7: halves are 0.5, 1.5, 2.5, 3.5.
        let starts = |offset: CropOffset| [225, 227, 229, 231, 230].map(|side| offset.start(side, 224));
        assert_eq!(starts(CropOffset::Floor), [0, 1, 2, 3, 3]);
        assert_eq!(starts(CropOffset::HalfEven), [0, 2, 2, 4, 3]);
        // Padding of 3 pixels: Hugging Face puts two before, torchvision one.
        assert_eq!(CropOffset::Floor.start(221, 224), -2);
        assert_eq!(CropOffset::HalfEven.start(221, 224), -1);
    }

    #[test]
    fn the_longer_side_is_cut_not_rounded() {
        let resize = Preprocessing::shortest_edge(256, 224, CropOffset::Floor, IMAGENET);
        assert_eq!(resize.resized(640, 427), Ok((383, 256))); // 383.7
        assert_eq!(resize.resized(427, 640), Ok((256, 383)));
        assert!(resize.resized(100_000_000, 1).is_err());
    }

    #[test]
    fn a_small_image_is_padded_with_zeros() {
        let whole = Preprocessing {
            resize: Resize::None,
            crop: Some((4, 3)),
            rescale: None,
            normalize: None,
            ..Preprocessing::shortest_edge(1, 1, CropOffset::Floor, HALF)
        };
        let image = Rgb { width: 1, height: 2, pixels: vec![1, 2, 3, 4, 5, 6] };
        let mut out = [9.0; 36];
        whole.apply(&image, &mut out).unwrap();
        // ceil(3 / 2) = 2 columns and ceil(1 / 2) = 1 row come first.
        assert_eq!(out[..12], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 4.0, 0.0]);
        assert_eq!(out[24..], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 6.0, 0.0]);
    }

    #[test]
    fn samples_are_rescaled_and_normalised_in_float32() {
        let exact =
            Preprocessing { resize: Resize::None, crop: None, ..Preprocessing::shortest_edge(1, 1, CropOffset::Floor, HALF) };
        let mut out = [0.0; 6];
        exact.apply(&Rgb { width: 2, height: 1, pixels: vec![0, 255, 51, 0, 255, 51] }, &mut out).unwrap();
        assert_eq!(out, [-1.0, -1.0, 1.0, 1.0, -0.6, -0.6]);
        assert!(exact.apply(&ramp(2, 1), &mut [0.0; 5]).is_err());
    }

    #[test]
    fn the_canonical_text_says_everything() {
        let dino = Preprocessing::shortest_edge(256, 224, CropOffset::HalfEven, IMAGENET);
        assert_eq!(
            dino.canonical(),
            "resize=shortest_edge:256 filter=bicubic crop=224x224 crop_offset=half_even rescale=0.00392156862745098 \
             mean=[0.485, 0.456, 0.406] std=[0.229, 0.224, 0.225]"
        );
    }
}
