//! Pixels, and why there are none.

use crate::vocabulary::{ImageFormat, ImageStatus, closed_set};
use std::fmt;

closed_set! {
    /// What becomes of the pixels that nobody sees, or sees only in part.
    #[derive(Default)]
    Transparency, "transparency" {
        /// Alpha is dropped: the colours beneath come through, as in Pillow's `convert("RGB")`.
        #[default]
        Drop = "drop",
        /// The picture is laid on white.
        White = "white",
        /// The picture is laid on black.
        Black = "black",
    }
}

/// Largest image, in pixels.
pub const MAX_PIXELS: u64 = 100_000_000;

/// 8-bit RGB, row-major, upright.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height * 3` bytes.
    pub pixels: Vec<u8>,
}

/// A decoded image file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Its pixels.
    pub rgb: Rgb,
    /// Its format, by content.
    pub format: ImageFormat,
    /// What the user should know of it; each completes "the image is taken, but …".
    pub notes: Vec<&'static str>,
    /// What can be said of its pixels.
    pub appearance: Appearance,
}

/// What can be said of a picture's pixels as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appearance {
    /// Pixels that are not wholly opaque.
    pub translucent: u64,
    /// Whether there is nothing to see: one colour throughout, or not one pixel that is visible.
    pub blank: bool,
}

/// Why a file gives no pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFault {
    /// Unreadable or oversized.
    pub status: ImageStatus,
    /// A sentence for the user.
    pub reason: String,
}

impl ImageFault {
    /// A sound file of a kind that is not read: `what` completes "a … that is not supported".
    pub(crate) fn unsupported(format: ImageFormat, what: &str) -> ImageFault {
        ImageFault::unreadable(format!("a {} file of a kind that is not supported: {what}", name(format)))
    }

    pub(crate) fn unreadable(reason: String) -> ImageFault {
        ImageFault { status: ImageStatus::Unreadable, reason }
    }
}

impl fmt::Display for ImageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ImageFault {}

/// Refuses a size, as stored in a header, that cannot be used.
pub(crate) fn check_size(format: &str, width: u32, height: u32) -> Result<(), ImageFault> {
    if width == 0 || height == 0 {
        return Err(ImageFault::unreadable(format!("a {format} file without pixels")));
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        let reason = format!("{width}×{height} is over the limit of 100 megapixels");
        return Err(ImageFault { status: ImageStatus::Oversized, reason });
    }
    Ok(())
}

/// The format's name as people write it.
pub(crate) fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Tiff => "TIFF",
    }
}
