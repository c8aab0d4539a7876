//! A look at the compressed pages of a Parquet file before it is read: a page of gzip or brotli may hold far more
//! than it says, and the Parquet reader would take all of it into memory.

use crate::input::Stoppable;
use crate::watch::Stop;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// Largest page, in bytes, decompressed. Writers aim at some megabytes; the largest write one page a row group.
const MAX_PAGE: u64 = 1 << 30;

/// Structures within each other in a page's header, at most; the format has three.
const DEEPEST: u32 = 8;

/// Checks every page of the columns that `is_read` says, by name, and that are compressed in a way whose size nothing
/// bounds.
///
/// # Errors
/// A sentence: a page holds more than it says, or is damaged.
pub fn check(file: &File, metadata: &ParquetMetaData, is_read: impl Fn(&str) -> bool, stop: Stop<'_>) -> Result<(), String> {
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let name = column.column_path().parts().first().map_or("", String::as_str);
        if is_read(name) && matches!(column.compression(), Compression::GZIP(_) | Compression::BROTLI(_)) {
            let damaged = |e: io::Error| format!("column `{name}`: a page is damaged: {e}");
            if !holds_what_it_says(file, column, stop).map_err(damaged)? {
                return Err(format!("column `{name}`: a page holds more than it says, or more than {} MiB", MAX_PAGE >> 20));
            }
        }
    }
    Ok(())
}

fn holds_what_it_says(mut file: &File, column: &ColumnChunkMetaData, stop: Stop<'_>) -> io::Result<bool> {
    let (start, length) = column.byte_range();
    file.seek(SeekFrom::Start(start))?;
    pages_hold(BufReader::new(Stoppable { inner: file.take(length), stop }), column.compression())
}

/// Whether each of these pages holds as much as it says, and not too much.
fn pages_hold(mut pages: impl BufRead, compression: Compression) -> io::Result<bool> {
    while !pages.fill_buf()?.is_empty() {
        let page = ParquetPage::read(&mut pages)?;
        if page.uncompressed > MAX_PAGE {
            return Ok(false);
        }
        let mut body = pages.by_ref().take(page.compressed);
        io::copy(&mut body.by_ref().take(page.levels), &mut io::sink())?;
        if page.is_compressed && page.compressed > page.levels {
            let most = page.uncompressed + 1;
            let held = match compression {
                Compression::GZIP(_) => io::copy(&mut flate2::read::MultiGzDecoder::new(&mut body).take(most), &mut io::sink()),
                _ => io::copy(&mut brotli::Decompressor::new(&mut body, 4096).take(most), &mut io::sink()),
            }?;
            if held + page.levels > page.uncompressed {
                return Ok(false);
            }
        }
        io::copy(&mut body, &mut io::sink())?;
    }
    Ok(true)
}

/// What the header of a page says.
#[derive(Debug, Default, PartialEq, Eq)]
struct ParquetPage {
    uncompressed: u64,
    compressed: u64,
    /// Bytes of levels before the compressed part.
    levels: u64,
    is_compressed: bool,
}

impl ParquetPage {
    /// Reads a header in Thrift's compact protocol. Pages of the second version have levels, which are never compressed.
    fn read(input: &mut impl Read) -> io::Result<ParquetPage> {
        let mut page = ParquetPage { is_compressed: true, ..ParquetPage::default() };
        let mut set = |path: &[i64], value: i64| {
            let size = |value: i64| u64::try_from(value).map_err(|_| broken());
            match path {
                [2] => page.uncompressed = size(value)?,
                [3] => page.compressed = size(value)?,
                [8, 5] | [8, 6] => page.levels += size(value)?,
                [8, 7] => page.is_compressed = value == 1,
                _ => {}
            }
            Ok(())
        };
        structure(input, &mut Vec::new(), &mut set)?;
        Ok(page)
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "its header cannot be read")
}

type Set<'a> = &'a mut dyn FnMut(&[i64], i64) -> io::Result<()>;

/// Reads a structure; hands its integers and truths to `set`, with the numbers of the fields that lead to them.
fn structure(input: &mut dyn Read, path: &mut Vec<i64>, set: Set<'_>) -> io::Result<()> {
    let mut field = 0;
    loop {
        let head = byte(input)?;
        if head == 0 {
            return Ok(());
        }
        field = match head >> 4 {
            0 => signed(varint(input)?),
            step => field + i64::from(step),
        };
        path.push(field);
        match head & 15 {
            truth @ (1 | 2) => set(path, i64::from(truth == 1))?,
            other => value(input, other, path, set)?,
        }
        path.pop();
    }
}

/// Reads a value of a type that is not a field's truth.
fn value(input: &mut dyn Read, kind: u8, path: &mut Vec<i64>, set: Set<'_>) -> io::Result<()> {
    match kind {
        1..=3 => byte(input).map(drop),
        4..=6 => {
            let number = signed(varint(input)?);
            set(path, number)
        }
        7 => skip(input, 8),
        8 => {
            let length = varint(input)?;
            skip(input, length)
        }
        9 | 10 => {
            let head = byte(input)?;
            let count = if head >> 4 == 15 { varint(input)? } else { u64::from(head >> 4) };
            path.push(-1); // items are not fields
            let read = (0..count).try_for_each(|_| nested(input, head & 15, path, set));
            path.pop();
            read
        }
        12 => nested(input, 12, path, set),
        _ => Err(broken()),
    }
}

fn nested(input: &mut dyn Read, kind: u8, path: &mut Vec<i64>, set: Set<'_>) -> io::Result<()> {
    match kind {
        _ if path.len() as u32 > DEEPEST => Err(broken()),
        12 => structure(input, path, set),
        other => value(input, other, path, set),
    }
}

fn byte(input: &mut dyn Read) -> io::Result<u8> {
    let mut byte = [0];
    input.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn varint(input: &mut dyn Read) -> io::Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte(input)?;
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Ok(number);
        }
    }
    Err(broken())
}

fn signed(zigzag: u64) -> i64 {
    (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
}

fn skip(input: &mut dyn Read, length: u64) -> io::Result<()> {
    let skipped = io::copy(&mut input.take(length), &mut io::sink())?;
    if skipped == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_both_versions() {
        // type 0, sizes 300 and 20, a data page header {1: 5, 5: {1: binary "ab"}}
        let first = [0x15, 0, 0x15, 0xd8, 0x04, 0x15, 40, 0x2c, 0x15, 10, 0x4c, 0x18, 2, b'a', b'b', 0, 0, 0];
        let page = ParquetPage::read(&mut &first[..]).unwrap();
        assert_eq!(page, ParquetPage { uncompressed: 300, compressed: 20, levels: 0, is_compressed: true });
        // type 3, sizes 300 and 20, {5: 7, 6: 2, 7: false}
        let second = [0x15, 6, 0x15, 0xd8, 0x04, 0x15, 40, 0x5c, 0x55, 14, 0x15, 4, 0x12, 0, 0];
        let page = ParquetPage::read(&mut &second[..]).unwrap();
        assert_eq!(page, ParquetPage { uncompressed: 300, compressed: 20, levels: 9, is_compressed: false });
        assert!(ParquetPage::read(&mut &[0x1c; 100][..]).is_err());
        assert!(ParquetPage::read(&mut &[0x15][..]).is_err());
    }

    #[test]
    fn a_page_that_holds_more_than_it_says() {
        use std::io::Write;
        let varint = |mut n: u64| {
            let mut bytes = Vec::new();
            while n > 127 {
                bytes.push(n as u8 | 128);
                n >>= 7;
            }
            bytes.push(n as u8);
            bytes
        };
        let zeros = vec![0; 1 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).unwrap();
        let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 1, 20);
        brotli.write_all(&zeros).unwrap();
        let packed = [
            (Compression::GZIP(Default::default()), gzip.finish().unwrap()),
            (Compression::BROTLI(Default::default()), brotli.into_inner()),
        ];
        for (compression, body) in packed {
            let page = |says: u64| {
                let sizes = [varint(2 * says), vec![0x15], varint(2 * body.len() as u64)].concat();
                [&[0x15, 0, 0x15][..], &sizes, &[0], &body].concat()
            };
            assert!(pages_hold(&[page(1 << 20), page(1 << 20)].concat()[..], compression).unwrap());
            assert!(!pages_hold(&[page(1 << 20), page(4096)].concat()[..], compression).unwrap(), "{compression}");
            assert!(!pages_hold(&page(1 << 40)[..], compression).unwrap());
        }
    }
}
