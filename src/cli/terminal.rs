//! Standard error: progress, warnings, summaries.

use super::ingest::usage;
use super::signals;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use msdata::table::Format;
use msdata::text::{plain, plain_lines};
use msdata::{Progress, Result, Watch};
use std::io::{self, IsTerminal, StdoutLock, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Style {
    // A bar, if standard error is a terminal.
    Auto,
    // One line of JSON every few seconds, for job logs.
    Json,
    None,
}

/// Time between two lines of JSON.
const PACE: Duration = Duration::from_secs(5);

/// How a command reports while it works.
pub struct Terminal {
    quiet: bool,
    style: Style,
}

impl Terminal {
    pub fn new(quiet: bool, style: Style) -> Terminal {
        Terminal { quiet, style }
    }

    /// Prints a line of a summary.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.quiet {
            line_to_standard_error("", line.as_ref());
        }
    }

    /// Prints a warning, even with `--quiet`, because it is about what the numbers mean.
    pub fn warn(&self, text: impl AsRef<str>) {
        line_to_standard_error("warning: ", text.as_ref());
    }

    /// Runs `work` with progress, warnings and signals connected. The first signal asks `work` to stop at a safe
    /// point; the second stops the process.
    pub fn watch<T>(&self, work: impl FnOnce(&mut Watch<'_>) -> Result<T>) -> Result<T> {
        self.listen(false, work)
    }

    /// Does the same as [`Terminal::watch`] for work that starts processes: the second signal kills those, and `work`
    /// then stops by itself, so that no process is left behind and what became of each is noted.
    pub fn watch_over_processes<T>(&self, work: impl FnOnce(&mut Watch<'_>) -> Result<T>) -> Result<T> {
        self.listen(true, work)
    }

    fn listen<T>(&self, patient: bool, work: impl FnOnce(&mut Watch<'_>) -> Result<T>) -> Result<T> {
        let asked = signals::asked(patient);
        let bar = self.bar();
        let warn = |text: &str| bar.suspend(|| self.warn(text));
        let watch = Watch::silent().on_warning(warn).until(&asked.stop).hurry(&asked.hurry);
        let mut lines = WarningLines::default();
        let outcome = match self.style {
            Style::Json => work(&mut watch.on_progress(|p| lines.show(p))),
            Style::Auto | Style::None => work(&mut watch.on_progress(|p| show(&bar, p))),
        };
        asked.ended();
        bar.finish_and_clear();
        outcome
    }

    fn bar(&self) -> ProgressBar {
        // Indicatif draws nothing if standard error is not a terminal.
        let hidden = self.quiet || self.style != Style::Auto;
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template("{prefix:>10} {pos}/{len} {per_sec} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(None, target).with_style(style)
    }
}

/// Writes one line to standard error, in which no text from outside moves the cursor or begins another line. Failures
/// are ignored: there is nowhere left to report them.
pub fn line_to_standard_error(what: &str, text: &str) {
    let _ = writeln!(io::stderr().lock(), "{what}{}", plain(text));
}

/// Writes a message of several lines, such as clap's, to standard error.
pub fn lines_to_standard_error(text: &str) {
    let _ = write!(io::stderr().lock(), "{}", plain_lines(text));
}

/// What standard output is called in errors.
pub const STANDARD_OUTPUT: &str = "standard output";

/// Standard output, for results. Once its reader has seen enough and is gone, what follows is dropped, and the command does
/// and ends as it would have.
pub struct Results(StdoutLock<'static>);

/// Returns standard output.
pub fn results() -> Results {
    Results(io::stdout().lock())
}

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_closed(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_closed(self.0.flush(), ())
    }
}

fn unless_closed<T>(outcome: io::Result<T>, otherwise: T) -> io::Result<T> {
    match outcome {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(otherwise),
        outcome => outcome,
    }
}

/// Writes a result that is a path: exactly the path for a program, what can be shown of it for a person at a terminal.
///
/// # Errors
/// Standard output cannot be written.
pub fn path_to_standard_output(path: &Path) -> io::Result<()> {
    let mut out = results();
    if io::stdout().is_terminal() {
        return writeln!(out, "{}", plain(&path.display().to_string()));
    }
    #[cfg(unix)]
    out.write_all(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))?;
    #[cfg(not(unix))]
    write!(out, "{}", path.display())?;
    out.write_all(b"\n")
}

/// Ends the process, before any work, where a table that is no text would go to a terminal.
pub fn refuse_binary_on_terminal(format: Format, out: Option<&Path>) {
    if format.is_binary() {
        refuse_bytes_on_terminal(format.as_str(), out);
    }
}

/// Does so where bytes in a format of any other name would.
pub fn refuse_bytes_on_terminal(format: &str, out: Option<&Path>) {
    if out.is_none() && io::stdout().is_terminal() {
        usage(format!(
            "`--format {format}` writes bytes, which a terminal cannot show: redirect them to a file, `> FILE.{format}`, or to a \
             program"
        ));
    }
}

fn show(bar: &ProgressBar, p: Progress) {
    if bar.prefix() != p.stage {
        bar.reset();
        bar.set_prefix(p.stage);
    }
    match p.total {
        Some(total) => bar.set_length(total),
        None => bar.unset_length(),
    }
    bar.set_position(p.done);
}

/// Progress as lines of JSON.
#[derive(Default)]
struct WarningLines {
    stage: &'static str,
    began: Option<Instant>,
    said: Option<Instant>,
}

impl WarningLines {
    fn show(&mut self, p: Progress) {
        if self.stage != p.stage {
            *self = WarningLines { stage: p.stage, began: Some(Instant::now()), said: None };
        }
        let ended = p.total == Some(p.done);
        if !ended && self.said.is_some_and(|said| said.elapsed() < PACE) {
            return;
        }
        self.said = Some(Instant::now());
        let seconds = self.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        let rate = (seconds > 0.0).then(|| p.done as f64 / seconds);
        let left = p.total.zip(rate.filter(|r| *r > 0.0)).map(|(total, rate)| total.saturating_sub(p.done) as f64 / rate);
        let rounded = |x: Option<f64>| x.map(|x| (x * 10.0).round() / 10.0);
        let line = serde_json::json!({
            "stage": p.stage, "done": p.done, "total": p.total,
            "per_second": rounded(rate), "seconds_left": rounded(left),
        });
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}
