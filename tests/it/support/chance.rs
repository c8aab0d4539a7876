//! Numbers for tests that try many of something: how many, and which.

/// A number that an environment variable gives.
pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// Numbers that differ from run to run of a test only where `MSDATA_SEED` says so.
pub struct Draw(u64);

impl Draw {
    pub fn new() -> Draw {
        Draw(0x9e37_79b9_7f4a_7c15 ^ number("MSDATA_SEED", 1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// At least 0 and less than `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// At least 0 and less than 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next() % 1_000_000) as f64 / 1e6
    }
}
