//! Standard error: progress on a terminal, warnings, summaries. And the user's Ctrl-C.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use msdata::{Progress, Result, Watch};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How a command speaks while it works.
pub struct Terminal {
    quiet: bool,
}

impl Terminal {
    pub fn new(quiet: bool) -> Terminal {
        Terminal { quiet }
    }

    /// A line of a summary.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{}", line.as_ref());
        }
    }

    /// A warning; also when quiet, because it is about what the numbers mean.
    pub fn warn(&self, text: impl AsRef<str>) {
        eprintln!("warning: {}", text.as_ref());
    }

    /// Runs `work` with progress, warnings and Ctrl-C connected. The first Ctrl-C asks `work` to stop at a
    /// safe point; the second stops the process.
    pub fn watch<T>(&self, work: impl FnOnce(&mut Watch<'_>) -> Result<T>) -> Result<T> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // Without a handler the system's default stands: the process ends at once, which is safe too.
            let _ = signal_hook::flag::register_conditional_shutdown(signal, 130, interrupted.clone());
            let _ = signal_hook::flag::register(signal, interrupted.clone());
        }
        let bar = self.bar();
        let progress = |p: Progress| {
            bar.set_prefix(p.stage);
            bar.set_position(p.done);
            match p.total {
                Some(total) => bar.set_length(total),
                None => bar.unset_length(),
            }
        };
        let warn = |text: &str| bar.suspend(|| self.warn(text));
        let outcome = work(&mut Watch::silent().on_progress(progress).on_warning(warn).until(&interrupted));
        bar.finish_and_clear();
        outcome
    }

    fn bar(&self) -> ProgressBar {
        // Indicatif draws nothing where standard error is no terminal.
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template("{prefix:>8} {pos}/{len} {per_sec} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(None, target).with_style(style)
    }
}
