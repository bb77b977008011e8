//! A server under load: a process of its own.

use std::fs;
use std::io::{Error, Result};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A server that runs; ended when this is dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts the command `line` on a port that is free.
    pub(crate) fn start(line: &str) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut words = line.split_whitespace();
        let process = Command::new(words.next().ok_or(Error::other("an empty command"))?)
            .args(words)
            .args(["-p", &port.to_string(), "-l", "127.0.0.1", "-U", "0", "-m", "1024"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| Error::other(format!("{line}: {error}")))?;
        let server = Self { process, port };
        server.await_ready().map_err(|error| Error::other(format!("{line}: {error}")))?;
        Ok(server)
    }

    fn await_ready(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(_) => return Ok(()),
                Err(error) if start.elapsed() > Duration::from_secs(10) => return Err(error),
                Err(_) => thread::yield_now(),
            }
        }
    }

    pub(crate) fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(stream)
    }

    /// How long the server's threads were on a processor so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let times = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = times.split_whitespace().next().and_then(|text| text.parse::<u64>().ok());
            nanos += first.ok_or(Error::other("the kernel tells no times"))?;
        }
        Ok(Duration::from_nanos(nanos))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
