//! What the journal, the readers and the index's writer share.

use super::format::SegmentHeader;
use super::frame::Front;
use super::io::Disk;
use super::ledger::Ledger;
use super::lock;
use super::options::Options;
use super::record::{CommitRecord, Mend, Record};
use super::segment::Handles;
use crate::{Checkpoint, CommitError};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use terms::{AccountId, BlobId, ModSeq};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// What a request is answered.
pub(crate) type Answered = Result<(), CommitError>;

/// Who waits for the answer to a request, and the room that it takes in the queue
/// until then.
#[derive(Debug)]
pub(crate) struct Reply {
    sender: oneshot::Sender<Answered>,
    room: Option<OwnedSemaphorePermit>,
}

impl Reply {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Answered>) {
        let (sender, answer) = oneshot::channel();
        (Self { sender, room: None }, answer)
    }

    /// Answers, unless whoever asked has gone.
    pub(crate) fn send(self, answer: Answered) -> Result<(), Answered> {
        drop(self.room);
        self.sender.send(answer)
    }
}

/// What the journal is asked to write.
#[derive(Debug)]
pub(crate) enum Request {
    /// A commit, and its record.
    Commit {
        commit: CommitRecord,
        record: Record,
        reply: Reply,
    },
    /// A part of a blob, or a blob that nobody has bound yet.
    Put { record: Record, reply: Reply },
    /// A checkpoint, and how many of its sections have been written already.
    Checkpoint {
        account: AccountId,
        checkpoint: Checkpoint,
        written: Vec<super::record::Standing>,
        reply: Reply,
    },
    /// The end of an account.
    Remove { account: AccountId, reply: Reply },
    /// A hole that is passed by.
    Mend {
        account: AccountId,
        mend: Mend,
        reply: Reply,
    },
    /// Records that lie elsewhere already.
    Copy { records: Vec<Record>, reply: Reply },
    /// Nothing of a segment is needed any more; these keys go with it.
    Retire {
        segment: u64,
        doomed: Vec<Vec<u8>>,
        reply: Reply,
    },
    /// The last request.
    Close { reply: Reply },
}

impl Request {
    /// What it takes besides its own octets.
    const OCTETS: usize = 256;

    /// Octets that it holds while it waits.
    pub(crate) fn octets(&self) -> usize {
        Self::OCTETS
            + match self {
                Self::Commit { record, .. } | Self::Put { record, .. } => record.payload.len(),
                Self::Checkpoint { checkpoint, .. } => {
                    let octets = checkpoint.sections.iter().map(|one| one.octets.len());
                    octets.sum()
                }
                Self::Copy { records, .. } => records.iter().map(|one| one.payload.len()).sum(),
                Self::Remove { .. }
                | Self::Mend { .. }
                | Self::Retire { .. }
                | Self::Close { .. } => 0,
            }
    }

    /// Keeps this room until it is answered.
    pub(crate) fn keep(&mut self, room: OwnedSemaphorePermit) {
        let (Self::Commit { reply, .. }
        | Self::Put { reply, .. }
        | Self::Checkpoint { reply, .. }
        | Self::Remove { reply, .. }
        | Self::Mend { reply, .. }
        | Self::Copy { reply, .. }
        | Self::Retire { reply, .. }
        | Self::Close { reply }) = self;
        reply.room = Some(room);
    }

    pub(crate) fn into_reply(self) -> Reply {
        match self {
            Self::Commit { reply, .. }
            | Self::Put { reply, .. }
            | Self::Checkpoint { reply, .. }
            | Self::Remove { reply, .. }
            | Self::Mend { reply, .. }
            | Self::Copy { reply, .. }
            | Self::Retire { reply, .. }
            | Self::Close { reply } => reply,
        }
    }
}

/// Requests on their way to the journal.
pub(crate) struct Queue {
    waiting: Mutex<VecDeque<Request>>,
    filled: Condvar,
    /// For their octets.
    room: Arc<Semaphore>,
    room_max: usize,
    /// Nobody is left to take anything.
    stopped: AtomicBool,
}

impl Queue {
    pub(crate) fn new(octets_max: usize) -> Self {
        let room_max = octets_max.clamp(Request::OCTETS, u32::MAX as usize);
        Self {
            waiting: Mutex::default(),
            filled: Condvar::new(),
            room: Arc::new(Semaphore::new(room_max)),
            room_max,
            stopped: AtomicBool::new(false),
        }
    }

    /// More than there is at all counts as all.
    fn permits(&self, request: &Request) -> u32 {
        u32::try_from(request.octets().min(self.room_max)).unwrap_or(u32::MAX)
    }

    /// Takes the request if there is room for it; else gives it back.
    pub(crate) fn try_push(&self, mut request: Request) -> Option<Request> {
        match Arc::clone(&self.room).try_acquire_many_owned(self.permits(&request)) {
            Ok(room) => {
                request.keep(room);
                self.push(request);
                None
            }
            Err(_) => Some(request),
        }
    }

    /// Takes the request when there is room for it, or drops it when nobody is
    /// left to answer.
    pub(crate) async fn push_later(&self, mut request: Request) {
        let room = Arc::clone(&self.room).acquire_many_owned(self.permits(&request));
        let Ok(room) = room.await else {
            return;
        };
        request.keep(room);
        let mut waiting = lock(&self.waiting);
        if !self.stopped.load(Ordering::SeqCst) {
            waiting.push_back(request);
            self.filled.notify_one();
        }
    }

    /// Whoever waits for room waits no longer.
    pub(crate) fn stop(&self) {
        let waiting = lock(&self.waiting);
        self.stopped.store(true, Ordering::SeqCst);
        drop(waiting);
        self.room.close();
    }

    pub(crate) fn push(&self, request: Request) {
        lock(&self.waiting).push_back(request);
        self.filled.notify_one();
    }

    pub(crate) fn take(&self) -> VecDeque<Request> {
        std::mem::take(&mut *lock(&self.waiting))
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.waiting).is_empty()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        lock(&self.waiting).len()
    }

    pub(crate) fn wake(&self) {
        // Nobody may be between looking and waiting.
        drop(lock(&self.waiting));
        self.filled.notify_all();
    }

    /// Waits until there is a request or `stop`, at most so long.
    pub(crate) fn wait(&self, limit: Duration, stop: &AtomicBool) {
        let waiting = lock(&self.waiting);
        let waited = self.filled.wait_timeout_while(waiting, limit, |waiting| {
            waiting.is_empty() && !stop.load(Ordering::SeqCst)
        });
        drop(waited);
    }
}

/// A segment of the journal, as far as it may be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentInfo {
    pub(crate) header: SegmentHeader,
    /// Up to here its groups are durable.
    pub(crate) end: u64,
    /// Nothing more will be written to it.
    pub(crate) sealed: bool,
    /// From this group on there is only a footer.
    pub(crate) footer_from: u64,
}

/// A finished blob that no commit has bound yet.
#[derive(Clone, Debug)]
pub(crate) struct PendingBlob {
    pub(crate) record: Record,
    pub(crate) front: Arc<Front>,
    pub(crate) since: u64,
}

/// Blobs that the index does not speak for, or not alone.
#[derive(Debug, Default)]
pub(crate) struct Blobs {
    /// Finished and in memory.
    pub(crate) pending: HashMap<BlobId, PendingBlob>,
    pub(crate) pending_octets: usize,
    /// Begun, with parts in the journal.
    pub(crate) streaming: HashSet<BlobId>,
    /// In the journal and not bound yet; since when.
    pub(crate) unbound: HashMap<BlobId, u64>,
    /// Being bound by a commit on its way.
    pub(crate) binding: HashSet<BlobId>,
    /// Found dead by the cleaner; nobody may bind them again.
    pub(crate) condemned: HashSet<BlobId>,
}

impl Blobs {
    /// Whether somebody may still bind it or is doing so.
    pub(crate) fn is_wanted(&self, id: BlobId) -> bool {
        self.pending.contains_key(&id)
            || self.streaming.contains(&id)
            || self.unbound.contains_key(&id)
            || self.binding.contains(&id)
    }

    pub(crate) fn forget_pending(&mut self, id: BlobId) {
        if let Some(pending) = self.pending.remove(&id) {
            self.pending_octets -= pending.record.payload.len();
        }
    }
}

/// Who wants to know about which account.
#[derive(Default)]
pub(crate) struct Watches {
    senders: Mutex<HashMap<AccountId, watch::Sender<ModSeq>>>,
}

impl Watches {
    /// Subscribes, then asks for the newest number, so that none is missed.
    pub(crate) fn subscribe(
        &self,
        account: AccountId,
        head: impl FnOnce() -> ModSeq,
    ) -> watch::Receiver<ModSeq> {
        let mut receiver = {
            let mut senders = lock(&self.senders);
            if senders.len() >= 64 && senders.len().is_power_of_two() {
                senders.retain(|_, sender| sender.receiver_count() > 0);
            }
            let sender = senders.entry(account);
            sender
                .or_insert_with(|| watch::Sender::new(ModSeq::ZERO))
                .subscribe()
        };
        let head = head();
        if let Some(sender) = lock(&self.senders).get(&account) {
            sender.send_if_modified(|newest| {
                let older = *newest < head;
                *newest = head.max(*newest);
                older
            });
        }
        receiver.mark_unchanged();
        receiver
    }

    pub(crate) fn tell(&self, account: AccountId, head: ModSeq) {
        let mut senders = lock(&self.senders);
        if let Some(sender) = senders.get(&account) {
            if sender.receiver_count() == 0 {
                senders.remove(&account);
            } else {
                sender.send_replace(head);
            }
        }
    }
}

/// Everything that is shared.
pub(crate) struct Core {
    pub(crate) options: Options,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) ledger: Ledger,
    pub(crate) handles: Handles,
    pub(crate) segments: Mutex<BTreeMap<u64, SegmentInfo>>,
    pub(crate) blobs: Mutex<Blobs>,
    pub(crate) watches: Watches,
    pub(crate) queue: Arc<Queue>,
    /// Accounts whose logs were found to have holes.
    pub(crate) damaged: Mutex<HashSet<AccountId>>,
    /// Segments with damaged records that are still needed: not copied forward.
    pub(crate) pinned: Mutex<HashSet<u64>>,
    /// What was looked for in the journal because the index did not know it.
    pub(crate) searched: Mutex<HashSet<u128>>,
    pub(crate) counts: super::stats::Counts,
    /// Why nothing is written any more.
    poison: watch::Sender<Option<String>>,
    /// What may still be written, as the journal last found.
    pub(crate) room_is_low: AtomicBool,
    pub(crate) stop: AtomicBool,
    /// The journal takes nothing more.
    pub(crate) closed: AtomicBool,
    /// Held by who changes the index.
    pub(crate) index_writer: Mutex<super::indexer::IndexerState>,
    /// The word outside the journal; `None` where it could not be written.
    pub(crate) marker: Mutex<Option<super::marker::Marker>>,
    /// What had to be done at the start because the journal had lost something.
    pub(crate) went_on: Mutex<Option<super::lost::WentOn>>,
    /// Monotonic milliseconds, as the last step was told.
    pub(crate) now: std::sync::atomic::AtomicU64,
}

impl Core {
    pub(crate) fn new(options: Options, disk: Arc<dyn Disk>, ledger: Ledger) -> Self {
        Self {
            handles: Handles::new(Arc::clone(&disk), options.open_files_max),
            disk,
            ledger,
            segments: Mutex::default(),
            blobs: Mutex::default(),
            watches: Watches::default(),
            queue: Arc::new(Queue::new(options.queue_octets_max)),
            options,
            damaged: Mutex::default(),
            pinned: Mutex::default(),
            searched: Mutex::default(),
            poison: watch::Sender::new(None),
            room_is_low: AtomicBool::new(false),
            counts: super::stats::Counts::default(),
            stop: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            index_writer: Mutex::default(),
            marker: Mutex::default(),
            went_on: Mutex::default(),
            now: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// Why nothing is written any more, if so.
    pub(crate) fn poison(&self) -> Option<String> {
        self.poison.borrow().clone()
    }

    /// Tells when that happens.
    pub(crate) fn watch_poison(&self) -> watch::Receiver<Option<String>> {
        self.poison.subscribe()
    }

    /// From now on nothing is written. The first reason stays.
    pub(crate) fn set_poison(&self, why: String) {
        self.poison.send_if_modified(|poison| {
            let first = poison.is_none();
            poison.get_or_insert(why);
            first
        });
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    pub(crate) fn segment(&self, number: u64) -> Option<SegmentInfo> {
        lock(&self.segments).get(&number).copied()
    }

    /// Lets a range of a pending blob be read from memory.
    pub(crate) fn pending_blob(&self, id: BlobId) -> Option<(Arc<Front>, Bytes, usize)> {
        let blobs = lock(&self.blobs);
        let pending = blobs.pending.get(&id)?;
        let front = usize::try_from(pending.record.entry.b).ok()?;
        Some((
            Arc::clone(&pending.front),
            pending.record.payload.clone(),
            front,
        ))
    }
}
