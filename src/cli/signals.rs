//! The signals that ask a command to stop: Ctrl-C, a closed terminal, a job scheduler.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// The exit status of a command that was stopped.
const INTERRUPTED: i32 = 130;

/// What signals have asked the command to do.
pub struct StopSignal {
    /// Stop at a safe point.
    pub stop: AtomicBool,
    /// Stop without waiting for the processes that were started.
    pub hurry: AtomicBool,
    patient: AtomicBool,
    working: AtomicBool,
}

static ASKED: StopSignal = StopSignal {
    stop: AtomicBool::new(false),
    hurry: AtomicBool::new(false),
    patient: AtomicBool::new(false),
    working: AtomicBool::new(false),
};

/// Listens to SIGHUP, SIGINT, SIGQUIT and SIGTERM from now on. If `patient`, the process does not end before its
/// work has stopped by itself.
pub fn asked(patient: bool) -> &'static StopSignal {
    static LISTENING: Once = Once::new();
    ASKED.patient.store(patient, SeqCst);
    ASKED.working.store(true, SeqCst);
    // Without a listener the system's defaults apply: the process ends at once, which is also safe.
    LISTENING.call_once(listen);
    &ASKED
}

/// Reports SIGBUS as an error. The system sends it where a mapped file (the index of the catalog's log) cannot be filled
/// or read, and the process must end then.
#[cfg(unix)]
#[allow(unsafe_code)]
pub fn end_well_on_a_full_disk() {
    const TEXT: &[u8] =
        b"error: a file of the data set that is mapped into memory cannot be written or read: the disk is full or failing\n\
        hint: make room on the disk and run the same command again; what was finished is kept\n";
    let tell = || {
        let _ = rustix::io::write(std::io::stderr(), TEXT);
        signal_hook::low_level::exit(1);
    };
    // SAFETY: in a signal's handler only what POSIX calls async-signal-safe may run; this is write(2), with neither
    // allocation nor lock, and _exit(2).
    let _ = unsafe { signal_hook::low_level::register(signal_hook::consts::SIGBUS, tell) };
}

#[cfg(not(unix))]
pub fn end_well_on_a_full_disk() {}

impl StopSignal {
    /// Notes that the work is done: a signal that comes now ends the process.
    pub fn ended(&self) {
        self.working.store(false, SeqCst);
    }

    fn heard(&self) {
        if !self.working.load(SeqCst) {
            signal_hook::low_level::exit(INTERRUPTED);
        }
        if !self.stop.swap(true, SeqCst) {
            return;
        }
        if self.patient.load(SeqCst) {
            self.hurry.store(true, SeqCst);
        } else {
            signal_hook::low_level::exit(INTERRUPTED);
        }
    }
}

#[cfg(unix)]
fn listen() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    let mut heard = vec![SIGINT, SIGQUIT, SIGTERM];
    if !is_ignored(SIGHUP) {
        heard.push(SIGHUP);
    }
    if let Ok(mut signals) = signal_hook::iterator::Signals::new(heard) {
        std::thread::spawn(move || signals.forever().for_each(|_| ASKED.heard()));
    }
}

/// Returns whether the parent process wants this one to outlive the signal, as `nohup` does. Known only on Linux.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(not(unix))]
fn listen() {
    // The first asks to stop; there is no second.
    static STOP: std::sync::OnceLock<std::sync::Arc<AtomicBool>> = std::sync::OnceLock::new();
    let flag = STOP.get_or_init(Default::default).clone();
    let _ = signal_hook::flag::register(signal_hook::consts::SIGINT, flag.clone());
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(std::time::Duration::from_millis(100));
            if flag.swap(false, SeqCst) {
                ASKED.heard();
            }
        }
    });
}
