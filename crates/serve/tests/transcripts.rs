//! Transcripts, played against the real sessions in memory.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

#[path = "client/decode.rs"]
mod decode;
#[path = "transcript/player.rs"]
mod player;
#[path = "transcript/script.rs"]
mod script;
#[path = "transcript/world.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod world;

#[test]
fn imap() {
    player::play_all("imap");
    assert_eq!(decode::unneeded(), Vec::<&str>::new());
}

#[test]
fn lmtp() {
    player::play_all("lmtp");
}

#[test]
fn pop3() {
    player::play_all("pop3");
}
