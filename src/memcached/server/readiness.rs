//! How others learn that the server accepts connections, and where.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where memcached looks for the name of the file that its ports go to.
const PORT_FILE: &str = "MEMCACHED_PORT_FILENAME";

/// The file that the environment wants the ports in.
pub(super) fn port_file() -> Option<PathBuf> {
    std::env::var_os(PORT_FILE).map(Into::into)
}

/// One line of JSON.
pub(super) fn line(tcp: &[SocketAddr], unix: Option<&Path>, version: &str) -> String {
    let port = serde_json::json!(tcp.first().map(SocketAddr::port));
    let unix = serde_json::json!(unix.map(Path::to_string_lossy));
    let pid = std::process::id();
    format!(r#"{{"tcp":{port},"unix":{unix},"pid":{pid},"version":"{version}"}}"#)
}

/// Prints a line where others may have stopped reading.
pub(super) fn announce(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes the ports in memcached's form. The file appears under its name when it is complete.
pub(super) fn write_ports(path: &Path, addresses: &[SocketAddr]) -> io::Result<()> {
    let line = |address: &SocketAddr| {
        let family = if address.is_ipv6() { "INET6" } else { "INET" };
        format!("TCP {family}: {}\n", address.port())
    };
    let text: String = addresses.iter().map(line).collect();
    let mut draft = path.as_os_str().to_owned();
    draft.push(".lck");
    fs::write(&draft, text)?;
    fs::rename(&draft, path)
}

/// A file with the process's number, which goes when the server does.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    pub(super) fn write(path: &Path) -> io::Result<Self> {
        fs::write(path, format!("{}\n", std::process::id()))?;
        Ok(Self(path.into()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
