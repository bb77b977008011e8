//! Sockets that wait for clients.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::arguments::{Settings, UnixSocket};

/// The sockets of a server, bound.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Option<(UnixListener, SocketFile)>,
}

/// A socket's place in the file system, which it leaves when it is closed.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        remove_socket(&self.0);
    }
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Sockets {
    /// Binds what the settings name.
    pub(super) fn bind(settings: &Settings) -> Result<Self, String> {
        let backlog = i32::try_from(settings.backlog).unwrap_or(i32::MAX);
        let mut tcp = Vec::new();
        for &address in &settings.tcp {
            tcp.push(bind_tcp(address, backlog).map_err(|error| {
                format!("failed to listen on TCP port {}: {error} ({address})", address.port())
            })?);
        }
        let unix = settings.unix.as_ref().map(|socket| {
            bind_unix(socket, backlog).map_err(|error| {
                format!("failed to listen on UNIX socket {}: {error}", socket.path.display())
            })
        });
        Ok(Self { tcp, unix: unix.transpose()? })
    }

    /// The TCP addresses with the ports that were found.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.tcp.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }
}

fn bind_tcp(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // As memcached does, so that `-l 0.0.0.0,::` can have both.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    listen(socket, backlog).map(Into::into)
}

fn bind_unix(socket: &UnixSocket, backlog: i32) -> io::Result<(UnixListener, SocketFile)> {
    remove_socket(&socket.path);
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // At start there is no other thread whose files this mask could reach.
    let former = rustix::process::umask(Mode::from_raw_mode(!socket.mode & 0o777));
    let bound = listener.bind(&SockAddr::unix(&socket.path)?);
    rustix::process::umask(former);
    bound?;
    let file = SocketFile(socket.path.clone());
    Ok((listen(listener, backlog)?.into(), file))
}

fn listen(socket: Socket, backlog: i32) -> io::Result<Socket> {
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Removes a socket that an earlier server may have left; nothing but a socket.
fn remove_socket(path: &Path) {
    let is_socket = path.symlink_metadata().is_ok_and(|data| data.file_type().is_socket());
    if is_socket {
        // If it cannot be removed, to bind will tell.
        let _ = std::fs::remove_file(path);
    }
}

/// What every TCP connection wants: answers at once, and an end if the peer has vanished.
pub(super) fn prepare(stream: &std::net::TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new())
}

/// Lets the process have `count` descriptors, as far as it may. Returns how many it may have.
pub(super) fn reserve_descriptors(count: u64) -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|&current| current < count) else { return count };
    limit.current = Some(limit.maximum.map_or(count, |maximum| maximum.min(count)));
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => limit.current.unwrap_or(count),
        Err(_) => current,
    }
}
