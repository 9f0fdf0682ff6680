//! Logins that TLS has a part in: SCRAM bound to the connection, and EXTERNAL by
//! a client's certificate; with both protocols and both versions of TLS.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

#[path = "transcript/script.rs"]
#[expect(dead_code, reason = "the world needs its bindings alone")]
mod script;
#[path = "transcript/world.rs"]
#[expect(dead_code, reason = "transcripts need more of it")]
mod world;

use proto::sasl::{decode, encode};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_rustls::client::TlsStream;
use world::{World, issuer, scram_final};

/// A client over TLS.
struct Client {
    tls: TlsStream<DuplexStream>,
    imap: bool,
}

impl Client {
    async fn new(world: &mut World, protocol: &str, config: rustls::ClientConfig) -> Self {
        let mut wire = world.connect(protocol, 1).await;
        let imap = protocol == "imap";
        line(&mut wire).await;
        let start = if imap { "s STARTTLS\r\n" } else { "STLS\r\n" };
        wire.write_all(start.as_bytes()).await.unwrap();
        line(&mut wire).await;
        let name = ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let tls = connector.connect(name, wire).await.unwrap();
        Self { tls, imap }
    }

    async fn say(&mut self, text: &str) -> String {
        self.tls.write_all(text.as_bytes()).await.unwrap();
        self.tls.write_all(b"\r\n").await.unwrap();
        line(&mut self.tls).await
    }

    async fn authenticate(&mut self, mechanism: &str, initial: &str) -> String {
        let command = if self.imap { "a AUTHENTICATE" } else { "AUTH" };
        let said = self.say(&format!("{command} {mechanism} {initial}")).await;
        said.replace("a NO [AUTHENTICATIONFAILED]", "-ERR [AUTH]")
            .replace("a OK", "+OK")
            .replace("a BAD", "-ERR")
            .replace("a NO [CANNOT]", "-ERR")
    }

    /// What mechanisms are announced.
    async fn mechanisms(&mut self) -> String {
        if self.imap {
            let line_of = self.say("c CAPABILITY").await;
            line(&mut self.tls).await;
            let names = line_of
                .split(' ')
                .filter_map(|word| word.strip_prefix("AUTH="));
            return names.collect::<Vec<_>>().join(" ");
        }
        let mut found = String::new();
        let mut next = self.say("CAPA").await;
        while next != "." {
            if let Some(names) = next.strip_prefix("SASL ") {
                found = names.to_owned();
            }
            next = line(&mut self.tls).await;
        }
        found
    }

    fn binding(&self, name: &str) -> Vec<u8> {
        let (_, session) = self.tls.get_ref();
        if name == "tls-exporter" {
            let label = b"EXPORTER-Channel-Binding";
            let exported = session.export_keying_material([0; 32], label, Some(&[]));
            return exported.unwrap().to_vec();
        }
        Sha256::digest(&session.peer_certificates().unwrap()[0]).to_vec()
    }

    /// SCRAM-SHA-256-PLUS; the last line.
    async fn plus(&mut self, name: &str, data: &[u8]) -> String {
        let first = encode(format!("p={name},,n=alice,r=client").as_bytes());
        let said = self.authenticate("SCRAM-SHA-256-PLUS", &first).await;
        let Some(challenge) = said.strip_prefix("+ ") else {
            return said;
        };
        let (last, proof) = scram_final("sha-256", "secret", &first, challenge, data);
        let said = self.say(&last).await;
        if said != format!("+ {proof}") {
            return said;
        }
        self.say("").await
    }
}

async fn line(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n") {
        octets.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(octets).unwrap().trim_end().to_owned()
}

fn only(
    config: &rustls::ClientConfig,
    version: &'static rustls::SupportedProtocolVersion,
) -> rustls::ClientConfig {
    let mut made = rustls::ClientConfig::builder_with_provider(config.crypto_provider().clone())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    made.dangerous()
        .set_certificate_verifier(Arc::new(Trusting));
    made
}

/// Which certificate it is, the binding has to say.
#[derive(Debug)]
struct Trusting;

impl rustls::client::danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![
            rustls::SignatureScheme::ECDSA_NISTP256_SHA256,
            rustls::SignatureScheme::ED25519,
        ]
    }
}

#[tokio::test(start_paused = true)]
async fn scram_is_bound_to_the_connection() {
    let mut world = World::new();
    world.account("alice", "secret", &["scram"]).await.unwrap();
    for protocol in ["pop3", "imap"] {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let config = only(&world.client_tls(), version);
            let tls13 = version.version == rustls::ProtocolVersion::TLSv1_3;
            let kinds = [("tls-server-end-point", true), ("tls-exporter", tls13)];
            for (kind, possible) in kinds {
                let mut client = Client::new(&mut world, protocol, config.clone()).await;
                let data = client.binding(kind);
                let said = client.plus(kind, &data).await;
                if !possible {
                    assert!(said.ends_with("does not fit this connection"), "{said}");
                    continue;
                }
                assert!(
                    said.starts_with("+OK") || said.starts_with("a OK"),
                    "{said}"
                );
                // Another channel's.
                let mut client = Client::new(&mut world, protocol, config.clone()).await;
                let said = client.plus(kind, b"something else").await;
                assert!(said.ends_with("does not fit this connection"), "{said}");
            }
            let mut client = Client::new(&mut world, protocol, config).await;
            assert_eq!(
                client.mechanisms().await,
                "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN"
            );
            // RFC 5802 §6: whoever could bind and did not see that we can was lied to.
            let first = encode(b"y,,n=alice,r=client");
            let said = client.authenticate("SCRAM-SHA-256", &first).await;
            assert!(
                said.starts_with("-ERR") && said.contains("hidden"),
                "{said}"
            );
            let first = encode(b"n,,n=alice,r=client");
            let said = client.authenticate("SCRAM-SHA-256", &first).await;
            assert!(decode(&said.as_bytes()[2..]).is_some(), "{said}");
        }
    }
}

/// A client's configuration with a certificate for this address.
fn certified(config: &rustls::ClientConfig, address: &str) -> rustls::ClientConfig {
    let (_, issuer) = issuer();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new([]).unwrap();
    let name = rcgen::SanType::Rfc822Name(address.try_into().unwrap());
    parameters.subject_alt_names.push(name);
    let made = parameters.signed_by(&key, issuer).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut made_config =
        rustls::ClientConfig::builder_with_provider(config.crypto_provider().clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_client_auth_cert(vec![made.der().clone()], key.into())
            .unwrap();
    made_config
        .dangerous()
        .set_certificate_verifier(Arc::new(Trusting));
    made_config
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_enough() {
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.unwrap();
    world.account("bob", "secret", &[]).await.unwrap();
    let plain = world.client_tls();
    for protocol in ["pop3", "imap"] {
        for (address, wanted, answer) in [
            ("Alice@Example.org", "=", "+OK"),
            ("alice@example.org", "YWxpY2U=", "+OK"),
            // Bob, with Alice's; nobody's.
            ("alice@example.org", "Ym9i", "-ERR [AUTH]"),
            ("eve@example.org", "=", "-ERR [AUTH]"),
            ("eve@example.org", "YWxpY2U=", "-ERR [AUTH]"),
        ] {
            let config = certified(&plain, address);
            let mut client = Client::new(&mut world, protocol, config).await;
            assert_eq!(client.mechanisms().await, "EXTERNAL PLAIN LOGIN");
            let said = client.authenticate("EXTERNAL", wanted).await;
            assert!(said.starts_with(answer), "{address} {wanted}: {said}");
        }
        // Without a certificate it is not there.
        let mut client = Client::new(&mut world, protocol, plain.clone()).await;
        assert!(!client.mechanisms().await.contains("EXTERNAL"));
        let said = client.authenticate("EXTERNAL", "=").await;
        assert_eq!(said, "-ERR there is no such mechanism");
    }
}
