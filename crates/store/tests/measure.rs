//! What opening costs, in milliseconds; asserts nothing.
//!
//! `cargo test -p store --test measure -- --ignored --nocapture --test-threads 1`

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use bytes::Bytes;
use std::path::Path;
use std::time::{Duration, Instant};
use store::fault::Chance;
use store::{Checkpoint, Commit, DiskStore, Options, Section, SectionKey, Sections, Store};
use terms::{AccountId, BlobId, ModSeq, Timestamp};

const ACCOUNT: AccountId = AccountId(7);

async fn commit(store: &DiskStore, number: u64, binds: Vec<BlobId>, octets: usize) {
    let commit = Commit {
        id: u128::from(number),
        first: ModSeq(number),
        last: ModSeq(number),
        time: Timestamp(0),
        binds,
        releases: Vec::new(),
        due: None,
        payload: vec![b'x'; octets].into(),
    };
    let after = ModSeq(number - 1);
    store.commit(ACCOUNT, after, commit).await.unwrap();
}

async fn root(store: &DiskStore, number: ModSeq) {
    let root = Section {
        key: SectionKey::ROOT,
        number,
        octets: vec![b'r'; 2_000].into(),
    };
    let checkpoint = Checkpoint {
        number,
        covers: ModSeq::ZERO,
        replaces: None,
        sections: vec![root],
        removed: Vec::new(),
    };
    store.checkpoint(ACCOUNT, checkpoint).await.unwrap();
}

/// The shortest of some times.
fn shortest(mut once: impl FnMut() -> Duration) -> Duration {
    (0..10).map(|_| once()).min().unwrap()
}

/// The longest log that an account has: 511 commits, the root at every 64th.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures"]
async fn opening_an_account_with_a_long_log() {
    let directory = tempfile::tempdir().unwrap();
    let store = DiskStore::open_dir(directory.path(), Options::default()).unwrap();
    for number in 1..=511u64 {
        commit(&store, number, Vec::new(), 120).await;
        if number % 64 == 0 {
            root(&store, ModSeq(number)).await;
        }
    }
    store.close().await;
    drop(store);
    let store = DiskStore::open_dir(directory.path(), Options::default()).unwrap();
    for sections in [Sections::Root, Sections::All] {
        let (mut shortest, mut commits) = (Duration::MAX, 0);
        for _ in 0..100 {
            let begun = Instant::now();
            let loaded = store.load(ACCOUNT, sections.clone()).await.unwrap();
            shortest = shortest.min(begun.elapsed());
            commits = loaded.commits.len();
        }
        eprintln!("{sections:?}: {commits} commits in {shortest:?}");
    }
}

/// A segment of deliveries of 12 KB each, one in a group; its index is built anew.
async fn rebuilding(closed: bool) {
    let directory = tempfile::tempdir().unwrap();
    let store = DiskStore::open_dir(directory.path(), Options::default()).unwrap();
    let mut chance = Chance::new(1);
    for number in 1..=4_500u64 {
        let mut body = Vec::new();
        while body.len() < 12_000 {
            body.extend_from_slice(&chance.number().to_le_bytes());
        }
        let blob = BlobId(u128::from(number));
        let mut sink = store.blob_sink(blob, None);
        sink.write(&body).await.unwrap();
        sink.finish(Bytes::new()).await.unwrap();
        commit(&store, number, vec![blob], 300).await;
    }
    if closed {
        store.close().await;
    }
    drop(store);
    let start = opening(directory.path(), false);
    let rebuilding = shortest(|| opening(directory.path(), true));
    eprintln!("with a footer: {closed}; start {start:?}, index anew {rebuilding:?}");
}

fn opening(path: &Path, rebuild_index: bool) -> Duration {
    let options = Options {
        rebuild_index,
        ..Options::default()
    };
    let begun = Instant::now();
    drop(DiskStore::open_dir(path, options).unwrap());
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures"]
async fn building_the_index_of_a_segment_with_and_without_a_footer() {
    rebuilding(true).await;
    rebuilding(false).await;
}
