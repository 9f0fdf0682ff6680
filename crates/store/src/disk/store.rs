//! The journal engine as users see it.

use super::core::{Answered, Reply, Request};
use super::engine::Engine;
use super::io::Disk;
use super::journal::CLOSED;
use super::locked::Locked;
use super::lost::WentOn;
use super::options::{Drive, Options};
use super::reader::{self, Patience, ReadError};
use super::record::CommitRecord;
use super::sink::DiskSink;
use super::stats::Stats;
use super::{indexer, load, lock, marker, space, verify};
use crate::index::{FjallIndex, Index, OrderedIndex};
use crate::{
    Answer, BlobError, BlobSink, Checkpoint, Commit, CommitError, DueAccount, Loaded, Sections,
    Store, StoreError, Verification,
};
use bytes::Bytes;
use std::future::ready;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use terms::{AccountId, BlobId, ModSeq, Timestamp};
use tokio::sync::watch;

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
        let store = Self {
            engine: Arc::new(Engine::open(options, disk, index)?),
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
        let journal = Locked::open(path)?;
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
        self.engine.core().now.store(now, Ordering::Relaxed);
        self.engine.step_all(now)
    }

    /// Becomes `Some` when the journal has failed: nothing is written any more, and
    /// the process should end. The next start finds out what is there.
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.engine.core().watch_poison()
    }

    /// What had to be done when this was opened, because the journal had lost
    /// something.
    pub fn went_on(&self) -> Option<WentOn> {
        *lock(&self.engine.core().went_on)
    }

    /// What the engine tells about itself, now.
    pub fn stats(&self) -> Stats {
        Stats::of(self.engine.core())
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
            let done = self.engine.pool().run(job).await;
            done.unwrap_or_else(|| Err(StoreError::Failed(CLOSED.into())))
        })
    }

    /// How many requests wait for the journal.
    #[cfg(test)]
    pub(super) fn queue_len(&self) -> usize {
        self.engine.core().queue.len()
    }

    pub(super) fn stop(&self) {
        let core = self.engine.core();
        core.stop.store(true, Ordering::SeqCst);
        core.queue.wake();
        core.ledger.wake();
        self.engine.pool().stop();
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
        let row = load::account_row(self.engine.core(), account);
        Box::pin(ready(
            row.map(|row| row.map_or(ModSeq::ZERO, |row| row.head)),
        ))
    }

    fn load(
        &self,
        account: AccountId,
        sections: Sections,
    ) -> Answer<'_, Result<Loaded, StoreError>> {
        self.read(move |engine| load::load(engine.core(), account, &sections))
    }

    fn blob(&self, id: BlobId, range: Range<u64>) -> Answer<'_, Result<Bytes, BlobError>> {
        if let Some(read) = self.blob_now(id, range.clone()) {
            return Box::pin(ready(read));
        }
        let read = self.read(move |engine| {
            Ok(reader::blob(engine.core(), id, &range, Patience::Waits)
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
        match reader::blob(self.engine.core(), id, &range, Patience::Now) {
            Err(ReadError::Wait) => None,
            Err(error) => Some(Err(reader::error_of(id, error))),
            Ok(octets) => Some(Ok(octets)),
        }
    }

    fn derived(&self, blobs: &[BlobId]) -> Answer<'_, Result<Vec<Option<Bytes>>, StoreError>> {
        let mut found = Vec::with_capacity(blobs.len());
        for id in blobs {
            match reader::derived(self.engine.core(), *id, Patience::Now) {
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
                match reader::derived(engine.core(), id, Patience::Waits) {
                    Ok(derived) => found.push(derived),
                    Err(ReadError::Failed(why)) => return Err(StoreError::Failed(why)),
                    Err(_) => found.push(None),
                }
            }
            Ok(found)
        })
    }

    fn put_derived(&self, id: BlobId, derived: Bytes) {
        let core = self.engine.core();
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
        self.read(move |engine| load::due(engine.core(), until, limit))
    }

    fn watch(&self, account: AccountId) -> watch::Receiver<ModSeq> {
        let core = self.engine.core();
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
        self.read(move |engine| load::list(engine.core(), after, limit))
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
        Box::pin(async move { verify::verify(self.engine.core(), progress) })
    }

    fn close(&self) -> Answer<'_, ()> {
        let closed = self.ask(|reply| Request::Close { reply });
        Box::pin(async move {
            if let Err(error) = closed.await {
                tracing::error!(%error, "the journal was not closed in order");
            }
            indexer::persist_now(self.engine.core());
            marker::advance(self.engine.core(), 0, true);
            self.stop();
        })
    }
}
