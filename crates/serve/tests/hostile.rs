//! Messages that nobody should send: each is taken with a clear answer, in
//! bounded memory, and comes out again as it went in.

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

use proto::wire::{DataDecoder, DotEncoder};
use tokio::io::DuplexStream;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use world::World;

struct Client(BufReader<DuplexStream>);

impl Client {
    async fn open(world: &mut World, protocol: &str) -> Self {
        let mut client = Self(BufReader::new(world.connect(protocol, 1).await));
        client.line().await;
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.expect("a line");
        line.trim_end().to_owned()
    }

    async fn ask(&mut self, command: &str) -> String {
        let octets = format!("{command}\r\n");
        self.0.write_all(octets.as_bytes()).await.expect("taken");
        self.line().await
    }
}

/// Sends `message` and returns the answer for the one recipient.
async fn deliver(world: &mut World, message: &[u8]) -> String {
    let mut client = Client::open(world, "lmtp").await;
    assert!(client.ask("LHLO hostile").await.starts_with("250-"));
    while client.line().await.starts_with("250-") {}
    client.ask("MAIL FROM:<a@b>").await;
    client.ask("RCPT TO:<alice>").await;
    assert!(client.ask("DATA").await.starts_with("354"));
    let mut sent = Vec::new();
    let mut encoder = DotEncoder::new();
    encoder.encode(message, &mut sent);
    encoder.finish(&mut sent);
    client.0.write_all(&sent).await.expect("taken");
    client.line().await
}

/// Reads the only message by POP3, without the trace lines; and its TOP.
async fn retrieve(world: &mut World) -> (Vec<u8>, Vec<u8>) {
    let mut client = Client::open(world, "pop3").await;
    client.ask("USER alice").await;
    assert!(client.ask("PASS secret").await.starts_with("+OK 1 "));
    let octets = client.ask("LIST 1").await;
    let octets: usize = octets.rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(client.ask("RETR 1").await, format!("+OK {octets} octets"));
    let message = multi_line(&mut client).await;
    assert_eq!(message.len(), octets, "LIST and RETR disagree");
    assert!(client.ask("TOP 1 0").await.starts_with("+OK"));
    let top = multi_line(&mut client).await;
    assert!(message.starts_with(&top), "TOP is not the beginning");
    // Delivered-To, Return-Path, and Received in four lines.
    let trace = (0..6).fold(0, |at, _| {
        at + message[at..]
            .iter()
            .position(|&octet| octet == b'\n')
            .unwrap()
            + 1
    });
    (message[trace..].to_vec(), top)
}

async fn multi_line(client: &mut Client) -> Vec<u8> {
    let mut decoder = DataDecoder::new();
    let mut message = Vec::new();
    loop {
        let octets = client.0.fill_buf().await.expect("octets");
        assert!(!octets.is_empty(), "cut off");
        let decoded = decoder.decode(octets, &mut message);
        client.0.consume(decoded.taken);
        if decoded.ended {
            return message;
        }
    }
}

/// What is stored of `sent`: every line ends in CRLF, no NUL.
fn normalised(sent: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut before = 0;
    for &octet in sent {
        match octet {
            b'\n' if before != b'\r' => out.extend_from_slice(b"\r\n"),
            0 => out.push(0x80),
            octet => out.push(octet),
        }
        before = octet;
    }
    // What DATA adds, as a text has to end in CRLF.
    if !sent.ends_with(b"\r\n") && !sent.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn check(message: &[u8]) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(async {
            let mut world = World::new();
            world.account("alice", "secret", &[]).await.unwrap();
            let answer = deliver(&mut world, message).await;
            assert!(answer.starts_with("250 2.0.0 "), "{answer}");
            let (stored, _) = retrieve(&mut world).await;
            let wanted = normalised(message);
            let start = |octets: &[u8]| octets[..octets.len().min(200)].escape_ascii().to_string();
            let (is, should) = (start(&stored), start(&wanted));
            assert!(
                stored == wanted,
                "the message has changed: {is}, not {should}"
            );
            let octets = world.octets().await;
            assert_eq!(octets.free(), octets.max(), "octets in flight were kept");
        });
}

#[test]
fn deep_nesting() {
    let mut message = Vec::new();
    for level in 0..20_000 {
        message.extend(
            format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n")
                .bytes(),
        );
    }
    check(&message);
    let message = b"Content-Type: message/rfc822\r\n\r\n".repeat(50_000);
    check(&message);
}

#[test]
fn many_parts() {
    let mut message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    message.extend(b"--b\r\n\r\nx\r\n".repeat(200_000));
    check(&message);
    let mut message = b"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n".to_vec();
    message.extend(b"--\r\n".repeat(500_000));
    check(&message);
}

#[test]
fn many_headers() {
    let mut message = Vec::new();
    for number in 0..100_000 {
        message.extend(format!("X-{number}: value\r\nReceived: from x\r\n").bytes());
    }
    message.extend(b"\r\nbody\r\n");
    check(&message);
    // One field of a million lines.
    let mut message = b"To: a@b".to_vec();
    message.extend(b",\r\n a@b".repeat(1_000_000));
    message.extend(b"\r\n\r\n");
    check(&message);
}

#[test]
fn a_line_of_fifty_megabytes() {
    let before = peak_memory();
    let mut message = b"Subject: long\r\n\r\n".to_vec();
    message.extend(std::iter::repeat_n(b'x', 50 << 20));
    check(&message);
    // The message as sent, as received, as stored, as read again and compared;
    // not a multiple of these.
    let grown = peak_memory() - before;
    assert!(grown < 1_000 << 20, "{} MB", grown >> 20);
}

#[test]
fn a_header_line_of_ten_megabytes() {
    let mut message = b"Subject: ".to_vec();
    message.extend(std::iter::repeat_n(b'(', 10 << 20));
    message.extend(b"\r\nFrom: ");
    message.extend(b"((\"<:".repeat(1 << 20));
    message.extend(b"\r\nContent-Type: text/plain;");
    message.extend(b" a=b;".repeat(1 << 20));
    message.extend(b"\r\n\r\n");
    check(&message);
}

#[test]
fn odd_octets() {
    check(b"");
    check(b"\r\n");
    check(b"no header, no end");
    check(b"no separator\r\nat all\r\n");
    check(b"A: b\r\nbody without a blank line\r\n.\r\n..\r\n");
    check(b"\0\0\0A: \0\r\n\0\r\n\r\n\0");
    check(b"A: b\r\r\r\n\r\r\n\r\n\r\r\r");
    check(b"A: b\n\nbare\nlines\n.\n..\n");
    check(b" folded from the first line\r\n\r\n");
    check(b"=?utf-8?b?////?=: =?x?q?=00=0d=0a?=\r\n\r\n");
    check(&(0..=255).collect::<Vec<u8>>());
    check(&[0xff; 100_000]);
    check(&b"\r".repeat(100_000));
    check(&b"\n".repeat(100_000));
    check(&b".\r\n".repeat(100_000));
    check(&b"Content-Type: multipart/x; boundary=\"\r\n \"\r\n\r\n--\r\n".repeat(1_000));
}

/// The most that this process has ever had in memory, in octets.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB"))
        .and_then(|kilobytes| kilobytes.trim().parse::<usize>().ok())
        .map_or(0, |kilobytes| kilobytes << 10)
}
