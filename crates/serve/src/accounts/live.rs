//! One live account: its queue, its published snapshot, its handles.
//!
//! There is one writer at a time, a task that lives as long as commands wait
//! (`writer`); an idle account has none. The writer alone publishes. Whoever
//! asked may go away at any time: what it asked for goes on.

use super::machine::Machine;
use super::registry::{Running, Shared};
use crate::limits::Limits;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Loaded;
use terms::{AccountId, ModSeq};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// Why a command was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError<R> {
    /// The account refuses it; nothing has changed.
    #[error("refused")]
    Refused(R),
    /// The store has no space left; nothing has changed.
    #[error("the store has no space left")]
    Full,
    /// The account's log is damaged: read-only until repaired.
    #[error("the account is damaged and read-only")]
    Damaged,
    /// The store does not answer, or it cannot be said whether the command was
    /// done. It may work later.
    #[error("the account is not available")]
    Unavailable,
}

/// The account cannot be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the account is not available")]
pub struct Unavailable;

/// What a command is answered.
pub(super) type Answer<M> = Result<<M as Machine>::Outcome, ExecuteError<<M as Machine>::Refusal>>;

/// A handle on a live account. Clones are handles on the same.
pub struct Handle<M: Machine>(pub(super) Arc<Live<M>>);

impl<M: Machine> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.0.id).finish()
    }
}

impl<M: Machine> Handle<M> {
    /// Which account.
    pub fn id(&self) -> AccountId {
        self.0.id
    }

    /// The newest state that this process knows to be durable. Tables may not
    /// be in it: see [`Handle::with`].
    pub fn snapshot(&self) -> Arc<M> {
        self.0.touch();
        Arc::clone(&self.0.state.borrow())
    }

    /// What all handles share besides the state.
    pub fn marks(&self) -> &M::Marks {
        &self.0.marks
    }

    /// A state that shows at least what any writer had committed when this was
    /// called. For login, SELECT, STATUS and NOOP.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn fresh(&self) -> Result<Arc<M>, Unavailable> {
        let before = self.snapshot().number();
        let head = self
            .0
            .shared
            .store
            .head(self.0.id)
            .await
            .map_err(|_| Unavailable)?;
        if head < before {
            // What was durable is no longer there: the account was removed.
            return Err(Unavailable);
        }
        let snapshot = self.snapshot();
        if self.0.is_as_new_as(head) {
            return Ok(snapshot);
        }
        self.ask(0, |answer| Job::Refresh { answer }).await?
    }

    /// A state, at least as new as [`Handle::snapshot`], that has these parts in
    /// memory.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn with(&self, parts: Vec<M::Part>) -> Result<Arc<M>, Unavailable> {
        let snapshot = self.snapshot();
        if snapshot.has(&parts) {
            return Ok(snapshot);
        }
        self.ask(0, |answer| Job::Load { parts, answer }).await?
    }

    /// Has the command decided and, where it changes something, committed. When
    /// this returns it is durable and [`Handle::snapshot`] shows it. Waits while
    /// the account's queue is full.
    ///
    /// Dropped, the command may still be done.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn execute(
        &self,
        command: M::Command,
    ) -> Result<M::Outcome, ExecuteError<M::Refusal>> {
        let octets = M::weight(&command);
        match self
            .ask(octets, |answer| Job::Command(Command { command, answer }))
            .await
        {
            Ok(answer) => answer,
            Err(Unavailable) => Err(ExecuteError::Unavailable),
        }
    }

    /// Returns when there is a state newer than `seen`, made here or elsewhere.
    /// Cancel safe. Costs nothing while it waits but the future.
    pub async fn newer_than(&self, seen: ModSeq) -> Arc<M> {
        let mut local = self.0.state.subscribe();
        let mut remote = self.0.remote.clone();
        loop {
            let state = Arc::clone(&local.borrow_and_update());
            if state.number() > seen {
                return state;
            }
            let elsewhere = *remote.borrow_and_update();
            if !self.0.is_as_new_as(elsewhere) && !self.0.queue().running {
                // Somebody else's commit. If a writer runs here it looks at this
                // itself before it ends.
                if self.fresh().await.is_err() {
                    let env = &self.0.shared.node.env;
                    env.sleep(Live::<M>::RETRY).await;
                }
                continue;
            }
            tokio::select! {
                // Neither can fail while `self` holds the account and the store.
                _ = local.changed() => {}
                changed = remote.changed() => if changed.is_err() {
                    // A store that is closing tells nothing any more.
                    let _ = local.changed().await;
                },
            }
        }
    }

    /// Begins anew from what the store has, without tables.
    pub(super) async fn reopen(&self) -> Result<Arc<M>, Unavailable> {
        self.ask(0, |answer| Job::Reopen { answer }).await?
    }

    /// Puts a job into the queue and waits for its answer.
    async fn ask<T>(
        &self,
        octets: usize,
        job: impl FnOnce(oneshot::Sender<T>) -> Job<M>,
    ) -> Result<T, Unavailable> {
        let live = &self.0;
        live.touch();
        let octets_max = live.shared.node.limits.queue_octets_max;
        let room =
            u32::try_from((octets + Live::<M>::JOB_OCTETS).min(octets_max)).unwrap_or(u32::MAX);
        let room = Arc::clone(&live.room)
            .acquire_many_owned(room)
            .await
            .map_err(|_| Unavailable)?;
        let (answer, answered) = oneshot::channel();
        live.push(job(answer), Some(room));
        // A writer that panicked has dropped the other end.
        answered.await.map_err(|_| Unavailable)
    }
}

/// A live account.
pub(super) struct Live<M: Machine> {
    pub(super) id: AccountId,
    pub(super) shared: Arc<Shared>,
    /// What is published. Only the writer sends.
    pub(super) state: watch::Sender<Arc<M>>,
    /// The store's newest number.
    pub(super) remote: watch::Receiver<ModSeq>,
    queue: Mutex<Queue<M>>,
    room: Arc<Semaphore>,
    /// When it was last asked for something, in seconds of the monotonic clock.
    used: AtomicU64,
    /// What its tables count for in [`Shared::tables`].
    pub(super) tables: AtomicUsize,
    pub(super) marks: M::Marks,
}

/// What waits, and whether a writer is at it.
pub(super) struct Queue<M: Machine> {
    pub(super) waiting: VecDeque<Waiting<M>>,
    pub(super) running: bool,
    /// What is published may be older than what is durable: load before deciding.
    pub(super) stale: bool,
    /// What is published is more than what is durable: do nothing more.
    pub(super) gone: bool,
    /// The store's number at the last load. Beyond the state where the log has a
    /// hole: there is nothing more to be loaded.
    pub(super) loaded: ModSeq,
    /// The hole was repaired: the next commit goes after `loaded` and begins with
    /// an Epoch.
    pub(super) repaired: bool,
    /// A checkpoint is on its way.
    pub(super) folding: bool,
    /// Commits to wait for before the next one.
    pub(super) fold_wait: u32,
}

/// A job in the queue, and the room that it takes there.
pub(super) struct Waiting<M: Machine> {
    pub(super) job: Job<M>,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// What the writer can be asked for.
pub(super) enum Job<M: Machine> {
    Command(Command<M>),
    /// Be as new as the store.
    Refresh {
        answer: oneshot::Sender<Result<Arc<M>, Unavailable>>,
    },
    /// Have these parts.
    Load {
        parts: Vec<M::Part>,
        answer: oneshot::Sender<Result<Arc<M>, Unavailable>>,
    },
    /// Give up the tables.
    Unload,
    /// The store has taken a checkpoint.
    Folded(M::Fold),
    /// Another writer has made a checkpoint: begin anew from the store.
    Reopen {
        answer: oneshot::Sender<Result<Arc<M>, Unavailable>>,
    },
}

/// A command and who waits for it.
pub(super) struct Command<M: Machine> {
    pub(super) command: M::Command,
    pub(super) answer: oneshot::Sender<Answer<M>>,
}

impl<M: Machine> Live<M> {
    /// What a job takes in the queue besides its own octets.
    const JOB_OCTETS: usize = 256;
    /// After the store did not answer a look for news.
    const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

    pub(super) fn new(id: AccountId, shared: Arc<Shared>, state: M) -> Arc<Self> {
        let limits: &Limits = &shared.node.limits;
        let live = Arc::new(Self {
            id,
            room: Arc::new(Semaphore::new(limits.queue_octets_max)),
            remote: shared.store.watch(id),
            state: watch::Sender::new(Arc::new(state)),
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                running: false,
                stale: false,
                gone: false,
                loaded: ModSeq::ZERO,
                repaired: false,
                folding: false,
                fold_wait: 0,
            }),
            used: AtomicU64::new(0),
            tables: AtomicUsize::new(0),
            marks: M::Marks::default(),
            shared,
        });
        live.touch();
        live.count_tables();
        live
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue<M>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn touch(&self) {
        self.used.store(
            self.shared.node.env.monotonic().as_secs(),
            Ordering::Relaxed,
        );
    }

    /// When it was last asked for something, in seconds of the monotonic clock.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether the state has all that can be loaded up to this number of the
    /// store's.
    pub(super) fn is_as_new_as(&self, head: ModSeq) -> bool {
        let shown = self.state.borrow().number();
        shown >= head || self.queue().loaded >= head
    }

    /// Notes what a load has found besides the state, which stands at `number`.
    pub(super) fn note_loaded(&self, loaded: &Loaded, number: ModSeq) {
        let mut queue = self.queue();
        queue.loaded = loaded.head;
        queue.repaired = loaded.head > number && !loaded.damaged;
    }

    /// Puts a job into the queue and starts a writer if none runs.
    pub(super) fn push(self: &Arc<Self>, job: Job<M>, room: Option<OwnedSemaphorePermit>) {
        let start = {
            let mut queue = self.queue();
            queue.waiting.push_back(Waiting { job, room });
            !std::mem::replace(&mut queue.running, true)
        };
        if start {
            self.start();
        }
    }

    /// Starts the writer; the queue says already that it runs.
    pub(super) fn start(self: &Arc<Self>) {
        let live = Arc::clone(self);
        let running = Running::begin(&self.shared);
        let env = &self.shared.node.env;
        env.spawn(super::writer::run(live, running));
    }

    /// Tells the node how much memory the tables take now.
    pub(super) fn count_tables(&self) {
        let now = self.state.borrow().tables_octets();
        let before = self.tables.swap(now, Ordering::Relaxed);
        let total = &self.shared.tables;
        total.fetch_add(now, Ordering::Relaxed);
        total.fetch_sub(before, Ordering::Relaxed);
    }
}

impl<M: Machine> Drop for Live<M> {
    fn drop(&mut self) {
        let tables = self.tables.load(Ordering::Relaxed);
        self.shared.tables.fetch_sub(tables, Ordering::Relaxed);
    }
}
