//! The engine under the suite, and what only it has: recovery, room, damage.

use super::*;
use crate::conformance::{self, Engine};
use crate::fault::{Call, Machine};
use crate::index::OrderedIndex;
use crate::{
    Answer, BlobError, Checkpoint, Commit, CommitError, PutError, Section, SectionKey, Sections,
    Store,
};
use bytes::Bytes;
use futures::FutureExt as _;
use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;
use terms::{AccountId, BlobId, ModSeq, Timestamp};

mod lost;
mod salvage;
mod stepped;

/// A store on a simulated machine, worked by the caller.
struct Simulated {
    machine: Machine,
    index: OrderedIndex,
    options: Options,
}

impl Simulated {
    fn new(options: Options) -> Self {
        Self {
            machine: Machine::new(7),
            index: OrderedIndex::new(),
            options,
        }
    }

    fn start(&self) -> std::io::Result<DiskStore> {
        let index = Arc::new(self.index.clone());
        DiskStore::open(self.options.clone(), self.machine.process(), index)
    }
}

impl Engine for Simulated {
    fn open(&self) -> Answer<'_, Result<[Arc<dyn Store>; 2], String>> {
        let opened = self.start().map_err(|error| error.to_string());
        Box::pin(ready(opened.map(|store| {
            let store: Arc<dyn Store> = Arc::new(store);
            [Arc::clone(&store), store]
        })))
    }
}

/// A store in a real directory, with threads and fjall.
struct Real {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Real {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            path: directory.path().join("data"),
            _directory: directory,
        }
    }
}

impl Engine for Real {
    fn open(&self) -> Answer<'_, Result<[Arc<dyn Store>; 2], String>> {
        let opened = DiskStore::open_dir(&self.path, Options::default());
        Box::pin(ready(opened.map_err(|error| error.to_string()).map(
            |store| {
                let store: Arc<dyn Store> = Arc::new(store);
                [Arc::clone(&store), store]
            },
        )))
    }
}

#[tokio::test]
async fn the_engine_conforms_in_small_segments() {
    conformance::run(|| Simulated::new(Options::small()))
        .await
        .unwrap_or_else(|failures| panic!("{failures}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_conforms_on_real_files() {
    conformance::run(Real::new)
        .await
        .unwrap_or_else(|failures| panic!("{failures}"));
}

fn commit(number: u64, binds: &[BlobId], releases: &[BlobId]) -> Commit {
    Commit {
        id: u128::from(number),
        first: ModSeq(number),
        last: ModSeq(number),
        time: Timestamp(5),
        binds: binds.to_vec(),
        releases: releases.to_vec(),
        due: None,
        payload: Bytes::from(format!("change {number}")),
    }
}

const ACCOUNT: AccountId = AccountId(7);

async fn put(store: &DiskStore, id: u128, octets: &[u8]) -> BlobId {
    let id = BlobId(id);
    let mut sink = store.blob_sink(id, None);
    sink.write(octets).await.unwrap();
    sink.finish(Bytes::from_static(b"derived")).await.unwrap();
    id
}

async fn add(store: &DiskStore, account: AccountId, commit: Commit) -> Result<(), CommitError> {
    let after = ModSeq(commit.first.0 - 1);
    store.commit(account, after, commit).await
}

/// Octets that do not pack.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut chance = crate::fault::Chance::new(seed);
    let mut octets = Vec::with_capacity(length + 8);
    while octets.len() < length {
        octets.extend_from_slice(&chance.number().to_le_bytes());
    }
    octets.truncate(length);
    octets
}

async fn whole(store: &DiskStore, id: BlobId) -> Result<Bytes, BlobError> {
    store.blob(id, 0..u64::MAX).await
}

fn journals(machine: &Machine) -> Vec<String> {
    let mut names = machine.names();
    names.retain(|name| name.ends_with(".journal"));
    names.sort();
    names
}

#[tokio::test]
async fn one_sync_makes_a_delivery_durable() {
    let engine = Simulated::new(Options::small());
    let store = engine.start().unwrap();
    add(&store, ACCOUNT, commit(1, &[], &[])).await.unwrap();
    let syncs = |machine: &Machine| {
        let calls = machine.calls();
        let synced = |call: &&Call| matches!(call, Call::Sync | Call::SyncDir);
        calls.iter().filter(synced).count()
    };
    let before = syncs(&engine.machine);
    let blob = put(&store, 1, b"From: a\r\n\r\nbody").await;
    add(&store, ACCOUNT, commit(2, &[blob], &[])).await.unwrap();
    assert_eq!(syncs(&engine.machine) - before, 1);
}

#[tokio::test]
async fn copying_forward_keeps_what_is_needed_and_frees_the_rest() {
    let engine = Simulated::new(Options::small());
    let store = engine.start().unwrap();
    let other = AccountId(8);
    let mut blobs = Vec::new();
    for number in 1..=40u64 {
        let blob = put(&store, u128::from(number), &noise(number, 9_000)).await;
        add(&store, ACCOUNT, commit(number, &[blob], &[]))
            .await
            .unwrap();
        blobs.push(blob);
    }
    // The other account keeps every tenth.
    let shared: Vec<_> = blobs.iter().copied().step_by(10).collect();
    add(&store, other, commit(1, &shared, &[])).await.unwrap();
    add(&store, ACCOUNT, commit(41, &[], &blobs)).await.unwrap();
    let root = Section {
        key: SectionKey::ROOT,
        number: ModSeq(41),
        octets: Bytes::from_static(b"root"),
    };
    let checkpoint = Checkpoint {
        number: ModSeq(41),
        covers: ModSeq(41),
        replaces: None,
        sections: vec![root.clone()],
        removed: Vec::new(),
    };
    store.checkpoint(ACCOUNT, checkpoint).await.unwrap();
    let before = engine.machine.used();
    assert!(store.clean().unwrap() > 3);
    assert!(engine.machine.used() < before / 2, "{before}");
    let check = async |store: &DiskStore| {
        for (at, blob) in blobs.iter().enumerate() {
            let read = whole(store, *blob).await;
            if at % 10 == 0 {
                assert_eq!(read.unwrap(), noise(at as u64 + 1, 9_000));
            } else if let Ok(octets) = read {
                // What the current segment holds has not gone yet.
                assert_eq!(octets, noise(at as u64 + 1, 9_000));
            }
        }
        let loaded = store.load(ACCOUNT, Sections::All).await.unwrap();
        assert_eq!(loaded.sections, std::slice::from_ref(&root));
        assert_eq!((loaded.head, loaded.damaged), (ModSeq(41), false));
        let verified = store.verify(&|_| {}).await.unwrap();
        assert_eq!(verified.notes, Vec::<String>::new());
    };
    check(&store).await;
    store.close().await;
    drop(store);
    // The same without the index, and without anything that it alone knew.
    let rebuilt = Simulated {
        index: OrderedIndex::new(),
        ..engine
    };
    let store = rebuilt.start().unwrap();
    check(&store).await;
    // Who released them has nothing to say about what the other keeps.
    add(&store, other, commit(2, &[], &shared)).await.unwrap();
    let segments = journals(&rebuilt.machine).len();
    store.close().await;
    drop(store);
    let store = rebuilt.start().unwrap();
    assert!(store.clean().unwrap() > 0);
    assert!(journals(&rebuilt.machine).len() <= segments);
    assert_eq!(
        whole(&store, shared[0]).await,
        Err(BlobError::Missing(shared[0]))
    );
    let refused = add(&store, other, commit(3, &[shared[0]], &[])).await;
    assert!(matches!(refused, Err(CommitError::Refused(_))));
}

#[tokio::test]
async fn a_damaged_commit_is_taken_from_elsewhere_or_stops_its_account_alone() {
    let engine = Simulated::new(Options::small());
    let store = engine.start().unwrap();
    for number in 1..=5 {
        add(&store, ACCOUNT, commit(number, &[], &[]))
            .await
            .unwrap();
        add(&store, AccountId(8), commit(number, &[], &[]))
            .await
            .unwrap();
    }
    store.close().await;
    drop(store);
    let name = journals(&engine.machine)[0].clone();
    let octets = engine.machine.file(&name).unwrap();
    let found = octets.windows(8).enumerate();
    let places: Vec<_> = found
        .filter(|(_, eight)| eight == b"change 3")
        .map(|(at, _)| at)
        .collect();
    // Once for each account, and both once more in the footer.
    assert_eq!(places.len(), 4);
    engine.machine.flip(&name, places[0], 1);
    // The index has a copy; the footer has one too.
    for index in [engine.index.clone(), OrderedIndex::new()] {
        let index = Arc::new(index);
        let store = DiskStore::open(Options::small(), engine.machine.process(), index).unwrap();
        let loaded = store.load(ACCOUNT, Sections::All).await.unwrap();
        assert!(!loaded.damaged);
        assert_eq!(loaded.commits.len(), 5);
    }
    engine.machine.flip(&name, places[2], 1);
    let engine = Simulated {
        index: OrderedIndex::new(),
        ..engine
    };
    let store = engine.start().unwrap();
    let loaded = store.load(ACCOUNT, Sections::All).await.unwrap();
    assert!(loaded.damaged);
    assert_eq!(loaded.head, ModSeq(5));
    assert_eq!(loaded.commits.len(), 2);
    let refused = add(&store, ACCOUNT, commit(6, &[], &[])).await;
    assert_eq!(refused, Err(CommitError::Damaged));
    add(&store, AccountId(8), commit(6, &[], &[]))
        .await
        .unwrap();
    let verified = store.verify(&|_| {}).await.unwrap();
    assert_eq!(verified.damaged_accounts, [ACCOUNT]);
    assert_eq!(store.repair(ACCOUNT).await.unwrap(), ModSeq(5));
    let epoch = Commit {
        first: ModSeq(1 << 32),
        last: ModSeq(1 << 32),
        ..commit(6, &[], &[])
    };
    store
        .commit(ACCOUNT, ModSeq(5), epoch.clone())
        .await
        .unwrap();
    for fresh in [false, true] {
        let loaded = store.load(ACCOUNT, Sections::All).await.unwrap();
        assert!(!loaded.damaged, "{fresh}");
        assert_eq!(loaded.head, epoch.last);
        assert_eq!(loaded.commits.len(), 3);
    }
    drop(store);
    let engine = Simulated {
        index: OrderedIndex::new(),
        ..engine
    };
    let store = engine.start().unwrap();
    let loaded = store.load(ACCOUNT, Sections::All).await.unwrap();
    assert_eq!((loaded.damaged, loaded.commits.len()), (false, 3));
}

#[tokio::test]
async fn a_damaged_blob_fails_alone() {
    let engine = Simulated::new(Options::small());
    let store = engine.start().unwrap();
    let body = noise(3, 6_000);
    let bad = put(&store, 1, &body).await;
    let good = put(&store, 2, &noise(4, 6_000)).await;
    add(&store, ACCOUNT, commit(1, &[bad, good], &[]))
        .await
        .unwrap();
    add(&store, ACCOUNT, commit(2, &[], &[])).await.unwrap();
    let name = journals(&engine.machine)[0].clone();
    let octets = engine.machine.file(&name).unwrap();
    let at = octets
        .windows(16)
        .position(|some| some == &body[100..116])
        .unwrap();
    engine.machine.flip(&name, at, 0x10);
    for index in [engine.index.clone(), OrderedIndex::new()] {
        let store =
            DiskStore::open(Options::small(), engine.machine.process(), Arc::new(index)).unwrap();
        assert_eq!(whole(&store, bad).await, Err(BlobError::Damaged(bad)));
        assert_eq!(whole(&store, good).await.unwrap(), noise(4, 6_000));
        let verified = store.verify(&|_| {}).await.unwrap();
        assert_eq!(verified.damaged_blobs, [bad]);
        assert!(verified.damaged_accounts.is_empty());
    }
}

#[tokio::test]
async fn a_full_disk_refuses_mail_first_and_lets_releases_pass() {
    let options = Options {
        low_octets: 100 << 10,
        lowest_octets: 50 << 10,
        reserve_octets: 64 << 10,
        ..Options::small()
    };
    let engine = Simulated::new(options);
    engine.machine.set_capacity(600 << 10);
    let store = engine.start().unwrap();
    let mut blobs = Vec::new();
    let mut number = 0;
    loop {
        let id = BlobId(u128::from(number) + 1);
        let mut sink = store.blob_sink(id, None);
        let taken = match sink.write(&noise(number, 5_000)).await {
            Ok(()) => sink.finish(Bytes::new()).await,
            Err(error) => Err(error),
        };
        if taken.is_err() {
            assert_eq!(taken, Err(PutError::Full));
            break;
        }
        match add(&store, ACCOUNT, commit(number + 1, &[id], &[])).await {
            Ok(()) => blobs.push(id),
            Err(error) => {
                assert_eq!(error, CommitError::Full);
                break;
            }
        }
        number += 1;
        store.step(number * 2_000);
    }
    assert!(blobs.len() > 20, "{}", blobs.len());
    // What brings no blobs passes, and what frees room at any time.
    let long = Commit {
        payload: noise(1, 4_000).into(),
        ..commit(number + 1, &[], &[])
    };
    add(&store, ACCOUNT, long).await.unwrap();
    add(&store, ACCOUNT, commit(number + 2, &[], &blobs))
        .await
        .unwrap();
    assert!(store.clean().unwrap() > 0);
    for blob in blobs {
        let _ = whole(&store, blob).await;
    }
    store.close().await;
}

#[tokio::test]
async fn long_blobs_go_in_parts_and_come_back_in_ranges() {
    let engine = Simulated::new(Options::small());
    let store = engine.start().unwrap();
    let mut body = b"From: a\r\nSubject: b\r\n\r\n".to_vec();
    body.extend_from_slice(&noise(1, 300_000));
    let blob = BlobId(1);
    let mut sink = store.blob_sink(blob, None);
    for piece in body.chunks(777) {
        sink.write(piece).await.unwrap();
    }
    sink.finish(Bytes::from_static(b"derived")).await.unwrap();
    let check = async |store: &DiskStore| {
        assert_eq!(whole(store, blob).await.unwrap(), body);
        for start in (0..body.len()).step_by(12_345) {
            let end = (start + 20_001).min(body.len());
            let read = store.blob(blob, start as u64..end as u64).await.unwrap();
            assert_eq!(read, body[start..end]);
        }
        let derived = store.derived(&[blob, BlobId(9)]).await.unwrap();
        assert_eq!(derived, [Some(Bytes::from_static(b"derived")), None]);
    };
    check(&store).await;
    add(&store, ACCOUNT, commit(1, &[blob], &[])).await.unwrap();
    check(&store).await;
    drop(store);
    let store = engine.start().unwrap();
    check(&store).await;
}

#[tokio::test]
async fn a_lost_key_is_found_in_the_journal() {
    let engine = Simulated::new(Options::small());
    let store = engine.start().unwrap();
    let blob = put(&store, 1, b"body").await;
    for number in 1..=3 {
        add(&store, ACCOUNT, commit(number, &[blob], &[]))
            .await
            .unwrap();
    }
    store.close().await;
    drop(store);
    for tag in [b'A', b'B', b'C'] {
        engine
            .index
            .scramble(|_, key, value| (key[0] != tag).then(|| Bytes::copy_from_slice(value)));
        let store = engine.start().unwrap();
        assert_eq!(whole(&store, blob).await.unwrap(), b"body"[..]);
        let loaded = store.load(ACCOUNT, Sections::All).await.unwrap();
        assert_eq!((loaded.commits.len(), loaded.damaged), (3, false));
        store.close().await;
    }
}

#[tokio::test]
async fn what_waits_for_the_journal_is_bounded() {
    let engine = Simulated::new(Options {
        drive: Drive::Steps,
        queue_octets_max: 20_000,
        ..Options::small()
    });
    let store = engine.start().unwrap();
    let asked = (1..=20).map(|at| {
        let payload = Bytes::from(noise(at, 6_000));
        let commit = Commit {
            payload,
            ..commit(1, &[], &[])
        };
        store.commit(AccountId(at.into()), ModSeq::ZERO, commit)
    });
    let mut asked = futures::future::join_all(asked);
    let mut now = 0;
    let answers = loop {
        let answered = (&mut asked).now_or_never();
        assert!(store.queue_len() <= 3);
        if let Some(answers) = answered {
            break answers;
        }
        now += 1;
        assert!(now < 100, "somebody waits for ever");
        while store.step(now) {}
    };
    assert!(answers.iter().all(Result::is_ok));

    // Who waits for room when the store ends is told.
    let late = (1..=5).map(|at| {
        let commit = Commit {
            payload: Bytes::from(noise(at, 15_000)),
            ..commit(2, &[], &[])
        };
        store.commit(AccountId(at.into()), ModSeq(1), commit)
    });
    let mut late = futures::future::join_all(late);
    assert!((&mut late).now_or_never().is_none());
    store.stop();
    let refused = late.await;
    assert!(refused.iter().all(Result::is_err), "{refused:?}");
}

/// Opens it once more; what was there has been altered.
fn refused(engine: &Simulated) -> String {
    match engine.start() {
        Ok(_) => panic!("it is opened as if nothing were missing"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_journal_that_has_gone_or_lost_its_end_is_not_begun_anew() {
    let engine = Simulated::new(Options::small());
    let store = engine.start().unwrap();
    for number in 1..=20 {
        add(&store, ACCOUNT, commit(number, &[], &[]))
            .await
            .unwrap();
    }
    store.close().await;
    drop(store);
    let name = journals(&engine.machine)[0].clone();
    let octets = engine.machine.file(&name).unwrap();
    for length in [octets.len() / 2, 8_192 + 512, 8_192] {
        engine.machine.plant(&name, &octets[..length]);
        let why = refused(&engine);
        assert!(why.contains("missing"), "{length}: {why}");
    }
    engine.machine.plant(&name, &[]);
    let why = refused(&engine);
    assert!(why.contains("journal has gone"), "{why}");

    // The reserve alone says that there was one; where nothing is, one is begun.
    let reserve = Simulated::new(Options::small());
    reserve.machine.plant("reserve", &[0; 512]);
    assert!(refused(&reserve).contains("journal has gone"));

    // As it was, it goes on.
    engine.machine.plant(&name, &octets);
    let store = engine.start().unwrap();
    assert_eq!(store.head(ACCOUNT).await.unwrap(), ModSeq(20));
}

#[tokio::test]
async fn a_lost_segment_is_a_fault() {
    let engine = Simulated::new(Options::small());
    let store = engine.start().unwrap();
    for number in 1..=20 {
        let blob = put(&store, u128::from(number), &noise(number, 9_000)).await;
        add(&store, ACCOUNT, commit(number, &[blob], &[]))
            .await
            .unwrap();
    }
    add(&store, AccountId::DIRECTORY, commit(1, &[], &[]))
        .await
        .unwrap();
    let whole = store.verify(&|_| {}).await.unwrap();
    assert_eq!((whole.faults.len(), whole.accounts), (0, 1));
    store.close().await;
    drop(store);
    let name = journals(&engine.machine)[1].clone();
    engine.machine.plant(&name, &[]);
    let store = engine.start().unwrap();
    let found = store.verify(&|_| {}).await.unwrap();
    assert_eq!(found.faults.len(), 1, "{:?}", found.faults);
    assert!(found.faults[0].contains("segment 2 "), "{:?}", found.faults);
}
