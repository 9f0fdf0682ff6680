//! The suite that every engine must pass.
//!
//! A case is a name and a story told to a fresh store; it asks for nothing that
//! [`Store`] does not promise. An engine's own tests implement [`Engine`] and
//! call [`run`].

mod blobs;
mod checkpoints;
mod life;
mod log;

use crate::{Answer, Commit, CommitError, Store};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use terms::{AccountId, BlobId, ModSeq, Timestamp};

/// An engine under test. One value stands for one store, empty at first.
pub trait Engine: Send + Sync {
    /// Opens the store for two users at once, which may be the same where an
    /// engine allows only one. Called again after both were closed and dropped:
    /// what was there is there.
    fn open(&self) -> Answer<'_, Result<[Arc<dyn Store>; 2], String>>;
}

/// What did not hold.
#[derive(Debug)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

type Story = Result<(), Failure>;

/// One case of the suite.
pub struct Case {
    /// What it is about.
    pub name: &'static str,
    run: for<'a> fn(&'a mut Bench<'a>) -> Answer<'a, Story>,
}

/// How long one case may take, wherever the store is.
const CASE_LIMIT: Duration = Duration::from_secs(120);

/// All cases.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [log::CASES, checkpoints::CASES, blobs::CASES, life::CASES]
        .into_iter()
        .flatten()
}

/// Runs every case, each on a store that `make` makes.
///
/// # Errors
/// A line for each case that failed.
pub async fn run<E: Engine>(make: impl Fn() -> E) -> Result<(), String> {
    let mut failures = Vec::new();
    for case in cases() {
        let engine = make();
        let told = tokio::time::timeout(CASE_LIMIT, case.tell(&engine)).await;
        match told {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => failures.push(format!("{}: {failure}", case.name)),
            Err(_) => failures.push(format!("{}: it hangs", case.name)),
        }
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures.join("\n")),
    }
}

impl Case {
    /// Runs the case on the engine's store, which must be empty.
    ///
    /// # Errors
    /// What did not hold.
    pub async fn tell(&self, engine: &dyn Engine) -> Result<(), Failure> {
        let [store, other] = engine.open().await.map_err(Failure)?;
        let mut bench = Bench {
            engine,
            store,
            other,
            ids: AtomicU64::new(1),
        };
        (self.run)(&mut bench).await
    }
}

/// A store under test, and short ways to use it.
struct Bench<'e> {
    engine: &'e dyn Engine,
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
    ids: AtomicU64,
}

impl Bench<'_> {
    /// A new identifier; spread out like a random one, the same in each run.
    fn id(&self) -> u128 {
        let count = u128::from(self.ids.fetch_add(1, Ordering::Relaxed));
        count
            .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
            .rotate_left(29)
    }

    fn account(&self) -> AccountId {
        AccountId(self.id())
    }

    fn blob_id(&self) -> BlobId {
        BlobId(self.id())
    }

    /// A commit of one change.
    fn one(&self, number: u64, payload: &[u8]) -> Commit {
        self.span(number, number, payload)
    }

    /// A commit of the changes `first` to `last`.
    fn span(&self, first: u64, last: u64, payload: &[u8]) -> Commit {
        Commit {
            id: self.id(),
            first: ModSeq(first),
            last: ModSeq(last),
            time: Timestamp(1_700_000_000_000).plus_millis(i64::try_from(last).unwrap_or(0)),
            binds: Vec::new(),
            releases: Vec::new(),
            due: None,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    /// Commits where the commit says that it belongs.
    async fn add(&self, account: AccountId, commit: Commit) -> Result<Commit, CommitError> {
        let after = ModSeq(commit.first.0.saturating_sub(1));
        self.store.commit(account, after, commit.clone()).await?;
        Ok(commit)
    }

    /// Commits `count` small changes from number 1 on.
    async fn fill(&self, account: AccountId, count: u64) -> Result<Vec<Commit>, CommitError> {
        let mut commits = Vec::new();
        for number in 1..=count {
            let payload = format!("change {number}");
            commits.push(
                self.add(account, self.one(number, payload.as_bytes()))
                    .await?,
            );
        }
        Ok(commits)
    }

    /// Puts a blob that nothing has bound yet.
    async fn put(&self, octets: &[u8], derived: &'static [u8]) -> Result<BlobId, Failure> {
        let id = self.blob_id();
        let mut sink = self.store.blob_sink(id, Some(octets.len() as u64));
        sink.write(octets).await?;
        sink.finish(Bytes::from_static(derived)).await?;
        Ok(id)
    }

    /// A commit that binds and releases.
    fn binding(&self, number: u64, binds: &[BlobId], releases: &[BlobId]) -> Commit {
        Commit {
            binds: binds.to_vec(),
            releases: releases.to_vec(),
            ..self.one(number, b"binds")
        }
    }

    /// Closes the store and opens it again.
    async fn reopen(&mut self) -> Story {
        self.store.close().await;
        self.other.close().await;
        let gone: Arc<dyn Store> = Arc::new(crate::MemoryStore::new());
        self.store = Arc::clone(&gone);
        self.other = gone;
        [self.store, self.other] = self.engine.open().await.map_err(Failure)?;
        Ok(())
    }
}

/// Octets that do not pack well, the same for each seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut octets = Vec::with_capacity(length + 8);
    while octets.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend_from_slice(&state.to_le_bytes());
    }
    octets.truncate(length);
    octets
}

/// Fails the story unless both are equal.
macro_rules! same {
    ($left:expr, $right:expr, $($what:tt)+) => {
        match (&$left, &$right) {
            (left, right) if left == right => {}
            (left, right) => {
                return Err($crate::conformance::Failure(format!(
                    "{} (line {}): got {}, not {}",
                    format_args!($($what)+), line!(),
                    $crate::conformance::short(&left), $crate::conformance::short(&right)
                )));
            }
        }
    };
}

/// Fails the story unless the condition holds.
macro_rules! holds {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err($crate::conformance::Failure(format!(
                "{} (line {})", format_args!($($what)+), line!()
            )));
        }
    };
}

/// A table of cases from the names of their functions.
macro_rules! table {
    ($($name:ident),+ $(,)?) => {
        pub(super) const CASES: &[super::Case] = &[$(super::Case {
            name: stringify!($name),
            run: |bench| Box::pin($name(bench)),
        }),+];
    };
}

use {holds, same, table};

/// A value for people; long ones are cut.
fn short(value: &dyn fmt::Debug) -> String {
    let mut text = format!("{value:?}");
    if let Some((cut, _)) = text.char_indices().nth(400) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    struct Memory(MemoryStore);

    impl Engine for Memory {
        fn open(&self) -> Answer<'_, Result<[Arc<dyn Store>; 2], String>> {
            let users: [Arc<dyn Store>; 2] = [Arc::new(self.0.clone()), Arc::new(self.0.clone())];
            Box::pin(std::future::ready(Ok(users)))
        }
    }

    #[tokio::test]
    async fn the_memory_engine_conforms() {
        run(|| Memory(MemoryStore::new()))
            .await
            .unwrap_or_else(|failures| panic!("{failures}"));
    }

    #[tokio::test]
    async fn the_suite_can_fail() {
        struct Full;
        impl Engine for Full {
            fn open(&self) -> Answer<'_, Result<[Arc<dyn Store>; 2], String>> {
                let store = MemoryStore::new();
                store.set_full(true);
                let users: [Arc<dyn Store>; 2] = [Arc::new(store.clone()), Arc::new(store)];
                Box::pin(std::future::ready(Ok(users)))
            }
        }
        let failures = run(|| Full).await.unwrap_err();
        assert!(
            failures.contains("ranges_are_cut_to_the_blob"),
            "{failures}"
        );
        assert!(!failures.contains("an_empty_store"), "{failures}");
    }
}
