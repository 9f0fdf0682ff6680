//! Plays a transcript against a server in memory.

use crate::decode;
use crate::script::{Bindings, Connection, Step, matches, parse, substitute};
use crate::world::World;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio_rustls::client::TlsStream;

/// How long, by the world's clock, a line or an end may keep us waiting. Longer
/// than any timeout of the server, so that those come first.
const WAIT: Duration = Duration::from_secs(4 * 3600);

/// Plays every file of `directory`, cut into pieces of 1, 3 and 4,096 octets.
pub(crate) fn play_all(directory: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(root.join(directory))
        .expect("the directory of transcripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no transcripts in {directory}");
    let mut failures = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a transcript");
        let name = file
            .strip_prefix(&root)
            .unwrap_or(&file)
            .display()
            .to_string();
        for piece in [4_096, 3, 1] {
            if let Err(failure) = play(&text, directory, piece) {
                failures.push(format!("{name}, by {piece}: {failure}"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n\n"));
}

fn play(text: &str, protocol: &str, piece: usize) -> Result<(), String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(async {
            let mut player = Player {
                world: World::new(),
                clients: BTreeMap::new(),
                bindings: Bindings::new(),
                piece,
            };
            for (line, step) in parse(text, protocol) {
                let played = player.step(step).await;
                played.map_err(|failure| format!("line {line}: {failure}"))?;
                player
                    .understood()
                    .map_err(|failure| format!("line {line}: {failure}"))?;
            }
            Ok(())
        })
}

struct Player {
    world: World,
    clients: BTreeMap<Connection, Client>,
    bindings: Bindings,
    piece: usize,
}

impl Player {
    async fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::World {
                keyword,
                arguments,
                block,
            } => {
                self.world
                    .step(&keyword, &arguments, &block, &mut self.bindings)
                    .await
            }
            Step::Client { connection, octets } => {
                let octets = substitute(&octets, &self.bindings);
                let piece = self.piece;
                self.client(&connection).await.send(&octets, piece).await;
                Ok(())
            }
            Step::Server {
                connection,
                pattern,
            } => {
                let line = self.client(&connection).await.line().await?;
                if matches(&pattern, &line, &mut self.bindings) {
                    return Ok(());
                }
                let rest = self.client(&connection).await.rest();
                Err(format!(
                    "expected {pattern:?}\n     got {line:?}\n    then {rest:?}\n   bound {:?}",
                    self.bindings
                ))
            }
            Step::Unordered {
                connection,
                mut patterns,
            } => {
                while !patterns.is_empty() {
                    let line = self.client(&connection).await.line().await?;
                    let found = patterns
                        .iter()
                        .position(|pattern| matches(pattern, &line, &mut self.bindings));
                    let Some(found) = found else {
                        return Err(format!("expected one of {patterns:?}\n got {line:?}"));
                    };
                    patterns.remove(found);
                }
                Ok(())
            }
            Step::Closed { connection } => self.client(&connection).await.closed().await,
            Step::Drop { connection } => {
                drop(self.clients.remove(&connection));
                settle().await;
                Ok(())
            }
            Step::StartTls { connection } => {
                let config = self.world.client_tls();
                self.client(&connection).await.start_tls(config).await
            }
            Step::Pass { seconds } => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                settle().await;
                Ok(())
            }
        }
    }

    /// Whether what came was understood by another program.
    fn understood(&mut self) -> Result<(), String> {
        let clients = self.clients.values_mut();
        let all: Vec<String> = clients
            .flat_map(|client| std::mem::take(&mut client.not_understood))
            .collect();
        if all.is_empty() {
            return Ok(());
        }
        Err(all.join("\n"))
    }

    async fn client(&mut self, connection: &Connection) -> &mut Client {
        if !self.clients.contains_key(connection) {
            let (protocol, number) = connection;
            let wire = self.world.connect(protocol, *number).await;
            let client = Client {
                wire: Wire::Plain(wire),
                received: Vec::new(),
                undecoded: (protocol == "imap").then(Vec::new),
                not_understood: Vec::new(),
                ended: false,
            };
            self.clients.insert(connection.clone(), client);
        }
        self.clients.get_mut(connection).expect("a client")
    }
}

/// Lets the server's tasks run until they wait for something.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

enum Wire {
    Plain(DuplexStream),
    Tls(Box<TlsStream<DuplexStream>>),
    Gone,
}

impl Wire {
    fn pin(&mut self) -> Pin<&mut dyn Both> {
        match self {
            Self::Plain(wire) => Pin::new(wire),
            Self::Tls(wire) => Pin::new(&mut **wire),
            Self::Gone => panic!("the wire has gone"),
        }
    }
}

trait Both: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Both for T {}

struct Client {
    wire: Wire,
    received: Vec<u8>,
    /// What of IMAP has not been a whole response yet.
    undecoded: Option<Vec<u8>>,
    /// Responses that are none to another program.
    not_understood: Vec<String>,
    ended: bool,
}

impl Client {
    /// Sends `octets` in pieces, so that the server reads each by itself, and
    /// takes what comes meanwhile.
    async fn send(&mut self, octets: &[u8], piece: usize) {
        for mut piece in octets.chunks(piece) {
            while !piece.is_empty() {
                let written = poll_fn(|cx| {
                    self.poll_receive_all(cx);
                    self.wire.pin().poll_write(cx, piece)
                });
                // A server that has closed is seen by what is read next.
                let Ok(count) = written.await else {
                    return;
                };
                piece = &piece[count..];
            }
            if poll_fn(|cx| self.wire.pin().poll_flush(cx)).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
    }

    fn poll_receive_all(&mut self, cx: &mut Context<'_>) {
        while !self.ended && self.poll_receive(cx).is_ready() {}
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut octets = [0; 8_192];
        let mut buffer = ReadBuf::new(&mut octets);
        let read = ready!(self.wire.pin().poll_read(cx, &mut buffer));
        self.ended = read.is_err() || buffer.filled().is_empty();
        self.received.extend_from_slice(buffer.filled());
        if let Some(undecoded) = &mut self.undecoded {
            undecoded.extend_from_slice(buffer.filled());
            while let Some(end) = decode::response_end(undecoded) {
                let response: Vec<u8> = undecoded.drain(..end).collect();
                self.not_understood.extend(decode::decoded(&response).err());
            }
        }
        Poll::Ready(())
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.received.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                let line = line.strip_suffix(b"\r\n").ok_or_else(|| {
                    format!("a bare LF ends {:?}", String::from_utf8_lossy(&line))
                })?;
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
            if self.ended {
                return Err(format!("the server closed after {:?}", self.rest()));
            }
            tokio::time::timeout(WAIT, poll_fn(|cx| self.poll_receive(cx)))
                .await
                .map_err(|_| format!("no line came, only {:?}", self.rest()))?;
        }
    }

    fn rest(&self) -> String {
        let end = self.received.len().min(400);
        String::from_utf8_lossy(&self.received[..end]).into_owned()
    }

    async fn closed(&mut self) -> Result<(), String> {
        while !self.ended {
            tokio::time::timeout(WAIT, poll_fn(|cx| self.poll_receive(cx)))
                .await
                .map_err(|_| "the server did not close".to_owned())?;
        }
        if self.received.is_empty() {
            return Ok(());
        }
        Err(format!("before the end came {:?}", self.rest()))
    }

    async fn start_tls(&mut self, config: rustls::ClientConfig) -> Result<(), String> {
        let Wire::Plain(wire) = std::mem::replace(&mut self.wire, Wire::Gone) else {
            return Err("TLS is on already".to_owned());
        };
        if !self.received.is_empty() {
            return Err(format!("before TLS came {:?}", self.rest()));
        }
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let mut tls = connector
            .connect(name, wire)
            .await
            .map_err(|error| format!("no TLS: {error}"))?;
        tls.flush().await.map_err(|error| error.to_string())?;
        self.wire = Wire::Tls(Box::new(tls));
        Ok(())
    }
}
