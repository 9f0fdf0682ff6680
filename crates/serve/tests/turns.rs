//! What one session asks for, others do not wait for.

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

use account::{Command, SpecialUses};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use terms::MailboxName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use world::World;

/// Commands at once.
const FLOOD: usize = 20_000;

/// Reads until what has come ends with a line that begins with `last`.
async fn until(wire: &mut DuplexStream, last: &str) -> String {
    let mut all = Vec::new();
    loop {
        let mut octets = vec![0; 1 << 16];
        let count = wire.read(&mut octets).await.unwrap();
        assert!(count > 0, "closed after {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&octets[..count]);
        let line = all.trim_ascii_end().rsplit(|&octet| octet == b'\n').next();
        if all.ends_with(b"\n") && line.is_some_and(|line| line.starts_with(last.as_bytes())) {
            return String::from_utf8(all).unwrap();
        }
    }
}

async fn ask(wire: &mut DuplexStream, command: &str, last: &str) -> String {
    let command = format!("{command}\r\n");
    wire.write_all(command.as_bytes()).await.unwrap();
    until(wire, last).await
}

/// How often another task has its turn during `work`, on one thread.
async fn turns_during<T>(work: impl Future<Output = T>) -> (T, usize) {
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let counting = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let done = work.await;
    counting.abort();
    (done, turns.load(Ordering::Relaxed))
}

/// Another task has its turn every 128 commands at the latest, and not only when the
/// input is empty or the output full.
#[tokio::test(start_paused = true)]
async fn floods_of_commands_keep_nobody_waiting() {
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.unwrap();
    for (protocol, login, noop, end, last) in [
        ("imap", "a LOGIN alice secret", "a NOOP", "b NOOP", "b OK"),
        (
            "pop3",
            "USER alice\r\nPASS secret",
            "NOOP",
            "QUIT",
            "+OK goodbye",
        ),
        ("lmtp", "LHLO flood", "NOOP", "QUIT", "221 "),
    ] {
        let mut wire = world.connect(protocol, 1).await;
        let logged_in = match protocol {
            "imap" => "a OK",
            "pop3" => "+OK 0 messages",
            _ => "250 ",
        };
        ask(&mut wire, login, logged_in).await;
        let flood = format!("{noop}\r\n").repeat(FLOOD);
        let (mut from, mut to) = tokio::io::split(wire);
        let write = async {
            to.write_all(flood.as_bytes()).await.unwrap();
            to.write_all(format!("{end}\r\n").as_bytes()).await.unwrap();
        };
        let read = async {
            let mut answers = 0;
            let mut tail = Vec::new();
            let mut octets = vec![0; 1 << 16];
            loop {
                let count = from.read(&mut octets).await.unwrap();
                answers += octets[..count]
                    .iter()
                    .filter(|&&octet| octet == b'\n')
                    .count();
                tail.extend_from_slice(&octets[..count]);
                let text = String::from_utf8_lossy(&tail).into_owned();
                if text.ends_with("\r\n") && text.lines().last().unwrap().starts_with(last) {
                    return answers;
                }
                tail.drain(..tail.len().saturating_sub(200));
            }
        };
        let ((_, answers), turns) = turns_during(async { tokio::join!(write, read) }).await;
        assert_eq!(answers, FLOOD + 1, "{protocol}");
        assert!(turns >= FLOOD / 128, "{protocol}: {turns} turns");
    }
}

/// RFC 4978: so it is where the commands take a few octets and the answers too.
#[tokio::test(start_paused = true)]
async fn a_compressed_flood_keeps_nobody_waiting() {
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.unwrap();
    let mut wire = world.connect("imap", 1).await;
    ask(&mut wire, "a LOGIN alice secret", "a OK").await;
    ask(&mut wire, "a COMPRESS DEFLATE", "a OK").await;
    let commands = format!("{}b NOOP\r\n", "a NOOP\r\n".repeat(FLOOD));
    let mut packed = Vec::with_capacity(1 << 16);
    Compress::new(Compression::fast(), false)
        .compress_vec(commands.as_bytes(), &mut packed, FlushCompress::Sync)
        .unwrap();
    assert!(packed.len() < 4_096, "{} octets", packed.len());
    let mut inflate = Decompress::new(false);
    let flooded = async {
        wire.write_all(&packed).await.unwrap();
        let mut answers = Vec::with_capacity(FLOOD * 100);
        while !String::from_utf8_lossy(&answers).contains("\r\nb OK") {
            let mut octets = vec![0; 1 << 16];
            let count = wire.read(&mut octets).await.unwrap();
            inflate
                .decompress_vec(&octets[..count], &mut answers, FlushDecompress::None)
                .unwrap();
        }
    };
    let ((), turns) = turns_during(flooded).await;
    assert!(turns >= FLOOD / 128, "{turns} turns");
}

/// A pattern may take its length times that of each name: others do not wait until a
/// number of names has been compared.
#[tokio::test(start_paused = true)]
async fn patterns_that_hurt_keep_nobody_waiting() {
    const NAMES: usize = 60;
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.unwrap();
    let account = world.find("alice").await.unwrap();
    for index in 0..NAMES {
        let command = Command::CreateMailbox {
            name: MailboxName::new(&format!("{}{index}", "a".repeat(900))).unwrap(),
            special_uses: SpecialUses::NONE,
        };
        account.execute(command).await.unwrap();
    }
    let mut wire = world.connect("imap", 1).await;
    ask(&mut wire, "a LOGIN alice secret", "a OK").await;
    let pattern = format!("*{}b", "a%".repeat(300));
    for command in ["LIST \"\"", "LIST () \"\""] {
        let command = format!("a {command} {pattern}");
        let (answer, turns) = turns_during(ask(&mut wire, &command, "a ")).await;
        assert!(answer.starts_with("a OK"), "{answer}");
        assert!(turns >= NAMES, "{turns} turns");
    }
}

/// The APPEND of so many messages.
fn append(count: usize, message: &str) -> String {
    let mut command = "a APPEND INBOX".to_owned();
    for _ in 0..count {
        command.push_str(&format!(" {{{}+}}\r\n{message}", message.len()));
    }
    command
}

/// A key is counted by what it takes, not the messages that are asked.
#[tokio::test(start_paused = true)]
async fn searches_with_many_keys_keep_nobody_waiting() {
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.unwrap();
    let mut wire = world.connect("imap", 1).await;
    ask(&mut wire, "a LOGIN alice secret", "a OK").await;
    ask(&mut wire, &append(500, "Subject: s\r\n\r\n"), "a OK").await;
    ask(&mut wire, "a SELECT INBOX", "a OK").await;
    ask(&mut wire, "a STORE 7 +FLAGS (there)", "a OK").await;
    let keys: String = (0..2_000).map(|key| format!(" UNKEYWORD k{key}")).collect();
    let command = format!("a SEARCH KEYWORD there{keys}");
    let answer = ask(&mut wire, &command, "a OK").await;
    assert!(answer.starts_with("* SEARCH 7\r\n"), "{answer}");
    let command = format!("a SEARCH{keys} KEYWORD there");
    let (answer, turns) = turns_during(ask(&mut wire, &command, "a OK")).await;
    assert!(answer.starts_with("* SEARCH 7\r\n"), "{answer}");
    assert!(turns >= 8, "{turns} turns");
}

/// So it is with texts, of which there are no more than a hundred.
#[tokio::test(start_paused = true)]
async fn searches_for_many_texts_keep_nobody_waiting() {
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.unwrap();
    let mut wire = world.connect("imap", 1).await;
    ask(&mut wire, "a LOGIN alice secret", "a OK").await;
    let message = format!("Subject: s\r\n\r\n{}", "text\r\n".repeat(9_000));
    ask(&mut wire, &append(20, &message), "a OK").await;
    ask(&mut wire, "a SELECT INBOX", "a OK").await;
    // The texts are kept from now on.
    ask(&mut wire, "a SEARCH BODY zz", "a OK").await;
    let keys =
        |count: usize| -> String { (0..count).map(|key| format!(" NOT BODY z{key}")).collect() };
    let command = format!("a SEARCH{}", keys(100));
    let (answer, turns) = turns_during(ask(&mut wire, &command, "a OK")).await;
    assert!(answer.starts_with("* SEARCH 1 2 3 "), "{answer}");
    assert!(turns >= 80, "{turns} turns");
    let command = format!("a SEARCH NOT (OR SUBJECT x (ALL{}))", keys(101));
    let answer = ask(&mut wire, &command, "a ").await;
    assert!(answer.starts_with("a NO [LIMIT]"), "{answer}");
}
