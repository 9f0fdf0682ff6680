//! Certificates: reading them, taking new ones while the server runs, and
//! making one for the demo.

use crate::config::Tls;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Sessions that may be resumed without a ticket (TLS 1.2 by identifier).
const SESSIONS_MAX: usize = 10_000;

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("{}: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {what}", file.display())]
    Content {
        /// Which.
        file: PathBuf,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// The certificate could not be made.
    #[error("no certificate could be made: {0}")]
    Making(#[from] rcgen::Error),
    /// rustls refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The certificate that all listeners offer.
#[derive(Clone)]
pub struct Certificates {
    offered: Arc<Offered>,
    config: Arc<ServerConfig>,
}

/// Hands out whatever certificate is the newest.
#[derive(Debug)]
struct Offered(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Offered {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let newest = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&newest))
    }
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// If they cannot be read or do not fit.
    pub fn load(files: &Tls) -> Result<Self, TlsError> {
        let offered = Arc::new(Offered(RwLock::new(Arc::new(read(files)?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients(files)?)
            .with_cert_resolver(Arc::clone(&offered) as Arc<dyn ResolvesServerCert>);
        config.session_storage = rustls::server::ServerSessionMemoryCache::new(SESSIONS_MAX);
        config.ticketer = ring::Ticketer::new()?;
        Ok(Self {
            offered,
            config: Arc::new(config),
        })
    }

    /// Reads the files again; on an error the old certificate stays.
    ///
    /// # Errors
    /// As [`Certificates::load`].
    pub fn reload(&self, files: &Tls) -> Result<(), TlsError> {
        let newest = Arc::new(read(files)?);
        *self
            .offered
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = newest;
        Ok(())
    }

    /// When the certificate ends, in seconds since 1970.
    pub fn end(&self) -> Option<i64> {
        let newest = self
            .offered
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let (_, parsed) = x509_parser::parse_x509_certificate(newest.cert.first()?).ok()?;
        Some(parsed.validity().not_after.timestamp())
    }

    /// What a handshake needs.
    pub fn tls(&self) -> serve::Tls {
        let offered = Arc::clone(&self.offered);
        serve::Tls::new(Arc::clone(&self.config)).with_certificate(move || {
            let newest = offered.0.read().unwrap_or_else(PoisonError::into_inner);
            newest.cert.first().cloned()
        })
    }
}

/// Checks the certificates of clients that have one, where there is somebody to
/// certify them.
fn clients(files: &Tls) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let Some(file) = &files.client_ca else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let content = |what: String| TlsError::Content {
        file: file.clone(),
        what,
    };
    let pem = fs::read(file).map_err(|error| TlsError::File {
        file: file.clone(),
        error,
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| content(format!("no PEM: {error}")))?;
        let added = roots.add(certificate);
        added.map_err(|error| content(format!("a certificate in it cannot be used: {error}")))?;
    }
    let provider = Arc::new(ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|_| {
            content("there is no certificate in it; it must hold BEGIN CERTIFICATE".to_owned())
        })
}

fn read(files: &Tls) -> Result<CertifiedKey, TlsError> {
    let open = |file: &Path| {
        fs::read(file).map_err(|error| TlsError::File {
            file: file.into(),
            error,
        })
    };
    let content = |file: &Path, what: &str| TlsError::Content {
        file: file.into(),
        what: what.into(),
    };
    let pem = open(&files.certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| content(&files.certificate, &format!("no PEM: {error}")))?;
    if chain.is_empty() {
        let what = "there is no certificate in it; it must hold a section BEGIN CERTIFICATE";
        return Err(content(&files.certificate, what));
    }
    let key = PrivateKeyDer::from_pem_slice(&open(&files.key)?).map_err(|_| {
        content(
            &files.key,
            "there is no private key in it; it must hold BEGIN PRIVATE KEY",
        )
    })?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
        let what = format!("does not fit {}: {error}", files.certificate.display());
        content(&files.key, &what)
    })
}

/// Days that a certificate made here is valid; programs refuse ones of over 825.
const VALID_DAYS: i64 = 397;
/// One with fewer days left is made anew.
const RENEW_DAYS: i64 = 30;

/// The self-signed certificate in `directory`, made where there is none or it
/// is about to end.
///
/// # Errors
/// If it cannot be made or kept.
pub fn self_signed(directory: &Path, today: jiff::civil::Date) -> Result<Tls, TlsError> {
    let files = Tls {
        certificate: directory.join("certificate.pem"),
        key: directory.join("key.pem"),
        ..Tls::default()
    };
    let end = directory.join("valid-until");
    let valid = fs::read_to_string(&end)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let days_left = valid.and_then(|until: jiff::civil::Date| {
        today
            .until(until)
            .ok()
            .map(|span| i64::from(span.get_days()))
    });
    if days_left.is_some_and(|days| days >= RENEW_DAYS) && read(&files).is_ok() {
        return Ok(files);
    }
    let until = today.saturating_add(jiff::Span::new().days(VALID_DAYS));
    let key = rcgen::KeyPair::generate()?;
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
    let mut parameters = rcgen::CertificateParams::new(names)?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    let name = rcgen::DnType::CommonName;
    parameters
        .distinguished_name
        .push(name, "Restante demo on this machine");
    let moment = |date: jiff::civil::Date| {
        let part = |part: i8| u8::try_from(part).unwrap_or(1);
        rcgen::date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()))
    };
    parameters.not_before = moment(today.saturating_sub(jiff::Span::new().days(1)));
    parameters.not_after = moment(until);
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = parameters.self_signed(&key)?;
    fs::create_dir_all(directory).map_err(|error| TlsError::File {
        file: directory.into(),
        error,
    })?;
    write(&files.key, &key.serialize_pem(), 0o600)?;
    write(&files.certificate, &certificate.pem(), 0o644)?;
    write(&end, &format!("{until}\n"), 0o644)?;
    Ok(files)
}

fn write(file: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    let _ = fs::remove_file(file);
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file)
        .and_then(|mut to| to.write_all(text.as_bytes()))
        .map_err(|error| TlsError::File {
            file: file.into(),
            error,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_kept_and_renewed() {
        let directory = tempfile::tempdir().unwrap();
        let today = jiff::civil::date(2026, 1, 15);
        let files = self_signed(directory.path(), today).unwrap();
        let first = fs::read(&files.certificate).unwrap();
        let certificates = Certificates::load(&files).unwrap();

        let later = self_signed(directory.path(), jiff::civil::date(2027, 1, 1)).unwrap();
        assert_eq!(fs::read(&later.certificate).unwrap(), first);
        let renewed = self_signed(directory.path(), jiff::civil::date(2027, 2, 10)).unwrap();
        assert_ne!(fs::read(&renewed.certificate).unwrap(), first);
        certificates.reload(&renewed).unwrap();
    }

    #[test]
    fn files_that_do_not_fit_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let today = jiff::civil::date(2026, 1, 15);
        let one = self_signed(&directory.path().join("one"), today).unwrap();
        let two = self_signed(&directory.path().join("two"), today).unwrap();
        let check = |certificate: &Path, key: &Path, file: &Path, what: &str| {
            let files = Tls {
                certificate: certificate.into(),
                key: key.into(),
                ..Tls::default()
            };
            let error = read(&files).unwrap_err().to_string();
            assert!(error.starts_with(&*file.to_string_lossy()), "{error}");
            assert!(error.contains(what), "{error}");
        };
        check(&one.certificate, &two.key, &two.key, "does not fit");
        check(&one.key, &one.key, &one.key, "no certificate in it");
        check(
            &one.certificate,
            &one.certificate,
            &one.certificate,
            "no private key",
        );
        let gone = directory.path().join("gone.pem");
        check(&gone, &one.key, &gone, "No such file");
    }
}
