//! How a long run speaks to its caller: progress, warnings, and the wish to stop.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};

/// How far a stage of a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// "reading", "images", "scores", …
    pub stage: &'static str,
    /// Items done.
    pub done: u64,
    /// Items in all, where known.
    pub total: Option<u64>,
}

/// The caller's side of a long run. [`Watch::silent`] is for those who do not care.
pub struct Watch<'w> {
    /// Called now and then with how far the run has come.
    pub progress: &'w mut dyn FnMut(Progress),
    /// Called with each warning, as a sentence.
    pub warn: &'w mut dyn FnMut(&str),
    /// Set from elsewhere (a signal handler) to end the run at the next safe point.
    pub interrupted: &'w AtomicBool,
}

static NEVER: AtomicBool = AtomicBool::new(false);

impl<'w> Watch<'w> {
    /// Hands warnings to `warn`, drops progress, is never interrupted.
    pub fn warnings(progress: &'w mut dyn FnMut(Progress), warn: &'w mut dyn FnMut(&str)) -> Watch<'w> {
        Watch { progress, warn, interrupted: &NEVER }
    }

    /// # Errors
    /// [`Error::Interrupted`], once the caller wants to stop.
    pub fn check(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    pub(crate) fn report(&mut self, stage: &'static str, done: u64, total: Option<u64>) {
        (self.progress)(Progress { stage, done, total });
    }
}
