//! Writes a tar archive: POSIX ustar, with a pax record where a path, a size or a time does not fit into it.

use crate::error::{Error, Result};
use std::io::{self, Read, Write};
use std::path::Path;

const BLOCK: usize = 512;

/// The owner's name in every header, by which our archives are recognized.
pub const MARK: &[u8] = b"msdata";

/// The offset of [`MARK`] in a header.
pub const MARK_AT: usize = 265;

/// An archive being written.
pub struct Archive<'w> {
    out: &'w mut dyn Write,
    path: &'w Path,
}

impl<'w> Archive<'w> {
    /// Begins an archive. Errors name `path`.
    pub fn new(out: &'w mut dyn Write, path: &'w Path) -> Archive<'w> {
        Archive { out, path }
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn directory(&mut self, name: &str) -> Result<()> {
        self.entry(&format!("{name}/"), 0, 0, b'5')
    }

    /// Adds a file of `bytes` bytes, last changed at `mtime_ns`; returns `false` if `from` does not give exactly that many.
    ///
    /// # Errors
    /// It cannot be written, or `from` cannot be read.
    pub fn file(&mut self, name: &str, bytes: u64, mtime_ns: i64, from: &mut dyn Read) -> Result<bool> {
        self.entry(name, bytes, mtime_ns, b'0')?;
        let mut buffer = vec![0; 1 << 16];
        let mut left = bytes;
        while left > 0 {
            let most = left.min(buffer.len() as u64) as usize;
            match from.read(&mut buffer[..most]) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.write(&buffer[..n])?;
                    left -= n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(false),
            }
        }
        if from.read(&mut buffer[..1]).is_ok_and(|n| n > 0) {
            return Ok(false);
        }
        self.pad(bytes)?;
        Ok(true)
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> Result<()> {
        self.write(&[0; 2 * BLOCK])
    }

    fn entry(&mut self, name: &str, bytes: u64, mtime_ns: i64, kind: u8) -> Result<()> {
        let (seconds, nanos) = (mtime_ns.div_euclid(1_000_000_000), mtime_ns.rem_euclid(1_000_000_000));
        let mut records = String::new();
        if kind == b'0' && mtime_ns != 0 {
            records += &record("mtime", &format!("{seconds}.{nanos:09}"));
        }
        if name.len() > 100 || !name.is_ascii() {
            records += &record("path", name);
        }
        if bytes >= 1 << 33 {
            records += &record("size", &bytes.to_string());
        }
        if !records.is_empty() {
            self.write(&header(b"pax", records.len() as u64, 0, b'x'))?;
            self.write(records.as_bytes())?;
            self.pad(records.len() as u64)?;
        }
        self.write(&header(name.as_bytes(), bytes, seconds.max(0) as u64, kind))
    }

    fn pad(&mut self, bytes: u64) -> Result<()> {
        let over = (bytes % BLOCK as u64) as usize;
        if over == 0 { Ok(()) } else { self.write(&[0; BLOCK][over..]) }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::io("write", self.path))
    }
}

/// Returns `LENGTH key=value`, in which the length counts itself.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (rest..).find(|n| n.to_string().len() + rest == *n).unwrap_or(rest);
    format!("{length} {key}={value}\n")
}

fn header(name: &[u8], bytes: u64, seconds: u64, kind: u8) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, &name[..name.len().min(100)]);
    put(100, if kind == b'5' { b"0000755\0" } else { b"0000644\0" });
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", bytes & ((1 << 33) - 1)).as_bytes());
    put(136, format!("{:011o}\0", seconds & ((1 << 33) - 1)).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(MARK_AT, MARK);
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_itself() {
        assert_eq!(record("path", "a"), "9 path=a\n");
        assert_eq!(record("path", &"x".repeat(90)), format!("99 path={}\n", "x".repeat(90)));
        for n in 1..300 {
            let record = record("path", &"y".repeat(n));
            assert_eq!(record.split_once(' ').unwrap().0.parse::<usize>().unwrap(), record.len());
        }
    }

    #[test]
    fn the_sum_of_a_header_is_over_itself_with_blanks_in_its_place() {
        let header = header(b"data/catalog.sqlite", 4096, 1, b'0');
        let told = std::str::from_utf8(&header[148..154]).unwrap();
        let sum: u32 = header.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
        assert_eq!(u32::from_str_radix(told, 8).unwrap(), sum);
        assert_eq!(&header[MARK_AT..MARK_AT + MARK.len()], MARK);
    }
}
