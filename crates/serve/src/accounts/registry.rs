//! Which accounts are live in this process, and what gives way when there are
//! too many.

use super::live::{Handle, Job, Live, Unavailable};
use super::machine::{Machine, OpenFault};
use crate::stream::Node;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use store::{Loaded, SectionKey, Sections, Store};
use terms::{AccountId, ModSeq};
use tokio::sync::{Notify, watch};
use tracing::{error, warn};

/// What all live accounts share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) node: Arc<Node>,
    /// Octets of all tables in memory.
    pub(super) tables: AtomicUsize,
    /// Told when there are too many.
    relief: Notify,
    /// How many writers and checkpoints run.
    running: watch::Sender<usize>,
}

/// One of those that run; counts until it is dropped.
pub(super) struct Running(Arc<Shared>);

impl Running {
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        shared.running.send_modify(|count| *count += 1);
        Self(Arc::clone(shared))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|count| *count -= 1);
    }
}

impl Shared {
    /// Has tables unloaded if there are too many.
    pub(super) fn relieve(&self) {
        if self.tables.load(Ordering::Relaxed) > self.node.limits.tables_octets_max {
            self.relief.notify_one();
        }
    }
}

/// The live accounts of this process. Cheap to clone.
pub struct Registry<M: Machine> {
    shared: Arc<Shared>,
    live: Arc<Mutex<HashMap<AccountId, Arc<Live<M>>>>>,
}

impl<M: Machine> Clone for Registry<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            live: Arc::clone(&self.live),
        }
    }
}

impl<M: Machine> fmt::Debug for Registry<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl<M: Machine> Registry<M> {
    /// None is live yet. Starts the task that unloads; it ends with the registry.
    pub fn new(node: Arc<Node>, store: Arc<dyn Store>) -> Self {
        let registry = Self {
            shared: Arc::new(Shared {
                store,
                node,
                tables: AtomicUsize::new(0),
                relief: Notify::new(),
                running: watch::Sender::new(0),
            }),
            live: Arc::default(),
        };
        let unload = unload(Arc::clone(&registry.shared), Arc::downgrade(&registry.live));
        registry.shared.node.env.spawn(unload);
        registry
    }

    /// The store under it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// What all sessions share.
    pub fn node(&self) -> &Arc<Node> {
        &self.shared.node
    }

    /// Octets of all tables in memory.
    pub fn tables_octets(&self) -> usize {
        self.shared.tables.load(Ordering::Relaxed)
    }

    /// How many accounts are live.
    pub fn live_count(&self) -> usize {
        self.map().len()
    }

    /// Returns when no command and no checkpoint is on its way.
    pub async fn settled(&self) {
        let mut running = self.shared.running.subscribe();
        // The sender lives as long as `self`, so that this cannot fail.
        let _ = running.wait_for(|count| *count == 0).await;
    }

    /// A handle on the account, as new as the store. One that has no commit yet
    /// is in its first state.
    ///
    /// # Errors
    /// If the store does not answer or the account cannot be read.
    pub async fn open(&self, id: AccountId) -> Result<Handle<M>, Unavailable> {
        let live = self.map().get(&id).cloned();
        if let Some(live) = live {
            let handle = Handle(live);
            if handle.fresh().await.is_ok() {
                return Ok(handle);
            }
            // Removed by another writer, or the store does not answer: loading
            // tells which.
            self.drop_live(&handle);
        }
        let (state, loaded) = open::<M>(&self.shared, id).await?;
        if loaded.damaged {
            warn!(account = %id, "the account is damaged and read-only");
        }
        let mut map = self.map();
        // Somebody else may have been faster; there is one writer only.
        let live = map.entry(id).or_insert_with(|| {
            let number = state.number();
            let live = Live::new(id, Arc::clone(&self.shared), state);
            live.note_loaded(&loaded, number);
            live
        });
        Ok(Handle(Arc::clone(live)))
    }

    /// Forgets the account here, after it was removed from the store. Handles
    /// that are still about find it unavailable.
    pub fn forget(&self, id: AccountId) {
        let live = self.map().remove(&id);
        if let Some(live) = live {
            live.queue().stale = true;
        }
    }

    /// Forgets the account here if its state goes beyond `number`: what the store
    /// has left of it ends there. Handles that are still about do nothing more.
    pub fn forget_beyond(&self, id: AccountId, number: ModSeq) {
        let live = self.map().get(&id).cloned();
        if let Some(live) = live
            && live.state.borrow().number() > number
        {
            live.queue().gone = true;
            self.forget(id);
        }
    }

    /// Forgets this very one.
    fn drop_live(&self, handle: &Handle<M>) {
        let mut map = self.map();
        if map
            .get(&handle.id())
            .is_some_and(|live| Arc::ptr_eq(live, &handle.0))
        {
            map.remove(&handle.id());
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<AccountId, Arc<Live<M>>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Loads from the store; what is wrong with it stands in the log.
pub(super) async fn load(
    shared: &Shared,
    id: AccountId,
    sections: Sections,
) -> Result<Loaded, Unavailable> {
    shared.store.load(id, sections).await.map_err(|error| {
        warn!(account = %id, %error, "the account cannot be loaded");
        Unavailable
    })
}

/// Opens an account from the store, without tables; and what was loaded.
pub(super) async fn open<M: Machine>(
    shared: &Shared,
    id: AccountId,
) -> Result<(M, Loaded), Unavailable> {
    let mut sections = M::opening();
    // Twice more where the root is in pieces and another writer folds meanwhile.
    for _ in 0..3 {
        let loaded = load(shared, id, sections).await?;
        let has_root = loaded.sections.iter().any(|it| it.key == SectionKey::ROOT);
        if loaded.damaged && loaded.covers > ModSeq::ZERO && !has_root {
            // Without it the account would look as if it had never been made.
            error!(account = %id, "the account's checkpoint cannot be read");
            return Err(Unavailable);
        }
        match M::open(id, &loaded) {
            Ok(state) => return Ok((state, loaded)),
            Err(OpenFault::More(mut more)) => {
                more.push(SectionKey::ROOT);
                sections = Sections::Only(more);
            }
            Err(OpenFault::Bad(why)) => {
                error!(account = %id, why, "the account cannot be opened");
                return Err(Unavailable);
            }
        }
    }
    error!(account = %id, "the account cannot be opened: its root changes all the time");
    Err(Unavailable)
}

/// Unloads tables and forgets accounts, as the limits say, until the registry has
/// gone.
async fn unload<M: Machine>(
    shared: Arc<Shared>,
    map: Weak<Mutex<HashMap<AccountId, Arc<Live<M>>>>>,
) {
    let env = shared.node.env.clone();
    let limits = shared.node.limits.clone();
    loop {
        // Whichever comes first; both mean the same.
        let _ = env
            .timeout(limits.table_idle / 2, shared.relief.notified())
            .await;
        let Some(map) = map.upgrade() else {
            return;
        };
        let now = env.monotonic().as_secs();
        let mut lives: Vec<Arc<Live<M>>> = {
            let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
            forget_idle(&mut map, now, &limits);
            map.values()
                .filter(|live| live.tables.load(Ordering::Relaxed) > 0)
                .cloned()
                .collect()
        };
        lives.sort_unstable_by_key(|live| live.used());
        // Some more than needed, so that it need not be done again at once.
        let enough = limits.tables_octets_max / 8 * 7;
        let mut total = shared.tables.load(Ordering::Relaxed);
        let crowded = total > limits.tables_octets_max;
        for live in lives {
            let idle = now.saturating_sub(live.used()) >= limits.table_idle.as_secs().max(1);
            if idle || (crowded && total > enough) {
                total = total.saturating_sub(live.tables.load(Ordering::Relaxed));
                live.push(Job::Unload, None);
            }
        }
    }
}

/// Forgets accounts that nobody has a handle on: the idle ones, and beyond the
/// limit the ones used longest ago.
fn forget_idle<M: Machine>(
    map: &mut HashMap<AccountId, Arc<Live<M>>>,
    now: u64,
    limits: &crate::limits::Limits,
) {
    let idle = limits.table_idle.as_secs().max(1) * 5;
    // A handle is only made from another one, or under the map's lock: one
    // reference is the map's, and nobody can be at it.
    map.retain(|_, live| Arc::strong_count(live) > 1 || now.saturating_sub(live.used()) < idle);
    let surplus = map.len().saturating_sub(limits.accounts_live_max);
    if surplus > 0 {
        let mut unused: Vec<(u64, AccountId)> = map
            .iter()
            .filter(|(_, live)| Arc::strong_count(live) == 1)
            .map(|(id, live)| (live.used(), *id))
            .collect();
        unused.sort_unstable();
        for (_, id) in unused.into_iter().take(surplus) {
            map.remove(&id);
        }
    }
    if map.capacity() > map.len() * 4 {
        map.shrink_to_fit();
    }
}
