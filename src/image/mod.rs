//! Images: what a file is, its pixels, and the tensor that a network takes.
//!
//! | module | noun |
//! |---|---|
//! | `probe` | [`probe()`], [`probe_bytes`]: hash, format and size of a file, or why it cannot be used |
//! | `door` | [`Door`]: image files opened, only in the trees that the user allows |
//! | `members`, `tar`, `parquet_cells` | images in tars and in Parquet files |
//! | `pixels` | [`Rgb`], [`Transparency`], [`Appearance`], [`ImageFault`]: pixels, and why there are none |
//! | `decode` | [`decode_on`], [`load`]: from bytes to pixels, by the pixel rule |
//! | `alpha` | pictures as files hold them, and what is seen of them |
//! | `orientation` | how they are to be turned |
//! | `jpeg` | JPEG files |
//! | `libjpeg` | the C library that decodes them |
//! | `jpeg_blocks` | the inverse transform of their blocks |
//! | `jpeg_colours` | their colours |
//! | `containers` | PNG, WebP, GIF, BMP files, and plain TIFF |
//! | `tiff` | the other kinds of TIFF |
//! | `png` | PNG files of our own |
//! | `resize` | Pillow's resize, bit for bit |
//! | `resize_floats` | PyTorch's resize of numbers |
//! | `squash` | the same of many parts of an image |
//! | `filter` | [`Filter`]: its filters |
//! | `composite` | [`Grid`]: references pasted together |
//! | `preprocess` | [`Preprocessing`]: resize, crop, normalise |
//! | `variants` | [`mirrored`], [`shrunk`], [`recompressed`]: the same picture as it might come back |
//! | [`quality`] | [`quality::Quality`]: too small, blurred, blank, alike |
//! | `preprocessor_config` | the same as a file of the Hugging Face hub |

mod alpha;
mod composite;
mod containers;
mod decode;
mod door;
mod filter;
mod jpeg;
mod jpeg_blocks;
mod jpeg_colours;
mod libjpeg;
mod members;
mod orientation;
mod parquet_cells;
mod pixels;
mod png;
mod preprocess;
mod preprocessor_config;
mod probe;
pub mod quality;
mod resize;
mod resize_floats;
mod squash;
mod tar;
mod tiff;
mod variants;

pub use composite::{Grid, alone, composite, taken_out, tile};
pub use decode::{PIXEL_RULE, decode, decode_on, layers, load};
pub use door::Door;
pub use filter::Filter;
pub use pixels::{Appearance, Decoded, ImageFault, MAX_PIXELS, Rgb, Transparency};
pub use png::{png, png_with_alpha};
pub use preprocess::{CLIP, CropOffset, HALF, IMAGENET, Normalize, Preprocessing, Resize, Samples};
pub use preprocessor_config::is_siglip;
pub use probe::{MAX_FILE_BYTES, probe, probe_bytes, read};
pub use resize::{Window, resize, resize_window};
pub use variants::{mirrored, recompressed, shrunk};
