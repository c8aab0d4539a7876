//! Tars, read without unpacking: an index of the members, then one member at a time. Plain, ustar, pax and GNU names.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

const BLOCK: usize = 512;

/// Longest name, or block of pax records, that is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// Bytes that are read at a time while headers are looked for.
const AHEAD: usize = 16 << 10;

/// Where the members of a tar are.
#[derive(Debug, Default)]
pub(super) struct TarIndex {
    /// By the first half of the hash of the name, so that a tar of long names needs no more memory than another.
    places: HashMap<[u8; 16], Place>,
    /// Why nothing after some byte could be read.
    fault: Option<String>,
}

/// A member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    File {
        offset: u64,
        bytes: u64,
    },
    /// A link, a directory or a device.
    Other,
}

/// What headers before the one of a member say about it.
#[derive(Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    bytes: Option<u64>,
    is_sparse: bool,
}

impl TarIndex {
    /// Reads all headers of a tar. What is damaged ends it: the members before that can be read.
    ///
    /// # Errors
    /// The system reports an error.
    pub(super) fn read(file: &File) -> io::Result<TarIndex> {
        let length = file.metadata()?.len();
        let mut input = BufReader::with_capacity(AHEAD, file);
        input.seek(SeekFrom::Start(0))?;
        let mut index = TarIndex::default();
        let (mut at, mut ahead) = (0, Ahead::default());
        loop {
            if at + BLOCK as u64 > length {
                index.fault = Some(format!("the tar ends at byte {length} without a mark; was it written to the end?"));
                return Ok(index);
            }
            let mut header = [0; BLOCK];
            input.read_exact(&mut header)?;
            if header.iter().all(|byte| *byte == 0) {
                return Ok(index);
            }
            at += BLOCK as u64;
            let Some(mut bytes) = is_sound(&header).then(|| number(&header[124..136])).flatten() else {
                index.fault = Some(format!("the tar is damaged at byte {}", at - BLOCK as u64));
                return Ok(index);
            };
            let kind = header[156];
            let is_about_next = matches!(kind, b'x' | b'g' | b'L' | b'K');
            if !is_about_next {
                bytes = ahead.bytes.unwrap_or(bytes);
            }
            let read = match kind {
                b'x' | b'L' if bytes > LONGEST => {
                    index.fault = Some(format!("the tar has a name of {bytes} bytes at byte {at}"));
                    return Ok(index);
                }
                b'x' | b'L' if at + bytes <= length => {
                    let mut text = vec![0; bytes as usize];
                    input.read_exact(&mut text)?;
                    match kind {
                        b'x' => ahead.records(&text),
                        _ => ahead.name = Some(until_zero(&text).to_vec()),
                    }
                    bytes
                }
                _ => 0,
            };
            if !is_about_next {
                let about = std::mem::take(&mut ahead);
                let place = match kind {
                    b'0' | 0 | b'7' if !about.is_sparse => Place::File { offset: at, bytes },
                    _ => Place::Other,
                };
                let name = about.name.unwrap_or_else(|| name_in(&header));
                index.places.insert(key(&name), place);
            }
            let end = bytes.checked_next_multiple_of(BLOCK as u64).and_then(|whole| Some((whole - read, at.checked_add(whole)?)));
            let Some((rest, next)) = end.filter(|(_, next)| *next <= length) else {
                index.fault = Some(format!("the tar ends at byte {length}, within a member; was it written to the end?"));
                return Ok(index);
            };
            input.seek_relative(rest as i64)?;
            at = next;
        }
    }

    /// Returns how many members there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Reads a member of at most `limit` bytes.
    ///
    /// # Errors
    /// It is not there (`NotFound`), too large (`FileTooLarge`), not a file, or not all there.
    pub(super) fn member(&self, file: &mut File, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        match self.places.get(&key(name.as_bytes())) {
            Some(Place::File { bytes, .. }) if *bytes > limit => Err(io::ErrorKind::FileTooLarge.into()),
            Some(Place::File { offset, bytes }) => {
                let mut data = Vec::new();
                file.seek(SeekFrom::Start(*offset))?;
                file.take(*bytes).read_to_end(&mut data)?;
                if data.len() as u64 == *bytes {
                    return Ok(data);
                }
                let reason = format!("the tar ends within it, after {} of {bytes} bytes; was it written to the end?", data.len());
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason))
            }
            Some(Place::Other) => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a link, a directory or in pieces in the tar"))
            }
            None => {
                let fault = self.fault.as_ref().map_or_else(String::new, |fault| format!(" ({fault})"));
                Err(io::Error::new(io::ErrorKind::NotFound, format!("no such member in the tar{fault}")))
            }
        }
    }
}

impl Ahead {
    /// Takes what pax records, `LENGTH KEY=VALUE\n` each, say about the next member.
    fn records(&mut self, mut text: &[u8]) {
        while let Some(space) = text.iter().position(|byte| *byte == b' ') {
            let length = std::str::from_utf8(&text[..space]).ok().and_then(|digits| digits.parse::<usize>().ok());
            let Some(record) = length.filter(|length| *length > space + 1).and_then(|length| text.get(space + 1..length - 1))
            else {
                return;
            };
            text = &text[space + 2 + record.len()..];
            let Some(equals) = record.iter().position(|byte| *byte == b'=') else { continue };
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"size" => self.bytes = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()),
                _ => self.is_sparse |= key.starts_with(b"GNU.sparse."),
            }
        }
    }
}

/// Returns the key of a name, without the `./` that some programs write before it.
fn key(mut name: &[u8]) -> [u8; 16] {
    while let Some(rest) = name.strip_prefix(b"./").or_else(|| name.strip_prefix(b"/")) {
        name = rest;
    }
    let hash = blake3::hash(name);
    std::array::from_fn(|at| hash.as_bytes()[at])
}

fn name_in(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_zero(&header[..100]);
    let prefix = until_zero(&header[345..500]);
    // GNU's older form has other things there.
    if &header[257..263] == b"ustar\0" && !prefix.is_empty() { [prefix, b"/", name].concat() } else { name.to_vec() }
}

fn until_zero(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Returns whether a header has the sum that it says, of bytes with or without signs.
fn is_sound(header: &[u8; BLOCK]) -> bool {
    let blanked = |at: usize, byte: u8| if (148..156).contains(&at) { b' ' } else { byte };
    let bytes = || header.iter().enumerate().map(|(at, byte)| blanked(at, *byte));
    let (unsigned, signed) = (bytes().map(u64::from).sum::<u64>(), bytes().map(|byte| i64::from(byte as i8)).sum::<i64>());
    number(&header[148..156]).is_some_and(|sum| sum == unsigned || i64::try_from(sum) == Ok(signed))
}

/// Returns a number in octal digits, or in binary after a byte with the highest bit set.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let first = u64::from(field[0] & 0x7f);
        return field[1..].iter().try_fold(first, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)));
    }
    let digits = std::str::from_utf8(until_zero(field)).ok()?.trim_matches(' ');
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}
