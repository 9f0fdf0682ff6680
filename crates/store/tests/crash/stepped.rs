//! The engine without threads: whoever waits for an answer makes it work, and
//! what was asked together goes out together.

use bytes::Bytes;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use store::{
    Answer, BlobError, BlobSink, Checkpoint, Commit, CommitError, DiskStore, DueAccount, Loaded,
    PutError, Sections, Store, StoreError, Verification,
};
use terms::{AccountId, BlobId, ModSeq, Timestamp};
use tokio::sync::watch;

pub(crate) struct Stepped(Arc<Inner>);

struct Inner {
    store: DiskStore,
    /// Monotonic milliseconds.
    now: AtomicU64,
}

impl Inner {
    /// Works until the answer is there.
    fn poll<T>(&self, answer: &mut Answer<'_, T>, context: &mut Context<'_>) -> Poll<T> {
        loop {
            if let Poll::Ready(value) = answer.as_mut().poll(context) {
                return Poll::Ready(value);
            }
            let worked = self.store.step(self.now.load(Ordering::Relaxed));
            let answered = answer.as_mut().poll(context);
            assert!(worked || answered.is_ready(), "an answer never comes");
            if answered.is_ready() {
                return answered;
            }
        }
    }
}

impl Stepped {
    pub(crate) fn new(store: DiskStore) -> Self {
        Self(Arc::new(Inner {
            store,
            now: AtomicU64::new(0),
        }))
    }

    /// Lets time pass: the journal may seal, the index may be persisted.
    pub(crate) fn pass(&self, millis: u64) {
        let now = self.0.now.fetch_add(millis, Ordering::Relaxed) + millis;
        while self.0.store.step(now) {}
    }

    pub(crate) fn clean(&self) -> Result<usize, StoreError> {
        self.0.store.clean()
    }

    fn stepped<'a, T: 'a>(&'a self, mut answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(poll_fn(move |context| self.0.poll(&mut answer, context)))
    }
}

struct Sink {
    store: Arc<Inner>,
    sink: Box<dyn BlobSink>,
}

impl BlobSink for Sink {
    fn write<'a>(&'a mut self, octets: &'a [u8]) -> Answer<'a, Result<(), PutError>> {
        let mut answer = self.sink.write(octets);
        let store = &self.store;
        Box::pin(poll_fn(move |context| store.poll(&mut answer, context)))
    }

    fn finish(self: Box<Self>, derived: Bytes) -> Answer<'static, Result<(), PutError>> {
        let mut answer = self.sink.finish(derived);
        let store = self.store;
        Box::pin(poll_fn(move |context| store.poll(&mut answer, context)))
    }
}

impl Store for Stepped {
    fn blob_sink(&self, id: BlobId, length: Option<u64>) -> Box<dyn BlobSink> {
        Box::new(Sink {
            store: Arc::clone(&self.0),
            sink: self.0.store.blob_sink(id, length),
        })
    }

    fn commit(
        &self,
        account: AccountId,
        after: ModSeq,
        commit: Commit,
    ) -> Answer<'_, Result<(), CommitError>> {
        self.stepped(self.0.store.commit(account, after, commit))
    }

    fn head(&self, account: AccountId) -> Answer<'_, Result<ModSeq, StoreError>> {
        self.stepped(self.0.store.head(account))
    }

    fn load(
        &self,
        account: AccountId,
        sections: Sections,
    ) -> Answer<'_, Result<Loaded, StoreError>> {
        self.stepped(self.0.store.load(account, sections))
    }

    fn blob(&self, id: BlobId, range: Range<u64>) -> Answer<'_, Result<Bytes, BlobError>> {
        self.stepped(self.0.store.blob(id, range))
    }

    fn derived(&self, blobs: &[BlobId]) -> Answer<'_, Result<Vec<Option<Bytes>>, StoreError>> {
        self.stepped(self.0.store.derived(blobs))
    }

    fn put_derived(&self, id: BlobId, derived: Bytes) {
        self.0.store.put_derived(id, derived);
    }

    fn checkpoint(
        &self,
        account: AccountId,
        checkpoint: Checkpoint,
    ) -> Answer<'_, Result<(), CommitError>> {
        self.stepped(self.0.store.checkpoint(account, checkpoint))
    }

    fn due(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Answer<'_, Result<Vec<DueAccount>, StoreError>> {
        self.stepped(self.0.store.due(until, limit))
    }

    fn watch(&self, account: AccountId) -> watch::Receiver<ModSeq> {
        self.0.store.watch(account)
    }

    fn list(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Answer<'_, Result<Vec<AccountId>, StoreError>> {
        self.stepped(self.0.store.list(after, limit))
    }

    fn remove(&self, account: AccountId) -> Answer<'_, Result<(), CommitError>> {
        self.stepped(self.0.store.remove(account))
    }

    fn repair(&self, account: AccountId) -> Answer<'_, Result<ModSeq, StoreError>> {
        self.stepped(self.0.store.repair(account))
    }

    fn verify<'a>(
        &'a self,
        progress: &'a (dyn Fn(u64) + Send + Sync),
    ) -> Answer<'a, Result<Verification, StoreError>> {
        self.stepped(self.0.store.verify(progress))
    }

    fn close(&self) -> Answer<'_, ()> {
        self.stepped(self.0.store.close())
    }
}
