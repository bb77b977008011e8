//! Switches, and how others learn that the server is ready.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::process::{Server, run, scratch_file};

#[test]
fn one_line_tells_where_the_server_is() {
    let server = Server::start(&[]);
    assert_eq!(server.ready["pid"], server.pid());
    assert_eq!(server.ready["version"], "1.6.18");
    assert!(server.ready["unix"].is_null());
    assert_eq!(server.connect().ask("version"), "VERSION 1.6.18");
}

#[test]
fn the_version_is_chosen() {
    let server = Server::start(&["--compat", "1.6.45"]);
    assert_eq!(server.ready["version"], "1.6.45");
    assert_eq!(server.connect().ask("version"), "VERSION 1.6.45");
}

#[test]
fn the_port_file_has_memcacheds_form() {
    let path = scratch_file("ports");
    let server = Server::start_with(&["-l", "127.0.0.1"], |command| {
        command.env("MEMCACHED_PORT_FILENAME", &path);
    });
    let text = fs::read_to_string(&path).expect("it is there before the line is");
    assert_eq!(text, format!("TCP INET: {}\n", server.port()));
    fs::remove_file(path).expect("ours");
}

#[test]
fn the_pid_file_goes_with_the_server() {
    let path = scratch_file("pid");
    let name = path.to_str().expect("text");
    let mut server = Server::start(&["-P", name, "--exit-with-stdin"]);
    let text = fs::read_to_string(&path).expect("it is there before the line is");
    assert_eq!(text, format!("{}\n", server.pid()));
    drop(server.stdin());
    server.wait();
    assert!(!path.exists());
}

#[test]
fn a_unix_socket_is_served_and_cleared_away() {
    let path = scratch_file("socket");
    let name = path.to_str().expect("text");
    let mut server = Server::start(&["-s", name, "-a", "0600", "--exit-with-stdin"]);
    assert_eq!(server.ready["unix"], name);
    assert!(server.ready["tcp"].is_null());
    let mode = fs::metadata(&path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut peer = server.connect_to_file();
    peer.set("k", b"value");
    assert_eq!(peer.get("k").as_deref(), Some("value"));
    drop(server.stdin());
    server.wait();
    assert!(!path.exists());
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_no_other_file() {
    let path = scratch_file("left");
    let name = path.to_str().expect("text");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a new socket"));
    drop(Server::start(&["-s", name]));
    fs::remove_file(&path).expect("who is killed leaves it");
    fs::write(&path, "text").expect("writable");
    assert_eq!(run(&["-s", name]).status.code(), Some(71));
    assert_eq!(fs::read_to_string(&path).expect("still there"), "text");
    fs::remove_file(path).expect("ours");
}

#[test]
fn all_addresses_are_served() {
    let server = Server::start(&["-l", "127.0.0.1,127.0.0.2"]);
    assert_eq!(server.connect().ask("version"), "VERSION 1.6.18");
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    for (switch, part) in [
        ("-d", "background"),
        ("-S", "SASL"),
        ("-U11211", "UDP"),
        ("-eshared", "files"),
        ("-oproxy_config=x", "proxy_config"),
        ("--bogus", "--bogus"),
    ] {
        let output = run(&[switch]);
        assert_eq!(output.status.code(), Some(64), "{switch}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(part), "{switch}: {text}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_port_that_is_taken_is_told() {
    let server = Server::start(&[]);
    let output = run(&["-p", &server.port().to_string()]);
    assert_eq!(output.status.code(), Some(71));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("failed to listen on TCP port"), "{text}");
}

#[test]
fn settings_reach_the_commands() {
    let server = Server::start(&["-F", "-M", "-I", "2048", "-t", "1"]);
    let mut peer = server.connect();
    assert_eq!(peer.ask("flush_all"), "CLIENT_ERROR flush_all not allowed");
    peer.send(format!("set k 0 0 3000\r\n{}\r\n", "x".repeat(3000)).as_bytes());
    assert_eq!(peer.line(), "SERVER_ERROR object too large for cache");
}

#[test]
fn a_protocol_can_be_forced() {
    let binary_noop = [&[0x80, 0x0a][..], &[0; 22]].concat();
    let server = Server::start(&["-B", "ascii"]);
    let mut peer = server.connect();
    peer.send(&binary_noop);
    peer.send(b"\r\n");
    assert_eq!(peer.line(), "ERROR");
    let server = Server::start(&["-B", "binary"]);
    let mut peer = server.connect();
    peer.send(b"version\r\nversion\r\nversion\r\nversion\r\n");
    assert_eq!(peer.rest(), "");
}
