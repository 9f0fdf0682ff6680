//! A journal that has lost what was acknowledged: nothing is told twice.

use super::*;
use crate::disk::lost::LOST;
use crate::disk::marker::MARKER;
use crate::fault::{Fault, Unsynced};
use crate::{Loaded, WentOn};

fn rebuilding(engine: &Simulated, index: OrderedIndex) -> Simulated {
    Simulated {
        machine: engine.machine.clone(),
        index,
        options: Options {
            rebuild_index: true,
            ..engine.options.clone()
        },
    }
}

async fn all_of(store: &DiskStore, account: AccountId) -> Loaded {
    store.load(account, Sections::All).await.unwrap()
}

/// Two accounts, one with something long among its changes; closed. Gives the
/// only segment's name and octets, and where it is to end.
async fn with_an_end(engine: &Simulated) -> (String, Vec<u8>, usize) {
    let store = engine.start().unwrap();
    for number in 1..=10 {
        add(&store, ACCOUNT, commit(number, &[], &[]))
            .await
            .unwrap();
    }
    add(&store, AccountId(8), commit(1, &[], &[]))
        .await
        .unwrap();
    let name = journals(&engine.machine)[0].clone();
    let kept = engine.machine.file(&name).unwrap().len();
    for number in 11..=15 {
        let blob = put(&store, u128::from(number), b"body").await;
        let padding = if number == 14 { 5_000 } else { 0 };
        let mut commit = commit(number, &[blob], &[]);
        commit.payload = noise(number, padding + 20).into();
        add(&store, ACCOUNT, commit).await.unwrap();
    }
    store.close().await;
    drop(store);
    let octets = engine.machine.file(&name).unwrap();
    (name, octets, kept)
}

/// The journal is what it was, a new change needs an Epoch's gap, and the account
/// that lost nothing has all.
async fn goes_on(store: &DiskStore, kept: u64) {
    let loaded = all_of(store, ACCOUNT).await;
    assert_eq!((loaded.damaged, loaded.commits.len() as u64), (false, kept));
    assert!(loaded.head > ModSeq(kept), "{}", loaded.head);
    let late = store
        .commit(ACCOUNT, ModSeq(kept), commit(kept + 1, &[], &[]))
        .await;
    let current = loaded.head;
    assert_eq!(late, Err(CommitError::Conflict { current }));
    let other = all_of(store, AccountId(8)).await;
    assert_eq!((other.damaged, other.commits.len()), (false, 1));
}

async fn epoch(store: &DiskStore, account: AccountId) -> ModSeq {
    let head = store.head(account).await.unwrap();
    let number = ModSeq(head.0 + (1 << 32));
    let commit = Commit {
        first: number,
        last: number,
        ..commit(1, &[], &[])
    };
    store.commit(account, head, commit).await.unwrap();
    number
}

#[tokio::test]
async fn after_a_lost_end_the_index_gives_what_it_has_and_all_numbers_jump() {
    let engine = Simulated::new(Options::small());
    let (name, octets, end) = with_an_end(&engine).await;
    engine.machine.plant(&name, &octets[..end]);
    assert!(refused(&engine).contains("missing"));

    let anew = rebuilding(&engine, engine.index.clone());
    let store = anew.start().unwrap();
    // The index had copies of the short commits; 14 is long, so that 15 is
    // nothing without it.
    let expected = WentOn {
        accounts: 2,
        commits: 3,
    };
    assert_eq!(store.went_on(), Some(expected));
    goes_on(&store, 13).await;
    let lost = whole(&store, BlobId(12)).await;
    assert_eq!(lost, Err(BlobError::Damaged(BlobId(12))));
    let head = epoch(&store, ACCOUNT).await;
    store.close().await;
    drop(store);
    assert!(!engine.machine.names().iter().any(|name| name == LOST));
    for index in [engine.index.clone(), OrderedIndex::new()] {
        let again = Simulated {
            index,
            ..anew.again()
        };
        let store = again.start().unwrap();
        assert_eq!(store.went_on(), None);
        let loaded = all_of(&store, ACCOUNT).await;
        assert_eq!((loaded.head, loaded.commits.len()), (head, 14));
        assert!(!loaded.damaged);
        store.close().await;
    }
}

impl Simulated {
    /// The same machine and index, without a rebuild.
    fn again(&self) -> Self {
        Self {
            machine: self.machine.clone(),
            index: self.index.clone(),
            options: Options {
                rebuild_index: false,
                ..self.options.clone()
            },
        }
    }
}

#[tokio::test]
async fn the_marker_knows_of_a_lost_end_where_the_index_does_not() {
    let engine = Simulated::new(Options::small());
    let (name, octets, end) = with_an_end(&engine).await;
    engine.machine.plant(&name, &octets[..end]);
    let fresh = Simulated {
        index: OrderedIndex::new(),
        ..engine.again()
    };
    assert!(refused(&fresh).contains("missing"));
    // One copy of it is enough.
    engine.machine.flip(MARKER, 20, 1);
    assert!(refused(&fresh).contains("missing"));
    let store = rebuilding(&engine, OrderedIndex::new()).start().unwrap();
    goes_on(&store, 10).await;
    drop(store);

    // Neither the index nor a reserve: the marker alone knows of the journal.
    engine.machine.plant(&name, &[]);
    for name in journals(&engine.machine) {
        engine.machine.plant(&name, &[]);
    }
    let fresh = Simulated {
        index: OrderedIndex::new(),
        ..engine.again()
    };
    assert!(refused(&fresh).contains("journal has gone"));
}

/// The last group has nothing after it that proves it, but the marker or the index
/// knows it: where it cannot be read it is damaged, not a commit that never was.
#[tokio::test]
async fn what_was_known_to_be_durable_is_never_torn() {
    for by_marker in [true, false] {
        let engine = Simulated::new(Options {
            persist_millis: 0,
            ..Options::small()
        });
        let store = engine.start().unwrap();
        for number in 1..=3 {
            let mut commit = commit(number, &[], &[]);
            commit.payload = noise(number, 2_000).into();
            add(&store, ACCOUNT, commit).await.unwrap();
        }
        store.step(6_000);
        engine.machine.kill();
        drop(store);
        let name = journals(&engine.machine)[0].clone();
        let octets = engine.machine.file(&name).unwrap();
        // Not in the sector of the group's header: that would tell.
        let payload = noise(3, 2_000);
        let mut windows = octets.windows(payload.len());
        let at = windows.position(|window| window == payload).unwrap() + 1_500;
        engine.machine.make_unreadable(&name, at..at + 8);
        let index = if by_marker {
            OrderedIndex::new()
        } else {
            for slot in [20, 4_096 + 20] {
                engine.machine.flip(MARKER, slot, 1);
            }
            engine.index.survivor(usize::MAX)
        };
        let again = Simulated {
            index,
            ..engine.again()
        };
        let store = again.start().unwrap();
        assert_eq!(store.head(ACCOUNT).await.unwrap(), ModSeq(3));
        assert_eq!(store.went_on(), None);
        store.close().await;
        drop(store);
        // Nor later, when only the journal tells.
        let fresh = Simulated {
            index: OrderedIndex::new(),
            ..engine.again()
        };
        let loaded = all_of(&fresh.start().unwrap(), ACCOUNT).await;
        assert!(loaded.damaged, "known by the marker: {by_marker}");
        assert_eq!(loaded.commits.len(), 2);
    }
}

#[tokio::test]
async fn going_on_survives_a_death_at_every_call() {
    for fault in [Fault::DeathBefore, Fault::DeathAfter] {
        for at in 0.. {
            let engine = Simulated::new(Options::small());
            let (name, octets, end) = with_an_end(&engine).await;
            engine.machine.plant(&name, &octets[..end]);
            let disk = engine.machine.process();
            engine.machine.fault_at(at, fault);
            let anew = rebuilding(&engine, engine.index.clone());
            let index = Arc::new(engine.index.clone());
            let opened = DiskStore::open(anew.options.clone(), disk, index);
            let died = engine.machine.is_dead();
            drop(opened);
            let unsynced = match at % 3 {
                0 => Unsynced::Lost,
                1 => Unsynced::Kept,
                _ => Unsynced::Any(at as u64),
            };
            engine.machine.power_cut(unsynced);
            let index = engine.index.survivor(at % 2 * usize::MAX);
            // Whoever asked once need not ask again, unless nothing was done yet.
            let again = Simulated {
                index,
                ..engine.again()
            };
            let store = match again.start() {
                Ok(store) => store,
                Err(_) => rebuilding(&again, again.index.clone()).start().unwrap(),
            };
            let loaded = all_of(&store, ACCOUNT).await;
            let there = loaded.commits.len() as u64;
            assert!([10, 13].contains(&there), "{fault:?} at {at}: {there}");
            goes_on(&store, there).await;
            epoch(&store, ACCOUNT).await;
            store.close().await;
            if !died {
                assert!(at > 10, "{at}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_index_built_over_a_gap_shows_nobody_less_as_if_it_were_all() {
    let engine = Simulated::new(Options::small());
    let store = engine.start().unwrap();
    for number in 1..=20 {
        let blob = put(&store, u128::from(number), &noise(number, 9_000)).await;
        add(&store, ACCOUNT, commit(number, &[blob], &[]))
            .await
            .unwrap();
    }
    for number in 1..=3 {
        add(&store, AccountId(8), commit(number, &[], &[]))
            .await
            .unwrap();
    }
    store.close().await;
    drop(store);
    let all = journals(&engine.machine);
    assert!(all.len() > 3);
    engine.machine.plant(&all[1], &[]);

    // The index knows them all: who has lost something stops, nobody else.
    let store = engine.start().unwrap();
    assert_eq!(store.head(ACCOUNT).await.unwrap(), ModSeq(20));
    assert_eq!(all_of(&store, AccountId(8)).await.head, ModSeq(3));
    assert_eq!(store.went_on(), None);
    let verified = store.verify(&|_| {}).await.unwrap();
    assert!(!verified.damaged_blobs.is_empty());
    store.close().await;
    drop(store);

    // Nobody knows: who has a hole stops, and every number jumps.
    let fresh = Simulated {
        index: OrderedIndex::new(),
        ..engine.again()
    };
    let store = fresh.start().unwrap();
    assert!(all_of(&store, ACCOUNT).await.damaged);
    assert_eq!(store.went_on().unwrap().accounts, 2);
    let other = all_of(&store, AccountId(8)).await;
    assert_eq!((other.damaged, other.commits.len()), (false, 3));
    assert_eq!(other.head, ModSeq(4));
    // What lies there may be bound by what is lost: it stays.
    add_after_repair(&store).await;
    assert_eq!(store.clean().unwrap(), 0);
    let blob = BlobId(1);
    assert_eq!(whole(&store, blob).await.unwrap(), noise(1, 9_000));
}

async fn add_after_repair(store: &DiskStore) {
    let head = store.repair(ACCOUNT).await.unwrap();
    assert_eq!(head, ModSeq(21));
    epoch(store, ACCOUNT).await;
    assert!(!all_of(store, ACCOUNT).await.damaged);
}
