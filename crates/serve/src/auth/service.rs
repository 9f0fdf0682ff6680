//! Checking and making verifiers, on the pool, with what is remembered.

use super::cache::Cache;
use super::password::Password;
use super::pool::{Busy, Pool};
use super::scheme::{self, Cost, ScramHash, ScramKeys};
use super::settings::{Counters, Settings};
use super::throttle::Throttle;
use crate::stream::Node;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use terms::AccountId;
use tracing::error;

/// Checks passwords and makes verifiers.
pub struct Auth {
    node: Arc<Node>,
    pool: Pool,
    cache: Cache,
    throttle: Throttle,
    counters: Counters,
    settings: Settings,
    cost: Cost,
    /// A verifier that no password fits, for names that there are not: they cost
    /// what a wrong password costs.
    nobody: Vec<String>,
}

/// What a check has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is the right password.
    Right {
        /// The verifiers are not what [`Auth::make`] would make now.
        renew: bool,
    },
    /// It is not.
    Wrong,
}

impl Auth {
    /// With as many threads as there are cores, and nothing that has to be set.
    pub fn new(node: Arc<Node>, cost: Cost) -> Self {
        let mut secret = [0; 32];
        node.env.random(&mut secret);
        Self::with(node, cost, Settings::new(secret))
    }

    /// With as many threads as there are cores.
    pub fn with(node: Arc<Node>, cost: Cost, settings: Settings) -> Self {
        let (env, limits) = (&node.env, &node.limits);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut key = [0; 32];
        env.random(&mut key);
        let mut salt = [0; 16];
        env.random(&mut salt);
        let nobody = Password::new(b"")
            .and_then(|empty| scheme::argon2id(&empty, salt, cost))
            .into_iter()
            .collect();
        Self {
            pool: Pool::new(
                env.clone(),
                threads,
                limits.passwords_waiting_max,
                limits.password_wait,
            ),
            cache: Cache::new(key, limits.password_kept, limits.passwords_kept_max),
            throttle: Throttle::new(&node),
            counters: Counters::default(),
            settings,
            cost,
            nobody,
            node,
        }
    }

    /// Whether `password` fits one of the account's `verifiers`. Without an
    /// account it does not, and takes as long as if there were one.
    ///
    /// # Errors
    /// Busy.
    pub async fn check(
        &self,
        account: Option<(AccountId, &[String])>,
        password: &Password,
    ) -> Result<Checked, Busy> {
        let now = self.node.env.monotonic();
        let verifiers = match account {
            Some((id, verifiers)) if self.cache.knows(id, verifiers, password, now) => {
                return Ok(Checked::Right { renew: false });
            }
            Some((_, verifiers)) if !verifiers.is_empty() => decisive(verifiers),
            _ => self.nobody.clone(),
        };
        let right = {
            let password = password.clone();
            self.pool.run(move || fits(&verifiers, &password)).await?
        };
        match account {
            Some((id, verifiers)) if right && !verifiers.is_empty() => {
                self.cache.keep(id, verifiers, password, now);
                Ok(Checked::Right {
                    renew: !self.is_complete(verifiers),
                })
            }
            _ => Ok(Checked::Wrong),
        }
    }

    /// Makes the verifiers that are stored for a password: Argon2id, and SCRAM's
    /// keys for both hash functions.
    ///
    /// # Errors
    /// Busy.
    pub async fn make(&self, password: &Password) -> Result<Vec<String>, Busy> {
        let (password, cost, salts) = (password.clone(), self.cost, self.salts());
        let made = self.pool.run(move || make(&password, salts, cost)).await?;
        if made.is_empty() {
            error!("no verifier can be made: the cost of Argon2 is not possible");
            return Err(Busy);
        }
        Ok(made)
    }

    /// Makes the verifiers of a password of 128 random bits or more.
    ///
    /// # Errors
    /// Busy.
    pub async fn make_random(&self, password: &Password) -> Result<Vec<String>, Busy> {
        let (password, cost, salts) = (password.clone(), self.cost, self.salts());
        let make = move || make_random(&password, salts, cost);
        self.pool.run(make).await
    }

    fn salts(&self) -> [[u8; 16]; 3] {
        let mut salts = [[0; 16]; 3];
        for salt in &mut salts {
            self.node.env.random(salt);
        }
        salts
    }

    /// The keys of a name that nobody has: always the same salt for a name, so
    /// that asking twice tells nothing, and keys that no proof fits. RFC 5802 §9
    /// leaves it to us not to tell who has an account.
    pub(super) fn nobodys_keys(&self, name: &str, hash: ScramHash) -> ScramKeys {
        let octets = |what: &str| {
            // HMAC takes a key of any length.
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.settings.secret.as_ref()) else {
                return Vec::new();
            };
            mac.update(format!("{what} {hash:?} {name}").as_bytes());
            mac.finalize().into_bytes().to_vec()
        };
        let (mut salt, mut stored_key, mut server_key) =
            (octets("salt"), octets("stored"), octets("server"));
        salt.truncate(16);
        let octets = match hash {
            ScramHash::Sha1 => 20,
            ScramHash::Sha256 => 32,
        };
        stored_key.truncate(octets);
        server_key.truncate(octets);
        ScramKeys {
            iterations: self.cost.iterations,
            salt,
            stored_key,
            server_key,
        }
    }

    /// How it was set up.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who has failed to log in, and from where.
    pub(super) fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// How many passwords wait to be checked or hashed.
    pub fn passwords_waiting(&self) -> usize {
        self.pool.waiting()
    }

    /// How many networks are remembered for wrong passwords.
    pub fn networks_remembered(&self) -> usize {
        self.throttle.count()
    }

    /// What has happened so far, for whoever watches.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether nothing is missing that [`Auth::make`] would make.
    fn is_complete(&self, verifiers: &[String]) -> bool {
        let scram = |hash| {
            verifiers
                .iter()
                .any(|text| scheme::scram_keys_of(text, hash).is_some())
        };
        verifiers.len() == 3
            && verifiers
                .iter()
                .any(|text| scheme::is_strong(text, self.cost))
            && scram(ScramHash::Sha256)
            && scram(ScramHash::Sha1)
    }

    /// Waits until a wrong answer may be given to a question that came at
    /// `asked` ([`crate::Env::monotonic`]): `at_least` after it, and at one fixed
    /// time or a multiple where computing took longer, so that nothing can be read
    /// from it.
    pub async fn wait_before_wrong(&self, asked: Duration, at_least: Duration) {
        let delay = self.node.limits.wrong_password_delay.max(at_least);
        if delay.is_zero() {
            return;
        }
        let passed = self.node.env.monotonic().saturating_sub(asked);
        let times = passed.as_nanos() / delay.as_nanos() + 1;
        let until = delay * u32::try_from(times).unwrap_or(u32::MAX);
        self.node.env.sleep_until(asked + until).await;
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

/// Those that have to be looked at: SCRAM's keys only where there is nothing
/// else, because they were made of the same password.
fn decisive(verifiers: &[String]) -> Vec<String> {
    let is_scram = |text: &&String| {
        [ScramHash::Sha256, ScramHash::Sha1]
            .into_iter()
            .any(|hash| scheme::scram_keys_of(text, hash).is_some())
    };
    let others: Vec<String> = verifiers
        .iter()
        .filter(|text| !is_scram(text))
        .cloned()
        .collect();
    if others.is_empty() {
        verifiers.first().cloned().into_iter().collect()
    } else {
        others
    }
}

/// Whether the password fits: as a client would have prepared it, or, for
/// verifiers that come from elsewhere, as it is.
fn fits(verifiers: &[String], password: &Password) -> bool {
    let prepared = scheme::prepared(password);
    let fits = |password: &Password| {
        verifiers.iter().any(|text| {
            scheme::verify(text, password).unwrap_or_else(|why| {
                error!(%why, "a stored verifier cannot be used");
                false
            })
        })
    };
    fits(&prepared) || (prepared.octets() != password.octets() && fits(password))
}

/// Makes all verifiers for a password. Takes its time: for a thread of its own.
pub fn make(password: &Password, salts: [[u8; 16]; 3], cost: Cost) -> Vec<String> {
    let [argon2, sha256, sha1] = salts;
    let password = scheme::prepared(password);
    let Some(argon2) = scheme::argon2id(&password, argon2, cost) else {
        return Vec::new();
    };
    vec![
        argon2,
        scheme::scram(ScramHash::Sha256, &password, sha256, cost),
        scheme::scram(ScramHash::Sha1, &password, sha1, cost),
    ]
}

/// Makes the verifiers of a device's password, which was made at random:
/// [`scheme::ssha256`], so that a login by the account's plain name can try all
/// devices, and SCRAM's keys.
fn make_random(password: &Password, salts: [[u8; 16]; 3], cost: Cost) -> Vec<String> {
    let [digest, sha256, sha1] = salts;
    vec![
        scheme::ssha256(password, digest),
        scheme::scram(ScramHash::Sha256, password, sha256, cost),
        scheme::scram(ScramHash::Sha1, password, sha1, cost),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Env, Limits};
    use terms::Timestamp;

    const CHEAP: Cost = Cost {
        memory: 64,
        passes: 1,
        iterations: 16,
    };

    fn auth() -> (Auth, Env) {
        let env = Env::simulated(5, Timestamp::EPOCH);
        let node = Node::new(env.clone(), Limits::default());
        (Auth::new(node, CHEAP), env)
    }

    #[tokio::test(start_paused = true)]
    async fn passwords_are_checked_and_renewed() {
        let (auth, _) = auth();
        let (right, wrong) = (
            Password::new(b"right").unwrap(),
            Password::new(b"wrong").unwrap(),
        );
        let id = AccountId(1);
        let made = auth.make(&right).await.unwrap();
        assert_eq!(
            auth.check(Some((id, &made)), &right).await,
            Ok(Checked::Right { renew: false })
        );
        assert_eq!(
            auth.check(Some((id, &made)), &wrong).await,
            Ok(Checked::Wrong)
        );
        // Not even the empty password fits nobody, or an account without verifiers.
        let empty = Password::new(b"").unwrap();
        assert_eq!(auth.check(None, &empty).await, Ok(Checked::Wrong));
        assert_eq!(
            auth.check(Some((id, &[])), &empty).await,
            Ok(Checked::Wrong)
        );
        for old in [
            vec!["{PLAIN}right".to_owned()],
            made.get(..1).unwrap().to_vec(),
            made.get(2..).unwrap().to_vec(),
        ] {
            assert_eq!(
                auth.check(Some((id, &old)), &wrong).await,
                Ok(Checked::Wrong)
            );
            assert_eq!(
                auth.check(Some((id, &old)), &right).await,
                Ok(Checked::Right { renew: true })
            );
            // Remembered.
            assert_eq!(
                auth.check(Some((id, &old)), &right).await,
                Ok(Checked::Right { renew: false })
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_answer_comes_at_one_time() {
        let (auth, env) = auth();
        let asked = env.monotonic();
        env.sleep(Duration::from_millis(300)).await;
        auth.wait_before_wrong(asked, Duration::ZERO).await;
        assert_eq!(env.monotonic() - asked, Duration::from_secs(2));
        env.sleep(Duration::from_millis(1_300)).await;
        auth.wait_before_wrong(asked, Duration::ZERO).await;
        assert_eq!(env.monotonic() - asked, Duration::from_secs(4));
    }
}
