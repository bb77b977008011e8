//! TLS, with a certificate for tests.

use std::io::{BufReader, Read};
use std::net::TcpStream;
use std::sync::Arc;

use rustix::process::Signal;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::process::{Peer, Server, run};

type Encrypted = Peer<StreamOwned<ClientConnection, TcpStream>>;

/// A certificate for `localhost` that is good for a hundred years, and its key; worth nothing elsewhere.
const CHAIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/tls/certificate.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/tls/key.pem");

fn option() -> String {
    format!("ssl_chain_cert={CHAIN},ssl_key={KEY}")
}

/// A connection that trusts only this certificate.
fn connect(server: &Server) -> Encrypted {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(CHAIN).expect("readable")).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let stream = server.connect().0.into_inner();
    Peer(BufReader::new(StreamOwned::new(session, stream)))
}

#[test]
fn what_is_stored_over_tls_comes_back() {
    let server = Server::start(&["-Z", "-o", &option()]);
    let mut peer = connect(&server);
    // More than the socket takes at once, and not read before all of it is asked for.
    let value = "x".repeat(1_000_000);
    peer.set("k", value.as_bytes());
    peer.send("get k\r\n".repeat(10).as_bytes());
    for _ in 0..10 {
        assert_eq!(peer.line(), "VALUE k 0 1000000");
        assert!(peer.line() == value);
        assert_eq!(peer.line(), "END");
    }
    peer.send(b"version\r\nquit\r\n");
    assert_eq!(peer.rest(), "VERSION 1.6.18\r\n");
}

#[test]
fn the_end_is_told_over_tls() {
    let mut server = Server::start(&["-Z", "-o", &option()]);
    let mut peer = connect(&server);
    assert_eq!(peer.ask("version"), "VERSION 1.6.18");
    server.signal(Signal::TERM);
    // An end without a word would be an error here.
    let mut rest = Vec::new();
    peer.0.read_to_end(&mut rest).expect("an orderly end");
    assert!(rest.is_empty());
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn who_does_not_encrypt_is_not_served() {
    let server = Server::start(&["-Z", "-o", &option()]);
    let mut peer = server.connect();
    peer.send(b"version\r\n");
    let mut rest = Vec::new();
    let _ = peer.0.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"VERSION"));
    assert_eq!(connect(&server).ask("version"), "VERSION 1.6.18");
}

#[test]
fn files_that_are_not_there_are_named() {
    let output = run(&["-p", "-1", "-Z", "-o", "ssl_chain_cert=missing.pem,ssl_key=missing.key"]);
    assert_eq!(output.status.code(), Some(71));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("missing.pem"), "{text}");
}
