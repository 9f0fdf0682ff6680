//! Streams against peers that pipeline, stall, vanish and speak TLS.

use super::*;
use crate::test_tls::{client_config, server_config};
use rustls::pki_types::ServerName;
use terms::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

const WAIT: Duration = Duration::from_secs(60);

fn node(limits: Limits) -> Arc<Node> {
    Node::new(Env::simulated(3, Timestamp::EPOCH), limits)
}

#[tokio::test(start_paused = true)]
async fn octets_come_and_buffers_go() {
    let node = node(Limits::default());
    let (mut stream, mut peer) = Stream::memory(Arc::clone(&node), 1_000);
    let all = node.octets.free();
    peer.write_all(b"NOOP\r\nQUIT\r\n").await.unwrap();
    assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::Octets);
    assert_eq!(&stream.input()[..], b"NOOP\r\nQUIT\r\n");
    assert_eq!(node.octets.free(), all - 12);
    stream.consume(6);
    assert_eq!(&stream.input()[..], b"QUIT\r\n");
    stream.consume(6);
    assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::TimedOut);
    assert_eq!((stream.input.capacity(), stream.output.capacity()), (0, 0));
    assert_eq!(node.octets.free(), all);
    drop(peer);
    assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::End);
    assert_eq!(stream.octets_moved(), (12, 0));
}

#[tokio::test(start_paused = true)]
async fn answers_are_gathered_until_it_waits() {
    let (mut stream, mut peer) = Stream::memory(node(Limits::default()), 100_000);
    stream.send(b"one\r\n").await.unwrap();
    stream.queue(b"two\r\n");
    stream.relieve().await.unwrap();
    assert_eq!(stream.octets_moved(), (0, 0));
    assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::TimedOut);
    assert_eq!(stream.octets_moved(), (0, 10));
    // Much goes at once, in its order.
    stream.queue(b"three\r\n");
    stream.send(&[b'x'; 50_000]).await.unwrap();
    stream.close().await;
    let mut got = Vec::new();
    peer.read_to_end(&mut got).await.unwrap();
    assert_eq!(got.len(), 10 + 7 + 50_000);
    assert!(got.starts_with(b"one\r\ntwo\r\nthree\r\nxxx"));
}

#[tokio::test(start_paused = true)]
async fn only_a_peer_that_takes_nothing_is_cut_off() {
    let (mut stream, mut peer) = Stream::memory(node(Limits::default()), 10);
    let stall = Limits::default().write_stall;
    // One octet each time before the limit: for as long as it likes.
    let slow = async {
        for _ in 0..30 {
            tokio::time::sleep(stall - Duration::from_secs(1)).await;
            let mut octet = [0];
            peer.read_exact(&mut octet).await.unwrap();
        }
        peer
    };
    stream.queue(&[7; 40]);
    let (sent, peer) = futures::future::join(stream.flush(), slow).await;
    assert!(sent.is_ok());
    stream.queue(&[7; 40]);
    assert!(matches!(stream.flush().await, Err(StreamError::Stalled)));
    drop(peer);
    assert!(matches!(stream.flush().await, Err(StreamError::Io(_))));
}

#[tokio::test(start_paused = true)]
async fn a_stopping_server_ends_waiting_but_not_commands() {
    let node = node(Limits::default());
    let (mut stream, mut peer) = Stream::memory(Arc::clone(&node), 100);
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        node.stop();
    };
    let (filled, ()) = futures::future::join(stream.fill(WAIT), stopping).await;
    assert_eq!(filled.unwrap(), Filled::Stopping);
    peer.write_all(b"rest").await.unwrap();
    assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::Stopping);
    assert_eq!(stream.fill_more(WAIT).await.unwrap(), Filled::Octets);
}

#[tokio::test(start_paused = true)]
async fn without_octets_in_flight_nothing_is_read_on() {
    let limits = Limits {
        octets_in_flight_max: 64 << 10,
        ..Limits::default()
    };
    let node = node(limits);
    let (mut stream, mut peer) = Stream::memory(Arc::clone(&node), 100);
    let held = node.octets.take(64 << 10).await;
    peer.write_all(b"first").await.unwrap();
    let free = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        drop(held);
    };
    let (filled, ()) = futures::future::join(stream.fill(WAIT * 10), free).await;
    assert_eq!(filled.unwrap(), Filled::Octets);
    let held = node.octets.take((64 << 10) - 5).await;
    peer.write_all(b"second").await.unwrap();
    assert!(matches!(stream.fill(WAIT).await, Err(StreamError::Crowded)));
    drop(held);
}

#[tokio::test]
async fn tls_begins_with_nothing_from_before() {
    let tls = Tls::new(server_config());
    let node = Node::new(Env::system(), Limits::default());
    let (mut stream, mut peer) = Stream::memory(node, 100_000);
    // Pipelined behind STARTTLS, in the clear: never seen.
    peer.write_all(b"STARTTLS\r\nEVIL\r\n").await.unwrap();
    assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::Octets);
    stream.consume(10);
    stream.queue(b"OK begin\r\n");
    let client = async {
        let mut ready = [0; 10];
        peer.read_exact(&mut ready).await.unwrap();
        assert_eq!(&ready, b"OK begin\r\n");
        let name = ServerName::try_from("localhost").unwrap();
        let mut peer = TlsConnector::from(client_config())
            .connect(name, peer)
            .await
            .unwrap();
        peer.write_all(b"NOOP\r\n").await.unwrap();
        peer
    };
    let (begun, mut peer) = futures::future::join(stream.start_tls(&tls), client).await;
    begun.unwrap();
    assert!(stream.is_secure());
    assert!(stream.tls_summary().unwrap().starts_with("TLSv1_3"));
    assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::Octets);
    assert_eq!(&stream.input()[..], b"NOOP\r\n");
    stream.send(&[b'y'; 40_000]).await.unwrap();
    let bindings = stream.channel_bindings();
    let (_, session) = peer.get_ref();
    let theirs = session
        .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]))
        .unwrap();
    // RFC 9266 §2; and nobody has said which certificate was shown.
    assert_eq!(bindings, [(Binding::TlsExporter, theirs.to_vec())]);
    assert_eq!(stream.peer_certificate(), None);
    let (_, got) = futures::future::join(stream.close(), async {
        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.unwrap();
        got
    })
    .await;
    assert_eq!(got.len(), 40_000);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_come_is_given_up() {
    let tls = Tls::new(server_config());
    let (mut stream, mut peer) = Stream::memory(node(Limits::default()), 1_000);
    assert!(matches!(
        stream.start_tls(&tls).await,
        Err(StreamError::Handshake(_))
    ));
    let (mut stream, mut other) = Stream::memory(node(Limits::default()), 1_000);
    other.write_all(b"not TLS at all\r\n\r\n").await.unwrap();
    assert!(matches!(
        stream.start_tls(&tls).await,
        Err(StreamError::Handshake(_))
    ));
    // Of no use any more, and harmless.
    assert!(stream.flush().await.is_ok());
    assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::End);
    peer.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_goodbye_reaches_a_peer_that_keeps_talking() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let talks = async {
        let mut peer = TcpStream::connect(address).await.unwrap();
        for _ in 0..64 {
            // Refused or not, it does not listen.
            let _ = peer.write_all(&[b'x'; 64 << 10]).await;
        }
        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.map(|_| got)
    };
    let hangs_up = async {
        let (socket, peer) = listener.accept().await.unwrap();
        let mut stream = Stream::tcp(node(Limits::default()), socket, peer);
        // A keep-alive that nobody acknowledges ends the connection as soon as
        // octets that nobody takes do.
        #[cfg(target_os = "linux")]
        if let super::Wire::Plain(super::Socket::Tcp(socket)) = &stream.wire {
            let millis = rustix::net::sockopt::tcp_user_timeout(socket).unwrap();
            assert_eq!(
                u128::from(millis),
                Limits::default().write_stall.as_millis()
            );
        }
        assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::Octets);
        stream.queue(b"enough\r\n");
        stream.close_patiently().await;
    };
    let (got, ()) = futures::future::join(talks, hangs_up).await;
    assert_eq!(got.unwrap(), b"enough\r\n");
}

/// What a client that compresses sends.
fn packed(deflate: &mut flate2::Compress, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 1_000);
    deflate
        .compress_vec(text, &mut out, flate2::FlushCompress::Sync)
        .unwrap();
    out
}

/// RFC 4978 §3: both directions, and each answer can be read when it has been sent.
#[tokio::test(start_paused = true)]
async fn compressed_octets_go_both_ways() {
    let node = node(Limits::default());
    let (mut stream, mut peer) = Stream::memory(Arc::clone(&node), 1 << 20);
    stream.queue(b"OK begin\r\n");
    stream.start_deflate().await.unwrap();
    let mut plain = [0; 10];
    peer.read_exact(&mut plain).await.unwrap();
    assert_eq!(&plain, b"OK begin\r\n");
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    let mut inflate = flate2::Decompress::new(false);
    let long = b"FETCH 1:* (FLAGS UID)\r\n".repeat(10_000);
    for text in [&b"NOOP\r\n"[..], &long, b"", b"LOGOUT\r\n"] {
        let octets = packed(&mut deflate, text);
        // In pieces, of which some hold nothing yet.
        for piece in octets.chunks(1_000) {
            peer.write_all(piece).await.unwrap();
        }
        let mut got = Vec::new();
        while got.len() < text.len() {
            assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::Octets);
            assert!(stream.input().len() <= Stream::READ_OCTETS);
            got.extend_from_slice(&stream.input().split());
        }
        assert_eq!(got, text);
        stream.send(text).await.unwrap();
        stream.queue(b"end");
        assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::TimedOut);
        let mut answer = Vec::with_capacity(1 << 20);
        let mut octets = vec![0; 1 << 16];
        while !answer.ends_with(b"end") {
            let count = peer.read(&mut octets).await.unwrap();
            let flush = flate2::FlushDecompress::None;
            inflate
                .decompress_vec(&octets[..count], &mut answer, flush)
                .unwrap();
        }
        assert_eq!(answer, [text, b"end"].concat());
        // Nothing is kept but what may be referred back to.
        assert_eq!((stream.input.capacity(), stream.output.capacity()), (0, 0));
    }
    let (came, went) = stream.octets_moved();
    assert!(came < 5_000 && went < 5_000, "{came} {went}");
}

#[tokio::test(start_paused = true)]
async fn a_bomb_comes_in_pieces_and_nonsense_ends_it() {
    let node = node(Limits::default());
    let (mut stream, mut peer) = Stream::memory(Arc::clone(&node), 1 << 20);
    stream.start_deflate().await.unwrap();
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    let bomb = packed(&mut deflate, &vec![b'x'; 50 << 20]);
    assert!(bomb.len() < 100_000);
    let sent = async {
        peer.write_all(&bomb).await.unwrap();
        peer
    };
    let taken = async {
        let mut count = 0;
        while count < 50 << 20 {
            assert_eq!(stream.fill(WAIT).await.unwrap(), Filled::Octets);
            assert!(stream.input().len() <= Stream::READ_OCTETS);
            count += stream.input().split().len();
        }
        stream
    };
    let (mut peer, mut stream) = futures::future::join(sent, taken).await;
    peer.write_all(&[0xff; 100]).await.unwrap();
    assert!(matches!(stream.fill(WAIT).await, Err(StreamError::Io(_))));
}
