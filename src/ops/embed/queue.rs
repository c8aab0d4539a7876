//! Tasks made ready on several threads, for the one thread that runs the network.

use crate::error::{Error, Result};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Both ends of the queue that the thread of the network holds: tasks go in, what was made of them comes out, in any order.
pub(crate) struct Queue<T, P> {
    give: Sender<T>,
    made: Receiver<P>,
}

impl<T: Send, P: Send> Queue<T, P> {
    /// Calls `work` with a queue to whose tasks `threads` threads apply `prepare`. The threads end with the queue.
    pub(crate) fn with<R>(threads: usize, prepare: impl Fn(T) -> P + Sync, work: impl FnOnce(Queue<T, P>) -> R) -> R {
        let (give, take) = channel();
        let (deliver, made) = channel();
        let take = Mutex::new(take);
        thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                let (take, prepare, deliver) = (&take, &prepare, deliver.clone());
                scope.spawn(move || prepare_all(take, prepare, &deliver));
            }
            drop(deliver);
            work(Queue { give, made })
        })
    }

    /// Adds a task. This never waits, so whoever gives bounds how many are under way, and with them memory.
    pub(crate) fn give(&self, task: T) {
        let _ = self.give.send(task); // the threads live as long as this queue
    }

    /// Waits for the next task that is ready.
    ///
    /// # Errors
    /// A thread panicked.
    pub(crate) fn next(&self) -> Result<P> {
        self.made.recv().map_err(|_| Error::Damaged("a decoding thread ended too early".into()))
    }
}

/// Prepares until there are no more tasks, or nobody wants them.
fn prepare_all<T, P>(take: &Mutex<Receiver<T>>, prepare: &impl Fn(T) -> P, deliver: &Sender<P>) {
    loop {
        let task = match take.lock() {
            Ok(take) => take.recv(),
            Err(_) => return,
        };
        let Ok(task) = task else { return };
        if deliver.send(prepare(task)).is_err() {
            return;
        }
    }
}
