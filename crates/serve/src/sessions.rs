//! Who has logged in, counted: by protocol, and of each account.

use crate::auth::Protocol;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use terms::AccountId;

/// The sessions of a node that have logged in. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    imap: usize,
    pop3: usize,
    /// Only those that are not zero.
    accounts: HashMap<Key, usize>,
}

type Key = (AccountId, Protocol);

/// The account has as many sessions by this protocol as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// One session's place; given back when it is dropped.
pub struct SessionHeld {
    sessions: Sessions,
    key: Key,
}

impl Sessions {
    /// A place for one more of the account's, of which it may have `max`.
    ///
    /// # Errors
    /// If it has them.
    pub fn enter(
        &self,
        account: AccountId,
        protocol: Protocol,
        max: usize,
    ) -> Result<SessionHeld, TooMany> {
        let key = (account, protocol);
        let mut counts = self.counts();
        if counts.accounts.get(&key).copied().unwrap_or(0) >= max {
            return Err(TooMany);
        }
        *counts.accounts.entry(key).or_default() += 1;
        *counts.of(protocol) += 1;
        drop(counts);
        Ok(SessionHeld {
            sessions: self.clone(),
            key,
        })
    }

    /// How many there are by a protocol, of all accounts.
    pub fn count(&self, protocol: Protocol) -> usize {
        *self.counts().of(protocol)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn of(&mut self, protocol: Protocol) -> &mut usize {
        match protocol {
            Protocol::Imap => &mut self.imap,
            Protocol::Pop3 => &mut self.pop3,
        }
    }
}

impl Drop for SessionHeld {
    fn drop(&mut self) {
        let mut counts = self.sessions.counts();
        *counts.of(self.key.1) -= 1;
        if let Entry::Occupied(mut count) = counts.accounts.entry(self.key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl fmt::Debug for SessionHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionHeld{:?}", self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_its_own_places_by_each_protocol() {
        let sessions = Sessions::default();
        let enter = |account, protocol| sessions.enter(AccountId(account), protocol, 2);
        let first = enter(1, Protocol::Imap).unwrap();
        let _second = enter(1, Protocol::Imap).unwrap();
        assert_eq!(enter(1, Protocol::Imap).unwrap_err(), TooMany);
        let other = enter(2, Protocol::Imap).unwrap();
        let drop_of_first = enter(1, Protocol::Pop3).unwrap();
        assert_eq!(sessions.count(Protocol::Imap), 3);
        assert_eq!(sessions.count(Protocol::Pop3), 1);

        drop(first);
        let _third = enter(1, Protocol::Imap).unwrap();
        drop((other, drop_of_first));
        assert_eq!(sessions.count(Protocol::Imap), 2);
        assert_eq!(sessions.count(Protocol::Pop3), 0);
        // Nothing is kept of who is not here.
        assert_eq!(sessions.counts().accounts.len(), 1);
    }
}
