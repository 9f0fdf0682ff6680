//! Taking connections and counting them.

use crate::config::Protocol;
use crate::listen::{Bound, Socket};
use crate::proxy;
use serve::{Network, Node, Peer, Stream, Tls, Trusted};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tracing::{debug, info, warn};

/// How long to wait after accepting has failed, as it does where the process may
/// open no more files.
const PAUSE: Duration = Duration::from_millis(100);

/// How often that is logged.
const TELL: Duration = Duration::from_secs(10);

/// A session on its way.
pub type Session = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Begins a session on a new connection; TLS is on where it begins with it.
pub type Begin = Arc<dyn Fn(Stream) -> Session + Send + Sync>;

/// The sessions that run.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    node: Arc<Node>,
    per_address_max: usize,
    count: watch::Sender<usize>,
    addresses: Mutex<HashMap<Network, usize>>,
}

/// One session's place; given back when it is dropped.
struct Place {
    sessions: Sessions,
    address: Option<Network>,
}

impl Sessions {
    /// None runs yet.
    pub fn new(node: Arc<Node>, per_address_max: usize) -> Self {
        Self(Arc::new(Inner {
            node,
            per_address_max,
            count: watch::Sender::new(0),
            addresses: Mutex::default(),
        }))
    }

    /// How many run.
    pub fn count(&self) -> usize {
        *self.0.count.borrow()
    }

    /// Returns when none runs any more.
    pub async fn none(&self) {
        let mut count = self.0.count.subscribe();
        // The sender lives as long as `self`, so that this cannot fail.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    /// A place for one more, or why there is none.
    fn enter(&self) -> Result<Place, &'static str> {
        let inner = &self.0;
        if self.count() >= inner.node.limits.connections_max {
            inner.node.metrics.refused_total.increment();
            return Err("there are too many connections");
        }
        inner.count.send_modify(|count| *count += 1);
        Ok(Place {
            sessions: self.clone(),
            address: None,
        })
    }
}

impl Place {
    /// Counts for this peer too.
    fn count_for(&mut self, peer: &Peer) -> Result<(), &'static str> {
        let inner = &self.sessions.0;
        if let Some(address) = peer.network() {
            let mut addresses = inner
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let count = addresses.entry(address).or_default();
            if *count >= inner.per_address_max {
                inner.node.metrics.refused_network.increment();
                return Err("there are too many connections from this address");
            }
            *count += 1;
            drop(addresses);
            self.address = Some(address);
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let inner = &self.sessions.0;
        if let Some(address) = self.address {
            let mut addresses = inner
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = addresses.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    addresses.remove(&address);
                }
            }
        }
        inner.count.send_modify(|count| *count -= 1);
    }
}

/// A socket that waits for connections.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection that was taken.
enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                Ok(Accepted::Tcp(socket, peer))
            }
            Self::Unix(listener) => {
                let (socket, _) = listener.accept().await?;
                Ok(Accepted::Unix(socket))
            }
        }
    }
}

/// What the connections of a listener begin with.
struct Door {
    protocol: Protocol,
    /// Where TLS begins with the connection.
    tls: Option<Tls>,
    /// Who says by the PROXY protocol for whom it has connected.
    proxies: Trusted,
    begin: Begin,
    sessions: Sessions,
}

/// Takes connections on `bound` until the node stops.
///
/// # Errors
/// If the socket cannot be waited on.
pub fn listen(bound: Bound, tls: Option<Tls>, begin: Begin, sessions: &Sessions) -> io::Result<()> {
    let listener = match bound.socket {
        Socket::Tcp(socket) => {
            socket.set_nonblocking(true)?;
            Listener::Tcp(TcpListener::from_std(socket)?)
        }
        Socket::Unix(socket) => {
            socket.set_nonblocking(true)?;
            Listener::Unix(UnixListener::from_std(socket)?)
        }
    };
    let protocol = bound.protocol;
    info!(%protocol, address = %bound.address, "listening");
    let door = Door {
        protocol,
        tls: tls.filter(|_| protocol.is_tls()),
        proxies: bound.proxies,
        begin,
        sessions: sessions.clone(),
    };
    tokio::spawn(accept_all(listener, Arc::new(door)));
    Ok(())
}

async fn accept_all(listener: Listener, door: Arc<Door>) {
    let (node, protocol) = (Arc::clone(&door.sessions.0.node), door.protocol);
    let mut failures = Failures::default();
    loop {
        // Accepting is cancel safe: a connection is either taken or still waits.
        let accepted = tokio::select! {
            () = node.stopping() => return,
            accepted = listener.accept() => accepted,
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(times) = failures.tell(node.env.monotonic()) {
                    warn!(%protocol, %error, times, "connections could not be taken");
                }
                node.env.sleep(PAUSE).await;
                continue;
            }
        };
        let place = door.sessions.enter();
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            // Boxed: a session that waits does not carry the room for its beginning.
            let Some(stream) = Box::pin(door.stream(accepted)).await else {
                return;
            };
            let begun = Box::pin(door.admit(stream, place)).await;
            if let Some((stream, place)) = begun {
                (door.begin)(stream).await;
                drop(place);
            }
        });
    }
}

/// Failures to take a connection that nobody has been told of.
#[derive(Default)]
struct Failures {
    count: u64,
    told: Option<Duration>,
}

impl Failures {
    /// One more, at this moment: how many there were, where it is time to say so.
    fn tell(&mut self, now: Duration) -> Option<u64> {
        self.count += 1;
        if self.told.is_some_and(|told| now < told + TELL) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

impl Door {
    /// The connection, with the client that it is for.
    async fn stream(&self, accepted: Accepted) -> Option<Stream> {
        let node = &self.sessions.0.node;
        match accepted {
            Accepted::Unix(socket) => Some(Stream::unix(Arc::clone(node), socket)),
            Accepted::Tcp(mut socket, address) => {
                let peer = Peer::Tcp(address);
                if !self.proxies.contains(&peer) {
                    return Some(Stream::tcp(Arc::clone(node), socket, address));
                }
                let header = proxy::read(&mut socket);
                let client = match node.env.timeout(node.limits.handshake, header).await {
                    Ok(Ok(client)) => client,
                    Ok(Err(error)) => {
                        warn!(protocol = %self.protocol, proxy = %peer, %error, "refused");
                        return None;
                    }
                    Err(_) => {
                        let error = "its PROXY header did not come in time";
                        warn!(protocol = %self.protocol, proxy = %peer, error, "refused");
                        return None;
                    }
                };
                let mut stream = Stream::tcp(Arc::clone(node), socket, address);
                if let Some(client) = client {
                    stream.speaks_for(client);
                }
                Some(stream)
            }
        }
    }

    /// Counts the connection and begins TLS, or says why not.
    async fn admit(
        &self,
        mut stream: Stream,
        place: Result<Place, &'static str>,
    ) -> Option<(Stream, Place)> {
        let protocol = self.protocol;
        let counted = place.and_then(|mut place| {
            // A balancer's own looks are no client's.
            if stream.via().is_some() || !self.proxies.contains(stream.peer()) {
                place.count_for(stream.peer())?;
            }
            Ok(place)
        });
        let place = match counted {
            Ok(place) => place,
            Err(why) => {
                warn!(%protocol, peer = %stream.peer(), why, "refused");
                refuse(stream, protocol, why).await;
                return None;
            }
        };
        if let Some(tls) = &self.tls
            && let Err(error) = stream.start_tls(tls).await
        {
            debug!(%protocol, peer = %stream.peer(), %error, "no TLS");
            return None;
        }
        Some((stream, place))
    }
}

/// Says why, where it can be said before TLS.
async fn refuse(mut stream: Stream, protocol: Protocol, why: &str) {
    let line = match protocol {
        Protocol::Imap => format!("* BYE {why}\r\n"),
        Protocol::Pop3 => format!("-ERR [SYS/TEMP] {why}\r\n"),
        Protocol::Lmtp => format!("421 4.3.2 {why}\r\n"),
        Protocol::Imaps | Protocol::Pop3s => return,
    };
    stream.queue(line.as_bytes());
    stream.close_patiently().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_at_times() {
        let mut failures = Failures::default();
        let told: Vec<u64> = (0..250)
            .filter_map(|tenth| failures.tell(PAUSE * tenth))
            .collect();
        assert_eq!(told, [1, 100, 100]);
    }
}
