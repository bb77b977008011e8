//! What ends a server: a signal, or the end of standard input.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Waits for a reason to end.
#[derive(Debug)]
pub(super) struct Stopping {
    interrupt: Signal,
    terminate: Signal,
    input: Option<mpsc::Receiver<()>>,
}

impl Stopping {
    pub(super) fn new(with_stdin: bool) -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            input: if with_stdin { Some(watch_stdin()?) } else { None },
        })
    }

    /// Returns when the server is to end; each signal counts once.
    pub(super) async fn wait(&mut self) {
        let input = async {
            match &mut self.input {
                Some(input) => input.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = input => self.input = None,
        }
    }
}

/// Reads standard input to its end on a thread of its own, which is not waited for.
fn watch_stdin() -> io::Result<mpsc::Receiver<()>> {
    let (ended, end) = mpsc::channel(1);
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        // An error is an end as well.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop(ended);
    })?;
    Ok(end)
}
