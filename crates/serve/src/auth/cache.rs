//! Right passwords, remembered for minutes as keyed hashes, so that a program
//! that polls does not cost an Argon2 each time.

use super::password::Password;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use terms::AccountId;
use zeroize::Zeroizing;

/// The cache. Its key is random and never leaves the process.
pub(super) struct Cache {
    key: Zeroizing<[u8; 32]>,
    /// Until when each is remembered. The marks say nothing to whoever has not the
    /// key, so that looking them up may take what time it takes.
    kept: Mutex<HashMap<[u8; 32], Duration>>,
    keep: Duration,
    count_max: usize,
}

impl Cache {
    /// Keeps up to `count_max` passwords, each for `keep`.
    pub(super) fn new(key: [u8; 32], keep: Duration, count_max: usize) -> Self {
        Self {
            key: Zeroizing::new(key),
            kept: Mutex::default(),
            keep,
            count_max,
        }
    }

    /// Whether this password was right for these very verifiers a while ago.
    pub(super) fn knows(
        &self,
        account: AccountId,
        verifiers: &[impl AsRef<str>],
        password: &Password,
        now: Duration,
    ) -> bool {
        let mark = self.mark(account, verifiers, password);
        self.kept().get(&mark).is_some_and(|until| *until > now)
    }

    /// The password was right for these verifiers.
    pub(super) fn keep(
        &self,
        account: AccountId,
        verifiers: &[impl AsRef<str>],
        password: &Password,
        now: Duration,
    ) {
        let mark = self.mark(account, verifiers, password);
        let until = now + self.keep;
        let mut kept = self.kept();
        if kept.len() >= self.count_max {
            kept.retain(|_, until| *until > now);
        }
        if kept.len() < self.count_max || kept.contains_key(&mark) {
            kept.insert(mark, until);
        }
    }

    /// A keyed hash of everything that the answer depends on: another password
    /// set meanwhile has other verifiers.
    fn mark(
        &self,
        account: AccountId,
        verifiers: &[impl AsRef<str>],
        password: &Password,
    ) -> [u8; 32] {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_ref()) else {
            return [0; 32];
        };
        mac.update(&account.0.to_le_bytes());
        mac.update(&(password.octets().len() as u64).to_le_bytes());
        mac.update(password.octets());
        for verifier in verifiers {
            mac.update(&(verifier.as_ref().len() as u64).to_le_bytes());
            mac.update(verifier.as_ref().as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<[u8; 32], Duration>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_password_is_known_for_a_while() {
        let cache = Cache::new([3; 32], Duration::from_secs(60), 2);
        let (right, wrong) = (
            Password::new(b"right").unwrap(),
            Password::new(b"wrong").unwrap(),
        );
        let (ann, bob, eve) = (AccountId(1), AccountId(2), AccountId(3));
        let start = Duration::from_secs(10);
        cache.keep(ann, &["{X}1"], &right, start);
        assert!(cache.knows(ann, &["{X}1"], &right, start));
        assert!(!cache.knows(ann, &["{X}1"], &wrong, start));
        assert!(!cache.knows(bob, &["{X}1"], &right, start));
        // A new password makes new verifiers.
        assert!(!cache.knows(ann, &["{X}2"], &right, start));
        assert!(!cache.knows(ann, &["{X}1"], &right, Duration::from_secs(70)));
        // Full: what is kept stays, until its time is over.
        cache.keep(bob, &["{X}1"], &right, start);
        cache.keep(eve, &["{X}1"], &right, start);
        assert!(!cache.knows(eve, &["{X}1"], &right, start));
        let later = Duration::from_secs(80);
        cache.keep(eve, &["{X}1"], &right, later);
        assert!(cache.knows(eve, &["{X}1"], &right, later));
    }
}
