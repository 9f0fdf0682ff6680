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
                    inflate.decompress_vec(&octets, &mut all, flush).unwrap();
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
