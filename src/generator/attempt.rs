//! One attempt of a generator: a process with its log, its time and its end.

use super::Filled;
use crate::error::{Error, Result, io_reason};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The time between two checks of a process.
const PACE: Duration = Duration::from_millis(20);

/// The time that a process has to end after it is asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// The last lines of a log that are kept as the reason of a failure: at most these, of at most so many bytes.
const TAIL_LINES: usize = 12;
const TAIL_BYTES: u64 = 4096;

/// Time that what a process left behind in its group has to end, once the process itself has ended when asked to.
const REST: Duration = Duration::from_secs(1);

/// A request that attempts end, shared by all that are running.
#[derive(Debug, Default)]
pub struct StopSwitch(AtomicU8);

impl StopSwitch {
    /// Asks the processes to end.
    pub fn ask(&self) {
        self.0.fetch_max(1, Ordering::SeqCst);
    }

    /// Ends the processes at once.
    pub fn hurry(&self) {
        self.0.fetch_max(2, Ordering::SeqCst);
    }

    fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    fn urgent(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// How long it ran.
    pub seconds: f64,
    /// The exit status, if it exited.
    pub status: Option<i32>,
    /// Why it cannot have succeeded; `None` if it exited with 0.
    pub fault: Option<String>,
    /// Whether it was stopped because the caller wants to stop.
    pub stopped: bool,
}

/// Runs a command to its end. What it prints is appended to `log`. Its whole process group is ended after `timeout`, or
/// once `stop` is asked for.
///
/// # Errors
/// The log cannot be written.
pub fn attempt(command: &Filled, log: &Path, timeout: Option<Duration>, stop: &StopSwitch) -> Result<Attempt> {
    let failed = |e| Error::io("write", log)(e);
    if let Some(dir) = log.parent() {
        fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
    }
    let mut file = File::options().create(true).append(true).open(log).map_err(failed)?;
    writeln!(file, "$ {command}").map_err(failed)?;
    let began = Instant::now();
    let mut child = match start(command, &file) {
        Ok(child) => child,
        Err(e) => {
            let program = command.0.first().map_or("", String::as_str);
            let fault = Some(format!("cannot start {program}: {}", io_reason(&e)));
            return Ok(Attempt { seconds: 0.0, status: None, fault, stopped: false });
        }
    };
    let mut ending: Option<(Instant, String)> = None;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(e) => {
                signal(&mut child, true);
                let fault = Some(format!("lost track of the process: {}", io_reason(&e)));
                return Ok(Attempt { seconds: began.elapsed().as_secs_f64(), status: None, fault, stopped: false });
            }
        }
        match (&ending, timeout) {
            (Some((asked, _)), _) if asked.elapsed() > GRACE || stop.urgent() => signal(&mut child, true),
            (Some(_), _) => {}
            (None, _) if stop.asked() => {
                ending = Some((Instant::now(), "stopped".into()));
                signal(&mut child, false);
            }
            (None, Some(limit)) if began.elapsed() > limit => {
                ending = Some((Instant::now(), format!("not done after {} seconds (--timeout)", limit.as_secs_f64())));
                signal(&mut child, false);
            }
            _ => {}
        }
        sleep(PACE);
    };
    let seconds = began.elapsed().as_secs_f64();
    if ending.is_some() {
        end_the_rest(&mut child, stop);
    }
    let stopped = ending.is_some() && stop.asked();
    let fault = match (ending, status.code()) {
        (Some((_, reason)), _) => Some(reason),
        (None, Some(0)) => None,
        (None, Some(code)) => Some(format!("exit status {code}")),
        (None, None) => Some("ended by a signal".into()),
    };
    Ok(Attempt { seconds, status: status.code(), fault, stopped })
}

/// Returns the last lines of a log.
pub fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

fn start(command: &Filled, log: &File) -> std::io::Result<Child> {
    let (program, arguments) =
        command.0.split_first().ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "an empty command"))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    // A group of its own, so that what it starts ends with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

/// Ends what is left of the group of a process that was asked to end, and did.
fn end_the_rest(child: &mut Child, stop: &StopSwitch) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, test_kill_process_group};
        let began = Instant::now();
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        while group.is_some_and(|group| test_kill_process_group(group).is_ok()) {
            if began.elapsed() > REST || stop.urgent() {
                return signal(child, true);
            }
            sleep(PACE);
        }
    }
    #[cfg(not(unix))]
    let _ = (child, stop, REST);
}

/// Asks a process and all that it started to end, or ends them.
fn signal(child: &mut Child, kill: bool) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        let signal = if kill { Signal::KILL } else { Signal::TERM };
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // It may have just ended; then there is nothing to signal.
            let _ = kill_process_group(group, signal);
        }
    }
    #[cfg(not(unix))]
    {
        let _ = kill;
        let _ = child.kill();
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn run(script: &str, timeout: Option<f64>, stop: bool) -> (Attempt, String) {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("logs/a.log");
        let command = Filled(["sh", "-c", script].map(str::to_owned).to_vec());
        let wish = StopSwitch::default();
        if stop {
            wish.ask();
        }
        let done = attempt(&command, &log, timeout.map(Duration::from_secs_f64), &wish).unwrap();
        (done, tail(&log))
    }

    #[test]
    fn an_end_is_told_as_it_was() {
        let (done, log) = run("echo out; echo err >&2", None, false);
        assert_eq!((done.status, done.fault), (Some(0), None));
        assert!(log.ends_with("out\nerr"), "{log}");
        let (done, _) = run("exit 7", None, false);
        assert_eq!((done.status, done.fault.as_deref()), (Some(7), Some("exit status 7")));
        let (done, _) = run("kill -9 $$", None, false);
        assert_eq!((done.status, done.fault.as_deref()), (None, Some("ended by a signal")));
    }

    #[test]
    fn time_out_and_stop_end_the_whole_group() {
        let began = Instant::now();
        let (done, _) = run("sleep 60 & sleep 60", Some(0.1), false);
        assert_eq!(done.fault.as_deref(), Some("not done after 0.1 seconds (--timeout)"));
        assert!(!done.stopped);
        let (done, _) = run("sleep 60 | sleep 60", None, true);
        assert!(done.stopped);
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_does_not_listen_is_ended_with_the_rest_of_its_group() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        // The process itself ends when asked to; what it started does not.
        let script = format!("sh -c 'trap \"\" TERM HUP INT; echo $$ > {}; sleep 60' & wait", pid.display());
        let command = Filled(["sh", "-c", &script].map(str::to_owned).to_vec());
        let stop = StopSwitch::default();
        std::thread::scope(|scope| {
            let ended = scope.spawn(|| attempt(&command, &dir.path().join("log"), None, &stop).unwrap());
            let began = Instant::now();
            while !std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')) && began.elapsed() < GRACE {
                sleep(PACE);
            }
            stop.ask();
            assert!(ended.join().unwrap().stopped);
        });
        let state = |pid: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap_or('Z')
        };
        let pid = std::fs::read_to_string(&pid).unwrap();
        let began = Instant::now();
        while state(pid.trim()) != 'Z' && began.elapsed() < GRACE {
            sleep(PACE);
        }
        assert_eq!(state(pid.trim()), 'Z', "{pid} still runs");
    }

    #[test]
    fn what_cannot_be_started_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let command = Filled(vec!["no-such-program-anywhere".into()]);
        let done = attempt(&command, &dir.path().join("l"), None, &StopSwitch::default()).unwrap();
        assert_eq!(done.fault.as_deref(), Some("cannot start no-such-program-anywhere: no such file"));
    }
}
