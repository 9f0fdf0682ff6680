//! Sessions end when their account is removed, disabled or out of time, whichever
//! server that was done at.
//!
//! A new password ends none: who has logged in stays until the account is
//! disabled.

use super::directory::Directory;
use crate::stream::{Filled, Revoked};
use account::DeviceId;
use account::directory::State;
use futures::future::{Either, select};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use terms::{AccountId, Timestamp};
use tokio::sync::watch;

/// After a look at all who have logged in there is none for so long: a directory
/// that changes all the time must not cost more than that.
const PAUSE: Duration = Duration::from_millis(50);

/// As what somebody has logged in.
type Key = (AccountId, DeviceId);

/// Those who have logged in, and what tells their sessions to end.
#[derive(Default)]
pub(super) struct Standings(Mutex<HashMap<Key, watch::Sender<Option<Filled>>>>);

impl Standings {
    fn map(&self) -> MutexGuard<'_, HashMap<Key, watch::Sender<Option<Filled>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at all of them and forgets those without a session.
    fn look(&self, sign: impl Fn(Key) -> Option<Filled>) {
        let mut map = self.map();
        map.retain(|key, sender| {
            if sender.is_closed() {
                return false;
            }
            sender.send_if_modified(|told| {
                let now = sign(*key);
                let is_news = told.is_none() && now.is_some();
                if is_news {
                    *told = now;
                }
                is_news
            });
            true
        });
        if map.capacity() > map.len() * 4 {
            map.shrink_to_fit();
        }
    }
}

impl Directory {
    /// Says when a session that has logged in so is to end: when the node stops,
    /// or whoever it is may not be here any more.
    pub fn standing(
        &self,
        account: AccountId,
        device: DeviceId,
    ) -> watch::Receiver<Option<Filled>> {
        let key = (account, device);
        let mut map = self.0.standings.map();
        // Under the lock, so that no look falls between.
        let now = self.sign(&self.snapshot(), key);
        let known = map.get(&key).filter(|sender| *sender.borrow() == now);
        if let Some(sender) = known {
            return sender.subscribe();
        }
        // Whoever heeds the one before has been told.
        let (sender, receiver) = watch::channel(now);
        map.insert(key, sender);
        receiver
    }

    fn sign(&self, state: &State, key: Key) -> Option<Filled> {
        let node = self.accounts().node();
        if node.is_stopping() {
            return Some(Filled::Stopping);
        }
        revoked(state, key, node.env.now()).map(Filled::Revoked)
    }

    /// Starts telling sessions; ends when the node stops.
    pub(super) fn start_standings(&self) {
        let directory = self.clone();
        let env = self.accounts().node().env.clone();
        env.spawn(async move { directory.watch_standings().await });
    }

    async fn watch_standings(&self) {
        let node = Arc::clone(self.accounts().node());
        let mut state = self.snapshot();
        loop {
            self.0.standings.look(|key| self.sign(&state, key));
            if node.is_stopping() {
                return;
            }
            // Over or stopping: both mean to look on.
            let _ = node.env.timeout(PAUSE, node.stopping()).await;
            let newer = pin!(self.0.handle.newer_than(state.head()));
            let stopping = pin!(node.stopping());
            let news = select(newer, stopping);
            // Accounts expire without a change.
            let news = node.env.timeout(node.limits.sweep_interval, news).await;
            state = match news {
                Ok(Either::Left((state, _))) => state,
                Ok(Either::Right(_)) | Err(_) => self.snapshot(),
            };
        }
    }
}

/// Why somebody may not go on.
fn revoked(state: &State, (id, device): Key, now: Timestamp) -> Option<Revoked> {
    let Some(record) = state.record(id) else {
        return Some(Revoked::Removed);
    };
    if !record.enabled {
        return Some(Revoked::Disabled);
    }
    if !record.is_usable(now) {
        return Some(Revoked::Expired);
    }
    let has_password = record.devices.iter().any(|credential| {
        credential.device == device && credential.expires.is_none_or(|end| now < end)
    });
    (device != DeviceId::DEFAULT && !has_password).then_some(Revoked::Device)
}
