//! File sizes as people write them.

/// Returns the number of bytes of a size as people write it: a number, with or without an exponent, and a unit.
///
/// # Errors
/// `text` is not a size of at least one byte.
pub fn size(text: &str) -> Result<u64, String> {
    let upper = text.trim().to_ascii_uppercase();
    // Longest first: KB ends in B.
    const UNITS: [(&str, f64); 11] = [
        ("KIB", 1024.0),
        ("MIB", 1_048_576.0),
        ("GIB", 1_073_741_824.0),
        ("KB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("K", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("B", 1.0),
        ("", 1.0),
    ];
    let found = UNITS.iter().find_map(|(unit, bytes)| Some((upper.strip_suffix(unit)?, bytes)));
    let bytes = found.and_then(|(number, unit)| Some(number.trim().parse::<f64>().ok()? * unit));
    match bytes {
        // NaN is in no range.
        Some(bytes) if (1.0..u64::MAX as f64).contains(&bytes) => Ok(bytes as u64),
        _ => Err("expected a size such as 20MB, 800KB or 1.5GB".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, bytes) in
            [("20MB", 20_000_000), ("8e5", 800_000), ("1.5 gb", 1_500_000_000), ("1e-3GB", 1_000_000), ("2KiB", 2048)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "0", "-1MB", "0.1B", "nan", "inf", "1e30GB", "20TB", "2,5MB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
