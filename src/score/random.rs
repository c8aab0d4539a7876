//! Reproducible random numbers.

/// Random numbers that are the same on every machine: the output stream of BLAKE3 over the seed.
pub(super) struct Random {
    stream: blake3::OutputReader,
    block: [u8; 4096],
    used: usize,
}

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        let stream = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
        Random { stream, block: [0; 4096], used: 4096 }
    }

    /// A number below `n`, each as likely to within n / 2⁶⁴.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// 64 independent bits.
    pub(super) fn bits(&mut self) -> u64 {
        if self.used == self.block.len() {
            self.stream.fill(&mut self.block);
            self.used = 0;
        }
        let mut eight = [0; 8];
        eight.copy_from_slice(&self.block[self.used..self.used + 8]);
        self.used += 8;
        u64::from_le_bytes(eight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_evenly_and_the_same_every_time() {
        let mut counts = [0_u32; 7];
        let mut draws = Random::new(1);
        (0..70_000).for_each(|_| counts[draws.below(7)] += 1);
        assert!(counts.iter().all(|c| c.abs_diff(10_000) < 400), "{counts:?}");
        assert_eq!(Random::new(1).below(1 << 40), Random::new(1).below(1 << 40));
        assert_ne!(Random::new(1).below(1 << 40), Random::new(2).below(1 << 40));
    }
}
