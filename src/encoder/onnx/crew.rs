//! Sessions of one network that run side by side, each on a batch of its own.
//!
//! On the CPU a session of one thread wastes nothing: threads that share one run wait for each other at every operator,
//! and some operators have no work for two. Measured on two cores (256 random images; milliseconds an image, one session of
//! two threads at batch 8, then two sessions of one thread at batch 1): an architecture of DINOv2 ViT-S/14 97 and 69,
//! EfficientNet-Lite0 6.1 and 5.2. Each session holds the weights, so large networks get
//! fewer sessions of more threads.

use super::device::Device;
use super::network::{Loaded, Network};
use super::outline::weight_files;
use super::outputs::Chosen;
use super::runtime::Runtime;
use super::session::Options;
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Mutex;
use std::thread;

/// Bytes of weights that all sessions of a network hold together, unless one alone holds more.
const WEIGHTS: u64 = 1 << 30;

/// Runs that a session is given at a time: the more, the less the others wait for the slowest.
const RUNS: usize = 4;

/// The sessions of one network; at least one.
#[derive(Debug)]
pub(super) struct Crew {
    first: Network,
    others: Vec<Network>,
}

/// Returns how many sessions of a network of `bytes` bytes `threads` threads of the CPU are best used for, and the threads
/// of each.
fn shape(threads: usize, bytes: u64) -> (usize, usize) {
    let most = usize::try_from(WEIGHTS / bytes.max(1)).unwrap_or(usize::MAX).clamp(1, threads.max(1));
    let each = threads.max(1).div_ceil(most);
    (threads.max(1).div_ceil(each), each)
}

impl Crew {
    /// Opens a network; `choose` says, of what it declares, which output to take.
    ///
    /// # Errors
    /// Not a whole model, ONNX Runtime refuses it, or `choose` does.
    pub(super) fn open<T>(
        path: &Path,
        runtime: &'static Runtime,
        options: Options,
        choose: impl FnOnce(&Loaded) -> Result<(Chosen, T)>,
    ) -> Result<(Crew, T)> {
        let (sessions, threads) = match options.device {
            Device::Cuda(_) => (1, options.threads),
            Device::Auto | Device::Cpu => shape(options.threads, bytes(path)?),
        };
        let options = Options { threads, ..options };
        let loaded = Loaded::of(path, runtime, options)?;
        let (output, chosen) = choose(&loaded)?;
        let open = |loaded| Network::new(loaded, path, output.clone(), runtime);
        let first = open(loaded)?;
        let others = (1..sessions).map(|_| Loaded::of(path, runtime, options).and_then(open)).collect::<Result<_>>()?;
        Ok((Crew { first, others }, chosen))
    }

    /// One of them, to ask for what is common to all.
    pub(super) fn network(&self) -> &Network {
        &self.first
    }

    /// Batches that keep all sessions busy.
    pub(super) fn batches(&self) -> usize {
        match self.others.len() {
            0 => 1,
            others => (1 + others) * RUNS,
        }
    }

    /// Calls `run` with each batch and whichever session is free; the results in the order of the batches.
    ///
    /// # Errors
    /// The first error, in that order.
    pub(super) fn run<B: Send, T: Send>(
        &mut self,
        batches: impl IntoIterator<Item = B, IntoIter: Send>,
        run: impl Fn(&mut Network, B) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        if self.others.is_empty() {
            return batches.into_iter().map(|batch| run(&mut self.first, batch)).collect();
        }
        let queue = Mutex::new(batches.into_iter().enumerate());
        let take = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
        let work = |network: &mut Network| {
            let mut done = Vec::new();
            while let Some((at, batch)) = take() {
                done.push((at, run(network, batch)));
            }
            done
        };
        let work = &work;
        let mut done = thread::scope(|scope| {
            let others: Vec<_> = self.others.iter_mut().map(|network| scope.spawn(move || work(network))).collect();
            let mut done = work(&mut self.first);
            for other in others {
                done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            done
        });
        done.sort_unstable_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

/// Bytes of a model and its weight files.
fn bytes(model: &Path) -> Result<u64> {
    let size = |path: &Path| std::fs::metadata(path).map(|file| file.len()).map_err(Error::io("read", path));
    weight_files(model)?.iter().try_fold(size(model)?, |sum, file| Ok(sum + size(&file.path)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_networks_have_fewer_sessions_of_more_threads() {
        let mib = |n: u64| n << 20;
        assert_eq!(shape(2, mib(85)), (2, 1));
        assert_eq!(shape(16, mib(85)), (8, 2));
        assert_eq!(shape(16, mib(20)), (16, 1));
        assert_eq!(shape(16, mib(340)), (3, 6));
        assert_eq!(shape(16, mib(1200)), (1, 16));
        assert_eq!(shape(1, 0), (1, 1));
        assert_eq!(shape(0, 0), (1, 1));
    }
}
