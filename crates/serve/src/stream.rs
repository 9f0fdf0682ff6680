//! One peer's octets: TCP, a Unix socket or memory, with or without TLS.
//!
//! Sessions see two buffers. What has come stands in [`Stream::input`] until it
//! is consumed; what goes out is gathered and written when the session flushes,
//! when much has gathered, or before it waits for the peer, so that pipelined
//! commands are answered in few writes. Buffers come when octets come and go
//! when they have gone: an idle stream holds none.
//!
//! What must stay true: octets that came before a TLS handshake are never seen
//! after it (RFC 9051 §6.2.1, RFC 2595 §4), and a peer is cut off for being
//! slow only when no octet at all moved for [`Limits::write_stall`].

mod binding;
mod deflate;
mod peer;

pub use peer::{Network, Peer, Trusted};

use crate::accounts::{Clock, Sweeps};
use crate::env::Env;
use crate::limits::{Limits, Octets, OctetsHeld};
use crate::metrics::{Connected, Metrics, Service};
use crate::notice::{QuotaWatch, Templates};
use crate::sessions::Sessions;
use bytes::BytesMut;
use deflate::Deflate;
use proto::sasl::Binding;
use rustls::pki_types::CertificateDer;
use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use terms::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What all sessions of a node share: the seam, the limits, the octets in flight
/// and the sign to stop.
pub struct Node {
    /// Clocks, randomness, tasks.
    pub env: Env,
    /// All bounds.
    pub limits: Limits,
    /// The octets in flight.
    pub octets: Octets,
    /// Those of them that APPENDs may hold, which take room for what is still to
    /// come: half, so that clients who announce much and send nothing leave the
    /// other half to everybody else.
    pub appends: Octets,
    /// Those of them that FETCH and SEARCH may hold for what they decode, until the peer
    /// has taken it: a quarter, so that peers who take nothing keep no mail from coming
    /// in.
    pub readings: Octets,
    /// Whether the wall clock is believed.
    pub clock: Clock,
    /// What the hold has done.
    pub sweeps: Sweeps,
    /// What is counted.
    pub metrics: Metrics,
    /// Who has logged in.
    pub sessions: Sessions,
    /// Accounts that may have little room left.
    pub quota: QuotaWatch,
    /// An operator's own texts, where there are some.
    pub templates: OnceLock<Templates>,
    stop: watch::Sender<Option<Filled>>,
}

impl Node {
    /// A node that runs.
    pub fn new(env: Env, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            octets: Octets::new(limits.octets_in_flight_max),
            appends: Octets::new(limits.octets_in_flight_max / 2),
            readings: Octets::new(limits.octets_in_flight_max / 4),
            clock: Clock::new(env.now(), env.elapsed()),
            sweeps: Sweeps::default(),
            metrics: Metrics::default(),
            sessions: Sessions::default(),
            quota: QuotaWatch::default(),
            templates: OnceLock::new(),
            env,
            limits,
            stop: watch::Sender::new(None),
        })
    }

    /// The time that decisions go by: the wall clock's, or where that has run back
    /// the time that has passed since it was right, so that nothing that is
    /// counted from now on is counted from too early.
    pub fn now(&self) -> Timestamp {
        self.clock.now(self.env.now(), self.env.elapsed())
    }

    /// The same, and the time by which the hold takes something away: see
    /// [`Clock::believed`].
    pub fn moment(&self) -> account::Moment {
        let (wall, elapsed) = (self.env.now(), self.env.elapsed());
        account::Moment {
            now: self.clock.now(wall, elapsed),
            believed: self.clock.believed(wall, elapsed),
        }
    }

    /// Tells everyone to end what runs and to begin nothing.
    pub fn stop(&self) {
        self.stop.send_replace(Some(Filled::Stopping));
    }

    /// Whether it is about to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Returns when the node is about to stop.
    pub async fn stopping(&self) {
        let mut stop = self.stop.subscribe();
        // The sender lives as long as `self`, so that this cannot fail.
        let _ = stop.wait_for(Option::is_some).await;
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

/// The TLS configuration of the listeners; can be replaced while sessions run,
/// which keep what they began with. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    config: Arc<RwLock<Arc<rustls::ServerConfig>>>,
    certificate: Option<Certificate>,
}

/// Says which certificate is offered now.
type Certificate = Arc<dyn Fn() -> Option<CertificateDer<'static>> + Send + Sync>;

impl Tls {
    /// Starts with `config`.
    pub fn new(config: Arc<rustls::ServerConfig>) -> Self {
        Self {
            config: Arc::new(RwLock::new(config)),
            certificate: None,
        }
    }

    /// Knows which certificate is offered, too: logins can be bound to it.
    pub fn with_certificate(
        self,
        certificate: impl Fn() -> Option<CertificateDer<'static>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            certificate: Some(Arc::new(certificate)),
            ..self
        }
    }

    /// New handshakes use `config`.
    pub fn replace(&self, config: Arc<rustls::ServerConfig>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// What new handshakes use.
    pub fn current(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// Counts octets that went.
fn sent(octets_out: &mut u64, connected: Option<&Connected>, count: usize) {
    *octets_out += count as u64;
    if let Some(connected) = connected {
        connected.traffic().octets_out.add(count as u64);
    }
}

/// What came of waiting for octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Some came.
    Octets,
    /// The peer sends no more.
    End,
    /// None came in time.
    TimedOut,
    /// The server stops; say goodbye.
    Stopping,
    /// Whoever has logged in may not be here any more; say so.
    Revoked(Revoked),
}

/// Why somebody who has logged in may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Revoked {
    /// There is no such account any more.
    #[error("the account has been removed")]
    Removed,
    /// The operator has disabled it.
    #[error("the account has been disabled")]
    Disabled,
    /// Its time is over.
    #[error("the account has expired")]
    Expired,
    /// The password of the device has been taken away, or its time is over.
    #[error("the device is not allowed any more")]
    Device,
}

/// The connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The system says so.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The peer took no octet for [`Limits::write_stall`].
    #[error("the peer takes nothing")]
    Stalled,
    /// No octets in flight were free for [`Limits::octets_wait`].
    #[error("the server has too much to do")]
    Crowded,
    /// The TLS handshake failed or took too long.
    #[error("no TLS: {0}")]
    Handshake(String),
}

/// The system gives a connection up whose peer has acknowledged nothing of what was
/// sent for so long (RFC 5482): a keep-alive that fits into the buffers would never
/// be missed by [`Limits::write_stall`] alone.
fn forget_the_dead(socket: &TcpStream, wait: Duration) {
    #[cfg(target_os = "linux")]
    {
        let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        // A socket that refuses the option still works.
        let _ = rustix::net::sockopt::set_tcp_user_timeout(socket, millis);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, wait);
}

/// One peer's octets, both ways.
pub struct Stream {
    wire: Wire,
    input: BytesMut,
    output: BytesMut,
    deflate: Option<Box<Deflate>>,
    held: Option<OctetsHeld>,
    /// Says when the session is to end.
    sign: watch::Receiver<Option<Filled>>,
    node: Arc<Node>,
    peer: Peer,
    /// The proxy that the peer comes through.
    via: Option<Box<Peer>>,
    /// The hash of the certificate that TLS has shown.
    end_point: Option<Box<[u8]>>,
    octets_in: u64,
    octets_out: u64,
    /// As what it is counted.
    connected: Option<Connected>,
    /// When it began, by the monotonic clock.
    since: Duration,
    /// Since when it has had octets and others no turn; `None`: it has waited.
    turn: Option<Duration>,
}

impl Stream {
    /// Output is written when so much has gathered.
    const OUTPUT_OCTETS: usize = 32 << 10;
    /// One read takes so much at the most, and a quarter of it when octets in
    /// flight are scarce.
    const READ_OCTETS: usize = 64 << 10;
    /// What a peer still sends while it is told goodbye is read for so long.
    const LINGER: Duration = Duration::from_secs(2);
    /// A peer that never lets the session wait has it no longer at a time.
    const TURN: Duration = Duration::from_millis(1);
    const LINGER_OCTETS: usize = 16 << 20;

    /// By TCP. Small answers go out at once (TCP_NODELAY): they have already
    /// been gathered here.
    pub fn tcp(node: Arc<Node>, socket: TcpStream, peer: SocketAddr) -> Self {
        // A socket that refuses the option still works.
        let _ = socket.set_nodelay(true);
        forget_the_dead(&socket, node.limits.write_stall);
        Self::new(node, Socket::Tcp(socket), Peer::Tcp(peer))
    }

    /// By a Unix socket.
    pub fn unix(node: Arc<Node>, socket: UnixStream) -> Self {
        Self::new(node, Socket::Unix(socket), Peer::Unix)
    }

    /// In memory; the other end comes with it. `octets` fit in each direction.
    pub fn memory(node: Arc<Node>, octets: usize) -> (Self, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(octets);
        (Self::new(node, Socket::Memory(ours), Peer::Memory), theirs)
    }

    fn new(node: Arc<Node>, socket: Socket, peer: Peer) -> Self {
        Self {
            wire: Wire::Plain(socket),
            input: BytesMut::new(),
            output: BytesMut::new(),
            deflate: None,
            held: None,
            sign: node.stop.subscribe(),
            since: node.env.monotonic(),
            node,
            peer,
            via: None,
            end_point: None,
            octets_in: 0,
            octets_out: 0,
            connected: None,
            turn: None,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The proxy that connected for the peer, where there is one.
    pub fn via(&self) -> Option<&Peer> {
        self.via.as_deref()
    }

    /// Whoever connected is a proxy and speaks for this client from now on. Only
    /// where the operator has listed it: it is believed.
    pub fn speaks_for(&mut self, client: SocketAddr) {
        let before = std::mem::replace(&mut self.peer, Peer::Tcp(client));
        self.via.get_or_insert_with(|| Box::new(before));
    }

    /// What all sessions share.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Whether TLS is on.
    pub fn is_secure(&self) -> bool {
        matches!(self.wire, Wire::Tls(_))
    }

    /// What TLS has agreed on, for the log: version and cipher suite.
    pub fn tls_summary(&self) -> Option<String> {
        match &self.wire {
            Wire::Tls(tls) => {
                let (_, connection) = tls.get_ref();
                Some(format!(
                    "{:?} {:?}",
                    connection.protocol_version()?,
                    connection.negotiated_cipher_suite()?.suite()
                ))
            }
            Wire::Plain(_) | Wire::Gone => None,
        }
    }

    /// From now on it is counted as a connection of this protocol.
    pub(crate) fn count_as(&mut self, service: Service) {
        self.connected = Some(Connected::begin(Arc::clone(&self.node), service));
    }

    /// Octets that came and went, inside TLS.
    pub fn octets_moved(&self) -> (u64, u64) {
        (self.octets_in, self.octets_out)
    }

    /// From now on the session ends when this says so, and no longer when the node
    /// alone does.
    pub fn heed(&mut self, sign: watch::Receiver<Option<Filled>>) {
        self.sign = sign;
    }

    /// Nobody is logged in any more: as when the connection began.
    pub fn forget_login(&mut self) {
        self.sign = self.node.stop.subscribe();
        self.since = self.node.env.monotonic();
    }

    /// Whether whoever has logged in may not go on, for sessions that have more
    /// commands in the input.
    pub fn revoked(&self) -> Option<Filled> {
        self.sign
            .borrow()
            .filter(|sign| matches!(sign, Filled::Revoked(_)))
    }

    /// How long a peer that has not logged in may send nothing now; nothing, if
    /// all its time is over.
    pub fn patience_before_login(&self) -> Duration {
        let wait = self.node.limits.before_login;
        let passed = self.node.env.monotonic().saturating_sub(self.since);
        wait.min((wait * Limits::BEFORE_LOGIN_TIMES).saturating_sub(passed))
    }

    /// What has come and is not consumed. Take from its front with
    /// [`Stream::consume`] or `split_to`.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Forgets the first `count` octets of the input.
    pub fn consume(&mut self, count: usize) {
        drop(self.input.split_to(count.min(self.input.len())));
    }

    /// Waits between two commands for more input, no longer than `wait`, after
    /// having written what had gathered. Ends too when the server stops.
    ///
    /// Cancel safe: what has come stays in the input, what was not written stays
    /// in the output.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub async fn fill(&mut self, wait: Duration) -> Result<Filled, StreamError> {
        self.fill_until(wait, |_| true).await
    }

    /// Waits within a command for more input: like [`Stream::fill`], but a
    /// stopping server lets it go on.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub async fn fill_more(&mut self, wait: Duration) -> Result<Filled, StreamError> {
        self.fill_until(wait, |sign| sign != Filled::Stopping).await
    }

    async fn fill_until(
        &mut self,
        wait: Duration,
        heeds: impl Fn(Filled) -> bool,
    ) -> Result<Filled, StreamError> {
        self.flush().await?;
        if wait.is_zero() {
            return Ok(Filled::TimedOut);
        }
        self.hold().await?;
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        let env = self.node.env.clone();
        let count = {
            let mut sign = self.sign.clone();
            let sign = pin!(sign.wait_for(|sign| sign.is_some_and(&heeds)));
            let read = pin!(env.timeout(wait, poll_fn(|cx| self.poll_read(cx))));
            // The sign first: a peer that never falls silent must not hold it up.
            match futures::future::select(sign, read).await {
                // Where nobody is left to give one the server has stopped.
                futures::future::Either::Left((sign, _)) => {
                    return Ok(sign.ok().and_then(|sign| *sign).unwrap_or(Filled::Stopping));
                }
                futures::future::Either::Right((Err(_), _)) => return Ok(Filled::TimedOut),
                futures::future::Either::Right((Ok(read), _)) => read?,
            }
        };
        if count == 0 {
            return Ok(Filled::End);
        }
        self.hold().await?;
        self.give_way().await;
        Ok(Filled::Octets)
    }

    /// Lets others have their turn where the session has gone on for a while without
    /// having waited, or through many commands. To be called after each of them: all
    /// that comes may have come already, a thousand commands in some compressed
    /// octets, and the answers may find room without end.
    pub async fn give_way(&mut self) {
        tokio::task::consume_budget().await;
        let now = self.node.env.monotonic();
        let begun = *self.turn.get_or_insert(now);
        if now.saturating_sub(begun) >= Self::TURN {
            tokio::task::yield_now().await;
            self.turn = None;
        }
    }

    /// Reads through one buffer per thread, so that waiting needs none.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        thread_local! {
            static SCRATCH: RefCell<Box<[u8]>> =
                RefCell::new(vec![0; Stream::READ_OCTETS].into());
        }
        let scarce = self.node.octets.free() < self.node.octets.max() / 4;
        SCRATCH.with_borrow_mut(|scratch| {
            let most = if scarce {
                Self::READ_OCTETS / 4
            } else {
                Self::READ_OCTETS
            };
            let scratch = scratch.get_mut(..most).unwrap_or_default();
            loop {
                // What fits of what has been decompressed, and no more than that: a
                // little may stand for a lot.
                if let Some(deflate) = &mut self.deflate
                    && let Some(count) = deflate.unpack(scratch)?
                {
                    let octets = scratch.get(..count).unwrap_or_default();
                    self.input.extend_from_slice(octets);
                    return Poll::Ready(Ok(count));
                }
                let mut buffer = ReadBuf::new(scratch);
                let read = self.wire.poll_read(cx, &mut buffer);
                if read.is_pending() {
                    self.turn = None;
                }
                ready!(read)?;
                let octets = buffer.filled();
                self.octets_in += octets.len() as u64;
                if let Some(connected) = &self.connected {
                    connected.traffic().octets_in.add(octets.len() as u64);
                }
                match &mut self.deflate {
                    Some(deflate) if !octets.is_empty() => {
                        deflate.input.extend_from_slice(octets);
                    }
                    _ => {
                        self.input.extend_from_slice(octets);
                        return Poll::Ready(Ok(octets.len()));
                    }
                }
            }
        })
    }

    /// Has as many octets in flight as the input holds.
    async fn hold(&mut self) -> Result<(), StreamError> {
        let wanted = self.input.len();
        if wanted == 0 {
            self.held = None;
            return Ok(());
        }
        let have = self.held.as_ref().map_or(0, OctetsHeld::count);
        if wanted <= have {
            if let Some(held) = &mut self.held {
                held.keep(wanted);
            }
            return Ok(());
        }
        let more = match self.node.octets.try_take(wanted - have) {
            Some(more) => more,
            None => self
                .node
                .env
                .timeout(
                    self.node.limits.octets_wait,
                    self.node.octets.take(wanted - have),
                )
                .await
                .map_err(|_| StreamError::Crowded)?,
        };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }

    /// Gathers octets for the peer without writing. For short answers; follow up
    /// with [`Stream::relieve`] where there may be many.
    pub fn queue(&mut self, octets: &[u8]) {
        self.output.extend_from_slice(octets);
    }

    /// Where short answers can be written with `write!`-like code.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Writes what has gathered if it is much. Cancel safe.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub async fn relieve(&mut self) -> Result<(), StreamError> {
        if self.output.len() >= Self::OUTPUT_OCTETS {
            self.write_output().await?;
            self.give_way().await;
        }
        Ok(())
    }

    /// Gathers octets and writes when it is much; long ones are not copied.
    /// Not cancel safe: dropped, it may have sent a part.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub async fn send(&mut self, octets: &[u8]) -> Result<(), StreamError> {
        if octets.len() < Self::OUTPUT_OCTETS / 2 {
            self.queue(octets);
            return self.relieve().await;
        }
        if self.deflate.is_some() {
            for piece in octets.chunks(Self::OUTPUT_OCTETS) {
                self.queue(piece);
                self.relieve().await?;
            }
            return Ok(());
        }
        self.write_output().await?;
        let mut rest = octets;
        while !rest.is_empty() {
            let count =
                Self::unless_stalled(&self.node, poll_fn(|cx| self.wire.poll_write(cx, rest)))
                    .await?;
            sent(&mut self.octets_out, self.connected.as_ref(), count);
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes all that has gathered. Cancel safe.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub async fn flush(&mut self) -> Result<(), StreamError> {
        if let Some(deflate) = &mut self.deflate {
            deflate.pack(&mut self.output, true)?;
        }
        self.write_output().await?;
        if self.is_secure() {
            Self::unless_stalled(
                &self.node,
                poll_fn(|cx| self.wire.poll_flush(cx).map_ok(|()| 1)),
            )
            .await?;
        }
        Ok(())
    }

    async fn write_output(&mut self) -> Result<(), StreamError> {
        let wire = &mut self.wire;
        let output = match &mut self.deflate {
            Some(deflate) => {
                deflate.pack(&mut self.output, false)?;
                &mut deflate.output
            }
            None => &mut self.output,
        };
        while !output.is_empty() {
            let count = Self::unless_stalled(
                &self.node,
                poll_fn(|cx| {
                    let count = ready!(wire.poll_write(cx, output))?;
                    drop(output.split_to(count.min(output.len())));
                    Poll::Ready(Ok(count))
                }),
            )
            .await?;
            sent(&mut self.octets_out, self.connected.as_ref(), count);
        }
        if output.capacity() > 0 {
            *output = BytesMut::new();
        }
        if self.output.is_empty() && self.output.capacity() > 0 {
            self.output = BytesMut::new();
        }
        Ok(())
    }

    /// Waits for `moved`, which says how many octets went, no longer than a peer
    /// may stall. A timer is made only where it has to wait.
    async fn unless_stalled(
        node: &Node,
        moved: impl Future<Output = io::Result<usize>>,
    ) -> Result<usize, StreamError> {
        let mut moved = pin!(moved);
        let count = match poll_fn(|cx| Poll::Ready(moved.as_mut().poll(cx))).await {
            Poll::Ready(result) => result?,
            Poll::Pending => node
                .env
                .timeout(node.limits.write_stall, moved)
                .await
                .map_err(|_| StreamError::Stalled)??,
        };
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        Ok(count)
    }

    /// Begins TLS as the server. What came before is thrown away, and what has
    /// gathered is written before.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub async fn start_tls(&mut self, tls: &Tls) -> Result<(), StreamError> {
        self.flush().await?;
        self.input = BytesMut::new();
        self.held = None;
        let Wire::Plain(socket) = std::mem::replace(&mut self.wire, Wire::Gone) else {
            return Err(StreamError::Handshake("TLS is on already".to_owned()));
        };
        // Boxed: a handshake's state is large, and an idle session would carry
        // the room for it.
        let handshake = Box::pin(TlsAcceptor::from(tls.current()).accept(socket));
        let stream = self
            .node
            .env
            .timeout(self.node.limits.handshake, handshake)
            .await
            .map_err(|elapsed| StreamError::Handshake(elapsed.to_string()))?
            .map_err(|error| StreamError::Handshake(error.to_string()))?;
        // A certificate that was exchanged meanwhile would make a binding that does
        // not fit: that login fails, and the next is right.
        self.end_point = tls
            .certificate
            .as_ref()
            .and_then(|offered| binding::end_point(&offered()?));
        self.wire = Wire::Tls(Box::new(stream));
        Ok(())
    }

    /// What the TLS connection can be bound by; empty without TLS. RFC 9266 has
    /// `tls-exporter` for TLS 1.3; before, not every connection has one of its own.
    pub fn channel_bindings(&self) -> Vec<(Binding, Vec<u8>)> {
        let Wire::Tls(tls) = &self.wire else {
            return Vec::new();
        };
        let (_, connection) = tls.get_ref();
        let mut bindings = Vec::new();
        if connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
            let exported =
                connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]));
            bindings.extend(exported.map(|octets| (Binding::TlsExporter, octets.to_vec())));
        }
        let end_point = self.end_point.as_ref();
        bindings.extend(end_point.map(|hash| (Binding::TlsServerEndPoint, hash.to_vec())));
        bindings
    }

    /// The certificate that the client has shown in the TLS handshake, in DER; it
    /// was checked there.
    pub fn peer_certificate(&self) -> Option<Vec<u8>> {
        let Wire::Tls(tls) = &self.wire else {
            return None;
        };
        let (_, connection) = tls.get_ref();
        let certificate = connection.peer_certificates()?.first()?;
        Some(certificate.to_vec())
    }

    /// Closes as [`Stream::close`] does, for a peer that did not ask for it: what
    /// it still sends is read for a while, because the system would answer octets
    /// that nobody has read with a reset, which may overtake what was said last.
    pub async fn close_patiently(mut self) {
        self.say_end().await;
        let node = Arc::clone(&self.node);
        let rest = async {
            let mut most = Self::LINGER_OCTETS;
            while let Ok(count @ 1..) = poll_fn(|cx| self.poll_read(cx)).await {
                self.input.clear();
                most = most.saturating_sub(count);
                if most == 0 {
                    return;
                }
                self.give_way().await;
            }
        };
        let _ = node.env.timeout(Self::LINGER, rest).await;
    }

    /// Writes what has gathered and says the end, to TLS too. What fails on the
    /// way does not matter any more.
    pub async fn close(mut self) {
        self.say_end().await;
    }

    async fn say_end(&mut self) {
        if self.flush().await.is_ok() {
            let limit = self.node.limits.handshake.min(Duration::from_secs(5));
            let node = Arc::clone(&self.node);
            let _ = node
                .env
                .timeout(limit, poll_fn(|cx| self.wire.poll_shutdown(cx)))
                .await;
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("peer", &self.peer)
            .field("secure", &self.is_secure())
            .finish_non_exhaustive()
    }
}

enum Wire {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
    /// A handshake failed.
    Gone,
}

/// Calls the same method of whatever the stream is made of.
macro_rules! forward {
    ($wire:expr, $method:ident($($argument:expr),*), $gone:expr) => {
        match $wire {
            Wire::Plain(socket) => Pin::new(socket).$method($($argument),*),
            Wire::Tls(tls) => Pin::new(&mut **tls).$method($($argument),*),
            Wire::Gone => $gone,
        }
    };
}

impl Wire {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = forward!(self, poll_read(cx, buffer), Poll::Ready(Ok(())));
        match read {
            // A peer that closes without close_notify: the protocols all say
            // goodbye themselves, so that a cut is seen without it.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(()))
            }
            read => read,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, poll_write(cx, octets), Poll::Ready(Ok(0)))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_flush(cx), Poll::Ready(Ok(())))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_shutdown(cx), Poll::Ready(Ok(())))
    }
}

/// What TLS runs over.
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Memory(DuplexStream),
}

/// Calls the same method of whichever socket it is.
macro_rules! socket {
    ($socket:expr, $method:ident($($argument:expr),*)) => {
        match $socket.get_mut() {
            Socket::Tcp(socket) => Pin::new(socket).$method($($argument),*),
            Socket::Unix(socket) => Pin::new(socket).$method($($argument),*),
            Socket::Memory(socket) => Pin::new(socket).$method($($argument),*),
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        socket!(self, poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        socket!(self, poll_write(cx, octets))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        socket!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        socket!(self, poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests;
