//! What image files are taken for: orientation wherever it stands, kinds of TIFF, sizes, what is refused and why. On files
//! that the tests make.

use crate::support::lab::err;
use crate::support::pictures::{encoded, picture};
use msdata::image::{Transparency, decode, decode_on, probe};
use msdata::vocabulary::{ImageStatus, Outcome};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Size or reason of a file, as a first look says, and as decoding does: they must agree.
fn both(bytes: &[u8]) -> Result<(u32, u32), (ImageStatus, String)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, bytes).unwrap();
    let looked = match probe(&path).outcome {
        Outcome::Image { width, height, .. } => Ok((width, height)),
        Outcome::Unusable(status, reason) => Err((status, reason)),
    };
    let decoded = decode(bytes).map(|d| (d.rgb.width, d.rgb.height)).map_err(|fault| (fault.status, fault.reason));
    assert_eq!(looked, decoded);
    decoded
}

/// A TIFF of one strip: tag, type (3: 16 bits, 4: 32 bits), values.
fn tiff(tags: &[(u16, u16, Vec<u32>)], strip: &[u8]) -> Vec<u8> {
    let mut tags = tags.to_vec();
    tags.push((279, 4, vec![strip.len() as u32]));
    tags.push((273, 4, vec![8]));
    tags.sort_by_key(|tag| tag.0);
    let mut file = b"II*\0\0\0\0\0".to_vec();
    file.extend(strip);
    let mut entries = Vec::new();
    for (tag, kind, values) in &tags {
        let data: Vec<u8> = match kind {
            3 => values.iter().flat_map(|v| (*v as u16).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        entries.extend(tag.to_le_bytes());
        entries.extend(kind.to_le_bytes());
        entries.extend((values.len() as u32).to_le_bytes());
        if data.len() <= 4 {
            entries.extend(&data);
            entries.extend(&[0; 4][data.len()..]);
        } else {
            entries.extend((file.len() as u32).to_le_bytes());
            file.extend(data);
        }
    }
    let at = file.len() as u32;
    file[4..8].copy_from_slice(&at.to_le_bytes());
    file.extend((tags.len() as u16).to_le_bytes());
    file.extend(entries);
    file.extend([0; 4]);
    file
}

fn page(width: u32, height: u32, bits: u32, samples: u32, photometric: u32) -> Vec<(u16, u16, Vec<u32>)> {
    vec![
        (256, 3, vec![width]),
        (257, 3, vec![height]),
        (258, 3, vec![bits; samples as usize]),
        (259, 3, vec![1]),
        (262, 3, vec![photometric]),
        (277, 3, vec![samples]),
        (278, 3, vec![height]),
    ]
}

fn with(mut tags: Vec<(u16, u16, Vec<u32>)>, tag: u16, values: Vec<u32>) -> Vec<(u16, u16, Vec<u32>)> {
    tags.retain(|t| t.0 != tag);
    tags.push((tag, 3, values));
    tags
}

#[test]
fn kinds_of_tiff_are_read() {
    // Two pixels a row, two bits each: 0 1 / 2 3, by a table whose colours are (i, 10 i, 20 i).
    let table: Vec<u32> = [1, 10, 20].iter().flat_map(|f| (0..4).map(move |i| (f * i) << 8)).collect();
    let palette = tiff(&with(page(2, 2, 2, 1, 3), 320, table), &[0b0001_0000, 0b1011_0000]);
    assert_eq!(decode(&palette).unwrap().rgb.pixels, [0, 0, 0, 1, 10, 20, 2, 20, 40, 3, 30, 60]);
    assert_eq!(both(&palette), Ok((2, 2)));

    let grey = tiff(&page(2, 1, 4, 1, 0), &[0x0f]);
    assert_eq!(decode(&grey).unwrap().rgb.pixels, [255, 255, 255, 0, 0, 0]);

    let grey_alpha = tiff(&with(page(2, 1, 8, 2, 1), 338, vec![2]), &[7, 0, 9, 255]);
    assert_eq!(decode(&grey_alpha).unwrap().rgb.pixels, [7, 7, 7, 9, 9, 9]);
    assert_eq!(decode_on(&grey_alpha, Transparency::White).unwrap().rgb.pixels, [255, 255, 255, 9, 9, 9]);

    let ycbcr = tiff(&with(page(2, 1, 8, 3, 6), 530, vec![1, 1]), &[100, 128, 128, 81, 90, 240]);
    let pixels = decode(&ycbcr).unwrap().rgb.pixels;
    assert_eq!(pixels[..3], [100; 3]);
    assert!(pixels[3..].iter().zip([238, 14, 14]).all(|(a, b)| a.abs_diff(b) <= 1), "{pixels:?}");

    // 3×3 with one colour for two columns and two rows: blocks of four lumas, then Cb, Cr; red in the first.
    let mut blocks = Vec::new();
    for block in 0..4_u8 {
        blocks.extend([10 * block + 1, 10 * block + 2, 10 * block + 3, 10 * block + 4, 128, if block == 0 { 228 } else { 128 }]);
    }
    let coarse = tiff(&with(page(3, 3, 8, 3, 6), 530, vec![2, 2]), &blocks);
    let pixels = decode(&coarse).unwrap().rgb.pixels;
    let greens: Vec<u8> = pixels.as_chunks::<3>().0.iter().map(|p| p[2]).collect();
    assert_eq!(greens, [1, 2, 11, 3, 4, 13, 21, 22, 31], "blue is luma where Cb is 128");
    assert_eq!(pixels[..3], [141, 0, 1], "1 + 1.402 · 100");
    assert_eq!(both(&coarse), Ok((3, 3)));
}

#[test]
fn sound_files_of_other_kinds_are_not_broken() {
    let jpeg = |frame: &[u8]| [b"\xff\xd8".as_slice(), frame, b"\xff\xda\x00\x02\x00\xff\xd9"].concat();
    let frame = |marker: u8, precision: u8, components: u8| {
        let mut frame = vec![0xff, marker, 0, 8 + 3 * components, precision, 0, 8, 0, 8, components];
        (0..components).for_each(|c| frame.extend([c + 1, 0x11, 0]));
        jpeg(&frame)
    };
    let mut bmp = encoded(picture(1, 8, 8), image::ImageFormat::Bmp);
    bmp[30] = 4; // its compression is JPEG
    let cases = [
        ("float", tiff(&with(page(2, 1, 32, 1, 1), 339, vec![3]), &[0; 8])),
        ("signed", tiff(&with(page(2, 1, 8, 1, 1), 339, vec![2]), &[0; 2])),
        ("Lab", tiff(&page(2, 1, 8, 3, 8), &[0; 6])),
        ("mask", tiff(&page(8, 1, 1, 1, 4), &[0; 1])),
        ("greys of 32 bits", tiff(&page(1, 1, 32, 1, 1), &[0; 4])),
        ("filled from the right", tiff(&with(page(8, 1, 1, 1, 1), 266, vec![2]), &[0; 1])),
        ("old JPEG", tiff(&with(page(8, 1, 8, 1, 1), 259, vec![6]), &[0; 8])),
        ("arithmetic coding", frame(0xc9, 8, 3)),
        ("lossless", frame(0xc3, 8, 3)),
        ("hierarchical", frame(0xc5, 8, 3)),
        ("12 bits", frame(0xc1, 12, 3)),
        ("two components", frame(0xc0, 8, 2)),
        ("BMP", bmp),
    ];
    for (what, file) in cases {
        let reason = match decode(&file) {
            Ok(_) => panic!("{what} is read"),
            Err(fault) => fault.reason,
        };
        assert!(reason.contains("not supported") && !reason.contains("broken"), "{what}: {reason}");
        // The first look says so too, unless it takes the picture itself to find out.
        let (_, looked) = both(&file).err().unwrap_or_else(|| panic!("{what}"));
        assert_eq!(looked, reason);
    }
}

#[test]
fn too_large_is_too_large_in_every_format() {
    let huge = 20_000_u32;
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bmp.extend([huge.to_le_bytes(), huge.to_le_bytes()].concat());
    bmp.extend(b"\x01\0\x18\0");
    bmp.extend([0; 24]);
    let mut gif = b"GIF89a".to_vec();
    gif.extend([60_000_u16.to_le_bytes(), 60_000_u16.to_le_bytes()].concat());
    gif.extend(b"\0\0\0;");
    let mut png = encoded(image::GrayImage::new(1, 1), image::ImageFormat::Png);
    png[16..24].copy_from_slice(&[huge.to_be_bytes(), huge.to_be_bytes()].concat());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    let mut webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
    webp.extend([&(huge - 1).to_le_bytes()[..3], &(huge - 1).to_le_bytes()[..3]].concat());
    webp.extend(&encoded(image::RgbaImage::new(1, 1), image::ImageFormat::WebP)[12..]);
    let length = webp.len() as u32 - 8;
    webp[4..8].copy_from_slice(&length.to_le_bytes());
    let mut jpeg = b"\xff\xd8\xff\xc0\x00\x11\x08\xea\x60\xea\x60\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00".to_vec();
    jpeg.extend(b"\xff\xda\x00\x02\x00\xff\xd9");
    let files = [("BMP", bmp), ("GIF", gif), ("PNG", png), ("WebP", webp), ("JPEG", jpeg)];
    for (format, file) in files.into_iter().chain([("TIFF", tiff(&page(huge, huge, 8, 1, 1), &[0]))]) {
        let (status, reason) = both(&file).err().unwrap_or_else(|| panic!("{format}"));
        assert_eq!((status, reason.contains("over the limit")), (ImageStatus::Oversized, true), "{format}: {reason}");
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn whatever_a_file_holds_it_is_read_or_refused_and_a_first_look_agrees_on_the_size() {
    let table: Vec<u32> = (0..48).map(|i| i * 1300).collect();
    let mut seeds = vec![
        tiff(&with(page(9, 7, 4, 1, 3), 320, table), &[0x5a; 35]),
        tiff(&with(page(9, 7, 8, 3, 6), 530, vec![2, 2]), &[0x5a; 120]),
        tiff(&with(page(9, 7, 8, 2, 1), 338, vec![2]), &[0x5a; 126]),
    ];
    use image::ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    for format in [Bmp, Gif, Jpeg, Png, Tiff, WebP] {
        seeds.push(encoded(picture(3, 24, 16), format));
    }
    let (mut state, mut read, mut refused) = (7_u64, 0, 0);
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for seed in &seeds {
        for _ in 0..150 {
            let mut file = seed.clone();
            for _ in 0..=random(3) {
                let below = if random(2) == 0 { file.len().min(64) } else { file.len() };
                let at = random(below);
                file[at] ^= 1 << random(8);
            }
            if random(8) == 0 {
                file.truncate(random(seed.len()));
            }
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("file"), &file).unwrap();
            match (probe(&dir.path().join("file")).outcome, decode(&file)) {
                (Outcome::Image { width, height, .. }, Ok(decoded)) => {
                    assert_eq!((width, height), (decoded.rgb.width, decoded.rgb.height));
                    read += 1;
                }
                (Outcome::Unusable(status, reason), Ok(_)) => panic!("{status} by a first look alone: {reason}"),
                _ => refused += 1,
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} {refused}");
}

/// What libjpeg only warns of: an error where the picture is in doubt, else a note.
#[test]
fn damage_within_a_jpeg_file_is_refused() {
    let whole = encoded(picture(3, 64, 64), image::ImageFormat::Jpeg);
    let pixels = decode(&whole).unwrap().rgb.pixels;
    let (body, end) = whole.split_at(whole.len() - 2);
    let reason = |file: &[u8]| decode(file).err().unwrap().reason;

    let stray = decode(&[body, &[7, 7], end].concat()).unwrap();
    assert_eq!(
        (stray.rgb.pixels, stray.notes.as_slice()),
        (pixels, &["it holds bytes that belong to nothing; it may be damaged"][..])
    );

    // Its second half is gone, its end is there.
    assert_eq!(reason(&[&whole[..whole.len() / 2 + 150], end].concat()), "a broken JPEG file: its data ends early");

    // Every step of its tables is 255: samples come out by the thousand.
    let mut steep = whole.clone();
    let tables: Vec<usize> = (0..whole.len() - 2).filter(|at| whole[*at..].starts_with(b"\xff\xdb\x00\x43")).collect();
    assert!(!tables.is_empty());
    tables.into_iter().for_each(|at| steep[at + 5..at + 69].fill(255));
    assert_eq!(reason(&steep), "a broken JPEG file: it has samples far outside what 8 bits hold");

    // A second frame of another size behind the first.
    let frame = (0..whole.len()).find(|at| whole[*at..].starts_with(b"\xff\xc0")).unwrap();
    let length = usize::from(whole[frame + 3]) + 2;
    let mut twice = whole[..frame + length].to_vec();
    twice.extend(&whole[frame..frame + length]);
    twice.extend(&whole[frame + length..]);
    twice[frame + length + 6] = 32;
    assert!(reason(&twice).starts_with("a broken JPEG file: "));

    // A code that its Huffman table lacks.
    let scan = (0..whole.len()).find(|at| whole[*at..].starts_with(b"\xff\xda")).unwrap() + 14;
    let mut codes = whole.clone();
    codes[scan..whole.len() - 2].fill(0xfe);
    assert!(reason(&codes).starts_with("a broken JPEG file: "), "{}", reason(&codes));

    let scans = b"\xff\xda\x00\x02".repeat(101);
    let many = [b"\xff\xd8\xff\xc2\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00".as_slice(), &scans, end].concat();
    assert!(reason(&many).contains("not supported: with 101 scans"), "{}", reason(&many));
}

/// The pixels of Pillow, alpha dropped and on white and black, of every file that `pixels.py` writes.
#[test]
fn the_pixels_of_pillow() {
    let Ok(python) = std::env::var("MSDATA_PYTHON") else {
        eprintln!("skipped: MSDATA_PYTHON is not set; `make test` sets it");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/pixels.py");
    let output = Command::new(python).arg("-W").arg("ignore").arg(script).arg(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
    let mut wrong = Vec::new();
    let mut checked = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let how = path.extension().and_then(|e| e.to_str()).and_then(|e| e.parse::<Transparency>().ok());
        let Some(how) = how else { continue };
        let file = fs::read(path.with_extension("")).unwrap();
        let seen = fs::read(&path).unwrap();
        checked += 1;
        match decode_on(&file, how) {
            Err(fault) => wrong.push(format!("{}: {fault}", path.display())),
            Ok(decoded) => {
                let size = [decoded.rgb.width.to_le_bytes(), decoded.rgb.height.to_le_bytes()].concat();
                if size != seen[..8] || decoded.rgb.pixels != seen[8..] {
                    let most = decoded.rgb.pixels.iter().zip(&seen[8..]).map(|(a, b)| a.abs_diff(*b)).max();
                    wrong.push(format!("{}: differs by {most:?}", path.display()));
                }
            }
        }
    }
    wrong.sort();
    assert_eq!((wrong.as_slice(), checked > 800), (&[] as &[String], true), "{checked} checked");
}
