//! TLS, under memcached's names for its files.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::arguments::Certificate;

/// What turns a client's connection into an encrypted one, with the certificates in the files.
pub(super) fn acceptor(files: &Certificate) -> Result<TlsAcceptor, String> {
    let chain = CertificateDer::pem_file_iter(&files.chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("-o ssl_chain_cert={}: {error}", files.chain.display()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| format!("-o ssl_key={}: {error}", files.key.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| format!("-Z: {error}"))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
