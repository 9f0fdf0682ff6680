//! What was sent in the clear is never seen after a TLS handshake. RFC 2595 §4.

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

use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::World;

#[tokio::test(start_paused = true)]
async fn what_was_pipelined_before_tls_is_thrown_away() {
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.unwrap();
    let mut wire = world.connect("pop3", 1).await;
    // All of this is read at once: an injected login must not become Alice's.
    let sent = b"USER alice\r\nSTLS\r\nUSER alice\r\nPASS secret\r\nDE";
    wire.write_all(sent).await.unwrap();
    let expected = "+OK mail.example.org POP3 ready\r\n+OK and the password?\r\n+OK begin TLS\r\n";
    let mut answers = vec![0; expected.len()];
    wire.read_exact(&mut answers).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answers), expected);

    let connector = tokio_rustls::TlsConnector::from(Arc::new(world.client_tls()));
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut tls = connector.connect(name, wire).await.unwrap();
    tls.write_all(b"PASS secret\r\nLE 1\r\nNOOP\r\nQUIT\r\n")
        .await
        .unwrap();
    let mut answers = String::new();
    tls.read_to_string(&mut answers).await.unwrap();
    assert_eq!(
        answers,
        "-ERR say USER first\r\n-ERR unknown command\r\n-ERR log in first\r\n+OK goodbye\r\n"
    );
}
