//! Threads that serve connections: a runtime of its own for each, so that a connection stays where
//! it is and no thread wakes another to hand work on.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

/// The threads besides the caller's own, ended when dropped.
#[derive(Debug)]
pub(super) struct Workers {
    threads: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// Whose turn it is.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    handles: Vec<Handle>,
    next: usize,
}

/// A runtime that uses only the thread it is run on.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

impl Workers {
    /// `count` workers in all. The first is `own`, the runtime that the caller runs.
    pub(super) fn start(own: &Handle, count: u32) -> io::Result<(Self, Turns)> {
        let mut workers = Self { threads: Vec::new() };
        let mut turns = Turns { handles: vec![own.clone()], next: 0 };
        for number in 1..count {
            turns.handles.push(workers.add(number)?);
        }
        Ok((workers, turns))
    }

    fn add(&mut self, number: u32) -> io::Result<Handle> {
        let runtime = runtime()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name(format!("worker-{number}"));
        // It ends when the sender is dropped.
        let thread = thread.spawn(move || drop(runtime.block_on(ended)))?;
        self.threads.push((end, thread));
        Ok(handle)
    }
}

impl Turns {
    /// The worker that takes the next connection.
    pub(super) fn next(&mut self) -> &Handle {
        self.next = (self.next + 1) % self.handles.len();
        &self.handles[self.next]
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for (end, thread) in self.threads.drain(..) {
            drop(end);
            // A worker whose thread has panicked has nothing left to end.
            let _ = thread.join();
        }
    }
}
