//! Many deliveries at once share the store's commits.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

#[path = "transcript/script.rs"]
#[expect(dead_code, reason = "the world needs its bindings alone")]
mod script;
#[path = "transcript/world.rs"]
#[expect(dead_code, reason = "transcripts need more of it")]
mod world;

use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::{
    Answer, BlobError, BlobSink, Checkpoint, Commit, CommitError, DueAccount, Loaded, MemoryStore,
    Sections, Store, StoreError, Verification,
};
use terms::{AccountId, BlobId, ModSeq, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use world::World;

/// A store whose commits take a while, as a disk's do.
struct Slow {
    store: MemoryStore,
    commits: AtomicU64,
}

/// What each takes.
const COMMIT: Duration = Duration::from_millis(2);

impl Store for Slow {
    fn commit(
        &self,
        account: AccountId,
        after: ModSeq,
        commit: Commit,
    ) -> Answer<'_, Result<(), CommitError>> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            tokio::time::sleep(COMMIT).await;
            self.store.commit(account, after, commit).await
        })
    }
    fn blob_sink(&self, id: BlobId, length: Option<u64>) -> Box<dyn BlobSink> {
        self.store.blob_sink(id, length)
    }
    fn head(&self, account: AccountId) -> Answer<'_, Result<ModSeq, StoreError>> {
        self.store.head(account)
    }
    fn load(
        &self,
        account: AccountId,
        sections: Sections,
    ) -> Answer<'_, Result<Loaded, StoreError>> {
        self.store.load(account, sections)
    }
    fn blob(&self, id: BlobId, range: Range<u64>) -> Answer<'_, Result<Bytes, BlobError>> {
        self.store.blob(id, range)
    }
    fn derived(&self, blobs: &[BlobId]) -> Answer<'_, Result<Vec<Option<Bytes>>, StoreError>> {
        self.store.derived(blobs)
    }
    fn put_derived(&self, id: BlobId, derived: Bytes) {
        self.store.put_derived(id, derived);
    }
    fn checkpoint(
        &self,
        account: AccountId,
        checkpoint: Checkpoint,
    ) -> Answer<'_, Result<(), CommitError>> {
        self.store.checkpoint(account, checkpoint)
    }
    fn due(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Answer<'_, Result<Vec<DueAccount>, StoreError>> {
        self.store.due(until, limit)
    }
    fn watch(&self, account: AccountId) -> watch::Receiver<ModSeq> {
        self.store.watch(account)
    }
    fn list(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Answer<'_, Result<Vec<AccountId>, StoreError>> {
        self.store.list(after, limit)
    }
    fn remove(&self, account: AccountId) -> Answer<'_, Result<(), CommitError>> {
        self.store.remove(account)
    }
    fn verify<'a>(
        &'a self,
        progress: &'a (dyn Fn(u64) + Send + Sync),
    ) -> Answer<'a, Result<Verification, StoreError>> {
        self.store.verify(progress)
    }
    fn close(&self) -> Answer<'_, ()> {
        self.store.close()
    }
}

const CONNECTIONS: usize = 4;
const MESSAGES: usize = 250;

#[tokio::test(start_paused = true)]
async fn pipelined_deliveries_share_commits() {
    let store = Arc::new(Slow {
        store: MemoryStore::new(),
        commits: AtomicU64::new(0),
    });
    let mut world = World::over(store.clone());
    world.account("alice", "secret", &[]).await.unwrap();
    let before = store.commits.load(Ordering::Relaxed);
    let started = tokio::time::Instant::now();
    let mut clients = Vec::new();
    for connection in 0..CONNECTIONS {
        let (mut read, mut write) = tokio::io::split(world.connect("lmtp", 1).await);
        let mut sent = "LHLO c\r\n".to_owned();
        for message in 0..MESSAGES {
            sent += &format!(
                "MAIL FROM:<a@b>\r\nRCPT TO:<alice>\r\nDATA\r\nSubject: {connection} {message}\r\n.\r\n"
            );
        }
        sent += "QUIT\r\n";
        tokio::spawn(async move { write.write_all(sent.as_bytes()).await });
        clients.push(tokio::spawn(async move {
            let mut answers = String::new();
            read.read_to_string(&mut answers).await.unwrap();
            answers
        }));
    }
    for client in clients {
        let answers = client.await.unwrap();
        assert_eq!(answers.matches("250 2.0.0 stored for").count(), MESSAGES);
    }
    let account = world.find("alice").await.unwrap();
    let inbox = account.snapshot();
    let inbox = inbox.mailbox(terms::MailboxId::INBOX).unwrap();
    assert_eq!(inbox.counts.messages as usize, CONNECTIONS * MESSAGES);
    let commits = store.commits.load(Ordering::Relaxed) - before;
    let deliveries = (CONNECTIONS * MESSAGES) as u64;
    assert!(commits * 4 <= deliveries, "{commits} commits");
    let elapsed = started.elapsed();
    assert!(elapsed <= COMMIT * (commits as u32 + 1), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn recipients_do_not_wait_for_each_other() {
    let store = Arc::new(Slow {
        store: MemoryStore::new(),
        commits: AtomicU64::new(0),
    });
    let mut world = World::over(store.clone());
    for number in 0..50 {
        let name = format!("user{number}");
        world.account(&name, "secret", &[]).await.unwrap();
    }
    let mut client = world.connect("lmtp", 1).await;
    let mut sent = "LHLO c\r\nMAIL FROM:<a@b>\r\n".to_owned();
    for number in 0..50 {
        sent += &format!("RCPT TO:<user{number}>\r\n");
    }
    sent += "DATA\r\nSubject: to all\r\n.\r\nQUIT\r\n";
    client.write_all(sent.as_bytes()).await.unwrap();
    let started = tokio::time::Instant::now();
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("250 2.0.0 stored for").count(), 50);
    assert_eq!(started.elapsed(), COMMIT);
    // One body for all of them.
    assert_eq!(store.store.blob_count(), 1);
}
