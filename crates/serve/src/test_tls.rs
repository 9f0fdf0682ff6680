//! A certificate for tests.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::{Arc, OnceLock};

fn made() -> &'static (CertificateDer<'static>, PrivateKeyDer<'static>) {
    static MADE: OnceLock<(CertificateDer<'static>, PrivateKeyDer<'static>)> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (
            made.cert.der().clone(),
            PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap(),
        )
    })
}

/// For a server called `localhost`.
pub(crate) fn server_config() -> Arc<rustls::ServerConfig> {
    let (certificate, key) = made();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.clone_key())
        .unwrap();
    Arc::new(config)
}

/// For a client that trusts it.
pub(crate) fn client_config() -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made().0.clone()).unwrap();
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}
