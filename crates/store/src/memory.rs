//! The memory engine: the contract in its plainest form.
//!
//! For tests and for trying things out. It keeps every promise of [`Store`] but
//! survives nothing. It can be told to fail ([`MemoryStore::fail_next_commit`],
//! [`MemoryStore::set_full`], …), so that what stands above the trait can be
//! tested against each error.

use crate::{
    Answer, BlobError, BlobSink, Checkpoint, Commit, CommitError, DueAccount, Loaded, PutError,
    Section, SectionKey, Sections, Store, StoreError, Verification,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::future::ready;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use terms::{AccountId, BlobId, ModSeq, Timestamp};
use tokio::sync::watch;

/// How long a blob that nothing has bound is kept, measured by the times of
/// commits: the engine has no clock.
const UNBOUND_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// A store in memory. A clone is another user of the same store, with its own
/// [`Store::close`].
#[derive(Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<State>>,
    closed: Arc<AtomicBool>,
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            closed: Arc::default(),
        }
    }
}

/// What a failing commit has done by the time it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything: it is there.
    Applied,
    /// Nothing.
    Lost,
}

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<AccountId, Account>,
    removed: HashSet<AccountId>,
    blobs: HashMap<BlobId, Blob>,
    watches: HashMap<AccountId, watch::Sender<ModSeq>>,
    next_commits: Vec<Outcome>,
    full: bool,
    blob_octets_max: Option<u64>,
}

#[derive(Debug, Default)]
struct Account {
    head: ModSeq,
    covers: ModSeq,
    due: Option<Timestamp>,
    /// Those after `covers`, ascending.
    commits: Vec<Commit>,
    sections: BTreeMap<SectionKey, Section>,
    bound: BTreeSet<BlobId>,
    damaged: bool,
}

#[derive(Debug)]
struct Blob {
    octets: Bytes,
    derived: Option<Bytes>,
    users: usize,
    /// While nobody has bound it: the time of the first commit since it came.
    unbound_since: Option<Timestamp>,
    /// From this octet on.
    damaged: Option<u64>,
}

const CLOSED: &str = "it has been closed";

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next commit that would succeed answers [`CommitError::Failed`]
    /// instead, having done `outcome`. Several calls wait in a row.
    pub fn fail_next_commit(&self, outcome: Outcome) {
        self.state().next_commits.insert(0, outcome);
    }

    /// While full, blobs and commits that bind blobs are refused.
    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// From now on blobs longer than this are [`PutError::TooLong`].
    pub fn limit_blobs(&self, octets_max: u64) {
        self.state().blob_octets_max = Some(octets_max);
    }

    /// From now on the blob reads as [`BlobError::Damaged`].
    pub fn damage_blob(&self, id: BlobId) {
        self.damage_blob_from(id, 0);
    }

    /// From now on reads of the blob that go beyond its first `octets` say that it
    /// is damaged.
    pub fn damage_blob_from(&self, id: BlobId, octets: u64) {
        if let Some(blob) = self.state().blobs.get_mut(&id) {
            blob.damaged = Some(octets);
        }
    }

    /// From now on the account is read-only ([`Loaded::damaged`]).
    pub fn damage_account(&self, id: AccountId) {
        if let Some(account) = self.state().accounts.get_mut(&id) {
            account.damaged = true;
        }
    }

    /// What the account has after this number is lost, and known to be: it is
    /// read-only until repaired.
    pub fn lose_commits_after(&self, id: AccountId, kept: ModSeq) {
        if let Some(account) = self.state().accounts.get_mut(&id) {
            account.commits.retain(|commit| commit.last <= kept);
            account.damaged = true;
        }
    }

    /// Forgets every derived row, as a lost index would.
    pub fn lose_derived(&self) {
        for blob in self.state().blobs.values_mut() {
            blob.derived = None;
        }
    }

    /// How many blobs are kept, bound or not.
    pub fn blob_count(&self) -> usize {
        self.state().blobs.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in another user leaves nothing half done: no call below
        // panics between two changes of the state.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Failed(CLOSED.into()));
        }
        Ok(self.state())
    }

    fn writable_state(&self) -> Result<MutexGuard<'_, State>, CommitError> {
        self.open_state()
            .map_err(|StoreError::Failed(why)| CommitError::Failed(why))
    }
}

impl State {
    fn commit(&mut self, id: AccountId, after: ModSeq, commit: Commit) -> Result<(), CommitError> {
        commit.check(after)?;
        if self.removed.contains(&id) {
            return Err(CommitError::Refused("the account has been removed"));
        }
        let account = self.accounts.get(&id);
        if account.is_some_and(|account| account.damaged) {
            return Err(CommitError::Damaged);
        }
        let current = account.map_or(ModSeq::ZERO, |account| account.head);
        if current != after {
            return Err(CommitError::Conflict { current });
        }
        if self.full && !commit.binds.is_empty() {
            return Err(CommitError::Full);
        }
        if commit.binds.iter().any(|id| !self.blobs.contains_key(id)) {
            return Err(CommitError::Refused("a blob to be bound is not there"));
        }
        let outcome = self.next_commits.pop();
        if outcome != Some(Outcome::Lost) {
            self.apply(id, commit);
        }
        match outcome {
            None => Ok(()),
            Some(_) => Err(CommitError::Failed("told to fail".into())),
        }
    }

    fn apply(&mut self, id: AccountId, commit: Commit) {
        let account = self.accounts.entry(id).or_default();
        for blob in &commit.binds {
            if account.bound.insert(*blob)
                && let Some(blob) = self.blobs.get_mut(blob)
            {
                blob.users += 1;
            }
        }
        let released: Vec<_> = commit
            .releases
            .iter()
            .copied()
            .filter(|blob| account.bound.remove(blob))
            .collect();
        account.head = commit.last;
        account.due = commit.due;
        let time = commit.time;
        account.commits.push(commit);
        let head = account.head;
        self.release(&released);
        self.sweep(time);
        self.tell(id, head);
    }

    fn release(&mut self, blobs: &[BlobId]) {
        for id in blobs {
            if let Some(blob) = self.blobs.get_mut(id) {
                blob.users -= 1;
                if blob.users == 0 {
                    self.blobs.remove(id);
                }
            }
        }
    }

    /// Drops what nobody has bound for a day.
    fn sweep(&mut self, now: Timestamp) {
        self.blobs.retain(|_, blob| {
            blob.users > 0
                || *blob.unbound_since.get_or_insert(now) > now.plus_millis(-UNBOUND_MILLIS)
        });
    }

    fn tell(&mut self, id: AccountId, head: ModSeq) {
        if let Some(sender) = self.watches.get(&id) {
            sender.send_replace(head);
        }
    }

    fn checkpoint(&mut self, id: AccountId, checkpoint: Checkpoint) -> Result<(), CommitError> {
        let Some(account) = self.accounts.get_mut(&id) else {
            return Err(CommitError::Refused("the account has no commit"));
        };
        if account.damaged {
            return Err(CommitError::Damaged);
        }
        checkpoint.check(account.head, account.covers)?;
        for key in &checkpoint.removed {
            account.sections.remove(key);
        }
        for section in checkpoint.sections {
            account.sections.insert(section.key, section);
        }
        account.covers = checkpoint.covers;
        let covers = account.covers;
        account.commits.retain(|commit| commit.last > covers);
        Ok(())
    }

    fn load(&self, id: AccountId, wanted: &Sections) -> Loaded {
        let Some(account) = self.accounts.get(&id) else {
            return Loaded::default();
        };
        let sections: Vec<_> = account
            .sections
            .values()
            .filter(|section| match wanted {
                Sections::Root => section.key == SectionKey::ROOT,
                Sections::Only(keys) => keys.contains(&section.key),
                Sections::All => true,
            })
            .cloned()
            .collect();
        let from = match (wanted, account.sections.get(&SectionKey::ROOT)) {
            (Sections::Root, Some(root)) => root.number.max(account.covers),
            _ => account.covers,
        };
        Loaded {
            head: account.head,
            covers: account.covers,
            sections,
            commits: account
                .commits
                .iter()
                .filter(|commit| commit.last > from)
                .cloned()
                .collect(),
            damaged: account.damaged,
        }
    }

    fn blob(&self, id: BlobId, range: Range<u64>) -> Result<Bytes, BlobError> {
        let blob = self.blobs.get(&id).ok_or(BlobError::Missing(id))?;
        if blob.damaged.is_some_and(|from| range.end > from) {
            return Err(BlobError::Damaged(id));
        }
        let cut =
            |at: u64| usize::try_from(at).map_or(blob.octets.len(), |at| at.min(blob.octets.len()));
        let end = cut(range.end);
        Ok(blob.octets.slice(cut(range.start).min(end)..end))
    }

    fn due(&self, until: Timestamp, limit: usize) -> Vec<DueAccount> {
        let mut due: Vec<_> = self
            .accounts
            .iter()
            .filter_map(|(account, state)| {
                Some(DueAccount {
                    due: state.due.filter(|due| *due <= until)?,
                    account: *account,
                })
            })
            .collect();
        due.sort_unstable_by_key(|entry| (entry.due, entry.account));
        due.truncate(limit);
        due
    }

    fn verification(&self) -> Verification {
        let mut found = Verification {
            accounts: self.accounts.len() as u64,
            ..Verification::default()
        };
        for (id, account) in &self.accounts {
            found.commits += account.commits.len() as u64;
            if account.damaged {
                found.damaged_accounts.push(*id);
                found.notes.push(format!("account {id}: damaged"));
            }
        }
        for (id, blob) in &self.blobs {
            found.blobs += 1;
            found.octets += blob.octets.len() as u64;
            if blob.damaged.is_some() && blob.users > 0 {
                found.damaged_blobs.push(*id);
                found.notes.push(format!("blob {id}: damaged"));
            }
        }
        found.damaged_blobs.sort_unstable();
        found.notes.sort_unstable();
        found
    }
}

/// A blob on its way.
struct MemorySink {
    store: MemoryStore,
    id: BlobId,
    octets: Vec<u8>,
    failed: bool,
}

impl MemorySink {
    fn take(&mut self, octets: &[u8]) -> Result<(), PutError> {
        if self.failed {
            return Err(PutError::Failed("the sink has failed before".into()));
        }
        let longer = self.octets.len() as u64 + octets.len() as u64;
        let checked = self
            .store
            .put_state()
            .and_then(|state| match state.blob_octets_max {
                Some(max) if longer > max => Err(PutError::TooLong),
                _ => Ok(()),
            });
        self.failed = checked.is_err();
        checked?;
        self.octets.extend_from_slice(octets);
        Ok(())
    }
}

impl MemoryStore {
    fn put_state(&self) -> Result<MutexGuard<'_, State>, PutError> {
        let state = self
            .open_state()
            .map_err(|StoreError::Failed(why)| PutError::Failed(why))?;
        if state.full {
            return Err(PutError::Full);
        }
        Ok(state)
    }
}

impl BlobSink for MemorySink {
    fn write<'a>(&'a mut self, octets: &'a [u8]) -> Answer<'a, Result<(), PutError>> {
        Box::pin(ready(self.take(octets)))
    }

    fn finish(mut self: Box<Self>, derived: Bytes) -> Answer<'static, Result<(), PutError>> {
        let checked = self.take(&[]);
        Box::pin(ready(checked.and_then(|()| {
            let octets = Bytes::from(std::mem::take(&mut self.octets));
            let mut state = self.store.put_state()?;
            if state.blobs.contains_key(&self.id) {
                return Err(PutError::Failed("the blob identifier is taken".into()));
            }
            state.blobs.insert(
                self.id,
                Blob {
                    octets,
                    derived: (!derived.is_empty()).then_some(derived),
                    users: 0,
                    unbound_since: None,
                    damaged: None,
                },
            );
            Ok(())
        })))
    }
}

impl Store for MemoryStore {
    fn blob_sink(&self, id: BlobId, _length: Option<u64>) -> Box<dyn BlobSink> {
        // The sink belongs to this user: closing the one closes the other.
        let store = Self {
            shared: Arc::clone(&self.shared),
            closed: Arc::clone(&self.closed),
        };
        Box::new(MemorySink {
            store,
            id,
            octets: Vec::new(),
            failed: false,
        })
    }

    fn commit(
        &self,
        account: AccountId,
        after: ModSeq,
        commit: Commit,
    ) -> Answer<'_, Result<(), CommitError>> {
        let done = self
            .writable_state()
            .and_then(|mut state| state.commit(account, after, commit));
        Box::pin(ready(done))
    }

    fn head(&self, account: AccountId) -> Answer<'_, Result<ModSeq, StoreError>> {
        let head = self.open_state().map(|state| {
            state
                .accounts
                .get(&account)
                .map_or(ModSeq::ZERO, |account| account.head)
        });
        Box::pin(ready(head))
    }

    fn repair(&self, account: AccountId) -> Answer<'_, Result<ModSeq, StoreError>> {
        let head = self.open_state().map(|mut state| {
            state
                .accounts
                .get_mut(&account)
                .map_or(ModSeq::ZERO, |account| {
                    account.damaged = false;
                    account.head
                })
        });
        Box::pin(ready(head))
    }

    fn load(
        &self,
        account: AccountId,
        sections: Sections,
    ) -> Answer<'_, Result<Loaded, StoreError>> {
        let loaded = self
            .open_state()
            .map(|state| state.load(account, &sections));
        Box::pin(ready(loaded))
    }

    fn blob(&self, id: BlobId, range: Range<u64>) -> Answer<'_, Result<Bytes, BlobError>> {
        let octets = self
            .open_state()
            .map_err(|StoreError::Failed(why)| BlobError::Failed(why))
            .and_then(|state| state.blob(id, range));
        Box::pin(ready(octets))
    }

    fn blob_now(&self, id: BlobId, range: Range<u64>) -> Option<Result<Bytes, BlobError>> {
        let state = self.open_state().ok()?;
        Some(state.blob(id, range))
    }

    fn derived(&self, blobs: &[BlobId]) -> Answer<'_, Result<Vec<Option<Bytes>>, StoreError>> {
        let rows = self.open_state().map(|state| {
            blobs
                .iter()
                .map(|id| state.blobs.get(id)?.derived.clone())
                .collect()
        });
        Box::pin(ready(rows))
    }

    fn put_derived(&self, id: BlobId, derived: Bytes) {
        if let Ok(mut state) = self.open_state()
            && let Some(blob) = state.blobs.get_mut(&id)
        {
            blob.derived = Some(derived);
        }
    }

    fn checkpoint(
        &self,
        account: AccountId,
        checkpoint: Checkpoint,
    ) -> Answer<'_, Result<(), CommitError>> {
        let done = self
            .writable_state()
            .and_then(|mut state| state.checkpoint(account, checkpoint));
        Box::pin(ready(done))
    }

    fn due(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Answer<'_, Result<Vec<DueAccount>, StoreError>> {
        Box::pin(ready(
            self.open_state().map(|state| state.due(until, limit)),
        ))
    }

    fn watch(&self, account: AccountId) -> watch::Receiver<ModSeq> {
        let mut state = self.state();
        let head = state
            .accounts
            .get(&account)
            .map_or(ModSeq::ZERO, |account| account.head);
        state
            .watches
            .entry(account)
            .or_insert_with(|| watch::Sender::new(head))
            .subscribe()
    }

    fn list(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Answer<'_, Result<Vec<AccountId>, StoreError>> {
        let accounts = self.open_state().map(|state| {
            state
                .accounts
                .keys()
                .filter(|id| after.is_none_or(|after| **id > after))
                .take(limit)
                .copied()
                .collect()
        });
        Box::pin(ready(accounts))
    }

    fn remove(&self, account: AccountId) -> Answer<'_, Result<(), CommitError>> {
        let done = self.writable_state().map(|mut state| {
            state.removed.insert(account);
            if let Some(gone) = state.accounts.remove(&account) {
                let bound: Vec<_> = gone.bound.into_iter().collect();
                state.release(&bound);
                state.tell(account, ModSeq::ZERO);
            }
        });
        Box::pin(ready(done))
    }

    fn verify<'a>(
        &'a self,
        progress: &'a (dyn Fn(u64) + Send + Sync),
    ) -> Answer<'a, Result<Verification, StoreError>> {
        let found = self.open_state().map(|state| state.verification());
        if let Ok(found) = &found {
            progress(found.octets);
        }
        Box::pin(ready(found))
    }

    fn close(&self) -> Answer<'_, ()> {
        self.closed.store(true, Ordering::SeqCst);
        Box::pin(ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn put(store: &MemoryStore, id: u128) -> Result<(), PutError> {
        let mut sink = store.blob_sink(BlobId(id), None);
        sink.write(b"octets").await?;
        sink.finish(Bytes::new()).await
    }

    fn commit(number: u64, binds: &[u128], releases: &[u128]) -> Commit {
        Commit {
            id: u128::from(number),
            first: ModSeq(number),
            last: ModSeq(number),
            time: Timestamp(0),
            binds: binds.iter().copied().map(BlobId).collect(),
            releases: releases.iter().copied().map(BlobId).collect(),
            due: None,
            payload: Bytes::new(),
        }
    }

    const ACCOUNT: AccountId = AccountId(7);

    #[tokio::test]
    async fn a_commit_fails_as_it_was_told() {
        let store = MemoryStore::new();
        store.fail_next_commit(Outcome::Lost);
        store.fail_next_commit(Outcome::Applied);
        let failed = Err(CommitError::Failed("told to fail".into()));
        let first = commit(1, &[], &[]);
        assert_eq!(
            store.commit(ACCOUNT, ModSeq(0), first.clone()).await,
            failed
        );
        assert_eq!(store.head(ACCOUNT).await, Ok(ModSeq(0)));
        assert_eq!(
            store.commit(ACCOUNT, ModSeq(0), first.clone()).await,
            failed
        );
        let loaded = store.load(ACCOUNT, Sections::Root).await.unwrap();
        assert_eq!(loaded.commits, [first]);
        let second = commit(2, &[], &[]);
        assert_eq!(store.commit(ACCOUNT, ModSeq(1), second).await, Ok(()));
    }

    #[tokio::test]
    async fn a_full_store_takes_what_binds_nothing() {
        let store = MemoryStore::new();
        put(&store, 1).await.unwrap();
        store.set_full(true);
        assert_eq!(put(&store, 2).await, Err(PutError::Full));
        let binding = commit(1, &[1], &[]);
        assert_eq!(
            store.commit(ACCOUNT, ModSeq(0), binding.clone()).await,
            Err(CommitError::Full)
        );
        let other = commit(1, &[], &[]);
        assert_eq!(store.commit(AccountId(8), ModSeq(0), other).await, Ok(()));
        store.set_full(false);
        assert_eq!(store.commit(ACCOUNT, ModSeq(0), binding).await, Ok(()));
        store.limit_blobs(5);
        assert_eq!(put(&store, 3).await, Err(PutError::TooLong));
    }

    #[tokio::test]
    async fn what_nobody_needs_goes() {
        let store = MemoryStore::new();
        for id in 1..=4 {
            put(&store, id).await.unwrap();
        }
        let bind = commit(1, &[1, 2], &[]);
        store.commit(ACCOUNT, ModSeq(0), bind).await.unwrap();
        let release = commit(2, &[], &[1]);
        store.commit(ACCOUNT, ModSeq(1), release).await.unwrap();
        assert_eq!(store.blob_count(), 3);
        let mut next_day = commit(3, &[3], &[]);
        next_day.time = Timestamp(UNBOUND_MILLIS);
        store.commit(ACCOUNT, ModSeq(2), next_day).await.unwrap();
        // The second and the third are bound; nobody bound the fourth.
        assert_eq!(store.blob_count(), 2);
        store.remove(ACCOUNT).await.unwrap();
        assert_eq!(store.blob_count(), 0);
    }

    #[tokio::test]
    async fn damage_shows() {
        let store = MemoryStore::new();
        put(&store, 1).await.unwrap();
        let first = commit(1, &[1], &[]);
        store.commit(ACCOUNT, ModSeq(0), first).await.unwrap();
        store.damage_blob(BlobId(1));
        store.damage_account(ACCOUNT);
        let damaged = Err(BlobError::Damaged(BlobId(1)));
        assert_eq!(store.blob(BlobId(1), 0..9).await, damaged);
        assert!(store.load(ACCOUNT, Sections::All).await.unwrap().damaged);
        let second = commit(2, &[], &[]);
        assert_eq!(
            store.commit(ACCOUNT, ModSeq(1), second).await,
            Err(CommitError::Damaged)
        );
        let found = store.verify(&|_| ()).await.unwrap();
        assert_eq!(found.damaged_accounts, [ACCOUNT]);
        assert_eq!(found.damaged_blobs, [BlobId(1)]);
    }

    #[tokio::test]
    async fn one_user_closes_alone() {
        let store = MemoryStore::new();
        let other = store.clone();
        store.close().await;
        assert!(store.head(ACCOUNT).await.is_err());
        assert_eq!(other.head(ACCOUNT).await, Ok(ModSeq(0)));
    }
}
