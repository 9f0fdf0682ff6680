//! Taking connections and counting them.

use crate::config::Protocol;
use crate::listen::{Bound, Socket};
use serve::{Network, Node, Peer, Stream, Tls};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tracing::{debug, info, warn};

/// How long to wait after accepting has failed, as it does where the process may
/// open no more files.
const PAUSE: Duration = Duration::from_millis(100);

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
    fn enter(&self, peer: &Peer) -> Result<Place, &'static str> {
        let inner = &self.0;
        if self.count() >= inner.node.limits.connections_max {
            return Err("there are too many connections");
        }
        let address = peer.network();
        if let Some(address) = address {
            let mut addresses = inner
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let count = addresses.entry(address).or_default();
            if *count >= inner.per_address_max {
                return Err("there are too many connections from this address");
            }
            *count += 1;
        }
        inner.count.send_modify(|count| *count += 1);
        Ok(Place {
            sessions: self.clone(),
            address,
        })
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

impl Listener {
    async fn accept(&self, node: &Arc<Node>) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                Ok(Stream::tcp(Arc::clone(node), socket, peer))
            }
            Self::Unix(listener) => {
                let (socket, _) = listener.accept().await?;
                Ok(Stream::unix(Arc::clone(node), socket))
            }
        }
    }
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
    let tls = tls.filter(|_| protocol.is_tls());
    tokio::spawn(accept_all(listener, protocol, tls, begin, sessions.clone()));
    Ok(())
}

async fn accept_all(
    listener: Listener,
    protocol: Protocol,
    tls: Option<Tls>,
    begin: Begin,
    sessions: Sessions,
) {
    let node = Arc::clone(&sessions.0.node);
    loop {
        // Accepting is cancel safe: a connection is either taken or still waits.
        let accepted = tokio::select! {
            () = node.stopping() => return,
            accepted = listener.accept(&node) => accepted,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                warn!(%protocol, %error, "a connection could not be taken");
                node.env.sleep(PAUSE).await;
                continue;
            }
        };
        match sessions.enter(stream.peer()) {
            Ok(place) => {
                let session = session(stream, protocol, tls.clone(), Arc::clone(&begin), place);
                tokio::spawn(session);
            }
            Err(why) => {
                warn!(%protocol, peer = %stream.peer(), why, "refused");
                tokio::spawn(refuse(stream, protocol, why));
            }
        }
    }
}

async fn session(
    mut stream: Stream,
    protocol: Protocol,
    tls: Option<Tls>,
    begin: Begin,
    place: Place,
) {
    if let Some(tls) = tls {
        let begun = Box::pin(stream.start_tls(&tls)).await;
        if let Err(error) = begun {
            debug!(%protocol, peer = %stream.peer(), %error, "no TLS");
            return;
        }
    }
    begin(stream).await;
    drop(place);
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
