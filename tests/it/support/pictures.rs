//! Pictures that the tests make.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// A picture that no other number gives: sharp edges, and colours that change from left to right.
pub fn picture(number: u32, width: u32, height: u32) -> RgbImage {
    let hash = |x: u32, y: u32| {
        let cell = (x * 8 / width).wrapping_mul(31) ^ (y * 8 / height).wrapping_mul(17).wrapping_add(number.wrapping_mul(7919));
        (cell.wrapping_mul(2_654_435_761) >> 24) as u8
    };
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([hash(x, y), (x * 255 / width) as u8, number.wrapping_mul(40) as u8 ^ hash(y, x)])
    })
}

/// The file of a picture.
pub fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}
