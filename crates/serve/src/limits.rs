//! Every bound of the server, by name, and the octets that may be in flight.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore};

/// How many messages one IMAP command may work on. RFC 9738 §3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageLimit {
    /// As many as there are.
    #[default]
    None,
    /// COPY and APPEND so many: SAVELIMIT.
    Saving(u32),
    /// Every command so many: MESSAGELIMIT.
    Any(u32),
}

impl MessageLimit {
    /// For COPY and APPEND.
    pub fn of_saving(self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::Saving(limit) | Self::Any(limit) => Some(limit),
        }
    }

    /// For all other commands.
    pub fn of_others(self) -> Option<u32> {
        match self {
            Self::Any(limit) => Some(limit),
            Self::None | Self::Saving(_) => None,
        }
    }

    /// What is announced.
    pub fn capability(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Saving(limit) => Some(format!("SAVELIMIT={limit}")),
            Self::Any(limit) => Some(format!("MESSAGELIMIT={limit}")),
        }
    }
}

/// Every bound of the server. What happens at each is said with it; none of them
/// ends in growing without end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, all protocols together; further ones are told so and
    /// closed.
    pub connections_max: usize,
    /// IMAP sessions of one account at once; one more is told `[LIMIT]` (RFC 5530 §3).
    pub imap_sessions_max: usize,
    /// POP3 sessions of one account at once; one more is told `[IN-USE]` (RFC 2449
    /// §8.1.1).
    pub pop3_sessions_max: usize,
    /// Octets in flight on the whole node: read and not yet handled, or waiting
    /// in queues. None left: sockets are not read.
    pub octets_in_flight_max: usize,
    /// Octets of one account's waiting commands. Full: sessions wait.
    pub queue_octets_max: usize,
    /// Commands that go out in one commit; the others wait for the next.
    pub commit_commands_max: usize,
    /// How often a command is decided again after another writer was first or
    /// the store's answer was lost; then it is unavailable.
    pub commit_attempts_max: u32,
    /// Octets of tables kept in memory on the whole node; beyond that the ones
    /// used longest ago are unloaded.
    pub tables_octets_max: usize,
    /// Accounts kept in memory; beyond that those without a session that were
    /// used longest ago are unloaded.
    pub accounts_live_max: usize,
    /// An account that nobody asked anything for so long gives up its tables.
    pub table_idle: Duration,
    /// Longest message, in octets. LMTP 552, IMAP NO `[TOOBIG]`.
    pub message_octets_max: u64,
    /// Recipients of one LMTP transaction; more are answered 452.
    pub recipients_max: usize,
    /// Longest line of a command, in octets; longer ones are refused and
    /// skipped.
    pub line_octets_max: usize,
    /// Octets of all literals of one IMAP command but those of APPEND.
    pub literals_octets_max: usize,
    /// IMAP literals of any length need not wait (LITERAL+); else none above 4,096
    /// octets (LITERAL-). RFC 7888.
    pub literal_plus: bool,
    /// Messages that one IMAP command may work on.
    pub message_limit: MessageLimit,
    /// Octets of a refused line or literal that are skipped before the
    /// connection is closed.
    pub skip_octets_max: u64,
    /// Syntax errors and unknown commands before a connection is closed.
    pub bad_commands_max: u32,
    /// Wrong passwords before a connection is closed.
    pub wrong_passwords_max: u32,
    /// Without a command before login: closed; and after
    /// [`Limits::BEFORE_LOGIN_TIMES`] as long whatever comes.
    pub before_login: Duration,
    /// IMAP without a command after login: closed. RFC 9051 §5.4.
    pub imap_idle: Duration,
    /// A word is said so often in IDLE, so that boxes in between which forget silent
    /// connections do not, and a peer that has gone is found.
    pub imap_keep_alive: Duration,
    /// POP3 without a command after login: closed, nothing deleted. RFC 1939 §3.
    pub pop3_idle: Duration,
    /// LMTP without an octet: closed. RFC 5321 §4.5.3.2.7.
    pub lmtp_idle: Duration,
    /// A TLS handshake that takes longer is given up.
    pub handshake: Duration,
    /// A peer that takes no octet for so long while there are some for it is
    /// cut off.
    pub write_stall: Duration,
    /// A session that gets no octets in flight for so long is closed.
    pub octets_wait: Duration,
    /// An APPEND of which nothing comes for so long gives way, where others wait
    /// for the room that it holds.
    pub append_stall: Duration,
    /// A wrong password, or one for an unknown name, is answered so long after
    /// the question, or a multiple of it where computing took longer.
    pub wrong_password_delay: Duration,
    /// So many different wrong passwords from one network are answered no later
    /// than others; each further one doubles the time.
    pub login_failures_free: usize,
    /// So many different wrong passwords from one network, and it is blocked:
    /// logins are refused unseen, with a text that says until when.
    pub login_failures_max: usize,
    /// A wrong password is answered no later than this.
    pub login_delay_max: Duration,
    /// A first block takes so long; each further one twice as long.
    pub login_block: Duration,
    /// A wrong password is forgotten after so long.
    pub login_forget: Duration,
    /// Networks with wrong passwords that are remembered; beyond that those not
    /// seen for longest are forgotten.
    pub login_networks_max: usize,
    /// Passwords waiting to be hashed; more are Busy at once.
    pub passwords_waiting_max: usize,
    /// A password that has waited longer for a thread is Busy.
    pub password_wait: Duration,
    /// A right password is remembered for so long, as a keyed hash.
    pub password_kept: Duration,
    /// How many right passwords are remembered.
    pub passwords_kept_max: usize,
    /// An owner is told once an account is so full, in percent; ascending.
    pub quota_warnings: Vec<u8>,
    /// Running commands have so long to end when the server stops.
    pub shutdown: Duration,
    /// Between two looks at what is due.
    pub sweep_interval: Duration,
    /// Accounts woken in one sweep.
    pub sweep_accounts_max: usize,
}

impl Limits {
    /// A client that keeps talking may take so many times [`Limits::before_login`]
    /// to log in.
    pub const BEFORE_LOGIN_TIMES: u32 = 3;
}

impl Default for Limits {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            connections_max: 20_000,
            imap_sessions_max: 50,
            pop3_sessions_max: 10,
            octets_in_flight_max: 256 << 20,
            queue_octets_max: 4 << 20,
            commit_commands_max: 1_000,
            commit_attempts_max: 8,
            tables_octets_max: 1 << 30,
            accounts_live_max: 100_000,
            table_idle: MINUTE,
            message_octets_max: 64 << 20,
            recipients_max: 1_000,
            line_octets_max: 64 << 10,
            literals_octets_max: 1 << 20,
            literal_plus: true,
            message_limit: MessageLimit::None,
            skip_octets_max: 64 << 10,
            bad_commands_max: 20,
            wrong_passwords_max: 3,
            before_login: MINUTE * 3,
            imap_idle: MINUTE * 30,
            imap_keep_alive: MINUTE * 2,
            pop3_idle: MINUTE * 10,
            lmtp_idle: MINUTE * 5,
            handshake: MINUTE,
            write_stall: MINUTE * 5,
            octets_wait: MINUTE * 5,
            append_stall: Duration::from_secs(30),
            wrong_password_delay: Duration::from_secs(2),
            login_failures_free: 5,
            login_failures_max: 20,
            login_delay_max: Duration::from_secs(30),
            login_block: MINUTE * 15,
            login_forget: MINUTE * 60,
            login_networks_max: 100_000,
            passwords_waiting_max: 1_000,
            password_wait: Duration::from_secs(5),
            password_kept: MINUTE * 5,
            passwords_kept_max: 100_000,
            quota_warnings: vec![80, 95],
            shutdown: Duration::from_secs(10),
            sweep_interval: MINUTE,
            sweep_accounts_max: 1_000,
        }
    }
}

/// The octets in flight on the whole node. Cheap to clone.
///
/// Small requests wait in one line. Those for many wait in another, for the moment
/// at which so many are free: in the common line they would keep what comes back
/// from everybody behind them.
#[derive(Clone)]
pub struct Octets(Arc<Pool>);

struct Pool {
    free: Arc<Semaphore>,
    max: usize,
    /// How many wait.
    waiting: AtomicUsize,
    /// Whoever waits for many and is the next.
    many: Mutex<()>,
    /// Told when some come back.
    returned: Notify,
}

/// Octets taken from [`Octets`]; dropping gives them back.
pub struct OctetsHeld {
    permit: Option<OwnedSemaphorePermit>,
    pool: Arc<Pool>,
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Octets({} of {})", self.free(), self.max())
    }
}

impl fmt::Debug for OctetsHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OctetsHeld({})", self.count())
    }
}

/// One that waits; counts until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Octets {
    /// A request for more, or for more than this part of all, is one for many.
    const MANY_OCTETS: usize = 256 << 10;
    const MANY_PART: usize = 16;

    /// So many in all, at least 64 KB.
    pub fn new(max: usize) -> Self {
        let max = max.clamp(64 << 10, u32::MAX as usize);
        Self(Arc::new(Pool {
            free: Arc::new(Semaphore::new(max)),
            max,
            waiting: AtomicUsize::new(0),
            many: Mutex::new(()),
            returned: Notify::new(),
        }))
    }

    /// How many there are now.
    pub fn free(&self) -> usize {
        self.0.free.available_permits()
    }

    /// How many there are in all.
    pub fn max(&self) -> usize {
        self.0.max
    }

    /// Whether somebody waits for some.
    pub fn is_wanted(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }

    /// Takes `count` of them, waiting in line. More than there are at all counts
    /// as all.
    pub async fn take(&self, count: usize) -> OctetsHeld {
        if let Some(held) = self.try_take(count) {
            return held;
        }
        let pool = &*self.0;
        let _waiting = Waiting::begin(&pool.waiting);
        let count = count.min(pool.max);
        if count > Self::MANY_OCTETS.min(pool.max / Self::MANY_PART) {
            let _next = pool.many.lock().await;
            loop {
                if let Some(held) = self.try_take(count) {
                    return held;
                }
                pool.returned.notified().await;
            }
        }
        let permits = u32::try_from(count).unwrap_or(u32::MAX);
        loop {
            // The semaphore is never closed; the loop only says so to the types.
            if let Ok(permit) = Arc::clone(&pool.free).acquire_many_owned(permits).await {
                return self.held(permit);
            }
        }
    }

    /// Takes `count` of them if they are there.
    pub fn try_take(&self, count: usize) -> Option<OctetsHeld> {
        let count = u32::try_from(count.min(self.0.max)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.0.free)
            .try_acquire_many_owned(count)
            .ok()?;
        Some(self.held(permit))
    }

    fn held(&self, permit: OwnedSemaphorePermit) -> OctetsHeld {
        OctetsHeld {
            permit: Some(permit),
            pool: Arc::clone(&self.0),
        }
    }
}

impl OctetsHeld {
    /// How many.
    pub fn count(&self) -> usize {
        self.permit
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Adds those of `other`, which must come from the same [`Octets`].
    pub fn merge(&mut self, mut other: Self) {
        match (&mut self.permit, other.permit.take()) {
            (Some(permit), Some(more)) => permit.merge(more),
            (permit @ None, more) => *permit = more,
            (Some(_), None) => {}
        }
    }

    /// Gives back all but `count`.
    pub fn keep(&mut self, count: usize) {
        let surplus = self.count().saturating_sub(count);
        if let Some(permit) = &mut self.permit {
            drop(permit.split(surplus));
        }
        self.pool.returned.notify_one();
    }
}

impl Drop for OctetsHeld {
    fn drop(&mut self) {
        // First back, then told.
        if self.permit.take().is_some() {
            self.pool.returned.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn octets_come_back() {
        let octets = Octets::new(100_000);
        let mut held = octets.take(60_000).await;
        assert!(octets.try_take(50_000).is_none());
        held.merge(octets.take(20_000).await);
        held.keep(10_000);
        assert_eq!((held.count(), octets.free()), (10_000, 90_000));
        drop(held);
        // More than there are at all: everything, not a wait without end.
        let all = octets.take(usize::MAX).await;
        assert_eq!((all.count(), octets.free()), (100_000, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_many_keeps_nobody_waiting() {
        let octets = Octets::new(1_000_000);
        let held = octets.take(900_000).await;
        let wants = |count| {
            let octets = octets.clone();
            tokio::spawn(async move { octets.take(count).await })
        };
        let (first, second) = (wants(500_000), wants(400_000));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(octets.is_wanted());
        // What is there goes to whoever wants little, again and again.
        for _ in 0..3 {
            let little = tokio::time::timeout(Duration::from_secs(1), octets.take(60_000)).await;
            assert_eq!(little.unwrap().count(), 60_000);
        }
        // Those who want many get them in their order.
        drop(held);
        let first = first.await.unwrap();
        let second = second.await.unwrap();
        assert_eq!((first.count(), second.count()), (500_000, 400_000));
        assert!(!octets.is_wanted());
        assert_eq!(octets.free(), 100_000);
    }
}
