//! How a long run communicates with its caller: progress, warnings, and the wish to stop.

mod remarks;

use crate::error::{Error, Result};
use remarks::Remarks;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

/// How far a stage of a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// "rows", "images", "scores", …
    pub stage: &'static str,
    /// Items done.
    pub done: u64,
    /// Total number of items, if known.
    pub total: Option<u64>,
}

/// The caller's side of a long run.
///
/// ```
/// let mut warnings = Vec::new();
/// let mut watch = msdata::Watch::silent().on_warning(|text| warnings.push(text.to_owned()));
/// watch.warn("an empty manifest");
/// drop(watch);
/// assert_eq!(warnings, ["an empty manifest"]);
/// ```
pub struct Watch<'w> {
    progress: Box<dyn FnMut(Progress) + 'w>,
    warning: Box<dyn FnMut(&str) + 'w>,
    interrupted: Option<&'w AtomicBool>,
    urgent: Option<&'w AtomicBool>,
    remarks: Remarks,
}

/// The wish to stop, for readers deep below the [`Watch`] that it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stop<'w>(Option<&'w AtomicBool>);

impl Stop<'_> {
    /// Returns whether the caller wants to stop.
    pub fn is_wanted(self) -> bool {
        self.0.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Fails once the caller wants to stop.
    ///
    /// # Errors
    /// [`Error::Interrupted`], once the caller wants to stop.
    pub fn check(self) -> Result<()> {
        if self.is_wanted() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

impl<'w> Watch<'w> {
    /// Returns a watch for callers who want to hear nothing and never stop.
    pub fn silent() -> Watch<'w> {
        Watch {
            progress: Box::new(|_| {}),
            warning: Box::new(|_| {}),
            interrupted: None,
            urgent: None,
            remarks: Remarks::default(),
        }
    }

    /// Calls `hear` now and then with how far the run has come.
    pub fn on_progress(mut self, hear: impl FnMut(Progress) + 'w) -> Watch<'w> {
        self.progress = Box::new(hear);
        self
    }

    /// Calls `hear` with each warning, which is a sentence.
    pub fn on_warning(mut self, hear: impl FnMut(&str) + 'w) -> Watch<'w> {
        self.warning = Box::new(hear);
        self
    }

    /// Ends the run at the next safe point once the flag is set (by a signal handler, say).
    pub fn until(mut self, interrupted: &'w AtomicBool) -> Watch<'w> {
        self.interrupted = Some(interrupted);
        self
    }

    /// Ends the processes that a run started at once when the flag is set: they have no time left to end by
    /// themselves.
    pub fn hurry(mut self, urgent: &'w AtomicBool) -> Watch<'w> {
        self.urgent = Some(urgent);
        self
    }

    /// Tells the caller about something odd that is not an error.
    pub fn warn(&mut self, text: &str) {
        (self.warning)(text);
    }

    /// Notes something odd about one place, such as a row or a file. Remarks that differ only in what they quote and count
    /// become one warning, with their number and the first places, at the next [`Watch::say_remarks`] or when the watch
    /// ends.
    ///
    /// ```
    /// let mut warnings = Vec::new();
    /// let mut watch = msdata::Watch::silent().on_warning(|text| warnings.push(text.to_owned()));
    /// (1..=1000).for_each(|n| watch.remark(format!("{n}.txt"), "is not an image"));
    /// drop(watch);
    /// assert_eq!(warnings, ["1.txt: is not an image (1000 like it: also 2.txt, 3.txt, …)"]);
    /// ```
    pub fn remark(&mut self, place: impl Display, reason: &str) {
        self.remarks.note(&place.to_string(), reason);
    }

    /// Passes on what was remarked since the last call.
    pub fn say_remarks(&mut self) {
        for line in self.remarks.take() {
            (self.warning)(&line);
        }
    }

    /// Fails once the caller wants to stop.
    ///
    /// # Errors
    /// [`Error::Interrupted`], once the caller wants to stop.
    pub fn check(&self) -> Result<()> {
        self.stop().check()
    }

    /// Returns the wish to stop, to hand to readers.
    pub fn stop(&self) -> Stop<'w> {
        Stop(self.interrupted)
    }

    /// Returns whether the caller wants to stop without waiting for anything.
    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    pub(crate) fn report(&mut self, stage: &'static str, done: u64, total: Option<u64>) {
        (self.progress)(Progress { stage, done, total });
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.say_remarks();
    }
}
