//! The orientation of a picture, from its EXIF block, else from its XMP packet, as Pillow finds it.

use image::metadata::Orientation;

/// Longest text of a PNG that is unpacked to look for an orientation, in bytes.
const LONGEST_TEXT: u64 = 1 << 20;

/// The orientation that a file's metadata give: EXIF decides if it has the tag at all, with whatever value; an illegal
/// one counts as upright.
pub fn orientation(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Option<Orientation> {
    let value = exif.and_then(of_exif).or_else(|| xmp.and_then(of_xmp))?;
    Orientation::from_exif(u8::try_from(value).ok()?)
}

/// The value of the tag 0x0112 in the first directory of an EXIF block; nothing of a broken block.
fn of_exif(exif: &[u8]) -> Option<u32> {
    const ORIENTATION: u16 = 0x0112;
    let mut block = exif;
    // Some writers keep the prefix of a JPEG segment, once or more often.
    while let Some(rest) = block.strip_prefix(b"Exif\0\0") {
        block = rest;
    }
    let big = match block.get(..4)? {
        b"II*\0" => false,
        b"MM\0*" => true,
        _ => return None,
    };
    let two = |at: usize| {
        let bytes = *block.get(at..)?.first_chunk::<2>()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let four = |at: usize| {
        let bytes = *block.get(at..)?.first_chunk::<4>()?;
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let directory = four(4)? as usize;
    let entries = usize::from(two(directory)?);
    let entry = (0..entries).map(|n| directory + 2 + 12 * n).find(|at| two(*at) == Some(ORIENTATION))?;
    match two(entry + 2)? {
        1 => block.get(entry + 8).map(|value| u32::from(*value)),
        3 => two(entry + 8).map(u32::from),
        4 => four(entry + 8),
        _ => Some(0),
    }
}

/// The digit behind the first `tiff:Orientation="` or `tiff:Orientation>`.
pub fn of_xmp(xmp: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut rest = xmp;
    while let Some(at) = rest.windows(NAME.len()).position(|w| w == NAME) {
        rest = &rest[at + NAME.len()..];
        if let Some([digit @ b'0'..=b'9', ..]) = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">")) {
            return Some(u32::from(digit - b'0'));
        }
    }
    None
}

/// The keyword and the text of a PNG's `tEXt`, `zTXt` or `iTXt` chunk that may hold an orientation.
pub fn png_text(kind: &[u8], data: &[u8]) -> Option<(PngText, Vec<u8>)> {
    let end = data.iter().position(|b| *b == 0)?;
    let (keyword, rest) = (&data[..end], &data[end + 1..]);
    let text = match keyword {
        b"XML:com.adobe.xmp" if kind == b"iTXt" => PngText::Xmp,
        b"Raw profile type exif" => PngText::Exif,
        _ => return None,
    };
    let content = match kind {
        b"tEXt" => rest.to_vec(),
        b"zTXt" => unpacked(rest.strip_prefix(b"\0")?)?,
        _ => {
            let [packed, _, rest @ ..] = rest else { return None };
            // The language and the translated keyword.
            let content = rest.splitn(3, |b| *b == 0).nth(2)?;
            if *packed == 0 { content.to_vec() } else { unpacked(content)? }
        }
    };
    match text {
        PngText::Xmp => Some((text, content)),
        PngText::Exif => Some((text, profile(&content)?)),
    }
}

/// What a text of a PNG holds.
#[derive(Clone, Copy)]
pub enum PngText {
    /// An XMP packet.
    Xmp,
    /// An EXIF block, as ImageMagick writes it.
    Exif,
}

fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    flate2::read::ZlibDecoder::new(packed).take(LONGEST_TEXT).read_to_end(&mut text).ok()?;
    Some(text)
}

/// The bytes of a raw profile: a line break, its name, its length, then hexadecimal digits.
fn profile(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.split(|b| *b == b'\n').skip(3).flatten().copied().filter(u8::is_ascii_hexdigit).collect();
    let digit = |d: u8| (d as char).to_digit(16).map(|d| d as u8);
    digits.as_chunks::<2>().0.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exif(kind: u16, value: u32) -> Vec<u8> {
        let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01".to_vec();
        block.extend(kind.to_le_bytes());
        block.extend(1_u32.to_le_bytes());
        block.extend(value.to_le_bytes());
        block
    }

    #[test]
    fn exif_decides_if_it_has_the_tag() {
        let xmp = br#"<rdf:Description tiff:Orientation="6"/>"#.as_slice();
        let empty = b"MM\0*\0\0\0\x08\0\0".as_slice();
        assert_eq!(orientation(None, Some(xmp)), Some(Orientation::Rotate90));
        assert_eq!(orientation(Some(&exif(3, 3)), Some(xmp)), Some(Orientation::Rotate180));
        assert_eq!(orientation(Some(&exif(4, 8)), Some(xmp)), Some(Orientation::Rotate270));
        assert_eq!(orientation(Some(&exif(3, 9)), Some(xmp)), None, "an illegal value counts as upright");
        assert_eq!(orientation(Some(empty), Some(xmp)), Some(Orientation::Rotate90));
        assert_eq!(orientation(Some(b"broken"), Some(xmp)), Some(Orientation::Rotate90));
        assert_eq!(orientation(Some(&[b"Exif\0\0".as_slice(), &exif(3, 3)].concat()), None), Some(Orientation::Rotate180));
    }

    #[test]
    fn xmp_as_attribute_and_as_element() {
        assert_eq!(of_xmp(b"<tiff:Orientation>8</tiff:Orientation>"), Some(8));
        assert_eq!(of_xmp(b"tiff:Orientation='6' tiff:Orientation=\"5\""), Some(5));
        assert_eq!(of_xmp(b"tiff:Orientation=\"x\""), None);
        assert_eq!(of_xmp(b""), None);
    }
}
