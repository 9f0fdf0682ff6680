//! Who guesses passwords is slowed down and then shut out for a while, by
//! network: an IPv4 address or an IPv6 /64.
//!
//! What must stay true: a mail program that repeats one wrong password is not
//! taken for somebody who guesses; a block ends by itself; whoever knows one
//! password cannot guess another for ever by logging in between (a right login
//! forgives what was wrong for the same name alone); memory is bounded.

use super::password::Password;
use crate::stream::{Network, Node};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// Each block of a network takes twice as long as the one before, up to this
/// many times the first.
const BLOCK_GROWTH_MAX: u32 = 96;

/// The failures of all networks.
pub(super) struct Throttle {
    key: Zeroizing<[u8; 32]>,
    rules: Rules,
    networks: Mutex<HashMap<Network, Failures>>,
}

#[derive(Clone, Copy)]
struct Rules {
    free: usize,
    most: usize,
    delay: Duration,
    delay_max: Duration,
    block: Duration,
    forget: Duration,
    networks_max: usize,
}

/// What one network has tried.
#[derive(Default)]
struct Failures {
    /// Each other than the others: never more than lead to a block.
    tried: Vec<Tried>,
    blocked: Option<Duration>,
    /// Blocks before this moment that are not forgotten.
    blocks: u32,
    /// Attempts that are being checked.
    running: usize,
    last: Duration,
}

#[derive(Clone, Copy)]
struct Tried {
    name: u64,
    secret: u64,
    time: Duration,
}

/// Until when ([`crate::Env::monotonic`]) nobody may try from a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocked {
    pub until: Duration,
}

/// What a failure has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Consequence {
    /// The answer comes so long after the question, at the least.
    pub delay: Duration,
    /// The network is blocked from now on, until then.
    pub blocked: Option<Duration>,
}

/// An attempt that is being checked; dropped, it was neither right nor wrong.
pub(super) struct Attempt<'a> {
    throttle: &'a Throttle,
    network: Option<Network>,
}

impl Throttle {
    pub(super) fn new(node: &Node) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        node.env.random(key.as_mut());
        let limits = &node.limits;
        Self {
            key,
            rules: Rules {
                free: limits.login_failures_free,
                most: limits.login_failures_max.max(1),
                delay: limits.wrong_password_delay,
                delay_max: limits.login_delay_max,
                block: limits.login_block,
                forget: limits.login_forget,
                networks_max: limits.login_networks_max.max(1),
            },
            networks: Mutex::default(),
        }
    }

    /// Whether somebody may try now. This machine always may: what is behind its
    /// address is a webmail or a proxy that speaks for many.
    pub(super) fn enter(
        &self,
        network: Option<Network>,
        now: Duration,
    ) -> Result<Attempt<'_>, Blocked> {
        if let Some(network) = network {
            let mut networks = self.networks();
            if let Some(failures) = networks.get_mut(&network) {
                failures.forget(now, self.rules);
                if let Some(until) = failures.blocked {
                    return Err(Blocked { until });
                }
                // Many at one time are no way around the counting.
                if failures.tried.len() + failures.running >= self.rules.most {
                    let until = now + self.rules.delay_max;
                    return Err(Blocked { until });
                }
            }
            if !networks.contains_key(&network) && networks.len() >= self.rules.networks_max {
                make_room(&mut networks, now, self.rules);
            }
            let failures = networks.entry(network).or_default();
            failures.running += 1;
            failures.last = now;
        }
        Ok(Attempt {
            throttle: self,
            network,
        })
    }

    /// How many networks are remembered.
    pub(super) fn count(&self) -> usize {
        self.networks().len()
    }

    fn mark(&self, octets: &[u8]) -> u64 {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_ref()) else {
            return 0;
        };
        mac.update(octets);
        let mark: [u8; 32] = mac.finalize().into_bytes().into();
        let (first, _) = mark.split_first_chunk().unwrap_or((&[0; 8], &[]));
        u64::from_le_bytes(*first)
    }

    fn networks(&self) -> MutexGuard<'_, HashMap<Network, Failures>> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}

impl Attempt<'_> {
    /// It was right: what was wrong before for this name was its owner's.
    pub(super) fn right(self, name: &str) {
        if let Some(network) = self.network {
            let name = self.throttle.mark(name.as_bytes());
            if let Some(failures) = self.throttle.networks().get_mut(&network) {
                failures.tried.retain(|tried| tried.name != name);
            }
        }
    }

    /// It was wrong. `secret` is what was wrong, where it can be told from
    /// another: the same again counts as nothing new.
    pub(super) fn wrong(self, name: &str, secret: Option<&Password>, now: Duration) -> Consequence {
        let rules = self.throttle.rules;
        let mut consequence = Consequence {
            delay: rules.delay,
            blocked: None,
        };
        let Some(network) = self.network else {
            return consequence;
        };
        let tried = Tried {
            name: self.throttle.mark(name.as_bytes()),
            secret: secret.map_or(0, |secret| self.throttle.mark(secret.octets())),
            time: now,
        };
        let mut networks = self.throttle.networks();
        let failures = networks.entry(network).or_default();
        let mut known = failures.tried.iter_mut();
        match known
            .find(|old| secret.is_some() && old.name == tried.name && old.secret == tried.secret)
        {
            Some(again) => again.time = now,
            None => failures.tried.push(tried),
        }
        let count = failures.tried.len();
        if count >= rules.most {
            let times = 1_u32.checked_shl(failures.blocks).unwrap_or(u32::MAX);
            let until = now + rules.block * times.min(BLOCK_GROWTH_MAX);
            failures.blocks = failures.blocks.saturating_add(1);
            failures.blocked = Some(until);
            failures.tried.clear();
            consequence.blocked = Some(until);
        }
        let over = count.saturating_sub(rules.free);
        let times = 1_u32
            .checked_shl(u32::try_from(over).unwrap_or(u32::MAX))
            .unwrap_or(u32::MAX);
        consequence.delay = rules.delay.saturating_mul(times).min(rules.delay_max);
        consequence.delay = consequence.delay.max(rules.delay);
        consequence
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let Some(network) = self.network else {
            return;
        };
        let mut networks = self.throttle.networks();
        if let Some(failures) = networks.get_mut(&network) {
            failures.running = failures.running.saturating_sub(1);
            if failures.is_nothing() {
                networks.remove(&network);
            }
        }
    }
}

impl Failures {
    /// Leaves out what is too long ago.
    fn forget(&mut self, now: Duration, rules: Rules) {
        self.tried.retain(|tried| tried.time + rules.forget > now);
        if self.blocked.is_some_and(|until| until <= now) {
            self.blocked = None;
        }
        if self.blocked.is_none() && self.last + rules.forget * 24 <= now {
            self.blocks = 0;
        }
    }

    fn is_nothing(&self) -> bool {
        self.tried.is_empty() && self.blocked.is_none() && self.blocks == 0 && self.running == 0
    }
}

/// Takes away what says nothing any more; if that is not enough, the quarter that
/// was not seen for longest.
fn make_room(networks: &mut HashMap<Network, Failures>, now: Duration, rules: Rules) {
    networks.retain(|_, failures| {
        failures.forget(now, rules);
        !failures.is_nothing()
    });
    if networks.len() < rules.networks_max {
        return;
    }
    let mut times: Vec<Duration> = networks.values().map(|failures| failures.last).collect();
    let at = times.len() / 4;
    let (_, limit, _) = times.select_nth_unstable(at);
    let limit = *limit;
    networks.retain(|_, failures| failures.last > limit || failures.running > 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Env, Limits};
    use terms::Timestamp;

    const SECOND: Duration = Duration::from_secs(1);

    fn throttle(limits: Limits) -> Throttle {
        Throttle::new(&Node::new(Env::simulated(1, Timestamp::EPOCH), limits))
    }

    fn network(last: u8) -> Option<Network> {
        Some(Network::of([192, 0, 2, last].into()))
    }

    fn secret(number: usize) -> Password {
        Password::new(number.to_string().as_bytes()).unwrap()
    }

    fn wrong(throttle: &Throttle, name: &str, number: usize, now: Duration) -> Consequence {
        let attempt = throttle.enter(network(1), now).unwrap();
        attempt.wrong(name, Some(&secret(number)), now)
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_becomes_slow_and_is_then_shut_out() {
        let throttle = throttle(Limits {
            login_failures_free: 3,
            login_failures_max: 7,
            login_delay_max: SECOND * 10,
            ..Limits::default()
        });
        let delays: Vec<u64> = (0..6)
            .map(|number| wrong(&throttle, "ann", number, SECOND).delay.as_secs())
            .collect();
        assert_eq!(delays, [2, 2, 2, 4, 8, 10]);
        // The same name, another password or the same password, another name.
        let last = wrong(&throttle, "bob", 0, SECOND);
        let until = SECOND + Limits::default().login_block;
        assert_eq!(last.blocked, Some(until));
        let blocked = throttle.enter(network(1), SECOND * 2).map(|_| ());
        assert_eq!(blocked, Err(Blocked { until }));
        assert!(throttle.enter(network(2), SECOND * 2).is_ok());
        assert!(throttle.enter(None, SECOND * 2).is_ok());
        // It ends by itself; the next is longer.
        assert!(throttle.enter(network(1), until).is_ok());
        let mut second = None;
        for number in 0..7 {
            second = wrong(&throttle, "ann", number, until).blocked;
        }
        assert_eq!(second, Some(until + Limits::default().login_block * 2));
    }

    #[tokio::test(start_paused = true)]
    async fn one_wrong_password_again_and_again_is_one() {
        let throttle = throttle(Limits::default());
        for minute in 0..1_000 {
            let now = SECOND * 60 * minute;
            let found = wrong(&throttle, "ann", 7, now);
            assert_eq!((found.delay, found.blocked), (SECOND * 2, None));
        }
        let proof = |now| {
            let attempt = throttle.enter(network(2), now).unwrap();
            attempt.wrong("ann", None, now)
        };
        // What cannot be told apart counts each time, and is forgotten in time.
        let forget = Limits::default().login_forget;
        for number in 0..1_000 {
            assert_eq!(proof(forget / 10 * number).blocked, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_right_login_forgives_its_own_name() {
        let throttle = throttle(Limits {
            login_failures_max: 5,
            ..Limits::default()
        });
        for number in 0..100 {
            wrong(&throttle, "ann", number, SECOND);
            if number % 3 == 2 {
                throttle.enter(network(1), SECOND).unwrap().right("ann");
            }
        }
        // Somebody with a password of his own gains nothing by it.
        for number in 0..4 {
            assert_eq!(wrong(&throttle, "eve", number, SECOND).blocked, None);
            throttle.enter(network(1), SECOND).unwrap().right("ann");
        }
        assert!(wrong(&throttle, "eve", 4, SECOND).blocked.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_one_time_are_counted() {
        let throttle = throttle(Limits {
            login_failures_max: 5,
            ..Limits::default()
        });
        let running: Vec<_> = (0..5)
            .map(|_| throttle.enter(network(1), SECOND).unwrap())
            .collect();
        assert!(throttle.enter(network(1), SECOND).is_err());
        drop(running);
        assert!(throttle.enter(network(1), SECOND).is_ok());
        assert_eq!(throttle.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let throttle = throttle(Limits {
            login_networks_max: 100,
            ..Limits::default()
        });
        for number in 0..10_000_u32 {
            let now = SECOND + Duration::from_millis(number.into());
            let network = Some(Network::of(number.to_be_bytes().into()));
            let attempt = throttle.enter(network, now).unwrap();
            attempt.wrong("ann", None, now);
            assert!(throttle.count() <= 100);
        }
    }
}
