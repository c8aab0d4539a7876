//! Runs other people's readers, which have panicked on broken files: such a file must neither end the run nor print what
//! only a programmer understands.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Returns what `read` returns; `None`: it panicked. What is said of a panic elsewhere stays as it was, on other threads too.
pub(crate) fn guarded<T>(read: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                others(panic);
            }
        }));
    });
    let around = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(around);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing_and_one_elsewhere_is_still_one() {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                std::thread::spawn(move || {
                    let inner = guarded(|| guarded(|| -> u32 { panic!("inner") }).unwrap_or(n));
                    assert_eq!((inner, GUARDED.get()), (Some(n), false));
                    assert_eq!(guarded(|| -> u32 { panic!("outer") }), None);
                    assert!(!GUARDED.get());
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
