//! TIFF: the baseline kinds and those that people meet beside them.
//!
//! The decoder gives greys, RGB and CMYK. Palettes, greys of 2 and 4 bits, greys with alpha, and YCbCr whose colours
//! are sampled more coarsely are there as plain greys: the file gets another directory, which says so, and the greys
//! are made colours here.

use super::alpha::{Stored, unmultiply};
use super::orientation::{of_xmp, orientation};
use super::pixels::{ImageFault, MAX_PIXELS, Rgb, check_size, name};
use crate::vocabulary::{ImageFormat, ImageStatus};
use image::metadata::Orientation;
use std::io::Cursor;
use tiff::decoder::{Decoder, Limits};
use tiff::tags::{CompressionMethod, ExtraSamples, Tag};
use tiff::{TiffError, TiffUnsupportedError};

type TiffReader<'a> = Decoder<Cursor<&'a [u8]>>;

const XMP: Tag = Tag::Unknown(700);
const REFERENCE_BLACK_WHITE: Tag = Tag::Unknown(532);
const COEFFICIENTS: Tag = Tag::Unknown(529);

/// What the directory of the first page says.
pub struct TiffPage {
    /// Width and height as stored.
    pub size: (u32, u32),
    /// Its orientation.
    pub orientation: Option<Orientation>,
    kind: TiffKind,
    /// Whether colours were multiplied with their alpha.
    multiplied: bool,
    planar: bool,
}

/// How samples are colours.
#[derive(Debug, Clone, Copy, PartialEq)]
enum TiffKind {
    /// As the decoder gives them.
    Plain,
    /// Greys of a few bits.
    Grey { bits: u8, inverted: bool },
    /// Greys, alpha or something else, in this many samples of 8 or 16 bits.
    GreyAlpha { bits: u8, inverted: bool, samples: u16, alpha: bool },
    /// Places in a table of colours.
    Palette { bits: u8 },
    /// Luma and chroma of 8 bits, chroma once for so many columns and rows.
    YCbCr { columns: u16, rows: u16 },
}

/// What the first page is.
///
/// # Errors
/// A broken file, a kind that is not read, or a size that cannot be used.
pub fn page(bytes: &[u8]) -> Result<TiffPage, ImageFault> {
    page_of(&mut open(bytes)?)
}

fn open(bytes: &[u8]) -> Result<TiffReader<'_>, ImageFault> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = 16 * MAX_PIXELS as usize;
    limits.intermediate_buffer_size = 16 * MAX_PIXELS as usize;
    Ok(Decoder::new(Cursor::new(bytes)).map_err(|e| fault(&e))?.with_limits(limits))
}

fn page_of(decoder: &mut TiffReader<'_>) -> Result<TiffPage, ImageFault> {
    let size = decoder.dimensions().map_err(|e| fault(&e))?;
    check_size("TIFF", size.0, size.1)?;
    let tag = |decoder: &mut TiffReader<'_>, tag: Tag| decoder.find_tag_unsigned_vec::<u16>(tag).map_err(|e| fault(&e));
    let mut one = |which: Tag, default: u16| Ok(tag(decoder, which)?.and_then(|v| v.first().copied()).unwrap_or(default));
    let bits = one(Tag::BitsPerSample, 1)?;
    let samples = one(Tag::SamplesPerPixel, 1)?;
    let photometric = one(Tag::PhotometricInterpretation, 0)?;
    let compression = one(Tag::Compression, 1)?;
    let planar = one(Tag::PlanarConfiguration, 1)? == 2;
    if one(Tag::Unknown(266), 1)? == 2 {
        return Err(unsupported("its bits are filled in from the right"));
    }
    if !matches!(compression, 1 | 4 | 5 | 7 | 8 | 32_773 | 32_946) {
        let named = CompressionMethod::from_u16(compression).map_or(compression.to_string(), |method| format!("{method:?}"));
        return Err(unsupported(&format!("its compression is {named}")));
    }
    if !matches!(one(Tag::Predictor, 1)?, 1 | 2) {
        return Err(unsupported("its predictor is for real numbers"));
    }
    let sample_format = one(Tag::SampleFormat, 1)?;
    if !matches!(sample_format, 1 | 4) {
        return Err(unsupported("its samples are real or signed numbers"));
    }
    let extra = tag(decoder, Tag::ExtraSamples)?.unwrap_or_default();
    let extra_is = |sort: ExtraSamples| extra.first() == Some(&sort.to_u16());
    let eight = bits == 8 || bits == 16;
    let inverted = photometric == 0;
    let kind = match (photometric, samples) {
        (0 | 1, 1) if eight || bits == 1 => TiffKind::Plain,
        (0 | 1, 1) if bits == 2 || bits == 4 => TiffKind::Grey { bits: bits as u8, inverted },
        (0 | 1, 2..=8) if eight && compression != 7 => {
            let alpha = extra_is(ExtraSamples::AssociatedAlpha) || extra_is(ExtraSamples::UnassociatedAlpha);
            TiffKind::GreyAlpha { bits: bits as u8, inverted, samples, alpha }
        }
        (2, 3..) if eight => TiffKind::Plain,
        (3, 1) if matches!(bits, 1 | 2 | 4 | 8) && compression != 7 => TiffKind::Palette { bits: bits as u8 },
        (5, 4) if eight => TiffKind::Plain,
        (6, 3) if bits == 8 => ycbcr(decoder, compression, planar)?,
        _ => {
            let what = match photometric {
                0 | 1 => "greys",
                2 => "RGB",
                3 => "a palette",
                4 => "a transparency mask",
                5 => "CMYK",
                6 => "YCbCr",
                8..=10 => "CIE L*a*b*",
                _ => "colours that are not known",
            };
            return Err(unsupported(&format!("{what} in {samples} samples of {bits} bits")));
        }
    };
    if kind == TiffKind::Plain {
        // What the decoder says of its own, before anything is read.
        decoder.colortype().map_err(|e| fault(&e))?;
    }
    let turned = tag(decoder, Tag::Orientation)?.and_then(|v| v.first().copied());
    let orientation = match turned {
        Some(value) => u8::try_from(value).ok().and_then(Orientation::from_exif),
        None => match decoder.find_tag(XMP) {
            Ok(Some(packet)) => orientation(None, packet.into_u8_vec().ok().as_deref().filter(|xmp| of_xmp(xmp).is_some())),
            _ => None,
        },
    };
    Ok(TiffPage { size, orientation, kind, multiplied: extra_is(ExtraSamples::AssociatedAlpha), planar })
}

/// YCbCr as it is read: over the full range, by the coefficients that everybody uses.
fn ycbcr(decoder: &mut TiffReader<'_>, compression: u16, planar: bool) -> Result<TiffKind, ImageFault> {
    let differs = |decoder: &mut TiffReader<'_>, tag: Tag, usual: &[f64]| match decoder.find_tag(tag) {
        Ok(Some(values)) => values.into_f64_vec().is_ok_and(|v| v.iter().zip(usual).any(|(a, b)| (a - b).abs() > 1e-3)),
        _ => false,
    };
    if differs(decoder, COEFFICIENTS, &[0.299, 0.587, 0.114]) {
        return Err(unsupported("YCbCr by coefficients of its own"));
    }
    if differs(decoder, REFERENCE_BLACK_WHITE, &[0.0, 255.0, 128.0, 255.0, 128.0, 255.0]) {
        return Err(unsupported("YCbCr over another range than 0 to 255"));
    }
    let coarse = decoder.find_tag_unsigned_vec::<u16>(Tag::ChromaSubsampling).map_err(|e| fault(&e))?;
    let (columns, rows) = match coarse.as_deref() {
        Some([columns, rows]) => (*columns, *rows),
        _ => (2, 2),
    };
    match (columns, rows) {
        (1, 1) => Ok(TiffKind::YCbCr { columns: 1, rows: 1 }),
        // The JPEG decoder evens them out.
        _ if compression == 7 => Ok(TiffKind::YCbCr { columns: 1, rows: 1 }),
        (1 | 2 | 4, 1 | 2 | 4) if !planar => Ok(TiffKind::YCbCr { columns, rows }),
        _ => Err(unsupported(&format!("YCbCr with one colour for {columns} columns and {rows} rows"))),
    }
}

/// Decodes the first page, all but what is [`TiffKind::Plain`]: of that, nothing.
///
/// # Errors
/// A broken file or a kind that is not read.
pub fn decode(bytes: &[u8]) -> Result<(TiffPage, Option<Stored>), ImageFault> {
    let mut decoder = open(bytes)?;
    let page = page_of(&mut decoder)?;
    let stored = match page.kind {
        TiffKind::Plain => None,
        TiffKind::Grey { bits, inverted } => {
            let most = 255 / ((1_u16 << bits) - 1) as u8;
            let grey = |v: u8| if inverted { 255 - v * most } else { v * most };
            Some(page.of(page.packed(&mut decoder, bytes, bits)?.into_iter().map(|v| [grey(v); 3])))
        }
        TiffKind::Palette { bits } => {
            let table = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(|e| fault(&e))?;
            let third = 1 << bits;
            if table.len() != 3 * third {
                return Err(ImageFault::unreadable("a broken TIFF file: its palette has another number of colours".into()));
            }
            // Some writers keep 8-bit values in the table; Pillow and libtiff look for it in the same way.
            let byte = |v: u16| (v >> 8) as u8;
            let colour = |v: u8| [0, third, 2 * third].map(|channel| byte(table[channel + usize::from(v)]));
            Some(page.of(page.packed(&mut decoder, bytes, bits)?.into_iter().map(colour)))
        }
        TiffKind::GreyAlpha { bits, inverted, samples, alpha } => {
            Some(page.grey_alpha(&mut decoder, bytes, bits, inverted, samples, alpha)?)
        }
        TiffKind::YCbCr { columns: 1, rows: 1 } => {
            let samples = TiffSamples::read(&mut decoder, 3, page.planar)?;
            let colours = (0..page.pixels()).map(|at| rgb([0, 1, 2].map(|n| samples.at(at, n))));
            Some(page.of(colours))
        }
        TiffKind::YCbCr { columns, rows } => Some(page.coarse(&mut decoder, bytes, columns, rows)?),
    };
    Ok((page, stored))
}

impl TiffPage {
    /// Whether alpha is to be taken out of the colours.
    pub fn is_multiplied(&self) -> bool {
        self.multiplied
    }

    fn pixels(&self) -> usize {
        self.size.0 as usize * self.size.1 as usize
    }

    fn of(&self, colours: impl Iterator<Item = [u8; 3]>) -> Stored {
        let mut pixels = Vec::with_capacity(3 * self.pixels());
        pixels.extend(colours.flatten());
        let stored = Stored::opaque(Rgb { width: self.size.0, height: self.size.1, pixels });
        Stored { orientation: self.orientation, ..stored }
    }

    /// One value a pixel, from samples of so many bits.
    fn packed(&self, decoder: &mut TiffReader<'_>, bytes: &[u8], bits: u8) -> Result<Vec<u8>, ImageFault> {
        let (width, height) = self.size;
        let file = as_greys(decoder, bytes, &TiffLayout { width, height, bits: u16::from(bits), samples: 1, rows_as: 1 })?;
        let packed = TiffSamples::read(&mut open(&file)?, 1, false)?;
        let row = (width as usize * usize::from(bits)).div_ceil(8);
        let mask = ((1_u16 << bits) - 1) as u8;
        let value = |row: &[u8], x: usize| {
            let bit = x * usize::from(bits);
            row[bit / 8] >> (8 - usize::from(bits) - bit % 8) & mask
        };
        Ok(packed.bytes.chunks_exact(row).flat_map(|row| (0..width as usize).map(move |x| value(row, x))).collect())
    }

    fn grey_alpha(
        &self,
        decoder: &mut TiffReader<'_>,
        bytes: &[u8],
        bits: u8,
        inverted: bool,
        samples: u16,
        alpha: bool,
    ) -> Result<Stored, ImageFault> {
        let (width, height) = self.size;
        let file = as_greys(decoder, bytes, &TiffLayout { width, height, bits: u16::from(bits), samples, rows_as: 1 })?;
        let mut read = TiffSamples::read(&mut open(&file)?, usize::from(samples), self.planar)?;
        if bits == 16 {
            let narrow = |v: &[u8; 2]| ((u32::from(u16::from_ne_bytes(*v)) + 128) / 257) as u8;
            read.bytes = read.bytes.as_chunks::<2>().0.iter().map(narrow).collect();
            read.plane /= 2;
        }
        let grey = |at: usize| if inverted { 255 - read.at(at, 0) } else { read.at(at, 0) };
        let stored = self.of((0..self.pixels()).map(|at| [grey(at); 3]));
        if !alpha {
            return Ok(stored);
        }
        let alpha: Vec<u8> = (0..self.pixels()).map(|at| read.at(at, 1)).collect();
        Ok(stored.with_alpha(alpha))
    }

    /// YCbCr in blocks: the luma of `columns` × `rows` pixels, then their chroma.
    fn coarse(&self, decoder: &mut TiffReader<'_>, bytes: &[u8], columns: u16, rows: u16) -> Result<Stored, ImageFault> {
        let (columns, rows) = (usize::from(columns), usize::from(rows));
        let block = columns * rows + 2;
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let row = width.div_ceil(columns) * block;
        let layout =
            TiffLayout { width: row as u32, height: height.div_ceil(rows) as u32, bits: 8, samples: 1, rows_as: rows as u32 };
        let file = as_greys(decoder, bytes, &layout)?;
        let read = TiffSamples::read(&mut open(&file)?, 1, false)?;
        let colour = |x: usize, y: usize| {
            let block = &read.bytes[y / rows * row + x / columns * block..][..block];
            rgb([block[y % rows * columns + x % columns], block[columns * rows], block[columns * rows + 1]])
        };
        Ok(self.of((0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| colour(x, y))))
    }
}

/// Samples as the decoder gives them.
struct TiffSamples {
    bytes: Vec<u8>,
    /// Samples of a pixel that stand together.
    together: usize,
    /// Bytes from one plane to the next.
    plane: usize,
}

impl TiffSamples {
    fn read(decoder: &mut TiffReader<'_>, samples: usize, planar: bool) -> Result<TiffSamples, ImageFault> {
        let layout = decoder.image_buffer_layout().map_err(|e| fault(&e))?;
        if layout.complete_len as u64 > 16 * MAX_PIXELS {
            return Err(fault(&TiffError::LimitsExceeded));
        }
        let mut bytes = vec![0; layout.complete_len];
        decoder.read_image_bytes(&mut bytes).map_err(|e| fault(&e))?;
        let together = if planar { 1 } else { samples };
        Ok(TiffSamples { bytes, together, plane: layout.plane_stride.map_or(0, |n| n.get()) })
    }

    fn at(&self, pixel: usize, sample: usize) -> u8 {
        if self.together == 1 { self.bytes[sample * self.plane + pixel] } else { self.bytes[pixel * self.together + sample] }
    }
}

/// Luma and chroma as a colour, as JFIF has it and with the roundings of Pillow.
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    // Sixth parts of a level are kept, as in Pillow's tables.
    const BITS: i32 = 6;
    let table = |factor: f64, chroma: u8| (factor * f64::from(1 << BITS) * (f64::from(chroma) - 128.0) + 0.5) as i32;
    let level = |chroma: i32| (i32::from(y) + (chroma >> BITS)).clamp(0, 255) as u8;
    [level(table(1.402, cr)), level(table(-0.344_14, cb) + table(-0.714_14, cr)), level(table(1.772, cb))]
}

/// A file of greys in place of what a directory says.
struct TiffLayout {
    width: u32,
    height: u32,
    bits: u16,
    samples: u16,
    /// Rows of the picture that a row of the file holds.
    rows_as: u32,
}

/// The file with another directory, by which the samples of its first page are greys.
fn as_greys(decoder: &mut TiffReader<'_>, bytes: &[u8], layout: &TiffLayout) -> Result<Vec<u8>, ImageFault> {
    let big = match bytes.get(..4) {
        Some(b"II*\0") => false,
        Some(b"MM\0*") => true,
        _ => return Err(unsupported("colours of this kind in a BigTIFF")),
    };
    let mut tag = |which: Tag| decoder.find_tag_unsigned_vec::<u32>(which).map_err(|e| fault(&e));
    let mut directory = vec![
        (256, vec![layout.width]),
        (257, vec![layout.height]),
        (258, vec![u32::from(layout.bits); usize::from(layout.samples)]),
        (262, vec![1]),
        (277, vec![u32::from(layout.samples)]),
    ];
    for (number, which) in [
        (259, Tag::Compression),
        (273, Tag::StripOffsets),
        (279, Tag::StripByteCounts),
        (284, Tag::PlanarConfiguration),
        (317, Tag::Predictor),
        (324, Tag::TileOffsets),
        (325, Tag::TileByteCounts),
    ] {
        directory.extend(tag(which)?.map(|values| (number, values)));
    }
    let coarse = layout.rows_as > 1 || layout.width != decoder.dimensions().map_err(|e| fault(&e))?.0;
    let mut tag = |which: Tag| decoder.find_tag_unsigned_vec::<u32>(which).map_err(|e| fault(&e));
    if coarse && (tag(Tag::TileWidth)?.is_some() || tag(Tag::Predictor)?.is_some_and(|p| p != [1])) {
        return Err(unsupported("YCbCr of fewer colours than pixels in tiles or with a predictor"));
    }
    if let Some(rows) = tag(Tag::RowsPerStrip)? {
        directory.push((278, rows.iter().map(|rows| rows.div_ceil(layout.rows_as)).collect()));
    }
    for (number, which) in [(322, Tag::TileWidth), (323, Tag::TileLength)] {
        directory.extend(tag(which)?.map(|values| (number, values)));
    }
    directory.sort_by_key(|(number, _)| *number);

    let two = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let four = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut file = bytes.to_vec();
    let mut entries = Vec::new();
    for (number, values) in &directory {
        entries.extend(two(*number));
        entries.extend(two(4)); // a 32-bit number
        entries.extend(four(values.len() as u32));
        if let [value] = values[..] {
            entries.extend(four(value));
        } else {
            entries.extend(four(offset(&file)?));
            file.extend(values.iter().flat_map(|value| four(*value)));
        }
    }
    let start = offset(&file)?;
    file[4..8].copy_from_slice(&four(start));
    file.extend(two(directory.len() as u16));
    file.extend(entries);
    file.extend(four(0));
    Ok(file)
}

fn offset(file: &[u8]) -> Result<u32, ImageFault> {
    u32::try_from(file.len()).map_err(|_| unsupported("colours of this kind in a file of 4 GiB"))
}

fn unsupported(what: &str) -> ImageFault {
    ImageFault::unsupported(ImageFormat::Tiff, what)
}

fn fault(error: &TiffError) -> ImageFault {
    match error {
        TiffError::UnsupportedError(TiffUnsupportedError::UnsupportedCompressionMethod(method)) => {
            unsupported(&format!("its compression is {method:?}"))
        }
        TiffError::UnsupportedError(what) => unsupported(&what.to_string()),
        TiffError::LimitsExceeded => ImageFault {
            status: ImageStatus::Oversized,
            reason: "a TIFF file that needs more memory than an image of its size should".into(),
        },
        TiffError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageFault::unreadable("a broken TIFF file: its data ends early".into())
        }
        TiffError::FormatError(e) => ImageFault::unreadable(format!("a broken {} file: {e}", name(ImageFormat::Tiff))),
        other => ImageFault::unreadable(format!("a broken {} file: {other}", name(ImageFormat::Tiff))),
    }
}

/// Takes alpha out of colours that were multiplied with it.
pub fn separate(stored: &mut Stored) {
    if let Some(alpha) = &stored.alpha {
        unmultiply(&mut stored.rgb.pixels, alpha);
    }
}
