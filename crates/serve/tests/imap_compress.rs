//! COMPRESS. RFC 4978.

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

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use world::World;

struct Client {
    wire: DuplexStream,
    packing: Option<(Compress, Decompress)>,
    /// What came behind the end of the compression.
    plain: Vec<u8>,
}

impl Client {
    async fn say(&mut self, text: &str) {
        let mut octets = text.as_bytes().to_vec();
        if let Some((deflate, _)) = &mut self.packing {
            octets = Vec::with_capacity(text.len() + 100);
            let flush = FlushCompress::Sync;
            deflate
                .compress_vec(text.as_bytes(), &mut octets, flush)
                .unwrap();
        }
        self.wire.write_all(&octets).await.unwrap();
    }

    /// All up to the line that begins with `tag`.
    async fn until(&mut self, tag: &str) -> String {
        let mut all = Vec::with_capacity(1 << 20);
        all.append(&mut self.plain);
        loop {
            let text = String::from_utf8_lossy(&all).into_owned();
            let last = text.lines().last().unwrap_or_default();
            if last.starts_with(tag) && text.ends_with("\r\n") {
                return text;
            }
            let mut octets = vec![0; 1 << 16];
            let count = self.wire.read(&mut octets).await.unwrap();
            assert!(count > 0, "closed after {text}");
            octets.truncate(count);
            match &mut self.packing {
                Some((_, inflate)) => {
                    let flush = FlushDecompress::None;
                    let before = inflate.total_in();
                    inflate.decompress_vec(&octets, &mut all, flush).unwrap();
                    let taken = (inflate.total_in() - before) as usize;
                    self.plain.extend_from_slice(&octets[taken..]);
                }
                None => all.extend(octets),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn commands_and_answers_are_compressed() {
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.unwrap();
    let wire = world.connect("imap", 1).await;
    let mut client = Client {
        wire,
        packing: None,
        plain: Vec::new(),
    };
    client.until("* OK").await;
    // Not before login, and only what is known.
    client.say("a COMPRESS DEFLATE\r\n").await;
    assert!(client.until("a ").await.starts_with("a BAD"));
    client.say("a LOGIN alice secret\r\n").await;
    assert!(client.until("a ").await.contains("COMPRESS=DEFLATE"));
    client.say("a COMPRESS LZW\r\n").await;
    assert!(client.until("a ").await.starts_with("a BAD"));
    client.say("a COMPRESS DEFLATE\r\n").await;
    assert!(client.until("a ").await.starts_with("a OK"));
    let (deflate, inflate) = (
        Compress::new(Compression::fast(), false),
        Decompress::new(false),
    );
    client.packing = Some((deflate, inflate));
    let body = "line of text\r\n".repeat(10_000);
    client
        .say(&format!(
            "b APPEND INBOX {{{}+}}\r\n{body}\r\nc SELECT INBOX\r\n",
            body.len()
        ))
        .await;
    assert!(client.until("c ").await.contains("b OK [APPENDUID"));
    for _ in 0..3 {
        client.say("d FETCH 1 BODY.PEEK[]\r\n").await;
        let answer = client.until("d ").await;
        assert!(answer.contains(&body));
    }
    // RFC 4978 §3: not twice.
    client.say("e COMPRESS DEFLATE\r\n").await;
    assert!(
        client
            .until("e ")
            .await
            .starts_with("e NO [COMPRESSIONACTIVE]")
    );
    client.say("f LOGOUT\r\n").await;
    assert!(client.until("f ").await.contains("* BYE"));
    assert_eq!(client.wire.read(&mut [0; 100]).await.unwrap(), 0);
}

/// RFC 8437 §4.1: compression ends on both sides, and what a client that has ended
/// its stream sends behind the command is read as it is.
#[tokio::test(start_paused = true)]
async fn unauthenticate_ends_the_compression() {
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.unwrap();
    let wire = world.connect("imap", 1).await;
    let mut client = Client {
        wire,
        packing: None,
        plain: Vec::new(),
    };
    client.until("* OK").await;
    for round in 0..3 {
        client.say("a LOGIN alice secret\r\n").await;
        client.until("a ").await;
        client.say("b COMPRESS DEFLATE\r\n").await;
        assert!(client.until("b ").await.starts_with("b OK"));
        let mut deflate = Compress::new(Compression::fast(), false);
        let (flush, behind) = match round {
            // The client waits for the answer, or does not.
            0 => (FlushCompress::Sync, ""),
            1 => (FlushCompress::Finish, "d NOOP\r\n"),
            _ => (FlushCompress::Sync, ""),
        };
        // In the last round something compressed stands behind the command.
        let said = if round == 2 {
            "c UNAUTHENTICATE\r\nd NOOP\r\n"
        } else {
            "c UNAUTHENTICATE\r\n"
        };
        let mut octets = Vec::with_capacity(1_000);
        deflate
            .compress_vec(said.as_bytes(), &mut octets, flush)
            .unwrap();
        octets.extend_from_slice(behind.as_bytes());
        client.wire.write_all(&octets).await.unwrap();
        client.packing = Some((deflate, Decompress::new(false)));
        assert!(client.until("c ").await.starts_with("c OK"));
        client.packing = None;
        if round == 0 {
            client.say("d NOOP\r\n").await;
        }
        if round < 2 {
            assert_eq!(client.until("d ").await, "d OK nothing done\r\n");
        } else {
            assert!(client.until("* BYE").await.starts_with("* BYE"));
        }
    }
    assert_eq!(client.wire.read(&mut [0; 100]).await.unwrap(), 0);
}
