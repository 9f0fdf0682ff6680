//! The journal engine as users see it, and its threads.

use super::core::{Answered, Core, Reply, Request};
use super::files::RealDisk;
use super::io::Disk;
use super::journal::{CLOSED, Journal};
use super::ledger::Ledger;
use super::load;
use super::lost::WentOn;
use super::options::{Drive, Options};
use super::pool::Pool;
use super::reader::{self, Patience, ReadError};
use super::record::CommitRecord;
use super::sink::DiskSink;
use super::stats::Stats;
use super::{indexer, lock, marker, recovery, space, verify};
use crate::index::{FjallIndex, Index, OrderedIndex};
use crate::{
    Answer, BlobError, BlobSink, Checkpoint, Commit, CommitError, DueAccount, Loaded, Sections,
    Store, StoreError, Verification,
};
use bytes::Bytes;
use std::future::ready;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use terms::{AccountId, BlobId, ModSeq, Timestamp};
use tokio::sync::watch;

/// How long what has just come waits for more before the index is told.
const INDEX_PAUSE: Duration = Duration::from_millis(10);
/// Segments that are looked at, one time, for copying forward.
const SURVEYS_MAX: usize = 8;
/// How long a thread without work sleeps at the most.
const SLEEP_MAX: Duration = Duration::from_millis(500);

/// The working parts behind a [`DiskStore`].
pub(crate) struct Engine {
    core: Core,
    journal: Mutex<Journal>,
    pool: Pool,
    begun: Instant,
}

impl Engine {
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    fn drive(&self) -> Drive {
        self.core.options.drive
    }

    /// Monotonic milliseconds; a simulator's own.
    fn now(&self) -> u64 {
        match self.drive() {
            Drive::Steps => self.core.now(),
            Drive::Threads | Drive::Caller => {
                u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
            }
        }
    }

    /// Asks the journal for something: now where there is room in its queue, else
    /// while the answer is waited for.
    pub(crate) fn ask(
        &self,
        request: impl FnOnce(Reply) -> Request,
    ) -> impl Future<Output = Answered> + Send + 'static {
        let (reply, answer) = Reply::new();
        let queue = Arc::clone(&self.core.queue);
        let waits = if self.is_stopped() {
            // Refused at once.
            queue.push(request(reply));
            None
        } else {
            queue.try_push(request(reply))
        };
        if self.drive() == Drive::Caller || self.is_stopped() {
            self.step_all(self.now());
        }
        async move {
            if let Some(request) = waits {
                queue.push_later(request).await;
            }
            let stopped = || Err(CommitError::Failed("the store has stopped".into()));
            answer.await.unwrap_or_else(|_| stopped())
        }
    }

    /// The same, waiting; only where the threads or this caller do the work.
    pub(crate) fn ask_and_wait(&self, request: impl FnOnce(Reply) -> Request) -> Answered {
        if self.drive() == Drive::Steps {
            // So that there is room.
            self.step_all(self.now());
        }
        // A caller that is a task itself cannot yield here to be given more to do.
        let mut answer = Box::pin(tokio::task::unconstrained(self.ask(request)));
        if self.drive() == Drive::Steps {
            self.step_all(self.now());
        }
        futures::FutureExt::now_or_never(&mut answer).unwrap_or_else(|| block_on(answer))
    }

    /// All that there is to do now. `false`: there was nothing.
    fn step_all(&self, now: u64) -> bool {
        let mut worked = false;
        {
            let mut journal = lock(&self.journal);
            while journal.step(&self.core, now) {
                worked = true;
            }
        }
        worked |= indexer::work(&self.core, now);
        worked
    }

    /// What the journal last found about room may be old.
    pub(crate) fn look_at_room(&self) {
        if let Ok(mut journal) = self.journal.try_lock() {
            journal.look_at_room(&self.core, self.now());
        }
    }

    fn run_journal(&self) {
        while !self.core.stop.load(Ordering::SeqCst) {
            let wait = {
                let mut journal = lock(&self.journal);
                self.wait_for_index();
                let stepped =
                    catch_unwind(AssertUnwindSafe(|| journal.step(&self.core, self.now())));
                match stepped {
                    Ok(true) => continue,
                    Ok(false) => journal.seal_at(&self.core).map_or(SLEEP_MAX, |at| {
                        Duration::from_millis(at.saturating_sub(self.now()) + 1)
                    }),
                    Err(_) => {
                        self.core.set_poison("the journal has panicked".into());
                        continue;
                    }
                }
            };
            self.core.queue.wait(wait.min(SLEEP_MAX), &self.core.stop);
        }
        self.refuse_all();
    }

    /// Nobody is left to take what is asked: whoever asks from now on does this
    /// himself.
    fn refuse_all(&self) {
        self.core.closed.store(true, Ordering::SeqCst);
        self.core.queue.stop();
        lock(&self.journal).step(&self.core, self.core.now());
    }

    /// Commits wait while the index is too far behind.
    fn wait_for_index(&self) {
        let octets_max = self.core.options.lag_octets_max;
        if self.core.ledger.lag_octets() > octets_max {
            self.core.ledger.wait_shrunk(octets_max, SLEEP_MAX);
        }
    }

    fn run_index(&self) {
        while !self.core.stop.load(Ordering::SeqCst) {
            self.core.ledger.wait_queued(SLEEP_MAX, &self.core.stop);
            std::thread::sleep(INDEX_PAUSE);
            let worked = catch_unwind(AssertUnwindSafe(|| indexer::work(&self.core, self.now())));
            if worked.is_err() {
                self.core
                    .set_poison("the index's writer has panicked".into());
            }
        }
    }

    fn run_space(&self) {
        let pause = Duration::from_millis(self.core.options.clean_millis);
        let mut since = Instant::now();
        let mut cursor = 0;
        while !self.core.stop.load(Ordering::SeqCst) {
            std::thread::park_timeout(SLEEP_MAX.min(pause));
            if since.elapsed() >= pause {
                since = Instant::now();
                match space::clean(self, cursor, SURVEYS_MAX) {
                    Ok((last, _)) => cursor = last.unwrap_or(0),
                    Err(error) => tracing::warn!(error, "copying forward has stopped"),
                }
            }
        }
    }

    /// Lets others have the disk after so many octets of copying forward.
    pub(crate) fn pause_for(&self, octets: u64) {
        if self.drive() == Drive::Threads {
            let millis = octets * 1_000 / self.core.options.clean_octets_per_second.max(1);
            std::thread::park_timeout(Duration::from_millis(millis).min(SLEEP_MAX));
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.core.stop.load(Ordering::SeqCst)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::park();
    }
}

/// A store in one directory of one machine: a journal and an index.
pub struct DiskStore {
    engine: Arc<Engine>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl DiskStore {
    /// Opens the journal on `disk`, or begins one, and brings `index` up to date.
    /// Nothing is served before the journal's end is durable.
    ///
    /// # Errors
    /// If somebody else has it open, or it can neither be read nor begun. Damage
    /// is no error.
    pub fn open(options: Options, disk: Arc<dyn Disk>, index: Arc<dyn Index>) -> io::Result<Self> {
        disk.lock()?;
        let threads = options.drive == Drive::Threads;
        let pool = Pool::new(if threads {
            options.read_threads.max(1)
        } else {
            0
        })?;
        let core = Core::new(options, disk, Ledger::new(index));
        let journal = recovery::open(&core)?;
        let store = Self {
            engine: Arc::new(Engine {
                core,
                journal: Mutex::new(journal),
                pool,
                begun: Instant::now(),
            }),
            threads: Mutex::default(),
        };
        if threads {
            store.spawn("store-journal", Engine::run_journal)?;
            store.spawn("store-index", Engine::run_index)?;
            store.spawn("store-space", Engine::run_space)?;
        }
        Ok(store)
    }

    /// Opens the store in a directory: the journal in `journal`, the index, on
    /// fjall, in `index`. Makes what is not there.
    ///
    /// # Errors
    /// As for [`DiskStore::open`].
    pub fn open_dir(path: &Path, options: Options) -> io::Result<Self> {
        let lock = RealDisk::open(path)?;
        lock.lock()?;
        let journal = Locked {
            inner: RealDisk::open(path.join("journal"))?,
            outer: lock,
            outer_changed: AtomicBool::new(false),
        };
        let (index, lost) =
            FjallIndex::open_or_renew(&path.join("index")).map_err(io::Error::other)?;
        if let Some(error) = lost {
            tracing::error!(%error, "the index could not be opened and is begun anew");
        }
        Self::open(options, Arc::new(journal), Arc::new(index))
    }

    fn spawn(&self, name: &str, run: fn(&Engine)) -> io::Result<()> {
        let engine = Arc::clone(&self.engine);
        let builder = std::thread::Builder::new().name(name.into());
        let thread = builder.spawn(move || run(&engine))?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// Does what there is to do at `now` (monotonic milliseconds), with
    /// [`Drive::Steps`]. `false`: there was nothing.
    pub fn step(&self, now: u64) -> bool {
        self.engine.core.now.store(now, Ordering::Relaxed);
        self.engine.step_all(now)
    }

    /// Becomes `Some` when the journal has failed: nothing is written any more, and
    /// the process should end. The next start finds out what is there.
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.engine.core.watch_poison()
    }

    /// What had to be done when this was opened, because the journal had lost
    /// something.
    pub fn went_on(&self) -> Option<WentOn> {
        *lock(&self.engine.core.went_on)
    }

    /// What the engine tells about itself, now.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.engine.core)
    }

    /// Copies forward what is still needed of segments that are mostly not, and
    /// removes them. Threads do this by themselves. Says how many went.
    ///
    /// # Errors
    /// If reading or writing failed; nothing is lost.
    pub fn clean(&self) -> Result<usize, StoreError> {
        let cleaned = space::clean(&self.engine, 0, usize::MAX);
        cleaned.map(|(_, gone)| gone).map_err(StoreError::Failed)
    }

    fn ask(&self, request: impl FnOnce(Reply) -> Request) -> Answer<'_, Answered> {
        Box::pin(self.engine.ask(request))
    }

    /// Does something that may have to wait for the disk.
    fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Engine) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, Result<T, StoreError>> {
        let engine = Arc::clone(&self.engine);
        Box::pin(async move {
            let job = move || job(&engine);
            let done = self.engine.pool.run(job).await;
            done.unwrap_or_else(|| Err(StoreError::Failed(CLOSED.into())))
        })
    }

    /// How many requests wait for the journal.
    #[cfg(test)]
    pub(super) fn queue_len(&self) -> usize {
        self.engine.core.queue.len()
    }

    pub(super) fn stop(&self) {
        let core = &self.engine.core;
        core.stop.store(true, Ordering::SeqCst);
        core.queue.wake();
        core.ledger.wake();
        self.engine.pool.stop();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            thread.thread().unpark();
            // A thread that has panicked has nothing more to say.
            let _ = thread.join();
        }
        self.engine.refuse_all();
        core.ledger.replace_index(Arc::new(OrderedIndex::new()));
        core.disk.unlock();
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Store for DiskStore {
    fn blob_sink(&self, id: BlobId, _: Option<u64>) -> Box<dyn BlobSink> {
        Box::new(DiskSink::new(Arc::clone(&self.engine), id))
    }

    fn commit(
        &self,
        account: AccountId,
        after: ModSeq,
        commit: Commit,
    ) -> Answer<'_, Result<(), CommitError>> {
        if let Err(error) = commit.check(after) {
            return Box::pin(ready(Err(error)));
        }
        let commit = CommitRecord {
            account,
            after,
            commit,
        };
        let record = commit.encode();
        self.ask(|reply| Request::Commit {
            commit,
            record,
            reply,
        })
    }

    fn head(&self, account: AccountId) -> Answer<'_, Result<ModSeq, StoreError>> {
        if self.engine.is_stopped() {
            return Box::pin(ready(Err(StoreError::Failed(CLOSED.into()))));
        }
        let row = load::account_row(&self.engine.core, account);
        Box::pin(ready(
            row.map(|row| row.map_or(ModSeq::ZERO, |row| row.head)),
        ))
    }

    fn load(
        &self,
        account: AccountId,
        sections: Sections,
    ) -> Answer<'_, Result<Loaded, StoreError>> {
        self.read(move |engine| load::load(&engine.core, account, &sections))
    }

    fn blob(&self, id: BlobId, range: Range<u64>) -> Answer<'_, Result<Bytes, BlobError>> {
        if let Some(read) = self.blob_now(id, range.clone()) {
            return Box::pin(ready(read));
        }
        let read = self.read(move |engine| {
            Ok(reader::blob(&engine.core, id, &range, Patience::Waits)
                .map_err(|error| reader::error_of(id, error)))
        });
        Box::pin(async move {
            match read.await {
                Ok(read) => read,
                Err(StoreError::Failed(why)) => Err(BlobError::Failed(why)),
            }
        })
    }

    fn blob_now(&self, id: BlobId, range: Range<u64>) -> Option<Result<Bytes, BlobError>> {
        if self.engine.is_stopped() {
            return Some(Err(BlobError::Failed(CLOSED.into())));
        }
        match reader::blob(&self.engine.core, id, &range, Patience::Now) {
            Err(ReadError::Wait) => None,
            Err(error) => Some(Err(reader::error_of(id, error))),
            Ok(octets) => Some(Ok(octets)),
        }
    }

    fn derived(&self, blobs: &[BlobId]) -> Answer<'_, Result<Vec<Option<Bytes>>, StoreError>> {
        let mut found = Vec::with_capacity(blobs.len());
        for id in blobs {
            match reader::derived(&self.engine.core, *id, Patience::Now) {
                Ok(derived) => found.push(derived),
                Err(_) => break,
            }
        }
        if found.len() == blobs.len() && !self.engine.is_stopped() {
            return Box::pin(ready(Ok(found)));
        }
        let rest = blobs[found.len()..].to_vec();
        self.read(move |engine| {
            for id in rest {
                match reader::derived(&engine.core, id, Patience::Waits) {
                    Ok(derived) => found.push(derived),
                    Err(ReadError::Failed(why)) => return Err(StoreError::Failed(why)),
                    Err(_) => found.push(None),
                }
            }
            Ok(found)
        })
    }

    fn put_derived(&self, id: BlobId, derived: Bytes) {
        let core = &self.engine.core;
        if !self.engine.is_stopped() {
            core.ledger.put_derived(
                &reader::derived_key(id),
                reader::cover(id, &derived),
                core.options.lag_octets_max,
            );
        }
    }

    fn checkpoint(
        &self,
        account: AccountId,
        checkpoint: Checkpoint,
    ) -> Answer<'_, Result<(), CommitError>> {
        self.ask(|reply| Request::Checkpoint {
            account,
            checkpoint,
            written: Vec::new(),
            reply,
        })
    }

    fn due(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Answer<'_, Result<Vec<DueAccount>, StoreError>> {
        self.read(move |engine| load::due(&engine.core, until, limit))
    }

    fn watch(&self, account: AccountId) -> watch::Receiver<ModSeq> {
        let core = &self.engine.core;
        core.watches.subscribe(account, || {
            let row = load::account_row(core, account);
            row.ok().flatten().map_or(ModSeq::ZERO, |row| row.head)
        })
    }

    fn list(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Answer<'_, Result<Vec<AccountId>, StoreError>> {
        self.read(move |engine| load::list(&engine.core, after, limit))
    }

    fn remove(&self, account: AccountId) -> Answer<'_, Result<(), CommitError>> {
        self.ask(|reply| Request::Remove { account, reply })
    }

    fn repair(&self, account: AccountId) -> Answer<'_, Result<ModSeq, StoreError>> {
        self.read(move |engine| verify::repair(engine, account))
    }

    fn verify<'a>(
        &'a self,
        progress: &'a (dyn Fn(u64) + Send + Sync),
    ) -> Answer<'a, Result<Verification, StoreError>> {
        Box::pin(async move { verify::verify(&self.engine.core, progress) })
    }

    fn close(&self) -> Answer<'_, ()> {
        let closed = self.ask(|reply| Request::Close { reply });
        Box::pin(async move {
            if let Err(error) = closed.await {
                tracing::error!(%error, "the journal was not closed in order");
            }
            indexer::persist_now(&self.engine.core);
            marker::advance(&self.engine.core, 0, true);
            self.stop();
        })
    }
}

/// A directory within one that is locked. The marker lies in the outer one.
struct Locked {
    inner: RealDisk,
    outer: RealDisk,
    /// Whether names of the outer one wait for its sync.
    outer_changed: AtomicBool,
}

impl Locked {
    fn is_outer(name: &str) -> bool {
        [marker::MARKER, marker::NEW_MARKER].contains(&name)
    }

    fn at(&self, name: &str) -> &RealDisk {
        match Self::is_outer(name) {
            true => &self.outer,
            false => &self.inner,
        }
    }

    /// The directory of a name that changes.
    fn change(&self, name: &str) -> &RealDisk {
        if Self::is_outer(name) {
            self.outer_changed.store(true, Ordering::SeqCst);
        }
        self.at(name)
    }
}

impl Disk for Locked {
    fn lock(&self) -> io::Result<()> {
        self.inner.lock()
    }

    fn unlock(&self) {
        self.inner.unlock();
        self.outer.unlock();
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn super::io::DiskFile>> {
        self.change(name).create(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn super::io::DiskFile>> {
        self.at(name).open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(from).rename(from, to)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.change(name).unlink(name)
    }

    fn cut(&self, name: &str, length: u64) -> io::Result<()> {
        self.at(name).cut(name, length)
    }

    fn sync_dir(&self) -> io::Result<()> {
        if self.outer_changed.load(Ordering::SeqCst) {
            self.outer.sync_dir()?;
            self.outer_changed.store(false, Ordering::SeqCst);
        }
        self.inner.sync_dir()
    }

    fn free_octets(&self) -> io::Result<u64> {
        self.inner.free_octets()
    }
}
