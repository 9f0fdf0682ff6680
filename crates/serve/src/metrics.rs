//! What a node counts for whoever watches it.
//!
//! Counting is one or two additions to numbers that nobody waits for; reading is
//! for whoever shows them. Nothing here is named after an account or an address,
//! so that there are never more numbers than these.

use crate::auth::Protocol;
use crate::stream::Node;
use proto::sasl::Mechanism;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// LMTP.
    Lmtp,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Imap, Self::Pop3, Self::Lmtp];

    /// As a label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Lmtp => "lmtp",
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// How many by now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How long things took, in few classes.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Each class alone; the last is for whatever took longer.
    classes: [Counter; Self::BOUNDS.len() + 1],
    micros: Counter,
}

impl Histogram {
    /// The upper ends of the classes, in milliseconds.
    pub const BOUNDS: [u64; 7] = [1, 5, 25, 100, 500, 2_500, 10_000];

    /// Counts one that took so long.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = Self::BOUNDS.partition_point(|bound| bound * 1_000 < micros);
        if let Some(class) = self.classes.get(class) {
            class.increment();
        }
        self.micros.add(micros);
    }

    /// For each class how many there were in it and all below, and the sum of all
    /// in microseconds.
    pub fn cumulated(&self) -> ([u64; Self::BOUNDS.len() + 1], u64) {
        let mut sum = 0;
        let classes = std::array::from_fn(|at| {
            sum += self.classes.get(at).map_or(0, Counter::get);
            sum
        });
        (classes, self.micros.get())
    }
}

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginResult {
    /// Somebody has logged in.
    Ok,
    /// The name, the password or whatever was shown was wrong.
    Wrong,
    /// Not tried, since the network is blocked.
    Blocked,
    /// The account had too many sessions.
    TooMany,
    /// Our own trouble.
    Unavailable,
}

impl LoginResult {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Ok,
        Self::Wrong,
        Self::Blocked,
        Self::TooMany,
        Self::Unavailable,
    ];

    /// As a label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Wrong => "wrong",
            Self::Blocked => "blocked",
            Self::TooMany => "too-many",
            Self::Unavailable => "unavailable",
        }
    }
}

const RESULTS: usize = LoginResult::ALL.len();
/// With one for LOGIN, USER and PASS.
const MECHANISMS: usize = Mechanism::ALL.len() + 1;

/// Logins by protocol, mechanism and result.
#[derive(Debug, Default)]
pub struct Logins([[[Counter; RESULTS]; MECHANISMS]; 2]);

impl Logins {
    /// The numbers' place; no mechanism is the protocol's own command.
    pub fn of(
        &self,
        protocol: Protocol,
        mechanism: Option<Mechanism>,
        result: LoginResult,
    ) -> &Counter {
        let [imap, pop3] = &self.0;
        let mechanisms = match protocol {
            Protocol::Imap => imap,
            Protocol::Pop3 => pop3,
        };
        let known = Mechanism::ALL
            .iter()
            .position(|known| Some(*known) == mechanism);
        let [plain, others @ ..] = mechanisms;
        let results = known.and_then(|at| others.get(at)).unwrap_or(plain);
        let [ok, wrong, blocked, too_many, unavailable] = results;
        match result {
            LoginResult::Ok => ok,
            LoginResult::Wrong => wrong,
            LoginResult::Blocked => blocked,
            LoginResult::TooMany => too_many,
            LoginResult::Unavailable => unavailable,
        }
    }
}

/// What came of a delivery to one recipient, or of the attempt to name one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is durable.
    Stored,
    /// There is no such user or domain.
    UnknownRecipient,
    /// The account is over its quota or full.
    OverQuota,
    /// The message is too big.
    TooBig,
    /// The message has what is refused in it.
    Content,
    /// The store has no room left.
    StoreFull,
    /// Anything else: our own trouble.
    Unavailable,
}

impl Delivery {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Stored,
        Self::UnknownRecipient,
        Self::OverQuota,
        Self::TooBig,
        Self::Content,
        Self::StoreFull,
        Self::Unavailable,
    ];

    /// As a label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::UnknownRecipient => "unknown-recipient",
            Self::OverQuota => "over-quota",
            Self::TooBig => "too-big",
            Self::Content => "content",
            Self::StoreFull => "store-full",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Deliveries by what came of them.
#[derive(Debug, Default)]
pub struct Deliveries([Counter; Delivery::ALL.len()]);

impl Deliveries {
    /// One more, if it is any.
    pub(crate) fn count(&self, delivery: Option<Delivery>) {
        if let Some(delivery) = delivery {
            self.of(delivery).increment();
        }
    }

    /// The number's place.
    pub fn of(&self, delivery: Delivery) -> &Counter {
        let [stored, unknown, quota, big, content, full, unavailable] = &self.0;
        match delivery {
            Delivery::Stored => stored,
            Delivery::UnknownRecipient => unknown,
            Delivery::OverQuota => quota,
            Delivery::TooBig => big,
            Delivery::Content => content,
            Delivery::StoreFull => full,
            Delivery::Unavailable => unavailable,
        }
    }
}

/// What is counted for each protocol.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Connections that have begun.
    pub begun: Counter,
    /// Those that have ended.
    pub ended: Counter,
    /// Octets that came, as they were on the wire but for TLS.
    pub octets_in: Counter,
    /// Octets that went.
    pub octets_out: Counter,
    /// How long commands took.
    pub commands: Histogram,
}

/// Everything that a node counts.
#[derive(Debug, Default)]
pub struct Metrics {
    imap: Traffic,
    pop3: Traffic,
    lmtp: Traffic,
    /// Connections that were refused since there were too many.
    pub refused_total: Counter,
    /// Connections that were refused since there were too many from one network.
    pub refused_network: Counter,
    /// Logins.
    pub logins: Logins,
    /// Deliveries by LMTP.
    pub deliveries: Deliveries,
    /// How long commits took, from the account to the answer.
    pub commits: Histogram,
    /// Commands that went out in them.
    pub commit_commands: Counter,
    /// Commits of which the store could not say what became of them.
    pub commits_unknown: Counter,
}

impl Metrics {
    /// What is counted for a protocol.
    pub fn of(&self, service: Service) -> &Traffic {
        match service {
            Service::Imap => &self.imap,
            Service::Pop3 => &self.pop3,
            Service::Lmtp => &self.lmtp,
        }
    }
}

/// A connection that is counted until this is dropped.
pub(crate) struct Connected {
    node: Arc<Node>,
    service: Service,
}

impl Connected {
    pub(crate) fn begin(node: Arc<Node>, service: Service) -> Self {
        node.metrics.of(service).begun.increment();
        Self { node, service }
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        self.node.metrics.of(self.service)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.traffic().ended.increment();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_long_is_in_a_high_class() {
        let histogram = Histogram::default();
        for micros in [0, 1_000, 1_001, 2_500_000, 11_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let (classes, micros) = histogram.cumulated();
        assert_eq!(classes, [2, 3, 3, 3, 3, 4, 4, 5]);
        assert_eq!(micros, 13_502_001);
    }

    #[test]
    fn every_number_has_its_own_place() {
        let metrics = Metrics::default();
        let mechanisms = Mechanism::ALL.map(Some);
        for mechanism in mechanisms.into_iter().chain([None]) {
            for result in LoginResult::ALL {
                for protocol in [Protocol::Imap, Protocol::Pop3] {
                    let counter = metrics.logins.of(protocol, mechanism, result);
                    assert_eq!(counter.get(), 0, "{protocol:?} {mechanism:?} {result:?}");
                    counter.increment();
                }
            }
        }
        for delivery in Delivery::ALL {
            let counter = metrics.deliveries.of(delivery);
            assert_eq!(counter.get(), 0, "{delivery:?}");
            counter.increment();
        }
    }
}
