//! Images: what a file is, its pixels, and the tensor that a network takes.
//!
//! | module | noun |
//! |---|---|
//! | `probe` | [`probe()`]: hash, format and size of a file, or why it cannot be used |
//! | `door` | [`Door`]: image files opened, only in the trees that the user allows |
//! | `pixels` | [`Rgb`], [`Fault`]: pixels, and why there are none |
//! | `decode` | [`decode()`], [`load`]: from bytes to pixels, by the pixel rule |
//! | `jpeg` | JPEG files |
//! | `containers` | PNG, WebP, GIF, BMP, TIFF files |
//! | `png` | PNG files of our own |
//! | `resize` | Pillow's resize, bit for bit |
//! | `filter` | [`Filter`]: its filters |
//! | `composite` | [`Grid`]: references pasted together |
//! | `preprocess` | [`Preprocessing`]: resize, crop, normalise |
//! | [`quality`] | [`quality::Quality`]: too small, blurred, blank, alike |
//! | `preprocessor_config` | the same as a file of the Hugging Face hub |

mod composite;
mod containers;
mod decode;
mod door;
mod filter;
mod jpeg;
mod pixels;
mod png;
mod preprocess;
mod preprocessor_config;
mod probe;
pub mod quality;
mod resize;

pub use composite::{Grid, alone, composite, taken_out, tile};
pub use decode::{PIXEL_RULE, decode, load};
pub use door::Door;
pub use filter::Filter;
pub use pixels::{Decoded, Fault, MAX_PIXELS, Rgb};
pub use png::png;
pub use preprocess::{CLIP, CropOffset, HALF, IMAGENET, Normalize, Preprocessing, Resize};
pub use probe::{MAX_FILE_BYTES, probe, read};
pub use resize::{Window, resize, resize_window};
